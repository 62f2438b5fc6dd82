package process

import "github.com/waybillhq/waybill"

// Status is the order in one word (system contract C6). It is derived; of
// several words that fit, the first of this list is the one:
//
//	cancelled          nothing is left to deliver and nothing shipped
//	invoiced           all that was to be delivered has shipped and is invoiced
//	shipped            all that was to be delivered has shipped
//	held               a hold stops it
//	backordered        the warehouse closed short, and the rest is still owed
//	partially_shipped  a part has shipped
//	released           the warehouse took its order
//	accepted           the ERP took the order
//	received           none of these yet
func (s *Sales) Status() waybill.Status {
	pic := s.look(nil)
	defer s.giveBack()
	return pic.status()
}

func (pic *picture) status() waybill.Status {
	s := pic.s
	if pic.body == nil {
		if len(s.holds) > 0 { // its first version waits
			return waybill.StatusHeld
		}
		return waybill.StatusReceived
	}
	left, open, shipped, billed := false, false, false, true
	for at, l := range pic.info {
		if l == nil {
			continue
		}
		out := pic.q[waybill.Shipped][at]
		due := pic.goal[at]
		counts := l.IsStock() || !pic.goods
		left = left || counts && due.Sign() > 0
		shipped = shipped || out.Sign() > 0
		if l.IsStock() {
			open = open || due.Cmp(out) > 0
			due = waybill.MinDecimal(due, out)
		}
		billed = billed && (!pic.billed(at) || pic.q[waybill.Invoiced][at].Cmp(due) >= 0)
	}
	open = open || !pic.goods && !billed
	switch {
	case !left && !shipped:
		return waybill.StatusCancelled
	case !open && billed:
		return waybill.StatusInvoiced
	case !open && shipped:
		return waybill.StatusShipped
	case len(s.holds) > 0:
		return waybill.StatusHeld
	case pic.q[waybill.Backordered].any():
		return waybill.StatusBackordered
	case shipped:
		return waybill.StatusPartiallyShipped
	case pic.q[waybill.Released].any():
		return waybill.StatusReleased
	case s.hasApplied(waybill.SalesOrder):
		return waybill.StatusAccepted
	}
	return waybill.StatusReceived
}

// hasApplied reports whether a document of a kind is in its target's books.
func (s *Sales) hasApplied(kind waybill.Kind) bool {
	for _, d := range s.docs {
		if d.kind == kind && d.state == done && !s.gone(d) {
			return true
		}
	}
	return false
}
