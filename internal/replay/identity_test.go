package replay

import (
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/identity"
)

func (w *world) mapItem(value, canonical string, remove ...int64) engine.Mapped {
	w.Helper()
	m := identity.Mapping{Reference: identity.Reference{System: "market", Kind: identity.Item, Value: value}, Canonical: canonical,
		Multiplier: waybill.NewDecimal(12), Unit: "EA"}
	out, err := w.eng.Map(w.Context(), engine.Remap{Actor: "ops", Add: []identity.Mapping{m}, Remove: remove})
	if err != nil {
		w.Fatal(err)
	}
	w.rest()
	return out
}

// What was translated reads the same in a replay, whether it was mapped when it
// came or waited; a mapping that was changed since is shown as a difference, and
// one that is missing takes nothing back.
func TestIdentity_ReplayReadsTheSame(t *testing.T) {
	w := newWorld(t)
	whole := Request{From: w.clock().Add(-time.Minute)}
	clean := func(when string) {
		t.Helper()
		if res := w.replay(whole); !res.Clean() {
			t.Errorf("%s: %+v", when, res.Report)
		}
	}
	w.push("market", "order.placed", orderData("1", "2")) // it waits
	clean("while an order waits")
	first := w.mapItem("A", "SKU-A")
	if len(first.Orders) != 1 {
		t.Fatalf("released %+v", first)
	}
	w.push("market", "order.placed", orderData("2", "3"))
	w.push("market", "order.cancel_requested", `{"order":"2","request":"R1","lines":[{"line":"1","qty":"1"}]}`)
	clean("with an order that waited and one that did not")

	w.mapItem("A", "SKU-B", first.Mappings[0].ID)
	res := w.replay(whole)
	if res.Different != 2 || len(res.Differs) != 2 {
		t.Fatalf("after a mapping was changed: %+v", res.Report)
	}
	for _, d := range res.Differs {
		if len(d.Messages) == 0 || !strings.Contains(string(d.Messages[0].What), "changed") {
			t.Errorf("%s differs by %+v", d.Order, d.Messages)
		}
	}
	second, err := w.db.Mappings(t.Context(), identity.Query{})
	if err != nil || len(second) != 1 {
		t.Fatalf("mappings %+v, %v", second, err)
	}
	if _, err := w.eng.Map(t.Context(), engine.Remap{Actor: "ops", Remove: []int64{second[0].ID}}); err != nil {
		t.Fatal(err)
	}
	res = w.replay(Request{Order: "mk~.2", Live: true, Actor: "ops", Reason: "a test"})
	for _, d := range res.Differs {
		for _, m := range d.Messages {
			if m.What != Unreadable && m.What != Left {
				t.Errorf("without its mapping, %s %s", m.Type, m.What)
			}
		}
	}
}
