package reconcile

import (
	"fmt"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
)

// line compares what the floor reported of a line with what the books hold.
func (r *run) line(w *ledger.Waybill, state *process.Sales, ds []lane.Delivery, v *process.LineView) {
	b := inBase(state, v, r.booked[w.Ref+"\x00"+v.Line])
	price, currency := priceOf(state, v)
	add := func(c Control, qty waybill.Decimal, kind waybill.Kind) {
		if qty.Sign() <= 0 {
			return
		}
		cause, action, since := r.explain(ds, kind, b)
		if since.IsZero() {
			since = w.UpdatedAt
		}
		r.rep.Breaks = append(r.rep.Breaks, Break{Control: c, Order: w.Ref, Line: v.Line, Qty: qty,
			Money: waybill.RoundAmount(qty.Mul(price), currency), Currency: currency, Since: since, Cause: cause, Action: action})
	}
	switch r.sys.Role {
	case waybill.RoleERP:
		off := waybill.Decimal{}
		moved, billed := measures(state, v)
		if moved {
			add(ShippedNotPosted, v.Shipped.Sub(b.posted), waybill.ShipmentPosting)
			add(PostedNotShipped, b.posted.Sub(v.Shipped), waybill.ShipmentReversal)
			off = distance(b.posted, v.Posted)
		}
		if billed {
			if billable(state) {
				add(ShippedNotInvoiced, v.Shipped.Sub(b.invoiced), waybill.Invoice)
			}
			add(InvoicedNotShipped, b.invoiced.Sub(mayBill(state, v)), waybill.CreditMemo)
			// both net of all credit memos
			off = waybill.MaxDecimal(off, distance(b.invoiced.Sub(b.credited), v.Invoiced.Sub(v.Credited)))
		}
		add(Quantity, off, waybill.ShipmentPosting)
	case waybill.RoleWMS:
		if v.Allocated.Sign() > 0 { // a warehouse that reports no allocations can't be measured by them
			add(ReleasedNotAllocated, v.Released.Sub(v.Allocated).Sub(v.Cancelled).Sub(v.Backordered), waybill.WarehouseOrder)
		}
	}
}

// inBase adds up what the books hold of a line in its base unit, in which the
// floor is counted. A unit that the item does not know is counted as it stands:
// no document of ours was in it, and the difference shows as a break.
func inBase(state *process.Sales, v *process.LineView, booked []bookedLine) *bookedLine {
	sum := &bookedLine{uom: v.BaseUOM}
	for _, b := range booked {
		factor := waybill.NewDecimal(1)
		if b.uom != v.BaseUOM {
			if f, ok := state.PerUnit(v.Line, b.uom); ok {
				factor = f
			}
		}
		sum.posted = sum.posted.Add(b.posted.Mul(factor))
		sum.invoiced = sum.invoiced.Add(b.invoiced.Mul(factor))
		sum.credited = sum.credited.Add(b.credited.Mul(factor))
		sum.byHand = sum.byHand || b.byHand
	}
	return sum
}

func distance(a, b waybill.Decimal) waybill.Decimal {
	d := a.Sub(b)
	if d.Sign() < 0 {
		return d.Neg()
	}
	return d
}

// priceOf is a line's price for one of its base unit.
func priceOf(state *process.Sales, v *process.LineView) (waybill.Decimal, string) {
	o := state.Content()
	if o == nil {
		return waybill.Decimal{}, ""
	}
	for i := range o.Lines {
		if l := &o.Lines[i]; l.Line == v.Line {
			if per, ok := state.PerUnit(v.Line, ""); l.UOM != v.BaseUOM && ok && per.Sign() > 0 {
				return l.Price.Quo(per), o.Currency
			}
			return l.Price, o.Currency
		}
	}
	return waybill.Decimal{}, o.Currency
}

// measures says whether a line is posted when it ships, and whether it is
// invoiced by what shipped. A kit is billed and its components are posted,
// unless they are billed each by itself; a fee is neither.
func measures(state *process.Sales, v *process.LineView) (moved, billed bool) {
	l := lineOf(state, v.Line)
	switch {
	case l == nil:
		return true, true
	case l.Kind == waybill.LineKit:
		return false, l.Kit != nil && l.Kit.Invoice != waybill.KitByComponent
	case !l.IsStock():
		return false, false
	}
	kit := lineOf(state, l.Parent)
	return true, l.Parent == "" || kit == nil || kit.Kit != nil && kit.Kit.Invoice == waybill.KitByComponent
}

// mayBill is how much of a line may be invoiced by what shipped. Of a kit that is
// billed with its first component that is more than the whole kits; the process
// keeps its count, and no more than all of them.
func mayBill(state *process.Sales, v *process.LineView) waybill.Decimal {
	if l := lineOf(state, v.Line); l != nil && l.Kind == waybill.LineKit && l.Kit != nil && l.Kit.Invoice == waybill.KitOnFirst {
		return waybill.MaxDecimal(v.Shipped, v.Invoiced)
	}
	return v.Shipped
}

// lineOf is a line of the order; nil where it has none of that id.
func lineOf(state *process.Sales, line string) *waybill.OrderLine {
	if o := state.Content(); o != nil {
		for i := range o.Lines {
			if o.Lines[i].Line == line {
				return &o.Lines[i]
			}
		}
	}
	return nil
}

func billable(state *process.Sales) bool {
	o := state.Content()
	return o == nil || o.Type.Billable()
}

// explain finds why a line differs among the documents of its order, and
// proposes the one thing that repairs it.
func (r *run) explain(ds []lane.Delivery, kind waybill.Kind, b *bookedLine) (cause, action string, since time.Time) {
	for i := range ds {
		d := &ds[i]
		if d.Target != r.sys.Name || d.Kind != kind && !before(d.Kind, kind) {
			continue
		}
		switch d.State {
		case lane.Done, lane.Cancelled:
			continue
		case lane.Skipped:
			return "skipped", fmt.Sprintf("%s was skipped (%s): enter it in %s by hand, or settle it with its number", d.Kind, d.Reason, r.sys.Name), d.DecidedAt
		case lane.Parked:
			return "parked", fmt.Sprintf("%s is parked (%s): correct the cause and retry delivery %s", d.Kind, d.Reason, d.Key), d.DecidedAt
		default:
			return "in_flight", fmt.Sprintf("wait: %s is %s", d.Kind, d.State), d.DecidedAt
		}
	}
	if b.byHand {
		return "by_hand", "an entry without a key was made in " + r.sys.Name + ": link it to the order or reverse it", since
	}
	return "missing", "no document on its way explains it: replay the order", since
}

// before reports whether a document of the first kind has to be in the books
// before one of the second can be.
func before(first, second waybill.Kind) bool {
	switch second {
	case waybill.Invoice:
		return first == waybill.ShipmentPosting || first == waybill.SalesOrder
	case waybill.ShipmentPosting:
		return first == waybill.SalesOrder
	}
	return false
}
