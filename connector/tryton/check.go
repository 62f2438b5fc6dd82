package tryton

import (
	"errors"
	"fmt"

	"github.com/waybillhq/waybill"
)

// reason is why an order is not approved.
type reason struct {
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
	Line   string `json:"line,omitzero"`
}

// linePrice is what Tryton asks for a line.
type priced struct {
	Line  string        `json:"line"`
	Price waybill.Price `json:"price"`
}

// check answers an order_check from customer, items, prices and credit. It
// leaves nothing in the books.
func (w *work) check() (waybill.Receipt, error) {
	answer := struct {
		Approved bool     `json:"approved"`
		Reasons  []reason `json:"reasons"`
		Prices   []priced `json:"prices"`
	}{Reasons: []reason{}, Prices: []priced{}}
	c, err := w.customer()
	if err != nil {
		return waybill.Receipt{}, err
	}
	if c == nil || !c.Active {
		answer.Reasons = append(answer.Reasons, reason{Kind: "customer", Reason: "customer " + w.t.Details.Customer + " is not an active party in Tryton"})
	} else {
		var total waybill.Decimal
		if answer.Reasons, answer.Prices, total, err = w.checkLines(c); err != nil {
			return waybill.Receipt{}, err
		}
		if after := c.Credit.Add(total); c.Limit.set && after.Cmp(c.Limit.Decimal) > 0 {
			answer.Reasons = append(answer.Reasons, reason{Kind: "credit", Reason: fmt.Sprintf("customer %s would owe %s with this order; the limit is %s",
				w.t.Details.Customer, waybill.FormatAmount(after, w.t.Currency), waybill.FormatAmount(c.Limit.Decimal, w.t.Currency))})
		}
	}
	answer.Approved = len(answer.Reasons) == 0
	result, err := waybill.Marshal(answer)
	return waybill.Receipt{Result: result}, err
}

func (w *work) checkLines(c *customer) (reasons []reason, prices []priced, total waybill.Decimal, err error) {
	reasons, prices = []reason{}, []priced{}
	currency, err := w.currency(w.t.Currency)
	if err != nil {
		return nil, nil, total, err
	}
	codes := make([]string, 0, len(w.t.Lines))
	for _, l := range w.t.Lines {
		codes = append(codes, l.SKU)
	}
	by, err := w.articles(codes)
	if err != nil {
		return nil, nil, total, err
	}
	for _, l := range w.t.Lines {
		if l.Qty.IsZero() {
			continue
		}
		if l.Price != nil {
			total = total.Add(l.Qty.Mul(l.Price.Amount))
		}
		var u *unit
		a, objection := saleable(by, l)
		if objection == nil {
			if u, objection = w.unitOf(a, l.UOM, l.Line); objection == nil {
				objection = fits(l.Qty, u, l.Line)
			}
		}
		if objection != nil {
			f := (*fault)(nil)
			if !errors.As(objection, &f) || f.Verdict != waybill.Refused {
				return nil, nil, total, objection
			}
			reasons = append(reasons, reason{Kind: "item", Reason: f.Problem.Detail, Line: l.Line})
			continue
		}
		if l.Price == nil || !isStock(l) {
			continue
		}
		q, err := w.quote(c, a, u, l.Qty, currency)
		if err != nil {
			return nil, nil, total, err
		}
		if q.Price.set && (l.PriceUOM == "" || l.PriceUOM == l.UOM) {
			prices = append(prices, priced{Line: l.Line, Price: waybill.Price{Amount: q.Price.Decimal, Currency: w.t.Currency}})
		}
	}
	return reasons, prices, total, nil
}
