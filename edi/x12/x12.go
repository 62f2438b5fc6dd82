// Package x12 reads and writes ANSI ASC X12 interchanges.
//
// It has three levels, each usable alone. [Reader] and [Writer] turn bytes into
// segments and back. [Read] walks interchanges, functional groups and
// transaction sets, checks envelopes and, with the schemas of this package,
// structure and elements, and hands over each set with its faults.
// [Acknowledge] writes what is owed for it: TA1, 997 or 999.
//
// Everything is pure and works in bounded memory: a file may be of any size,
// one transaction set may have at most [MessageBytesMax] bytes.
package x12

import (
	"fmt"
	"strings"
)

// Limits of what is read. What is larger is refused with its position.
const (
	SegmentBytesMax  = 4 << 20  // one segment
	MessageBytesMax  = 12 << 20 // one transaction set, ST to SE
	MessageFaultsMax = 200      // faults noted for one transaction set; more add nothing
)

// Delimiters separate the parts of an interchange. They are taken from its ISA
// segment, never from configuration, when reading.
type Delimiters struct {
	Element    byte
	Component  byte
	Repetition byte   // 0: the version has none (before 00402)
	Segment    string // the terminator: one character, more than a byte only where a file was re-encoded
	LineEnd    string // written after each terminator; reading skips it: "", "\n" or "\r\n"
}

// DefaultDelimiters are * > ~ and, from version 00402 on, ^.
func DefaultDelimiters(version string) Delimiters {
	d := Delimiters{Element: '*', Component: '>', Segment: "~"}
	if version >= repetitionSince {
		d.Repetition = '^'
	}
	return d
}

// repetitionSince is the first ISA12 whose ISA11 is the repetition separator;
// before, it names the standard (U).
const repetitionSince = "00402"

// Check says which delimiter can't be one: they are distinct, and none is a
// letter, a digit or a blank.
func (d Delimiters) Check() error {
	switch {
	case badDelimiter(d.Element):
		return fmt.Errorf("element separator %q: a letter, digit or blank can't separate", d.Element)
	case d.Segment == "" || badDelimiter(d.Segment[0]):
		return fmt.Errorf("segment terminator %q: a letter, digit or blank can't terminate", d.Segment)
	case badDelimiter(d.Component):
		return fmt.Errorf("component separator %q: a letter, digit or blank can't separate", d.Component)
	case d.Element == d.Component || strings.IndexByte(d.Segment, d.Element) >= 0 || strings.IndexByte(d.Segment, d.Component) >= 0:
		return fmt.Errorf("delimiters %q, %q and %q are not distinct", d.Element, d.Component, d.Segment)
	case d.Repetition != 0 && (badDelimiter(d.Repetition) || d.Repetition == d.Element || d.Repetition == d.Component ||
		strings.IndexByte(d.Segment, d.Repetition) >= 0):
		return fmt.Errorf("repetition separator %q is a letter, a digit, a blank or another delimiter", d.Repetition)
	}
	return nil
}

func badDelimiter(c byte) bool {
	return c == ' ' || c == 0 || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// Position is a place in a file. Interchange, Group and Message count from 1
// in the file, the interchange and the group; Segment counts from 1 at the ST
// of its set, or at the ISA outside of sets; 0 is "not inside one".
type Position struct {
	Interchange, Group, Message, Segment, Element int
	Offset                                        int64 // of the segment's first byte in the file
}

// String writes the parts that are set: "interchange 1, group 1, message 2,
// segment 22, element 2 (byte 1820)".
func (p Position) String() string {
	var b strings.Builder
	for _, part := range []struct {
		name string
		n    int
	}{{"interchange", p.Interchange}, {"group", p.Group}, {"message", p.Message}, {"segment", p.Segment}, {"element", p.Element}} {
		if part.n > 0 {
			fmt.Fprintf(&b, "%s %d, ", part.name, part.n)
		}
	}
	if b.Len() == 0 {
		return fmt.Sprintf("byte %d", p.Offset)
	}
	return fmt.Sprintf("%s (byte %d)", strings.TrimSuffix(b.String(), ", "), p.Offset)
}

// SyntaxError is why the rest of a file can't be read. Nothing after Position
// is interpreted.
type SyntaxError struct {
	Position Position
	Code     string // of TA105, where an acknowledgment is possible
	Reason   string
}

// Error names reason and place.
func (e *SyntaxError) Error() string { return e.Reason + " at " + e.Position.String() }

// Segment is one segment. Values are valid for ever.
type Segment struct {
	text   string
	ends   []int32 // where each element ends in text; the first is the segment's name
	offset int64
}

// MakeSegment makes a segment of its name and elements.
func MakeSegment(id string, elements ...string) Segment {
	var b strings.Builder
	ends := make([]int32, 0, len(elements)+1)
	b.WriteString(id)
	ends = append(ends, int32(b.Len())) //nolint:gosec // bounded by SegmentBytesMax
	for _, e := range elements {
		b.WriteByte('*')
		b.WriteString(e)
		ends = append(ends, int32(b.Len())) //nolint:gosec // bounded by SegmentBytesMax
	}
	return Segment{text: b.String(), ends: ends}
}

// ID is the segment's name, like PO1.
func (s Segment) ID() string { return s.Element(0) }

// Len is the number of elements after the name, empty ones included.
func (s Segment) Len() int { return len(s.ends) - 1 }

// Offset is where the segment begins in its file.
func (s Segment) Offset() int64 { return s.offset }

// Element is the n-th element from 1, "" where the segment has fewer. 0 is the
// name.
func (s Segment) Element(n int) string {
	if n >= len(s.ends) || n < 0 {
		return ""
	}
	if n == 0 {
		return s.text[:s.ends[0]]
	}
	return s.text[s.ends[n-1]+1 : s.ends[n]]
}

// Elements lists the elements after the name.
func (s Segment) Elements() []string {
	out := make([]string, 0, max(s.Len(), 0))
	for n := 1; n <= s.Len(); n++ {
		out = append(out, s.Element(n))
	}
	return out
}

// Has reports whether the n-th element holds anything but blanks.
func (s Segment) Has(n int) bool {
	e := s.Element(n)
	for i := 0; i < len(e); i++ {
		if e[i] != ' ' {
			return true
		}
	}
	return false
}

// Components splits a composite element; a simple one is its own only component.
func Components(element string, d Delimiters) []string {
	return strings.Split(element, string([]byte{d.Component}))
}
