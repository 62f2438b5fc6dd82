package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
)

// TestContenders_DoTheSameWork runs few orders on each: every document reaches
// its system, every round is found in the contender's own store, and what goes
// through is as many bytes on all of them.
func TestContenders_DoTheSameWork(t *testing.T) {
	const orders = 20
	root, err := findRoot()
	if err != nil {
		t.Fatal(err)
	}
	pg, err := startDatabase(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.stop(); err != nil {
			t.Errorf("stop the server: %v", err)
		}
	})
	ours := 0.0
	for _, c := range contenders {
		t.Run(c.Slug, func(t *testing.T) {
			f, err := newFlow(orders)
			if err != nil {
				t.Fatal(err)
			}
			b := &bench{dir: t.TempDir(), flow: f}
			if c.Postgres {
				if b.url, err = pg.fresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				b.master = pg.master
			}
			r, err := measure(t.Context(), c, b)
			if err != nil {
				t.Fatal(err)
			}
			if r.Rounds != orders*roundsPerOrder || r.Deliveries != orders*len(deliveries) || r.Repeated != 0 {
				t.Errorf("%d rounds, %d deliveries, %d of them again; want %d, %d, 0",
					r.Rounds, r.Deliveries, r.Repeated, orders*roundsPerOrder, orders*len(deliveries))
			}
			if r.OrdersPerSec <= 0 || r.ClientCPU <= 0 {
				t.Errorf("%.1f orders/s and %.1f µs are no measurement", r.OrdersPerSec, r.ClientCPU)
			}
			if c.ours() && ours == 0 {
				ours = r.Flow
			}
			if math.Abs(r.Flow-ours) > ours/20 {
				t.Errorf("%.0f bytes of messages and documents an order, Waybill has %.0f: not the same bodies", r.Flow, ours)
			}
		})
	}
}

func TestFlow_MissingDeliveryIsAnError(t *testing.T) {
	f, err := newFlow(2)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		r := f.first(i)
		for n := 2; n <= roundsPerOrder-i; n++ { // the last order lacks its invoice
			if r, err = f.round(n, i, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err = f.tally()
	if want := "the invoice of order SO-1 was never delivered"; err == nil || err.Error() != want {
		t.Errorf("tally: %v, want %q", err, want)
	}
}

func TestFlow_LinesGoThroughEveryRound(t *testing.T) {
	f, err := newFlow(1)
	if err != nil {
		t.Fatal(err)
	}
	r := f.first(0)
	want, err := r.lines()
	if err != nil {
		t.Fatal(err)
	}
	for n := 2; n <= roundsPerOrder; n++ {
		if r, err = f.round(n, 0, r); err != nil {
			t.Fatal(err)
		}
		got, err := r.lines()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(text(t, want), text(t, got)); diff != "" || len(got) != linesPerOrder {
			t.Errorf("round %d has %d lines:\n%s", n, len(got), diff)
		}
	}
}

func text(t *testing.T, lines []waybill.DocumentLine) string {
	t.Helper()
	out, err := waybill.Marshal(lines)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func sample() *report {
	return &report{Orders: 10, Contenders: []entry{
		{contender: contenders[0], Runs: []result{{OrdersPerSec: 1200}, {OrdersPerSec: 1000}, {OrdersPerSec: 1100, Load: 3}}},
		{contender: contenders[2], Runs: []result{{OrdersPerSec: 500}, {OrdersPerSec: 400}, {OrdersPerSec: 600}}},
		{contender: contenders[3], Runs: []result{{OrdersPerSec: 90}, {OrdersPerSec: 110}, {OrdersPerSec: 100}}},
	}}
}

func TestReport_MedianAndFastestDurablePeer(t *testing.T) {
	table := sample().markdown("")
	for _, want := range []string{"1100 (1000 – 1200)", "**Measured under load**",
		"11.0 times the orders a second of the fastest peer that loses nothing (DBOS Transact, SQLite, FULL)"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q:\n%s", want, table)
		}
	}
}

func TestReport_GoesBetweenItsMarkers(t *testing.T) {
	got, err := between("a\n"+markerBegin+"\nold\n"+markerEnd+"\nb\n", "new\n")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("a\n"+markerBegin+"\n\nnew\n\n"+markerEnd+"\nb\n", got); diff != "" {
		t.Error(diff)
	}
	if _, err := between("no markers", "new"); err == nil {
		t.Error("a document without markers was written")
	}
}

func TestChart_IsWellFormed(t *testing.T) {
	chart := sample().chart()
	d := xml.NewDecoder(strings.NewReader(chart))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(chart, "url(#lossy)"); n != 1 {
		t.Errorf("%d hatched bars, want the one contender that loses something", n)
	}
}
