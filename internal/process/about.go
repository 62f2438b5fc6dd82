package process

import "github.com/waybillhq/waybill"

// Placed reports whether the order itself is known, not only facts about it.
func (s *Sales) Placed() bool { return s.inForce() != nil }

// Content is the order as the version in force has it; nil before it is placed
// and where [Sales.Missing] has not been attached. It must not be changed.
func (s *Sales) Content() *waybill.Order { return s.content() }

// Customer is the buyer of the version in force; empty before it is placed.
func (s *Sales) Customer() string {
	if o := s.content(); o != nil {
		return o.Customer
	}
	return ""
}

// OpenValue is what the order is still to bring in: by line, what is neither
// cancelled nor invoiced, at its price, in the order's currency. Tax, charges
// and freight are not in it.
func (s *Sales) OpenValue() (waybill.Decimal, string) {
	o := s.content()
	if o == nil {
		return waybill.Decimal{}, ""
	}
	pic := s.look(nil)
	defer s.giveBack()
	value := waybill.Decimal{}
	for at, l := range pic.info {
		if l == nil {
			continue
		}
		open := pic.q[waybill.Ordered][at].Sub(pic.q[waybill.Cancelled][at]).Sub(pic.q[waybill.Invoiced][at])
		if open.Sign() > 0 && pic.billed(at) {
			value = value.Add(s.value(l, open, l.Price))
		}
	}
	return waybill.RoundAmount(value, o.Currency), o.Currency
}
