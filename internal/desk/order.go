package desk

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/tower"
	"github.com/waybillhq/waybill/internal/trace"
)

// refOrder is the kind of the reference by which a channel knows its order.
const refOrder = "order"

// holdManual is the kind of a hold that a person put on an order; no check
// lifts it.
const holdManual = "manual"

// Order implements tower.Source.
func (d *Desk) Order(ctx context.Context, ref string) (tower.Order, []string, error) {
	o, several, err := d.trace.Order(ctx, ref)
	if err != nil {
		return tower.Order{}, nil, unknown(err)
	}
	if len(several) > 0 {
		return tower.Order{}, several, nil
	}
	v := o.View
	out := tower.Order{Order: v.Order, PO: v.PO, Customer: buyer(o.Content, o.Waybill.Customer), Type: string(waybill.OrderStandard),
		Status: string(v.Status), Total: total(o.Content), Placed: o.Waybill.CreatedAt, Actions: orderActions(o)}
	if o.Content != nil {
		out.ShipTo = destination(o.Content.ShipTo)
		out.Type = cmp.Or(string(o.Content.Type), out.Type)
		out.Promise = d.promise(o)
	}
	for _, r := range v.Refs {
		out.Refs = append(out.Refs, tower.Ref{System: r.System, Kind: r.Kind, Value: r.Value})
		if r.Kind == refOrder && r.Value == v.Order {
			out.Channel = r.System
		}
	}
	for _, h := range v.Holds {
		reason := h.Reason
		if h.Line != "" {
			reason = joined(" ", reason, "(line "+h.Line+")")
		}
		out.Holds = append(out.Holds, tower.OrderHold{Kind: h.Kind, Reason: reason, Since: h.Since})
	}
	for _, x := range o.Exceptions {
		out.Problems = append(out.Problems, problem(x))
	}
	out.Lines = orderLines(o)
	if out.Shipments, out.Invoices, err = d.papers(ctx, o); err != nil {
		return tower.Order{}, nil, err
	}
	entries, err := d.trace.Timeline(ctx, o.Waybill)
	if err != nil {
		return tower.Order{}, nil, err
	}
	out.Timeline = d.timeline(entries, o.Deliveries)
	out.Deliveries, err = d.deliveries(ctx, o.Deliveries)
	return out, nil, err
}

// unknown says "not found" in the words of the pages.
func unknown(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return told{text: strings.TrimSuffix(err.Error(), ": "+store.ErrNotFound.Error()), as: tower.ErrNotFound}
	}
	return err
}

// told is an error whose text is for the person who asked.
type told struct {
	text string
	as   error // tower.ErrNotFound or tower.ErrRefused
}

// Error is the text alone.
func (t told) Error() string { return t.text }

// Unwrap is what the page makes of it.
func (t told) Unwrap() error { return t.as }

// promise is the day on which the goods shall leave, as long as they have not.
func (d *Desk) promise(o trace.Order) *tower.Promise {
	day, err := time.ParseInLocation(time.DateOnly, o.Content.RequestedShip, d.zone)
	if err != nil {
		return nil // none was asked for
	}
	switch o.View.Status {
	case waybill.StatusShipped, waybill.StatusInvoiced, waybill.StatusCancelled:
		return nil
	}
	return &tower.Promise{Label: "ship by", At: day.AddDate(0, 0, 1)}
}

func problem(x exception.Exception) tower.Problem {
	c := causeOf(x.Cause)
	return tower.Problem{Tone: cmp.Or(c.tone, "warn"), Title: c.title + ".", Detail: joined(". ", x.Detail, sentence(x.Next)),
		Exception: exceptionID(x.ID), Cause: x.Cause}
}

// orderActions are what a person may do with an order now.
func orderActions(o trace.Order) []tower.ActionKind {
	if o.Content == nil {
		return nil
	}
	var out []tower.ActionKind
	if len(o.View.Holds) > 0 {
		if slices.ContainsFunc(o.View.Holds, func(h process.HoldView) bool { return h.Kind != holdManual }) {
			out = append(out, tower.Recheck)
		}
		out = append(out, tower.Release)
	} else if o.View.Status == waybill.StatusReceived || o.View.Status == waybill.StatusAccepted {
		out = append(out, tower.Hold)
	}
	switch o.View.Status {
	case waybill.StatusShipped, waybill.StatusInvoiced, waybill.StatusCancelled:
		return out
	}
	if o.View.Status == waybill.StatusBackordered {
		out = append(out, tower.ReleaseBackorder)
	}
	return append(out, tower.Cancel)
}

// orderLines are the lines with their counters, and what holds up each.
func orderLines(o trace.Order) []tower.Line {
	details := map[string]waybill.OrderLine{}
	if o.Content != nil {
		for _, l := range o.Content.Lines {
			details[l.Line] = l
		}
	}
	out := make([]tower.Line, 0, len(o.View.Lines))
	for _, l := range o.View.Lines {
		info := details[l.Line]
		line := tower.Line{Line: l.Line, SKU: l.SKU, UOM: l.BaseUOM, Description: info.Description, Kind: string(info.Kind),
			Ordered: l.Ordered.String(), Cancelled: l.Cancelled.String(), Released: l.Released.String(), Allocated: l.Allocated.String(),
			Picked: l.Picked.String(), Packed: l.Packed.String(), Shipped: l.Shipped.String(), Posted: l.Posted.String(),
			Invoiced: l.Invoiced.String(), Returned: l.Returned.String(), Credited: l.Credited.String(),
			Backordered: l.Backordered.String(), Bar: bar(l)}
		heldUp(&line, l, info, o)
		out = append(out, line)
	}
	return out
}

// heldUp names the counter of a line that should have moved and did not: it is
// behind the one before it, and the document that would move it needs a person
// or a condition.
func heldUp(line *tower.Line, l process.LineView, info waybill.OrderLine, o trace.Order) {
	goal := l.Ordered.Sub(l.Cancelled)
	for _, step := range []struct {
		counter   string
		kind      waybill.Kind
		got, want waybill.Decimal
		applies   bool
	}{
		{"released", waybill.WarehouseOrder, l.Released, goal, info.IsStock()},
		{"posted", waybill.ShipmentPosting, l.Posted, l.Shipped, info.IsStock()},
		{"invoiced", waybill.Invoice, l.Invoiced, l.Posted, info.IsStock()},
		{"invoiced", waybill.Invoice, l.Invoiced, goal, !info.IsStock()},
	} {
		if !step.applies || step.got.Cmp(step.want) >= 0 {
			continue
		}
		for _, d := range o.Deliveries {
			if d.Kind == step.kind && d.Shown == lane.Parked && !isBehind(d) {
				line.Behind = append(line.Behind, step.counter)
				line.Note, line.NoteTone = words(d.Reason)+" at "+d.Target, "bad"
				break
			}
		}
	}
}

// isBehind reports whether a delivery only stands behind another.
func isBehind(d trace.Delivery) bool { return strings.HasPrefix(d.Reason, "behind ") }

// deliveries are an order's documents with their attempts.
func (d *Desk) deliveries(ctx context.Context, list []trace.Delivery) ([]tower.Delivery, error) {
	out := make([]tower.Delivery, 0, len(list))
	for _, x := range list {
		attempts, err := d.trace.Attempts(ctx, x.Delivery)
		if err != nil {
			return nil, err
		}
		one := tower.Delivery{Key: x.Key, Target: x.Target, Kind: string(x.Kind), Subject: x.Subject, Revision: x.Revision,
			Seq: int(x.Seq), State: string(x.Shown), Reason: why(x), Ref: x.Ref, Message: sentMessage(x),
			Actions: deliveryActions(x), Attempts: shownAttempts(attempts)}
		out = append(out, one)
	}
	return out, nil
}

// why says what a delivery waits for or what came of it; nothing where it is
// simply done.
func why(x trace.Delivery) string {
	if x.Shown == lane.Done && x.Reason == "" {
		return ""
	}
	if isBehind(x) {
		return x.Reason
	}
	return joined(": ", x.Reason, x.Detail)
}

// sentMessage opens what was sent; before the first attempt there is nothing.
func sentMessage(x trace.Delivery) string {
	if !x.Attempted() {
		return ""
	}
	return x.Key
}

// deliveryActions are what the engine would accept for a delivery now.
func deliveryActions(x trace.Delivery) []tower.ActionKind {
	if x.State.Settled() || x.State == lane.InFlight || x.State == lane.Ready || isBehind(x) {
		return nil
	}
	out := []tower.ActionKind{tower.Retry}
	if x.State == lane.Parked {
		out = append(out, tower.Skip)
	}
	if x.Attempted() {
		out = append(out, tower.Settle)
	}
	return out
}

func shownAttempts(list []lane.Attempt) []tower.Attempt {
	out := make([]tower.Attempt, 0, len(list))
	for i, a := range list {
		outcome := string(a.Outcome)
		switch {
		case a.Outcome == "" && !a.Ended.IsZero():
			outcome = "not counted"
		case a.Outcome != "":
			outcome = joined(": ", words(outcome), a.Detail)
		}
		out = append(out, tower.Attempt{N: max(a.Number, i+1), Epoch: a.Epoch, Start: a.Started, Deadline: a.Deadline,
			End: a.Ended, Outcome: outcome})
	}
	return out
}
