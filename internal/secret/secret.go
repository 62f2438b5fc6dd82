// Package secret keeps credentials out of logs, errors, pages and dumps: the
// type that holds one and prints "***", the references by which a
// configuration names one without holding it, and the secrets file.
package secret

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// mask stands for a secret wherever one would be written.
const mask = "***"

// Secret is a credential. However it is printed, logged or encoded, alone or
// inside another value, it shows "***", or nothing where it is empty; only
// Reveal gives the text. The zero value is the empty secret.
type Secret struct {
	// A pointer, because fmt calls no methods of values in unexported fields
	// and prints what it finds there: of a pointer it finds the address.
	text *string
}

// New holds text as a secret.
func New(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal is the text itself, for the one place that needs it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal compares two secrets in a time that tells nothing of their content.
func (s Secret) Equal(t Secret) bool {
	a, b := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(t.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String is "***", or "" for the empty secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return mask
}

// GoString is as String, for %#v.
func (s Secret) GoString() string { return `secret.New("` + s.String() + `")` }

// Format writes String whatever the verb: %x and %d would otherwise look
// inside.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, s.GoString())
		return
	}
	_, _ = io.WriteString(f, s.String())
}

// MarshalText is String, for JSON, YAML and every other encoder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
