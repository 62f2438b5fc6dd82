package lane_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
)

// walk plays random events against one lane, as the engine does: the head is
// begun where it is ready, answers and look-ups come to what waits for them,
// a person acts on what is parked.
type walk struct {
	q      lane.Queue
	class  lane.Class
	now    time.Time
	ids    int64
	events int64
	firsts []*lane.Delivery            // in the order of their first attempts
	taken  map[*lane.Delivery]bool     // the target applied or took it
	fixed  map[*lane.Delivery][2]int64 // seq and after, as of the first attempt
}

var verdicts = []waybill.Verdict{waybill.Done, waybill.Partial, waybill.Pending, waybill.NotSent, waybill.Throttled, waybill.InDoubt,
	waybill.Refused, waybill.Park, waybill.Unauthorized, waybill.Misconfigured, waybill.Stale, "nonsense"}

func (w *walk) draw(t *rapid.T, ds []*lane.Delivery) *lane.Delivery {
	if len(ds) == 0 {
		t.Skip("nothing to do it to")
	}
	return rapid.SampledFrom(ds).Draw(t, "delivery")
}

func (w *walk) those(keep func(*lane.Delivery) bool) (out []*lane.Delivery) {
	for _, d := range w.q {
		if keep(d) {
			out = append(out, d)
		}
	}
	return out
}

func (w *walk) add(t *rapid.T) {
	w.ids++
	w.events++
	d := &lane.Delivery{ID: w.ids, Key: fmt.Sprint("k", w.ids), Event: w.events, State: lane.Waiting, DecidedAt: w.now,
		Front: rapid.IntRange(0, 5).Draw(t, "front") == 0}
	if d.Front {
		d.Reason, d.Next, d.Due = "partial_retry", lane.Send, w.now.Add(time.Second)
	}
	w.q = append(w.q, d)
	w.q.Sort()
}

func (w *walk) begin(t *rapid.T) {
	d := w.q.Head(w.class.KeepsOrder)
	if d == nil || d.State != lane.Ready {
		t.Skip("no head that is ready")
	}
	if !d.Attempted() {
		d.Seq, d.After = w.q.NextSeq(), w.q.After()
		w.firsts = append(w.firsts, d)
		w.fixed[d] = [2]int64{d.Seq, d.After}
	}
	d.Begin(w.now, 1, timing)
}

func (w *walk) answer(t *rapid.T) {
	d := w.draw(t, w.those(func(d *lane.Delivery) bool { return d.State == lane.InFlight }))
	o := waybill.Outcome{Verdict: rapid.SampledFrom(verdicts).Draw(t, "verdict"), AskFirst: rapid.Bool().Draw(t, "ask first")}
	if rapid.Bool().Draw(t, "rejects lines") {
		o.Receipt.Lines = []waybill.LineOutcome{{Line: "1", Status: "rejected"}}
	}
	d.Answer(o, w.now, timing, w.class, 0)
	w.note(d)
}

func (w *walk) find(t *rapid.T) {
	d := w.draw(t, w.those(func(d *lane.Delivery) bool {
		return d.State == lane.InDoubt && d.Next != lane.Send || d.State == lane.Waiting && d.Next == lane.AskPending
	}))
	d.Found(lane.Look{State: rapid.SampledFrom([]string{"applied", "pending", "rejected", "absent", "unknown"}).Draw(t, "found")},
		w.now, timing, 0)
	w.note(d)
}

func (w *walk) note(d *lane.Delivery) {
	if d.State == lane.Done || !d.AckBy.IsZero() {
		w.taken[d] = true
	}
}

// due lets the time of a step come.
func (w *walk) due(t *rapid.T) {
	d := w.draw(t, w.those(func(d *lane.Delivery) bool { return d.Next == lane.Send && !d.Due.IsZero() && d.State != lane.Ready }))
	w.now = w.now.Add(time.Hour)
	d.State = lane.Ready
}

func (w *walk) act(t *rapid.T) {
	d := w.draw(t, w.those(func(d *lane.Delivery) bool {
		return d.State == lane.Parked && !strings.HasPrefix(d.Reason, "behind ")
	}))
	switch rapid.IntRange(0, 2).Draw(t, "action") {
	case 0:
		d.Release()
	case 1:
		d.Drop("skipped", w.now)
	case 2:
		d.Take("R", w.now)
		w.note(d)
	}
}

func (w *walk) withdraw(t *rapid.T) {
	d := w.draw(t, w.those(func(d *lane.Delivery) bool { return !d.Attempted() && !d.State.Settled() }))
	d.Drop("withdrawn", w.now)
	if d.State != lane.Cancelled {
		t.Fatalf("withdrawn before its first attempt, it is %s", d.State)
	}
}

// check holds the lane against promise 3.
func (w *walk) check(t *rapid.T) {
	head := w.q.Settle(w.class.KeepsOrder, func(*lane.Delivery) {})
	for n, d := range w.firsts {
		if fixed := w.fixed[d]; d.Seq != int64(n)+1 || fixed[0] != d.Seq || fixed[1] != d.After {
			t.Fatalf("first attempt %d has number %d after %d, fixed as %v", n+1, d.Seq, d.After, fixed)
		}
	}
	after := int64(0)
	for d := range w.taken {
		after = max(after, d.Seq)
	}
	if got := w.q.After(); got != after {
		t.Fatalf("after is %d, the target applied or took up to %d", got, after)
	}
	underWay := 0
	var open *lane.Delivery // the first that is not settled
	for _, d := range w.q {
		pendingInOrder := w.class.KeepsOrder && w.taken[d] && !d.State.Settled()
		if d.State == lane.InFlight {
			underWay++
		}
		if open != nil && d.Attempted() && !d.State.Settled() && !pendingInOrder && !w.class.KeepsOrder {
			t.Fatalf("%s was attempted while %s is %s", d.Key, open.Key, open.State)
		}
		if open == nil && !d.State.Settled() && (!w.class.KeepsOrder || d.Next != lane.AskPending) {
			open = d
		}
	}
	if underWay > 1 && !w.class.KeepsOrder {
		t.Fatalf("%d attempts are under way", underWay)
	}
	if head != open {
		t.Fatalf("the head is %v, the first that holds the lane is %v", head, open)
	}
	if head == nil {
		return
	}
	behind := false
	for _, d := range w.q {
		if behind && !d.Attempted() && !d.State.Settled() {
			want := lane.Waiting
			if head.State == lane.Parked {
				want = lane.Parked
			}
			if d.State != want || d.Reason != "behind "+head.Key {
				t.Fatalf("%s behind %s (%s) is %s (%s)", d.Key, head.Key, head.State, d.State, d.Reason)
			}
		}
		behind = behind || d == head
	}
	if strings.HasPrefix(head.Reason, "behind ") {
		t.Fatalf("the head %s says that it stands %s", head.Key, head.Reason)
	}
	stuck := head.State == lane.Waiting || head.State == lane.InDoubt
	if stuck && (head.Next == lane.Stay || head.Due.IsZero()) {
		t.Fatalf("the head %s is %s and nothing will wake it: next %q, due %s", head.Key, head.State, head.Next, head.Due)
	}
	if head.State == lane.Parked && head.Hold == "" {
		t.Fatalf("the head %s is parked (%s) and nobody is told what to do", head.Key, head.Reason)
	}
}

func TestQueue_KeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &walk{now: now, taken: map[*lane.Delivery]bool{}, fixed: map[*lane.Delivery][2]int64{}, class: lane.Class{
			Idempotency: rapid.SampledFrom([]waybill.Idempotency{waybill.ByKey, waybill.ByLookup, waybill.NoIdempotency}).Draw(t, "class"),
			KeyTTL:      rapid.SampledFrom([]time.Duration{0, 3 * time.Hour}).Draw(t, "ttl"),
			KeepsOrder:  rapid.Bool().Draw(t, "keeps order"),
		}}
		t.Repeat(map[string]func(*rapid.T){
			"add": w.add, "begin": w.begin, "begin again": w.begin, "answer": w.answer, "find": w.find, "due": w.due, "act": w.act,
			"withdraw": w.withdraw, "": w.check,
		})
	})
}

// Attempted documents stand by their numbers, others behind them by the event
// that decided them, a partial retry before those.
func TestQueue_Sort(t *testing.T) {
	q := lane.Queue{{ID: 5, Event: 9}, {ID: 4, Event: 3}, {ID: 6, Event: 9, Front: true}, {ID: 1, Seq: 2}, {ID: 2, Event: 3}, {ID: 3, Seq: 1}}
	q.Sort()
	var ids []int64
	for _, d := range q {
		ids = append(ids, d.ID)
	}
	if got := fmt.Sprint(ids); got != "[3 1 6 2 4 5]" {
		t.Errorf("the order is %s", got)
	}
}
