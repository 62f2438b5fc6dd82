package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
)

const caseOfTwelve = `{"sku":"A","base_uom":"EA","uoms":[{"uom":"CS","ratio":"12"}],"version":%d}`

// knows lists how often an order was told its items' units.
func (r *rig) knows(order string) int {
	r.t.Helper()
	f, err := r.e.flowByRef(r.t.Context(), waybill.FlowSales, order)
	r.must(err)
	evs, err := r.kept.Events(r.t.Context(), ledger.EventQuery{Waybill: f.row.ID, Limit: 1000})
	r.must(err)
	n := 0
	for _, ev := range evs {
		if ev.Type == waybill.ItemKnown {
			n++
		}
	}
	return n
}

func (r *rig) placeIn(order, qty, uom string) {
	r.t.Helper()
	r.tell("shop", waybill.OrderPlaced, fmt.Sprintf(`{"order":%q,"customer":"C1","currency":"EUR","ship_to":{"id":"D1"},"lines":[`+
		`{"line":"1","sku":"A","qty":%q,"uom":%q,"price":"60"}]}`, order, qty, uom))
	r.settle()
}

func (r *rig) shippedIn(order, shipment, qty, uom string) Kept {
	r.t.Helper()
	k := r.tell("wms", waybill.ShipmentConfirmed, fmt.Sprintf(`{"order":%q,"shipment":%q,"shipped_at":%q,"lines":[{"line":"1","qty":%q,"uom":%q}]}`,
		order, shipment, r.now.Format(time.RFC3339), qty, uom))
	r.settle()
	return k
}

func (r *rig) inBase(order string, stage waybill.Stage) string {
	r.t.Helper()
	f, err := r.e.flowByRef(r.t.Context(), waybill.FlowSales, order)
	r.must(err)
	return f.sales().Totals()[0].Quantities[stage].String()
}

// An order in cases of an item that is counted in pieces is counted in pieces,
// also across a restart, and is told so once.
func TestG5_AnOrderInAnotherUnit(t *testing.T) {
	r := newRig(t)
	r.settle()
	r.tell("erp", waybill.ItemChanged, fmt.Sprintf(caseOfTwelve, 1))
	r.placeIn("SO-1", "2", "CS")
	r.placeIn("SO-2", "2", "EA")
	if got := r.inBase("SO-1", waybill.Ordered); got != "24" {
		t.Errorf("ordered %s pieces, want 24", got)
	}
	if n, plain := r.knows("SO-1"), r.knows("SO-2"); n != 1 || plain != 0 {
		t.Errorf("the orders were told %d and %d times, want once and never", n, plain)
	}
	r.restart()
	r.shippedIn("SO-1", "S1", "12", "EA")
	r.shippedIn("SO-1", "S2", "1", "CS")
	if got := r.inBase("SO-1", waybill.Invoiced); got != "24" {
		t.Errorf("invoiced %s pieces, want 24", got)
	}
	r.tell("shop", waybill.OrderChanged, `{"order":"SO-1","version":2,"customer":"C1","currency":"EUR","ship_to":{"id":"D1"},"lines":[{"line":"1","sku":"A","qty":"2","uom":"CS","price":"60"}]}`)
	r.settle()
	if n := r.knows("SO-1"); n != 1 {
		t.Errorf("it was told %d times after a change, want once", n)
	}
	r.audit()
}

// A fact in a unit that nobody knows waits until somebody does.
func TestG5_AFactInAnUnknownUnit(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("a record without it first=%t", first), func(t *testing.T) {
			r := newRig(t)
			r.settle()
			if first {
				r.tell("erp", waybill.ItemChanged, `{"sku":"A","base_uom":"EA","version":1}`)
			}
			r.placeIn("SO-1", "24", "EA")
			kept := r.shippedIn("SO-1", "S1", "2", "CS")
			if ev := r.event(kept.Event); ev.State != ledger.Limbo {
				t.Errorf("the shipment is %s, want limbo", ev.State)
			}
			r.tell("erp", waybill.ItemChanged, fmt.Sprintf(caseOfTwelve, 2))
			r.pass(time.Minute)
			if got := r.inBase("SO-1", waybill.Invoiced); got != "24" {
				t.Errorf("invoiced %s pieces, want 24", got)
			}
			if diff := cmp.Diff([]string{"3 shipment_posting 1:24", "4 invoice 1:24"}, r.inLane("erp", "SO-1")[2:]); diff != "" {
				t.Errorf("the ERP holds (-want +got):\n%s", diff)
			}
			r.audit()
		})
	}
	t.Run("the record is known and nobody looked", func(t *testing.T) {
		r := newRig(t)
		r.settle()
		r.tell("erp", waybill.ItemChanged, fmt.Sprintf(caseOfTwelve, 1))
		r.placeIn("SO-1", "24", "EA")
		r.shippedIn("SO-1", "S1", "2", "CS")
		r.pass(time.Minute)
		if got := r.inBase("SO-1", waybill.Invoiced); got != "24" {
			t.Errorf("invoiced %s pieces, want 24", got)
		}
		r.audit()
	})
}
