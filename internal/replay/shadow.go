package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// shadow is a copy of a waybill's state. What is folded into it is written
// nowhere.
type shadow struct {
	w      ledger.Waybill // its id is 0 where there is none yet
	state  process.Flow
	policy *process.Policy
	db     Reader
	now    time.Time

	before process.View
	open   waybill.Decimal
	docs   []process.Doc // decided and not withdrawn, in the order of their decision
	out    Difference
	serial int
}

// shadowOf copies a waybill as it stands, or makes one that is heard of for the
// first time.
func (r *reader) shadowOf(ctx context.Context, kind waybill.FlowKind, ref string, now time.Time) (*shadow, error) {
	s := &shadow{policy: r.conf.Policy, db: r.db, now: now, out: Difference{Order: ref, Messages: []Message{}}}
	if kind != waybill.FlowSales {
		s.out.Flow = string(kind)
	}
	w, err := r.find(ctx, kind, ref)
	switch {
	case errors.Is(err, store.ErrNotFound):
		s.w = ledger.Waybill{Kind: kind, Ref: ref}
		s.state = process.NewFlow(kind, ref, r.conf.Policy)
	case err != nil:
		return nil, err
	default:
		s.w = w
		if s.state, err = process.LoadFlow(kind, w.State); err != nil {
			return nil, fmt.Errorf("read the state of %s: %w", ref, err)
		}
		err = s.state.Fetch(func(id int64) ([]byte, error) {
			ev, err := r.db.Event(ctx, id)
			return ev.Data, err
		})
		if err != nil {
			return nil, fmt.Errorf("read the facts of %s: %w", ref, err)
		}
	}
	s.before = s.state.View()
	s.open, _ = s.state.OpenValue()
	return s, nil
}

// replan asks what the waybill needs by the policy in force, without anything
// new.
func (s *shadow) replan(ctx context.Context) error {
	return s.fold(ctx, &waybill.Event{Type: waybill.CommandGiven, Source: "waybill", Flow: s.w.Kind, Ref: s.w.Ref,
		Body: &process.Command{Command: process.Replay}}, nil)
}

// take folds a change in, as a live replay would.
func (s *shadow) take(ctx context.Context, c *change) error {
	ev := c.event
	ev.Flow, ev.Ref = s.w.Kind, s.w.Ref
	if c.old != nil && c.old.Waybill != 0 {
		ev.Replaces, ev.Void = eventID(c.old.ID), c.what == Gone
	}
	return s.fold(ctx, &ev, c)
}

func (s *shadow) fold(ctx context.Context, ev *waybill.Event, c *change) error {
	s.serial++
	ev.ID, ev.RecordedAt = "replay-"+strconv.Itoa(s.serial), s.now
	if e, endless := s.state.(process.Endless); endless {
		if name := e.Asks(ev); name != "" {
			data, err := s.db.Past(ctx, s.w.ID, name)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("read what was known of %s of %s: %w", name, s.w.Ref, err)
			}
			if err := e.Recall(name, data); err != nil {
				return fmt.Errorf("read what was known of %s of %s: %w", name, s.w.Ref, err)
			}
		}
	}
	dec := s.state.Decide(ev, s.policy)
	if len(dec.Missing) > 0 {
		return fmt.Errorf("the state of %s misses the events %v", s.w.Ref, dec.Missing)
	}
	for _, f := range dec.Facts {
		if f.Event == ev.ID && c != nil {
			c.state, c.reason = f.Place.String(), f.Reason
		}
	}
	for _, key := range dec.Withdraw {
		planned := len(s.docs)
		s.docs = slices.DeleteFunc(s.docs, func(d process.Doc) bool { return d.Key == key })
		if len(s.docs) == planned { // it stands in its lane
			s.out.Withdraw = append(s.out.Withdraw, key)
		}
	}
	s.out.Skip = append(s.out.Skip, dec.Skip...)
	for _, d := range dec.Add {
		if i := slices.Index(s.out.Withdraw, d.Key); i >= 0 { // it was in its lane all the time
			s.out.Withdraw = slices.Delete(s.out.Withdraw, i, i+1)
			continue
		}
		s.docs = append(s.docs, d)
	}
	return nil
}

// finish compares the copy with what it was made from, and composes what would
// be sent. different is false where nothing would change.
func (s *shadow) finish() (diff Difference, send []Document, different bool, err error) {
	after := s.state.View()
	open, currency := s.state.OpenValue()
	s.out.Currency = currency
	if s.before.Status != after.Status {
		s.out.Status = &Turn{From: string(s.before.Status), To: string(after.Status)}
	}
	if !s.open.Equal(open) {
		s.out.Open = &Turn{From: waybill.FormatAmount(s.open, currency), To: waybill.FormatAmount(open, currency)}
	}
	prices := map[string]waybill.Decimal{}
	if sales, ok := s.state.(*process.Sales); ok {
		if o := sales.Content(); o != nil {
			for i := range o.Lines {
				prices[o.Lines[i].Line] = o.Lines[i].Price
			}
		}
	}
	s.out.Lines = lines(&s.before, &after, prices, currency)
	for _, d := range s.docs {
		doc, err := s.document(d)
		if err != nil {
			return s.out, nil, false, err
		}
		s.out.Send = append(s.out.Send, d.Key)
		send = append(send, doc)
	}
	different = s.out.Status != nil || s.out.Open != nil || len(s.out.Lines)+len(s.out.Withdraw)+len(s.out.Skip)+len(s.out.Send)+len(s.out.Messages) > 0
	return s.out, send, different, nil
}

// document composes one that would be sent, as its first attempt would.
func (s *shadow) document(d process.Doc) (Document, error) {
	out := Document{Key: d.Key, Target: d.Target, Kind: d.Kind, Order: waybill.Lane(s.w.Kind, s.w.Ref), Subject: d.Subject,
		Revision: d.Revision, Why: d.Why, Lines: []DocumentLine{}}
	doc, err := s.state.Compose(d.Key, s.policy)
	if err != nil {
		return out, err
	}
	out.Currency = doc.Currency
	for _, l := range doc.Lines {
		line := DocumentLine{Line: l.Line, SKU: l.SKU, Qty: l.Qty, UOM: l.UOM}
		if l.Price != nil {
			line.Price = l.Price.Amount
			out.Money = out.Money.Add(l.Qty.Mul(line.Price))
		}
		out.Lines = append(out.Lines, line)
	}
	var bill struct {
		Charges []waybill.Charge `json:"charges"`
		Tax     waybill.Decimal  `json:"tax"`
	}
	if d.Kind == waybill.Invoice || d.Kind == waybill.CreditMemo {
		if err := waybill.Unmarshal(doc.Data, &bill); err != nil {
			return out, fmt.Errorf("read the charges of %s: %w", d.Key, err)
		}
		out.Money = out.Money.Add(bill.Tax)
		for _, c := range bill.Charges {
			out.Money = out.Money.Add(c.Amount)
		}
	}
	out.Money = waybill.RoundAmount(out.Money, out.Currency)
	return out, nil
}

// lines lists the quantities that differ, line by line and stage by stage.
func lines(before, after *process.View, prices map[string]waybill.Decimal, currency string) []Line {
	var out []Line
	was := map[string]process.LineView{}
	for _, l := range before.Lines {
		was[l.Line] = l
	}
	add := func(a, b process.LineView) {
		shown := b
		if shown.Line == "" {
			shown = a
		}
		from, to := stages(&a), stages(&b)
		for i := range from {
			if from[i].qty.Equal(to[i].qty) {
				continue
			}
			out = append(out, Line{Line: shown.Line, SKU: shown.SKU, UOM: shown.BaseUOM, Stage: from[i].name, From: from[i].qty, To: to[i].qty,
				Money: waybill.RoundAmount(to[i].qty.Sub(from[i].qty).Mul(prices[shown.Line]), currency), Currency: currency})
		}
	}
	for _, l := range after.Lines {
		add(was[l.Line], l)
		delete(was, l.Line)
	}
	for _, l := range before.Lines {
		if _, left := was[l.Line]; left {
			add(l, process.LineView{})
		}
	}
	return out
}

type stageQty struct {
	name string
	qty  waybill.Decimal
}

func stages(l *process.LineView) []stageQty {
	return []stageQty{{"ordered", l.Ordered}, {"cancelled", l.Cancelled}, {"released", l.Released}, {"allocated", l.Allocated},
		{"picked", l.Picked}, {"packed", l.Packed}, {"shipped", l.Shipped}, {"delivered", l.Delivered}, {"posted", l.Posted},
		{"invoiced", l.Invoiced}, {"returned", l.Returned}, {"credited", l.Credited}, {"backordered", l.Backordered}}
}
