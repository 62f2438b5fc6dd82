package edi

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/edi/x12"
)

// What POC02 says becomes of a line.
const (
	lineAdded   = "AI"
	lineDeleted = "DI"
)

// orderChange is an 860. It states differences, and order.changed the whole
// order: with a book it becomes the order after the change. Without one, the
// event carries the lines that change, marked partial, and nobody may take it
// for the order.
func (r *reading) orderChange() error {
	o := &orderReading{reading: r, order: &waybill.Order{}}
	for i := range r.m.Len() {
		s := r.m.Segment(i)
		switch s.ID() {
		case "POC":
			o.endLine()
			o.beginChange(s)
		case "CTT", "SE":
			o.endLine()
		default:
			if o.line != nil {
				o.lineSegment(s)
			} else {
				o.headSegment(s)
			}
		}
	}
	ref := o.order.Order
	if o.purpose == purposeCancel {
		return r.cancel(o.own, ref, nil)
	}
	if o.purpose != purposeChange && o.purpose != purposeReplace {
		r.note(fmt.Sprintf("BCH01 %s is no change: nothing is changed", o.purpose))
		return nil
	}
	version := r.sent().Unix()
	if n, err := strconv.ParseInt(o.sequence, 10, 32); err == nil {
		version = 1 + n // the sequence counts changes, and the order itself was version 1
	}
	order := o.changed()
	order.Version = version
	return r.emit(waybill.Event{Type: waybill.OrderChanged, Flow: waybill.FlowSales, Ref: ref, Subject: ref, Version: version, Body: order})
}

func (o *orderReading) beginChange(s x12.Segment) {
	o.open = nil
	l := o.newLine()
	l.action = s.Element(2)
	l.Qty, _ = decimal(s.Element(3))
	if parts := x12.Components(s.Element(5), o.m.Group.Interchange.Delimiters); parts[0] != "" {
		l.UOM = o.unit(parts[0], "POC", s.Element(1))
	}
	l.Price, _ = price(s.Element(6), s.Element(7))
	l.ids = itemIDs(l.ids, s, 8, 10)
	l.SKU, l.CustomerSKU = o.item(l.ids)
	l.Line = id(s.Element(1))
	if l.action == lineDeleted {
		l.Qty = waybill.Decimal{}
	}
}

// changed is the order after the change, or where nothing is known of it, what
// changes.
func (o *orderReading) changed() *waybill.Order {
	var base *waybill.Order
	if o.book != nil && o.purpose == purposeChange {
		base = o.book.Order(o.order.Order)
	}
	if base == nil {
		o.partial = o.purpose == purposeChange
		if o.partial {
			o.note("an 860 states differences: the event carries the lines that change, and not the whole order")
		} else {
			o.order.Lines = slices.DeleteFunc(o.order.Lines, func(l waybill.OrderLine) bool { return deleted(&l) })
		}
		o.numberLines()
		o.finish()
		return o.order
	}
	changes := o.order.Lines
	o.finish()
	order := *base
	order.Lines = slices.Clone(base.Lines)
	order.RequestedShip = named(o.order.RequestedShip, base.RequestedShip)
	order.CancelAfter = named(o.order.CancelAfter, base.CancelAfter)
	if o.order.ShipTo != nil {
		order.ShipTo = o.order.ShipTo
	}
	order.Unknown = o.order.Unknown
	for i := range changes {
		o.apply(&order, &changes[i])
	}
	return &order
}

// numberLines gives a number to lines that came without one.
func (o *orderReading) numberLines() {
	for i := range o.order.Lines {
		if o.order.Lines[i].Line == "" {
			o.order.Lines[i].Line = strconv.Itoa(i + 1)
		}
	}
}

// action is POC02 of a line that came in an 860.
func action(l *waybill.OrderLine) string {
	var v struct {
		Action string `json:"action"`
	}
	if len(l.Unknown) == 0 || waybill.Unmarshal(l.Unknown, &v) != nil {
		return ""
	}
	return v.Action
}

func deleted(l *waybill.OrderLine) bool { return action(l) == lineDeleted }

// apply makes one change to the order.
func (o *orderReading) apply(order *waybill.Order, change *waybill.OrderLine) {
	at := slices.IndexFunc(order.Lines, func(l waybill.OrderLine) bool { return l.Line == change.Line })
	if at < 0 && change.Line == "" {
		at = slices.IndexFunc(order.Lines, func(l waybill.OrderLine) bool { return l.SKU == change.SKU })
	}
	what := action(change)
	switch {
	case at < 0 && what == lineAdded:
		if change.Line == "" {
			change.Line = strconv.Itoa(len(order.Lines) + 1)
		}
		order.Lines = append(order.Lines, *change)
	case at < 0:
		o.note(fmt.Sprintf("the order has no line %s that %s could change", named(change.Line, change.SKU), what))
	case what == lineDeleted:
		order.Lines = slices.Delete(order.Lines, at, at+1)
	default:
		l := &order.Lines[at]
		if !change.Qty.IsZero() {
			l.Qty = change.Qty
		}
		if change.UOM != "" {
			l.UOM = change.UOM
		}
		if !change.Price.IsZero() {
			l.Price = change.Price
		}
	}
}
