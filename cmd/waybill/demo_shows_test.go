package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/sandbox"
)

// life is an order as its reader has it from the control API.
type life struct {
	process.View
	Timeline []struct {
		Kind   string `json:"kind"`
		System string `json:"system"`
		Type   string `json:"type"`
		State  string `json:"state"`
	} `json:"-"`
}

// lifeOf reads an order's life.
func (d *demo) lifeOf(t *testing.T, ref string) *life {
	t.Helper()
	api, err := apiOf(d.cfg, d.address)
	if err != nil {
		t.Fatal(err)
	}
	o := &life{}
	if err := api.call(t.Context(), http.MethodGet, "/api/v1/orders/"+ref, nil, o); err != nil {
		t.Fatalf("read order %s: %v", ref, err)
	}
	if err := api.call(t.Context(), http.MethodGet, "/api/v1/orders/"+ref+"/timeline", nil, &o.Timeline); err != nil {
		t.Fatalf("read the timeline of order %s: %v", ref, err)
	}
	return o
}

// at is the place of the first entry of the timeline of a type and, where it is
// named, of a system; -1 where there is none.
func (o *life) at(kind, system string) int {
	for i, e := range o.Timeline {
		if e.Type == kind && (system == "" || e.System == system) {
			return i
		}
	}
	return -1
}

// went checks that the timeline has entries of these types in this order.
func (o *life) went(t *testing.T, steps ...string) {
	t.Helper()
	last := -1
	for _, step := range steps {
		kind, system, _ := strings.Cut(step, "@")
		at := o.at(kind, system)
		if at < 0 {
			t.Errorf("%s: its timeline has no %s", o.Order, step)
			return
		}
		if at < last {
			t.Errorf("%s: %s comes before what it follows", o.Order, step)
		}
		last = max(last, at)
	}
}

func (o *life) line(test func(process.LineView) bool) *process.LineView {
	if i := slices.IndexFunc(o.Lines, test); i >= 0 {
		return &o.Lines[i]
	}
	return nil
}

// systems are the targets that took documents of a kind.
func (o *life) systems(kind waybill.Kind) (out []string) {
	for _, e := range o.Timeline {
		if e.Kind == "delivery" && e.Type == string(kind) && e.State == "done" && !slices.Contains(out, e.System) {
			out = append(out, e.System)
		}
	}
	slices.Sort(out)
	return out
}

// documents counts the documents of a kind that stand in somebody's books.
func (o *life) documents(kind waybill.Kind) (n int) {
	for _, e := range o.Timeline {
		if e.Kind == "delivery" && e.Type == string(kind) && e.State == "done" {
			n++
		}
	}
	return n
}

// billed checks that all of every line left, is posted and billed.
func (o *life) billed(t *testing.T) {
	t.Helper()
	if o.Status != waybill.StatusInvoiced {
		t.Errorf("%s is %s, want invoiced", o.Order, o.Status)
	}
	for _, l := range o.Lines {
		if !l.Shipped.Equal(l.Ordered) || l.Parent == "" && !l.Invoiced.Equal(l.Ordered) {
			t.Errorf("%s line %s: ordered %s, shipped %s, invoiced %s", o.Order, l.Line, l.Ordered, l.Shipped, l.Invoiced)
		}
	}
	o.went(t, "order.placed", "order_check@erp", "sales_order@erp", "warehouse_order", "shipment.confirmed", "shipment_posting@erp", "invoice@erp")
}

// shownLives says what the life of an order must be that shows a feature.
var shownLives = map[sandbox.Fate]func(*testing.T, *demo, *life){
	sandbox.Kitted: func(t *testing.T, _ *demo, o *life) {
		kit := o.line(func(l process.LineView) bool { return strings.HasPrefix(l.SKU, "KIT-") })
		if kit == nil {
			t.Fatalf("%s has no kit: %+v", o.Order, o.Lines)
		}
		parts := 0
		for _, l := range o.Lines {
			if l.Parent != kit.Line {
				continue
			}
			if parts++; !l.Shipped.Equal(l.Ordered) || !l.Posted.Equal(l.Ordered) || !l.Invoiced.IsZero() {
				t.Errorf("part %s: ordered %s, shipped %s, posted %s, invoiced %s", l.SKU, l.Ordered, l.Shipped, l.Posted, l.Invoiced)
			}
		}
		if parts != 2 {
			t.Errorf("the kit has %d parts, its item's record says 2", parts)
		}
		o.went(t, "order.placed", "item.known", "sales_order@erp")
		o.billed(t)
	},
	sandbox.Cases: func(t *testing.T, _ *demo, o *life) {
		l := o.line(func(l process.LineView) bool { return l.Line == "1" })
		if l == nil || l.BaseUOM != "EA" || !l.Ordered.Quo(waybill.NewDecimal(12)).Equal(l.Ordered.Quo(waybill.NewDecimal(12)).Round(0)) {
			t.Errorf("%s line 1 is counted as %+v, want pieces of whole cases", o.Order, l)
		}
		o.went(t, "order.placed", "item.known", "shipment.confirmed")
		o.billed(t)
	},
	sandbox.TwoSites: func(t *testing.T, _ *demo, o *life) {
		if got := o.systems(waybill.WarehouseOrder); !slices.Equal(got, []string{"wms", "wms2"}) {
			t.Errorf("warehouse orders went to %v, want both warehouses", got)
		}
		if len(o.Shipments) < 2 || o.documents(waybill.ShipmentPosting) < 2 {
			t.Errorf("%d shipments, %d postings, want one of each warehouse", len(o.Shipments), o.documents(waybill.ShipmentPosting))
		}
		o.billed(t)
	},
	sandbox.Parts: func(t *testing.T, _ *demo, o *life) {
		if n := len(o.Shipments); n < 2 || o.documents(waybill.Invoice) != n || o.documents(waybill.Fulfilment) != n {
			t.Errorf("%d shipments, %d invoices, %d fulfilments: want as many, at least 2", n, o.documents(waybill.Invoice), o.documents(waybill.Fulfilment))
		}
		o.billed(t)
	},
	sandbox.Loaded: func(t *testing.T, d *demo, o *life) {
		at := slices.IndexFunc(o.Refs, func(r process.Reference) bool { return r.Kind == "load" })
		if at < 0 {
			t.Fatalf("%s is on no load: %+v", o.Order, o.Refs)
		}
		if on := d.ordersOf(t, o.Refs[at].Value); len(on) != 3 || !slices.Contains(on, o.Order) {
			t.Errorf("load %s has the orders %v, want three with %s", o.Refs[at].Value, on, o.Order)
		}
		o.billed(t)
	},
	sandbox.Backordered: func(t *testing.T, _ *demo, o *life) {
		o.went(t, "warehouse_order@wms", "backorder_notice@portal")
		if n := o.documents(waybill.WarehouseOrder); n != 2 {
			t.Errorf("%d warehouse orders, want the first and the backorder's", n)
		}
		o.billed(t)
	},
	sandbox.Returned: func(t *testing.T, _ *demo, o *life) {
		o.went(t, "shipment.confirmed", "return.requested", "return_authorization@portal")
		o.went(t, "return.requested", "return.received", "credit_memo@erp", "refund_notice@portal")
		l := o.line(func(l process.LineView) bool { return l.Line == "1" })
		if l == nil || l.Returned.IsZero() || !l.Credited.Equal(l.Returned) {
			t.Errorf("of line 1 of %s came back and is credited: %+v", o.Order, l)
		}
	},
	sandbox.HeldReleased: func(t *testing.T, _ *demo, o *life) {
		if n := o.documents(waybill.OrderCheck); n < 2 {
			t.Errorf("%s was checked %d times, want a check that refuses and one that does not", o.Order, n)
		}
		if len(o.Holds) > 0 {
			t.Errorf("%s is still held: %+v", o.Order, o.Holds)
		}
		o.billed(t)
	},
	sandbox.Renamed: func(t *testing.T, d *demo, o *life) {
		at := o.at("reference.unmapped", "")
		if at < 0 || at > o.at("order_check", "erp") {
			t.Errorf("%s was not held before anything was sent: %+v", o.Order, o.Timeline)
		}
		number := d.mappedLive(t)
		if l := o.line(func(l process.LineView) bool { return l.SKU == d.world.Meaning(number) }); l == nil {
			t.Errorf("no line of %s has the item that %s means: %+v", o.Order, number, o.Lines)
		}
		o.billed(t)
	},
}

// ordersOf lists the orders that a reference names.
func (d *demo) ordersOf(t *testing.T, ref string) []string {
	t.Helper()
	list, err := d.store.WaybillsByRef(t.Context(), ref, 10)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for i := range list {
		if list[i].Kind == waybill.FlowSales {
			out = append(out, list[i].Ref)
		}
	}
	return out
}

// mappedLive is a number that was mapped after the storefront went live.
func (d *demo) mappedLive(t *testing.T) string {
	t.Helper()
	var all []struct {
		Value     string `json:"value"`
		Canonical string `json:"canonical"`
	}
	api, err := apiOf(d.cfg, d.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := api.call(t.Context(), http.MethodGet, "/api/v1/mappings?system=shop&limit=1000", nil, &all); err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.Value != m.Canonical {
			return m.Value
		}
	}
	t.Fatal("nothing was mapped live")
	return ""
}

// TestDemo_ShowsWhatItSays: of everything that the legend names there is an
// order, and its life, as the API tells it, is the one that the legend says.
func TestDemo_ShowsWhatItSays(t *testing.T) {
	runDemo(t, demoOptions{orders: 250, lines: 3, seed: 11, faults: "light", inProcess: true}, func(d *demo, r demoReport) {
		if len(r.Shows) != len(features) {
			t.Errorf("the legend has %d of %d entries: %+v", len(r.Shows), len(features), r.Shows)
		}
		for _, f := range features {
			at := slices.IndexFunc(r.Shows, func(s shown) bool { return s.What == f.what })
			if at < 0 {
				continue
			}
			t.Run(string(f.fate), func(t *testing.T) {
				o := d.lifeOf(t, r.Shows[at].Order)
				t.Logf("%s: %s", f.what, o.Order)
				if check := shownLives[f.fate]; check != nil {
					check(t, d, o)
				}
			})
		}
		for fate := range shownLives {
			if !slices.ContainsFunc(features, func(f feature) bool { return f.fate == fate }) {
				t.Errorf("the legend does not name %s", fate)
			}
		}
		if !r.Balanced.Units || !r.Balanced.Cents || r.Lost+r.Duplicated+r.OutOfSequence > 0 {
			t.Errorf("the books: %+v, %v", r.Balanced, r.Findings)
		}
	})
}
