// Package audit holds who did what and why: an append-only chain of the
// actions of people and of the changes to configuration (system contract C10).
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Entry is one action. Seq is gapless from 1; each entry's hash binds the one
// before it.
type Entry struct {
	Seq    int64
	At     time.Time
	Actor  string
	Action string
	Object string // what it was done to: "order SO-1", "delivery <key>", "system erp"
	Reason string
	Before []byte // JSON; may be empty
	After  []byte // JSON; may be empty
	Prev   [sha256.Size]byte
	Hash   [sha256.Size]byte
}

// Link numbers the entry and puts it behind prev in the chain.
func (e *Entry) Link(prev [sha256.Size]byte, seq int64) {
	e.Prev, e.Seq = prev, seq
	e.Hash = e.Sum()
}

// Sum is the hash that the entry should have.
func (e *Entry) Sum() [sha256.Size]byte {
	h := sha256.New()
	h.Write(e.Prev[:])
	var n [8]byte
	num := func(v int64) {
		binary.BigEndian.PutUint64(n[:], uint64(v)) //nolint:gosec // a bit pattern
		h.Write(n[:])
	}
	num(e.Seq)
	num(e.At.UnixMicro())
	for _, f := range [][]byte{[]byte(e.Actor), []byte(e.Action), []byte(e.Object), []byte(e.Reason), e.Before, e.After} {
		num(int64(len(f)))
		h.Write(f)
	}
	var out [sha256.Size]byte
	h.Sum(out[:0])
	return out
}

// Reader reads the audit log in order.
type Reader interface {
	AuditAfter(ctx context.Context, after int64, limit int) ([]Entry, error)
	// AuditHead is the last entry; its Seq is 0 where there is none.
	AuditHead(ctx context.Context) (Entry, error)
}
