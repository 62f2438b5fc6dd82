package sandbox

import (
	"fmt"
	"slices"
	"strconv"
)

// A kit is sold as one article and kept as others: its item record (T6) says
// of which. What leaves, comes back and is in stock are the parts; what is
// ordered, priced and billed is the kit.

// kitCount is how many kits the portal sells.
const kitCount = 4

// LastItem is the last item that the ERP's master data tells of in a whole
// world.
var LastItem = catalogue[len(catalogue)-1].sku

// part is how many of an item are in one kit.
type part struct{ item, per int }

// makeKits builds the kits, of items of the first warehouse.
func makeKits() []item {
	out := make([]item, 0, kitCount)
	for i := range kitCount {
		out = append(out, item{sku: fmt.Sprintf("KIT-%d", 1+i), title: "Repair kit " + strconv.Itoa(1+i), price: cents(1995 + i*450), grams: 900,
			parts: []part{{itemCount + 2*i, 1}, {itemCount + 2*i + 1, 2 + i}}})
	}
	return out
}

// isKit says whether the item at a place in the catalogue is a kit; -1 is none.
func isKit(i int) bool { return i >= 0 && catalogue[i].parts != nil }

// appendKit writes what a kit is made up of, as its record shows it.
func (it *item) appendKit(b []byte) []byte {
	b = append(b, `,"kit":{"invoice":"on_complete","components":[`...)
	for i, p := range it.parts {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendField(append(b, '{'), "sku", catalogue[p.item].sku)
		b = append(appendAmount(append(b, `,"qty":"`...), pieces(p.per)), `","uom":"EA"}`...)
	}
	return append(b, "]}"...)
}

// goods are the pieces that so many of a line are in a warehouse, by SKU: of a
// kit its parts.
func goods(item, qty int, each func(sku string, qty amount)) {
	it := &catalogue[item]
	if it.parts == nil {
		each(it.sku, pieces(qty))
		return
	}
	for _, p := range it.parts {
		each(catalogue[p.item].sku, pieces(qty*p.per))
	}
}

// wanted are the pieces by SKU that an order shall bring its buyer.
func (p *plan) wanted() map[string]amount {
	out := map[string]amount{}
	for _, l := range p.lines {
		goods(l.item, l.edited, func(sku string, qty amount) { out[sku] += qty })
	}
	return out
}

// worth is what pieces are worth that left for an order: whole kits by the kit's
// price, everything else by the piece.
func (p *plan) worth(moved map[string]amount) (sum amount) {
	left := map[string]amount{}
	for sku, q := range moved {
		left[sku] = q
	}
	for _, l := range p.lines {
		it := &catalogue[l.item]
		if it.parts == nil {
			continue
		}
		whole := amount(l.ordered)
		for _, part := range it.parts {
			whole = min(whole, left[catalogue[part.item].sku]/pieces(part.per))
		}
		for _, part := range it.parts {
			left[catalogue[part.item].sku] -= whole * pieces(part.per)
		}
		sum += it.price.times(whole * one)
	}
	for sku, q := range left {
		if i, known := bySKU[sku]; known {
			sum += catalogue[i].price.times(q)
		}
	}
	return sum
}

// exploded refuses a sales order whose kits have other parts than their items'
// records say.
func exploded(d *document) *refusal {
	for _, l := range d.Lines {
		switch {
		case l.Parent != "" && !slices.ContainsFunc(d.Lines, func(k docLine) bool { return k.Line == l.Parent && isKit(k.item) }):
			return refuse("kit_unknown", l.Line, "line %s is a part of line %s, which is no kit", l.Line, l.Parent)
		case !isKit(l.item):
			continue
		}
		left := map[int]amount{}
		for _, p := range catalogue[l.item].parts {
			left[p.item] = amount(p.per) * l.qty
		}
		for _, c := range d.Lines {
			if c.Parent == l.Line {
				left[c.item] -= c.qty
			}
		}
		for item, q := range left {
			if q != 0 {
				return refuse("kit_parts_differ", l.Line, "line %s: %s of %s, and the parts at place %d of the catalogue are %s too few", l.Line, l.Qty, l.SKU, item, q)
			}
		}
	}
	return nil
}

// billable is how much of a line is posted: of a kit as many as the posted parts
// make, of a part nothing, because its kit is billed.
func (o *erpOrder) billable(l *erpLine) amount {
	at, known := bySKU[l.sku]
	switch {
	case l.parent != "":
		return 0
	case !known || !isKit(at):
		return l.posted
	}
	whole := l.ordered / one
	for _, p := range catalogue[at].parts {
		for i := range o.lines {
			if c := &o.lines[i]; c.parent == l.line && c.sku == catalogue[p.item].sku {
				whole = min(whole, c.posted/pieces(p.per))
			}
		}
	}
	return whole * one
}
