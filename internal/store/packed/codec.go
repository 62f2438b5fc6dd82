package packed

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// codec writes fields to bytes or reads them back: which of the two is decided
// once, so that one function lists the fields for both. Numbers and times
// take the bytes they need, and a field without a value takes one: rows of
// many fields that are mostly empty bind and store as one small blob.
type codec struct {
	buf     []byte
	reading bool
	err     error
}

var errShort = errors.New("a packed row ends too early")

// number codes a whole number.
func number[T ~int | ~int64](c *codec, v *T) {
	if !c.reading {
		c.buf = binary.AppendVarint(c.buf, int64(*v))
		return
	}
	n, size := binary.Varint(c.buf)
	if size <= 0 {
		c.fail()
		return
	}
	*v, c.buf = T(n), c.buf[size:]
}

// text codes a string with its length.
func text[T ~string](c *codec, v *T) {
	if !c.reading {
		c.buf = binary.AppendUvarint(c.buf, uint64(len(*v)))
		c.buf = append(c.buf, *v...)
		return
	}
	n, size := binary.Uvarint(c.buf)
	if size <= 0 || n > uint64(len(c.buf)-size) {
		c.fail()
		return
	}
	end := size + int(n) //nolint:gosec // at most the length of a slice
	*v, c.buf = T(c.buf[size:end]), c.buf[end:]
}

// flag codes a yes or no.
func (c *codec) flag(v *bool) {
	n := 0
	if *v {
		n = 1
	}
	number(c, &n)
	*v = n != 0
}

// noTime stands for the zero time: the moment just after it is never meant.
const noTime = 0

// moment codes a time in UTC.
func (c *codec) moment(v *time.Time) {
	micro := int64(noTime)
	if !c.reading && !v.IsZero() {
		micro = v.UnixMicro()
		if micro >= 0 {
			micro++ // so that the epoch itself differs from no time
		}
	}
	number(c, &micro)
	switch {
	case !c.reading:
	case micro == noTime:
		*v = time.Time{}
	case micro > 0:
		*v = time.UnixMicro(micro - 1).UTC()
	default:
		*v = time.UnixMicro(micro).UTC()
	}
}

// digest codes a hash; the zero hash is no hash.
func (c *codec) digest(v *[32]byte) {
	there := *v != [32]byte{}
	c.flag(&there)
	switch {
	case !there:
		*v = [32]byte{}
	case !c.reading:
		c.buf = append(c.buf, v[:]...)
	case len(c.buf) < len(v):
		c.fail()
	default:
		c.buf = c.buf[copy(v[:], c.buf):]
	}
}

// code packs fields behind their format byte, in the arena.
func (a *Arena) code(format byte, fields func(*codec)) []byte {
	start := len(a.buf)
	c := codec{buf: append(a.buf, format)}
	fields(&c)
	a.buf = c.buf
	return c.buf[start:len(c.buf):len(c.buf)]
}

// decode reads what code packed. A change of the fields is a new format, and
// the old one stays readable.
func decode(stored []byte, format byte, fields func(*codec)) error {
	if len(stored) == 0 || stored[0] != format {
		return fmt.Errorf("a packed row of %d bytes has a format that this version does not know", len(stored))
	}
	c := codec{buf: stored[1:], reading: true}
	fields(&c)
	return c.err
}

func (c *codec) fail() {
	c.err, c.buf = errShort, nil
}
