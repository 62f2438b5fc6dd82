package x12

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Writer writes segments. It counts nothing: [Build] writes whole interchanges
// with their counts. What it writes, [Reader] reads as the same segments.
type Writer struct {
	out    *bufio.Writer
	delims Delimiters
	line   []byte
}

// NewWriter writes with these delimiters, which must pass [Delimiters.Check].
func NewWriter(out io.Writer, d Delimiters) (*Writer, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	if strings.Trim(d.LineEnd, "\r\n") != "" {
		return nil, fmt.Errorf("line end %q: only line breaks may follow a terminator", d.LineEnd)
	}
	return &Writer{out: bufio.NewWriter(out), delims: d}, nil
}

// Write writes a segment without its empty elements at the end. An element that
// holds a separator of elements, the terminator or a line break is refused: X12
// has no escape. Component and repetition separators are the elements' own.
func (w *Writer) Write(s Segment) error {
	n := s.Len()
	isa := s.ID() == "ISA"
	for n > 0 && s.Element(n) == "" && !isa {
		n--
	}
	w.line = append(w.line[:0], s.ID()...)
	for i := 1; i <= n; i++ {
		e := s.Element(i)
		if w.breaks(e) {
			return fmt.Errorf("write %s%02d %q: it holds a delimiter or a line break, and X12 has no escape; replace it in the data or choose other delimiters for the partner",
				s.ID(), i, clip(e))
		}
		w.line = append(append(w.line, w.delims.Element), e...)
	}
	w.line = append(append(w.line, w.delims.Segment...), w.delims.LineEnd...)
	_, err := w.out.Write(w.line)
	return err
}

// breaks reports whether an element would be read back as something else.
func (w *Writer) breaks(e string) bool {
	return strings.IndexByte(e, w.delims.Element) >= 0 || strings.IndexByte(e, '\n') >= 0 || strings.IndexByte(e, '\r') >= 0 ||
		strings.Contains(e, w.delims.Segment)
}

// Flush writes what is buffered.
func (w *Writer) Flush() error { return w.out.Flush() }

func clip(s string) string {
	if len(s) > 40 {
		return cut(s, 40) + "…"
	}
	return s
}
