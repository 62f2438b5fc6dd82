package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// batch is one transaction in the making: the rows it will write and what is
// to happen once they are durable.
type batch struct {
	e      *Engine
	now    time.Time
	w      store.Batch
	events []*ledger.Event // in the order of their ids
	flows  []*flow         // touched
	next   []func() error  // what follows from the arrivals, once all are folded
	after  []func()        // once committed
	sends  []send          // attempts to let go, once committed
	alerts []Alert
	states []byte // the blobs of the waybills touched
	ins    []input
	at     int64  // the waybill whose due step is being taken
	prev   *batch // decided before this one and not committed yet

	messages []ledger.Message // to be inserted
	over     store.HandOver   // what goes between replicas
	stray    error            // what must not be written here
	fresh    idBlock          // for events of others' shards

	untold  map[*flow]int                 // orders that are still to be told of so many items, and send nothing before
	timers  map[store.TimerName]time.Time // zero: cleared
	watches map[store.Watch]bool
}

// decision is what was decided on an event, as it is kept beside it: folded on
// a rebuild, never decided again.
type decision struct {
	Add      []addedDoc          `json:"add,omitzero"`
	Withdraw []string            `json:"withdraw,omitzero"`
	Skip     []string            `json:"skip,omitzero"`
	Attempt  []process.Attempted `json:"attempt,omitzero"` // first attempts committed with this event
	Why      []string            `json:"why,omitzero"`
	// Replaces is the event that the same message was read as before, where it
	// was read again; Void: it does not say it any more.
	Replaces string `json:"replaces,omitzero"`
	Void     bool   `json:"void,omitzero"`
}

type addedDoc struct {
	Key    string       `json:"key"`
	Target string       `json:"target"`
	Kind   waybill.Kind `json:"kind"`
	Why    string       `json:"why,omitzero"`
}

func (d *decision) empty() bool {
	return len(d.Add)+len(d.Withdraw)+len(d.Skip)+len(d.Attempt)+len(d.Why) == 0 && d.Replaces == ""
}

func (e *Engine) newBatch(prev *batch) *batch {
	states := e.spare.states[:0]
	e.spare.states = nil
	return &batch{e: e, prev: prev, now: e.opt.Now().Truncate(time.Microsecond), w: e.spare.empty(), states: states,
		timers: map[store.TimerName]time.Time{}, watches: map[store.Watch]bool{}}
}

// commit does one transaction from beginning to end.
func (e *Engine) commit(ctx context.Context, ins []input) error {
	b := e.newBatch(nil)
	err := b.take(ctx, ins)
	if err == nil {
		err = b.close(ctx)
	}
	if err == nil && !b.empty() {
		err = e.write(ctx, b)
	}
	if err != nil {
		b.undo()
		return err
	}
	b.done()
	return nil
}

// undo gives back what the requests of a batch occupy that is not committed:
// they never leave.
func (b *batch) undo() {
	for _, s := range b.sends {
		s.target.underWay--
		delete(b.e.inflight, s.delivery)
	}
	b.sends = nil
}

// guard turns a panic of a decision into an error.
func (b *batch) guard(err *error) {
	if r := recover(); r != nil {
		*err = &poisoned{what: r, stack: debug.Stack(), waybill: b.at}
		b.e.log.Error("deciding panicked", "panic", r, "stack", string(debug.Stack()))
	}
}

// take decides on inputs. It may be called again until the batch is closed.
func (b *batch) take(ctx context.Context, ins []input) (err error) {
	defer b.guard(&err)
	begin := time.Now()
	b.ins = append(b.ins, ins...)
	if err := b.number(ctx, ins); err != nil {
		return err
	}
	err = b.applyInputs(ctx, ins)
	b.e.stats.Deciding.Add(int64(time.Since(begin)))
	return err
}

// close takes the steps that are due, starts what budgets have room for, and
// fixes the rows. Nothing is decided in the batch afterwards.
func (b *batch) close(ctx context.Context) (err error) {
	defer b.guard(&err)
	begin := time.Now()
	for _, step := range []func(context.Context) error{b.applyDue, b.dispatch} {
		if err := step(ctx); err != nil {
			return err
		}
		if err := b.applyNext(); err != nil {
			return err
		}
	}
	b.at = 0
	if err := b.keepHeads(); err != nil {
		return err
	}
	if b.stray != nil {
		return &poisoned{what: b.stray}
	}
	err = b.seal()
	b.e.stats.Deciding.Add(int64(time.Since(begin)))
	return err
}

// errKnown is a message that another owner kept first.
var errKnown = errors.New("a message of the batch was kept by another process meanwhile")

// write makes a closed batch durable. It touches nothing of the engine's
// memory but counters, so the next batch may be decided beside it.
func (e *Engine) write(ctx context.Context, b *batch) error {
	begin := time.Now()
	tx, err := e.store.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin a batch: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // harmless after Commit
	if len(b.messages) > 0 {
		known, err := tx.KeepMessages(ctx, b.messages)
		if err != nil {
			return fmt.Errorf("keep %d messages: %w", len(b.messages), err)
		}
		for _, k := range known {
			if k != nil {
				return errKnown
			}
		}
	}
	if err := tx.Write(ctx, &b.w); err != nil {
		return fmt.Errorf("write a batch: %w", err)
	}
	if !b.over.Empty() {
		shared, ok := tx.(store.SharedTx)
		if !ok {
			return errors.New("write a batch: it hands work to other replicas, and the database has none")
		}
		if err := shared.HandOver(ctx, &b.over); err != nil {
			return fmt.Errorf("hand work over: %w", err)
		}
	}
	written := time.Now()
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit a batch: %w", err)
	}
	e.stats.Writing.Add(int64(written.Sub(begin)))
	e.stats.Committing.Add(int64(time.Since(written)))
	e.failure.Store(nil)
	e.stats.Batches.Add(1)
	e.stats.Rounds.Add(int64(len(b.ins)))
	return nil
}

// spare is the memory of the last batch, for the next one.
type spare struct {
	w      store.Batch
	states []byte
}

// spareMax bounds what is kept of a large batch, in rows.
const spareMax = 8192

func (s *spare) empty() store.Batch {
	w := s.w
	s.w = store.Batch{}
	if len(w.Events) > spareMax {
		return store.Batch{}
	}
	clear(w.Events)
	clear(w.Deliveries)
	clear(w.Bodies)
	return store.Batch{Heads: w.Heads[:0], Waybills: w.Waybills[:0], Events: w.Events[:0], EventStates: w.EventStates[:0],
		References: w.References[:0], Deliveries: w.Deliveries[:0], Bodies: w.Bodies[:0]}
}

// applyInputs folds the arrivals first, then what follows from them, then the
// rest: a message's events have their ids from its arrival, and a waybill's
// events are folded in the order of their ids, so that a refolding agrees.
func (b *batch) applyInputs(ctx context.Context, ins []input) error {
	for _, in := range ins {
		if a, ok := in.(*arrival); ok {
			if err := a.apply(ctx, b); err != nil {
				return err
			}
		}
	}
	if err := b.applyNext(); err != nil {
		return err
	}
	for _, in := range ins {
		if _, ok := in.(*arrival); ok {
			continue
		}
		if err := in.apply(ctx, b); err != nil {
			return err
		}
	}
	return b.applyNext()
}

// applyNext does what follows; that may have consequences of its own.
func (b *batch) applyNext() error {
	for len(b.next) > 0 {
		step := b.next[0]
		b.next = b.next[1:]
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// empty reports whether nothing is to be written: no commit is made then.
func (b *batch) empty() bool {
	w := &b.w
	return len(w.Waybills)+len(w.Events)+len(w.EventStates)+len(w.Deliveries)+len(w.Timers)+
		len(w.ClearTimers)+len(w.Exceptions)+len(w.Audit)+len(w.Settings)+len(w.References)+
		len(w.Attempts)+len(w.Watches)+len(w.Unwatch)+len(w.Mappings)+len(w.Unmap)+len(b.messages) == 0 && b.over.Empty()
}

// done lets go what waited for the commit.
func (b *batch) done() {
	for _, f := range b.flows {
		f.pins--
		if f.batch == b {
			f.batch, f.last = nil, nil
		}
		if f.row.Kind == waybill.FlowItem {
			f.shed()
		}
	}
	b.e.flows.trim()
	for _, f := range b.after {
		f()
	}
	for _, s := range b.sends {
		b.e.launch(s)
	}
	if b.e.opt.Notify != nil {
		for _, a := range b.alerts {
			b.e.opt.Notify(a)
		}
	}
	b.e.changed.raise()
	b.e.spare = spare{w: b.w, states: b.states}
	b.w, b.states, b.ins = store.Batch{}, nil, nil
}

// touch makes the flow part of the batch.
func (b *batch) touch(f *flow) {
	if !b.e.owns(f.row.Shard) {
		b.stray = fmt.Errorf("%s of %s is another replica's, and would have been changed here: %w", f.row.Kind, f.row.Ref, errStray)
	}
	if f.batch != b {
		f.batch, f.last = b, nil
		f.pins++
		b.flows = append(b.flows, f)
	}
}

// record appends an event to the ledger. Its place in the chain is fixed when
// the batch is sealed.
func (b *batch) record(ctx context.Context, f *flow, ev *waybill.Event, message int64) (*ledger.Event, error) {
	id, err := b.e.id(ctx)
	if err != nil {
		return nil, err
	}
	return b.recordAs(id, f, ev, message), nil
}

func (b *batch) recordAs(id int64, f *flow, ev *waybill.Event, message int64) *ledger.Event {
	row := &ledger.Event{
		ID: id, Message: message, Type: ev.Type, Source: ev.Source, Subject: ev.Subject,
		Version: ev.Version, OccurredAt: ev.OccurredAt, RecordedAt: b.now,
		State: ledger.Applied, Data: ev.Data,
	}
	if f != nil {
		row.Waybill, row.Shard = f.row.ID, f.row.Shard
	} else {
		row.Shard = b.e.homeless(ledger.ShardOf(process.Tag(ev.Source+"/"+ev.Subject, b.e.policy)))
	}
	if s := b.e.share; s != nil {
		s.newest = max(s.newest, id)
		if id >= b.e.nextID { // it is of another block: ids from now on are above it
			b.e.nextID, b.e.lastID = 0, 0
		}
	}
	ev.ID, ev.RecordedAt = eventID(id), b.now
	b.events = append(b.events, row)
	b.e.stats.Events.Add(1)
	return row
}

// seal numbers and chains the events and encodes what was touched.
func (b *batch) seal() error {
	for _, f := range b.flows {
		b.attach(f)
		f.row.Version++
		f.row.UpdatedAt = b.now
		f.row.Status = f.state.Status()
		b.milestones(f)
		f.row.Customer = f.state.Customer()
		start := len(b.states)
		b.states = f.state.Append(b.states)
		row := f.row // without its blob: the state in memory is the truth until it is put out
		row.State = b.states[start:len(b.states):len(b.states)]
		b.w.Waybills = append(b.w.Waybills, row)
		for _, l := range f.lanes {
			for _, d := range l.queue {
				if !d.Dirty {
					continue
				}
				b.e.moved(l.target, d.Stored, d.State)
				d.Stored, d.Dirty = d.State, false
				b.w.Deliveries = append(b.w.Deliveries, *d)
			}
		}
	}
	b.sealTimers()
	b.e.batchNo++
	touched := map[int]bool{}
	// A message's events have their ids from its arrival: the chain follows the
	// ids, not the order of folding.
	slices.SortFunc(b.events, func(x, y *ledger.Event) int { return cmp.Compare(x.ID, y.ID) })
	for _, row := range b.events {
		head := &b.e.heads[row.Shard]
		head.Seq++
		row.Seq = head.Seq
		row.Link(head.Hash)
		head.Hash = row.Hash
		head.Batch, head.Shard = b.e.batchNo, row.Shard
		touched[row.Shard] = true
		b.w.Events = append(b.w.Events, *row)
	}
	for _, t := range b.over.Taken { // who is not the owner any more takes nothing
		touched[t.Shard] = true
	}
	for shard := range touched {
		b.w.Heads = append(b.w.Heads, b.e.heads[shard])
	}
	return nil
}

// refer makes a reference by which the waybill is found.
func (b *batch) refer(f *flow, r ledger.Reference) {
	if r.Value == "" {
		return
	}
	r.Waybill = f.row.ID
	b.w.References = append(b.w.References, r)
}

// raise opens an exception, or leaves the open one for the same trouble.
func (b *batch) raise(ctx context.Context, f *flow, x exception.Exception) error {
	if f != nil {
		for _, o := range f.open {
			if o.Cause == x.Cause && o.Subject == x.Subject {
				return nil
			}
		}
		x.Waybill, x.Ref = f.row.ID, waybill.Lane(f.row.Kind, f.row.Ref)
	} else if !b.e.owns(steward) {
		b.e.counts.open[x.Cause+"\x00"+x.Subject] = x
		_, err := b.hand(ctx, steward, taskRaise, &x)
		return err
	} else if _, open := b.e.counts.open[x.Cause+"\x00"+x.Subject]; open {
		return nil
	}
	id, err := b.e.id(ctx)
	if err != nil {
		return err
	}
	x.ID, x.Since, x.State = id, b.now, exception.Open
	b.w.Exceptions = append(b.w.Exceptions, x)
	if f != nil {
		f.open = append(f.open, x)
	} else {
		b.e.counts.open[x.Cause+"\x00"+x.Subject] = x
	}
	return nil
}

// clear closes the open exceptions of a cause and subject.
func (b *batch) clear(f *flow, cause, subject, by string) {
	shut := func(x exception.Exception) {
		x.State, x.ClosedAt, x.ClosedBy = exception.Closed, b.now, by
		b.w.Exceptions = append(b.w.Exceptions, x)
	}
	if f == nil {
		if x, ok := b.e.counts.open[cause+"\x00"+subject]; ok {
			if b.e.owns(steward) {
				shut(x)
			} else if _, err := b.hand(b.e.base, steward, taskClear, &handedClear{Cause: cause, Subject: subject, By: by}); err != nil {
				b.stray = err
			}
			delete(b.e.counts.open, cause+"\x00"+subject)
		}
		return
	}
	kept := f.open[:0]
	for _, x := range f.open {
		if x.Cause == cause && (subject == "" || x.Subject == subject) {
			shut(x)
			continue
		}
		kept = append(kept, x)
	}
	f.open = kept
}

// note appends to the audit log.
func (b *batch) note(entry audit.Entry) {
	if !b.e.owns(steward) {
		b.noteThere(entry)
		return
	}
	entry.At = b.now
	entry.Link(b.e.auditEnd.Hash, b.e.auditEnd.Seq+1)
	b.e.auditEnd = entry
	b.w.Audit = append(b.w.Audit, entry)
}

// setTimer sets a durable timer; the last word on a name in a batch counts.
func (b *batch) setTimer(f *flow, name string, due time.Time) { b.timers[timerName(f, name)] = due }

func (b *batch) clearTimer(f *flow, name string) { b.timers[timerName(f, name)] = time.Time{} }

func timerName(f *flow, name string) store.TimerName {
	if f == nil {
		return store.TimerName{Name: name}
	}
	return store.TimerName{Waybill: f.row.ID, Name: name}
}

// sealTimers writes the last word on each timer and watch.
func (b *batch) sealTimers() {
	for name, due := range b.timers {
		if due.IsZero() {
			b.w.ClearTimers = append(b.w.ClearTimers, name)
			delete(b.e.timers, name)
			continue
		}
		t := store.Timer{TimerName: name, Due: due}
		b.w.Timers = append(b.w.Timers, t)
		b.e.timers[name] = due
		b.e.due.addTimer(t)
	}
	for w, on := range b.watches {
		if on {
			b.w.Watches = append(b.w.Watches, w)
		} else {
			b.w.Unwatch = append(b.w.Unwatch, w)
		}
	}
}
