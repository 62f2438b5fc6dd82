package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

func waybillRoundTrip(t *testing.T, b *books) {
	ws := draw(t, anyWaybill)
	b.commit(t, &store.Batch{Waybills: ws})
	again := draw(t, anyWaybill)
	for i := range ws {
		same(t, "waybill", must[ledger.Waybill](t)(b.Waybill(t.Context(), ws[i].ID)), ws[i])
		next, from := ws[i], again[(i+7)%len(again)]
		next.Version, next.Status, next.Customer = 2, from.Status, from.Customer
		next.State, next.UpdatedAt = from.State, from.UpdatedAt
		ws[i] = next
	}
	b.commit(t, &store.Batch{Waybills: ws})
	for _, w := range ws {
		same(t, "waybill in its second version", must[ledger.Waybill](t)(b.Waybill(t.Context(), w.ID)), w)
		same(t, "waybill by tag", must[ledger.Waybill](t)(b.WaybillByTag(t.Context(), w.Tag, w.Kind, w.Ref)), w)
	}
}

func aWaybill(id int64) ledger.Waybill {
	return ledger.Waybill{
		ID: id, Tag: id * 1_000_003, Shard: ledger.ShardOf(id * 1_000_003), Kind: waybill.FlowSales,
		Ref: fmt.Sprintf("SO-%d", id), Version: 1, Status: waybill.StatusReceived, Customer: "C1",
		State: []byte("state"), CreatedAt: at(int(id)), UpdatedAt: at(int(id)),
	}
}

func waybillID(w ledger.Waybill) int64 { return w.ID }

func waybillVersions(t *testing.T, b *books) {
	w := aWaybill(1)
	b.commit(t, &store.Batch{Waybills: []ledger.Waybill{w}})
	fenced := func(what string, change func(*ledger.Waybill)) {
		t.Helper()
		stale := w
		change(&stale)
		err := b.try(t.Context(), &store.Batch{
			Settings: map[string]string{"left": "behind"},
			Waybills: []ledger.Waybill{aWaybill(50), stale},
		})
		if !errors.Is(err, store.ErrFenced) {
			t.Errorf("%s: %v, want ErrFenced", what, err)
		}
		same(t, "the waybill after it", must[ledger.Waybill](t)(b.Waybill(t.Context(), 1)), w)
		if _, err := b.Waybill(t.Context(), 50); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: the batch left another waybill behind: %v", what, err)
		}
	}
	fenced("the first version twice", func(s *ledger.Waybill) { s.Status = waybill.StatusHeld })
	fenced("a version left out", func(s *ledger.Waybill) { s.Version = 3 })
	fenced("a version left out, in another status", func(s *ledger.Waybill) { s.Version, s.Status = 3, waybill.StatusHeld })
	fenced("a second waybill for one order", func(s *ledger.Waybill) { s.ID = 2 })
	fenced("a waybill that is not there", func(s *ledger.Waybill) { s.ID, s.Version = 2, 2 })

	// Several rounds of one order may share a batch.
	var rounds []ledger.Waybill
	for v := int64(2); v <= 5; v++ {
		w.Version, w.State = v, fmt.Appendf(nil, "state %d", v)
		rounds = append(rounds, w)
	}
	b.commit(t, &store.Batch{Waybills: rounds})
	same(t, "the last of four rounds", must[ledger.Waybill](t)(b.Waybill(t.Context(), 1)), w)
	fenced("an old version again", func(s *ledger.Waybill) { s.Version = 4 })

	// An order and its return share a tag.
	back := w
	back.ID, back.Version, back.Kind = 2, 1, waybill.FlowReturn
	b.commit(t, &store.Batch{Waybills: []ledger.Waybill{back}})
	same(t, "waybills by tag", must[[]ledger.Waybill](t)(b.WaybillsByTag(t.Context(), w.Tag)), []ledger.Waybill{w, back})
}

func waybillLists(t *testing.T, b *books) {
	statuses := []waybill.Status{waybill.StatusReceived, waybill.StatusShipped, waybill.StatusInvoiced}
	var all []ledger.Waybill
	var refs []ledger.Reference
	for id := int64(1); id <= 120; id++ {
		w := aWaybill(id)
		w.Status = statuses[id%3]
		all = append(all, w)
		refs = append(refs,
			ledger.Reference{Waybill: id, System: "shop", Kind: "order", Value: w.Ref},
			ledger.Reference{Waybill: id, System: "erp", Kind: "load", Value: fmt.Sprintf("LOAD-%d", id%4)})
	}
	b.commit(t, &store.Batch{Waybills: all, References: refs})
	var moved []ledger.Waybill
	for i := range all {
		if all[i].ID%2 == 0 {
			all[i].Version, all[i].Status = 2, statuses[(all[i].ID+1)%3]
			moved = append(moved, all[i])
		}
	}
	b.commit(t, &store.Batch{Waybills: moved})
	slices.Reverse(all)
	for _, ref := range []string{"", "SO-1", "SO-11", "SO-", "so-1", "LOAD-2", "LOAD", "%", "SO-999"} {
		for _, status := range append([]waybill.Status{"", waybill.StatusHeld}, statuses...) {
			q := ledger.WaybillQuery{Ref: ref, Status: status}
			want := slices.DeleteFunc(slices.Clone(all), func(w ledger.Waybill) bool {
				return status != "" && w.Status != status ||
					!strings.HasPrefix(w.Ref, ref) && !strings.HasPrefix(fmt.Sprintf("LOAD-%d", w.ID%4), ref)
			})
			for _, size := range []int{3, 50} {
				got := pages(t, size, waybillID, func(before int64, limit int) ([]ledger.Waybill, error) {
					q.Before, q.Limit = before, limit
					return b.Waybills(t.Context(), q)
				})
				same(t, fmt.Sprintf("waybills of %+v", q), got, want)
			}
		}
	}
	loads := must[[]ledger.Waybill](t)(b.WaybillsByRef(t.Context(), "LOAD-2", 5))
	same(t, "the newest five of a load", ids(loads, waybillID), []int64{118, 114, 110, 106, 102})
	if n := len(must[[]ledger.Waybill](t)(b.WaybillsByRef(t.Context(), "LOAD", 5))); n != 0 {
		t.Errorf("half a reference finds %d waybills, want none", n)
	}
}

func waybillReferences(t *testing.T, b *books) {
	refs := []ledger.Reference{
		{Waybill: 1, System: "erp", Kind: "invoice", Value: "R-7"},
		{Waybill: 1, System: "erp", Kind: "order", Value: "E-77"},
		{Waybill: 1, System: "shop", Kind: "order", Value: "№ 7 · ü😀"},
	}
	other := ledger.Reference{Waybill: 2, System: "erp", Kind: "invoice", Value: "R-7"}
	b.commit(t, &store.Batch{Waybills: []ledger.Waybill{aWaybill(1), aWaybill(2)}, References: append(slices.Clone(refs), other, refs[0])})
	b.commit(t, &store.Batch{References: refs})
	same(t, "references", must[[]ledger.Reference](t)(b.References(t.Context(), 1)), refs)
	same(t, "references of another", must[[]ledger.Reference](t)(b.References(t.Context(), 2)), []ledger.Reference{other})
	same(t, "by a shared reference", ids(must[[]ledger.Waybill](t)(b.WaybillsByRef(t.Context(), "R-7", 10)), waybillID), []int64{2, 1})
	same(t, "by a reference in any script", ids(must[[]ledger.Waybill](t)(b.WaybillsByRef(t.Context(), "№ 7 · ü😀", 10)), waybillID), []int64{1})
}
