package contract_test

import (
	"strings"
	"testing"
	"time"
)

// take answers 202 and keeps the document pending.
func take(c *call) {
	c.apply("pending")
	answer(c.w, 202, obj{"state": "pending"})
}

// settled ends what is pending under a key, with a result.
func (f *target) settled(key, state string, result obj) *entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.byKey[key]
	e.state = state
	if result != nil {
		e.result = result
	}
	return e
}

func TestT1_202ReportedByEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("order_check", "", 1, take)
	w.erp.on("sales_order", "", 1, take)
	w.place("SO-1", "1 A 5 9.90")
	check := w.awaitState("order_check", "SO-1", "waiting")["key"].(string)
	e := w.erp.settled(check, "applied", obj{"approved": true, "reasons": []any{}})
	w.push("erp", "document.applied", obj{"key": check, "ref": e.ref, "n": e.n, "result": e.result})
	order := w.awaitState("sales_order", "SO-1", "waiting")["key"].(string)
	w.watch(500*time.Millisecond, "the warehouse waits", func() bool { return len(w.wms.tries("", "")) == 0 })
	e = w.erp.settled(order, "applied", nil)
	w.push("erp", "document.applied", obj{"key": order, "ref": e.ref, "n": e.n})
	w.push("erp", "document.applied", obj{"key": order, "ref": e.ref, "n": e.n})
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	if d := w.delivery("sales_order", "SO-1"); d["state"] != "done" || d["ref"] != e.ref {
		t.Errorf("C3: %v", d)
	}
	if n := len(w.erp.tries("", "")); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

func TestT1_202AskedByT2(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("order_check", "", 1, take)
	w.place("SO-1", "1 A 5 9.90")
	check := w.awaitState("order_check", "SO-1", "waiting")["key"].(string)
	w.await("T2 is asked again and again", func() bool { return len(w.erp.lookups(check)) >= 2 })
	w.erp.settled(check, "applied", obj{"approved": false, "reasons": []any{obj{"kind": "credit", "reason": "above the limit"}}})
	w.await("held", func() bool { return w.order("SO-1")["status"] == "held" })
	w.await("checked again and released", func() bool { return len(w.wms.docs("warehouse_order", "SO-1")) == 1 })
	w.quiet()
}

func TestT1_202Rejected(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"T2", "event"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.erp.on("sales_order", "", 1, take)
			w.place("SO-1", "1 A 5 9.90")
			key := w.awaitState("sales_order", "SO-1", "waiting")["key"].(string)
			w.erp.settled(key, "rejected", obj{"code": "no_such_item"})
			if by == "event" {
				w.push("erp", "document.rejected", obj{"key": key, "problem": obj{"code": "no_such_item"}})
			}
			w.awaitState("sales_order", "SO-1", "parked")
			w.quiet()
			w.books(w.wms, "SO-1", "")
			if len(w.exceptions("state=open&order=SO-1")) != 1 {
				t.Error("no exception")
			}
			if n := len(w.erp.tries("sales_order", "")); n != 1 {
				t.Errorf("%d attempts", n)
			}
		})
	}
}

// TestT1_202AckDeadline: 10 s in fast timing, then an exception, and still
// asked.
func TestT1_202AckDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "", 1, take)
	w.place("SO-1", "1 A 5 9.90")
	key := w.awaitState("sales_order", "SO-1", "waiting")["key"].(string)
	began := w.erp.tries("sales_order", "")[0].at
	w.await("the exception", func() bool { return len(w.exceptions("state=open&order=SO-1")) == 1 })
	if late := time.Since(began); late < 9*time.Second || late > 15*time.Second {
		t.Errorf("the exception came after %v, want about 10 s", late)
	}
	asked := len(w.erp.lookups(key))
	w.await("still asked", func() bool { return len(w.erp.lookups(key)) > asked })
	w.erp.settled(key, "applied", nil)
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	if left := w.exceptions("state=open"); len(left) != 0 {
		t.Errorf("exceptions left: %s", marshal(left))
	}
}

// TestT1_202KeepsOrder: pending counts as settled only where the system keeps
// order itself.
func TestT1_202KeepsOrder(t *testing.T) {
	t.Parallel()
	for _, keeps := range []bool{false, true} {
		t.Run(map[bool]string{false: "no", true: "yes"}[keeps], func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world) { w.erp.keepsOrder = keeps })
			w.erp.on("shipment_posting", "", 1, take)
			w.released("SO-1", "1 A 5 9.90")
			w.ship("SO-1", "S-1", 1, "1 2")
			key := w.awaitState("shipment_posting", "SO-1", "waiting")["key"].(string)
			w.ship("SO-1", "S-2", 1, "1 3")
			if keeps {
				w.await("the next goes", func() bool { return len(w.erp.docs("shipment_posting", "SO-1")) == 1 })
			} else {
				w.watch(time.Second, "the next waits", func() bool { return len(w.erp.tries("shipment_posting", "SO-1")) == 1 })
			}
			w.erp.settled(key, "applied", nil)
			w.quiet()
			if n := len(w.erp.docs("invoice", "SO-1")); n != 2 {
				t.Errorf("%d invoices, want 2", n)
			}
		})
	}
}

// parts answers 207: what happens to each line by its number.
func parts(status map[string]string) func(*call) {
	return func(c *call) {
		lines := []any{}
		some := false
		for _, l := range c.doc["lines"].([]any) {
			id := l.(obj)["line"].(string)
			row := obj{"line": id, "status": status[id]}
			if status[id] == "applied" {
				row["ref"] = "L-" + id
				some = true
			} else {
				row["problem"] = obj{"code": "bad_line", "title": "no such item", "line": id}
			}
			lines = append(lines, row)
		}
		if !some {
			answer(c.w, 207, obj{"lines": lines})
			return
		}
		e := c.apply("applied")
		c.set(func() { e.lines = lines })
		body := c.receipt(e)
		body["lines"] = lines
		answer(c.w, 207, body)
	}
}

func TestT1_207Retry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("shipment_posting", "", 1, parts(map[string]string{"1": "applied", "2": "retry"}))
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.ship("SO-1", "S-1", 1, "1 5, 2 3")
	w.quiet()
	q := w.erp.tries("shipment_posting", "SO-1")
	if len(q) != 2 {
		t.Fatalf("%d postings, want 2: %s", len(q), w.erp.kinds("SO-1"))
	}
	if q[1].doc["revision"] != 1.0 || q[1].key == q[0].key || q[1].attempt != 1 || q[1].seq != q[0].seq+1 {
		t.Errorf("the retry is %s", q[1].body)
	}
	w.lines(q[1].doc, "2:3")
	if q[1].at.Sub(q[0].at) < 20*time.Millisecond {
		t.Error("no back-off")
	}
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting shipment_posting invoice")
	w.lines(w.one(w.erp, "invoice", "SO-1"), "1:5 2:3")
	w.stages("SO-1", "2", "posted 3 invoiced 3")
}

// TestT1_207RetryAtTheHead: the retried lines go before what waits in the lane.
func TestT1_207RetryAtTheHead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	gate := make(chan struct{})
	w.erp.on("shipment_posting", "", 1, func(c *call) {
		<-gate
		parts(map[string]string{"1": "applied", "2": "retry"})(c)
	})
	w.ship("SO-1", "S-1", 1, "1 2, 2 2")
	w.await("the first posting", func() bool { return len(w.erp.tries("shipment_posting", "")) == 1 })
	w.ship("SO-1", "S-2", 1, "1 3, 2 1")
	w.await("the second waits", func() bool { return len(w.list("/api/v1/deliveries?order=SO-1&target=erp&state=waiting")) >= 1 })
	close(gate)
	w.quiet()
	q := w.erp.tries("shipment_posting", "SO-1")
	if len(q) != 3 || quantities(q[1].doc) != "2:2" || quantities(q[2].doc) != "1:3 2:1" {
		t.Errorf("postings in this order: %v", w.erp.kinds("SO-1"))
		for _, r := range q {
			t.Logf("%s", r.body)
		}
	}
	w.stages("SO-1", "1", "posted 5 invoiced 5")
	w.stages("SO-1", "2", "posted 3 invoiced 3")
}

func TestT1_207Rejected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("shipment_posting", "SO-1", 1, parts(map[string]string{"1": "applied", "2": "rejected"}))
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.ship("SO-1", "S-1", 1, "1 2, 2 3")
	w.quiet()
	w.lines(w.one(w.erp, "invoice", "SO-1"), "1:2")
	if d := w.delivery("shipment_posting", "SO-1"); d["state"] != "done" {
		t.Errorf("the posting is %v, want done", d)
	}
	if text := string(marshal(w.exceptions("state=open&order=SO-1"))); !strings.Contains(text, "line") {
		t.Errorf("no line exception: %s", text)
	}
	w.ship("SO-1", "S-2", 1, "1 3") // the lane goes on
	w.quiet()
	w.stages("SO-1", "1", "posted 5 invoiced 5")
	w.stages("SO-1", "2", "shipped 3 posted 0 invoiced 0")
}

// TestT1_207RejectedSalesOrderLine: later documents name applied lines only.
func TestT1_207RejectedSalesOrderLine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "SO-1", 1, parts(map[string]string{"1": "applied", "2": "rejected"}))
	w.place("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.quiet()
	w.lines(w.one(w.wms, "warehouse_order", "SO-1"), "1:5")
	if len(w.exceptions("state=open&order=SO-1")) == 0 {
		t.Error("no line exception")
	}
}

func TestT1_207AllRejected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "SO-1", 1, parts(map[string]string{"1": "rejected", "2": "rejected"}))
	w.place("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.awaitState("sales_order", "SO-1", "parked")
	w.quiet()
	w.books(w.wms, "SO-1", "")
}

// TestT1_207RetryThenRejected: what follows is decided once, when no line is
// left to retry. A document of which no line was applied was neither applied
// nor taken: it does not count in after.
func TestT1_207RetryThenRejected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("shipment_posting", "SO-1", 2, parts(map[string]string{"1": "applied", "2": "retry"}))
	w.erp.on("shipment_posting", "SO-1", 1, parts(map[string]string{"2": "rejected"}))
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.ship("SO-1", "S-1", 1, "1 2, 2 3")
	w.quiet()
	q := w.erp.tries("shipment_posting", "SO-1")
	if len(q) != 3 || q[2].doc["revision"] != 2.0 {
		t.Fatalf("%d postings", len(q))
	}
	if len(w.exceptions("state=open&order=SO-1")) == 0 {
		t.Error("no line exception")
	}
	if d := w.delivery("shipment_posting", "SO-1"); d["state"] == "parked" { // all its lines were rejected
		w.awaitPast(q[2].deadline)
		w.act("/api/v1/deliveries/" + d["key"].(string) + "/skip")
		w.quiet()
	}
	w.lines(w.one(w.erp, "invoice", "SO-1"), "1:2")
}

// TestT1_207LinesByT2: lines found by a look-up count as those of the answer.
func TestT1_207LinesByT2(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("shipment_posting", "SO-1", 1, func(c *call) {
		e := c.apply("applied")
		c.set(func() {
			e.lines = []any{obj{"line": "1", "status": "applied", "ref": "L-1"}, obj{"line": "2", "status": "rejected", "problem": obj{"code": "bad_line"}}}
		})
		c.drop()
	})
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.ship("SO-1", "S-1", 1, "1 2, 2 3")
	w.quiet()
	w.lines(w.one(w.erp, "invoice", "SO-1"), "1:2")
}
