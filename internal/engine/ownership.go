package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/ownership"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// CauseProposal is the cause of exceptions that are values which wait for a
// person.
const CauseProposal = "ownership_proposal"

const (
	sourceOfOwn    = "waybill" // of events that Waybill itself records
	proposalsMax   = 64        // of one entity
	shownValueSize = 120       // bytes of a value in an exception
)

// governed names the entity that an event describes; ok is false where it
// describes none.
func governed(ev *waybill.Event) (kind ownership.Kind, ref string, ok bool) {
	switch ev.Type {
	case waybill.ItemChanged:
		return ownership.Item, ev.Ref, true
	case waybill.CustomerChanged:
		return ownership.Customer, ev.Ref, true
	case waybill.PriceChanged:
		return ownership.Price, ev.Subject, true
	case waybill.WarehouseChanged:
		return ownership.Warehouse, ev.Subject, true
	case waybill.InventoryPosition:
		return ownership.Stock, ev.Subject, true
	}
	return "", "", false
}

// govern holds what a system says of an entity against who owns it. done says
// that the event is dealt with; otherwise it goes on as if nobody owned
// anything.
func (b *batch) govern(ctx context.Context, a *arrival, id int64, ev *waybill.Event) (done bool, err error) {
	m := b.e.opt.Ownership
	kind, ref, ok := governed(ev)
	if !ok || ev.Source == sourceOfOwn || !m.Governs(kind) {
		return false, nil
	}
	w := ownership.Write{Kind: kind, Source: ev.Source, Version: ev.Version, Data: ev.Data, Event: eventID(id), At: b.now}
	if w.Data == nil && ev.Body != nil {
		if w.Data, err = waybill.Marshal(ev.Body); err != nil {
			return false, fmt.Errorf("write %s of %s: %w", ev.Type, ref, err)
		}
	}
	if kind == ownership.Stock {
		return b.governStock(ctx, a, id, ev, &w)
	}
	rec, err := b.owned(ctx, kind, ref)
	if err != nil {
		return false, err
	}
	out, err := rec.Write(m, w)
	if err != nil {
		return false, nil //nolint:nilerr // what reads the fact says what is wrong with it
	}
	if err := b.report(ctx, kind, ref, &w, &out); err != nil {
		return false, err
	}
	if !out.Stale {
		if err := b.keepOwned(kind, ref, rec); err != nil {
			return false, err
		}
	}
	withheld := len(out.Refused)+len(out.Proposed) > 0
	if out.Whole || kind != ownership.Item && (out.Changed || !withheld) {
		return false, nil
	}
	row := b.recordAs(id, nil, ev, a.message.ID)
	row.State, row.Reason = ledger.Ignored, whyNot(&out, &w)
	if out.Stale {
		row.State = ledger.Superseded
		if kind == ownership.Item && !a.read { // as any item.changed that says nothing new
			_, err = b.touchWatchers(ctx, "item", ref)
		}
		return true, err
	}
	if out.Changed && kind == ownership.Item {
		data, version := rec.Data, rec.Version
		b.next = append(b.next, func() error { return b.inForce(ctx, ev.Type, ref, ref, version, data) })
	}
	return true, nil
}

// whyNot says why an event itself is not in force.
func whyNot(out *ownership.Outcome, w *ownership.Write) string {
	switch {
	case out.Stale:
		return "a newer version of " + w.Source + " is known, or this one"
	case !out.Changed:
		return "nothing in it changes what is in force: other systems own what it says otherwise"
	}
	return "what " + w.Source + " owns of it is in force, by an event of Waybill's own"
}

// governStock judges a position. It is one value, so it is taken or not.
func (b *batch) governStock(ctx context.Context, a *arrival, id int64, ev *waybill.Event, w *ownership.Write) (done bool, err error) {
	rule, owned := b.e.opt.Ownership.Of(ownership.Stock, ownership.Available)
	if !owned {
		return false, nil
	}
	if rule.Owner == ev.Source {
		return false, b.outdated(ctx, ev.Subject, rule.Others)
	}
	var says waybill.Entity
	if waybill.Unmarshal(w.Data, &says) != nil || says.Available == nil {
		return false, nil // what reads the fact says what is wrong with it
	}
	old, echo, err := b.stockNow(ctx, ev)
	if err != nil {
		return false, err
	}
	is, err := waybill.Marshal(*says.Available)
	if err != nil {
		return false, fmt.Errorf("write a position of %s: %w", ev.Subject, err)
	}
	ignore := func(why string) {
		row := b.recordAs(id, nil, ev, a.message.ID)
		row.State, row.Reason = ledger.Ignored, why
	}
	switch {
	case old != nil && old.Equal(*says.Available):
		ignore("it says what is in force")
		return true, nil
	case echo != nil && echo.Equal(*says.Available):
		ignore("it repeats what Waybill told " + ev.Source)
		return true, nil
	}
	change := ownership.Change{Field: ownership.Available, Rule: rule, New: is}
	if old != nil {
		if change.Old, err = waybill.Marshal(*old); err != nil {
			return false, fmt.Errorf("write a position of %s: %w", ev.Subject, err)
		}
	}
	var out ownership.Outcome
	switch rule.Others {
	case ownership.Accept:
		out.Flagged = append(out.Flagged, change)
	case ownership.Propose:
		out.Proposed, err = b.proposeStock(ctx, ev, change)
	default:
		out.Refused = append(out.Refused, change)
	}
	if err != nil {
		return false, err
	}
	if rule.Others != ownership.Accept {
		ignore(whyNot(&out, w))
	}
	return rule.Others != ownership.Accept, b.report(ctx, ownership.Stock, ev.Subject, w, &out)
}

// stockNow is what is available by the position in force, and what the source
// was last told of it; nil where nothing is known.
func (b *batch) stockNow(ctx context.Context, ev *waybill.Event) (inForce, told *waybill.Decimal, err error) {
	f, err := b.e.flowByRef(ctx, waybill.FlowItem, ev.Ref)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, b.setAside(ctx, err)
	}
	_, warehouse, _ := strings.Cut(ev.Subject, "/")
	stock, ok := f.state.(*process.Stock)
	if !ok {
		return nil, nil, nil
	}
	if d, known := stock.Stated(warehouse); known {
		inForce = &d
	}
	if d, known := stock.Told(ev.Source, warehouse); known {
		told = &d
	}
	return inForce, told, nil
}

func (b *batch) proposeStock(ctx context.Context, ev *waybill.Event, c ownership.Change) ([]ownership.Change, error) {
	rec, err := b.owned(ctx, ownership.Stock, ev.Subject)
	if err != nil {
		return nil, err
	}
	if !rec.Propose(ownership.Proposal{Field: c.Field, Source: ev.Source, Owner: c.Rule.Owner, Old: c.Old, New: c.New, Event: ev.ID, Since: b.now}) {
		return nil, nil
	}
	return []ownership.Change{c}, b.keepOwned(ownership.Stock, ev.Subject, rec)
}

// outdated drops what was proposed for a position: its owner has stated a newer
// one.
func (b *batch) outdated(ctx context.Context, ref string, others ownership.Policy) error {
	if others != ownership.Propose {
		return nil
	}
	rec, err := b.owned(ctx, ownership.Stock, ref)
	if err != nil || len(rec.Proposals) == 0 {
		return err
	}
	for _, p := range rec.Proposals {
		b.clear(nil, CauseProposal, proposalSubject(ownership.Stock, ref, p.Source, p.Field), "the owner stated a newer position")
	}
	rec.Proposals = nil
	return b.keepOwned(ownership.Stock, ref, rec)
}

// report raises what a person has to know of a write, and closes what it made
// moot.
func (b *batch) report(ctx context.Context, kind ownership.Kind, ref string, w *ownership.Write, out *ownership.Outcome) error {
	entity := string(kind) + " " + ref
	for _, p := range out.Withdrawn {
		b.clear(nil, CauseProposal, proposalSubject(kind, ref, p.Source, p.Field), "it is so now, or is wanted no more")
	}
	var xs []exception.Exception
	if out.Conflict {
		xs = append(xs, exception.Exception{Cause: "version_conflict", Subject: entity,
			Detail: entity + " came twice in one version with different content; the one with the lower hash is in force",
			Next:   "ask " + w.Source + " which is right and have it sent as a newer version", Actions: []string{"close"}})
	}
	for _, c := range out.Refused {
		xs = append(xs, exception.Exception{Cause: "ownership_refused", Subject: string(kind) + " " + c.Field + " " + w.Source,
			Detail: said(&c, w, entity) + "; it did not come into force", Actions: []string{"close"},
			Next: "enter it in " + c.Rule.Owner + " if it is right, or stop " + w.Source + " from sending it"})
	}
	for _, c := range out.Flagged {
		xs = append(xs, exception.Exception{Cause: "ownership_flagged", Subject: string(kind) + " " + c.Field + " " + w.Source,
			Detail: said(&c, w, entity) + "; it is in force until " + c.Rule.Owner + " says otherwise", Actions: []string{"close"},
			Next: "enter it in " + c.Rule.Owner + " too, or correct it in " + w.Source})
	}
	for _, c := range out.Proposed {
		subject := proposalSubject(kind, ref, w.Source, c.Field)
		b.clear(nil, CauseProposal, subject, "a newer value was proposed")
		xs = append(xs, exception.Exception{Cause: CauseProposal, Subject: subject, Detail: said(&c, w, entity) + "; it waits for your word",
			Next:    "take it, and enter it in " + c.Rule.Owner + ", or decline it",
			Actions: []string{"take", "decline"}})
	}
	for _, x := range xs {
		if err := b.raise(ctx, nil, x); err != nil {
			return err
		}
	}
	return nil
}

func said(c *ownership.Change, w *ownership.Write, entity string) string {
	old := "nothing"
	if len(c.Old) > 0 {
		old = clipped(c.Old)
	}
	return fmt.Sprintf("%s writes %s of %s, which %s owns: %s instead of %s", w.Source, c.Field, entity, c.Rule.Owner, clipped(c.New), old)
}

func clipped(v jsontext.Value) string {
	if len(v) > shownValueSize {
		return strings.ToValidUTF8(string(v[:shownValueSize]), "") + "…"
	}
	return string(v)
}

// proposalSubject names a proposal. Entities and systems have no blanks in their
// names; fields come last because they may.
func proposalSubject(kind ownership.Kind, ref, source, field string) string {
	return string(kind) + " " + ref + " " + source + " " + field
}

// ProposalNamed reads what the exception of a proposal is about.
func ProposalNamed(subject string) (kind ownership.Kind, ref, source, field string, ok bool) {
	parts := strings.SplitN(subject, " ", 4)
	if len(parts) != 4 {
		return "", "", "", "", false
	}
	return ownership.Kind(parts[0]), parts[1], parts[2], parts[3], true
}

// OwnedSetting is the name of the setting under which an entity's
// [ownership.Record] is kept.
func OwnedSetting(kind ownership.Kind, ref string) string { return "owned:" + string(kind) + ":" + ref }

// owned reads the record of an entity, also one that is not committed yet. An
// item that was described before anybody owned anything has the description in
// force.
func (b *batch) owned(ctx context.Context, kind ownership.Kind, ref string) (*ownership.Record, error) {
	name, rec := OwnedSetting(kind, ref), &ownership.Record{}
	text, err := b.setting(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("read who said what of %s %s: %w", kind, ref, err)
	}
	if text != "" {
		if err := waybill.Unmarshal([]byte(text), rec); err != nil {
			return nil, fmt.Errorf("read who said what of %s %s: %w", kind, ref, err)
		}
		return rec, nil
	}
	if kind != ownership.Item {
		return rec, nil
	}
	f, err := b.e.flowByRef(ctx, waybill.FlowItem, ref)
	if errors.Is(err, store.ErrNotFound) {
		return rec, nil
	}
	if err != nil {
		return rec, b.setAside(ctx, err)
	}
	if stock, ok := f.state.(*process.Stock); ok && stock.Record() != nil {
		rec.Version = stock.RecordVersion()
		if rec.Data, err = waybill.Marshal(stock.Record()); err != nil {
			return nil, fmt.Errorf("read item %s: %w", ref, err)
		}
	}
	return rec, nil
}

// setting reads a small value, also one that is not committed yet; empty where
// it was never set.
func (b *batch) setting(ctx context.Context, name string) (string, error) {
	for p := b; p != nil; p = p.prev {
		if text, ok := p.w.Settings[name]; ok {
			return text, nil
		}
	}
	text, err := b.e.store.Setting(ctx, name)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return text, err
}

func (b *batch) keepOwned(kind ownership.Kind, ref string, rec *ownership.Record) error {
	if extra := len(rec.Proposals) - proposalsMax; extra > 0 { // the newest count
		for _, p := range rec.Proposals[:extra] {
			b.clear(nil, CauseProposal, proposalSubject(kind, ref, p.Source, p.Field), "too many newer ones")
		}
		rec.Proposals = rec.Proposals[extra:]
	}
	text, err := waybill.Marshal(rec)
	if err != nil {
		return fmt.Errorf("keep who said what of %s %s: %w", kind, ref, err)
	}
	if b.w.Settings == nil {
		b.w.Settings = map[string]string{}
	}
	b.w.Settings[OwnedSetting(kind, ref)] = string(text)
	return nil
}

// inForce records what is in force of an item as an event of Waybill's own:
// what a state is folded from is in the ledger.
func (b *batch) inForce(ctx context.Context, t waybill.EventType, ref, subject string, version int64, data []byte) error {
	id, err := b.e.id(ctx)
	if err != nil {
		return err
	}
	ev := &waybill.Event{Type: t, Source: sourceOfOwn, Flow: waybill.FlowItem, Ref: ref, Subject: subject, Version: version,
		OccurredAt: b.now, Data: data}
	if t == waybill.InventoryPosition {
		return b.positionStated(ctx, &arrival{}, id, ev)
	}
	return b.itemChanged(ctx, &arrival{}, id, ev)
}
