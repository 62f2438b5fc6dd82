package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// The kinds of what is handed to the owner of a shard.
const (
	taskEvent   = "event"   // a fact of a message, to be folded
	taskOwn     = "own"     // an event of Waybill's own, for a waybill of the shard
	taskCommand = "command" // an operator's; its outcome is answered
	taskRaise   = "raise"   // an exception without a waybill
	taskClear   = "clear"
	taskAudit   = "audit"
	taskTarget  = "target" // a replica paused a system, or may go on with it
	taskReread  = "reread" // a message that was read again
	taskMap     = "map"    // a change of what references mean
	taskClaim   = "claim"  // a change of settings that one gets
	taskTouch   = "touch"  // a customer, an item or a payment changed: look at your own orders
)

// tasksMost is how many tasks are read at once.
const tasksMost = 4096

// idBlock is ids in hand.
type idBlock struct{ next, end int64 }

// handedEvent is a fact for the owner of the waybill that it names.
type handedEvent struct {
	Announced int64                `json:"announced,omitzero"` // the event id that the sender was told; 0: none
	Message   int64                `json:"message,omitzero"`
	Source    string               `json:"source,omitzero"` // of the message
	DedupeID  string               `json:"dedupe_id,omitzero"`
	Status    ledger.MessageStatus `json:"status,omitzero"`
	Reason    string               `json:"reason,omitzero"`
	Bad       string               `json:"bad,omitzero"`
	Read      bool                 `json:"read,omitzero"`
	Event     waybill.Event        `json:"event"`
}

// handedOwn is an event of Waybill's own for another's waybill.
type handedOwn struct {
	Flow waybill.FlowKind  `json:"flow"`
	Ref  string            `json:"ref"`
	Type waybill.EventType `json:"type"`
	Data jsontext.Value    `json:"data"`
}

type handedClear struct {
	Cause, Subject, By string
}

type handedTouch struct {
	Kind, Entity string
}

type handedTarget struct {
	Name  string
	State targetState
}

// hand gives something to the owner of a shard, in this batch's commit. It
// returns the task's id.
func (b *batch) hand(ctx context.Context, shard int, kind string, what any) (int64, error) {
	data, err := waybill.Marshal(what)
	if err != nil {
		return 0, fmt.Errorf("hand %s to the owner of shard %d: %w", kind, shard, err)
	}
	id, err := b.e.id(ctx)
	if err != nil {
		return 0, err
	}
	b.over.Tasks = append(b.over.Tasks, store.Task{ID: id, Shard: shard, Kind: kind, Data: data})
	return id, nil
}

// handEvent gives one event of a message to the owner of a shard.
func (b *batch) handEvent(ctx context.Context, a *arrival, i int, shard int) error {
	ev := a.events[i]
	h := handedEvent{Announced: a.first + int64(i), Message: a.message.ID, Source: a.message.Source, DedupeID: a.message.DedupeID,
		Status: a.message.Status, Reason: a.message.Reason, Bad: a.bad, Read: a.read}
	if a.handed {
		h.Announced = a.announced
		b.unalias(a.announced)
	}
	if err := written(&ev); err != nil {
		return err
	}
	ev.ID = ""
	h.Event = ev
	_, err := b.hand(ctx, shard, taskEvent, &h)
	return err
}

// written makes an event's data what its body says, where it has none yet.
func written(ev *waybill.Event) (err error) {
	if ev.Data != nil || ev.Body == nil {
		return nil
	}
	if ev.Data, err = waybill.Marshal(ev.Body); err != nil {
		return fmt.Errorf("write %s of %s for another replica: %w", ev.Type, ev.Source, err)
	}
	return nil
}

// unalias takes an alias back: the event goes on to another shard.
func (b *batch) unalias(announced int64) {
	kept := b.over.Aliases[:0]
	for _, a := range b.over.Aliases {
		if announced == 0 || a.ID != announced {
			kept = append(kept, a)
		}
	}
	b.over.Aliases = kept
}

// homeOf is the shard whose owner takes an event in.
func (b *batch) homeOf(ctx context.Context, a *arrival, ev *waybill.Event) (int, error) {
	if a.message.Status == ledger.Quarantined || a.bad != "" {
		return steward, nil
	}
	switch ev.Type {
	case MessageNoted, waybill.InventorySnapshot:
		return b.e.homeless(steward), nil
	case waybill.CustomerChanged, waybill.InvoicePaid, waybill.PriceChanged, waybill.WarehouseChanged:
		return steward, nil
	case waybill.DocumentApplied, waybill.DocumentRejected:
		return b.homeOfReport(ctx, ev)
	case waybill.ShipmentDelivered:
		if ev.Ref == "" {
			return b.homeOfRef(ctx, ev.Subject)
		}
	case waybill.ReturnRequested, waybill.ReturnReceived:
		if ev.Flow == waybill.FlowReturn {
			return b.homeOfFlow(ev.Flow, ev.Ref), nil
		}
	case waybill.ItemChanged, waybill.InventoryPosition:
		return b.homeOfFlow(waybill.FlowItem, ev.Ref), nil
	}
	if ev.Ref == "" || !folded(ev) {
		return b.e.homeless(steward), nil
	}
	return b.homeOfFlow(ev.Flow, ev.Ref), nil
}

func (b *batch) homeOfFlow(kind waybill.FlowKind, ref string) int {
	return ledger.ShardOf(process.FlowTag(kind, ref, b.e.policy))
}

// homeOfRef is the shard of the first order that is known by a reference, or
// the steward's.
func (b *batch) homeOfRef(ctx context.Context, value string) (int, error) {
	fs, err := b.ordersByRef(ctx, value)
	if err != nil || len(fs) == 0 {
		return steward, err
	}
	return fs[0].row.Shard, nil
}

func (b *batch) homeOfReport(ctx context.Context, ev *waybill.Event) (int, error) {
	var r waybill.DocumentReport
	if err := waybill.Unmarshal(ev.Data, &r); err != nil {
		return steward, nil //nolint:nilerr // whoever takes it in says what is wrong with it
	}
	f, err := b.reported(ctx, ev.Source, &r)
	if errors.Is(err, store.ErrNotFound) {
		return steward, nil
	}
	if err != nil {
		return 0, err
	}
	return f.row.Shard, nil
}

// handed is a task on its way through the loop.
type handed struct {
	e    *Engine
	task store.Task
	bad  string
}

func (h *handed) fail(error) { h.e.share.forget(h.task.ID) } // it is fetched again

func (h *handed) poison(reason string) { h.bad = reason }

// apply does a task, and takes it away in the same commit.
func (h *handed) apply(ctx context.Context, b *batch) error {
	if !b.e.owns(h.task.Shard) {
		b.e.share.forget(h.task.ID) // it is its owner's now
		return nil
	}
	b.over.Taken = append(b.over.Taken, store.Task{ID: h.task.ID, Shard: h.task.Shard})
	if h.bad != "" && h.task.Kind != taskEvent {
		return b.raise(ctx, nil, exception.Exception{
			Cause: "poison_task", Subject: strconv.FormatInt(h.task.ID, 10),
			Detail: fmt.Sprintf("what another replica handed over could not be done: %s: %s", h.task.Kind, h.bad),
			Next:   "report it; what should have followed has not happened", Actions: []string{"close"},
		})
	}
	switch h.task.Kind {
	case taskEvent:
		return undone(h, func(v *handedEvent) error { return h.event(ctx, b, v) })
	case taskOwn:
		return undone(h, func(v *handedOwn) error { return b.ownAs(ctx, v) })
	case taskCommand:
		return undone(h, func(v *Command) error { return b.commandAs(ctx, h.task.ID, *v) })
	case taskReread:
		return undone(h, func(v *Reread) error { return b.answer(h.task.ID, reply{}, b.rereadAll(ctx, v)) })
	case taskClaim:
		return undone(h, func(v *Claim) error { return b.answer(h.task.ID, reply{}, b.claim(ctx, v)) })
	case taskMap:
		return undone(h, func(v *Remap) error {
			out := &Mapped{}
			if err := b.remap(ctx, v, out); err != nil {
				return b.answer(h.task.ID, reply{}, err)
			}
			b.next = append(b.next, func() error { return b.answer(h.task.ID, reply{Mapped: out}, nil) }) // it is filled by then
			return nil
		})
	case taskRaise:
		return undone(h, func(v *exception.Exception) error { return b.raise(ctx, nil, *v) })
	case taskClear:
		return undone(h, func(v *handedClear) error { b.clear(nil, v.Cause, v.Subject, v.By); return nil })
	case taskAudit:
		return undone(h, func(v *audit.Entry) error { b.note(*v); return nil })
	case taskTarget:
		return undone(h, func(v *handedTarget) error { return b.targetAs(v) })
	case taskTouch:
		return undone(h, func(v *handedTouch) error {
			delete(b.e.bases, v.Entity)
			_, err := b.touchOwn(ctx, v.Kind, v.Entity)
			return err
		})
	}
	return fmt.Errorf("a task of kind %q is none that this version knows; update this replica", h.task.Kind)
}

// undone reads a task and does it.
func undone[T any](h *handed, do func(*T) error) error {
	var v T
	if err := waybill.Unmarshal(h.task.Data, &v); err != nil {
		return fmt.Errorf("read task %d of kind %s: %w", h.task.ID, h.task.Kind, err)
	}
	return do(&v)
}

// event takes a handed fact in, under the id that its sender was told where no
// chain here has gone past it: in which shard it ends is only known once it is
// folded.
func (h *handed) event(ctx context.Context, b *batch, v *handedEvent) error {
	id := v.Announced
	if id == 0 || id <= b.e.share.newest {
		var err error
		if id, err = b.e.id(ctx); err != nil {
			return err
		}
		if v.Announced != 0 {
			b.over.Aliases = append(b.over.Aliases, store.Alias{ID: v.Announced, Event: id, Shard: h.task.Shard})
		}
	}
	ev := v.Event
	ev.ID = eventID(id)
	a := &arrival{handed: true, announced: v.Announced, read: v.Read, bad: v.Bad, first: id, events: []waybill.Event{ev},
		message: ledger.Message{ID: v.Message, Source: v.Source, DedupeID: v.DedupeID, Status: v.Status, Reason: v.Reason}}
	if h.bad != "" {
		a.bad = h.bad
	}
	return b.arrive(ctx, a, 0)
}

// ownAs records an event of Waybill's own that another replica's waybill
// caused.
func (b *batch) ownAs(ctx context.Context, v *handedOwn) error {
	f, err := b.e.flowByRef(ctx, v.Flow, v.Ref)
	if err != nil {
		return b.setAside(ctx, err)
	}
	ev := &waybill.Event{Type: v.Type, Source: "waybill", Flow: f.row.Kind, Ref: f.row.Ref, Data: v.Data}
	row, err := b.record(ctx, f, ev, 0)
	if err != nil {
		return err
	}
	return b.fold(ctx, f, ev, row)
}

// ownThere hands an event of Waybill's own to the owner of its waybill.
func (b *batch) ownThere(ctx context.Context, f *flow, kind waybill.EventType, data []byte) error {
	_, err := b.hand(ctx, f.row.Shard, taskOwn, &handedOwn{Flow: f.row.Kind, Ref: f.row.Ref, Type: kind, Data: data})
	return err
}

// fetchTasks brings what is handed over into the loop.
func (e *Engine) fetchTasks(ctx context.Context) {
	s := e.share
	for {
		timer := time.NewTimer(lookMost)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-s.fetch:
			timer.Stop()
		}
		if err := e.fetchOnce(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("handed work could not be read; trying again", "error", err)
		}
	}
}

// fetchOnce reads the tasks of the shards owned and submits those that are not
// on their way already.
func (e *Engine) fetchOnce(ctx context.Context) error {
	s := e.share
	s.mu.Lock()
	mine := s.mine
	s.mu.Unlock()
	if len(mine) == 0 {
		return nil
	}
	tasks, err := s.db.Tasks(ctx, mine, tasksMost)
	if err != nil {
		return err
	}
	some := false
	for _, t := range tasks {
		if !s.first(t.ID) {
			continue
		}
		some = true
		if err := e.submit(ctx, &handed{e: e, task: t}); err != nil {
			s.forget(t.ID)
			return err
		}
	}
	if some && len(tasks) == tasksMost {
		poke(s.fetch)
	}
	return nil
}

// first reports whether a task comes for the first time of late.
func (s *share) first(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[id] || s.before[id] {
		return false
	}
	if len(s.seen) >= 16*tasksMost {
		s.seen, s.before = map[int64]bool{}, s.seen
	}
	s.seen[id] = true
	return true
}

func (s *share) forget(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.seen, id)
	delete(s.before, id)
}

// homesOf lists the shards whose owners take a message's events in; nil where
// all are this replica's.
func (b *batch) homesOf(ctx context.Context, a *arrival) ([]int, error) {
	if b.e.share == nil {
		return nil, nil
	}
	homes, foreign := make([]int, len(a.events)), false
	for i := range a.events {
		var err error
		if homes[i], err = b.homeOf(ctx, a, &a.events[i]); err != nil {
			return nil, err
		}
		foreign = foreign || !b.e.owns(homes[i])
	}
	if !foreign {
		return nil, nil
	}
	return homes, nil
}

// freshMost is how many ids above all others' are taken at once.
const freshMost = 256

// eventIDs hands out the ids of a message's events. Those that go to other
// shards are above all that their owners have given, or they would be too late
// for the chains.
func (b *batch) eventIDs(ctx context.Context, a *arrival) (int64, error) {
	n := int64(len(a.events))
	if a.homes == nil {
		return b.e.ids(ctx, n)
	}
	block := &b.fresh
	if block.end-block.next < n {
		most := max(n, freshMost)
		first, err := b.e.share.db.Fresh(ctx, most)
		if err != nil {
			return 0, fmt.Errorf("reserve ids: %w", err)
		}
		*block = idBlock{next: first, end: first + most}
	}
	block.next += n
	return block.next - n, nil
}

// lookAgain looks which of the messages of a batch another replica has kept
// meanwhile.
func (e *Engine) lookAgain(ctx context.Context, ins []input) (err error) {
	for _, in := range ins {
		if a, ok := in.(*arrival); ok && a.stored == nil {
			if a.stored, err = e.repeated(ctx, &a.message); err != nil {
				return fmt.Errorf("look for message %s of %s: %w", a.message.DedupeID, a.message.Source, err)
			}
		}
	}
	return nil
}

// pending streams the unsettled deliveries of the shards owned.
func (e *Engine) pending(ctx context.Context, each func(lane.Pending) error) error {
	if e.share == nil {
		return e.store.PendingDeliveries(ctx, each)
	}
	return e.share.db.PendingIn(ctx, e.share.ownedNow(), each)
}

// timersOpen streams the timers of the shards owned.
func (e *Engine) timersOpen(ctx context.Context, each func(store.Timer) error) error {
	if e.share == nil {
		return e.store.Timers(ctx, each)
	}
	return e.share.db.TimersIn(ctx, e.share.ownedNow(), each)
}
