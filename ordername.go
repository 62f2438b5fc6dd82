package waybill

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// OrderName makes a channel's own order number unique in the installation: the
// channel's prefix, then the number with every byte outside [A-Za-z0-9._-]
// (and "~" itself) written ~XX in hexadecimal (system contract G4).
func OrderName(prefix, own string) string {
	plain := true
	for i := 0; i < len(own); i++ {
		if !plainByte(own[i]) {
			plain = false
			break
		}
	}
	if plain {
		return prefix + own
	}
	var b strings.Builder
	b.WriteString(prefix)
	for i := 0; i < len(own); i++ {
		if plainByte(own[i]) {
			b.WriteByte(own[i])
		} else {
			fmt.Fprintf(&b, "~%02X", own[i])
		}
	}
	return b.String()
}

func plainByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '.' || c == '_' || c == '-'
}

// OwnNumber undoes OrderName: the number as the channel with that prefix knows
// it. ok is false where order does not begin with the prefix or holds a broken
// escape.
func OwnNumber(prefix, order string) (own string, ok bool) {
	rest, ok := strings.CutPrefix(order, prefix)
	if !ok {
		return "", false
	}
	if !strings.Contains(rest, "~") {
		return rest, true
	}
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		if rest[i] != '~' {
			b.WriteByte(rest[i])
			continue
		}
		if i+2 >= len(rest) {
			return "", false
		}
		n, err := strconv.ParseUint(rest[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b.WriteByte(byte(n))
		i += 2
	}
	return b.String(), true
}

// IDMax is the longest id that systems exchange (system contract G1).
const IDMax = 128

// ValidID reports whether s can be an id: [A-Za-z0-9._~-]{1,128} (G1).
func ValidID(s string) bool {
	if s == "" || len(s) > IDMax {
		return false
	}
	for i := 0; i < len(s); i++ {
		if !plainByte(s[i]) && s[i] != '~' {
			return false
		}
	}
	return true
}

// Traceparent is the W3C trace context of an order: one trace per order, one
// span per document.
func Traceparent(lane, key string) string {
	trace := sha256.Sum256([]byte("trace\x00" + lane))
	span := sha256.Sum256([]byte("span\x00" + key))
	return "00-" + hex.EncodeToString(trace[:16]) + "-" + hex.EncodeToString(span[:8]) + "-01"
}
