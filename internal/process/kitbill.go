package process

import "github.com/waybillhq/waybill"

// readKits works out how many kits are invoiced. Kits are billed by what all
// postings have of their components: the invoice is that of the posting by which
// one more may be.
func (b *billing) readKits() {
	if len(b.pic.kits) == 0 {
		return
	}
	b.posted, b.kits = b.s.row(), b.s.row()
	for _, d := range b.s.docs {
		switch {
		case !b.s.counts(d):
		case d.kind == waybill.Invoice:
			b.kits.add(b.billed(d))
		case d.kind == waybill.CreditMemo && d.of != 0:
			b.kits.sub(b.billed(d))
		}
	}
}

// openKits puts the kits that may be billed with a posting among what is open
// of it. Postings are gone through in the order of their attempts.
func (b *billing) openKits(at int, open row) {
	if b.kits == nil {
		return
	}
	for line, qty := range b.postedOf(at, true) {
		b.posted[line] = b.posted[line].Add(qty)
	}
	for i := range b.pic.kits {
		k := &b.pic.kits[i]
		more := waybill.MinDecimal(k.billable(b.posted).Sub(b.kits[k.line]), b.allowed[k.line])
		open[k.line] = waybill.MaxDecimal(k.billable(b.posted).Sub(b.kits[k.line]), waybill.Decimal{})
		b.kits[k.line] = b.kits[k.line].Add(waybill.MaxDecimal(more, waybill.Decimal{}))
	}
}

// overKits puts the kits that are invoiced and that what stays posted does not
// make among what a reversal has credited. The first that is credited takes all.
func (b *billing) overKits(over row) {
	if b.kits == nil {
		return
	}
	left := b.s.row()
	for _, at := range b.postings {
		if d := b.s.docs[at]; !d.rest {
			for line, qty := range b.postedOf(at, false) {
				left[line] = left[line].Add(qty)
			}
		}
	}
	net := b.s.row()
	for _, d := range b.s.docs {
		switch {
		case d.kind == waybill.Invoice && b.s.counts(d):
			net.add(d.lines)
		case d.kind == waybill.CreditMemo && d.of != 0 && (b.s.counts(d) || d.state == planned && d.wanted):
			net.sub(d.lines)
		}
	}
	for i := range b.pic.kits {
		k := &b.pic.kits[i]
		over[k.line] = waybill.Decimal{}
		if k.rule != waybill.KitByComponent {
			over[k.line] = waybill.MaxDecimal(net[k.line].Sub(k.billable(left)), waybill.Decimal{})
		}
	}
}
