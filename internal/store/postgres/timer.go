package postgres

import (
	"context"

	"github.com/waybillhq/waybill/internal/store"
)

const (
	timerSet = `
		INSERT INTO timer (waybill, name, shard, due)
		SELECT * FROM $rows
		ON CONFLICT (waybill, name, shard) DO UPDATE SET due = excluded.due`

	timerClear = `
		DELETE FROM timer AS t USING $rows AS n (waybill, name, shard)
		WHERE t.waybill = n.waybill AND t.name = n.name AND t.shard = n.shard`

	// Read whole, once, at start; a timer is open work.
	timersAll = `SELECT waybill, name, due FROM timer ORDER BY due NULLS FIRST, waybill, name`
)

func (w *writer) addTimer(t *store.Timer, shard int64) {
	w.sheet.timerSet.add().num(t.Waybill).text(t.Name).num(shard).moment(t.Due)
}

func (w *writer) addTimerEnd(n *store.TimerName, shard int64) {
	w.sheet.timerClear.add().num(n.Waybill).text(n.Name).num(shard)
}

// Timers implements store.TimerReader.
func (s *Store) Timers(ctx context.Context, each func(store.Timer) error) error {
	return reading(stream(ctx, s, timersAll, scanTimer, each), "timers")
}

func scanTimer(c *cells) store.Timer {
	return store.Timer{TimerName: store.TimerName{Waybill: c.num(), Name: c.text()}, Due: c.moment()}
}

const (
	watchInsert = `
		INSERT INTO watch (entity, waybill, shard)
		SELECT * FROM $rows
		ON CONFLICT DO NOTHING`

	watchDelete = `
		DELETE FROM watch AS w USING $rows AS n (entity, waybill, shard)
		WHERE w.entity = n.entity AND w.waybill = n.waybill AND w.shard = n.shard`

	watchesOf = `
		SELECT waybill FROM watch
		WHERE entity = $1 AND waybill > $2 AND shard = $4 ORDER BY waybill LIMIT $3`
)

func (w *writer) addWatch(v *store.Watch) {
	w.sheet.watchInsert.add().text(v.Entity).num(v.Waybill).num(shardOfText(v.Entity))
}

func (w *writer) addWatchEnd(v *store.Watch) {
	w.sheet.watchDelete.add().text(v.Entity).num(v.Waybill).num(shardOfText(v.Entity))
}

// Watching implements store.TimerReader.
func (s *Store) Watching(ctx context.Context, entity string, after int64, most int) ([]int64, error) {
	ids, err := collect(ctx, s, watchesOf, (*cells).num, entity, after, limit(most), shardOfText(entity))
	return ids, reading(err, "the waybills that watch %s", entity)
}
