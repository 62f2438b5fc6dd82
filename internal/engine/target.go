package engine

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/lane"
)

// Limits that guard a target.
const (
	concurrencyDefault = 32
	breakerOpensAt     = 5  // failures in a row without an answer
	refusalsPauseAt    = 20 // lanes in a row refused with one code
	probeMax           = 30 * time.Second
)

// target is a system that documents go to, with what limits it: its budget,
// its breaker, and whether a person or a fault has paused it. It is owned by
// the engine's loop.
type target struct {
	sys   System
	conn  connector.Connector
	class lane.Class
	ready backlog
	drain lane.Drain // of what is on its way to it

	underWay int // requests under way
	room     int // requests that may be under way at once; shrinks when throttled
	limiter  *rate.Limiter

	until      time.Time // throttled: nothing goes before
	throttles  int       // in a row
	failures   int       // in a row without an answer
	open       bool      // the breaker
	probing    bool
	probeAt    time.Time
	probes     int            // in a row that failed
	paused     string         // why nothing goes: operator, unauthorized, misconfigured, target_rewind, refusals, off
	refused    string         // the code of the last refusal
	refusals   map[int64]bool // waybills in a row refused with it
	generation string
	head       int64
	control    int64           // the last number given to a document
	partial    bool            // other replicas have orders, too: none may give numbers
	headMoved  bool            // since it was kept
	headKept   time.Time       // where replicas share the note of it
	saidPause  string          // the pause that the other replicas were told of
	heard      string          // what the steward last said of it
	part       parts           // of its budget that is this replica's
	whole      System          // with its whole budget
	met        bool            // its first probe was answered, or failed: nothing goes before, for deadlines are on its clock
	skew       time.Duration   // its clock minus ours
	skewMost   time.Duration   // the highest skew that a deadline was sent with
	seen       map[int64]int64 // journal position → delivery, of late
	reading    reading         // of its master data
}

func (e *Engine) addTarget(s System) *target {
	if s.Concurrency <= 0 {
		s.Concurrency = concurrencyDefault
	}
	if s.Class.Idempotency == "" {
		s.Class = lane.Class{Idempotency: s.Manifest.Idempotency, KeyTTL: s.Manifest.KeyTTL, KeepsOrder: s.Manifest.KeepsOrder}
	}
	t := &target{sys: s, conn: s.Conn, class: s.Class, room: s.Concurrency, head: -1, skewMost: math.MinInt64, partial: !e.ownsAll()}
	t.limiter = limiterOf(s)
	if t.conn.Deliverer == nil || t.conn.Renderer == nil {
		t.paused = "receives_nothing"
	}
	e.targets[s.Name] = t
	e.order = append(e.order, t)
	return t
}

func limiterOf(s System) *rate.Limiter {
	if s.Rate <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(s.Rate), max(s.Burst, 1))
}

// targetOf returns the target of that name. One that is no longer configured
// stays, paused, as long as documents are on their way to it.
func (e *Engine) targetOf(name string) *target {
	if t := e.targets[name]; t != nil {
		return t
	}
	t := e.addTarget(System{Name: name})
	t.paused = "not_configured"
	return t
}

// free reports whether a request may go to the target now. Where only time
// stands in the way, it says when to look again.
func (t *target) free(now time.Time) (ok bool, again time.Time) {
	switch {
	case t.partial && t.sys.Manifest.Numbered:
		return false, time.Time{}
	case t.paused != "" || t.open || t.underWay >= t.room || !t.met && t.conn.Prober != nil:
		return false, time.Time{}
	case now.Before(t.until):
		return false, t.until
	case t.limiter != nil:
		r := t.limiter.ReserveN(now, 1)
		wait := r.DelayFrom(now)
		r.CancelAt(now) // only looked: occupy takes it
		if wait > 0 {
			return false, now.Add(wait)
		}
	}
	return true, time.Time{}
}

// correct returns by how much a deadline that is sent now is corrected. An
// absence is judged by the latest deadline that any attempt may have carried.
func (t *target) correct() time.Duration {
	t.skewMost = max(t.skewMost, t.skew)
	return t.skew
}

// occupy takes the place of a request that is about to go.
func (t *target) occupy(now time.Time) {
	t.underWay++
	if t.limiter != nil {
		t.limiter.AllowN(now, 1)
	}
}

// signal keeps the target's books on an answer: budget, breaker, pauses.
func (b *batch) signal(ctx context.Context, t *target, o waybill.Outcome) error {
	switch o.Verdict {
	case waybill.Throttled:
		t.throttles++
		t.failures = 0
		t.room = max(t.room/2, 1)
		until := o.RetryAfter
		if until.IsZero() {
			until = b.now.Add(b.e.timing.Backoff(t.throttles, b.e.opt.Chance()))
		}
		if until.After(t.until) {
			t.until = until
			b.tellThrottle(t)
		}
		return nil
	case waybill.InDoubt, waybill.NotSent:
		t.failures++
		if t.failures >= breakerOpensAt && !t.open && t.conn.Prober != nil {
			t.open = true
			b.e.log.Warn("the breaker opened: nothing goes to the system until a probe succeeds", "system", t.sys.Name, "last", o.Note)
			b.e.probeSoon(t, b.now)
		}
		return nil
	case waybill.Unauthorized, waybill.Misconfigured:
		return b.pauseFault(ctx, t, string(o.Verdict), o.Note)
	case waybill.Refused:
		t.failures = 0
		return nil
	}
	t.failures, t.throttles = 0, 0
	if t.room < t.sys.Concurrency {
		t.room++
	}
	if o.Verdict == waybill.Done || o.Verdict == waybill.Partial || o.Verdict == waybill.Pending {
		t.refused, t.refusals = "", nil
	}
	return nil
}

// countRefusal pauses a target that refuses one lane after the other for one
// reason: that is a fault of the configuration, not of the orders.
func (b *batch) countRefusal(ctx context.Context, t *target, f *flow, p waybill.Problem) error {
	if p.Code == "credit_hold" {
		return nil
	}
	if p.Code != t.refused || t.refusals == nil {
		t.refused, t.refusals = p.Code, map[int64]bool{}
	}
	t.refusals[f.row.ID] = true
	if len(t.refusals) < refusalsPauseAt {
		return nil
	}
	t.refusals = nil
	return b.pauseFault(ctx, t, "refusals", fmt.Sprintf("%d lanes in a row were refused with %s", refusalsPauseAt, p.Code))
}
