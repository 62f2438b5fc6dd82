package contract_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestW3_Roles sends every type from every role: accepted from the roles that
// are named, quarantined from all others.
func TestW3_Roles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, further("carrier"), further("supplier"), further("tax"))
	w.unquiet = true
	w.released("SO-1", "1 A 5 9.90")
	warehouse := w.one(w.wms, "warehouse_order", "SO-1")["key"]
	row := []any{obj{"line": "1", "qty": "1"}}
	item := []any{obj{"sku": "A", "qty": "1"}}
	n := 0
	for _, c := range []struct {
		kind, from string
		data       obj
	}{
		{"order.placed", "channel", placed("ROLE", 1, "1 A 1 1.00")},
		{"order.changed", "channel", placed("ROLE", 2, "1 A 1 1.00")},
		{"order.cancel_requested", "channel", obj{"order": "ROLE", "request": "R-1"}},
		{"return.requested", "channel", obj{"return": "RMA-1", "order": "SO-1", "lines": []any{obj{"line": "1", "qty": "1", "reason": "damaged"}}}},
		{"warehouse_order.accepted", "wms", obj{"order": "SO-1", "warehouse_order": warehouse}},
		{"warehouse_order.changed", "wms", obj{"order": "SO-1", "warehouse_order": warehouse, "version": 2}},
		{"warehouse_order.change_refused", "wms", obj{"order": "SO-1", "warehouse_order": warehouse, "version": 3}},
		{"warehouse_order.cancel_refused", "wms", obj{"order": "SO-1", "warehouse_order": warehouse, "version": 4}},
		{"allocation.confirmed", "wms", obj{"order": "SO-1", "document": "AL-1", "lines": row}},
		{"pick.confirmed", "wms", obj{"order": "SO-1", "document": "PI-1", "lines": row}},
		{"pack.confirmed", "wms", obj{"order": "SO-1", "document": "PA-1", "lines": row}},
		{"shipment.confirmed", "wms supplier", shipped("SO-1", "S-1", 1, "1 1")},
		{"shipment.delivered", "carrier", obj{"shipment": "S-1", "delivered_at": "2026-03-06T10:00:00Z"}},
		{"warehouse_order.closed", "wms", obj{"order": "SO-1", "warehouse_order": warehouse, "version": 5}},
		{"warehouse_order.cancelled", "wms", obj{"order": "SO-1", "warehouse_order": warehouse, "version": 6}},
		{"inventory.adjusted", "wms", obj{"document": "D-1", "sku": "A", "warehouse": "W1", "qty": "-2", "reason": "count"}},
		{"inventory.snapshot", "wms erp", obj{"warehouse": "W1", "as_of": "2026-03-06T10:00:00Z", "lines": []any{obj{"sku": "A", "qty": "1", "state": "available"}}}},
		{"receipt.confirmed", "wms", obj{"document": "RC-1", "warehouse": "W1", "lines": item}},
		{"transfer.shipped", "wms", obj{"document": "TR-1", "warehouse": "W1", "lines": item}},
		{"transfer.received", "wms", obj{"document": "TR-2", "warehouse": "W1", "lines": item}},
		{"return.received", "wms", obj{"return": "RMA-1", "order": "SO-1", "lines": []any{obj{"line": "1", "qty": "1", "disposition": "restock"}}}},
		{"item.changed", "erp", obj{"sku": "A", "base_uom": "EA", "status": "active"}},
		{"customer.changed", "erp", obj{"customer": "C-9", "credit_limit": "100", "terms": "N30", "status": "active"}},
		{"price.changed", "erp", obj{"sku": "A", "price": "9.90", "currency": "EUR", "uom": "EA"}},
		{"inventory.position", "erp", obj{"sku": "A", "warehouse": "W1", "available": "7", "as_of": "2026-03-06T10:00:00Z"}},
		{"invoice.posted", "erp", obj{"invoice": "I-1", "total": "9.90", "currency": "EUR", "lines": []any{obj{"order": "SO-1", "line": "1", "qty": "1", "amount": "9.90"}}}},
		{"credit.posted", "erp", obj{"invoice": "I-2", "total": "9.90", "currency": "EUR", "lines": []any{obj{"order": "SO-1", "line": "1", "qty": "1", "amount": "9.90"}}}},
		{"invoice.paid", "erp", obj{"payment": "P-1", "order": "SO-1", "invoice": "I-1", "amount": "9.90", "currency": "EUR", "paid_at": "2026-03-06T10:00:00Z"}},
		{"document.applied", "erp wms channel carrier supplier tax", obj{"key": "none", "ref": "X-1", "n": 99}},
		{"document.rejected", "erp wms channel carrier supplier tax", obj{"key": "none", "problem": obj{"code": "x"}}},
	} {
		for _, role := range []string{"channel", "wms", "erp", "carrier", "supplier", "tax"} {
			want := "quarantined"
			if slices.Contains(strings.Fields(c.from), role) {
				want = "accepted"
			}
			n++
			body := envelope(c.kind, c.data)
			code, _, text := w.try("POST", "/in/"+role, body, signed(hookSecret, fmt.Sprintf("role_%d", n), time.Now(), body))
			if v := unmarshal(w, text).(obj); code != 202 || v["status"] != want {
				t.Errorf("%s from %s: %d %s, want %s", c.kind, role, code, text, want)
			}
		}
	}
}

// TestW3_Versions: of one subject the highest version is in force, whenever it
// arrived.
func TestW3_Versions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 9 9.90")
	w.ship("SO-1", "S-1", 3, "1 3")
	w.ship("SO-1", "S-1", 1, "1 7")
	w.ship("SO-1", "S-2", 1, "1 2") // another subject supersedes nothing
	w.ship("SO-1", "S-1", 2, "1 8")
	w.quiet()
	w.stages("SO-1", "1", "shipped 5 posted 5 invoiced 5")
	states := map[string]int{}
	for _, e := range w.list("/api/v1/events?source=wms") {
		states[e["state"].(string)]++
	}
	if states["superseded"] != 2 || states["applied"] != 2 {
		t.Errorf("C4 states %v, want 2 applied and 2 superseded", states)
	}
	// The same content again under another id changes nothing.
	w.ship("SO-1", "S-1", 3, "1 3")
	w.quiet()
	w.stages("SO-1", "1", "shipped 5 posted 5")
	if left := w.exceptions("state=open"); len(left) != 0 {
		t.Errorf("exceptions: %s", marshal(left))
	}
}

// TestW3_AbsentVersionIsOne.
func TestW3_AbsentVersionIsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.place("SO-1", "1 A 9 9.90", obj{"version": nil})
	w.quiet()
	w.push("wms", "shipment.confirmed", shipped("SO-1", "S-1", 0, "1 3", obj{"version": nil}))
	w.quiet()
	w.push("wms", "shipment.confirmed", shipped("SO-1", "S-1", 2, "1 4"))
	w.quiet()
	w.stages("SO-1", "1", "shipped 4 posted 4 invoiced 4")
	if v := w.erp.docs("shipment_posting", "SO-1")[0]["version"]; v != 1.0 {
		t.Errorf("version %v, want 1", v)
	}
}

// TestW3_VersionConflict: of two contents of one version the one with the lower
// SHA-256 is in force, in whatever order they arrive.
func TestW3_VersionConflict(t *testing.T) {
	t.Parallel()
	data := func(qty string) obj {
		return obj{"order": "SO-1", "shipment": "S-1", "version": 1, "shipped_at": "2026-03-04T10:00:00Z",
			"lines": []any{obj{"line": "1", "qty": qty}}}
	}
	hash := func(qty string) string { // keys sorted, no spaces, ASCII: RFC 8785 as it stands
		sum := sha256.Sum256(marshal(data(qty)))
		return string(sum[:])
	}
	want := "3"
	if hash("4") < hash("3") {
		want = "4"
	}
	for _, turn := range []string{"3 4", "4 3"} {
		t.Run(turn, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.released("SO-1", "1 A 9 9.90")
			for _, qty := range strings.Fields(turn) {
				w.push("wms", "shipment.confirmed", data(qty))
				w.quiet()
			}
			w.stages("SO-1", "1", "shipped "+want+" posted "+want+" invoiced "+want)
			var found bool
			for _, e := range w.exceptions("state=open&order=SO-1") {
				found = found || e["cause"] == "version_conflict"
			}
			if !found {
				t.Errorf("no exception version_conflict: %s", marshal(w.exceptions("")))
			}
		})
	}
}

// TestG2_UnknownFields are ignored and kept.
func TestG2_UnknownFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := placed("SO-1", 1, "1 A 5 9.90", obj{"x_gift": obj{"wrap": true}})
	d["lines"].([]any)[0].(obj)["x_engraving"] = "hello"
	have := w.push("channel", "order.placed", d)
	w.quiet()
	_, _, raw := w.try("GET", fmt.Sprintf("/api/v1/events/%v/raw", have["event"]), nil, w.bearer())
	if !strings.Contains(string(raw), "x_engraving") || !strings.Contains(string(raw), "x_gift") {
		t.Errorf("unknown fields are gone: %s", raw)
	}
	w.books(w.wms, "SO-1", "warehouse_order")
}

// TestG4_OrderNames: a second channel with a prefix, odd bytes written ~XX.
func TestG4_OrderNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, further("shop:channel"))
	w.push("shop", "order.placed", placed("#10/1~a", 1, "1 A 5 9.90", obj{"customer": "C-1"}))
	w.place("10", "1 A 5 9.90")
	w.quiet()
	name := "shop~.~2310~2F1~7Ea"
	w.books(w.erp, name, "order_check sales_order")
	ack := w.one(w.target("shop"), "order_acknowledgment", name)
	if got := ack["data"].(obj)["channel_order"]; got != "#10/1~a" {
		t.Errorf("data.channel_order %v, want the channel's own number", got)
	}
	if n := len(w.target("shop").tries("", "")); n != 1 {
		t.Errorf("shop got %d documents, want its own alone", n)
	}
	if n := len(w.channel.docs("", name)); n != 0 {
		t.Error("a document went to a channel that did not place the order")
	}
	w.push("shop", "order.cancel_requested", obj{"order": "#10/1~a", "request": "R-1"})
	w.await("asked to cancel", func() bool { return len(w.wms.docs("warehouse_order_cancel", name)) == 1 })
	w.quiet()
}
