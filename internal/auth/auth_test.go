package auth_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/secret"
)

func TestKeys_Identify(t *testing.T) {
	keys := auth.NewKeys([]auth.Key{
		{Name: "ops", Role: auth.Operator, Key: secret.New("key-of-ops")},
		{Name: "dash", Role: auth.Viewer, Key: secret.New("key-of-dash")},
		{Name: "empty", Role: auth.Admin},
	})
	for header, want := range map[string]auth.Actor{
		"Bearer key-of-ops":    {Name: "ops", Role: auth.Operator},
		"bearer key-of-dash":   {Name: "dash", Role: auth.Viewer},
		"BEARER  key-of-dash ": {Name: "dash", Role: auth.Viewer},
	} {
		if got, ok := keys.Identify(header); !ok || got != want {
			t.Errorf("%q: %v, %v", header, got, ok)
		}
	}
	for _, header := range []string{"", "Bearer", "Bearer ", "key-of-ops", "Basic key-of-ops", "Bearerkey-of-ops", "Bearer key-of-op", "Bearer key-of-opss",
		"Bearer KEY-OF-OPS", "Bearer key-of-ops, Bearer key-of-dash", "Bearer \x00", "Bearer " + strings.Repeat("x", 1<<20)} {
		if got, ok := keys.Identify(header); ok || got != (auth.Actor{}) {
			t.Errorf("%.40q identifies %v", header, got)
		}
	}
	if _, ok := auth.NewKeys(nil).Identify("Bearer x"); ok {
		t.Error("without keys somebody is identified")
	}
	if printed := fmt.Sprintf("%v %+v %#v", keys, keys, keys); strings.Contains(printed, "key-of") {
		t.Error("printing the keys shows one")
	}
}

// TestKeys_OfSomeCustomers: a limited key is known to the API and not to the
// pages, which show everybody's orders.
func TestKeys_OfSomeCustomers(t *testing.T) {
	keys := auth.NewKeys([]auth.Key{
		{Name: "ops", Role: auth.Operator, Key: secret.New("key-of-ops")},
		{Name: "portal", Role: auth.Operator, Key: secret.New("key-of-portal"), Customers: []string{"C1", "C2"}},
	})
	actor, ok := keys.Identify("Bearer key-of-portal")
	if !ok || actor.Name != "portal" {
		t.Fatalf("%v, %v", actor, ok)
	}
	for customer, want := range map[string]bool{"C1": true, "C2": true, "C3": false, "": false, "c1": false} {
		if actor.Scope.Sees(customer) != want {
			t.Errorf("it sees %q: %v", customer, !want)
		}
	}
	if _, ok := keys.ByKey("key-of-portal"); ok {
		t.Error("the pages let it in")
	}
	if ops, ok := keys.ByKey("key-of-ops"); !ok || !ops.Scope.Sees("C3") || !ops.Scope.Sees("") {
		t.Error("a key without customers does not see all, or not on the pages")
	}
}

// TestRole_Allows spells the whole matrix out: each role includes those before.
func TestRole_Allows(t *testing.T) {
	roles := []auth.Role{auth.Nobody, auth.Viewer, auth.Operator, auth.Integrator, auth.Admin, auth.Admin + 1}
	want := []string{ // rows: the caller's role; columns: the role that is needed
		"......",
		".x....",
		".xx...",
		".xxx..",
		".xxxx.",
		"......",
	}
	for i, r := range roles {
		row := ""
		for _, need := range roles {
			if r.Allows(need) {
				row += "x"
			} else {
				row += "."
			}
		}
		if row != want[i] {
			t.Errorf("%v: %s, want %s", r, row, want[i])
		}
	}
}

func TestParseRole(t *testing.T) {
	for i, name := range auth.Roles() {
		r, err := auth.ParseRole(name)
		if err != nil || r.String() != name || r != auth.Role(i+1) {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
	for _, name := range []string{"", "nobody", "Admin", "root"} {
		if r, err := auth.ParseRole(name); err == nil || r != auth.Nobody {
			t.Errorf("%q: %v", name, r)
		}
	}
}
