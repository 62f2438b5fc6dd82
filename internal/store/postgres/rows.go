package postgres

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Types of columns, by their letter in a statement's list, with their ids in
// PostgreSQL's catalogue.
const (
	numberType = 'i' // int8
	textType   = 't' // text
	blobType   = 'b' // bytea
)

var typeOID = map[byte]uint32{numberType: 20, textType: 25, blobType: 17}

var typeName = map[byte]string{numberType: "int8", textType: "text", blobType: "bytea"}

// column is an array in PostgreSQL's binary form, in the making.
type column struct {
	buf   []byte
	nulls bool
}

// arrayHead is what precedes an array's elements: dimensions, whether there is
// a NULL, the type of the elements, their number, the first one's index.
const arrayHead = 20

// rows gathers the rows of one bulk statement, column by column: one parameter
// is one array, so a statement costs the same round trip for one row and for a
// thousand.
type rows struct {
	name    string // of the prepared statement, and what it writes
	types   string // letters of the columns
	sql     string
	missing error // what it means that fewer rows were changed; nil: it may be
	cols    []column
	n       int
	at      int // the next column
}

// bulk makes the rows of a statement; $rows in its text stands for them.
func bulk(name, types, text string, missing error) *rows {
	params := make([]string, len(types))
	for i := range types {
		params[i] = fmt.Sprintf("$%d::%s[]", i+1, typeName[types[i]])
	}
	return &rows{name: name, types: types, missing: missing, cols: make([]column, len(types)),
		sql: strings.Replace(text, "$rows", "unnest("+strings.Join(params, ", ")+")", 1)}
}

// add starts a row. Its values follow, one for each column.
func (r *rows) add() *rows {
	r.n++
	r.at = 0
	return r
}

func (r *rows) next() *column {
	c := &r.cols[r.at]
	r.at++
	if len(c.buf) == 0 {
		c.buf = append(c.buf, make([]byte, arrayHead)...)
	}
	return c
}

// num adds a whole number.
func (r *rows) num(v int64) *rows {
	c := r.next()
	c.buf = binary.BigEndian.AppendUint32(c.buf, 8)
	c.buf = binary.BigEndian.AppendUint64(c.buf, uint64(v)) //nolint:gosec // a bit pattern
	return r
}

// null adds no value.
func (r *rows) null() *rows {
	c := r.next()
	c.nulls = true
	c.buf = binary.BigEndian.AppendUint32(c.buf, 0xffffffff)
	return r
}

// text adds a string.
func (r *rows) text(s string) *rows {
	c := r.next()
	s = storable(s)
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(s))) //nolint:gosec // far below 4 GB
	c.buf = append(c.buf, s...)
	return r
}

// blob adds bytes; nil is NULL.
func (r *rows) blob(b []byte) *rows {
	if b == nil {
		return r.null()
	}
	c := r.next()
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(b))) //nolint:gosec // far below 4 GB
	c.buf = append(c.buf, b...)
	return r
}

// moment adds a time; the zero time is NULL.
func (r *rows) moment(t time.Time) *rows {
	if t.IsZero() {
		return r.null()
	}
	return r.num(t.UnixMicro())
}

// params finishes the arrays. They are good until the next reset.
func (r *rows) params() [][]byte {
	out := make([][]byte, len(r.cols))
	for i := range r.cols {
		c := &r.cols[i]
		flags := uint32(0)
		if c.nulls {
			flags = 1
		}
		binary.BigEndian.PutUint32(c.buf[0:], 1)
		binary.BigEndian.PutUint32(c.buf[4:], flags)
		binary.BigEndian.PutUint32(c.buf[8:], typeOID[r.types[i]])
		binary.BigEndian.PutUint32(c.buf[12:], uint32(r.n)) //nolint:gosec // rows of one batch
		binary.BigEndian.PutUint32(c.buf[16:], 1)
		out[i] = c.buf
	}
	return out
}

// columnMax is the memory that a column keeps from one batch to the next.
const columnMax = 4 << 20

// reset drops the rows and keeps their memory.
func (r *rows) reset() {
	r.n, r.at = 0, 0
	for i := range r.cols {
		if cap(r.cols[i].buf) > columnMax {
			r.cols[i].buf = nil
		}
		r.cols[i].buf, r.cols[i].nulls = r.cols[i].buf[:0], false
	}
}

// odd begins a text that PostgreSQL could not store as it is: one that holds
// NUL, is no UTF-8, or begins with this mark itself.
const odd = "\x01base64:"

// storable is a text in the form that any UTF-8 database stores. What a system
// sent stays what it sent, and never makes a batch fail.
func storable(s string) string {
	if strings.IndexByte(s, 0) < 0 && utf8.ValidString(s) && !strings.HasPrefix(s, odd) {
		return s
	}
	return odd + base64.StdEncoding.EncodeToString([]byte(s))
}

// stored is the text that storable wrote.
func stored(s string) string {
	coded, found := strings.CutPrefix(s, odd)
	if !found {
		return s
	}
	b, err := base64.StdEncoding.DecodeString(coded)
	if err != nil {
		return s
	}
	return string(b)
}
