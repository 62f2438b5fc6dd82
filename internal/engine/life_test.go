package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
)

// An order goes its whole way without a fault.
func TestOrderLife(t *testing.T) {
	r := newRig(t)
	r.place("SO-1")
	r.settle()
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
		t.Fatalf("status %s after the release", s)
	}
	r.ship("SO-1", "S1", allLines)
	r.settle()
	r.audit()
	if s := r.orderStatus("SO-1"); s != waybill.StatusInvoiced {
		t.Errorf("status %s at the end", s)
	}
	want := map[string]map[waybill.Kind]int{
		"erp":  {waybill.OrderCheck: 1, waybill.SalesOrder: 1, waybill.ShipmentPosting: 1, waybill.Invoice: 1},
		"wms":  {waybill.WarehouseOrder: 1},
		"shop": {waybill.OrderAcknowledgment: 1, waybill.Fulfilment: 1},
	}
	for system, kinds := range want {
		if diff := cmp.Diff(kinds, r.held(system, "SO-1")); diff != "" {
			t.Errorf("books of %s (-want +got):\n%s", system, diff)
		}
	}
}
