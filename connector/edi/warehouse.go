package edi

import (
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	wire "github.com/waybillhq/waybill/edi"
	"github.com/waybillhq/waybill/edi/x12"
)

// closing are the W1201 codes after which the warehouse ships nothing more of a
// line; short are those of them that leave something unshipped.
var (
	closing = []string{"CC", "CL", "CM", "CS", "CP", "CK", "CN"}
	short   = []string{"CP", "CK"}
)

// parcelCarriers are SCACs that carry parcels, whatever W2701 says.
var parcelCarriers = []string{"UPSN", "UPSG", "UPSS", "FDEG", "FDXG", "FDE", "FDEN", "FDXE", "USPS", "ONTR", "LASE", "DHLE"}

// shipmentReading is a 945 while its segments come.
type shipmentReading struct {
	*reading
	s        *waybill.Shipment
	own      string // our order, as we named it to the warehouse
	day      string
	tracking string
	pkg      *waybill.Package
	weight   string
	statuses []string
	rest     []waybill.OrderLine // of the order, with what no line of the set took yet
}

// shipment is a 945: what left the building.
func (r *reading) shipment() error {
	o := &shipmentReading{reading: r, s: &waybill.Shipment{Version: 1, Lines: []waybill.LineQty{}}}
	for i := range r.m.Len() {
		o.segment(r.m.Segment(i), i)
	}
	o.endPackage()
	s := o.s
	if s.Order == "" {
		r.note("W0602 names no order of ours, and W0606 none of the buyer's: the shipment can't be assigned")
		return nil
	}
	if s.Shipment == "" {
		s.Shipment = id(named(s.BOL, s.Order+"-"+r.m.Group.Interchange.Control+"-"+r.m.Control))
	}
	s.ShippedAt = r.instant(o.day, "")
	s.Mode = mode(s.Mode, s.Carrier)
	switch {
	case o.tracking == "":
	case s.Mode != "parcel":
		s.PRO = o.tracking
	case len(s.Packages) == 0:
		s.Packages = []waybill.Package{{Tracking: o.tracking}}
	case s.Packages[0].Tracking == "":
		s.Packages[0].Tracking = o.tracking
	}
	s.Final = o.final()
	if o.weight != "" {
		var rest object
		rest.open("", "{")
		rest.text("weight", o.weight)
		rest.close("}")
		s.Unknown = rest.b
	}
	return r.emit(waybill.Event{Type: waybill.ShipmentConfirmed, Flow: waybill.FlowSales, Ref: s.Order, Subject: s.Shipment, Body: s})
}

func (o *shipmentReading) segment(x x12.Segment, at int) {
	s := o.s
	switch x.ID() {
	case "W06":
		o.head(x)
	case "N9":
		o.reference(x)
	case "G62":
		if q := x.Element(1); q == "11" || q == "86" {
			o.day = x.Element(2)
		}
	case "W27":
		s.Mode, s.Carrier, s.Service = x.Element(1), x.Element(2), x.Element(3)
	case "LX":
		o.endPackage()
		o.pkg = &waybill.Package{}
	case "MAN":
		o.mark(x)
	case "W12":
		o.line(x, at)
	case "W03":
		if x.Has(2) {
			o.weight = strings.TrimSpace(x.Element(2) + " " + x.Element(3))
		}
	}
}

func (o *shipmentReading) head(x x12.Segment) {
	o.own, o.day = inward(x.Element(2)), x.Element(3)
	o.s.Order = o.own
	if !waybill.ValidID(o.own) { // not as we sent it, or not sent by us
		o.s.Order = id(named(o.own, x.Element(6)))
	}
	o.s.Shipment, o.s.BOL = id(x.Element(4)), x.Element(5)
	if o.book != nil {
		if order := o.book.Order(o.s.Order); order != nil {
			o.rest = slices.Clone(order.Lines)
		}
	}
}

func (o *shipmentReading) reference(x x12.Segment) {
	switch q, v := x.Element(1), x.Element(2); q {
	case "BM":
		o.s.BOL = v
	case "CN", "2I":
		if o.pkg != nil {
			o.pkg.Tracking = v
		} else if o.tracking == "" {
			o.tracking = v
		}
	case "LT":
		o.lot(v)
	}
}

// lot keeps the lot of the line before.
func (o *shipmentReading) lot(v string) {
	if n := len(o.s.Lines); n > 0 {
		l := &o.s.Lines[n-1]
		var rest object
		rest.open("", "{")
		rest.open("lots", "[")
		rest.open("", "{")
		rest.text("lot", v)
		rest.text("qty", l.Qty.String())
		rest.close("}]}")
		l.Unknown = jsontext.Value(rest.b)
	}
}

// mark is the number on a carton or pallet.
func (o *shipmentReading) mark(x x12.Segment) {
	if o.pkg == nil {
		return
	}
	switch x.Element(1) {
	case "GM", "AA":
		sscc, err := wire.SSCC(x.Element(2))
		if err != nil {
			o.note(err.Error())
			sscc = x.Element(2)
		}
		o.pkg.SSCC = sscc
	case "CP":
		o.pkg.Tracking = x.Element(2)
	}
}

// line is a W12: how much of an item was shipped.
func (o *shipmentReading) line(x x12.Segment, at int) {
	status := x.Element(1)
	o.statuses = append(o.statuses, status)
	qty, _ := decimal(x.Element(3))
	var ids []ref
	if x.Has(6) {
		ids = append(ids, ref{Qualifier: "UP", Value: x.Element(6)})
	}
	ids = itemIDs(ids, x, 7, 1)
	sku, buyers := o.item(ids)
	l := waybill.LineQty{SKU: sku, Qty: qty}
	if x.Has(5) {
		l.UOM = o.unit(x.Element(5), "W12", sku)
	}
	if status != "CC" && status != "CL" {
		l.Reason = status
	}
	l.Line = o.lineOf(sku, buyers, qty, at)
	if qty.Sign() <= 0 {
		return // cancelled or short: nothing of it left
	}
	o.s.Lines = append(o.s.Lines, l)
	if o.pkg != nil {
		o.pkg.Lines = append(o.pkg.Lines, waybill.LineQty{Line: l.Line, SKU: l.SKU, Qty: qty, UOM: l.UOM})
	}
}

// lineOf finds the order's line that an item was shipped for: the number that
// the warehouse repeats (N9 LI), or the first line of that item with so much
// left. "": not known.
func (o *shipmentReading) lineOf(sku, buyers string, qty waybill.Decimal, at int) string {
	for i := at + 1; i < o.m.Len(); i++ {
		x := o.m.Segment(i)
		if x.ID() == "W12" || x.ID() == "LX" {
			break
		}
		if x.ID() == "N9" && (x.Element(1) == "LI" || x.Element(1) == "FJ") {
			return asID(x.Element(2))
		}
	}
	found := -1
	for i := range o.rest {
		l := &o.rest[i]
		if l.SKU != sku && (buyers == "" || l.CustomerSKU != buyers) {
			continue
		}
		if found < 0 {
			found = i
		}
		if l.Qty.Cmp(qty) >= 0 {
			found = i
			break
		}
	}
	if found < 0 {
		return ""
	}
	o.rest[found].Qty = o.rest[found].Qty.Sub(qty)
	return o.rest[found].Line
}

func (o *shipmentReading) endPackage() {
	if p := o.pkg; p != nil && (p.SSCC != "" || p.Tracking != "") {
		o.s.Packages = append(o.s.Packages, *p)
	}
	o.pkg = nil
}

// final reports whether nothing more comes for the order. By its codes a set
// says so when it closes every line it names and at least one of them short:
// what is left then would otherwise be waited for in vain.
func (o *shipmentReading) final() bool {
	switch o.p.Final {
	case "always":
		return true
	case "never":
		return false
	}
	isShort := false
	for _, s := range o.statuses {
		if !slices.Contains(closing, s) {
			return false
		}
		isShort = isShort || slices.Contains(short, s)
	}
	return isShort
}

// mode is our word for W2701.
func mode(code, carrier string) string {
	switch {
	case slices.Contains(parcelCarriers, carrier), code == "U", code == "D":
		return "parcel"
	case code == "M", code == "LT", code == "J", code == "L":
		return "ltl"
	case code == "H", code == "HH":
		return "pickup"
	case code == "PT", code == "P":
		return "own_truck"
	}
	return ""
}

// adjustment is a 947: one fact per item.
func (r *reading) adjustment() error {
	document, warehouse := "", r.p.Warehouse
	line := 0
	for i := range r.m.Len() {
		x := r.m.Segment(i)
		switch x.ID() {
		case "W15":
			document = id(named(x.Element(2), named(x.Element(3), r.m.Group.Interchange.Control+"-"+r.m.Control)))
		case "N1":
			if x.Element(1) == "WH" && r.p.Warehouse == "" && x.Has(4) {
				warehouse = id(x.Element(4))
			}
		case "W19":
			line++
			if err := r.adjusted(x, document, named(warehouse, id(r.m.Group.Interchange.Sender)), line); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reading) adjusted(x x12.Segment, document, warehouse string, line int) error {
	var ids []ref
	if x.Has(4) {
		ids = append(ids, ref{Qualifier: "UP", Value: x.Element(4)})
	}
	ids = itemIDs(itemIDs(ids, x, 5, 1), x, 7, 1)
	sku, _ := r.item(ids)
	qty, ok := decimal(x.Element(2))
	if !ok {
		return fmt.Errorf("W1902 %q is no number", x.Element(2))
	}
	a := &waybill.StockAdjustment{Document: fmt.Sprintf("%s-%d", document, line), SKU: sku, Warehouse: warehouse, Version: 1, Qty: qty,
		UOM: r.unit(x.Element(3), "W19", sku), Reason: named(x.Element(1), "unknown")}
	if x.Has(9) {
		var rest object
		rest.open("", "{")
		rest.text("lot", x.Element(9))
		rest.text("state", x.Element(16))
		rest.close("}")
		a.Unknown = rest.b
	}
	return r.emit(waybill.Event{Type: waybill.InventoryAdjusted, Flow: waybill.FlowItem, Ref: sku,
		Subject: a.Document + "/" + sku + "/" + warehouse, Body: a})
}

// inventory is an 846: all stock of a warehouse at one moment.
func (r *reading) inventory() error {
	s := &waybill.StockSnapshot{Warehouse: r.p.Warehouse, Version: 1, Lines: []waybill.StockLine{}}
	day, clock, sku := "", "", ""
	for i := range r.m.Len() {
		x := r.m.Segment(i)
		switch x.ID() {
		case "BIA":
			day, clock = x.Element(4), x.Element(5)
		case "N1":
			if s.Warehouse == "" && x.Has(4) && slices.Contains([]string{"WH", "SF", "SE"}, x.Element(1)) {
				s.Warehouse = id(x.Element(4))
			}
		case "LIN":
			sku, _ = r.item(itemIDs(nil, x, 2, 15))
		case "QTY":
			s.Lines = append(s.Lines, r.stock(x, sku))
		case "UIT":
			if n := len(s.Lines); n > 0 && s.Lines[n-1].UOM == "" {
				s.Lines[n-1].UOM = r.unit(x12.Components(x.Element(1), r.m.Group.Interchange.Delimiters)[0], "UIT", sku)
			}
		}
	}
	s.Warehouse = named(s.Warehouse, id(r.m.Group.Interchange.Sender))
	s.AsOf = r.instant(day, clock)
	return r.emit(waybill.Event{Type: waybill.InventorySnapshot, Subject: s.Warehouse + "/" + s.AsOf, Body: s})
}

func (r *reading) stock(x x12.Segment, sku string) waybill.StockLine {
	l := waybill.StockLine{SKU: sku}
	l.Qty, _ = decimal(x.Element(2))
	if unit := x12.Components(x.Element(3), r.m.Group.Interchange.Delimiters)[0]; unit != "" {
		l.UOM = r.unit(unit, "QTY", sku)
	}
	states := r.p.States
	if len(states) == 0 {
		states = defaultStates
	}
	code := x.Element(1)
	l.State = states[code]
	if l.State == "" {
		l.State = code
		r.note(fmt.Sprintf("QTY01 %s has no meaning in the profile: the stock's state is kept as %s", code, code))
	}
	return l
}
