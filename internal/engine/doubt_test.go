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
)

// The ERP applied it and its answer was lost: it is looked up, not sent again.
func TestF18_ReplyLostIsLookedUp(t *testing.T) {
	r := newRig(t, func(r *rig) { r.fakes["erp"].on(waybill.SalesOrder, drop) })
	r.place("SO-1")
	r.settle()
	if n := len(r.fakes["wms"].seen); n != 0 {
		t.Error("the warehouse heard of an order that the ERP may not have")
	}
	r.pass(32*time.Second - time.Millisecond)
	if n := len(r.fakes["erp"].asked); n != 0 {
		t.Errorf("%d look-ups before deadline and settle time", n)
	}
	r.pass(time.Second)
	if n := len(r.fakes["erp"].attemptsOf(waybill.SalesOrder)); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
		t.Errorf("SO-1 is %s", s)
	}
	if n := r.e.Stats().Resolved.Load(); n != 1 {
		t.Errorf("%d doubts resolved, want 1", n)
	}
	r.audit()
}

// The request was slow and is applied after the connection broke, up to its
// deadline: the settle wait outlasts it.
func TestF19_LateApplyIsBeatenByTheSettleWait(t *testing.T) {
	var late connector.Attempt
	r := newRig(t, func(r *rig) {
		r.fakes["erp"].on(waybill.SalesOrder, func(_ *fake, a connector.Attempt) (waybill.Outcome, error) {
			late = a
			return waybill.Outcome{}, errors.New("time-out")
		})
	})
	r.place("SO-1")
	r.pass(30 * time.Second) // the last moment at which the ERP may apply it
	if _, problem := r.fakes["erp"].book(late); problem != nil {
		t.Fatalf("not applied in time: %+v", problem)
	}
	r.pass(time.Minute)
	if n := r.held("erp", "SO-1")[waybill.SalesOrder]; n != 1 {
		t.Errorf("the books hold it %d times", n)
	}
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
		t.Errorf("SO-1 is %s", s)
	}
	r.audit()
}

// A look-up that fails, or vouches for too early a time, settles nothing.
func TestF20_LookUpWithoutAConclusion(t *testing.T) {
	unknown := func(connector.Inquiry) (connector.Finding, error) {
		return connector.Finding{State: connector.FoundUnknown, Note: "503"}, nil
	}
	broken := func(connector.Inquiry) (connector.Finding, error) { return connector.Finding{}, errors.New("reset") }
	panics := func(connector.Inquiry) (connector.Finding, error) { panic("a bug") }
	r := newRig(t, func(r *rig) {
		erp := r.fakes["erp"]
		erp.on(waybill.SalesOrder, lose)
		erp.find = append(erp.find, unknown, broken, panics, unknown)
	})
	r.place("SO-1")
	r.settle()
	for r.now.Before(start.Add(10*time.Minute)) && len(r.fakes["erp"].find) > 0 {
		if n := len(r.fakes["erp"].attemptsOf(waybill.SalesOrder)); n != 1 {
			t.Fatalf("sent %d times while in doubt", n)
		}
		if d := r.one("SO-1", waybill.SalesOrder); r.now.After(start) && d.State != lane.InDoubt {
			t.Fatalf("it is %s while nothing is known", d.State)
		}
		r.pass(time.Second)
	}
	r.pass(5 * time.Minute)
	if d := r.one("SO-1", waybill.SalesOrder); d.State != lane.Done || d.Attempts != 2 {
		t.Errorf("in the end %s after %d attempts", d.State, d.Attempts)
	}
	r.audit()
}

// A throttled look-up throttles the target; one with a refused credential
// pauses it.
func TestT2_LookUpsSignalToo(t *testing.T) {
	r := newRig(t)
	r.settle()
	erp := r.fakes["erp"]
	erp.on(waybill.SalesOrder, drop)
	erp.find = append(erp.find,
		func(connector.Inquiry) (connector.Finding, error) {
			return connector.Finding{State: connector.FoundUnknown, RetryAfter: r.now.Add(5 * time.Minute)}, nil
		},
		func(connector.Inquiry) (connector.Finding, error) {
			return connector.Finding{State: connector.FoundUnknown, Unauthorized: true}, nil
		})
	r.place("SO-1")
	r.pass(33 * time.Second)
	sent := len(erp.sentAt)
	r.pass(4*time.Minute + 55*time.Second)
	if n := len(erp.sentAt) - sent; n != 0 {
		t.Errorf("%d requests within the time that the look-up named", n)
	}
	erp.info = func() (connector.Info, error) { return connector.Info{}, &connector.Rejection{Status: 401} }
	r.pass(time.Minute)
	if s := r.system("erp"); s.Paused != "unauthorized" {
		t.Errorf("paused is %q after a look-up was refused", s.Paused)
	}
	erp.info = nil
	r.pass(2 * time.Minute)
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
		t.Errorf("SO-1 is %s", s)
	}
	r.audit()
}

// A document in doubt at a target that can't tell waits for a person, whose
// word goes: it is there, or it goes once more.
func TestT5_NoneClassIsAPersonsDecision(t *testing.T) {
	for _, word := range []string{"settle", "retry", "skip"} {
		t.Run(word, func(t *testing.T) {
			r := newRig(t, func(r *rig) {
				erp := r.fakes["erp"]
				erp.class = waybill.NoIdempotency
				if erp.on(waybill.SalesOrder, lose); word == "settle" {
					erp.script[waybill.SalesOrder] = []manner{drop}
				}
			})
			r.place("SO-1")
			r.pass(48 * time.Hour)
			r.restart()
			r.pass(48 * time.Hour)
			d := r.one("SO-1", waybill.SalesOrder)
			if n := len(r.fakes["erp"].attemptsOf(waybill.SalesOrder)); n != 1 || d.State != lane.Parked {
				t.Fatalf("%d attempts and %s, want one and parked", n, d.State)
			}
			x := r.open("in_doubt")
			if len(x) != 1 || x[0].Subject != d.Key || x[0].Next == "" {
				t.Fatalf("open exceptions: %+v", x)
			}
			r.must(r.do(ToDelivery, d.Key, word, "E-77"))
			r.settle()
			if len(r.open("in_doubt")) != 0 {
				t.Error("the exception is still open")
			}
			want := map[string]lane.State{"settle": lane.Done, "retry": lane.Done, "skip": lane.Skipped}[word]
			if d = r.one("SO-1", waybill.SalesOrder); d.State != want {
				t.Errorf("after %s it is %s", word, d.State)
			}
			if word == "settle" && d.Ref != "E-77" {
				t.Errorf("its number is %q", d.Ref)
			}
			if s := r.orderStatus("SO-1"); word != "skip" && s != waybill.StatusReleased {
				t.Errorf("SO-1 is %s", s)
			}
			r.audit()
		})
	}
}

// While an attempt may still take effect at a system that can't be asked, nobody
// can have the document sent a second time, not even by hand.
func TestT5_NoRetryBeforeTheDeadline(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.fakes["erp"].class, r.fakes["erp"].noInquirer = waybill.NoIdempotency, true
		r.fakes["erp"].on(waybill.SalesOrder, lose)
	})
	r.place("SO-1")
	r.settle()
	d := r.one("SO-1", waybill.SalesOrder)
	if d.Reason != "in_doubt" || !r.now.Before(d.Deadline) {
		t.Fatalf("it is %s at %v, deadline %v", d.State, r.now, d.Deadline)
	}
	var e *waybill.Error
	if err := r.do(ToDelivery, d.Key, "retry"); !errors.As(err, &e) || e.Code != "too_early" {
		t.Errorf("the retry is answered %v, want too_early", err)
	}
	r.settle()
	if n := len(r.fakes["erp"].attemptsOf(waybill.SalesOrder)); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
	r.pass(48 * time.Hour)
	r.must(r.do(ToDelivery, d.Key, "retry"))
	r.settle()
	if d = r.one("SO-1", waybill.SalesOrder); d.State != lane.Done {
		t.Errorf("after the deadline and a retry it is %s", d.State)
	}
	r.audit()
}

// A crash with a request under way is a doubt, whatever became of the request;
// each class deals with it in its way.
func TestF01_CrashWithARequestUnderWay(t *testing.T) {
	for _, class := range []waybill.Idempotency{waybill.ByLookup, waybill.ByKey, waybill.NoIdempotency} {
		for _, arrived := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s arrived=%t", class, arrived), func(t *testing.T) {
				r := newRig(t, func(r *rig) { r.fakes["erp"].class = class })
				r.settle()
				r.place("SO-1")
				for len(r.deliveries("SO-1", "erp", waybill.SalesOrder)) == 0 {
					r.stir()
					r.let()
					r.stir()
				}
				under := r.crash()
				if arrived {
					for _, f := range under {
						f()
					}
				}
				r.now = r.now.Add(time.Second)
				r.boot()
				r.settle()
				r.pass(5 * time.Minute)
				d := r.one("SO-1", waybill.SalesOrder)
				want := lane.Done
				if class == waybill.NoIdempotency {
					want = lane.Parked
				}
				if d.State != want {
					t.Errorf("it is %s (%s), want %s", d.State, d.Reason, want)
				}
				books := r.held("erp", "SO-1")[waybill.SalesOrder]
				if n := 1; books != n && class != waybill.NoIdempotency || class == waybill.NoIdempotency && (books == 1) != arrived {
					t.Errorf("the books hold it %d times", books)
				}
				r.audit()
			})
		}
	}
}

// A system that only says after the start that it can't tell what it holds is
// believed: a doubt of before the crash is a person's too.
func TestT5_NoneClassIsLearntFromTheProbe(t *testing.T) {
	r := newRig(t, func(r *rig) {
		erp := r.fakes["erp"]
		erp.on(waybill.SalesOrder, lose)
		erp.info = func() (connector.Info, error) { // the configuration says lookup
			i := erp.healthy()
			i.Idempotency = waybill.NoIdempotency
			return i, nil
		}
	})
	r.place("SO-1")
	for len(r.deliveries("SO-1", "erp", waybill.SalesOrder)) == 0 {
		r.stir()
		r.let()
		r.stir()
	}
	r.restart()
	r.pass(time.Hour)
	if d := r.one("SO-1", waybill.SalesOrder); d.State != lane.Parked || d.Reason != "in_doubt" || d.Attempts != 1 {
		t.Errorf("it is %s (%s) after %d attempts, want parked in doubt after one", d.State, d.Reason, d.Attempts)
	}
	r.audit()
}

// A key is only good as long as the target remembers it: what waited longer is
// looked up before it goes again.
func TestT5_AnOldKeyIsNotTrusted(t *testing.T) {
	t.Run("in doubt", func(t *testing.T) { oldKey(t) })
	t.Run("in doubt, then not sent", func(t *testing.T) { oldKey(t, problem(waybill.NotSent, "", 0)) })
}

func oldKey(t *testing.T, more ...manner) {
	r := newRig(t, func(r *rig) {
		erp := r.fakes["erp"]
		erp.class, erp.ttl = waybill.ByKey, 24*time.Hour
	})
	r.settle()
	erp := r.fakes["erp"]
	erp.on(waybill.SalesOrder, append([]manner{drop}, more...)...)
	r.place("SO-1")
	for len(erp.attemptsOf(waybill.SalesOrder)) <= len(more) {
		r.stir()
		if len(r.calls) == 0 {
			r.now = r.now.Add(time.Second)
			continue
		}
		r.let()
	}
	r.stir()
	r.must(r.do(ToSystem, "erp", "pause"))
	r.pass(30 * time.Hour)
	erp.forgets = true // a second post is a second entry
	r.must(r.do(ToSystem, "erp", "resume"))
	r.pass(time.Hour)
	if n := r.held("erp", "SO-1")[waybill.SalesOrder]; n != 1 {
		t.Errorf("the books hold it %d times", n)
	}
	if len(erp.asked) == 0 {
		t.Error("it was never looked up")
	}
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased {
		t.Errorf("SO-1 is %s", s)
	}
	r.audit()
}

// Taken is not applied: the lane waits, the acknowledgment has a deadline, and
// look-ups or the system's own report say what became of it.
func TestT1_PendingUntilReportedOrFound(t *testing.T) {
	for _, how := range []string{"found", "reported", "reported rejected", "found rejected"} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t, func(r *rig) { r.fakes["erp"].on(waybill.SalesOrder, take) })
			erp := r.fakes["erp"]
			r.place("SO-1")
			r.pass(2 * time.Hour)
			d := r.one("SO-1", waybill.SalesOrder)
			if d.State != lane.Waiting || d.Reason != "pending" || !d.AckBy.Equal(start.Add(time.Hour)) {
				t.Fatalf("%s (%s), acknowledgment by %s", d.State, d.Reason, d.AckBy)
			}
			if xs := r.open("ack_overdue"); len(xs) != 1 || !xs[0].Since.Before(start.Add(time.Hour+2*time.Minute)) {
				t.Errorf("exceptions of the overdue acknowledgment: %+v", xs)
			}
			if id := r.open("ack_overdue")[0].ID; id != func() int64 { r.pass(10 * time.Minute); return r.open("ack_overdue")[0].ID }() {
				t.Error("the exception is raised anew with each look-up")
			}
			if n := len(r.fakes["wms"].seen); n != 0 {
				t.Error("the warehouse heard of an order that is only taken")
			}
			asked := len(erp.asked)
			r.pass(10 * time.Minute)
			if len(erp.asked) == asked {
				t.Error("it is no longer asked about")
			}
			want := lane.Done
			switch how {
			case "found":
				erp.apply(d.Key)
			case "reported":
				b := erp.apply(d.Key)
				r.tell("erp", waybill.DocumentApplied, fmt.Sprintf(`{"key":%q,"ref":"R-%d","n":%d}`, d.Key, b.n, b.n))
			case "reported rejected":
				delete(erp.pending, d.Key)
				r.tell("erp", waybill.DocumentRejected, fmt.Sprintf(`{"key":%q,"problem":{"code":"unknown_item","status":422}}`, d.Key))
				want = lane.Parked
			case "found rejected":
				delete(erp.pending, d.Key)
				erp.find = append(erp.find, func(connector.Inquiry) (connector.Finding, error) {
					return connector.Finding{State: connector.FoundRejected, Problem: waybill.Problem{Code: "unknown_item"}}, nil
				})
				want = lane.Parked
			}
			r.pass(2 * time.Minute)
			if d = r.one("SO-1", waybill.SalesOrder); d.State != want {
				t.Errorf("it is %s, want %s", d.State, want)
			}
			if n := len(erp.attemptsOf(waybill.SalesOrder)); n != 1 {
				t.Errorf("%d attempts, want 1", n)
			}
			if len(r.open("ack_overdue")) != 0 {
				t.Error("the exception is still open")
			}
			r.audit()
		})
	}
}

// An operator who retries what a target has taken has it asked about, never
// sent a second time.
func TestC7_RetryOfAPendingDocumentAsks(t *testing.T) {
	for _, class := range []waybill.Idempotency{waybill.ByLookup, waybill.NoIdempotency} {
		r := newRig(t, func(r *rig) {
			r.fakes["erp"].class = class
			r.fakes["erp"].on(waybill.SalesOrder, take)
		})
		r.place("SO-1")
		r.pass(2 * time.Hour)
		d := r.one("SO-1", waybill.SalesOrder)
		asked := len(r.fakes["erp"].asked)
		r.must(r.do(ToDelivery, d.Key, "retry"))
		r.settle()
		if n := len(r.fakes["erp"].attemptsOf(waybill.SalesOrder)); n != 1 {
			t.Errorf("%s: sent %d times", class, n)
		}
		if len(r.fakes["erp"].asked) == asked {
			t.Errorf("%s: not asked about", class)
		}
		r.fakes["erp"].apply(d.Key)
		r.pass(2 * time.Minute)
		r.audit()
	}
}

// Where the target keeps order itself, what it took does not hold up the lane.
func TestT3_KeepsOrder(t *testing.T) {
	r := newRig(t, func(r *rig) {
		erp := r.fakes["erp"]
		erp.keepsOrder = true
		for range 2 {
			erp.on(waybill.ShipmentPosting, take)
		}
	})
	r.place("SO-1")
	r.settle()
	r.ship("SO-1", "S1", `[{"line":"1","qty":"3"}]`)
	r.ship("SO-1", "S2", `[{"line":"1","qty":"2"},{"line":"2","qty":"2"}]`)
	r.settle()
	erp := r.fakes["erp"]
	posts := erp.attemptsOf(waybill.ShipmentPosting)
	if len(posts) != 2 || posts[0].Seq != 3 || posts[1].Seq != 4 {
		t.Fatalf("postings sent: %+v", posts)
	}
	if after := erp.read(posts[1]).After; after != 3 {
		t.Errorf("the second comes after %d, want 3: the target took it", after)
	}
	for _, a := range posts {
		erp.apply(a.Key)
	}
	r.pass(5 * time.Minute)
	if s := r.orderStatus("SO-1"); s != waybill.StatusInvoiced {
		t.Errorf("SO-1 is %s", s)
	}
	r.audit()
}

// A report about what is not on its way changes nothing, also from a system
// that never had the document.
func TestW3_ReportsThatDontFit(t *testing.T) {
	r := newRig(t, func(r *rig) { r.fakes["erp"].on(waybill.SalesOrder, take) })
	r.place("SO-1")
	r.settle()
	d := r.one("SO-1", waybill.SalesOrder)
	data := fmt.Sprintf(`{"key":%q,"ref":"X-1"}`, d.Key)
	for source, body := range map[string]string{"wms": data, "erp": `{"key":"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz","ref":"X-1"}`} {
		kept := r.tell(source, waybill.DocumentApplied, body)
		if ev := r.event(kept.Event); ev.State != "ignored" || ev.Reason == "" {
			t.Errorf("%s: the event is %s (%s)", source, ev.State, ev.Reason)
		}
	}
	if got := r.one("SO-1", waybill.SalesOrder); got.State != lane.Waiting {
		t.Errorf("it is %s", got.State)
	}
	r.fakes["erp"].apply(d.Key)
	r.tell("erp", waybill.DocumentApplied, fmt.Sprintf(`{"key":%q,"ref":"R-2","n":2}`, d.Key))
	r.settle()
	kept := r.tell("erp", waybill.DocumentRejected, fmt.Sprintf(`{"key":%q,"problem":{"code":"no"}}`, d.Key))
	if ev := r.event(kept.Event); ev.State != "ignored" {
		t.Errorf("a rejection after it was applied is %s", ev.State)
	}
	r.audit()
}

// 207: lines to retry go as a document of their own, first in the lane and
// naming only them; rejected lines become exceptions; what follows is decided
// once, for the lines that are applied.
func TestF49_PartialByLine(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.fakes["erp"].on(waybill.ShipmentPosting, byLine(
			waybill.LineOutcome{Line: "1", Status: "retry", Problem: &waybill.Problem{Code: "locked"}},
			waybill.LineOutcome{Line: "2", Status: "applied"}))
	})
	r.place("SO-1")
	r.settle()
	r.ship("SO-1", "S1", `[{"line":"1","qty":"3"},{"line":"2","qty":"2"}]`)
	r.settle()
	r.ship("SO-1", "S2", `[{"line":"1","qty":"2"}]`)
	r.settle()
	if n := len(r.fakes["erp"].attemptsOf(waybill.ShipmentPosting)); n != 1 {
		t.Fatalf("%d postings before the back-off is over", n)
	}
	if n := r.held("erp", "SO-1")[waybill.Invoice]; n != 0 {
		t.Fatal("invoiced while a line is left to retry")
	}
	r.pass(time.Minute)
	ds := r.deliveries("SO-1", "erp", waybill.ShipmentPosting)
	if len(ds) != 3 || ds[0].State != lane.Done || ds[0].Reason != "partial" {
		t.Fatalf("%d postings, the first %s", len(ds), ds[0].State)
	}
	var sent []string
	for _, a := range r.fakes["erp"].seen {
		if a.Seq > 2 {
			doc := r.fakes["erp"].read(a)
			line := fmt.Sprintf("%d %s r%d", a.Seq, a.Kind, doc.Revision)
			for _, l := range doc.Lines {
				line += " " + l.Line + "=" + l.Qty.String()
			}
			sent = append(sent, line)
		}
	}
	want := []string{"3 shipment_posting r0 1=3 2=2", "4 shipment_posting r1 1=3", "5 shipment_posting r0 1=2",
		"6 invoice r0 1=3 2=2", "7 invoice r0 1=2"}
	if diff := cmp.Diff(want, sent); diff != "" {
		t.Errorf("sent to the ERP (-want +got):\n%s", diff)
	}
	if s := r.orderStatus("SO-1"); s != waybill.StatusInvoiced {
		t.Errorf("SO-1 is %s", s)
	}
	r.audit()
}

func TestF49_RejectedLines(t *testing.T) {
	reject := func(lines ...string) manner {
		var out []waybill.LineOutcome
		for _, l := range []string{"1", "2"} {
			status := "applied"
			for _, x := range lines {
				if x == l {
					status = "rejected"
				}
			}
			out = append(out, waybill.LineOutcome{Line: l, Status: status, Problem: &waybill.Problem{Code: "unknown_item", Status: 422}})
		}
		return byLine(out...)
	}
	t.Run("some", func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.fakes["erp"].on(waybill.SalesOrder, reject("2")) })
		r.place("SO-1")
		r.settle()
		if xs := r.open("line_rejected"); len(xs) != 1 || len(r.open("")) != 1 {
			t.Errorf("open exceptions: %+v", r.open(""))
		}
		doc := r.fakes["wms"].read(r.fakes["wms"].seen[0])
		if len(doc.Lines) != 1 || doc.Lines[0].Line != "1" {
			t.Errorf("the warehouse order names %+v, want the applied line only", doc.Lines)
		}
		r.audit()
	})
	t.Run("all", func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.fakes["erp"].on(waybill.SalesOrder, reject("1", "2")) })
		r.place("SO-1")
		r.settle()
		d := r.one("SO-1", waybill.SalesOrder)
		if d.State != lane.Parked || d.Reason != "unknown_item" {
			t.Errorf("all lines rejected, and it is %s (%s)", d.State, d.Reason)
		}
		if len(r.fakes["wms"].seen) != 0 {
			t.Error("the warehouse heard of it")
		}
		r.checkParked()
	})
}
