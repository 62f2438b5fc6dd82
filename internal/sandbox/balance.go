package sandbox

import (
	"fmt"
	"io"
)

// Balance says whether the systems' books agree, once all is quiet.
type Balance struct {
	// Units: the ERP has of every item what the item's warehouse has.
	Units bool
	// Cents: of every order, invoices less credits are what shipped, less what
	// came back, at the order's prices, with its charges and the tax on it.
	Cents bool
}

// compareStock holds the ERP's stock against the warehouses', and adds what
// differs from the beginning to the digest.
func (w *World) compareStock(b *Books, digest io.Writer) {
	b.Balanced.Units = true
	w.erp.mu.Lock()
	stock := append([]amount(nil), w.erp.stock...)
	w.erp.mu.Unlock()
	for site, m := range w.floors {
		m.mu.Lock()
		for i := range catalogue {
			if catalogue[i].site != site {
				continue
			}
			if m.stock[i] != stock[i] {
				b.Balanced.Units = false
				b.find("unbalanced: of %s the ERP has %s in %s, the warehouse %s", catalogue[i].sku, stock[i], sites[site].warehouse, m.stock[i])
			}
			if m.stock[i] != catalogue[i].opening {
				fmt.Fprintf(digest, "%s %s\n", catalogue[i].sku, m.stock[i]-catalogue[i].opening)
			}
		}
		m.mu.Unlock()
	}
}

// weigh holds what the ERP billed of an order against what left the warehouses
// and stayed away.
func (s *sheet) weigh(b *Books) {
	var billed amount
	if s.erp != nil {
		billed = s.erp.billed
	}
	value, back := s.plan.worth(s.shipped), s.plan.worth(s.came)
	want := value - back
	switch {
	case value == 0:
	case s.portal != nil:
		want += handling + tax(value) - taxBack(value, back)
	default:
		want += shippingPrice
	}
	if billed != want {
		b.Balanced.Cents = false
		b.find("unbalanced: order %s (%s): invoices less credits are %s, what shipped and stayed is worth %s", s.name, s.plan.fate, billed.money(), want.money())
	}
}

// taxBack is the tax on what came back: its share of what was billed, to the
// cent.
func taxBack(goods, back amount) amount {
	if back == 0 {
		return 0
	}
	share := tax(goods).ratio()
	share.Mul(share, back.ratio()).Quo(share, goods.ratio())
	v, err := parseAmount(share.FloatString(2))
	if err != nil {
		return 0
	}
	return v
}
