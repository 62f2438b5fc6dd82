package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

const (
	contentRows = "text/csv"
	contentJSON = "application/json"
)

// Render writes a document as the rows that it will have in its batch. A
// document that no file takes is written as the system contract has it: it is
// shown, and goes nowhere.
func (s *system) Render(d waybill.Document) (connector.Rendered, error) {
	t := s.byKind[d.Kind]
	if t == nil {
		if !s.without[d.Kind] {
			return connector.Rendered{}, fmt.Errorf("write %s of order %s: the spec says nothing of %s; add it to the kinds of a batch, or to without_file", d.Kind, d.Order, d.Kind)
		}
		b, err := waybill.Marshal(d)
		return connector.Rendered{Body: b, ContentType: contentJSON}, err
	}
	whole, err := waybill.Marshal(d)
	if err != nil {
		return connector.Rendered{}, fmt.Errorf("write %s of order %s: %w", d.Kind, d.Order, err)
	}
	w := rendering{batch: t, whole: whole, document: d}
	lines := []int{-1}
	if t.per == perLine {
		lines = lines[:0]
		for i := range d.Lines {
			lines = append(lines, i)
		}
	}
	var body []byte
	for _, i := range lines {
		if body, err = w.row(body, i); err != nil {
			return connector.Rendered{}, fmt.Errorf("write %s of order %s, line %d: %w", d.Kind, d.Order, i+1, err)
		}
	}
	if len(body) == 0 {
		return connector.Rendered{}, fmt.Errorf("write %s of order %s: it has no lines, and its file has a row per line; write per: document", d.Kind, d.Order)
	}
	return connector.Rendered{Body: body, ContentType: contentRows}, nil
}

// rendering writes one document.
type rendering struct {
	*batch
	whole    jsontext.Value
	document waybill.Document
}

// row appends the row of a line; -1: of the whole document.
func (w *rendering) row(b []byte, line int) ([]byte, error) {
	cells := make([]string, len(w.columns))
	for i := range w.columns {
		c := &w.columns[i]
		v := c.fixed
		if c.field != nil {
			v = w.value(c.field, line)
		}
		if v == "" && c.required {
			return b, fmt.Errorf("column %s is required, and the document has no %s", c.name, strings.Join(c.field, "."))
		}
		text, err := w.format.write(c, v, w.zone)
		if err != nil {
			return b, fmt.Errorf("column %s: %w", c.name, err)
		}
		cells[i] = text
	}
	return w.format.appendRow(b, cells, w.columns)
}

// value follows a path into the document; "line" is the line of the row.
func (w *rendering) value(field []string, line int) string {
	if field[0] != "line" {
		return follow(w.whole, field)
	}
	if line < 0 {
		return ""
	}
	l := &w.document.Lines[line]
	if len(field) == 2 && field[1] == "amount" {
		if l.Price == nil {
			return ""
		}
		return waybill.FormatAmount(waybill.RoundAmount(l.Qty.Mul(l.Price.Amount), w.document.Currency), w.document.Currency)
	}
	return follow(w.whole, slices.Concat([]string{"lines", strconv.Itoa(line)}, field[1:]))
}

// follow gives the text at a path of members and indexes, "" where there is
// none.
func follow(v jsontext.Value, path []string) string {
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	for _, step := range path {
		if !enter(dec, step) {
			return ""
		}
	}
	got, err := dec.ReadValue()
	if err != nil || got.Kind() == 'n' || got.Kind() == '{' || got.Kind() == '[' {
		return ""
	}
	if got.Kind() != '"' {
		return string(got)
	}
	text, err := jsontext.AppendUnquote(nil, got)
	if err != nil {
		return ""
	}
	return string(text)
}

// enter moves a decoder to a member or an item of the value before it.
func enter(dec *jsontext.Decoder, step string) bool {
	open, err := dec.ReadToken()
	if err != nil {
		return false
	}
	n, number := strconv.Atoi(step)
	for i := 0; dec.PeekKind() != '}' && dec.PeekKind() != ']'; i++ {
		here := false
		switch open.Kind() {
		case '{':
			name, err := dec.ReadToken()
			if err != nil {
				return false
			}
			here = name.String() == step
		case '[':
			here = number == nil && i == n
		default:
			return false
		}
		if here {
			return true
		}
		if dec.SkipValue() != nil {
			return false
		}
	}
	return false
}

// write turns a value into a cell's text.
func (f *format) write(c *outColumn, v string, zone *time.Location) (string, error) {
	if v == "" {
		return "", nil
	}
	if c.words != nil {
		word, ok := c.words[v]
		if !ok {
			return "", fmt.Errorf("%.60q is none of the words in map; add it there, with what the system calls it", v)
		}
		v = word
	}
	switch c.as {
	case asDecimal:
		d, err := waybill.ParseDecimal(v)
		if err != nil {
			return "", err
		}
		text := d.String()
		if c.places >= 0 {
			if !d.Round(c.places).Equal(d) {
				return "", fmt.Errorf("%s has more than %d places, and none is dropped silently; raise places", text, c.places)
			}
			text = d.Fixed(c.places)
		}
		if strings.Contains(text, "/") {
			return "", fmt.Errorf("%s has no end as a decimal; write it in another unit", text)
		}
		return strings.Replace(text, ".", string(rune(f.decimal)), 1), nil
	case asDate:
		at, err := time.Parse(time.DateOnly, v)
		if err != nil {
			at, err = time.Parse(time.RFC3339Nano, v)
			at = at.In(zone)
		}
		if err != nil {
			return "", fmt.Errorf("%.60q is no date", v)
		}
		return at.Format(c.layout.form), nil
	case asTime:
		at, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return "", fmt.Errorf("%.60q is no time", v)
		}
		return at.In(zone).Format(c.layout.form), nil
	}
	return v, nil
}

// appendRow appends a row in the format's bytes.
func (f *format) appendRow(b []byte, cells []string, columns []outColumn) ([]byte, error) {
	for i, cell := range cells {
		if f.kind == kindFixed {
			n := utf8.RuneCountInString(cell)
			if i >= len(columns) {
				return b, errors.New("the row has more cells than there are columns")
			}
			if n > columns[i].length {
				return b, fmt.Errorf("column %s: %.60q is longer than %d characters", columns[i].name, cell, columns[i].length)
			}
			pad := strings.Repeat(" ", columns[i].length-n)
			if cell += pad; columns[i].right {
				cell = pad + cell[:len(cell)-len(pad)]
			}
		} else if i > 0 {
			b = append(b, f.delimiter)
		}
		if strings.ContainsAny(cell, "\r\n") && f.kind == kindFixed {
			return b, fmt.Errorf("%.60q holds a line end", cell)
		}
		raw, err := f.charset.encode(cell)
		if err != nil {
			return b, err
		}
		if b, err = f.appendCell(b, raw); err != nil {
			return b, err
		}
	}
	return append(b, f.lineEnd...), nil
}

// appendCell appends a cell of CSV, in quotes where it needs them.
func (f *format) appendCell(b, raw []byte) ([]byte, error) {
	if f.kind == kindFixed {
		return append(b, raw...), nil
	}
	special := bytes.IndexByte(raw, f.delimiter) >= 0 || bytes.ContainsAny(raw, "\r\n") ||
		f.quote != 0 && bytes.IndexByte(raw, f.quote) >= 0 || len(raw) > 0 && (raw[0] == ' ' || raw[len(raw)-1] == ' ')
	if !special {
		return append(b, raw...), nil
	}
	if f.quote == 0 {
		if len(bytes.TrimSpace(raw)) == len(raw) || bytes.IndexByte(raw, f.delimiter) >= 0 || bytes.ContainsAny(raw, "\r\n") {
			return b, fmt.Errorf("%.60q holds the delimiter or a line end, and the format quotes nothing", raw)
		}
		return append(b, raw...), nil
	}
	b = append(b, f.quote)
	b = append(b, bytes.ReplaceAll(raw, []byte{f.quote}, []byte{f.quote, f.quote})...)
	return append(b, f.quote), nil
}

// header is the row that names the columns; nothing where the format has none.
func (t *batch) header() ([]byte, error) {
	if t.format.kind != kindCSV || !t.format.header {
		return nil, nil
	}
	names := make([]string, len(t.columns))
	for i := range t.columns {
		names[i] = t.columns[i].name
	}
	return t.format.appendRow(nil, names, t.columns)
}

// foot is the row of control totals over the rows of a batch.
func (t *batch) foot(seq int64, documents int, rows []byte) ([]byte, error) {
	if len(t.trailer) == 0 {
		return nil, nil
	}
	count, sums, err := t.count(rows)
	if err != nil {
		return nil, err
	}
	cells := make([]string, len(t.trailer))
	for i, cell := range t.trailer {
		cells[i] = trailerMark.ReplaceAllStringFunc(cell, func(mark string) string {
			switch name := mark[1 : len(mark)-1]; name {
			case "rows":
				return strconv.Itoa(count)
			case "documents":
				return strconv.Itoa(documents)
			case "seq":
				return strconv.FormatInt(seq, 10)
			default:
				sum := sums[strings.TrimPrefix(name, "sum:")]
				return strings.Replace(sum.String(), ".", string(rune(t.format.decimal)), 1)
			}
		})
	}
	return t.format.appendRow(nil, cells, t.columns)
}

// count reads rows back as the system will, and sums their decimals.
func (t *batch) count(rows []byte) (n int, sums map[string]waybill.Decimal, err error) {
	plain := t.format
	plain.header = false
	table, err := openTable(&plain, bytes.NewReader(rows), 1)
	if err != nil {
		return 0, nil, err
	}
	sums = map[string]waybill.Decimal{}
	for {
		r, err := table.next()
		if errors.Is(err, io.EOF) {
			return n, sums, nil
		}
		if err != nil {
			return 0, nil, err
		}
		n++
		for i := range t.columns {
			c := &t.columns[i]
			if c.as != asDecimal {
				continue
			}
			text, err := table.cell(r, c.name)
			if err != nil || text == "" {
				continue
			}
			d, err := plain.number(text, 0)
			if err != nil {
				return 0, nil, err
			}
			sums[c.name] = sums[c.name].Add(d)
		}
	}
}
