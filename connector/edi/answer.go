package edi

import (
	"fmt"
	"slices"

	"github.com/waybillhq/waybill"
)

// acknowledgment is an 855: every line as it was ordered, and what becomes of it.
func (w *writing) acknowledgment() error {
	po, err := w.po()
	if err != nil {
		return err
	}
	w.out.Set = "855"
	changed := false
	answered := map[string]waybill.DocumentLine{}
	for _, l := range w.j.Document.Lines {
		answered[l.Line] = l
		c, known := w.lines[l.Line]
		changed = changed || known && !c.Qty.Equal(l.Qty)
	}
	changed = changed || len(answered) < len(w.j.Order.Lines)
	kind := "AD"
	if changed {
		kind = "AC"
	}
	w.add("BAK", "00", kind, po, w.placed(), "", "", "", reference(w.j.Document.Order))
	w.references("DP", "IA")
	w.party("ST", w.j.Order.ShipTo)
	for _, l := range w.j.Order.Lines {
		a, ok := answered[l.Line]
		if !ok {
			a = waybill.DocumentLine{Line: l.Line}
		}
		if err := w.answeredLine(l, a); err != nil {
			return err
		}
	}
	w.add("CTT", count(len(w.j.Order.Lines)))
	return nil
}

// reference shortens our own number to what element 127 may have in 004010.
func reference(v string) string { return outward(v[:min(len(v), 30)]) }

func (w *writing) answeredLine(l waybill.OrderLine, a waybill.DocumentLine) error {
	c, unit, err := w.line(waybill.DocumentLine{Line: l.Line, SKU: l.SKU, UOM: l.UOM})
	if err != nil {
		return err
	}
	w.add("PO1", append([]string{number20(l.Line), l.Qty.String(), unit, priced(l.Price), ""}, ids(c.IDs)...)...)
	rest := l.Qty.Sub(a.Qty)
	switch {
	case a.Qty.IsZero():
		w.add("ACK", "IR", l.Qty.String(), unit)
		return nil
	case rest.Sign() > 0: // the quantities of a line's ACKs add up to what was ordered
		w.add("ACK", "IQ", a.Qty.String(), unit)
		w.add("ACK", "IR", rest.String(), unit)
	case a.Price != nil && !a.Price.Amount.Equal(l.Price):
		w.add("ACK", "IP", a.Qty.String(), unit)
	case rest.Sign() < 0:
		w.add("ACK", "IC", a.Qty.String(), unit)
	default:
		w.add("ACK", "IA", a.Qty.String(), unit)
	}
	return nil
}

// number20 is a line number as element 350 takes it.
func number20(line string) string { return outward(line[:min(len(line), 20)]) }

// priced leaves an absent price out.
func priced(d waybill.Decimal) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

// changeAnswer is an 865 to an 860: taken, or too late.
func (w *writing) changeAnswer() error {
	var data struct {
		Result string            `json:"result"`
		Lines  []waybill.LineQty `json:"lines"`
	}
	if err := waybill.Unmarshal(w.j.Document.Data, &data); err != nil {
		return fmt.Errorf("its data: %w", err)
	}
	taken := data.Result == "accepted"
	kind, status := "RJ", "IR"
	if taken {
		kind, status = "AT", "IA"
	}
	if err := w.changeHead(kind); err != nil {
		return err
	}
	for _, l := range data.Lines {
		c, unit, err := w.line(waybill.DocumentLine{Line: l.Line, SKU: l.SKU, UOM: l.UOM})
		if err != nil {
			return err
		}
		w.add("POC", append([]string{number20(l.Line), "CA", l.Qty.String(), "", unit, priced(c.Price), ""}, ids(c.IDs)...)...)
		w.add("ACK", status, l.Qty.String(), unit)
	}
	w.add("CTT", count(len(data.Lines)))
	return nil
}

func (w *writing) changeHead(kind string) error {
	po, err := w.po()
	if err != nil {
		return err
	}
	w.out.Set = "865"
	w.add("BCA", "00", kind, po, "", w.ctx.EDI.Sequence, w.placed(), "", "", reference(w.j.Document.Order))
	w.references("DP", "IA")
	w.party("ST", w.j.Order.ShipTo)
	return nil
}

// cancellationAnswer is an 865 to a cancellation: what was cancelled, and what
// had shipped already.
func (w *writing) cancellationAnswer() error {
	var data struct {
		Result string `json:"result"`
		Lines  []struct {
			Line      string          `json:"line"`
			Cancelled waybill.Decimal `json:"cancelled"`
			Shipped   waybill.Decimal `json:"shipped"`
		} `json:"lines"`
	}
	if err := waybill.Unmarshal(w.j.Document.Data, &data); err != nil {
		return fmt.Errorf("its data: %w", err)
	}
	kinds := map[string]string{"accepted": "AT", "partial": "AC", "too_late": "RJ"}
	kind, ok := kinds[data.Result]
	if !ok {
		return fmt.Errorf("its result %q is none of accepted, partial, too_late", data.Result)
	}
	if err := w.changeHead(kind); err != nil {
		return err
	}
	for _, l := range data.Lines {
		c, unit, err := w.line(waybill.DocumentLine{Line: l.Line})
		if err != nil {
			return err
		}
		w.add("POC", append([]string{number20(l.Line), "DI", l.Shipped.String(), "", unit, "", ""}, ids(c.IDs)...)...)
		if !l.Cancelled.IsZero() {
			w.add("ACK", "ID", l.Cancelled.String(), unit)
		}
		if !l.Shipped.IsZero() {
			w.add("ACK", "IR", l.Shipped.String(), unit)
		}
	}
	w.add("CTT", count(len(data.Lines)))
	return nil
}

// chargeCodes are the codes of SAC02 for charges that we name ourselves.
var chargeCodes = map[string]string{"freight": "D240", "handling": "H090", "discount": "C310"}

// invoice is an 810. Its total is that of its lines, each rounded to cents, with
// charges and tax.
func (w *writing) invoice() error {
	po, err := w.po()
	if err != nil {
		return err
	}
	var data struct {
		Shipment string           `json:"shipment"`
		Terms    string           `json:"terms"`
		Charges  []waybill.Charge `json:"charges"`
		Tax      waybill.Decimal  `json:"tax"`
	}
	if err := waybill.Unmarshal(w.j.Document.Data, &data); err != nil {
		return fmt.Errorf("its data: %w", err)
	}
	invoice := named(w.j.Number, w.j.Document.Key)
	if len(invoice) > 22 {
		return fmt.Errorf("invoice number %q has more than the 22 characters of element 76; give the ERP's own number", invoice)
	}
	w.out.Set = "810"
	w.add("BIG", w.day(), invoice, w.placed(), po, "", "", "DI")
	w.add("CUR", "SE", w.j.Document.Currency)
	w.references("IA", "DP")
	w.party("ST", w.j.Order.ShipTo)
	w.party("BT", w.j.Order.BillTo)
	if data.Terms != "" {
		w.add("ITD", "05", "", "", "", "", "", "", "", "", "", "", w.text(data.Terms, 80))
	}
	if w.j.Document.PostingDate != "" {
		w.add("DTM", "011", compact(w.j.Document.PostingDate))
	}
	total, err := w.invoiceLines()
	if err != nil {
		return err
	}
	for _, c := range data.Charges {
		total = total.Add(c.Amount.Round(2))
	}
	w.add("TDS", cents(total.Add(data.Tax.Round(2))))
	if !data.Tax.IsZero() {
		w.add("TXI", "TX", data.Tax.Round(2).String())
	}
	for _, c := range data.Charges {
		w.charge(c)
	}
	w.add("CTT", count(len(w.j.Document.Lines)))
	return nil
}

func (w *writing) invoiceLines() (waybill.Decimal, error) {
	var total waybill.Decimal
	for _, l := range w.j.Document.Lines {
		c, unit, err := w.line(l)
		if err != nil {
			return total, err
		}
		amount := c.Price
		if l.Price != nil {
			amount = l.Price.Amount
		}
		total = total.Add(amount.Mul(l.Qty).Round(2))
		w.add("IT1", append([]string{number20(l.Line), l.Qty.String(), unit, amount.String(), ""}, ids(c.IDs)...)...)
		if c.Description != "" {
			w.add("PID", "F", "", "", "", w.text(c.Description, 80))
		}
	}
	return total, nil
}

// charge is an allowance where the amount is below zero.
func (w *writing) charge(c waybill.Charge) {
	kind, amount := "C", c.Amount.Round(2)
	if amount.Sign() < 0 {
		kind, amount = "A", amount.Neg()
	}
	code := named(chargeCodes[c.Code], c.Code)
	text := ""
	if len(code) != 4 {
		code, text = "ZZZZ", w.text(c.Code, 80)
	}
	w.add("SAC", kind, code, "", "", cents(amount), "", "", "", "", "", "", "", "", "", text)
}

// warehouseOrder is a 940: new, changed, or cancelled.
func (w *writing) warehouseOrder() error {
	var h waybill.Order // the data has an order's fields
	if err := waybill.Unmarshal(w.j.Document.Data, &h); err != nil {
		return fmt.Errorf("its data: %w", err)
	}
	w.context(h.Unknown)
	order := w.j.Document.Order
	if len(order) > 22 {
		return fmt.Errorf("the order's number has more than the 22 characters of W0502; shorten the channel's order prefix")
	}
	status := map[waybill.Kind]string{waybill.WarehouseOrder: "N", waybill.WarehouseOrderChange: "R", waybill.WarehouseOrderCancel: "F"}[w.j.Document.Kind]
	w.out.Set = "940"
	po := h.PO
	if len(po) > 22 {
		po = ""
	}
	w.add("W05", status, outward(order), po)
	if w.p.Warehouse != "" {
		w.party("WH", &waybill.Party{ID: w.p.Warehouse, Name: w.p.Warehouse})
	}
	w.party("ST", h.ShipTo)
	if h.PO != "" {
		w.add("N9", "CO", w.text(h.PO, 30))
	}
	for _, r := range w.ctx.EDI.References {
		if slices.Contains([]string{"DP", "MR"}, r.Qualifier) {
			w.add("N9", r.Qualifier, w.text(r.Value, 30))
		}
	}
	w.warehouseDates(&h)
	for _, text := range w.ctx.EDI.Texts {
		w.add("NTE", "WHI", w.text(text, 80))
	}
	terms := h.FreightTerms
	if len(terms) != 2 {
		terms = "PP"
	}
	w.add("W66", terms, "M", "", "", w.text(w.ctx.EDI.Routing, 35), "", "", "", "", scac(w.ctx.EDI.Carrier))
	return w.warehouseLines()
}

func (w *writing) warehouseDates(h *waybill.Order) {
	if h.RequestedShip != "" {
		w.add("G62", "10", compact(h.RequestedShip))
	}
	for _, d := range w.ctx.EDI.Dates {
		if d.Qualifier == "002" {
			w.add("G62", "02", d.Value)
		}
	}
	if h.CancelAfter != "" {
		w.add("G62", "01", compact(h.CancelAfter))
	}
}

// scac is a carrier's code where it can be one.
func scac(v string) string {
	if len(v) >= 2 && len(v) <= 4 {
		return v
	}
	return ""
}

func (w *writing) warehouseLines() error {
	var total waybill.Decimal
	for i, l := range w.j.Document.Lines {
		unit, err := w.p.unitOut(l.UOM)
		if err != nil {
			return fmt.Errorf("line %s: %w", l.Line, err)
		}
		w.add("LX", count(i+1))
		w.add("W01", l.Qty.String(), unit, "", "VN", outward(l.SKU))
		w.add("N9", "LI", reference(l.Line)) // comes back with the 945 and finds the line
		total = total.Add(l.Qty)
	}
	w.add("W76", total.String())
	return nil
}

// availability is an 846: what of an item can be sold.
func (w *writing) availability() error {
	var data struct {
		Document  string `json:"document"`
		Warehouse string `json:"warehouse"`
	}
	if err := waybill.Unmarshal(w.j.Document.Data, &data); err != nil {
		return fmt.Errorf("its data: %w", err)
	}
	w.out.Set = "846"
	w.add("BIA", "00", "DD", reference(named(data.Document, w.j.Document.Key)), w.day(), w.j.At.Format("1504"))
	warehouse := named(data.Warehouse, w.p.Warehouse)
	if warehouse != "" {
		w.party("WH", &waybill.Party{ID: warehouse, Name: warehouse})
	}
	for i, l := range w.j.Document.Lines {
		unit, err := w.p.unitOut(l.UOM)
		if err != nil {
			return fmt.Errorf("line %s: %w", l.Line, err)
		}
		w.add("LIN", count(i+1), "VN", outward(l.SKU))
		w.add("QTY", "33", l.Qty.String(), unit)
	}
	w.add("CTT", count(len(w.j.Document.Lines)))
	return nil
}
