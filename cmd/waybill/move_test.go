package main

import (
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/postgres"
	"github.com/waybillhq/waybill/internal/store/postgrestest"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// TestMove_NothingIsLost moves the books of a demonstration. Everything that
// can be read of the old ones is in the new ones, and work goes on from there.
func TestMove_NothingIsLost(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	o := demoOptions{once: true, orders: 120, lines: 3, seed: 5, faults: "light", clients: 16, listen: "127.0.0.1:0", data: data, inProcess: true}
	d, err := startDemo(t.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.runOnce(t.Context(), o, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	url := postgrestest.Shared(t).Database(t)
	move := func() (int, string) {
		var out, errs strings.Builder
		code := run([]string{"move", "--data", data, "--config", filepath.Join(data, "waybill.yaml"), "--to", url}, nil, &out, &errs)
		return code, out.String() + errs.String()
	}
	if code, said := move(); code != exitFine {
		t.Fatalf("move exits with %d: %s", code, said)
	}
	from, err := sqlite.Open(t.Context(), data, sqlite.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := postgres.Open(t.Context(), url, postgres.Options{Name: "moved"})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	was, is := everythingIn(t, from), everythingIn(t, to)
	if n := len(was["event"].([]ledger.Event)); n < 1000 {
		t.Errorf("only %d events: the test shows little", n)
	}
	for what := range was {
		if diff := cmp.Diff(was[what], is[what]); diff != "" {
			t.Errorf("%s (-old +new):\n%s", what, diff)
		}
	}
	if code, said := move(); code != exitUsage || !strings.Contains(said, "already") {
		t.Errorf("into a database that holds books it exits with %d: %s", code, said)
	}
	goesOn(t, from, to)
}

// everythingIn reads what there is.
func everythingIn(t *testing.T, s store.Store) map[string]any {
	t.Helper()
	ctx, all := t.Context(), map[string]any{}
	keep := func(what string, v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		all[what] = v
	}
	es, err := s.EventsAfter(ctx, 0, 0)
	keep("event", es, err)
	ms := map[int64]ledger.Message{}
	for _, e := range es {
		if e.Message == 0 {
			continue
		}
		m, err := s.Message(ctx, e.Message)
		if err != nil {
			t.Fatal(err)
		}
		ms[m.ID] = m
	}
	keep("message", ms, nil)
	ds, err := s.Deliveries(ctx, lane.Query{})
	keep("delivery", ds, err)
	bodies, attempts := map[int64]lane.Body{}, map[int64][]lane.Attempt{}
	for _, d := range ds {
		if d.Attempted() {
			if bodies[d.ID], err = s.Body(ctx, d.ID); err != nil {
				t.Fatal(err)
			}
		}
		if attempts[d.ID], err = s.Attempts(ctx, d.ID); err != nil {
			t.Fatal(err)
		}
	}
	keep("body", bodies, nil)
	keep("attempt", attempts, nil)
	ws, err := s.Waybills(ctx, ledger.WaybillQuery{})
	keep("waybill", ws, err)
	refs := map[int64][]ledger.Reference{}
	for _, w := range ws {
		if refs[w.ID], err = s.References(ctx, w.ID); err != nil {
			t.Fatal(err)
		}
	}
	keep("reference", refs, nil)
	xs, err := s.Exceptions(ctx, exception.Query{})
	keep("exception", xs, err)
	as, err := s.AuditAfter(ctx, 0, 0)
	keep("audit", as, err)
	hs, err := s.Heads(ctx)
	keep("head", hs, err)
	var ts []store.Timer
	err = s.Timers(ctx, func(x store.Timer) error { ts = append(ts, x); return nil })
	keep("timer", ts, err)
	return all
}

// goesOn checks what the next owner relies on: ids above all others, epochs
// above those before, and messages that are known.
func goesOn(t *testing.T, from, to store.Store) {
	t.Helper()
	ctx := t.Context()
	es, err := from.EventsAfter(ctx, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	before, err := from.Heads(ctx)
	if err != nil {
		t.Fatal(err)
	}
	after, err := to.Acquire(ctx, "next")
	if err != nil {
		t.Fatal(err)
	}
	for i := range after {
		if after[i].Epoch <= before[i].Epoch {
			t.Fatalf("shard %d is acquired in epoch %d, and was in %d", i, after[i].Epoch, before[i].Epoch)
		}
	}
	id, err := to.Reserve(ctx, 1)
	if err != nil || id <= es[len(es)-1].ID {
		t.Errorf("the next id is %d, and %d is in the ledger: %v", id, es[len(es)-1].ID, err)
	}
	var m ledger.Message
	for _, e := range es {
		if e.Message != 0 {
			if m, err = from.Message(ctx, e.Message); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	repeated := m
	repeated.ID = id
	tx, err := to.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	known, err := tx.KeepMessages(ctx, []ledger.Message{repeated})
	if err != nil || known[0] == nil || known[0].ID != m.ID {
		t.Errorf("a message of before is not known any more: %+v, %v", known, err)
	}
}
