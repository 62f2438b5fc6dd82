package tryton

import (
	"github.com/waybillhq/waybill"
)

// A return is a sale of negative quantities with the order as its origin. Its
// shipment brings the goods back and drafts the credit note. A shipment that is
// reversed takes the same way: goods that never left come back on paper.

// returnMark names a return before its key, so that the credit memo finds the
// return order of the same return.
func (w *work) returnMark() string {
	if w.t.Details.Return == "" {
		return mark(w.t.Key)
	}
	return "Return " + w.t.Details.Return + " " + mark(w.t.Key)
}

// returnSale finds the return that this document is about, or makes it.
func (w *work) returnSale() (*sale, error) {
	s, err := w.saleByKey(true)
	if err != nil || s != nil {
		return s, err
	}
	var known all
	switch {
	case w.t.Kind == waybill.CreditMemo && w.t.Details.Return != "":
		known = all{is("reference", w.t.Order), op("description", "like", "Return "+w.t.Details.Return+" Waybill %")}
	case w.t.Kind == waybill.CreditMemo && w.t.Details.Posting != "":
		known = all{op("description", "like", "%"+mark(w.t.Details.Posting))}
	}
	if known != nil {
		if s, err = w.oneSale(append(known, isReturn(true), op("state", "!=", "cancelled"))); err != nil || s != nil {
			return s, err
		}
	}
	return w.createReturn()
}

func (w *work) createReturn() (*sale, error) {
	of, err := w.orderSale()
	if err != nil {
		return nil, err
	}
	lines, err := w.linesOf(of.ID)
	if err != nil {
		return nil, err
	}
	currency, err := w.currency(w.t.Currency)
	if err != nil {
		return nil, err
	}
	depot, err := w.depot(w.warehouse)
	if err != nil {
		return nil, err
	}
	session, err := w.open(w.ctx)
	if err != nil {
		return nil, err
	}
	var records []map[string]any
	for _, l := range w.t.Lines {
		have := lines[l.Line]
		if have == nil {
			return nil, refusal("unknown_line", l.Line, "sale %s has no line %s of order %s", of.Number, l.Line, w.t.Order)
		}
		qty, err := w.inUnit(have, l)
		if err != nil {
			return nil, err
		}
		records = append(records, map[string]any{"type": "line", "product": have.Product, "quantity": quantity(qty.Neg()), "unit": have.Unit,
			"unit_price": decimalOf(have.Price.Decimal), "taxes": all{all{"add", nonNil(have.Taxes)}}, "note": have.Note})
	}
	if len(records) == 0 {
		return nil, refusal("no_lines", "", "%s of order %s has no lines", w.t.Kind, w.t.Order)
	}
	values := map[string]any{"company": session.company, "party": of.Party, "invoice_address": of.Invoice, "shipment_address": of.Ship,
		"reference": w.t.Order, "origin": sales + "," + itoa(of.ID), "description": w.returnMark(), "warehouse": depot.ID,
		"currency": currency, "lines": all{create(records...)}}
	if of.Term != 0 {
		values["payment_term"] = of.Term
	}
	ids, err := w.make(sales, values)
	if err != nil || len(ids) != 1 {
		return nil, err
	}
	return &sale{ID: ids[0], State: "draft", Party: of.Party}, nil
}

// takeBack posts a return order, or reverses a shipment.
func (w *work) takeBack() (waybill.Receipt, error) {
	s, err := w.returnSale()
	if err != nil {
		return waybill.Receipt{}, err
	}
	if err := w.confirm(s); err != nil {
		return waybill.Receipt{}, err
	}
	if w.t.Kind == waybill.ReturnOrder {
		return waybill.Receipt{Ref: s.Number}, nil
	}
	number, err := w.receive(s, w.t.Details.Shipment+" "+mark(w.t.Key))
	return waybill.Receipt{Ref: number}, err
}

// receive brings the goods of a return back into stock.
func (w *work) receive(s *sale, reference string) (number string, err error) {
	if err := w.reread(s); err != nil {
		return "", err
	}
	var found []struct {
		ID     int64  `json:"id"`
		Number string `json:"number"`
		State  string `json:"state"`
	}
	if err := w.find(shipmentReturns, all{op("id", "in", nonNil(s.Returns))}, fields("number", "state"), &found); err != nil {
		return "", err
	}
	for _, p := range found {
		number = p.Number
		if reference != "" && p.State != "done" {
			if err := w.change(shipmentReturns, []int64{p.ID}, map[string]any{"reference": reference}); err != nil {
				return number, err
			}
		}
		for _, step := range [...]struct{ from, button, to string }{{"draft", "receive", "received"}, {"received", "done", "done"}} {
			if p.State != step.from {
				continue
			}
			if err := w.press(shipmentReturns, step.button, p.ID); err != nil {
				return number, w.whenClosed(err)
			}
			if err := w.reached(shipmentReturns, p.ID, step.to); err != nil {
				return number, err
			}
			p.State = step.to
		}
	}
	return number, nil
}

// credit posts the credit note of a return, after its goods are back.
func (w *work) credit() (waybill.Receipt, error) {
	s, err := w.returnSale()
	if err != nil {
		return waybill.Receipt{}, err
	}
	if err := w.confirm(s); err != nil {
		return waybill.Receipt{}, err
	}
	if _, err := w.receive(s, ""); err != nil {
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
			return waybill.Receipt{}, refusal("unknown_line", l.Line, "return %s has no line %s of order %s", s.Number, l.Line, w.t.Order)
		}
		if wanted[have.ID], err = w.inUnit(have, l); err != nil {
			return waybill.Receipt{}, err
		}
	}
	id, err := w.gather(s, wanted)
	if err != nil {
		return waybill.Receipt{}, err
	}
	return w.post(id, s, -1)
}
