package storetest

import (
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

func waybillStatusCounts(t *testing.T, b *books) {
	count := must[map[waybill.Status]int](t)
	same(t, "counts of nothing", count(b.StatusCounts(t.Context())), map[waybill.Status]int{})
	var all []ledger.Waybill
	for id := int64(1); id <= 7; id++ {
		w := aWaybill(id)
		w.Status = waybill.StatusReceived
		if id > 4 {
			w.Status = waybill.StatusHeld
		}
		all = append(all, w)
	}
	b.commit(t, &store.Batch{Waybills: all})
	same(t, "counts", count(b.StatusCounts(t.Context())), map[waybill.Status]int{waybill.StatusReceived: 4, waybill.StatusHeld: 3})
	moved := all[5:]
	for i := range moved {
		moved[i].Version, moved[i].Status = 2, waybill.StatusInvoiced
	}
	b.commit(t, &store.Batch{Waybills: moved})
	same(t, "counts after a move", count(b.StatusCounts(t.Context())),
		map[waybill.Status]int{waybill.StatusReceived: 4, waybill.StatusHeld: 1, waybill.StatusInvoiced: 2})
}
