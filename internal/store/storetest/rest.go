package storetest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/store"
)

func exceptionRoundTrip(t *testing.T, b *books) {
	xs := draw(t, anyException)
	b.commit(t, &store.Batch{Exceptions: xs})
	for i := range xs {
		same(t, "exception", must[exception.Exception](t)(b.Exception(t.Context(), xs[i].ID)), xs[i])
		id := xs[i].ID
		xs[i] = xs[(i+11)%len(xs)]
		xs[i].ID, xs[i].State, xs[i].ClosedAt, xs[i].ClosedBy = id, exception.Closed, at(i), "operator"
	}
	b.commit(t, &store.Batch{Exceptions: xs})
	same(t, "exceptions, replaced", must[[]exception.Exception](t)(b.Exceptions(t.Context(), exception.Query{})), xs)
}

func anException(id int64) exception.Exception {
	return exception.Exception{ID: id, Waybill: id % 7, Cause: []string{"refused", "limbo", "in_doubt"}[id%3],
		Subject: fmt.Sprint(id), State: []exception.State{exception.Open, exception.Closed}[id%2], Since: at(int(1000 - id))}
}

func exceptionID(x exception.Exception) int64 { return x.ID }

func exceptionQueries(t *testing.T, b *books) {
	var all []exception.Exception
	for id := int64(1); id <= 200; id++ {
		all = append(all, anException(id))
	}
	b.commit(t, &store.Batch{Exceptions: all})
	for _, state := range []exception.State{"", exception.Open, exception.Closed} {
		for _, cause := range []string{"", "refused", "nothing"} {
			for _, wb := range []int64{0, 3, 999} {
				q := exception.Query{State: state, Cause: cause, Waybill: wb}
				want := slices.DeleteFunc(slices.Clone(all), func(x exception.Exception) bool {
					return state != "" && x.State != state || cause != "" && x.Cause != cause || wb != 0 && x.Waybill != wb
				})
				got := pages(t, 3, exceptionID, func(after int64, limit int) ([]exception.Exception, error) {
					q.After, q.Limit = after, limit
					return b.Exceptions(t.Context(), q)
				})
				same(t, fmt.Sprintf("exceptions of %+v", q), got, want)
			}
		}
	}
	open := slices.DeleteFunc(slices.Clone(all), func(x exception.Exception) bool { return x.State != exception.Open })
	counts := map[string]exception.Count{}
	for _, x := range open {
		c := counts[x.Cause]
		c.Cause, c.Open = x.Cause, c.Open+1
		if c.Since.IsZero() || x.Since.Before(c.Since) {
			c.Since = x.Since
		}
		counts[x.Cause] = c
	}
	for _, c := range must[[]exception.Count](t)(b.ExceptionCounts(t.Context())) {
		same(t, "count of "+c.Cause, c, counts[c.Cause])
		delete(counts, c.Cause)
	}
	if len(counts) != 0 {
		t.Errorf("causes not counted: %v", counts)
	}
	mine := slices.DeleteFunc(open, func(x exception.Exception) bool { return x.Waybill != 3 })
	same(t, "open exceptions of a waybill", must[[]exception.Exception](t)(b.OpenExceptionsOf(t.Context(), 3)), mine)
}

func exceptionOpenOnce(t *testing.T, b *books) {
	x := anException(2)
	b.commit(t, &store.Batch{Exceptions: []exception.Exception{x}})
	twin := x
	twin.ID = 4
	if err := b.try(t.Context(), &store.Batch{Exceptions: []exception.Exception{twin}}); err == nil {
		t.Error("the same trouble was opened twice")
	}
	x.State, x.ClosedAt, x.ClosedBy = exception.Closed, at(9), "rule"
	b.commit(t, &store.Batch{Exceptions: []exception.Exception{x, twin}})
	same(t, "the trouble that came back", must[[]exception.Exception](t)(b.OpenExceptionsOf(t.Context(), x.Waybill)), []exception.Exception{twin})
}

func auditChain(t *testing.T, b *books) {
	same(t, "the head of an empty log", must[audit.Entry](t)(b.AuditHead(t.Context())), audit.Entry{})
	es := draw(t, anyAudit)
	var prev [32]byte
	for i := range es {
		es[i].Link(prev, int64(1+i))
		prev = es[i].Hash
	}
	b.commit(t, &store.Batch{Audit: es[:20]})
	b.commit(t, &store.Batch{Audit: es[20:]})
	got := pages(t, 7, func(e audit.Entry) int64 { return e.Seq }, func(after int64, limit int) ([]audit.Entry, error) {
		return b.AuditAfter(t.Context(), after, limit)
	})
	same(t, "the log", got, es)
	for _, e := range got {
		if e.Sum() != e.Hash {
			t.Errorf("entry %d no longer has its hash", e.Seq)
		}
	}
	same(t, "the last entry", must[audit.Entry](t)(b.AuditHead(t.Context())), es[len(es)-1])
	if err := b.try(t.Context(), &store.Batch{Audit: es[:1]}); err == nil {
		t.Error("an audit entry was written over another")
	}
}

func timers(t *testing.T, b *books) {
	set := func(waybill int64, name string, due int) store.Timer {
		return store.Timer{TimerName: store.TimerName{Waybill: waybill, Name: name}, Due: at(due)}
	}
	var all []store.Timer
	for i := range 50 {
		all = append(all, set(int64(i%9), fmt.Sprintf("hold:%d", i), (i*37)%50))
	}
	b.commit(t, &store.Batch{Timers: all})
	b.commit(t, &store.Batch{
		Timers:      []store.Timer{set(0, "hold:0", 99), set(1, "hold:1", -5)},
		ClearTimers: []store.TimerName{all[2].TimerName, all[3].TimerName, {Waybill: 77, Name: "never set"}},
	})
	all[0].Due, all[1].Due = at(99), at(-5)
	want := append(all[:2:2], all[4:]...)
	slices.SortFunc(want, func(x, y store.Timer) int {
		return cmp.Or(x.Due.Compare(y.Due), cmp.Compare(x.Waybill, y.Waybill), strings.Compare(x.Name, y.Name))
	})
	var got []store.Timer
	if err := b.Timers(t.Context(), func(x store.Timer) error { got = append(got, x); return nil }); err != nil {
		t.Fatal(err)
	}
	same(t, "timers", got, want)
}

func watches(t *testing.T, b *books) {
	b.commit(t, &store.Batch{Watches: []store.Watch{{Entity: "customer:C1", Waybill: 5}, {Entity: "customer:C1", Waybill: 3},
		{Entity: "customer:C1", Waybill: 4}, {Entity: "item:A", Waybill: 3}, {Entity: "customer:C1", Waybill: 3}}})
	b.commit(t, &store.Batch{Watches: []store.Watch{{Entity: "customer:C1", Waybill: 3}},
		Unwatch: []store.Watch{{Entity: "customer:C1", Waybill: 4}, {Entity: "item:B", Waybill: 1}}})
	same(t, "who watches", must[[]int64](t)(b.Watching(t.Context(), "customer:C1", 0, 10)), []int64{3, 5})
	same(t, "the first who watches", must[[]int64](t)(b.Watching(t.Context(), "customer:C1", 0, 1)), []int64{3})
	same(t, "the next who watches", must[[]int64](t)(b.Watching(t.Context(), "customer:C1", 3, 10)), []int64{5})
	if n := len(must[[]int64](t)(b.Watching(t.Context(), "customer:C", 0, 10))); n != 0 {
		t.Errorf("%d waybills watch an entity that none named", n)
	}
}

func settings(t *testing.T, b *books) {
	b.commit(t, &store.Batch{Settings: map[string]string{"cursor:erp": "42", "empty": "", "ü": "😀"}})
	b.commit(t, &store.Batch{Settings: map[string]string{"cursor:erp": "43"}})
	b.reopen(t)
	for name, want := range map[string]string{"cursor:erp": "43", "empty": "", "ü": "😀"} {
		same(t, "setting "+name, must[string](t)(b.Setting(t.Context(), name)), want)
	}
	if _, err := b.Setting(t.Context(), "never set"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a setting that was never set: %v, want ErrNotFound", err)
	}
}
