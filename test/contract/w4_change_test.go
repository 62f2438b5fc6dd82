package contract_test

import (
	"fmt"
	"testing"
)

func (w *world) change(order string, version int, lines string, more ...obj) {
	w.Helper()
	w.push("channel", "order.changed", placed(order, version, lines, more...))
}

// answered holds the channel's one answer of a kind to its result.
func (w *world) answered(kind, order, result string) obj {
	w.Helper()
	d := w.one(w.channel, kind, order)
	data := d["data"].(obj)
	if data["result"] != result {
		w.Errorf("%s: result %v, want %s", kind, data["result"], result)
	}
	return data
}

// answerLine holds a line of a cancellation_answer.
func (w *world) answerLine(data obj, line, cancelled, shipped string) {
	w.Helper()
	rows, _ := data["lines"].([]any)
	for _, r := range rows {
		if l := r.(obj); l["line"] == line {
			if l["cancelled"] != cancelled || l["shipped"] != shipped {
				w.Errorf("cancellation_answer: line %s is %s, want cancelled %s shipped %s", line, marshal(l), cancelled, shipped)
			}
			return
		}
	}
	w.Errorf("cancellation_answer names no line %s: %s", line, marshal(data))
}

// TestW4_4_BeforeSalesOrder: each version is checked, round 0; the documents
// carry it.
func TestW4_4_BeforeSalesOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gate := make(chan struct{})
	w.erp.on("order_check", "SO-1", 1, hold(gate))
	w.place("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.await("the check is under way", func() bool { return len(w.erp.tries("order_check", "")) == 1 })
	w.change("SO-1", 2, "1 A 4 9.90, 3 C 1 1.00")
	close(gate)
	w.quiet()
	checks := w.erp.docs("order_check", "SO-1")
	if len(checks) != 2 || checks[1]["version"] != 2.0 {
		t.Fatalf("checks: %s", w.erp.kinds("SO-1"))
	}
	w.lines(checks[1], "1:4 2:0 3:1")
	w.lines(w.one(w.erp, "sales_order", "SO-1"), "1:4 2:0 3:1")
	w.lines(w.one(w.wms, "warehouse_order", "SO-1"), "1:4 3:1")
	if v := w.one(w.erp, "sales_order", "SO-1")["version"]; v != 2.0 {
		t.Errorf("sales_order version %v, want 2", v)
	}
	w.stages("SO-1", "1", "ordered 4 cancelled 0")
	w.stages("SO-1", "2", "ordered 3 cancelled 3")
	w.stages("SO-1", "3", "ordered 1 cancelled 0")
	w.answered("change_answer", "SO-1", "accepted")
}

// TestW4_4_BeforeRelease: erp sales_order_change follows an attempted
// sales_order; the warehouse order carries it.
func TestW4_4_BeforeRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gate := make(chan struct{})
	w.erp.on("sales_order", "SO-1", 1, hold(gate))
	w.place("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.await("sales_order is under way", func() bool { return len(w.erp.tries("sales_order", "")) == 1 })
	w.change("SO-1", 2, "1 A 4 9.90")
	close(gate)
	w.quiet()
	w.books(w.erp, "SO-1", "order_check sales_order sales_order_change")
	w.lines(w.one(w.erp, "sales_order_change", "SO-1"), "1:4 2:0")
	w.lines(w.one(w.wms, "warehouse_order", "SO-1"), "1:4")
	w.books(w.wms, "SO-1", "warehouse_order")
	data := w.answered("change_answer", "SO-1", "accepted")
	if data["version"] != 2.0 {
		t.Errorf("change_answer: data.version %v", data["version"])
	}
	if len(w.erp.docs("order_check", "SO-1")) != 1 {
		t.Error("checked again after sales_order's first attempt")
	}
}

// TestW4_4_AfterRelease: the warehouse first, then the ERP and the answer.
func TestW4_4_AfterRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	gate := make(chan struct{})
	w.wms.on("warehouse_order_change", "SO-1", 1, hold(gate))
	w.change("SO-1", 2, "1 A 4 9.90")
	w.await("the warehouse is asked", func() bool { return len(w.wms.tries("warehouse_order_change", "")) == 1 })
	if n := len(w.erp.tries("sales_order_change", "")); n != 0 {
		t.Error("the ERP was told before the warehouse agreed")
	}
	close(gate)
	w.quiet()
	d := w.one(w.wms, "warehouse_order_change", "SO-1")
	w.lines(d, "1:4 2:0")
	if got := d["data"].(obj)["warehouse_order"]; got != w.one(w.wms, "warehouse_order", "SO-1")["key"] {
		t.Errorf("data.warehouse_order %v, want its key", got)
	}
	w.lines(w.one(w.erp, "sales_order_change", "SO-1"), "1:4 2:0")
	w.answered("change_answer", "SO-1", "accepted")
	w.stages("SO-1", "1", "ordered 4 cancelled 0 released 4")
	w.stages("SO-1", "2", "ordered 3 cancelled 3")
	w.ship("SO-1", "S-1", 1, "1 4", obj{"final": true})
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 4, "2": 0})
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
	w.balanced()
}

// TestW4_4_AfterReleaseByEvent: 202 and warehouse_order.changed say it too.
func TestW4_4_AfterReleaseByEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90")
	w.wms.on("warehouse_order_change", "SO-1", 1, take)
	w.change("SO-1", 2, "1 A 4 9.90")
	key := w.awaitState("warehouse_order_change", "SO-1", "waiting")["key"].(string)
	w.push("wms", "warehouse_order.changed", obj{"order": "SO-1", "warehouse_order": w.one(w.wms, "warehouse_order", "SO-1")["key"], "version": 2})
	w.await("the ERP is told", func() bool { return len(w.erp.docs("sales_order_change", "SO-1")) == 1 })
	w.wms.settled(key, "applied", nil)
	w.quiet()
	w.answered("change_answer", "SO-1", "accepted")
	w.books(w.erp, "SO-1", "order_check sales_order sales_order_change")
}

// TestW4_4_TooLate: the warehouse refuses; the ERP is untouched, no park, the
// version is not in force.
func TestW4_4_TooLate(t *testing.T) {
	t.Parallel()
	for name, no := range map[string]func(*world){
		"400":            func(w *world) { w.wms.on("warehouse_order_change", "", 1, refuse(400, "picked")) },
		"404":            func(w *world) { w.wms.on("warehouse_order_change", "", 1, refuse(404, "gone")) },
		"422":            func(w *world) { w.wms.on("warehouse_order_change", "", 1, refuse(422, "picked")) },
		"change_refused": func(w *world) { w.wms.on("warehouse_order_change", "", 1, take) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.released("SO-1", "1 A 5 9.90")
			no(w)
			have := w.pushBody("accepted", "channel", "change_"+name, envelope("order.changed", placed("SO-1", 2, "1 A 4 9.90")))
			if name == "change_refused" {
				key := w.awaitState("warehouse_order_change", "SO-1", "waiting")["key"].(string)
				w.push("wms", "warehouse_order.change_refused", obj{"order": "SO-1", "warehouse_order": w.one(w.wms, "warehouse_order", "SO-1")["key"], "version": 2})
				w.await("the channel is told", func() bool { return len(w.channel.docs("change_answer", "SO-1")) == 1 })
				w.wms.settled(key, "rejected", nil)
			}
			w.quiet()
			w.answered("change_answer", "SO-1", "too_late")
			w.books(w.erp, "SO-1", "order_check sales_order")
			w.stages("SO-1", "1", "ordered 5 cancelled 0")
			if d := w.delivery("warehouse_order_change", "SO-1"); d["state"] != "skipped" {
				t.Errorf("C3 shows the refused change as %v, want skipped (a refusal that is an answer)", d["state"])
			}
			if left := w.exceptions("state=open"); len(left) != 0 {
				t.Errorf("exceptions: %s", marshal(left))
			}
			if rows := w.list("/api/v1/events?source=channel&id=change_" + name); len(rows) != 1 || rows[0]["state"] != "ignored" || rows[0]["event"] != have["event"] {
				t.Errorf("C4 shows the version as %s, want ignored", marshal(rows))
			}
			w.ship("SO-1", "S-1", 1, "1 5")
			w.quiet()
			w.billed("SO-1", map[string]int{"1": 5})
		})
	}
}

// TestW4_4_TwoChanges after release, the second before the first is answered.
func TestW4_4_TwoChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 9 9.90")
	gate := make(chan struct{})
	w.wms.on("warehouse_order_change", "SO-1", 1, hold(gate))
	w.change("SO-1", 2, "1 A 7 9.90")
	w.await("the warehouse is asked", func() bool { return len(w.wms.tries("warehouse_order_change", "")) == 1 })
	w.change("SO-1", 3, "1 A 8 9.90")
	close(gate)
	w.quiet()
	changes := w.wms.docs("warehouse_order_change", "SO-1")
	if len(changes) != 2 || quantities(changes[1]) != "1:8" {
		t.Errorf("changes at the warehouse: %d", len(changes))
	}
	erp := w.erp.docs("sales_order_change", "SO-1")
	if len(erp) == 0 || quantities(erp[len(erp)-1]) != "1:8" {
		t.Errorf("the ERP's last change: %s", marshal(erp))
	}
	w.stages("SO-1", "1", "ordered 8 released 8")
	answers := w.channel.docs("change_answer", "SO-1")
	if n := len(answers); n == 0 || answers[n-1]["data"].(obj)["version"] != 3.0 {
		t.Errorf("the answers are %s, the last should be version 3's", marshal(answers))
	}
}

// TestW4_4_ChangedFirst: order.changed arrives before order.placed, which is
// superseded then.
func TestW4_4_ChangedFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.change("SO-1", 2, "1 A 4 9.90")
	w.push("channel", "order.placed", placed("SO-1", 1, "1 A 5 9.90"))
	w.quiet()
	w.lines(w.one(w.wms, "warehouse_order", "SO-1"), "1:4")
	w.lines(w.one(w.erp, "sales_order", "SO-1"), "1:4")
}

// cancelled tells the warehouse order's fate.
func (w *world) warehouse(kind, order string, more ...obj) {
	w.Helper()
	w.push("wms", "warehouse_order."+kind, merge(obj{"order": order, "warehouse_order": w.one(w.wms, "warehouse_order", order)["key"]}, more))
}

func (w *world) cancel(order, request string, more ...obj) {
	w.Helper()
	w.push("channel", "order.cancel_requested", merge(obj{"order": order, "request": request}, more))
}

// TestW4_5_BeforeTheCheck is answered: the order never reaches the ERP's books.
func TestW4_5_BeforeSalesOrder(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"check under way", "held"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			gate := make(chan struct{})
			if when == "held" {
				w.erp.on("order_check", "SO-1", -1, denied("credit", "no"))
			} else {
				w.erp.on("order_check", "SO-1", 1, hold(gate))
			}
			w.place("SO-1", "1 A 5 9.90")
			w.await("the check", func() bool { return len(w.erp.tries("order_check", "")) == 1 })
			if when == "held" {
				w.quiet()
			}
			w.cancel("SO-1", "R-1")
			close(gate)
			w.quiet()
			w.books(w.erp, "SO-1", "order_check")
			w.books(w.wms, "SO-1", "")
			w.books(w.channel, "SO-1", "cancellation_answer")
			data := w.answered("cancellation_answer", "SO-1", "accepted")
			w.answerLine(data, "1", "5", "0")
			if data["request"] != "R-1" {
				t.Errorf("data.request %v", data["request"])
			}
			if s := w.order("SO-1")["status"]; s != "cancelled" {
				t.Errorf("status %v, want cancelled", s)
			}
			w.watch(6e9, "a cancelled order is not checked again", func() bool { return len(w.erp.tries("order_check", "")) == 1 })
			if left := w.exceptions("state=open"); len(left) != 0 {
				t.Errorf("exceptions: %s", marshal(left))
			}
		})
	}
}

// TestW4_5_BeforeRelease: the ERP holds the order, the warehouse does not.
func TestW4_5_BeforeRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gate := make(chan struct{})
	w.erp.on("sales_order", "SO-1", 1, hold(gate))
	w.place("SO-1", "1 A 5 9.90")
	w.await("sales_order is under way", func() bool { return len(w.erp.tries("sales_order", "")) == 1 })
	w.cancel("SO-1", "R-1")
	close(gate)
	w.quiet()
	w.books(w.erp, "SO-1", "order_check sales_order sales_order_cancel")
	w.lines(w.one(w.erp, "sales_order_cancel", "SO-1"), "1:5")
	w.books(w.wms, "SO-1", "")
	w.answerLine(w.answered("cancellation_answer", "SO-1", "accepted"), "1", "5", "0")
	w.stages("SO-1", "1", "ordered 5 cancelled 5 released 0")
}

// TestW4_5_Lines before release: some lines, part of a line.
func TestW4_5_LinesBeforeRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gate := make(chan struct{})
	w.erp.on("sales_order", "SO-1", 1, hold(gate))
	w.place("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.await("sales_order is under way", func() bool { return len(w.erp.tries("sales_order", "")) == 1 })
	w.cancel("SO-1", "R-1", obj{"lines": rows("1 2")})
	close(gate)
	w.quiet()
	w.lines(w.one(w.wms, "warehouse_order", "SO-1"), "1:3 2:3")
	w.lines(w.one(w.erp, "sales_order_cancel", "SO-1"), "1:2")
	w.answerLine(w.answered("cancellation_answer", "SO-1", "accepted"), "1", "2", "0")
	w.stages("SO-1", "1", "ordered 5 cancelled 2 released 3")
}

func TestW4_5_AfterRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.cancel("SO-1", "R-1")
	w.await("the warehouse is asked", func() bool { return len(w.wms.docs("warehouse_order_cancel", "SO-1")) == 1 })
	w.quiet()
	d := w.one(w.wms, "warehouse_order_cancel", "SO-1")
	if d["data"].(obj)["warehouse_order"] != w.one(w.wms, "warehouse_order", "SO-1")["key"] {
		t.Errorf("data %s", marshal(d["data"]))
	}
	w.lines(d, "1:5 2:3")
	w.books(w.channel, "SO-1", "order_acknowledgment") // 201 only takes the request
	w.warehouse("cancelled", "SO-1")
	w.quiet()
	w.lines(w.one(w.erp, "sales_order_cancel", "SO-1"), "1:5 2:3")
	data := w.answered("cancellation_answer", "SO-1", "accepted")
	w.answerLine(data, "1", "5", "0")
	w.answerLine(data, "2", "3", "0")
	if s := w.order("SO-1")["status"]; s != "cancelled" {
		t.Errorf("status %v", s)
	}
	w.balanced()
}

// TestW4_5_Refused: by event, or by a 4xx at once; no park.
func TestW4_5_Refused(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"event", "422", "404"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.released("SO-1", "1 A 5 9.90")
			if by != "event" {
				var code int
				_, _ = fmt.Sscan(by, &code)
				w.wms.on("warehouse_order_cancel", "", 1, refuse(code, "shipped_already"))
			}
			w.cancel("SO-1", "R-1")
			if by == "event" {
				w.await("the warehouse is asked", func() bool { return len(w.wms.docs("warehouse_order_cancel", "SO-1")) == 1 })
				w.warehouse("cancel_refused", "SO-1")
			}
			w.quiet()
			w.answerLine(w.answered("cancellation_answer", "SO-1", "too_late"), "1", "0", "0")
			w.books(w.erp, "SO-1", "order_check sales_order")
			if left := w.exceptions("state=open"); len(left) != 0 {
				t.Errorf("exceptions: %s", marshal(left))
			}
			w.ship("SO-1", "S-1", 1, "1 5")
			w.quiet()
			w.billed("SO-1", map[string]int{"1": 5})
			if s := w.order("SO-1")["status"]; s != "invoiced" {
				t.Errorf("status %v, want invoiced", s)
			}
		})
	}
}

// TestW4_5_Partial: something shipped before, the rest is cancelled.
func TestW4_5_Partial(t *testing.T) {
	t.Parallel()
	for _, turn := range []string{"shipped first", "cancelled first", "cancelled with lines"} {
		t.Run(turn, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.released("SO-1", "1 A 5 9.90")
			w.cancel("SO-1", "R-1")
			w.await("the warehouse is asked", func() bool { return len(w.wms.docs("warehouse_order_cancel", "SO-1")) == 1 })
			switch turn {
			case "shipped first":
				w.ship("SO-1", "S-1", 1, "1 2")
				w.quiet()
				w.warehouse("cancelled", "SO-1")
			case "cancelled first": // what shipped stands whichever message came first
				w.warehouse("cancelled", "SO-1")
				w.quiet()
				w.ship("SO-1", "S-1", 1, "1 2")
			case "cancelled with lines":
				w.ship("SO-1", "S-1", 1, "1 2")
				w.warehouse("cancelled", "SO-1", obj{"lines": rows("1 3")})
			}
			w.quiet()
			w.billed("SO-1", map[string]int{"1": 2})
			w.stages("SO-1", "1", "ordered 5 cancelled 3 shipped 2 posted 2 invoiced 2")
			if left := w.exceptions("state=open"); len(left) != 0 {
				t.Errorf("a late shipment is no breach: %s", marshal(left))
			}
			if turn != "cancelled first" {
				w.answerLine(w.answered("cancellation_answer", "SO-1", "partial"), "1", "3", "2")
				w.lines(w.one(w.erp, "sales_order_change", "SO-1"), "1:2")
			}
			if s := w.order("SO-1")["status"]; s != "invoiced" {
				t.Errorf("status %v, want invoiced", s)
			}
		})
	}
}

// TestW4_5_Repeated: the same request again, under another message, is one.
func TestW4_5_Repeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90")
	w.cancel("SO-1", "R-1")
	w.cancel("SO-1", "R-1")
	w.await("the warehouse is asked", func() bool { return len(w.wms.docs("warehouse_order_cancel", "SO-1")) == 1 })
	w.warehouse("cancelled", "SO-1")
	w.warehouse("cancelled", "SO-1")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order warehouse_order_cancel")
	w.books(w.erp, "SO-1", "order_check sales_order sales_order_cancel")
	w.books(w.channel, "SO-1", "order_acknowledgment cancellation_answer")
	// Another request for what is cancelled already gets an answer of its own.
	w.cancel("SO-1", "R-2")
	w.quiet()
	if n := len(w.channel.docs("cancellation_answer", "SO-1")); n != 2 {
		t.Errorf("%d answers for two requests", n)
	}
}
