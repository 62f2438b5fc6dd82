package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/s2"
)

// The first byte of a stored blob.
const (
	formatRaw byte = 0
	formatS2  byte = 1
)

// packMin is the size from which compressing is worth its time: below it s2
// saves too little to change the number of pages written.
const packMin = 200

// arenaMax is the memory that an arena keeps from one row to the next.
const arenaMax = 1 << 20

// arena packs the blobs of one row at a time. What pack returns is good until
// the next reset: the driver copies what is bound.
type arena struct{ buf []byte }

func (a *arena) reset() {
	if cap(a.buf) > arenaMax {
		a.buf = nil
	}
	a.buf = a.buf[:0]
}

// pack returns b in its stored form: its format byte and the bytes, compressed
// where that makes them smaller. No bytes are stored as NULL.
func (a *arena) pack(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	start, most := len(a.buf), 1+len(b)
	if len(b) >= packMin {
		most = 1 + s2.MaxEncodedLen(len(b))
	}
	if cap(a.buf)-start < most {
		// Rows packed before keep the old memory.
		a.buf, start = make([]byte, 0, max(most, 16<<10)), 0
	}
	out := a.buf[start : start+most]
	if len(b) >= packMin {
		if enc := s2.Encode(out[1:], b); len(enc) < len(b) {
			out[0] = formatS2
			out = out[: 1+len(enc) : 1+len(enc)]
			a.buf = a.buf[:start+len(out)]
			return out
		}
	}
	out = out[: 1+len(b) : 1+len(b)]
	out[0] = formatRaw
	copy(out[1:], b)
	a.buf = a.buf[:start+len(out)]
	return out
}

// unpack reads what pack wrote, into memory of its own.
func unpack(stored []byte) ([]byte, error) {
	if len(stored) == 0 {
		return nil, nil
	}
	switch stored[0] {
	case formatRaw:
		return bytes.Clone(stored[1:]), nil
	case formatS2:
		b, err := s2.Decode(nil, stored[1:])
		if err != nil {
			return nil, fmt.Errorf("unpack a blob of %d bytes: %w", len(stored), err)
		}
		return b, nil
	default:
		return nil, fmt.Errorf("unpack a blob: its format %d is not known to this version", stored[0])
	}
}

// toBlob scans a packed blob.
type toBlob struct{ b *[]byte }

// Scan implements sql.Scanner.
func (d toBlob) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*d.b = nil
		return nil
	case []byte:
		b, err := unpack(v)
		*d.b = b
		return err
	default:
		return fmt.Errorf("a blob holds a %T", v)
	}
}

// toHash scans a hash; NULL is the zero hash.
type toHash struct{ hash *[32]byte }

// Scan implements sql.Scanner.
func (d toHash) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*d.hash = [32]byte{}
		return nil
	case []byte:
		if len(v) != len(d.hash) {
			return fmt.Errorf("a hash has %d bytes, not %d", len(v), len(d.hash))
		}
		copy(d.hash[:], v)
		return nil
	default:
		return fmt.Errorf("a hash holds a %T", v)
	}
}

// toTime scans a time in UTC; NULL is the zero time.
type toTime struct{ t *time.Time }

// Scan implements sql.Scanner.
func (d toTime) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*d.t = time.Time{}
		return nil
	case int64:
		*d.t = time.UnixMicro(v).UTC()
		return nil
	default:
		return errors.New("a time is no integer")
	}
}

// zoneMinutes is the offset of a time, in minutes east of UTC.
func zoneMinutes(t time.Time) int64 {
	_, seconds := t.Zone()
	return int64(seconds / 60)
}

// inZone gives a time its offset back.
func inZone(t time.Time, minutes int) time.Time {
	if t.IsZero() || minutes == 0 {
		return t
	}
	return t.In(time.FixedZone("", minutes*60))
}
