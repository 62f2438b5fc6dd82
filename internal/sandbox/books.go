package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// findingsMax bounds the findings that are kept as text; the numbers count all.
const findingsMax = 100

// Outcome is what an order came to, read off the systems' books.
type Outcome string

// The outcomes.
const (
	Invoiced  Outcome = "invoiced"  // shipped in full, posted, billed, and the storefront knows
	Short     Outcome = "short"     // the warehouse closed it with less; what shipped is billed
	Cancelled Outcome = "cancelled" // nothing left the warehouse, nothing is open
	Held      Outcome = "held"      // the ERP approves it not
	Declined  Outcome = "refused"   // the ERP refused the sales order
	Open      Outcome = "open"      // none of these: on its way, or stuck
)

// OrderBook is one order's line in the reckoning.
type OrderBook struct {
	Index   int // in the world
	Name    string
	Fate    Fate
	Outcome Outcome
}

// Books is the reckoning over all systems' own books.
type Books struct {
	Placed       int // orders that customers placed
	Acknowledged int // of them, with a 2xx of Waybill
	Lines        int // of all orders placed

	Accepted        int // sales orders that stand in the ERP
	Rejected        int // orders whose sales order the ERP refused
	Held            int // orders that the ERP doesn't approve
	Cancelled       int // orders of which nothing shipped and nothing is open
	Short           int // orders closed with less than was ordered
	ShipmentsPosted int // shipments posted in the ERP
	Invoices        int // shipments invoiced in the ERP; one document or, after a 207, several
	Fulfillments    int // fulfilments in the storefront

	Lost          int // documents or facts that some system's books miss
	Duplicated    int // documents booked twice in effect
	OutOfSequence int // documents applied or refused in the wrong order

	Messages       int // distinct webhooks sent
	DuplicatesSent int // webhooks sent again although Waybill had them
	Replayed       int // T1 requests answered with Idempotency-Replayed
	Faults         map[string]map[Fault]int

	Findings []string // the first of what is lost, doubled or out of sequence
	Orders   []OrderBook
	// Digest is equal for two runs with the same business outcome: which
	// orders came to what, and which quantities were shipped, posted,
	// invoiced and fulfilled.
	Digest string
}

// sheet is everything the books say about one order, by SKU.
type sheet struct {
	plan                                 *plan
	shop                                 *shopOrder    // nil: not an order of the storefront
	fulfillments                         []fulfillment // copied, as the rest
	cancelled                            bool          // in the storefront
	erp                                  *erpOrder
	wms                                  *wmsOrder
	name                                 string
	shipped, posted, invoiced, fulfilled map[string]amount
}

// Books reads all books. It is exact when the world is quiet, and a snapshot
// that may show an order on its way otherwise.
func (w *World) Books() Books {
	var b Books
	sheets, foreign := w.sheets()
	hash := sha256.New()
	for _, s := range sheets {
		b.Placed++
		b.Lines += len(s.plan.lines)
		b.Fulfillments += len(s.fulfillments)
		if s.shop.acknowledged.Load() {
			b.Acknowledged++
		}
		outcome := w.judge(&b, s)
		b.Orders = append(b.Orders, OrderBook{s.plan.index, s.name, s.plan.fate, outcome})
		fmt.Fprintf(hash, "%d %s %s\n", s.plan.index, outcome, s.quantities())
	}
	for _, s := range foreign {
		w.judge(&b, s)
	}
	b.Digest = hex.EncodeToString(hash.Sum(nil))
	w.countJournals(&b)
	b.Faults = map[string]map[Fault]int{}
	for _, name := range systems {
		p := w.pushers[name]
		p.mu.Lock()
		b.Messages += p.sent
		b.DuplicatesSent += p.repeats
		p.mu.Unlock()
		b.Faults[name] = w.faults[name].tally()
	}
	return b
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
		if o.placed.IsZero() {
			continue
		}
		s := &sheet{plan: &o.plan, shop: o, name: "#" + strconv.Itoa(o.plan.number()), fulfilled: map[string]amount{}}
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
	w.wms.t.each(func(b *orderBook) {
		if b.wms != nil {
			of(b.lane).readWMS(b.wms)
		}
	})
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
	s.erp, s.posted, s.invoiced = &own, map[string]amount{}, map[string]amount{}
	for _, l := range o.lines {
		s.posted[l.sku] += l.posted
		s.invoiced[l.sku] += l.invoiced - l.credited
	}
}

// readWMS copies what the warehouse knows.
func (s *sheet) readWMS(o *wmsOrder) {
	own := *o
	own.orders = nil
	for _, wo := range o.orders {
		copied := *wo
		own.orders = append(own.orders, &copied)
	}
	own.shipments = slices.Clone(o.shipments)
	s.wms, s.shipped = &own, map[string]amount{}
	for _, sh := range o.shipments {
		for _, l := range sh.lines {
			s.shipped[l.sku] += l.qty
		}
	}
}

// quantities writes what moved, by SKU in order: shipped, posted, invoiced,
// fulfilled.
func (s *sheet) quantities() string {
	var b strings.Builder
	for _, sku := range slices.Sorted(maps.Keys(s.shipped)) {
		fmt.Fprintf(&b, "%s:%s/%s/%s/%s ", sku, s.shipped[sku], s.posted[sku], s.invoiced[sku], s.fulfilled[sku])
	}
	return b.String()
}

// judge tells an order's outcome and counts what is wrong with it.
func (w *World) judge(b *Books, s *sheet) Outcome {
	outcome := s.outcome(w)
	switch outcome {
	case Held:
		b.Held++
	case Cancelled:
		b.Cancelled++
	case Short:
		b.Short++
	case Declined:
		b.Rejected++
	}
	if s.erp != nil && s.erp.sold && !s.erp.cancelled {
		b.Accepted++
	}
	if s.shop != nil && !s.shop.acknowledged.Load() {
		return outcome // Waybill has not said yes: it owes nothing yet
	}
	s.lost(b, outcome)
	s.doubled(b)
	return outcome
}

// outcome reads what an order came to.
func (s *sheet) outcome(w *World) Outcome {
	sold := s.erp != nil && s.erp.sold
	var shipped amount
	for _, q := range s.shipped {
		shipped += q
	}
	open := s.wms != nil && s.wms.open() != nil
	closed := s.wms != nil && slices.ContainsFunc(s.wms.orders, func(wo *warehouseOrder) bool { return wo.state == woClosed })
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
		if s.posted[sku] != q || s.invoiced[sku] != q || s.shop != nil && s.fulfilled[sku] != q {
			return false
		}
	}
	return true
}

// inFull says whether all that the storefront wants has shipped.
func (s *sheet) inFull() bool {
	for _, l := range s.plan.lines {
		if s.shipped[catalogue[l.item].sku] < pieces(l.edited) {
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
	if s.shop == nil {
		return
	}
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
	default:
		if outcome != Invoiced && outcome != Short && outcome != Held {
			miss("it shall be shipped and billed, and is %s", outcome)
		}
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
	if s.wms != nil && s.wms.doubled > 0 {
		twice("%d warehouse orders too many", s.wms.doubled)
	}
	if s.shop == nil {
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

// find keeps a finding as text.
func (b *Books) find(format string, args ...any) {
	if len(b.Findings) < findingsMax {
		b.Findings = append(b.Findings, fmt.Sprintf(format, args...))
	}
}

// effect is what a document does to a system's books, whatever its key.
type effect struct {
	kind, order, subject, line string
	version                    int
}

// countJournals counts documents, and those booked twice in effect: under one
// key, or the same line of the same subject under two.
func (w *World) countJournals(b *Books) {
	for _, name := range targets {
		t := w.targets[name]
		list, _ := t.entries(0, int(^uint(0)>>1))
		keys, effects, billed := map[string]bool{}, map[effect]bool{}, map[effect]bool{}
		for _, rec := range list {
			if keys[rec.key] {
				b.Duplicated++
				b.find("duplicated: %s booked %s of %s twice under key %s", name, rec.kind, rec.order, rec.key)
				continue
			}
			keys[rec.key] = true
			b.bill(billed, rec)
			if twice := doubledEffect(effects, rec); twice != "" {
				b.Duplicated++
				b.find("duplicated: %s booked %s of %s twice: %s", name, rec.kind, rec.order, twice)
			}
		}
		t.counts.Lock()
		b.OutOfSequence += t.counts.outOfSequence
		b.Replayed += t.counts.replayed
		for _, f := range t.counts.findings {
			b.find("out of sequence: %s", f)
		}
		t.counts.Unlock()
	}
}

// bill counts the shipments that are posted and invoiced. The rest of one
// after a 207 is the same shipment.
func (b *Books) bill(billed map[effect]bool, rec *record) {
	e := effect{kind: rec.kind, order: rec.order, subject: rec.about.shipment}
	if e.subject != "" && billed[e] {
		return
	}
	billed[e] = true
	switch rec.kind {
	case "shipment_posting":
		b.ShipmentsPosted++
	case "invoice":
		b.Invoices++
	}
}

// doubledEffect notes an entry's effects and names the first that was there.
func doubledEffect(effects map[effect]bool, rec *record) (twice string) {
	e := effect{kind: rec.kind, order: rec.order}
	switch rec.kind {
	case "sales_order":
	case "shipment_posting", "invoice":
		e.subject, e.version = rec.about.shipment, rec.version
	default:
		return ""
	}
	if e.kind == "invoice" && e.subject == "" {
		return ""
	}
	for _, l := range rec.lines {
		e.line = l.line
		if effects[e] && twice == "" {
			twice = strings.TrimSpace(e.subject + " line " + l.line)
		}
		effects[e] = true
	}
	return twice
}

// tally copies how often each fault struck.
func (f *faultline) tally() map[Fault]int {
	out := map[Fault]int{}
	for name, n := range f.counted {
		if v := n.Load(); v > 0 {
			out[name] = int(v)
		}
	}
	return out
}
