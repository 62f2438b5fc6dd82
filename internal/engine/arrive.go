package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// Kept is the answer to an arrival, given after its commit.
type Kept struct {
	Message   int64
	Event     int64 // the first of its events
	Duplicate bool  // it was known
	Conflict  bool  // it was known with another body; nothing is stored
	Status    ledger.MessageStatus
	// ReceivedAt is when the message came that is kept: of a known one, the first
	// time.
	ReceivedAt time.Time
}

// The events of messages that say nothing else.
const (
	MessageNoted       waybill.EventType = "message.noted"       // understood; nothing in it is tracked
	MessageQuarantined waybill.EventType = "message.quarantined" // authentic, not understood
)

// arrival is a message on its way into the ledger, translated already.
type arrival struct {
	message ledger.Message
	events  []waybill.Event
	stored  *ledger.Message // that it repeats, as the store knew when it came
	known   *ledger.Message // that it repeats
	first   int64           // id of the first event row
	bad     string
	again   bool // its events were kept before, and may be translated already
	read    bool // it was read from a system of record, not pushed (system contract T6)

	handed    bool  // by another replica, for one event
	announced int64 // the id that the event's sender was told
	homes     []int // the shards whose owners take the events in; nil: this replica's
	reply     chan<- keptOrError
}

type keptOrError struct {
	kept Kept
	err  error
}

// Keep makes a message and its events durable and decides them. It returns
// after the commit: only then may the sender be answered. A message whose
// source and dedupe id are known is not kept again.
func (e *Engine) Keep(ctx context.Context, m ledger.Message, events []waybill.Event) (Kept, error) {
	reply, err := e.offer(ctx, m, events)
	if err != nil {
		return Kept{}, err
	}
	k, err := answerOf(ctx, e, reply)
	if err != nil {
		return Kept{}, err
	}
	return k.kept, k.err
}

// offer queues a message for the next commit. Its answer comes over the channel.
func (e *Engine) offer(ctx context.Context, m ledger.Message, events []waybill.Event) (<-chan keptOrError, error) {
	if e.stopping.Load() {
		return nil, ErrStopped
	}
	// Most repetitions come long after: they are found here, beside the loop.
	// Those of messages that are being kept right now are found by the loop.
	known, err := e.repeated(ctx, &m)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrStopped, err)
	}
	reply := make(chan keptOrError, 1)
	return reply, e.submit(ctx, &arrival{message: m, events: events, stored: known, reply: reply})
}

func (a *arrival) fail(err error) { a.reply <- keptOrError{err: err} }

// poison keeps the message without deciding it.
func (a *arrival) poison(reason string) { a.bad = reason }

// number finds out which arrivals repeat a known message, before anything is
// decided on them, and gives the others their ids.
func (b *batch) number(ctx context.Context, ins []input) error {
	for _, in := range ins {
		a, ok := in.(*arrival)
		if !ok {
			continue
		}
		if a.known = b.e.recent.find(&a.message, a.stored); a.known != nil {
			continue
		}
		if err := b.name(ctx, a); err != nil {
			return err
		}
		b.e.recent.add(&a.message)
		b.messages = append(b.messages, a.message)
	}
	return nil
}

// name gives a message and its events their ids. A message without events gets
// one that says so.
func (b *batch) name(ctx context.Context, a *arrival) error {
	if a.message.ID != 0 {
		return nil // a second try of the same arrival
	}
	var err error
	if a.message.ID, err = b.e.id(ctx); err != nil {
		return err
	}
	if a.message.Status == ledger.Rejected {
		return nil
	}
	if len(a.events) == 0 {
		kind := MessageNoted
		if a.message.Status == ledger.Quarantined {
			kind = MessageQuarantined
		}
		a.events = []waybill.Event{{Type: kind, Source: a.message.Source, Subject: a.message.DedupeID}}
	}
	if a.homes, err = b.homesOf(ctx, a); err != nil {
		return err
	}
	if a.first, err = b.eventIDs(ctx, a); err != nil {
		return err
	}
	for i := range a.events {
		a.events[i].ID = eventID(a.first + int64(i))
	}
	a.message.FirstEvent, a.message.Events = a.first, len(a.events)
	return nil
}

func (a *arrival) apply(ctx context.Context, b *batch) error {
	if k := a.known; k != nil {
		b.e.stats.Duplicates.Add(1)
		kept := Kept{Message: k.ID, Event: k.FirstEvent, Duplicate: true, Status: k.Status, ReceivedAt: k.ReceivedAt,
			Conflict: k.SHA256 != a.message.SHA256}
		if kept.Conflict {
			if err := b.conflict(ctx, a, k); err != nil {
				return err
			}
		}
		b.after = append(b.after, func() { a.reply <- keptOrError{kept: kept} })
		return nil
	}
	b.e.stats.Messages.Add(1)
	b.e.counts.came(a.message.Source)
	for i := range a.events {
		take := func() error { return b.arrive(ctx, a, i) }
		if a.homes != nil && !b.e.owns(a.homes[i]) {
			take = func() error { return b.handEvent(ctx, a, i, a.homes[i]) }
		}
		if err := take(); err != nil {
			return err
		}
	}
	kept := Kept{Message: a.message.ID, Event: a.first, Status: a.message.Status, ReceivedAt: a.message.ReceivedAt}
	b.after = append(b.after, func() { a.reply <- keptOrError{kept: kept} })
	return nil
}

// conflict raises the alarm for a known id that came with another body.
func (b *batch) conflict(ctx context.Context, a *arrival, k *ledger.Message) error {
	return b.raise(ctx, nil, exception.Exception{
		Cause: "message_conflict", Subject: a.message.Source + "/" + a.message.DedupeID,
		Detail: fmt.Sprintf("%s sent message %s again with another body; the first one (message %d) stands", a.message.Source, a.message.DedupeID, k.ID),
		Next:   "ask the sender which body is right; it has to send the right one under a new id",
	})
}

// arrive records one event and folds it into the waybill that it names.
func (b *batch) arrive(ctx context.Context, a *arrival, i int) error {
	ev := &a.events[i]
	id := a.first + int64(i)
	switch {
	case a.message.Status == ledger.Quarantined:
		row := b.recordAs(id, nil, ev, a.message.ID)
		row.State, row.Reason = ledger.QuarantinedEvent, a.message.Reason
		return b.raise(ctx, nil, exception.Exception{
			Cause: "message_quarantined", Subject: a.message.Source + "/" + a.message.DedupeID,
			Detail: fmt.Sprintf("a message of %s was not understood: %s", a.message.Source, a.message.Reason),
			Next:   "correct the mapping and replay it live, or correct the sender and have it sent again", Actions: []string{"close"},
		})
	case a.bad != "":
		row := b.recordAs(id, nil, ev, a.message.ID)
		row.State, row.Reason = ledger.ParkedEvent, a.bad
		return b.raise(ctx, nil, exception.Exception{
			Cause: "poison_message", Subject: a.message.Source + "/" + a.message.DedupeID,
			Detail: fmt.Sprintf("deciding on a message of %s failed: %s", a.message.Source, a.bad),
			Next:   "report it with the message; nothing of it was applied", Actions: []string{"close"},
		})
	case ev.Type == MessageNoted:
		row := b.recordAs(id, nil, ev, a.message.ID)
		row.State, row.Reason = ledger.Ignored, "understood; it says nothing that is tracked"
		return nil
	}
	if done, err := b.identify(ctx, a, id, ev); done || err != nil {
		return err
	}
	if done, err := b.govern(ctx, a, id, ev); done || err != nil {
		return err
	}
	switch ev.Type {
	case waybill.DocumentApplied, waybill.DocumentRejected:
		return b.documentReport(ctx, a, id, ev)
	case waybill.CustomerChanged, waybill.InvoicePaid:
		return b.entityChanged(ctx, a, id, ev)
	case waybill.ItemChanged:
		return b.itemChanged(ctx, a, id, ev)
	case waybill.InventoryPosition:
		return b.positionStated(ctx, a, id, ev)
	case waybill.InventorySnapshot:
		return b.snapshot(a, id, ev)
	case waybill.ReturnRequested, waybill.ReturnReceived:
		if ev.Flow == waybill.FlowReturn {
			return b.blindReturn(ctx, a, id, ev)
		}
	case waybill.ShipmentDelivered:
		if ev.Ref == "" {
			return b.shipmentDelivered(ctx, a, id, ev)
		}
	}
	if ev.Ref == "" || !folded(ev) {
		row := b.recordAs(id, nil, ev, a.message.ID)
		row.State, row.Reason = ledger.Ignored, "no flow of this installation needs "+string(ev.Type)
		return nil
	}
	_, _, err := b.foldInto(ctx, a, id, ev)
	return err
}

// folded reports whether a flow of this installation takes an event in.
func folded(ev *waybill.Event) bool {
	switch ev.Flow {
	case waybill.FlowSales, waybill.FlowReceipt, waybill.FlowTransfer, waybill.FlowInterchange:
		return true
	case waybill.FlowItem:
		return ev.Type == waybill.InventoryAdjusted
	}
	return false
}

// shipmentDelivered finds the order of a shipment that the carrier knows only
// by its own number. One that nobody has reported yet is wanted.
func (b *batch) shipmentDelivered(ctx context.Context, a *arrival, id int64, ev *waybill.Event) error {
	fs, err := b.ordersByRef(ctx, ev.Subject)
	if err != nil {
		return err
	}
	if len(fs) == 0 {
		row := b.recordAs(id, nil, ev, a.message.ID)
		row.State, row.Reason = ledger.Limbo, "waiting for shipment "+ev.Subject
		b.want("shipment:"+ev.Subject, id)
		b.setTimer(nil, fmt.Sprintf("limbo:%d", id), b.now.Add(b.e.policy.Limbo))
		return nil
	}
	// A shipment of several orders belongs to each; the message's own row is
	// the first one's.
	for _, f := range fs[1:] {
		b.next = append(b.next, func() error { return b.again(ctx, f, *ev, a.message.ID) })
	}
	if !b.e.owns(fs[0].row.Shard) {
		ev.Flow, ev.Ref = fs[0].row.Kind, fs[0].row.Ref
		return b.handEvent(ctx, a, 0, fs[0].row.Shard)
	}
	return b.fold(ctx, fs[0], ev, b.recordAs(id, fs[0], ev, a.message.ID))
}

// again records an event once more, for a further waybill that it names.
func (b *batch) again(ctx context.Context, f *flow, ev waybill.Event, message int64) error {
	ev.Flow, ev.Ref = f.row.Kind, f.row.Ref
	if !b.e.owns(f.row.Shard) {
		_, err := b.hand(ctx, f.row.Shard, taskEvent, &handedEvent{Message: message, Source: ev.Source, Event: ev})
		return err
	}
	row, err := b.record(ctx, f, &ev, message)
	if err != nil {
		return err
	}
	return b.fold(ctx, f, &ev, row)
}

// want remembers that an event waits for something nobody has named yet.
func (b *batch) want(entity string, event int64) {
	b.watches[store.Watch{Entity: "want:" + entity, Waybill: event}] = true
	b.e.wanted[entity] = true
}

// adoptSoon adopts what waits for an entity, after the arrivals.
func (b *batch) adoptSoon(ctx context.Context, f *flow, entity string) {
	if b.e.wanted[entity] {
		b.next = append(b.next, func() error { return b.adopt(ctx, f, entity) })
	}
}

// adopt folds the events that waited for a shipment into the waybill that
// brought it.
func (b *batch) adopt(ctx context.Context, f *flow, entity string) error {
	if !b.e.wanted[entity] || !b.e.owns(steward) { // adopted already, or to be by the steward
		return nil
	}
	ids, err := b.e.store.Watching(ctx, "want:"+entity, 0, 1000)
	if err != nil {
		return fmt.Errorf("read what waits for %s: %w", entity, err)
	}
	ids = b.watching("want:"+entity, ids)
	delete(b.e.wanted, entity)
	for _, id := range ids {
		b.watches[store.Watch{Entity: "want:" + entity, Waybill: id}] = false
		b.clearTimer(nil, fmt.Sprintf("limbo:%d", id))
		waiting, err := b.event(ctx, id)
		if err != nil {
			return err
		}
		b.changeState(id, ledger.Superseded, "adopted by "+f.row.Ref)
		b.clear(nil, "limbo_expired", eventID(id), "adopted")
		ev := waybill.Event{Type: waiting.Type, Source: waiting.Source, Subject: waiting.Subject,
			Version: waiting.Version, OccurredAt: waiting.OccurredAt, Data: waiting.Data}
		if err := b.again(ctx, f, ev, waiting.Message); err != nil {
			return err
		}
	}
	return nil
}

// event reads an event row, of this batch or of the store.
func (b *batch) event(ctx context.Context, id int64) (ledger.Event, error) {
	for p := b; p != nil; p = p.prev {
		for _, row := range p.events {
			if row.ID == id {
				return *row, nil
			}
		}
	}
	row, err := b.e.store.Event(ctx, id)
	if err != nil {
		return row, fmt.Errorf("read event %d: %w", id, err)
	}
	return row, nil
}

// ordersByRef finds orders by a reference of any kind, also one of this batch.
func (b *batch) ordersByRef(ctx context.Context, value string) ([]*flow, error) {
	fs, err := b.flowsByRef(ctx, value)
	return slices.DeleteFunc(fs, func(f *flow) bool { return f.sales() == nil }), err
}

// flowsByRef finds waybills by a reference of any kind, also one of this batch.
func (b *batch) flowsByRef(ctx context.Context, value string) ([]*flow, error) {
	var fs []*flow
	seen := map[int64]bool{}
	for p := b; p != nil; p = p.prev {
		for _, r := range p.w.References {
			if r.Value == value && !seen[r.Waybill] {
				seen[r.Waybill] = true
				fs = append(fs, b.e.flows.get(r.Waybill))
			}
		}
	}
	rows, err := b.e.store.WaybillsByRef(ctx, value, 100)
	if err != nil {
		return nil, fmt.Errorf("find the waybills of %s: %w", value, err)
	}
	for _, row := range rows {
		if seen[row.ID] {
			continue
		}
		f, err := b.e.flowByID(ctx, row.ID)
		if err != nil {
			return nil, err
		}
		fs = append(fs, f)
	}
	return fs, nil
}

// entityChanged lets every order that waits for a customer, an item or a
// payment be checked again.
func (b *batch) entityChanged(ctx context.Context, a *arrival, id int64, ev *waybill.Event) error {
	kind, entity, err := b.entityOf(ctx, ev)
	if err != nil {
		return err
	}
	row := b.recordAs(id, nil, ev, a.message.ID)
	if entity == "" {
		row.State, row.Reason = ledger.Ignored, "it names no customer and no item"
		return nil
	}
	row.Reason, err = b.touchWatchers(ctx, kind, entity)
	return err
}

// touchWatchers tells the orders that wait for an entity of its change, once
// the arrivals are folded. It says how many there are.
func (b *batch) touchWatchers(ctx context.Context, kind, entity string) (string, error) {
	if err := b.broadcast(ctx, kind, entity); err != nil {
		return "", err
	}
	return b.touchOwn(ctx, kind, entity)
}

// touchOwn tells this replica's own.
func (b *batch) touchOwn(ctx context.Context, kind, entity string) (string, error) {
	name := kind + ":" + entity
	if kind == "payment" {
		name = "customer:" + entity
	}
	b.e.touched.add(name, kind, b.now)
	ids, err := b.e.store.Watching(ctx, name, 0, 100000)
	if err != nil {
		return "", fmt.Errorf("read which orders wait for %s: %w", name, err)
	}
	ids = b.watching(name, ids)
	for _, w := range ids {
		b.next = append(b.next, func() error {
			f, err := b.e.flowByID(ctx, w)
			if err != nil {
				return b.setAside(ctx, err)
			}
			if !b.e.owns(f.row.Shard) { // its owner was told
				return nil
			}
			if kind == "item" {
				b.tellUnits(ctx, f, entity)
			}
			return b.own(ctx, f, waybill.EntityTouched, &process.Touched{Kind: kind, ID: entity})
		})
	}
	return fmt.Sprintf("%d held orders are checked again", len(ids)), nil
}

// watching brings a list of watchers that the store holds up to what this
// batch and the one before it, not committed yet, have changed. Each is listed
// once, in rising order.
func (b *batch) watching(entity string, stored []int64) []int64 {
	on := make(map[int64]bool, len(stored))
	for _, w := range stored {
		on[w] = true
	}
	for _, p := range []*batch{b.prev, b} {
		if p == nil {
			continue
		}
		for w, watches := range p.watches {
			if w.Entity == entity {
				on[w.Waybill] = watches
			}
		}
	}
	out := stored[:0:0]
	for w, watches := range on {
		if watches {
			out = append(out, w)
		}
	}
	slices.Sort(out)
	return out
}

// entityOf names what changed. A payment that does not name its customer is
// its order's customer's.
func (b *batch) entityOf(ctx context.Context, ev *waybill.Event) (kind, entity string, err error) {
	switch ev.Type {
	case waybill.CustomerChanged:
		return "customer", ev.Ref, nil
	}
	var p waybill.Payment
	if err := waybill.Unmarshal(ev.Data, &p); err != nil {
		return "payment", "", nil
	}
	if p.Customer != "" || p.Order == "" {
		return "payment", p.Customer, nil
	}
	f, err := b.e.flowByRef(ctx, waybill.FlowSales, p.Order)
	if errors.Is(err, store.ErrNotFound) {
		return "payment", "", nil
	}
	if err != nil {
		return "", "", err
	}
	return "payment", f.state.Customer(), nil
}

// changeState gives an event row another state.
func (b *batch) changeState(id int64, state ledger.EventState, reason string) {
	for _, row := range b.events {
		if row.ID == id {
			row.State, row.Reason = state, reason
			return
		}
	}
	b.w.EventStates = append(b.w.EventStates, ledger.StateChange{Event: id, State: state, Reason: reason})
}
