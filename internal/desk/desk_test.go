package desk_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/tower"
)

const (
	placed = `{"order":"SO-1","version":1,"customer":"C-1","currency":"EUR","po":"PO-7",
		"ship_to":{"name":"Example Hardware","city":"Dublin","country":"IE"},"charges":[{"code":"freight","amount":"12.50"}],
		"requested_ship":"2026-03-02",
		"lines":[{"line":"1","sku":"A","qty":"400","uom":"EA","price":"3.00","description":"Bolt"},{"line":"2","sku":"B","qty":"1.5","uom":"KG","price":"10.00"}]}`
	shipped = `{"order":"SO-1","shipment":"SH-1","shipped_at":"2026-03-02T13:30:00+01:00","carrier":"GLS","service":"Business",
		"packages":[{"tracking":"T-1"},{"tracking":"T-2"}],"lines":[{"line":"1","qty":"300"}]}`
)

// act does what a person asks for.
func (w *world) act(a tower.Action) error {
	a.Actor, a.Reason = "alex", "because the test says so"
	return w.desk.Act(w.t.Context(), a)
}

func (w *world) mustAct(a tower.Action) {
	w.t.Helper()
	if err := w.act(a); err != nil {
		w.t.Fatalf("%s %s %s: %v", a.Kind, a.Scope, a.Target, err)
	}
}

func (w *world) order(ref string) tower.Order {
	w.t.Helper()
	o, several, err := w.desk.Order(w.t.Context(), ref)
	if err != nil || len(several) > 0 {
		w.t.Fatalf("order %s: several %v, error %v", ref, several, err)
	}
	return o
}

func (w *world) overview() tower.Overview {
	w.t.Helper()
	o, err := w.desk.Overview(w.t.Context())
	if err != nil {
		w.t.Fatalf("overview: %v", err)
	}
	return o
}

func (w *world) exceptions(q tower.ExceptionQuery) tower.ExceptionPage {
	w.t.Helper()
	if q.Limit == 0 {
		q.Limit = 10
	}
	p, err := w.desk.Exceptions(w.t.Context(), q)
	if err != nil {
		w.t.Fatalf("exceptions: %v", err)
	}
	return p
}

func same(t *testing.T, what string, want, got any, opts ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

// stuck is a world in which the ERP does not know the item that shipped.
func stuck(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.targets["erp"].on(waybill.ShipmentPosting, refused("item_unknown", "there is no item A"))
	w.push("shop", "order.placed", placed)
	w.settled()
	w.push("wms", "shipment.confirmed", shipped)
	w.settled()
	w.until("the refusal is raised", func() bool { return w.exceptions(tower.ExceptionQuery{}).Open == 1 })
	return w
}

const refusedPosting = "refused_shipment_posting_item_unknown"

func TestOrder_ShowsWhatIsStuck(t *testing.T) {
	w := stuck(t)
	o := w.order("SO-1")
	want := tower.Order{Order: "SO-1", PO: "PO-7", Customer: "Example Hardware", ShipTo: "Example Hardware, Dublin, IE", Channel: "shop",
		Type: "standard", Status: "partially_shipped", Total: "EUR 1,227.50", Placed: noon, Actions: []tower.ActionKind{tower.Cancel},
		Promise: &tower.Promise{Label: "ship by", At: noon.Add(12 * time.Hour)},
		Shipments: []tower.Shipment{{Shipment: "SH-1", At: noon.Add(30 * time.Minute), System: "wms", Carrier: "GLS", Service: "Business",
			Tracking: []string{"T-1", "T-2"}, Lines: []tower.LineQty{{Line: "1", SKU: "A", Qty: "300", UOM: "EA"}}}},
	}
	same(t, "order", want, o, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(tower.Order{}, "Refs", "Lines", "Timeline", "Deliveries", "Problems"),
		cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }))
	for _, ref := range []tower.Ref{{System: "shop", Kind: "order", Value: "SO-1"}, {System: "GLS", Kind: "tracking", Value: "T-2"}, {System: "wms", Kind: "shipment", Value: "SH-1"}} {
		if !slices.Contains(o.Refs, ref) {
			t.Errorf("the order's references lack %v: %v", ref, o.Refs)
		}
	}
	line := o.Lines[0]
	same(t, "bar of line 1", tower.Bar{{Stage: "shipped", Qty: "300", Permille: 750}, {Stage: "open", Qty: "100", Permille: 250}}, line.Bar)
	same(t, "what is behind on line 1", []string{"posted"}, line.Behind)
	same(t, "note of line 1", "item unknown at erp", line.Note)
	if len(o.Lines[1].Behind) > 0 || o.Lines[1].Ordered != "1.5" {
		t.Errorf("line 2 is %+v, want 1.5 ordered and nothing behind", o.Lines[1])
	}
	if len(o.Problems) != 1 || o.Problems[0].Title != "Shipment posting refused: item unknown." || o.Problems[0].Cause != refusedPosting {
		t.Errorf("problems are %+v, want the refused posting", o.Problems)
	}
	i := slices.IndexFunc(o.Deliveries, func(d tower.Delivery) bool { return d.Kind == "shipment_posting" })
	d := o.Deliveries[i]
	same(t, "state of the posting", "parked", d.State)
	same(t, "actions of the posting", []tower.ActionKind{tower.Retry, tower.Skip, tower.Settle}, d.Actions)
	if len(d.Attempts) != 1 || !strings.HasPrefix(d.Attempts[0].Outcome, "refused: ") {
		t.Errorf("attempts of the posting are %+v, want one that was refused", d.Attempts)
	}
}

func TestOrder_TellsItsStory(t *testing.T) {
	w := stuck(t)
	entries := w.order("SO-1").Timeline
	ids := map[string]bool{}
	var kinds []tower.EntryKind
	for _, e := range entries {
		if e.ID == "" || ids[e.ID] {
			t.Errorf("entry %q has no id of its own", e.Title)
		}
		ids[e.ID] = true
		kinds = append(kinds, e.Kind)
		if e.System != "" && e.Role == "" {
			t.Errorf("entry %q of %s has no role", e.Title, e.System)
		}
		if e.Message == "" {
			continue
		}
		if _, err := w.desk.Message(t.Context(), e.Message); err != nil {
			t.Errorf("entry %q: its message can't be opened: %v", e.Title, err)
		}
	}
	for _, k := range []tower.EntryKind{tower.Event, tower.Decision, tower.Sent, tower.Receipt} {
		if !slices.Contains(kinds, k) {
			t.Errorf("the timeline has no %s", k)
		}
	}
	i := slices.IndexFunc(entries, func(e tower.Entry) bool { return e.Short == "shipped" })
	if i < 0 || entries[i].Stage != "shipped" || entries[i].System != "wms" || entries[i].Role != "wms" {
		t.Errorf("the shipment is not told as one: %+v", entries)
	}
	if entries[0].Title != "Order placed" || entries[0].Kind != tower.Event {
		t.Errorf("the story begins with %+v, want the order", entries[0])
	}
}

func TestOverview(t *testing.T) {
	w := stuck(t)
	o := w.overview()
	same(t, "statuses", []tower.StatusCount{{Status: "partially_shipped", Orders: 1}}, o.Statuses)
	if o.Deliveries.Parked != 1 || !o.Quiescent {
		t.Errorf("deliveries are %+v, quiescent %v; want one parked and nothing else to do", o.Deliveries, o.Quiescent)
	}
	want := []tower.Cause{{Cause: refusedPosting, Title: "Shipment posting refused: item unknown", Detail: "Refused, erp", Tone: "bad",
		Open: 1, Money: []string{"EUR 1,215.00"}, Since: noon}}
	same(t, "causes", want, o.Causes)
	if len(o.Recent) != 1 || o.Recent[0].Where != want[0].Title || o.Recent[0].Exceptions != 1 || o.Recent[0].Lines != 2 {
		t.Errorf("recent orders are %+v", o.Recent)
	}
	names := map[string]tower.System{}
	for _, s := range o.Systems {
		names[s.Name] = s
	}
	erp := names["erp"]
	if len(names) != 3 || erp.Role != "erp" || erp.Connector != "contract" || !erp.Source || !erp.Target || erp.Breaker != "closed" || erp.Backlog.Parked != 1 {
		t.Errorf("systems are %+v", o.Systems)
	}
	c, err := w.desk.Counts(t.Context())
	same(t, "counts", tower.Counts{Orders: 1, Exceptions: 1}, c)
	if err != nil {
		t.Error(err)
	}
}

func TestOverview_SystemsThatStop(t *testing.T) {
	w := newWorld(t)
	w.mustAct(tower.Action{Kind: tower.Pause, Scope: tower.OnSystem, Target: "erp"})
	w.push("shop", "order.placed", placed)
	o := w.overview()
	i := slices.IndexFunc(o.Systems, func(s tower.System) bool { return s.Name == "erp" })
	if s := o.Systems[i]; s.Health != tower.Blocked || s.Breaker != "paused" || s.Backlog.Parked != 1 {
		t.Errorf("the paused system is %+v", s)
	}
	if len(o.Incidents) != 1 || o.Incidents[0].System != "erp" || !strings.Contains(o.Incidents[0].Detail, "1 delivery waits") {
		t.Errorf("incidents are %+v, want the paused system", o.Incidents)
	}
	w.mustAct(tower.Action{Kind: tower.Resume, Scope: tower.OnSystem, Target: "erp"})
	w.until("the order is released", func() bool { return w.order("SO-1").Status == "released" })
	if o := w.overview(); len(o.Incidents) > 0 || o.Systems[i].Health != tower.Healthy {
		t.Errorf("after resume there are incidents %+v and the system is %+v", o.Incidents, o.Systems[i])
	}
}

func TestExceptions(t *testing.T) {
	w := stuck(t)
	p := w.exceptions(tower.ExceptionQuery{})
	if len(p.Groups) != 1 || len(p.Groups[0].Items) != 1 {
		t.Fatalf("groups are %+v, want one with its item", p.Groups)
	}
	g := p.Groups[0]
	same(t, "actions of the group", []tower.ActionKind{tower.Retry, tower.Skip}, g.Actions)
	x := g.Items[0]
	want := tower.Exception{ID: x.ID, Order: "SO-1", Code: "item_unknown", System: "erp", Document: "Shipment posting SH-1", Since: noon, Attempts: 1,
		Actions: []tower.ActionKind{tower.Retry, tower.Skip, tower.Settle}}
	same(t, "exception", want, x, cmpopts.IgnoreFields(tower.Exception{}, "Detail", "Next", "Money", "Key", "Message"))
	if x.Key == "" || x.Message != x.Key {
		t.Errorf("the exception names delivery %q and message %q", x.Key, x.Message)
	}
	for _, order := range []string{"SO-1", "PO-7", "SH-1"} {
		if p := w.exceptions(tower.ExceptionQuery{Order: order}); len(p.Groups) != 1 || len(p.Groups[0].Items) != 1 {
			t.Errorf("exceptions of %s are %+v, want the one", order, p.Groups)
		}
	}
	if p := w.exceptions(tower.ExceptionQuery{Order: "SO-9"}); len(p.Groups) != 0 {
		t.Errorf("an unknown order has exceptions %+v", p.Groups)
	}

	w.targets["erp"].on(waybill.ShipmentPosting, waybill.Outcome{})
	w.mustAct(tower.Action{Kind: tower.Retry, Scope: tower.OnException, Target: x.ID})
	w.settled()
	if p := w.exceptions(tower.ExceptionQuery{}); len(p.Groups) != 0 || p.Open != 0 {
		t.Errorf("after the retry %d are open: %+v", p.Open, p.Groups)
	}
	closed := w.exceptions(tower.ExceptionQuery{State: "closed"})
	if len(closed.Groups) != 1 || len(closed.Groups[0].Items) != 1 || len(closed.Groups[0].Actions)+len(closed.Groups[0].Items[0].Actions) > 0 {
		t.Errorf("settled ones are %+v, want the one without actions", closed.Groups)
	}
	o := w.order("SO-1")
	if o.Lines[0].Invoiced != "300" || len(o.Invoices) != 1 || o.Invoices[0].Ref == "" || o.Invoices[0].At.IsZero() {
		t.Errorf("line 1 is %+v with invoices %+v, want 300 invoiced once", o.Lines[0], o.Invoices)
	}
}

func TestExceptions_WhatStandsBehind(t *testing.T) {
	w := stuck(t)
	w.push("wms", "shipment.confirmed", `{"order":"SO-1","shipment":"SH-2","shipped_at":"2026-03-02T13:40:00+01:00","lines":[{"line":"2","qty":"1.5"}]}`)
	w.settled()
	p := w.exceptions(tower.ExceptionQuery{})
	if p.Open != 1 || p.Groups[0].Items[0].Behind != 1 {
		t.Errorf("the inbox is %+v, want the refused posting with one behind it", p)
	}
	for _, d := range w.order("SO-1").Deliveries {
		if d.Kind == "shipment_posting" && d.Subject == "SH-2" && (d.State != "parked" || len(d.Actions) > 0 || !strings.HasPrefix(d.Reason, "behind ")) {
			t.Errorf("the posting behind it is %+v, want it parked without actions", d)
		}
	}
}

func TestOverview_MeasuresTheWayToTheInvoice(t *testing.T) {
	w := newWorld(t)
	w.push("shop", "order.placed", placed)
	w.settled()
	same(t, "lag before any invoice", "", w.overview().OrderLag)
	w.pass(90 * time.Second)
	w.push("wms", "shipment.confirmed", strings.Replace(shipped, `{"line":"1","qty":"300"}`, `{"line":"1","qty":"400"},{"line":"2","qty":"1.5"}`, 1))
	w.until("the order is invoiced", func() bool { return w.order("SO-1").Status == "invoiced" })
	same(t, "lag of one order", "median 1 min to invoice", w.overview().OrderLag)
	c, err := w.desk.Counts(t.Context())
	same(t, "counts", tower.Counts{}, c)
	if err != nil {
		t.Error(err)
	}
}

func TestExceptions_PageByPage(t *testing.T) {
	w := newWorld(t)
	w.targets["erp"].on(waybill.SalesOrder, refused("item_unknown", "there is no item A"))
	for _, n := range []string{"1", "2", "3"} {
		w.push("shop", "order.placed", strings.ReplaceAll(placed, "SO-1", "SO-"+n))
	}
	w.settled()
	w.until("all are raised", func() bool { return w.exceptions(tower.ExceptionQuery{}).Open == 3 })
	var seen []string
	for q := (tower.ExceptionQuery{Limit: 2}); ; {
		p := w.exceptions(q)
		if p.Groups[0].Open != 3 || len(p.Money) != 1 {
			t.Errorf("the group is %+v, money %v; want three open and their value", p.Groups[0], p.Money)
		}
		for _, x := range p.Groups[0].Items {
			seen = append(seen, x.Order)
		}
		if q.After = p.Next; q.After == "" {
			break
		}
	}
	slices.Sort(seen)
	same(t, "orders over all pages", []string{"SO-1", "SO-2", "SO-3"}, seen)

	err := w.act(tower.Action{Kind: tower.Retry, Scope: tower.OnCause, Target: "no_such_cause"})
	if !errors.Is(err, tower.ErrNotFound) {
		t.Errorf("an unknown cause answers %v, want not found", err)
	}
	w.targets["erp"].on(waybill.SalesOrder, waybill.Outcome{})
	w.mustAct(tower.Action{Kind: tower.Retry, Scope: tower.OnCause, Target: "refused_sales_order_item_unknown"})
	w.settled()
	w.until("all are released", func() bool { return w.overview().Statuses[0] == tower.StatusCount{Status: "released", Orders: 3} })
}

func TestOrders(t *testing.T) {
	w := newWorld(t)
	for _, n := range []string{"1", "2", "3"} {
		w.push("shop", "order.placed", strings.ReplaceAll(placed, "SO-1", "SO-"+n))
	}
	w.settled()
	list := func(q tower.OrderQuery) (orders []string, page tower.OrderPage) {
		page, err := w.desk.Orders(t.Context(), q)
		if err != nil {
			t.Fatalf("orders %+v: %v", q, err)
		}
		for _, o := range page.Orders {
			orders = append(orders, o.Order)
		}
		return orders, page
	}
	orders, page := list(tower.OrderQuery{Limit: 2})
	same(t, "the newest", []string{"SO-3", "SO-2"}, orders)
	row := page.Orders[0]
	want := tower.OrderRow{Order: "SO-3", PO: "PO-7", Customer: "Example Hardware", Channel: "shop", Status: "released", Lines: 2, Total: "EUR 1,227.50",
		Placed: noon, Bar: tower.Bar{{Stage: "open", Qty: "401.5", Permille: 1000}}}
	same(t, "row", want, row)
	orders, page = list(tower.OrderQuery{Limit: 2, After: page.Next})
	same(t, "the rest", []string{"SO-1"}, orders)
	same(t, "the page after the last", "", page.Next)
	orders, page = list(tower.OrderQuery{Q: "SO-", Limit: 9})
	same(t, "all by the beginning of a reference", []string{"SO-3", "SO-2", "SO-1"}, orders)
	orders, page = list(tower.OrderQuery{Q: "PO-7", Limit: 9})
	if len(orders) != 3 || page.Exact != "" {
		t.Errorf("a reference of three orders finds %v, exactly %q", orders, page.Exact)
	}
	_, page = list(tower.OrderQuery{Q: "SO-2", Limit: 9})
	same(t, "exactly one", "SO-2", page.Exact)
	orders, _ = list(tower.OrderQuery{Status: "held", Limit: 9})
	same(t, "held ones", 0, len(orders))

	_, several, err := w.desk.Order(t.Context(), "PO-7")
	same(t, "orders of a shared reference", []string{"SO-3", "SO-2", "SO-1"}, several)
	if err != nil {
		t.Error(err)
	}
	if _, _, err := w.desk.Order(t.Context(), "nothing"); !errors.Is(err, tower.ErrNotFound) {
		t.Errorf("an unknown reference answers %v, want not found", err)
	}
	if _, err := w.desk.Orders(t.Context(), tower.OrderQuery{After: "x", Limit: 1}); !errors.Is(err, tower.ErrNotFound) {
		t.Errorf("a page that is none answers %v, want not found", err)
	}
}

func TestMessage(t *testing.T) {
	w := stuck(t)
	bad := w.push("wms", "nonsense.happened", `{"x":1}`)
	o := w.order("SO-1")
	in, err := w.desk.Message(t.Context(), o.Timeline[0].Message)
	if err != nil {
		t.Fatal(err)
	}
	if in.Outbound || in.Order != "SO-1" || in.System != "shop" || in.ContentType != "application/json" || len(in.Canonical) != 1 || in.State != "applied" ||
		!strings.Contains(string(in.Raw), `"type":"order.placed"`) || !strings.Contains(in.Canonical[0].JSON, `"po": "PO-7"`) {
		t.Errorf("the order's message is %+v", in)
	}
	for _, h := range in.Headers {
		if strings.Contains(h.Value, "c2VjcmV0") {
			t.Errorf("header %s shows a signature", h.Name)
		}
	}
	i := slices.IndexFunc(o.Deliveries, func(d tower.Delivery) bool { return d.Kind == "sales_order" })
	out, err := w.desk.Message(t.Context(), o.Deliveries[i].Key)
	if err != nil {
		t.Fatal(err)
	}
	if !out.Outbound || out.System != "erp" || out.State != "done" || len(out.Attempts) != 1 || len(out.Trace) != 32 ||
		!strings.Contains(string(out.Raw), out.ID) || !strings.Contains(out.Canonical[0].JSON, `"kind": "sales_order"`) {
		t.Errorf("the sales order's message is %+v", out)
	}
	quarantined, err := w.desk.Message(t.Context(), fmt.Sprintf("msg_%d", bad))
	if err != nil || quarantined.State != "quarantined" || quarantined.Reason == "" || len(quarantined.Canonical) > 0 {
		t.Errorf("what was not understood is %+v, error %v", quarantined, err)
	}
	p := w.exceptions(tower.ExceptionQuery{Cause: "message_quarantined"})
	g := p.Groups[slices.IndexFunc(p.Groups, func(g tower.ExceptionGroup) bool { return g.Cause == "message_quarantined" })]
	same(t, "actions of what was not understood", []tower.ActionKind{tower.Skip}, g.Items[0].Actions)
	if g.Items[0].Message != quarantined.ID || g.Items[0].System != "wms" {
		t.Errorf("its exception is %+v, want it to open message %s", g.Items[0], quarantined.ID)
	}
	w.mustAct(tower.Action{Kind: tower.Skip, Scope: tower.OnException, Target: g.Items[0].ID})
	if n := w.exceptions(tower.ExceptionQuery{}).Open; n != 1 {
		t.Errorf("after skipping it %d are open, want the posting alone", n)
	}
	for _, id := range []string{"msg_999999", "x", "", strings.Repeat("0", waybill.KeyLength)} {
		if _, err := w.desk.Message(t.Context(), id); !errors.Is(err, tower.ErrNotFound) {
			t.Errorf("message %q answers %v, want not found", id, err)
		}
	}
}

func TestAct_RefusalsAreTold(t *testing.T) {
	w := stuck(t)
	o := w.order("SO-1")
	done := o.Deliveries[0].Key
	for _, c := range []struct {
		action tower.Action
		as     error
		text   string
	}{
		{tower.Action{Kind: tower.Retry, Scope: tower.OnDelivery, Target: done}, tower.ErrRefused, "the delivery is done; nothing is left to do"},
		{tower.Action{Kind: tower.Retry, Scope: tower.OnDelivery, Target: "no-key"}, tower.ErrNotFound, "no delivery has the key no-key"},
		{tower.Action{Kind: tower.Skip, Scope: tower.OnException, Target: o.Problems[0].Exception}, tower.ErrRefused, "its last attempt may still take effect"},
		{tower.Action{Kind: tower.Skip, Scope: tower.OnCause, Target: refusedPosting}, tower.ErrRefused, "it could not be done for 1 of 1; SO-1: its last attempt"},
		{tower.Action{Kind: tower.Skip, Scope: tower.OnException, Target: "exc_77777"}, tower.ErrNotFound, "there is no exception exc_77777"},
		{tower.Action{Kind: tower.Hold, Scope: tower.OnOrder, Target: "SO-9"}, tower.ErrNotFound, "no order is known as SO-9"},
		{tower.Action{Kind: tower.Pause, Scope: tower.OnSystem, Target: "moon"}, tower.ErrNotFound, "no system is called moon"},
	} {
		err := w.act(c.action)
		if !errors.Is(err, c.as) || !strings.HasPrefix(err.Error(), c.text) {
			t.Errorf("%s %s %s answers %v, want %q", c.action.Kind, c.action.Scope, c.action.Target, err, c.text)
		}
	}
	w.pass(2 * time.Minute)
	w.mustAct(tower.Action{Kind: tower.Skip, Scope: tower.OnCause, Target: refusedPosting})
	if o := w.order("SO-1"); len(o.Problems) > 0 {
		t.Errorf("after skipping there are problems %+v", o.Problems)
	}
}

func TestAct_HoldAndRelease(t *testing.T) {
	w := newWorld(t)
	w.mustAct(tower.Action{Kind: tower.Pause, Scope: tower.OnSystem, Target: "erp"})
	w.push("shop", "order.placed", placed)
	same(t, "actions of a new order", []tower.ActionKind{tower.Hold, tower.Cancel}, w.order("SO-1").Actions)
	w.mustAct(tower.Action{Kind: tower.Hold, Scope: tower.OnOrder, Target: "SO-1"})
	o := w.order("SO-1")
	if len(o.Holds) != 1 || o.Holds[0].Kind != "manual" || o.Status != "held" {
		t.Errorf("the held order is %s with holds %+v", o.Status, o.Holds)
	}
	same(t, "actions of a held order", []tower.ActionKind{tower.Release, tower.Cancel}, o.Actions)
	w.mustAct(tower.Action{Kind: tower.Release, Scope: tower.OnOrder, Target: "SO-1"})
	w.mustAct(tower.Action{Kind: tower.Resume, Scope: tower.OnSystem, Target: "erp"})
	w.until("the order is released", func() bool { return w.order("SO-1").Status == "released" })
}

func TestPages_RenderEverything(t *testing.T) {
	w := stuck(t)
	w.push("wms", "nonsense.happened", `{"x":1}`)
	h := tower.New(w.desk, tower.Options{Now: w.clock})
	o := w.order("SO-1")
	paths := []string{"/", "/orders", "/orders?q=SO-", "/orders/SO-1", "/orders/SO-1?view=list", "/exceptions", "/exceptions?state=closed", "/exceptions?order=SO-1"}
	for _, e := range o.Timeline {
		if e.Message != "" {
			paths = append(paths, "/messages/"+e.Message, "/messages/"+e.Message+"/raw")
		}
	}
	for _, path := range paths {
		r := httptest.NewRecorder()
		h.ServeHTTP(r, httptest.NewRequest(http.MethodGet, path, nil))
		if r.Code != http.StatusOK {
			t.Errorf("%s: status %d", path, r.Code)
		}
	}
	r := httptest.NewRecorder()
	h.ServeHTTP(r, httptest.NewRequest(http.MethodGet, "/orders/SO-1", nil))
	for _, text := range []string{"EUR 1,227.50", "Shipment posting refused: item unknown.", "T-2"} {
		if !strings.Contains(r.Body.String(), text) {
			t.Errorf("the order's page lacks %q", text)
		}
	}
}

func TestRun_SignalsAndEnds(t *testing.T) {
	w := newWorld(t)
	stop := w.run(w.desk.Run)
	changes, end := w.desk.Changes(t.Context())
	defer end()
	w.push("shop", "order.placed", placed)
	patience := time.After(20 * time.Second)
	select {
	case <-changes:
	case <-patience:
		t.Fatal("a commit was not signalled")
	}
	stop()
	for open := true; open; {
		select {
		case _, open = <-changes:
		case <-patience:
			t.Fatal("the end of Run does not end the subscription")
		}
	}
	late, end := w.desk.Changes(t.Context())
	defer end()
	if _, open := <-late; open {
		t.Error("a subscription after the end is open")
	}
}
