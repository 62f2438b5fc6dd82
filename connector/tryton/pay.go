package tryton

import (
	"strings"

	"github.com/waybillhq/waybill"
)

const payWizard = "wizard.account.invoice.pay."

// pay books a payment on the order's invoice, in the one call that Tryton's own
// form makes. The key is the description of the move that it posts.
func (w *work) pay() (waybill.Receipt, error) {
	s, err := w.orderSale()
	if err != nil {
		return waybill.Receipt{}, err
	}
	amount := w.t.Details.Amount
	if amount.Sign() <= 0 {
		return waybill.Receipt{}, refusal("no_amount", "", "the payment of order %s has no amount", w.t.Order)
	}
	inv, err := w.payable(s)
	if err != nil {
		return waybill.Receipt{}, err
	}
	if inv == nil {
		return waybill.Receipt{}, failed(waybill.Park, "not_invoiced", "order "+w.t.Order+" has no open invoice in Tryton that the payment could go on")
	}
	if amount.Cmp(inv.Open.Decimal) > 0 {
		return waybill.Receipt{}, refusal("overpayment", "", "the payment of %s is more than the %s that invoice %s still wants", amount, inv.Open, inv.Number)
	}
	var methods []row
	if err := w.find("account.invoice.payment.method", all{is("name", w.method)}, fields("id"), &methods); err != nil {
		return waybill.Receipt{}, err
	}
	if len(methods) == 0 {
		return waybill.Receipt{}, refusal("payment_method", "", "Tryton has no payment method %q: name one of its own in the setting payment_method", w.method)
	}
	if err := w.book(inv, amount, methods[0].ID); err != nil {
		return waybill.Receipt{}, w.whenClosed(err)
	}
	at, err := w.locate()
	if err == nil && at.receipt.Ref == "" {
		err = stuck("invoice", inv.Number, "unpaid")
	}
	return at.receipt, err
}

// payable is the invoice of the payment's shipment, or the oldest that is open.
func (w *work) payable(s *sale) (*invoice, error) {
	var found []struct {
		invoice
		Reference string `json:"reference"`
	}
	err := w.find(invoices, all{is("sales", s.ID), is("state", "posted")}, append(fields("reference"), invoiceFields...), &found)
	if err != nil {
		return nil, err
	}
	var first *invoice
	for i := range found {
		if found[i].Open.Sign() <= 0 {
			continue
		}
		if w.t.Details.Shipment != "" && strings.HasSuffix(found[i].Reference, " "+w.t.Details.Shipment) {
			return &found[i].invoice, nil
		}
		if first == nil {
			first = &found[i].invoice
		}
	}
	return first, nil
}

// book runs the payment form to its end.
func (w *work) book(inv *invoice, amount waybill.Decimal, method int64) error {
	s, err := w.open(w.ctx)
	if err != nil {
		return err
	}
	extra := map[string]any{"active_model": invoices, "active_id": inv.ID, "active_ids": []int64{inv.ID}}
	var form []any
	if err := w.invoke(w.ctx, extra, payWizard+"create", &form); err != nil {
		return err
	}
	if len(form) == 0 {
		return failed(waybill.InDoubt, "unreadable", "the answer names no payment form")
	}
	places := waybill.MinorUnits(w.t.Currency)
	start := map[string]any{"amount": decimalOf(amount), "currency": inv.Coin, "currency_digits": places, "description": mark(w.t.Key),
		"company": s.company, "invoice_account": inv.Account, "payment_method": method, "date": dateOf(w.day())}
	ask := map[string]any{"type": "partial", "writeoff": nil, "amount": decimalOf(amount), "currency": inv.Coin, "currency_digits": places,
		"currency_writeoff": inv.Coin, "currency_digits_writeoff": places, "lines_to_pay": []int64{}, "lines": []int64{},
		"payment_lines": []int64{}, "company": s.company, "invoice": inv.ID, "date": dateOf(w.day())}
	w.wrote = true
	if err := w.invoke(w.ctx, extra, payWizard+"execute", nil, form[0], map[string]any{"start": start, "ask": ask}, "pay"); err != nil {
		return err
	}
	return w.invoke(w.ctx, extra, payWizard+"delete", nil, form[0])
}
