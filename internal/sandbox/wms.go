package sandbox

import (
	"fmt"
	"sync"
)

// wms is a warehouse: it takes warehouse orders, works them and tells what
// it did. Where an order's fate needs another document (a change, a
// cancellation), it waits for that document and for nothing else; if it never
// comes, the order stays where it is, and the books say so.
type wms struct {
	w    *World
	t    *target
	site int    // its place in sites
	mark string // in the numbers it gives, so that no two warehouses give one

	mu    sync.Mutex
	bins  [itemCount]amount // what can be picked, where stock is shared
	stock []amount          // what the house holds of each item, by its own books
	truck map[int]*truck    // by load
}

// newWMS opens a warehouse.
func newWMS(w *World, site int, mark string) *wms {
	m := &wms{w: w, site: site, mark: mark, stock: openStock(site), truck: map[int]*truck{}}
	for i := range m.bins {
		m.bins[i] = pieces(binLevel)
	}
	m.t = newTarget(w, sites[site].system, "W"+mark+"-", m)
	return m
}

// openStock is what a warehouse holds when the world begins.
func openStock(site int) []amount {
	stock := make([]amount, len(catalogue))
	for i := range catalogue {
		if catalogue[i].site == site {
			stock[i] = catalogue[i].opening
		}
	}
	return stock
}

// binLevel is what a bin holds after it was filled up.
const binLevel = 2_000

// wmsOrder is what the warehouse knows about an order.
type wmsOrder struct {
	orders    []*warehouseOrder
	shipments []shipment
	returns   []goodsBack
	told      int // pushes made, for their ids
	doubled   int // warehouse orders taken while one was open: the work is doubled
}

// warehouseOrder is one warehouse order.
type warehouseOrder struct {
	key, ref string
	lines    []entryLine // what is to be shipped
	state    woState
}

// woState is how far a warehouse order is.
type woState uint8

const (
	woWaiting   woState = iota // for the document its fate needs
	woShipped                  // in full
	woClosed                   // with less than was ordered
	woCancelled                // before anything left
)

// shipment is what left the warehouse.
type shipment struct {
	id    string
	lines []entryLine
	load  string // of a truck; "": parcels
	final bool   // the order's last
}

// book dispatches by kind.
func (m *wms) book(d *document, b *orderBook, ref string) (booking, *refusal) {
	switch d.Kind {
	case "item", "customer":
		return booking{}, nil
	}
	if d.Order == "" {
		return booking{}, refuse("order_missing", "", "%s needs the order it belongs to", d.Kind)
	}
	if b.wms == nil {
		b.wms = &wmsOrder{}
	}
	switch d.Kind {
	case "warehouse_order":
		return m.take(d, b.wms, ref)
	case "warehouse_order_change":
		return m.change(d, b.wms)
	case "warehouse_order_cancel":
		return m.cancel(d, b.wms)
	case "return_advice":
		return m.receiveBack(d, b.wms)
	}
	return booking{}, refuse("kind_unknown", "", "the WMS takes no %s", d.Kind)
}

// take opens a warehouse order and, unless its fate waits for a document,
// works it.
func (m *wms) take(d *document, o *wmsOrder, ref string) (booking, *refusal) {
	if len(d.Lines) == 0 {
		return booking{}, refuse("lines_missing", "", "warehouse order of %s has no lines", d.Order)
	}
	for _, l := range d.Lines {
		if l.qty < 0 {
			return booking{}, refuse("qty_negative", l.Line, "line %s: quantity %s", l.Line, l.Qty)
		}
	}
	p := m.w.planOf(d.Order)
	if open := o.open(); open != nil || len(o.orders) > 0 && o.orders[len(o.orders)-1].state == woShipped {
		o.doubled++
	}
	first := len(o.orders) == 0
	wo := &warehouseOrder{key: d.Key, ref: ref, lines: stockLines(d.Lines)}
	o.orders = append(o.orders, wo)
	var done booking
	if p.says&tellsAccepted != 0 {
		done.follow = append(done.follow, m.tellWO(d.Order, p, o, wo, "warehouse_order.accepted", nil, nil))
	}
	if !first {
		p = foreignPlanOf(p) // a backorder is shipped as it is asked for
	}
	switch {
	case p.fate == ChangedEarly && !m.asEdited(p, wo):
	case p.fate == CancelEarly:
	case p.fate == ChangedLate, p.fate == ChangeTooLate:
		done.follow = append(done.follow, func() { m.w.shop.edit(p.index) })
	case p.fate == CancelLate, p.fate == CancelTooLate:
		done.follow = append(done.follow, func() { m.w.shop.cancel(p.index) })
	case p.fate == Loaded:
		done.follow = append(done.follow, func() { m.board(d.Order, p, wo) })
	default:
		done.follow = append(done.follow, m.work(d.Order, p, o, wo)...)
	}
	return done, nil
}

// foreignPlanOf gives the fate of what comes after an order's first warehouse
// order.
func foreignPlanOf(p *plan) *plan {
	q := *p
	q.fate, q.parts = Plain, 1
	return &q
}

// stockLines copies the lines to ship; a line cancelled to 0 is none.
func stockLines(lines []docLine) []entryLine {
	out := make([]entryLine, 0, len(lines))
	for _, l := range lines {
		if l.qty > 0 {
			out = append(out, entryLine{l.Line, l.SKU, l.qty})
		}
	}
	return out
}

// asEdited says whether wo already has the quantities of the order's edit.
func (m *wms) asEdited(p *plan, wo *warehouseOrder) bool {
	for _, l := range wo.lines {
		for _, want := range p.lines {
			if catalogue[want.item].sku == l.sku && l.qty != pieces(want.edited) {
				return false
			}
		}
	}
	return true
}

// open finds the warehouse order that is not done.
func (o *wmsOrder) open() *warehouseOrder {
	for _, wo := range o.orders {
		if wo.state == woWaiting {
			return wo
		}
	}
	return nil
}

// change sets a waiting warehouse order to new totals and works it; where
// picking is under way, or all has left, it refuses.
func (m *wms) change(d *document, o *wmsOrder) (booking, *refusal) {
	if len(o.orders) == 0 {
		return booking{}, missing("warehouse_order_unknown", "there is no warehouse order of %s", d.Order)
	}
	wo := o.open()
	if wo == nil {
		return booking{}, refuse("already_shipped", "", "the warehouse order of %s is done", d.Order)
	}
	p := m.w.planOf(d.Order)
	if p.fate == ChangeTooLate {
		r := refuse("picking_started", "", "the warehouse order of %s is being picked", d.Order)
		// it goes on with what it has: the refusal is the cause
		m.w.later(0, func() { m.goOn(d.Order, p, wo) })
		return booking{}, r
	}
	wo.lines = stockLines(d.Lines)
	if len(wo.lines) == 0 {
		wo.state = woCancelled
		return booking{}, nil
	}
	if p.fate == CancelLate || p.fate == CancelTooLate || p.fate == CancelEarly {
		return booking{}, nil // still waits for the cancellation
	}
	return booking{follow: m.work(d.Order, p, o, wo)}, nil
}

// goOn works a warehouse order whose change was refused.
func (m *wms) goOn(order string, p *plan, wo *warehouseOrder) {
	s := m.t.shardOf(order)
	s.mu.Lock()
	var follow []func()
	if wo.state == woWaiting {
		follow = m.work(order, p, s.lane(order).wms, wo)
	}
	s.mu.Unlock()
	for _, f := range follow {
		f()
	}
}

// cancel takes a request to cancel; the push behind it decides.
func (m *wms) cancel(d *document, o *wmsOrder) (booking, *refusal) {
	if len(o.orders) == 0 {
		return booking{}, missing("warehouse_order_unknown", "there is no warehouse order of %s", d.Order)
	}
	wo := o.open()
	if wo == nil {
		return booking{}, refuse("already_shipped", "", "the warehouse order of %s is done", d.Order)
	}
	p := m.w.planOf(d.Order)
	if p.fate == CancelTooLate {
		follow := []func(){m.tellWO(d.Order, p, o, wo, "warehouse_order.cancel_refused", nil, nil)}
		return booking{follow: append(follow, m.work(d.Order, p, o, wo)...)}, nil
	}
	cancelled := wo.lines
	if asked := stockLines(d.Lines); len(asked) > 0 && p.fate != CancelEarly && p.fate != CancelLate {
		cancelled = asked
		wo.lines = subtract(wo.lines, asked)
	} else {
		wo.lines = nil
	}
	follow := []func(){m.tellWO(d.Order, p, o, wo, "warehouse_order.cancelled", cancelled, nil)}
	if len(wo.lines) == 0 {
		wo.state = woCancelled
		return booking{follow: follow}, nil
	}
	return booking{follow: append(follow, m.work(d.Order, p, o, wo)...)}, nil
}

// subtract takes quantities off lines; a line with nothing left goes.
func subtract(lines, off []entryLine) []entryLine {
	out := make([]entryLine, 0, len(lines))
	for _, l := range lines {
		for _, c := range off {
			if c.line == l.line {
				l.qty -= c.qty
			}
		}
		if l.qty > 0 {
			out = append(out, l)
		}
	}
	return out
}

// work ships a warehouse order as its fate says and returns what to tell. The
// lock of the lane is held.
func (m *wms) work(order string, p *plan, o *wmsOrder, wo *warehouseOrder) []func() {
	ships, short := m.available(p, wo)
	wo.state = woShipped
	if short {
		wo.state = woClosed
	}
	var closing func() // once Waybill knows that the order is closed
	if wants := m.bought(p, wo); len(wants) > 0 {
		closing = func() { m.receive(p, wants) }
	}
	var follow []func()
	if p.says&tellsAllocation != 0 && len(ships) > 0 {
		follow = append(follow, m.tellWork(order, p, o, "allocation.confirmed", "AL", ships))
	}
	parts := split(ships, p.parts)
	for i, lines := range parts {
		if p.says&tellsPick != 0 {
			follow = append(follow, m.tellWork(order, p, o, "pick.confirmed", "PK", lines))
		}
		if p.says&tellsPack != 0 {
			follow = append(follow, m.tellWork(order, p, o, "pack.confirmed", "PA", lines))
		}
		last := i == len(parts)-1
		s := shipment{id: fmt.Sprintf("SH%s-%s-%d", m.mark, p.label(order), len(o.shipments)+1), lines: lines, final: last && p.final}
		follow = append(follow, m.ship(order, p, o, s, closing))
	}
	if short && (!p.final || len(parts) == 0) {
		follow = append(follow, m.tellWO(order, p, o, wo, "warehouse_order.closed", nil, closing))
	}
	if p.counted != 0 {
		follow = append(follow, m.count(p))
	}
	return follow
}

// available gives what of a warehouse order can be shipped, by its fate or,
// where stock is shared, by what is there. A short ship has the bins filled
// up again.
func (m *wms) available(p *plan, wo *warehouseOrder) (ships []entryLine, short bool) {
	ships = append(ships, wo.lines...)
	if p.fate == ShortShipped {
		for i := range ships {
			if ships[i].sku == catalogue[p.lines[0].item].sku && ships[i].qty > pieces(p.lines[0].ships) {
				ships[i].qty, short = pieces(p.lines[0].ships), true
			}
		}
	}
	if wants := m.bought(p, wo); len(wants) > 0 {
		ships, short = subtract(ships, wants), true
	}
	if m.w.cfg.Once {
		return ships, short
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := ships[:0]
	for _, l := range ships {
		i, known := bySKU[l.sku]
		if known && i < len(m.bins) {
			if l.qty > m.bins[i] {
				l.qty, short = m.bins[i], true
			}
			if m.bins[i] -= l.qty; m.bins[i] < pieces(binLevel/100) {
				m.bins[i] = pieces(binLevel)
			}
		}
		if l.qty > 0 {
			kept = append(kept, l)
		}
	}
	return kept, short
}

// split shares lines out over n shipments, none of them empty: each line's
// pieces go round, and what is not whole goes with the first.
func split(lines []entryLine, n int) [][]entryLine {
	if len(lines) == 0 {
		return nil
	}
	var whole amount
	for _, l := range lines {
		whole = max(whole, l.qty/one)
	}
	n = max(1, min(n, int(whole)))
	parts := make([][]entryLine, n)
	for _, l := range lines {
		share := l.qty / one / amount(n) * one
		for i := range parts {
			part := l
			part.qty = share
			if i == 0 {
				part.qty = l.qty - share*amount(n-1)
			}
			if part.qty > 0 {
				parts[i] = append(parts[i], part)
			}
		}
	}
	return parts
}

// splits: the warehouse takes a document as a whole.
func (m *wms) splits(string) bool { return false }
