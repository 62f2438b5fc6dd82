package contract_test

import "testing"

// twoHouses is a world in which item B ships from a second warehouse.
func twoHouses(t *testing.T) (*world, *target) {
	t.Helper()
	w := prepare(t, further("north:sink")) // the pack has one warehouse; the second is configured
	w.rewrite("waybill.yaml", "role: sink", "role: wms")
	w.rewrite("waybill.yaml", "\npolicy:\n", "\npolicy:\n  routes:\n    - {system: north, skus: [B]}\n    - {system: wms}\n")
	w.start()
	return w, w.target("north")
}

func (w *world) northShips(order, shipment string, version int, lines string, more ...obj) {
	w.Helper()
	w.push("north", "shipment.confirmed", shipped(order, shipment, version, lines, more...))
}

// TestW4_3_TwoWarehouses: what one closes is backordered there; the other's
// order goes on.
func TestW4_3_TwoWarehouses(t *testing.T) {
	t.Parallel()
	w, north := twoHouses(t)
	w.place("SO-1", "1 A 10 9.90, 2 B 6 2.50")
	w.quiet()
	w.lines(w.one(w.wms, "warehouse_order", "SO-1"), "1:10")
	w.lines(w.one(north, "warehouse_order", "SO-1"), "2:6")
	w.ship("SO-1", "S-1", 1, "1 7", obj{"final": true})
	w.quiet()
	w.stages("SO-1", "1", "shipped 7 backordered 3")
	w.stages("SO-1", "2", "shipped 0 backordered 0")
	w.lines(w.one(w.channel, "backorder_notice", "SO-1"), "1:3")
	w.positions("B", "100")
	w.quiet()
	w.books(north, "SO-1", "warehouse_order")
	w.northShips("SO-1", "N-1", 1, "2 4", obj{"final": true})
	w.quiet()
	w.stages("SO-1", "2", "shipped 4 backordered 2")
	w.positions("A", "3")
	w.positions("B", "2")
	w.quiet()
	w.lines(w.wms.docs("warehouse_order", "SO-1")[1], "1:3")
	w.lines(north.docs("warehouse_order", "SO-1")[1], "2:2")
	w.northShips("SO-1", "N-2", 1, "2 2", obj{"final": true})
	w.ship("SO-1", "S-2", 1, "1 3", obj{"final": true})
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 10, "2": 6})
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
	if n := len(w.channel.docs("fulfilment", "SO-1")); n != 4 {
		t.Errorf("%d fulfilments, want 4", n)
	}
	w.calm()
	w.balanced()
}

// TestW4_5_TwoWarehouses: each is asked about its own goods; one agrees, the
// other does not.
func TestW4_5_TwoWarehouses(t *testing.T) {
	t.Parallel()
	w, north := twoHouses(t)
	w.place("SO-1", "1 A 10 9.90, 2 B 6 2.50")
	w.quiet()
	north.on("warehouse_order_cancel", "SO-1", 1, refuse(422, "picked"))
	w.cancel("SO-1", "R-1")
	w.await("the warehouse is asked", func() bool { return len(w.wms.docs("warehouse_order_cancel", "SO-1")) == 1 })
	w.lines(w.one(w.wms, "warehouse_order_cancel", "SO-1"), "1:10")
	w.warehouse("cancelled", "SO-1")
	w.quiet()
	data := w.answered("cancellation_answer", "SO-1", "partial")
	w.answerLine(data, "1", "10", "0")
	w.answerLine(data, "2", "0", "0")
	w.stages("SO-1", "1", "cancelled 10")
	w.stages("SO-1", "2", "cancelled 0")
	w.northShips("SO-1", "N-1", 1, "2 6")
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 0, "2": 6})
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
	w.calm()
	w.balanced()
}

// TestW4_4_TwoWarehouses: each is told of its own goods alone, and the ERP of
// all when both have agreed.
func TestW4_4_TwoWarehouses(t *testing.T) {
	t.Parallel()
	w, north := twoHouses(t)
	w.place("SO-1", "1 A 10 9.90, 2 B 6 2.50")
	w.quiet()
	w.change("SO-1", 2, "1 A 8 9.90, 2 B 6 2.50")
	w.quiet()
	w.lines(w.one(w.wms, "warehouse_order_change", "SO-1"), "1:8")
	for _, d := range north.docs("warehouse_order_change", "SO-1") { // it may be told that nothing changes
		w.lines(d, "2:6")
	}
	w.lines(w.one(w.erp, "sales_order_change", "SO-1"), "1:8 2:6")
	w.answered("change_answer", "SO-1", "accepted")
	w.ship("SO-1", "S-1", 1, "1 8")
	w.northShips("SO-1", "N-1", 1, "2 6")
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 8, "2": 6})
	w.stages("SO-1", "1", "ordered 8 shipped 8 posted 8 invoiced 8")
	w.calm()
	w.balanced()
}

// TestW4_3_CompleteFromOneWarehouse: an order that ships complete goes where its
// first line goes.
func TestW4_3_CompleteFromOneWarehouse(t *testing.T) {
	t.Parallel()
	w, north := twoHouses(t)
	w.place("SO-1", "1 B 6 2.50, 2 A 10 9.90", obj{"ship_complete": true})
	w.quiet()
	w.lines(w.one(north, "warehouse_order", "SO-1"), "1:6 2:10")
	w.books(w.wms, "SO-1", "")
	w.calm()
}
