package sandbox

import (
	"encoding/json"
	"time"
)

// move adds goods to the ERP's stock, or takes them off.
func (e *erp) move(lines []docLine, sign amount) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range lines {
		if l := &lines[i]; l.item >= 0 {
			e.stock[l.item] += sign * l.qty
		}
	}
}

// stocked books a receipt or an adjustment, and says what is there now of what
// was received for orders that wait for it.
func (e *erp) stocked(d *document) (booking, *refusal) {
	document, warehouse := text(d.Data.Document), text(d.Data.Warehouse)
	switch {
	case document == "":
		return booking{}, refuse("document_missing", "", "%s needs data.document", d.Kind)
	case len(d.Lines) == 0:
		return booking{}, refuse("lines_missing", "", "%s %s has no lines", d.Kind, document)
	case d.Kind == "inventory_adjustment" && text(d.Data.Reason) == "":
		return booking{}, refuse("reason_missing", "", "adjustment %s needs data.reason", document)
	}
	for _, l := range d.Lines {
		switch {
		case l.item < 0:
			return booking{}, refuse("item_unknown", l.Line, "there is no item %s", l.SKU)
		case sites[catalogue[l.item].site].warehouse != warehouse:
			return booking{}, refuse("warehouse_unknown", l.Line, "item %s is not kept in warehouse %q", l.SKU, warehouse)
		case l.qty == 0 || l.qty < 0 && d.Kind == "receipt_posting":
			return booking{}, refuse("qty_not_positive", l.Line, "line %s: quantity %s", l.Line, l.Qty)
		}
	}
	e.move(d.Lines, +1)
	var done booking
	for _, l := range d.Lines {
		if boughtItem(l.item) && d.Kind == "receipt_posting" {
			done.follow = append(done.follow, func() { e.tellPosition(l.item, d.Key) })
		}
	}
	return done, nil
}

// tellPosition tells what is available of an item. What it says is read together
// with its time, so that the newest position is the one in force.
func (e *erp) tellPosition(i int, cause string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	sku := catalogue[i].sku
	e.w.tell("erp", "inventory.position", "~~item~"+sku, "position-"+cause, e.appendPosition(nil, i), nil)
}

// appendPosition writes an item's position as T6 shows it. The lock is held.
func (e *erp) appendPosition(b []byte, i int) []byte {
	b = appendField(b, "sku", catalogue[i].sku)
	b = appendField(append(b, ','), "warehouse", sites[catalogue[i].site].warehouse)
	b = append(appendAmount(append(b, `,"available":"`...), e.available(i)), '"')
	return appendField(append(b, ','), "as_of", e.w.cfg.Now().UTC().Format(time.RFC3339Nano))
}

// available is what the ERP has to sell of an item. The storefront's goods are
// all spoken for where orders are kept apart; otherwise its bins say it. The lock
// is held.
func (e *erp) available(i int) amount {
	switch {
	case i >= itemCount:
		return max(0, e.stock[i])
	case e.w.cfg.Once:
		return 0
	}
	return e.w.floors[0].inBin(i)
}

// reverse takes a posting back.
func (e *erp) reverse(d *document, o *erpOrder) *refusal {
	if r := o.knows(d); r != nil {
		return r
	}
	for _, l := range d.Lines {
		if have := o.line(l.Line); l.qty > have.posted {
			return refuse("nothing_posted", l.Line, "line %s: %s is more than the %s there is", l.Line, l.Qty, have.posted)
		}
	}
	for _, l := range d.Lines {
		o.line(l.Line).posted -= l.qty
	}
	e.move(d.Lines, +1)
	return nil
}

// credit gives back what was invoiced, and takes what came back into stock.
func (e *erp) credit(d *document, o *erpOrder) *refusal {
	if r := o.knows(d); r != nil {
		return r
	}
	total, r := d.Data.extras()
	if r != nil {
		return r
	}
	for _, l := range d.Lines {
		have := o.line(l.Line)
		if l.qty > have.invoiced-have.credited {
			return refuse("credit_above_invoiced", l.Line, "line %s: %s is more than the %s invoiced and not credited", l.Line, l.Qty, have.invoiced-have.credited)
		}
		if l.priced && have.priced && l.price != have.price {
			return refuse("price_differs", l.Line, "line %s: price %s, the sales order's is %s", l.Line, l.Price, have.price)
		}
	}
	back, r := backLines(d)
	if r != nil {
		return r
	}
	returned := text(d.Data.Return)
	for _, l := range d.Lines {
		have := o.line(l.Line)
		have.credited += l.qty
		if returned != "" {
			have.returned += l.qty
		}
		total += have.price.times(l.qty)
	}
	o.billed -= total
	e.takeBack(returned, back)
	return nil
}

// backLines are the goods of a credit that are in stock again, in base units.
func backLines(d *document) ([]docLine, *refusal) {
	var lines []backLine
	if len(d.Data.Lines) > 0 && json.Unmarshal(d.Data.Lines, &lines) != nil {
		return nil, refuse("return_unreadable", "", "data.lines is no list of what came back")
	}
	var out []docLine
	for _, l := range lines {
		at := -1
		for _, own := range d.Lines {
			if l.Line == own.Line || l.Line == "" && l.SKU == own.SKU {
				at = own.item
			}
		}
		qty, err := parseAmount(l.Qty)
		ratio := ratioOf(at, l.UOM)
		if err != nil || ratio == 0 {
			return nil, refuse("return_unreadable", l.Line, "line %s%s: %s %s came back", l.Line, l.SKU, l.Qty, l.UOM)
		}
		if l.Disposition == restock && at >= 0 {
			out = append(out, docLine{Line: l.Line, SKU: l.SKU, item: at, qty: qty * ratio})
		}
	}
	return out, nil
}

// takeBack brings what is in stock again of a return to what its newest credit
// says: a return that is credited in two steps came back once.
func (e *erp) takeBack(returned string, lines []docLine) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range lines {
		at := returned + "\x00" + catalogue[l.item].sku
		e.stock[l.item] += l.qty - e.back[at]
		e.back[at] = l.qty
	}
}
