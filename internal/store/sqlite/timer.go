package sqlite

import (
	"context"

	"github.com/waybillhq/waybill/internal/store"
)

const (
	timerSet = `
		INSERT INTO timer (waybill, name, due) VALUES (?, ?, ?)
		ON CONFLICT (waybill, name) DO UPDATE SET due = excluded.due`

	timerClear = `DELETE FROM timer WHERE waybill = ? AND name = ?`

	// Read whole, once, at start; a timer is open work.
	timersAll = `SELECT waybill, name, due FROM timer ORDER BY due, waybill, name`
)

func (w *writer) setTimer(ctx context.Context, t *store.Timer) error {
	_, err := w.timerSet.exec(ctx, t.Waybill, t.Name, micros(t.Due))
	return writing(err, "timer %s of waybill %d", t.Name, t.Waybill)
}

func (w *writer) clearTimer(ctx context.Context, n *store.TimerName) error {
	_, err := w.timerClear.exec(ctx, n.Waybill, n.Name)
	return writing(err, "the end of timer %s of waybill %d", n.Name, n.Waybill)
}

// Timers implements store.TimerReader.
func (s *Store) Timers(ctx context.Context, each func(store.Timer) error) error {
	return reading(stream(ctx, s.timersAll, scanTimer, each), "timers")
}

func scanTimer(r row) (t store.Timer, err error) {
	err = r.Scan(&t.Waybill, &t.Name, toTime{&t.Due})
	return t, err
}

const (
	watchInsert = `INSERT INTO watch (entity, waybill) VALUES (?, ?) ON CONFLICT DO NOTHING`

	watchDelete = `DELETE FROM watch WHERE entity = ? AND waybill = ?`

	watchesOf = `SELECT waybill FROM watch WHERE entity = ? AND waybill > ? ORDER BY waybill LIMIT ?`
)

func (w *writer) insertWatch(ctx context.Context, v *store.Watch) error {
	_, err := w.watchInsert.exec(ctx, v.Entity, v.Waybill)
	return writing(err, "the watch of waybill %d on %s", v.Waybill, v.Entity)
}

func (w *writer) deleteWatch(ctx context.Context, v *store.Watch) error {
	_, err := w.watchDelete.exec(ctx, v.Entity, v.Waybill)
	return writing(err, "the end of the watch of waybill %d on %s", v.Waybill, v.Entity)
}

// Watching implements store.TimerReader.
func (s *Store) Watching(ctx context.Context, entity string, after int64, most int) ([]int64, error) {
	ids, err := collect(ctx, s.watchesOf, scanID, entity, after, limit(most))
	return ids, reading(err, "the waybills that watch %s", entity)
}

func scanID(r row) (id int64, err error) {
	err = r.Scan(&id)
	return id, err
}
