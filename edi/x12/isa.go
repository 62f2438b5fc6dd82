package x12

import (
	"bytes"
	"unicode/utf8"
)

// isaBytes is the length of an ISA segment with its terminator, by the
// standard: every element has a fixed width.
const isaBytes = 106

// isaLooseMax is how far an ISA that is not of that length is looked for.
const isaLooseMax = 1024

// isaWidths are the widths of ISA01 to ISA16.
var isaWidths = [16]int{2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1}

// header is an ISA segment as found.
type header struct {
	fields [17]string // "ISA" and its sixteen elements
	delims Delimiters
	length int // bytes in the file, terminator included
}

// parseISA reads the ISA segment that data begins with. It accepts one that
// was wrapped at a line's end or not filled with blanks: the delimiters are
// where the sixteenth element ends. more asks for more bytes. ok is false where
// there is no sixteenth element.
func parseISA(data []byte, eof bool) (h header, more, ok bool) {
	if len(data) < isaBytes+4 && !eof {
		return h, true, false
	}
	if len(data) >= isaBytes && fixedISA(data) {
		return finishISA(data, data[:isaBytes-1], isaBytes-1)
	}
	if len(data) < isaLooseMax && !eof {
		return h, true, false
	}
	flat := make([]byte, 0, isaBytes)
	separators := 0
	for i, c := range data[:min(len(data), isaLooseMax)] {
		if c == '\r' || c == '\n' {
			continue
		}
		flat = append(flat, c)
		switch {
		case separators == 16:
			return finishISA(data, flat, i+1)
		case c == data[3]:
			separators++
		}
	}
	return h, false, false
}

// fixedISA reports whether the separators are where the widths put them.
func fixedISA(data []byte) bool {
	at := 3
	for _, w := range isaWidths {
		if data[at] != data[3] {
			return false
		}
		at += w + 1
	}
	return bytes.IndexByte(data[:isaBytes-1], '\n') < 0 && bytes.Count(data[:isaBytes-2], data[3:4]) == 16
}

// finishISA takes the fields of flat, an ISA up to its last element, and the
// terminator that follows at data[end].
func finishISA(data, flat []byte, end int) (h header, more, ok bool) {
	fields := bytes.SplitN(flat, data[3:4], 17)
	if len(fields) != 17 || end >= len(data) {
		return h, false, false
	}
	for i, f := range fields {
		if len(f) > 35 { // no ISA of any partner: a separator is missing and another segment was taken in
			return h, false, false
		}
		h.fields[i] = string(f)
	}
	if len(h.fields[15]) > 2 {
		return h, false, false
	}
	term := data[end : end+1]
	if term[0] >= utf8.RuneSelf { // a terminator such as 0x85 that was re-encoded as UTF-8
		if r, n := utf8.DecodeRune(data[end:]); r != utf8.RuneError {
			term = data[end : end+n]
		}
	}
	h.length = end + len(term)
	h.delims = Delimiters{Element: data[3], Component: flat[len(flat)-1], Segment: string(term)}
	if h.fields[12] >= repetitionSince && len(h.fields[11]) == 1 && !badDelimiter(h.fields[11][0]) {
		h.delims.Repetition = h.fields[11][0]
	}
	return h, false, true
}
