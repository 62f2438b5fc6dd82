package process

import (
	"slices"
	"strings"

	"github.com/waybillhq/waybill"
)

// inverses are the documents that undo another of the same system (DESIGN's
// "every step has its inverse"). What is not here has none in the contract.
var inverses = map[waybill.Kind]waybill.Kind{
	waybill.SalesOrder:      waybill.SalesOrderCancel,
	waybill.WarehouseOrder:  waybill.WarehouseOrderCancel,
	waybill.ShipmentPosting: waybill.ShipmentReversal,
	waybill.Invoice:         waybill.CreditMemo,
}

// insteads say what to do about a document that none undoes.
var insteads = map[waybill.Kind]string{
	waybill.SalesOrderChange:     "have the channel send a newer version of the order, or compensate the sales_order",
	waybill.WarehouseOrderChange: "have the channel send a newer version of the order, or compensate the warehouse_order",
	waybill.PurchaseOrder:        "ask the supplier: the contract has no document that takes an order from it",
	waybill.ShipmentReversal:     "recheck the order: what was reversed is posted again",
	waybill.CreditMemo:           "recheck the order where the invoice was compensated, or bill the difference in the ERP",
	waybill.PaymentCapture:       "refund the money in the channel",
	waybill.PaymentReceipt:       "refund the money in the channel and book that in the ERP",
	waybill.Fulfilment:           "have the warehouse send the shipment in a newer version: the channel is told the difference",
}

// undoing is what undoes a document.
type undoing struct {
	kind  waybill.Kind
	lines vector // what is left to undo
	tax   waybill.Decimal
}

// undoSubject is the subject of the document that undoes another: it is undone
// once.
func undoSubject(key string) string { return "undo." + key }

// CheckCompensate says why a document can't be undone, as a [*waybill.Error]
// with the next step; nil where the command can be folded as command.given.
func (s *Sales) CheckCompensate(key string, p *Policy) error {
	s.borrow()
	defer s.giveBack()
	r := &round{s: s, p: p, pic: s.look(nil)}
	if _, err := r.undoing(s.byKey(key)); err != nil {
		return err
	}
	return nil
}

func refusal(code, detail, fix string) *waybill.Error {
	return &waybill.Error{Code: code, Detail: detail, Fix: fix}
}

// undoing works out what undoes the document at a place: once, of what its
// system holds, and not while what was built upon it stands.
func (r *round) undoing(at int) (*undoing, *waybill.Error) {
	if at < 0 || r.s.docs[at].state != done {
		return nil, refusal("not_applied", "only what a system has applied can be undone", "wait until it is applied, or skip the delivery where it waits")
	}
	d := r.s.docs[at]
	u := &undoing{kind: inverses[d.kind]}
	switch {
	case u.kind == "":
		fix := insteads[d.kind]
		if fix == "" {
			fix = "correct it in " + d.target + ", or have the facts told in a newer version"
		}
		return nil, refusal("no_inverse", "no document undoes a "+string(d.kind), fix)
	case r.s.undone(d):
		return nil, refusal("compensated_already", "delivery "+r.s.keyAt(d.undone)+" undoes it", "see what became of that one")
	case !r.s.applied(d.kind, d.target, d.subject):
		return nil, refusal("compensate_later", "lines of this "+string(d.kind)+" are still to be tried again", "wait for them, or skip them")
	}
	if d.kind == waybill.SalesOrder {
		if err := r.builtUpon(); err != nil {
			return nil, err
		}
	}
	if c := r.s.underWay(at); c >= 0 {
		return nil, refusal("compensate_later", string(r.s.docs[c].kind)+" "+r.s.docs[c].key+", which corrects it, is not settled", "wait for it, or skip it")
	}
	left := r.leftToUndo(at)
	if u.lines = left.positive(); u.lines == nil {
		return nil, refusal("nothing_left", "nothing is left to undo of this "+string(d.kind), "it was corrected, credited, shipped or closed already")
	}
	if d.kind == waybill.Invoice {
		u.tax = d.tax
		for _, c := range r.s.docs {
			if c.kind == waybill.CreditMemo && c.inBooks() && c.compensates == at+1 {
				u.tax = u.tax.Sub(c.tax)
			}
		}
	}
	return u, nil
}

// builtUpon says what stands in the ERP's books against the order and has to be
// undone before it.
func (r *round) builtUpon() *waybill.Error {
	for _, at := range slices.Backward(r.s.attempts(waybill.Invoice)) {
		if r.leftToUndo(at).any() {
			return refusal("compensate_first", "invoice "+r.s.docs[at].key+" stands against the order", "compensate that one first")
		}
	}
	for _, at := range slices.Backward(r.s.attempts(waybill.ShipmentPosting)) {
		if r.leftToUndo(at).any() {
			return refusal("compensate_first", "shipment_posting "+r.s.docs[at].key+" stands against the order", "compensate that one first")
		}
	}
	return nil
}

// leftToUndo is what the system still holds of the document at a place.
func (r *round) leftToUndo(at int) row {
	d := r.s.docs[at]
	switch d.kind {
	case waybill.ShipmentPosting:
		return r.unreversed(at)
	case waybill.SalesOrder:
		out := r.s.row()
		r.readTotals(out, (*round).carries)
		return out
	case waybill.WarehouseOrder:
		return r.recallable(at)
	}
	out := r.s.row()
	out.add(d.lines)
	for _, c := range r.s.docs {
		if c.kind == waybill.CreditMemo && r.s.counts(c) && c.compensates == at+1 {
			out.sub(c.lines)
		}
	}
	return out
}

// recallable is what a warehouse still has to ship of its order.
func (r *round) recallable(at int) row {
	out := r.s.row()
	for i, order := range r.pic.orders {
		if order != at || r.pic.shut[i] {
			continue
		}
		for line := range out {
			if r.pic.orderOf(line) == i && r.pic.stock(line) {
				open := r.pic.goal[line].Sub(r.pic.q[waybill.Shipped][line])
				if r.pic.lost != nil {
					open = open.Sub(r.pic.lost[line])
				}
				out[line] = waybill.MaxDecimal(open, waybill.Decimal{})
			}
		}
	}
	return out
}

// compensate decides the document that undoes another, by an operator's command.
// What was undone stays so: the plan counts it as done, until the operator has
// the order rechecked, or the order, or the shipment, is told in a newer version.
func (r *round) compensate(c *Command) {
	s := r.s
	r.pic = s.look(nil)
	at := s.byKey(c.Key)
	u, err := r.undoing(at)
	if err != nil {
		return
	}
	x := s.docs[at]
	d := &doc{kind: u.kind, target: x.target, subject: undoSubject(x.key), version: x.version, state: withdrawn, lines: u.lines,
		of: at + 1, compensates: at + 1, fact: x.fact, first: x.first, freight: x.freight, tax: u.tax, terms: versionOf(r.pic.order), undoes: true}
	if f := s.factOf(x.fact); f != nil && r.pic.shipped(f.subject) != nil {
		d.fact = r.pic.shipped(f.subject).event
	}
	if was := s.current(d.kind, d.target, d.subject); was != nil { // it was refused or given up before
		if d.revision = was.revision + 1; was.state != done {
			d.supersedes = s.byKey(was.key) + 1
		}
	}
	d.key = r.key(d)
	s.docs = append(s.docs, d)
	x.undone = len(s.docs)
}

// undo sees to what operators undo: it stays wanted until it is applied, or
// given up for good.
func (r *round) undo() {
	for _, d := range r.s.docs {
		if !d.undoes || d.state == done || r.s.current(d.kind, d.target, d.subject) != d {
			continue
		}
		r.want(want{kind: d.kind, target: d.target, subject: d.subject, version: d.version, of: d.of, compensates: d.compensates, fact: d.fact,
			first: d.first, freight: d.freight, lines: func() vector { return d.lines }, tax: func(vector) waybill.Decimal { return d.tax },
			why: "C7 an operator undoes " + r.s.keyAt(d.compensates)})
	}
}

// undone reports whether a document was undone by an operator, or is about to
// be. A warehouse may say no.
func (s *Sales) undone(d *doc) bool {
	if d.undone == 0 {
		return false
	}
	by := s.docs[d.undone-1]
	return by.state != skipped && !by.late && !s.refusedByEvent(d.undone-1)
}

// takenBack reports whether an undone document is to stay so.
func (r *round) takenBack(d *doc) bool {
	if !r.s.undone(d) {
		return false
	}
	by := r.s.docs[d.undone-1]
	return !by.lapsed && !r.outdated(by)
}

// demanded is what a document counts for where the plan asks what is still to
// be done.
func (r *round) demanded(d *doc) vector { return r.counted(d, r.takenBack) }

// counted is what a document counts for. While what an operator undid is to stay
// so, it counts as done, and what undoes it for nothing; from then on both count
// for what they put into the books, as does every other correction of it.
func (r *round) counted(d *doc, stays func(undone *doc) bool) vector {
	switch {
	case d.undoes && stays(r.s.docs[d.compensates-1]):
		return nil
	case d.undoes, r.s.undone(d) && !stays(d):
		return d.lines
	}
	return r.plans(d)
}

// orderTakenBack reports whether an operator took the ERP's order back, and it
// is to stay so.
func (r *round) orderTakenBack() bool {
	d := r.s.current(waybill.SalesOrder, r.p.ERP, r.s.ref)
	return d != nil && d.undone != 0 && r.takenBack(d)
}

// askAnew ends what operators had their word on: what the order needs is asked
// from the facts alone.
func (r *round) askAnew() {
	for _, d := range r.s.docs {
		d.lapsed = d.undoes
		if d.inBooks() {
			d.meant = nil
		}
	}
}

// underWay is the place of a document that corrects the one at a place, and of
// which it is not known what becomes; -1 when there is none. A warehouse names
// its order, not the question: it is asked one at a time.
func (s *Sales) underWay(of int) int {
	d := s.docs[of]
	for at, c := range s.docs {
		sent := c.state == attempted || c.state == pending || c.state == refused
		switch c.kind {
		case waybill.SalesOrderChange, waybill.SalesOrderCancel:
			if sent && d.kind == waybill.SalesOrder {
				return at
			}
		case waybill.ShipmentReversal, waybill.CreditMemo:
			if sent && c.compensates == of+1 {
				return at
			}
		case waybill.WarehouseOrderChange:
			if c.of == of+1 && (sent || c.state == planned) && s.changeOf(at) == changeOpen {
				return at
			}
		case waybill.WarehouseOrderCancel:
			confirmed, no := s.cancelOf(at)
			if c.of == of+1 && (sent || c.state == planned || c.state == done) && !confirmed && !no {
				return at
			}
		}
	}
	return -1
}

// recalling reports whether a warehouse is being asked to give up the order at a
// place because an operator undid it.
func (s *Sales) recalling(order int) bool {
	d := s.docs[order]
	return d.undone != 0 && s.undone(d) && !s.recalled(order)
}

// recalled reports whether a warehouse gave an order up because an operator
// undid it.
func (s *Sales) recalled(order int) bool {
	d := s.docs[order]
	if d.undone == 0 || !s.undone(d) {
		return false
	}
	confirmed, _ := s.cancelOf(d.undone - 1)
	return confirmed
}

// undoings looks at what operators undid.
func (a *alarms) undoings() {
	for at, d := range a.s.docs {
		if d.undone == 0 {
			continue
		}
		by := a.s.docs[d.undone-1]
		if d.kind == waybill.WarehouseOrder && !a.s.undone(d) && by.state != planned && by.state != withdrawn && a.recallable(at).any() {
			a.add("recall_refused", d.key, "", d.target+" would not give up its order, which an operator undid",
				"it ships it: nothing is to be done, or ask "+d.target+" to stop it by hand")
		}
		if d.kind == waybill.SalesOrder && a.orderTakenBack() && a.s.current(d.kind, d.target, d.subject) == d {
			if with := a.afoot(); with != "" {
				a.add("undone_order_afoot", a.s.ref, "", "an operator took the order back from "+d.target+", and "+with,
					"compensate the warehouse_order too, or recheck the order: it is booked anew and goes on")
			}
		}
	}
}

// afoot says in words what of an order is on the floor.
func (a *alarms) afoot() string {
	var open []string
	for i, at := range a.pic.orders {
		if !a.pic.shut[i] && a.recallable(at).any() {
			open = append(open, a.s.docs[at].target+" still ships it")
		}
	}
	if a.pic.q[waybill.Shipped].any() {
		open = append(open, "a part of it has shipped")
	}
	return strings.Join(open, ", ")
}

// recall closes a warehouse order that its warehouse gave up as a whole because
// an operator undid it: its goods are left, as if it had closed it short.
func (pic *picture) recall(f *fact) {
	if f.answers == 0 {
		return
	}
	by := pic.s.docs[f.answers-1]
	if !by.undoes || by.of == 0 {
		return
	}
	if !f.all {
		given := pic.base(f)
		for _, en := range by.lines {
			if qty, _ := given.of(en.line); qty.Cmp(en.qty) < 0 {
				return // the rest is still to ship
			}
		}
	}
	pic.close(by.of)
}
