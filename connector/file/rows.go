package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill/connector"
)

// row is one record of a file.
type row struct {
	start int    // the line of the file on which raw begins, from 1: blank lines before the row are part of it
	line  int    // the line on which the row itself begins
	raw   []byte // as it is in the file, with its line end
	cells []string
	json  map[string]jsontext.Value // of ndjson, in the place of cells
}

// table reads the rows of a file one after the other; it holds one at a time.
type table struct {
	f      *format
	in     *bufio.Reader
	line   int // of what is read next
	head   []byte
	places map[string]int // column → index of its cell
}

// wrongf is a fault at a line of the file.
func wrongf(line int, column, format string, args ...any) *connector.Untranslatable {
	at := fmt.Sprintf("line %d", line)
	if column != "" {
		at += ", column " + column
	}
	return &connector.Untranslatable{Field: at, Reason: fmt.Sprintf(format, args...)}
}

// openTable reads the header, where there is one. first is the number of the
// first line.
func openTable(f *format, in io.Reader, first int) (*table, error) {
	t := &table{f: f, in: bufio.NewReaderSize(in, 64<<10), line: first, places: map[string]int{}}
	if err := t.mark(); err != nil {
		return nil, err
	}
	for i, c := range f.columns {
		t.places[c.name] = i
	}
	if !f.header || f.kind != kindCSV {
		return t, nil
	}
	r, err := t.next()
	if errors.Is(err, io.EOF) {
		return nil, wrongf(first, "", "the file is empty, and its first line should name the columns")
	}
	if err != nil {
		return nil, err
	}
	t.head = append(t.head, r.raw...)
	for i, name := range r.cells {
		name = strings.TrimSpace(name)
		if _, twice := t.places[name]; twice && name != "" {
			return nil, wrongf(r.line, name, "the header names it twice")
		}
		t.places[name] = i
	}
	return t, nil
}

// mark passes over a byte order mark and refuses those of other encodings.
func (t *table) mark() error {
	b, _ := t.in.Peek(3)
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		t.head = append(t.head, b...)
		_, err := t.in.Discard(3)
		return err
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return wrongf(t.line, "", "the file is UTF-16; have it written as UTF-8")
	}
	return nil
}

// next reads a row; io.EOF after the last.
func (t *table) next() (*row, error) {
	r := &row{start: t.line, line: t.line}
	for {
		begin := len(r.raw)
		n, err := t.record(r)
		if err != nil {
			return nil, err
		}
		t.line += n
		if len(bytes.TrimSpace(r.raw[begin:])) == 0 {
			r.line, r.cells = t.line, nil // a blank line says nothing
			continue
		}
		if t.f.kind == kindJSON {
			return r, t.object(r, begin)
		}
		if t.f.kind == kindFixed {
			return r, t.slices(r, begin)
		}
		return r, nil
	}
}

// record reads one record, a line unless quotes hold line ends together, and
// counts its lines.
func (t *table) record(r *row) (lines int, err error) {
	begin := len(r.raw)
	for {
		lineStart := len(r.raw)
		for {
			chunk, err := t.in.ReadSlice('\n')
			r.raw = append(r.raw, chunk...)
			if len(r.raw)-begin > rowBytesMax {
				return 0, wrongf(r.line, "", "the row is longer than %d bytes; is a quote never closed, or the delimiter another?", rowBytesMax)
			}
			if err == nil || errors.Is(err, io.EOF) && len(r.raw) > lineStart {
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				if errors.Is(err, io.EOF) && len(r.raw) > begin {
					return 0, wrongf(r.line, "", "the file ends within quotes")
				}
				return 0, err
			}
		}
		if lines++; lines > rowLinesMax {
			return 0, wrongf(r.line, "", "the row has more than %d lines; is a quote never closed?", rowLinesMax)
		}
		if t.f.kind != kindCSV {
			return lines, nil
		}
		if lines > 1 && bytes.IndexByte(r.raw[lineStart:], t.f.quote) < 0 {
			continue // nothing in it closes the quote
		}
		open, err := t.cells(r, r.raw[begin:])
		if err != nil || !open {
			return lines, err
		}
	}
}

// cells splits a record of CSV. open: a quote is not closed yet, so the
// record goes on in the next line.
func (t *table) cells(r *row, raw []byte) (open bool, err error) {
	r.cells = r.cells[:0]
	text := bytes.TrimSuffix(bytes.TrimSuffix(raw, []byte("\n")), []byte("\r"))
	for i := 0; ; {
		var cell []byte
		if t.f.quote != 0 && i < len(text) && text[i] == t.f.quote {
			i++
			closed := false
			for i < len(text) && !closed {
				switch {
				case text[i] != t.f.quote:
					cell = append(cell, text[i])
				case i+1 < len(text) && text[i+1] == t.f.quote:
					cell = append(cell, t.f.quote)
					i++
				default:
					closed = true
				}
				i++
			}
			if !closed {
				return true, nil
			}
			if i < len(text) && text[i] != t.f.delimiter {
				return false, wrongf(r.line, "", "cell %d: %q follows its closing quote; double a quote that is part of the text", len(r.cells)+1, clip(text[i:]))
			}
		} else {
			end := bytes.IndexByte(text[i:], t.f.delimiter)
			if end < 0 {
				end = len(text) - i
			}
			cell = text[i : i+end]
			i += end
		}
		s, err := t.f.charset.decode(cell)
		if err != nil {
			return false, wrongf(r.line, "", "cell %d: %v", len(r.cells)+1, err)
		}
		if r.cells = append(r.cells, s); len(r.cells) > cellsMax {
			return false, wrongf(r.line, "", "the row has more than %d cells", cellsMax)
		}
		if i >= len(text) {
			return false, nil
		}
		i++ // the delimiter
	}
}

func clip(b []byte) string {
	if len(b) > 40 {
		return strings.ToValidUTF8(string(b[:40]), "") + "…"
	}
	return string(b)
}

// slices cuts a row of fixed width into its columns. What a short row lacks is
// empty.
func (t *table) slices(r *row, begin int) error {
	text, err := t.f.charset.decode(bytes.TrimRight(r.raw[begin:], "\r\n"))
	if err != nil {
		return wrongf(r.line, "", "%v", err)
	}
	chars := []rune(text)
	for _, c := range t.f.columns {
		from, to := min(c.from-1, len(chars)), min(c.from-1+c.length, len(chars))
		r.cells = append(r.cells, strings.TrimSpace(string(chars[from:to])))
	}
	return nil
}

// object reads a row of ndjson.
func (t *table) object(r *row, begin int) error {
	if err := json.Unmarshal(bytes.TrimSpace(r.raw[begin:]), &r.json); err != nil || r.json == nil {
		return wrongf(r.line, "", "the line is no JSON object: %v", err)
	}
	return nil
}

// cell gives the text of a column, "" where the row has none. The error says
// that the file has no such column.
func (t *table) cell(r *row, name string) (string, error) {
	if t.f.kind == kindJSON {
		return jsonCell(r, name)
	}
	i, ok := t.places[name]
	if !ok {
		return "", wrongf(r.line, name, "the file has no such column; has the system renamed it?")
	}
	if i >= len(r.cells) {
		return "", nil
	}
	if !utf8.ValidString(r.cells[i]) {
		return "", wrongf(r.line, name, "it is no text")
	}
	return strings.TrimSpace(r.cells[i]), nil
}

// jsonCell follows a dotted name into an object. Numbers are their own text.
func jsonCell(r *row, name string) (string, error) {
	at := r.json
	steps := strings.Split(name, ".")
	for _, step := range steps[:len(steps)-1] {
		var next map[string]jsontext.Value
		if v, ok := at[step]; !ok || json.Unmarshal(v, &next) != nil {
			return "", nil
		}
		at = next
	}
	v, ok := at[steps[len(steps)-1]]
	if !ok || v.Kind() == 'n' {
		return "", nil
	}
	switch v.Kind() {
	case '"':
		var s string
		err := json.Unmarshal(v, &s)
		return strings.TrimSpace(s), err
	case '{', '[':
		return "", wrongf(r.line, name, "want a single value, got %s", clip(v))
	}
	return string(v), nil
}
