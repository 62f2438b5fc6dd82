package postgres

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
			id, shard, tag, version, created, updated, kind, ref, status, customer, state
		)
		SELECT * FROM $rows
		ON CONFLICT DO NOTHING`

	waybillUpdate = `
		UPDATE waybill AS w
		SET version = n.version, status = n.status, customer = n.customer, updated = n.updated, state = n.state
		FROM $rows AS n (id, shard, before, version, updated, status, customer, state)
		WHERE w.id = n.id AND w.shard = n.shard AND w.version = n.before`

	waybillColumns = `
		SELECT w.id, w.shard, w.tag, w.version, w.created, w.updated, w.kind, w.ref, w.status, w.customer, w.state`

	waybillByID = waybillColumns + ` FROM waybill w WHERE w.id = $1`

	waybillByTag = waybillColumns + `
		FROM waybill w
		WHERE w.tag = $1 AND w.kind = $2 AND w.ref = $3 AND w.shard = $4`

	waybillsByTag = waybillColumns + `
		FROM waybill w
		WHERE w.tag = $1 AND w.shard = $2 ORDER BY w.id`

	waybillsByRef = waybillColumns + `
		FROM waybill w
		WHERE w.id IN (SELECT waybill FROM reference WHERE value = $1 AND shard = $3)
		ORDER BY w.id DESC LIMIT $2`

	// Lists take the same parameters: before, limit, status, kind, reference,
	// end of the references that begin with it, prefixMax.
	waybillsNewest = waybillColumns + `
		FROM waybill w
		WHERE w.id < $1 AND ($3::text = '' OR w.status = $3) AND ($4::text = '' OR w.kind = $4)
		ORDER BY w.id DESC LIMIT $2`

	waybillsInStatus = waybillColumns + `
		FROM waybill w
		WHERE w.status = $3 AND w.id < $1 AND ($4::text = '' OR w.kind = $4)
		ORDER BY w.id DESC LIMIT $2`

	waybillsLikeRef = waybillColumns + `
		FROM waybill w
		WHERE w.id IN (
				SELECT waybill FROM reference WHERE value = $5
				UNION
				SELECT waybill FROM (
					SELECT waybill FROM reference WHERE value > $5 AND value < $6
					ORDER BY value DESC LIMIT $7
				) AS begin
			)
			AND w.id < $1 AND ($3::text = '' OR w.status = $3) AND ($4::text = '' OR w.kind = $4)
		ORDER BY w.id DESC LIMIT $2`

	// The index alone answers it: no row of a waybill is read. What is no order
	// has no status.
	statusCounts = `SELECT status, count(*) FROM waybill WHERE status > '' GROUP BY status`
)

// addWaybills adds the last of each waybill's rounds, when they follow one upon
// the other: each replaces exactly the version before it.
func (w *writer) addWaybills(ws []ledger.Waybill) error {
	last := make(map[int64]int, len(ws))
	for i := range ws {
		last[ws[i].ID] = i
	}
	first := map[int64]int64{} // version, of those with several rounds
	for i := range ws {
		b := &ws[i]
		begin, several := first[b.ID]
		if !several {
			begin = b.Version
		}
		if to := last[b.ID]; to != i {
			if next := nextRound(ws, i); next.Version != b.Version+1 {
				return fmt.Errorf("write version %d of waybill %d (%s) after %d: %w", next.Version, b.ID, b.Ref, b.Version, store.ErrFenced)
			}
			first[b.ID] = begin
			continue
		}
		w.arena.Reset()
		if begin == 1 {
			w.sheet.waybillInsert.add().num(b.ID).num(int64(b.Shard)).num(b.Tag).num(b.Version).moment(b.CreatedAt).
				moment(b.UpdatedAt).text(string(b.Kind)).text(b.Ref).text(string(b.Status)).text(b.Customer).
				blob(w.arena.Pack(b.State))
			continue
		}
		w.sheet.waybillUpdate.add().num(b.ID).num(int64(b.Shard)).num(begin - 1).num(b.Version).moment(b.UpdatedAt).
			text(string(b.Status)).text(b.Customer).blob(w.arena.Pack(b.State))
	}
	return nil
}

// nextRound is the round of the same waybill after that at i; there is one.
func nextRound(ws []ledger.Waybill, i int) *ledger.Waybill {
	for k := i + 1; k < len(ws); k++ {
		if ws[k].ID == ws[i].ID {
			return &ws[k]
		}
	}
	return &ws[i]
}

// Waybill implements ledger.Reader.
func (s *Store) Waybill(ctx context.Context, id int64) (ledger.Waybill, error) {
	b, err := one(ctx, s, waybillByID, scanWaybill, id)
	return b, reading(err, "waybill %d", id)
}

// WaybillByTag implements ledger.Reader.
func (s *Store) WaybillByTag(ctx context.Context, tag int64, kind waybill.FlowKind, ref string) (ledger.Waybill, error) {
	b, err := one(ctx, s, waybillByTag, scanWaybill, tag, string(kind), ref, int64(ledger.ShardOf(tag)))
	return b, reading(err, "waybill %s of kind %s", ref, kind)
}

// WaybillsByTag implements ledger.Reader.
func (s *Store) WaybillsByTag(ctx context.Context, tag int64) ([]ledger.Waybill, error) {
	bs, err := collect(ctx, s, waybillsByTag, scanWaybill, tag, int64(ledger.ShardOf(tag)))
	return bs, reading(err, "waybills with tag %d", tag)
}

// WaybillsByRef implements ledger.Reader.
func (s *Store) WaybillsByRef(ctx context.Context, value string, most int) ([]ledger.Waybill, error) {
	bs, err := collect(ctx, s, waybillsByRef, scanWaybill, value, limit(most), shardOfText(value))
	return bs, reading(err, "waybills by reference %s", value)
}

// Waybills implements ledger.Reader. The newest come first. A reference finds
// itself and up to prefixMax others that begin with it.
func (s *Store) Waybills(ctx context.Context, q ledger.WaybillQuery) ([]ledger.Waybill, error) {
	before := q.Before
	if before == 0 {
		before = math.MaxInt64
	}
	text, args := waybillsNewest, []any{before, limit(q.Limit), string(q.Status), string(q.Kind)}
	switch {
	case q.Ref != "":
		text, args = waybillsLikeRef, append(args, q.Ref, q.Ref+"\U0010FFFF", int64(prefixMax))
	case q.Status != "":
		text = waybillsInStatus
	}
	bs, err := collect(ctx, s, text, scanWaybill, args...)
	return bs, reading(err, "waybills")
}

// StatusCounts implements ledger.Reader.
func (s *Store) StatusCounts(ctx context.Context) (map[waybill.Status]int, error) {
	counts, err := countBy(ctx, s, statusCounts, func(c *cells) waybill.Status { return waybill.Status(c.text()) })
	return counts, reading(err, "the counts of waybills by status")
}

func scanWaybill(c *cells) ledger.Waybill {
	return ledger.Waybill{ID: c.num(), Shard: int(c.num()), Tag: c.num(), Version: c.num(), CreatedAt: c.moment(),
		UpdatedAt: c.moment(), Kind: waybill.FlowKind(c.text()), Ref: c.text(), Status: waybill.Status(c.text()),
		Customer: c.text(), State: c.blob()}
}

const (
	referenceInsert = `
		INSERT INTO reference (value, system, kind, waybill, shard)
		SELECT * FROM $rows
		ON CONFLICT DO NOTHING`

	referencesOf = `
		SELECT waybill, system, kind, value
		FROM reference
		WHERE waybill = $1 ORDER BY system, kind, value`
)

func (w *writer) addReference(r *ledger.Reference) {
	w.sheet.referenceInsert.add().text(r.Value).text(r.System).text(r.Kind).num(r.Waybill).num(shardOfText(r.Value))
}

// References implements ledger.Reader.
func (s *Store) References(ctx context.Context, waybill int64) ([]ledger.Reference, error) {
	rs, err := collect(ctx, s, referencesOf, scanReference, waybill)
	return rs, reading(err, "references of waybill %d", waybill)
}

func scanReference(c *cells) ledger.Reference {
	return ledger.Reference{Waybill: c.num(), System: c.text(), Kind: c.text(), Value: c.text()}
}

const (
	pastWrite = `
		INSERT INTO past (waybill, name, shard, data)
		SELECT * FROM $rows
		ON CONFLICT (waybill, name, shard) DO UPDATE SET data = excluded.data`

	pastRead = `SELECT data FROM past WHERE waybill = $1 AND name = $2`
)

func (w *writer) addPast(p *ledger.Past, shard int64) {
	w.arena.Reset()
	data := w.arena.Pack(p.Data)
	if data == nil {
		data = []byte{}
	}
	w.sheet.pastWrite.add().num(p.Waybill).text(p.Name).num(shard).blob(data)
}

// Past implements ledger.Reader.
func (s *Store) Past(ctx context.Context, waybill int64, name string) ([]byte, error) {
	data, err := one(ctx, s, pastRead, (*cells).blob, waybill, name)
	return data, reading(err, "the past %s of waybill %d", name, waybill)
}
