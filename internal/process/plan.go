package process

import (
	"strconv"

	"github.com/waybillhq/waybill"
)

// plan derives the documents that the order needs now. The steps stand in the
// order in which their documents enter a lane: what corrects the ERP's order
// goes before what is posted against it.
func (r *round) plan() {
	if r.pic.body == nil {
		return
	}
	r.rests()         // lines that a target wants once more
	r.undo()          // what operators compensate
	r.check()         // erp order_check; holds
	r.accept()        // erp sales_order
	r.change()        // wms warehouse_order_change, erp sales_order_change, channel change_answer
	r.cancel()        // wms warehouse_order_cancel, erp sales_order_cancel, channel cancellation_answer
	r.release()       // wms warehouse_order, supplier purchase_order
	r.notify()        // channel backorder_notice
	r.acknowledge()   // channel order_acknowledgment
	r.ship()          // channel fulfilment, fulfilment_update
	r.capture()       // channel payment_capture, erp payment_receipt
	r.post()          // erp shipment_posting, shipment_reversal
	r.bill()          // erp invoice, credit_memo
	r.tellInvoices()  // channel invoice_notice
	r.authorize()     // channel return_authorization, wms return_advice
	r.giveBackMoney() // erp credit_memo, channel refund_notice
}

// want is one document of the plan.
type want struct {
	kind        waybill.Kind
	target      string
	subject     string
	version     int64
	lines       func() vector // what it shall carry; asked only where that is still open
	of          int           // place + 1 of the document it follows from
	compensates int           // place + 1
	fact        string        // the shipment version it carries
	first       bool
	freight     bool
	tax         func(lines vector) waybill.Decimal // nil: none
	answer      string
	byVersion   bool
	why         string
}

// want compares one wanted document with what exists of it.
func (r *round) want(w want) {
	s := r.s
	d := s.current(w.kind, w.target, w.subject)
	if d == nil {
		r.add(r.document(w, 0), w.why)
		return
	}
	d.wanted = true
	switch d.state {
	case planned:
		r.carry(d, w)
	case done:
		if r.s.gone(d) && !r.takenBack(d) {
			r.renew(d, w)
		}
	case withdrawn:
		d.state = planned
		r.carry(d, w)
		r.add(d, w.why)
	case refused:
		if w.fact == "" || w.fact == d.fact || d.rest {
			return
		}
		r.skip(d) // what it carried is no longer so
		r.renew(d, w)
	case skipped:
		if !d.late && (d.epoch < s.epoch || w.fact != d.fact) {
			r.renew(d, w)
		}
	case absent:
		r.renew(d, w)
	}
}

// stands reports whether a document was attempted and not refused: whatever the
// plan says of it, nothing is left to do.
func (r *round) stands(kind waybill.Kind, target, subject string) bool {
	d := r.s.current(kind, target, subject)
	return d != nil && d.inBooks() && !r.s.gone(d)
}

// carry brings a planned document up to the facts.
func (r *round) carry(d *doc, w want) {
	if d.rest || d.undoes {
		return
	}
	if d.edit != "" {
		if d.fact == w.fact && d.version == w.version && d.terms == versionOf(r.pic.order) {
			return
		}
		d.forget()
	}
	d.version, d.fact, d.of, d.compensates = w.version, w.fact, w.of, w.compensates
	d.first, d.freight, d.answer, d.byVersion = w.first, w.freight, w.answer, w.byVersion
	d.lines = w.lines()
	if w.tax != nil {
		d.tax = w.tax(d.lines)
	}
}

// document makes a document of the plan.
func (r *round) document(w want, revision int) *doc {
	d := &doc{kind: w.kind, target: w.target, subject: w.subject, revision: revision, wanted: true}
	r.carry(d, w)
	d.key = r.key(d)
	return d
}

func (r *round) key(d *doc) string {
	return waybill.Identity{Namespace: r.p.Namespace, Target: d.target, Origin: r.s.origin, OriginRef: r.s.own,
		Kind: d.kind, Subject: d.subject, Revision: d.revision}.Key()
}

// renew decides a document anew, in place of one that was refused, skipped or
// never arrived: changed content is a new document.
func (r *round) renew(old *doc, w want) {
	if old.rest {
		w.version, w.lines = old.version, func() vector { return old.lines }
	}
	d := r.document(w, old.revision+1)
	d.rest = old.rest
	if old.state != done { // what was applied and undone is not superseded
		d.supersedes = r.s.byKey(old.key) + 1
	}
	r.add(d, w.why)
	if old.undoes {
		d.undoes, d.lapsed, d.terms = true, old.lapsed, old.terms
		r.s.docs[d.compensates-1].undone = r.s.byKey(d.key) + 1
	}
}

// add puts a document into its lane.
func (r *round) add(d *doc, why string) {
	s := r.s
	if s.byKey(d.key) < 0 {
		s.docs = append(s.docs, d)
	}
	r.out.Add = append(r.out.Add, Doc{Key: d.key, Target: d.target, Kind: d.kind, Subject: d.subject,
		Version: d.version, Revision: d.revision, Supersedes: s.keyAt(d.supersedes),
		Compensates: s.keyAt(d.compensates), Front: d.rest || d.edit != "", Why: why})
}

// keyAt is the key of the document at a place + 1; empty for 0.
func (s *Sales) keyAt(place int) string {
	if place == 0 {
		return ""
	}
	return s.docs[place-1].key
}

// mark prepares the comparison: a hold, a change or a cancellation since a
// document's attempt takes it out of its lane where it was refused.
func (r *round) mark() {
	s := r.s
	if o := r.pic.order; o != nil && o.version > s.top {
		s.top = o.version
		s.epoch++
	}
	if n := r.pic.heard(); n > s.asked {
		s.asked = n
		s.epoch++
	}
	for at, d := range s.docs {
		d.wanted = false
		switch {
		case d.state == refused && d.epoch < s.epoch:
			r.skip(d)
		case d.state == pending && s.refusedByEvent(at): // the warehouse will never apply it
			d.late = true
			r.skip(d)
		}
	}
}

// heard counts the cancel requests that somebody made.
func (pic *picture) heard() (n int) {
	for i := range pic.requests {
		if pic.requests[i].f.event != "" {
			n++
		}
	}
	return n
}

// rests sees to what targets left of a document to be tried again: it stays
// wanted until it is applied, or given up for good.
func (r *round) rests() {
	for _, d := range r.s.docs {
		if !d.rest || r.s.current(d.kind, d.target, d.subject) != d {
			continue
		}
		if r.held() && (d.kind == waybill.SalesOrder || releases(d.kind)) {
			continue
		}
		r.want(want{kind: d.kind, target: d.target, subject: d.subject, fact: d.fact, of: d.of, compensates: d.compensates,
			answer: d.answer, byVersion: d.byVersion, why: "T1 207: lines that the target wants once more"})
	}
}

// skip takes a document out of its lane.
func (r *round) skip(d *doc) {
	d.state = skipped
	r.out.Skip = append(r.out.Skip, d.key)
}

// withdraw takes back what is planned and no longer wanted.
func (r *round) withdraw() {
	for _, d := range r.s.docs {
		if d.state == planned && !d.wanted {
			d.state = withdrawn
			r.out.Withdraw = append(r.out.Withdraw, d.key)
		}
	}
}

// free returns the first subject of base, base.2, base.3 … under which the
// target does not hold a document of the kind yet: a further correction of one
// version is a document of its own.
func (s *Sales) free(kind waybill.Kind, target, base string) string {
	subject := base
	for n := 2; s.inBooks(kind, target, subject); n++ {
		subject = base + "." + strconv.Itoa(n)
	}
	return subject
}

// versionSubject is the subject of what concerns a version of the order.
func versionSubject(v int64) string { return "v" + strconv.FormatInt(v, 10) }

// totals returns the new totals of all lines that keep says yes to, 0 for
// those that are cancelled.
func (pic *picture) totals(keep func(line int) bool) vector {
	v := make(vector, 0, len(pic.info))
	for at, l := range pic.info {
		if l != nil && keep(at) {
			v = append(v, entry{line: at, qty: pic.goal[at]})
		}
	}
	return v
}

// accepted reports whether the ERP's books take a line.
func (pic *picture) accepted(line int) bool { return !pic.rejected[line] }
