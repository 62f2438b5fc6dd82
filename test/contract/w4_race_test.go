package contract_test

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// shortBy4 places an order of ten that ships six and is closed.
func (w *world) shortBy4(order string) {
	w.Helper()
	w.released(order, "1 A 10 9.90")
	w.ship(order, "S-"+order, 1, "1 6", obj{"final": true})
	w.quiet()
	w.stages(order, "1", "shipped 6 backordered 4")
}

// TestW4_3_CancelledWhileBackordered: nothing is at the warehouse, so nobody
// asks it; no later position brings it back.
func TestW4_3_CancelledWhileBackordered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.shortBy4("SO-1")
	w.cancel("SO-1", "R-1")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	w.lines(w.one(w.erp, "sales_order_change", "SO-1"), "1:6")
	w.answerLine(w.answered("cancellation_answer", "SO-1", "partial"), "1", "4", "6")
	w.stages("SO-1", "1", "ordered 10 cancelled 4 shipped 6 backordered 0")
	w.positions("A", "100")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
	w.calm()
	w.balanced()
}

// TestW4_3_CancelRacesRelease: the cancellation comes while the second
// warehouse order is on its way, refused, or not yet sent.
func TestW4_3_CancelRacesRelease(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"in flight", "refused", "not sent"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.shortBy4("SO-1")
			gate := make(chan struct{})
			switch when {
			case "in flight":
				w.wms.on("warehouse_order", "SO-1", 1, hold(gate))
			case "refused":
				w.wms.on("warehouse_order", "SO-1", 1, refuse(422, "blocked"))
			case "not sent":
				w.act("/api/v1/systems/wms/pause")
			}
			w.positions("A", "4")
			switch when {
			case "in flight":
				w.await("it is on its way", func() bool { return len(w.wms.tries("warehouse_order", "")) == 2 })
			default:
				w.quiet()
			}
			w.cancel("SO-1", "R-1")
			close(gate)
			if when == "in flight" {
				w.await("the warehouse is asked", func() bool { return len(w.wms.docs("warehouse_order_cancel", "SO-1")) == 1 })
				ask := w.one(w.wms, "warehouse_order_cancel", "SO-1")
				w.lines(ask, "1:4")
				if about := ask["data"].(obj)["warehouse_order"]; about != w.wms.docs("warehouse_order", "SO-1")[1]["key"] {
					t.Errorf("it asks about %v, not about the second warehouse order", about)
				}
				w.floor("cancelled", "SO-1", 1)
			}
			w.quiet()
			if when == "not sent" {
				w.act("/api/v1/systems/wms/resume")
				w.quiet()
			}
			if when != "in flight" {
				w.books(w.wms, "SO-1", "warehouse_order")
			}
			w.lines(w.one(w.erp, "sales_order_change", "SO-1"), "1:6")
			w.answerLine(w.answered("cancellation_answer", "SO-1", "partial"), "1", "4", "6")
			w.stages("SO-1", "1", "ordered 10 cancelled 4 shipped 6 backordered 0")
			w.calm()
		})
	}
}

// TestW4_3_ChangedWhileBackordered: less is owed, more is owed, nothing is owed.
func TestW4_3_ChangedWhileBackordered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		qty, owed int
	}{{8, 2}, {12, 6}, {6, 0}} {
		t.Run(fmt.Sprint(c.qty), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.shortBy4("SO-1")
			w.change("SO-1", 2, fmt.Sprintf("1 A %d 9.90", c.qty))
			w.quiet()
			w.lines(w.one(w.erp, "sales_order_change", "SO-1"), fmt.Sprintf("1:%d", c.qty))
			w.answered("change_answer", "SO-1", "accepted")
			w.stages("SO-1", "1", fmt.Sprintf("ordered %d shipped 6 backordered %d", c.qty, c.owed))
			w.positions("A", fmt.Sprint(c.owed+1))
			w.quiet()
			docs := w.wms.docs("warehouse_order", "SO-1")
			if c.owed == 0 {
				if len(docs) != 1 || w.order("SO-1")["status"] != "invoiced" {
					t.Errorf("%d warehouse orders, status %v", len(docs), w.order("SO-1")["status"])
				}
				w.calm()
				return
			}
			if len(docs) != 2 {
				t.Fatalf("%d warehouse orders, want 2", len(docs))
			}
			w.lines(docs[1], fmt.Sprintf("1:%d", c.owed))
			w.ship("SO-1", "S-2", 1, fmt.Sprintf("1 %d", c.owed), obj{"final": true})
			w.quiet()
			w.billed("SO-1", map[string]int{"1": c.qty})
			w.calm()
			w.balanced()
		})
	}
}

// TestW4_3_ChangeRacesRelease: the change meets the second warehouse order on
// its way, and the warehouse takes it or not.
func TestW4_3_ChangeRacesRelease(t *testing.T) {
	t.Parallel()
	for _, taken := range []bool{true, false} {
		t.Run(fmt.Sprint("taken ", taken), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.shortBy4("SO-1")
			gate := make(chan struct{})
			w.wms.on("warehouse_order", "SO-1", 1, hold(gate))
			want, result := 9, "accepted"
			if !taken {
				w.wms.on("warehouse_order_change", "SO-1", 1, refuse(422, "picked"))
				want, result = 10, "too_late"
			}
			w.positions("A", "4")
			w.await("it is on its way", func() bool { return len(w.wms.tries("warehouse_order", "")) == 2 })
			w.change("SO-1", 2, "1 A 9 9.90")
			close(gate)
			w.quiet()
			if about := w.wms.tries("warehouse_order_change", "SO-1")[0].doc["data"].(obj)["warehouse_order"]; about != w.wms.docs("warehouse_order", "SO-1")[1]["key"] {
				t.Errorf("the change is about %v, not about the second warehouse order", about)
			}
			w.answered("change_answer", "SO-1", result)
			w.ship("SO-1", "S-2", 1, fmt.Sprintf("1 %d", want-6), obj{"final": true})
			w.quiet()
			w.billed("SO-1", map[string]int{"1": want})
			w.stages("SO-1", "1", fmt.Sprintf("ordered %d shipped %d backordered 0", want, want))
			w.calm()
		})
	}
}

// TestW4_3_BadAnswers: the second warehouse order in doubt, in parts and
// refused is with the warehouse once, over a kill.
func TestW4_3_BadAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*call){
		"applied, then cut": func(c *call) { c.apply("applied"); c.drop() },
		"cut":               (*call).drop,
		"202":               take,
		"207":               parts(map[string]string{"1": "applied", "2": "retry"}),
		"422":               refuse(422, "no_stock"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.released("SO-1", "1 A 4 9.90, 2 A 3 2.50")
			w.floor("closed", "SO-1", 0)
			w.quiet()
			times := 1
			if name == "422" {
				times = -1 // a kill may cost the first answer
			}
			w.wms.on("warehouse_order", "SO-1", times, answer)
			w.positions("A", "7")
			w.await("the attempt", func() bool { return len(w.wms.tries("warehouse_order", "")) == 2 })
			w.kill()
			w.start()
			switch name {
			case "202":
				w.wms.settled(w.delivery("warehouse_order", "SO-1")["key"].(string), "applied", nil)
			case "422":
				w.awaitState("warehouse_order", "SO-1", "parked")
				w.wms.clear()
				w.act("/api/v1/deliveries/" + w.awaitState("warehouse_order", "SO-1", "parked")["key"].(string) + "/retry")
			}
			w.quiet()
			docs, want := w.wms.docs("warehouse_order", "SO-1"), 2
			if name == "207" {
				want = 3
			}
			if len(docs) != want {
				t.Fatalf("%d warehouse orders, want %d", len(docs), want)
			}
			if name == "207" {
				w.lines(docs[2], "2:3")
			}
			w.stages("SO-1", "1", "released 4 backordered 0")
			w.stages("SO-1", "2", "released 3 backordered 0")
			w.ship("SO-1", "S-1", 1, "1 4, 2 3", obj{"final": true})
			w.quiet()
			w.billed("SO-1", map[string]int{"1": 4, "2": 3})
			w.one(w.channel, "backorder_notice", "SO-1")
			w.calm()
			w.balanced()
		})
	}
}

// TestW4_3_OldestFirst: many orders compete for each position, the process is
// killed after each; none is spent twice and nobody is passed over.
func TestW4_3_OldestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const orders = 9
	for n := range orders {
		w.place(fmt.Sprint("SO-", n), "1 A 3 9.90")
	}
	w.quiet()
	var wg sync.WaitGroup
	for n := range orders { // closed in any order: the orders' age counts
		wg.Add(1)
		go func() {
			defer wg.Done()
			w.floor("closed", fmt.Sprint("SO-", orders-1-n), 0)
		}()
	}
	wg.Wait()
	w.quiet()
	released := 0
	for _, step := range []struct{ available, more int }{{10, 3}, {2, 0}, {7, 2}, {100, 4}} {
		w.positions("A", fmt.Sprint(step.available))
		w.kill()
		w.start()
		w.quiet()
		released += step.more
		for n := range orders {
			want := 1
			if n < released {
				want = 2
			}
			if have := len(w.wms.docs("warehouse_order", fmt.Sprint("SO-", n))); have != want {
				t.Errorf("after a position of %d SO-%d has %d warehouse orders, want %d", step.available, n, have, want)
			}
		}
	}
	w.calm()
}

// TestW4_Storm: short shipments, backorders, returns and captures through
// faults of all kinds and kills.
func TestW4_Storm(t *testing.T) {
	t.Parallel()
	const orders = 8
	w := prepare(t, class("erp", "key"), class("wms", "key"), class("channel", "key"))
	w.rewrite("waybill.yaml", "    role: channel\n", "    role: channel\n    captures: true\n")
	w.start()
	for _, f := range w.all {
		f.storm(11)
	}
	var wg sync.WaitGroup
	push := func(system, id, kind string, data obj) {
		body := envelope(kind, data)
		wg.Add(1)
		go func() {
			defer wg.Done()
			w.insist(system, id, body)
		}()
	}
	name := func(n int) string { return fmt.Sprint("SO-", n) }
	for n := range orders {
		o := name(n)
		push("channel", "p"+o, "order.placed", placed(o, 1, "1 A 10 9.90, 2 B 3 2.50"))
		push("wms", "s1"+o, "shipment.confirmed", shipped(o, "S1-"+o, 1, "1 4, 2 3"))
		push("wms", "s2"+o, "shipment.confirmed", shipped(o, "S2-"+o, 1, "1 2", obj{"final": true}))
		push("channel", "rq"+o, "return.requested", back(o, "R-"+o, 1, "2 2"))
		push("wms", "rr"+o, "return.received", back(o, "R-"+o, 1, "2 2", obj{"lines": []any{obj{"sku": "B", "qty": "2", "disposition": "restock"}}}))
	}
	heard := len(w.erp.tries("", ""))
	w.await("it works on", func() bool { return len(w.erp.tries("", "")) > heard+5 })
	w.kill()
	w.start()
	wg.Wait()
	w.awaitFor(60*time.Second, "settled", func() bool { return w.status()["quiescent"] == true })
	w.positions("A", "1000")
	w.await("it works on", func() bool {
		return w.status()["quiescent"] != true || len(w.channel.docs("inventory_availability", "")) > 0
	})
	w.kill()
	w.start()
	for n := range orders {
		push("wms", "s3"+name(n), "shipment.confirmed", shipped(name(n), "S3-"+name(n), 1, "1 4", obj{"final": true}))
	}
	wg.Wait()
	for _, f := range w.all {
		f.clear()
	}
	w.awaitFor(60*time.Second, "quiescent", func() bool { return w.status()["quiescent"] == true })
	for n := range orders {
		o := name(n)
		w.stages(o, "1", "ordered 10 shipped 10 posted 10 invoiced 10 backordered 0 returned 0")
		w.stages(o, "2", "ordered 3 shipped 3 posted 3 invoiced 3 returned 2 credited 2")
		w.billedNet(o, "1", 10, 10)
		w.billedNet(o, "2", 3, 3)
		w.credited(o, map[string]int{"1": 0, "2": 2})
		w.one(w.channel, "return_authorization", o)
		w.one(w.channel, "refund_notice", o)
		w.one(w.wms, "return_advice", o)
		if have := w.channel.net(o, "payment_capture"); have["1"] != 10 || have["2"] != 3 {
			t.Errorf("%s: captured %v", o, have)
		}
		if have := w.erp.net(o, "payment_receipt"); have["1"] != 10 || have["2"] != 3 {
			t.Errorf("%s: booked of captures %v", o, have)
		}
		if k := len(w.channel.docs("backorder_notice", o)); k > 1 {
			t.Errorf("%s: %d backorder notices", o, k)
		}
	}
	w.calm()
	w.balanced()
}

// TestW4_3_ClosedWhileBeingCancelled: what the warehouse leaves while it is
// asked to cancel does not go again before it has answered.
func TestW4_3_ClosedWhileBeingCancelled(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"cancelled", "cancel_refused"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.released("SO-1", "1 A 10 9.90")
			w.cancel("SO-1", "R-1")
			w.await("the warehouse is asked", func() bool { return len(w.wms.docs("warehouse_order_cancel", "SO-1")) == 1 })
			w.ship("SO-1", "S-1", 1, "1 6", obj{"final": true})
			w.quiet()
			w.positions("A", "4")
			w.quiet()
			w.books(w.wms, "SO-1", "warehouse_order warehouse_order_cancel")
			w.floor(how, "SO-1", 0)
			w.quiet()
			w.positions("A", "4")
			w.quiet()
			if how == "cancelled" {
				w.books(w.wms, "SO-1", "warehouse_order warehouse_order_cancel")
				w.answerLine(w.answered("cancellation_answer", "SO-1", "partial"), "1", "4", "6")
				w.lines(w.one(w.erp, "sales_order_change", "SO-1"), "1:6")
			} else {
				w.books(w.wms, "SO-1", "warehouse_order warehouse_order_cancel warehouse_order")
				w.answerLine(w.answered("cancellation_answer", "SO-1", "too_late"), "1", "0", "6")
				w.ship("SO-1", "S-2", 1, "1 4", obj{"final": true})
				w.quiet()
				w.billed("SO-1", map[string]int{"1": 10})
			}
			if s := w.order("SO-1")["status"]; s != "invoiced" {
				t.Errorf("status %v, want invoiced", s)
			}
			w.calm()
			w.balanced()
		})
	}
}
