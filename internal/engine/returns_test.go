package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
)

// shippedOrder ships an order with a tracking number and bills it.
func (r *rig) shippedOrder(order, shipment, tracking string) {
	r.t.Helper()
	r.place(order)
	r.settle()
	r.tell("wms", waybill.ShipmentConfirmed, fmt.Sprintf(`{"order":%q,"shipment":%q,"shipped_at":%q,"lines":%s,"packages":[{"tracking":%q}]}`,
		order, shipment, r.now.Format(time.RFC3339), allLines, tracking))
	r.settle()
}

func (r *rig) cameBack(number, more string) Kept {
	r.t.Helper()
	return r.tell("wms", waybill.ReturnReceived, fmt.Sprintf(`{"return":%q,"lines":[{"line":"1","qty":"2","disposition":"restock"}]%s}`, number, more))
}

// returned is how much of line 1 came back, by the order's own account.
func (r *rig) returned(order string) string {
	r.t.Helper()
	f, err := r.e.flowByRef(r.t.Context(), waybill.FlowSales, order)
	r.must(err)
	return f.sales().Totals()[0].Quantities[waybill.Returned].String()
}

func (r *rig) wantReturn(order, want string, kept Kept, open int) {
	r.t.Helper()
	r.settle()
	if got := r.returned(order); got != want {
		r.t.Errorf("%s pieces came back to %s, want %s", got, order, want)
	}
	if xs := r.open(process.CauseUnmatched); len(xs) != open {
		r.t.Errorf("%d returns wait for their order, want %d", len(xs), open)
	}
	state := ledger.ParkedEvent
	if open == 0 {
		state = ledger.Applied
	}
	if ev := r.event(kept.Event); ev.State != state && (open > 0 || ev.State != ledger.Superseded) {
		r.t.Errorf("the return's event is %s: %s", ev.State, ev.Reason)
	}
	r.audit()
}

// A return without an order waits; a person matches it, and the order counts it
// as any other. What comes of the return later follows.
func TestW4_6_BlindReturnMatchedByHand(t *testing.T) {
	r := newRig(t)
	r.settle()
	r.shippedOrder("SO-1", "S1", "1Z-1")
	kept := r.cameBack("R1", "")
	r.wantReturn("SO-1", "0", kept, 1)
	x := r.open(process.CauseUnmatched)[0]
	match := Command{Actor: "ops", Object: ToException, Name: "exc", ID: x.ID, Action: "match", Reason: "by its label"}
	for _, wrong := range []string{"", "SO-9"} {
		match.Order = wrong
		if err := r.give(match); err == nil {
			t.Errorf("it was matched to %q", wrong)
		}
	}
	if err := r.give(Command{Actor: "ops", Object: ToException, Name: "exc", ID: x.ID, Action: "close", Reason: "away"}); err == nil {
		t.Error("it was closed, and so forgotten")
	}
	r.restart()
	match.Order = "1Z-1"
	r.must(r.give(match))
	r.wantReturn("SO-1", "2", kept, 0)
	later := r.tell("wms", waybill.ReturnReceived, `{"return":"R1","version":2,"lines":[{"line":"1","qty":"1","disposition":"restock"}]}`)
	r.wantReturn("SO-1", "1", later, 0)
}

// What the return names finds its order, when the return comes and when the
// order's facts come later.
func TestW4_6_BlindReturnFindsItsOrder(t *testing.T) {
	for _, c := range []struct{ name, more string }{
		{"tracking", `,"tracking":"1Z-1"`}, {"shipment", `,"shipment":"S1"`}, {"order number", `,"order_number":"SO-1"`},
	} {
		t.Run(c.name+" known", func(t *testing.T) {
			r := newRig(t)
			r.settle()
			r.shippedOrder("SO-1", "S1", "1Z-1")
			r.wantReturn("SO-1", "2", r.cameBack("R1", c.more), 0)
		})
		for _, dies := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s later, dies=%t", c.name, dies), func(t *testing.T) {
				r := newRig(t)
				r.settle()
				kept := r.cameBack("R1", c.more)
				r.settle()
				if dies {
					r.restart()
				}
				if n := len(r.open(process.CauseUnmatched)); n != 1 {
					t.Errorf("%d returns wait, want 1", n)
				}
				r.shippedOrder("SO-1", "S1", "1Z-1")
				r.wantReturn("SO-1", "2", kept, 0)
			})
		}
	}
	t.Run("of two orders waits", func(t *testing.T) {
		r := newRig(t)
		r.settle()
		r.shippedOrder("SO-1", "S1", "1Z-1")
		r.shippedOrder("SO-2", "S2", "1Z-1")
		r.wantReturn("SO-1", "0", r.cameBack("R1", `,"tracking":"1Z-1"`), 1)
	})
}

// The number of the return is enough where the order knows it: a warehouse need
// not name the order again, whichever message comes first.
func TestW4_6_TheReturnsNumberFindsItsOrder(t *testing.T) {
	named := `{"return":"R1","order":"SO-1","lines":[{"line":"1","qty":"2","disposition":"restock"}]}`
	t.Run("the order knows it", func(t *testing.T) {
		r := newRig(t)
		r.settle()
		r.shippedOrder("SO-1", "S1", "1Z-1")
		r.tell("wms", waybill.ReturnReceived, named)
		r.wantReturn("SO-1", "1", r.tell("wms", waybill.ReturnReceived, `{"return":"R1","version":2,"lines":[{"line":"1","qty":"1","disposition":"restock"}]}`), 0)
	})
	t.Run("the order learns of it", func(t *testing.T) {
		r := newRig(t)
		r.settle()
		r.shippedOrder("SO-1", "S1", "1Z-1")
		kept := r.tell("wms", waybill.ReturnReceived, `{"return":"R1","version":2,"lines":[{"line":"1","qty":"1","disposition":"restock"}]}`)
		r.wantReturn("SO-1", "0", kept, 1)
		r.tell("wms", waybill.ReturnReceived, named)
		r.wantReturn("SO-1", "1", kept, 0)
	})
}

// The same word twice is one word.
func TestW4_6_BlindReturnRepeated(t *testing.T) {
	r := newRig(t)
	r.settle()
	r.cameBack("R1", "")
	again := r.cameBack("R1", "")
	if ev := r.event(again.Event); ev.State != ledger.Ignored {
		t.Errorf("the repetition is %s", ev.State)
	}
	if n := len(r.open(process.CauseUnmatched)); n != 1 {
		t.Errorf("%d exceptions, want 1", n)
	}
	r.audit()
}
