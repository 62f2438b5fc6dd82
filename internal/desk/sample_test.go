package desk

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// counters is an engine of which only the counters are asked.
type counters struct {
	Engine
	stats   engine.Stats
	open    int
	changes chan struct{}
}

func (c *counters) Changes() (<-chan struct{}, func()) { return c.changes, func() {} }

func (c *counters) Stats() *engine.Stats { return &c.stats }

func (c *counters) Systems(context.Context) ([]engine.SystemStatus, error) {
	return []engine.SystemStatus{{Name: "erp", Open: map[lane.State]int{lane.Waiting: c.open}}}, nil
}

func TestSample_CountsAMinute(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	st, err := sqlite.Open(t.Context(), "", sqlite.Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	e := &counters{}
	e.stats.Messages.Store(100)
	e.stats.Documents.Store(50)
	e.open = 10
	erp := Traffic{In: 1000, Out: 40}
	d := New(Deps{Store: st, Engine: e, Now: func() time.Time { return now }, Traffic: func() map[string]Traffic { return map[string]Traffic{"erp": erp} }})
	sample := func(moved bool) {
		t.Helper()
		got, err := d.sample(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got != moved {
			t.Errorf("at %s the pages are told %v, want %v", now.Format(time.TimeOnly), got, moved)
		}
	}
	sample(true)
	now = now.Add(time.Second)
	e.stats.Messages.Add(6)
	e.stats.Documents.Add(8) // three of them still open
	e.open += 3
	erp = Traffic{In: 1002, Out: 45}
	sample(true)
	if diff := cmp.Diff(Traffic{In: 2, Out: 5}, d.rates.minute("erp")); diff != "" {
		t.Errorf("the last minute of erp differs (-want +got):\n%s", diff)
	}
	in, out := d.rates.perMinute(now)
	if !slices.Equal(in, []int{6}) || !slices.Equal(out, []int{5}) {
		t.Errorf("in %v and out %v, want 6 and 5 in the first minute", in, out)
	}
	now = now.Add(time.Second)
	sample(false)
	now = now.Add(60 * time.Second)
	sample(true)
	in, out = d.rates.perMinute(now)
	if !slices.Equal(in, []int{6, 0}) || !slices.Equal(out, []int{5, 0}) {
		t.Errorf("in %v and out %v, want all of it in the minute before the last", in, out)
	}
	if got := d.rates.minute("erp"); got != (Traffic{}) {
		t.Errorf("a minute later erp has %+v, want nothing", got)
	}
}

// TestSample_FindsRecentExceptions lays exceptions of a day in the store and
// counts those of the last hours, whether they are open or not.
func TestSample_FindsRecentExceptions(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 30, 0, time.UTC)
	st, err := sqlite.Open(t.Context(), "", sqlite.Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	raise := func(id int64, cause string, ago time.Duration, state exception.State) {
		t.Helper()
		tx, err := st.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback() }()
		x := exception.Exception{ID: id, Cause: cause, Subject: strconv.FormatInt(id, 10), Since: now.Add(-ago), State: state}
		if err := tx.Write(t.Context(), &store.Batch{Exceptions: []exception.Exception{x}}); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	raise(7, "in_doubt", 24*time.Hour, exception.Open)
	raise(9, "in_doubt", 13*time.Hour, exception.Closed)
	raise(1<<40, "in_doubt", 11*time.Hour+30*time.Minute, exception.Closed)
	raise(1<<40+9, "late_ship", 90*time.Minute, exception.Open)
	raise(1<<41, "in_doubt", 2*time.Minute, exception.Open)
	d := New(Deps{Store: st, Engine: &counters{}, Now: func() time.Time { return now }})
	look := func() {
		t.Helper()
		if _, err := d.sample(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	look()
	raise(1<<41+1, "in_doubt", 0, exception.Open)
	look()
	look()
	minutes := make([]int, minutesShown)
	minutes[minutesShown-1], minutes[minutesShown-3] = 1, 1
	if diff := cmp.Diff(minutes, d.rates.raisedPerMinute(now)); diff != "" {
		t.Errorf("raised by minute (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, d.rates.raisedPerHour("in_doubt", now)); diff != "" {
		t.Errorf("in doubt by hour (-want +got):\n%s", diff)
	}
	now = now.Add(11 * time.Hour)
	look()
	if got := d.rates.raisedPerHour("late_ship", now); got != nil {
		t.Errorf("what is too old is still counted: %v", got)
	}
}

// TestRun_PassesCommitsOn: the engine also signals steps that wrote nothing.
// Passed on, the questions of a page would make it ask again for ever.
func TestRun_PassesCommitsOn(t *testing.T) {
	st, err := sqlite.Open(t.Context(), "", sqlite.Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	e := &counters{changes: make(chan struct{})}
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	d := New(Deps{Store: st, Engine: e, Now: func() time.Time { return now }})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); d.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	changes, end := d.Changes(ctx)
	defer end()

	e.changes <- struct{}{} // the first is passed on, whatever it was
	e.changes <- struct{}{} // taken once the first was dealt with
	<-changes
	e.changes <- struct{}{}
	e.changes <- struct{}{}
	select {
	case <-changes:
		t.Error("a step that wrote nothing was passed on")
	default:
	}
	e.stats.Batches.Add(1)
	e.changes <- struct{}{}
	select {
	case <-changes:
	case <-time.After(20 * time.Second):
		t.Error("a commit was not passed on")
	}
}
