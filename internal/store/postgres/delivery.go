package postgres

import (
	"context"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/store/packed"
)

const (
	deliveryInsert = `
		INSERT INTO delivery (
			id, shard, waybill, seq, due, key, target, kind, state, next, decided, progress
		)
		SELECT * FROM $rows
		ON CONFLICT (id, shard) DO UPDATE SET
			seq = excluded.seq, state = excluded.state, next = excluded.next, due = excluded.due,
			progress = excluded.progress`

	deliveryUpdate = `
		UPDATE delivery AS d
		SET seq = n.seq, due = n.due, state = n.state, next = n.next, progress = n.progress
		FROM $rows AS n (id, shard, seq, due, state, next, progress)
		WHERE d.id = n.id AND d.shard = n.shard`

	deliveryNewest = `SELECT coalesce(max(id), 0) FROM delivery`

	deliveryColumns = `
		SELECT id, shard, waybill, seq, due, key, target, kind, state, next, decided, progress
		FROM delivery`

	deliveryByID = deliveryColumns + ` WHERE id = $1`

	// Lists take the same parameters: after, limit, waybill, target, state. Each
	// names the narrowest index of its query.
	deliveriesAll = deliveryColumns + `
		WHERE id > $1 AND ($3::int8 = 0 OR waybill = $3) AND ($4::text = '' OR target = $4)
			AND ($5::text = '' OR state = $5)
		ORDER BY id LIMIT $2`

	deliveriesOfWaybill = deliveryColumns + `
		WHERE waybill = $3 AND id > $1 AND ($4::text = '' OR target = $4) AND ($5::text = '' OR state = $5)
		ORDER BY id LIMIT $2`

	deliveriesInState = deliveryColumns + `
		WHERE state = $5 AND state <> 'done' AND id > $1 AND ($3::int8 = 0 OR waybill = $3)
			AND ($4::text = '' OR target = $4)
		ORDER BY id LIMIT $2`

	deliveriesOfTarget = deliveryColumns + `
		WHERE target = $4 AND id > $1 AND ($3::int8 = 0 OR waybill = $3) AND ($5::text = '' OR state = $5)
		ORDER BY id LIMIT $2`

	deliveriesNewest = deliveryColumns + `
		WHERE target = $1 AND id < $2
		ORDER BY id DESC LIMIT $3`

	// The condition is that of the index delivery_item.
	deliveriesOfItem = deliveryColumns + `
		WHERE waybill = $1 AND (kind = 'inventory_adjustment' AND state NOT IN ('done', 'skipped')
			OR kind = 'inventory_availability' AND state NOT IN ('done', 'skipped', 'cancelled'))
		ORDER BY id`

	deliveriesPending = `
		SELECT id, waybill, target, kind, state, next, due
		FROM delivery
		WHERE state IN ('ready', 'in_flight', 'in_doubt', 'waiting', 'parked') AND state <> 'done'
		ORDER BY id`
)

// addDeliveries sorts deliveries into new ones and known ones: ids rise, so one
// above all others is new. Of several states of one delivery the last counts.
func (w *writer) addDeliveries(ds []lane.Delivery) {
	last := make(map[int64]int, len(ds))
	for i := range ds {
		last[ds[i].ID] = i
	}
	newest := w.newestDelivery
	for i := range ds {
		d := &ds[i]
		if last[d.ID] != i {
			continue
		}
		if d.ID > newest {
			w.addDelivery(d)
			w.newestDelivery = max(w.newestDelivery, d.ID)
			continue
		}
		w.arena.Reset()
		w.sheet.deliveryUpdate.add().num(d.ID).num(int64(d.Shard)).num(d.Seq).moment(d.Due).text(string(d.State)).
			text(string(d.Next)).blob(w.arena.Progress(d))
	}
}

func (w *writer) addDelivery(d *lane.Delivery) {
	w.arena.Reset()
	w.sheet.deliveryInsert.add().num(d.ID).num(int64(d.Shard)).num(d.Waybill).num(d.Seq).moment(d.Due).text(d.Key).
		text(d.Target).text(string(d.Kind)).text(string(d.State)).text(string(d.Next)).
		blob(w.arena.Decided(d)).blob(w.arena.Progress(d))
}

// Delivery implements lane.Reader.
func (s *Store) Delivery(ctx context.Context, id int64) (lane.Delivery, error) {
	d, err := one(ctx, s, deliveryByID, scanDelivery, id)
	return d, reading(err, "delivery %d", id)
}

// DeliveriesOf implements lane.Reader.
func (s *Store) DeliveriesOf(ctx context.Context, waybill int64) ([]lane.Delivery, error) {
	ds, err := collect(ctx, s, deliveriesOfWaybill, scanDelivery, int64(0), nil, waybill, "", "")
	return ds, reading(err, "deliveries of waybill %d", waybill)
}

// DeliveriesOfItem implements lane.Reader.
func (s *Store) DeliveriesOfItem(ctx context.Context, waybill int64) ([]lane.Delivery, error) {
	ds, err := collect(ctx, s, deliveriesOfItem, scanDelivery, waybill)
	return ds, reading(err, "open deliveries of waybill %d", waybill)
}

// Deliveries implements lane.Reader.
func (s *Store) Deliveries(ctx context.Context, q lane.Query) ([]lane.Delivery, error) {
	if q.Before != 0 {
		ds, err := collect(ctx, s, deliveriesNewest, scanDelivery, q.Target, q.Before, limit(q.Limit))
		return ds, reading(err, "the newest deliveries to %s", q.Target)
	}
	text := deliveriesAll
	switch {
	case q.Waybill != 0:
		text = deliveriesOfWaybill
	case q.State != "" && q.State != lane.Done:
		text = deliveriesInState
	case q.Target != "":
		text = deliveriesOfTarget
	}
	ds, err := collect(ctx, s, text, scanDelivery, q.After, limit(q.Limit), q.Waybill, q.Target, string(q.State))
	return ds, reading(err, "deliveries")
}

func scanDelivery(c *cells) lane.Delivery {
	d := lane.Delivery{ID: c.num(), Shard: int(c.num()), Waybill: c.num(), Seq: c.num(), Due: c.moment(), Key: c.text(),
		Target: c.text(), Kind: waybill.Kind(c.text()), State: lane.State(c.text()), Next: lane.Move(c.text())}
	for _, read := range []func([]byte, *lane.Delivery) error{packed.ReadDecided, packed.ReadProgress} {
		if err := read(c.next(), &d); err != nil && c.err == nil {
			c.err = err
		}
	}
	return d
}

// PendingDeliveries implements lane.Reader.
func (s *Store) PendingDeliveries(ctx context.Context, each func(lane.Pending) error) error {
	return reading(stream(ctx, s, deliveriesPending, scanPending, each), "pending deliveries")
}

func scanPending(c *cells) lane.Pending {
	return lane.Pending{ID: c.num(), Waybill: c.num(), Target: c.text(), Kind: waybill.Kind(c.text()),
		State: lane.State(c.text()), Next: lane.Move(c.text()), Due: c.moment()}
}

const (
	attemptInsert = `
		INSERT INTO attempt (delivery, number, shard, epoch, started, deadline, ended, outcome, detail)
		SELECT * FROM $rows`

	attemptsOf = `
		SELECT delivery, number, epoch, started, deadline, ended, outcome, detail
		FROM attempt WHERE delivery = $1 ORDER BY number`

	bodyInsert = `INSERT INTO delivery_body (delivery, shard, content_type, body) SELECT * FROM $rows`

	bodyOf = `SELECT delivery, content_type, body FROM delivery_body WHERE delivery = $1`
)

func (w *writer) addAttempt(a *lane.Attempt, shard int64) {
	w.sheet.attemptInsert.add().num(a.Delivery).num(int64(a.Number)).num(shard).num(a.Epoch).moment(a.Started).
		moment(a.Deadline).moment(a.Ended).text(string(a.Outcome)).text(a.Detail)
}

// Attempts implements lane.Reader.
func (s *Store) Attempts(ctx context.Context, delivery int64) ([]lane.Attempt, error) {
	as, err := collect(ctx, s, attemptsOf, scanAttempt, delivery)
	return as, reading(err, "attempts of delivery %d", delivery)
}

func scanAttempt(c *cells) lane.Attempt {
	return lane.Attempt{Delivery: c.num(), Number: int(c.num()), Epoch: c.num(), Started: c.moment(), Deadline: c.moment(),
		Ended: c.moment(), Outcome: waybill.Verdict(c.text()), Detail: c.text()}
}

func (w *writer) addBody(b *lane.Body, shard int64) {
	w.arena.Reset()
	w.sheet.bodyInsert.add().num(b.Delivery).num(shard).text(b.ContentType).blob(w.arena.Pack(b.Bytes))
}

// Body implements lane.Reader.
func (s *Store) Body(ctx context.Context, delivery int64) (lane.Body, error) {
	b, err := one(ctx, s, bodyOf, func(c *cells) lane.Body {
		return lane.Body{Delivery: c.num(), ContentType: c.text(), Bytes: c.blob()}
	}, delivery)
	return b, reading(err, "the body of delivery %d", delivery)
}
