package engine

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// flow is a waybill in memory: its folded state, its deliveries by lane and
// its open exceptions. What is in memory is what the last commit holds, plus
// what the batch under way has changed.
type flow struct {
	row   ledger.Waybill
	state process.Flow
	lanes []*laneOf
	open  []exception.Exception
	last  *ledger.Event // the last event folded in the batch under way
	marks decision      // what to add to its decision
	batch *batch        // the batch that touched it
	place *list.Element
	pins  int // batches that touched it and are not committed
}

// sales is the state of an order; nil for every other kind of waybill.
func (f *flow) sales() *process.Sales {
	s, _ := f.state.(*process.Sales)
	return s
}

// laneOf is the queue to one target.
type laneOf struct {
	target *target
	queue  lane.Queue
}

func (f *flow) lane(t *target) *laneOf {
	for _, l := range f.lanes {
		if l.target == t {
			return l
		}
	}
	l := &laneOf{target: t}
	f.lanes = append(f.lanes, l)
	return l
}

// find returns the delivery with that key, and its lane.
func (f *flow) find(key string) (*laneOf, *lane.Delivery) {
	for _, l := range f.lanes {
		for _, d := range l.queue {
			if d.Key == key {
				return l, d
			}
		}
	}
	return nil, nil
}

func (f *flow) delivery(id int64) (*laneOf, *lane.Delivery) {
	for _, l := range f.lanes {
		for _, d := range l.queue {
			if d.ID == id {
				return l, d
			}
		}
	}
	return nil, nil
}

// flowCache keeps the waybills used last. A waybill of the batch under way is
// never put out.
type flowCache struct {
	byID  map[int64]*flow
	byTag map[int64][]*flow
	order *list.List // front: used last
	max   int
}

func newFlowCache(limit int) *flowCache {
	return &flowCache{byID: map[int64]*flow{}, byTag: map[int64][]*flow{}, order: list.New(), max: limit}
}

func (c *flowCache) get(id int64) *flow {
	f := c.byID[id]
	if f != nil {
		c.order.MoveToFront(f.place)
	}
	return f
}

func (c *flowCache) getRef(tag int64, kind waybill.FlowKind, ref string) *flow {
	for _, f := range c.byTag[tag] {
		if f.row.Kind == kind && f.row.Ref == ref {
			c.order.MoveToFront(f.place)
			return f
		}
	}
	return nil
}

func (c *flowCache) put(f *flow) {
	c.byID[f.row.ID] = f
	c.byTag[f.row.Tag] = append(c.byTag[f.row.Tag], f)
	f.place = c.order.PushFront(f)
}

// trim puts out what was not used for longest.
func (c *flowCache) trim() {
	at := c.order.Back()
	for extra := c.order.Len() - c.max; extra > 0 && at != nil; extra-- {
		f := at.Value.(*flow)
		at = at.Prev()
		if f.pins > 0 { // the store does not hold all of it yet
			continue
		}
		c.order.Remove(f.place)
		delete(c.byID, f.row.ID)
		rest := c.byTag[f.row.Tag][:0]
		for _, g := range c.byTag[f.row.Tag] {
			if g != f {
				rest = append(rest, g)
			}
		}
		if len(rest) == 0 {
			delete(c.byTag, f.row.Tag)
		} else {
			c.byTag[f.row.Tag] = rest
		}
	}
}

// eventID is an event's id in the process's state.
func eventID(id int64) string { return strconv.FormatInt(id, 10) }

// flowByID returns the waybill with that id, from memory or the store.
func (e *Engine) flowByID(ctx context.Context, id int64) (*flow, error) {
	if f := e.flows.get(id); f != nil {
		return f, nil
	}
	row, err := e.store.Waybill(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read waybill %d: %w", id, err)
	}
	return e.loadFlow(ctx, row)
}

// flowByRef returns a waybill by its kind and reference, or store.ErrNotFound.
func (e *Engine) flowByRef(ctx context.Context, kind waybill.FlowKind, ref string) (*flow, error) {
	tag := process.FlowTag(kind, ref, e.policy)
	if f := e.flows.getRef(tag, kind, ref); f != nil {
		return f, nil
	}
	row, err := e.store.WaybillByTag(ctx, tag, kind, ref)
	if err != nil {
		return nil, err
	}
	return e.loadFlow(ctx, row)
}

// flowByKey returns the waybill that a document's key belongs to, or
// store.ErrNotFound.
func (e *Engine) flowByKey(ctx context.Context, key string) (*flow, error) {
	tag, ok := waybill.TagOfKey(key)
	if !ok {
		return nil, store.ErrNotFound
	}
	for _, f := range e.flows.byTag[tag] {
		if _, d := f.find(key); d != nil {
			return f, nil
		}
	}
	rows, err := e.store.WaybillsByTag(ctx, tag)
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		f := e.flows.get(row.ID)
		if f == nil {
			if f, err = e.loadFlow(ctx, row); err != nil {
				return nil, err
			}
		}
		if _, d := f.find(key); d != nil {
			return f, nil
		}
	}
	return nil, store.ErrNotFound
}

// loadFlow builds a waybill in memory from what the store holds.
func (e *Engine) loadFlow(ctx context.Context, row ledger.Waybill) (*flow, error) {
	state, err := process.LoadFlow(row.Kind, row.State)
	if err != nil {
		return nil, &unreadable{waybill: row.ID, ref: row.Ref, err: err}
	}
	var failed error // the store's, as against a fact that is missing or rotten
	err = state.Fetch(func(id int64) ([]byte, error) {
		ev, err := e.store.Event(ctx, id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			failed = err
		}
		return ev.Data, err
	})
	switch {
	case failed != nil:
		return nil, fmt.Errorf("read the facts of %s: %w", row.Ref, failed)
	case err != nil:
		return nil, &unreadable{waybill: row.ID, ref: row.Ref, err: err}
	}
	row.State = nil
	f := &flow{row: row, state: state}
	deliveries, err := e.deliveriesOf(ctx, row)
	if err != nil {
		return nil, fmt.Errorf("read the deliveries of %s: %w", row.Ref, err)
	}
	for i := range deliveries {
		d := &deliveries[i]
		t := e.targetOf(d.Target)
		l := f.lane(t)
		d.Stored = d.State
		l.queue = append(l.queue, d)
	}
	for _, l := range f.lanes {
		l.queue.Sort()
	}
	if f.open, err = e.store.OpenExceptionsOf(ctx, row.ID); err != nil {
		return nil, fmt.Errorf("read the exceptions of %s: %w", row.Ref, err)
	}
	if e.owns(row.Shard) { // others' change beside this engine
		e.flows.put(f)
	}
	return f, nil
}

// deliveriesOf reads what of a waybill's deliveries is worked with: all of an
// order's, those of an item that are still on their way.
func (e *Engine) deliveriesOf(ctx context.Context, row ledger.Waybill) ([]lane.Delivery, error) {
	if row.Kind == waybill.FlowItem {
		return e.store.DeliveriesOfItem(ctx, row.ID)
	}
	return e.store.DeliveriesOf(ctx, row.ID)
}

// shed drops an item's settled deliveries from memory: its history is long, and
// its lanes know how far they have come from its state. Adjustments that were
// withdrawn may be wanted again.
func (f *flow) shed() {
	for _, l := range f.lanes {
		kept := l.queue[:0]
		for _, d := range l.queue {
			wanted := !d.State.Settled() || d.State == lane.Cancelled && d.Kind == waybill.InventoryAdjustment
			if d.Dirty || wanted {
				kept = append(kept, d)
			}
		}
		clear(l.queue[len(kept):])
		l.queue = kept
	}
}

// next is the next document's number in a lane, and that of the last document
// that the target applied or took.
func (f *flow) next(l *laneOf) (seq, after int64) {
	seq, after = l.queue.NextSeq(), l.queue.After()
	if f.row.Kind != waybill.FlowItem {
		return seq, after
	}
	if e, ok := f.state.(process.Endless); ok {
		given, taken := e.Mark(l.target.sys.Name)
		seq, after = max(seq, given+1), max(after, taken)
	}
	return seq, after
}

// newFlow makes the waybill of an order that is heard of for the first time,
// be it by the order itself or by a fact that came before it, or of an item, a
// receipt, a transfer or a return.
func (b *batch) newFlow(ctx context.Context, kind waybill.FlowKind, ref string) (*flow, error) {
	id, err := b.e.id(ctx)
	if err != nil {
		return nil, err
	}
	tag := process.FlowTag(kind, ref, b.e.policy)
	f := &flow{
		row: ledger.Waybill{ID: id, Shard: ledger.ShardOf(tag), Tag: tag, Kind: kind, Ref: ref,
			CreatedAt: b.now},
		state: process.NewFlow(kind, ref, b.e.policy),
	}
	b.e.flows.put(f)
	b.touch(f)
	b.refer(f, ledger.Reference{System: "waybill", Kind: string(kind), Value: ref})
	return f, nil
}

// flowFor returns the waybill an event names, making it where it is new.
func (b *batch) flowFor(ctx context.Context, kind waybill.FlowKind, ref string) (*flow, error) {
	f, err := b.e.flowByRef(ctx, kind, ref)
	if errors.Is(err, store.ErrNotFound) {
		return b.newFlow(ctx, kind, ref)
	}
	if err != nil {
		return nil, fmt.Errorf("find the waybill of %s: %w", ref, err)
	}
	return f, nil
}
