package contract_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// TestT1_InDoubt walks every answer that leaves the outcome open, in a target
// that answers look-ups: with the document applied and not.
func TestT1_InDoubt(t *testing.T) {
	t.Parallel()
	broken := func(c *call) {
		c.w.Header().Set("Content-Type", "application/json")
		c.w.WriteHeader(201)
		_, _ = c.w.Write([]byte(`{"ref":"E-7`))
	}
	code := func(n int) func(*call) { return func(c *call) { c.problem(n, "broken") } }
	for name, then := range map[string]func(*call){
		"408": code(408), "425": code(425), "500": code(500), "502": code(502), "503 without Retry-After": code(503), "504": code(504),
		"unknown 5xx": code(599), "reset": (*call).drop, "time-out": (*call).hang, "unreadable": broken,
		"5xx that is not problem+json": func(c *call) { http.Error(c.w, "sorry", 500) },
	} {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, applied %v", name, applied), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.erp.on("sales_order", "SO-1", 1, func(c *call) {
					if applied {
						c.apply("applied")
					}
					then(c)
				})
				w.place("SO-1", "1 A 5 9.90")
				w.await("the answer", func() bool { return len(w.erp.tries("sales_order", "SO-1")) == 1 })
				w.awaitState("sales_order", "SO-1", "in_doubt")
				w.quiet()
				tries := w.erp.tries("sales_order", "SO-1")
				if want := map[bool]int{false: 2, true: 1}[applied]; len(tries) != want {
					t.Fatalf("%d attempts, want %d", len(tries), want)
				}
				w.sameAttempts(tries)
				asked := w.erp.lookups(tries[0].key)
				if len(asked) == 0 || asked[0].at.Before(tries[0].deadline.Add(900*time.Millisecond)) {
					t.Errorf("T2 not asked, or before deadline %v and settle time: %v", tries[0].deadline, asked)
				}
				d := w.one(w.erp, "sales_order", "SO-1")
				if have := w.delivery("sales_order", "SO-1"); have["state"] != "done" || have["ref"] != w.erp.byKey[d["key"].(string)].ref {
					t.Errorf("C3 shows %v", have)
				}
				w.books(w.wms, "SO-1", "warehouse_order")
			})
		}
	}
}

// TestT5_AsOf: a 404 of T2 is conclusive only when as_of reaches the deadline.
func TestT5_AsOf(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "SO-1", 1, (*call).drop)
	w.erp.set(func() { w.erp.asOf = func() time.Time { return time.Now().Add(-time.Hour) } })
	w.place("SO-1", "1 A 5 9.90")
	w.await("T2 asked twice", func() bool {
		q := w.erp.tries("sales_order", "SO-1")
		return len(q) > 0 && len(w.erp.lookups(q[0].key)) >= 2
	})
	if n := len(w.erp.tries("sales_order", "SO-1")); n != 1 {
		t.Fatalf("%d attempts while no answer was conclusive", n)
	}
	w.awaitState("sales_order", "SO-1", "in_doubt")
	w.erp.set(func() { w.erp.asOf = nil })
	w.quiet()
	if n := len(w.erp.tries("sales_order", "SO-1")); n != 2 {
		t.Errorf("%d attempts, want 2", n)
	}
	w.one(w.erp, "sales_order", "SO-1")
}

// TestT5_UnknownAnswersOfT2 stay in doubt.
func TestT5_LookupPendingAndRejected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "SO-1", 1, func(c *call) { c.apply("pending"); c.drop() })
	w.erp.on("sales_order", "SO-2", 1, func(c *call) { c.apply("rejected"); c.drop() })
	w.place("SO-1", "1 A 5 9.90")
	w.place("SO-2", "1 A 5 9.90")
	w.awaitState("sales_order", "SO-1", "waiting")
	w.awaitState("sales_order", "SO-2", "parked")
	w.settleBooks(w.erp, "applied")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	w.books(w.wms, "SO-2", "")
	if n := len(w.erp.tries("sales_order", "")); n != 2 {
		t.Errorf("%d attempts, want 2", n)
	}
}

// settleBooks turns what is pending in a target's books into a state.
func (w *world) settleBooks(f *target, state string) {
	f.set(func() {
		for _, e := range f.books {
			if e.state == "pending" {
				e.state = state
			}
		}
	})
}

func TestT5_ClassKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, class("erp", "key"))
	w.erp.on("sales_order", "SO-1", 1, func(c *call) { c.apply("applied"); c.drop() })
	w.erp.on("sales_order", "SO-2", 3, (*call).drop)
	w.place("SO-1", "1 A 5 9.90")
	w.place("SO-2", "1 A 5 9.90")
	w.quiet()
	for _, order := range []string{"SO-1", "SO-2"} {
		w.one(w.erp, "sales_order", order)
		w.sameAttempts(w.erp.tries("sales_order", order))
		w.books(w.wms, order, "warehouse_order")
	}
}

// TestT5_ClassKeyForgotten: once the key is older than key_ttl_s the target
// must be asked.
func TestT5_ClassKeyForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, class("erp", "key"), func(w *world) { w.erp.ttl = 1 })
	w.erp.on("sales_order", "SO-1", 1, (*call).hang)
	w.place("SO-1", "1 A 5 9.90")
	w.await("the first attempt", func() bool { return len(w.erp.tries("sales_order", "SO-1")) == 1 })
	w.quiet()
	tries := w.erp.tries("sales_order", "SO-1")
	for _, q := range tries[1:] {
		if asked := w.erp.lookups(q.key); len(asked) == 0 || asked[0].at.After(q.at) {
			t.Errorf("attempt %d, %v after the first, was not preceded by T2", q.attempt, q.at.Sub(tries[0].at))
		}
	}
	w.one(w.erp, "sales_order", "SO-1")
}

func TestT5_ClassNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, class("erp", "none"))
	w.erp.on("sales_order", "SO-1", 1, func(c *call) { c.apply("applied"); c.drop() })
	w.erp.on("sales_order", "SO-2", 1, (*call).drop)
	w.place("SO-1", "1 A 5 9.90")
	w.place("SO-2", "1 A 5 9.90")
	one := w.awaitState("sales_order", "SO-1", "parked")
	two := w.awaitState("sales_order", "SO-2", "parked")
	w.kill() // not even a restart sends it again
	w.start()
	w.watch(4*time.Second, "not sent again", func() bool { return len(w.erp.tries("sales_order", "")) == 2 })
	w.quiet()
	if len(w.exceptions("order=SO-1")) == 0 {
		t.Error("no exception for the parked document")
	}
	w.act("/api/v1/deliveries/"+one["key"].(string)+"/settle", obj{"ref": "E-2"})
	w.act("/api/v1/deliveries/" + two["key"].(string) + "/retry")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	w.books(w.wms, "SO-2", "warehouse_order")
	if d := w.delivery("sales_order", "SO-1"); d["state"] != "done" || d["ref"] != "E-2" {
		t.Errorf("after settle: %v", d)
	}
	if n := len(w.erp.tries("sales_order", "SO-1")); n != 1 {
		t.Errorf("settled, but sent %d times", n)
	}
	for _, order := range []string{"SO-1", "SO-2"} {
		if left := w.exceptions("state=open&order=" + order); len(left) != 0 {
			t.Errorf("exceptions left: %s", marshal(left))
		}
	}
}

// TestT5_LateApply: the target applies just before its deadline, after the
// answer was lost.
func TestT5_LateApply(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("shipment_posting", "SO-1", 1, func(c *call) {
		c.drop()
		go func() {
			<-time.After(time.Until(c.deadline.Add(-200 * time.Millisecond)))
			c.apply("applied")
		}()
	})
	w.released("SO-1", "1 A 5 9.90")
	w.ship("SO-1", "S-1", 1, "1 5")
	w.quiet()
	if n := len(w.erp.tries("shipment_posting", "SO-1")); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting invoice")
}

func TestT1_Throttled(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]func() (int, string){
		"429 seconds": func() (int, string) { return 429, "3" },
		"503 seconds": func() (int, string) { return 503, "3" },
		"429 date":    func() (int, string) { return 429, time.Now().Add(4 * time.Second).UTC().Format(http.TimeFormat) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var at time.Time
			w.erp.on("sales_order", "SO-1", 1, func(c *call) {
				code, after := header()
				c.w.Header().Set("Retry-After", after)
				c.set(func() { at = time.Now() })
				c.problem(code, "slow_down")
			})
			w.place("SO-1", "1 A 5 9.90")
			w.await("the answer", func() bool { return len(w.erp.tries("sales_order", "SO-1")) == 1 })
			w.place("SO-2", "1 A 5 9.90")
			if d := w.awaitState("sales_order", "SO-1", "waiting"); d["reason"] == "" {
				t.Errorf("no reason: %v", d)
			}
			w.quiet()
			for _, q := range w.erp.tries("", "") {
				if since := q.at.Sub(at); since > 100*time.Millisecond && since < 2900*time.Millisecond {
					t.Errorf("a request %v after Retry-After: 3 was answered", since)
				}
			}
			if n := len(w.erp.tries("sales_order", "SO-1")); n != 2 {
				t.Errorf("%d attempts, want 2", n)
			}
			if asked := w.erp.lookups(w.erp.tries("sales_order", "SO-1")[0].key); len(asked) != 0 {
				t.Error("T2 asked although the document was not applied")
			}
			w.books(w.erp, "SO-2", "order_check sales_order")
		})
	}
}

// TestT1_NotSent: a dial that fails is a plain retry, and no order is lost.
func TestT1_NotSent(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	closed := "http://" + freeAddress(t)
	w.rewrite("waybill.yaml", w.wms.url, closed)
	w.start()
	w.place("SO-1", "1 A 5 9.90")
	d := w.awaitState("warehouse_order", "SO-1", "waiting")
	w.books(w.channel, "SO-1", "order_acknowledgment") // in parallel: not held up by the warehouse
	if code, _, _ := w.try("GET", "/readyz", nil, nil); code != 200 {
		t.Errorf("readyz %d while a target is down", code)
	}
	w.serveOn(closed, w.wms)
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	if w.wms.tries("", "")[0].key != d["key"] {
		t.Error("the key changed")
	}
	if n := len(w.wms.tries("warehouse_order", "SO-1")); n != 1 {
		t.Errorf("%d requests arrived, want 1", n)
	}
}

// TestT1_Outage: a breaker probes with T3, never with a document.
func TestT1_Outage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wms.on("", "", -1, (*call).drop)
	w.wms.set(func() { w.wms.infoCode = 503 })
	for n := range 12 {
		w.place(fmt.Sprintf("SO-%d", n), "1 A 5 9.90")
	}
	w.await("the ERP has all", func() bool { return len(w.erp.docs("sales_order", "")) == 12 })
	w.await("T3 is asked as a probe", func() bool { w.wms.mu.Lock(); defer w.wms.mu.Unlock(); return w.wms.infos >= 3 })
	w.wms.clear()
	w.wms.set(func() { w.wms.infoCode = 0 })
	w.quiet()
	for n := range 12 {
		w.one(w.wms, "warehouse_order", fmt.Sprintf("SO-%d", n))
	}
}
