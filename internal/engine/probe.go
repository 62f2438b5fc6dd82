package engine

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
)

// skewMax is the difference between a system's clock and ours that is an
// incident (system contract T0).
const skewMax = 10 * time.Second

// receiptsSeen is how many journal positions of a target are remembered, to
// notice when two documents name the same one.
const receiptsSeen = 4096

// heapify orders what load collected and sets the first probes.
func (e *Engine) heapify(now time.Time) {
	for _, t := range e.order {
		t.probing = false
		if t.conn.Prober != nil {
			t.probeAt = now
			e.due = append(e.due, dueItem{at: now, target: t.sys.Name})
		}
		t.reading = reading{pass: t.reading.pass + 1}
		if e.reads(t) {
			t.reading.at = now
			e.due = append(e.due, dueItem{at: now, target: t.sys.Name})
		}
	}
	heap.Init(&e.due)
}

// probeSoon asks the target for its health at a time, or earlier where that
// was set already.
func (e *Engine) probeSoon(t *target, at time.Time) {
	if t.conn.Prober == nil {
		return
	}
	t.probeAt = at
	e.due.add(dueItem{at: at, target: t.sys.Name})
}

// targetDue looks at a target whose waiting time is over: its queue is served
// by dispatch; a probe may be due, or a page of its master data.
func (b *batch) targetDue(ctx context.Context, item dueItem) error {
	t := b.e.targets[item.target]
	if t == nil || b.e.stopping.Load() {
		return nil
	}
	b.probeDue(t)
	return b.readDue(ctx, t)
}

func (b *batch) probeDue(t *target) {
	if t.conn.Prober == nil || t.probing || t.probeAt.IsZero() || t.probeAt.After(b.now) {
		return
	}
	if t.sys.Name != "" && b.now.Before(t.until) { // throttled: not even a probe goes
		b.e.probeSoon(t, t.until)
		return
	}
	t.probing, t.probeAt = true, time.Time{}
	b.after = append(b.after, func() { b.e.probe(t, nil) })
}

// probe asks a target what it says of itself (T3). forbidden is the attempt
// that waits for the answer, where one was refused with 403.
func (e *Engine) probe(t *target, forbidden *answered) {
	within, head := e.timing.Deadline, t.head
	e.call(func() input {
		ctx, cancel := context.WithTimeout(e.base, within)
		defer cancel()
		info, err := t.conn.Prober.Probe(ctx)
		return &probed{target: t, info: info, err: err, forbidden: forbidden, head: head}
	})
}

// probed is a system's answer to a probe.
type probed struct {
	target    *target
	info      connector.Info
	err       error
	forbidden *answered
	head      int64 // the highest position known when it was asked
}

func (p *probed) fail(error) {}

func (p *probed) apply(ctx context.Context, b *batch) error {
	t := p.target
	if p.forbidden == nil {
		t.probing = false
	}
	t.met = true
	refused := p.refusedCredential()
	if p.forbidden != nil {
		p.forbidden.outcome.Verdict = waybill.Refused
		if p.err != nil {
			p.forbidden.outcome.Verdict = waybill.Unauthorized
		}
		p.forbidden.counted = true
		return p.forbidden.apply(ctx, b)
	}
	if p.err != nil {
		t.probes++
		wait := b.e.timing.ProbeEvery
		if t.open || t.paused == "unauthorized" {
			wait = min(b.e.timing.Backoff(t.probes, b.e.opt.Chance()), probeMax)
		}
		b.e.probeSoon(t, b.now.Add(wait))
		if refused {
			return b.pauseFault(ctx, t, "unauthorized", p.err.Error())
		}
		return nil
	}
	t.probes = 0
	b.e.probeSoon(t, b.now.Add(b.e.timing.ProbeEvery))
	return b.healthy(ctx, t, p.info, p.head)
}

func (p *probed) refusedCredential() bool {
	var r *connector.Rejection
	return errors.As(p.err, &r) && r.Status == 401
}

// healthy takes in what a system says of itself.
func (b *batch) healthy(ctx context.Context, t *target, info connector.Info, asked int64) error {
	if t.open {
		b.e.log.Info("the breaker closed", "system", t.sys.Name)
	}
	t.open, t.failures = false, 0
	if info.Idempotency != "" {
		t.class = lane.Class{Idempotency: info.Idempotency, KeyTTL: info.KeyTTL,
			KeepsOrder: info.KeepsOrder || t.sys.Manifest.KeepsOrder}
	}
	if err := b.clock(ctx, t, info.Now); err != nil {
		return err
	}
	switch t.paused {
	case "unauthorized":
		if err := b.resume(t, "the system took the credential"); err != nil {
			return err
		}
	case "":
		b.clearPauses(t, "the system answers, and nothing holds it up")
	}
	known := t.generation != ""
	changed := t.generation != info.Generation || info.Head != t.head
	rewind := known && (t.generation != info.Generation || info.Head >= 0 && info.Head < asked)
	if rewind {
		note := fmt.Sprintf("generation %s with head %d, after generation %s with head %d", info.Generation, info.Head, t.generation, t.head)
		if err := b.pauseFault(ctx, t, "target_rewind", note); err != nil {
			return err
		}
	}
	if !changed {
		return nil
	}
	t.generation = info.Generation
	if rewind || info.Head > t.head {
		t.head = info.Head
	}
	return b.keepTarget(t)
}

// clock corrects deadlines by the difference between the clocks.
func (b *batch) clock(ctx context.Context, t *target, theirs time.Time) error {
	if theirs.IsZero() {
		return nil
	}
	skew := theirs.Sub(b.now)
	if skew.Abs() < 2*time.Second { // the way there and back
		skew = 0
	}
	t.skew = skew
	if skew.Abs() <= skewMax {
		b.clear(nil, "clock_skew", t.sys.Name, "the clocks agree again")
		return nil
	}
	return b.raise(ctx, nil, exception.Exception{
		Cause: "clock_skew", Subject: t.sys.Name,
		Detail: fmt.Sprintf("the clock of %s differs from Waybill's by %s; deadlines are corrected by it", t.sys.Name, skew.Round(time.Second)),
		Next:   "set the clocks of both machines by NTP",
	})
}

// rewound says why a receipt shows that the books were set back: it names a
// journal position that another document holds, or another generation; empty
// where it does not. The highest position is kept: a head below it, found later
// or after a restart, shows the same.
func (b *batch) rewound(t *target, d *lane.Delivery, r waybill.Receipt) string {
	if r.Generation != "" && t.generation != "" && r.Generation != t.generation {
		why := fmt.Sprintf("a receipt is of generation %s, after %s", r.Generation, t.generation)
		t.generation, t.head, t.headMoved = r.Generation, r.N, true // known from here on
		return why
	}
	if r.N <= 0 {
		return ""
	}
	if t.seen == nil {
		t.seen = make(map[int64]int64, receiptsSeen)
	}
	other, taken := t.seen[r.N]
	if taken && other != d.ID {
		return "a receipt names a position that another document holds"
	}
	t.seen[r.N] = d.ID
	delete(t.seen, r.N-receiptsSeen)
	if r.N > t.head {
		t.head, t.headMoved = r.N, true
	}
	return ""
}

// keepHeads keeps how far the journals of the targets are known.
func (b *batch) keepHeads() error {
	for _, t := range b.e.order {
		if !t.headMoved || b.e.divided() && b.now.Sub(t.headKept) < headEvery {
			continue
		}
		t.headMoved, t.headKept = false, b.now
		if err := b.keepTarget(t); err != nil {
			return err
		}
	}
	return nil
}

// askForbidden lets a probe decide whether a 403 is about the document or the
// credential.
func (e *Engine) askForbidden(ctx context.Context, b *batch, a *answered) error {
	if a.target.conn.Prober == nil {
		a.outcome.Verdict = waybill.Refused
		return a.apply(ctx, b)
	}
	b.after = append(b.after, func() { e.probe(a.target, a) })
	return nil
}
