package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/lane"
)

// answerRow is what one answer to the first attempt of a sales_order does.
type answerRow struct {
	name    string
	answer  manner
	classes []waybill.Idempotency // none: all

	state    lane.State // as C3 shows it
	reason   string
	next     lane.Move
	due      time.Duration // from the answer; 0: none
	attempts int
	cause    string // of the open exception; "": none
	status   waybill.Status

	// In the end, when the target applies whatever comes next:
	end   lane.State
	tries int // attempts counted in the end
	asks  int // look-ups
	books int // how often the target's books hold it
}

var problem = func(v waybill.Verdict, code string, status int) manner {
	return say(waybill.Outcome{Verdict: v, Problem: waybill.Problem{Code: code, Status: status}})
}

const half = 500 * time.Millisecond

// answerRows are the rows of T1, with what C3 shows and T5 does.
var answerRows = []answerRow{
	{name: "201", answer: (*fake).apply201,
		state: lane.Done, attempts: 1, end: lane.Done, tries: 1, books: 1},
	{name: "202", answer: take,
		state: lane.Waiting, reason: "pending", next: lane.AskPending, due: half, attempts: 1, end: lane.Waiting, tries: 1, asks: -1},
	{name: "422", answer: refused("unknown_customer", 422),
		state: lane.Parked, reason: "unknown_customer", attempts: 1, cause: "refused_sales_order_unknown_customer",
		end: lane.Parked, tries: 1},
	{name: "422 credit_hold", answer: refused("credit_hold", 422),
		state: lane.Skipped, reason: "taken out of its lane", attempts: 1, status: waybill.StatusHeld, end: lane.Skipped, tries: 1, books: 1},
	{name: "422 key_reuse", answer: refused("key_reuse", 422),
		state: lane.Parked, reason: "key_reuse", attempts: 1, cause: "refused_sales_order_key_reuse", end: lane.Parked, tries: 1},
	{name: "409 closed_period", answer: problem(waybill.Park, "closed_period", 409),
		state: lane.Parked, reason: "closed_period", next: lane.Send, due: 15 * time.Minute, attempts: 1, cause: "business_park",
		end: lane.Done, tries: 2, books: 1},
	{name: "409 in_progress", answer: problem(waybill.InDoubt, "in_progress", 409),
		state: lane.InDoubt, reason: "in_progress", next: lane.Ask, due: half, attempts: 1, end: lane.Done, tries: 2, asks: -1, books: 1},
	{name: "409 seq_gap", answer: problem(waybill.InDoubt, "seq_gap", 409),
		state: lane.InDoubt, reason: "seq_gap", next: lane.Ask, due: half, attempts: 1, end: lane.Done, tries: 2, asks: -1, books: 1},
	{name: "409 stale_epoch", answer: problem(waybill.Stale, "stale_epoch", 409),
		state: lane.Waiting, reason: "stale", next: lane.Send, due: half, attempts: 1, end: lane.Done, tries: 2, books: 1},
	{name: "409 of another code", answer: say(waybill.Outcome{Verdict: waybill.Refused, AskFirst: true,
		Problem: waybill.Problem{Code: "strange", Status: 409}}),
		state: lane.InDoubt, reason: "strange", next: lane.AskThenRefuse, due: half, attempts: 1, end: lane.Parked, tries: 1, asks: -1},
	{name: "429 with Retry-After", answer: func(f *fake, _ connector.Attempt) (waybill.Outcome, error) {
		return waybill.Outcome{Verdict: waybill.Throttled, RetryAfter: f.r.now.Add(90 * time.Second)}, nil
	},
		state: lane.Waiting, reason: "throttled", next: lane.Send, due: 90 * time.Second, attempts: 1, end: lane.Done, tries: 2, books: 1},
	{name: "429 without Retry-After", answer: problem(waybill.Throttled, "", 429),
		state: lane.Waiting, reason: "throttled", next: lane.Send, due: half, attempts: 1, end: lane.Done, tries: 2, books: 1},
	{name: "no connection", answer: problem(waybill.NotSent, "", 0),
		state: lane.Waiting, reason: "not_sent", next: lane.Send, due: half, attempts: 1, end: lane.Done, tries: 2, books: 1},
	{name: "401", answer: problem(waybill.Unauthorized, "", 401),
		state: lane.Parked, reason: "unauthorized", next: lane.Send, attempts: 0, cause: "target_unauthorized",
		end: lane.Done, tries: 1, books: 1},
	{name: "403 with a healthy T3", answer: problem(waybill.Forbidden, "forbidden", 403),
		state: lane.Parked, reason: "forbidden", attempts: 1, cause: "refused_sales_order_forbidden", end: lane.Parked, tries: 1},
	{name: "302", answer: problem(waybill.Misconfigured, "", 302),
		state: lane.Parked, reason: "misconfigured", next: lane.Send, attempts: 0, cause: "target_misconfigured", end: lane.Parked},
	{name: "reset after applying", answer: drop, classes: []waybill.Idempotency{waybill.ByLookup},
		state: lane.InDoubt, reason: "no_outcome", next: lane.Ask, due: 32 * time.Second, attempts: 1,
		end: lane.Done, tries: 1, asks: 1, books: 1},
	{name: "reset before applying", answer: lose, classes: []waybill.Idempotency{waybill.ByLookup},
		state: lane.InDoubt, reason: "no_outcome", next: lane.Ask, due: 32 * time.Second, attempts: 1,
		end: lane.Done, tries: 2, asks: 1, books: 1},
	{name: "reset after applying", answer: drop, classes: []waybill.Idempotency{waybill.ByKey},
		state: lane.InDoubt, reason: "no_outcome", next: lane.Send, due: half, attempts: 1, end: lane.Done, tries: 2, books: 1},
	{name: "reset before applying", answer: lose, classes: []waybill.Idempotency{waybill.ByKey},
		state: lane.InDoubt, reason: "no_outcome", next: lane.Send, due: half, attempts: 1, end: lane.Done, tries: 2, books: 1},
	{name: "reset after applying", answer: drop, classes: []waybill.Idempotency{waybill.NoIdempotency},
		state: lane.Parked, reason: "in_doubt", attempts: 1, cause: "in_doubt", end: lane.Parked, tries: 1, books: 1},
	{name: "500", answer: problem(waybill.InDoubt, "internal", 500), classes: []waybill.Idempotency{waybill.NoIdempotency},
		state: lane.Parked, reason: "in_doubt", attempts: 1, cause: "in_doubt", end: lane.Parked, tries: 1},
	{name: "the connector panics", answer: func(*fake, connector.Attempt) (waybill.Outcome, error) { panic("a bug") },
		classes: []waybill.Idempotency{waybill.ByLookup},
		state:   lane.InDoubt, reason: "no_outcome", next: lane.Ask, due: 32 * time.Second, attempts: 1,
		end: lane.Done, tries: 2, asks: 1, books: 1},
	{name: "an answer that no row names", answer: say(waybill.Outcome{}), classes: []waybill.Idempotency{waybill.ByLookup},
		state: lane.InDoubt, reason: "no_outcome", next: lane.Ask, due: 32 * time.Second, attempts: 1,
		end: lane.Done, tries: 2, asks: 1, books: 1},
}

func TestT1_EveryAnswerInEveryClass(t *testing.T) {
	for _, row := range answerRows {
		classes := row.classes
		if classes == nil {
			classes = []waybill.Idempotency{waybill.ByLookup, waybill.ByKey, waybill.NoIdempotency}
		}
		for _, class := range classes {
			t.Run(fmt.Sprintf("%s/%s", row.name, class), func(t *testing.T) { playAnswer(t, row, class) })
		}
	}
}

func playAnswer(t *testing.T, row answerRow, class waybill.Idempotency) {
	r := newRig(t, func(r *rig) {
		erp := r.fakes["erp"]
		erp.class = class
		erp.on(waybill.SalesOrder, row.answer)
		probes := 0
		erp.info = func() (connector.Info, error) {
			if probes++; row.reason == "unauthorized" && probes == 2 {
				return connector.Info{}, &connector.Rejection{Status: 401}
			}
			return erp.healthy(), nil
		}
	})
	r.place("SO-1")
	r.settle()
	d := r.one("SO-1", waybill.SalesOrder)
	state, reason := r.shown(d)
	got := answerRow{state: state, reason: reason, next: d.Next, attempts: d.Attempts}
	if !d.Due.IsZero() {
		got.due = d.Due.Sub(start)
	}
	for _, x := range r.open("") {
		got.cause = x.Cause
	}
	want := answerRow{state: row.state, reason: row.reason, next: row.next, attempts: row.attempts, due: row.due, cause: row.cause}
	compare := cmp.AllowUnexported(answerRow{})
	ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "answer" }, cmp.Ignore())
	if diff := cmp.Diff(want, got, compare, ignore); diff != "" {
		t.Errorf("after the answer (-want +got):\n%s", diff)
	}
	if s := r.orderStatus("SO-1"); row.status != "" && s != row.status {
		t.Errorf("the order is %s, want %s", s, row.status)
	}
	r.checkParked()
	if !d.Due.IsZero() { // nothing goes before its time
		sent := len(r.fakes["erp"].seen) + len(r.fakes["erp"].asked)
		r.pass(d.Due.Sub(r.now) - time.Millisecond)
		if again := len(r.fakes["erp"].seen) + len(r.fakes["erp"].asked); again != sent {
			t.Errorf("%d requests went before the due time", again-sent)
		}
	}

	r.pass(time.Hour - time.Minute)
	d = r.deliveries("SO-1", "erp", waybill.SalesOrder)[0]
	if state, _ := r.shown(d); state != row.end || d.Attempts != row.tries {
		t.Errorf("in the end: %s after %d attempts, want %s after %d", state, d.Attempts, row.end, row.tries)
	}
	if asks := len(r.fakes["erp"].asked); asks != row.asks && row.asks >= 0 || asks == 0 && row.asks < 0 {
		t.Errorf("in the end: %d look-ups, want %d", asks, row.asks)
	}
	if n := r.held("erp", "SO-1")[waybill.SalesOrder]; n != row.books {
		t.Errorf("in the end: the books hold it %d times, want %d", n, row.books)
	}
	r.audit()
}

// Every attempt carries the same key, number, bytes and lane, whatever lies
// between them; attempts are counted, and all but the last are kept apart.
func TestT0_AttemptsAreEqualAndKept(t *testing.T) {
	r := newRig(t, func(r *rig) {
		r.fakes["erp"].on(waybill.SalesOrder,
			problem(waybill.NotSent, "", 0), lose, problem(waybill.Throttled, "", 429),
			problem(waybill.Unauthorized, "", 401), problem(waybill.Park, "locked", 409))
	})
	r.place("SO-1")
	r.pass(10 * time.Second)
	r.restart()
	r.pass(time.Hour)
	seen := r.fakes["erp"].attemptsOf(waybill.SalesOrder)
	if len(seen) != 6 {
		t.Fatalf("%d attempts, want 6", len(seen))
	}
	for i, a := range seen {
		first := seen[0]
		if a.Key != first.Key || a.Seq != 2 || string(a.Body) != string(first.Body) || a.Lane != "SO-1" || a.ContentType != "application/json" ||
			a.Subject != "SO-1" || a.Traceparent != first.Traceparent || a.Traceparent == "" {
			t.Errorf("attempt %d: key %s seq %d lane %s content type %q", i+1, a.Key, a.Seq, a.Lane, a.ContentType)
		}
	}
	numbers := []int{1, 2, 3, 4, 4, 5} // a 401 is not an attempt
	for i, a := range seen {
		if a.Attempt != numbers[i] {
			t.Errorf("request %d carries attempt %d, want %d", i+1, a.Attempt, numbers[i])
		}
	}
	if seen[0].Epoch >= seen[5].Epoch {
		t.Errorf("the epoch did not rise over the restart: %d, %d", seen[0].Epoch, seen[5].Epoch)
	}
	d := r.one("SO-1", waybill.SalesOrder)
	kept, err := r.kept.Attempts(t.Context(), d.ID)
	r.must(err)
	var outcomes []string
	for _, a := range kept {
		outcomes = append(outcomes, fmt.Sprintf("%d %s", a.Number, a.Outcome))
		if !a.Deadline.Equal(a.Started.Add(30*time.Second)) || a.Ended.Before(a.Started) || a.Epoch == 0 {
			t.Errorf("attempt %+v", a)
		}
	}
	want := []string{"1 not_sent", "2 in_doubt", "3 throttled", "4 park"}
	if diff := cmp.Diff(want, outcomes); diff != "" {
		t.Errorf("attempts kept (-want +got):\n%s", diff)
	}
	if d.Attempts != 5 || d.Outcome != waybill.Done {
		t.Errorf("the last attempt: %d, %s", d.Attempts, d.Outcome)
	}
	r.audit()
}

// Half of an attempt's time has to be left when it leaves; otherwise another
// one is committed (T5).
func TestT5_AnAttemptThatWaitedTooLongIsNotSent(t *testing.T) {
	r := newRig(t)
	r.place("SO-1")
	for r.e.due.Len() > 0 && len(r.calls) > 1 { // the probes
		r.let()
	}
	r.settle()
	r.tell("shop", waybill.OrderPlaced, orderData("SO-2", 1, "5"))
	r.now = r.now.Add(15*time.Second + time.Millisecond) // the request lay about
	before := len(r.fakes["erp"].attemptsOf(waybill.OrderCheck))
	r.settle()
	if n := len(r.fakes["erp"].attemptsOf(waybill.OrderCheck)); n != before {
		t.Fatalf("%d checks went out with less than half of their time", n-before)
	}
	r.pass(time.Second)
	seen := r.fakes["erp"].attemptsOf(waybill.OrderCheck)
	if a := seen[len(seen)-1]; a.Order != "SO-2" || a.Attempt != 2 {
		t.Errorf("the next request is attempt %d of %s, want the second of SO-2", a.Attempt, a.Order)
	}
	r.audit()
}

// The deadline is told on the target's clock, and a look-up asks for it (T0).
func TestT0_DeadlineFollowsTheTargetsClock(t *testing.T) {
	const skew = 20 * time.Second
	r := newRig(t, func(r *rig) {
		erp := r.fakes["erp"]
		erp.info = func() (connector.Info, error) {
			i := erp.healthy()
			i.Now = r.now.Add(skew)
			return i, nil
		}
	})
	r.fakes["erp"].on(waybill.SalesOrder, lose)
	r.place("SO-1")
	r.pass(5 * time.Minute) // several probes: one exception
	for _, a := range r.fakes["erp"].attemptsOf(waybill.OrderCheck) {
		if a.Deadline.Before(start.Add(skew)) {
			t.Errorf("the first document's deadline %s is on Waybill's clock: it left before the first probe was answered", a.Deadline)
		}
	}
	a := r.fakes["erp"].attemptsOf(waybill.SalesOrder)[0]
	if want := start.Add(30*time.Second + skew); !a.Deadline.Equal(want) {
		t.Errorf("deadline %s, want %s", a.Deadline, want)
	}
	if q := r.fakes["erp"].asked[0]; !q.Deadline.Equal(a.Deadline) {
		t.Errorf("the look-up asks about %s, the attempt's deadline was %s", q.Deadline, a.Deadline)
	}
	if xs := r.open("clock_skew"); len(xs) != 1 {
		t.Errorf("%d incidents of the clock's skew, want 1", len(xs))
	}
	r.fakes["erp"].info = nil
	r.pass(2 * time.Minute)
	if xs := r.open("clock_skew"); len(xs) != 0 {
		t.Error("the clocks agree again and the incident is still open")
	}
}
