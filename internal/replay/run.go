package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// Limits of one replay. A window above them is to be read in parts.
const (
	changedMax = 200_000   // messages that read otherwise
	touchedMax = 2_000_000 // waybills
	rowsMax    = 1000      // of each list of a report
)

// Engine brings what a live replay found into force.
type Engine interface {
	Reread(ctx context.Context, r engine.Reread) error
	Do(ctx context.Context, c engine.Command) error
}

// Progress is how far a replay has come.
type Progress struct {
	Messages int `json:"messages"` // read again
	Orders   int `json:"orders"`   // compared
	Of       int `json:"of"`       // orders in all; 0: not known yet
	Applied  int `json:"applied"`  // messages brought into force
}

// run is a replay under way. What it remembers are ids: messages are read again
// whenever they are needed.
type run struct {
	reader
	req    Request
	now    time.Time
	tell   func(Progress)
	at     Progress
	rep    *Report
	order  ledger.Waybill // the only one asked for; its ref is empty where all are
	flows  map[place][]int64
	where  []place        // in the order in which they were found
	idle   []int64        // waybills of messages that read as they were read
	left   map[int64]bool // events that stand, whatever their message says now
	replan []string       // orders that the policy in force asks something else of
}

// place is a waybill by its name; the zero value is none.
type place struct {
	kind waybill.FlowKind
	ref  string
}

// Run reads messages again and says what would change. Where the request is
// live and eng is there, it is brought into force then.
func Run(ctx context.Context, db Reader, conf Configuration, req Request, now time.Time, eng Engine, tell func(Progress)) (*Report, error) {
	r := &run{reader: reader{db: db, conf: conf}, req: req, now: now, tell: tell,
		rep:   &Report{WouldSend: []Document{}, Differs: []Difference{}},
		flows: map[place][]int64{}, left: map[int64]bool{}}
	if tell == nil {
		r.tell = func(Progress) {}
	}
	if err := r.openBook(ctx); err != nil {
		return nil, err
	}
	if err := r.survey(ctx); err != nil {
		return nil, err
	}
	if err := r.compareAll(ctx); err != nil {
		return nil, err
	}
	if !req.Live || eng == nil {
		return r.rep, nil
	}
	return r.rep, r.apply(ctx, eng)
}

// survey reads the messages again and notes which read otherwise.
func (r *run) survey(ctx context.Context) error {
	if r.req.Order == "" {
		return r.window(ctx, r.req.From, r.req.To, func(m ledger.Message) error { return r.note(ctx, m) })
	}
	w, err := r.orderOf(ctx, r.req.Order)
	if err != nil {
		return err
	}
	r.order = w
	err = r.ofOrder(ctx, &w, r.req.From, r.req.To, func(m ledger.Message) error { return r.note(ctx, m) })
	if err == nil && w.ID == 0 && len(r.flows) == 0 {
		return &waybill.Error{Code: "not_found", Field: "/order", Detail: "no order is known as " + r.req.Order,
			Fix: "name it by its own number, or replay the window in which its messages came"}
	}
	return err
}

// orderOf finds the order that a reference names. One that is not known yet may
// be in a message that nobody understood.
func (r *run) orderOf(ctx context.Context, ref string) (ledger.Waybill, error) {
	found, err := r.db.WaybillsByRef(ctx, ref, 3)
	if err != nil {
		return ledger.Waybill{}, fmt.Errorf("find what is known as %s: %w", ref, err)
	}
	for _, w := range found {
		if w.Ref == ref && w.Kind == waybill.FlowSales {
			return w, nil
		}
	}
	switch len(found) {
	case 0:
		return ledger.Waybill{Kind: waybill.FlowSales, Ref: ref}, nil
	case 1:
		return found[0], nil
	}
	return ledger.Waybill{}, &waybill.Error{Code: "ambiguous", Field: "/order", Detail: "several orders are known as " + ref,
		Fix: "name one by its own number"}
}

// note reads one message again.
func (r *run) note(ctx context.Context, m ledger.Message) error {
	if !r.translatable(&m) {
		r.rep.Skipped++
		return nil
	}
	read, err := r.read(ctx, m)
	if err != nil {
		return err
	}
	changes := r.mine(&read)
	if r.order.Ref == "" || len(changes) > 0 || !read.mute {
		r.rep.Messages++
		r.at.Messages = r.rep.Messages
	}
	if m.Status == ledger.Quarantined && len(read.changes) == 0 && r.order.Ref == "" {
		r.rep.Quarantined++
	}
	for i := range read.rows {
		if id := read.rows[i].Waybill; id != 0 && (r.order.ID == 0 || id == r.order.ID) {
			r.touch(id)
		}
	}
	if len(r.idle) > touchedMax {
		return tooMuch()
	}
	if len(changes) == 0 {
		r.tell(r.at)
		return nil
	}
	r.rep.Changed++
	if r.rep.Changed > changedMax {
		return tooMuch()
	}
	for _, c := range changes {
		at := placeOf(c)
		messages, known := r.flows[at]
		if !known {
			r.where = append(r.where, at)
		}
		if n := len(messages); n == 0 || messages[n-1] != m.ID {
			r.flows[at] = append(messages, m.ID)
		}
	}
	r.tell(r.at)
	return nil
}

func tooMuch() error {
	return &waybill.Error{Code: "window_too_large", Field: "/from", Detail: fmt.Sprintf("more than %d messages of the window read otherwise, or more than %d orders are in it", changedMax, touchedMax),
		Fix: "replay it in parts: name a shorter window"}
}

// touch notes a waybill, once in a while without those noted twice.
func (r *run) touch(id int64) {
	if n := len(r.idle); n > 0 && r.idle[n-1] == id {
		return
	}
	if len(r.idle) == cap(r.idle) {
		slices.Sort(r.idle)
		r.idle = slices.Grow(slices.Compact(r.idle), len(r.idle)+1024)
	}
	r.idle = append(r.idle, id)
}

// mine picks the changes that the request asks for: all, or those of its order.
// A message that nobody understood is released as a whole.
func (r *run) mine(read *reading) []*change {
	var out []*change
	whole := r.order.Ref == ""
	for i := range read.changes {
		c := &read.changes[i]
		of := c.kind == r.order.Kind && c.ref == r.order.Ref || c.old != nil && c.old.Waybill != 0 && c.old.Waybill == r.order.ID
		whole = whole || of && read.mute
		if of {
			out = append(out, c)
		}
	}
	if whole {
		out = out[:0]
		for i := range read.changes {
			out = append(out, &read.changes[i])
		}
	}
	return out
}

// placeOf is the waybill whose state a change would alter; the zero place where
// that is found out only when it comes in.
func placeOf(c *change) place {
	switch {
	case c.ref == "":
		return place{}
	case c.old != nil && c.old.Waybill != 0, engine.Folds(&c.event):
		return place{c.kind, c.ref}
	}
	return place{}
}

// compareAll folds what reads otherwise into copies of its waybills, one after
// the other, and looks what the policy in force asks of the others.
func (r *run) compareAll(ctx context.Context) error {
	slices.Sort(r.idle)
	r.idle = slices.Compact(r.idle)
	r.at.Of = len(r.where)
	for _, at := range r.where {
		if err := r.compare(ctx, at, r.flows[at]); err != nil {
			return err
		}
	}
	for _, id := range r.idle {
		w, err := r.waybill(ctx, id)
		if err != nil {
			return err
		}
		at := place{w.Kind, w.Ref}
		if _, compared := r.flows[at]; compared || w.Kind != waybill.FlowSales {
			continue
		}
		r.at.Of++
		if err := r.compare(ctx, at, nil); err != nil {
			return err
		}
	}
	r.rep.Orders = r.at.Orders
	return nil
}

// compare says what would change of one waybill.
func (r *run) compare(ctx context.Context, at place, messages []int64) error {
	r.at.Orders++
	r.tell(r.at)
	var s *shadow
	if at.ref != "" {
		var err error
		if s, err = r.shadowOf(ctx, at.kind, at.ref, r.now); err != nil {
			return err
		}
	}
	diff := Difference{Messages: []Message{}}
	if s != nil && len(messages) == 0 {
		if err := s.replan(ctx); err != nil {
			return err
		}
	}
	for _, id := range messages {
		changes, err := r.again(ctx, id)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if placeOf(c) != at {
				continue
			}
			if s != nil {
				if err := r.fold(ctx, s, c); err != nil {
					return err
				}
			}
			if c.what != Added || c.state != string(ledger.Ignored) { // it is known from elsewhere
				diff.Messages = append(diff.Messages, c.show(id))
			}
		}
	}
	if s == nil {
		r.report(diff, nil, len(diff.Messages) > 0)
		return nil
	}
	s.out.Messages = diff.Messages
	diff, send, different, err := s.finish()
	if err != nil {
		return err
	}
	if different && len(messages) == 0 {
		r.replan = append(r.replan, at.ref)
	}
	r.report(diff, send, different)
	return nil
}

// fold gives a change to the copy. What the process does not take back is left.
func (r *run) fold(ctx context.Context, s *shadow, c *change) error {
	if _, live := c.live(); !live {
		return nil
	}
	if err := s.take(ctx, c); err != nil {
		return err
	}
	if c.old != nil && c.old.Waybill != 0 && c.state == string(ledger.Ignored) && c.reason != process.Voided {
		c.what = Left
		r.left[c.old.ID] = true
	}
	return nil
}

// again reads a message once more, as the survey did.
func (r *run) again(ctx context.Context, id int64) ([]*change, error) {
	m, err := r.db.Message(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read message %d: %w", id, err)
	}
	read, err := r.read(ctx, m)
	if err != nil {
		return nil, err
	}
	return r.mine(&read), nil
}

// report adds a waybill's difference, as long as there is room.
func (r *run) report(diff Difference, send []Document, different bool) {
	if !different {
		return
	}
	r.rep.Different++
	r.rep.Documents += len(send)
	if len(r.rep.Differs) < rowsMax {
		r.rep.Differs = append(r.rep.Differs, diff)
	}
	room := min(len(send), rowsMax-len(r.rep.WouldSend))
	r.rep.WouldSend = append(r.rep.WouldSend, send[:room]...)
	r.rep.Truncated = r.rep.Different > rowsMax || r.rep.Documents > rowsMax
}

// apply brings what was found into force, message by message in the order of
// the ledger. A message that is in force already reads as it was read, so a
// replay that was cut off is simply started again.
func (r *run) apply(ctx context.Context, eng Engine) error {
	var ids []int64
	for _, messages := range r.flows {
		ids = append(ids, messages...)
	}
	slices.SortFunc(ids, cmp.Compare[int64])
	for _, id := range slices.Compact(ids) {
		changes, err := r.again(ctx, id)
		if err != nil {
			return err
		}
		re := engine.Reread{Message: id}
		for _, c := range changes {
			if c.old != nil && r.left[c.old.ID] {
				continue
			}
			if live, ok := c.live(); ok {
				re.Changes = append(re.Changes, live)
			}
		}
		if len(re.Changes) == 0 {
			continue
		}
		if err := eng.Reread(ctx, re); err != nil {
			return fmt.Errorf("bring message %d into force: %w", id, err)
		}
		r.at.Applied++
		r.tell(r.at)
	}
	for _, order := range r.replan {
		err := eng.Do(ctx, engine.Command{Actor: r.req.Actor, Object: engine.ToOrder, Name: order, Action: "replay", Reason: r.req.Reason})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("replay %s: %w", order, err)
		}
	}
	return nil
}
