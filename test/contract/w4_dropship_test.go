package contract_test

import "testing"

// supplied is a world with a supplier that ships in the warehouse's place.
func supplied(t *testing.T) (*world, *target) {
	t.Helper()
	w := newWorld(t, further("supplier"))
	return w, w.target("supplier")
}

var dropShip = obj{"type": "drop_ship"}

func (w *world) supplierShips(order, shipment string, version int, lines string, more ...obj) {
	w.Helper()
	w.push("supplier", "shipment.confirmed", shipped(order, shipment, version, lines, more...))
}

// TestW4_2_DropShip: a purchase order in place of the warehouse order, and the
// supplier's shipment as a warehouse's.
func TestW4_2_DropShip(t *testing.T) {
	t.Parallel()
	w, supplier := supplied(t)
	w.place("SO-1", "1 A 5 9.90, 2 B 3 2.50", dropShip)
	w.quiet()
	w.books(w.wms, "SO-1", "")
	w.books(supplier, "SO-1", "purchase_order")
	w.lines(w.one(supplier, "purchase_order", "SO-1"), "1:5 2:3")
	w.subject("purchase_order", "SO-1", "SO-1")
	w.books(w.channel, "SO-1", "order_acknowledgment")
	w.supplierShips("SO-1", "D-1", 1, "1 2")
	w.quiet()
	w.supplierShips("SO-1", "D-1", 2, "1 3")
	w.supplierShips("SO-1", "D-2", 1, "1 2, 2 3", obj{"final": true})
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 5, "2": 3})
	w.books(w.channel, "SO-1", "order_acknowledgment fulfilment fulfilment_update fulfilment")
	w.stages("SO-1", "1", "ordered 5 shipped 5 posted 5 invoiced 5 backordered 0")
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
	// A standard order beside it goes to the warehouse.
	w.released("SO-2", "1 A 5 9.90")
	w.books(supplier, "SO-2", "")
	w.calm()
	w.balanced()
}

// TestW4_2_DropShipBadAnswers: the supplier applies and says nothing, twice, and
// the process is killed in between.
func TestW4_2_DropShipBadAnswers(t *testing.T) {
	t.Parallel()
	w, supplier := supplied(t)
	supplier.on("purchase_order", "SO-1", 1, func(c *call) { c.apply("applied"); c.drop() })
	supplier.on("purchase_order", "SO-2", -1, refuse(422, "no_such_item"))
	w.place("SO-1", "1 A 5 9.90", dropShip)
	w.place("SO-2", "1 A 5 9.90", dropShip)
	w.await("the attempts", func() bool { return len(supplier.tries("purchase_order", "")) >= 2 })
	w.supplierShips("SO-1", "D-1", 1, "1 5")
	w.kill()
	w.start()
	key := w.awaitState("purchase_order", "SO-2", "parked")["key"].(string)
	supplier.clear()
	w.act("/api/v1/deliveries/" + key + "/retry")
	w.quiet()
	w.one(supplier, "purchase_order", "SO-1")
	w.one(supplier, "purchase_order", "SO-2")
	w.billed("SO-1", map[string]int{"1": 5})
	w.books(w.wms, "", "")
	w.calm()
}

// TestW4_2_DropShipHeldAndCancelled: no first attempt while it is held; a
// cancellation before it leaves the supplier alone.
func TestW4_2_DropShipHeldAndCancelled(t *testing.T) {
	t.Parallel()
	w, supplier := supplied(t)
	w.erp.on("order_check", "SO-1", 1, denied("credit", "above the limit"))
	w.place("SO-1", "1 A 5 9.90", dropShip)
	w.quiet()
	w.books(supplier, "SO-1", "")
	w.act("/api/v1/orders/SO-1/recheck")
	w.quiet()
	w.books(supplier, "SO-1", "purchase_order")
	gate := make(chan struct{})
	w.erp.on("sales_order", "SO-2", 1, hold(gate))
	w.place("SO-2", "1 A 5 9.90", dropShip)
	w.await("sales_order is under way", func() bool { return len(w.erp.tries("sales_order", "SO-2")) == 1 })
	w.cancel("SO-2", "R-1")
	close(gate)
	w.quiet()
	w.books(supplier, "SO-2", "")
	w.books(w.erp, "SO-2", "order_check sales_order sales_order_cancel")
	w.answerLine(w.answered("cancellation_answer", "SO-2", "accepted"), "1", "5", "0")
	w.calm()
}

// TestW4_2_DropShipEarly: the supplier's shipment comes before the order.
func TestW4_2_DropShipEarly(t *testing.T) {
	t.Parallel()
	w, supplier := supplied(t)
	w.supplierShips("SO-1", "D-1", 1, "1 2")
	w.place("SO-1", "1 A 5 9.90", dropShip)
	w.quiet()
	w.lines(w.one(supplier, "purchase_order", "SO-1"), "1:3")
	w.billed("SO-1", map[string]int{"1": 2})
	w.supplierShips("SO-1", "D-2", 1, "1 3")
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 5})
	w.calm()
	w.balanced()
}

// TestW4_2_DropShipWithoutSupplier is told to a person, and never goes to the
// warehouse.
func TestW4_2_DropShipWithoutSupplier(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.place("SO-1", "1 A 5 9.90", dropShip)
	w.quiet()
	w.books(w.wms, "SO-1", "")
	if len(w.exceptions("state=open&order=SO-1")) != 1 {
		t.Errorf("exceptions: %s", marshal(w.exceptions("state=open")))
	}
}
