package contract_test

import (
	"fmt"
	"strings"
	"testing"
)

// refusedWith posts an action that must not be done, and wants the code and the
// next step in its problem.
func (w *world) refusedWith(path string, body obj, status int, code string) {
	w.Helper()
	have, v := w.post(path, body)
	if have != status || v["code"] != code || v["detail"] == "" || v["detail"] == nil {
		w.Errorf("POST %s: %d %s, want %d %s", path, have, marshal(v), status, code)
	}
}

func edited(document obj) obj {
	return obj{"reason": "the contract test wants it", "document": document}
}

// deliveryOf gives the delivery with a key as C3 shows it.
func (w *world) deliveryOf(key any) obj {
	w.Helper()
	rows := w.list(fmt.Sprint("/api/v1/deliveries?key=", key))
	if len(rows) != 1 {
		w.Fatalf("%d deliveries have the key %v", len(rows), key)
	}
	return rows[0]
}

// TestC7_EditSalesOrder: the operator's content goes as the next revision, under
// a new key and the next seq, and names the one it supersedes.
func TestC7_EditSalesOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "SO-1", 1, refuse(422, "unknown_terms"))
	w.place("SO-1", "1 A 5 9.90, 2 B 3 2.50", obj{"terms": "N99"})
	old := w.awaitState("sales_order", "SO-1", "parked")
	path := "/api/v1/deliveries/" + old["key"].(string) + "/edit"
	w.refusedWith(path, obj{"reason": "no document"}, 400, "document_missing")
	w.refusedWith(path, obj{"document": obj{"data": obj{}}}, 400, "reason_missing")
	for field, document := range map[string]obj{
		"/document":              {},
		"/document/kind":         {"kind": "invoice", "data": obj{"a": 1}},
		"/document/order":        {"order": "SO-2", "data": obj{"a": 1}},
		"/document/data":         {"data": []any{}},
		"/document/posting_date": {"posting_date": "tomorrow"},
		"/document/lines":        {"lines": []any{}},
		"/document/lines/0/line": {"lines": []any{obj{"line": "7", "qty": "1"}}},
		"/document/lines/1/line": {"lines": []any{obj{"line": "1", "qty": "1"}, obj{"line": "1", "qty": "1"}}},
		"/document/lines/0/qty":  {"lines": []any{obj{"line": "1", "qty": "-1"}}},
		"/document/lines/0/uom":  {"lines": []any{obj{"line": "1", "qty": "1", "uom": "PALLET"}}},
	} {
		code, v := w.post(path, edited(document))
		if code != 422 || v["code"] != "document_invalid" || v["field"] != field {
			t.Errorf("edit with %s: %d %s, want 422 at %s", marshal(document), code, marshal(v), field)
		}
	}
	w.act(path, obj{"document": obj{"kind": "sales_order", "order": "SO-1", "data": obj{"terms": "N30"},
		"lines": []any{obj{"line": "1", "sku": "A", "qty": "4", "uom": "EA", "price": "9.50"}, obj{"line": "2"}}}})
	w.quiet()
	doc := w.one(w.erp, "sales_order", "SO-1")
	if doc["revision"] != 1.0 || doc["supersedes"] != old["key"] || doc["key"] == old["key"] || doc["seq"] != old["seq"].(float64)+1 {
		t.Errorf("the edited document: %s, in place of %s", marshal(doc), marshal(old))
	}
	w.lines(doc, "1:4 2:3")
	if data := doc["data"].(obj); data["terms"] != "N30" || data["customer"] == nil {
		t.Errorf("data %s", marshal(data))
	}
	if price := doc["lines"].([]any)[0].(obj)["price"]; price != "9.50" {
		t.Errorf("price %v", price)
	}
	if d := w.deliveryOf(old["key"]); d["state"] != "skipped" {
		t.Errorf("the old one is %v", d["state"])
	}
	if open := w.exceptions("state=open&order=SO-1"); len(open) != 0 {
		t.Errorf("exceptions left: %s", marshal(open))
	}
	w.books(w.erp, "SO-1", "order_check sales_order") // and nothing changes it back
	w.books(w.wms, "SO-1", "warehouse_order")
	w.refusedWith(path, edited(obj{"data": obj{"terms": "N30"}}), 409, "settled_already")
	w.refusedWith("/api/v1/deliveries/"+doc["key"].(string)+"/edit", edited(obj{"data": obj{"terms": "N30"}}), 409, "settled_already")
	log := string(marshal(w.list("/api/v1/audit?limit=1000")))
	if !strings.Contains(log, `"edit"`) {
		t.Error("the edit is not in the audit log")
	}
}

// TestC7_EditPosting: what follows counts with the edited quantities, also after
// a restart; what waited behind in the lane stays behind.
func TestC7_EditPosting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("shipment_posting", "SO-1", 1, refuse(422, "not_in_stock"))
	w.released("SO-1", "1 A 5 9.90")
	w.ship("SO-1", "S-1", 1, "1 3")
	old := w.awaitState("shipment_posting", "SO-1", "parked")
	w.ship("SO-1", "S-2", 1, "1 2")
	w.quiet()
	for _, d := range w.list("/api/v1/deliveries?order=SO-1&target=erp&state=parked") {
		if d["key"] != old["key"] {
			w.refusedWith("/api/v1/deliveries/"+d["key"].(string)+"/edit", edited(obj{"data": obj{}}), 409, "behind")
		}
	}
	w.act("/api/v1/systems/erp/pause")
	w.act("/api/v1/deliveries/"+old["key"].(string)+"/edit", obj{"document": obj{"lines": []any{obj{"line": "1", "qty": "2"}}, "posting_date": "2026-04-01"}})
	w.kill()
	w.start()
	w.act("/api/v1/systems/erp/resume")
	w.quiet()
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting shipment_posting invoice invoice")
	first := w.erp.docs("shipment_posting", "SO-1")[0]
	w.lines(first, "1:2")
	if first["posting_date"] != "2026-04-01" || first["supersedes"] != old["key"] || first["data"].(obj)["shipment"] != "S-1" {
		t.Errorf("the edited posting: %s", marshal(first))
	}
	w.stages("SO-1", "1", "shipped 5 posted 4 invoiced 4")
	w.ship("SO-1", "S-1", 2, "1 3", obj{"carrier": "UPS"}) // told anew: the books follow the floor again
	w.quiet()
	w.stages("SO-1", "1", "shipped 5 posted 5 invoiced 5")
}

// TestC7_EditWhereItMayBeThere: no second document while the first may still
// take effect.
func TestC7_EditWhereItMayBeThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, class("erp", "none"))
	w.erp.on("sales_order", "SO-1", 1, func(c *call) { c.problem(500, "broken") })
	w.place("SO-1", "1 A 5 9.90")
	d := w.awaitState("sales_order", "SO-1", "parked")
	path := "/api/v1/deliveries/" + d["key"].(string)
	w.refusedWith(path+"/edit", edited(obj{"data": obj{"terms": "N30"}}), 409, "in_doubt")
	w.refusedWith(path+"/compensate", obj{"reason": "wrong"}, 409, "not_applied")
	w.act(path+"/settle", obj{"ref": "E-1"})
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	w.refusedWith("/api/v1/deliveries/none/edit", edited(obj{"data": obj{}}), 404, "not_found")
	w.refusedWith("/api/v1/deliveries/none/compensate", obj{"reason": "wrong"}, 404, "not_found")
}

// TestC7_Compensate walks an order back: the invoice, the posting, the order
// itself, each once and each by its inverse; nothing of it is decided again
// before somebody asks.
func TestC7_Compensate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90")
	w.ship("SO-1", "S-1", 1, "1 5")
	w.quiet()
	key := func(kind string) string { w.Helper(); return w.one(w.erp, kind, "SO-1")["key"].(string) }
	undo := func(kind string) string { return "/api/v1/deliveries/" + key(kind) + "/compensate" }
	w.refusedWith(undo("sales_order"), obj{"reason": "wrong"}, 409, "compensate_first")
	w.refusedWith(undo("order_check"), obj{"reason": "wrong"}, 409, "no_inverse")
	w.refusedWith("/api/v1/deliveries/"+w.one(w.channel, "fulfilment", "SO-1")["key"].(string)+"/compensate", obj{"reason": "wrong"}, 409, "no_inverse")
	w.refusedWith(undo("invoice"), obj{}, 400, "reason_missing")
	invoice, posting, order := key("invoice"), key("shipment_posting"), key("sales_order")
	for _, step := range []struct{ kind, key, inverse string }{
		{"invoice", invoice, "credit_memo"}, {"shipment_posting", posting, "shipment_reversal"}, {"sales_order", order, "sales_order_cancel"},
	} {
		path := "/api/v1/deliveries/" + step.key + "/compensate"
		w.act(path)
		w.quiet()
		doc := w.one(w.erp, step.inverse, "SO-1")
		if doc["compensates"] != step.key {
			t.Errorf("%s compensates %v, want %s", step.inverse, doc["compensates"], step.key)
		}
		w.lines(doc, "1:5")
		w.refusedWith(path, obj{"reason": "again"}, 409, "compensated_already")
	}
	walked := "order_check sales_order shipment_posting invoice credit_memo shipment_reversal sales_order_cancel"
	w.books(w.erp, "SO-1", walked)
	w.stages("SO-1", "1", "shipped 5 posted 0 invoiced 5 credited 5")
	if open := w.exceptions("state=open&order=SO-1&cause=undone_order_afoot"); len(open) != 1 {
		t.Errorf("nobody is told that shipped goods are in no order: %s", marshal(w.exceptions("state=open")))
	}
	w.kill()
	w.start()
	w.quiet()
	w.books(w.erp, "SO-1", walked)
	w.act("/api/v1/orders/SO-1/recheck")
	w.quiet()
	w.books(w.erp, "SO-1", walked+" sales_order shipment_posting invoice")
	w.stages("SO-1", "1", "shipped 5 posted 5 invoiced 10 credited 5")
	seen := map[any]bool{}
	for _, d := range w.list("/api/v1/deliveries?order=SO-1&limit=1000") {
		if seen[d["key"]] {
			t.Errorf("the key %v is there twice", d["key"])
		}
		seen[d["key"]] = true
	}
	if open := w.exceptions("state=open&order=SO-1"); len(open) != 0 {
		t.Errorf("exceptions left: %s", marshal(open))
	}
}

// TestC7_CompensateRelease: the warehouse decides on a recall; what it gives up
// waits for a person, whatever is in stock.
func TestC7_CompensateRelease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90")
	order := w.one(w.wms, "warehouse_order", "SO-1")["key"].(string)
	w.act("/api/v1/deliveries/" + order + "/compensate")
	w.quiet()
	ask := w.one(w.wms, "warehouse_order_cancel", "SO-1")
	w.lines(ask, "1:5")
	if ask["compensates"] != order || ask["data"].(obj)["warehouse_order"] != order {
		t.Errorf("the recall: %s", marshal(ask))
	}
	w.warehouse("cancelled", "SO-1")
	w.quiet()
	w.stages("SO-1", "1", "backordered 5")
	w.push("erp", "inventory.position", obj{"sku": "A", "warehouse": "MAIN", "available": "100", "as_of": "2026-05-01T00:00:00Z"})
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order warehouse_order_cancel")
	w.books(w.erp, "SO-1", "order_check sales_order")
	w.act("/api/v1/orders/SO-1/release_backorder")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order warehouse_order_cancel warehouse_order")
	w.ship("SO-1", "S-1", 1, "1 5")
	w.quiet()
	w.stages("SO-1", "1", "shipped 5 posted 5 invoiced 5 backordered 0")
}
