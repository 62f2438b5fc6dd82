package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// handedOut checks that ids rise and never come twice.
type handedOut struct {
	mu   sync.Mutex
	seen map[int64]bool
}

func (h *handedOut) reserve(ctx context.Context, t *testing.T, s store.Store, n int64) int64 {
	t.Helper()
	first, err := s.Reserve(ctx, n)
	if err != nil {
		t.Error(err)
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := first; id < first+n; id++ {
		if id <= 0 || h.seen[id] {
			t.Errorf("id %d was handed out twice, or is no id", id)
			return first
		}
		h.seen[id] = true
	}
	return first
}

func reserveNeverRepeats(t *testing.T, b *books) {
	h := &handedOut{seen: map[int64]bool{}}
	last := int64(0)
	for range 4 {
		for _, n := range []int64{1, 2, 1000, 100_000, 1} {
			first := h.reserve(t.Context(), t, b, n)
			if first <= last {
				t.Errorf("id %d was handed out after %d", first, last)
			}
			last = first
		}
		b.reopen(t)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				h.reserve(t.Context(), t, b, 1000)
			}
		})
	}
	wg.Wait()
	if _, err := b.Reserve(t.Context(), 0); err == nil {
		t.Error("no ids were reserved without an error")
	}
}

// The engine reserves ids while its own batch is open, and uses ids that it
// reserved in a batch that was dropped.
func reserveInsideBatch(t *testing.T, b *books) {
	h := &handedOut{seen: map[int64]bool{}}
	dropped := b.begin(t)
	first := h.reserve(t.Context(), t, b, 500_000)
	if err := dropped.Rollback(); err != nil {
		t.Fatal(err)
	}
	b.commit(t, &store.Batch{Events: []ledger.Event{anEvent(first + 499_999)}})
	b.reopen(t)
	if next := h.reserve(t.Context(), t, b, 1); next <= first+499_999 {
		t.Errorf("after a restart id %d is handed out, and %d is in the ledger", next, first+499_999)
	}
	tx := b.begin(t)
	inside := h.reserve(t.Context(), t, b, 500_000)
	if err := tx.Write(t.Context(), &store.Batch{Events: []ledger.Event{anEvent(inside)}}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { h.reserve(t.Context(), t, b, 100_000) })
	}
	wg.Wait()
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.reopen(t)
	h.reserve(t.Context(), t, b, 1)
}

// everything is a batch with a row of each kind.
func everything() *store.Batch {
	return &store.Batch{
		Waybills: []ledger.Waybill{aWaybill(1)}, Events: []ledger.Event{anEvent(3)},
		References: []ledger.Reference{{Waybill: 1, System: "shop", Kind: "order", Value: "SO-1"}},
		Past:       []ledger.Past{{Waybill: 1, Name: "ADJ-1", Data: []byte("{}")}},
		Deliveries: []lane.Delivery{aDelivery(8)}, Bodies: []lane.Body{{Delivery: 8, Bytes: []byte("{}")}},
		Attempts: []lane.Attempt{{Delivery: 8, Number: 1}},
		Timers:   []store.Timer{{TimerName: store.TimerName{Waybill: 1, Name: "hold"}, Due: at(1)}},
		Watches:  []store.Watch{{Entity: "item:A", Waybill: 1}}, Exceptions: []exception.Exception{anException(2)},
		Audit: []audit.Entry{{Seq: 1, Actor: "ann@example.com"}}, Settings: map[string]string{"a": "1"},
	}
}

// rows counts what is there of everything.
func (b *books) rows(t *testing.T) map[string]int {
	t.Helper()
	ctx, n := t.Context(), map[string]int{}
	n["waybill"] = len(must[[]ledger.Waybill](t)(b.Waybills(ctx, ledger.WaybillQuery{})))
	n["event"] = len(must[[]ledger.Event](t)(b.Events(ctx, ledger.EventQuery{})))
	n["reference"] = len(must[[]ledger.Reference](t)(b.References(ctx, 1)))
	n["delivery"] = len(must[[]lane.Delivery](t)(b.Deliveries(ctx, lane.Query{})))
	n["attempt"] = len(must[[]lane.Attempt](t)(b.Attempts(ctx, 8)))
	n["watch"] = len(must[[]int64](t)(b.Watching(ctx, "item:A", 0, 10)))
	n["exception"] = len(must[[]exception.Exception](t)(b.Exceptions(ctx, exception.Query{})))
	n["audit"] = len(must[[]audit.Entry](t)(b.AuditAfter(ctx, 0, 10)))
	n["timer"] = 0
	if err := b.Timers(ctx, func(store.Timer) error { n["timer"]++; return nil }); err != nil {
		t.Fatal(err)
	}
	for name, read := range map[string]func() error{
		"body":    func() error { _, err := b.Body(ctx, 8); return err },
		"past":    func() error { _, err := b.Past(ctx, 1, "ADJ-1"); return err },
		"setting": func() error { _, err := b.Setting(ctx, "a"); return err },
		"message": func() error { _, err := b.MessageByDedupe(ctx, "shop", "evt_1"); return err },
	} {
		switch err := read(); {
		case err == nil:
			n[name] = 1
		case !errors.Is(err, store.ErrNotFound):
			t.Fatal(err)
		default:
			n[name] = 0
		}
	}
	return n
}

// each says that there are so many rows of each kind.
func (b *books) each(t *testing.T, when string, want int) {
	t.Helper()
	for kind, n := range b.rows(t) {
		if n != want {
			t.Errorf("%s there are %d rows of kind %s, want %d", when, n, kind, want)
		}
	}
}

func (b *books) fill(t *testing.T) store.Tx {
	t.Helper()
	tx := b.begin(t)
	if _, err := tx.KeepMessages(t.Context(), []ledger.Message{aMessage(1, "shop", "evt_1")}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Write(t.Context(), everything()); err != nil {
		t.Fatal(err)
	}
	return tx
}

func batchAllOrNothing(t *testing.T, b *books) {
	tx := b.fill(t)
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	b.each(t, "after a rollback", 0)
	b.reopen(t)
	b.each(t, "after a rollback and a restart", 0)
	tx = b.fill(t)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.each(t, "after a commit", 1)
}

func batchUnseenUntilCommit(t *testing.T, b *books) {
	tx := b.fill(t)
	b.each(t, "while the batch is open", 0)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.each(t, "as soon as the commit has returned", 1)
}

func batchOneAtATime(t *testing.T, b *books) {
	tx := b.begin(t)
	soon, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() {
		_, err := b.Begin(soon)
		waiting <- err
	}()
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Errorf("a second batch while the first is open: %v; want it to wait as long as its context lasts", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := b.begin(t).Rollback(); err != nil {
		t.Fatal(err)
	}
}

func batchEnds(t *testing.T, b *books) {
	ctx := t.Context()
	before := b.Statistics().Commits
	tx := b.fill(t)
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Errorf("rollback after commit: %v; it is harmless", err)
	}
	if n := b.Statistics().Commits - before; n != 1 {
		t.Errorf("one batch counts as %d commits", n)
	}
	if err := tx.Write(ctx, &store.Batch{}); err == nil {
		t.Error("a batch was written to after its commit")
	}
	if _, err := tx.KeepMessages(ctx, nil); err == nil {
		t.Error("a batch kept messages after its commit")
	}
	if err := tx.Commit(ctx); err == nil {
		t.Error("a batch was committed twice")
	}
	b.each(t, "after all this", 1)

	// A request that has gone away does not cut its neighbours' batch.
	gone, cancel := context.WithCancel(ctx)
	tx, err := b.Begin(gone)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := tx.Write(gone, &store.Batch{Settings: map[string]string{"b": "2"}}); err != nil {
		t.Errorf("write: %v", err)
	}
	if err := tx.Commit(gone); err != nil {
		t.Errorf("commit: %v", err)
	}
	same(t, "what it wrote", must[string](t)(b.Setting(ctx, "b")), "2")
}

func survivesReopen(t *testing.T, b *books) {
	tx := b.fill(t)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.reopen(t)
	b.each(t, "after a restart", 1)
}

func notFound(t *testing.T, b *books) {
	ctx := t.Context()
	for what, read := range map[string]func() error{
		"Message":         func() error { _, err := b.Message(ctx, 1); return err },
		"MessageByDedupe": func() error { _, err := b.MessageByDedupe(ctx, "shop", "x"); return err },
		"Event":           func() error { _, err := b.Event(ctx, 1); return err },
		"Waybill":         func() error { _, err := b.Waybill(ctx, 1); return err },
		"WaybillByTag":    func() error { _, err := b.WaybillByTag(ctx, 1, "sales", "SO-1"); return err },
		"Delivery":        func() error { _, err := b.Delivery(ctx, 1); return err },
		"Body":            func() error { _, err := b.Body(ctx, 1); return err },
		"Exception":       func() error { _, err := b.Exception(ctx, 1); return err },
		"Setting":         func() error { _, err := b.Setting(ctx, "x"); return err },
	} {
		if err := read(); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s of nothing: %v, want ErrNotFound", what, err)
		}
	}
}

// check finds nothing wrong in whole books, and what is wrong in others.
func check(t *testing.T, b *books) {
	heads := must[[]ledger.Head](t)(b.Acquire(t.Context(), "r"))
	w, d := aWaybill(1), aDelivery(8)
	d.Waybill = 1
	m := aMessage(7, "shop", "evt_1")
	b.keep(t, m)
	h := &heads[w.Shard]
	var es []ledger.Event
	for id := int64(1); id <= 5; id++ {
		e := anEvent(id)
		e.Shard, e.Waybill, e.Message, h.Seq = w.Shard, 1, 7, h.Seq+1
		e.Seq = h.Seq
		e.Link(h.Hash)
		h.Hash = e.Hash
		es = append(es, e)
	}
	b.commit(t, &store.Batch{Heads: []ledger.Head{*h}, Waybills: []ledger.Waybill{w}, Events: es, Deliveries: []lane.Delivery{d}})
	same(t, "findings in whole books", must[[]string](t)(b.Check(t.Context())), []string(nil))

	h.Seq, h.Hash = 9, [32]byte{}
	lost := anEvent(6)
	lost.Shard, lost.Seq, lost.Waybill, lost.Message = w.Shard, 8, 99, 98
	b.commit(t, &store.Batch{Heads: []ledger.Head{*h}, Events: []ledger.Event{lost}})
	if findings := must[[]string](t)(b.Check(t.Context())); len(findings) < 4 {
		t.Errorf("a gap in a chain, a head without its event, a lost waybill and a lost message give %d findings: %q", len(findings), findings)
	}
}
