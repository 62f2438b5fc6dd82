package process

import "github.com/waybillhq/waybill"

// tellInvoices sends the invoices of the ERP's books to the channel, where it
// is billed by the installation: each once, with the ERP's number. The books
// come first: what the ERP has not taken is not billed.
func (r *round) tellInvoices() {
	if r.channel() == "" || !r.p.Channels[r.s.origin].Invoices {
		return
	}
	for _, at := range r.s.attempts(waybill.Invoice) {
		d := r.s.docs[at]
		if d.state != done || r.s.gone(d) || r.stands(waybill.InvoiceNotice, r.channel(), d.key) {
			continue
		}
		r.want(want{kind: waybill.InvoiceNotice, target: r.channel(), subject: d.key, version: d.version, of: at + 1, fact: d.fact,
			first: d.first, freight: d.freight, lines: func() vector { return d.lines }, tax: func(vector) waybill.Decimal { return d.tax },
			why: "W4.2 the ERP booked invoice " + named(d.key, d.ref) + " and the channel is billed by us"})
	}
}

// invoiceNotice is what a channel is told of an invoice beside its lines.
type invoiceNotice struct {
	ChannelOrder string           `json:"channel_order"`
	Invoice      string           `json:"invoice"` // the ERP's number of it
	Shipment     string           `json:"shipment,omitzero"`
	Customer     string           `json:"customer,omitzero"`
	PO           string           `json:"po,omitzero"`
	Terms        string           `json:"terms,omitzero"`
	Charges      []waybill.Charge `json:"charges"`
	Tax          string           `json:"tax"`
	// Told is what the channel was told of the shipment before: what is billed
	// must not be more.
	Told []waybill.LineQty `json:"told,omitzero"`
}

func (c *composer) invoiceNotice() *invoiceNotice {
	o := c.pic.body
	out := &invoiceNotice{ChannelOrder: c.channelOrder(), Shipment: c.s.shipmentOf(c.d), Customer: o.Customer, PO: o.PO, Terms: o.Terms,
		Charges: c.charges(), Tax: waybill.FormatAmount(c.d.tax, o.Currency)}
	if c.d.of > 0 {
		out.Invoice = named(c.s.keyAt(c.d.of), c.s.docs[c.d.of-1].ref)
	}
	told := (&round{s: c.s}).told(out.Shipment)
	if told == nil || out.Shipment == "" {
		return out
	}
	c.pic.eachLine(func(at int) {
		if base, has := told.lines.of(at); has {
			qty, uom := c.s.inLineUnit(c.pic.info[at], base)
			out.Told = append(out.Told, waybill.LineQty{Line: c.pic.info[at].Line, Qty: qty, UOM: uom})
		}
	})
	return out
}
