package engine

import (
	"context"
	"fmt"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/process"
)

// edit puts an operator's content in place of a document that its system turned
// down: a new document in the next revision, which takes the old one's place at
// the head of the lane (system contract T1, C7).
func (b *batch) edit(ctx context.Context, f *flow, d *lane.Delivery, c *command) error {
	if c.Document == nil {
		return &waybill.Error{Code: "document_missing", Field: "/document", Detail: "editing puts another content in place of the one that was turned down",
			Fix: "give the lines, or the members of data, to replace"}
	}
	if err := b.turnedDown(ctx, d); err != nil {
		return err
	}
	s := f.sales()
	if s == nil {
		return refuse("not_editable", fmt.Sprintf("a %s of %s can't be edited here", d.Kind, f.row.Ref),
			"have its source report the fact in a newer version, or settle the delivery with the number of what was entered by hand")
	}
	if err := s.CheckEdit(d.Key, c.Document); err != nil {
		return err
	}
	b.touch(f)
	b.closeAll(f, d, c.Actor)
	return b.correct(ctx, f, process.Edit, d, c)
}

// turnedDown says why a document may be at its system, or may still come to be;
// nil where it was refused or is conclusively not there.
func (b *batch) turnedDown(ctx context.Context, d *lane.Delivery) error {
	switch {
	case !d.Attempted():
		return refuse("never_attempted", "the document was never sent: its content follows the facts until then", "correct the facts, or skip it where it is not needed")
	case d.State == lane.InDoubt || d.State == lane.Parked && d.Reason == "in_doubt":
		return refuse("in_doubt", d.Target+" may hold the document as it was sent", "look there, then settle it with its number, or retry it")
	case d.Next == lane.AskPending:
		return refuse("taken", d.Target+" took the document and has not said what became of it", "wait for its answer")
	case d.State == lane.Ready && d.Reason == lane.ReasonAbsent, d.State == lane.Parked:
	default:
		return refuse("not_refused", fmt.Sprintf("the document is %s, on its way as it is", d.State), "wait until it is applied or refused")
	}
	earlier, err := b.e.store.Attempts(ctx, d.ID)
	if err != nil {
		return fmt.Errorf("read the attempts of %s: %w", d.Key, err)
	}
	for _, a := range earlier {
		if a.Outcome == waybill.InDoubt && b.now.Before(a.Deadline) && d.Reason != lane.ReasonAbsent {
			return refuse("too_early", "an earlier attempt may still take effect until "+a.Deadline.UTC().Format("15:04:05Z07:00"), "edit it after that")
		}
	}
	return nil
}

// compensate undoes a document that its system applied, by the document that is
// its inverse.
func (b *batch) compensate(ctx context.Context, f *flow, d *lane.Delivery, c *command) error {
	if d.State != lane.Done {
		return refuse("not_applied", fmt.Sprintf("the delivery is %s; only what a system has applied can be undone", d.State),
			"wait until it is applied, or skip it where it waits")
	}
	s := f.sales()
	if s == nil {
		return refuse("no_inverse", fmt.Sprintf("no document undoes a %s of %s", d.Kind, f.row.Ref),
			"have its source report the fact in a newer version: the difference is brought to "+d.Target)
	}
	if err := s.CheckCompensate(d.Key, b.e.policy); err != nil {
		return err
	}
	return b.correct(ctx, f, process.Compensate, d, c)
}

// correct tells the order of an operator's word on one of its documents.
func (b *batch) correct(ctx context.Context, f *flow, verb process.Verb, d *lane.Delivery, c *command) error {
	id, err := b.e.id(ctx)
	if err != nil {
		return err
	}
	return b.own(ctx, f, waybill.CommandGiven, &process.Command{Command: verb, Reason: c.Reason, Actor: c.Actor, ID: eventID(id),
		Key: d.Key, Document: c.Document})
}
