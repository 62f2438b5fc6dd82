package replay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

const (
	pageSize = 500
	// slack is how much later than it was received a message may have been
	// recorded, and how far a clock may have been set back since.
	slack = 15 * time.Minute
)

// reader reads messages again.
type reader struct {
	db    Reader
	conf  Configuration
	book  *identity.Book
	named map[int64]ledger.Waybill // waybills read last, without their states
}

// reading is a message as it reads now.
type reading struct {
	message ledger.Message
	changes []change // against what it was read as
	rows    []ledger.Event
	mute    bool // nobody understood it, or nothing in it was tracked
}

// read reads a message again.
func (r *reader) read(ctx context.Context, m ledger.Message) (reading, error) {
	out := reading{message: m}
	for i := range m.Events {
		row, err := r.db.Event(ctx, m.FirstEvent+int64(i))
		if err != nil {
			return out, fmt.Errorf("read what message %d was read as: %w", m.ID, err)
		}
		out.rows = append(out.rows, row)
	}
	out.mute = m.Status == ledger.Quarantined || len(out.rows) == 1 && out.rows[0].Type == engine.MessageNoted
	now, reason := r.translate(m)
	if reason != "" {
		out.unreadable(reason)
		return out, nil
	}
	unmapped, err := r.identify(ctx, &m, now)
	if err != nil {
		out.unreadable(err.Error())
		return out, nil
	}
	if out.mute {
		return out, out.release(now)
	}
	if unmapped != "" && !slices.ContainsFunc(out.rows, func(e ledger.Event) bool { return waited(&e) }) {
		out.unreadable(unmapped)
		return out, nil
	}
	said, err := r.said(ctx, out.rows)
	if err != nil {
		return out, err
	}
	if out.changes, err = compare(said, nil, now); err != nil {
		return out, err
	}
	superseded := slices.ContainsFunc(out.rows, func(e ledger.Event) bool { return e.State == ledger.Superseded })
	if len(out.changes) == 0 && !superseded {
		return out, nil
	}
	// It may have been read again before: then that is what it was read as.
	extra, err := r.later(ctx, &m, said, now)
	if err != nil {
		return out, err
	}
	extra = takenUp(said, extra)
	out.changes, err = compare(said, extra, now)
	return out, err
}

// unreadable notes that a message is not understood today.
func (out *reading) unreadable(reason string) {
	if out.mute {
		return // as before
	}
	for i := range out.rows {
		out.changes = append(out.changes, change{what: Unreadable, old: &out.rows[i], reason: reason})
	}
}

// release makes events of a message that said nothing so far.
func (out *reading) release(now []waybill.Event) error {
	if len(now) == 0 && out.message.Status == ledger.Quarantined {
		now = []waybill.Event{{Type: engine.MessageNoted, Source: out.message.Source, Subject: out.message.DedupeID}}
	}
	for i := range now {
		c := change{what: Released, event: now[i], kind: now[i].Flow, ref: now[i].Ref}
		if err := c.describe(); err != nil {
			return err
		}
		out.changes = append(out.changes, c)
	}
	return nil
}

// The marks of messages that no connector's translator reads.
const (
	topicEntities = "entities/"         // a page of master data, made of events that were read (T6)
	headerPart    = "Waybill-File-Part" // of a file that came in parts; 0: the file as a whole
)

// translatable reports whether a message is read by its system's translator.
func (r *reader) translatable(m *ledger.Message) bool {
	if m.Status == ledger.Rejected || r.conf.Translators[m.Source] == nil || strings.HasPrefix(m.Topic, topicEntities) {
		return false
	}
	h, err := header(m)
	return err != nil || h.Get(headerPart) != "0"
}

// header reads a message's kept headers.
func header(m *ledger.Message) (http.Header, error) {
	h := http.Header{}
	if len(m.Header) == 0 {
		return h, nil
	}
	kept := map[string]string{}
	if err := waybill.Unmarshal(m.Header, &kept); err != nil {
		return h, err
	}
	for name, value := range kept {
		h.Set(name, value)
	}
	return h, nil
}

// translate gives a message to its system's connector. The reason says why it
// is not understood.
func (r *reader) translate(m ledger.Message) (events []waybill.Event, reason string) {
	defer func() {
		if p := recover(); p != nil {
			events, reason = nil, fmt.Sprintf("translating it failed: %v", p)
		}
	}()
	h, err := header(&m)
	if err != nil {
		return nil, "its kept headers can't be read: " + err.Error()
	}
	events, err = r.conf.Translators[m.Source].Translate(connector.Message{System: m.Source, Topic: m.Topic, Header: h, Body: m.Body, ReceivedAt: m.ReceivedAt})
	if err != nil {
		return nil, err.Error()
	}
	return events, ""
}

// said is an event as a message was read, and the waybill that took it.
type said struct {
	row  ledger.Event
	kind waybill.FlowKind
	ref  string
	void bool // it was read again since, and the message does not say it any more
}

func (r *reader) said(ctx context.Context, rows []ledger.Event) ([]said, error) {
	out := make([]said, len(rows))
	for i := range rows {
		out[i].row = rows[i]
		if rows[i].Waybill == 0 {
			continue
		}
		w, err := r.waybill(ctx, rows[i].Waybill)
		if err != nil {
			return nil, err
		}
		out[i].kind, out[i].ref = w.Kind, w.Ref
	}
	return out, nil
}

// find reads a waybill by its kind and reference, or [store.ErrNotFound].
func (r *reader) find(ctx context.Context, kind waybill.FlowKind, ref string) (ledger.Waybill, error) {
	if ref == "" {
		return ledger.Waybill{}, store.ErrNotFound
	}
	w, err := r.db.WaybillByTag(ctx, process.FlowTag(kind, ref, r.conf.Policy), kind, ref)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("read %s %s: %w", kind, ref, err)
	}
	return w, err
}

// namedMax bounds the waybills that are remembered by their ids.
const namedMax = 10000

func (r *reader) waybill(ctx context.Context, id int64) (ledger.Waybill, error) {
	if w, ok := r.named[id]; ok {
		return w, nil
	}
	w, err := r.db.Waybill(ctx, id)
	if err != nil {
		return w, fmt.Errorf("read waybill %d: %w", id, err)
	}
	if len(r.named) >= namedMax || r.named == nil {
		r.named = map[int64]ledger.Waybill{}
	}
	w.State = nil
	r.named[id] = w
	return w, nil
}

// later finds what an earlier live replay made of a message: where an event
// was read anew, that is what it was read as. Events that it added are returned.
func (r *reader) later(ctx context.Context, m *ledger.Message, known []said, now []waybill.Event) (extra []said, err error) {
	ids := map[int64]bool{}
	root := map[string]int{} // event → place in known
	for i := range known {
		root[eventID(known[i].row.ID)] = i
		if known[i].row.Waybill != 0 {
			ids[known[i].row.Waybill] = true
		}
	}
	for i := range now {
		w, err := r.find(ctx, now[i].Flow, now[i].Ref)
		if err == nil {
			ids[w.ID] = true
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	for id := range ids { // in any order: the rows of one event are of one waybill
		for after := known[0].row.ID - 1; ; {
			page, err := r.db.Events(ctx, ledger.EventQuery{Waybill: id, After: after, Limit: pageSize})
			if err != nil {
				return nil, fmt.Errorf("read the events of waybill %d: %w", id, err)
			}
			for i := range page {
				after = page[i].ID
				if page[i].Message == m.ID && (page[i].ID < m.FirstEvent || page[i].ID >= m.FirstEvent+int64(m.Events)) {
					extra, err = r.reread(ctx, page[i], known, root, extra)
					if err != nil {
						return nil, err
					}
				}
			}
			if len(page) < pageSize {
				break
			}
		}
	}
	return extra, nil
}

// reread takes a later row of a message in.
func (r *reader) reread(ctx context.Context, row ledger.Event, known []said, root map[string]int, extra []said) ([]said, error) {
	var kept struct {
		Replaces string `json:"replaces"`
		Void     bool   `json:"void"`
	}
	if len(row.Decision) > 0 {
		if err := waybill.Unmarshal(row.Decision, &kept); err != nil {
			return nil, fmt.Errorf("read the decision on event %d: %w", row.ID, err)
		}
	}
	i, replaces := root[kept.Replaces]
	if !replaces {
		more, err := r.said(ctx, []ledger.Event{row})
		return append(extra, more...), err
	}
	known[i].row, known[i].void = row, kept.Void
	root[eventID(row.ID)] = i
	return extra, nil
}

// window gives each message that was received in a time to do, in the order of
// the ledger. Ids rise with the time of their commit, so its beginning is found
// by halving.
func (r *reader) window(ctx context.Context, from, to time.Time, do func(m ledger.Message) error) error {
	after := int64(0)
	if !from.IsZero() {
		var err error
		if after, err = r.before(ctx, from.Add(-slack)); err != nil {
			return err
		}
	}
	released := map[int64]bool{} // seen where nobody had understood it yet
	for last := int64(0); ; {
		page, err := r.db.EventsAfter(ctx, after, pageSize)
		if err != nil {
			return fmt.Errorf("read the events after %d: %w", after, err)
		}
		for i := range page {
			e := &page[i]
			after = e.ID
			if !to.IsZero() && e.RecordedAt.After(to.Add(slack)) {
				return nil
			}
			if e.Message == 0 || e.Message == last {
				continue
			}
			last = e.Message
			m, err := r.db.Message(ctx, e.Message)
			if err != nil {
				return fmt.Errorf("read message %d: %w", e.Message, err)
			}
			if e.ID > m.FirstEvent || released[m.ID] || !within(m.ReceivedAt, from, to) {
				continue // a later row of it, or not of the window
			}
			if e.ID < m.FirstEvent {
				released[m.ID] = true
			}
			if err := do(m); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

func within(at, from, to time.Time) bool {
	return !at.Before(from) && (to.IsZero() || at.Before(to))
}

// before returns an event id behind which every event recorded at or after a
// time lies.
func (r *reader) before(ctx context.Context, at time.Time) (int64, error) {
	low, high := int64(0), int64(1)
	for { // an id behind the last event, or recorded too late
		page, err := r.db.EventsAfter(ctx, high, 1)
		if err != nil {
			return 0, fmt.Errorf("read the event after %d: %w", high, err)
		}
		if len(page) == 0 || !page[0].RecordedAt.Before(at) {
			break
		}
		low, high = page[0].ID, 2*page[0].ID
	}
	for high-low > 1 {
		mid := low + (high-low)/2
		page, err := r.db.EventsAfter(ctx, mid, 1)
		if err != nil {
			return 0, fmt.Errorf("read the event after %d: %w", mid, err)
		}
		if len(page) == 0 || !page[0].RecordedAt.Before(at) {
			high = mid
		} else {
			low = page[0].ID
			high = max(high, low+1)
		}
	}
	return low, nil
}

// ofOrder gives each message that an order's events came from to do, then those
// that nobody understood: one of them may name the order now.
func (r *reader) ofOrder(ctx context.Context, w *ledger.Waybill, from, to time.Time, do func(m ledger.Message) error) error {
	seen := map[int64]bool{}
	each := func(q ledger.EventQuery) error {
		for {
			page, err := r.db.Events(ctx, q)
			if err != nil {
				return fmt.Errorf("read the events of %s: %w", w.Ref, err)
			}
			for i := range page {
				q.After = page[i].ID
				if page[i].Message == 0 || seen[page[i].Message] {
					continue
				}
				seen[page[i].Message] = true
				m, err := r.db.Message(ctx, page[i].Message)
				if err != nil {
					return fmt.Errorf("read message %d: %w", page[i].Message, err)
				}
				if !within(m.ReceivedAt, from, to) {
					continue
				}
				if err := do(m); err != nil {
					return err
				}
			}
			if len(page) < q.Limit {
				return nil
			}
		}
	}
	if w.ID != 0 {
		if err := each(ledger.EventQuery{Waybill: w.ID, Limit: pageSize}); err != nil {
			return err
		}
	}
	return each(ledger.EventQuery{State: ledger.QuarantinedEvent, Limit: pageSize})
}
