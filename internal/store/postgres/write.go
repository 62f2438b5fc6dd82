package postgres

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// fill puts the batch's rows on the sheet, in the order of its fields. A
// statement may not meet one row twice, so of several rows for one the last
// counts.
func (t *tx) fill(b *store.Batch) error {
	w := t.w
	home, err := t.homes(b)
	if err != nil {
		return err
	}
	lastOf(b.Heads, func(h *ledger.Head) int { return h.Shard }, func(h *ledger.Head) {
		w.sheet.headWrite.add().num(int64(h.Shard)).num(h.Epoch).num(h.Seq).num(h.Batch).blob(h.Hash[:])
	})
	if err := w.addWaybills(b.Waybills); err != nil {
		return err
	}
	for i := range b.Events {
		w.addEvent(&b.Events[i])
	}
	lastOf(b.EventStates, func(c *ledger.StateChange) int64 { return c.Event }, w.addEventChange)
	for i := range b.References {
		w.addReference(&b.References[i])
	}
	lastOf(b.Past, func(p *ledger.Past) store.TimerName { return store.TimerName{Waybill: p.Waybill, Name: p.Name} },
		func(p *ledger.Past) { w.addPast(p, home.waybill[p.Waybill]) })
	w.addDeliveries(b.Deliveries)
	for i := range b.Bodies {
		w.addBody(&b.Bodies[i], home.delivery[b.Bodies[i].Delivery])
	}
	for i := range b.Attempts {
		w.addAttempt(&b.Attempts[i], home.delivery[b.Attempts[i].Delivery])
	}
	return t.fillRest(b, home)
}

func (t *tx) fillRest(b *store.Batch, home homes) error {
	w := t.w
	lastOf(b.Timers, func(x *store.Timer) store.TimerName { return x.TimerName },
		func(x *store.Timer) { w.addTimer(x, home.waybill[x.Waybill]) })
	for i := range b.ClearTimers {
		w.addTimerEnd(&b.ClearTimers[i], home.waybill[b.ClearTimers[i].Waybill])
	}
	for i := range b.Watches {
		w.addWatch(&b.Watches[i])
	}
	for i := range b.Unwatch {
		w.addWatchEnd(&b.Unwatch[i])
	}
	// The last word on each exception, where it was first named: one may close
	// so that another of the same trouble opens.
	last := map[int64]int{}
	for i := range b.Exceptions {
		last[b.Exceptions[i].ID] = i
	}
	for i := range b.Exceptions {
		at, first := last[b.Exceptions[i].ID]
		if !first {
			continue
		}
		delete(last, b.Exceptions[i].ID)
		x := &b.Exceptions[at]
		if err := w.addException(x, home.waybill[x.Waybill]); err != nil {
			return err
		}
	}
	for _, id := range b.Unmap {
		w.addMappingEnd(id)
	}
	for i := range b.Mappings {
		w.addMapping(&b.Mappings[i])
	}
	for i := range b.Audit {
		w.addAudit(&b.Audit[i])
	}
	if err := w.addSettings(b.Settings); err != nil {
		return err
	}
	lastOf(b.MessageUpdates, func(m *ledger.Message) int64 { return m.ID }, w.addMessageUpdate)
	return nil
}

// lastOf adds the last of the rows that have the same key.
func lastOf[T any, K comparable](all []T, key func(*T) K, add func(*T)) {
	if len(all) == 1 {
		add(&all[0])
		return
	}
	last := make(map[K]int, len(all))
	for i := range all {
		last[key(&all[i])] = i
	}
	for i := range all {
		if last[key(&all[i])] == i {
			add(&all[i])
		}
	}
}

// homes are the shards of the waybills and deliveries that rows without a shard
// of their own belong to.
type homes struct{ waybill, delivery map[int64]int64 }

// homes finds them, in the batch itself as a rule. What belongs to nothing that
// is stored is in shard 0.
func (t *tx) homes(b *store.Batch) (h homes, err error) {
	h = homes{waybill: map[int64]int64{}, delivery: map[int64]int64{}}
	if len(b.Bodies)+len(b.Attempts) > 0 {
		for i := range b.Deliveries {
			h.delivery[b.Deliveries[i].ID] = int64(b.Deliveries[i].Shard)
		}
		var sought []int64
		for i := range b.Bodies {
			sought = missing(sought, h.delivery, b.Bodies[i].Delivery)
		}
		for i := range b.Attempts {
			sought = missing(sought, h.delivery, b.Attempts[i].Delivery)
		}
		if err := t.find(`SELECT id, shard FROM delivery WHERE id = ANY($1)`, sought, h.delivery); err != nil {
			return h, err
		}
	}
	if len(b.Past)+len(b.Timers)+len(b.ClearTimers)+len(b.Exceptions) == 0 {
		return h, nil
	}
	for i := range b.Waybills {
		h.waybill[b.Waybills[i].ID] = int64(b.Waybills[i].Shard)
	}
	var sought []int64
	for i := range b.Past {
		sought = missing(sought, h.waybill, b.Past[i].Waybill)
	}
	for i := range b.Timers {
		sought = missing(sought, h.waybill, b.Timers[i].Waybill)
	}
	for i := range b.ClearTimers {
		sought = missing(sought, h.waybill, b.ClearTimers[i].Waybill)
	}
	for i := range b.Exceptions {
		sought = missing(sought, h.waybill, b.Exceptions[i].Waybill)
	}
	return h, t.find(`SELECT id, shard FROM waybill WHERE id = ANY($1)`, sought, h.waybill)
}

// missing adds an id whose shard is not known yet.
func missing(sought []int64, known map[int64]int64, id int64) []int64 {
	if _, ok := known[id]; ok || id == 0 {
		return sought
	}
	known[id] = 0
	return append(sought, id)
}

// find reads the shards of ids that the batch itself does not tell.
func (t *tx) find(text string, ids []int64, into map[int64]int64) error {
	if len(ids) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, answerTimeout)
	defer cancel()
	rs, err := t.w.conn.Query(ctx, text, binaryRows, ids)
	if err != nil {
		return fmt.Errorf("find the shards of %d rows: %w", len(ids), err)
	}
	defer rs.Close()
	for rs.Next() {
		c := cells{raw: rs.RawValues()}
		id := c.num()
		into[id] = c.num()
		if c.err != nil {
			return c.err
		}
	}
	if err := rs.Err(); err != nil {
		return fmt.Errorf("find the shards of %d rows: %w", len(ids), err)
	}
	return nil
}

func binaryNumber(v int64) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(v)) //nolint:gosec // a bit pattern
}
