package process

import (
	"github.com/waybillhq/waybill"
)

// bill invoices what is posted, and credits what was reversed after it was
// invoiced (W4.2).
func (r *round) bill() {
	if r.p.ERP == "" || !r.pic.body.Type.Billable() {
		return
	}
	postings := r.s.attempts(waybill.ShipmentPosting)
	if !r.pic.goods {
		r.billServices()
		return
	}
	if len(postings) == 0 {
		return
	}
	b := r.billing(postings)
	for _, at := range b.postings {
		if d := r.s.docs[at]; !d.rest && r.s.applied(d.kind, d.target, d.subject) {
			b.invoice(at)
			b.last = at
		}
	}
	b.remainder()
	for _, at := range r.s.attempts(waybill.ShipmentReversal) {
		if d := r.s.docs[at]; !d.rest && r.s.applied(d.kind, d.target, d.subject) {
			b.credit(at)
		}
	}
}

// billServices bills an order without goods. Nothing of it ships, so there is no
// posting to wait for: its fees and services are invoiced once the ERP has the
// order, and the invoice is the sales order's as it is a posting's otherwise.
func (r *round) billServices() {
	d := r.s.current(waybill.SalesOrder, r.p.ERP, r.s.ref)
	if d == nil || !r.s.applied(d.kind, d.target, d.subject) {
		return
	}
	b := r.billing(nil)
	if b.extras.any() {
		b.wantInvoice(r.s.byKey(d.key), nil, "W4.2 the ERP has the order, of which nothing ships")
	}
}

// billing is how far billing is while the plan goes through the postings.
type billing struct {
	*round
	allowed row  // what goods may still be invoiced
	extras  row  // freight, fees and services still to be invoiced
	begun   bool // the ERP has an invoice of this order, or may have
	charged bool // one with the order's charges
	asking  bool // a version of the order is in force that the ERP is still to get
	planned bool // this plan has an invoice that carries the extras
	last    int  // place of the last applied posting; -1 before there is one

	postings []int // places, in the order of their attempts

	posted, kits row // what postings have of components, and invoices of kits; nil where the order has no kits
}

// billing starts the billing of a plan.
func (r *round) billing(postings []int) *billing {
	s := r.s
	b := &billing{round: r, last: -1, postings: postings}
	b.allowed, b.extras = s.row(), s.row()
	behind := r.booksVersion() < r.pic.order.version
	b.asking = behind && !s.skippedChange(r.pic.order.version)
	if behind {
		r.readBooks()
	}
	for at, due := range r.pic.goal {
		if behind { // a version that the ERP does not have yet may still come too late
			due = waybill.MinDecimal(due, r.pic.books[at])
		}
		switch {
		case r.pic.info[at] == nil || !r.pic.accepted(at):
		case r.pic.billedGoods(at):
			b.allowed[at] = r.pic.allowance(at, due, r.p)
		case !r.pic.stock(at) && r.pic.kitAt(at) == nil:
			b.extras[at] = due
		}
	}
	for _, d := range s.docs {
		switch {
		case !s.counts(d):
		case d.kind == waybill.Invoice:
			b.allowed.sub(d.lines)
			b.begun = true
			b.extras.sub(b.billed(d))
			b.charged = b.charged || d.first && !b.again(d)
		case d.kind == waybill.CreditMemo && d.of != 0: // of a return, nothing is to be billed again
			b.allowed.add(d.lines)
			b.extras.add(b.billed(d))
		}
	}
	for at := range b.extras { // what the ERP billed by its own doing is billed
		b.allowed[at] = b.allowed[at].Sub(r.pic.taken[at])
		b.extras[at] = b.extras[at].Sub(r.pic.taken[at])
		if r.pic.stock(at) || r.pic.kitAt(at) != nil {
			b.extras[at] = waybill.Decimal{}
		}
	}
	b.readKits()
	return b
}

// skippedChange reports whether a person decided that the ERP does not get a
// version of the order.
func (s *Sales) skippedChange(version int64) bool {
	for _, d := range s.docs {
		if d.kind == waybill.SalesOrderChange && d.byVersion && d.version == version && d.state == skipped {
			return true
		}
	}
	return false
}

// allowance is how much of a line's goods may be invoiced: what is due, with
// the tolerance; what shipped above it only once its exception is settled.
func (pic *picture) allowance(at int, due waybill.Decimal, p *Policy) waybill.Decimal {
	if pic.s.excess {
		return waybill.MaxDecimal(pic.q[waybill.Shipped][at], due)
	}
	return due.Add(due.Mul(p.OverShip))
}

// postedOf is what stays posted of a posting: what was sent, less its reversals,
// those on their way included.
func (b *billing) postedOf(at int, withPlanned bool) row {
	s, p := b.s, b.s.docs[at]
	net := s.row()
	s.carried(net, p.kind, p.target, p.subject)
	for _, d := range s.docs { // a rest that was given up is accounted for, and not posted
		if d.rest && d.state == skipped && s.counts(d) && d.kind == p.kind && d.subject == p.subject && d.target == p.target {
			net.sub(d.lines)
		}
	}
	for _, d := range s.docs {
		if d.kind == waybill.ShipmentReversal && s.reverses(d, p) &&
			(s.counts(d) || withPlanned && d.state == planned && d.wanted) {
			net.sub(d.lines)
		}
	}
	return net
}

// reverses reports whether a reversal, or the credit of one, concerns a posting
// in any of its revisions.
func (s *Sales) reverses(d, posting *doc) bool {
	if d.of == 0 {
		return false
	}
	p := s.docs[d.of-1]
	if d.kind == waybill.CreditMemo {
		return s.reverses(p, posting)
	}
	return p.kind == posting.kind && p.subject == posting.subject && p.target == posting.target
}

// credited reports whether an operator undid an invoice, and it is to stay so. A
// newer version of the order ends that once it is known whether it came too late.
func (b *billing) credited(d *doc) bool {
	return b.s.undone(d) && (b.asking || b.takenBack(d))
}

// again reports whether what an invoice had is billed once more: an operator undid
// it, and it need not stay so.
func (b *billing) again(d *doc) bool { return b.s.undone(d) && !b.credited(d) }

// billed is what an invoice counts for where the plan asks what is still to be
// billed, or a credit where it asks what is to be billed again.
func (b *billing) billed(d *doc) vector { return b.counted(d, b.credited) }

// invoice bills a posting: what stays posted and is not invoiced yet, up to
// what may be invoiced.
func (b *billing) invoice(at int) {
	s, posting := b.s, b.s.docs[at]
	open := b.postedOf(at, true)
	for _, d := range s.docs {
		switch {
		case !s.counts(d):
		case d.kind == waybill.Invoice && d.of == at+1:
			open.sub(b.billed(d))
		case d.kind == waybill.CreditMemo && s.reverses(d, posting):
			open.add(b.billed(d))
		}
	}
	b.openKits(at, open)
	for line := range open {
		if b.asking && open[line].Cmp(b.allowed[line]) > 0 && b.pic.billedGoods(line) {
			return // whether the excess was ordered is being asked: one invoice, once that is known
		}
		open[line] = waybill.MinDecimal(open[line], b.allowed[line])
		if !b.pic.accepted(line) || !b.pic.billedGoods(line) {
			open[line] = waybill.Decimal{}
		}
	}
	lines := open.positive()
	if lines == nil {
		return
	}
	b.allowed.sub(lines)
	b.wantInvoice(at, lines, "W4.2 posting "+posting.subject+" is in the ERP's books")
}

// remainder bills fees that came to the order after its last invoice.
func (b *billing) remainder() {
	if b.begun && b.last >= 0 && !b.planned && b.extras.any() {
		b.wantInvoice(b.last, nil, "W4.2 freight, fees and services of the order are not yet invoiced")
	}
}

// wantInvoice wants an invoice of a posting. The first of the plan carries what
// is left of freight, fees and services; the order's first its charges.
func (b *billing) wantInvoice(at int, lines vector, why string) {
	s, posting := b.s, b.s.docs[at]
	if !b.planned {
		all := s.row()
		all.add(lines)
		all.add(b.extras.positive())
		lines = all.positive()
	}
	first := !b.charged && !b.planned
	b.planned = true
	b.want(want{kind: waybill.Invoice, target: b.p.ERP, subject: s.free(waybill.Invoice, b.p.ERP, posting.key),
		version: posting.version, of: at + 1, fact: posting.fact, first: first, freight: posting.fact != "" && b.freightOpen(posting),
		lines: func() vector { return lines },
		tax:   func(v vector) waybill.Decimal { return b.taxOf(waybill.Invoice, v, true) },
		why:   why})
}

// freightOpen reports whether the freight of a posting's shipment is on no
// invoice yet.
func (b *billing) freightOpen(posting *doc) bool {
	shipment := b.s.shipmentOf(posting)
	for _, d := range b.s.docs {
		if d.kind == waybill.Invoice && d.inBooks() && d.freight && b.s.shipmentOf(d) == shipment && !b.again(d) {
			return false
		}
	}
	return true
}

// credit gives back what was invoiced of a posting and then reversed.
func (b *billing) credit(at int) {
	s, reversal := b.s, b.s.docs[at]
	if s.inBooks(waybill.CreditMemo, b.p.ERP, reversal.subject) {
		return
	}
	posting := s.docs[reversal.of-1]
	over, invoice := s.row(), 0
	for _, i := range s.attempts(waybill.Invoice) {
		if invoice == 0 && s.docs[s.docs[i].of-1].subject == posting.subject {
			invoice = i + 1
		}
	}
	for _, d := range s.docs {
		switch {
		case !s.counts(d):
		case d.kind == waybill.Invoice && s.docs[d.of-1].subject == posting.subject:
			over.add(d.lines)
		case d.kind == waybill.CreditMemo && s.reverses(d, posting):
			over.sub(d.lines)
		}
	}
	net := b.postedOf(reversal.of-1, false)
	sent := s.row()
	s.carried(sent, reversal.kind, reversal.target, reversal.subject)
	for line := range over {
		over[line] = waybill.MinDecimal(over[line].Sub(net[line]), sent[line])
		if !b.pic.stock(line) || !b.pic.billed(line) {
			over[line] = waybill.Decimal{}
		}
	}
	b.overKits(over)
	if len(b.pic.returns) > 0 { // what came back may be credited already
		net := b.invoicedNet()
		for line := range over {
			over[line] = waybill.MinDecimal(over[line], net[line])
		}
	}
	lines := over.positive()
	if lines == nil {
		return
	}
	if invoice == 0 { // a kit's is that of the posting that completed it
		invoice = b.lastInvoice(lines) + 1
	}
	b.want(want{kind: waybill.CreditMemo, target: b.p.ERP, subject: reversal.subject, version: reversal.version,
		of: at + 1, compensates: invoice, fact: reversal.fact,
		lines: func() vector { return lines },
		tax:   func(v vector) waybill.Decimal { return b.taxOf(waybill.Invoice, v, false) },
		why:   "W4.2 what was reversed had been invoiced"})
}

// invoicedNet is what is invoiced and not credited, by Waybill's documents.
func (r *round) invoicedNet() row {
	net := r.s.row()
	for _, d := range r.s.docs {
		switch {
		case !r.s.counts(d):
		case d.kind == waybill.Invoice:
			net.add(d.lines)
		case d.kind == waybill.CreditMemo:
			net.sub(d.lines)
		}
	}
	return net
}

// taxOf is the part of the order's tax that goes with some of its lines: by
// value, and on the document of a kind that completes the order what is left.
func (r *round) taxOf(kind waybill.Kind, v vector, completes bool) waybill.Decimal {
	pic, order := r.pic, r.pic.body
	var value, part, all, told waybill.Decimal
	for i := range order.Lines {
		value = value.Add(order.Lines[i].Qty.Mul(order.Lines[i].Price))
	}
	if order.Tax.IsZero() || value.IsZero() {
		return waybill.Decimal{}
	}
	for _, en := range v {
		part = part.Add(r.s.value(pic.info[en.line], en.qty, pic.info[en.line].Price))
	}
	rest := r.s.row()
	for _, d := range r.s.docs {
		switch {
		case !d.inBooks():
		case d.kind == kind:
			told = told.Add(d.tax)
			rest.sub(d.lines)
		case kind == waybill.Invoice && d.kind == waybill.CreditMemo && d.of != 0:
			told = told.Sub(d.tax)
			rest.add(d.lines)
		}
	}
	rest.sub(v)
	for at := range rest {
		if pic.info[at] == nil || !pic.accepted(at) || !pic.billed(at) {
			continue
		}
		all = all.Sub(r.s.value(pic.info[at], rest[at], pic.info[at].Price))
		completes = completes && rest[at].Add(pic.goal[at]).Sign() <= 0
	}
	if completes {
		part = all
	}
	tax := waybill.RoundAmount(order.Tax.Mul(part).Quo(value), order.Currency)
	if completes {
		tax = tax.Sub(told)
	}
	return tax
}
