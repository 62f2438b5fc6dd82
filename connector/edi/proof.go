package edi

import (
	"fmt"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// prove compares what a ship notice or an invoice says with what stands behind
// it: the notice with the content of its cartons, the invoice with the notice.
// By the partner's rule a difference holds the document back, or is told to a
// person while it goes. Less billed than told is never held back: the rest may
// be billed yet.
func (s *system) prove(d waybill.Document) (doubts []string, err error) {
	var hard []string
	due := ""
	switch d.Kind {
	case waybill.Fulfilment, waybill.FulfilmentUpdate:
		hard, due, err = s.proveNotice(d)
	case waybill.InvoiceNotice:
		hard, doubts, err = proveInvoice(d)
	}
	if err != nil || len(hard) == 0 {
		return doubts, err
	}
	text := strings.Join(hard, "; ") + due
	if !s.block {
		return append(doubts, text), nil
	}
	return nil, &waybill.Error{Code: connector.ProofMismatch, Field: "lines", Detail: text,
		Fix: "have the shipment reported anew or edit the document, then retry it; ship_notice.proof: warn in the partner's file lets it go"}
}

// proveNotice compares the lines of a notice with what its cartons hold.
// Cartons that name no lines prove nothing.
func (s *system) proveNotice(d waybill.Document) (wrong []string, due string, err error) {
	var data fulfilmentData
	if err := waybill.Unmarshal(d.Data, &data); err != nil {
		return nil, "", fmt.Errorf("read the shipment of order %s: %w", d.Order, err)
	}
	packed, other, named := map[string]waybill.Decimal{}, map[string]bool{}, false
	units := map[string]string{}
	for _, l := range d.Lines {
		units[l.Line] = l.UOM
	}
	for _, p := range data.Packages {
		for _, l := range p.Lines {
			packed[l.Line], named = packed[l.Line].Add(l.Qty), true
			other[l.Line] = other[l.Line] || l.UOM != "" && units[l.Line] != "" && l.UOM != units[l.Line]
		}
	}
	if !named {
		return nil, "", nil
	}
	for _, l := range d.Lines {
		if !other[l.Line] && !packed[l.Line].Equal(l.Qty) {
			wrong = append(wrong, fmt.Sprintf("line %s: %s shipped, %s in the cartons of shipment %s", l.Line, l.Qty, packed[l.Line], data.Shipment))
		}
		delete(packed, l.Line)
	}
	for i := range data.Packages {
		for _, l := range data.Packages[i].Lines {
			if qty, left := packed[l.Line]; left && !qty.IsZero() {
				wrong = append(wrong, fmt.Sprintf("line %s: none shipped, %s in the cartons of shipment %s", l.Line, qty, data.Shipment))
				delete(packed, l.Line)
			}
		}
	}
	if shipped, err := time.Parse(time.RFC3339, data.ShippedAt); err == nil {
		due = "; the notice is due by " + shipped.Add(s.noticeWithin).Format(time.RFC3339)
	}
	return wrong, due, nil
}

// proveInvoice compares an invoice with what the partner was told of the
// shipment.
func proveInvoice(d waybill.Document) (more, less []string, err error) {
	var data struct {
		Shipment string            `json:"shipment"`
		Told     []waybill.LineQty `json:"told"`
	}
	if err := waybill.Unmarshal(d.Data, &data); err != nil {
		return nil, nil, fmt.Errorf("read the invoice of order %s: %w", d.Order, err)
	}
	if data.Shipment == "" {
		return nil, nil, nil // fees and services
	}
	billed := map[string]waybill.Decimal{}
	for _, l := range d.Lines {
		if l.Kind == "" || l.Kind == waybill.LineStock {
			billed[l.Line] = billed[l.Line].Add(l.Qty)
		}
	}
	for _, t := range data.Told {
		qty, has := billed[t.Line]
		delete(billed, t.Line)
		switch {
		case !has:
		case qty.Cmp(t.Qty) > 0:
			more = append(more, fmt.Sprintf("line %s: %s billed, %s in the notice of shipment %s", t.Line, qty, t.Qty, data.Shipment))
		case qty.Cmp(t.Qty) < 0:
			less = append(less, fmt.Sprintf("line %s: only %s billed of the %s in the notice of shipment %s", t.Line, qty, t.Qty, data.Shipment))
		}
	}
	for _, l := range d.Lines {
		if qty, left := billed[l.Line]; left {
			more = append(more, fmt.Sprintf("line %s: %s billed, none in the notice of shipment %s", l.Line, qty, data.Shipment))
			delete(billed, l.Line)
		}
	}
	return more, less, nil
}
