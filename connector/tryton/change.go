package tryton

import (
	"slices"
	"time"

	"github.com/waybillhq/waybill"
)

// A sale that is being processed is changed by an amendment: Tryton drops the
// shipments and draft invoices that have not begun and makes them anew.

const amendments = "sale.amendment"

type target struct {
	line *saleLine
	qty  waybill.Decimal
	cost waybill.Decimal
}

// amend brings the lines of a sale to their new totals.
func (w *work) amend() (waybill.Receipt, error) {
	s, err := w.orderSale()
	if err != nil {
		return waybill.Receipt{}, err
	}
	r := waybill.Receipt{Ref: s.Number}
	var drafts []row
	if err := w.find(amendments, all{w.keyed("description"), is("state", "draft")}, fields("id"), &drafts); err != nil {
		return r, err
	}
	if len(drafts) == 0 {
		targets, err := w.targets(s)
		if err != nil {
			return r, err
		}
		id, err := w.makeAmendment(s, targets)
		if err != nil {
			return r, err
		}
		drafts = []row{{ID: id}}
	}
	return r, w.validate(drafts[0].ID)
}

func (w *work) makeAmendment(s *sale, targets []target) (int64, error) {
	lines := make([]map[string]any, 0, len(targets))
	for _, t := range targets {
		lines = append(lines, map[string]any{"action": "line", "line": t.line.ID, "product": t.line.Product,
			"quantity": quantity(t.qty), "unit": t.line.Unit, "unit_price": decimalOf(t.cost)})
	}
	ids, err := w.make(amendments, map[string]any{"sale": s.ID, "date": dateOf(w.env.Now().UTC()),
		"description": mark(w.t.Key), "lines": all{create(lines...)}})
	if err != nil || len(ids) != 1 {
		return 0, err
	}
	return ids[0], nil
}

// validate applies an amendment and reads that it was.
func (w *work) validate(id int64) error {
	if err := w.press(amendments, "validate_amendment", id); err != nil {
		return err
	}
	return w.reached(amendments, id, "validated")
}

// targets are the lines that the document changes. Lines that the sale lacks
// are added to it first: an amendment changes lines and adds none.
func (w *work) targets(s *sale) ([]target, error) {
	by, err := w.linesOf(s.ID)
	if err != nil {
		return nil, err
	}
	var missing []waybill.DocumentLine
	var out []target
	for _, l := range w.t.Lines {
		have := by[l.Line]
		if have == nil {
			missing = append(missing, l)
			continue
		}
		qty, err := w.inUnit(have, l)
		if err != nil {
			return nil, err
		}
		t := target{line: have, qty: qty, cost: have.Price.Decimal}
		if w.t.Kind == waybill.SalesOrderCancel {
			t.qty = have.Quantity.Sub(qty)
		} else if l.Price != nil && l.PriceUOM == "" {
			t.cost = l.Price.Amount.Round(pricePlaces)
		}
		if t.qty.Sign() < 0 {
			t.qty = waybill.Decimal{}
		}
		out = append(out, t)
	}
	if w.t.Kind == waybill.SalesOrderCancel {
		missing = nil // what the sale never had is cancelled already
	}
	return out, w.addLines(s, missing)
}

func (w *work) addLines(s *sale, missing []waybill.DocumentLine) error {
	missing = slices.DeleteFunc(missing, func(l waybill.DocumentLine) bool { return l.Qty.IsZero() })
	if len(missing) == 0 {
		return nil
	}
	lines, err := w.newLines(&customer{ID: s.Party}, 0, missing)
	if err != nil {
		return err
	}
	return w.change(sales, []int64{s.ID}, map[string]any{"lines": all{create(lines...)}})
}

// inUnit is a document line's quantity in the unit of its line in the books.
func (w *work) inUnit(have *saleLine, l waybill.DocumentLine) (waybill.Decimal, error) {
	if l.UOM == "" || w.symbol(l.UOM) == have.UnitInfo.Symbol {
		return l.Qty, fits(l.Qty, have.UnitInfo, l.Line)
	}
	u, err := w.unitOf(&article{Code: l.SKU, UnitInfo: have.UnitInfo, Unit: have.Unit}, l.UOM, l.Line)
	if err != nil {
		return waybill.Decimal{}, err
	}
	qty := l.Qty.Mul(u.size()).Quo(have.UnitInfo.size())
	return qty, fits(qty, have.UnitInfo, l.Line)
}

// reached reads a record's state and wants it to be one of these.
func (w *work) reached(model string, id int64, states ...string) error {
	var found []struct {
		State string `json:"state"`
	}
	if err := w.find(model, all{is("id", id)}, fields("state"), &found); err != nil {
		return err
	}
	if len(found) == 1 && slices.Contains(states, found[0].State) {
		return nil
	}
	state := "gone"
	if len(found) == 1 {
		state = found[0].State
	}
	return stuck(model, itoa(id), state)
}

// day is the document's date; without one, or where it is to come, today's.
func (w *work) day() time.Time {
	today := w.env.Now().UTC().Truncate(24 * time.Hour)
	d, err := time.Parse(time.DateOnly, w.t.Date)
	if err != nil || d.After(today) {
		return today
	}
	return d
}
