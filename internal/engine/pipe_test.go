package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
)

// burst pushes facts in a row and wants each accepted at its first try, batch
// upon batch that is not written yet.
func (r *rig) burst(facts ...fact) []Kept {
	r.t.Helper()
	var replies []<-chan keptOrError
	for _, f := range facts {
		r.serial++
		replies = append(replies, r.push(f.source, fmt.Sprintf("b%d", r.serial), r.body(f.kind, f.data)))
	}
	r.stir()
	var kept []Kept
	for i, reply := range replies {
		k := soon(r.t, reply)
		if k.err != nil {
			r.t.Fatalf("fact %d was not kept at once: %v", i, k.err)
		}
		kept = append(kept, k.kept)
	}
	return kept
}

func shipped(order, shipment string) fact {
	return fact{"wms", waybill.ShipmentConfirmed, fmt.Sprintf(
		`{"order":%q,"shipment":%q,"shipped_at":"2026-03-02T09:00:00Z","lines":%s}`, order, shipment, allLines)}
}

func delivered(shipment string) fact {
	return fact{"carrier", waybill.ShipmentDelivered, fmt.Sprintf(`{"shipment":%q,"delivered_at":"2026-03-02T10:00:00Z"}`, shipment)}
}

func placed(order string) fact { return fact{"shop", waybill.OrderPlaced, orderData(order, 1, "5")} }

// A batch sees what the one before it decided, although the store does not
// hold it yet: references, facts that wait, the waybills themselves.
func TestPipe_SeesWhatIsNotWrittenYet(t *testing.T) {
	for _, bite := range []int{1, 2} {
		r := newRig(t, func(r *rig) { r.overlap, r.bite = true, bite })
		r.settle()
		kept := r.burst(placed("SO-1"), shipped("SO-1", "S1"), delivered("S1"), // the reference is not written yet
			placed("SO-2"), delivered("S2"), shipped("SO-2", "S2")) // nor is what waits
		if ev := r.event(kept[2].Event); ev.State != ledger.Applied {
			t.Errorf("batches of %d: the delivery of S1 is %s (%s)", bite, ev.State, ev.Reason)
		}
		if ev := r.event(kept[4].Event); ev.State != ledger.Superseded {
			t.Errorf("batches of %d: the early delivery of S2 is %s (%s), want adopted", bite, ev.State, ev.Reason)
		}
		r.pass(time.Hour)
		for _, ref := range []string{"SO-1", "SO-2"} {
			if s := r.orderStatus(ref); s != waybill.StatusInvoiced {
				t.Errorf("batches of %d: %s is %s", bite, ref, s)
			}
			f, err := r.e.flowByRef(t.Context(), waybill.FlowSales, ref)
			r.must(err)
			if got := f.state.View().Lines[0].Delivered; got.String() != "5" {
				t.Errorf("batches of %d: %s of %s delivered", bite, got, ref)
			}
		}
		if xs := r.open(""); len(xs) != 0 {
			t.Errorf("batches of %d: %s is open", bite, xs[0].Cause)
		}
		r.audit()
	}
}

// A waybill whose last changes are not written is not put out of memory, and a
// check that a trigger interrupts between two batches is not lost.
func TestPipe_KeepsWhatIsNotWrittenYet(t *testing.T) {
	r := newRig(t, func(r *rig) { r.overlap, r.bite = true, 3 })
	r.settle()
	r.e.flows.max = 2
	var facts []fact
	for i := range 6 {
		for n := range 3 {
			facts = append(facts, placed(fmt.Sprintf("SO-%d-%d", i, n)))
		}
		for n := range 3 {
			facts = append(facts, shipped(fmt.Sprintf("SO-%d-%d", i, n), fmt.Sprintf("S-%d-%d", i, n)))
		}
	}
	r.burst(facts...)
	r.pass(time.Minute)
	for i := range 6 {
		for n := range 3 {
			ref := fmt.Sprintf("SO-%d-%d", i, n)
			if s := r.orderStatus(ref); s != waybill.StatusInvoiced {
				t.Errorf("%s is %s", ref, s)
			}
		}
	}
	r.audit()
}
