package engine

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/waybillhq/waybill"
)

// Whatever waits, nothing is lost from a backlog, a rank is served oldest first,
// the highest rank has its turns, and a lower one that waits is never passed
// over for more than one round.
func TestBacklog_Shares(t *testing.T) {
	kinds := []waybill.Kind{waybill.SalesOrderCancel, waybill.ShipmentPosting, waybill.Invoice, waybill.SalesOrder, waybill.InventoryAdjustment, waybill.ItemDocument}
	rapid.Check(t, func(t *rapid.T) {
		var b backlog
		waits := map[int][]int64{} // by rank, oldest first
		passed := map[int]int{}
		id, in := int64(0), 0
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			for range rapid.IntRange(0, 3).Draw(t, "new") {
				k := rapid.SampledFrom(kinds).Draw(t, "kind")
				id++
				b.push(k, id, id)
				waits[rank(k)] = append(waits[rank(k)], id)
				in++
			}
			if b.len() != in {
				t.Fatalf("%d wait, want %d", b.len(), in)
			}
			if in == 0 {
				continue
			}
			got := b.pop()
			in--
			for r := range ranks {
				w := waits[r]
				switch {
				case len(w) > 0 && w[0] == got.id:
					waits[r], passed[r] = w[1:], 0
				case len(w) > 0:
					if passed[r]++; passed[r] > keeps {
						t.Fatalf("rank %d was passed over %d times in a row", r, passed[r])
					}
				default:
					passed[r] = 0
				}
			}
		}
		left := 0
		for _, w := range waits {
			left += len(w)
		}
		if left != in {
			t.Fatalf("%d came out that were not the oldest of their rank", left-in)
		}
	})
}

// While cancellations flood a target, each lower rank keeps its twentieth.
func TestBacklog_FiveInAHundred(t *testing.T) {
	var b backlog
	n := map[waybill.Kind]int{}
	of := map[int64]waybill.Kind{}
	all := []waybill.Kind{waybill.SalesOrderCancel, waybill.ShipmentPosting, waybill.Invoice, waybill.SalesOrder, waybill.InventoryAdjustment, waybill.ItemDocument}
	for i := range int64(6000) {
		k := all[i%6]
		b.push(k, i, i)
		of[i] = k
	}
	for range 1000 {
		n[of[b.pop().id]]++
	}
	for _, k := range all[1:] {
		if n[k] != 50 {
			t.Errorf("%s has %d of 1000 turns, want 50", k, n[k])
		}
	}
	if n[all[0]] != 750 {
		t.Errorf("%s has %d of 1000 turns, want 750", all[0], n[all[0]])
	}
}

// The forecast of a drain, made while documents wait for a target that takes
// one a second, comes true.
func TestBudget_ForecastOfTheDrain(t *testing.T) {
	r := newRig(t, func(r *rig) { r.fakes["erp"].rate = 1 })
	r.settle()
	for i := range 60 {
		r.place(fmt.Sprintf("SO-%d", i))
	}
	r.settle()
	began := r.now
	r.pass(20 * time.Second)
	s := r.system("erp")
	if s.PerSecond < 0.9 || s.PerSecond > 1.1 {
		t.Errorf("the ERP takes one document a second, told %v", s.PerSecond)
	}
	told := r.now.Add(s.Drain)
	for r.system("erp").Drain > 0 {
		if r.now.Sub(began) > time.Hour {
			t.Fatal("the backlog does not drain")
		}
		r.pass(time.Second)
	}
	// What waits makes more documents when it is done; those waiting are counted.
	if off := r.now.Sub(told); off < -10*time.Second {
		t.Errorf("the backlog was gone %v before it was told", -off)
	}
	if r.now.Equal(began) {
		t.Error("nothing waited")
	}
}
