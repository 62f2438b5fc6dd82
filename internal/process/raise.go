package process

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
)

// raise derives the exceptions that the facts in force and the receipts call
// for, and tells the differences to those that are open. None is a truth of its
// own: it closes when its cause is gone.
func (r *round) raise() {
	a := alarms{round: r}
	a.facts()
	a.documents()
	a.quantities()
	a.returns()
	a.captures()
	a.undoings()
	a.kits()
	s := r.s
	kept := s.open[:0:0]
	for _, k := range s.open {
		if k.Cause == "unreadable_fact" || slices.ContainsFunc(a.list, func(x Exception) bool { return x.ExceptionKey == k }) {
			kept = append(kept, k)
		} else {
			r.out.Clear = append(r.out.Clear, k)
		}
	}
	for _, x := range a.list {
		if !slices.Contains(kept, x.ExceptionKey) {
			kept = append(kept, x.ExceptionKey)
			r.out.Raise = append(r.out.Raise, x)
		}
	}
	s.open = kept
}

// alarms gathers the exceptions of one round.
type alarms struct {
	*round
	list []Exception
}

func (a *alarms) add(cause, subject, line, detail, next string) {
	k := ExceptionKey{Cause: cause, Subject: subject, Line: line}
	if !slices.ContainsFunc(a.list, func(x Exception) bool { return x.ExceptionKey == k }) {
		a.list = append(a.list, Exception{ExceptionKey: k, Detail: detail, Next: next})
	}
}

// facts looks at facts that wait too long or contradict each other.
func (a *alarms) facts() {
	for _, f := range a.s.facts {
		if f.place != Parked || !f.expired {
			continue
		}
		why := a.pic.waits(f)
		if strings.HasPrefix(why, unknownUnit) {
			a.add("unknown_unit", f.event, "", f.what()+" waits: "+why,
				"correct the unit at "+f.source+", or have the item's units kept where it is mastered")
		} else {
			a.add("limbo_expired", f.event, "", f.what()+" waits: "+why,
				"find out why what it names never came; it is taken in as soon as it does")
		}
	}
	for _, f := range a.pic.conflicts {
		a.add("version_conflict", named("order", f.subject), "", f.what()+" came twice in one version with different content; event "+
			f.event+" is in force", "ask "+f.source+" which is right and have it sent as a newer version")
	}
	for _, f := range a.pic.twins {
		a.add("shipment_number_taken", f.subject, "", "two systems report a shipment "+f.subject+"; the one of "+f.source+" counts for nothing",
			"have one of them number its shipments apart and send it again")
	}
	if f := a.s.readLate(a.pic.order); f != nil {
		a.add("order_read_again", named("order", f.subject), "", "the order's message was read again and says something else than the documents that its systems hold",
			"look at what they hold, and have "+f.source+" send a newer version of the order: it is brought to them as a change")
	}
	for _, f := range a.s.of(famChangeRefused) {
		if at := f.answers - 1; at >= 0 && a.s.docs[at].state == done && !a.s.docs[at].late {
			a.add("change_contradicted", a.s.docs[at].key, "", "the warehouse applied a change and then refused it",
				"ask the warehouse by which quantities it works, and enter a change or a cancellation for the difference")
		}
	}
}

// what names a fact for people.
func (f *fact) what() string {
	if f.subject == "" {
		return "the order"
	}
	return factNames[f.family] + " " + f.subject
}

var factNames = map[family]string{
	famCancel: "cancel request", famAccepted: "the acceptance of warehouse order", famChanged: "the change of warehouse order",
	famChangeRefused: "the refused change of warehouse order", famCancelled: "the cancellation of warehouse order",
	famCancelRefused: "the refused cancellation of warehouse order", famClosed: "the closing of warehouse order",
	famAllocated: "allocation", famPicked: "pick", famPacked: "pack", famShipped: "shipment", famDelivered: "the delivery of shipment",
	famReturned: "return", famReturnRequested: "the request of return", famInvoiced: "invoice", famCredited: "credit",
}

// documents looks at refusals.
func (a *alarms) documents() {
	for _, d := range a.s.docs {
		if d.state == refused {
			a.add("refused_"+string(d.kind)+"_"+d.code, d.key, "", d.target+" refused "+string(d.kind)+" "+d.subject+": "+d.code,
				"repair the cause and retry it, settle it with the number it has there, or skip it; its lane waits")
		}
		if d.state != done {
			continue
		}
		for _, en := range d.rejected {
			if a.pic.goal[en.line].Sign() <= 0 || d.kind == waybill.SalesOrder && a.pic.accepted(en.line) {
				continue
			}
			line := a.s.table[en.line]
			a.add("line_rejected", d.key, line, d.target+" rejected line "+line+" of "+string(d.kind)+" "+d.subject,
				"repair the line and change the order, or cancel the line; the other lines go on without it")
		}
	}
}

// quantities looks at what must never be more than what it comes from.
func (a *alarms) quantities() {
	pic := a.pic
	if pic.body == nil {
		return
	}
	shippedAny, openAny := false, false
	for at, l := range pic.info {
		if l == nil {
			continue
		}
		net := pic.q[waybill.Invoiced][at].Sub(pic.q[waybill.Credited][at])
		if !l.IsStock() {
			if pic.billed(at) && net.Cmp(pic.goal[at]) > 0 {
				a.add("invoiced_over_ordered", a.s.ref, l.Line, "line "+l.Line+": "+net.String()+" invoiced, "+pic.goal[at].String()+" ordered and not cancelled",
					"credit it in the ERP, or put the line back into the order: it changed after it was billed")
			}
			continue
		}
		shipped, posted := pic.q[waybill.Shipped][at], pic.q[waybill.Posted][at]
		limit := pic.goal[at].Add(pic.goal[at].Mul(a.p.OverShip))
		if shipped.Cmp(limit) > 0 && !a.s.excess {
			a.add("over_shipped", a.s.ref, l.Line, "line "+l.Line+": "+shipped.String()+" shipped, "+pic.goal[at].String()+" to deliver",
				"settle it to invoice the excess, or arrange its return; it is posted and not invoiced")
		}
		if posted.Cmp(shipped) > 0 && !a.correcting(at) {
			a.add("posted_over_shipped", a.s.ref, l.Line, "line "+l.Line+": "+posted.String()+" posted, "+shipped.String()+" shipped",
				"see which reversal is missing in the ERP")
		}
		if net.Cmp(posted) > 0 && !a.correcting(at) && pic.q[waybill.Returned][at].IsZero() {
			a.add("invoiced_over_posted", a.s.ref, l.Line, "line "+l.Line+": "+net.String()+" invoiced, "+posted.String()+" posted",
				"see which invoice the ERP made by itself, and credit it or post the shipment")
		}
		shippedAny = shippedAny || shipped.Sign() > 0
		openAny = openAny || pic.goal[at].Cmp(shipped) > 0
	}
	if pic.body.ShipComplete && shippedAny && openAny {
		a.add("split_ship_complete", a.s.ref, "", "the order shall ship complete and a part of it has shipped",
			"tell the buyer, and ask the warehouse for the rest; the part is posted and billed as any other")
	}
	if pic.body.Type == waybill.OrderDropShip && a.p.Supplier == "" && a.booked() && !shippedAny && a.toDeliver() {
		a.add("no_supplier", a.s.ref, "", "a drop-ship order goes to a supplier, and none is connected",
			"order the goods from the supplier; its shipment is taken in as a warehouse's")
	}
	for at, l := range pic.info {
		if l != nil && a.s.sites != nil && a.booked() && l.IsStock() && a.s.siteOf(at) == "" && pic.goal[at].Cmp(pic.q[waybill.Shipped][at]) > 0 {
			a.add("no_warehouse", a.s.ref, l.Line, "no route sends line "+l.Line+" to a warehouse",
				"add a route that fits it, or name a warehouse for what no route fits; the other lines go on")
		}
	}
	for i, at := range pic.orders {
		if version, _ := a.s.versionAt(at); !pic.shut[i] && version > pic.order.version {
			if _, asked := a.goesBack(at, version); !asked {
				continue
			}
			a.add("warehouses_disagree", a.s.docs[at].key, "", a.s.docs[at].target+" works by version "+strconv.FormatInt(version, 10)+
				", which another warehouse would not take, and will not go back", "ask it by which quantities it works, and enter a change or a cancellation for the difference")
		}
	}
	if pic.lost != nil {
		a.add("warehouse_cancelled", a.s.ref, "", "the warehouse cancelled goods that nobody asked it to cancel",
			"cancel them for the buyer too, or have them shipped from elsewhere; they count as backordered")
	}
}

// correcting reports whether a reversal or credit of a line is on its way.
func (a *alarms) correcting(line int) bool {
	for _, d := range a.s.docs {
		onItsWay := d.state == planned || d.state == attempted || d.state == pending
		if onItsWay && (d.kind == waybill.ShipmentReversal || d.kind == waybill.CreditMemo || d.kind == waybill.ShipmentPosting) {
			if _, has := d.lines.of(line); has {
				return true
			}
		}
	}
	return false
}

// alarm sets the timers that are needed and clears those that are not.
func (r *round) alarm() {
	if r.heldByCheck() && r.p.HoldRecheck > 0 && r.p.ERP != "" && !r.erpHolds() {
		if !r.isSet(TimerRecheck) {
			r.set(TimerRecheck, r.now.Add(r.p.HoldRecheck))
		}
	} else {
		r.clear(TimerRecheck)
	}
	if due, waits := r.limboEnds(); !waits {
		r.clear(TimerLimbo)
	} else {
		r.set(TimerLimbo, due)
	}
	if !r.dayAhead {
		r.clear(TimerRelease)
	}
}

// limboEnds is when the first fact in limbo has waited long enough.
func (r *round) limboEnds() (due time.Time, waits bool) {
	first := int64(0)
	for _, f := range r.s.facts {
		if f.place == Limbo && (first == 0 || f.at < first) {
			first = f.at
		}
	}
	return instant(first).Add(r.p.Limbo), first != 0
}

func (r *round) isSet(name string) bool {
	return slices.ContainsFunc(r.s.timers, func(t Timer) bool { return t.Name == name })
}

// set sets a timer, unless it is set to that time already.
func (r *round) set(name string, due time.Time) {
	t := Timer{Name: name, Due: due.UTC()}
	for i, was := range r.s.timers {
		if was.Name != name {
			continue
		}
		if !was.Due.Equal(t.Due) {
			r.s.timers[i] = t
			r.out.SetTimers = append(r.out.SetTimers, t)
		}
		return
	}
	r.s.timers = append(r.s.timers, t)
	r.out.SetTimers = append(r.out.SetTimers, t)
}

func (r *round) clear(name string) {
	for i, t := range r.s.timers {
		if t.Name == name {
			r.s.timers = slices.Delete(r.s.timers, i, i+1)
			r.out.ClearTimers = append(r.out.ClearTimers, name)
			return
		}
	}
}

// watch names what the order waits to hear of: what a held one is stopped by,
// the records of items whose units facts wait for, and the stock of what is
// backordered.
func (r *round) watch() {
	var names []string
	if r.heldByCheck() && !r.erpHolds() {
		if r.pic.body.Customer != "" {
			names = append(names, "customer:"+r.pic.body.Customer)
		}
		for _, l := range r.pic.body.Lines {
			if name := "item:" + l.SKU; l.SKU != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, sku := range r.pic.unitsAwaited() {
		if name := "item:" + sku; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, b := range r.pic.backorders() {
		if name := "stock:" + b.SKU; b.SKU != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, n := range r.s.watching {
		if !slices.Contains(names, n) {
			r.out.Unwatch = append(r.out.Unwatch, n)
		}
	}
	for _, n := range names {
		if !slices.Contains(r.s.watching, n) {
			r.out.Watch = append(r.out.Watch, n)
		}
	}
	r.s.watching = names
}
