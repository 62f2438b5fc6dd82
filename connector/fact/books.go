package fact

import "github.com/waybillhq/waybill"

// readItem is item.changed.
func readItem(c *check, e *waybill.Entity) place {
	c.id("/sku", e.SKU)
	return place{flow: waybill.FlowItem, ref: e.SKU, subject: e.SKU, version: c.entityVersion(e.Version)}
}

// readCustomer is customer.changed.
func readCustomer(c *check, e *waybill.Entity) place {
	c.id("/customer", e.Customer)
	return place{flow: waybill.FlowCustomer, ref: e.Customer, subject: e.Customer, version: c.entityVersion(e.Version)}
}

// readPrice is price.changed: of an item, for one customer or for all.
func readPrice(c *check, e *waybill.Entity) place {
	c.id("/sku", e.SKU)
	c.optionalID("/customer", e.Customer)
	return place{flow: waybill.FlowItem, ref: e.SKU, subject: e.SKU + "/" + e.Customer, version: c.entityVersion(e.Version)}
}

// readPosition is inventory.position: what of an item is available in a
// warehouse, absolutely. Below zero is oversold.
func readPosition(c *check, e *waybill.Entity) place {
	c.id("/sku", e.SKU)
	c.id("/warehouse", e.Warehouse)
	if e.Available == nil {
		c.fail("/available", `is missing; send a decimal string like "120"`)
	}
	if e.AsOf != "" {
		c.instant("/as_of", e.AsOf)
	}
	return place{flow: waybill.FlowItem, ref: e.SKU, subject: e.SKU + "/" + e.Warehouse, version: c.entityVersion(e.Version)}
}

// readWarehouse is a warehouse as it was read (T6).
func readWarehouse(c *check, e *waybill.Entity) place {
	c.id("/warehouse", e.Warehouse)
	return place{subject: e.Warehouse, version: c.entityVersion(e.Version)}
}

// readPosting is invoice.posted and credit.posted. A document over several
// orders belongs to each of them: it is one fact and an event per order.
func readPosting(c *check, p *waybill.Posting) place {
	c.id("/invoice", p.Invoice)
	c.currency(p.Currency)
	if p.Total.IsZero() && !c.present("total") {
		c.fail("/total", `is missing; send a decimal string like "118.80"`)
	}
	c.hasLines(p.Lines != nil)
	var orders []string
	seen := map[string]bool{"": true}
	if p.Order != "" {
		orders, seen[p.Order] = append(orders, c.order(p.Order)), true
	}
	for i := range p.Lines {
		l := &p.Lines[i]
		c.lineID(i, "line", l.Line)
		c.qty(i, l.Qty)
		if l.Amount.IsZero() && !c.linePresent(i, "amount") {
			c.fail(lineOf(i, "amount"), `is missing; send the line's amount as a decimal string like "49.50"`)
		}
		if l.Order != "" || p.Order == "" {
			c.lineID(i, "order", l.Order)
		}
		if !seen[l.Order] {
			orders, seen[l.Order] = append(orders, l.Order), true
		}
	}
	if len(orders) == 0 {
		c.fail("/lines", "names no order; send each line with its order")
		return place{}
	}
	return place{flow: waybill.FlowSales, ref: orders[0], more: orders[1:], subject: p.Invoice, version: c.version(p.Version)}
}

// readPayment is invoice.paid. Where the sender gives the payment no number of
// its own, the invoice and the time tell two instalments apart.
func readPayment(c *check, p *waybill.Payment) place {
	c.id("/invoice", p.Invoice)
	c.currency(p.Currency)
	c.instant("/paid_at", p.PaidAt)
	if p.Amount.IsZero() && !c.present("amount") {
		c.fail("/amount", `is missing; send a decimal string like "118.80"`)
	}
	c.optionalID("/payment", p.Payment)
	c.optionalID("/customer", p.Customer)
	at := place{flow: waybill.FlowSales, subject: p.Payment, version: c.version(p.Version)}
	if at.subject == "" {
		at.subject = p.Invoice + "/" + p.PaidAt
	}
	at.ref = c.order(p.Order)
	return at
}

// readDocumentReport is document.applied and document.rejected. The key's tag
// finds the order.
func readDocumentReport(c *check, r *waybill.DocumentReport) place {
	c.id("/key", r.Key)
	return place{subject: r.Key, version: c.version(r.Version)}
}
