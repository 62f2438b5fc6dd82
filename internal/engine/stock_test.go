package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// stocked is a rig whose shop hears of availability.
func stocked(t testing.TB, changes ...func(*rig)) *rig {
	return newRig(t, append([]func(*rig){func(r *rig) {
		c := r.opt.Policy.Channels["shop"]
		c.Availability = true
		r.opt.Policy.Channels["shop"] = c
	}}, changes...)...)
}

func (r *rig) adjust(doc string, version int, qty string) Kept {
	r.t.Helper()
	return r.tell("wms", waybill.InventoryAdjusted, fmt.Sprintf(
		`{"document":%q,"sku":"A","warehouse":"W1","version":%d,"qty":%q,"reason":"count"}`, doc, version, qty))
}

func (r *rig) position(sku, available string) Kept {
	r.t.Helper()
	return r.tell("erp", waybill.InventoryPosition, fmt.Sprintf(
		`{"sku":%q,"warehouse":"W1","available":%q,"as_of":%q}`, sku, available, r.now.Format(time.RFC3339)))
}

// inLane lists what a system holds of a lane, as "kind line:qty …".
func (r *rig) inLane(system, name string) []string {
	out := []string{}
	for _, b := range r.fakes[system].books {
		if b.lane != name {
			continue
		}
		var lines []string
		for line, qty := range b.lines {
			lines = append(lines, line+":"+qty)
		}
		slices.Sort(lines)
		out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s", b.seq, b.kind, strings.Join(lines, " "))))
	}
	return out
}

func (r *rig) wantLane(system, name string, want ...string) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.inLane(system, name)); diff != "" {
		r.t.Errorf("%s holds in %s (-want +got):\n%s", system, name, diff)
	}
}

// item reads what the store holds of an item.
func (r *rig) item(sku string) ledger.Waybill {
	r.t.Helper()
	w, err := r.kept.WaybillByTag(r.t.Context(), process.FlowTag(waybill.FlowItem, sku, r.opt.Policy), waybill.FlowItem, sku)
	r.must(err)
	return w
}

// stockLife is what happens to stock while an order waits for it. Each step
// leaves time enough for a process that died to find out what took effect.
func stockLife(r *rig) {
	r.settle()
	r.place("SO-1")
	r.pass(3 * time.Minute)
	r.adjust("ADJ-1", 1, "-3")
	r.position("A", "40")
	r.tell("wms", waybill.ReceiptConfirmed, `{"document":"GR-1","warehouse":"W1","lines":[{"sku":"A","qty":"50"},{"sku":"B","qty":"9"}]}`)
	r.pass(3 * time.Minute)
	r.tellAll(
		fact{"wms", waybill.ShipmentConfirmed, `{"order":"SO-1","shipment":"S1","shipped_at":"2026-03-02T09:00:00Z","final":true,"lines":[{"line":"1","qty":"2"}]}`},
		fact{"wms", waybill.TransferShipped, `{"document":"T-1","warehouse":"W1","lines":[{"sku":"A","qty":"4"}]}`},
		fact{"wms", waybill.InventorySnapshot, `{"warehouse":"W1","as_of":"2026-03-02T09:00:00Z","lines":[{"sku":"A","qty":"43"}]}`},
	)
	r.pass(3 * time.Minute)
	r.pass(3 * time.Minute)
	r.adjust("ADJ-1", 2, "-5")
	r.adjust("ADJ-2", 1, "1")
	r.position("A", "4")
	r.pass(3 * time.Minute)
	r.position("B", "1")
	r.pass(3 * time.Minute)
	r.pass(3 * time.Minute)
	r.position("B", "2")
	r.pass(2 * time.Hour)
}

func TestStockLife(t *testing.T) {
	r := stocked(t)
	stockLife(r)
	r.audit()
	r.wantLane("erp", "~~item~A", "1 inventory_adjustment 1:-3", "2 inventory_adjustment 1:-2", "3 inventory_adjustment 1:1")
	r.wantLane("shop", "~~item~A", "1 inventory_availability 1:40", "2 inventory_availability 1:4")
	r.wantLane("shop", "~~item~B", "1 inventory_availability 1:1", "2 inventory_availability 1:2")
	r.wantLane("erp", "~~receipt~GR-1", "1 receipt_posting 1:50 2:9")
	r.wantLane("erp", "~~transfer~T-1", "1 inventory_adjustment 1:-4")
	r.wantLane("wms", "SO-1", "1 warehouse_order 1:5 2:2", "2 warehouse_order 1:3", "3 warehouse_order 2:2")
	if xs := r.open(""); len(xs) != 0 {
		t.Errorf("open: %v", xs)
	}
}

// The process dies at every place where it can, in the middle of what happens
// to stock: the books end as if nothing had happened, and no position is spent
// twice.
func TestF01_StockOutlivesTheProcess(t *testing.T) {
	for _, how := range []struct {
		class           waybill.Idempotency
		overlap, arrive bool
	}{{waybill.ByLookup, false, false}, {waybill.ByKey, false, true}, {waybill.ByLookup, true, true}} {
		t.Run(fmt.Sprintf("%s overlap=%t arrive=%t", how.class, how.overlap, how.arrive), func(t *testing.T) {
			t.Parallel()
			setup := func(at int) *rig {
				return stocked(t, func(r *rig) {
					r.overlap, r.bite, r.arrive, r.crashAt = how.overlap, 2, how.arrive, at
					r.opt.Timing.ProbeEvery = time.Hour
					for _, f := range r.fakes {
						f.class = how.class
					}
				})
			}
			end := func(r *rig) map[string][]string {
				out := map[string][]string{}
				for _, at := range []string{"erp ~~item~A", "erp ~~receipt~GR-1", "erp ~~transfer~T-1", "wms SO-1", "erp SO-1"} {
					system, name, _ := strings.Cut(at, " ")
					out[at] = r.inLane(system, name)
				}
				for _, name := range []string{"~~item~A", "~~item~B"} { // what the shop was told on the way is its own affair
					told := r.inLane("shop", name)
					out["shop "+name] = []string{told[len(told)-1][2:]}
				}
				return out
			}
			calm := setup(0)
			stockLife(calm)
			want := end(calm)
			for at := 1; at <= calm.points; at++ {
				r := setup(at)
				stockLife(r)
				r.audit()
				if diff := cmp.Diff(want, end(r)); diff != "" {
					t.Errorf("the end (-want +got):\n%s", diff)
				}
				if t.Failed() {
					t.Fatalf("died at point %d of %d", at, calm.points)
				}
			}
			t.Logf("%d points", calm.points)
		})
	}
}

// A repetition from long ago is recognised after the state, the memory and the
// process have forgotten it; a newer version goes with the difference.
func TestStock_AncientAdjustments(t *testing.T) {
	r := stocked(t)
	for i := range 40 {
		r.adjust(fmt.Sprintf("ADJ-%d", i), 1, "-1")
	}
	r.settle()
	size := len(r.item("A").State)
	for i := range 40 {
		r.adjust(fmt.Sprintf("ADK-%d", i), 1, "-1")
		r.settle()
	}
	if now := len(r.item("A").State); now > size {
		t.Errorf("the state grew from %d to %d bytes", size, now)
	}
	r.restart()
	again := r.adjust("ADJ-3", 1, "-1")
	if ev := r.event(again.Event); ev.State != ledger.Ignored || !strings.HasPrefix(ev.Reason, "same fact as event") {
		t.Errorf("the repetition is %s: %s", ev.State, ev.Reason)
	}
	f, err := r.e.flowByRef(t.Context(), waybill.FlowItem, "A")
	r.must(err)
	if _, d := f.find(""); d != nil || len(f.lanes) > 0 && len(f.lanes[0].queue) > 0 {
		t.Errorf("the memory holds %d settled deliveries", len(f.lanes[0].queue))
	}
	r.adjust("ADJ-3", 2, "-4")
	r.settle()
	got := r.inLane("erp", "~~item~A")
	if len(got) != 81 || got[80] != "81 inventory_adjustment 1:-3" {
		t.Errorf("%d documents, the last %q", len(got), got[len(got)-1])
	}
	r.audit()
}

// While a channel is down it misses nothing but what is no longer true.
func TestStock_AvailabilityWhileTheChannelIsDown(t *testing.T) {
	r := stocked(t)
	r.settle()
	r.must(r.do(ToSystem, "shop", "pause"))
	for i := range 6 {
		r.now = r.now.Add(time.Second)
		r.position("A", fmt.Sprint(20-i))
	}
	r.settle()
	r.must(r.do(ToSystem, "shop", "resume"))
	r.pass(time.Minute)
	r.wantLane("shop", "~~item~A", "1 inventory_availability 1:15")
	counts := map[lane.State]int{}
	ds, err := r.kept.DeliveriesOf(t.Context(), r.item("A").ID)
	r.must(err)
	for _, d := range ds {
		counts[d.State]++
	}
	if diff := cmp.Diff(map[lane.State]int{lane.Done: 1, lane.Cancelled: 5}, counts); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	r.audit()
}

// short places an order of so many pieces of A, and lets the warehouse close it
// without shipping any.
func (r *rig) short(order, qty, more string) {
	r.t.Helper()
	r.tell("shop", waybill.OrderPlaced, fmt.Sprintf(`{"order":%q,"customer":"C1","currency":"EUR","ship_to":{"id":"D1"}%s,"lines":[`+
		`{"line":"1","sku":"A","qty":%q,"uom":"EA","price":"9.90"}]}`, order, more, qty))
	r.settle()
	r.tell("wms", waybill.WarehouseOrderClosed, fmt.Sprintf(`{"order":%q,"warehouse_order":%q}`, order, r.one(order, waybill.WarehouseOrder).Key))
	r.settle()
}

// released lists the orders whose backorder went to the warehouse again.
func (r *rig) released(orders ...string) []string {
	out := []string{}
	for _, o := range orders {
		if r.held("wms", o)[waybill.WarehouseOrder] > 1 {
			out = append(out, o)
		}
	}
	return out
}

// The oldest order comes first, a line's backorder is covered whole or not at
// all, and each position is spent once.
func TestBackorder_OldestFirstWholeAndOnce(t *testing.T) {
	r := stocked(t)
	r.settle()
	orders := []string{"SO-1", "SO-2", "SO-3"}
	for i, qty := range []string{"6", "5", "3"} {
		r.short(orders[i], qty, "")
	}
	r.position("A", "10")
	r.pass(time.Minute)
	if diff := cmp.Diff([]string{"SO-1", "SO-3"}, r.released(orders...)); diff != "" {
		t.Errorf("released (-want +got):\n%s", diff)
	}
	event, left, _ := r.stockOf("A").Position("W1")
	if left.String() != "1" {
		t.Errorf("%s are left of the position, want 1", left)
	}
	r.tell("erp", waybill.InventoryPosition, fmt.Sprintf(`{"sku":"A","warehouse":"W1","available":"10","as_of":%q}`, r.now.Add(-time.Minute).Format(time.RFC3339)))
	r.settle()
	if again, left, _ := r.stockOf("A").Position("W1"); again != event || left.String() != "1" {
		t.Errorf("the repeated position is event %s with %s left", again, left)
	}
	r.position("A", "4")
	r.pass(time.Minute)
	r.position("A", "5")
	r.pass(time.Minute)
	if diff := cmp.Diff(orders, r.released(orders...)); diff != "" {
		t.Errorf("released in the end (-want +got):\n%s", diff)
	}
	r.audit()
}

func (r *rig) stockOf(sku string) *process.Stock {
	r.t.Helper()
	f, err := r.e.flowByRef(r.t.Context(), waybill.FlowItem, sku)
	r.must(err)
	return f.state.(*process.Stock)
}

// An order that ships complete waits until positions of one warehouse cover all
// its lines.
func TestBackorder_ShipComplete(t *testing.T) {
	r := stocked(t)
	r.settle()
	r.tell("shop", waybill.OrderPlaced, strings.Replace(orderData("SO-1", 1, "5"), `"lines"`, `"ship_complete":true,"lines"`, 1))
	r.settle()
	r.tell("wms", waybill.WarehouseOrderClosed, fmt.Sprintf(`{"order":"SO-1","warehouse_order":%q}`, r.one("SO-1", waybill.WarehouseOrder).Key))
	r.settle()
	r.position("A", "5")
	r.pass(time.Minute)
	if got := r.released("SO-1"); len(got) != 0 {
		t.Error("it was released for one of its lines")
	}
	r.tell("erp", waybill.InventoryPosition, fmt.Sprintf(`{"sku":"B","warehouse":"W2","available":"2","as_of":%q}`, r.now.Format(time.RFC3339)))
	r.pass(time.Minute)
	if got := r.released("SO-1"); len(got) != 0 {
		t.Error("it was released for the stock of two warehouses")
	}
	r.position("B", "2")
	r.pass(time.Minute)
	r.wantLane("wms", "SO-1", "1 warehouse_order 1:5 2:2", "2 warehouse_order 1:5 2:2")
	for _, sku := range []string{"A", "B"} {
		if _, left, _ := r.stockOf(sku).Position("W1"); !left.IsZero() {
			t.Errorf("%s of %s are left, want none", left, sku)
		}
	}
	r.audit()
}

// More orders wait than one commit goes through: the rest follows, also when
// the process dies in between.
func TestBackorder_ManyWait(t *testing.T) {
	for _, dies := range []bool{false, true} {
		t.Run(fmt.Sprintf("dies=%t", dies), func(t *testing.T) {
			r := stocked(t)
			r.settle()
			var orders []string
			for i := range watchersMax + 20 {
				orders = append(orders, fmt.Sprintf("SO-%d", i))
				qty := "2"
				if i < watchersMax { // a page of orders that it doesn't cover
					qty = "1000"
				}
				r.short(orders[i], qty, "")
			}
			r.position("A", "39")
			if dies {
				r.restart()
			}
			r.pass(time.Minute)
			if got := r.released(orders...); len(got) != 19 || got[0] != orders[watchersMax] {
				t.Errorf("%d orders are released, want the 19 behind those that it does not cover: %v", len(got), got)
			}
			r.audit()
		})
	}
}

// The operator's word releases whatever the stock.
func TestBackorder_ReleasedByHand(t *testing.T) {
	r := stocked(t)
	r.settle()
	r.short("SO-1", "6", "")
	r.must(r.do(ToOrder, "SO-1", "release_backorder"))
	r.settle()
	r.wantLane("wms", "SO-1", "1 warehouse_order 1:6", "2 warehouse_order 1:6")
	r.audit()
}

// The number of an order is the order's, also where an item, a receipt or a
// return has it too.
func TestStock_OneNumberForManyThings(t *testing.T) {
	r := stocked(t)
	r.settle()
	r.place("A")
	r.adjust("A", 1, "-1")
	r.tell("wms", waybill.ReceiptConfirmed, `{"document":"A","warehouse":"W1","lines":[{"sku":"A","qty":"50"}]}`)
	r.tell("shop", waybill.ReturnRequested, `{"return":"A","lines":[{"line":"1","qty":"1","reason":"broken"}]}`)
	r.settle()
	r.must(r.do(ToOrder, "A", "hold"))
	keys := map[string]bool{}
	ws, err := r.kept.WaybillsByRef(t.Context(), "A", 10)
	r.must(err)
	for _, w := range ws {
		ds, err := r.kept.DeliveriesOf(t.Context(), w.ID)
		r.must(err)
		for _, d := range ds {
			keys[d.Key[:13]] = true
		}
	}
	if len(ws) != 4 || len(keys) != 3 {
		t.Errorf("%d waybills with %d tags of keys, want 4 with 3", len(ws), len(keys))
	}
	if _, err := r.kept.Past(t.Context(), r.item("A").ID, "no such name"); err == nil || !strings.Contains(err.Error(), store.ErrNotFound.Error()) {
		t.Errorf("a past that is not there: %v", err)
	}
	r.audit()
}
