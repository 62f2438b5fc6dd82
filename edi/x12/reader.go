package x12

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// Reader reads segments one after the other, in memory bounded by
// [SegmentBytesMax], across interchanges with different delimiters.
//
// What real files do is read: a byte order mark, blank lines and indentation,
// lines wrapped in the middle of a segment, a terminator that is a line break,
// none after the last segment, a control-Z at the end. Everything else that is
// no X12 ends the reading with a [*SyntaxError].
type Reader struct {
	in     io.Reader
	buf    []byte // read and not consumed yet: buf[start:]
	start  int
	base   int64 // offset of buf[0] in the file
	eof    bool
	broken bool // line breaks were seen: segments may be wrapped
	delims Delimiters
	inside bool // between ISA and IEA
	flat   []byte
	pos    Position
	count  int // segments since the ISA
	stuck  error
	isa    header
}

// raw is a segment as it lies in the reader's buffer.
type raw struct {
	data   []byte // without terminator; valid until the next call
	offset int64
	cut    bool // the file or the interchange ended without a terminator
	isa    bool // it begins an interchange; the reader has its header
}

// NewReader reads from in.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: in, buf: make([]byte, 0, 64<<10)}
}

// Delimiters are those of the interchange that the last segment belongs to.
func (r *Reader) Delimiters() Delimiters { return r.delims }

// Position is that of the last segment.
func (r *Reader) Position() Position { return r.pos }

// Next returns the next segment, ISA to IEA, or io.EOF after the last one. A
// [*SyntaxError] is final.
func (r *Reader) Next() (Segment, error) {
	x, err := r.next()
	if err != nil {
		return Segment{}, err
	}
	s := Segment{text: string(x.data), offset: x.offset}
	s.ends = split(make([]int32, 0, 8), x.data, r.delims.Element)
	if x.cut && s.ID() != "IEA" {
		r.stuck = r.fail("023", "the file ends inside a segment")
	}
	return s, nil
}

// split appends where each element of data ends.
func split(ends []int32, data []byte, sep byte) []int32 {
	for i, c := range data { // elements are short: quicker than a search for each
		if c == sep {
			ends = append(ends, int32(i)) //nolint:gosec // bounded by SegmentBytesMax
		}
	}
	return append(ends, int32(len(data))) //nolint:gosec // bounded by SegmentBytesMax
}

func (r *Reader) next() (raw, error) {
	if r.stuck != nil {
		return raw{}, r.stuck
	}
	for {
		x, err := r.token()
		if err != nil {
			r.stuck = err
			return raw{}, err
		}
		if len(x.data) > 0 {
			r.place(x)
			return x, nil
		}
	}
}

// place keeps count of where the reader is.
func (r *Reader) place(x raw) {
	r.count++
	r.pos.Segment++
	r.pos.Offset = x.offset
	if len(x.data) < 2 {
		return
	}
	switch id := x.data[:min(3, len(x.data))]; {
	case x.isa:
		r.pos = Position{Interchange: r.pos.Interchange + 1, Segment: 1, Offset: x.offset}
		r.count = 1
	case string(id) == "IEA" && (len(x.data) == 3 || x.data[3] == r.delims.Element):
		r.inside = false
	case len(id) == 3 && id[2] == r.delims.Element:
		switch string(id[:2]) {
		case "GS":
			r.pos.Group, r.pos.Message, r.pos.Segment = r.pos.Group+1, 0, r.count
		case "ST":
			r.pos.Message, r.pos.Segment = r.pos.Message+1, 1
		}
	}
}

func (r *Reader) fail(code, reason string) *SyntaxError {
	p := r.pos
	p.Offset = r.base + int64(r.start)
	return &SyntaxError{Position: p, Code: code, Reason: reason}
}

// token takes the next segment out of the buffer; it may be empty.
func (r *Reader) token() (raw, error) {
	if err := r.skipFiller(); err != nil {
		return raw{}, err
	}
	if r.startsISA() {
		return r.header()
	}
	if !r.inside {
		return raw{}, r.junk()
	}
	scanned := 0
	for {
		data := r.buf[r.start:]
		var n int
		if len(r.delims.Segment) == 1 {
			n = bytes.IndexByte(data[scanned:], r.delims.Segment[0])
		} else {
			n = bytes.Index(data[scanned:], []byte(r.delims.Segment))
		}
		if n >= 0 {
			end, enough := r.binaryEnd(data, scanned+n)
			if enough {
				return r.take(end, len(r.delims.Segment), false), nil
			}
		} else if r.eof {
			return r.take(len(data), 0, true), nil
		}
		if len(data) > SegmentBytesMax {
			return raw{}, r.fail("022", "no segment terminator within the 4 MiB that a segment may have")
		}
		if n < 0 {
			scanned = max(0, len(data)-len(r.delims.Segment)+1)
		}
		if err := r.fill(); err != nil {
			return raw{}, err
		}
	}
}

// binaryEnd is where the segment ends that data begins with and whose first
// terminator is at end. BIN and BDS say how long their binary data is, and
// terminators inside it are data; where no terminator follows what they say,
// they are read like any other segment. enough is false where more has to be
// read to know.
func (r *Reader) binaryEnd(data []byte, end int) (at int, enough bool) {
	from, stated, ok := r.binary(data[:end])
	at = from + stated
	switch {
	case !ok || at <= end || at > SegmentBytesMax:
		return end, true
	case len(data) < at+len(r.delims.Segment):
		return end, r.eof
	case bytes.HasPrefix(data[at:], []byte(r.delims.Segment)):
		return at, true
	}
	return end, true
}

// binary is where the binary data of a BIN or BDS begins, and how many bytes it
// says that it has.
func (r *Reader) binary(data []byte) (from, stated int, ok bool) {
	if len(data) < 5 || data[0] != 'B' || data[3] != r.delims.Element {
		return 0, 0, false
	}
	at := 0 // the element with the length
	switch string(data[:3]) {
	case "BIN":
		at = 1
	case "BDS":
		at = 2
	default:
		return 0, 0, false
	}
	fields := bytes.SplitN(data, []byte{r.delims.Element}, at+2)
	if len(fields) < at+2 {
		return 0, 0, false
	}
	stated, ok = number(string(fields[at]))
	return len(data) - len(fields[at+1]), stated, ok
}

// take consumes n bytes and the terminator after them.
func (r *Reader) take(n, terminator int, cut bool) raw {
	data := r.buf[r.start : r.start+n]
	x := raw{data: data, offset: r.base + int64(r.start), cut: cut}
	r.start += n + terminator
	if r.broken && (bytes.IndexByte(data, '\n') >= 0 || bytes.IndexByte(data, '\r') >= 0) {
		if _, _, binary := r.binary(data); !binary {
			x = r.unwrap(x, terminator)
		}
	}
	if cut {
		x.data = bytes.TrimRight(x.data, " \t\x1a\x00")
		x.cut = len(x.data) > 0
	}
	return x
}

// unwrap takes line breaks out of a segment. A line that begins with ISA is
// where the segment was cut off and another interchange begins.
func (r *Reader) unwrap(x raw, terminator int) raw {
	r.flat = r.flat[:0]
	for i, c := range x.data {
		if c == '\r' || c == '\n' {
			continue
		}
		if i > 0 && x.data[i-1] == '\n' && isISA(x.data[i:]) {
			r.start -= len(x.data) - i + terminator
			x.cut = true
			break
		}
		r.flat = append(r.flat, c)
	}
	x.data = r.flat
	return x
}

func isISA(data []byte) bool {
	return len(data) > 3 && string(data[:3]) == "ISA" && !badDelimiter(data[3])
}

// startsISA reports whether an interchange begins here; it wants four bytes.
func (r *Reader) startsISA() bool {
	data := r.buf[r.start:]
	return isISA(data) && (!r.inside || data[3] != r.delims.Segment[0]) // a segment of that name and nothing else begins none
}

// header reads an ISA, whatever came before it.
func (r *Reader) header() (raw, error) {
	for {
		data := r.buf[r.start:]
		h, more, ok := parseISA(data, r.eof)
		if more {
			if err := r.fill(); err != nil {
				return raw{}, err
			}
			continue
		}
		if !ok {
			return raw{}, r.fail("", "the ISA has no sixteen elements, so that its delimiters are unknown: the file can't be read")
		}
		x := raw{offset: r.base + int64(r.start), isa: true}
		r.start += h.length
		r.isa, r.delims, r.inside = h, h.delims, true
		r.flat = r.flat[:0]
		for i, f := range h.fields {
			if i > 0 {
				r.flat = append(r.flat, h.delims.Element)
			}
			r.flat = append(r.flat, f...)
		}
		x.data = r.flat
		if err := h.delims.Check(); err != nil {
			r.place(x)
			r.stuck = r.fail(delimiterCode(h.delims), "the ISA names delimiters that can't be: "+err.Error())
			return x, nil // the next call fails
		}
		return x, nil
	}
}

// delimiterCode is the TA105 for the delimiter that can't be one.
func delimiterCode(d Delimiters) string {
	switch {
	case badDelimiter(d.Segment[0]):
		return "004"
	case badDelimiter(d.Component) || d.Component == d.Element || d.Segment[0] == d.Component:
		return "027"
	}
	return "026"
}

// skipFiller passes over what may stand between segments: white space that is
// no delimiter, and before an interchange also a byte order mark and control-Z.
func (r *Reader) skipFiller() error {
	for {
		for r.start < len(r.buf) && r.filler(r.buf[r.start]) {
			r.start++
		}
		rest := r.buf[r.start:]
		if !r.inside && len(rest) >= 3 && string(rest[:3]) == "\xef\xbb\xbf" {
			r.start += 3
			continue
		}
		if !r.inside && r.pos.Interchange > 0 && bytes.HasPrefix(rest, []byte(r.delims.Segment)) {
			r.start += len(r.delims.Segment) // an empty segment after the end
			continue
		}
		if len(rest) >= 4 {
			return nil
		}
		if r.eof {
			if len(rest) == 0 {
				return io.EOF
			}
			return nil
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
}

func (r *Reader) filler(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n':
		return true // before a segment's name a terminator ends an empty segment
	case 0x1a, 0:
		return !r.inside // the end of a file in old systems, and what fills its last block
	}
	return false
}

func (r *Reader) junk() error {
	text := r.buf[r.start:min(len(r.buf), r.start+24)]
	if r.pos.Interchange == 0 {
		return r.fail("", "the file does not begin with ISA but with "+quote(text)+": "+foreign(text))
	}
	return r.fail("022", "after the end of an interchange, "+quote(text)+" is neither another one nor the end of the file")
}

// foreign says what a file is that does not begin with ISA, and what to do.
func foreign(text []byte) string {
	starts := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return bytes.HasPrefix(text, []byte(p)) })
	}
	switch {
	case starts("\xff\xfe", "\xfe\xff", "I\x00S\x00", "\x00I\x00S"):
		return "it is UTF-16; have it sent with one byte for a character"
	case starts("\xc9\xe2\xc1"):
		return "it is EBCDIC; have it translated to ASCII on its way"
	case starts("\x1f\x8b", "PK\x03\x04", "BZh", "\x1f\x9d"):
		return "it is compressed; have it unpacked on its way"
	case starts("STX="):
		return "it is TRADACOMS, which is not supported"
	case starts("<"):
		return "it is HTML or XML, perhaps the error page of a server, and no X12"
	case starts("isa", "Isa"):
		return "the names of its segments are in small letters, which no X12 has"
	case starts("GS", "ST") && len(text) > 2 && !badDelimiter(text[2]):
		return "the ISA is missing, so that its sender is unknown; have it sent again, whole"
	case starts("UNA", "UNB", "UNG", "UNH"):
		return "it is EDIFACT, which is not supported yet"
	case starts("ISA"):
		return "what follows ISA is no separator"
	}
	return "it is no X12"
}

func quote(b []byte) string {
	out := make([]byte, 0, len(b)+2)
	out = append(out, '"')
	for _, c := range b {
		if c < ' ' || c > '~' {
			c = '.'
		}
		out = append(out, c)
	}
	return string(append(out, '"'))
}

// fill reads more, after moving what is left to the front.
func (r *Reader) fill() error {
	if r.start > 0 {
		r.base += int64(r.start)
		r.buf = r.buf[:copy(r.buf, r.buf[r.start:])]
		r.start = 0
	}
	if len(r.buf) == cap(r.buf) {
		grown := make([]byte, len(r.buf), 2*cap(r.buf))
		copy(grown, r.buf)
		r.buf = grown
	}
	for range 100 { // as io.Reader may return nothing for a while
		n, err := r.in.Read(r.buf[len(r.buf):cap(r.buf)])
		fresh := r.buf[len(r.buf) : len(r.buf)+n]
		r.broken = r.broken || bytes.IndexByte(fresh, '\n') >= 0 || bytes.IndexByte(fresh, '\r') >= 0
		r.buf = r.buf[:len(r.buf)+n]
		if errors.Is(err, io.EOF) {
			r.eof = true
			return nil
		}
		if err != nil || n > 0 {
			return err
		}
	}
	return io.ErrNoProgress
}
