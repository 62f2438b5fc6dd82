package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/process"
)

// send is an attempt or a look-up that goes out once its batch is committed.
type send struct {
	target   *target
	timing   lane.Timing   // in force when it was committed
	skew     time.Duration // of the target's clock, by which the deadline is corrected
	attempt  connector.Attempt
	inquiry  connector.Inquiry
	ask      bool
	waybill  int64
	delivery int64
	number   int                 // of the attempt that is made or asked about
	body     *connector.Rendered // nil: read from the store
}

// start makes an attempt for the head of a lane in this batch, where its
// target has room; otherwise the delivery queues for the target's budget.
func (b *batch) start(ctx context.Context, f *flow, l *laneOf, d *lane.Delivery) error {
	if b.e.stopping.Load() || b.e.leaves(f.row.Shard) {
		return nil // the next process goes on
	}
	ok, again := l.target.free(b.now)
	if !ok {
		l.target.queue(d)
		if !again.IsZero() {
			b.e.due.add(dueItem{at: again, target: l.target.sys.Name})
		}
		return nil
	}
	if forgotten, err := b.forgotten(ctx, l, d); err != nil || forgotten {
		if err != nil {
			return err
		}
		b.touch(f)
		d.State, d.Next, d.Due, d.Dirty = lane.InDoubt, lane.Ask, b.now, true
		return b.ask(ctx, f, l, d)
	}
	var body *connector.Rendered
	first := !d.Attempted()
	if first {
		var err error
		if body, err = b.render(f, l, d); err != nil {
			return b.cannotRender(ctx, f, d, err)
		}
		if err := b.doubts(ctx, f, d, body.Doubts); err != nil {
			return err
		}
	} else {
		b.e.stats.Retries.Add(1)
	}
	if d.Attempts > 0 {
		b.keepAttempt(d)
	}
	b.touch(f)
	d.Begin(b.now, b.e.heads[f.row.Shard].Epoch, b.e.timing)
	d.Dirty = true
	l.target.occupy(b.now)
	b.e.stats.Attempts.Add(1)
	b.e.inflight[d.ID] = d.Attempts
	skew := l.target.correct()
	b.sends = append(b.sends, send{target: l.target, skew: skew, waybill: f.row.ID, delivery: d.ID, number: d.Attempts, body: body,
		attempt: connector.Attempt{
			Kind: d.Kind, Order: d.Lane, Lane: d.Lane, Key: d.Key, Subject: d.Subject, Seq: d.Seq,
			Attempt: d.Attempts, Epoch: d.Epoch, Deadline: d.Deadline.Add(skew),
			Traceparent: waybill.Traceparent(d.Lane, d.Key),
		}})
	if !first {
		return nil
	}
	return b.attempted(ctx, f, process.Attempted{Key: d.Key, Seq: d.Seq})
}

// forgotten reports whether an attempt of the delivery is in doubt whose key
// the target may have forgotten since: sent again, it could be a second entry.
func (b *batch) forgotten(ctx context.Context, l *laneOf, d *lane.Delivery) (bool, error) {
	class := l.target.class
	if d.Attempts == 0 || class.Idempotency != waybill.ByKey || class.Remembers(d, b.now) ||
		d.Reason == lane.ReasonAbsent || d.Reason == lane.ReasonRetry {
		return false, nil
	}
	if d.Outcome == waybill.InDoubt {
		return true, nil
	}
	earlier, err := b.e.store.Attempts(ctx, d.ID)
	if err != nil {
		return false, fmt.Errorf("read the attempts of %s: %w", d.Key, err)
	}
	for _, a := range earlier {
		if a.Outcome == waybill.InDoubt {
			return true, nil
		}
	}
	return false, nil
}

// attempted tells the process of a first attempt. It is kept beside the last
// event of the waybill in this batch, or as an event of its own.
func (b *batch) attempted(ctx context.Context, f *flow, a process.Attempted) error {
	if f.last == nil {
		ev := &waybill.Event{Type: waybill.DocumentAttempted, Source: "waybill", Flow: f.row.Kind, Ref: f.row.Ref}
		row, err := b.record(ctx, f, ev, 0)
		if err != nil {
			return err
		}
		f.last = row
	}
	f.marks.Attempt = append(f.marks.Attempt, a)
	dec := f.state.Decide(&waybill.Event{Type: waybill.DocumentAttempted, Source: "waybill",
		Flow: f.row.Kind, Ref: f.row.Ref, RecordedAt: b.now, Body: &a}, b.e.policy)
	return b.carryOut(ctx, f, dec, f.last)
}

// render fixes a document with its first attempt: its place in the lane, its
// content from the facts in force now, its bytes.
//
// A connector that panics over one document holds up that document alone.
func (b *batch) render(f *flow, l *laneOf, d *lane.Delivery) (_ *connector.Rendered, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("writing it panicked: %v", r)
			b.e.log.Error("a document could not be written", "key", d.Key, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	doc, err := f.state.Compose(d.Key, b.e.policy)
	if err != nil {
		return nil, err
	}
	if doc, err = b.outward(f, l, doc); err != nil {
		return nil, err
	}
	seq, after := f.next(l)
	doc.Seq, doc.After, doc.At = seq, after, b.now
	doc.Control = l.target.nextControl()
	r, err := l.target.conn.Renderer.Render(doc)
	if err != nil {
		return nil, err
	}
	if err := b.reserve(f, l.target, d, doc.Control); err != nil {
		return nil, err
	}
	d.Seq, d.After, d.Version, d.Digest = seq, after, doc.Version, sha256.Sum256(r.Body)
	b.w.Bodies = append(b.w.Bodies, lane.Body{Delivery: d.ID, ContentType: r.ContentType, Bytes: r.Body})
	return &r, nil
}

func (b *batch) cannotRender(ctx context.Context, f *flow, d *lane.Delivery, cause error) error {
	b.touch(f)
	why := "cannot_render"
	if e := (*waybill.Error)(nil); errors.As(cause, &e) && e.Code == connector.ProofMismatch {
		why = e.Code
	}
	d.State, d.Next, d.Dirty = lane.Parked, lane.Stay, true
	d.Reason, d.Detail, d.Hold = why, cause.Error(), "correct the cause and retry, or skip"
	money, currency := f.state.OpenValue()
	return b.raise(ctx, f, exception.Exception{
		Cause: why, Subject: d.Key, Money: waybill.Money{Amount: money, Currency: currency},
		Detail: fmt.Sprintf("%s of %s could not be written for %s: %v", d.Kind, f.row.Ref, d.Target, cause),
		Next:   "correct the cause, then retry the delivery", Actions: actionsFor(why),
	})
}

// keepAttempt keeps the record of the attempt before the one about to begin.
func (b *batch) keepAttempt(d *lane.Delivery) {
	if d.Outcome == "" {
		return
	}
	b.w.Attempts = append(b.w.Attempts, lane.Attempt{Delivery: d.ID, Number: d.Attempts, Epoch: d.Epoch,
		Started: d.StartedAt, Deadline: d.Deadline, Ended: d.EndedAt, Outcome: d.Outcome, Detail: d.Detail})
}

// dispatch starts what queues for budgets that have room.
func (b *batch) dispatch(ctx context.Context) error {
	for _, t := range b.e.order {
		for t.ready.len() > 0 && len(b.sends) < 4*batchMax {
			ok, again := t.free(b.now)
			if !ok {
				if !again.IsZero() {
					b.e.due.add(dueItem{at: again, target: t.sys.Name})
				}
				break
			}
			if err := b.startQueued(ctx, t, t.ready.pop()); err != nil {
				return err
			}
		}
	}
	return nil
}

// startQueued starts a delivery that queued, where it still is at the head of
// its lane and ready.
func (b *batch) startQueued(ctx context.Context, t *target, item readyItem) error {
	f, err := b.dueFlow(ctx, item.waybill)
	if f == nil {
		return err
	}
	l, d := f.delivery(item.id)
	if d == nil || l.target != t {
		return nil
	}
	switch {
	case d.State == lane.Ready && l.queue.Head(t.class.KeepsOrder) == d:
		return b.start(ctx, f, l, d)
	case d.State == lane.InDoubt || d.State == lane.Waiting:
		return b.move(ctx, f, l, d)
	}
	return nil
}

// move takes the next step of a delivery whose time has come.
func (b *batch) move(ctx context.Context, f *flow, l *laneOf, d *lane.Delivery) error {
	if d.Due.After(b.now) {
		b.dueDelivery(d)
		return nil
	}
	if _, underWay := b.e.inflight[d.ID]; underWay {
		return nil
	}
	switch d.Next {
	case lane.Send:
		b.touch(f)
		d.State, d.Due, d.Dirty = lane.Ready, b.now, true
		return b.start(ctx, f, l, d)
	case lane.Ask, lane.AskPending, lane.AskThenRefuse:
		return b.ask(ctx, f, l, d)
	}
	return nil
}

// ask looks up whether a document took effect. A look-up changes nothing, so
// no commit goes before it.
func (b *batch) ask(ctx context.Context, f *flow, l *laneOf, d *lane.Delivery) error {
	if b.e.stopping.Load() || b.e.leaves(f.row.Shard) {
		return nil // the next process goes on
	}
	if l.target.conn.Inquirer == nil || l.target.class.Idempotency == waybill.NoIdempotency && d.Next == lane.Ask &&
		d.Reason != "in_progress" && d.Reason != "seq_gap" {
		b.touch(f)
		if d.Next == lane.AskPending {
			return b.awaitReport(ctx, f, d)
		}
		d.State, d.Next, d.Dirty = lane.Parked, lane.Stay, true
		d.Reason, d.Hold = "in_doubt", "look in the system whether it holds the document, then settle it with its number, or retry"
		return b.doubtException(ctx, f, d)
	}
	if ok, again := l.target.free(b.now); !ok {
		l.target.queue(d)
		if !again.IsZero() {
			b.e.due.add(dueItem{at: again, target: l.target.sys.Name})
		}
		return nil
	}
	l.target.occupy(b.now)
	b.e.inflight[d.ID] = d.Attempts
	b.sends = append(b.sends, send{target: l.target, ask: true, waybill: f.row.ID, delivery: d.ID, number: d.Attempts,
		inquiry: connector.Inquiry{Kind: d.Kind, Order: d.Lane, Key: d.Key, Subject: d.Subject,
			Deadline: d.Deadline.Add(max(l.target.skew, l.target.skewMost)), Traceparent: waybill.Traceparent(d.Lane, d.Key)}})
	return nil
}

// awaitReport waits for the report of a document that a target took and can't
// be asked about; past its deadline a person is told.
func (b *batch) awaitReport(ctx context.Context, f *flow, d *lane.Delivery) error {
	d.Due, d.Dirty = d.AckBy, true
	if !d.AckBy.After(b.now) {
		d.Due = b.now.Add(b.e.timing.AckDeadline)
		if err := b.raise(ctx, f, ackOverdue(f, d, b.e.targetOf(d.Target))); err != nil {
			return err
		}
	}
	b.dueDelivery(d)
	return nil
}

// launch lets a request go, beside the loop.
func (e *Engine) launch(s send) {
	s.timing = e.timing
	e.call(func() input {
		answer := &answered{e: e, target: s.target, waybill: s.waybill, delivery: s.delivery, number: s.number, asked: s.ask}
		ctx := e.base
		if s.body == nil {
			stored, err := e.store.Body(ctx, s.delivery)
			if err != nil {
				answer.outcome = waybill.Outcome{Verdict: waybill.NotSent, Note: "the stored bytes could not be read: " + err.Error()}
				answer.finding = connector.Finding{State: connector.FoundUnknown, Note: answer.outcome.Note}
				return answer
			}
			s.body = &connector.Rendered{Body: stored.Bytes, ContentType: stored.ContentType}
		}
		if s.ask {
			s.inquiry.Body = s.body.Body
			answer.finding = e.inquire(ctx, s)
			return answer
		}
		s.attempt.Body, s.attempt.ContentType = s.body.Body, s.body.ContentType
		answer.outcome = e.deliver(ctx, s)
		return answer
	})
}

func (e *Engine) deliver(ctx context.Context, s send) (o waybill.Outcome) {
	now := e.opt.Now()
	deadline := s.attempt.Deadline.Add(-s.skew)
	if !lane.Worth(deadline.Add(-s.timing.Deadline), deadline, now) {
		return waybill.Outcome{Verdict: waybill.NotSent, Note: "its time ran out before it could be sent"}
	}
	if e.share != nil && !e.share.holds(now) {
		return waybill.Outcome{Verdict: waybill.NotSent, Note: "the lease ran out before it could be sent: the order may be another replica's"}
	}
	ctx, cancel := context.WithTimeout(ctx, deadline.Sub(now))
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			o = waybill.Outcome{Verdict: waybill.InDoubt, Note: fmt.Sprintf("the connector panicked: %v", r)}
		}
	}()
	o, err := s.target.conn.Deliverer.Deliver(ctx, s.attempt)
	if err != nil {
		return waybill.Outcome{Verdict: waybill.InDoubt, Note: err.Error()}
	}
	return o
}

func (e *Engine) inquire(ctx context.Context, s send) (f connector.Finding) {
	ctx, cancel := context.WithTimeout(ctx, s.timing.Deadline)
	defer cancel()
	defer func() {
		if r := recover(); r != nil {
			f = connector.Finding{State: connector.FoundUnknown, Note: fmt.Sprintf("the connector panicked: %v", r)}
		}
	}()
	f, err := s.target.conn.Inquirer.Inquire(ctx, s.inquiry)
	if err != nil {
		return connector.Finding{State: connector.FoundUnknown, Note: err.Error()}
	}
	return f
}

// answered is what came back from a system.
type answered struct {
	e        *Engine
	target   *target
	waybill  int64
	delivery int64
	number   int // of the attempt that it is about
	asked    bool
	outcome  waybill.Outcome
	finding  connector.Finding
	bad      string
	counted  bool
}

// fail brings the answer in again: it is still true when the next commit
// works, and without it the attempt would be in doubt. One that can't be
// decided on is let go: its attempt is in doubt.
func (a *answered) fail(error) {
	if a.bad != "" {
		a.release()
		return
	}
	if a.counted {
		a.counted = false
		a.target.underWay++
		a.e.inflight[a.delivery] = a.number
	}
	a.e.call(func() input { return a })
}

// release gives back what the request occupied.
func (a *answered) release() {
	if !a.counted {
		a.counted = true
		a.target.underWay--
		if a.e.inflight[a.delivery] == a.number { // a later attempt's request may be under way meanwhile
			delete(a.e.inflight, a.delivery)
		}
	}
}

func (a *answered) poison(reason string) { a.bad = reason }

func (a *answered) apply(ctx context.Context, b *batch) error {
	a.release()
	f, err := b.e.flowByID(ctx, a.waybill)
	if err != nil {
		return b.setAside(ctx, err)
	}
	if !b.e.owns(f.row.Shard) {
		return nil // its owner finds it in doubt, and asks
	}
	l, d := f.delivery(a.delivery)
	if d == nil && f.row.Kind == waybill.FlowItem {
		return nil // it was settled meanwhile, by a report of the system itself or by a person
	}
	if d == nil {
		return errors.New("an answer came for a delivery that is not there")
	}
	switch {
	case d.State == lane.InFlight && (a.asked || d.Attempts != a.number):
		// Another attempt has begun. Where its request never left, because its
		// commit was said to have failed and did not, it is in doubt.
		b.e.due.add(dueItem{at: b.now, waybill: f.row.ID, delivery: d.ID})
		return nil
	case a.asked && d.Attempts != a.number: // what was found says nothing of what was sent since
		b.dueDelivery(d)
		return nil
	case a.asked:
		return a.applyFinding(ctx, b, f, l, d)
	}
	return a.applyOutcome(ctx, b, f, l, d)
}

func (a *answered) applyOutcome(ctx context.Context, b *batch, f *flow, l *laneOf, d *lane.Delivery) error {
	if d.State != lane.InFlight {
		return nil // settled meanwhile, by a report of the system itself or by a person
	}
	if a.outcome.Verdict == waybill.InDoubt {
		b.e.stats.Doubts.Add(1)
	} else if d.Failures > 0 && (a.outcome.Verdict == waybill.Done || a.outcome.Verdict == waybill.Partial) && d.Reason == "" {
		b.e.resolved(d)
	}
	if a.outcome.Verdict == waybill.Forbidden {
		return b.e.askForbidden(ctx, b, a)
	}
	b.touch(f)
	d.Dirty = true
	s := d.Answer(a.outcome, b.now, b.e.timing, l.target.class, b.e.opt.Chance())
	if err := b.signal(ctx, l.target, a.outcome); err != nil {
		return err
	}
	return b.concluded(ctx, f, l, d, s, a.outcome.Receipt, a.outcome.Problem, a.bad)
}

func (a *answered) applyFinding(ctx context.Context, b *batch, f *flow, l *laneOf, d *lane.Delivery) error {
	if d.State != lane.InDoubt && d.State != lane.Waiting {
		return nil
	}
	b.touch(f)
	d.Dirty = true
	fd := a.finding
	s := d.Found(lane.Look{State: string(fd.State), Receipt: fd.Receipt, Problem: fd.Problem,
		RetryAfter: fd.RetryAfter, Note: fd.Note}, b.now, b.e.timing, b.e.opt.Chance())
	var o waybill.Outcome
	switch {
	case fd.Unauthorized:
		o = waybill.Outcome{Verdict: waybill.Unauthorized, Note: fd.Note}
	case !fd.RetryAfter.IsZero():
		o = waybill.Outcome{Verdict: waybill.Throttled, RetryAfter: fd.RetryAfter}
	case fd.State == connector.FoundUnknown:
		o = waybill.Outcome{Verdict: waybill.InDoubt, Note: fd.Note}
	default:
		b.e.resolved(d)
		o = waybill.Outcome{Verdict: "answered"}
	}
	if err := b.signal(ctx, l.target, o); err != nil {
		return err
	}
	return b.concluded(ctx, f, l, d, s, fd.Receipt, fd.Problem, a.bad)
}

// resolved counts a doubt that found its answer.
func (e *Engine) resolved(*lane.Delivery) { e.stats.Resolved.Add(1) }

// concluded goes on from a delivery's new state: the process hears of what is
// settled, a due time wakes the engine, what needs a person is raised.
func (b *batch) concluded(ctx context.Context, f *flow, l *laneOf, d *lane.Delivery, s lane.Settlement, r waybill.Receipt, p waybill.Problem, bad string) error {
	b.clearDoubt(f, d)
	if s != "" && bad == "" {
		if why := b.rewound(l.target, d, r); s != lane.SettledRefused && why != "" {
			if err := b.pauseFault(ctx, l.target, "target_rewind", why); err != nil {
				return err
			}
		}
		if err := b.settled(ctx, f, d, s, r, p, ""); err != nil || s != lane.SettledRefused || d.State == lane.Skipped {
			return err // a refusal that took the document out of its lane was an answer
		}
		return b.countRefusal(ctx, l.target, f, p)
	}
	switch {
	case bad != "":
		if err := b.raise(ctx, f, poisonAnswer(f, d, bad)); err != nil {
			return err
		}
	case d.State == lane.Parked && d.Hold != "":
		if err := b.doubtException(ctx, f, d); err != nil {
			return err
		}
	case d.Next == lane.AskPending && !d.AckBy.IsZero() && b.now.After(d.AckBy):
		if err := b.raise(ctx, f, ackOverdue(f, d, b.e.targetOf(d.Target))); err != nil {
			return err
		}
	}
	b.dueDelivery(d)
	return b.advance(ctx, f)
}

// clearDoubt closes what the delivery itself had raised; it is raised again
// where it still is so.
func (b *batch) clearDoubt(f *flow, d *lane.Delivery) {
	if len(f.open) == 0 {
		return
	}
	if d.Next != lane.AskPending {
		b.clear(f, "ack_overdue", d.Key, "the delivery went on")
		b.clear(f, CauseDelayedAck, d.Key, "the delivery went on")
	}
	if d.State == lane.Parked {
		return
	}
	for _, cause := range deliveryCauses {
		b.clear(f, cause, d.Key, "the delivery went on")
	}
}
