package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/store"
)

func aMapping(id int64) identity.Mapping {
	m := identity.Mapping{ID: id, Reference: identity.Reference{System: []string{"shop", "edi", ""}[id%3],
		Kind: identity.Kinds()[id%int64(len(identity.Kinds()))], Scope: []string{"", "C1"}[id%2], Value: fmt.Sprintf("V-%d ü", id/4)},
		Canonical: fmt.Sprintf("SKU-%d", id%9), Actor: "ann", At: at(int(id))}
	switch id % 4 {
	case 0:
		m.Company = "01"
	case 1:
		m.ValidFrom = "2026-01-02"
	case 2:
		m.Multiplier, m.Unit = waybill.MustDecimal("12.5"), "EA"
	}
	return m
}

func mappingID(m identity.Mapping) int64 { return m.ID }

func mappingRoundTrip(t *testing.T, b *books) {
	var all []identity.Mapping
	for id := int64(1); id <= 120; id++ {
		all = append(all, aMapping(id))
	}
	b.commit(t, &store.Batch{Mappings: all[:70]})
	b.commit(t, &store.Batch{Mappings: all[70:], Unmap: []int64{3, 50}})
	all = slices.DeleteFunc(all, func(m identity.Mapping) bool { return m.ID == 3 || m.ID == 50 })
	b.reopen(t)
	for _, q := range []identity.Query{{}, {System: "shop"}, {Kind: identity.Item}, {Canonical: "SKU-4"}, {Value: "V-7 ü"},
		{System: "edi", Kind: identity.Unit, Canonical: "SKU-1"}, {Value: "V-7 ü", System: "shop"}, {Value: "nothing"}} {
		want := slices.DeleteFunc(slices.Clone(all), func(m identity.Mapping) bool {
			return q.System != "" && m.System != q.System || q.Kind != "" && m.Kind != q.Kind ||
				q.Canonical != "" && m.Canonical != q.Canonical || q.Value != "" && m.Value != q.Value
		})
		got := pages(t, 7, mappingID, func(after int64, limit int) ([]identity.Mapping, error) {
			q.After, q.Limit = after, limit
			return b.Mappings(t.Context(), q)
		})
		same(t, fmt.Sprintf("mappings of %+v", q), got, want)
	}
}

// mappingOneMeaning: the database itself refuses a second meaning, so that two
// replicas can't give a reference one each.
func mappingOneMeaning(t *testing.T, b *books) {
	first := aMapping(4)
	b.commit(t, &store.Batch{Mappings: []identity.Mapping{first}})
	second := first
	second.ID, second.Canonical = 5, "another"
	if err := b.try(t.Context(), &store.Batch{Mappings: []identity.Mapping{second}}); err == nil {
		t.Error("one reference was given two meanings")
	}
	later := second
	later.ID, later.ValidFrom = 6, "2026-05-01"
	b.commit(t, &store.Batch{Mappings: []identity.Mapping{later}})
	b.commit(t, &store.Batch{Unmap: []int64{first.ID}, Mappings: []identity.Mapping{second}})
	same(t, "the mappings", must[[]identity.Mapping](t)(b.Mappings(t.Context(), identity.Query{})), []identity.Mapping{second, later})
	if err := b.try(t.Context(), &store.Batch{Unmap: []int64{first.ID}}); err == nil {
		t.Error("a mapping was removed twice")
	}
}
