package tryton

import (
	"errors"

	"github.com/waybillhq/waybill"
)

const internals = "stock.shipment.internal"

// adjust books a correction of stock as an internal shipment between the
// storage and what is lost and found: a difference, unlike Tryton's inventory,
// which is a count and would undo what moves meanwhile. Its reference holds the key.
func (w *work) adjust() (waybill.Receipt, error) {
	var found []parcel
	if err := w.find(internals, all{w.keyed("reference")}, fields("number", "state"), &found); err != nil {
		return waybill.Receipt{}, err
	}
	if len(found) == 0 {
		p, err := w.createAdjustment()
		if err != nil {
			return waybill.Receipt{}, err
		}
		found = []parcel{*p}
	}
	p := &found[0]
	for _, step := range [...]struct{ from, button, to string }{{"draft", "wait", "waiting"}, {"waiting", "assign_try", "assigned"}, {"assigned", "done", "done"}} {
		if p.State != step.from {
			continue
		}
		if err := w.press(internals, step.button, p.ID); err != nil {
			return waybill.Receipt{}, w.whenClosed(err)
		}
		err := w.reached(internals, p.ID, step.to)
		if f := (*fault)(nil); errors.As(err, &f) && f.Problem.Code == "not_applied" && step.button == "assign_try" {
			return waybill.Receipt{}, refusal("short_stock", "", "Tryton's stock does not cover the adjustment %s: correct it there, then retry", w.t.Details.Document)
		}
		if err != nil {
			return waybill.Receipt{}, err
		}
		p.State = step.to
	}
	at, err := w.locate()
	return at.receipt, err
}

func (w *work) createAdjustment() (*parcel, error) {
	d, err := w.depot(w.t.Details.Warehouse)
	if err != nil {
		return nil, err
	}
	s, err := w.open(w.ctx)
	if err != nil {
		return nil, err
	}
	codes := make([]string, 0, len(w.t.Lines))
	for _, l := range w.t.Lines {
		codes = append(codes, l.SKU)
	}
	by, err := w.articles(codes)
	if err != nil {
		return nil, err
	}
	var from, to int64
	var records []map[string]any
	for _, l := range w.t.Lines {
		a := by[l.SKU]
		if a == nil || a.UnitInfo == nil {
			return nil, refusal("unknown_item", l.Line, "Tryton has no product %s: create it or map its code", l.SKU)
		}
		begin, end, qty := d.Lost, d.Storage, l.Qty
		if qty.Sign() < 0 {
			begin, end, qty = d.Storage, d.Lost, qty.Neg()
		}
		if from != 0 && from != begin {
			return nil, refusal("mixed_signs", l.Line, "adjustment %s goes up and down at once: send one document for each", w.t.Details.Document)
		}
		u, err := w.unitOf(a, l.UOM, l.Line)
		if err != nil {
			return nil, err
		}
		if err := fits(qty, u, l.Line); err != nil {
			return nil, err
		}
		from, to = begin, end
		records = append(records, map[string]any{"product": a.ID, "uom": u.ID, "quantity": quantity(qty),
			"from_location": from, "to_location": to, "company": s.company})
	}
	if len(records) == 0 || from == 0 || to == 0 {
		return nil, refusal("no_lost_found", "", "adjustment %s: warehouse %s needs a lost and found location in Tryton, and the document a line", w.t.Details.Document, w.t.Details.Warehouse)
	}
	ids, err := w.make(internals, map[string]any{"from_location": from, "to_location": to, "company": s.company,
		"reference": firstOf(w.t.Details.Document, w.t.Details.Reason) + " " + mark(w.t.Key), "moves": all{create(records...)}})
	if err != nil || len(ids) != 1 {
		return nil, err
	}
	return &parcel{ID: ids[0], State: "draft"}, nil
}
