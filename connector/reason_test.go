package connector

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestUntranslatable_IsShort(t *testing.T) {
	for name, reason := range map[string]string{
		"short": "want a number", "long": strings.Repeat("x", 3<<20), "long in runes": strings.Repeat("é", 3<<20), "no text": strings.Repeat("\x80", 5000),
	} {
		text := (&Untranslatable{Field: "/lines/0/qty", Reason: reason}).Error()
		if !strings.HasPrefix(text, "/lines/0/qty: ") || len(text) > 600 {
			t.Errorf("%s: %d bytes: %.100q", name, len(text), text)
		}
		if len(reason) < 100 && !strings.HasSuffix(text, reason) || utf8.ValidString(reason) && !utf8.ValidString(text) {
			t.Errorf("%s: %.100q", name, text)
		}
	}
}
