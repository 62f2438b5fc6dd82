package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// own records an event of Waybill's own for a waybill and folds it.
func (b *batch) own(ctx context.Context, f *flow, kind waybill.EventType, body any) error {
	data, err := waybill.Marshal(body)
	if err != nil {
		return fmt.Errorf("write %s of %s: %w", kind, f.row.Ref, err)
	}
	if !b.e.owns(f.row.Shard) {
		return b.ownThere(ctx, f, kind, data)
	}
	ev := &waybill.Event{Type: kind, Source: "waybill", Flow: f.row.Kind, Ref: f.row.Ref, Data: data, Body: body}
	row, err := b.record(ctx, f, ev, 0)
	if err != nil {
		return err
	}
	return b.fold(ctx, f, ev, row)
}

// fold brings a recorded event into its waybill's state and carries out what
// the process decides on it.
func (b *batch) fold(ctx context.Context, f *flow, ev *waybill.Event, row *ledger.Event) error {
	b.touch(f)
	b.attach(f)
	f.last = row
	f.marks.Replaces, f.marks.Void = ev.Replaces, ev.Void
	if f.row.Kind == waybill.FlowItem {
		if err := b.recall(ctx, f, ev); err != nil {
			return err
		}
	}
	dec := f.state.Decide(ev, b.e.policy)
	if len(dec.Missing) > 0 { // it left something in the ledger that this event needs
		if err := b.fetch(ctx, f); err != nil {
			return err
		}
		dec = f.state.Decide(ev, b.e.policy)
	}
	if s := f.sales(); s != nil && isOrder(ev) && s.Content() != nil {
		if ev.Type == waybill.OrderPlaced {
			b.duplicateSoon(ctx, f, s.Content())
		}
		if err := b.unitsOfOrder(ctx, f, s.Content()); err != nil {
			return err
		}
	}
	return b.carryOut(ctx, f, dec, row)
}

// fetch attaches what a waybill's state leaves in the ledger, also what is not
// committed yet.
func (b *batch) fetch(ctx context.Context, f *flow) error {
	err := f.state.Fetch(func(id int64) ([]byte, error) {
		ev, err := b.event(ctx, id)
		return ev.Data, err
	})
	if err != nil {
		return fmt.Errorf("read the facts of %s: %w", f.row.Ref, err)
	}
	return nil
}

// attach keeps what was decided beside the event it was decided on.
func (b *batch) attach(f *flow) {
	if f.last != nil && !f.marks.empty() {
		data, err := waybill.Marshal(&f.marks)
		if err == nil {
			f.last.Decision = data
		}
	}
	f.marks = decision{}
}

func (b *batch) carryOut(ctx context.Context, f *flow, dec process.Decision, row *ledger.Event) error {
	for _, s := range dec.Facts {
		if s.Event == eventID(row.ID) {
			row.State, row.Reason = ledger.EventState(s.Place.String()), s.Reason
			continue
		}
		id, err := strconv.ParseInt(s.Event, 10, 64)
		if err != nil {
			return fmt.Errorf("the process names event %q of %s, which is no event id", s.Event, f.row.Ref)
		}
		b.changeState(id, ledger.EventState(s.Place.String()), s.Reason)
	}
	for _, p := range dec.Past {
		b.w.Past = append(b.w.Past, ledger.Past{Waybill: f.row.ID, Name: p.Name, Data: p.Data})
	}
	for _, key := range dec.Withdraw {
		b.drop(f, key, "withdrawn")
	}
	for _, key := range dec.Skip {
		b.drop(f, key, "taken out of its lane")
	}
	f.marks.Withdraw = append(f.marks.Withdraw, dec.Withdraw...)
	f.marks.Skip = append(f.marks.Skip, dec.Skip...)
	for _, doc := range dec.Add {
		if err := b.addDocument(ctx, f, doc, row); err != nil {
			return err
		}
	}
	if err := b.exceptions(ctx, f, dec); err != nil {
		return err
	}
	for _, t := range dec.SetTimers {
		b.setTimer(f, t.Name, t.Due)
	}
	for _, name := range dec.ClearTimers {
		b.clearTimer(f, name)
	}
	for _, entity := range dec.Watch {
		b.watches[store.Watch{Entity: entity, Waybill: f.row.ID}] = true
		if _, id, ok := strings.Cut(entity, ":"); ok {
			b.missed(ctx, f, entity, id)
			if strings.HasPrefix(entity, "item:") {
				b.tellUnits(ctx, f, id)
			}
		}
	}
	for _, entity := range dec.Unwatch {
		b.watches[store.Watch{Entity: entity, Waybill: f.row.ID}] = false
	}
	for _, r := range dec.Refs {
		b.refer(f, ledger.Reference{System: r.System, Kind: r.Kind, Value: r.Value})
	}
	for _, r := range dec.Refs {
		if r.Kind == "shipment" {
			b.adoptSoon(ctx, f, "shipment:"+r.Value)
		}
		if len(b.e.wanted) > 0 && f.sales() != nil {
			b.matchSoon(ctx, f, r)
		}
	}
	return b.advance(ctx, f)
}

func (b *batch) exceptions(ctx context.Context, f *flow, dec process.Decision) error {
	for _, x := range dec.Clear {
		b.clear(f, x.Cause, subjectOf(x), "what raised it is no longer so")
	}
	for _, x := range dec.Raise {
		money, currency := f.state.OpenValue()
		err := b.raise(ctx, f, exception.Exception{
			Cause: x.Cause, Subject: subjectOf(x.ExceptionKey), Detail: x.Detail, Next: x.Next, Actions: actionsFor(x.Cause),
			Money: waybill.Money{Amount: money, Currency: currency},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// subjectOf names what an exception is about, with the line where it is about
// one.
func subjectOf(k process.ExceptionKey) string {
	if k.Line == "" {
		return k.Subject
	}
	return k.Subject + "#" + k.Line
}

// addDocument puts a decided document in its lane: a new one, or one that was
// withdrawn before its first attempt and is wanted again.
func (b *batch) addDocument(ctx context.Context, f *flow, doc process.Doc, row *ledger.Event) error {
	t := b.e.targetOf(doc.Target)
	l := f.lane(t)
	f.marks.Add = append(f.marks.Add, addedDoc{Key: doc.Key, Target: doc.Target, Kind: doc.Kind, Why: doc.Why})
	if _, d := f.find(doc.Key); d != nil {
		if d.Attempted() {
			return fmt.Errorf("the process decided document %s of %s again after its first attempt", doc.Key, f.row.Ref)
		}
		d.Event = row.ID
		d.State, d.Reason, d.Next = lane.Waiting, "", lane.Stay
		d.Dirty = true
		l.queue.Sort()
		return nil
	}
	id, err := b.e.id(ctx)
	if err != nil {
		return err
	}
	d := &lane.Delivery{
		ID: id, Waybill: f.row.ID, Shard: f.row.Shard, Key: doc.Key, Target: doc.Target,
		Lane: waybill.Lane(f.row.Kind, f.row.Ref), Kind: doc.Kind, Subject: doc.Subject,
		Version: doc.Version, Revision: doc.Revision, Supersedes: doc.Supersedes,
		Compensates: doc.Compensates, Why: doc.Why, Event: row.ID, Front: doc.Front,
		State: lane.Waiting, DecidedAt: b.now, Dirty: true,
	}
	if doc.Front && doc.Supersedes == "" { // a partial retry waits before it goes
		d.State, d.Reason, d.Next = lane.Waiting, "partial_retry", lane.Send
		d.Due = b.now.Add(b.e.timing.Backoff(1, b.e.opt.Chance()))
		b.dueDelivery(d)
	}
	l.queue = append(l.queue, d)
	l.queue.Sort()
	b.e.stats.Documents.Add(1)
	return nil
}

// drop takes a document out of its lane.
func (b *batch) drop(f *flow, key, reason string) {
	if _, d := f.find(key); d != nil && !d.State.Settled() {
		d.Drop(reason, b.now)
		d.Dirty = true
	}
}

// dueDelivery wakes the engine when the delivery's next step may be taken.
func (b *batch) dueDelivery(d *lane.Delivery) {
	if !d.Due.IsZero() {
		b.e.due.add(dueItem{at: d.Due, waybill: d.Waybill, delivery: d.ID})
	}
}

// advance looks at each lane of a waybill: the document at its head is made
// ready, and starts at once where its target has room.
func (b *batch) advance(ctx context.Context, f *flow) error {
	if b.untold[f] > 0 { // what it sends would not say yet how its lines are counted
		return nil
	}
	for i := 0; i < len(f.lanes); i++ { // a start may add lanes
		l := f.lanes[i]
		keeps := l.target.class.KeepsOrder
		head := l.queue.Settle(keeps, func(d *lane.Delivery) { d.Dirty = true })
		if head == nil || head.State != lane.Ready {
			continue
		}
		if err := b.start(ctx, f, l, head); err != nil {
			return err
		}
	}
	return nil
}

// settled tells the process what became of a document and carries out what it
// decides.
func (b *batch) settled(ctx context.Context, f *flow, d *lane.Delivery, s lane.Settlement, r waybill.Receipt, p waybill.Problem, by string) error {
	settled := &process.Settled{Key: d.Key, Outcome: process.Outcome(s), By: by}
	if s == lane.SettledRefused {
		settled.Problem = &p
	} else {
		settled.Receipt = &r
	}
	return b.own(ctx, f, waybill.DocumentSettled, settled)
}
