package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
)

// ownTerms lets the shop name items and customers in its own terms.
func ownTerms(r *rig) {
	r.fakes["shop"].profile = identity.Profile{identity.Item: true, identity.Customer: true}
}

func itemOf(system, value, canonical string) identity.Mapping {
	return identity.Mapping{Reference: identity.Reference{System: system, Kind: identity.Item, Value: value}, Canonical: canonical}
}

func (r *rig) remap(add ...identity.Mapping) (Mapped, error) {
	r.t.Helper()
	type answer struct {
		m   Mapped
		err error
	}
	for range 4 {
		reply := make(chan answer, 1)
		r.enqueue(func(e *Engine) {
			m, err := e.Map(r.t.Context(), Remap{Actor: "ops", Reason: "a test", Add: add})
			reply <- answer{m, err}
		})
		if r.step(); r.overlap {
			r.stir()
		}
		if a := soon(r.t, reply); !errors.Is(a.err, ErrStopped) {
			return a.m, a.err
		}
	}
	return Mapped{}, ErrStopped
}

// view is an order as C6 shows it.
func (r *rig) view(order string) process.View {
	r.t.Helper()
	f, err := r.e.flowByRef(r.t.Context(), waybill.FlowSales, order)
	r.must(err)
	return f.sales().View()
}

func strangeOrder(order, sku string) string {
	return fmt.Sprintf(`{"order":%q,"customer":"K-7","currency":"EUR","ship_to":{"id":"D1"},"lines":[`+
		`{"line":"1","sku":"A-1","qty":"5","uom":"EA","price":"9.90"},{"line":"2","sku":%q,"qty":"2","uom":"CS","price":"12.00","colour":"red"}]}`, order, sku)
}

// Complaint 9 and 11: an unmapped line is no lost order. Each order is held, the
// line named; one mapping releases all that waited for it, once.
func TestIdentity_OneMappingReleasesAll(t *testing.T) {
	for _, overlap := range []bool{false, true} {
		t.Run(fmt.Sprint("overlap=", overlap), func(t *testing.T) {
			r := newRig(t, ownTerms, func(r *rig) { r.overlap, r.bite = overlap, 2 })
			r.settle()
			_, err := r.remap(itemOf("shop", "A-1", "A"))
			r.must(err)
			_, err = r.remap(identity.Mapping{Reference: identity.Reference{System: "shop", Kind: identity.Customer, Value: "K-7"}, Canonical: "C1"})
			r.must(err)
			var kept []Kept
			for i := range 3 {
				kept = append(kept, r.tell("shop", waybill.OrderPlaced, strangeOrder(fmt.Sprintf("SO-%d", i), "BOX")))
			}
			r.settle()
			for i := range 3 {
				order := fmt.Sprintf("SO-%d", i)
				if s := r.orderStatus(order); s != waybill.StatusHeld {
					t.Errorf("%s is %s, want held", order, s)
				}
				holds := r.view(order).Holds
				if len(holds) != 1 || holds[0].Kind != "unmapped" || holds[0].Line != "2" || !strings.Contains(holds[0].Reason, "item BOX of shop (line 2)") {
					t.Errorf("%s is held by %+v", order, holds)
				}
				if n := len(r.deliveries(order, "", "")); n != 0 {
					t.Errorf("%d documents of %s were decided on", n, order)
				}
			}
			if xs := r.open(CauseUnmapped); len(xs) != 3 || xs[0].Money.String() != "EUR 73.50" || xs[0].Actions[0] != "map" {
				t.Errorf("the exceptions are %+v", xs)
			}
			r.restart()
			box := itemOf("shop", "BOX", "B")
			box.Multiplier, box.Unit = waybill.NewDecimal(12), "EA"
			out, err := r.remap(box)
			r.must(err)
			if !slices.Equal(out.Orders, []string{"SO-0", "SO-1", "SO-2"}) || len(out.Events) != 3 {
				t.Errorf("released %+v", out)
			}
			r.settle()
			again, err := r.remap(box)
			if err != nil || len(again.Events) != 0 {
				t.Errorf("the same mapping again released %+v, %v", again, err)
			}
			for i := range 3 {
				order := fmt.Sprintf("SO-%d", i)
				want := map[waybill.Kind]int{waybill.OrderCheck: 1, waybill.SalesOrder: 1}
				if d := cmp.Diff(want, r.held("erp", order)); d != "" {
					t.Errorf("the ERP's books of %s (-want +got):\n%s", order, d)
				}
				if ev := r.event(kept[i].Event); ev.State != ledger.Superseded {
					t.Errorf("the event that waited is %s", ev.State)
				}
				content := r.contentOf(order)
				l := content.Lines[1]
				if content.Customer != "C1" || l.SKU != "B" || l.Qty.String() != "24" || l.UOM != "EA" || l.Price.String() != "1" {
					t.Errorf("%s reads %+v", order, content)
				}
				named, ok := identity.Lines("shop", content)("2")
				if !ok || named.SKU != "BOX" || named.Qty != "2" || named.UOM != "CS" || named.Price != "12.00" || !strings.Contains(string(l.Unknown), "red") {
					t.Errorf("the line keeps %+v beside %s", named, l.Unknown)
				}
			}
			if xs := r.open(""); len(xs) != 0 {
				t.Errorf("still open: %+v", xs)
			}
			r.audit()
		})
	}
}

func (r *rig) contentOf(order string) *waybill.Order {
	r.t.Helper()
	f, err := r.e.flowByRef(r.t.Context(), waybill.FlowSales, order)
	r.must(err)
	return f.sales().Content()
}

// A process that dies anywhere releases what waited once: before the commit
// nothing is mapped, after it all of it went on.
func TestIdentity_ReleaseSurvivesCrashes(t *testing.T) {
	for _, overlap := range []bool{false, true} {
		for at := 1; ; at++ {
			r := newRig(t, ownTerms, func(r *rig) { r.overlap, r.bite = overlap, 3 })
			r.settle()
			for _, m := range []identity.Mapping{itemOf("shop", "A-1", "A"),
				{Reference: identity.Reference{System: "shop", Kind: identity.Customer, Value: "K-7"}, Canonical: "C1"}} {
				_, err := r.remap(m)
				r.must(err)
			}
			r.points, r.crashAt = 0, at
			for i := range 2 {
				r.tell("shop", waybill.OrderPlaced, strangeOrder(fmt.Sprintf("SO-%d", i), "BOX"))
			}
			_, err := r.remap(itemOf("shop", "BOX", "B"))
			r.must(err)
			r.settle()
			r.pass(rigTiming.Deadline * 3)
			for i := range 2 {
				order := fmt.Sprintf("SO-%d", i)
				want := map[waybill.Kind]int{waybill.OrderCheck: 1, waybill.SalesOrder: 1}
				if d := cmp.Diff(want, r.held("erp", order)); d != "" {
					t.Errorf("dying at %d, overlap %t: the ERP's books of %s (-want +got):\n%s", at, overlap, order, d)
				}
			}
			if xs := r.open(""); len(xs) != 0 {
				t.Errorf("dying at %d, overlap %t: still open: %+v", at, overlap, xs)
			}
			r.audit()
			if r.points < at { // it got through
				break
			}
		}
	}
}

// A reference has one meaning: the second is refused, both are named, and the
// books stay.
func TestIdentity_SecondMeaningRefused(t *testing.T) {
	r := newRig(t, ownTerms)
	r.settle()
	_, err := r.remap(itemOf("shop", "BOX", "B"))
	r.must(err)
	var wrong *waybill.Error
	if _, err := r.remap(itemOf("shop", "NEW", "A"), itemOf("shop", "BOX", "C")); !errors.As(err, &wrong) || wrong.Code != "mapped_already" ||
		!strings.Contains(wrong.Detail, "means B already") || !strings.Contains(wrong.Detail, "C too") {
		t.Errorf("a second meaning: %v", err)
	}
	kept, err := r.kept.Mappings(t.Context(), identity.Query{})
	if err != nil || len(kept) != 1 || kept[0].Canonical != "B" || kept[0].Actor != "ops" {
		t.Errorf("the mappings are %+v, %v", kept, err)
	}
	log, err := r.kept.AuditAfter(t.Context(), 0, 100)
	if err != nil || len(log) != 1 || log[0].Action != "map" || log[0].Object != "item BOX of shop" || !strings.Contains(string(log[0].After), `"B"`) {
		t.Errorf("the audit log is %+v, %v", log, err)
	}
}

// An order that names two unknown things waits for both; an exception's own
// action maps its reference.
func TestIdentity_WaitsForAll(t *testing.T) {
	r := newRig(t, ownTerms)
	r.settle()
	r.tell("shop", waybill.OrderPlaced, strangeOrder("SO-1", "BOX"))
	r.settle()
	for left := 3; left > 0; left-- {
		xs := r.open(CauseUnmapped)
		if len(xs) != left || len(r.view("SO-1").Holds) != left {
			t.Fatalf("%d exceptions and holds %+v, want %d", len(xs), r.view("SO-1").Holds, left)
		}
		r.must(r.give(Command{Actor: "ops", Object: ToException, Name: "exc", ID: xs[0].ID, Action: "map", Reason: "known",
			Mapping: identity.Mapping{Canonical: "X" + fmt.Sprint(left)}}))
		r.settle()
	}
	if xs := r.open(CauseUnmapped); len(xs) != 0 || len(r.view("SO-1").Holds) != 0 || r.held("erp", "SO-1")[waybill.SalesOrder] != 1 {
		t.Errorf("left: %+v, %+v", xs, r.view("SO-1").Holds)
	}
	r.audit()
}

// What comes of an order is counted in the units of its source, and told to it
// in them.
func TestIdentity_PacksInAndOut(t *testing.T) {
	r := newRig(t, ownTerms)
	r.settle()
	box := itemOf("shop", "BOX", "B")
	box.Multiplier, box.Unit = waybill.NewDecimal(12), "EA"
	_, err := r.remap(box, itemOf("shop", "A-1", "A"),
		identity.Mapping{Reference: identity.Reference{System: "shop", Kind: identity.Customer, Value: "K-7"}, Canonical: "C1"})
	r.must(err)
	early := r.tell("shop", waybill.OrderCancelRequested, `{"order":"SO-1","request":"R1","lines":[{"line":"2","qty":"1"}]}`)
	if ev := r.event(early.Event); ev.State != ledger.ParkedEvent {
		t.Errorf("a cancellation in boxes before its order is %s", ev.State)
	}
	r.tell("shop", waybill.OrderPlaced, strangeOrder("SO-1", "BOX"))
	r.settle()
	if xs := r.open(""); len(xs) != 0 {
		t.Errorf("still open: %+v", xs)
	}
	if q := r.view("SO-1").Lines[1]; q.Cancelled.String() != "12" || q.Ordered.String() != "24" {
		t.Errorf("the line reads %+v", q)
	}
	r.ship("SO-1", "S1", `[{"line":"1","qty":"5"},{"line":"2","qty":"12"}]`)
	r.settle()
	body, err := r.kept.Body(t.Context(), r.one("SO-1", waybill.Fulfilment).ID)
	r.must(err)
	if got := string(body.Bytes); !strings.Contains(got, `"sku":"BOX","qty":"1","uom":"CS"`) && !strings.Contains(got, `"line":"2","qty":"1"`) {
		t.Errorf("the shop is told %s", got)
	}
	r.audit()
}

// A target without a number for what it is sent keeps that document waiting,
// with the reason; its own number sends it.
func TestIdentity_TargetsOwnNumber(t *testing.T) {
	r := newRig(t, func(r *rig) { r.fakes["wms"].profile = identity.Profile{identity.Item: true} })
	r.settle()
	r.place("SO-1")
	r.settle()
	_, err := r.remap(itemOf("wms", "W-A", "A"))
	r.must(err)
	r.settle()
	d := r.one("SO-1", waybill.WarehouseOrder)
	if xs := r.open("cannot_render"); d.State != lane.Parked || len(xs) != 1 || !strings.Contains(xs[0].Detail, "wms has no number for item B") {
		t.Fatalf("the warehouse order is %s: %+v", d.State, xs)
	}
	r.restart()
	out, err := r.remap(itemOf("wms", "W-B", "B"))
	if err != nil || !slices.Equal(out.Deliveries, []string{d.Key}) {
		t.Errorf("released %+v, %v", out, err)
	}
	r.settle()
	body, err := r.kept.Body(t.Context(), d.ID)
	r.must(err)
	if got := string(body.Bytes); !strings.Contains(got, `"W-A"`) || !strings.Contains(got, `"W-B"`) || r.held("wms", "SO-1")[waybill.WarehouseOrder] != 1 {
		t.Errorf("the warehouse was sent %s", got)
	}
	if xs, err := r.kept.Exceptions(t.Context(), exception.Query{State: exception.Open}); err != nil || len(xs) != 0 {
		t.Errorf("still open: %+v, %v", xs, err)
	}
	r.audit()
}
