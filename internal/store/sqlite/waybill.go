package sqlite

import (
	"context"
	"fmt"
	"math"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// prefixMax bounds a search by the beginning of a reference: of more matches,
// those with the highest references are taken, which are mostly the newest.
const prefixMax = 2000

const (
	waybillInsert = `
		INSERT INTO waybill (
			id, shard, tag, kind, ref, version, status, customer, created, updated, state
		) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`

	waybillUpdate = `
		UPDATE waybill
		SET version = ?, status = ?, customer = ?, updated = ?, state = ?
		WHERE id = ? AND version = ?`

	waybillColumns = `
		SELECT w.id, w.shard, w.tag, w.kind, w.ref, w.version, w.status, w.customer, w.created, w.updated, w.state`

	waybillByID = waybillColumns + ` FROM waybill w WHERE w.id = ?`

	waybillByTag = waybillColumns + `
		FROM waybill w INDEXED BY waybill_tag
		WHERE w.tag = ? AND w.kind = ? AND w.ref = ?`

	waybillsByTag = waybillColumns + `
		FROM waybill w INDEXED BY waybill_tag
		WHERE w.tag = ? ORDER BY w.id`

	waybillsByRef = waybillColumns + `
		FROM waybill w
		WHERE w.id IN (SELECT waybill FROM reference WHERE value = ?)
		ORDER BY w.id DESC LIMIT ?`

	// Lists take the same parameters: before, limit, status, reference, end of
	// the references that begin with it, prefixMax, kind.
	waybillsNewest = waybillColumns + `
		FROM waybill w
		WHERE w.id < ?1 AND (?7 = '' OR w.kind = ?7)
		ORDER BY w.id DESC LIMIT ?2`

	waybillsInStatus = waybillColumns + `
		FROM waybill w INDEXED BY waybill_status
		WHERE w.status = ?3 AND w.id < ?1 AND (?7 = '' OR w.kind = ?7)
		ORDER BY w.id DESC LIMIT ?2`

	waybillsLikeRef = waybillColumns + `
		FROM waybill w
		WHERE w.id IN (
				SELECT waybill FROM reference WHERE value = ?4
				UNION
				SELECT waybill FROM (
					SELECT waybill FROM reference WHERE value > ?4 AND value < ?5
					ORDER BY value DESC LIMIT ?6
				)
			)
			AND w.id < ?1 AND (?3 = '' OR w.status = ?3) AND (?7 = '' OR w.kind = ?7)
		ORDER BY w.id DESC LIMIT ?2`
)

// writeWaybill inserts the first version and replaces exactly the one before
// any other.
func (w *writer) writeWaybill(ctx context.Context, b *ledger.Waybill) error {
	w.arena.Reset()
	state, updated := w.arena.Pack(b.State), micros(b.UpdatedAt)
	var n int64
	var err error
	if b.Version == 1 {
		n, err = w.waybillInsert.exec(ctx, b.ID, int64(b.Shard), b.Tag, string(b.Kind), b.Ref, b.Version,
			string(b.Status), b.Customer, micros(b.CreatedAt), updated, state)
	} else {
		n, err = w.waybillUpdate.exec(ctx, b.Version, string(b.Status), b.Customer, updated, state, b.ID, b.Version-1)
	}
	if err == nil && n == 0 {
		return fmt.Errorf("write version %d of waybill %d (%s): another version is stored: %w",
			b.Version, b.ID, b.Ref, store.ErrFenced)
	}
	return writing(err, "waybill %d (%s)", b.ID, b.Ref)
}

// Waybill implements ledger.Reader.
func (s *Store) Waybill(ctx context.Context, id int64) (ledger.Waybill, error) {
	b, err := scanWaybill(s.waybillByID.QueryRowContext(quick(ctx), id))
	return b, reading(err, "waybill %d", id)
}

// WaybillByTag implements ledger.Reader.
func (s *Store) WaybillByTag(ctx context.Context, tag int64, kind waybill.FlowKind, ref string) (ledger.Waybill, error) {
	b, err := scanWaybill(s.waybillByTag.QueryRowContext(quick(ctx), tag, string(kind), ref))
	return b, reading(err, "waybill %s of kind %s", ref, kind)
}

// WaybillsByTag implements ledger.Reader.
func (s *Store) WaybillsByTag(ctx context.Context, tag int64) ([]ledger.Waybill, error) {
	bs, err := collect(ctx, s.waybillsByTag, scanWaybill, tag)
	return bs, reading(err, "waybills with tag %d", tag)
}

// WaybillsByRef implements ledger.Reader.
func (s *Store) WaybillsByRef(ctx context.Context, value string, most int) ([]ledger.Waybill, error) {
	bs, err := collect(ctx, s.waybillsByRef, scanWaybill, value, limit(most))
	return bs, reading(err, "waybills by reference %s", value)
}

// Waybills implements ledger.Reader. The newest come first. A reference finds
// itself and up to prefixMax others that begin with it.
func (s *Store) Waybills(ctx context.Context, q ledger.WaybillQuery) ([]ledger.Waybill, error) {
	st := s.waybillsNewest
	switch {
	case q.Ref != "":
		st = s.waybillsLikeRef
	case q.Status != "":
		st = s.waybillsInStatus
	}
	before := q.Before
	if before == 0 {
		before = math.MaxInt64
	}
	bs, err := collect(ctx, st, scanWaybill, before, limit(q.Limit), string(q.Status), q.Ref, q.Ref+"\U0010FFFF", prefixMax, string(q.Kind))
	return bs, reading(err, "waybills")
}

func scanWaybill(r row) (b ledger.Waybill, err error) {
	err = r.Scan(&b.ID, &b.Shard, &b.Tag, &b.Kind, &b.Ref, &b.Version, &b.Status, &b.Customer,
		toTime{&b.CreatedAt}, toTime{&b.UpdatedAt}, toBlob{&b.State})
	return b, err
}

const (
	referenceInsert = `
		INSERT INTO reference (value, system, kind, waybill) VALUES (?, ?, ?, ?)
		ON CONFLICT DO NOTHING`

	referencesOf = `
		SELECT waybill, system, kind, value
		FROM reference INDEXED BY reference_waybill
		WHERE waybill = ? ORDER BY system, kind, value`
)

func (w *writer) insertReference(ctx context.Context, r *ledger.Reference) error {
	_, err := w.referenceInsert.exec(ctx, r.Value, r.System, r.Kind, r.Waybill)
	return writing(err, "reference %s of waybill %d", r.Value, r.Waybill)
}

// References implements ledger.Reader.
func (s *Store) References(ctx context.Context, waybill int64) ([]ledger.Reference, error) {
	rs, err := collect(ctx, s.referencesOf, scanReference, waybill)
	return rs, reading(err, "references of waybill %d", waybill)
}

func scanReference(r row) (f ledger.Reference, err error) {
	err = r.Scan(&f.Waybill, &f.System, &f.Kind, &f.Value)
	return f, err
}
