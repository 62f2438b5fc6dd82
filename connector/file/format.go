package file

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The kinds of files.
const (
	kindCSV   = "csv"
	kindFixed = "fixed"
	kindJSON  = "ndjson"
)

// Limits of one row.
const (
	rowBytesMax = 1 << 20
	rowLinesMax = 1000
	cellsMax    = 2000
)

// format is how rows are written.
type format struct {
	kind      string
	delimiter byte
	quote     byte // 0: nothing is quoted
	charset   charset
	header    bool
	decimal   byte
	thousands byte // 0: none
	date      layout
	time      layout
	lineEnd   string
	columns   []column // in their order; nil: the header names them
}

// column is a named cell of each row.
type column struct {
	name   string
	from   int // of fixed width: the first character, from 1
	length int
}

// format reads how rows are written: what b leaves out is the spec's own.
func (r *reading) format(b formatBody, at []any) format {
	top := r.body.Format
	pick := func(own, general, otherwise string) string { return orElse(own, orElse(general, otherwise)) }
	f := format{kind: pick(b.Type, top.Type, kindCSV), header: true, quote: '"', lineEnd: "\r\n"}
	wrong := func(key, detail, fix string) { r.Wrong(detail, fix, append(append([]any{}, at...), key)...) }
	switch f.kind {
	case kindCSV, kindJSON:
	case kindFixed:
		f.header = false
	default:
		wrong("type", fmt.Sprintf("there is no type of file %q", f.kind), "choose csv, fixed or ndjson")
	}
	for _, h := range []*bool{top.Header, b.Header} {
		if h != nil && f.kind == kindCSV {
			f.header = *h
		}
	}
	single := func(key, text, named string) byte {
		if text == named {
			text = "\t"
		}
		if len(text) != 1 || text == "\n" || text == "\r" {
			wrong(key, fmt.Sprintf("%q is no single ASCII character", text), `write one, like ";", or tab`)
			return ','
		}
		return text[0]
	}
	f.delimiter = single("delimiter", pick(b.Delimiter, top.Delimiter, ","), "tab")
	for _, q := range []*string{top.Quote, b.Quote} {
		if q != nil && *q == "" {
			f.quote = 0
		} else if q != nil {
			f.quote = single("quote", *q, "")
		}
	}
	f.decimal = single("decimal", pick(b.Decimal, top.Decimal, "."), "")
	if mark := pick(b.Thousands, top.Thousands, ""); mark != "" {
		f.thousands = single("thousands", mark, "")
	}
	if f.thousands == f.decimal || f.delimiter == f.quote {
		wrong("thousands", "one character has two meanings", "choose different ones")
	}
	var ok bool
	name := pick(b.Encoding, top.Encoding, "utf-8")
	if f.charset, ok = charsets[strings.ToLower(name)]; !ok {
		wrong("encoding", fmt.Sprintf("the encoding %q is not known", name), "choose utf-8, latin-1 or windows-1252")
	}
	var err error
	if f.date, err = parseLayout(pick(b.Date, top.Date, "YYYY-MM-DD")); err != nil {
		wrong("date", err.Error(), "write it like DD.MM.YYYY")
	}
	if f.time, err = parseLayout(pick(b.Time, top.Time, "YYYY-MM-DDThh:mm:ssZ")); err != nil {
		wrong("time", err.Error(), "write it like DD.MM.YYYY hh:mm")
	}
	switch end := pick(b.LineEnd, top.LineEnd, "crlf"); end {
	case "crlf":
	case "lf":
		f.lineEnd = "\n"
	default:
		wrong("line_end", fmt.Sprintf("%q is no line end", end), "choose crlf or lf")
	}
	return f
}

// charset turns a system's bytes into text and back.
type charset struct {
	name  string
	table *[128]rune // of the bytes from 0x80; nil: UTF-8
}

// charsets are those that files come in. Latin-1 is Unicode's first 256
// characters; windows-1252 differs from it in what Latin-1 has control
// characters for.
var charsets = map[string]charset{
	"utf-8":        {name: "utf-8"},
	"utf8":         {name: "utf-8"},
	"ascii":        {name: "utf-8"},
	"latin-1":      {name: "latin-1", table: latin(nil)},
	"iso-8859-1":   {name: "latin-1", table: latin(nil)},
	"windows-1252": {name: "windows-1252", table: latin([]rune("€\x00‚ƒ„…†‡ˆ‰Š‹Œ\x00Ž\x00\x00‘’“”•–—˜™š›œ\x00žŸ"))},
}

// latin is Latin-1 with other characters from 0x80 on; 0: the byte stands for
// none.
func latin(from80 []rune) *[128]rune {
	var t [128]rune
	for i := range t {
		t[i] = rune(0x80 + i)
	}
	copy(t[:], from80)
	return &t
}

// decode gives the text of bytes, or says which byte is none.
func (c charset) decode(b []byte) (string, error) {
	plain := true
	for _, v := range b {
		if v >= 0x80 {
			plain = false
			break
		}
	}
	switch {
	case plain:
		return string(b), nil
	case c.table == nil && utf8.Valid(b):
		return string(b), nil
	case c.table == nil:
		return "", fmt.Errorf("%.60q is not UTF-8; set encoding to latin-1 or windows-1252 if that is what the system writes", b)
	}
	out := make([]rune, 0, len(b))
	for _, v := range b {
		r := rune(v)
		if v >= 0x80 {
			if r = c.table[v-0x80]; r == 0 {
				return "", fmt.Errorf("the byte %#x is no character of %s", v, c.name)
			}
		}
		out = append(out, r)
	}
	return string(out), nil
}

// encode gives the bytes of a text, or names the character that has none.
func (c charset) encode(text string) ([]byte, error) {
	if c.table == nil {
		return []byte(text), nil
	}
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r < 0x80 {
			out = append(out, byte(r))
			continue
		}
		found := -1
		for i, have := range c.table {
			if have == r {
				found = i
				break
			}
		}
		if found < 0 {
			return nil, fmt.Errorf("the character %q of %.60q is not in %s", r, text, c.name)
		}
		out = append(out, byte(0x80+found)) //nolint:gosec // below 128
	}
	return out, nil
}
