package identity

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// Outgoing is a document on its way to a system that names things in its own
// terms.
type Outgoing struct {
	System  string
	Profile Profile // of the system
	Company string
	At      time.Time
	// Line is how the system itself named a line of the order; nil or false where
	// it did not place the order.
	Line func(line string) (Named, bool)
}

// Outward writes a document in the target's own numbers: what the target itself
// wrote in its order where it placed the order, otherwise the one number that it
// has for an id. An id without a number, or with several, is an [*Unnamed]; a
// quantity that the target's unit can't say exactly is a plain error.
func (b *Book) Outward(o Outgoing, doc waybill.Document) (waybill.Document, error) {
	if len(o.Profile) == 0 {
		return doc, nil
	}
	w := &outward{Outgoing: o, book: b}
	lines := make([]waybill.DocumentLine, len(doc.Lines))
	for i, l := range doc.Lines {
		lines[i] = w.line(l)
	}
	doc.Lines = lines
	if doc.Data.Kind() == '{' {
		doc.Data = w.data(doc.Data)
	}
	return doc, w.err
}

// outward is one document being translated; its first error stands.
type outward struct {
	Outgoing
	book *Book
	err  error
}

func (w *outward) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// name is the target's number for an id; nil where it speaks in canonical ids,
// or there is nothing to name.
func (w *outward) name(entity Kind, scope, id string) *Mapping {
	if id == "" || !w.Profile[entity] || w.err != nil {
		return nil
	}
	m, err := w.book.Name(w.System, w.Company, scope, entity, id, w.At)
	if err != nil {
		w.fail(err)
		return nil
	}
	return m
}

// own is how the target itself named a line.
func (w *outward) own(line string) (Named, bool) {
	if w.Line == nil || line == "" || !w.Profile[Item] {
		return Named{}, false
	}
	n, ok := w.Line(line)
	return n, ok && (n.SKU != "" || n.GTIN != "" || n.VendorPart != "" || !n.Times.IsZero())
}

// pack is how many of which unit are in one of the target's.
type pack struct {
	sku, uom, unit string
	times          waybill.Decimal
}

// packOf is what a line's item is to the target; false where nothing is
// translated.
func (w *outward) packOf(line, sku string) (pack, bool) {
	if named, ok := w.own(line); ok {
		return pack{sku: named.SKU, uom: named.UOM, unit: named.Unit, times: named.Times}, true
	}
	if m := w.name(Item, "", sku); m != nil {
		return pack{sku: m.Value, unit: m.Unit, times: m.Times()}, true
	}
	return pack{}, false
}

func (w *outward) line(l waybill.DocumentLine) waybill.DocumentLine {
	if l.Kind != "" && l.Kind != waybill.LineStock {
		return l
	}
	p, ok := w.packOf(l.Line, l.SKU)
	if !ok {
		l.UOM = w.unit(l.UOM)
		return l
	}
	if l.SKU != "" && p.sku != "" {
		l.SKU = p.sku
	}
	if p.unit == "" {
		l.UOM = w.unit(l.UOM)
		return l
	}
	if l.UOM != "" && l.UOM != p.unit {
		w.fail(fmt.Errorf("line %s counts %s, and %s counts %s as so many %s: which of them is meant is not known", l.Line, l.UOM, w.System, l.SKU, p.unit))
		return l
	}
	l.Qty = w.share(l.Line, l.Qty, p)
	if l.Price != nil {
		l.Price = &waybill.Price{Amount: l.Price.Amount.Mul(p.times), Currency: l.Price.Currency}
	}
	l.UOM, l.PriceUOM = p.uom, ""
	return l
}

// share is a quantity of the item's unit in the target's.
func (w *outward) share(line string, qty waybill.Decimal, p pack) waybill.Decimal {
	if p.times.IsZero() {
		return qty
	}
	q := qty.Quo(p.times)
	if !exact(q) {
		w.fail(fmt.Errorf("line %s: %s %s are no exact number of %s, which is %s %s to %s", line, qty, p.unit, p.sku, p.times, p.unit, w.System))
		return qty
	}
	return q
}

func (w *outward) unit(uom string) string {
	if m := w.name(Unit, "", uom); m != nil {
		return m.Value
	}
	return uom
}

// data translates the members of a document's data, as far as it has them.
func (w *outward) data(data jsontext.Value) jsontext.Value {
	var top object
	if err := waybill.Unmarshal(data, &top); err != nil {
		w.fail(fmt.Errorf("read the document's data to translate its references: %w", err))
		return data
	}
	customer := top.text("customer")
	for _, f := range []struct {
		member string
		kind   Kind
	}{{"customer", Customer}, {"warehouse", Warehouse}, {"terms", Terms}, {"tax_code", TaxCode}} {
		if m := w.name(f.kind, "", top.text(f.member)); m != nil {
			top.set(f.member, m.Value)
		}
	}
	w.carrier(top)
	if sku := top.text("sku"); sku != "" {
		w.counted(top)
	}
	w.party(top, customer)
	w.each(top, "lines", w.counted)
	w.each(top, "charges", func(o object) {
		if m := w.name(TaxCode, "", o.text("tax_code")); m != nil {
			o.set("tax_code", m.Value)
		}
	})
	w.each(top, "packages", func(o object) { w.each(o, "lines", w.counted) })
	out, err := waybill.Marshal(top)
	if err != nil {
		w.fail(err)
		return data
	}
	return out
}

// counted translates an object that names an item, or a line, and quantities.
func (w *outward) counted(o object) {
	line := o.text("line")
	p, ok := w.packOf(line, o.text("sku"))
	if !ok {
		return
	}
	if o.has("sku") && p.sku != "" {
		o.set("sku", p.sku)
	}
	if p.unit == "" {
		return
	}
	for _, member := range []string{"qty", "cancelled", "shipped", "backordered", "available"} {
		text := o.text(member)
		if text == "" {
			continue
		}
		q, err := waybill.ParseDecimal(text)
		if err != nil {
			w.fail(fmt.Errorf("read %s of line %s to translate it: %w", member, line, err))
			return
		}
		if member == "available" && !p.times.IsZero() { // what is left of a pack can't be sold as one
			o.set(member, whole(q, p.times))
			continue
		}
		o.set(member, w.share(line, q, p))
	}
	if o.has("uom") {
		o.set("uom", p.uom)
	}
}

// whole is how many whole packs are in a quantity; none where it is below zero.
func whole(q, times waybill.Decimal) waybill.Decimal {
	if q.Sign() <= 0 {
		return waybill.NewDecimal(0)
	}
	n := q.Quo(times)
	if r := n.Round(0); r.Cmp(n) <= 0 {
		return r
	}
	return n.Round(0).Sub(waybill.NewDecimal(1))
}

func (w *outward) carrier(top object) {
	carrier, service := top.text("carrier"), top.text("service")
	if carrier == "" || !w.Profile[Carrier] || w.err != nil {
		return
	}
	if service != "" {
		if m, err := w.book.Name(w.System, w.Company, "", Carrier, carrier+"/"+service, w.At); err == nil {
			w.setCarrier(top, m.Value)
			return
		}
	}
	if m := w.name(Carrier, "", carrier); m != nil {
		w.setCarrier(top, m.Value)
	}
}

func (w *outward) setCarrier(top object, value string) {
	carrier, service, both := strings.Cut(value, "/")
	top.set("carrier", carrier)
	if both {
		top.set("service", service)
	}
}

func (w *outward) party(top object, customer string) {
	if !w.Profile[ShipTo] || top["ship_to"].Kind() != '{' {
		return
	}
	var party object
	if err := waybill.Unmarshal(top["ship_to"], &party); err != nil {
		w.fail(fmt.Errorf("read the document's ship_to to translate it: %w", err))
		return
	}
	if m := w.name(ShipTo, customer, party.text("id")); m != nil {
		party.set("id", m.Value)
		top.set("ship_to", party)
	}
}

func (w *outward) each(o object, member string, do func(object)) {
	if o[member].Kind() != '[' || w.err != nil {
		return
	}
	var list []object
	if waybill.Unmarshal(o[member], &list) != nil { // no list of objects: nothing in it is named
		return
	}
	for _, one := range list {
		do(one)
	}
	o.set(member, list)
}
