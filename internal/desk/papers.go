package desk

import (
	"context"
	"fmt"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/tower"
	"github.com/waybillhq/waybill/internal/trace"
)

// papers are an order's shipments and invoices. What the order's state does not
// keep of them (carrier, tracking, amounts) is in the events that reported them.
func (d *Desk) papers(ctx context.Context, o trace.Order) ([]tower.Shipment, []tower.Invoice, error) {
	if len(o.View.Shipments)+len(o.View.Invoices) == 0 {
		return nil, nil, nil
	}
	reported := map[waybill.EventType]map[string]ledger.Event{waybill.ShipmentConfirmed: {}, waybill.InvoicePosted: {}, waybill.CreditPosted: {}}
	for after := int64(0); ; {
		events, err := d.store.Events(ctx, ledger.EventQuery{Waybill: o.Waybill.ID, After: after, Limit: pageSize})
		if err != nil {
			return nil, nil, fmt.Errorf("read the events of %s: %w", o.Waybill.Ref, err)
		}
		for _, ev := range events {
			after = ev.ID
			if of := reported[ev.Type]; of != nil && ev.State == ledger.Applied {
				of[ev.Subject] = ev
			}
		}
		if len(events) < pageSize {
			break
		}
	}
	item := items(o)
	shipments := make([]tower.Shipment, 0, len(o.View.Shipments))
	for _, s := range o.View.Shipments {
		one, err := shipment(s.Shipment, reported[waybill.ShipmentConfirmed][s.Shipment])
		if err != nil {
			return nil, nil, err
		}
		one.Lines = item.quantities(s.Lines)
		shipments = append(shipments, one)
	}
	invoices := make([]tower.Invoice, 0, len(o.View.Invoices))
	for _, i := range o.View.Invoices {
		one, err := invoice(i.Ref, o, waybill.Invoice, reported[waybill.InvoicePosted])
		if err != nil {
			return nil, nil, err
		}
		one.Lines = item.quantities(i.Lines)
		invoices = append(invoices, one)
	}
	for _, x := range o.Deliveries {
		if x.Kind == waybill.CreditMemo && x.State == lane.Done {
			one, err := invoice(x.Ref, o, waybill.CreditMemo, reported[waybill.CreditPosted])
			if err != nil {
				return nil, nil, err
			}
			one.Credit = true
			invoices = append(invoices, one)
		}
	}
	return shipments, invoices, nil
}

// shipment reads a shipment from the event in force that reported it.
func shipment(id string, ev ledger.Event) (tower.Shipment, error) {
	out := tower.Shipment{Shipment: id, At: ev.OccurredAt, System: ev.Source}
	if len(ev.Data) == 0 {
		return out, nil
	}
	var s waybill.Shipment
	if err := waybill.Unmarshal(ev.Data, &s); err != nil {
		return out, fmt.Errorf("read shipment %s of event %d: %w", id, ev.ID, err)
	}
	if at, err := time.Parse(time.RFC3339, s.ShippedAt); err == nil {
		out.At = at
	}
	out.Carrier, out.Service = s.Carrier, s.Service
	for _, p := range s.Packages {
		if p.Tracking != "" {
			out.Tracking = append(out.Tracking, p.Tracking)
		}
	}
	return out, nil
}

// invoice reads when the books took an invoice or a credit, and what it came to
// where they said so.
func invoice(ref string, o trace.Order, kind waybill.Kind, reported map[string]ledger.Event) (tower.Invoice, error) {
	out := tower.Invoice{Ref: ref}
	for _, x := range o.Deliveries {
		if x.Kind == kind && x.State == lane.Done && x.Ref == ref {
			out.At = x.SettledAt
		}
	}
	ev, known := reported[ref]
	if !known {
		return out, nil
	}
	var p waybill.Posting
	if err := waybill.Unmarshal(ev.Data, &p); err != nil {
		return out, fmt.Errorf("read invoice %s of event %d: %w", ref, ev.ID, err)
	}
	if !p.Total.IsZero() {
		out.Total = money(waybill.Money{Amount: p.Total, Currency: p.Currency})
	}
	if !ev.OccurredAt.IsZero() {
		out.At = ev.OccurredAt
	}
	return out, nil
}

// lineItems tell what is on a line.
type lineItems map[string]tower.LineQty

func items(o trace.Order) lineItems {
	out := lineItems{}
	for _, l := range o.View.Lines {
		out[l.Line] = tower.LineQty{Line: l.Line, SKU: l.SKU, UOM: l.BaseUOM}
	}
	return out
}

// quantities are in base units, as the order's state has them.
func (i lineItems) quantities(list []waybill.LineQty) []tower.LineQty {
	out := make([]tower.LineQty, 0, len(list))
	for _, q := range list {
		one := i[q.Line]
		one.Line, one.Qty = q.Line, q.Qty.String()
		out = append(out, one)
	}
	return out
}
