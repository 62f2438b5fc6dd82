package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/packed"
)

// cells are the values of one row in PostgreSQL's binary form, read from left
// to right. The first that can't be read is the row's error.
type cells struct {
	raw [][]byte
	err error
}

func (c *cells) next() []byte {
	if len(c.raw) == 0 {
		c.fail("a row has fewer columns than are read")
		return nil
	}
	v := c.raw[0]
	c.raw = c.raw[1:]
	return v
}

func (c *cells) fail(text string) {
	if c.err == nil {
		c.err = errors.New(text)
	}
}

// num reads a whole number; NULL is 0.
func (c *cells) num() int64 {
	switch v := c.next(); len(v) {
	case 0:
		return 0
	case 2:
		return int64(int16(binary.BigEndian.Uint16(v))) //nolint:gosec // a bit pattern
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v))) //nolint:gosec // a bit pattern
	case 8:
		return int64(binary.BigEndian.Uint64(v)) //nolint:gosec // a bit pattern
	default:
		c.fail(fmt.Sprintf("a number has %d bytes", len(v)))
		return 0
	}
}

func (c *cells) text() string { return stored(string(c.next())) }

// blob reads a packed blob; NULL is nil.
func (c *cells) blob() []byte {
	b, err := packed.Unpack(c.next())
	if err != nil {
		c.fail(err.Error())
	}
	return b
}

// moment reads a time in UTC; NULL is the zero time.
func (c *cells) moment() time.Time {
	v := c.next()
	switch len(v) {
	case 0:
		return time.Time{}
	case 8:
		return time.UnixMicro(int64(binary.BigEndian.Uint64(v))).UTC() //nolint:gosec // a bit pattern
	default:
		c.fail(fmt.Sprintf("a time has %d bytes", len(v)))
		return time.Time{}
	}
}

func (c *cells) hash() (h [32]byte) {
	if v := c.next(); copy(h[:], v) != len(v) || len(v) != len(h) {
		c.fail(fmt.Sprintf("a hash has %d bytes, not %d", len(v), len(h)))
	}
	return h
}

// limit is a query's limit as SQL has it: none where it names none.
func limit(n int) any {
	if n <= 0 {
		return nil
	}
	return int64(n)
}

// binaryRows asks for every column in binary form, whatever its type.
var binaryRows = pgx.QueryResultFormats{pgx.BinaryFormatCode}

// stream hands rows on one by one.
func stream[T any](ctx context.Context, s *Store, text string, scan func(*cells) T, each func(T) error, args ...any) error {
	all := append(make([]any, 0, 1+len(args)), binaryRows)
	for _, a := range args {
		if text, ok := a.(string); ok {
			a = storable(text)
		}
		all = append(all, a)
	}
	rs, err := s.pool.Query(ctx, text, all...)
	if err != nil {
		return err
	}
	defer rs.Close()
	for rs.Next() {
		c := cells{raw: rs.RawValues()}
		v := scan(&c)
		if c.err != nil {
			return c.err
		}
		if err := each(v); err != nil {
			return err
		}
	}
	return rs.Err()
}

// collect reads all rows.
func collect[T any](ctx context.Context, s *Store, text string, scan func(*cells) T, args ...any) ([]T, error) {
	var out []T
	err := stream(ctx, s, text, scan, func(v T) error { out = append(out, v); return nil }, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// one reads the first row, or fails with pgx.ErrNoRows.
func one[T any](ctx context.Context, s *Store, text string, scan func(*cells) T, args ...any) (v T, err error) {
	all, err := collect(ctx, s, text, scan, args...)
	switch {
	case err != nil:
		return v, err
	case len(all) == 0:
		return v, pgx.ErrNoRows
	}
	return all[0], nil
}

// reading says what was being read; nil stays nil.
func reading(err error, format string, args ...any) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), store.ErrNotFound)
	default:
		return fmt.Errorf("read %s: %w", fmt.Sprintf(format, args...), err)
	}
}
