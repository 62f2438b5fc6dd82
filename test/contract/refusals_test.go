package contract_test

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestT1_Refused walks what is a refusal: the lane waits, others go on, C7
// retry has it judged afresh under the same key.
func TestT1_Refused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code int
		name string
	}{{400, "bad"}, {404, "no_customer"}, {422, "bad_line"}, {418, "teapot"}, {410, "gone"}, {403, "forbidden"}, {409, "conflict"}, {422, "key_reuse"}} {
		t.Run(fmt.Sprint(c.code, c.name), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.erp.on("sales_order", "SO-1", 1, refuse(c.code, c.name))
			w.place("SO-1", "1 A 5 9.90")
			d := w.awaitState("sales_order", "SO-1", "parked")
			w.place("SO-2", "1 A 5 9.90")
			w.quiet()
			w.books(w.wms, "SO-2", "warehouse_order")
			w.books(w.wms, "SO-1", "")
			if !strings.Contains(fmt.Sprint(d["reason"]), c.name) {
				t.Errorf("C3 reason %q does not say %s", d["reason"], c.name)
			}
			asked := len(w.erp.lookups(d["key"].(string)))
			if want := c.code == 409; (asked > 0) != want {
				t.Errorf("T2 asked %d times", asked)
			}
			open := w.exceptions("state=open&order=SO-1")
			if len(open) != 1 {
				t.Fatalf("exceptions: %s", marshal(open))
			}
			key := d["key"].(string)
			w.act("/api/v1/deliveries/" + key + "/retry")
			w.quiet()
			if doc := w.one(w.erp, "sales_order", "SO-1"); doc["key"] != key {
				t.Error("a retry has another key")
			}
			w.books(w.wms, "SO-1", "warehouse_order")
			if left := w.exceptions("state=open&order=SO-1"); len(left) != 0 {
				t.Errorf("exceptions left: %s", marshal(left))
			}
		})
	}
}

// TestT1_LaneBehindARefusal: later documents of the lane are parked behind it;
// skip lets them go.
func TestT1_LaneBehindARefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("shipment_posting", "SO-1", 1, refuse(422, "bad_posting"))
	w.released("SO-1", "1 A 5 9.90")
	w.ship("SO-1", "S-1", 1, "1 2")
	head := w.awaitState("shipment_posting", "SO-1", "parked")
	key := head["key"].(string)
	w.ship("SO-1", "S-2", 1, "1 3")
	w.quiet()
	behind := 0
	for _, d := range w.list("/api/v1/deliveries?order=SO-1&target=erp&state=parked") {
		if d["reason"] == "behind "+key {
			behind++
			if d["attempts"] != 0.0 {
				t.Errorf("attempts %v of a document behind a head", d["attempts"])
			}
		}
	}
	if behind != 1 || len(w.erp.tries("shipment_posting", "")) != 1 {
		t.Errorf("%d documents behind the refused one, %d postings sent", behind, len(w.erp.tries("shipment_posting", "")))
	}
	w.books(w.channel, "SO-1", "order_acknowledgment fulfilment fulfilment")
	w.awaitPast(w.erp.tries("shipment_posting", "")[0].deadline)
	w.act("/api/v1/deliveries/" + key + "/skip")
	w.quiet()
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting invoice")
	w.lines(w.one(w.erp, "shipment_posting", "SO-1"), "1:3")
	if d := w.list("/api/v1/deliveries?key=" + key); len(d) != 1 || d[0]["state"] != "skipped" {
		t.Errorf("after skip: %v", d)
	}
}

func (w *world) awaitPast(at time.Time) {
	w.await("the deadline has passed", func() bool { return time.Now().After(at) })
}

func TestT1_BusinessPark(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code int
		name string
	}{{409, "closed_period"}, {409, "locked"}, {422, "credit_hold"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.erp.on("shipment_posting", "", 2, refuse(c.code, c.name))
			w.released("SO-1", "1 A 5 9.90")
			w.released("SO-2", "1 A 5 9.90")
			w.ship("SO-1", "S-1", 1, "1 5")
			w.ship("SO-2", "S-2", 1, "1 5")
			one := w.awaitState("shipment_posting", "SO-1", "parked")
			w.awaitState("shipment_posting", "SO-2", "parked")
			w.act("/api/v1/deliveries/" + one["key"].(string) + "/retry")
			w.await("SO-1 is posted by the operator", func() bool { return len(w.erp.docs("shipment_posting", "SO-1")) == 1 })
			if len(w.erp.tries("shipment_posting", "SO-2")) != 1 {
				t.Error("SO-2 was tried again too early")
			}
			w.await("SO-2 is posted after hold_recheck", func() bool { return len(w.erp.docs("shipment_posting", "SO-2")) == 1 })
			q := w.erp.tries("shipment_posting", "SO-2")
			if wait := q[1].at.Sub(q[0].at); wait < 4*time.Second || wait > 8*time.Second {
				t.Errorf("tried again after %v, want about 5 s", wait)
			}
			w.sameAttempts(q)
			w.quiet()
			if left := w.exceptions("state=open"); len(left) != 0 {
				t.Errorf("exceptions left: %s", marshal(left))
			}
		})
	}
}

func TestT1_409InProgress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "", 1, func(c *call) {
		go func() { <-time.After(700 * time.Millisecond); c.apply("applied") }()
		c.problem(409, "in_progress")
	})
	w.place("SO-1", "1 A 5 9.90")
	w.quiet()
	q := w.erp.tries("sales_order", "SO-1")
	if len(q) != 1 || len(w.erp.lookups(q[0].key)) == 0 {
		t.Errorf("%d attempts and %d look-ups, want 1 and some", len(q), len(w.erp.lookups(q[0].key)))
	}
	w.books(w.wms, "SO-1", "warehouse_order")
}

func TestT1_409SeqGap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("shipment_posting", "", 1, refuse(409, "seq_gap"))
	w.released("SO-1", "1 A 5 9.90")
	w.ship("SO-1", "S-1", 1, "1 5")
	w.quiet()
	q := w.erp.tries("shipment_posting", "SO-1")
	if len(q) != 2 {
		t.Fatalf("%d attempts, want 2: %v", len(q), w.delivery("shipment_posting", "SO-1"))
	}
	w.sameAttempts(q)
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting invoice")
}

func TestT1_409StaleEpoch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "", 1, refuse(409, "stale_epoch"))
	w.place("SO-1", "1 A 5 9.90")
	w.quiet()
	w.sameAttempts(w.erp.tries("sales_order", "SO-1"))
	w.books(w.erp, "SO-1", "order_check sales_order")
}

func TestT1_409OtherButApplied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "", 1, func(c *call) { c.apply("applied"); c.problem(409, "duplicate") })
	w.place("SO-1", "1 A 5 9.90")
	w.quiet()
	if n := len(w.erp.tries("sales_order", "SO-1")); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
	w.books(w.wms, "SO-1", "warehouse_order")
}

// TestT1_401 pauses the target until T3 answers with the credential.
func TestT1_401(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("", "", -1, refuse(401, "unauthorized"))
	w.erp.set(func() { w.erp.infoCode = 401 })
	w.place("SO-1", "1 A 5 9.90")
	w.awaitState("order_check", "SO-1", "parked")
	sent := len(w.erp.tries("", ""))
	if sent > 2 {
		t.Errorf("%d requests with a refused credential, want one and one refresh", sent)
	}
	w.place("SO-2", "1 A 5 9.90")
	w.awaitState("order_check", "SO-2", "parked")
	if len(w.erp.tries("", "")) != sent {
		t.Error("a paused target was sent a document")
	}
	if len(w.exceptions("state=open")) == 0 {
		t.Error("no exception")
	}
	w.erp.clear()
	w.erp.set(func() { w.erp.infoCode = 0 })
	w.await("it goes on by itself", func() bool { return len(w.erp.docs("sales_order", "")) == 2 })
	w.quiet()
	if left := w.exceptions("state=open"); len(left) != 0 {
		t.Errorf("exceptions left: %s", marshal(left))
	}
}

func TestT1_403WithoutT3(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("", "", 1, refuse(403, "forbidden"))
	w.erp.set(func() { w.erp.infoCode = 403 })
	w.place("SO-1", "1 A 5 9.90")
	w.awaitState("order_check", "SO-1", "parked")
	w.place("SO-2", "1 A 5 9.90")
	w.awaitState("order_check", "SO-2", "parked")
	if n := len(w.erp.tries("", "")); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	w.erp.set(func() { w.erp.infoCode = 0 })
	w.await("it goes on by itself", func() bool { return len(w.erp.docs("sales_order", "")) == 2 })
	w.quiet()
}

// TestT1_Misconfigured: 3xx, or 4xx without problem+json, pause the target
// until C7 resume or SIGHUP. A redirect is not followed.
func TestT1_Misconfigured(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(*call){
		"307": func(c *call) { http.Redirect(c.w, c.r, c.url+"/v2/documents", http.StatusTemporaryRedirect) },
		"301": func(c *call) { http.Redirect(c.w, c.r, c.url+"/v2/documents", http.StatusMovedPermanently) },
		"404": func(c *call) { http.Error(c.w, "<html>not here</html>", 404) },
		"422": func(c *call) { answer(c.w, 422, obj{"code": "no_problem_json"}) },
	} {
		for _, by := range []string{"resume", "SIGHUP"} {
			t.Run(name+" "+by, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.erp.on("", "", 1, then)
				w.place("SO-1", "1 A 5 9.90")
				w.awaitState("order_check", "SO-1", "parked")
				w.place("SO-2", "1 A 5 9.90")
				w.awaitState("order_check", "SO-2", "parked")
				w.watch(time.Second, "nothing is sent", func() bool { return len(w.erp.tries("", "")) == 1 })
				w.quiet()
				if by == "resume" {
					w.act("/api/v1/systems/erp/resume")
				} else {
					_ = w.cmd.Process.Signal(syscall.SIGHUP)
				}
				w.await("it goes on", func() bool { return len(w.erp.docs("sales_order", "")) == 2 })
				w.quiet()
				if left := w.exceptions("state=open"); len(left) != 0 {
					t.Errorf("exceptions left: %s", marshal(left))
				}
			})
		}
	}
}

// TestT1_TwentyRefusals: one exception and a paused target, until resume.
func TestT1_TwentyRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wms.on("warehouse_order", "", -1, refuse(422, "bad_company"))
	for n := range 24 {
		w.place(fmt.Sprintf("SO-%d", n), "1 A 5 9.90")
		w.awaitState("warehouse_order", fmt.Sprintf("SO-%d", n), "parked")
	}
	if n := len(w.wms.tries("", "")); n != 20 {
		t.Errorf("%d requests, want 20 and no more", n)
	}
	w.quiet()
	var one []obj
	for _, e := range w.exceptions("state=open&limit=1000") {
		if strings.Contains(string(marshal(e["actions"])), "resume") {
			one = append(one, e)
		}
	}
	if len(one) != 1 {
		t.Errorf("%d exceptions about it, want one: %s", len(one), marshal(one))
	}
	w.wms.clear()
	w.act("/api/v1/systems/wms/resume")
	w.await("the others go on", func() bool { return len(w.wms.docs("warehouse_order", "SO-23")) == 1 })
	w.quiet()
}

// TestT1_CreditHoldsDoNotCount as refusals in a row.
func TestT1_CreditHoldsDoNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "", 24, refuse(422, "credit_hold"))
	for n := range 24 {
		w.place(fmt.Sprintf("SO-%d", n), "1 A 5 9.90")
	}
	w.await("all were asked", func() bool { return len(w.erp.tries("sales_order", "")) >= 24 })
	w.place("SO-24", "1 A 5 9.90")
	w.await("the next goes through", func() bool { return len(w.wms.docs("warehouse_order", "SO-24")) == 1 })
	w.await("all are released in the end", func() bool { return len(w.wms.docs("warehouse_order", "")) == 25 })
	w.quiet()
}

// TestT3_Rewind: a restore from backup stops posting to that system.
func TestT3_Rewind(t *testing.T) {
	t.Parallel()
	for name, rewind := range map[string]func(*world){
		"n of another key": func(w *world) {
			w.erp.on("order_check", "SO-2", 1, func(c *call) {
				e := c.apply("applied")
				c.set(func() { e.n, c.head = 1, 1 })
				answer(c.w, 201, c.receipt(e))
			})
		},
		"generation in a receipt": func(w *world) { w.erp.set(func() { w.erp.generation = "g2" }) },
		"generation at start":     func(w *world) { w.kill(); w.erp.set(func() { w.erp.generation = "g2" }); w.start() },
		"fallen head at start": func(w *world) {
			w.kill()
			w.erp.set(func() { w.erp.head, w.erp.books = 1, w.erp.books[:1] })
			w.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.released("SO-1", "1 A 5 9.90")
			rewind(w)
			w.place("SO-2", "1 A 5 9.90")
			w.await("the incident target_rewind", func() bool {
				for _, e := range w.exceptions("state=open") {
					if e["cause"] == "target_rewind" {
						return true
					}
				}
				return false
			})
			sent := len(w.erp.tries("", ""))
			w.place("SO-3", "1 A 5 9.90")
			w.awaitState("order_check", "SO-3", "parked")
			if n := len(w.erp.tries("", "")); n != sent {
				t.Errorf("%d requests after the rewind", n-sent)
			}
			w.quiet()
		})
	}
}

// TestT0_Skew: the deadline is on the target's clock; above 10 s it is an
// incident.
func TestT0_Skew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world) { w.erp.skew = -40 * time.Second; w.wms.skew = 40 * time.Second })
	w.erp.on("sales_order", "SO-1", 1, (*call).drop)
	w.wms.on("warehouse_order", "SO-1", 1, (*call).drop)
	w.place("SO-1", "1 A 5 9.90")
	w.quiet()
	w.await("T3 told the clocks", func() bool { return strings.Count(string(marshal(w.exceptions(""))), "skew") >= 2 })
	w.books(w.erp, "SO-1", "order_check sales_order")
	w.books(w.wms, "SO-1", "warehouse_order")
	for _, f := range []*target{w.erp, w.wms} {
		for _, q := range f.tries("", "") {
			if left := q.deadline.Sub(q.at); left < 500*time.Millisecond {
				t.Errorf("%s: a deadline %v ahead on the target's clock", f.name, left)
			}
		}
	}
}
