package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// CauseUnmapped is the exception of a reference that nobody has mapped; its
// subject is the reference's key.
const CauseUnmapped = "unmapped"

// CauseOrderAwaited is the exception of a fact that counts an order's lines in
// packs before the order is known; its subject is the event's id.
const CauseOrderAwaited = "order_awaited"

// waits is what is kept beside an event that waits for a mapping: where it
// belongs, and what it waits for.
type waits struct {
	Flow  waybill.FlowKind `json:"flow,omitzero"`
	Ref   string           `json:"ref,omitzero"`
	At    time.Time        `json:"at"`    // of receipt: the mappings of that day count
	Wants []string         `json:"wants"` // watched entities
	// Names are the references, as the order and the exceptions were told.
	Names []process.UnmappedName `json:"names"`
}

// WaitsFor is the watched name of a reference that nobody has mapped yet.
func WaitsFor(r identity.Reference) string { return "reference:" + r.Key() }

// The watched names of what else events and documents wait for.
func watchOrder(source, ref string) string { return "order:" + source + "/" + ref }
func watchName(system string, entity identity.Kind, canonical string) string {
	return "name:" + identity.Reference{System: system, Kind: entity, Value: canonical}.Key()
}

// loadBook reads the mappings that are in force.
func (e *Engine) loadBook(ctx context.Context) error {
	var all []identity.Mapping
	for after := int64(0); ; {
		page, err := e.store.Mappings(ctx, identity.Query{After: after, Limit: 5000})
		if err != nil {
			return fmt.Errorf("read the mappings: %w", err)
		}
		all = append(all, page...)
		if len(page) < 5000 {
			e.book = identity.NewBook(all...)
			return nil
		}
		after = page[len(page)-1].ID
	}
}

// profile is what a system names in its own terms; nil: nothing.
func (e *Engine) profile(system string) identity.Profile {
	if t := e.targets[system]; t != nil {
		return t.sys.Identity
	}
	return nil
}

// identify translates an event from its source's terms. done says that the event
// waits for a mapping and goes no further now.
func (b *batch) identify(ctx context.Context, a *arrival, id int64, ev *waybill.Event) (done bool, err error) {
	profile := b.e.profile(ev.Source)
	if len(profile) == 0 || a.again && identity.Translated(ev.Data) {
		return false, nil
	}
	fact, order, err := b.inTermsOf(ctx, ev, profile, a.message.ReceivedAt)
	if err != nil {
		return false, err
	}
	blind := false // it names lines whose quantities nobody can count yet
	lines := fact.Line
	fact.Line = func(line string) (identity.Named, bool) {
		blind = blind || order == nil
		return lines(line)
	}
	is := *ev
	missing, wrong := b.e.book.Event(fact, &is)
	switch {
	case wrong != nil:
		row := b.recordAs(id, nil, ev, a.message.ID)
		row.State, row.Reason = ledger.ParkedEvent, wrong.Error()
		return true, b.raise(ctx, nil, exception.Exception{
			Cause: "poison_message", Subject: a.message.Source + "/" + eventID(id),
			Detail: fmt.Sprintf("translating what %s calls things failed: %v", ev.Source, wrong),
			Next:   "report it with the message; nothing of this event was applied", Actions: []string{"close"},
		})
	case len(missing) > 0:
		return true, b.unmapped(ctx, a, id, ev, missing)
	case blind && ev.Flow == waybill.FlowSales && b.e.book.Packs(ev.Source):
		return true, b.awaitOrder(ctx, a, id, ev)
	}
	*ev = is
	if ev.Flow == waybill.FlowSales && ev.Ref != "" && isOrder(ev) && b.e.book.Packs(ev.Source) {
		source, ref := ev.Source, ev.Ref
		b.next = append(b.next, func() error { return b.releaseAll(ctx, watchOrder(source, ref), &Mapped{}) })
	}
	return false, nil
}

func isOrder(ev *waybill.Event) bool {
	return ev.Type == waybill.OrderPlaced || ev.Type == waybill.OrderChanged
}

// inTermsOf is an event as its source wrote it, with how that source named the
// lines of the order before. order is nil where none is known.
func (b *batch) inTermsOf(ctx context.Context, ev *waybill.Event, profile identity.Profile, at time.Time) (identity.Fact, *waybill.Order, error) {
	fact := identity.Fact{System: ev.Source, Profile: profile, Company: b.e.policy.Company, At: at}
	var order *waybill.Order
	if ev.Flow == waybill.FlowSales && ev.Ref != "" {
		f, err := b.e.flowByRef(ctx, waybill.FlowSales, ev.Ref)
		if u := (*unreadable)(nil); err != nil && !errors.Is(err, store.ErrNotFound) && !errors.As(err, &u) {
			return fact, nil, fmt.Errorf("find the order that %s of %s is about: %w", ev.Type, ev.Source, err)
		}
		if err == nil && f.sales() != nil {
			order = f.sales().Content()
		}
	}
	fact.Line = identity.Lines(ev.Source, order)
	return fact, order, nil
}

// park records an event that waits, and what for.
func (b *batch) park(a *arrival, id int64, ev *waybill.Event, w waits, reason string) (err error) {
	if ev.Data == nil && ev.Body != nil {
		if ev.Data, err = waybill.Marshal(ev.Body); err != nil {
			return fmt.Errorf("write %s of %s: %w", ev.Type, ev.Source, err)
		}
	}
	row := b.recordAs(id, nil, ev, a.message.ID)
	row.State, row.Reason = ledger.ParkedEvent, reason
	w.Flow, w.Ref, w.At = ev.Flow, ev.Ref, a.message.ReceivedAt
	if row.Decision, err = waybill.Marshal(struct {
		Waits waits `json:"waits"`
	}{w}); err != nil {
		return fmt.Errorf("write what event %d waits for: %w", id, err)
	}
	for _, entity := range w.Wants {
		b.watches[store.Watch{Entity: entity, Waybill: id}] = true
	}
	return nil
}

// unmapped lets an event wait for what it names, and holds the order that it is
// a version of.
func (b *batch) unmapped(ctx context.Context, a *arrival, id int64, ev *waybill.Event, missing []identity.Missing) error {
	var w waits
	var details []string
	for i := range missing {
		m := &missing[i]
		for _, r := range m.Wants() {
			w.Wants = append(w.Wants, WaitsFor(r))
		}
		n := process.UnmappedName{Reference: m.Key(), Reason: m.Detail()}
		if len(m.Lines) > 0 {
			n.Line = m.Lines[0]
		}
		w.Names = append(w.Names, n)
		details = append(details, m.Detail())
	}
	if err := b.park(a, id, ev, w, "waits for a mapping: "+strings.Join(details, "; ")); err != nil {
		return err
	}
	f, err := b.waiterOf(ctx, ev)
	if err != nil {
		return err
	}
	if err := b.raiseUnmapped(ctx, f, ev, missing); err != nil {
		return err
	}
	if f != nil && isOrder(ev) {
		b.next = append(b.next, func() error {
			return b.own(ctx, f, waybill.ReferenceUnmapped, &process.Unmapped{Event: eventID(id), References: w.Names})
		})
	}
	return nil
}

// waiterOf is the order that an event is about: a new one where the event is a
// version of it, nil where there is none.
func (b *batch) waiterOf(ctx context.Context, ev *waybill.Event) (*flow, error) {
	if ev.Flow != waybill.FlowSales || ev.Ref == "" {
		return nil, nil
	}
	find := b.e.flowByRef
	if isOrder(ev) {
		find = b.flowFor
	}
	f, err := find(ctx, ev.Flow, ev.Ref)
	switch u := (*unreadable)(nil); {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case errors.As(err, &u):
		return nil, b.setAside(ctx, err)
	case err != nil:
		return nil, fmt.Errorf("find the order that %s of %s is about: %w", ev.Type, ev.Source, err)
	}
	b.touch(f)
	return f, nil
}

func (b *batch) raiseUnmapped(ctx context.Context, f *flow, ev *waybill.Event, missing []identity.Missing) error {
	for i := range missing {
		m := &missing[i]
		x := exception.Exception{
			Cause: CauseUnmapped, Subject: m.Key(), Money: worth(ev),
			Detail:  m.Detail(),
			Next:    "say what it means, once for all that wait for it: map",
			Actions: []string{"map"},
		}
		if err := b.raise(ctx, f, x); err != nil {
			return err
		}
	}
	return nil
}

// worth is what an order's lines come to as its source wrote them; nothing for
// every other event.
func worth(ev *waybill.Event) (m waybill.Money) {
	var o waybill.Order
	if !isOrder(ev) || waybill.Unmarshal(ev.Data, &o) != nil {
		return m
	}
	m.Currency = o.Currency
	for i := range o.Lines {
		m.Amount = m.Amount.Add(o.Lines[i].Qty.Mul(o.Lines[i].Price))
	}
	m.Amount = waybill.RoundAmount(m.Amount, o.Currency)
	return m
}

// awaitOrder lets a fact wait that counts an order's lines in its source's own
// units, until the order says what they are.
func (b *batch) awaitOrder(ctx context.Context, a *arrival, id int64, ev *waybill.Event) error {
	w := waits{Wants: []string{watchOrder(ev.Source, ev.Ref)}}
	if err := b.park(a, id, ev, w, "waits for order "+ev.Ref+": what its quantities count is not known before"); err != nil {
		return err
	}
	return b.raise(ctx, nil, exception.Exception{
		Cause: CauseOrderAwaited, Subject: eventID(id),
		Detail: fmt.Sprintf("%s of %s counts lines of order %s, of which nothing is known: %s has items in packs, so it is not known how many are meant",
			ev.Type, ev.Source, ev.Ref, ev.Source),
		Next: "ask " + ev.Source + " for the order; the event is taken when it comes", Actions: []string{"close"},
	})
}

// referGTIN makes an item found by the GTIN of its record: what a system names
// by the same is likely to be it.
func (b *batch) referGTIN(f *flow, ev *waybill.Event) {
	var record struct {
		GTIN string `json:"gtin"`
	}
	if waybill.Unmarshal(ev.Data, &record) == nil {
		b.refer(f, ledger.Reference{System: ev.Source, Kind: string(identity.GTIN), Value: record.GTIN})
	}
}
