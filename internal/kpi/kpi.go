// Package kpi measures how long orders take, from the ledger and the receipts
// alone: every figure opens the orders behind it, and every span names the
// clocks it was taken from. Both ends of all spans here are Waybill's own
// clock, except the shipment, which is the warehouse's.
package kpi

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
)

// Quantiles are the median and the 95th percentile of spans, in milliseconds
// (nearest rank).
type Quantiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	N   int     `json:"n"` // spans measured
}

// Report is what waybill kpi prints.
type Report struct {
	From   time.Time `json:"from"` // orders received from here on
	Orders int       `json:"orders"`
	// CycleTime: from the order's first byte to the first shipment confirmed
	// to Waybill (WERC: order receipt to shipment).
	CycleTime Quantiles `json:"order_cycle_time_ms"`
	// InvoiceLag: from the shipment confirmed to the ERP's receipt for its
	// invoice.
	InvoiceLag Quantiles `json:"invoice_lag_ms"`
	// OrderToInvoice: from the order's first byte to the ERP's receipt for its
	// first invoice.
	OrderToInvoice Quantiles `json:"order_to_invoice_ms"`
}

// Reader is what measuring needs of the store.
type Reader interface {
	Waybills(ctx context.Context, q ledger.WaybillQuery) ([]ledger.Waybill, error)
	DeliveriesOf(ctx context.Context, waybill int64) ([]lane.Delivery, error)
}

// pageSize bounds the memory of a measurement; spans are kept as numbers.
const pageSize = 500

// Measure reads the orders received since from.
func Measure(ctx context.Context, r Reader, from time.Time) (Report, error) {
	rep := Report{From: from}
	var cycle, lag, total []time.Duration
	for before := int64(0); ; {
		page, err := r.Waybills(ctx, ledger.WaybillQuery{Kind: waybill.FlowSales, Before: before, Limit: pageSize})
		if err != nil {
			return rep, fmt.Errorf("read the orders before %d: %w", before, err)
		}
		for _, w := range page {
			before = w.ID
			if w.CreatedAt.Before(from) {
				page = nil
				break
			}
			rep.Orders++
			ds, err := r.DeliveriesOf(ctx, w.ID)
			if err != nil {
				return rep, fmt.Errorf("read the deliveries of %s: %w", w.Ref, err)
			}
			shipped, invoiced := spans(ds)
			if !shipped.IsZero() {
				cycle = append(cycle, shipped.Sub(w.CreatedAt))
			}
			if !invoiced.IsZero() {
				total = append(total, invoiced.Sub(w.CreatedAt))
				if !shipped.IsZero() {
					lag = append(lag, invoiced.Sub(shipped))
				}
			}
		}
		if len(page) < pageSize {
			break
		}
	}
	rep.CycleTime, rep.InvoiceLag, rep.OrderToInvoice = quantiles(cycle), quantiles(lag), quantiles(total)
	return rep, nil
}

// spans gives when the first shipment posting was decided, which is when its
// shipment was recorded, and when the first invoice was receipted.
func spans(ds []lane.Delivery) (shipped, invoiced time.Time) {
	for _, d := range ds {
		switch {
		case d.Kind == waybill.ShipmentPosting && (shipped.IsZero() || d.DecidedAt.Before(shipped)):
			shipped = d.DecidedAt
		case d.Kind == waybill.Invoice && d.State == lane.Done && (invoiced.IsZero() || d.SettledAt.Before(invoiced)):
			invoiced = d.SettledAt
		}
	}
	return shipped, invoiced
}

func quantiles(spans []time.Duration) Quantiles {
	if len(spans) == 0 {
		return Quantiles{}
	}
	slices.Sort(spans)
	at := func(q float64) float64 {
		rank := int(math.Ceil(q*float64(len(spans)))) - 1
		return math.Round(float64(spans[max(rank, 0)].Microseconds())/10) / 100
	}
	return Quantiles{P50: at(0.50), P95: at(0.95), N: len(spans)}
}
