package process

import (
	"strconv"

	"github.com/waybillhq/waybill"
)

// capture has the channel take the money for what left the building, where it
// does so by shipment: what the invoice will say of it, once per shipment, and
// what a newer version has more. The ERP books each capture that was made
// (W4.2).
func (r *round) capture() {
	if r.channel() == "" || !r.p.Channels[r.s.origin].Captures || !r.pic.body.Type.Billable() {
		return
	}
	c := r.capturing()
	for _, f := range r.pic.shipments {
		c.shipment(f)
	}
	if r.p.ERP == "" || !r.s.applied(waybill.SalesOrder, r.p.ERP, r.s.ref) {
		return
	}
	for _, at := range r.s.attempts(waybill.PaymentCapture) {
		d := r.s.docs[at]
		if d.state != done {
			continue
		}
		r.want(want{kind: waybill.PaymentReceipt, target: r.p.ERP, subject: d.key, version: d.version, of: at + 1, fact: d.fact,
			first: d.first, freight: d.freight, lines: func() vector { return d.lines }, tax: func(vector) waybill.Decimal { return d.tax },
			why: "W4.2 the channel captured the payment of shipment " + r.s.shipmentOf(d)})
	}
}

// capturing is how far capturing is while the plan goes through the shipments.
type capturing struct {
	*round
	allowed row  // what goods may still be captured
	extras  row  // freight, fees and services still to be captured
	charged bool // a capture has the order's charges
	planned bool // this plan has one that carries the extras

	shipped, kits row // what shipments have of components, and captures of kits
}

func (r *round) capturing() *capturing {
	c := &capturing{round: r, allowed: r.s.row(), extras: r.s.row(), shipped: r.s.row(), kits: r.s.row()}
	for at, due := range r.pic.goal {
		switch {
		case r.pic.info[at] == nil:
		case r.pic.billedGoods(at):
			c.allowed[at] = r.pic.allowance(at, due, r.p)
		case !r.pic.stock(at) && r.pic.kitAt(at) == nil:
			c.extras[at] = due
		}
	}
	for _, d := range r.s.docs {
		if d.kind == waybill.PaymentCapture && r.s.counts(d) {
			c.allowed.sub(d.lines)
			c.extras.sub(r.plans(d))
			c.charged = c.charged || d.first
			c.kits.add(r.plans(d))
		}
	}
	return c
}

// shipment captures what a shipment has and no capture of it had.
func (c *capturing) shipment(f *fact) {
	open, told, freight := c.s.row(), false, true
	open.add(c.pic.base(f))
	for _, d := range c.s.docs {
		if d.kind == waybill.PaymentCapture && c.s.counts(d) && c.s.shipmentOf(d) == f.subject {
			open.sub(c.plans(d))
			told, freight = true, freight && !d.freight
		}
	}
	c.shipped.add(c.pic.base(f))
	for i := range c.pic.kits { // with the shipment by which one more may be billed
		k := &c.pic.kits[i]
		open[k.line] = k.billable(c.shipped).Sub(c.kits[k.line])
	}
	for line := range open {
		open[line] = waybill.MinDecimal(open[line], c.allowed[line])
		if !c.pic.billedGoods(line) {
			open[line] = waybill.Decimal{}
		}
		c.kits[line] = c.kits[line].Add(waybill.MaxDecimal(open[line], waybill.Decimal{}))
	}
	lines := open.positive()
	if lines == nil {
		return
	}
	c.allowed.sub(lines)
	w := want{kind: waybill.PaymentCapture, target: c.channel(), subject: f.subject, version: f.version, fact: f.event,
		first: !c.charged && !c.planned, freight: freight,
		why: "W4.2 shipment " + f.subject + " left the building and the channel captures on shipment"}
	if told {
		w.subject = c.s.free(w.kind, w.target, correction(f))
		w.why = "W4.2 version " + strconv.FormatInt(f.version, 10) + " of shipment " + f.subject + " has more than was captured"
	}
	if !c.planned {
		all := c.s.row()
		all.add(lines)
		all.add(c.extras.positive())
		lines = all.positive()
	}
	c.planned = true
	w.lines = func() vector { return lines }
	w.tax = func(v vector) waybill.Decimal { return c.taxOf(waybill.PaymentCapture, v, true) }
	c.want(w)
}

// captures looks at money that was taken for goods that never left.
func (a *alarms) captures() {
	for _, at := range a.s.attempts(waybill.PaymentCapture) {
		d := a.s.docs[at]
		f := a.pic.shipped(a.s.shipmentOf(d))
		if f == nil {
			continue
		}
		net := a.s.row()
		for _, other := range a.s.docs {
			if other.kind == waybill.PaymentCapture && other.inBooks() && a.s.shipmentOf(other) == f.subject {
				net.add(other.lines)
			}
		}
		net.sub(a.pic.base(f))
		for line := range net {
			if a.pic.stock(line) && net[line].Sign() > 0 {
				a.add("captured_over_shipped", f.subject, a.s.table[line], "line "+a.s.table[line]+" of shipment "+f.subject+": "+
					net[line].String()+" captured that did not ship", "refund the difference in "+d.target+"; no document asks for it")
			}
		}
	}
}

// paymentData is what a payment's documents say beside their lines.
type paymentData struct {
	ChannelOrder string           `json:"channel_order,omitzero"`
	Shipment     string           `json:"shipment"`
	Capture      string           `json:"capture,omitzero"`     // the capture's key, to the ERP
	CaptureRef   string           `json:"capture_ref,omitzero"` // the channel's number of it
	Customer     string           `json:"customer,omitzero"`
	Charges      []waybill.Charge `json:"charges"`
	Tax          string           `json:"tax"`
	Amount       string           `json:"amount"` // lines, charges and tax
}

func (c *composer) payment() *paymentData {
	o := c.pic.body
	out := &paymentData{Shipment: c.s.shipmentOf(c.d), Customer: o.Customer, Charges: c.charges(), Tax: waybill.FormatAmount(c.d.tax, o.Currency)}
	if c.d.kind == waybill.PaymentCapture {
		out.ChannelOrder = c.channelOrder()
	} else if c.d.of > 0 {
		out.Capture, out.CaptureRef = c.s.keyAt(c.d.of), c.s.docs[c.d.of-1].ref
	}
	total := c.d.tax
	for _, en := range c.d.lines {
		total = total.Add(c.s.value(c.pic.info[en.line], en.qty, c.priceOf(en.line)))
	}
	for _, ch := range out.Charges {
		total = total.Add(ch.Amount)
	}
	out.Amount = waybill.FormatAmount(waybill.RoundAmount(total, o.Currency), o.Currency)
	return out
}
