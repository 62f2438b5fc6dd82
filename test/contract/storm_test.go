package contract_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// storm answers about a third of all documents badly, from a seed.
func (f *target) storm(seed uint64) {
	var mu sync.Mutex
	chance := rand.New(rand.NewPCG(seed, uint64(len(f.name))))
	f.on("", "", -1, func(c *call) {
		mu.Lock()
		n := chance.IntN(30)
		mu.Unlock()
		switch n {
		case 0:
			c.drop()
		case 1:
			c.apply("applied")
			c.drop()
		case 2:
			c.apply("applied")
			c.problem(500, "boom")
		case 3:
			c.problem(503, "busy")
		case 4:
			c.w.Header().Set("Retry-After", "1")
			c.problem(429, "slow")
		case 5:
			c.apply("applied")
			answer(c.w, 202, obj{"state": "pending"})
		case 6:
			c.problem(409, "stale_epoch")
		case 7:
			c.apply("applied")
			c.problem(409, "in_progress")
		case 8:
			c.apply("applied")
			c.hang()
		default:
			c.accept()
		}
	})
}

// insist sends an event until it is taken, over restarts.
func (w *world) insist(system, id string, body []byte) {
	w.Helper()
	w.await("the push is taken", func() bool {
		code, _, _ := w.try("POST", "/in/"+system, body, signed(hookSecret, id, time.Now(), body))
		return code == 200 || code == 202
	})
}

// TestStorm: every order is once in every system's books after faults of all
// kinds and kills, in the classes that promise it.
func TestStorm(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"lookup", "key"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			const orders = 30
			w := newWorld(t, class("erp", way), class("wms", way), class("channel", way))
			for _, f := range w.all {
				f.storm(7)
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
			for n := range orders {
				o := fmt.Sprintf("SO-%d", n)
				push("channel", "p"+o, "order.placed", placed(o, 1, "1 A 9 9.90, 2 B 3 2.50"))
				push("wms", "s1"+o, "shipment.confirmed", shipped(o, "S1-"+o, 1, "1 4"))
				push("wms", "s3"+o, "shipment.confirmed", shipped(o, "S1-"+o, 2, "1 3"))
				push("wms", "s2"+o, "shipment.confirmed", shipped(o, "S2-"+o, 1, "1 6, 2 3"))
			}
			for range 3 {
				heard := len(w.erp.tries("", ""))
				w.await("it works on", func() bool { return len(w.erp.tries("", "")) > heard+5 })
				w.kill()
				w.start()
			}
			wg.Wait()
			for _, f := range w.all {
				f.clear()
			}
			w.awaitFor(90*time.Second, "quiescent", func() bool { return w.status()["quiescent"] == true })
			for n := range orders {
				o := fmt.Sprintf("SO-%d", n)
				w.one(w.erp, "sales_order", o)
				if k := len(w.wms.docs("warehouse_order", o)); k > 1 { // none where all had shipped before
					t.Errorf("%s: %d warehouse orders", o, k)
				}
				w.one(w.channel, "order_acknowledgment", o)
				if k := len(w.channel.docs("fulfilment", o)); k != 2 {
					t.Errorf("%s: %d fulfilments", o, k)
				}
				w.billed(o, map[string]int{"1": 9, "2": 3})
			}
			if left := w.exceptions("state=open"); len(left) != 0 {
				t.Errorf("exceptions left: %s", marshal(left))
			}
			w.balanced()
		})
	}
}

// TestT1_429WithoutRetryAfter is not applied either.
func TestT1_429WithoutRetryAfter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "SO-1", 2, refuse(429, "slow_down"))
	w.place("SO-1", "1 A 5 9.90")
	w.quiet()
	tries := w.erp.tries("sales_order", "SO-1")
	w.sameAttempts(tries)
	if len(tries) != 3 || len(w.erp.lookups(tries[0].key)) != 0 {
		t.Errorf("%d attempts, %d look-ups", len(tries), len(w.erp.lookups(tries[0].key)))
	}
}

// TestW4_2_ShippedWhileReleaseIsInDoubt: the floor is faster than the answer.
func TestW4_2_ShippedWhileReleaseIsInDoubt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.wms.on("warehouse_order", "SO-1", 1, func(c *call) { c.apply("applied"); c.drop() })
	w.place("SO-1", "1 A 5 9.90")
	w.await("the attempt", func() bool { return len(w.wms.tries("warehouse_order", "")) == 1 })
	w.ship("SO-1", "S-1", 1, "1 5")
	w.await("billed at once", func() bool { return len(w.erp.docs("invoice", "SO-1")) == 1 })
	w.quiet()
	w.stages("SO-1", "1", "released 5 shipped 5 posted 5 invoiced 5")
	w.one(w.wms, "warehouse_order", "SO-1")
}

// TestW4_5_LinesAfterRelease: part of a line is asked for and cancelled.
func TestW4_5_LinesAfterRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.cancel("SO-1", "R-1", obj{"lines": rows("1 2")})
	w.await("the warehouse is asked", func() bool { return len(w.wms.docs("warehouse_order_cancel", "SO-1")) == 1 })
	w.lines(w.one(w.wms, "warehouse_order_cancel", "SO-1"), "1:2")
	w.warehouse("cancelled", "SO-1", obj{"lines": rows("1 2")})
	w.quiet()
	w.answerLine(w.answered("cancellation_answer", "SO-1", "accepted"), "1", "2", "0")
	w.lines(w.one(w.erp, "sales_order_cancel", "SO-1"), "1:2")
	w.stages("SO-1", "1", "ordered 5 cancelled 2")
	w.ship("SO-1", "S-1", 1, "1 3, 2 3")
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 3, "2": 3})
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
}

// TestW4_4_Restated: a version with the same lines changes nothing in the books
// of the warehouse.
func TestW4_4_Restated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90")
	w.change("SO-1", 2, "1 A 5 9.90")
	w.quiet()
	w.stages("SO-1", "1", "ordered 5 released 5 cancelled 0")
	if left := w.exceptions("state=open"); len(left) != 0 {
		t.Errorf("exceptions: %s", marshal(left))
	}
}
