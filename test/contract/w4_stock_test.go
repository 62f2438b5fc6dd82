package contract_test

import (
	"fmt"
	"testing"
	"time"
)

// readings counts the T6 requests for a kind.
func (f *target) readings(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, k := range f.reads {
		if k == kind {
			n++
		}
	}
	return n
}

func (w *world) adjusted(doc, sku, warehouse string, version int, qty string) {
	w.Helper()
	w.push("wms", "inventory.adjusted", obj{"document": doc, "sku": sku, "warehouse": warehouse, "version": version, "qty": qty, "reason": "count"})
}

// positions tells of what is available; each is a second newer than the one
// before.
func (w *world) positions(sku string, available ...string) {
	w.Helper()
	for _, n := range available {
		w.tick++
		w.push("erp", "inventory.position", obj{"sku": sku, "warehouse": "W1", "available": n,
			"as_of": time.Date(2026, 3, 2, 9, 0, w.tick, 0, time.UTC).Format(time.RFC3339)})
	}
}

// TestW4_7_Adjustments go to the ERP in the item's lane, each for itself, a
// newer version with the difference.
func TestW4_7_Adjustments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.adjusted("ADJ-1", "A", "W1", 1, "-3")
	w.adjusted("ADJ-1", "A", "W2", 1, "4")
	w.adjusted("ADJ-1", "B", "W1", 1, "2.5")
	w.quiet()
	w.adjusted("ADJ-1", "A", "W1", 1, "-3")
	w.adjusted("ADJ-1", "A", "W1", 2, "-5")
	w.quiet()
	docs := w.erp.docs("inventory_adjustment", "~~item~A")
	if len(docs) != 3 || len(w.erp.docs("inventory_adjustment", "~~item~B")) != 1 {
		t.Fatalf("%d adjustments of A: %s", len(docs), marshal(docs))
	}
	sum, byWarehouse := map[any]string{}, map[any]int{}
	for n, d := range docs {
		data := d["data"].(obj)
		line := d["lines"].([]any)[0].(obj)
		if data["document"] != "ADJ-1" || data["reason"] != "count" || line["sku"] != "A" || d["posting_date"] == nil {
			t.Errorf("adjustment says %s", marshal(d))
		}
		if d["seq"] != float64(n+1) {
			t.Errorf("seq %v, want %d", d["seq"], n+1)
		}
		var q int
		_, _ = fmt.Sscan(line["qty"].(string), &q)
		byWarehouse[data["warehouse"]] += q
		sum[data["warehouse"]] += line["qty"].(string) + " "
	}
	if byWarehouse["W1"] != -5 || byWarehouse["W2"] != 4 {
		t.Errorf("the ERP holds %v", sum)
	}
	if row := w.delivery("inventory_adjustment", "~~item~A"); row == nil || row["lane"] != "~~item~A" || row["order"] != "" || row["state"] != "done" {
		t.Errorf("C3 shows %s", marshal(row))
	}
	if view := w.order("~~item~A"); view["order"] != "~~item~A" || view["stock"] == nil {
		t.Errorf("C6 shows %s", marshal(view))
	}
	w.kill()
	w.start()
	w.adjusted("ADJ-1", "A", "W1", 3, "-5")
	w.quiet()
	if n := len(w.erp.docs("inventory_adjustment", "~~item~A")); n != 3 {
		t.Errorf("%d adjustments after a version that says the same, want 3", n)
	}
}

// TestW4_7_Receipt: what comes in is posted in a lane of its own.
func TestW4_7_Receipt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	receipt := func(version int, a, b string) {
		w.push("wms", "receipt.confirmed", obj{"document": "GR-1", "warehouse": "W1", "version": version, "lines": []any{
			obj{"sku": "A", "qty": a}, obj{"sku": "B", "qty": b}}})
		w.quiet()
	}
	receipt(1, "10", "4")
	receipt(2, "12", "4")
	receipt(3, "12", "1")
	postings, less := w.erp.docs("receipt_posting", "~~receipt~GR-1"), w.erp.docs("inventory_adjustment", "~~receipt~GR-1")
	if len(postings) != 2 || len(less) != 1 {
		t.Fatalf("%d postings and %d adjustments", len(postings), len(less))
	}
	w.lines(postings[0], "1:10 2:4")
	w.lines(postings[1], "1:2")
	w.lines(less[0], "1:-3")
	if data := postings[0]["data"].(obj); data["document"] != "GR-1" || data["warehouse"] != "W1" {
		t.Errorf("the posting says %s", marshal(data))
	}
	w.push("wms", "transfer.shipped", obj{"document": "T-1", "warehouse": "W1", "lines": []any{obj{"sku": "A", "qty": "5"}}})
	w.push("wms", "transfer.received", obj{"document": "T-1", "warehouse": "W2", "lines": []any{obj{"sku": "A", "qty": "5"}}})
	w.push("wms", "inventory.snapshot", obj{"warehouse": "W1", "as_of": "2026-03-02T09:00:00Z", "lines": []any{obj{"sku": "A", "qty": "5", "state": "available"}}})
	w.quiet()
	if n := len(w.erp.docs("inventory_adjustment", "~~transfer~T-1")); n != 2 {
		t.Errorf("%d documents of the transfer, want 2", n)
	}
}

// TestW4_7_AvailabilityCoalesces while the channel is down: it hears the newest
// alone, and an older position never replaces a newer one.
func TestW4_7_AvailabilityCoalesces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gate := make(chan struct{})
	w.channel.on("inventory_availability", "~~item~A", 1, hold(gate))
	w.positions("A", "10")
	w.await("the first attempt", func() bool { return len(w.channel.tries("inventory_availability", "")) == 1 })
	w.positions("A", "9", "8", "7", "6")
	w.push("erp", "inventory.position", obj{"sku": "A", "warehouse": "W1", "available": "99", "as_of": "2026-03-01T00:00:00Z"})
	close(gate)
	w.quiet()
	docs := w.channel.docs("inventory_availability", "~~item~A")
	if len(docs) != 2 {
		t.Fatalf("the channel was told %d times: %s", len(docs), marshal(docs))
	}
	w.lines(docs[0], "1:10")
	w.lines(docs[1], "1:6")
	if docs[1]["data"].(obj)["warehouse"] != "W1" {
		t.Errorf("the channel was told %s", marshal(docs[1]))
	}
}

// TestW4_7_MasterDataIsRead: what the ERP publishes is read at the start and in
// turn.
func TestW4_7_MasterDataIsRead(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	w.erp.set(func() {
		w.erp.entities = map[string][]any{
			"items":     {obj{"sku": "A", "base_uom": "EA", "uoms": []any{obj{"uom": "CS", "ratio": "12"}}}},
			"inventory": {obj{"sku": "A", "warehouse": "W1", "available": "7", "as_of": "2026-03-02T09:00:00Z"}},
		}
	})
	w.start()
	w.await("the channel is told", func() bool { return len(w.channel.docs("inventory_availability", "~~item~A")) == 1 })
	w.place("SO-1", "1 A 24 9.90")
	w.quiet()
	w.push("wms", "shipment.confirmed", obj{"order": "SO-1", "shipment": "S-1", "shipped_at": "2026-03-02T09:00:00Z",
		"lines": []any{obj{"line": "1", "qty": "2", "uom": "CS"}}})
	w.quiet()
	w.stages("SO-1", "1", "ordered 24 shipped 24 invoiced 24")
	before := w.status()["ledger_head"]
	asked := w.erp.readings("inventory") // the last of a turn
	w.await("it is read again", func() bool { return w.erp.readings("inventory") > asked })
	w.quiet()
	if after := w.status()["ledger_head"]; after != before {
		t.Errorf("an answer that says the same added to the ledger: %v, then %v", before, after)
	}
}

// TestW4_3_PositionReleasesBackorder: the oldest order first, whole lines, each
// position once.
func TestW4_3_PositionReleasesBackorder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n, qty := range []string{"6", "5", "3"} {
		order := fmt.Sprintf("SO-%d", n+1)
		w.released(order, "1 A "+qty+" 9.90")
		w.warehouse("closed", order)
		w.quiet()
	}
	w.positions("A", "10")
	w.quiet()
	for order, want := range map[string]int{"SO-1": 2, "SO-2": 1, "SO-3": 2} {
		if n := len(w.wms.docs("warehouse_order", order)); n != want {
			t.Errorf("%s has %d warehouse orders, want %d", order, n, want)
		}
	}
	w.positions("A", "4", "5")
	w.quiet()
	w.lines(w.wms.docs("warehouse_order", "SO-2")[1], "1:5")
	w.released("SO-4", "1 B 2 9.90")
	w.warehouse("closed", "SO-4")
	w.quiet()
	w.act("/api/v1/orders/SO-4/release_backorder")
	w.quiet()
	w.lines(w.wms.docs("warehouse_order", "SO-4")[1], "1:2")
}

// TestW4_6_BlindReturn waits, is matched by hand, and is credited as any other.
func TestW4_6_BlindReturn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90")
	w.ship("SO-1", "S-1", 1, "1 5", obj{"packages": []any{obj{"tracking": "1Z-1"}}})
	w.quiet()
	w.push("wms", "return.received", obj{"return": "R-1", "lines": []any{obj{"sku": "A", "qty": "2", "disposition": "restock"}}})
	w.quiet()
	found := w.exceptions("cause=unmatched_return")
	if len(found) != 1 || fmt.Sprint(found[0]["actions"]) != "[match]" {
		t.Fatalf("exceptions %s", marshal(found))
	}
	w.act("/api/v1/exceptions/"+found[0]["id"].(string)+"/match", obj{"order": "1Z-1"})
	w.quiet()
	if open := w.exceptions("cause=unmatched_return"); len(open) != 0 {
		t.Errorf("still open: %s", marshal(open))
	}
	w.lines(w.one(w.erp, "credit_memo", "SO-1"), "1:2")
	w.stages("SO-1", "1", "returned 2 credited 2")
	w.push("wms", "return.received", obj{"return": "R-2", "tracking": "1Z-1", "lines": []any{obj{"sku": "A", "qty": "1", "disposition": "restock"}}})
	w.quiet()
	w.stages("SO-1", "1", "returned 3 credited 3")
}
