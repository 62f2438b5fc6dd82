package postgres

import (
	"context"
	"errors"

	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/store"
)

const (
	auditInsert = `
		INSERT INTO audit (seq, at, actor, action, object, reason, before_json, after_json, prev, hash)
		SELECT * FROM $rows`

	auditColumns = `SELECT seq, at, actor, action, object, reason, before_json, after_json, prev, hash FROM audit`

	auditAfter = auditColumns + ` WHERE seq > $1 ORDER BY seq LIMIT $2`

	auditHead = auditColumns + ` ORDER BY seq DESC LIMIT 1`
)

func (w *writer) addAudit(e *audit.Entry) {
	w.arena.Reset()
	w.sheet.auditInsert.add().num(e.Seq).moment(e.At).text(e.Actor).text(e.Action).text(e.Object).text(e.Reason).
		blob(w.arena.Pack(e.Before)).blob(w.arena.Pack(e.After)).blob(e.Prev[:]).blob(e.Hash[:])
}

// AuditAfter implements audit.Reader.
func (s *Store) AuditAfter(ctx context.Context, after int64, most int) ([]audit.Entry, error) {
	es, err := collect(ctx, s, auditAfter, scanAudit, after, limit(most))
	return es, reading(err, "audit entries after %d", after)
}

// AuditHead implements audit.Reader.
func (s *Store) AuditHead(ctx context.Context) (audit.Entry, error) {
	e, err := one(ctx, s, auditHead, scanAudit)
	if err = reading(err, "the last audit entry"); errors.Is(err, store.ErrNotFound) {
		return audit.Entry{}, nil
	}
	return e, err
}

func scanAudit(c *cells) audit.Entry {
	return audit.Entry{Seq: c.num(), At: c.moment(), Actor: c.text(), Action: c.text(), Object: c.text(), Reason: c.text(),
		Before: c.blob(), After: c.blob(), Prev: c.hash(), Hash: c.hash()}
}
