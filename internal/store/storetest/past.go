package storetest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

func waybillKinds(t *testing.T, b *books) {
	order, item := aWaybill(1), aWaybill(2)
	item.Kind, item.Ref, item.Status = waybill.FlowItem, order.Ref, ""
	b.commit(t, &store.Batch{Waybills: []ledger.Waybill{order, item}, References: []ledger.Reference{
		{Waybill: 1, System: "shop", Kind: "order", Value: order.Ref}, {Waybill: 2, System: "waybill", Kind: "item", Value: order.Ref}}})
	for _, ref := range []string{"", order.Ref} {
		q := ledger.WaybillQuery{Ref: ref}
		same(t, "of any kind", ids(must[[]ledger.Waybill](t)(b.Waybills(t.Context(), q)), waybillID), []int64{2, 1})
		q.Kind = waybill.FlowSales
		same(t, "orders", ids(must[[]ledger.Waybill](t)(b.Waybills(t.Context(), q)), waybillID), []int64{1})
		q.Status = order.Status
		same(t, "orders in a status", ids(must[[]ledger.Waybill](t)(b.Waybills(t.Context(), q)), waybillID), []int64{1})
	}
	counts := must[map[waybill.Status]int](t)(b.StatusCounts(t.Context()))
	same(t, "counts", counts, map[waybill.Status]int{order.Status: 1})
}

func waybillPast(t *testing.T, b *books) {
	big := bytes.Repeat([]byte("an adjustment of long ago, "), 400)
	b.commit(t, &store.Batch{Past: []ledger.Past{{Waybill: 1, Name: "ADJ-1", Data: []byte("{}")}, {Waybill: 1, Name: "ADJ-2", Data: big},
		{Waybill: 2, Name: "ADJ-1", Data: []byte("[]")}}})
	b.commit(t, &store.Batch{Past: []ledger.Past{{Waybill: 1, Name: "ADJ-1", Data: []byte(`{"version":2}`)}}})
	b.reopen(t)
	same(t, "what was replaced", must[[]byte](t)(b.Past(t.Context(), 1, "ADJ-1")), []byte(`{"version":2}`))
	same(t, "what is long", must[[]byte](t)(b.Past(t.Context(), 1, "ADJ-2")), big)
	same(t, "another waybill's", must[[]byte](t)(b.Past(t.Context(), 2, "ADJ-1")), []byte("[]"))
	if _, err := b.Past(t.Context(), 2, "ADJ-2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a name that nothing was kept under: %v, want ErrNotFound", err)
	}
}

func deliveryOfItem(t *testing.T, b *books) {
	var all []lane.Delivery
	var want []int64
	for _, kind := range []waybill.Kind{waybill.InventoryAdjustment, waybill.InventoryAvailability, waybill.SalesOrder} {
		for _, state := range []lane.State{lane.Ready, lane.InFlight, lane.InDoubt, lane.Waiting, lane.Parked, lane.Done, lane.Cancelled, lane.Skipped} {
			for _, wb := range []int64{1, 2} {
				d := aDelivery(int64(len(all) + 1))
				d.Kind, d.State, d.Waybill = kind, state, wb
				all = append(all, d)
				stays := !state.Settled() || state == lane.Cancelled && kind == waybill.InventoryAdjustment
				if wb == 1 && kind != waybill.SalesOrder && stays {
					want = append(want, d.ID)
				}
			}
		}
	}
	b.commit(t, &store.Batch{Deliveries: all})
	got := must[[]lane.Delivery](t)(b.DeliveriesOfItem(t.Context(), 1))
	same(t, "what is open, and what may be wanted again", ids(got, func(d lane.Delivery) int64 { return d.ID }), want)
}
