package process

import (
	"slices"
	"strconv"

	"github.com/waybillhq/waybill"
)

// tooLate reports whether a version of the order is not in force because the
// warehouse would not take it any more.
func (s *Sales) tooLate(f *fact) bool {
	for i, d := range s.docs {
		switch {
		case d.kind == waybill.WarehouseOrderChange && d.version == f.version && d.compensates == 0 && s.changeOf(i) == changeLate:
			return true
		case d.kind == waybill.PurchaseOrder && d.version < f.version && d.inBooks():
			return true // a supplier that has the order can't be asked: there is no document for it
		}
	}
	return false
}

// inForce returns the order's version in force: the highest that did not come
// too late, or the first of those below it that say the same; nil before the
// order is known.
func (s *Sales) inForce() *fact {
	var force *fact
	for _, f := range s.of(famOrder) {
		switch {
		case s.tooLate(f):
			continue
		case force != nil && force.digest != f.digest:
			return force
		}
		force = f
	}
	return force
}

// content is the order as its version in force states it; nil before it is
// known or attached.
func (s *Sales) content() *waybill.Order {
	if f := s.inForce(); f != nil {
		return s.orderOf(f)
	}
	return nil
}

func (f *fact) order() *waybill.Order {
	o, _ := f.body.(*waybill.Order)
	return o
}

func (f *fact) shipment() *waybill.Shipment {
	sh, _ := f.body.(*waybill.Shipment)
	return sh
}

// unit is the unit in which an entry of the fact's lines came; empty means the
// order line's.
func (f *fact) unit(i int) string {
	switch {
	case len(f.units) == 1:
		return f.units[0]
	case i < len(f.units):
		return f.units[i]
	}
	return ""
}

// base returns a fact's quantities of goods in base units: what it says of a kit
// it says of the components.
func (pic *picture) base(f *fact) vector {
	return pic.inBase(f, func(line int) bool { return pic.kitAt(line) != nil })
}

// inBooks returns the quantities of an invoice or credit in base units, by the
// lines that are invoiced.
func (pic *picture) inBooks(f *fact) vector {
	return pic.inBase(f, func(line int) bool { return pic.kitAt(line) != nil && !pic.billed(line) })
}

// inBase returns a fact's quantities in base units, those of some kits by their
// components.
func (pic *picture) inBase(f *fact, spread func(line int) bool) vector {
	same := true
	for i, en := range f.lines {
		q, _ := pic.s.toBase(pic.info[en.line], en.qty, f.unit(i))
		same = same && q.Equal(en.qty) && (i == 0 || f.lines[i-1].line < en.line) && !spread(en.line)
	}
	if same {
		return f.lines
	}
	out := make(vector, 0, len(f.lines))
	named := func(line int) bool {
		return slices.ContainsFunc(f.lines, func(en entry) bool { return en.line == line })
	}
	for i, en := range f.lines {
		q, _ := pic.s.toBase(pic.info[en.line], en.qty, f.unit(i))
		if !spread(en.line) {
			out = out.put(en.line, q)
			continue
		}
		pic.spread(en.line, q, named, func(line int, qty waybill.Decimal) { out = out.put(line, qty) })
	}
	return out
}

// waits says what a fact waits for, in words; empty when it can be applied.
func (pic *picture) waits(f *fact) (reason string) {
	if f.void {
		return ""
	}
	if pic.order == nil {
		return "its order is not known yet"
	}
	for i, en := range f.lines {
		line := pic.info[en.line]
		if line == nil {
			return "line " + pic.s.table[en.line] + " is not in the order"
		}
		if _, ok := pic.s.toBase(line, en.qty, f.unit(i)); !ok {
			return unknownUnit + " " + f.unit(i) + " for line " + pic.s.table[en.line]
		}
	}
	switch f.family {
	case famAccepted, famChanged, famChangeRefused, famCancelled, famCancelRefused, famClosed:
		if pic.s.warehouseOrder(f.source, f.subject) < 0 {
			return "no warehouse order " + f.subject + " is known"
		}
	case famReturned, famReturnRequested:
		return pic.waitsForItem(f)
	case famDelivered:
		if pic.shipped(f.subject) == nil {
			return "shipment " + f.subject + " is not known yet"
		}
	}
	return ""
}

const unknownUnit = "unknown unit"

// shipped returns the version in force of a shipment; nil when there is none.
func (pic *picture) shipped(id string) *fact {
	for _, f := range pic.shipments {
		if f.subject == id {
			return f
		}
	}
	return nil
}

// echo finds the document whose receipt gave the number that a fact names: the
// fact then tells only what the receipt said.
func (s *Sales) echo(f *fact) *doc {
	var kind waybill.Kind
	switch f.family {
	case famInvoiced:
		kind = waybill.Invoice
	case famCredited:
		kind = waybill.CreditMemo
	default:
		return nil
	}
	for _, d := range s.docs {
		if d.kind == kind && d.ref != "" && d.ref == f.subject && d.target == f.source {
			return d
		}
	}
	return nil
}

// adopt goes through the facts subject by subject: the highest version that has
// all it names is in force, what is above it waits, what is below is
// superseded. tell is nil where nobody asks: places change with events only.
func (pic *picture) adopt(tell *round) {
	facts := pic.s.facts
	for from := 0; from < len(facts); {
		to := from + 1
		for to < len(facts) && compareSubjects(facts[from], facts[to]) == 0 {
			to++
		}
		if facts[from].family == famOrder {
			pic.placeVersions(facts[from:to], tell)
		} else {
			pic.adoptSubject(facts[from:to], tell)
		}
		from = to
	}
}

func (pic *picture) adoptSubject(versions []*fact, tell *round) {
	top := -1
	for i, f := range versions {
		wait := pic.waits(f)
		if wait == "" {
			top = i
			break
		}
		if f.expired {
			tell.at(f, Parked, wait)
		} else {
			tell.at(f, Limbo, wait)
		}
	}
	if top < 0 {
		return
	}
	for _, f := range versions[top+1:] {
		pic.supersede(f, versions[top], tell)
	}
	f := versions[top]
	if f.void && f.family != famShipped {
		tell.at(f, Ignored, Voided)
		return
	}
	if d := pic.s.echo(f); d != nil {
		tell.at(f, Ignored, "echo of document "+d.key)
		return
	}
	if f.family == famShipped {
		if other := pic.shipped(f.subject); other != nil {
			pic.twins = append(pic.twins, f)
			tell.at(f, Parked, "shipment "+f.subject+" was reported by "+other.source+" too")
			return
		}
	}
	tell.at(f, Applied, "")
	pic.apply(f)
}

// placeVersions places the versions of the order.
func (pic *picture) placeVersions(versions []*fact, tell *round) {
	for _, f := range versions {
		switch {
		case f == pic.order:
			tell.at(f, Applied, "")
		case pic.s.tooLate(f):
			tell.at(f, Ignored, "came too late: the warehouse would not change any more")
		case pic.order != nil && f.version > pic.order.version:
			tell.at(f, Ignored, "it says what version "+strconv.FormatInt(pic.order.version, 10)+" says already")
		case pic.order != nil:
			pic.supersede(f, pic.order, tell)
		}
	}
	if len(versions) > 1 && versions[0].version == versions[1].version && versions[0].reading == versions[1].reading {
		pic.conflicts = append(pic.conflicts, versions[0])
	}
}

func (pic *picture) supersede(f, by *fact, tell *round) {
	reason := "a newer version is in force"
	switch {
	case f.version != by.version:
	case f.reading != by.reading:
		reason = "its message was read again, as event " + by.event
	default:
		reason = "the same version with other content is in force"
		if f.family != famOrder {
			pic.conflicts = append(pic.conflicts, by)
		}
	}
	tell.at(f, Superseded, reason)
}

// at tells only of changes.
func (r *round) at(f *fact, p FactPlace, reason string) {
	if r != nil && f.place != p {
		f.place = p
		if f.event != "" { // not of Waybill's own making
			r.place(f.event, p, reason)
		}
	}
}

// apply adds a fact in force to the totals.
func (pic *picture) apply(f *fact) {
	switch f.family {
	case famCancel:
		pic.requests = append(pic.requests, request{f: f})
	case famCancelled:
		pic.confirmed = append(pic.confirmed, f)
		pic.recall(f)
	case famClosed:
		pic.close(pic.s.warehouseOrder(f.source, f.subject) + 1)
	case famAllocated:
		pic.q[waybill.Allocated].add(pic.base(f))
	case famPicked:
		pic.q[waybill.Picked].add(pic.base(f))
	case famPacked:
		pic.q[waybill.Packed].add(pic.base(f))
	case famShipped:
		pic.shipments = append(pic.shipments, f)
		pic.q[waybill.Shipped].add(pic.base(f))
		if f.final {
			pic.close(f.answers)
		}
	case famDelivered:
		pic.q[waybill.Delivered].add(pic.base(pic.shipped(f.subject)))
	case famReturned:
		pic.returned(f)
	case famReturnRequested:
		pic.requested = append(pic.requested, f)
	case famInvoiced:
		pic.q[waybill.Invoiced].add(pic.inBooks(f))
	case famCredited:
		pic.q[waybill.Credited].add(pic.inBooks(f))
	}
}
