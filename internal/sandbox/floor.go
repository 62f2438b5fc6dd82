package sandbox

import (
	"fmt"
	"strconv"
)

// truck is a load under way: the orders that stand on the dock for it.
type truck struct {
	trips int
	dock  []boarded
}

// boarded is an order that waits for its truck.
type boarded struct {
	order string
	plan  *plan
	wo    *warehouseOrder
}

// goodsBack is a return that a warehouse received.
type goodsBack struct {
	id, sku     string
	qty         amount
	disposition string
}

// move adds lines to the house's stock, or takes them off.
func (m *wms) move(lines []entryLine, sign amount) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range lines {
		if i, known := bySKU[l.sku]; known {
			m.stock[i] += sign * l.qty
		}
	}
}

// board puts an order on the dock. The truck leaves with all of its group: of
// all who will come, and where a run ends, of all who have been placed.
func (m *wms) board(order string, p *plan, wo *warehouseOrder) {
	m.mu.Lock()
	t := m.truck[p.load]
	if t == nil {
		t = &truck{}
		m.truck[p.load] = t
	}
	t.dock = append(t.dock, boarded{order, p, wo})
	if len(t.dock) < m.w.shop.groupSize(p.load, t.trips > 0) {
		m.mu.Unlock()
		return
	}
	t.trips++
	on := t.dock
	t.dock = nil
	load := fmt.Sprintf("LD%s-%d-%d", m.mark, p.load, t.trips)
	m.mu.Unlock()
	for _, b := range on {
		m.depart(b, load)
	}
}

// depart ships an order of a load: its shipment has the number of all of them.
func (m *wms) depart(b boarded, load string) {
	s := m.t.shardOf(b.order)
	s.mu.Lock()
	var tell func()
	if o := s.lane(b.order).wms; b.wo.state == woWaiting {
		b.wo.state = woShipped
		tell = m.ship(b.order, b.plan, o, shipment{id: "SH" + load, lines: b.wo.lines, load: load, final: b.plan.final}, nil)
	}
	s.mu.Unlock()
	if tell != nil {
		tell()
	}
}

// groupSize is how many orders a truck waits for. Where a run ends, orders that
// were never placed are not waited for, nor is anybody by a second truck.
func (s *shop) groupSize(load int, gone bool) int {
	switch {
	case gone:
		return 1
	case !s.w.cfg.Once:
		return loadSize
	}
	s.listMu.RLock()
	defer s.listMu.RUnlock()
	n := 0
	for _, o := range s.orders {
		if o.plan.load == load {
			n++
		}
	}
	return n
}

// bought are the lines of a warehouse order that the house has to buy first.
func (m *wms) bought(p *plan, wo *warehouseOrder) (out []entryLine) {
	if p.fate != Backordered {
		return nil
	}
	for _, l := range wo.lines {
		if i, known := bySKU[l.sku]; known && boughtItem(i) {
			out = append(out, l)
		}
	}
	return out
}

// receive takes in what was bought for an order, and tells it: by the case where
// nothing is left over.
func (m *wms) receive(p *plan, lines []entryLine) {
	m.move(lines, +1)
	document := "RC" + m.mark + "-" + strconv.Itoa(p.number())
	fields := appendField(nil, "document", document)
	fields = appendField(append(fields, ','), "warehouse", sites[m.site].warehouse)
	fields = append(fields, `,"lines":[`...)
	for i, l := range lines {
		if i > 0 {
			fields = append(fields, ',')
		}
		qty, uom := l.qty, "EA"
		if qty%pieces(perCase) == 0 {
			qty, uom = qty/perCase, caseUnit
		}
		fields = appendField(append(fields, '{'), "sku", l.sku)
		fields = append(appendAmount(append(fields, `,"qty":"`...), qty), `",`...)
		fields = append(appendField(fields, "uom", uom), '}')
	}
	m.w.tell(m.t.name, "receipt.confirmed", document, "receipt", append(fields, ']'), nil)
}

// count counts the bin of an order's first item and tells what it found too much
// or too little.
func (m *wms) count(p *plan) func() {
	it := &catalogue[p.lines[0].item]
	found := pieces(p.counted)
	m.move([]entryLine{{sku: it.sku, qty: found}}, +1)
	document := "ADJ" + m.mark + "-" + strconv.Itoa(p.number())
	fields := appendField(nil, "document", document)
	for _, f := range [...][2]string{{"sku", it.sku}, {"warehouse", sites[m.site].warehouse}, {"qty", found.String()}, {"uom", "EA"}, {"reason", "cycle_count"}} {
		fields = appendField(append(fields, ','), f[0], f[1])
	}
	return func() { m.w.tell(m.t.name, "inventory.adjusted", document, "count", fields, nil) }
}

// receiveBack takes the advice of a return and, with it, the goods: they come as
// the order's fate says.
func (m *wms) receiveBack(d *document, o *wmsOrder) (booking, *refusal) {
	id := text(d.Data.Return)
	if id == "" {
		return booking{}, refuse("return_missing", "", "return_advice of %s needs data.return", d.Order)
	}
	p := m.w.planOf(d.Order)
	if p.back.pieces == 0 {
		return booking{}, nil // nobody sends anything
	}
	fields := appendField(nil, "return", id)
	fields = appendField(append(fields, ','), "order", d.Order)
	fields = append(fields, `,"lines":[`...)
	for i, l := range d.Lines {
		if l.qty <= 0 {
			return booking{}, refuse("qty_not_positive", l.Line, "line %s: quantity %s", l.Line, l.Qty)
		}
		if i > 0 {
			fields = append(fields, ',')
		}
		fields = appendField(append(fields, '{'), "line", l.Line)
		fields = append(appendAmount(append(fields, `,"qty":"`...), l.qty), `","uom":"EA",`...)
		fields = append(appendField(fields, "disposition", p.back.disposition), '}')
	}
	fields = append(fields, ']')
	for _, l := range d.Lines {
		o.returns = append(o.returns, goodsBack{id, l.SKU, l.qty, p.back.disposition})
		if p.back.disposition == restock {
			m.move([]entryLine{{l.Line, l.SKU, l.qty}}, +1)
		}
	}
	o.told++
	name := strconv.Itoa(o.told) + "-return"
	return booking{follow: []func(){func() { m.w.tell(m.t.name, "return.received", d.Order, name, fields, nil) }}}, nil
}

// The dispositions that matter to the books: what is restocked is in stock
// again, what is rejected is not credited.
const (
	restock = "restock"
	reject  = "reject"
)
