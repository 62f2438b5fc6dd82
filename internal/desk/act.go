package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/tower"
)

const (
	causeMax  = 1000 // exceptions that one action on a cause is done to
	causeRoom = 16   // of them under way at once: they share commits
)

// Act implements tower.Source.
func (d *Desk) Act(ctx context.Context, a tower.Action) error {
	defer d.open.forget()
	defer d.orders.forget()
	c := engine.Command{Actor: a.Actor, Name: a.Target, Action: string(a.Kind), Reason: a.Reason, Ref: a.Ref}
	switch a.Scope {
	case tower.OnDelivery:
		c.Object = engine.ToDelivery
	case tower.OnOrder:
		c.Object = engine.ToOrder
	case tower.OnSystem:
		c.Object = engine.ToSystem
	case tower.OnException:
		return d.actOnException(ctx, a)
	case tower.OnCause:
		return d.actOnCause(ctx, a)
	default:
		return told{fmt.Sprintf("nothing can be done to a %q", a.Scope), tower.ErrRefused}
	}
	return d.do(ctx, c)
}

// do carries out a command; what is wrong with it is told to the person who
// gave it.
func (d *Desk) do(ctx context.Context, c engine.Command) error {
	err := d.engine.Do(ctx, c)
	var wrong *waybill.Error
	switch {
	case errors.As(err, &wrong) && wrong.Code == "not_found":
		return told{wrong.Error(), tower.ErrNotFound}
	case errors.As(err, &wrong):
		return told{wrong.Error(), tower.ErrRefused}
	case errors.Is(err, engine.ErrStopped):
		return told{err.Error(), tower.ErrRefused}
	case err != nil:
		return fmt.Errorf("%s %s %s: %w", c.Action, c.Object, c.Name, err)
	}
	return nil
}

func (d *Desk) actOnException(ctx context.Context, a tower.Action) error {
	none := told{"there is no exception " + a.Target, tower.ErrNotFound}
	id, ok := number(a.Target, exceptionPrefix)
	if !ok {
		return none
	}
	x, err := d.store.Exception(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return none
	}
	if err != nil {
		return fmt.Errorf("read exception %d: %w", id, err)
	}
	return d.do(ctx, commandFor(a, x))
}

// commandFor is what the engine has to be told to do to an exception what a
// person asked for.
func commandFor(a tower.Action, x exception.Exception) engine.Command {
	c := engine.Command{Actor: a.Actor, Object: engine.ToException, Name: exceptionID(x.ID), ID: x.ID, Action: string(a.Kind),
		Reason: a.Reason, Ref: a.Ref}
	switch {
	case a.Kind == tower.Match:
		c.Ref, c.Order = "", a.Ref
	case a.Kind == tower.Settle && x.Cause == causeOverShipped:
		c.Object, c.Name, c.Action = engine.ToOrder, x.Ref, string(process.SettleExcess)
		c.Reason = joined(", reference ", a.Reason, a.Ref) // it is kept with the reason
	case a.Kind == tower.Skip && !slices.Contains(x.Actions, actionSkip) && slices.Contains(x.Actions, actionClose):
		c.Action = actionClose
	}
	return c
}

// actOnCause does the same to all open exceptions of a cause, a bounded number
// at once. It says of how many it could not be done, and why of the first.
func (d *Desk) actOnCause(ctx context.Context, a tower.Action) error {
	list, err := d.store.Exceptions(ctx, exception.Query{State: exception.Open, Cause: a.Target, Limit: causeMax + 1})
	if err != nil {
		return fmt.Errorf("read the exceptions of cause %s: %w", a.Target, err)
	}
	if len(list) == 0 {
		return told{"nothing is open with the cause " + a.Target, tower.ErrNotFound}
	}
	more := len(list) > causeMax
	list = list[:min(len(list), causeMax)]
	failed := make([]error, len(list))
	var all sync.WaitGroup
	room := make(chan struct{}, causeRoom)
	for i, x := range list {
		room <- struct{}{}
		all.Go(func() {
			failed[i] = d.do(ctx, commandFor(a, x))
			<-room
		})
	}
	all.Wait()
	return outcome(list, failed, more)
}

// outcome says what could not be done; nil where everything was. What failed for
// no fault of the command comes first: it says that something is broken.
func outcome(list []exception.Exception, failed []error, more bool) error {
	var refusals []string
	for i, err := range failed {
		var t told
		switch {
		case err == nil:
		case errors.As(err, &t):
			refusals = append(refusals, cmp.Or(list[i].Ref, exceptionID(list[i].ID))+": "+t.text)
		default:
			return err
		}
	}
	var parts []string
	if n := len(refusals); n > 0 {
		parts = append(parts, fmt.Sprintf("it could not be done for %d of %d; %s", n, len(list), refusals[0]))
	}
	if more {
		parts = append(parts, fmt.Sprintf("more than %d are open, ask again for the others", causeMax))
	}
	if len(parts) == 0 {
		return nil
	}
	return told{joined("; ", parts...), tower.ErrRefused}
}
