package lane

import (
	"cmp"
	"time"

	"github.com/waybillhq/waybill"
)

// Timing holds the waits of delivery (system contract T0, T1, T5).
type Timing struct {
	Deadline    time.Duration // how long an attempt may take effect
	Settle      time.Duration // wait after a deadline before a look-up is believed
	BackoffMin  time.Duration
	BackoffMax  time.Duration
	AckDeadline time.Duration // for the acknowledgment of a pending document
	HoldRecheck time.Duration // between tries of what a business condition parked
	ProbeEvery  time.Duration // between T3 requests to a healthy system
}

// Class is what a target does with documents it may have seen.
type Class struct {
	Idempotency waybill.Idempotency
	KeyTTL      time.Duration // how long a key is remembered; 0: for ever
	KeepsOrder  bool          // pending counts as settled
}

// Remembers reports whether the target recognises the delivery's key, so that
// it may go again unasked. Half of the key's time is kept in hand.
func (c Class) Remembers(d *Delivery, now time.Time) bool {
	return c.Idempotency == waybill.ByKey && (c.KeyTTL == 0 || now.Sub(d.DecidedAt) < c.KeyTTL/2)
}

// Settlement is what an answer means for the business document; empty: not
// decided yet.
type Settlement string

// The settlements.
const (
	SettledDone    Settlement = "done"
	SettledPartial Settlement = "partial"
	SettledRefused Settlement = "refused"
	SettledSkipped Settlement = "skipped"
)

// Begin starts an attempt: it is committed before the first byte leaves. The
// first one fixes the sequence number.
func (d *Delivery) Begin(now time.Time, epoch int64, t Timing) {
	d.Attempts++
	d.State, d.Next, d.Reason, d.Hold = InFlight, Stay, "", ""
	d.StartedAt, d.Deadline, d.EndedAt = now, now.Add(t.Deadline), time.Time{}
	d.Outcome, d.Epoch, d.Due = "", epoch, time.Time{}
}

// Worth reports whether an attempt may still be sent: not when less than half
// of its time is left (T5).
func Worth(started, deadline, now time.Time) bool {
	return deadline.Sub(now) >= deadline.Sub(started)/2
}

// Backoff is the wait before the n-th repetition (from 1): doubling from
// BackoffMin to BackoffMax with full jitter over its upper half. chance is in
// [0, 1).
func (t Timing) Backoff(n int, chance float64) time.Duration {
	wait := t.BackoffMin
	for i := 1; i < n && wait < t.BackoffMax; i++ {
		wait *= 2
	}
	if wait > t.BackoffMax {
		wait = t.BackoffMax
	}
	return wait/2 + time.Duration(chance*float64(wait/2))
}

// Answer applies what became of an attempt. It returns what that settles.
func (d *Delivery) Answer(o waybill.Outcome, now time.Time, t Timing, c Class, chance float64) Settlement {
	d.EndedAt, d.Outcome = now, o.Verdict
	d.Detail = o.Note
	if d.Detail == "" {
		d.Detail = o.Problem.Detail
	}
	switch o.Verdict {
	case waybill.Done, waybill.Partial:
		return d.take(o, now)
	case waybill.Pending:
		d.Failures = 0
		d.wait("pending", now.Add(t.Backoff(1, chance)), AskPending)
		if d.AckBy.IsZero() {
			d.AckBy = now.Add(cmp.Or(o.AckWithin, t.AckDeadline))
		}
	case waybill.Refused:
		if o.AskFirst {
			d.doubt(o.Problem.Code, now.Add(t.Backoff(1, chance)), AskThenRefuse)
			return ""
		}
		return d.refuse(o.Problem)
	case waybill.Park:
		d.park(code(o.Problem, "business_park"), "tried again by itself, or retry")
		d.Due, d.Next = now.Add(t.HoldRecheck), Send
	case waybill.Throttled:
		d.Failures++
		due := now.Add(t.Backoff(d.Failures, chance))
		if o.RetryAfter.After(due) {
			due = o.RetryAfter
		}
		d.wait("throttled", due, Send)
	case waybill.NotSent, waybill.Stale:
		d.Failures++
		d.wait(string(o.Verdict), now.Add(t.Backoff(d.Failures, chance)), Send)
	case waybill.Unauthorized, waybill.Forbidden, waybill.Misconfigured:
		// The target pauses; the document waits for it and has not used up an attempt.
		d.Attempts--
		d.Outcome = ""
		d.State, d.Reason, d.Next, d.Due = Ready, string(o.Verdict), Send, time.Time{}
	default:
		d.inDoubt(o, now, t, c, chance)
	}
	return ""
}

// inDoubt decides the next step of an attempt that may have been applied (T5).
func (d *Delivery) inDoubt(o waybill.Outcome, now time.Time, t Timing, c Class, chance float64) {
	d.Failures++
	reason := code(o.Problem, "no_outcome")
	switch {
	case o.Problem.Code == "in_progress" || o.Problem.Code == "seq_gap":
		d.doubt(reason, now.Add(t.Backoff(d.Failures, chance)), Ask)
	case c.Remembers(d, now):
		// The target recognises the key: the same document may go again unasked.
		d.doubt(reason, now.Add(t.Backoff(d.Failures, chance)), Send)
	case c.Idempotency == waybill.NoIdempotency:
		d.park("in_doubt", "look in the system whether it holds the document, then settle it with its number, or retry")
	default:
		due := d.Deadline.Add(t.Settle)
		if soonest := now.Add(t.Backoff(d.Failures, chance)); soonest.After(due) {
			due = soonest
		}
		d.doubt(reason, due, Ask)
	}
}

// Lost marks an attempt that has no outcome, after a crash.
func (d *Delivery) Lost(now time.Time, t Timing, c Class) {
	d.Answer(waybill.Outcome{Verdict: waybill.InDoubt, Note: "no outcome was recorded before the process ended"},
		now, t, c, 0)
}

// Look is what a look-up found, in the lane's terms.
type Look struct {
	State      string // applied, pending, rejected, absent, unknown
	Receipt    waybill.Receipt
	Problem    waybill.Problem
	RetryAfter time.Time
	Note       string
}

// ReasonNothing is the reason of a done delivery of which no line was applied:
// the target wants all of them once more, in another document.
const ReasonNothing = "nothing_applied"

// Reasons of a ready delivery that may go again although it was in doubt.
const (
	ReasonAbsent = "absent" // a look-up vouched that nothing sent so far takes effect
	ReasonRetry  = "retry"  // a person said so
)

// Found applies what a look-up found. After an absent document the next move
// is Send: the same key and bytes go again.
func (d *Delivery) Found(l Look, now time.Time, t Timing, chance float64) Settlement {
	refusing := d.Next == AskThenRefuse
	if l.Note != "" {
		d.Detail = l.Note
	}
	switch l.State {
	case "applied":
		return d.take(waybill.Outcome{Verdict: waybill.Done, Receipt: l.Receipt}, now)
	case "rejected":
		return d.refuse(l.Problem)
	case "pending":
		d.wait("pending", now.Add(t.Backoff(d.Failures+1, chance)), AskPending)
		d.Failures++
		if d.AckBy.IsZero() {
			d.AckBy = now.Add(t.AckDeadline)
		}
	case "absent":
		if refusing {
			return d.refuse(waybill.Problem{Code: d.Reason, Detail: d.Detail})
		}
		d.State, d.Next, d.Due, d.Reason = Ready, Send, time.Time{}, ReasonAbsent
	default:
		d.Failures++
		due := now.Add(t.Backoff(d.Failures, chance))
		if l.RetryAfter.After(due) {
			due = l.RetryAfter
		}
		d.Due = due
	}
	return ""
}

func code(p waybill.Problem, otherwise string) string {
	if p.Code != "" {
		return p.Code
	}
	return otherwise
}

func (d *Delivery) take(o waybill.Outcome, now time.Time) Settlement {
	d.Failures = 0
	if o.Verdict == waybill.Partial || len(o.Receipt.Lines) > 0 {
		applied, refused, again := 0, 0, 0
		for _, l := range o.Receipt.Lines {
			switch l.Status {
			case "applied":
				applied++
			case "retry":
				again++
			default:
				refused++
			}
		}
		if applied == 0 && again == 0 && refused > 0 {
			return d.refuse(firstProblem(o.Receipt.Lines))
		}
		if refused+again > 0 {
			d.settle(Done, now, o.Receipt)
			if d.Reason = "partial"; applied == 0 {
				d.Reason = ReasonNothing
			}
			return SettledPartial
		}
	}
	d.settle(Done, now, o.Receipt)
	return SettledDone
}

func firstProblem(lines []waybill.LineOutcome) waybill.Problem {
	for _, l := range lines {
		if l.Problem != nil {
			return *l.Problem
		}
	}
	return waybill.Problem{Code: "all_lines_rejected", Detail: "every line was rejected"}
}

func (d *Delivery) settle(s State, now time.Time, r waybill.Receipt) {
	d.State, d.Next, d.Reason, d.Hold, d.Due = s, Stay, "", "", time.Time{}
	d.Ref, d.N, d.SettledAt = r.Ref, r.N, now
}

func (d *Delivery) refuse(p waybill.Problem) Settlement {
	d.Failures = 0
	d.park(code(p, "refused"), "correct the cause and retry, or skip")
	if p.Detail != "" {
		d.Detail = p.Detail
	}
	return SettledRefused
}

func (d *Delivery) park(reason, hold string) {
	d.State, d.Next, d.Due = Parked, Stay, time.Time{}
	d.Reason, d.Hold = reason, hold
}

func (d *Delivery) wait(reason string, due time.Time, next Move) {
	d.State, d.Reason, d.Due, d.Next, d.Hold = Waiting, reason, due, next, ""
}

func (d *Delivery) doubt(reason string, due time.Time, next Move) {
	d.State, d.Reason, d.Due, d.Next, d.Hold = InDoubt, reason, due, next, ""
}

// Release makes a parked or waiting delivery ready for its next step at once:
// an operator's retry, or a pause that ended.
func (d *Delivery) Release() {
	d.State, d.Reason, d.Hold, d.Due = Ready, "", "", time.Time{}
	d.Next = Send
}

// Take settles the delivery by a person's word: the target has it as ref.
func (d *Delivery) Take(ref string, now time.Time) {
	d.settle(Done, now, waybill.Receipt{Ref: ref})
	d.Reason = "settled_by_hand"
}

// Drop takes the delivery out of its lane: Cancelled where it was never
// attempted, Skipped otherwise.
func (d *Delivery) Drop(reason string, now time.Time) {
	state := Skipped
	if !d.Attempted() {
		state = Cancelled
	}
	d.State, d.Next, d.Due, d.Hold = state, Stay, time.Time{}, ""
	d.Reason, d.SettledAt = reason, now
}
