package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
)

// A promise on the way is broken within a second, raised once and told once.
func TestMilestone_RaisedOnceWithinASecond(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.opt.Milestones = []Milestone{{Name: "ship", From: waybill.StatusReceived, Until: waybill.StatusShipped, Within: time.Hour, Notify: "desk"}}
	})
	r.place("SO-1")
	r.place("SO-2")
	r.settle()
	r.ship("SO-2", "S2", allLines)
	r.pass(time.Hour - time.Millisecond)
	if len(r.alerts) != 0 {
		t.Fatal("told before the time")
	}
	r.pass(time.Second)
	if len(r.alerts) != 1 || r.alerts[0].Ref != "SO-1" || r.alerts[0].Target != "desk" {
		t.Fatalf("alerts: %+v", r.alerts)
	}
	xs := r.open("late_ship")
	if len(xs) != 1 || xs[0].Ref != "SO-1" || xs[0].Since.After(start.Add(time.Hour+time.Second)) {
		t.Fatalf("exceptions: %+v", xs)
	}
	r.restart()
	r.pass(3 * time.Hour)
	r.must(r.give(Command{Actor: "ops", Object: ToException, ID: xs[0].ID, Name: fmt.Sprint(xs[0].ID), Action: "close", Reason: "known"}))
	r.pass(time.Hour)
	if len(r.alerts) != 1 || len(r.open("late_ship")) != 0 {
		t.Errorf("%d alerts and %d exceptions after somebody closed it", len(r.alerts), len(r.open("late_ship")))
	}
	r.ship("SO-1", "S1", allLines)
	r.pass(time.Hour)
	if len(r.open("late_ship")) != 0 || len(r.alerts) != 1 {
		t.Error("it shipped, and is still late")
	}
	r.audit()
}

func TestMilestone_ClosesWhenReachedLate(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.opt.Milestones = []Milestone{{Name: "ship", From: waybill.StatusReleased, Until: waybill.StatusShipped, Within: time.Hour}}
	})
	r.settle()
	r.now = r.now.Add(time.Hour)
	r.place("SO-1")
	r.pass(time.Hour + time.Second)
	if len(r.open("late_ship")) != 1 {
		t.Error("it is late since its release and nobody says so")
	}
	r.ship("SO-1", "S1", allLines)
	r.settle()
	if len(r.open("late_ship")) != 0 {
		t.Error("it shipped, and is still late")
	}
	r.audit()
}

// A reload replaces policy, timing, systems and milestones at once; documents
// on their way keep what they were decided under.
func TestF48_ReconfigureInMidFlow(t *testing.T) {
	r := newRig(t)
	r.settle()
	r.place("SO-1") // its check is under way
	opt := r.opt
	policy := *opt.Policy
	policy.WMS = "threepl"
	opt.Policy, opt.Timing.Deadline = &policy, 10*time.Second
	r.fakes["threepl"] = newFake(r, "threepl", waybill.RoleWMS)
	r.must(r.reload(opt))
	r.opt = opt
	r.settle()
	r.place("SO-2")
	r.settle()
	for _, ref := range []string{"SO-1", "SO-2"} {
		if n := r.held("threepl", ref)[waybill.WarehouseOrder]; n != 1 {
			t.Errorf("%s went to the new warehouse %d times", ref, n)
		}
	}
	if d := r.one("SO-2", waybill.OrderCheck); d.Deadline.Sub(d.StartedAt) != 10*time.Second {
		t.Errorf("the deadline is %s ahead", d.Deadline.Sub(d.StartedAt))
	}
	entries, err := r.kept.AuditAfter(t.Context(), 0, 10)
	r.must(err)
	if len(entries) != 1 || entries[0].Action != "reload" || entries[0].Actor != "ops" {
		t.Errorf("audit: %+v", entries)
	}
	delete(r.fakes, "shop") // no longer configured: what is on its way to it is parked
	shop := newFake(r, "shop", waybill.RoleChannel)
	r.must(r.reload(opt))
	r.fakes["shop"] = shop
	r.tell("threepl", waybill.ShipmentConfirmed, `{"order":"SO-1","shipment":"S1","shipped_at":"2026-03-02T09:00:00Z","lines":`+allLines+`}`)
	r.settle()
	d := r.one("SO-1", waybill.Fulfilment)
	if state, reason := r.shown(d); state != lane.Parked || reason != "not_configured" {
		t.Errorf("the fulfilment is %s (%s)", state, reason)
	}
	r.must(r.reload(opt))
	r.settle()
	if n := len(shop.attemptsOf(waybill.Fulfilment)); n != 1 {
		t.Errorf("%d fulfilments after the shop is back", n)
	}
}

// A waybill that memory has no room for is read again and goes on.
func TestFlowCache_PutsOutAndReadsAgain(t *testing.T) {
	for _, overlap := range []bool{false, true} {
		r := newRig(t, func(r *rig) { r.overlap, r.bite = overlap, 1 })
		r.e.flows.max = 2
		var refs []string
		var placed, shipped []fact
		for i := range 12 {
			ref := fmt.Sprintf("SO-%d", i)
			refs = append(refs, ref)
			placed = append(placed, fact{"shop", waybill.OrderPlaced, orderData(ref, 1, "5")})
			shipped = append(shipped, fact{"wms", waybill.ShipmentConfirmed, fmt.Sprintf(
				`{"order":%q,"shipment":"S%d","shipped_at":"2026-03-02T09:00:00Z","lines":%s}`, ref, i, allLines)})
		}
		r.tellAll(placed...)
		r.settle()
		r.tellAll(shipped...)
		r.settle()
		if n := len(r.e.flows.byID); n > 2 {
			t.Errorf("overlap %t: %d waybills in memory, want at most 2", overlap, n)
		}
		for _, ref := range refs {
			if s := r.orderStatus(ref); s != waybill.StatusInvoiced {
				t.Errorf("overlap %t: %s is %s", overlap, ref, s)
			}
		}
		r.audit()
	}
}

// The status says what is open, and is quiescent only when nothing is.
func TestC2_Status(t *testing.T) {
	r := newRig(t)
	r.settle()
	status := func() Status {
		t.Helper()
		out := make(chan Status, 1)
		r.enqueue(func(e *Engine) {
			s, err := e.Status(t.Context())
			if err != nil {
				t.Error(err)
			}
			out <- s
		})
		r.step()
		return soon(t, out)
	}
	if s := status(); !s.Quiescent || s.LedgerHead != 0 {
		t.Errorf("an empty engine: %+v", s)
	}
	r.place("SO-1")
	if s := status(); s.Quiescent || s.Deliveries[lane.InFlight] != 1 || s.LedgerHead != 1 {
		t.Errorf("with a check under way: %+v", s)
	}
	r.settle()
	s := status()
	if !s.Quiescent || s.Deliveries[lane.InFlight] != 0 {
		t.Errorf("at rest: %+v", s)
	}
	hash := s.LedgerHash
	r.fakes["erp"].on(waybill.ShipmentPosting, refused("x", 422))
	r.ship("SO-1", "S1", allLines)
	r.settle()
	if s = status(); !s.Quiescent || s.Deliveries[lane.Parked] != 1 || s.LedgerHash == hash {
		t.Errorf("with a parked document: %+v", s)
	}
	r.tell("wms", waybill.ShipmentConfirmed, `{"order":"SO-8","shipment":"S9","shipped_at":"2026-03-02T09:00:00Z","lines":`+allLines+`}`)
	if s = status(); s.Quiescent || s.Limbo != 1 {
		t.Errorf("with a fact in limbo: %+v", s)
	}
}
