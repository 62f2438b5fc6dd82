package engine

import (
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// Books that were set back count their positions anew. Once somebody knows of
// it, a position that an older document held is no second incident.
func TestF51_ResumedBooksCountAnew(t *testing.T) {
	r := newRig(t)
	r.place("SO-1")
	r.pass(2 * time.Minute)
	erp := r.fakes["erp"]
	anew := int64(0)
	erp.setBack = true
	erp.info = func() (connector.Info, error) {
		i := erp.healthy()
		i.Head = anew
		return i, nil
	}
	r.pass(2 * time.Minute)
	if s := r.system("erp"); s.Paused != "target_rewind" {
		t.Fatalf("paused is %q", s.Paused)
	}
	for _, kind := range []waybill.Kind{waybill.OrderCheck, waybill.SalesOrder} {
		erp.on(kind, func(f *fake, a connector.Attempt) (waybill.Outcome, error) {
			b, _ := f.book(a)
			receipt := receiptOf(b)
			anew++
			receipt.N = anew // held by a document of SO-1 before
			return waybill.Outcome{Verdict: waybill.Done, Receipt: receipt}, nil
		})
	}
	r.must(r.do(ToSystem, "erp", "resume"))
	r.place("SO-2")
	r.pass(2 * time.Minute)
	if s := r.orderStatus("SO-2"); s != waybill.StatusReleased || anew != 2 {
		t.Errorf("SO-2 is %s after %d documents, want released after 2", s, anew)
	}
	if xs := r.open("target_rewind"); len(xs) != 0 {
		t.Errorf("after the resume there is another incident: %s", xs[0].Detail)
	}
}

// What shipped above the order is invoiced once its exception is settled, by
// the action that the exception itself names.
func TestC7_SettlingAnExcessInvoicesIt(t *testing.T) {
	r := newRig(t)
	r.place("SO-1")
	r.pass(time.Minute)
	r.ship("SO-1", "SH-1", `[{"line":"1","qty":"7"},{"line":"2","qty":"2"}]`)
	r.pass(time.Minute)
	xs := r.open("over_shipped")
	if len(xs) != 1 {
		t.Fatalf("%d exceptions for an excess, want 1", len(xs))
	}
	if n := len(r.deliveries("SO-1", "erp", waybill.Invoice)); n != 1 {
		t.Fatalf("%d invoices before it is settled, want 1 for what was ordered", n)
	}
	if len(xs[0].Actions) != 1 || xs[0].Actions[0] != "settle" {
		t.Fatalf("its actions are %v, want settle: the API has no route for another", xs[0].Actions)
	}
	r.must(r.give(Command{Actor: "ops", Object: ToException, ID: xs[0].ID, Name: "exc", Action: "settle", Reason: "the buyer keeps them"}))
	r.pass(time.Minute)
	if n := len(r.deliveries("SO-1", "erp", waybill.Invoice)); n != 2 {
		t.Errorf("%d invoices after it is settled, want a second for the excess", n)
	}
	if xs := r.open("over_shipped"); len(xs) != 0 {
		t.Error("the exception is still open after it was settled")
	}
}
