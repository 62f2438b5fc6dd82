package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/reconcile"
	"github.com/waybillhq/waybill/internal/verify"
)

// runDemo runs orders to their end and hands the demonstration to check before
// it is closed.
func runDemo(t *testing.T, o demoOptions, check func(*demo, demoReport)) {
	t.Helper()
	o.once, o.listen, o.clients = true, "127.0.0.1:0", 32
	o.data = filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(o.data, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := startDemo(t.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	r, err := d.runOnce(t.Context(), o, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	check(d, r)
}

// TestDemo_HeavyFaultsChangeNothing: whatever goes wrong between the systems,
// their own books end the same: nothing lost, doubled or out of order, every
// order is invoiced, short, cancelled, held or explained by an exception, stock
// and money agree to the unit and the cent, the books reconcile and the database
// verifies.
func TestDemo_HeavyFaultsChangeNothing(t *testing.T) {
	const orders, seed = 250, 11
	var calm demoReport
	runDemo(t, demoOptions{orders: orders, lines: 3, seed: seed, faults: "none", inProcess: true},
		func(_ *demo, r demoReport) { calm = r })
	runDemo(t, demoOptions{orders: orders, lines: 3, seed: seed, faults: "heavy"}, func(d *demo, r demoReport) {
		if r.Lost+r.Duplicated+r.OutOfSequence > 0 {
			t.Errorf("lost %d, duplicated %d, out of sequence %d: %v", r.Lost, r.Duplicated, r.OutOfSequence, r.Findings)
		}
		if r.Digest != calm.Digest {
			t.Errorf("the business outcome differs: %v under heavy faults, %v without", r.Outcomes, calm.Outcomes)
		}
		if r.Retries == 0 || r.InDoubtResolved == 0 || r.DuplicatesAbsorbed == 0 {
			t.Errorf("retries %d, doubts %d, duplicates %d: the faults did not bite", r.Retries, r.InDoubtResolved, r.DuplicatesAbsorbed)
		}
		if !r.Balanced.Units || !r.Balanced.Cents {
			t.Errorf("the books do not balance: %+v: %v", r.Balanced, r.Findings)
		}
		if r.Backorders <= r.Outcomes["short"] || r.Receipts == 0 || r.Adjustments == 0 || r.Credits == 0 || r.Returns <= r.Credits {
			t.Errorf("backorders %d (%d orders short), receipts %d, adjustments %d, returns %d, credits %d: the whole process was not walked through",
				r.Backorders, r.Outcomes["short"], r.Receipts, r.Adjustments, r.Returns, r.Credits)
		}
		if r.Outcomes["open"] > 0 {
			t.Errorf("%d orders came to nothing", r.Outcomes["open"])
		}
		d.everyRefusalIsExplained(t, r)
		d.booksAgree(t)
		rep, err := verify.Run(t.Context(), d.store, d.policy)
		if err != nil {
			t.Fatal(err)
		}
		if !rep.OK || rep.Events == 0 {
			t.Errorf("verify: %d events, violations %v", rep.Events, rep.Violations)
		}
	})
}

func (d *demo) everyRefusalIsExplained(t *testing.T, r demoReport) {
	t.Helper()
	open, err := d.store.Exceptions(t.Context(), exception.Query{State: exception.Open, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for _, x := range open {
		if !strings.HasPrefix(x.Cause, "refused_sales_order_") {
			t.Errorf("%s of %s: nothing but sales orders is refused for good: %s", x.Cause, x.Ref, x.Detail)
		}
		if x.Next == "" || x.Detail == "" {
			t.Errorf("exception %s of %s names no next step", x.Cause, x.Ref)
		}
		explained[x.Ref] = true
	}
	if refused := r.Outcomes["refused"]; refused == 0 || len(explained) < refused {
		t.Errorf("%d orders were refused, %d have an exception", refused, len(explained))
	}
}

// booksAgree reconciles every system that has a journal.
func (d *demo) booksAgree(t *testing.T) {
	t.Helper()
	compared := 0
	for _, s := range d.books() {
		r, err := reconcile.Run(t.Context(), d.store, s, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		compared += r.Entries
		if !r.Clean() {
			t.Errorf("%s does not reconcile: missing %v, unknown %v, duplicate %v, differing %v, breaks %+v", s.Name,
				r.MissingInTarget, r.UnknownInTarget, r.Duplicate, r.Differs, r.Breaks)
		}
	}
	if compared == 0 {
		t.Error("no journal had an entry: the comparison shows nothing")
	}
}
