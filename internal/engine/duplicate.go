package engine

import (
	"context"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/process"
)

// duplicateSoon looks, after the arrivals, whether the buyer of an order has an
// older open order under the same purchase order number: one paper may have been
// sent by two ways.
func (b *batch) duplicateSoon(ctx context.Context, f *flow, o *waybill.Order) {
	if !b.e.policy.DuplicatePO || o.PO == "" || o.Customer == "" {
		return
	}
	b.next = append(b.next, func() error {
		others, err := b.ordersByRef(ctx, o.PO)
		if err != nil {
			return b.setAside(ctx, err)
		}
		oldest := (*flow)(nil)
		for _, g := range others {
			same := g.sales().Content() != nil && g.sales().Content().PO == o.PO && g.sales().Customer() == o.Customer
			if same && g.row.ID < f.row.ID && isOpenOrder(g.sales().Status()) && (oldest == nil || g.row.ID < oldest.row.ID) {
				oldest = g
			}
		}
		if oldest == nil {
			return nil
		}
		return b.own(ctx, f, waybill.DuplicateFound, &process.Duplicate{Order: oldest.row.Ref})
	})
}

// isOpenOrder reports whether something is still to be done for an order.
func isOpenOrder(s waybill.Status) bool {
	return s != waybill.StatusInvoiced && s != waybill.StatusCancelled
}
