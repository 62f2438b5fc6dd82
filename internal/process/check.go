package process

import (
	"slices"
	"strconv"

	"github.com/waybillhq/waybill"
)

// check asks the ERP whether it will take the order: each version once, and
// again while the order is held. It is not asked once the order is in its
// books (W4.1, W4.4).
func (r *round) check() {
	o := r.pic.order
	if r.p.ERP == "" || o.verdict != unchecked || r.erpHolds() || !r.toDeliver() || r.orderTakenBack() {
		return
	}
	subject := checkSubject(o.version, o.round)
	if r.stands(waybill.OrderCheck, r.p.ERP, subject) {
		return
	}
	r.want(want{kind: waybill.OrderCheck, target: r.p.ERP, subject: subject, version: o.version,
		lines: func() vector { return r.pic.totals(func(int) bool { return true }) },
		why:   "W4.1 version " + strconv.FormatInt(o.version, 10) + " of the order is checked before it is accepted"})
}

func checkSubject(version int64, round int) string {
	return versionSubject(version) + ".r" + strconv.Itoa(round)
}

// erpHolds reports whether the ERP holds the order or may hold it.
func (r *round) erpHolds() bool { return r.s.inBooks(waybill.SalesOrder, r.p.ERP, r.s.ref) }

// approved reports whether the order may go to the ERP, holds aside.
func (r *round) approved() bool {
	return r.p.ERP == "" || r.pic.order.verdict == approved || r.erpHolds()
}

// toDeliver reports whether anything is left to do for the buyer: goods not
// cancelled, or goods that have shipped. An order without goods lives by its
// services and fees.
func (r *round) toDeliver() bool {
	pic := r.pic
	if pic.q[waybill.Shipped].any() {
		return true
	}
	for at := range pic.goal {
		if pic.goal[at].Sign() > 0 && (pic.stock(at) || !pic.goods) {
			return true
		}
	}
	return false
}

// held reports whether first attempts of sales_order and warehouse_order are
// stopped.
func (r *round) held() bool {
	return len(r.s.holds) > 0 && r.pic.body != nil && r.toDeliver()
}

// heldByCheck reports whether a hold stands that a check can lift.
func (r *round) heldByCheck() bool {
	return r.held() && slices.ContainsFunc(r.s.holds, hold.byCheck)
}

// trigger asks for another check of a held order. A check on its way is not
// interrupted: another round follows if its answer is negative.
func (r *round) trigger(operator bool) {
	o := r.s.inForce()
	if o == nil || r.erpHolds() || r.p.ERP == "" {
		return
	}
	if o.verdict == approved {
		return
	}
	if o.verdict == negative {
		o.nextRound()
		return
	}
	d := r.s.current(waybill.OrderCheck, r.p.ERP, checkSubject(o.version, o.round))
	switch {
	case d == nil:
	case d.state == attempted || d.state == pending:
		o.again = true
	case d.state == skipped:
		o.nextRound()
	case d.state == refused && operator:
		r.skip(d)
		o.nextRound()
	}
}

func (f *fact) nextRound() {
	f.round++
	f.verdict, f.again = unchecked, false
}

// checked takes the answer to an order_check in.
func (r *round) checked(d *doc, receipt *waybill.Receipt) {
	for _, o := range r.s.of(famOrder) {
		if o.version != d.version || d.subject != checkSubject(o.version, o.round) || o.verdict != unchecked {
			continue
		}
		holds := r.judge(o, receipt)
		inForce := o == r.s.inForce()
		switch {
		case len(holds) == 0:
			o.verdict, o.again = approved, false
		case o.again:
			o.nextRound()
		default:
			o.verdict = negative
		}
		if inForce {
			r.s.hold(holds)
		}
	}
}

// hold replaces the holds that a check can lift. One that stays keeps the time
// since when it holds. The first counts as a hold of the order: what was refused
// before may go anew.
func (s *Sales) hold(holds []hold) {
	old := s.holds
	if len(holds) > 0 && !slices.ContainsFunc(old, hold.byCheck) {
		s.epoch++
	}
	s.holds = slices.DeleteFunc(slices.Clone(old), hold.byCheck)
	for _, h := range holds {
		for _, was := range old {
			if was.kind == h.kind && was.line == h.line {
				h.since = was.since
			}
		}
		s.holds = append(s.holds, h)
	}
}

// checkResult is the result of an order_check (W4.1).
type checkResult struct {
	Approved *bool `json:"approved"`
	Reasons  []struct {
		Kind   string `json:"kind"`
		Reason string `json:"reason"`
		Line   string `json:"line"`
	} `json:"reasons"`
	Prices []struct {
		Line  string          `json:"line"`
		Price waybill.Decimal `json:"price"`
	} `json:"prices"`
}

// judge turns the ERP's answer into holds; none means approved.
func (r *round) judge(o *fact, receipt *waybill.Receipt) []hold {
	since := millis(r.now)
	var res checkResult
	if receipt == nil || len(receipt.Result) == 0 || waybill.Unmarshal(receipt.Result, &res) != nil || res.Approved == nil {
		return []hold{{kind: "check", reason: "the check gave no verdict", since: since}}
	}
	var holds []hold
	if !*res.Approved {
		for _, why := range res.Reasons {
			holds = append(holds, hold{kind: named("check", why.Kind), reason: why.Reason, line: why.Line, since: since})
		}
		if len(holds) == 0 {
			holds = append(holds, hold{kind: "check", reason: "not approved, without a reason", since: since})
		}
	}
	order := r.s.orderOf(o)
	if order == nil {
		return holds
	}
	for _, price := range res.Prices {
		at := slices.IndexFunc(order.Lines, func(l waybill.OrderLine) bool { return l.Line == price.Line })
		if at < 0 || unpriced(order, &order.Lines[at]) || within(order.Lines[at].Price, price.Price, r.p.PriceTolerance) {
			continue
		}
		holds = append(holds, hold{kind: "price", line: price.Line, since: since,
			reason: "line " + price.Line + " was ordered at " + waybill.FormatAmount(order.Lines[at].Price, order.Currency) +
				", the ERP's price is " + waybill.FormatAmount(price.Price, order.Currency)})
	}
	return holds
}

// within reports whether a price differs from the expected one by no more than
// a fraction of the expected one.
func within(got, expected, tolerance waybill.Decimal) bool {
	if got.Equal(expected) {
		return true
	}
	diff := got.Sub(expected)
	if diff.Sign() < 0 {
		diff = diff.Neg()
	}
	limit := expected.Mul(tolerance)
	if limit.Sign() < 0 {
		limit = limit.Neg()
	}
	return diff.Cmp(limit) <= 0
}
