package oracle

import (
	"fmt"
	"maps"
	"slices"
)

// sums are what the targets hold for an order.
type sums struct {
	posted, invoiced, credited map[string]int64 // by line
	postings                   map[string]map[string]int64
	invoices                   map[string]map[string]int64
	times                      map[string]int // by kind and subject
}

// sumsOf reads the books of all targets for one order.
func (j *judge) sumsOf(ref string) sums {
	s := sums{posted: map[string]int64{}, invoiced: map[string]int64{}, credited: map[string]int64{},
		postings: map[string]map[string]int64{}, invoices: map[string]map[string]int64{}, times: map[string]int{}}
	for _, t := range j.h.Targets {
		for _, e := range t.Books {
			if e.Order != ref {
				continue
			}
			s.times[e.Kind+" "+e.Subject]++
			s.times[e.Kind]++
			for _, line := range slices.Sorted(maps.Keys(e.Quantity)) {
				q := e.Quantity[line]
				switch e.Kind {
				case "shipment_posting":
					s.posted[line] += q
					into(s.postings, e.Subject)[line] += q
				case "shipment_reversal":
					s.posted[line] -= q
					into(s.postings, e.Subject)[line] -= q
				case "invoice":
					s.invoiced[line] += q
					into(s.invoices, e.Subject)[line] += q
				case "credit_memo":
					s.credited[line] += q
				}
			}
		}
	}
	return s
}

func into(m map[string]map[string]int64, name string) map[string]int64 {
	if m[name] == nil {
		m[name] = map[string]int64{}
	}
	return m[name]
}

// heldUp reports whether something of the order waits for a person: then its
// books may be behind.
func (j *judge) heldUp(ref string) bool {
	for _, x := range j.h.Shown.Exceptions {
		if x.Ref == ref {
			return true
		}
	}
	return false
}

// order: what the targets hold agrees with what the floor and the channel said
// (I2 by business effect, I14, I20).
func (j *judge) order(o *Order) {
	s := j.sumsOf(o.Ref)
	j.once(o, s)
	shipped, ordered := map[string]int64{}, map[string]int64{}
	for _, sh := range o.Shipments {
		for line, q := range sh.Quantity {
			shipped[line] += q
		}
		for line, q := range s.postings[sh.ID] {
			if q > sh.Quantity[line] {
				j.add("I20", "%s: %s of line %s of shipment %s were posted, %s shipped", o.Ref, milli(q), line, sh.ID, milli(sh.Quantity[line]))
			}
			if s.invoices[sh.ID][line] > q {
				j.add("I20", "%s: %s of line %s of shipment %s were invoiced, %s posted", o.Ref, milli(s.invoices[sh.ID][line]), line, sh.ID, milli(q))
			}
		}
	}
	for _, v := range o.Versions {
		for line, q := range v {
			ordered[line] = max(ordered[line], q)
		}
	}
	returned := map[string]int64{}
	for _, r := range o.Returns {
		for line, q := range r {
			returned[line] += q
		}
	}
	for line := range s.posted {
		if s.credited[line] > returned[line] {
			j.add("I20", "%s line %s: %s were credited, %s returned", o.Ref, line, milli(s.credited[line]), milli(returned[line]))
		}
	}
	if !j.h.Shown.Quiet || j.heldUp(o.Ref) {
		return
	}
	for line, q := range shipped {
		if s.posted[line] != q {
			j.add("I20", "%s line %s: %s shipped and %s posted", o.Ref, line, milli(q), milli(s.posted[line]))
		}
		if want := min(q, ordered[line]); len(o.Versions) == 1 && s.invoiced[line] != want {
			j.add("I20", "%s line %s: %s shipped and %s invoiced", o.Ref, line, milli(q), milli(s.invoiced[line]))
		}
		if s.credited[line] != returned[line] {
			j.add("I20", "%s line %s: %s returned and %s credited", o.Ref, line, milli(returned[line]), milli(s.credited[line]))
		}
	}
	j.told(o, s)
}

// once: a business effect is there once, whatever its key.
func (j *judge) once(o *Order, s sums) {
	for _, kind := range []string{"sales_order", "order_acknowledgment", "sales_order_cancel"} {
		if n := s.times[kind]; n > 1 {
			j.add("I2", "%s has %d documents %s in the books", o.Ref, n, kind)
		}
	}
	for _, sh := range o.Shipments {
		if n := s.times["fulfilment "+sh.ID]; n > 1 {
			j.add("I2", "the channel was told %d times of shipment %s", n, sh.ID)
		}
	}
}

// told: the channel has heard of everything that became of its order (I14).
func (j *judge) told(o *Order, s sums) {
	for _, sh := range o.Shipments {
		if s.times["fulfilment "+sh.ID] == 0 {
			j.add("I14", "the channel never heard of shipment %s of %s", sh.ID, o.Ref)
		}
	}
	for _, c := range o.Cancels {
		if n := s.times["cancellation_answer "+c]; n != 1 {
			j.add("I14", "cancel request %s of %s has %d answers", c, o.Ref, n)
		}
	}
	if len(o.Cancels) == 0 && len(o.Versions) > 0 && (s.times["sales_order"] == 0 || s.times["order_acknowledgment"] == 0) {
		j.add("I14", "%s was neither cancelled nor accepted, and nothing says why", o.Ref)
	}
	for r := range o.Returns {
		if s.times["refund_notice "+r] != 1 || s.times["return_authorization "+r] > 1 {
			j.add("I14", "return %s of %s has %d refund notices", r, o.Ref, s.times["refund_notice "+r])
		}
	}
}

// items: adjustments of stock add up (I20).
func (j *judge) items() {
	held := map[string]int64{}
	for _, t := range j.h.Targets {
		for _, e := range t.Books {
			if e.Kind == "inventory_adjustment" {
				for sku, q := range e.Quantity {
					held[sku] += q
				}
			}
		}
	}
	for sku, want := range j.h.Items {
		if j.h.Shown.Quiet && held[sku] != want && !j.heldUp("~~item~"+sku) {
			j.add("I20", "item %s: adjustments of %s were reported, %s are in the books", sku, milli(want), milli(held[sku]))
		}
	}
}

// milli writes thousandths as a decimal.
func milli(q int64) string { return fmt.Sprintf("%d.%03d", q/1000, q%1000) }
