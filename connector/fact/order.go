package fact

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// orderTypes and lineKinds decide which documents follow, so a word that
// Waybill does not know is never taken for one that it does.
var (
	orderTypes = []waybill.OrderType{"", waybill.OrderStandard, waybill.OrderTransfer, waybill.OrderSample,
		waybill.OrderReplacement, waybill.OrderDropShip, waybill.OrderRelease}
	lineKinds = []waybill.LineKind{"", waybill.LineStock, waybill.LineFreight, waybill.LineFee,
		waybill.LineService, waybill.LineDeposit}
)

// readOrder is order.placed and order.changed: the whole order.
func readOrder(c *check, o *waybill.Order) place {
	ref := c.order(o.Order)
	c.id("/customer", o.Customer)
	c.currency(o.Currency)
	if o.ShipTo == nil {
		c.fail("/ship_to", "is missing; send the address that the goods go to")
	}
	if !slices.Contains(orderTypes, o.Type) {
		c.fail("/type", "%q is no type of order; send standard, transfer, sample, replacement, drop_ship or release", clip(string(o.Type)))
	}
	c.date("/requested_ship", o.RequestedShip)
	c.date("/cancel_after", o.CancelAfter)
	for i := range o.Charges {
		if o.Charges[i].Code == "" {
			c.fail("/charges", "charge %d has no code; name what it is, like freight", i)
		}
	}
	c.hasLines(o.Lines != nil)
	if len(o.Lines) == 0 && c.fact.Type == waybill.OrderPlaced {
		c.fail("/lines", "is empty; an order has at least one line")
	}
	for i := range o.Lines {
		c.orderLine(i, o)
	}
	c.distinctLines(o.Lines)
	p := place{flow: waybill.FlowSales, ref: ref, subject: ref, version: c.version(o.Version)}
	c.rename(&o.Order, &o.ChannelOrder, ref)
	return p
}

// rename writes the order's installation-wide name into decoded data, as
// withOrder does into its bytes.
func (c *check) rename(order, channelOrder *string, ref string) {
	if c.own != "" && c.own != ref {
		*order, *channelOrder = ref, c.own
	}
}

func (c *check) orderLine(i int, o *waybill.Order) {
	l := &o.Lines[i]
	c.lineID(i, "line", l.Line)
	c.qty(i, l.Qty)
	if !slices.Contains(lineKinds, l.Kind) {
		c.fail(lineOf(i, "kind"), "%q is no kind of line; send stock, freight, fee, service or deposit", clip(string(l.Kind)))
	}
	if l.IsStock() {
		c.lineID(i, "sku", l.SKU)
		if l.UOM == "" {
			c.fail(lineOf(i, "uom"), "is missing; send the unit that qty counts, like EA: a unit is never guessed")
		}
	}
	if l.Price.IsZero() && o.Type.Billable() && !c.linePresent(i, "price") {
		c.fail(lineOf(i, "price"), `is missing; send a decimal string like "9.90", or "0" where it is free`)
	}
}

// distinctLines wants every line number once: it is the line's identity.
func (c *check) distinctLines(lines []waybill.OrderLine) {
	if len(lines) <= 32 {
		for i := range lines {
			for j := range i {
				if lines[i].Line == lines[j].Line {
					c.twice(i, lines[i].Line)
					return
				}
			}
		}
		return
	}
	seen := make(map[string]struct{}, len(lines))
	for i := range lines {
		if _, there := seen[lines[i].Line]; there {
			c.twice(i, lines[i].Line)
			return
		}
		seen[lines[i].Line] = struct{}{}
	}
}

func (c *check) twice(i int, line string) {
	c.fail(lineOf(i, "line"), "%q is there twice; a line's number is its identity, give each its own", line)
}

// readCancelRequest is order.cancel_requested.
func readCancelRequest(c *check, r *waybill.CancelRequest) place {
	ref := c.order(r.Order)
	c.optionalID("/request", r.Request)
	c.lineQuantities(r.Lines)
	p := place{flow: waybill.FlowSales, ref: ref, subject: r.Request, version: c.version(r.Version)}
	if p.subject == "" {
		p.subject = unnamedRequest(c.fact.Data)
	}
	c.rename(&r.Order, &r.ChannelOrder, ref)
	return p
}

// unnamedRequest names a request that its sender did not: by what it asks for,
// so that the same wish sent again is the same request, and another one is not
// taken for its newer version.
func unnamedRequest(data []byte) string {
	start, end, ok := member(data, "lines")
	if !ok {
		return "cancel"
	}
	lines := jsontext.Value(data[start:end]).Clone()
	if lines.Canonicalize() != nil || lines.Kind() != '[' || string(lines) == "[]" {
		return "cancel"
	}
	sum := sha256.Sum256(lines)
	return "cancel-" + hex.EncodeToString(sum[:8])
}

// lineQuantities checks lines that name an order line.
func (c *check) lineQuantities(lines []waybill.LineQty) {
	for i := range lines {
		c.lineID(i, "line", lines[i].Line)
		c.qty(i, lines[i].Qty)
	}
}

// readReturnRequested is return.requested: the buyer names order lines.
func readReturnRequested(c *check, r *waybill.Return) place {
	p := readReturn(c, r)
	for i := range r.Lines {
		c.lineID(i, "line", r.Lines[i].Line)
	}
	return p
}

// readReturnReceived is return.received: the warehouse names lines or items.
func readReturnReceived(c *check, r *waybill.Return) place {
	p := readReturn(c, r)
	for i := range r.Lines {
		if r.Lines[i].Line == "" && r.Lines[i].SKU == "" {
			c.fail(lineOf(i, "line"), "neither line nor sku is there; send one of them")
		}
		if r.Lines[i].Line != "" {
			c.lineID(i, "line", r.Lines[i].Line)
		}
		if r.Lines[i].SKU != "" {
			c.lineID(i, "sku", r.Lines[i].SKU)
		}
	}
	return p
}

func readReturn(c *check, r *waybill.Return) place {
	c.id("/return", r.Return)
	c.hasLines(r.Lines != nil)
	for i := range r.Lines {
		c.qty(i, r.Lines[i].Qty)
	}
	p := place{flow: waybill.FlowReturn, ref: r.Return, subject: r.Return, version: c.version(r.Version)}
	if r.Order != "" {
		p.flow, p.ref = waybill.FlowSales, c.order(r.Order)
		c.rename(&r.Order, &r.ChannelOrder, p.ref)
	}
	return p
}
