// Package auth says who calls the control API and what they may do: API keys
// with a name, and the four roles.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/waybillhq/waybill/internal/secret"
)

// Role is what a caller may do. Each includes those before it.
type Role uint8

// The roles, from least to most. The zero value may do nothing.
const (
	Nobody     Role = iota
	Viewer          // reads
	Operator        // and acts on orders, deliveries and exceptions
	Integrator      // and acts on systems, replays and reconciliations
	Admin           // and all else
)

var roleNames = [...]string{Nobody: "nobody", Viewer: "viewer", Operator: "operator", Integrator: "integrator", Admin: "admin"}

// Roles lists the names of the roles that a key can have, from least to most.
func Roles() []string { return roleNames[Viewer:] }

// ParseRole reads a role's name.
func ParseRole(name string) (Role, error) {
	for r := Viewer; r <= Admin; r++ {
		if roleNames[r] == name {
			return r, nil
		}
	}
	return Nobody, fmt.Errorf("%q is no role; there are %s", name, strings.Join(Roles(), ", "))
}

// String is the role's name.
func (r Role) String() string {
	if r > Admin {
		return roleNames[Nobody]
	}
	return roleNames[r]
}

// MarshalText is String.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Allows reports whether a caller with role r may do what needs role need.
func (r Role) Allows(need Role) bool { return r >= need && need != Nobody && r <= Admin }

// Key is an API key of the configuration.
type Key struct {
	Name string // of its owner, as the audit shows it
	Role Role
	Key  secret.Secret
	// Customers are those whose orders the key may see and place; none: all.
	Customers []string
}

// Actor is who calls.
type Actor struct {
	Name  string
	Role  Role
	Scope *Scope // nil: all customers
}

// keyBytesMax bounds what is hashed for a caller that nobody knows yet.
const keyBytesMax = 4 << 10

// Keys knows API keys, by their hashes alone.
type Keys struct {
	known []known
}

type known struct {
	hash  [sha256.Size]byte
	actor Actor
}

// NewKeys knows the given keys. Empty ones are left out: they identify nobody.
func NewKeys(keys []Key) *Keys {
	k := &Keys{}
	for _, key := range keys {
		if key.Key.IsZero() {
			continue
		}
		k.known = append(k.known, known{sha256.Sum256([]byte(key.Key.Reveal())), Actor{key.Name, key.Role, NewScope(key.Customers)}})
	}
	return k
}

// Identify reads an Authorization header, "Bearer <key>". False for another
// scheme, an unknown key or none, without a difference in between.
func (k *Keys) Identify(header string) (Actor, bool) {
	scheme, key, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return Actor{}, false
	}
	return k.find(strings.TrimSpace(key))
}

// ByKey finds the owner of a bare key, as a login form has it. The pages show
// all customers' orders, so a key of some customers is known to nobody there.
func (k *Keys) ByKey(key string) (Actor, bool) {
	actor, ok := k.find(key)
	if !ok || actor.Scope != nil {
		return Actor{}, false
	}
	return actor, true
}

// find compares hashes in constant time and looks at all keys, so that the
// time says nothing of how close a guess is.
func (k *Keys) find(key string) (Actor, bool) {
	if key == "" || len(key) > keyBytesMax {
		return Actor{}, false
	}
	hash, found := sha256.Sum256([]byte(key)), -1
	for i := range k.known {
		if subtle.ConstantTimeCompare(hash[:], k.known[i].hash[:]) == 1 {
			found = i
		}
	}
	if found < 0 {
		return Actor{}, false
	}
	return k.known[found].actor, true
}
