package process

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/waybillhq/waybill"
)

// dispositionReject is the disposition of goods that are sent back to the buyer
// or kept for him: they came back, and are not credited.
const dispositionReject = "reject"

// comeback is what came back under the number of one return.
type comeback struct {
	f    *fact
	kept row // to be credited: all that was not rejected
}

// returned counts a return that a warehouse received.
func (pic *picture) returned(f *fact) {
	body := f.returned()
	if body == nil {
		return
	}
	at := slices.IndexFunc(pic.returns, func(c comeback) bool { return c.f.subject == f.subject })
	if at < 0 { // several warehouses may receive a part of one return
		at = len(pic.returns)
		pic.returns = append(pic.returns, comeback{kept: pic.s.row()})
	}
	pic.returns[at].f = f
	pic.eachReturned(body, pic.q[waybill.Returned], func(line int, qty waybill.Decimal, l *waybill.ReturnLine) {
		pic.q[waybill.Returned][line] = pic.q[waybill.Returned][line].Add(qty)
		if l.Disposition != dispositionReject {
			pic.returns[at].kept[line] = pic.returns[at].kept[line].Add(qty)
		}
	})
}

// eachReturned calls do for what comes back of each line, in base units. What
// names only an item is shared among the order's lines of that item: each as far
// as it shipped and has not come back, the last without limit.
// A kit that comes back is its components.
func (pic *picture) eachReturned(body *waybill.Return, back row, each func(line int, qty waybill.Decimal, l *waybill.ReturnLine)) {
	named := func(line int) bool {
		return slices.ContainsFunc(body.Lines, func(l waybill.ReturnLine) bool { return l.Line == pic.s.table[line] })
	}
	do := func(line int, qty waybill.Decimal, l *waybill.ReturnLine) {
		pic.spread(line, qty, named, func(line int, qty waybill.Decimal) { each(line, qty, l) })
	}
	for i := range body.Lines {
		l := &body.Lines[i]
		if l.Line != "" {
			if at := pic.s.find(l.Line, i); at >= 0 {
				qty, _ := pic.s.toBase(pic.info[at], l.Qty, l.UOM)
				do(at, qty, l)
			}
			continue
		}
		lines := pic.linesOf(l.SKU)
		left := l.Qty
		for n, at := range lines {
			if n == 0 {
				left, _ = pic.s.toBase(pic.info[at], left, l.UOM)
			}
			qty := left
			if n < len(lines)-1 {
				out := pic.q[waybill.Shipped][at].Sub(back[at])
				if k := pic.kitAt(at); k != nil {
					out = k.whole(pic.q[waybill.Shipped]).Sub(k.begun(back))
				}
				qty = waybill.MinDecimal(qty, waybill.MaxDecimal(out, waybill.Decimal{}))
			}
			if qty.Sign() > 0 {
				do(at, qty, l)
			}
			left = left.Sub(qty)
		}
	}
}

// linesOf lists the lines of goods that order an item.
func (pic *picture) linesOf(sku string) (out []int) {
	pic.eachLine(func(at int) {
		if (pic.stock(at) || pic.kitAt(at) != nil) && pic.info[at].SKU == sku {
			out = append(out, at)
		}
	})
	return out
}

// waitsForItem says what a return waits for that names items instead of lines;
// empty when it can be applied.
func (pic *picture) waitsForItem(f *fact) string {
	body := f.returned()
	for i := 0; body != nil && i < len(body.Lines); i++ {
		l := &body.Lines[i]
		if l.Line != "" {
			continue
		}
		lines := pic.linesOf(l.SKU)
		if lines == nil {
			return "no line of the order has item " + l.SKU
		}
		for _, at := range lines {
			if _, ok := pic.s.toBase(pic.info[at], l.Qty, l.UOM); !ok {
				return unknownUnit + " " + l.UOM + " for line " + pic.s.table[at]
			}
		}
	}
	return ""
}

func (f *fact) returned() *waybill.Return {
	ret, _ := f.body.(*waybill.Return)
	return ret
}

// returnFact returns the fact about a return that an event brought.
func (s *Sales) returnFact(event string) *fact {
	for _, f := range s.facts {
		if (f.family == famReturned || f.family == famReturnRequested) && f.event == event && event != "" {
			return f
		}
	}
	return nil
}

// returnOf is the number of the return that a document is about; empty where it
// is about none.
func (s *Sales) returnOf(d *doc) string {
	if f := s.returnFact(d.fact); f != nil {
		return f.subject
	}
	return ""
}

// authorize announces a return that the buyer asked for: to him, and to the
// warehouse that will receive it. What a newer version has more is announced on
// top (W4.6).
func (r *round) authorize() {
	for _, f := range r.pic.requested {
		body := f.returned()
		if body == nil {
			continue
		}
		asked := r.s.row()
		r.pic.eachReturned(body, r.s.row(), func(line int, qty waybill.Decimal, _ *waybill.ReturnLine) {
			asked[line] = asked[line].Add(qty)
		})
		if r.toldOfReturns() {
			r.announce(f, waybill.ReturnAuthorization, r.channel(), asked)
		}
		for _, system := range r.receivers(asked) {
			part := r.s.row()
			for line := range part {
				if r.receiver(line) == system {
					part[line] = asked[line]
				}
			}
			r.announce(f, waybill.ReturnAdvice, system, part)
		}
	}
}

// toldOfReturns reports whether the order's channel takes documents about
// returns.
func (r *round) toldOfReturns() bool {
	return r.channel() != "" && !r.p.Channels[r.channel()].OwnReturns
}

// receiver is the warehouse system that goods of a line come back to: the one
// that shipped them; for what a supplier ships, the usual one.
func (r *round) receiver(line int) string {
	if i := r.pic.orderOf(line); i >= 0 {
		if d := r.s.docs[r.pic.orders[i]]; d.kind == waybill.WarehouseOrder {
			return d.target
		}
	}
	return named(r.p.WMS, r.s.siteOf(line))
}

func (r *round) receivers(lines row) (out []string) {
	for line := range lines {
		if system := r.receiver(line); lines[line].Sign() > 0 && system != "" && !slices.Contains(out, system) {
			out = append(out, system)
		}
	}
	return out
}

// announce wants a document about a return with what its target was not told
// before.
func (r *round) announce(f *fact, kind waybill.Kind, target string, lines row) {
	more, told := r.s.row(), false
	copy(more, lines)
	for _, d := range r.s.docs {
		if d.kind == kind && d.target == target && r.s.counts(d) && r.s.returnOf(d) == f.subject {
			more.sub(r.plans(d))
			told = true
		}
	}
	if !more.any() {
		return
	}
	r.want(want{kind: kind, target: target, subject: r.nextFor(f, kind, target, told), version: f.version, fact: f.event,
		lines: more.positive, why: "W4.6 the buyer asks for return " + f.subject})
}

// nextFor is the subject of a document about a return: the return itself, and
// with its version for what is added later.
func (r *round) nextFor(f *fact, kind waybill.Kind, target string, told bool) string {
	if !told {
		return f.subject
	}
	return r.s.free(kind, target, correction(f))
}

// giveBackMoney credits what came back, up to what is invoiced, and tells the channel
// of the refund (W4.6). What the ERP credited by its own doing covers returns
// too.
func (r *round) giveBackMoney() {
	if len(r.pic.returns) == 0 || !r.pic.body.Type.Billable() {
		return
	}
	slices.SortFunc(r.pic.returns, func(a, b comeback) int { return strings.Compare(a.f.subject, b.f.subject) })
	room, foreign := r.creditable()
	for i := range r.pic.returns {
		c := &r.pic.returns[i]
		if r.p.ERP == "" {
			r.refund(c.f, 0, r.pic.inBilled(c.kept).positive())
			continue
		}
		more, told := r.s.row(), false
		copy(more, r.pic.inBilled(c.kept))
		for at, d := range r.s.docs {
			if d.kind == waybill.CreditMemo && r.s.counts(d) && r.s.returnOf(d) == c.f.subject {
				more.sub(r.plans(d))
				told = true
				r.refund(c.f, at+1, d.lines)
			}
		}
		for at := range more {
			covered := waybill.MaxDecimal(waybill.MinDecimal(more[at], foreign[at]), waybill.Decimal{})
			foreign[at] = foreign[at].Sub(covered)
			more[at] = waybill.MinDecimal(more[at].Sub(covered), room[at])
			room[at] = room[at].Sub(waybill.MaxDecimal(more[at], waybill.Decimal{}))
		}
		if more.any() {
			r.creditReturn(c.f, more.positive(), told)
		}
	}
}

// creditable is what may still be credited of each line, and what the ERP
// credited by its own doing.
func (r *round) creditable() (room, foreign row) {
	room, foreign = r.s.row(), r.s.row()
	copy(room, r.pic.q[waybill.Invoiced])
	if r.pic.gave != nil {
		copy(foreign, r.pic.gave)
	}
	for at := range room {
		room[at] = room[at].Sub(foreign[at])
	}
	for _, d := range r.s.docs {
		if d.kind == waybill.CreditMemo && (r.s.counts(d) || d.of != 0 && d.state == planned && d.wanted) {
			room.sub(d.lines)
		}
	}
	return room, foreign
}

func (r *round) creditReturn(f *fact, lines vector, told bool) {
	subject := r.nextFor(f, waybill.CreditMemo, r.p.ERP, told)
	r.want(want{kind: waybill.CreditMemo, target: r.p.ERP, subject: subject, version: f.version, fact: f.event,
		compensates: r.lastInvoice(lines) + 1, lines: func() vector { return lines }, tax: r.taxBack,
		why: "W4.6 return " + f.subject + " came back and is invoiced"})
}

// refund tells the channel of a credit, by place + 1; 0 where no ERP makes one.
// One that the ERP was not sent yet may still become more or less: the buyer is
// promised what stands in the books.
func (r *round) refund(f *fact, credit int, lines vector) {
	if !r.toldOfReturns() || lines == nil || credit > 0 && !r.s.docs[credit-1].inBooks() {
		return
	}
	w := want{kind: waybill.RefundNotice, target: r.channel(), subject: f.subject, version: f.version, fact: f.event, of: credit,
		lines: func() vector { return lines }, tax: r.taxBack, why: "W4.6 return " + f.subject + " is credited"}
	if credit > 0 {
		memo := r.s.docs[credit-1]
		w.subject, w.fact, w.version = memo.subject, memo.fact, memo.version
		w.tax = func(vector) waybill.Decimal { return memo.tax }
	}
	if !r.stands(w.kind, w.target, w.subject) {
		r.want(w)
	}
}

// lastInvoice is the place of the invoice that carried a line last; -1 when the
// ERP made it by its own doing.
func (r *round) lastInvoice(lines vector) int {
	for _, at := range slices.Backward(r.s.attempts(waybill.Invoice)) {
		for _, en := range lines {
			if _, has := r.s.docs[at].lines.of(en.line); has {
				return at
			}
		}
	}
	return -1
}

// taxBack is the part of the invoiced tax that goes back with some lines: by
// value, and all that is left when nothing stays invoiced.
func (r *round) taxBack(v vector) waybill.Decimal {
	order := r.pic.body
	var value, part, told waybill.Decimal
	for i := range order.Lines {
		value = value.Add(order.Lines[i].Qty.Mul(order.Lines[i].Price))
	}
	if order.Tax.IsZero() || value.IsZero() {
		return waybill.Decimal{}
	}
	for _, en := range v {
		part = part.Add(r.s.value(r.pic.info[en.line], en.qty, r.pic.info[en.line].Price))
	}
	tax := waybill.RoundAmount(order.Tax.Mul(part).Quo(value), order.Currency)
	net, ours := r.s.row(), false
	for _, d := range r.s.docs {
		switch {
		case !d.inBooks():
		case d.kind == waybill.Invoice:
			told, ours = told.Add(d.tax), true
			net.add(d.lines)
		case d.kind == waybill.CreditMemo:
			told = told.Sub(d.tax)
			net.sub(d.lines)
		}
	}
	if !ours {
		return tax
	}
	net.sub(v)
	if !net.any() {
		return told
	}
	return waybill.MinDecimal(tax, told)
}

// returns looks at what came back and what was given for it.
func (a *alarms) returns() {
	pic := a.pic
	for at, l := range pic.info {
		if l == nil || !l.IsStock() && pic.kitAt(at) == nil {
			continue
		}
		back, shipped := pic.q[waybill.Returned][at], pic.q[waybill.Shipped][at]
		if back.Cmp(shipped) > 0 {
			a.add("returned_over_shipped", a.s.ref, l.Line, "line "+l.Line+": "+back.String()+" came back, "+shipped.String()+" shipped",
				"see whether a shipment was never reported, or the return belongs to another order; what is not invoiced is not credited")
		}
		credited, invoiced := pic.q[waybill.Credited][at], pic.q[waybill.Invoiced][at]
		if credited.Cmp(invoiced) > 0 {
			a.add("credited_over_invoiced", a.s.ref, l.Line, "line "+l.Line+": "+credited.String()+" credited, "+invoiced.String()+" invoiced",
				"see which credit the ERP made by its own doing, and bill the difference there")
		}
	}
	for _, c := range pic.returns {
		over, kept := a.s.row(), pic.inBilled(c.kept)
		for _, d := range a.s.docs {
			if d.kind == waybill.CreditMemo && d.inBooks() && a.s.returnOf(d) == c.f.subject {
				over.add(d.lines)
			}
		}
		for at := range over {
			if over[at].Cmp(kept[at]) > 0 {
				line := a.s.table[at]
				a.add("credited_over_returned", c.f.subject, line, "line "+line+" of return "+c.f.subject+": "+over[at].String()+" credited, "+
					kept[at].String()+" came back by its version in force", "bill the difference in the ERP, or have the return corrected")
			}
		}
	}
}

// returnData is what systems are told of a return.
type returnData struct {
	ChannelOrder string               `json:"channel_order,omitzero"`
	Return       string               `json:"return"`
	Customer     string               `json:"customer,omitzero"`
	Lines        []waybill.ReturnLine `json:"lines"` // with reason and disposition, as they were reported
	Tax          string               `json:"tax,omitzero"`
	Total        string               `json:"total,omitzero"` // of a refund: lines and tax
	Unknown      jsontext.Value       `json:",embed"`
}

func (c *composer) returned() *returnData {
	out := &returnData{Return: c.d.subject, Customer: c.pic.body.Customer}
	if f := c.s.returnFact(c.d.fact); f != nil && f.returned() != nil {
		body := f.returned()
		out.Return, out.Lines, out.Unknown = body.Return, body.Lines, body.Unknown
	}
	switch c.d.kind {
	case waybill.ReturnAuthorization:
		out.ChannelOrder = c.channelOrder()
	case waybill.RefundNotice:
		out.ChannelOrder = c.channelOrder()
		total := c.d.tax
		for _, en := range c.d.lines {
			total = total.Add(c.s.value(c.pic.info[en.line], en.qty, c.priceOf(en.line)))
		}
		out.Tax = waybill.FormatAmount(c.d.tax, c.pic.body.Currency)
		out.Total = waybill.FormatAmount(waybill.RoundAmount(total, c.pic.body.Currency), c.pic.body.Currency)
	}
	return out
}

// priceOf is a line's price: of a credit or refund, that at which it was
// invoiced last.
func (c *composer) priceOf(line int) waybill.Decimal {
	price := c.pic.info[line].Price
	if c.d.kind != waybill.CreditMemo && c.d.kind != waybill.RefundNotice {
		return price
	}
	last := 0
	for _, d := range c.s.docs {
		if _, has := d.lines.of(line); d.kind != waybill.Invoice || !d.inBooks() || !has || d.attempt < last {
			continue
		}
		last = d.attempt
		for _, f := range c.s.of(famOrder) {
			if o := c.s.orderOf(f); o != nil && f.version == d.terms {
				if at := slices.IndexFunc(o.Lines, func(l waybill.OrderLine) bool { return l.Line == c.s.table[line] }); at >= 0 {
					price = o.Lines[at].Price
				}
				break
			}
		}
	}
	return price
}
