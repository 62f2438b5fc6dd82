package process

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/waybillhq/waybill"
)

// TestComplaint22_UnitsConvertOnce: whenever the item's record comes, the order
// ends the same, and what each document says is worth the same.
func TestComplaint22_UnitsConvertOnce(t *testing.T) {
	line := func(qty, uom string) []waybill.LineQty {
		return []waybill.LineQty{{Line: "1", Qty: decimal(qty), UOM: uom}}
	}
	record := waybill.Event{Type: waybill.ItemKnown, Source: "waybill", Body: &Item{SKU: "A", BaseUOM: "EA",
		UOMs: []waybill.UOM{{UOM: "CS", Ratio: decimal("12")}, {UOM: "BX", Ratio: decimal("6")}}}}
	steps := []func(d *desk){
		func(d *desk) {
			d.tell(waybill.Event{Type: waybill.OrderPlaced, Source: "shop", Version: 1, Body: &waybill.Order{Order: "SO-1", Currency: "EUR", Tax: decimal("1.00"),
				Lines: []waybill.OrderLine{{Line: "1", SKU: "A", Qty: decimal("2"), UOM: "CS", Price: decimal("60.00")}}}})
		},
		func(d *desk) { play(d, waybill.OrderCheck) },
		func(d *desk) { play(d, waybill.SalesOrder) },
		func(d *desk) { play(d, waybill.WarehouseOrder) },
		func(d *desk) {
			d.tell(waybill.Event{Type: waybill.OrderCancelRequested, Source: "shop", Subject: "R-1",
				Body: &waybill.CancelRequest{Order: "SO-1", Request: "R-1", Lines: line("0.5", "")}})
		},
		func(d *desk) { play(d, waybill.WarehouseOrderCancel) },
		func(d *desk) {
			key := d.find(waybill.WarehouseOrder, "").Key
			d.tell(waybill.Event{Type: waybill.WarehouseOrderCancelled, Source: "wms", Subject: key,
				Body: &waybill.WarehouseOrderReport{Order: "SO-1", WarehouseOrder: key, Lines: line("0.5", "CS")}})
		},
		func(d *desk) { play(d, waybill.SalesOrderCancel) },
		func(d *desk) {
			d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-1",
				Body: &waybill.Shipment{Order: "SO-1", Shipment: "SH-1", Lines: line("1", "CS")}})
		},
		func(d *desk) { play(d, waybill.ShipmentPosting) },
		func(d *desk) { play(d, waybill.Invoice) },
		func(d *desk) {
			d.tell(waybill.Event{Type: waybill.ShipmentConfirmed, Source: "wms", Subject: "SH-2",
				Body: &waybill.Shipment{Order: "SO-1", Shipment: "SH-2", Lines: line("0.5", "CS")}})
		},
	}
	var first View
	for known := range len(steps) + 1 {
		d := newDesk(t, testPolicy())
		for i, step := range steps {
			if i == known {
				d.tell(record)
			}
			step(d)
		}
		d.tell(record) // the same record again adds nothing
		play(d, waybill.ShipmentPosting)
		play(d, waybill.Invoice)
		d.refold()
		v := d.s.View()
		if known == 0 {
			first = v
			want := LineView{Line: "1", SKU: "A", BaseUOM: "EA", Ordered: decimal("24"), Cancelled: decimal("6"), Released: decimal("24"),
				Shipped: decimal("18"), Posted: decimal("18"), Invoiced: decimal("18")}
			if diff := cmp.Diff([]LineView{want}, v.Lines, decimals); diff != "" {
				t.Fatalf("the order ends otherwise:\n%s", diff)
			}
		}
		if diff := cmp.Diff(first, v, decimals); diff != "" {
			t.Errorf("with the record known before step %d the order ends otherwise:\n%s", known, diff)
		}
		worth := waybill.Decimal{}
		for _, v := range d.lanes {
			if v.Kind == waybill.Invoice {
				for _, l := range v.sent.Lines {
					worth = worth.Add(l.Qty.Mul(l.Price.Amount))
				}
			}
		}
		if worth.String() != "90" { // a case and a half at 60.00
			t.Errorf("with the record known before step %d the invoices are worth %s, want 90", known, worth)
		}
	}
}

// play sends the planned document of a kind, and its target applies it.
func play(d *desk, kind waybill.Kind) {
	v := d.find(kind, "", "planned")
	if v == nil {
		d.t.Fatalf("no %s is planned", kind)
	}
	d.attempt(v.Key)
	d.settle(&Settled{Key: v.Key, Outcome: OutcomeDone, Receipt: &waybill.Receipt{Ref: "R-" + v.Key, Result: []byte(`{"approved":true}`)}})
}
