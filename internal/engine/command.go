package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// Object says what a command is done to.
type Object string

// The objects of commands.
const (
	ToDelivery  Object = "delivery"  // Name is its key
	ToOrder     Object = "order"     // Name is any reference of it
	ToSystem    Object = "system"    // Name is the system's
	ToException Object = "exception" // Name is its id; ID is set
)

// Command is an operator's word (system contract C7). Every one is audited,
// with its reason, in the commit that carries it out.
type Command struct {
	Actor  string
	Object Object
	Name   string
	ID     int64 // of an exception
	Action string
	Reason string
	Ref    string // settle: the number under which the system has the document
	Order  string // match: any reference of the order that a return belongs to
	// Document is an edit's: what the operator puts in place of the content that
	// was turned down.
	Document *process.Edited
	// Mapping is a map's: what the reference of the exception means.
	Mapping identity.Mapping
}

type command struct {
	Command
	before, after []byte // JSON of what it changed, for the audit log; may be empty
	reply         chan<- error
}

// Do carries out a command. It returns after the commit; a *waybill.Error says
// what is wrong with the command itself.
func (e *Engine) Do(ctx context.Context, c Command) error {
	if e.stopping.Load() {
		return ErrStopped
	}
	reply := make(chan error, 1)
	if err := e.submit(ctx, &command{Command: c, reply: reply}); err != nil {
		return err
	}
	said, err := answerOf(ctx, e, reply)
	if err != nil {
		return err
	}
	_, err = e.answerThere(ctx, said)
	return err
}

func (c *command) fail(err error) { c.reply <- err }

func (c *command) apply(ctx context.Context, b *batch) error {
	if gone, err := c.elsewhere(ctx, b); gone || err != nil {
		return err
	}
	err := c.carryOut(ctx, b)
	var wrong *waybill.Error
	if errors.As(err, &wrong) { // nothing was changed
		b.after = append(b.after, func() { c.reply <- wrong })
		return nil
	}
	if err != nil {
		return err
	}
	b.note(audit.Entry{Actor: c.Actor, Action: c.Action, Object: string(c.Object) + " " + c.Name, Reason: c.Reason,
		Before: c.before, After: c.after})
	b.after = append(b.after, func() { c.reply <- nil })
	return nil
}

func refuse(code, detail, fix string) error {
	return &waybill.Error{Code: code, Detail: detail, Fix: fix}
}

func (c *command) carryOut(ctx context.Context, b *batch) error {
	if strings.TrimSpace(c.Reason) == "" {
		return &waybill.Error{Code: "reason_missing", Field: "/reason", Detail: "an action needs a reason", Fix: "say why in a few words; it is kept in the audit log"}
	}
	switch c.Object {
	case ToDelivery:
		return c.onDelivery(ctx, b)
	case ToOrder:
		return c.onOrder(ctx, b)
	case ToSystem:
		return c.onSystem(ctx, b)
	case ToException:
		return c.onException(ctx, b)
	}
	return refuse("unknown_object", fmt.Sprintf("there is nothing to do to a %q", c.Object), "")
}

func (c *command) onDelivery(ctx context.Context, b *batch) error {
	f, err := b.e.flowByKey(ctx, c.Name)
	if errors.Is(err, store.ErrNotFound) {
		return refuse("not_found", "no delivery has the key "+c.Name, "")
	}
	if err != nil {
		return err
	}
	l, d := f.find(c.Name)
	return b.actOn(ctx, f, l, d, c)
}

// actOn retries, skips, settles, edits or compensates a delivery.
func (b *batch) actOn(ctx context.Context, f *flow, l *laneOf, d *lane.Delivery, c *command) error {
	if c.Action == string(process.Compensate) {
		return b.compensate(ctx, f, d, c)
	}
	if d.State.Settled() {
		return refuse("settled_already", fmt.Sprintf("the delivery is %s", d.State), "nothing is left to do")
	}
	if d.State == lane.InFlight {
		return refuse("in_flight", "an attempt is under way", "wait for its outcome, then try again")
	}
	if strings.HasPrefix(d.Reason, "behind ") {
		return refuse("behind", "another document stands before it in its lane", "act on "+strings.TrimPrefix(d.Reason, "behind "))
	}
	switch c.Action {
	case "retry":
		b.touch(f)
		if d.Next == lane.AskPending && l.target.conn.Inquirer == nil {
			return refuse("taken", d.Target+" took it and can't be asked what became of it", "wait for its report, or settle it with its number there")
		}
		if d.Next == lane.AskPending || d.State == lane.InDoubt && l.target.conn.Inquirer != nil && d.Next != lane.Send {
			d.Due = b.now // ask at once; sending on a doubt is what keys and look-ups are for
			d.Dirty = true
			b.dueDelivery(d)
			return nil
		}
		unknown := d.State == lane.InDoubt && d.Next != lane.Send || d.State == lane.Parked && d.Reason == "in_doubt"
		if unknown && b.now.Before(d.Deadline) {
			return refuse("too_early", "its last attempt may still take effect until "+d.Deadline.UTC().Format("15:04:05Z07:00")+", and "+d.Target+" can't be asked", "retry it after that")
		}
		d.Release()
		d.Reason, d.Dirty = lane.ReasonRetry, true
		b.clearDoubt(f, d)
		return b.advance(ctx, f)
	case "skip":
		if d.State != lane.Parked {
			return refuse("not_parked", fmt.Sprintf("only a parked delivery can be skipped; this one is %s", d.State), "")
		}
		if d.Attempted() && b.now.Before(d.Deadline) {
			return refuse("too_early", "its last attempt may still take effect until "+d.Deadline.UTC().Format("15:04:05Z07:00"), "skip it after that")
		}
		b.touch(f)
		d.Drop("skipped by "+c.Actor, b.now)
		d.State, d.Dirty = lane.Skipped, true
		b.closeAll(f, d, c.Actor)
		return b.settled(ctx, f, d, lane.SettledSkipped, waybill.Receipt{}, waybill.Problem{}, c.Actor)
	case "settle":
		if c.Ref == "" {
			return &waybill.Error{Code: "ref_missing", Field: "/ref", Detail: "settling says that the system has the document", Fix: "give the number under which it has it"}
		}
		if !d.Attempted() {
			return refuse("never_attempted", "the document was never sent, so the system can't have it from here", "skip it where it is not needed")
		}
		b.touch(f)
		d.Take(c.Ref, b.now)
		d.Dirty = true
		b.closeAll(f, d, c.Actor)
		return b.settled(ctx, f, d, lane.SettledDone, waybill.Receipt{Ref: c.Ref}, waybill.Problem{}, c.Actor)
	case string(process.Edit):
		return b.edit(ctx, f, d, c)
	}
	return refuse("unknown_action", fmt.Sprintf("a delivery can't be told to %q", c.Action), "use retry, skip, settle, edit or compensate")
}

// closeAll closes every exception about a delivery.
func (b *batch) closeAll(f *flow, d *lane.Delivery, by string) {
	for _, x := range append([]exception.Exception(nil), f.open...) {
		if x.Subject == d.Key {
			b.clear(f, x.Cause, x.Subject, by)
		}
	}
}

func (c *command) onOrder(ctx context.Context, b *batch) error {
	f, err := c.orderNamed(ctx, b)
	if err != nil {
		return err
	}
	return c.tell(ctx, b, f)
}

// orderNamed finds the one order that the command's name refers to.
func (c *command) orderNamed(ctx context.Context, b *batch) (*flow, error) {
	fs, err := b.ordersByRef(ctx, c.Name)
	if err != nil {
		return nil, err
	}
	for _, f := range fs { // an order's own number names that order, whoever else uses it
		if f.row.Ref == c.Name {
			return f, nil
		}
	}
	switch len(fs) {
	case 0:
		return nil, refuse("not_found", "no order is known as "+c.Name, "")
	case 1:
		return fs[0], nil
	default:
		return nil, refuse("ambiguous", fmt.Sprintf("%d orders are known as %s", len(fs), c.Name), "name one by its own number")
	}
}

// tell gives an order a command.
func (c *command) tell(ctx context.Context, b *batch, f *flow) error {
	verb := process.Verb(c.Action)
	switch verb {
	case process.Recheck, process.Hold, process.Release, process.Cancel, process.SettleExcess, process.ReleaseBackorder, process.Replay:
	default:
		return refuse("unknown_action", fmt.Sprintf("an order can't be told to %q", c.Action), "use recheck, hold, release, release_backorder or cancel")
	}
	id, err := b.e.id(ctx)
	if err != nil {
		return err
	}
	return b.own(ctx, f, waybill.CommandGiven, &process.Command{
		Command: verb, Reason: c.Reason, Actor: c.Actor, ID: eventID(id)})
}

func (c *command) onSystem(ctx context.Context, b *batch) error {
	t := b.e.targets[c.Name]
	if t == nil {
		return refuse("not_found", "no system is called "+c.Name, "")
	}
	if t.paused == "receives_nothing" || t.paused == "not_configured" {
		return refuse("not_pausable", c.Name+" takes no documents", "")
	}
	switch c.Action {
	case "pause":
		if t.paused == "operator" {
			return nil
		}
		t.paused = "operator"
		return b.keepTarget(t)
	case "resume":
		if t.paused == "" {
			return nil
		}
		if err := b.resume(t, c.Actor); err != nil {
			return err
		}
		b.e.probeSoon(t, b.now)
		return nil
	}
	return refuse("unknown_action", fmt.Sprintf("a system can't be told to %q", c.Action), "use pause or resume")
}

func (c *command) onException(ctx context.Context, b *batch) error {
	x, err := b.e.store.Exception(ctx, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		return refuse("not_found", "there is no exception "+c.Name, "")
	}
	if err != nil {
		return err
	}
	if x.State == exception.Closed {
		return refuse("closed_already", "the exception is closed", "nothing is left to do")
	}
	if x.Waybill == 0 {
		return c.onSystemException(ctx, b, x)
	}
	f, err := b.e.flowByID(ctx, x.Waybill)
	if err != nil {
		return err
	}
	switch c.Action {
	case "map":
		return c.mapException(ctx, b, x)
	case "match":
		return c.matchCommand(ctx, b, f)
	case "close":
		if x.Cause == process.CauseUnmatched || x.Cause == CauseUnmapped {
			break // it would be forgotten: its facts count for no order
		}
		b.touch(f)
		b.clear(f, x.Cause, x.Subject, c.Actor)
		return nil
	case "retry", "skip", "settle":
		if c.Action == "settle" && x.Cause == "over_shipped" { // C7: the excess may be invoiced
			on := &command{Command: c.Command}
			on.Action = string(process.SettleExcess)
			return on.tell(ctx, b, f)
		}
		l, d := f.find(x.Subject)
		if d == nil {
			return refuse("no_delivery", "the exception is not about a delivery", "use one of its own actions")
		}
		return b.actOn(ctx, f, l, d, c)
	}
	return refuse("unknown_action", fmt.Sprintf("this exception knows no action %q", c.Action), "its actions: "+strings.Join(x.Actions, ", "))
}

func (c *command) onSystemException(ctx context.Context, b *batch, x exception.Exception) error {
	switch c.Action {
	case "map":
		return c.mapException(ctx, b, x)
	case "resume":
		on := &command{Command: Command{Actor: c.Actor, Object: ToSystem, Name: x.Subject, Action: "resume", Reason: c.Reason}}
		return on.onSystem(ctx, b)
	case "take", "decline":
		return c.onProposal(ctx, b, x)
	case "close":
		if x.Cause == CauseProposal || x.Cause == CauseUnmapped {
			break // the value, or the event, would wait for ever
		}
		b.clear(nil, x.Cause, x.Subject, c.Actor)
		return nil
	}
	return refuse("unknown_action", fmt.Sprintf("this exception knows no action %q", c.Action), "its actions: "+strings.Join(x.Actions, ", "))
}

// documentReport takes a system's later word on a document it had taken.
func (b *batch) documentReport(ctx context.Context, a *arrival, id int64, ev *waybill.Event) error {
	var r waybill.DocumentReport
	if err := waybill.Unmarshal(ev.Data, &r); err != nil {
		return fmt.Errorf("read %s: %w", ev.Type, err)
	}
	keyless := r.Key == ""
	f, err := b.reported(ctx, ev.Source, &r)
	if err == nil && keyless {
		ev.Data, err = waybill.Marshal(&r)
	}
	if errors.Is(err, store.ErrNotFound) {
		row := b.recordAs(id, nil, ev, a.message.ID)
		row.State, row.Reason = "ignored", "no document has the "+reportNames(&r)
		return nil
	}
	if err != nil {
		return err
	}
	row := b.recordAs(id, f, ev, a.message.ID)
	l, d := f.find(r.Key)
	if d.State.Settled() || !d.Attempted() || d.Target != ev.Source {
		row.State, row.Reason = "ignored", "the document is settled already, or "+ev.Source+" never had it"
		return nil
	}
	b.touch(f)
	d.Dirty = true
	look := lane.Look{State: "applied", Receipt: waybill.Receipt{Ref: r.Ref, N: r.N, Result: r.Result}}
	if ev.Type == waybill.DocumentRejected {
		look.State = "rejected"
		if r.Problem != nil {
			look.Problem = *r.Problem
		}
	}
	d.EndedAt = b.now
	s := d.Found(look, b.now, b.e.timing, b.e.opt.Chance())
	b.next = append(b.next, func() error { return b.concluded(ctx, f, l, d, s, look.Receipt, look.Problem, "") })
	return nil
}
