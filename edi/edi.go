// Package edi holds what the dialects of electronic data interchange share: the
// report of a reading, GS1's numbers and the table of units. The wire formats
// themselves are packages of their own (edi/x12). All of it is pure.
package edi

import "bytes"

// Standard is a family of EDI syntax.
type Standard string

// The standards that a file can be written in.
const (
	X12     Standard = "X12"
	EDIFACT Standard = "EDIFACT"
	Unknown Standard = ""
)

// SniffBytes is how much of a file's beginning [Sniff] wants to see.
const SniffBytes = 4096

// Sniff says by its first bytes which standard a file is written in. A byte
// order mark and white space before the first segment are passed over.
func Sniff(head []byte) Standard {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	head = bytes.TrimLeft(head, " \t\r\n\x1a")
	switch {
	case len(head) > 3 && string(head[:3]) == "ISA" && !alphanumeric(head[3]):
		return X12
	case len(head) > 3 && (string(head[:3]) == "UNA" || isService(head)):
		return EDIFACT
	}
	return Unknown
}

// isService recognises the segments that an EDIFACT file without UNA begins with.
func isService(head []byte) bool {
	switch string(head[:3]) {
	case "UNB", "UNG", "UNH":
		return !alphanumeric(head[3])
	}
	return false
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}
