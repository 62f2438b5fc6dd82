package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
)

// Facts that come before their order wait and are adopted; expired ones are
// parked with an exception, and adopted even then.
func TestF16_FactsBeforeTheirOrder(t *testing.T) {
	for _, wait := range []time.Duration{time.Minute, time.Hour} {
		r := newRig(t)
		kept := r.tell("wms", waybill.ShipmentConfirmed,
			`{"order":"SO-1","shipment":"S1","shipped_at":"2026-03-02T09:00:00Z","lines":`+allLines+`}`)
		r.pass(wait)
		r.restart()
		r.settle()
		want, open := ledger.Limbo, 0
		if wait > 10*time.Minute {
			want, open = ledger.ParkedEvent, 1
		}
		if ev := r.event(kept.Event); ev.State != want || ev.Reason == "" {
			t.Errorf("after %s the shipment is %s (%s), want %s", wait, ev.State, ev.Reason, want)
		}
		if xs := r.open("limbo_expired"); len(xs) != open {
			t.Errorf("after %s %d exceptions, want %d", wait, len(xs), open)
		}
		r.place("SO-1")
		r.pass(5 * time.Minute)
		if ev := r.event(kept.Event); ev.State != ledger.Applied {
			t.Errorf("adopted, the shipment is %s (%s)", ev.State, ev.Reason)
		}
		if xs := r.open(""); len(xs) != 0 {
			t.Errorf("%s is still open", xs[0].Cause)
		}
		if s := r.orderStatus("SO-1"); s != waybill.StatusInvoiced {
			t.Errorf("SO-1 is %s", s)
		}
		r.audit()
	}
}

// The carrier knows shipments only by their number: its news wait for whoever
// reports the shipment, over expiry and restarts.
func TestF16_DeliveryBeforeItsShipment(t *testing.T) {
	for _, wait := range []time.Duration{time.Minute, time.Hour} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s restart=%t", wait, restart), func(t *testing.T) {
				r := newRig(t)
				r.place("SO-1")
				r.settle()
				kept := r.tell("carrier", waybill.ShipmentDelivered, `{"shipment":"S1","delivered_at":"2026-03-02T10:00:00Z"}`)
				r.pass(wait)
				if restart {
					r.restart()
					r.settle()
				}
				if xs := r.open("limbo_expired"); (len(xs) == 1) != (wait > 10*time.Minute) {
					t.Errorf("%d exceptions after %s", len(xs), wait)
				}
				r.ship("SO-1", "S1", allLines)
				r.pass(time.Minute)
				if ev := r.event(kept.Event); ev.State != ledger.Superseded {
					t.Errorf("the message's event is %s (%s), want superseded by the adopted one", ev.State, ev.Reason)
				}
				if xs := r.open(""); len(xs) != 0 {
					t.Errorf("%s is still open", xs[0].Cause)
				}
				f, err := r.e.flowByRef(t.Context(), waybill.FlowSales, "SO-1")
				r.must(err)
				if l := f.state.View().Lines[0]; l.Delivered.String() != "5" {
					t.Errorf("delivered %s of line 1, want 5", l.Delivered)
				}
				r.audit()
			})
		}
	}
}

// A held order is checked again by each of its triggers, once, and released
// when the ERP says yes.
func TestW4_HeldOrderIsCheckedAgain(t *testing.T) {
	triggers := map[string]func(r *rig){
		"customer": func(r *rig) { r.tell("erp", waybill.CustomerChanged, `{"customer":"C1","credit_limit":"9000"}`) },
		"item":     func(r *rig) { r.tell("erp", waybill.ItemChanged, `{"sku":"A","base_uom":"EA"}`) },
		"payment": func(r *rig) {
			r.tell("erp", waybill.InvoicePaid, `{"order":"SO-1","invoice":"I-9","amount":"5.00","currency":"EUR","paid_at":"2026-03-02T09:00:00Z"}`)
		},
		"operator": func(r *rig) { r.must(r.do(ToOrder, "SO-1", "recheck")) },
		"timer":    func(r *rig) { r.pass(15 * time.Minute) },
		"change":   func(r *rig) { r.tell("shop", waybill.OrderChanged, orderData("SO-1", 2, "4")) },
	}
	for name, trigger := range triggers {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			erp := r.fakes["erp"]
			erp.on(waybill.OrderCheck, check(heldOnCredit))
			r.place("SO-1")
			r.settle()
			if s := r.orderStatus("SO-1"); s != waybill.StatusHeld || len(r.fakes["shop"].seen) != 0 {
				t.Fatalf("SO-1 is %s, the shop heard of %d documents", s, len(r.fakes["shop"].seen))
			}
			r.restart()
			r.tell("erp", waybill.CustomerChanged, `{"customer":"C2"}`) // another's
			r.settle()
			if n := len(erp.attemptsOf(waybill.OrderCheck)); n != 1 {
				t.Fatalf("%d checks before the trigger", n)
			}
			trigger(r)
			r.settle()
			checks := erp.attemptsOf(waybill.OrderCheck)
			if len(checks) != 2 || checks[0].Key == checks[1].Key {
				t.Errorf("%d checks after the trigger, want a second one with a key of its own", len(checks))
			}
			if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
				t.Errorf("SO-1 is %s", s)
			}
			r.pass(time.Hour)
			if n := len(erp.attemptsOf(waybill.OrderCheck)); n != 2 {
				t.Errorf("%d checks in the end: it is still checked", n)
			}
			r.audit()
		})
	}
}

// What happens while a check is under way is not missed: if the answer is no,
// another round follows.
func TestW4_TriggerWhileACheckIsUnderWay(t *testing.T) {
	r := newRig(t)
	r.settle()
	erp := r.fakes["erp"]
	erp.on(waybill.OrderCheck, check(heldOnCredit), check(heldOnCredit))
	r.place("SO-1")
	r.settle()
	r.must(r.do(ToOrder, "SO-1", "recheck"))
	r.stir()
	if len(r.calls) != 1 {
		t.Fatalf("%d requests under way, want the check", len(r.calls))
	}
	r.tell("erp", waybill.CustomerChanged, `{"customer":"C1","credit_limit":"9000"}`)
	r.settle()
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
		t.Errorf("SO-1 is %s: the customer's change was missed", s)
	}
	if n := len(erp.attemptsOf(waybill.OrderCheck)); n != 3 {
		t.Errorf("%d checks, want 3", n)
	}
	r.audit()
}

// Commands do what C7 says, refuse what it does not, and leave their audit in
// the commit that carries them out.
func TestC7_Commands(t *testing.T) {
	r := newRig(t)
	r.fakes["erp"].on(waybill.SalesOrder, refused("unknown_item", 422), refused("unknown_item", 422))
	r.place("SO-1")
	r.settle()
	key := r.one("SO-1", waybill.SalesOrder).Key
	check := r.one("SO-1", waybill.OrderCheck).Key
	x := r.open("refused_sales_order_unknown_item")[0]
	for _, wrong := range []struct {
		c    Command
		code string
	}{
		{Command{Object: ToDelivery, Name: key, Action: "retry"}, "reason_missing"},
		{Command{Object: ToDelivery, Name: key, Action: "dance", Reason: "x"}, "unknown_action"},
		{Command{Object: ToDelivery, Name: key, Action: "settle", Reason: "x"}, "ref_missing"},
		{Command{Object: ToDelivery, Name: key, Action: "skip", Reason: "x"}, "too_early"},
		{Command{Object: ToDelivery, Name: check, Action: "retry", Reason: "x"}, "settled_already"},
		{Command{Object: ToDelivery, Name: "0000000000000000000000000000000zz", Action: "retry", Reason: "x"}, "not_found"},
		{Command{Object: ToOrder, Name: "SO-9", Action: "hold", Reason: "x"}, "not_found"},
		{Command{Object: ToOrder, Name: "SO-1", Action: "burn", Reason: "x"}, "unknown_action"},
		{Command{Object: ToSystem, Name: "moon", Action: "pause", Reason: "x"}, "not_found"},
		{Command{Object: ToSystem, Name: "erp", Action: "stop", Reason: "x"}, "unknown_action"},
		{Command{Object: ToException, ID: 999999, Name: "999999", Action: "close", Reason: "x"}, "not_found"},
		{Command{Object: ToException, ID: x.ID, Name: "1", Action: "resume", Reason: "x"}, "unknown_action"},
		{Command{Object: "planet", Name: "erp", Action: "stop", Reason: "x"}, "unknown_object"},
	} {
		var e *waybill.Error
		if err := r.give(wrong.c); !errors.As(err, &e) || e.Code != wrong.code {
			t.Errorf("%+v: %v, want %s", wrong.c, err, wrong.code)
		}
	}
	r.must(r.give(Command{Actor: "ann", Object: ToException, ID: x.ID, Name: fmt.Sprint(x.ID), Action: "retry", Reason: "item was added"}))
	r.settle()
	if xs := r.open("refused_sales_order_unknown_item"); len(xs) != 1 {
		t.Errorf("refused again, and %d exceptions are open", len(xs))
	}
	r.pass(time.Minute)
	r.must(r.do(ToDelivery, key, "retry"))
	r.settle()
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased || len(r.open("")) != 0 {
		t.Errorf("SO-1 is %s, with %d exceptions", s, len(r.open("")))
	}
	r.must(r.do(ToOrder, "SO-1", "cancel"))
	r.settle()
	entries, err := r.kept.AuditAfter(t.Context(), 0, 100)
	r.must(err)
	var got []string
	for _, e := range entries {
		got = append(got, e.Actor+" "+e.Action+" "+e.Object+": "+e.Reason)
	}
	want := []string{"ann retry exception " + fmt.Sprint(x.ID) + ": item was added", "ops retry delivery " + key + ": a test",
		"ops cancel order SO-1: a test"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	r.audit()
}

// A manual hold stops first attempts of sales and warehouse orders only, and a
// release lifts it.
func TestC7_HoldAndRelease(t *testing.T) {
	r := newRig(t)
	r.settle()
	r.place("SO-1")
	r.must(r.do(ToOrder, "SO-1", "hold"))
	r.pass(2 * time.Hour)
	if s := r.orderStatus("SO-1"); s != waybill.StatusHeld {
		t.Errorf("SO-1 is %s", s)
	}
	if len(r.fakes["erp"].attemptsOf(waybill.SalesOrder))+len(r.fakes["wms"].seen) != 0 {
		t.Error("a held order went out")
	}
	r.restart()
	r.must(r.do(ToOrder, "SO-1", "release"))
	r.settle()
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
		t.Errorf("SO-1 is %s after the release", s)
	}
	r.audit()
}

// The lane of a refused document waits, others go on; skipping frees it.
func TestF24_RefusalHoldsItsLaneOnly(t *testing.T) {
	r := newRig(t)
	r.place("SO-1")
	r.settle()
	r.fakes["erp"].on(waybill.ShipmentPosting, refused("no_such_batch", 422))
	r.ship("SO-1", "S1", `[{"line":"1","qty":"3"}]`)
	r.ship("SO-1", "S2", `[{"line":"1","qty":"2"},{"line":"2","qty":"2"}]`)
	r.settle()
	ds := r.deliveries("SO-1", "erp", waybill.ShipmentPosting)
	if len(ds) != 2 || ds[0].State != lane.Parked || ds[1].State != lane.Parked || ds[1].Reason != "behind "+ds[0].Key || ds[1].Attempted() {
		t.Fatalf("the postings are %s and %s (%s)", ds[0].State, ds[1].State, ds[1].Reason)
	}
	if n := r.held("shop", "SO-1")[waybill.Fulfilment]; n != 2 {
		t.Errorf("the shop's lane has %d fulfilments, want 2: it does not wait for the ERP's", n)
	}
	r.place("SO-2")
	r.pass(time.Minute)
	if s := r.orderStatus("SO-2"); s != waybill.StatusReleased {
		t.Errorf("SO-2 is %s", s)
	}
	var e *waybill.Error
	if err := r.do(ToDelivery, ds[1].Key, "skip"); !errors.As(err, &e) || e.Code != "behind" {
		t.Errorf("skip of what stands behind: %v", err)
	}
	r.must(r.do(ToDelivery, ds[0].Key, "skip"))
	r.settle()
	ds = r.deliveries("SO-1", "erp", waybill.ShipmentPosting)
	if ds[0].State != lane.Skipped || ds[1].State != lane.Done || ds[1].Seq != 4 || ds[1].After != 2 {
		t.Errorf("after the skip: %s, then %s with seq %d after %d", ds[0].State, ds[1].State, ds[1].Seq, ds[1].After)
	}
	r.audit()
}

// The same message again changes nothing; the same id with another body is an
// alarm, once, and the first stays.
func TestF11_F12_RepeatedMessages(t *testing.T) {
	r := newRig(t)
	body := r.body(waybill.OrderPlaced, orderData("SO-1", 1, "5"))
	other := r.body(waybill.OrderPlaced, orderData("SO-1", 1, "7"))
	var replies []<-chan keptOrError
	for range 50 { // all before the first is committed
		replies = append(replies, r.push("shop", "same", body))
	}
	r.settle()
	first := soon(t, replies[0]).kept
	if first.Duplicate || first.Message == 0 {
		t.Errorf("the first is %+v", first)
	}
	for _, reply := range replies[1:] {
		if k := soon(t, reply).kept; !k.Duplicate || k.Message != first.Message || k.Event != first.Event || k.Conflict {
			t.Fatalf("a repetition is %+v, the first was %+v", k, first)
		}
	}
	for n := range 3 {
		if n == 2 {
			r.restart()
		}
		reply := r.push("shop", "same", other)
		r.settle()
		if k := soon(t, reply).kept; !k.Conflict || !k.Duplicate || k.Message != first.Message {
			t.Errorf("another body under the id: %+v", k)
		}
	}
	if xs := r.open("message_conflict"); len(xs) != 1 {
		t.Errorf("%d alarms, want 1", len(xs))
	}
	if n := r.e.Stats().Duplicates.Load(); n == 0 {
		t.Error("no repetition is counted")
	}
	m, err := r.kept.Message(t.Context(), first.Message)
	r.must(err)
	if string(m.Body) != body {
		t.Error("the first body did not stay")
	}
	if n := r.held("erp", "SO-1")[waybill.SalesOrder]; n != 1 {
		t.Errorf("%d sales orders", n)
	}
	r.audit()
}

// bomb is a connector's renderer with a bug.
type bomb struct {
	connector.Renderer
	order string
	how   string
}

func (b bomb) Render(d waybill.Document) (connector.Rendered, error) {
	if d.Order == b.order && d.Kind == waybill.WarehouseOrder {
		if b.how == "panic" {
			panic("index out of range")
		}
		return connector.Rendered{}, errors.New("no code for this unit")
	}
	return b.Renderer.Render(d)
}

// A document that can't be written holds up its own lane and nothing else,
// from wherever it is started.
func TestF33_RendererFailsAlone(t *testing.T) {
	for _, how := range []string{"panic", "error"} {
		for _, queued := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s queued=%t", how, queued), func(t *testing.T) {
				r := newRig(t)
				wms := r.fakes["wms"]
				healthy := wms.renderer
				wms.renderer = bomb{healthy, "SO-bad", how}
				r.restart()
				r.settle()
				if queued {
					r.must(r.do(ToSystem, "wms", "pause"))
				}
				for _, ref := range []string{"SO-1", "SO-bad", "SO-2"} {
					r.place(ref)
				}
				r.settle()
				if queued {
					r.must(r.do(ToSystem, "wms", "resume"))
				}
				r.settle()
				r.place("SO-3")
				r.settle()
				for _, ref := range []string{"SO-1", "SO-2", "SO-3"} {
					if s := r.orderStatus(ref); s != waybill.StatusReleased {
						t.Errorf("%s is %s", ref, s)
					}
				}
				d := r.one("SO-bad", waybill.WarehouseOrder)
				if d.State != lane.Parked || d.Reason != "cannot_render" || d.Attempted() {
					t.Errorf("it is %s (%s) with seq %d", d.State, d.Reason, d.Seq)
				}
				if xs := r.open(""); len(xs) != 1 || xs[0].Cause != "cannot_render" {
					t.Errorf("open exceptions: %+v", xs)
				}
				wms.renderer = healthy
				r.restart()
				r.must(r.do(ToDelivery, d.Key, "retry"))
				r.settle()
				if s := r.orderStatus("SO-bad"); s != waybill.StatusReleased {
					t.Errorf("SO-bad is %s after the repair", s)
				}
				r.audit()
			})
		}
	}
}

// An input that makes the process panic fails alone: a message is kept as
// poison, its neighbours are decided, the chain stays whole.
func TestF33_PoisonFailsAlone(t *testing.T) {
	for _, overlap := range []bool{false, true} {
		r := newRig(t, func(r *rig) {
			r.overlap, r.bite = overlap, 256
			r.breakStore(func(_ int, name string) fault {
				if name == "Watching" {
					return panicks
				}
				return works
			})
		})
		r.place("SO-1")
		r.settle()
		hold := r.command(Command{Actor: "ops", Object: ToOrder, Name: "SO-1", Action: "hold", Reason: "x"})
		before := r.push("shop", "a", r.body(waybill.OrderPlaced, orderData("SO-2", 1, "5")))
		poison := r.push("erp", "p", r.body(waybill.CustomerChanged, `{"customer":"C1"}`))
		after := r.push("wms", "b", r.body(waybill.ShipmentConfirmed,
			`{"order":"SO-1","shipment":"S1","shipped_at":"2026-03-02T09:00:00Z","lines":`+allLines+`}`))
		r.settle()
		r.must(soon(t, hold))
		for _, reply := range []<-chan keptOrError{before, poison, after} {
			if k := soon(t, reply); k.err != nil {
				t.Fatal(k.err)
			}
		}
		m, err := r.kept.MessageByDedupe(t.Context(), "erp", "p")
		r.must(err)
		if ev := r.event(m.FirstEvent); ev.State != ledger.ParkedEvent || ev.Reason == "" {
			t.Errorf("the poison is %s (%s)", ev.State, ev.Reason)
		}
		if xs := r.open("poison_message"); len(xs) != 1 {
			t.Errorf("%d exceptions of the poison, want 1", len(xs))
		}
		if s := r.orderStatus("SO-2"); s != waybill.StatusReleased {
			t.Errorf("SO-2 is %s", s)
		}
		again := r.push("erp", "p", r.body(waybill.CustomerChanged, `{"customer":"C1"}`))
		r.settle()
		if k := soon(t, again); !k.kept.Duplicate {
			t.Errorf("the poison again: %+v", k)
		}
		r.audit()
	}
}

// An answer that can't be decided on is shown, and its lane does not go on
// without it.
func TestF33_PoisonAnswerIsShown(t *testing.T) {
	bad := 0
	r := newRig(t, func(r *rig) {
		r.breakStore(func(_ int, name string) fault {
			if name == "Waybill" && bad > 0 {
				bad--
				return panicks
			}
			return works
		})
	})
	r.settle()
	r.place("SO-1")
	r.e.flows = newFlowCache(flowsMax) // it was put out of memory while the request was under way
	bad = 2
	r.pass(5 * time.Minute)
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased && len(r.open("poison_answer")) == 0 {
		t.Errorf("SO-1 is %s and nothing says why", s)
	}
	r.checkParked()
}
