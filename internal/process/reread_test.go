package process

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/waybillhq/waybill"
)

// readAgain reads the message of a shipment again: it says other quantities, or
// nothing of the shipment any more.
func (w *walk) readAgain() {
	var known []*fact
	for _, f := range w.s.of(famShipped) {
		if !f.void {
			known = append(known, f)
		}
	}
	if len(known) == 0 {
		return
	}
	f := known[w.draw("shipment to read again", 0, len(known)-1)]
	last := slices.ContainsFunc(known, func(o *fact) bool {
		return compareSubjects(o, f) == 0 && o.version == f.version && o.reading > f.reading
	})
	if last {
		return // only the last reading is read again
	}
	sh := *f.shipment()
	lines := map[string]waybill.Decimal{}
	sh.Lines, sh.Final = []waybill.LineQty{}, false
	void := w.draw("says nothing of it", 0, 3) == 0
	if !void {
		lines["1"] = w.qty("shipped", 0, 4)
		sh.Lines = append(sh.Lines, waybill.LineQty{Line: "1", Qty: lines["1"]})
	}
	if f.version == w.versions[f.subject] {
		w.shipped[f.subject] = lines
	}
	w.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: f.source, Subject: f.subject, Version: f.version, Body: &sh,
		Replaces: f.event, Void: void})
}

// finish attempts and applies everything that is wanted, until nothing is.
func (d *desk) finish() {
	d.t.Helper()
	for range 100 {
		var next *delivery
		for _, v := range d.lanes {
			if v.state == "planned" && (next == nil || v.order < next.order) {
				next = v
			}
		}
		if next == nil {
			return
		}
		d.attempt(next.Key)
		receipt := &waybill.Receipt{Ref: strings.ToUpper(next.Target) + "-" + next.Subject}
		if next.Kind == waybill.OrderCheck {
			receipt.Result = []byte(`{"approved":true}`)
		}
		d.settle(&Settled{Key: next.Key, Outcome: OutcomeDone, Receipt: receipt})
	}
	d.t.Fatal("there is always something wanted")
}

func onePiece(qty string) *waybill.Order {
	return &waybill.Order{Order: "SO-1", Version: 1, Customer: "C1", Currency: "EUR", PO: "PO-1",
		Lines: []waybill.OrderLine{{Line: "1", SKU: "A", UOM: "EA", Qty: decimal(qty), Price: decimal("9.90")}}}
}

func shipOne(qty string) *waybill.Shipment {
	return &waybill.Shipment{Order: "SO-1", Shipment: "SH-1", Version: 1, ShippedAt: "2026-03-02T15:04:05Z",
		Lines: []waybill.LineQty{{Line: "1", Qty: decimal(qty)}}}
}

// shipped is an order of ten whose shipment of five is posted and billed; it
// returns the shipment's event.
func shipped(t *testing.T) (d *desk, event string) {
	d = newDesk(t, testPolicy())
	d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: onePiece("10")})
	d.finish()
	d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-1", Version: 1, Body: shipOne("5")})
	event = d.events[len(d.events)-1].ID
	d.finish()
	return d, event
}

func inLanes(d *desk) (out []string) {
	for _, v := range d.lanes {
		if v.state == "planned" {
			doc, err := Compose(d.s, v.Key, d.p)
			if err != nil {
				d.t.Fatal(err)
			}
			text := v.Target + " " + string(v.Kind) + " " + v.Subject
			for _, l := range doc.Lines {
				text += " " + l.Line + ":" + l.Qty.String()
			}
			out = append(out, text)
		}
	}
	slices.Sort(out)
	return out
}

// TestReread_Shipment: what was posted stays, and the ERP gets the difference
// only, as with a newer version.
func TestReread_Shipment(t *testing.T) {
	for name, tt := range map[string]struct {
		body *waybill.Shipment
		void bool
		want []string
	}{
		"more":     {shipOne("7"), false, []string{"erp shipment_posting SH-1.v1 1:2", "shop fulfilment_update SH-1.v1 1:7"}},
		"less":     {shipOne("3"), false, []string{"erp shipment_reversal SH-1.v1 1:2", "shop fulfilment_update SH-1.v1 1:3"}},
		"the same": {shipOne("5"), false, nil},
		"nothing": {&waybill.Shipment{Order: "SO-1", Shipment: "SH-1", Version: 1, ShippedAt: "2026-03-02T15:04:05Z", Lines: []waybill.LineQty{}}, true,
			[]string{"erp shipment_reversal SH-1.v1 1:5", "shop fulfilment_update SH-1.v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, event := shipped(t)
			out := d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-1", Version: 1, Body: tt.body, Replaces: event, Void: tt.void})
			if diff := cmp.Diff(tt.want, inLanes(d)); diff != "" {
				t.Errorf("wanted after it was read again (-want +got):\n%s", diff)
			}
			superseded := FactState{Event: event, Place: Superseded, Reason: "its message was read again, as event " + d.events[len(d.events)-1].ID}
			if !slices.Contains(out.Facts, superseded) {
				t.Errorf("the earlier reading: %+v", out.Facts)
			}
			if len(out.Raise) > 0 {
				t.Errorf("raised %+v: another reading is no contradiction", out.Raise)
			}
			d.finish()
			d.refold()
			again := d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-1", Version: 1, Body: tt.body})
			if len(again.Add) > 0 || again.Facts[0].Place != Ignored {
				t.Errorf("the source says the same as the last reading: %+v", again)
			}
		})
	}
}

// TestReread_NewerVersionStands: another reading of version 1 does not touch
// version 2.
func TestReread_NewerVersionStands(t *testing.T) {
	d, event := shipped(t)
	newer := shipOne("6")
	newer.Version = 2
	d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-1", Version: 2, Body: newer})
	d.finish()
	out := d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-1", Version: 1, Body: shipOne("9"), Replaces: event})
	if len(out.Add) > 0 || d.s.Totals()[0].Quantities[waybill.Shipped].String() != "6" {
		t.Errorf("decided %+v with %s shipped", out.Add, d.s.Totals()[0].Quantities[waybill.Shipped])
	}
	d.refold()
}

// TestComplaint16_OrderReadAgain: before anything left, the new reading is
// checked and sent; afterwards what went out stays and a person is told.
func TestComplaint16_OrderReadAgain(t *testing.T) {
	d := newDesk(t, testPolicy())
	d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: onePiece("10")})
	check := d.find(waybill.OrderCheck, "", "planned")
	d.attempt(check.Key)
	d.settle(&Settled{Key: check.Key, Outcome: OutcomeDone, Receipt: &waybill.Receipt{Ref: "Q", Result: []byte(`{"approved":true}`)}})
	d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: onePiece("12"), Replaces: "E1"})
	if diff := cmp.Diff([]string{"erp order_check v1.r1 1:12"}, inLanes(d)); diff != "" {
		t.Errorf("a new reading is checked first (-want +got):\n%s", diff)
	}
	d.finish()
	last := d.events[slices.IndexFunc(d.events, func(e waybill.Event) bool { return e.Replaces != "" })].ID
	changed := onePiece("12")
	changed.PO = "PO-2"
	out := d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: changed, Replaces: last})
	if len(out.Add)+len(out.Raise) > 0 || d.s.Content().PO != "PO-2" {
		t.Errorf("another PO number asks for the same goods: %+v, PO %s", out, d.s.Content().PO)
	}
	last = d.events[len(d.events)-1].ID
	out = d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: onePiece("15"), Replaces: last})
	if len(out.Raise) != 1 || out.Raise[0].Cause != "order_read_again" {
		t.Errorf("the warehouse holds another quantity: %+v", out)
	}
	if diff := cmp.Diff([]string{"erp sales_order_change v1 1:15"}, inLanes(d)); diff != "" {
		t.Errorf("the ERP's totals follow (-want +got):\n%s", diff)
	}
	d.finish()
	newer := onePiece("15")
	newer.Version = 2
	out = d.tell(waybill.Event{Type: waybill.OrderChanged, Source: "shop", Version: 2, Body: newer})
	if !slices.ContainsFunc(out.Clear, func(k ExceptionKey) bool { return k.Cause == "order_read_again" }) || len(out.Add) == 0 || out.Add[0].Kind != waybill.WarehouseOrderChange {
		t.Errorf("a newer version is a change: %+v", out)
	}
	d.refold()
}

// TestReread_RefusedGoesAnew: a document that was refused for what a mapping
// made of the message goes as a new revision that supersedes it.
func TestReread_RefusedGoesAnew(t *testing.T) {
	d := newDesk(t, testPolicy())
	d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: onePiece("10")})
	check := d.find(waybill.OrderCheck, "", "planned")
	d.attempt(check.Key)
	d.settle(&Settled{Key: check.Key, Outcome: OutcomeDone, Receipt: &waybill.Receipt{Ref: "Q", Result: []byte(`{"approved":true}`)}})
	first := d.find(waybill.SalesOrder, "", "planned")
	d.attempt(first.Key)
	d.settle(&Settled{Key: first.Key, Outcome: OutcomeRefused, Problem: &waybill.Problem{Status: 422, Code: "unknown_item"}})
	fixed := onePiece("10")
	fixed.Lines[0].SKU = "A-1"
	d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: fixed, Replaces: "E1"})
	d.finish()
	var second *delivery
	for _, v := range d.lanes {
		if v.Kind == waybill.SalesOrder && v.Key != first.Key {
			second = v
		}
	}
	if second == nil || second.Revision != 1 || second.Supersedes != first.Key || second.sent.Lines[0].SKU != "A-1" {
		t.Fatalf("after the mapping was corrected: %+v", second)
	}
	d.refold()
}

// TestReread_WhatWasActedUponStands: an answer of a warehouse, a cancellation
// and the order itself are not taken back.
func TestReread_WhatWasActedUponStands(t *testing.T) {
	d, _ := shipped(t)
	d.tell(waybill.Event{Type: waybill.OrderCancelRequested, Source: "shop", Subject: "R-1", Body: &waybill.CancelRequest{Order: "SO-1", Request: "R-1"}})
	request := d.events[len(d.events)-1].ID
	blob := string(d.s.Append(nil))
	for _, e := range []waybill.Event{
		{Type: waybill.OrderCancelRequested, Source: "shop", Subject: "R-1", Body: &waybill.CancelRequest{Order: "SO-1", Request: "R-1",
			Lines: []waybill.LineQty{{Line: "1", Qty: decimal("1")}}}, Replaces: request},
		{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: &waybill.Order{Order: "SO-1", Lines: []waybill.OrderLine{}}, Replaces: "E1", Void: true},
		{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-9", Version: 1, Body: shipOne("1"), Replaces: "E77"},
	} {
		out := d.tell(e)
		if len(out.Facts) != 1 || out.Facts[0].Place != Ignored || len(out.Add) > 0 {
			t.Errorf("%s read again: %+v", e.Type, out)
		}
	}
	if got := string(d.s.Append(nil)); got != blob {
		t.Errorf("the state changed:\n%s\n%s", blob, got)
	}
}

// TestReread_TakenOutOfLimbo: what was read for the wrong order waits there no
// longer.
func TestReread_TakenOutOfLimbo(t *testing.T) {
	d := newDesk(t, testPolicy())
	d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-1", Version: 1, Body: shipOne("5")})
	empty := shipOne("5")
	empty.Lines = []waybill.LineQty{}
	out := d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-1", Version: 1, Body: empty, Replaces: "E1", Void: true})
	if !slices.Contains(out.ClearTimers, TimerLimbo) || len(out.Facts) != 2 {
		t.Errorf("decided %+v", out)
	}
	if v := d.s.View(); len(v.Shipments) != 0 {
		t.Errorf("shown are %+v", v.Shipments)
	}
	d.refold()
}
