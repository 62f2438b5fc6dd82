package tryton

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

const sales = "sale.sale"

// sale is an order in the books, or a return of one.
type sale struct {
	ID      int64   `json:"id"`
	Number  string  `json:"number"`
	State   string  `json:"state"`
	Party   int64   `json:"party"`
	Invoice int64   `json:"invoice_address"`
	Ship    int64   `json:"shipment_address"`
	Term    int64   `json:"payment_term"`
	Returns []int64 `json:"shipment_returns"`
}

var saleFields = fields("number", "state", "party", "invoice_address", "shipment_address", "payment_term", "shipment_returns")

// saleLine is a line of a sale; Note says which line of the order it is.
type saleLine struct {
	ID       int64   `json:"id"`
	Note     string  `json:"note"`
	Product  int64   `json:"product"`
	Quantity number  `json:"quantity"`
	Price    number  `json:"unit_price"`
	Unit     int64   `json:"unit"`
	Taxes    []int64 `json:"taxes"`
	UnitInfo *unit   `json:"unit."`
}

func (l *saleLine) line() string { return strings.TrimPrefix(l.Note, lineMark) }

var saleLineFields = fields("note", "product", "quantity", "unit_price", "unit", "taxes",
	"unit.symbol", "unit.factor", "unit.rate", "unit.digits", "unit.category")

// isReturn tells returns from orders: they have the same reference.
func isReturn(yes bool) any {
	if yes {
		return op("origin", "!=", nil)
	}
	return is("origin", nil)
}

// saleByKey finds the sale that carries the task's key; nil: there is none.
func (w *work) saleByKey(returned bool) (*sale, error) {
	return w.oneSale(all{w.keyed("description"), isReturn(returned), op("state", "!=", "cancelled")})
}

// orderSale finds the sale that Waybill made of the task's order.
func (w *work) orderSale() (*sale, error) {
	s, err := w.oneSale(all{is("reference", w.t.Order), op("description", "like", "Waybill %"), isReturn(false), op("state", "!=", "cancelled")})
	if err == nil && s == nil {
		return nil, refusal("unknown_order", "", "Tryton holds no order %s of Waybill's: post its sales_order first", w.t.Order)
	}
	return s, err
}

func (w *work) oneSale(domain all) (*sale, error) {
	var found []sale
	if err := w.find(sales, domain, saleFields, &found); err != nil || len(found) == 0 {
		return nil, err
	}
	if len(found) > 1 {
		return nil, refusal("duplicate", "", "Tryton holds the sales %s and %s for one document of order %s: cancel one of them there", found[0].Number, found[1].Number, w.t.Order)
	}
	return &found[0], nil
}

// linesOf reads a sale's lines, by their line of the order.
func (w *work) linesOf(sale int64) (map[string]*saleLine, error) {
	var found []saleLine
	if err := w.find("sale.line", all{is("sale", sale)}, saleLineFields, &found); err != nil {
		return nil, err
	}
	by := make(map[string]*saleLine, len(found))
	for i := range found {
		found[i].UnitInfo.ID = found[i].Unit
		by[found[i].line()] = &found[i]
	}
	return by, nil
}

// sell makes the sale, or goes on with the one that is there, until Tryton has
// worked it off.
func (w *work) sell() (waybill.Receipt, error) {
	s, err := w.saleByKey(false)
	if err != nil {
		return waybill.Receipt{}, err
	}
	if s == nil {
		if s, err = w.createSale(); err != nil {
			return waybill.Receipt{}, err
		}
	}
	if err := w.confirm(s); err != nil {
		if f := (*fault)(nil); errors.As(err, &f) && f.user {
			return waybill.Receipt{}, w.withdraw(s, f)
		}
		return waybill.Receipt{}, err
	}
	return w.saleReceipt(s)
}

// confirm takes a sale from draft to processing, reading its state after each
// step.
func (w *work) confirm(s *sale) error {
	for _, step := range [...]struct{ from, button string }{{"draft", "quote"}, {"quotation", "confirm"}} {
		if s.State != step.from {
			continue
		}
		if err := w.press(sales, step.button, s.ID); err != nil {
			return err
		}
		if err := w.reread(s); err != nil {
			return err
		}
		if s.State == step.from {
			return stuck("sale", s.Number, s.State)
		}
	}
	switch s.State {
	case "processing", "done":
		return nil
	case "confirmed":
		return failed(waybill.Pending, "queued", "Tryton has confirmed sale "+s.Number+" and works it off in its queue")
	}
	return refusal("sale_"+s.State, "", "sale %s of order %s is %s in Tryton", s.Number, w.t.Order, s.State)
}

func (w *work) reread(s *sale) error {
	var found []sale
	if err := w.find(sales, all{is("id", s.ID)}, saleFields, &found); err != nil {
		return err
	}
	if len(found) != 1 {
		return failed(waybill.InDoubt, "vanished", "sale "+itoa(s.ID)+" vanished while it was posted")
	}
	*s = found[0]
	return nil
}

// withdraw takes a sale that was refused out of the books again, so that a
// refused document leaves nothing, and says whether credit was the reason.
func (w *work) withdraw(s *sale, f *fault) error {
	if !strings.HasPrefix(f.warning, "credit_limit") && f.warning == "" {
		over, err := w.overLimit(s)
		if err != nil {
			return err
		}
		if over {
			f.Problem.Code = codeCredit
		}
	} else if f.warning != "" && strings.HasPrefix(f.warning, "credit_limit") {
		f.Problem.Code = codeCredit
	}
	if err := w.press(sales, "cancel", s.ID); err != nil {
		return err
	}
	if err := w.invoke(w.ctx, nil, "model."+sales+".delete", nil, []int64{s.ID}); err != nil {
		return err
	}
	f.Note = f.Problem.Code + ": " + f.Problem.Detail
	return f
}

const codeCredit = "credit_hold"

// overLimit reports whether a sale does not fit its customer's credit. The text
// of Tryton's refusal is in the user's language, so the books are asked.
func (w *work) overLimit(s *sale) (bool, error) {
	if s.State != "quotation" {
		return false, nil
	}
	c, err := w.customer()
	if err != nil || c == nil || !c.Limit.set {
		return false, err
	}
	var amounts []struct {
		Untaxed number `json:"untaxed_amount"`
	}
	if err := w.find(sales, all{is("id", s.ID)}, fields("untaxed_amount"), &amounts); err != nil || len(amounts) != 1 {
		return false, err
	}
	return c.Credit.Add(amounts[0].Untaxed.Decimal).Cmp(c.Limit.Decimal) > 0, nil
}

func (w *work) saleReceipt(s *sale) (waybill.Receipt, error) {
	var amounts []struct {
		Untaxed number `json:"untaxed_amount"`
		Tax     number `json:"tax_amount"`
		Total   number `json:"total_amount"`
	}
	r := waybill.Receipt{Ref: s.Number}
	if err := w.find(sales, all{is("id", s.ID)}, fields("untaxed_amount", "tax_amount", "total_amount"), &amounts); err != nil || len(amounts) != 1 {
		return r, err
	}
	return w.result(r, amounts[0].Untaxed, amounts[0].Tax, amounts[0].Total)
}

// result writes what a document came to in the books.
func (w *work) result(r waybill.Receipt, untaxed, tax, total number) (waybill.Receipt, error) {
	var err error
	money := func(n number) string { return waybill.FormatAmount(n.Decimal, w.t.Currency) }
	r.Result, err = waybill.Marshal(map[string]string{"untaxed": money(untaxed), "tax": money(tax), "total": money(total)})
	return r, err
}

// createSale makes the sale as a draft, whole and in one call.
func (w *work) createSale() (*sale, error) {
	c, err := w.customer()
	if err != nil {
		return nil, err
	}
	if c == nil || !c.Active {
		return nil, refusal("unknown_customer", "", "customer %s is not an active party in Tryton: create it or map its code", w.t.Details.Customer)
	}
	depot, err := w.depot(w.warehouse)
	if err != nil {
		return nil, err
	}
	currency, err := w.currency(w.t.Currency)
	if err != nil {
		return nil, err
	}
	lines, err := w.newLines(c, currency, w.t.Lines)
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, refusal("no_lines", "", "order %s has no line with a quantity", w.t.Order)
	}
	term, err := w.term(c)
	if err != nil {
		return nil, err
	}
	s, err := w.open(w.ctx)
	if err != nil {
		return nil, err
	}
	bill, ship, err := w.addresses(c.ID)
	if err != nil {
		return nil, err
	}
	values := map[string]any{"company": s.company, "party": c.ID, "invoice_address": bill, "shipment_address": ship,
		"reference": w.t.Order, "description": mark(w.t.Key), "warehouse": depot.ID, "currency": currency,
		"payment_term": term, "lines": all{create(lines...)}}
	if w.t.Details.PO != "" {
		values["comment"] = "PO " + w.t.Details.PO
	}
	if day, err := time.Parse(time.DateOnly, w.t.Details.RequestedShip); err == nil {
		values["shipping_date"] = dateOf(day)
	}
	ids, err := w.make(sales, values)
	if err != nil {
		return nil, err
	}
	if len(ids) != 1 {
		return nil, failed(waybill.InDoubt, "unreadable", "the answer names no sale")
	}
	return &sale{ID: ids[0], State: "draft"}, nil
}

// term is the order's payment term by its name, or the customer's.
func (w *work) term(c *customer) (any, error) {
	if name := w.t.Details.Terms; name != "" {
		var found []row
		if err := w.find("account.invoice.payment_term", all{is("name", name)}, fields("id"), &found); err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return found[0].ID, nil
		}
	}
	if c.Term == 0 {
		return nil, nil
	}
	return c.Term, nil
}

// newLines are the records of an order's lines. Creating runs none of what a
// person's form would fill in, so unit, price and taxes are sent.
func (w *work) newLines(c *customer, currency int64, lines []waybill.DocumentLine) ([]map[string]any, error) {
	codes := make([]string, 0, len(lines))
	for _, l := range lines {
		codes = append(codes, l.SKU)
	}
	by, err := w.articles(codes)
	if err != nil {
		return nil, err
	}
	out := make([]map[string]any, 0, len(lines))
	for _, l := range lines {
		if l.Qty.IsZero() {
			continue
		}
		a, err := saleable(by, l)
		if err != nil {
			return nil, err
		}
		u, err := w.unitOf(a, l.UOM, l.Line)
		if err != nil {
			return nil, err
		}
		if err := fits(l.Qty, u, l.Line); err != nil {
			return nil, err
		}
		price, err := w.linePrice(a, u, l)
		if err != nil {
			return nil, err
		}
		taxes := a.Category.Taxes
		if c.TaxRule != 0 {
			if taxes, err = w.ruledTaxes(c, a, u, currency); err != nil {
				return nil, err
			}
		}
		out = append(out, map[string]any{"type": "line", "product": a.ID, "quantity": quantity(l.Qty), "unit": u.ID,
			"unit_price": decimalOf(price), "taxes": all{all{"add", nonNil(taxes)}}, "note": lineMark + l.Line})
	}
	return out, nil
}

func nonNil(ids []int64) []int64 {
	if ids == nil {
		return []int64{}
	}
	return ids
}

func saleable(by map[string]*article, l waybill.DocumentLine) (*article, error) {
	a := by[l.SKU]
	switch {
	case a == nil:
		return nil, refusal("unknown_item", l.Line, "line %s: Tryton has no product %s: create it or map its code", l.Line, l.SKU)
	case !bool(a.Active && a.Salable):
		return nil, refusal("item_closed", l.Line, "line %s: product %s is closed for sales in Tryton", l.Line, l.SKU)
	case a.UnitInfo == nil:
		return nil, refusal("unknown_unit", l.Line, "line %s: product %s has no unit in Tryton", l.Line, l.SKU)
	}
	return a, nil
}

// linePrice is a line's price for one of its unit, with the places that Tryton
// keeps.
func (w *work) linePrice(a *article, u *unit, l waybill.DocumentLine) (waybill.Decimal, error) {
	if l.Price == nil {
		return waybill.Decimal{}, refusal("no_price", l.Line, "line %s has no price", l.Line)
	}
	price := l.Price.Amount
	if l.PriceUOM != "" && l.PriceUOM != l.UOM {
		of, err := w.unitOf(a, l.PriceUOM, l.Line)
		if err != nil {
			return waybill.Decimal{}, err
		}
		price = price.Mul(u.size()).Quo(of.size())
	}
	if !price.Equal(price.Round(pricePlaces)) {
		return waybill.Decimal{}, refusal("price_digits", l.Line, "line %s: Tryton keeps %d places of a price and this one is %s", l.Line, pricePlaces, price)
	}
	return price, nil
}

const pricePlaces = 4 // of a unit price, as Tryton is set up when it is installed

// asked is what a sale's form computes for a line.
type asked struct {
	Price number `json:"unit_price"`
	Taxes struct {
		Add []jsonPair `json:"add"`
	} `json:"taxes"`
}

// jsonPair is a position and a record: [0, {"id": 1}].
type jsonPair [2]any

// quote asks Tryton's own form what a line of a product would cost a customer.
// Prices of a price list are not readable any other way.
func (w *work) quote(c *customer, a *article, u *unit, qty waybill.Decimal, currency int64) (asked, error) {
	var out asked
	s, err := w.open(w.ctx)
	if err != nil {
		return out, err
	}
	var list any
	if c.PriceList != 0 {
		list = c.PriceList
	}
	return out, w.invoke(w.ctx, nil, "model.sale.line.on_change_product", &out, map[string]any{
		"id": -1, "type": "line", "product": a.ID, "quantity": quantity(qty), "unit": u.ID, "company": s.company,
		"_parent_sale.party": c.ID, "_parent_sale.currency": currency, "_parent_sale.price_list": list,
		"_parent_sale.warehouse": nil, "_parent_sale.sale_date": nil, "_parent_sale.invoice_party": nil,
		"_parent_sale.company": s.company})
}

// ruledTaxes are the taxes that a customer's tax rule makes of a product's.
func (w *work) ruledTaxes(c *customer, a *article, u *unit, currency int64) ([]int64, error) {
	q, err := w.quote(c, a, u, waybill.NewDecimal(1), currency)
	if err != nil {
		return nil, err
	}
	ids := []int64{}
	for _, pair := range q.Taxes.Add {
		if record, ok := pair[1].(map[string]any); ok {
			if id, ok := record["id"].(float64); ok {
				ids = append(ids, int64(id))
			}
		}
	}
	return ids, nil
}

// Probe asks who the session's user is, which needs address, database and
// password to be right.
func (e *erp) Probe(ctx context.Context) (connector.Info, error) {
	var me []struct {
		Login string `json:"login"`
	}
	now := e.env.Now()
	err := e.search(ctx, nil, "res.user", all{is("login", e.user)}, 1, fields("login"), &me)
	if err != nil {
		return connector.Info{}, e.probeError(err)
	}
	return connector.Info{System: "tryton", Head: -1, Now: now, Idempotency: waybill.ByLookup}, nil
}

func isStock(l waybill.DocumentLine) bool { return l.Kind == "" || l.Kind == waybill.LineStock }
