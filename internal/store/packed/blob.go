// Package packed is the form in which the databases store what SQL does not
// look into: blobs, compressed where that helps, and rows of many fields that
// are mostly empty. Every stored form begins with its format, and all that were
// ever written stay readable, so a database can be moved to another row by row.
package packed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/klauspost/compress/s2"
)

// The first byte of a stored blob. In those of a later schema than the first,
// the schema's number follows.
const (
	formatRaw    byte = 0
	formatS2     byte = 1
	formatSchema byte = 2 // the schema's number, and the blob as it is without one
)

// packMin is the size from which compressing is worth its time: below it s2
// saves too little to change the number of pages written.
const packMin = 200

// arenaMax is the memory that an arena keeps from one row to the next.
const arenaMax = 1 << 20

// Arena packs the blobs of one row at a time. What it returns is good until
// the next Reset: a driver copies what is bound.
type Arena struct{ buf []byte }

// Reset gives the memory of the row before to the next one.
func (a *Arena) Reset() {
	if cap(a.buf) > arenaMax {
		a.buf = nil
	}
	a.buf = a.buf[:0]
}

// Pack returns b in its stored form: its format byte and the bytes, compressed
// where that makes them smaller. No bytes are stored as NULL.
func (a *Arena) Pack(b []byte) []byte {
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

// PackData is Pack for data of a schema. That of the first, as nearly all is,
// needs no number.
func (a *Arena) PackData(version int, b []byte) []byte {
	if version <= 1 || len(b) == 0 {
		return a.Pack(b)
	}
	head := binary.AppendUvarint([]byte{formatSchema}, uint64(version)) //nolint:gosec // counts from 1
	return append(head, a.Pack(b)...)
}

// UnpackData reads what PackData wrote: the data, and the version of its
// schema.
func UnpackData(stored []byte) (b []byte, version int, err error) {
	version = 1
	if len(stored) > 0 && stored[0] == formatSchema {
		n, size := binary.Uvarint(stored[1:])
		if size <= 0 || n > math.MaxInt32 {
			return nil, 0, errors.New("unpack a blob: the number of its schema can't be read")
		}
		version, stored = int(n), stored[1+size:]
	}
	b, err = Unpack(stored)
	return b, version, err
}

// Unpack reads what Pack wrote, into memory of its own.
func Unpack(stored []byte) ([]byte, error) {
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

// ZoneMinutes is the offset of a time, in minutes east of UTC: times are stored
// in UTC, and those of a source with their offset beside them.
func ZoneMinutes(t time.Time) int64 {
	_, seconds := t.Zone()
	return int64(seconds / 60)
}

// InZone gives a time the offset back that ZoneMinutes took.
func InZone(t time.Time, minutes int) time.Time {
	if t.IsZero() || minutes == 0 {
		return t
	}
	return t.In(time.FixedZone("", minutes*60))
}
