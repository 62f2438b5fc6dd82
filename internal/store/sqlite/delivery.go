package sqlite

import (
	"context"

	"github.com/waybillhq/waybill/internal/lane"
)

const (
	// Columns are what a query or a person looks for; the rest is packed, for
	// every delivery is written at least twice and each column costs its time
	// both times.
	deliveryInsert = `
		INSERT INTO delivery (
			id, waybill, shard, key, target, kind, decided, seq, state, next, due, progress
		) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET
			seq = excluded.seq, state = excluded.state, next = excluded.next, due = excluded.due,
			progress = excluded.progress`

	deliveryUpdate = `UPDATE delivery SET seq = ?, state = ?, next = ?, due = ?, progress = ? WHERE id = ?`

	deliveryNewest = `SELECT coalesce(max(id), 0) FROM delivery`

	deliveryColumns = `
		SELECT id, waybill, shard, key, target, kind, decided, seq, state, next, due, progress`

	deliveryByID = deliveryColumns + ` FROM delivery WHERE id = ?`

	// Lists take the same parameters: after, limit, waybill, target, state.
	// Each goes by the narrowest index that its query names.
	deliveryFilter = ` AND (?4 = '' OR target = ?4) AND (?5 = '' OR state = ?5) ORDER BY id LIMIT ?2`

	deliveriesAll = deliveryColumns + `
		FROM delivery
		WHERE id > ?1` + deliveryFilter

	deliveriesOfWaybill = deliveryColumns + `
		FROM delivery INDEXED BY delivery_waybill
		WHERE waybill = ?3 AND id > ?1` + deliveryFilter

	// The condition is that of the index delivery_item, word for word.
	deliveriesOfItem = deliveryColumns + `
		FROM delivery INDEXED BY delivery_item
		WHERE waybill = ? AND (kind = 'inventory_adjustment' AND state NOT IN ('done', 'skipped')
			OR kind = 'inventory_availability' AND state NOT IN ('done', 'skipped', 'cancelled'))
		ORDER BY id`

	deliveriesInState = deliveryColumns + `
		FROM delivery INDEXED BY delivery_state
		WHERE state = ?5 AND state <> 'done' AND id > ?1` + deliveryFilter

	deliveriesOfTarget = deliveryColumns + `
		FROM delivery INDEXED BY delivery_target
		WHERE target = ?4 AND id > ?1` + deliveryFilter

	deliveriesNewest = deliveryColumns + `
		FROM delivery INDEXED BY delivery_target
		WHERE target = ?1 AND id < ?2
		ORDER BY id DESC LIMIT ?3`

	deliveriesPending = `
		SELECT id, waybill, target, kind, state, next, due
		FROM delivery INDEXED BY delivery_state
		WHERE state IN ('ready', 'in_flight', 'in_doubt', 'waiting', 'parked') AND state <> 'done'
		ORDER BY id`
)

// writeDelivery replaces a delivery, or inserts it. Ids rise, so one above all
// others is new.
func (w *writer) writeDelivery(ctx context.Context, d *lane.Delivery) error {
	w.arena.Reset()
	progress := w.arena.Progress(d)
	if d.ID <= w.newestDelivery {
		n, err := w.deliveryUpdate.exec(ctx, d.Seq, string(d.State), string(d.Next), micros(d.Due), progress, d.ID)
		if err != nil || n > 0 {
			return writing(err, "delivery %d (%s)", d.ID, d.Key)
		}
	}
	decided := w.arena.Decided(d)
	_, err := w.deliveryInsert.exec(ctx, d.ID, d.Waybill, int64(d.Shard), d.Key, d.Target, string(d.Kind), decided,
		d.Seq, string(d.State), string(d.Next), micros(d.Due), progress)
	w.newestDelivery = max(w.newestDelivery, d.ID)
	return writing(err, "delivery %d (%s)", d.ID, d.Key)
}

// Delivery implements lane.Reader.
func (s *Store) Delivery(ctx context.Context, id int64) (lane.Delivery, error) {
	d, err := scanDelivery(s.deliveryByID.QueryRowContext(quick(ctx), id))
	return d, reading(err, "delivery %d", id)
}

// DeliveriesOf implements lane.Reader.
func (s *Store) DeliveriesOf(ctx context.Context, waybill int64) ([]lane.Delivery, error) {
	ds, err := collect(ctx, s.deliveriesOfWaybill, scanDelivery, 0, -1, waybill, "", "")
	return ds, reading(err, "deliveries of waybill %d", waybill)
}

// DeliveriesOfItem implements lane.Reader.
func (s *Store) DeliveriesOfItem(ctx context.Context, waybill int64) ([]lane.Delivery, error) {
	ds, err := collect(ctx, s.deliveriesOfItem, scanDelivery, waybill)
	return ds, reading(err, "open deliveries of waybill %d", waybill)
}

// Deliveries implements lane.Reader.
func (s *Store) Deliveries(ctx context.Context, q lane.Query) ([]lane.Delivery, error) {
	if q.Before != 0 {
		ds, err := collect(ctx, s.deliveriesNewest, scanDelivery, q.Target, q.Before, limit(q.Limit))
		return ds, reading(err, "the newest deliveries to %s", q.Target)
	}
	st := s.deliveriesAll
	switch {
	case q.Waybill != 0:
		st = s.deliveriesOfWaybill
	case q.State != "" && q.State != lane.Done:
		st = s.deliveriesInState
	case q.Target != "":
		st = s.deliveriesOfTarget
	}
	ds, err := collect(ctx, st, scanDelivery, q.After, limit(q.Limit), q.Waybill, q.Target, string(q.State))
	return ds, reading(err, "deliveries")
}

func scanDelivery(r row) (d lane.Delivery, err error) {
	err = r.Scan(&d.ID, &d.Waybill, &d.Shard, &d.Key, &d.Target, &d.Kind, toDecided{&d},
		&d.Seq, &d.State, &d.Next, toTime{&d.Due}, toProgress{&d})
	return d, err
}

// PendingDeliveries implements lane.Reader.
func (s *Store) PendingDeliveries(ctx context.Context, each func(lane.Pending) error) error {
	return reading(stream(ctx, s.deliveriesPending, scanPending, each), "pending deliveries")
}

func scanPending(r row) (p lane.Pending, err error) {
	err = r.Scan(&p.ID, &p.Waybill, &p.Target, &p.Kind, &p.State, &p.Next, toTime{&p.Due})
	return p, err
}

const (
	attemptInsert = `
		INSERT INTO attempt (delivery, number, epoch, started, deadline, ended, outcome, detail)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`

	attemptsOf = `
		SELECT delivery, number, epoch, started, deadline, ended, outcome, detail
		FROM attempt WHERE delivery = ? ORDER BY number`

	bodyInsert = `INSERT INTO delivery_body (delivery, content_type, body) VALUES (?, ?, ?)`

	bodyOf = `SELECT delivery, content_type, body FROM delivery_body WHERE delivery = ?`
)

func (w *writer) insertAttempt(ctx context.Context, a *lane.Attempt) error {
	_, err := w.attemptInsert.exec(ctx, a.Delivery, int64(a.Number), a.Epoch, micros(a.Started), micros(a.Deadline),
		micros(a.Ended), string(a.Outcome), a.Detail)
	return writing(err, "attempt %d of delivery %d", a.Number, a.Delivery)
}

// Attempts implements lane.Reader.
func (s *Store) Attempts(ctx context.Context, delivery int64) ([]lane.Attempt, error) {
	as, err := collect(ctx, s.attemptsOf, scanAttempt, delivery)
	return as, reading(err, "attempts of delivery %d", delivery)
}

func scanAttempt(r row) (a lane.Attempt, err error) {
	err = r.Scan(&a.Delivery, &a.Number, &a.Epoch, toTime{&a.Started}, toTime{&a.Deadline}, toTime{&a.Ended},
		&a.Outcome, &a.Detail)
	return a, err
}

func (w *writer) insertBody(ctx context.Context, b *lane.Body) error {
	w.arena.Reset()
	_, err := w.bodyInsert.exec(ctx, b.Delivery, b.ContentType, w.arena.Pack(b.Bytes))
	return writing(err, "the body of delivery %d", b.Delivery)
}

// Body implements lane.Reader.
func (s *Store) Body(ctx context.Context, delivery int64) (b lane.Body, err error) {
	err = s.bodyOf.QueryRowContext(quick(ctx), delivery).Scan(&b.Delivery, &b.ContentType, toBlob{&b.Bytes})
	return b, reading(err, "the body of delivery %d", delivery)
}
