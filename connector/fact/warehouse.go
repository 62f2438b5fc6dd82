package fact

import "github.com/waybillhq/waybill"

// readWarehouseOrder is the family warehouse_order.*. Without lines it speaks
// of all that has not shipped.
func readWarehouseOrder(c *check, r *waybill.WarehouseOrderReport) place {
	ref := c.order(r.Order)
	c.id("/warehouse_order", r.WarehouseOrder)
	c.lineQuantities(r.Lines)
	return place{flow: waybill.FlowSales, ref: ref, subject: r.WarehouseOrder, version: c.version(r.Version)}
}

// readProgress is allocation.confirmed, pick.confirmed and pack.confirmed.
func readProgress(c *check, r *waybill.Progress) place {
	ref := c.order(r.Order)
	c.id("/document", r.Document)
	c.hasLines(r.Lines != nil)
	c.lineQuantities(r.Lines)
	return place{flow: waybill.FlowSales, ref: ref, subject: r.Document, version: c.version(r.Version)}
}

// readShipment is shipment.confirmed. The same line may be there several
// times, in other lots or packages: its quantities add up.
func readShipment(c *check, s *waybill.Shipment) place {
	ref := c.order(s.Order)
	c.id("/shipment", s.Shipment)
	c.instant("/shipped_at", s.ShippedAt)
	c.hasLines(s.Lines != nil)
	c.lineQuantities(s.Lines)
	for i := range s.Lines {
		if s.Lines[i].SKU != "" {
			c.lineID(i, "sku", s.Lines[i].SKU)
		}
	}
	if s.Freight.Sign() < 0 {
		c.fail("/freight", "%s is below zero; freight is an amount to bill", s.Freight)
	}
	return place{flow: waybill.FlowSales, ref: ref, subject: s.Shipment, version: c.version(s.Version)}
}

// readDelivery is shipment.delivered. A carrier may not know the order: then
// the shipment's number finds it.
func readDelivery(c *check, d *waybill.Delivery) place {
	c.id("/shipment", d.Shipment)
	c.instant("/delivered_at", d.DeliveredAt)
	p := place{flow: waybill.FlowSales, subject: d.Shipment, version: c.version(d.Version)}
	if d.Order != "" {
		p.ref = c.order(d.Order)
	}
	return p
}

// readAdjustment is inventory.adjusted.
func readAdjustment(c *check, a *waybill.StockAdjustment) place {
	c.id("/document", a.Document)
	c.id("/sku", a.SKU)
	c.id("/warehouse", a.Warehouse)
	if a.Qty.IsZero() && !c.present("qty") {
		c.fail("/qty", `is missing; send the difference as a signed decimal string like "-3"`)
	}
	if a.Reason == "" {
		c.fail("/reason", "is missing; say why the stock differs")
	}
	return place{flow: waybill.FlowItem, ref: a.SKU, version: c.version(a.Version),
		subject: a.Document + "/" + a.SKU + "/" + a.Warehouse}
}

// readSnapshot is inventory.snapshot. It names many items and belongs to the
// flow of none.
func readSnapshot(c *check, s *waybill.StockSnapshot) place {
	c.id("/warehouse", s.Warehouse)
	c.instant("/as_of", s.AsOf)
	c.stockLines(s.Lines, true)
	return place{subject: s.Warehouse + "/" + s.AsOf, version: c.version(s.Version)}
}

// readReceipt is receipt.confirmed.
func readReceipt(c *check, m *waybill.StockMovement) place {
	return readMovement(c, m, waybill.FlowReceipt)
}

// readTransfer is transfer.shipped and transfer.received.
func readTransfer(c *check, m *waybill.StockMovement) place {
	return readMovement(c, m, waybill.FlowTransfer)
}

func readMovement(c *check, m *waybill.StockMovement, flow waybill.FlowKind) place {
	c.id("/document", m.Document)
	c.id("/warehouse", m.Warehouse)
	c.stockLines(m.Lines, false)
	return place{flow: flow, ref: m.Document, subject: m.Document, version: c.version(m.Version)}
}

// stockLines checks lines that name items. A position may be below zero, a
// movement may not.
func (c *check) stockLines(lines []waybill.StockLine, signed bool) {
	c.hasLines(lines != nil)
	for i := range lines {
		c.lineID(i, "sku", lines[i].SKU)
		if !signed || lines[i].Qty.IsZero() {
			c.qty(i, lines[i].Qty)
		}
	}
}
