package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// Mapped is what became of what waited for a mapping.
type Mapped struct {
	Mappings []identity.Mapping // those asked for, as they are in force
	Events   []string           // ids of the events that waited and go on
	Orders   []string           // that they belong to, each once, sorted
	// Deliveries are the keys of documents that waited for a target's number.
	Deliveries []string
}

func (m *Mapped) took(id int64, ev *waybill.Event) {
	m.Events = append(m.Events, eventID(id))
	if at, known := slices.BinarySearch(m.Orders, ev.Ref); !known && ev.Flow == waybill.FlowSales && ev.Ref != "" {
		m.Orders = slices.Insert(m.Orders, at, ev.Ref)
	}
}

// releaseAll goes through the events that wait for an entity.
func (b *batch) releaseAll(ctx context.Context, entity string, out *Mapped) error {
	ids, err := b.e.store.Watching(ctx, entity, 0, releasedMax)
	if err != nil {
		return fmt.Errorf("read what waits for %s: %w", entity, err)
	}
	for _, id := range b.watching(entity, ids) {
		if err := b.releaseEvent(ctx, id, out); err != nil {
			return err
		}
	}
	return nil
}

// releasedMax bounds what one mapping releases in its commit.
const releasedMax = 100_000

// releaseEvent reads an event that waited again. Where nothing is missing any
// more it is recorded anew, in canonical terms, and goes its way as if it had
// come now; otherwise it waits for the rest.
func (b *batch) releaseEvent(ctx context.Context, id int64, out *Mapped) error {
	row, err := b.event(ctx, id)
	if err != nil {
		return err
	}
	var kept struct {
		Waits waits `json:"waits"`
	}
	if err := waybill.Unmarshal(row.Decision, &kept); err != nil {
		return fmt.Errorf("read what event %d waits for: %w", id, err)
	}
	w := &kept.Waits
	if row.State != ledger.ParkedEvent { // it was dealt with otherwise
		b.unwatch(id, w.Wants)
		return nil
	}
	ev := waybill.Event{Type: row.Type, Source: row.Source, Flow: w.Flow, Ref: w.Ref, Subject: row.Subject, Version: row.Version,
		OccurredAt: row.OccurredAt, Data: row.Data}
	in, order, err := b.inTermsOf(ctx, &ev, b.e.profile(ev.Source), w.At)
	if err != nil {
		return err
	}
	as := ev
	missing, wrong := b.e.book.Event(in, &as)
	switch {
	case wrong != nil:
		b.changeState(id, ledger.ParkedEvent, wrong.Error())
		return nil
	case order == nil && len(w.Names) == 0:
		return nil // the order itself waits
	}
	f, err := b.waiterOf(ctx, &ev)
	if err != nil {
		return err
	}
	b.unwatch(id, w.Wants)
	if err := b.lift(ctx, f, id, &ev, w, missing); err != nil {
		return err
	}
	first, err := b.e.id(ctx)
	if err != nil {
		return err
	}
	a := &arrival{message: ledger.Message{ID: row.Message, Source: row.Source, Status: ledger.Accepted, ReceivedAt: w.At}, first: first, again: true}
	if len(missing) > 0 {
		b.changeState(id, ledger.Superseded, "some of what it names is mapped; it waits for the rest as event "+eventID(first))
		return b.unmapped(ctx, a, first, &ev, missing)
	}
	b.changeState(id, ledger.Superseded, "what it names is mapped; it was taken up as event "+eventID(first))
	out.took(first, &ev)
	as.ID = eventID(first)
	a.events = []waybill.Event{as}
	return b.arrive(ctx, a, 0)
}

func (b *batch) unwatch(id int64, entities []string) {
	for _, entity := range entities {
		b.watches[store.Watch{Entity: entity, Waybill: id}] = false
	}
}

// waitsNoMore takes back what was told of an event that waited for a mapping,
// where its message was read again.
func (b *batch) waitsNoMore(ctx context.Context, row *ledger.Event) error {
	var kept struct {
		Waits waits `json:"waits"`
	}
	if len(row.Decision) == 0 || waybill.Unmarshal(row.Decision, &kept) != nil || len(kept.Waits.Wants) == 0 {
		return nil
	}
	w := &kept.Waits
	ev := waybill.Event{Type: row.Type, Source: row.Source, Flow: w.Flow, Ref: w.Ref, Data: row.Data}
	f, err := b.waiterOf(ctx, &ev)
	if err != nil {
		return err
	}
	b.unwatch(row.ID, w.Wants)
	return b.lift(ctx, f, row.ID, &ev, w, nil)
}

// lift takes back what was told while an event waited: the order's hold, and
// the exceptions of what is not missing any more.
func (b *batch) lift(ctx context.Context, f *flow, id int64, ev *waybill.Event, w *waits, missing []identity.Missing) error {
	for _, n := range w.Names {
		if slices.ContainsFunc(missing, func(m identity.Missing) bool { return m.Key() == n.Reference }) {
			continue
		}
		b.clear(nil, CauseUnmapped, n.Reference, "it was mapped")
		if f != nil {
			b.clear(f, CauseUnmapped, n.Reference, "it was mapped")
		}
	}
	b.clear(nil, CauseOrderAwaited, eventID(id), "the order came")
	if f == nil || !isOrder(ev) {
		return nil
	}
	return b.own(ctx, f, waybill.ReferenceMapped, &process.Unmapped{Event: eventID(id), References: w.Names})
}

// outward writes a document in its target's terms. Where the target has no
// number for what the document names, the waybill waits for one.
func (b *batch) outward(f *flow, l *laneOf, doc waybill.Document) (waybill.Document, error) {
	if len(l.target.sys.Identity) == 0 {
		return doc, nil
	}
	var order *waybill.Order
	if s := f.sales(); s != nil {
		order = s.Content()
	}
	name := l.target.sys.Name
	out, err := b.e.book.Outward(identity.Outgoing{System: name, Profile: l.target.sys.Identity, Company: b.e.policy.Company, At: b.now,
		Line: identity.Lines(name, order)}, doc)
	if u := (*identity.Unnamed)(nil); errors.As(err, &u) {
		b.watches[store.Watch{Entity: watchName(name, u.Kind, u.Canonical), Waybill: f.row.ID}] = true
	}
	return out, err
}

// nameDeliveries tries the documents again that waited for a system's number of
// something.
func (b *batch) nameDeliveries(ctx context.Context, m *identity.Mapping, out *Mapped) error {
	for _, t := range b.e.order {
		if len(t.sys.Identity) == 0 || m.System != "" && m.System != t.sys.Name {
			continue
		}
		entity := watchName(t.sys.Name, m.Kind.Entity(), m.Canonical)
		ids, err := b.e.store.Watching(ctx, entity, 0, releasedMax)
		if err != nil {
			return fmt.Errorf("read what waits for %s: %w", entity, err)
		}
		for _, id := range b.watching(entity, ids) {
			b.watches[store.Watch{Entity: entity, Waybill: id}] = false
			f, err := b.e.flowByID(ctx, id)
			if err != nil {
				if err := b.setAside(ctx, err); err != nil {
					return err
				}
				continue
			}
			if err := b.retryUnnamed(ctx, f, t, out); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *batch) retryUnnamed(ctx context.Context, f *flow, t *target, out *Mapped) error {
	for _, d := range f.lane(t).queue {
		if d.State != lane.Parked || d.Reason != "cannot_render" || d.Attempted() {
			continue
		}
		b.touch(f)
		d.Release()
		d.Reason, d.Dirty = lane.ReasonRetry, true
		b.clearDoubt(f, d)
		out.Deliveries = append(out.Deliveries, d.Key)
	}
	return b.advance(ctx, f)
}
