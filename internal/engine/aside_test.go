package engine

import (
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// TestF06_ARottenStateHoldsUpNobody: a waybill whose stored state can't be read
// is set aside with an exception; what comes for it is kept, and every other
// order goes on.
func TestF06_ARottenStateHoldsUpNobody(t *testing.T) {
	r := newRig(t)
	r.place("SO-1")
	r.settle()
	row, err := r.kept.WaybillByTag(t.Context(), process.Tag("SO-1", r.e.policy), waybill.FlowSales, "SO-1")
	r.must(err)
	row.Version++
	row.State = []byte("\x01\x01rotten")
	tx, err := r.kept.Begin(t.Context())
	r.must(err)
	r.must(tx.Write(t.Context(), &store.Batch{Waybills: []ledger.Waybill{row}}))
	r.must(tx.Commit(t.Context()))
	r.restart()

	kept := r.tell("wms", waybill.ShipmentConfirmed, `{"order":"SO-1","shipment":"S1","shipped_at":"2026-03-02T09:00:00Z","lines":`+allLines+`}`)
	r.place("SO-2")
	r.settle()
	if ev := r.event(kept.Event); ev.State != ledger.ParkedEvent || ev.Reason == "" {
		t.Errorf("what came for the rotten order is %s (%s), want parked with a reason", ev.State, ev.Reason)
	}
	if xs := r.open("waybill_set_aside"); len(xs) != 1 || xs[0].Subject != "SO-1" {
		t.Errorf("exceptions %v, want one that names SO-1", xs)
	}
	if s := r.orderStatus("SO-2"); s != waybill.StatusReleased {
		t.Errorf("SO-2 is %s: the rotten order holds it up", s)
	}
}
