package process

import (
	"slices"
	"strconv"

	"github.com/waybillhq/waybill"
)

// ship tells the channel what left the building: once per shipment, and again
// where a newer version of it says something else (W4.2).
func (r *round) ship() {
	if r.channel() == "" {
		return
	}
	for _, f := range r.pic.shipments {
		told := r.told(f.subject)
		if told != nil && told.fact == f.event {
			continue
		}
		lines := func() vector { return r.pic.base(f) }
		switch {
		case told == nil && f.lines.any():
			r.want(want{kind: waybill.Fulfilment, target: r.channel(), subject: f.subject, version: f.version, fact: f.event,
				lines: lines, why: "W4.2 shipment " + f.subject + " left the building"})
		case told != nil && r.s.differs(told.fact, f):
			r.want(want{kind: waybill.FulfilmentUpdate, target: r.channel(), version: f.version, fact: f.event,
				subject: r.s.free(waybill.FulfilmentUpdate, r.channel(), correction(f)),
				lines:   lines, why: "W4.2 shipment " + f.subject + " is told otherwise by its version " + strconv.FormatInt(f.version, 10)})
		}
	}
}

// any reports whether a quantity is above zero.
func (v vector) any() bool {
	return slices.ContainsFunc(v, func(en entry) bool { return en.qty.Sign() > 0 })
}

// correction is the subject of what corrects a shipment: it and its version.
func correction(f *fact) string { return f.subject + "." + versionSubject(f.version) }

// told returns the last document that told the channel of a shipment; nil when
// none was attempted.
func (r *round) told(shipment string) *doc {
	var last *doc
	for _, d := range r.s.docs {
		if (d.kind == waybill.Fulfilment || d.kind == waybill.FulfilmentUpdate) && d.inBooks() &&
			(last == nil || d.attempt > last.attempt) && r.s.shipmentOf(d) == shipment {
			last = d
		}
	}
	return last
}

// shipmentOf is the number of the shipment whose version a document carries.
func (s *Sales) shipmentOf(d *doc) string {
	if f := s.factOf(d.fact); f != nil {
		return f.subject
	}
	return ""
}

// factOf returns the shipment fact of an event.
func (s *Sales) factOf(event string) *fact {
	if event == "" {
		return nil
	}
	for _, f := range s.of(famShipped) {
		if f.event == event {
			return f
		}
	}
	return nil
}

// differs reports whether a shipment's version in force says anything else than
// the one that a document carried: a new number alone is no news.
func (s *Sales) differs(carried string, f *fact) bool {
	if carried == f.event {
		return false
	}
	was := s.factOf(carried)
	if was == nil || was.shipment() == nil || f.shipment() == nil {
		return true
	}
	a, b := *was.shipment(), *f.shipment()
	a.Version, b.Version = 0, 0
	x, errX := waybill.Marshal(a)
	y, errY := waybill.Marshal(b)
	return errX != nil || errY != nil || string(x) != string(y)
}

// post books what left the building in the ERP, and afterwards the differences
// that newer versions of a shipment make. Never a second posting of the whole
// (W4.2).
func (r *round) post() {
	if r.p.ERP == "" || !r.s.applied(waybill.SalesOrder, r.p.ERP, r.s.ref) {
		return
	}
	for _, f := range r.pic.shipments {
		r.postShipment(f)
	}
}

func (r *round) postShipment(f *fact) {
	more, less, posted := r.s.row(), r.s.row(), false
	for _, en := range r.pic.base(f) {
		if r.pic.accepted(en.line) {
			more[en.line] = more[en.line].Add(en.qty)
		}
	}
	for _, d := range r.s.docs {
		switch {
		case !r.s.counts(d):
		case d.kind == waybill.ShipmentPosting && r.s.shipmentOf(d) == f.subject:
			more.sub(r.demanded(d))
			posted = true
		case d.kind == waybill.ShipmentReversal && r.s.shipmentOf(d) == f.subject:
			more.add(r.demanded(d))
		}
	}
	for at := range more {
		if more[at].Sign() < 0 && r.pic.accepted(at) {
			less[at], more[at] = more[at].Neg(), waybill.Decimal{}
		}
	}
	if more.any() {
		r.postMore(f, more, posted)
	}
	if less.any() {
		r.postLess(f, less)
	}
}

func (r *round) postMore(f *fact, more row, posted bool) {
	w := want{kind: waybill.ShipmentPosting, target: r.p.ERP, subject: f.subject, version: f.version, fact: f.event,
		lines: more.positive, why: "W4.2 shipment " + f.subject + " left the building and the ERP has the order"}
	if posted {
		w.subject = r.s.free(w.kind, w.target, correction(f))
		w.why = "W4.2 version " + strconv.FormatInt(f.version, 10) + " of shipment " + f.subject + " has more than was posted"
	}
	r.want(w)
}

// postLess reverses what was posted too much, newest posting first, one reversal
// each.
func (r *round) postLess(f *fact, less row) {
	postings := slices.DeleteFunc(r.s.attempts(waybill.ShipmentPosting), func(at int) bool {
		return r.s.shipmentOf(r.s.docs[at]) != f.subject || r.s.undone(r.s.docs[at])
	})
	for n, i := range slices.Backward(postings) {
		subject := correction(f)
		if len(postings) > 1 {
			subject += ".p" + strconv.Itoa(n+1)
		}
		part := r.unreversed(i)
		for at := range part {
			part[at] = waybill.MinDecimal(part[at], less[at])
			if part[at].Sign() > 0 {
				less[at] = less[at].Sub(part[at])
			}
		}
		if !part.any() {
			continue
		}
		r.want(want{kind: waybill.ShipmentReversal, target: r.p.ERP, version: f.version, fact: f.event, of: i + 1, compensates: i + 1,
			subject: r.s.free(waybill.ShipmentReversal, r.p.ERP, subject), lines: part.positive,
			why: "W4.2 version " + strconv.FormatInt(f.version, 10) + " of shipment " + f.subject + " has less than was posted"})
	}
}

// unreversed is what of the posting at a place has not been reversed.
func (r *round) unreversed(at int) row {
	part := r.s.row()
	part.add(r.s.docs[at].lines)
	for _, d := range r.s.docs {
		if d.kind == waybill.ShipmentReversal && r.s.counts(d) && d.of == at+1 {
			part.sub(d.lines)
		}
	}
	return part
}
