package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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
	Backorders      int // warehouse orders that were closed with less than was asked for
	Receipts        int // goods receipts in the ERP
	Adjustments     int // stock adjustments in the ERP
	Returns         int // returns that warehouses received
	Credits         int // returns credited in the ERP

	Lost          int // documents or facts that some system's books miss
	Duplicated    int // documents booked twice in effect
	OutOfSequence int // documents applied or refused in the wrong order

	Messages       int // distinct webhooks sent
	DuplicatesSent int // webhooks sent again although Waybill had them
	Replayed       int // T1 requests answered with Idempotency-Replayed
	Faults         map[string]map[Fault]int

	Balanced Balance

	Findings []string // the first of what is lost, doubled or out of sequence
	Orders   []OrderBook
	// Digest is equal for two runs with the same business outcome: which
	// orders came to what, and which quantities were shipped, posted,
	// invoiced and fulfilled.
	Digest string
}

// Books reads all books. It is exact when the world is quiet, and a snapshot
// that may show an order on its way otherwise.
func (w *World) Books() Books {
	var b Books
	sheets, foreign := w.sheets()
	hash := sha256.New()
	b.Balanced.Cents = true
	for _, s := range sheets {
		b.Placed++
		b.Lines += len(s.plan.lines)
		b.Fulfillments += len(s.fulfillments)
		if s.acknowledged {
			b.Acknowledged++
		}
		outcome := w.judge(&b, s)
		s.weigh(&b)
		b.Orders = append(b.Orders, OrderBook{s.plan.index, s.name, s.plan.fate, outcome})
		fmt.Fprintf(hash, "%d %s %s\n", s.plan.index, outcome, s.quantities())
	}
	for _, s := range foreign {
		w.judge(&b, s)
	}
	w.compareStock(&b, hash)
	b.Digest = hex.EncodeToString(hash.Sum(nil))
	w.countJournals(&b)
	b.Faults = map[string]map[Fault]int{}
	for _, name := range w.Systems() {
		p := w.pushers[name]
		p.mu.Lock()
		b.Messages += p.sent
		b.DuplicatesSent += p.repeats
		p.mu.Unlock()
		b.Faults[name] = w.faults[name].tally()
	}
	return b
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
	if s.own && !s.acknowledged {
		return outcome // Waybill has not said yes: it owes nothing yet
	}
	if s.wms != nil {
		b.Returns += s.wms.returned()
		b.Backorders += s.wms.closed()
	}
	s.lost(b, outcome)
	s.doubled(b)
	return outcome
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
	for _, name := range w.Systems() {
		t := w.targets[name]
		if t == nil {
			continue // the storefront has no journal
		}
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

// bill counts the shipments that are posted and invoiced, what is credited, and
// what is received and adjusted. The rest of one after a 207 is the same.
func (b *Books) bill(billed map[effect]bool, rec *record) {
	e := effect{kind: rec.kind, order: rec.order, subject: rec.about.shipment + rec.about.returned + rec.about.document}
	if e.subject != "" && billed[e] {
		return
	}
	billed[e] = true
	switch rec.kind {
	case "shipment_posting":
		b.ShipmentsPosted++
	case "invoice":
		b.Invoices++
	case "credit_memo":
		b.Credits++
	case "receipt_posting":
		b.Receipts++
	case "inventory_adjustment":
		b.Adjustments++
	}
}

// doubledEffect notes an entry's effects and names the first that was there.
func doubledEffect(effects map[effect]bool, rec *record) (twice string) {
	e := effect{kind: rec.kind, order: rec.order}
	switch rec.kind {
	case "sales_order":
	case "shipment_posting", "invoice":
		e.subject, e.version = rec.about.shipment, rec.version
	case "receipt_posting", "inventory_adjustment", "backorder_notice":
		e.subject, e.version = rec.about.document+rec.about.warehouseOrder, rec.version
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
