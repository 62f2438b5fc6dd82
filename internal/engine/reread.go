package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// Reread is a kept message that the connectors in force read otherwise than it
// was read when it came.
type Reread struct {
	Message int64
	Changes []Change // in the order in which the message says them; never empty
}

// Change is one event of a message that was read again.
type Change struct {
	Event waybill.Event
	// Replaces is the event that it was read as before; 0: it was not read as
	// any. Both are of one subject and version, where the earlier one belongs to
	// a waybill.
	Replaces int64
	// Void: the message does not say what it was read as; Event is that, with no
	// quantities left.
	Void bool
}

type rereading struct {
	Reread
	reply chan<- error
}

// Reread brings what a message says, read again, into force: new events of the
// message are recorded behind all others, linked to those that they replace,
// and decided on. What went out stays; what is missing now is sent under the
// key it always had. It returns after the commit.
func (e *Engine) Reread(ctx context.Context, r Reread) error {
	reply := make(chan error, 1)
	return e.ask(ctx, &rereading{Reread: r, reply: reply}, reply)
}

// ask submits an input and waits for its answer.
func (e *Engine) ask(ctx context.Context, in input, reply <-chan error) error {
	if e.stopping.Load() {
		return ErrStopped
	}
	if err := e.submit(ctx, in); err != nil {
		return err
	}
	said, err := answerOf(ctx, e, reply)
	if err != nil {
		return err
	}
	_, err = e.answerThere(ctx, said)
	return err
}

func (r *rereading) fail(err error) { r.reply <- err }

func (r *rereading) apply(ctx context.Context, b *batch) error {
	for i := range r.Changes {
		if err := written(&r.Changes[i].Event); err != nil {
			return err
		}
	}
	if gone, err := b.passOn(ctx, taskReread, &r.Reread, func(err error) { r.reply <- err }); gone || err != nil {
		return err
	}
	err := b.rereadAll(ctx, &r.Reread)
	if no := (*waybill.Error)(nil); err != nil && !errors.As(err, &no) {
		return err
	}
	b.after = append(b.after, func() { r.reply <- err })
	return nil
}

// rereadAll brings what a message says now into force.
func (b *batch) rereadAll(ctx context.Context, r *Reread) error {
	if !b.e.ownsAll() {
		return errSeveral("messages can't be read again")
	}
	m, err := b.e.store.Message(ctx, r.Message)
	if err != nil {
		return fmt.Errorf("read message %d again: %w", r.Message, err)
	}
	first, err := b.e.ids(ctx, int64(len(r.Changes)))
	if err != nil {
		return err
	}
	if err := b.release(ctx, &m, first, len(r.Changes)); err != nil {
		return err
	}
	a := &arrival{message: m, first: first, again: true, events: make([]waybill.Event, len(r.Changes))}
	for i := range r.Changes {
		a.events[i] = r.Changes[i].Event
		a.events[i].ID = eventID(first + int64(i))
		if err := b.reread(ctx, a, i, &r.Changes[i]); err != nil {
			return err
		}
	}
	return nil
}

// release makes a message accepted that said nothing when it came, because
// nobody understood it or nothing in it was tracked: from now on it is the
// message of the events that follow.
func (b *batch) release(ctx context.Context, m *ledger.Message, first int64, events int) error {
	was, err := b.e.store.Event(ctx, m.FirstEvent)
	if err != nil {
		return fmt.Errorf("read what message %d was read as: %w", m.ID, err)
	}
	if m.Status != ledger.Quarantined && was.Type != MessageNoted {
		return nil
	}
	b.changeState(was.ID, ledger.Superseded, "its message was read again, as event "+eventID(first))
	b.clear(nil, "message_quarantined", m.Source+"/"+m.DedupeID, "its message was read again and understood")
	m.Status, m.Reason, m.FirstEvent, m.Events = ledger.Accepted, "", first, events
	b.w.MessageUpdates = append(b.w.MessageUpdates, *m)
	return nil
}

// reread records one event of a message that was read again, and folds it.
func (b *batch) reread(ctx context.Context, a *arrival, i int, c *Change) error {
	if c.Replaces == 0 {
		return b.arrive(ctx, a, i)
	}
	was, err := b.event(ctx, c.Replaces)
	if err != nil {
		return err
	}
	ev, id := &a.events[i], a.first+int64(i)
	if was.Waybill == 0 { // nobody folded it
		if err := b.waitsNoMore(ctx, &was); err != nil {
			return err
		}
		b.changeState(was.ID, ledger.Superseded, "its message was read again")
		b.clearTimer(nil, "limbo:"+eventID(was.ID))
		b.clear(nil, "limbo_expired", eventID(was.ID), "its message was read again")
		b.watches[store.Watch{Entity: "want:shipment:" + was.Subject, Waybill: was.ID}] = false
		if c.Void {
			row := b.recordAs(id, nil, ev, a.message.ID)
			row.State, row.Reason = ledger.Ignored, "its message, read again, does not say it"
			return nil
		}
		return b.arrive(ctx, a, i)
	}
	f, err := b.e.flowByID(ctx, was.Waybill)
	if err != nil {
		row := b.recordAs(id, nil, ev, a.message.ID)
		row.State, row.Reason = ledger.ParkedEvent, err.Error()
		return b.setAside(ctx, err)
	}
	ev.Flow, ev.Ref = f.row.Kind, f.row.Ref
	ev.Replaces, ev.Void = eventID(was.ID), c.Void
	row := b.recordAs(id, f, ev, a.message.ID)
	if err := b.fold(ctx, f, ev, row); err != nil {
		return err
	}
	if row.Reason == "" {
		row.Reason = "its message was read again; it stands in place of event " + ev.Replaces
	}
	return nil
}

// Folds reports whether a flow of this installation takes an event in, where
// the event names one.
func Folds(ev *waybill.Event) bool { return ev.Ref != "" && folded(ev) }
