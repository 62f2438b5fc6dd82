package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
)

// deliveryCauses are the causes that a delivery itself raises; they close when
// it goes on.
var deliveryCauses = []string{"in_doubt", "business_park", "key_reuse", "cannot_render", connector.ProofMismatch}

// actionsFor lists what a person can do about a cause.
func actionsFor(cause string) []string {
	switch {
	case cause == "in_doubt":
		return []string{"settle", "retry", "skip"}
	case strings.HasPrefix(cause, "refused_"), cause == "business_park", cause == "cannot_render",
		cause == "key_reuse", cause == "ack_overdue", cause == CauseDelayedAck, cause == connector.ProofMismatch:
		return []string{"retry", "skip", "settle"}
	case cause == process.CauseUnmatched:
		return []string{"match"}
	case cause == "over_shipped":
		return []string{"settle"}
	case strings.HasPrefix(cause, "target_"):
		return []string{"resume"}
	default:
		return []string{"close"}
	}
}

// doubtException raises what a parked delivery needs a person for.
func (b *batch) doubtException(ctx context.Context, f *flow, d *lane.Delivery) error {
	cause := "business_park"
	switch d.Reason {
	case "in_doubt":
		cause = "in_doubt"
	case "key_reuse":
		cause = "key_reuse"
	}
	return b.raise(ctx, f, exception.Exception{
		Cause: cause, Subject: d.Key,
		Detail: fmt.Sprintf("%s of %s to %s waits: %s. %s", d.Kind, f.row.Ref, d.Target, d.Reason, d.Detail),
		Next:   d.Hold, Actions: actionsFor(cause),
	})
}

// poisonAnswer is an answer that the process could not decide on.
func poisonAnswer(f *flow, d *lane.Delivery, reason string) exception.Exception {
	return exception.Exception{
		Cause: "poison_answer", Subject: d.Key,
		Detail: fmt.Sprintf("the answer of %s to %s of %s is kept and was not decided on: %s", d.Target, d.Kind, f.row.Ref, reason),
		Next:   "report it; what should follow from the answer has not happened", Actions: []string{"close"},
	}
}

func ackOverdue(f *flow, d *lane.Delivery, t *target) exception.Exception {
	if t.sys.Manifest.Numbered {
		return delayedAck(f, d)
	}
	return exception.Exception{
		Cause: "ack_overdue", Subject: d.Key,
		Detail: fmt.Sprintf("%s took %s of %s and has not said what became of it; due by %s", d.Target, d.Kind, f.row.Ref, d.AckBy.UTC().Format(time.RFC3339)),
		Next:   "ask the system; Waybill keeps asking too", Actions: actionsFor("ack_overdue"),
	}
}

// pauseFault pauses a target for a fault of its configuration or its books.
func (b *batch) pauseFault(ctx context.Context, t *target, why, note string) error {
	if t.paused != "" && (why != "target_rewind" || t.paused == why) {
		return nil // a rewind counts under any pause: whoever lifts it must know
	}
	t.paused = why
	b.e.log.Error("a system is paused", "system", t.sys.Name, "why", why, "answer", note)
	if err := b.keepTarget(t); err != nil {
		return err
	}
	if why == "unauthorized" {
		b.e.probeSoon(t, b.now.Add(b.e.timing.Backoff(1, b.e.opt.Chance())))
	}
	cause := why
	if !strings.HasPrefix(cause, "target_") {
		cause = "target_" + why
	}
	return b.raise(ctx, nil, exception.Exception{
		Cause: cause, Subject: t.sys.Name,
		Detail: fmt.Sprintf("nothing goes to %s: %s (%s)", t.sys.Name, why, note),
		Next:   pauseNext[why], Actions: []string{"resume"},
	})
}

var pauseNext = map[string]string{
	"unauthorized":  "correct the credential; Waybill goes on by itself when the system takes it",
	"misconfigured": "correct base_url or what stands before the system, then reload the configuration or resume the system",
	"refusals":      "correct what every document is refused for, then resume the system",
	"target_rewind": "the system lost postings (a restore from a backup?): reconcile it, then resume the system",
}

// clearPauses closes the exceptions of a target's pauses.
func (b *batch) clearPauses(t *target, by string) {
	for why := range pauseNext {
		b.clear(nil, "target_"+strings.TrimPrefix(why, "target_"), t.sys.Name, by)
	}
}

// resume lets documents go to a target again.
func (b *batch) resume(t *target, by string) error {
	b.clearPauses(t, by)
	t.paused, t.failures, t.open = "", 0, false
	t.seen = nil // books that were set back give their positions to other documents, and somebody knows it now
	return b.keepTarget(t)
}

// limboExpired parks an event that nothing came for. It is still adopted when
// what it waits for comes later.
func (b *batch) limboExpired(ctx context.Context, id string) error {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return fmt.Errorf("the limbo timer names event %q, which is no event id", id)
	}
	ev, err := b.event(ctx, n)
	if err != nil {
		return err
	}
	if ev.State != ledger.Limbo {
		return nil
	}
	b.changeState(n, ledger.ParkedEvent, "nothing named shipment "+ev.Subject+" in time")
	return b.raise(ctx, nil, exception.Exception{
		Cause: "limbo_expired", Subject: id,
		Detail: fmt.Sprintf("%s of %s names shipment %s, which nobody has reported", ev.Type, ev.Source, ev.Subject),
		Next:   "ask the warehouse for the shipment; the event is adopted when it comes", Actions: []string{"close"},
	})
}

func (b *batch) timerFired(ctx context.Context, f *flow, name string) error {
	return b.own(ctx, f, waybill.TimerFired, &process.Fired{Name: name})
}
