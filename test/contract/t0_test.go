package contract_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestW4_1and2_WholeLife is the whole life of one order in the books of the three systems.
func TestW4_1and2_WholeLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.place("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.quiet()
	w.books(w.erp, "SO-1", "order_check sales_order")
	w.books(w.wms, "SO-1", "warehouse_order")
	w.books(w.channel, "SO-1", "order_acknowledgment")
	if s := w.order("SO-1")["status"]; s != "released" {
		t.Errorf("status %v, want released", s)
	}
	w.ship("SO-1", "S-1", 1, "1 5")
	w.quiet()
	if s := w.order("SO-1")["status"]; s != "partially_shipped" {
		t.Errorf("status %v, want partially_shipped", s)
	}
	w.ship("SO-1", "S-2", 1, "2 3", obj{"freight": "4.00", "final": true})
	w.quiet()
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting invoice shipment_posting invoice")
	w.books(w.channel, "SO-1", "order_acknowledgment fulfilment fulfilment")
	w.stages("SO-1", "1", "ordered 5 cancelled 0 released 5 shipped 5 posted 5 invoiced 5 backordered 0")
	w.stages("SO-1", "2", "ordered 3 cancelled 0 released 3 shipped 3 posted 3 invoiced 3 backordered 0")
}

// TestT1_Body holds each kind's body to the text of T1.
func TestT1_Body(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.ship("SO-1", "S-1", 1, "1 2", obj{"freight": "4.00"})
	w.quiet()
	bill := w.erp.docs("invoice", "SO-1")[0]
	posting := w.one(w.erp, "shipment_posting", "SO-1")
	for _, c := range []struct {
		target *target
		kind   string
		lines  string
		seq    int
		after  int
		priced bool
	}{
		{w.erp, "order_check", "1:5 2:3", 1, 0, true},
		{w.erp, "sales_order", "1:5 2:3", 2, 1, true},
		{w.erp, "shipment_posting", "1:2", 3, 2, false},
		{w.erp, "invoice", "1:2", 4, 3, true},
		{w.wms, "warehouse_order", "1:5 2:3", 1, 0, false},
		{w.channel, "order_acknowledgment", "1:5 2:3", 1, 0, false},
		{w.channel, "fulfilment", "1:2", 2, 1, false},
	} {
		d := w.one(c.target, c.kind, "SO-1")
		w.lines(d, c.lines)
		want := obj{"company": "01", "order": "SO-1", "version": 1.0, "seq": float64(c.seq), "after": float64(c.after), "revision": 0.0}
		for k, v := range want {
			if d[k] != v {
				t.Errorf("%s: %s is %v, want %v", c.kind, k, d[k], v)
			}
		}
		for _, k := range []string{"supersedes", "compensates", "covers"} {
			if v, has := d[k]; has {
				t.Errorf("%s: %s is there (%v) where it does not apply", c.kind, k, v)
			}
		}
		for _, l := range d["lines"].([]any) {
			l := l.(obj)
			if l["sku"] == nil || l["uom"] != "EA" {
				t.Errorf("%s: line lacks sku or uom: %v", c.kind, l)
			}
			want := map[any]string{"1": "9.9", "2": "2.5"}[l["line"]]
			if c.priced && l["price"] != want && l["price"] != want+"0" {
				t.Errorf("%s: line %v: price %v", c.kind, l["line"], l["price"])
			}
		}
		if c.priced && d["currency"] != "EUR" {
			t.Errorf("%s: currency %v", c.kind, d["currency"])
		}
		data, _ := d["data"].(obj)
		if got := data["channel_order"]; (c.target == w.channel) != (got == "SO-1") {
			t.Errorf("%s: data.channel_order is %v", c.kind, got)
		}
	}
	// 23:30 -05:00 of the 4th is the 5th in the company's zone.
	for _, d := range []obj{posting, bill} {
		if d["posting_date"] != "2026-03-05" {
			t.Errorf("%v: posting_date %v, want 2026-03-05", d["kind"], d["posting_date"])
		}
	}
	for _, d := range []obj{posting, w.one(w.channel, "fulfilment", "SO-1")} {
		data := d["data"].(obj)
		for k, v := range map[string]any{"shipment": "S-1", "shipped_at": "2026-03-04T23:30:00-05:00", "carrier": "UPS", "service": "Ground"} {
			if data[k] != v {
				t.Errorf("%v: data.%s is %v, want %v (G1: the source's offset is kept)", d["kind"], k, data[k], v)
			}
		}
		p, _ := data["packages"].([]any)
		if len(p) != 1 || p[0].(obj)["tracking"] != "1ZS-1" {
			t.Errorf("%v: data.packages %v", d["kind"], data["packages"])
		}
	}
	data := bill["data"].(obj)
	if data["shipment"] != "S-1" {
		t.Errorf("invoice: data.shipment %v", data["shipment"])
	}
	if _, ok := data["charges"]; !ok {
		t.Errorf("invoice: data.charges is missing: %s", marshal(data))
	}
	if _, ok := data["tax"]; !ok {
		t.Errorf("invoice: data.tax is missing: %s", marshal(data))
	}
	if !strings.Contains(string(marshal(data["charges"])), `"4`) {
		t.Errorf("W4.2: the shipment's freight is not on its invoice: %s", marshal(data))
	}
}

// TestT0_OneTracePerOrder compares the traces of all systems.
func TestT0_OneTracePerOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.place("SO-1", "1 A 5 9.90")
	w.place("SO-2", "1 A 5 9.90")
	w.quiet()
	one := w.erp.traces["SO-1"]
	if one == "" || w.wms.traces["SO-1"] != one || w.channel.traces["SO-1"] != one {
		t.Errorf("SO-1 has traces %q %q %q, want one", one, w.wms.traces["SO-1"], w.channel.traces["SO-1"])
	}
	if w.erp.traces["SO-2"] == one {
		t.Error("two orders share a trace")
	}
}

// sameAttempts holds requests of one document to T0's stability.
func (w *world) sameAttempts(tries []*request) {
	w.Helper()
	for i, q := range tries[1:] {
		p := tries[i]
		if q.key != p.key || q.seq != p.seq || string(q.body) != string(p.body) || q.header.Get("Content-Digest") != p.header.Get("Content-Digest") || q.lane != p.lane {
			w.Errorf("attempt %d differs from %d:\n%s\n%s", q.attempt, p.attempt, p.body, q.body)
		}
		if q.attempt <= p.attempt {
			w.Errorf("attempt %d after %d", q.attempt, p.attempt)
		}
		if q.epoch < p.epoch {
			w.Errorf("epoch %d after %d", q.epoch, p.epoch)
		}
	}
}

func TestT0_StableOverKill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "SO-1", 2, (*call).hang)
	w.place("SO-1", "1 A 5 9.90")
	w.await("the first attempt", func() bool { return len(w.erp.tries("sales_order", "SO-1")) == 1 })
	w.kill()
	w.start()
	w.await("the second attempt", func() bool { return len(w.erp.tries("sales_order", "SO-1")) == 2 })
	w.kill()
	w.start()
	w.quiet()
	tries := w.erp.tries("sales_order", "SO-1")
	if len(tries) != 3 {
		t.Fatalf("%d attempts, want 3", len(tries))
	}
	w.sameAttempts(tries)
	for i, q := range tries[1:] {
		asked := w.erp.lookups(q.key)
		if len(asked) <= i || asked[i].at.Before(tries[i].deadline.Add(900*time.Millisecond)) {
			t.Errorf("T5: attempt %d was not preceded by T2 after deadline and settle time", q.attempt)
		}
	}
	w.one(w.erp, "sales_order", "SO-1")
}

// TestT0_KeysInARebuiltDatabase pushes the same messages into an empty data
// directory: the keys are the same, but for order_check.
func TestT0_KeysInARebuiltDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type message struct {
		system, id string
		body       []byte
	}
	var kept []message
	n := 0
	say := func(system, kind string, data obj) {
		n++
		m := message{system, fmt.Sprintf("rebuilt_%d", n), envelope(kind, data)}
		kept = append(kept, m)
		w.pushBody("accepted", m.system, m.id, m.body)
		w.quiet()
	}
	say("channel", "order.placed", placed("SO-1", 1, "1 A 5 9.90, 2 B 3 2.50"))
	say("wms", "shipment.confirmed", shipped("SO-1", "S-1", 1, "1 2"))
	say("wms", "shipment.confirmed", shipped("SO-1", "S-1", 2, "1 3"))
	say("wms", "shipment.confirmed", shipped("SO-1", "S-1", 3, "1 1"))
	say("channel", "order.placed", placed("SO-2", 1, "1 A 5 9.90"))
	say("channel", "order.changed", placed("SO-2", 2, "1 A 4 9.90"))
	say("channel", "order.cancel_requested", obj{"order": "SO-2", "request": "R-1"})
	keys := func() []string {
		var out []string
		for _, f := range w.all {
			for _, q := range f.tries("", "") {
				if q.kind != "order_check" && q.attempt == 1 {
					out = append(out, f.name+" "+q.lane+" "+q.kind+" "+q.key)
				}
			}
		}
		return out
	}
	first := keys()
	w.kill()
	for _, f := range w.all {
		f.set(func() {
			f.books, f.byKey, f.sent, f.lanes, f.head = nil, map[string]*entry{}, nil, map[string]*lane{}, 0
		})
	}
	w.startOn("rebuilt")
	for _, m := range kept {
		w.pushBody("accepted", m.system, m.id, m.body)
		w.quiet()
	}
	if diff := cmp.Diff(first, keys()); diff != "" {
		t.Errorf("keys in the rebuilt database (-first +rebuilt):\n%s", diff)
	}
	seen := map[string]bool{}
	for _, k := range first {
		key := k[strings.LastIndex(k, " "):]
		if seen[key] {
			t.Errorf("two documents share key%s", key)
		}
		seen[key] = true
	}
	if len(first) < 12 {
		t.Errorf("the story made only %d documents: %v", len(first), first)
	}
}

// TestT0_KeysUnderPermutedFacts sends two shipments in both orders.
func TestT0_KeysUnderPermutedFacts(t *testing.T) {
	t.Parallel()
	keys := map[string]map[string]string{}
	for _, turn := range []string{"S-1 S-2", "S-2 S-1"} {
		w := newWorld(t)
		w.released("SO-1", "1 A 5 9.90")
		for _, s := range strings.Fields(turn) {
			w.ship("SO-1", s, 1, "1 2")
		}
		w.quiet()
		keys[turn] = map[string]string{}
		for _, f := range w.all {
			for _, d := range f.docs("", "SO-1") {
				data, _ := d["data"].(obj)
				keys[turn][fmt.Sprint(d["kind"], " ", data["shipment"])] = d["key"].(string)
			}
		}
		delete(keys[turn], "order_check <nil>")
	}
	if diff := cmp.Diff(keys["S-1 S-2"], keys["S-2 S-1"]); diff != "" {
		t.Errorf("keys differ with the order of arrival:\n%s", diff)
	}
}

// TestT0_Namespace: another namespace, other keys; another order, other keys.
func TestT0_Namespace(t *testing.T) {
	t.Parallel()
	var keys []string
	for _, namespace := range []string{"waybill", "elsewhere"} {
		w := prepare(t)
		w.rewrite("waybill.yaml", "namespace: waybill", "namespace: "+namespace)
		w.start()
		w.released("SO-1", "1 A 5 9.90")
		keys = append(keys, w.one(w.erp, "sales_order", "SO-1")["key"].(string))
	}
	if keys[0] == keys[1] {
		t.Error("two namespaces share a key")
	}
}
