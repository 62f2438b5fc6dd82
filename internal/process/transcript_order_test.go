package process

import (
	"slices"
	"strings"

	"github.com/waybillhq/waybill"
)

// order is the order that placed and changed state.
func (s *stagehand) order(c call) *waybill.Order {
	o := &waybill.Order{Order: "SO-1", Version: c.version(), Customer: "C1", Currency: "EUR", PO: c.opts["po"],
		Type: waybill.OrderType(c.opts["type"]), RequestedShip: c.opts["ship"], ShipComplete: c.has("complete"),
		ShipTo: &waybill.Party{Name: "Example Hardware", City: "Springfield", Country: "US"}, Tax: decimal(c.opts["tax"])}
	if ch := c.opts["charge"]; ch != "" {
		code, amount, _ := strings.Cut(ch, ":")
		o.Charges = []waybill.Charge{{Code: code, Amount: decimal(amount)}}
	}
	for _, l := range c.lines {
		uom := l.UOM
		if uom == "" {
			uom = "EA"
		}
		o.Lines = append(o.Lines, waybill.OrderLine{Line: l.Line, SKU: "SKU-" + l.Line, Qty: l.Qty, UOM: uom,
			Price: decimal(c.price[l.Line]), Kind: waybill.LineKind(c.kind[l.Line])})
	}
	if line, parts, ok := strings.Cut(c.opts["kit"], ":"); ok {
		at := slices.IndexFunc(o.Lines, func(l waybill.OrderLine) bool { return l.Line == line })
		o.Lines[at].Kit = kitOf(parts)
	}
	return o
}

// kitOf reads A*1,B*2@3.50:by_component.
func kitOf(in string) *waybill.Kit {
	parts, rule, _ := strings.Cut(in, ":")
	k := &waybill.Kit{Invoice: waybill.KitRule(rule)}
	for _, p := range strings.Split(parts, ",") {
		sku, qty, _ := strings.Cut(p, "*")
		qty, price, _ := strings.Cut(qty, "@")
		k.Components = append(k.Components, waybill.Component{SKU: sku, Qty: decimal(qty), UOM: "EA", Price: decimal(price)})
	}
	return k
}

func (s *stagehand) shipment(c call) *waybill.Shipment {
	sh := &waybill.Shipment{Order: "SO-1", Shipment: c.word(0), Version: c.version(), ShippedAt: c.opts["at"], Carrier: "UPS",
		Final: c.has("final"), Freight: decimal(c.opts["freight"]), Lines: c.lines}
	if sh.ShippedAt == "" {
		sh.ShippedAt = "2026-03-02T15:04:05Z"
	}
	if tr := c.opts["tracking"]; tr != "" {
		sh.Packages = []waybill.Package{{Tracking: tr, Lines: c.lines}}
	}
	return sh
}
