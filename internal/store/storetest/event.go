package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

func eventRoundTrip(t *testing.T, b *books) {
	es := draw(t, anyEvent)
	b.commit(t, &store.Batch{Events: es})
	for _, e := range es {
		got := must[ledger.Event](t)(b.Event(t.Context(), e.ID))
		same(t, "event", got, e)
		_, offset := got.OccurredAt.Zone()
		if _, want := e.OccurredAt.Zone(); offset != want {
			t.Errorf("event %d occurred at %v; it was written with %v", e.ID, got.OccurredAt, e.OccurredAt)
		}
	}
	same(t, "the ledger in order", pages(t, 7, eventID, func(after int64, limit int) ([]ledger.Event, error) {
		return b.EventsAfter(t.Context(), after, limit)
	}), es)
	if err := b.try(t.Context(), &store.Batch{Events: es[:1]}); err == nil {
		t.Error("an event was written over another of the same id")
	}
}

func eventID(e ledger.Event) int64 { return e.ID }

// anEvent is a plain event; ids rise, sources, waybills and states repeat.
func anEvent(id int64) ledger.Event {
	return ledger.Event{
		ID: id, Shard: int(id % 5), Seq: id, Waybill: id % 7, Message: id % 2 * id, Type: waybill.OrderPlaced, Version: 1,
		Source: []string{"shop", "erp", "wms"}[id%3], OccurredAt: at(int(id)), RecordedAt: at(int(id)),
		State: eventStatesAll[id%int64(len(eventStatesAll))], Data: []byte(`{"order":"SO-1"}`),
	}
}

func eventQueries(t *testing.T, b *books) {
	var all []ledger.Event
	for id := int64(1); id <= 300; id++ {
		all = append(all, anEvent(id))
	}
	b.commit(t, &store.Batch{Events: all})
	var newest []int64
	for _, e := range slices.Backward(all) {
		if e.Source == "shop" && e.Message != 0 && e.ID < 90 && len(newest) < 5 {
			newest = append(newest, e.ID)
		}
	}
	same(t, "the newest events", ids(must[[]ledger.Event](t)(b.Events(t.Context(), ledger.EventQuery{Source: "shop", Before: 90, Limit: 5})), eventID), newest)
	for _, source := range []string{"", "shop", "nobody"} {
		for _, state := range append([]ledger.EventState{""}, eventStatesAll...) {
			for _, wb := range []int64{0, 3, 999} {
				q := ledger.EventQuery{Source: source, State: state, Waybill: wb}
				want := slices.DeleteFunc(slices.Clone(all), func(e ledger.Event) bool {
					return source != "" && e.Source != source || state != "" && e.State != state || wb != 0 && e.Waybill != wb
				})
				for _, size := range []int{2, 100} {
					got := pages(t, size, eventID, func(after int64, limit int) ([]ledger.Event, error) {
						q.After, q.Limit = after, limit
						return b.Events(t.Context(), q)
					})
					same(t, fmt.Sprintf("events of %+v", q), ids(got, eventID), ids(want, eventID))
				}
				q.After, q.Limit = 0, 0
				same(t, fmt.Sprintf("all events of %+v", q), ids(must[[]ledger.Event](t)(b.Events(t.Context(), q)), eventID), ids(want, eventID))
			}
		}
	}
}

func ids[T any](rows []T, id func(T) int64) []int64 {
	var out []int64
	for _, r := range rows {
		out = append(out, id(r))
	}
	return out
}

func eventsOfMessage(t *testing.T, b *books) {
	shop, erp, none := aMessage(1, "shop", "evt_1"), aMessage(2, "erp", "evt_1"), aMessage(3, "shop", "evt_2")
	shop.FirstEvent, shop.Events = 10, 2
	erp.FirstEvent, erp.Events = 12, 3
	b.keep(t, shop, erp, none)
	var es []ledger.Event
	for id := int64(9); id <= 16; id++ {
		es = append(es, anEvent(id))
	}
	b.commit(t, &store.Batch{Events: es})
	for _, c := range []struct {
		q    ledger.EventQuery
		want []int64
	}{
		{ledger.EventQuery{Source: "shop", ID: "evt_1"}, []int64{10, 11}},
		{ledger.EventQuery{Source: "erp", ID: "evt_1"}, []int64{12, 13, 14}},
		{ledger.EventQuery{ID: "evt_1"}, []int64{10, 11, 12, 13, 14}},
		{ledger.EventQuery{ID: "evt_1", After: 11, Limit: 2}, []int64{12, 13}},
		{ledger.EventQuery{ID: "evt_1", State: es[2].State}, []int64{11}},
		{ledger.EventQuery{ID: "evt_1", Waybill: es[4].Waybill}, []int64{13}},
		{ledger.EventQuery{Source: "shop", ID: "evt_2"}, nil},
		{ledger.EventQuery{Source: "shop", ID: "evt_3"}, nil},
	} {
		same(t, fmt.Sprintf("events of %+v", c.q), ids(must[[]ledger.Event](t)(b.Events(t.Context(), c.q)), eventID), c.want)
	}
}

func eventStates(t *testing.T, b *books) {
	limbo, placed := anEvent(3), anEvent(7)
	limbo.State, placed.State = ledger.Limbo, ledger.Applied
	b.commit(t, &store.Batch{Events: []ledger.Event{limbo, placed}})
	same(t, "counts", must[map[ledger.EventState]int](t)(b.EventCounts(t.Context())), map[ledger.EventState]int{ledger.Limbo: 1})
	for _, state := range []ledger.EventState{ledger.ParkedEvent, ledger.Undecided, ledger.QuarantinedEvent, ledger.Limbo, ledger.Superseded, ledger.Applied} {
		b.commit(t, &store.Batch{EventStates: []ledger.StateChange{{Event: 3, State: state, Reason: "because " + string(state)}}})
		want := limbo
		want.State, want.Reason = state, "because "+string(state)
		same(t, "event", must[ledger.Event](t)(b.Event(t.Context(), 3)), want)
		found := must[[]ledger.Event](t)(b.Events(t.Context(), ledger.EventQuery{State: state}))
		if !slices.Contains(ids(found, eventID), 3) {
			t.Errorf("the event in state %s is not found by it", state)
		}
		counts := must[map[ledger.EventState]int](t)(b.EventCounts(t.Context()))
		if settled := state == ledger.Applied || state == ledger.Superseded; settled == (counts[state] == 1) {
			t.Errorf("counts with one event in state %s: %v", state, counts)
		}
	}
	err := b.try(t.Context(), &store.Batch{EventStates: []ledger.StateChange{{Event: 99, State: ledger.Applied}}})
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("changing the state of an event that is not there: %v, want ErrNotFound", err)
	}
}

func headsAndFence(t *testing.T, b *books) {
	heads := must[[]ledger.Head](t)(b.Acquire(t.Context(), "first"))
	if len(heads) != ledger.ShardCount {
		t.Fatalf("%d heads, want one for each of %d shards", len(heads), ledger.ShardCount)
	}
	for i, h := range heads {
		if h.Shard != i || h.Epoch != 1 || h.Seq != 0 || h.Batch != 0 || h.Hash != [32]byte{} {
			t.Fatalf("head %d of an empty database, acquired once, is %+v", i, h)
		}
	}
	mine := heads[17]
	mine.Seq, mine.Batch, mine.Hash = 3, 1, [32]byte{1, 2, 3}
	b.commit(t, &store.Batch{Heads: []ledger.Head{mine}})
	heads[17] = mine
	same(t, "heads", must[[]ledger.Head](t)(b.Heads(t.Context())), heads)

	b.reopen(t)
	same(t, "heads after a restart", must[[]ledger.Head](t)(b.Heads(t.Context())), heads)
	for i := range heads {
		heads[i].Epoch = 2
	}
	same(t, "heads of the second owner", must[[]ledger.Head](t)(b.Acquire(t.Context(), "second")), heads)

	stale := mine
	stale.Seq, stale.Batch = 4, 2
	free := heads[18]
	free.Seq = 1
	err := b.try(t.Context(), &store.Batch{
		Heads:    []ledger.Head{free, stale},
		Events:   []ledger.Event{anEvent(1)},
		Settings: map[string]string{"a": "1"},
	})
	if !errors.Is(err, store.ErrFenced) {
		t.Errorf("the first owner wrote after the second came: %v, want ErrFenced", err)
	}
	same(t, "heads after a fenced batch", must[[]ledger.Head](t)(b.Heads(t.Context())), heads)
	if es := must[[]ledger.Event](t)(b.EventsAfter(t.Context(), 0, 10)); len(es) != 0 {
		t.Errorf("a fenced batch left %d events", len(es))
	}
}
