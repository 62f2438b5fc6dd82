package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// sheet is everything the books say about one order, by SKU.
type sheet struct {
	plan         *plan
	own          bool          // placed in the storefront or the portal
	acknowledged bool          // by Waybill
	fulfillments []fulfillment // of the storefront, copied as the rest
	cancelled    bool          // in the storefront
	portal       *portalOrder  // nil: not an order of the portal
	erp          *erpOrder
	wms          *wmsOrder // of all warehouses
	name         string

	shipped, posted, invoiced, fulfilled map[string]amount
	came, credited                       map[string]amount // back to a warehouse, and to be credited; credited for it
}

// sheets gathers what every system knows, per order: those of the storefront
// by index, and others.
func (w *World) sheets() (own []*sheet, foreign []*sheet) {
	w.shop.listMu.RLock()
	orders := w.shop.orders
	w.shop.listMu.RUnlock()
	w.shop.mu.Lock()
	byIndex := map[int]*sheet{}
	for _, o := range orders {
		if o.plan.trade {
			if s := w.portal.sheet(o); s != nil {
				byIndex[o.plan.index] = s
				own = append(own, s)
			}
			continue
		}
		if o.placed.IsZero() {
			continue
		}
		s := &sheet{plan: &o.plan, own: true, acknowledged: o.acknowledged.Load(), name: "#" + strconv.Itoa(o.plan.number()), fulfilled: map[string]amount{}}
		s.fulfillments, s.cancelled = slices.Clone(o.fulfillments), !o.cancelledAt.IsZero()
		for _, f := range o.fulfillments {
			for _, l := range f.lines {
				if !f.cancelled {
					s.fulfilled[catalogue[o.lines[l.line].item].sku] += pieces(l.quantity)
				}
			}
		}
		byIndex[o.plan.index] = s
		own = append(own, s)
	}
	w.shop.mu.Unlock()
	others := map[string]*sheet{}
	of := func(lane string) *sheet {
		if i, ok := orderIndex(lane); ok && byIndex[i] != nil {
			return byIndex[i]
		}
		if others[lane] == nil {
			others[lane] = &sheet{plan: &w.foreign, name: lane}
		}
		return others[lane]
	}
	w.erp.t.each(func(b *orderBook) {
		if b.erp != nil {
			of(b.lane).readERP(b.erp)
		}
	})
	for _, m := range w.floors {
		m.t.each(func(b *orderBook) {
			if b.wms != nil {
				of(b.lane).readWMS(b.wms)
			}
		})
	}
	for _, name := range slices.Sorted(maps.Keys(others)) {
		foreign = append(foreign, others[name])
	}
	return own, foreign
}

// readERP copies what the ERP knows.
func (s *sheet) readERP(o *erpOrder) {
	own := *o
	own.lines = slices.Clone(o.lines)
	own.postings = slices.Clone(o.postings)
	s.erp, s.posted, s.invoiced, s.credited = &own, map[string]amount{}, map[string]amount{}, map[string]amount{}
	for _, l := range o.lines {
		s.posted[l.sku] += l.posted
		at, known := bySKU[l.sku]
		if !known || !isKit(at) {
			s.invoiced[l.sku] += l.invoiced - (l.credited - l.returned)
			s.credited[l.sku] += l.returned
			continue
		}
		for _, p := range catalogue[at].parts {
			sku := catalogue[p.item].sku
			s.invoiced[sku] += amount(p.per) * (l.invoiced - (l.credited - l.returned))
			s.credited[sku] += amount(p.per) * l.returned
		}
	}
}

// sheet copies what the portal knows; nil of an order that was not placed yet.
func (c *portal) sheet(o *shopOrder) *sheet {
	c.mu.Lock()
	defer c.mu.Unlock()
	have := c.orders[o.plan.index]
	if have == nil {
		return nil
	}
	own := *have
	own.refunded = maps.Clone(have.refunded)
	return &sheet{plan: &o.plan, own: true, acknowledged: o.acknowledged.Load(), portal: &own,
		name: "portal " + strconv.Itoa(o.plan.number()), fulfilled: maps.Clone(have.fulfilled)}
}

// readWMS adds a copy of what a warehouse knows.
func (s *sheet) readWMS(o *wmsOrder) {
	if s.wms == nil {
		s.wms, s.shipped, s.came = &wmsOrder{}, map[string]amount{}, map[string]amount{}
	}
	for _, wo := range o.orders {
		copied := *wo
		s.wms.orders = append(s.wms.orders, &copied)
	}
	s.wms.shipments = append(s.wms.shipments, o.shipments...)
	s.wms.returns = append(s.wms.returns, o.returns...)
	s.wms.doubled += o.doubled
	for _, r := range o.returns {
		if r.disposition != reject {
			s.came[r.sku] += r.qty
		}
	}
	for _, sh := range o.shipments {
		for _, l := range sh.lines {
			s.shipped[l.sku] += l.qty
		}
	}
}

// closed counts the warehouse orders that were closed with less than they asked
// for.
func (o *wmsOrder) closed() (n int) {
	for _, wo := range o.orders {
		if wo.state == woClosed {
			n++
		}
	}
	return n
}

// returned counts the returns that were received.
func (o *wmsOrder) returned() int {
	ids := map[string]bool{}
	for _, r := range o.returns {
		ids[r.id] = true
	}
	return len(ids)
}

// quantities writes what moved, by SKU in order: shipped, posted, invoiced,
// fulfilled, come back, credited.
func (s *sheet) quantities() string {
	var b strings.Builder
	for _, sku := range slices.Sorted(maps.Keys(s.shipped)) {
		fmt.Fprintf(&b, "%s:%s/%s/%s/%s/%s/%s ", sku, s.shipped[sku], s.posted[sku], s.invoiced[sku], s.fulfilled[sku], s.came[sku], s.credited[sku])
	}
	if s.erp != nil && s.erp.billed != 0 {
		b.WriteString(s.erp.billed.money())
	}
	return b.String()
}

// outcome reads what an order came to.
func (s *sheet) outcome(w *World) Outcome {
	sold := s.erp != nil && s.erp.sold
	var shipped amount
	for _, q := range s.shipped {
		shipped += q
	}
	open := s.wms != nil && s.wms.open() != nil
	closed := s.wms != nil && s.wms.closed() > 0
	switch {
	case shipped > 0 && s.agrees():
		if closed && !s.inFull() {
			return Short
		}
		return Invoiced
	case shipped > 0 || open:
		return Open
	case s.cancelled && (!sold || s.erp.cancelled):
		return Cancelled
	case sold:
		if s.erp.cancelled {
			return Cancelled
		}
		return Open
	case w.erp.declined(s.plan.index):
		return Declined
	case s.erp != nil && s.erp.refused:
		return Held
	}
	return Open
}

// agrees says whether every shipped piece is posted, invoiced and, for the
// storefront's own orders, fulfilled.
func (s *sheet) agrees() bool {
	for sku, q := range s.shipped {
		if s.posted[sku] != q || s.invoiced[sku] != q || s.own && s.fulfilled[sku] != q {
			return false
		}
	}
	return true
}

// inFull says whether all that the storefront wants has shipped.
func (s *sheet) inFull() bool {
	for sku, qty := range s.plan.wanted() {
		if s.shipped[sku] < qty {
			return false
		}
	}
	return true
}

// declined says whether the ERP refused an order's sales order.
func (e *erp) declined(index int) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.refusal[index]
}

// lost counts what a system's books miss.
func (s *sheet) lost(b *Books, outcome Outcome) {
	miss := func(format string, args ...any) {
		b.Lost++
		b.find("lost: order %s (%s): %s", s.name, s.plan.fate, fmt.Sprintf(format, args...))
	}
	s.lostPostings(miss)
	if !s.own {
		return
	}
	s.lostReturns(miss)
	for _, sku := range slices.Sorted(maps.Keys(s.shipped)) {
		if s.fulfilled[sku] < s.shipped[sku] {
			miss("of %s %s shipped, the storefront knows of %s", sku, s.shipped[sku], s.fulfilled[sku])
		}
	}
	switch s.plan.fate {
	case HeldForever:
		if outcome != Held {
			miss("it shall stay held, and is %s", outcome)
		}
	case Refused:
		if outcome != Declined {
			miss("the ERP shall refuse it, and it is %s", outcome)
		}
	case CancelEarly, CancelLate:
		if outcome != Cancelled {
			miss("it shall be cancelled, and is %s", outcome)
		}
	case Cases, TwoSites, Loaded, Backordered, Returned, Kitted, Renamed:
		if outcome != Invoiced && outcome != Held {
			miss("it shall be shipped in full and billed, and is %s", outcome)
		}
	default:
		if outcome != Invoiced && outcome != Short && outcome != Held {
			miss("it shall be shipped and billed, and is %s", outcome)
		}
	}
}

// lostReturns compares what came back with what was credited, and what was short
// and asked for with what the portal was told.
func (s *sheet) lostReturns(miss func(string, ...any)) {
	if s.wms == nil {
		return
	}
	if p := s.plan.back.pieces; p > 0 && s.wms.returned() == 0 {
		miss("the return of %d pieces never reached the warehouse", p)
	}
	for _, sku := range slices.Sorted(maps.Keys(s.came)) {
		if s.credited[sku] < s.came[sku] {
			miss("of %s %s came back, %s credited", sku, s.came[sku], s.credited[sku])
		}
		if s.portal != nil && s.portal.refunded[sku] < s.came[sku] {
			miss("of %s %s came back, the portal knows of %s refunded", sku, s.came[sku], s.portal.refunded[sku])
		}
	}
	if s.portal == nil {
		return // a storefront is told neither of its returns nor of what is backordered
	}
	if s.portal.asked && s.portal.authorized == 0 {
		miss("the portal was never told that its return is authorized")
	}
	if s.wms.closed() > s.portal.backordered {
		miss("%d warehouse orders closed short, the portal was told of %d", s.wms.closed(), s.portal.backordered)
	}
}

// lostPostings compares each shipment with the ERP: a shipment that isn't
// posted, pieces that aren't invoiced.
func (s *sheet) lostPostings(miss func(string, ...any)) {
	if s.wms == nil {
		return
	}
	for _, sh := range s.wms.shipments {
		if s.erp == nil || !slices.ContainsFunc(s.erp.postings, func(p posting) bool { return p.shipment == sh.id }) {
			miss("shipment %s is not posted in the ERP", sh.id)
		}
	}
	for _, sku := range slices.Sorted(maps.Keys(s.shipped)) {
		if s.invoiced[sku] < s.posted[sku] {
			miss("of %s %s posted, %s invoiced", sku, s.posted[sku], s.invoiced[sku])
		} else if s.posted[sku] < s.shipped[sku] {
			miss("of %s %s shipped, %s posted", sku, s.shipped[sku], s.posted[sku])
		}
	}
}

// doubled counts quantities that a system has more of than left the
// warehouse, warehouse orders beside an open one, and fulfilments of one
// tracking number.
func (s *sheet) doubled(b *Books) {
	twice := func(format string, args ...any) {
		b.Duplicated++
		b.find("duplicated: order %s (%s): %s", s.name, s.plan.fate, fmt.Sprintf(format, args...))
	}
	for _, sku := range slices.Sorted(maps.Keys(s.posted)) {
		if s.posted[sku] > s.shipped[sku] {
			twice("of %s %s shipped, %s posted", sku, s.shipped[sku], s.posted[sku])
		}
	}
	for _, sku := range slices.Sorted(maps.Keys(s.credited)) {
		if s.credited[sku] > s.came[sku] || s.portal != nil && s.portal.refunded[sku] > s.came[sku] {
			twice("of %s %s came back, %s credited", sku, s.came[sku], s.credited[sku])
		}
	}
	if s.wms != nil && s.wms.doubled > 0 {
		twice("%d warehouse orders too many", s.wms.doubled)
	}
	if s.wms != nil && s.wms.returned() != len(s.wms.returns) && s.plan.back.pieces > 0 {
		twice("%d receipts of %d returns", len(s.wms.returns), s.wms.returned())
	}
	if !s.own {
		return
	}
	for _, sku := range slices.Sorted(maps.Keys(s.fulfilled)) {
		if s.fulfilled[sku] > s.shipped[sku] {
			twice("of %s %s shipped, the storefront has %s fulfilled", sku, s.shipped[sku], s.fulfilled[sku])
		}
	}
	seen := map[string]bool{}
	for _, f := range s.fulfillments {
		for _, t := range f.tracking {
			if t.number != "" && !f.cancelled && seen[t.number] {
				twice("tracking number %s is in two fulfilments", t.number)
			}
			seen[t.number] = true
		}
	}
}
