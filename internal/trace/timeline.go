package trace

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
)

// EntryKind is what an entry of the timeline is.
type EntryKind string

// The kinds of entry.
const (
	Event    EntryKind = "event"    // a system told Waybill, or a person or a timer did
	Decision EntryKind = "decision" // what the rules made of it
	Sent     EntryKind = "delivery" // a document on its way to a system
	Attempt  EntryKind = "attempt"  // a further attempt to bring it there
	Receipt  EntryKind = "receipt"  // what became of it
)

// ownClock is the clock of entries that no system has put a time on.
const ownClock = "waybill"

// Entry is one thing that happened to an order.
type Entry struct {
	Seq        int       // place in the timeline, from 1
	At         time.Time // on the clock named by Clock, its offset kept
	Clock      string    // the system whose clock it was; "waybill" for Waybill's own
	RecordedAt time.Time // on Waybill's clock, which orders the timeline
	Kind       EntryKind
	System     string // the counterpart; empty for what Waybill did by itself
	Type       string // the event's type, or the document's kind
	Title      string // in words
	Detail     string // the rule, the refusal, the reason
	State      string // of an event as in C4, of a delivery as in C3, of an attempt its outcome
	Event      int64  // 0: none
	Message    int64  // that brought it; 0: none
	Key        string // of the delivery; empty: none
	Attempts   int    // of the delivery, so far

	anchor int64 // the event that it belongs to
	rank   int   // among entries of one event
}

// decided is what the engine keeps beside an event.
type decided struct {
	Add []struct {
		Key    string       `json:"key"`
		Target string       `json:"target"`
		Kind   waybill.Kind `json:"kind"`
		Why    string       `json:"why"`
	} `json:"add"`
	Withdraw []string `json:"withdraw"`
	Skip     []string `json:"skip"`
	Why      []string `json:"why"`
}

// Timeline tells an order's life in the order in which Waybill learnt of it:
// events, decisions, deliveries and receipts in one list.
func (s *Service) Timeline(ctx context.Context, w ledger.Waybill) ([]Entry, error) {
	deliveries, err := s.DeliveriesOf(ctx, w)
	if err != nil {
		return nil, err
	}
	byKey := make(map[string]Delivery, len(deliveries))
	var out []Entry
	for _, d := range deliveries {
		byKey[d.Key] = d
		attempts, err := s.Attempts(ctx, d.Delivery)
		if err != nil {
			return nil, err
		}
		out = append(out, sent(d, attempts)...)
	}
	for after := int64(0); ; {
		events, err := s.store.Events(ctx, ledger.EventQuery{Waybill: w.ID, After: after, Limit: 1000})
		if err != nil {
			return nil, fmt.Errorf("read the events of %s: %w", w.Ref, err)
		}
		for i := range events {
			after = events[i].ID
			more, err := happened(&events[i], byKey)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
		if len(events) < 1000 {
			break
		}
	}
	slices.SortStableFunc(out, func(a, b Entry) int {
		return cmp.Or(a.RecordedAt.Compare(b.RecordedAt), cmp.Compare(a.anchor, b.anchor), cmp.Compare(a.rank, b.rank))
	})
	for i := range out {
		out[i].Seq = i + 1
	}
	return out, nil
}

// sent tells of a delivery: its way out, and every attempt after the first.
func sent(d Delivery, attempts []lane.Attempt) []Entry {
	e := Entry{At: d.DecidedAt, Clock: ownClock, Kind: Sent, System: d.Target, Type: string(d.Kind),
		Title: title(d.Kind) + " to " + d.Target, Detail: join(d.Reason, d.Detail), State: string(d.Shown),
		Event: d.Event, Key: d.Key, Attempts: d.Attempts, anchor: d.Event, rank: 2}
	out := []Entry{e}
	for i, a := range attempts {
		if i == 0 {
			out[0].At = a.Started
			continue
		}
		again := e
		again.Kind, again.At, again.rank = Attempt, a.Started, 3
		again.Title = fmt.Sprintf("%s to %s, attempt %d", title(d.Kind), d.Target, i+1)
		again.State, again.Detail = string(a.Outcome), a.Detail
		out = append(out, again)
	}
	for i := range out {
		out[i].RecordedAt = out[i].At
	}
	return out
}

// happened tells of an event and of what was decided on it.
func happened(ev *ledger.Event, byKey map[string]Delivery) ([]Entry, error) {
	var out []Entry
	if ev.Type != waybill.DocumentAttempted { // the delivery tells of it
		e, err := told(ev, byKey)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	if len(ev.Decision) == 0 {
		return out, nil
	}
	var d decided
	if err := waybill.Unmarshal(ev.Decision, &d); err != nil {
		return nil, fmt.Errorf("read the decision on event %d: %w", ev.ID, err)
	}
	if title := decisionTitle(&d, byKey); title != "" {
		out = append(out, Entry{At: ev.RecordedAt, Clock: ownClock, RecordedAt: ev.RecordedAt, Kind: Decision,
			Type: string(ev.Type), Title: title, Detail: reasons(&d), Event: ev.ID, anchor: ev.ID, rank: 1})
	}
	return out, nil
}

// told tells of an event: a fact, a receipt, a command or a timer.
func told(ev *ledger.Event, byKey map[string]Delivery) (Entry, error) {
	e := Entry{At: ev.OccurredAt, Clock: ev.Source, RecordedAt: ev.RecordedAt, Kind: Event, System: ev.Source,
		Type: string(ev.Type), State: string(ev.State), Detail: ev.Reason,
		Event: ev.ID, Message: ev.Message, anchor: ev.ID}
	if ev.Source == ownClock {
		e.System = ""
	}
	if e.At.IsZero() {
		e.At, e.Clock = ev.RecordedAt, ownClock
	}
	switch ev.Type {
	case waybill.DocumentSettled:
		return receipt(e, ev, byKey)
	case waybill.CommandGiven:
		var c process.Command
		if err := waybill.Unmarshal(ev.Data, &c); err != nil {
			return e, fmt.Errorf("read command %d: %w", ev.ID, err)
		}
		e.Title, e.Detail = fmt.Sprintf("%s told it to %s", actor(c.Actor), words(string(c.Command))), join(c.Reason, e.Detail)
	case waybill.TimerFired:
		var f process.Fired
		if err := waybill.Unmarshal(ev.Data, &f); err != nil {
			return e, fmt.Errorf("read timer %d: %w", ev.ID, err)
		}
		e.Title = "Time came for " + words(f.Name)
	case waybill.EntityTouched:
		var t process.Touched
		if err := waybill.Unmarshal(ev.Data, &t); err != nil {
			return e, fmt.Errorf("read change %d: %w", ev.ID, err)
		}
		e.Title = fmt.Sprintf("%s %s changed", capital(words(t.Kind)), t.ID)
	case waybill.ReferenceUnmapped, waybill.ReferenceMapped:
		var u process.Unmapped
		if err := waybill.Unmarshal(ev.Data, &u); err != nil {
			return e, fmt.Errorf("read what event %d names: %w", ev.ID, err)
		}
		e.Title = "A version of the order waits for a mapping"
		if ev.Type == waybill.ReferenceMapped {
			e.Title = "What the order waited for was mapped"
		}
		for _, n := range u.References {
			e.Detail = join(n.Reason, e.Detail)
		}
	default:
		e.Title = eventTitle(ev)
	}
	return e, nil
}

// receipt tells what became of a document.
func receipt(e Entry, ev *ledger.Event, byKey map[string]Delivery) (Entry, error) {
	var r process.Settled
	if err := waybill.Unmarshal(ev.Data, &r); err != nil {
		return e, fmt.Errorf("read receipt %d: %w", ev.ID, err)
	}
	d := byKey[r.Key]
	e.Kind, e.Key, e.System, e.State, e.Attempts = Receipt, r.Key, d.Target, string(r.Outcome), d.Attempts
	ref := ""
	if r.Receipt != nil {
		ref = r.Receipt.Ref
		if !r.Receipt.AppliedAt.IsZero() {
			e.At, e.Clock = r.Receipt.AppliedAt, d.Target
		}
	}
	e.Title = receiptTitle(d, r, ref)
	if r.Problem != nil {
		e.Detail = join(r.Problem.Code, r.Problem.Detail)
	}
	return e, nil
}
