package trace

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/edi/x12"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

const (
	headSegments = 2000 // read of an interchange for a list
	namesMax     = 10   // orders, and kinds of set, named in a list
	eventsMax    = 1000 // of a flow or a message that are looked through for a list
)

// What becomes of an interchange that was sent. One that came in is accepted,
// accepted_with_errors, rejected or quarantined.
const (
	AckAwaited = "awaiting" // its acknowledgment is due
	AckOverdue = "overdue"
	AckNone    = "sent" // none is due
)

// Interchange is an EDI interchange that came in or went out.
type Interchange struct {
	ID         int64 // its place among all, rising
	Message    int64 // 0: it went out
	Key        string
	System     string
	Control    string   // ISA13
	Sets       []string // kinds of transaction sets in it, in their order; at most ten
	At         time.Time
	State      string // of one sent also the delivery's, while it has not been taken
	Reason     string
	AckBy      time.Time // of one sent: when its acknowledgment is due; zero: none is
	AnsweredBy int64     // of one sent: the message that acknowledged it; 0: none
	Answers    []InterchangeAnswer
	Orders     []string // that it is about; at most ten
}

// InterchangeAnswer is an acknowledgment that a sender is owed.
type InterchangeAnswer struct {
	Key   string // of its delivery
	State lane.State
}

// InterchangeQuery selects interchanges of trading partners.
type InterchangeQuery struct {
	Systems []string // the partners; none: nothing
	Before  int64    // the ID that the list goes on below; 0: the newest
	Limit   int      // at least 1
	Now     time.Time
}

// Interchanges lists the interchanges of partners, newest first, whichever way
// they went. The second answer is false where there are no more.
func (s *Service) Interchanges(ctx context.Context, q InterchangeQuery) ([]Interchange, bool, error) {
	before := cmp.Or(q.Before, math.MaxInt64)
	var all []Interchange
	for _, system := range q.Systems {
		in, err := s.received(ctx, system, before, q.Limit+1)
		if err != nil {
			return nil, false, fmt.Errorf("list the interchanges of %s: %w", system, err)
		}
		out, err := s.written(ctx, system, before, q.Limit+1)
		if err != nil {
			return nil, false, fmt.Errorf("list the interchanges to %s: %w", system, err)
		}
		all = append(append(all, in...), out...)
	}
	slices.SortFunc(all, func(a, b Interchange) int { return cmp.Compare(b.ID, a.ID) })
	more := len(all) > q.Limit
	all = all[:min(len(all), q.Limit)]
	for i := range all {
		if err := s.describe(ctx, &all[i], q.Now); err != nil {
			return nil, false, err
		}
	}
	return all, more, nil
}

// received lists messages of a partner by the first of their events.
func (s *Service) received(ctx context.Context, system string, before int64, limit int) ([]Interchange, error) {
	var out []Interchange
	seen := map[int64]bool{}
	for len(out) < limit {
		es, err := s.store.Events(ctx, ledger.EventQuery{Source: system, Before: before, Limit: 1})
		if err != nil || len(es) == 0 {
			return out, err
		}
		before = es[0].ID
		m, err := s.store.Message(ctx, es[0].Message)
		if err != nil {
			return nil, err
		}
		if before >= m.FirstEvent && before < m.FirstEvent+int64(m.Events) { // otherwise it was read again later
			before = m.FirstEvent
		}
		if !seen[m.ID] {
			seen[m.ID] = true
			out = append(out, Interchange{ID: before, Message: m.ID, System: system})
		}
	}
	return out, nil
}

// written lists deliveries to a partner that have bytes.
func (s *Service) written(ctx context.Context, system string, before int64, limit int) ([]Interchange, error) {
	var out []Interchange
	for {
		ds, err := s.store.Deliveries(ctx, lane.Query{Target: system, Before: before, Limit: limit})
		if err != nil {
			return nil, err
		}
		for _, d := range ds {
			before = d.ID
			if d.Attempted() && d.Ref != "" && len(out) < limit { // without a control number nothing was written
				out = append(out, Interchange{ID: d.ID, Key: d.Key, System: system})
			}
		}
		if len(ds) < limit || len(out) == limit {
			return out, nil
		}
	}
}

// describe fills in what a list shows of an interchange.
func (s *Service) describe(ctx context.Context, ic *Interchange, now time.Time) error {
	if ic.Message != 0 {
		return s.describeReceived(ctx, ic)
	}
	d, err := s.store.Delivery(ctx, ic.ID)
	if err != nil {
		return fmt.Errorf("read what was sent under %s: %w", ic.Key, err)
	}
	body, err := s.store.Body(ctx, ic.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("read what was sent under %s: %w", ic.Key, err)
	}
	ic.head(body.Bytes)
	ic.At, ic.AckBy, ic.State = d.StartedAt, d.AckBy, string(d.State)
	ic.Orders = ic.orders(d.Lane)
	ack, err := s.acknowledged(ctx, &d)
	if err != nil {
		return err
	}
	ic.Control = cmp.Or(ic.Control, d.Ref)
	switch {
	case ack.event != nil:
		ic.State, ic.Reason, ic.AnsweredBy = ack.state, ack.reason, ack.event.Message
	case d.State == lane.Done:
		ic.State = AckNone
	case !d.AckBy.IsZero() && d.AckBy.Before(now):
		ic.State = AckOverdue
	case !d.AckBy.IsZero():
		ic.State = AckAwaited
	default:
		ic.Reason = d.Reason
	}
	return nil
}

// orders names what a lane belongs to; a lane of an interchange is of no order.
func (ic *Interchange) orders(name string) []string {
	if strings.HasPrefix(name, "~~") {
		return nil
	}
	return []string{name}
}

// verdict is what a partner said of an interchange of ours.
type verdict struct {
	event         *ledger.Event
	state, reason string
}

// acknowledged finds the newest acknowledgment of a document.
func (s *Service) acknowledged(ctx context.Context, d *lane.Delivery) (verdict, error) {
	if d.Kind == waybill.FunctionalAcknowledgment {
		return verdict{}, nil // is never acknowledged
	}
	es, err := s.store.Events(ctx, ledger.EventQuery{Waybill: d.Waybill, Source: d.Target, After: d.Event, Limit: eventsMax})
	if err != nil {
		return verdict{}, fmt.Errorf("look for the acknowledgment of %s: %w", d.Key, err)
	}
	for i := range slices.Backward(es) {
		e := &es[i]
		var r waybill.DocumentReport
		if e.Type != waybill.DocumentApplied && e.Type != waybill.DocumentRejected || waybill.Unmarshal(e.Data, &r) != nil || r.Key != d.Key {
			continue
		}
		v := verdict{event: e, state: string(x12.Accepted)}
		var result struct {
			Acknowledged string `json:"acknowledged"`
		}
		switch {
		case e.Type == waybill.DocumentRejected:
			v.state = string(x12.Rejected)
			if r.Problem != nil {
				v.reason = r.Problem.Detail
			}
		case len(r.Result) > 0 && waybill.Unmarshal(r.Result, &result) == nil && result.Acknowledged == "E":
			v.state = string(x12.AcceptedWithErrors)
		}
		return v, nil
	}
	return verdict{}, nil
}

func (s *Service) describeReceived(ctx context.Context, ic *Interchange) error {
	m, err := s.store.Message(ctx, ic.Message)
	if err != nil {
		return fmt.Errorf("read message %d: %w", ic.Message, err)
	}
	ic.head(m.Body)
	ic.At, ic.State, ic.Reason = m.ReceivedAt, string(m.Status), m.Reason
	for id := m.FirstEvent; id < m.FirstEvent+int64(min(m.Events, eventsMax)) && len(ic.Orders) < namesMax; id++ {
		e, err := s.store.Event(ctx, id)
		if err != nil {
			return fmt.Errorf("read event %d of message %d: %w", id, ic.Message, err)
		}
		if e.Waybill == 0 {
			continue
		}
		w, err := s.store.Waybill(ctx, e.Waybill)
		if err != nil {
			return fmt.Errorf("read the waybill of event %d: %w", id, err)
		}
		if w.Kind == waybill.FlowSales && !slices.Contains(ic.Orders, w.Ref) {
			ic.Orders = append(ic.Orders, w.Ref)
		}
		if e.Type == waybill.InterchangeReceived {
			if err := s.judged(ctx, ic, &e); err != nil {
				return err
			}
		}
	}
	return nil
}

// judged takes over the verdict on an interchange that came in, and what became
// of the acknowledgments that its sender is owed.
func (s *Service) judged(ctx context.Context, ic *Interchange, e *ledger.Event) error {
	var r waybill.Interchange
	if err := waybill.Unmarshal(e.Data, &r); err != nil {
		return fmt.Errorf("read event %d: %w", e.ID, err)
	}
	ic.State, ic.Reason = r.Status, r.Problem
	ds, err := s.store.DeliveriesOf(ctx, e.Waybill)
	if err != nil {
		return fmt.Errorf("read the acknowledgments of %s: %w", r.Interchange, err)
	}
	for i := range ds {
		ic.Answers = append(ic.Answers, InterchangeAnswer{Key: ds[i].Key, State: ds[i].State})
	}
	return nil
}

// head reads control number and kinds of set from an interchange's beginning.
func (ic *Interchange) head(body []byte) {
	in := x12.NewReader(bytes.NewReader(body))
	for range headSegments {
		seg, err := in.Next()
		if err != nil {
			return // what can't be read says so on its own page
		}
		set := ""
		switch seg.ID() {
		case "ISA":
			ic.Control = cmp.Or(ic.Control, strings.TrimSpace(seg.Element(13)))
		case "TA1":
			set = "TA1"
		case "ST":
			set = seg.Element(1)
		}
		if set != "" && len(ic.Sets) < namesMax && !slices.Contains(ic.Sets, set) {
			ic.Sets = append(ic.Sets, set)
		}
	}
}
