package process

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/waybillhq/waybill"
)

// life plays the plain life of an order of four lines and returns the events
// in the order in which they were recorded.
func life(t testing.TB) *desk {
	d := newDesk(t, testPolicy())
	lines := []waybill.LineQty{{Line: "1", Qty: decimal("5")}, {Line: "2", Qty: decimal("3")}, {Line: "3", Qty: decimal("12")}, {Line: "4", Qty: decimal("1")}}
	o := &waybill.Order{Order: "SO-1", Version: 1, Customer: "C-100", Currency: "EUR", PO: "PO-4711", Terms: "NET30",
		ShipTo: &waybill.Party{Name: "Example Hardware", Lines: []string{"1 Main Street"}, City: "Springfield", Postal: "12345", Country: "US"}}
	for _, l := range lines {
		o.Lines = append(o.Lines, waybill.OrderLine{Line: l.Line, SKU: "SKU-000" + l.Line, Qty: l.Qty, UOM: "EA", Price: decimal("9.90")})
	}
	d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: o})
	run := func(kind waybill.Kind, result string) {
		v := d.find(kind, "", "planned")
		if v == nil {
			t.Fatalf("no %s planned", kind)
		}
		d.attempt(v.Key)
		receipt := &waybill.Receipt{Ref: strings.ToUpper(v.Target) + "-1234"}
		if result != "" {
			receipt.Result = jsontext.Value(result)
		}
		d.settle(&Settled{Key: v.Key, Outcome: OutcomeDone, Receipt: receipt})
	}
	run(waybill.OrderCheck, `{"approved":true}`)
	run(waybill.SalesOrder, "")
	run(waybill.WarehouseOrder, "")
	run(waybill.OrderAcknowledgment, "")
	fact := func(typ waybill.EventType, subject string) {
		d.tell(waybill.Event{Type: typ, Source: "wms", Subject: subject, Version: 1, Body: &waybill.Progress{Order: "SO-1", Document: subject, Version: 1, Lines: lines}})
	}
	fact(waybill.PickConfirmed, "PICK-1")
	fact(waybill.PackConfirmed, "PACK-1")
	d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-1", Version: 1, Body: &waybill.Shipment{Order: "SO-1", Shipment: "SH-1",
		Version: 1, ShippedAt: "2026-03-02T15:04:05Z", Carrier: "UPS", Service: "GROUND", Lines: lines, Packages: []waybill.Package{{Tracking: "1Z999", Lines: lines}}}})
	run(waybill.Fulfilment, "")
	run(waybill.ShipmentPosting, "")
	run(waybill.Invoice, "")
	if got := d.s.Status(); got != waybill.StatusInvoiced {
		t.Fatalf("status %s, want invoiced", got)
	}
	return d
}

// BenchmarkOrderLife decides every event of an order's life and composes every
// document, as the engine would.
func BenchmarkOrderLife(b *testing.B) {
	d := life(b)
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		s := New("SO-1", d.p)
		for i := range d.events {
			e := &d.events[i]
			if a, ok := e.Body.(*Attempted); ok {
				if _, err := Compose(s, a.Key, d.p); err != nil {
					b.Fatal(err)
				}
			}
			Decide(s, e, d.p)
		}
	}
	b.ReportMetric(float64(len(d.events)), "events/op")
}

// BenchmarkAppend stores the state of a finished order.
func BenchmarkAppend(b *testing.B) {
	s := life(b).s
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = s.Append(buf[:0])
	}
	b.ReportMetric(float64(len(buf)), "B/blob")
}

// BenchmarkLoad reads the state of a finished order, without its content.
func BenchmarkLoad(b *testing.B) {
	blob := life(b).s.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(blob); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAppend_FinishedOrderIsSmall keeps the state of an order of four lines
// within the size that the store was measured with.
func TestAppend_FinishedOrderIsSmall(t *testing.T) {
	blob := life(t).s.Append(nil)
	if len(blob) > 1200 {
		t.Errorf("a finished order of four lines takes %d bytes, want at most 1200:\n%s", len(blob), blob[2:])
	}
	t.Logf("%d bytes: %s", len(blob), slices.Clone(blob[2:]))
}
