package process

import (
	"slices"
	"strconv"

	"github.com/waybillhq/waybill"
)

// A kit is sold as one line and leaves as others: its components have lines of
// their own, and only they are goods. What is known of the kit's line is worked
// out from them, so that the two can't drift apart: as many kits have shipped as
// the scarcest component allows.

// kit is a line that is made up of others.
type kit struct {
	line  int
	rule  waybill.KitRule
	parts []part
}

// part is a component: how much of its base unit is in one base unit of the kit.
type part struct {
	line int
	per  waybill.Decimal
}

// orderOf is the order that a fact states, with its kits exploded; nil until it
// is attached.
func (s *Sales) orderOf(f *fact) *waybill.Order {
	if f.body == nil || f.whole != nil {
		return f.whole
	}
	if o := f.order(); o != nil {
		f.whole = s.explode(o)
	}
	return f.whole
}

// explode writes the components of an order's kits as lines behind the kit's. An
// order without kits is what it was.
func (s *Sales) explode(o *waybill.Order) *waybill.Order {
	if !slices.ContainsFunc(o.Lines, func(l waybill.OrderLine) bool { return l.Kind == waybill.LineKit || s.kitIn(&l) != nil }) {
		return o
	}
	out := *o
	out.Lines = make([]waybill.OrderLine, 0, len(o.Lines)+4)
	for i := range o.Lines {
		l := o.Lines[i]
		k := s.kitIn(&l)
		if k == nil {
			if l.Kind == waybill.LineKit {
				l.Kind = waybill.LineStock
			}
			out.Lines = append(out.Lines, l)
			continue
		}
		l.Kind, l.Kit = waybill.LineKit, k
		if k.Invoice == waybill.KitByComponent {
			l.Price = waybill.Decimal{}
		}
		out.Lines = append(out.Lines, l)
		for _, c := range k.Components {
			out.Lines = append(out.Lines, waybill.OrderLine{Line: c.Line, SKU: c.SKU, Qty: l.Qty.Mul(c.Qty), UOM: c.UOM,
				Price: c.Price, Description: c.Description, Parent: l.Line, Unknown: c.Unknown})
		}
	}
	return &out
}

// kitIn is what one of a line's unit is made up of, by the order itself or else
// by the item's record; nil where the line is no kit. Components have their
// lines, and a price only where they are billed.
func (s *Sales) kitIn(l *waybill.OrderLine) *waybill.Kit {
	if !l.IsStock() && l.Kind != waybill.LineKit {
		return nil
	}
	from, per := l.Kit, waybill.NewDecimal(1)
	if from == nil {
		at := slices.IndexFunc(s.items, func(it Item) bool { return it.SKU == l.SKU && it.Kit != nil })
		if at < 0 {
			return nil
		}
		it, factor := s.item(l)
		if it == nil { // its unit is not known: how many kits it is would be a guess
			return nil
		}
		from, per = s.items[at].Kit, factor
	}
	k := waybill.Kit{Invoice: from.Invoice, Unknown: from.Unknown}
	priced := from.Invoice == waybill.KitByComponent
	for i, c := range from.Components {
		if c.SKU == "" || c.Qty.Sign() <= 0 {
			continue
		}
		if l.Kit == nil || c.Line == "" {
			c.Line = l.Line + "~" + strconv.Itoa(i+1)
		}
		c.Qty = c.Qty.Mul(per)
		priced = priced && !c.Price.IsZero()
		k.Components = append(k.Components, c)
	}
	if !priced && k.Invoice != waybill.KitOnFirst {
		k.Invoice = waybill.KitOnComplete
	}
	for i := range k.Components {
		if !priced {
			k.Components[i].Price = waybill.Decimal{}
		}
	}
	if k.Components == nil {
		return nil
	}
	return &k
}

// lacksKit reports whether what an item is made up of may still be told: a line
// of the order has it, and neither the ERP nor a warehouse was sent the order.
func (s *Sales) lacksKit(sku string, k *waybill.Kit) bool {
	if k == nil || len(k.Components) == 0 || slices.ContainsFunc(s.items, func(it Item) bool { return it.SKU == sku && it.Kit != nil }) ||
		slices.ContainsFunc(s.docs, func(d *doc) bool { return d.inBooks() && (d.kind == waybill.SalesOrder || releases(d.kind)) }) {
		return false
	}
	for _, f := range s.of(famOrder) {
		if o := f.order(); o != nil && slices.ContainsFunc(o.Lines, func(l waybill.OrderLine) bool { return l.SKU == sku && l.Kit == nil }) {
			return true
		}
	}
	return false
}

// tableKits explodes the versions of the order anew, and gives the components
// their places in the table of lines.
func (s *Sales) tableKits() {
	for _, f := range s.of(famOrder) {
		f.whole = nil
		if o := s.orderOf(f); o != nil {
			for i := range o.Lines {
				s.line(o.Lines[i].Line, i)
			}
		}
	}
}

// readKit takes up a kit of an order's version, once its lines are in the
// picture.
func (pic *picture) readKit(l *waybill.OrderLine, at int) {
	k := kit{line: at, rule: l.Kit.Invoice}
	per := pic.s.perLineUnit(l)
	for _, c := range l.Kit.Components {
		if line := slices.Index(pic.s.table, c.Line); line >= 0 && pic.info[line] != nil && pic.info[line].Parent == l.Line {
			qty, _ := pic.s.toBase(pic.info[line], c.Qty, "")
			k.parts = append(k.parts, part{line: line, per: qty.Quo(per)})
		}
	}
	if k.parts != nil {
		pic.kits = append(pic.kits, k)
	}
}

// kitAt is the kit of a line; nil where it is none.
func (pic *picture) kitAt(line int) *kit {
	for i := range pic.kits {
		if pic.kits[i].line == line {
			return &pic.kits[i]
		}
	}
	return nil
}

// kitOf is the kit that a line is a component of; nil where it is of none.
func (pic *picture) kitOf(line int) *kit {
	for i := range pic.kits {
		if pic.kits[i].has(line) {
			return &pic.kits[i]
		}
	}
	return nil
}

// has reports whether a line is a component of the kit.
func (k *kit) has(line int) bool {
	return slices.ContainsFunc(k.parts, func(p part) bool { return p.line == line })
}

// whole is how many whole kits quantities of its components make.
func (k *kit) whole(r row) (n waybill.Decimal) {
	for i, p := range k.parts {
		if all := floor(r[p.line].Quo(p.per)); i == 0 || all.Cmp(n) < 0 {
			n = all
		}
	}
	return waybill.MaxDecimal(n, waybill.Decimal{})
}

// begun is how many kits quantities of its components are a part of.
func (k *kit) begun(r row) (n waybill.Decimal) {
	for _, p := range k.parts {
		n = waybill.MaxDecimal(n, floor(r[p.line].Quo(p.per).Neg()).Neg())
	}
	return n
}

// billable is how many kits may be invoiced where so much of its components has
// left. Of a kit that is billed by component it is none.
func (k *kit) billable(r row) waybill.Decimal {
	switch k.rule {
	case waybill.KitByComponent:
		return waybill.Decimal{}
	case waybill.KitOnFirst:
		return k.begun(r)
	}
	return k.whole(r)
}

// floor is the greatest whole number that is not above d.
func floor(d waybill.Decimal) waybill.Decimal {
	n := d.Round(0)
	if n.Cmp(d) > 0 {
		n = n.Sub(waybill.NewDecimal(1))
	}
	return n
}

// billed reports whether a line's own quantity is invoiced: the components of a
// kit are not where the kit is, and it is not where they are.
func (pic *picture) billed(line int) bool {
	for i := range pic.kits {
		switch k := &pic.kits[i]; {
		case k.line == line:
			return k.rule != waybill.KitByComponent
		case k.has(line):
			return k.rule == waybill.KitByComponent
		}
	}
	return true
}

// billedGoods reports whether a line is goods, or a kit of goods, that are
// invoiced by what left.
func (pic *picture) billedGoods(line int) bool {
	return (pic.stock(line) || pic.kitAt(line) != nil) && pic.billed(line)
}

// inBilled are quantities of goods as the lines that are invoiced have them:
// whole kits in place of their components. r itself where there are no kits.
func (pic *picture) inBilled(r row) row {
	if len(pic.kits) == 0 {
		return r
	}
	out := pic.s.row()
	copy(out, r)
	for i := range pic.kits {
		k := &pic.kits[i]
		if k.rule == waybill.KitByComponent {
			continue
		}
		out[k.line] = k.whole(r)
		for _, p := range k.parts {
			out[p.line] = waybill.Decimal{}
		}
	}
	return out
}

// spread adds a quantity of a line to r; of a kit's line, that of its
// components. Where named says that a component is counted by itself, the kit's
// own quantity says nothing more.
func (pic *picture) spread(line int, qty waybill.Decimal, named func(line int) bool, do func(line int, qty waybill.Decimal)) {
	k := pic.kitAt(line)
	if k == nil {
		do(line, qty)
		return
	}
	if slices.ContainsFunc(k.parts, func(p part) bool { return named(p.line) }) {
		return
	}
	for _, p := range k.parts {
		do(p.line, qty.Mul(p.per))
	}
}

// floorStages are the stages that a kit is counted in by its components.
var floorStages = [...]waybill.Stage{waybill.Released, waybill.Allocated, waybill.Picked, waybill.Packed, waybill.Shipped,
	waybill.Delivered, waybill.Posted, waybill.Returned}

// unpriced reports whether a line of an exploded order has no price because its
// kit has it, or its components have.
func unpriced(o *waybill.Order, l *waybill.OrderLine) bool {
	if l.Kind == waybill.LineKit {
		return l.Kit.Invoice == waybill.KitByComponent
	}
	return l.Parent != "" && slices.ContainsFunc(o.Lines, func(k waybill.OrderLine) bool {
		return k.Line == l.Parent && k.Kind == waybill.LineKit && k.Kit.Invoice != waybill.KitByComponent
	})
}

// foldKits works out the quantities of kits from their components, and has a kit
// rejected whose components are, and they with it.
func (pic *picture) foldKits() {
	for i := range pic.kits {
		k := &pic.kits[i]
		for _, stage := range floorStages {
			pic.q[stage][k.line] = k.whole(pic.q[stage])
		}
		if k.rule == waybill.KitByComponent {
			pic.q[waybill.Invoiced][k.line] = k.whole(pic.q[waybill.Invoiced])
			pic.q[waybill.Credited][k.line] = k.whole(pic.q[waybill.Credited])
		}
		no := pic.rejected[k.line]
		for _, p := range k.parts {
			no = no || pic.rejected[p.line]
		}
		pic.rejected[k.line] = no
		for _, p := range k.parts {
			pic.rejected[p.line] = no
		}
	}
}

// cancelKits works out how many kits are cancelled: all but those whose
// components are all still to be delivered.
func (pic *picture) cancelKits() {
	ordered, cancelled := pic.q[waybill.Ordered], pic.q[waybill.Cancelled]
	for i := range pic.kits {
		k, left := &pic.kits[i], pic.s.row()
		for _, p := range k.parts {
			left[p.line] = ordered[p.line].Sub(cancelled[p.line])
		}
		cancelled[k.line] = waybill.MaxDecimal(ordered[k.line].Sub(k.whole(left)), waybill.Decimal{})
	}
}

// kits looks at kits that can't become whole.
func (a *alarms) kits() {
	pic := a.pic
	for i := range pic.kits {
		k := &pic.kits[i]
		line := a.s.table[k.line]
		if begun := k.begun(pic.q[waybill.Shipped]); begun.Cmp(pic.goal[k.line]) > 0 && begun.Cmp(k.whole(pic.q[waybill.Shipped])) > 0 {
			a.add("kit_incomplete", a.s.ref, line, "line "+line+": components of "+begun.String()+" kits shipped, and "+pic.goal[k.line].String()+" kits are to deliver",
				"have the other components shipped, or arrange the return of those that left; a kit that is not whole is invoiced by its rule")
		}
		if k.rule == waybill.KitByComponent {
			continue
		}
		net := pic.q[waybill.Invoiced][k.line].Sub(pic.q[waybill.Credited][k.line])
		if out := k.billable(pic.q[waybill.Posted]); net.Cmp(out) > 0 && !a.correctingKit(k) && k.begun(pic.q[waybill.Returned]).IsZero() {
			a.add("invoiced_over_posted", a.s.ref, line, "line "+line+": "+net.String()+" kits invoiced, the components posted make "+out.String(),
				"see which invoice the ERP made by itself, and credit it or post the shipment")
		}
		captured := waybill.Decimal{}
		for _, d := range a.s.docs {
			if qty, _ := d.lines.of(k.line); d.kind == waybill.PaymentCapture && d.inBooks() {
				captured = captured.Add(qty)
			}
		}
		if out := k.billable(pic.q[waybill.Shipped]); captured.Cmp(out) > 0 {
			a.add("captured_over_shipped", a.s.ref, line, "line "+line+": "+captured.String()+" kits captured, the components shipped make "+out.String(),
				"refund the difference in the channel; no document asks for it")
		}
		for _, c := range pic.returns {
			if part := k.begun(c.kept); part.Cmp(k.whole(c.kept)) > 0 {
				a.add("kit_part_returned", c.f.subject, line, "return "+c.f.subject+" has some components of line "+line+", and not whole kits",
					"credit them in the ERP at a price of your own, or have the rest returned; whole kits are credited")
			}
		}
	}
}

// correctingKit reports whether a reversal or credit of a kit is on its way.
func (a *alarms) correctingKit(k *kit) bool {
	return a.correcting(k.line) || slices.ContainsFunc(k.parts, func(p part) bool { return a.correcting(p.line) })
}
