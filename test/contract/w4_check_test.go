package contract_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestW4_1_Held: not approved, the order is held and shown with its reasons;
// no acknowledgment yet; checked again every hold_recheck.
func TestW4_1_Held(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("order_check", "SO-1", 1, denied("credit", "600.00 above the limit"))
	w.place("SO-1", "1 A 5 9.90")
	w.quiet() // a hold's timer does not count
	o := w.order("SO-1")
	holds := o["holds"].([]any)
	if o["status"] != "held" || len(holds) != 1 || holds[0].(obj)["kind"] != "credit" || holds[0].(obj)["reason"] != "600.00 above the limit" || holds[0].(obj)["since"] == nil {
		t.Errorf("status %v holds %s", o["status"], marshal(holds))
	}
	w.books(w.erp, "SO-1", "order_check")
	w.books(w.channel, "SO-1", "")
	w.await("checked again by the timer", func() bool { return len(w.erp.docs("order_check", "SO-1")) == 2 })
	q := w.erp.tries("order_check", "SO-1")
	if wait := q[1].at.Sub(q[0].at); wait < 4*time.Second || wait > 8*time.Second || q[0].key == q[1].key {
		t.Errorf("checked again after %v, keys %s and %s", wait, q[0].key, q[1].key)
	}
	w.quiet()
	w.books(w.erp, "SO-1", "order_check order_check sales_order")
	w.books(w.wms, "SO-1", "warehouse_order")
	w.books(w.channel, "SO-1", "order_acknowledgment")
	if o := w.order("SO-1"); o["status"] != "released" || len(o["holds"].([]any)) != 0 {
		t.Errorf("status %v holds %v", o["status"], o["holds"])
	}
}

// TestW4_1_RecheckCauses: what has a held order checked at once.
func TestW4_1_RecheckCauses(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]func(*world){
		"customer.changed": func(w *world) {
			w.push("erp", "customer.changed", obj{"customer": "C-SO-1", "credit_limit": "9999"})
		},
		"item.changed": func(w *world) { w.push("erp", "item.changed", obj{"sku": "B", "base_uom": "EA", "status": "active"}) },
		"invoice.paid": func(w *world) {
			w.push("erp", "invoice.paid", obj{"payment": "P-1", "order": "OTHER", "invoice": "I-1", "amount": "9.90", "currency": "EUR", "paid_at": "2026-03-06T10:00:00Z"})
		},
		"order.changed": func(w *world) {
			w.push("channel", "order.changed", placed("SO-1", 2, "1 A 4 9.90, 2 B 1 2.00"))
		},
		"recheck": func(w *world) { w.act("/api/v1/orders/SO-1/recheck") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if name == "invoice.paid" { // of its customer: an order that was invoiced before
				w.released("OTHER", "1 A 1 9.90", obj{"customer": "C-SO-1"})
				w.ship("OTHER", "S-9", 1, "1 1")
				w.quiet()
			}
			w.erp.on("order_check", "SO-1", 1, denied("credit", "no"))
			w.place("SO-1", "1 A 5 9.90, 2 B 1 2.00")
			w.quiet()
			first := w.erp.tries("order_check", "SO-1")[0].at
			cause(w)
			w.await("checked again", func() bool { return len(w.erp.tries("order_check", "SO-1")) == 2 })
			if wait := w.erp.tries("order_check", "SO-1")[1].at.Sub(first); wait > 4*time.Second {
				t.Errorf("checked again only after %v: that was the timer", wait)
			}
			w.quiet()
			w.books(w.wms, "SO-1", "warehouse_order")
		})
	}
}

// TestW4_1_OthersDoNotRecheck: another customer, another item.
func TestW4_1_OthersDoNotRecheck(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("order_check", "SO-1", 1, denied("credit", "no"))
	w.place("SO-1", "1 A 5 9.90")
	w.quiet()
	w.push("erp", "customer.changed", obj{"customer": "C-OTHER", "credit_limit": "9999"})
	w.push("erp", "item.changed", obj{"sku": "Z", "base_uom": "EA", "status": "active"})
	w.quiet()
	if n := len(w.erp.tries("order_check", "SO-1")); n != 1 {
		t.Errorf("%d checks, want 1", n)
	}
}

// TestW4_1_Price: prices outside of the tolerance, 0 in this pack, hold.
func TestW4_1_Price(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	prices := func(of ...string) obj {
		rows := []any{}
		for n, p := range of {
			rows = append(rows, obj{"line": fmt.Sprint(n + 1), "price": p})
		}
		return obj{"approved": true, "reasons": []any{}, "prices": rows}
	}
	w.erp.on("order_check", "SAME", 1, with(prices("9.900", "2.5")))
	w.erp.on("order_check", "SOME", 1, with(prices("9.90")))
	w.erp.on("order_check", "DEAR", 1, with(prices("9.90", "2.51")))
	for _, order := range []string{"SAME", "SOME", "DEAR"} {
		w.place(order, "1 A 5 9.90, 2 B 1 2.50")
	}
	w.quiet()
	w.books(w.wms, "SAME", "warehouse_order")
	w.books(w.wms, "SOME", "warehouse_order")
	w.books(w.wms, "DEAR", "")
	if holds := w.order("DEAR")["holds"].([]any); len(holds) != 1 || holds[0].(obj)["kind"] != "price" {
		t.Errorf("holds %s, want price", marshal(holds))
	}
	w.act("/api/v1/orders/DEAR/release") // lifts all holds without a check
	w.quiet()
	w.books(w.wms, "DEAR", "warehouse_order")
	if n := len(w.erp.tries("order_check", "DEAR")); n != 1 {
		t.Errorf("%d checks, release makes none", n)
	}
}

// TestW4_1_CreditHoldOfTheERP: 422 credit_hold on sales_order holds the order;
// after approval it goes as revision 1 with supersedes.
func TestW4_1_CreditHoldOfTheERP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "SO-1", 1, refuse(422, "credit_hold"))
	w.place("SO-1", "1 A 5 9.90")
	w.quiet()
	o := w.order("SO-1")
	if o["status"] != "held" || len(o["holds"].([]any)) == 0 {
		t.Errorf("status %v holds %v", o["status"], o["holds"])
	}
	if d := w.delivery("sales_order", "SO-1"); d["state"] != "skipped" {
		t.Errorf("the refused document is %v, want skipped", d["state"])
	}
	w.books(w.channel, "SO-1", "")
	w.act("/api/v1/orders/SO-1/recheck")
	w.await("approved and sent again", func() bool { return len(w.erp.docs("sales_order", "SO-1")) == 1 })
	w.quiet()
	q := w.erp.tries("sales_order", "SO-1")
	if len(q) != 2 {
		t.Fatalf("%d sales orders, want 2", len(q))
	}
	if q[1].doc["revision"] != 1.0 || q[1].doc["supersedes"] != q[0].key || q[1].key == q[0].key || q[1].attempt != 1 {
		t.Errorf("revision %v supersedes %v key %s, the first was %s", q[1].doc["revision"], q[1].doc["supersedes"], q[1].key, q[0].key)
	}
	w.books(w.erp, "SO-1", "order_check order_check sales_order")
	w.books(w.wms, "SO-1", "warehouse_order")
	if left := w.exceptions("state=open"); len(left) != 0 {
		t.Errorf("exceptions left: %s", marshal(left))
	}
}

// TestW4_1_ChangeTakesOutRefused: a change takes the refused document out and
// sends what is needed again as revision 1.
func TestW4_1_ChangeTakesOutRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "SO-1", 1, refuse(422, "bad_line"))
	w.place("SO-1", "1 A 5 9.90")
	w.awaitState("sales_order", "SO-1", "parked")
	w.push("channel", "order.changed", placed("SO-1", 2, "1 A 4 9.90"))
	w.quiet()
	q := w.erp.tries("sales_order", "SO-1")
	if len(q) != 2 || q[1].doc["revision"] != 1.0 || q[1].doc["supersedes"] != q[0].key || quantities(q[1].doc) != "1:4" {
		t.Fatalf("%d sales orders: %s", len(q), q[len(q)-1].body)
	}
	w.lines(w.one(w.wms, "warehouse_order", "SO-1"), "1:4")
	var skipped bool
	for _, d := range w.list("/api/v1/deliveries?key=" + q[0].key) {
		skipped = d["state"] == "skipped"
	}
	if !skipped {
		t.Error("C3 does not show the refused document as skipped")
	}
	if left := w.exceptions("state=open"); len(left) != 0 {
		t.Errorf("exceptions left: %s", marshal(left))
	}
}

// TestW4_1_RequestedShip delays only warehouse_order.
func TestW4_1_RequestedShip(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	day := func(d time.Duration) obj {
		return obj{"requested_ship": time.Now().UTC().Add(d).Format("2006-01-02")}
	}
	w.place("LATER", "1 A 5 9.90", day(48*time.Hour))
	w.place("TODAY", "1 A 5 9.90", day(0))
	w.place("PAST", "1 A 5 9.90", day(-48*time.Hour))
	w.quiet() // a ship timer does not count
	w.books(w.erp, "LATER", "order_check sales_order")
	w.books(w.channel, "LATER", "order_acknowledgment")
	w.books(w.wms, "LATER", "")
	if s := w.order("LATER")["status"]; s != "accepted" {
		t.Errorf("status %v, want accepted", s)
	}
	w.books(w.wms, "TODAY", "warehouse_order")
	w.books(w.wms, "PAST", "warehouse_order")
	// Before its first attempt a change is carried by it, and a cancellation
	// leaves the warehouse alone.
	w.push("channel", "order.cancel_requested", obj{"order": "LATER", "request": "R-1"})
	w.quiet()
	w.books(w.wms, "LATER", "")
	w.books(w.erp, "LATER", "order_check sales_order sales_order_cancel")
	w.books(w.channel, "LATER", "order_acknowledgment cancellation_answer")
}

// TestC7_OrderActions: hold stops sales_order and warehouse_order alone.
func TestC7_OrderActions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gate := make(chan struct{})
	w.erp.on("order_check", "SO-1", 1, hold(gate))
	w.place("SO-1", "1 A 5 9.90")
	w.await("the check is on its way", func() bool { return len(w.erp.tries("order_check", "SO-1")) == 1 })
	w.act("/api/v1/orders/SO-1/hold")
	close(gate)
	w.quiet()
	o := w.order("SO-1")
	if o["status"] != "held" || !strings.Contains(string(marshal(o["holds"])), `"manual"`) {
		t.Errorf("status %v holds %s", o["status"], marshal(o["holds"]))
	}
	w.watch(6*time.Second, "a timer does not lift a manual hold", func() bool { return len(w.erp.tries("sales_order", "SO-1")) == 0 })
	w.act("/api/v1/orders/SO-1/release")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	// Held after release: facts go on.
	w.act("/api/v1/orders/SO-1/hold")
	w.ship("SO-1", "S-1", 1, "1 2")
	w.quiet()
	w.stages("SO-1", "1", "shipped 2 posted 2 invoiced 2")
	w.act("/api/v1/orders/SO-1/cancel")
	w.await("asked to cancel", func() bool { return len(w.wms.docs("warehouse_order_cancel", "SO-1")) == 1 })
	w.quiet()
	if code, v := w.post("/api/v1/orders/SO-1/hold", obj{}); code != 400 && code != 422 {
		t.Errorf("an action without reason: %d %v", code, v)
	}
	if code, _ := w.post("/api/v1/orders/NONE/hold", obj{"reason": "x"}); code != 404 {
		t.Errorf("an unknown order: %d", code)
	}
}
