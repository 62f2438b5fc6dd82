package engine

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/ledger"
)

// reread brings another reading of a message into force.
func (r *rig) reread(re Reread) error {
	r.t.Helper()
	reply := make(chan error, 1)
	r.enqueue(func(e *Engine) { reply <- e.Reread(r.t.Context(), re) })
	r.step()
	return soon(r.t, reply)
}

// strange keeps a message that nobody understands.
func (r *rig) strange(source, id, body string) Kept {
	r.t.Helper()
	m := ledger.Message{Source: source, DedupeID: id, Status: ledger.Quarantined, Reason: "a mapping is wrong", ReceivedAt: r.now,
		SHA256: sha256.Sum256([]byte(body)), Body: []byte(body)}
	reply := make(chan keptOrError, 1)
	r.enqueue(func(e *Engine) {
		kept, err := e.Keep(r.t.Context(), m, nil)
		reply <- keptOrError{kept, err}
	})
	r.step()
	return soon(r.t, reply).kept
}

// read reads a body as its system's connector does.
func (r *rig) read(source, body string) []waybill.Event {
	r.t.Helper()
	_, events := r.message(source, "", body)
	return events
}

// A message that nobody understood becomes the order that it is, under the key
// that the order would have had at once.
func TestReread_ReleasesWhatWasQuarantined(t *testing.T) {
	straight := newRig(t)
	straight.place("SO-1")
	straight.settle()
	r := newRig(t)
	body := r.body(waybill.OrderPlaced, orderData("SO-1", 1, "5"))
	kept := r.strange("shop", "m1", body)
	r.settle()
	if len(r.open("message_quarantined")) != 1 {
		t.Fatal("no exception says that a message was not understood")
	}
	events := r.read("shop", body)
	r.must(r.reread(Reread{Message: kept.Message, Changes: []Change{{Event: events[0]}}}))
	r.settle()
	for _, kind := range []waybill.Kind{waybill.OrderCheck, waybill.SalesOrder, waybill.WarehouseOrder} {
		if a, b := r.one("SO-1", kind), straight.one("SO-1", kind); a.Key != b.Key || a.State != b.State {
			t.Errorf("%s: key %s %s, want %s %s", kind, a.Key, a.State, b.Key, b.State)
		}
	}
	m, err := r.kept.Message(t.Context(), kept.Message)
	r.must(err)
	marker, order := r.event(kept.Event), r.event(m.FirstEvent)
	if m.Status != ledger.Accepted || m.Events != 1 || marker.State != ledger.Superseded || order.Type != waybill.OrderPlaced ||
		order.State != ledger.Applied || order.Message != kept.Message {
		t.Errorf("message %+v, its marker %s, its event %s %s", m, marker.State, order.Type, order.State)
	}
	if len(r.open("message_quarantined")) != 0 {
		t.Error("the exception is still open")
	}
	again := r.push("shop", "m1", body)
	r.step()
	if k := soon(t, again).kept; !k.Duplicate || k.Event != m.FirstEvent || k.Status != ledger.Accepted {
		t.Errorf("its repetition is answered %+v", k)
	}
	r.audit()
}

// Another reading of a shipment corrects what went out, and the ledger refolds
// to the same state, also after a crash at once.
func TestReread_CorrectsWhatWentOut(t *testing.T) {
	for _, crash := range []bool{false, true} {
		r := newRig(t)
		r.place("SO-1")
		r.settle()
		kept := r.tell("wms", waybill.ShipmentConfirmed, `{"order":"SO-1","shipment":"S1","shipped_at":"2026-03-02T09:00:00Z","lines":[{"line":"1","qty":"5"},{"line":"2","qty":"1"}]}`)
		r.settle()
		events := r.read("wms", r.body(waybill.ShipmentConfirmed, `{"order":"SO-1","shipment":"S1","shipped_at":"2026-03-02T09:00:00Z","lines":`+allLines+`}`))
		r.must(r.reread(Reread{Message: kept.Message, Changes: []Change{{Event: events[0], Replaces: kept.Event}}}))
		if crash {
			r.restart()
		}
		r.pass(r.opt.Timing.Deadline * 3)
		if diff := cmp.Diff(map[waybill.Kind]int{waybill.OrderCheck: 1, waybill.SalesOrder: 1, waybill.ShipmentPosting: 2, waybill.Invoice: 2},
			r.held("erp", "SO-1")); diff != "" {
			t.Errorf("the ERP's books (-want +got):\n%s", diff)
		}
		if was := r.event(kept.Event); was.State != ledger.Superseded || !strings.Contains(was.Reason, "read again") {
			t.Errorf("the earlier reading is %s: %s", was.State, was.Reason)
		}
		r.audit()
	}
}

// What waited for a shipment that nobody has reported is read as one that
// somebody has.
func TestReread_TakesOutOfLimbo(t *testing.T) {
	r := newRig(t)
	r.place("SO-1")
	r.settle()
	r.ship("SO-1", "S1", allLines)
	r.settle()
	kept := r.tell("carrier", waybill.ShipmentDelivered, `{"shipment":"0S1","delivered_at":"2026-03-02T12:00:00Z"}`)
	if ev := r.event(kept.Event); ev.State != ledger.Limbo {
		t.Fatalf("it is %s, want it to wait", ev.State)
	}
	events := r.read("carrier", r.body(waybill.ShipmentDelivered, `{"shipment":"S1","delivered_at":"2026-03-02T12:00:00Z"}`))
	r.must(r.reread(Reread{Message: kept.Message, Changes: []Change{{Event: events[0], Replaces: kept.Event}}}))
	r.pass(r.opt.Policy.Limbo * 2)
	if ev := r.event(kept.Event); ev.State != ledger.Superseded {
		t.Errorf("the earlier reading is %s", ev.State)
	}
	if len(r.open("limbo_expired")) != 0 {
		t.Error("a person is told of what waits no longer")
	}
	r.audit()
}

// A value is kept with its entry of the audit log, or not at all.
func TestRemember(t *testing.T) {
	r := newRig(t)
	reply := make(chan error, 1)
	r.enqueue(func(e *Engine) {
		reply <- e.Remember(t.Context(), "replay.last", "7", &audit.Entry{Actor: "ops", Action: "replay", Object: "order SO-1", Reason: "a test"})
	})
	r.step()
	r.must(soon(t, reply))
	v, err := r.kept.Setting(t.Context(), "replay.last")
	r.must(err)
	log, err := r.kept.AuditAfter(t.Context(), 0, 10)
	r.must(err)
	if v != "7" || len(log) == 0 || log[len(log)-1].Action != "replay" {
		t.Errorf("value %q, log %+v", v, log)
	}
}
