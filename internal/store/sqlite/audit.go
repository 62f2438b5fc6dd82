package sqlite

import (
	"context"
	"errors"

	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/store"
)

const (
	auditInsert = `
		INSERT INTO audit (seq, at, actor, action, object, reason, before_json, after_json, prev, hash)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	auditColumns = `SELECT seq, at, actor, action, object, reason, before_json, after_json, prev, hash FROM audit`

	auditAfter = auditColumns + ` WHERE seq > ? ORDER BY seq LIMIT ?`

	auditHead = auditColumns + ` ORDER BY seq DESC LIMIT 1`
)

func (w *writer) insertAudit(ctx context.Context, e *audit.Entry) error {
	w.arena.Reset()
	_, err := w.auditInsert.exec(ctx, e.Seq, micros(e.At), e.Actor, e.Action, e.Object, e.Reason,
		w.arena.Pack(e.Before), w.arena.Pack(e.After), e.Prev[:], e.Hash[:])
	return writing(err, "audit entry %d", e.Seq)
}

// AuditAfter implements audit.Reader.
func (s *Store) AuditAfter(ctx context.Context, after int64, most int) ([]audit.Entry, error) {
	es, err := collect(ctx, s.auditAfter, scanAudit, after, limit(most))
	return es, reading(err, "audit entries after %d", after)
}

// AuditHead implements audit.Reader.
func (s *Store) AuditHead(ctx context.Context) (audit.Entry, error) {
	e, err := scanAudit(s.auditHead.QueryRowContext(quick(ctx)))
	if err = reading(err, "the last audit entry"); errors.Is(err, store.ErrNotFound) {
		return audit.Entry{}, nil
	}
	return e, err
}

func scanAudit(r row) (e audit.Entry, err error) {
	err = r.Scan(&e.Seq, toTime{&e.At}, &e.Actor, &e.Action, &e.Object, &e.Reason, toBlob{&e.Before}, toBlob{&e.After},
		toHash{&e.Prev}, toHash{&e.Hash})
	return e, err
}
