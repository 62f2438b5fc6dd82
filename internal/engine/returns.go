package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// wantReturn and wantNamed name what a return without an order waits for: an
// order that knows the return, or that is known by what the return names.
const (
	wantReturn = "return:"
	wantNamed  = "named:"
)

// blindReturn takes in a fact of a return that names no order (system contract
// W4.6). It belongs to the order that the return was matched to, that knows the
// return by its number, or that is the only one known by what it names: its
// shipment, tracking number, invoice or PO. Otherwise it waits.
func (b *batch) blindReturn(ctx context.Context, a *arrival, id int64, ev *waybill.Event) error {
	order, err := b.orderOfReturn(ctx, ev)
	if u := (*unreadable)(nil); errors.As(err, &u) {
		row := b.recordAs(id, nil, ev, a.message.ID)
		row.State, row.Reason = ledger.ParkedEvent, u.Error()
		return b.setAside(ctx, err)
	}
	if err != nil {
		return err
	}
	if order != nil {
		ev.Flow, ev.Ref = order.row.Kind, order.row.Ref
		if !b.e.owns(order.row.Shard) {
			return b.handEvent(ctx, a, 0, order.row.Shard)
		}
		return b.fold(ctx, order, ev, b.recordAs(id, order, ev, a.message.ID))
	}
	row, f, err := b.foldInto(ctx, a, id, ev)
	if f == nil || err != nil || row.State != ledger.ParkedEvent {
		return err
	}
	b.want(wantReturn+f.row.Ref, f.row.ID)
	for _, name := range namedBy(ev.Data) {
		b.want(wantNamed+name, f.row.ID)
	}
	return nil
}

// orderOfReturn finds the order that a return belongs to; nil where it is not
// known.
func (b *batch) orderOfReturn(ctx context.Context, ev *waybill.Event) (*flow, error) {
	f, err := b.e.flowByRef(ctx, waybill.FlowReturn, ev.Ref)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("find return %s: %w", ev.Ref, err)
	}
	if err == nil {
		if blind, ok := f.state.(*process.Blind); ok && blind.Order() != "" {
			return b.flowFor(ctx, waybill.FlowSales, blind.Order())
		}
	}
	knows, err := b.ordersByRef(ctx, ev.Ref)
	if err != nil {
		return nil, err
	}
	for _, order := range knows {
		if has, err := b.knowsReturn(ctx, order, ev.Ref); err != nil || has {
			return order, err
		}
	}
	for _, name := range namedBy(ev.Data) {
		found, err := b.ordersByRef(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(found) == 1 {
			return found[0], nil
		}
	}
	return nil, nil
}

// knowsReturn reports whether an order has a return of that number.
func (b *batch) knowsReturn(ctx context.Context, order *flow, number string) (bool, error) {
	is := func(r ledger.Reference) bool {
		return r.Waybill == order.row.ID && r.Kind == refReturn && r.Value == number
	}
	for p := b; p != nil; p = p.prev {
		for _, r := range p.w.References {
			if is(r) {
				return true, nil
			}
		}
	}
	refs, err := b.e.store.References(ctx, order.row.ID)
	if err != nil {
		return false, fmt.Errorf("read the references of %s: %w", order.row.Ref, err)
	}
	for _, r := range refs {
		if is(r) {
			return true, nil
		}
	}
	return false, nil
}

// refReturn is the kind of reference by which an order knows its returns.
const refReturn = "return"

// namedBy lists what the data of a return names that an order may be known by.
func namedBy(data []byte) []string {
	var fields map[string]jsontext.Value
	if err := waybill.Unmarshal(data, &fields); err != nil {
		return nil // what can't be read names nothing
	}
	var out []string
	for _, name := range []string{"channel_order", "order_number", "shipment", "tracking", "invoice", "po", "reference", "rma"} {
		var text string
		if waybill.Unmarshal(fields[name], &text) == nil && text != "" {
			out = append(out, text)
		}
	}
	return out
}

// matchSoon gives returns that wait for an order to one that is found to know
// them, or to be known by what they name.
func (b *batch) matchSoon(ctx context.Context, f *flow, r process.Reference) {
	entity := wantNamed + r.Value
	if r.Kind == refReturn {
		entity = wantReturn + r.Value
	}
	if !b.e.wanted[entity] {
		return
	}
	b.next = append(b.next, func() error { return b.matchWaiting(ctx, f, entity) })
}

// matchWaiting matches the returns that wait for what the order brings.
func (b *batch) matchWaiting(ctx context.Context, order *flow, entity string) error {
	stored, err := b.e.store.Watching(ctx, "want:"+entity, 0, waitingMax)
	if err != nil {
		return fmt.Errorf("read what waits for %s: %w", entity, err)
	}
	for _, id := range b.watching("want:"+entity, stored) {
		f, err := b.e.flowByID(ctx, id)
		if err != nil {
			return b.setAside(ctx, err)
		}
		if !b.e.owns(f.row.Shard) { // its owner looks for the order
			continue
		}
		if err := b.match(ctx, f, order, &process.Matched{Order: order.row.Ref}); err != nil {
			return err
		}
	}
	delete(b.e.wanted, entity)
	return nil
}

// match gives a return to its order: the facts that waited are the order's from
// now on.
func (b *batch) match(ctx context.Context, f, order *flow, m *process.Matched) error {
	blind, ok := f.state.(*process.Blind)
	if !ok || blind.Order() != "" {
		return nil
	}
	if err := b.own(ctx, f, waybill.ReturnMatched, m); err != nil {
		return err
	}
	b.unwant(wantReturn+f.row.Ref, f.row.ID)
	for _, event := range blind.Events() {
		id, err := strconv.ParseInt(event, 10, 64)
		if err != nil {
			return fmt.Errorf("return %s names event %q, which is no event id", f.row.Ref, event)
		}
		waiting, err := b.event(ctx, id)
		if err != nil {
			return err
		}
		b.changeState(id, ledger.Superseded, "adopted by "+order.row.Ref)
		ev := waybill.Event{Type: waiting.Type, Source: waiting.Source, Subject: waiting.Subject,
			Version: waiting.Version, OccurredAt: waiting.OccurredAt, Data: waiting.Data}
		for _, name := range namedBy(ev.Data) {
			b.unwant(wantNamed+name, f.row.ID)
		}
		if err := b.again(ctx, order, ev, waiting.Message); err != nil {
			return err
		}
	}
	return nil
}

// unwant ends the waiting for something.
func (b *batch) unwant(entity string, who int64) {
	b.watches[store.Watch{Entity: "want:" + entity, Waybill: who}] = false
}

// waitingMax bounds what is read of those who wait for one thing.
const waitingMax = 1000

// matchCommand is an operator's word that a return belongs to an order.
func (c *command) matchCommand(ctx context.Context, b *batch, f *flow) error {
	blind, ok := f.state.(*process.Blind)
	switch {
	case !ok:
		return refuse("no_return", "the exception is not about a return", "use one of its own actions")
	case blind.Order() != "":
		return refuse("matched_already", "the return was matched to "+blind.Order(), "nothing is left to do")
	case c.Order == "":
		return &waybill.Error{Code: "order_missing", Field: "/order", Detail: "a return is matched to an order", Fix: "give the order's number, or another reference of it"}
	}
	on := &command{Command: Command{Object: ToOrder, Name: c.Order}}
	order, err := on.orderNamed(ctx, b)
	if err != nil {
		return err
	}
	return b.match(ctx, f, order, &process.Matched{Order: order.row.Ref, By: c.Actor, Why: c.Reason})
}
