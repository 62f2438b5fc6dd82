package tryton

import (
	"errors"
	"strings"

	"github.com/waybillhq/waybill"
)

const (
	shipments       = "stock.shipment.out"
	shipmentReturns = "stock.shipment.out.return"
	moves           = "stock.move"
)

// parcel is a shipment in the books.
type parcel struct {
	ID        int64   `json:"id"`
	Number    string  `json:"number"`
	State     string  `json:"state"`
	Reference string  `json:"reference"`
	Outgoing  []int64 `json:"outgoing_moves"`
	Inventory []int64 `json:"inventory_moves"`
}

var parcelFields = fields("number", "state", "reference", "outgoing_moves", "inventory_moves")

type move struct {
	ID      int64  `json:"id"`
	Origin  string `json:"origin"`
	Product int64  `json:"product"`
	Qty     number `json:"quantity"`
	State   string `json:"state"`
}

// ship posts what left the building: the sale's waiting shipment takes exactly
// these quantities, and Tryton makes a backorder of the rest by itself.
func (w *work) ship() (waybill.Receipt, error) {
	s, err := w.orderSale()
	if err != nil {
		return waybill.Receipt{}, err
	}
	lines, err := w.linesOf(s.ID)
	if err != nil {
		return waybill.Receipt{}, err
	}
	wanted := map[int64]waybill.Decimal{} // by sale line
	for _, l := range w.t.Lines {
		have := lines[l.Line]
		if have == nil {
			return waybill.Receipt{}, refusal("unknown_line", l.Line, "sale %s has no line %s of order %s", s.Number, l.Line, w.t.Order)
		}
		qty, err := w.inUnit(have, l)
		if err != nil {
			return waybill.Receipt{}, err
		}
		wanted[have.ID] = wanted[have.ID].Add(qty)
	}
	p, err := w.openParcel(s, lines, wanted)
	if err != nil {
		return waybill.Receipt{}, err
	}
	return waybill.Receipt{Ref: p.Number}, w.despatch(p, wanted)
}

// openParcel finds the shipment that an earlier attempt took, or takes one that
// has not begun. Where the sale has less open than was shipped, its lines are
// raised first.
func (w *work) openParcel(s *sale, lines map[string]*saleLine, wanted map[int64]waybill.Decimal) (*parcel, error) {
	for raised := false; ; raised = true {
		var found []parcel
		if err := w.find(shipments, all{w.keyed("reference")}, parcelFields, &found); err != nil {
			return nil, err
		}
		if len(found) > 0 {
			return &found[0], nil
		}
		err := w.find(shipments, all{all{"moves.origin.sale", "=", s.ID, "sale.line"}, op("state", "in", all{"draft", "waiting", "assigned"})}, parcelFields, &found)
		if err != nil {
			return nil, err
		}
		for i := range found {
			if strings.Contains(found[i].Reference, "Waybill ") {
				continue
			}
			open, err := w.openOf(&found[i])
			if err != nil {
				return nil, err
			}
			covered := true
			for line := range wanted {
				covered = covered && open[line] != 0
			}
			if covered {
				return &found[i], w.take(&found[i])
			}
		}
		if raised {
			return nil, refusal("nothing_open", "", "order %s has nothing open to ship in Tryton", w.t.Order)
		}
		if err := w.raise(s, lines, wanted); err != nil {
			return nil, err
		}
	}
}

// openOf gives the outgoing move of each sale line.
func (w *work) openOf(p *parcel) (map[int64]int64, error) {
	var found []move
	if err := w.find(moves, all{op("id", "in", p.Outgoing)}, fields("origin", "quantity"), &found); err != nil {
		return nil, err
	}
	out := map[int64]int64{}
	for _, m := range found {
		out[idOf(m.Origin, "sale.line")] = m.ID
	}
	return out, nil
}

// raise lets a sale have as much as was shipped of it.
func (w *work) raise(s *sale, lines map[string]*saleLine, wanted map[int64]waybill.Decimal) error {
	var targets []target
	for _, l := range lines {
		qty, ok := wanted[l.ID]
		if !ok {
			continue
		}
		var gone []move
		if err := w.find(moves, all{is("origin", "sale.line,"+itoa(l.ID)), is("state", "done")}, fields("quantity"), &gone); err != nil {
			return err
		}
		for _, m := range gone {
			qty = qty.Add(m.Qty.Decimal)
		}
		if qty.Cmp(l.Quantity.Decimal) > 0 {
			targets = append(targets, target{line: l, qty: qty, cost: l.Price.Decimal})
		}
	}
	if len(targets) == 0 {
		return nil
	}
	id, err := w.makeAmendment(s, targets)
	if err != nil {
		return err
	}
	return w.validate(id)
}

// take writes the key on a shipment, with its carrier where Tryton knows it.
func (w *work) take(p *parcel) error {
	values := map[string]any{"reference": w.t.Details.Shipment + " " + mark(w.t.Key)}
	if name := w.t.Details.Carrier; name != "" {
		var found []row
		if err := w.find("carrier", all{is("party.name", name)}, fields("id"), &found); err != nil {
			return err
		}
		if len(found) > 0 {
			values["carrier"] = found[0].ID
		}
	}
	return w.change(shipments, []int64{p.ID}, values)
}

// despatch takes a shipment to done from whatever state it is in.
func (w *work) despatch(p *parcel, wanted map[int64]waybill.Decimal) error {
	switch p.State {
	case "draft", "waiting", "assigned":
		if err := w.fill(p, wanted); err != nil {
			return err
		}
		if err := w.assign(p); err != nil {
			return err
		}
		p.State = "assigned"
	}
	for _, step := range [...]struct{ from, button, to string }{
		{"assigned", "pick", "picked"}, {"picked", "pack", "packed"}, {"packed", "done", "done"}} {
		if p.State != step.from {
			continue
		}
		if step.button == "done" {
			if err := w.change(shipments, []int64{p.ID}, map[string]any{"effective_date": dateOf(w.day())}); err != nil {
				return err
			}
		}
		if err := w.press(shipments, step.button, p.ID); err != nil {
			return w.whenClosed(err)
		}
		if err := w.reached(shipments, p.ID, step.to); err != nil {
			return err
		}
		p.State = step.to
	}
	return nil
}

// fill brings a shipment's moves to what was shipped. More than planned goes on
// the outgoing moves, from which wait makes the picking anew; less goes on the
// picking, so that Tryton sees the shortage and makes a backorder of it.
func (w *work) fill(p *parcel, wanted map[int64]waybill.Decimal) error {
	if p.State == "assigned" {
		if err := w.press(shipments, "wait", p.ID); err != nil {
			return err
		}
	}
	var out []move
	if err := w.find(moves, all{op("id", "in", p.Outgoing)}, fields("origin", "product", "quantity"), &out); err != nil {
		return err
	}
	planned, raised := map[int64]waybill.Decimal{}, false
	for _, m := range out {
		qty := wanted[idOf(m.Origin, "sale.line")]
		planned[m.ID] = qty
		if qty.Cmp(m.Qty.Decimal) > 0 {
			raised = true
			if err := w.change(moves, []int64{m.ID}, map[string]any{"quantity": quantity(qty)}); err != nil {
				return err
			}
		}
	}
	if raised || p.State != "waiting" {
		if err := w.press(shipments, "wait", p.ID); err != nil {
			return err
		}
	}
	var again []parcel
	if err := w.find(shipments, all{is("id", p.ID)}, parcelFields, &again); err != nil || len(again) != 1 {
		return err
	}
	*p = again[0]
	var picks []move
	if err := w.find(moves, all{op("id", "in", p.Inventory)}, fields("origin", "product", "quantity"), &picks); err != nil {
		return err
	}
	for _, m := range picks {
		qty := planned[idOf(m.Origin, moves)]
		values := map[string]any{}
		if !qty.Equal(m.Qty.Decimal) {
			values["quantity"] = quantity(qty)
		}
		if err := w.lotFor(m.Product, qty, values); err != nil {
			return err
		}
		if len(values) > 0 {
			if err := w.change(moves, []int64{m.ID}, values); err != nil {
				return err
			}
		}
	}
	return nil
}

// lotFor names the lot of a product that can't leave without one.
func (w *work) lotFor(product int64, qty waybill.Decimal, values map[string]any) error {
	var demanding []struct {
		Code string `json:"code"`
	}
	if qty.IsZero() {
		return nil
	}
	err := w.find("product.product", all{is("id", product), is("template.lot_required", "customer")}, fields("code"), &demanding)
	f := (*fault)(nil)
	if errors.As(err, &f) && f.Problem.Code == "server_error" || err == nil && len(demanding) == 0 {
		return nil //nolint:nilerr // without the module for lots there is nothing to ask
	}
	if err != nil {
		return err
	}
	d, err := w.depot(w.warehouse)
	if err != nil {
		return err
	}
	var lots []struct {
		ID     int64  `json:"id"`
		Number string `json:"number"`
		Qty    number `json:"quantity"`
	}
	if err := w.search(w.ctx, map[string]any{"locations": []int64{d.Storage}}, "stock.lot", all{is("product", product)}, rowsMax,
		fields("number", "quantity"), &lots); err != nil {
		return err
	}
	named := w.lotNamed(demanding[0].Code)
	for _, l := range lots {
		if l.Number == named || named == "" && l.Qty.Cmp(qty) >= 0 {
			values["lot"] = l.ID
			return nil
		}
	}
	return refusal("lot_missing", "", "product %s leaves only with its lot, and Tryton has none that holds %s: name the lot in the shipment's packages", demanding[0].Code, qty)
}

// lotNamed is the lot that the shipment's packages name for an item.
func (w *work) lotNamed(sku string) string {
	for _, p := range w.t.Details.Packages {
		for _, l := range p.Lines {
			var more struct {
				Lots []struct {
					Lot string `json:"lot"`
				} `json:"lots"`
			}
			if l.SKU != sku || len(l.Unknown) == 0 {
				continue
			}
			if waybill.Unmarshal(l.Unknown, &more) == nil && len(more.Lots) == 1 {
				return more.Lots[0].Lot
			}
		}
	}
	return ""
}

// assign reserves the goods. What has left is not there to be argued about, so
// where the books are short the assignment is forced, if the user may.
func (w *work) assign(p *parcel) error {
	if err := w.press(shipments, "assign_try", p.ID); err != nil {
		return err
	}
	if w.reached(shipments, p.ID, "assigned") == nil {
		return nil
	}
	err := w.press(shipments, "assign_force", p.ID)
	if f := (*fault)(nil); errors.As(err, &f) && f.user {
		return refusal("short_stock", "", "Tryton's stock does not cover shipment %s, and user %s may not force it: correct the stock there, or add the user to Stock Force Assignment",
			w.t.Details.Shipment, w.user)
	}
	if err != nil {
		return err
	}
	return w.reached(shipments, p.ID, "assigned")
}
