package tryton

import (
	"errors"
	"slices"
	"time"

	"github.com/waybillhq/waybill"
)

const (
	invoices     = "account.invoice"
	invoiceLines = "account.invoice.line"
	chargeMark   = "Waybill charge "
)

// billLine is a line of an invoice that is not posted yet.
type billLine struct {
	ID      int64   `json:"id"`
	Invoice int64   `json:"invoice"`
	Origin  string  `json:"origin"`
	Moves   []int64 `json:"stock_moves"`
	Qty     number  `json:"quantity"`
	Note    string  `json:"note"`
	Account int64   `json:"account"`
}

var billLineFields = fields("invoice", "origin", "stock_moves", "quantity", "note", "account")

// bill posts the invoice of a shipment: the lines that Tryton drafted when it
// was done, the lines that are no goods, and the charges, on one invoice.
func (w *work) bill() (waybill.Receipt, error) {
	s, err := w.orderSale()
	if err != nil {
		return waybill.Receipt{}, err
	}
	lines, err := w.linesOf(s.ID)
	if err != nil {
		return waybill.Receipt{}, err
	}
	wanted := map[int64]waybill.Decimal{}
	for _, l := range w.t.Lines {
		have := lines[l.Line]
		if have == nil {
			return waybill.Receipt{}, refusal("unknown_line", l.Line, "sale %s has no line %s of order %s", s.Number, l.Line, w.t.Order)
		}
		if wanted[have.ID], err = w.inUnit(have, l); err != nil {
			return waybill.Receipt{}, err
		}
	}
	id, err := w.gather(s, wanted)
	if err != nil {
		return waybill.Receipt{}, err
	}
	return w.post(id, s, 1)
}

// draftLines are the lines of the sale's invoices that are not posted.
func (w *work) draftLines(s *sale) (found []billLine, err error) {
	return found, w.find(invoiceLines, all{all{"origin.sale", "=", s.ID, "sale.line"}, is("invoice.state", "draft")}, billLineFields, &found)
}

// gather brings the wanted lines together on one draft and takes others off it:
// Tryton drafts those anew when this one is posted.
func (w *work) gather(s *sale, wanted map[int64]waybill.Decimal) (int64, error) {
	drafts, err := w.draftLines(s)
	if err != nil {
		return 0, err
	}
	var id int64
	for _, l := range drafts {
		if _, ok := wanted[idOf(l.Origin, "sale.line")]; ok && (id == 0 || len(l.Moves) > 0) {
			id = l.Invoice
		}
	}
	if id == 0 {
		return 0, failed(waybill.Park, "nothing_to_bill", "Tryton has drafted no invoice for these lines of order "+w.t.Order)
	}
	left, seen := map[int64]bool{}, map[int64]bool{}
	for _, l := range drafts {
		line := idOf(l.Origin, "sale.line")
		qty, ok := wanted[line]
		ok = ok && !seen[line]
		switch {
		case !ok && l.Invoice == id:
			if err := w.invoke(w.ctx, nil, "model."+invoiceLines+".delete", nil, []int64{l.ID}); err != nil {
				return 0, err
			}
		case ok:
			seen[line] = true
			values := map[string]any{}
			if l.Invoice != id {
				values["invoice"], left[l.Invoice] = id, true
			}
			if sign(l.Qty.Decimal, qty).Cmp(l.Qty.Decimal) != 0 {
				values["quantity"] = quantity(sign(l.Qty.Decimal, qty))
			}
			if len(values) > 0 {
				if err := w.change(invoiceLines, []int64{l.ID}, values); err != nil {
					return 0, err
				}
			}
		}
	}
	for line := range wanted {
		if !seen[line] {
			return 0, refusal("nothing_to_bill", "", "Tryton has drafted nothing to bill for a line of the document of order %s", w.t.Order)
		}
	}
	return id, w.dropEmpty(left)
}

// sign gives a quantity the sign that it has in the books: a return's is negative.
func sign(like, qty waybill.Decimal) waybill.Decimal {
	if like.Sign() < 0 {
		return qty.Neg()
	}
	return qty
}

// dropEmpty deletes drafts that have lost all their lines.
func (w *work) dropEmpty(ids map[int64]bool) error {
	for id := range ids {
		var still []row
		if err := w.find(invoiceLines, all{is("invoice", id)}, fields("id"), &still); err != nil {
			return err
		}
		if len(still) > 0 {
			continue
		}
		if err := w.invoke(w.ctx, nil, "model."+invoices+".delete", nil, []int64{id}); err != nil {
			return err
		}
	}
	return nil
}

// invoice is one in the books.
type invoice struct {
	ID      int64  `json:"id"`
	Number  string `json:"number"`
	State   string `json:"state"`
	Untaxed number `json:"untaxed_amount"`
	Tax     number `json:"tax_amount"`
	Total   number `json:"total_amount"`
	Open    number `json:"amount_to_pay"`
	Account int64  `json:"account"`
	Coin    int64  `json:"currency"`
}

var invoiceFields = fields("number", "state", "untaxed_amount", "tax_amount", "total_amount", "amount_to_pay", "account", "currency")

func (w *work) invoice(id int64) (*invoice, error) {
	var found []invoice
	if err := w.find(invoices, all{is("id", id)}, invoiceFields, &found); err != nil {
		return nil, err
	}
	if len(found) != 1 {
		return nil, failed(waybill.InDoubt, "vanished", "invoice "+itoa(id)+" vanished while it was posted")
	}
	return &found[0], nil
}

// post adds the charges, holds the tax against the document's and posts. side
// is 1 for an invoice and -1 for a credit memo.
func (w *work) post(id int64, s *sale, side int64) (waybill.Receipt, error) {
	if err := w.addCharges(id, s, side); err != nil {
		return waybill.Receipt{}, err
	}
	values := map[string]any{"description": mark(w.t.Key), "reference": w.t.Order + " " + firstOf(w.t.Details.Shipment, w.t.Details.Return)}
	if w.day().Before(w.env.Now().UTC().Truncate(24 * time.Hour)) {
		values["accounting_date"] = dateOf(w.day())
	}
	if err := w.change(invoices, []int64{id}, values); err != nil {
		return waybill.Receipt{}, err
	}
	// Writing the invoice has computed its taxes anew, with the charges.
	inv, err := w.invoice(id)
	if err != nil {
		return waybill.Receipt{}, err
	}
	if want := w.t.Details.Tax; !want.IsZero() {
		off := inv.Tax.Sub(want.Mul(waybill.NewDecimal(side)))
		if waybill.MaxDecimal(off, off.Neg()).Cmp(w.tolerance) > 0 {
			return waybill.Receipt{}, refusal("tax_differs", "", "Tryton computes a tax of %s for order %s and the document has %s: correct the taxes in Tryton or the setting tax_tolerance", inv.Tax, w.t.Order, want)
		}
	}
	if err := w.press(invoices, "post", id); err != nil {
		return waybill.Receipt{}, w.whenClosed(err)
	}
	if inv, err = w.invoice(id); err != nil {
		return waybill.Receipt{}, err
	}
	if inv.State != "posted" && inv.State != "paid" {
		return waybill.Receipt{}, stuck("invoice", itoa(id), inv.State)
	}
	return w.result(waybill.Receipt{Ref: inv.Number}, inv.Untaxed, inv.Tax, inv.Total)
}

// addCharges puts the document's charges on the invoice, each once.
func (w *work) addCharges(id int64, s *sale, side int64) error {
	if len(w.t.Details.Charges) == 0 {
		return nil
	}
	var there []billLine
	if err := w.find(invoiceLines, all{is("invoice", id)}, billLineFields, &there); err != nil {
		return err
	}
	for _, c := range w.t.Details.Charges {
		code := firstOf(w.charges[c.Code], w.charges["*"])
		if code == "" {
			return refusal("unknown_charge", "", "order %s is charged %s for %s, and the setting charge_products names no product for that", w.t.Order, c.Amount, c.Code)
		}
		if c.Amount.IsZero() || slices.ContainsFunc(there, func(l billLine) bool { return l.Note == chargeMark+c.Code }) {
			continue
		}
		by, err := w.articles([]string{code})
		if err != nil {
			return err
		}
		a := by[code]
		if a == nil || a.Category.Revenue == 0 {
			return refusal("unknown_charge", "", "product %s of the charge %s is not in Tryton, or its category has no revenue account", code, c.Code)
		}
		session, err := w.open(w.ctx)
		if err != nil {
			return err
		}
		inv, err := w.invoice(id)
		if err != nil {
			return err
		}
		if _, err = w.make(invoiceLines, map[string]any{"invoice": id, "type": "line", "invoice_type": "out", "product": a.ID, "unit": a.Unit,
			"quantity": quantity(waybill.NewDecimal(side)), "unit_price": decimalOf(c.Amount), "account": a.Category.Revenue,
			"taxes": all{all{"add", nonNil(a.Category.Taxes)}}, "note": chargeMark + c.Code,
			"company": session.company, "currency": inv.Coin, "party": s.Party}); err != nil {
			return err
		}
	}
	return nil
}

// whenClosed turns a refusal into a wait where the document's date lies in no
// open period. Tryton's text is in the user's language, so the books are asked.
func (w *work) whenClosed(err error) error {
	f := (*fault)(nil)
	if !errors.As(err, &f) || !f.user {
		return err
	}
	var open []row
	day := dateOf(w.day())
	if w.find("account.period", all{op("start_date", "<=", day), op("end_date", ">=", day), is("state", "open")}, fields("id"), &open) != nil || len(open) > 0 {
		return err
	}
	return failed(waybill.Park, "closed_period", f.Problem.Detail)
}
