package engine

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
)

// An order for an item whose record is a kit is an order for its components:
// told once, as of the order. What the record says later changes no order that
// the ERP has.
func TestKit_ByTheItemsRecord(t *testing.T) {
	const record = `{"sku":"A","base_uom":"EA","kit":{"components":[{"sku":"BAR","qty":"1","uom":"EA"},{"sku":"CUP","qty":"4","uom":"EA"}]},"version":1}`
	r := newRig(t)
	r.settle()
	r.tell("erp", waybill.ItemChanged, record)
	r.placeIn("SO-1", "2", "EA")
	if n := r.knows("SO-1"); n != 1 {
		t.Errorf("the order was told of its item %d times, want once", n)
	}
	want := []string{"1 order_check 1:2 1~1:2 1~2:8", "2 sales_order 1:2 1~1:2 1~2:8"}
	if diff := cmp.Diff(want, r.inLane("erp", "SO-1")); diff != "" {
		t.Errorf("the ERP holds (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1 warehouse_order 1~1:2 1~2:8"}, r.inLane("wms", "SO-1")); diff != "" {
		t.Errorf("the warehouse holds (-want +got):\n%s", diff)
	}
	r.tell("erp", waybill.ItemChanged, `{"sku":"A","base_uom":"EA","kit":{"components":[{"sku":"BAR","qty":"3","uom":"EA"}]},"version":2}`)
	r.restart()
	r.ship("SO-1", "S1", `[{"line":"1~1","qty":"2"},{"line":"1~2","qty":"4"}]`)
	r.settle()
	r.ship("SO-1", "S2", `[{"line":"1~2","qty":"4"}]`)
	r.settle()
	want = append(want, "3 shipment_posting 1~1:2 1~2:4", "4 invoice 1:1", "5 shipment_posting 1~2:4", "6 invoice 1:1")
	if diff := cmp.Diff(want, r.inLane("erp", "SO-1")); diff != "" {
		t.Errorf("the ERP holds after the shipments (-want +got):\n%s", diff)
	}
	r.placeIn("SO-2", "2", "EA")
	if diff := cmp.Diff([]string{"1 order_check 1:2 1~1:6", "2 sales_order 1:2 1~1:6"}, r.inLane("erp", "SO-2")); diff != "" {
		t.Errorf("the ERP holds of an order of today (-want +got):\n%s", diff)
	}
	r.audit()
}
