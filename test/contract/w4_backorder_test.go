package contract_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// floor tells the fate of one of an order's warehouse orders, counted from 0.
func (w *world) floor(kind, order string, nth int, more ...obj) {
	w.Helper()
	docs := w.wms.docs("warehouse_order", order)
	if nth >= len(docs) {
		w.Fatalf("%s has %d warehouse orders, want one more than %d", order, len(docs), nth)
	}
	w.push("wms", "warehouse_order."+kind, merge(obj{"order": order, "warehouse_order": docs[nth]["key"]}, more))
}

// holds is books where the order between the kinds is not promised.
func (w *world) holds(f *target, order, want string) {
	w.Helper()
	have, wanted := strings.Fields(f.kinds(order)), strings.Fields(want)
	slices.Sort(have)
	slices.Sort(wanted)
	if !slices.Equal(have, wanted) {
		w.Errorf("%s holds of %s: %s\nwant, in any order: %s", f.name, order, f.kinds(order), want)
	}
}

// subject holds the last delivery of a kind to what C3 says that it is about.
func (w *world) subject(kind, order string, want any) {
	w.Helper()
	if d := w.delivery(kind, order); d == nil || d["subject"] != want {
		w.Errorf("C3 shows the last %s of %s as %s, want subject %v", kind, order, marshal(d), want)
	}
}

// calm holds that nothing waits for a person.
func (w *world) calm() {
	w.Helper()
	if left := w.exceptions("state=open"); len(left) != 0 {
		w.Errorf("exceptions: %s", marshal(left))
	}
}

// TestW4_3_FinalShort: what a final shipment leaves is backordered, released by
// a position that covers it, short again, and released again.
func TestW4_3_FinalShort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 10 9.90, 2 B 3 2.50")
	w.ship("SO-1", "S-1", 1, "1 6, 2 3", obj{"final": true})
	w.quiet()
	first := w.one(w.wms, "warehouse_order", "SO-1")["key"]
	w.holds(w.channel, "SO-1", "order_acknowledgment fulfilment backorder_notice")
	w.lines(w.one(w.channel, "backorder_notice", "SO-1"), "1:4")
	w.subject("backorder_notice", "SO-1", first)
	w.stages("SO-1", "1", "ordered 10 shipped 6 backordered 4 invoiced 6")
	w.stages("SO-1", "2", "ordered 3 shipped 3 backordered 0 invoiced 3")
	w.positions("A", "3")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	w.positions("A", "4")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order warehouse_order")
	w.lines(w.wms.docs("warehouse_order", "SO-1")[1], "1:4")
	w.subject("warehouse_order", "SO-1", first)
	w.stages("SO-1", "1", "backordered 0")
	second := w.wms.docs("warehouse_order", "SO-1")[1]["key"]
	w.ship("SO-1", "S-2", 1, "1 1")
	w.floor("closed", "SO-1", 1)
	w.quiet()
	notices := w.channel.docs("backorder_notice", "SO-1")
	if len(notices) != 2 {
		t.Fatalf("%d notices, want 2: %s", len(notices), w.channel.kinds("SO-1"))
	}
	w.lines(notices[1], "1:3")
	w.subject("backorder_notice", "SO-1", second)
	w.positions("A", "3")
	w.quiet()
	w.lines(w.wms.docs("warehouse_order", "SO-1")[2], "1:3")
	w.subject("warehouse_order", "SO-1", second)
	w.ship("SO-1", "S-3", 1, "1 3", obj{"final": true})
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 10, "2": 3})
	w.holds(w.channel, "SO-1", "order_acknowledgment fulfilment backorder_notice fulfilment backorder_notice fulfilment")
	w.stages("SO-1", "1", "ordered 10 cancelled 0 shipped 10 posted 10 invoiced 10 backordered 0")
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
	w.calm()
	w.balanced()
}

// TestW4_3_Reordered: the order, its shipments, the closing and their
// repetitions in every order of arrival end in the same books.
func TestW4_3_Reordered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	facts := []func(string){
		func(o string) { w.place(o, "1 A 10 9.90, 2 B 3 2.50") },
		func(o string) { w.ship(o, "S1-"+o, 1, "1 5, 2 3") },
		func(o string) { w.ship(o, "S1-"+o, 2, "1 4, 2 3") },
		func(o string) { w.ship(o, "S2-"+o, 1, "1 2", obj{"final": true}) },
	}
	var orders []string
	for _, turn := range permutations(len(facts)) {
		o := fmt.Sprint("SO-", turn)
		o = strings.NewReplacer("[", "", "]", "", " ", ".").Replace(o)
		orders = append(orders, o)
		for _, n := range turn {
			facts[n](o)
		}
		facts[turn[0]](o) // and the first once more
	}
	w.quiet()
	backordered := 0
	for _, o := range orders {
		w.stages(o, "1", "ordered 10 cancelled 0 shipped 6 posted 6")
		w.stages(o, "2", "ordered 3 cancelled 0 shipped 3 posted 3 backordered 0")
		w.billed(o, map[string]int{"1": 6, "2": 3})
		w.one(w.channel, "order_acknowledgment", o)
		if n := len(w.channel.docs("fulfilment", o)); n != 2 {
			t.Errorf("%s: %d fulfilments", o, n)
		}
		// A final shipment closes the orders that the warehouse had; one that it is
		// sent afterwards is open.
		w.one(w.wms, "warehouse_order", o)
		notices := len(w.channel.docs("backorder_notice", o))
		w.stages(o, "1", fmt.Sprint("backordered ", 4*notices))
		backordered += notices
	}
	w.calm()
	w.balanced()
	w.positions("A", fmt.Sprint(4*backordered))
	w.quiet()
	for _, o := range orders {
		if docs := w.wms.docs("warehouse_order", o); len(w.channel.docs("backorder_notice", o)) == 1 {
			w.lines(docs[len(docs)-1], "1:4")
			w.stages(o, "1", "backordered 0")
		} else if len(docs) != 1 {
			t.Errorf("%s: a second warehouse order, and the first is open", o)
		}
	}
}

// permutations gives all orders of n things.
func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for at := range n {
			out = append(out, slices.Insert(slices.Clone(p), at, n-1))
		}
	}
	return out
}

// TestW4_3_ClosedBeforeShipment: the warehouse closes first and reports what it
// shipped afterwards; only the rest goes again. It names its order by the ref.
func TestW4_3_ClosedBeforeShipment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 10 9.90")
	w.floor("closed", "SO-1", 0, obj{"warehouse_order": w.delivery("warehouse_order", "SO-1")["ref"]})
	w.quiet()
	w.stages("SO-1", "1", "backordered 10")
	w.ship("SO-1", "S-1", 1, "1 6", obj{"final": true})
	w.floor("closed", "SO-1", 0)
	w.quiet()
	w.one(w.channel, "backorder_notice", "SO-1")
	w.stages("SO-1", "1", "backordered 4 shipped 6")
	w.positions("A", "4")
	w.quiet()
	w.lines(w.wms.docs("warehouse_order", "SO-1")[1], "1:4")
	w.ship("SO-1", "S-2", 1, "1 4", obj{"final": true})
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 10})
	w.calm()
	w.balanced()
}

// TestW4_3_LinesApart: two lines of one closed warehouse order are covered one
// after the other; each goes once, in a document of its own.
func TestW4_3_LinesApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 4 9.90, 2 B 3 2.50, 3 C 2 1.00")
	w.floor("closed", "SO-1", 0)
	w.quiet()
	w.lines(w.one(w.channel, "backorder_notice", "SO-1"), "1:4 2:3 3:2")
	w.positions("A", "4")
	w.quiet()
	w.positions("B", "9")
	w.quiet()
	w.kill()
	w.start()
	w.positions("C", "2")
	w.quiet()
	docs := w.wms.docs("warehouse_order", "SO-1")
	if len(docs) != 4 {
		t.Fatalf("%d warehouse orders, want 4", len(docs))
	}
	w.lines(docs[1], "1:4")
	w.lines(docs[2], "2:3")
	w.lines(docs[3], "3:2")
	for n, l := range []string{"1 4", "2 3", "3 2"} {
		w.ship("SO-1", fmt.Sprint("S-", n), 1, l)
	}
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 4, "2": 3, "3": 2})
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
	w.calm()
	w.balanced()
}

// TestW4_3_ShipComplete waits for all of its lines, and a part that ships all
// the same is posted, billed and said.
func TestW4_3_ShipComplete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 4 9.90, 2 B 3 2.50", obj{"ship_complete": true})
	w.floor("closed", "SO-1", 0)
	w.quiet()
	w.positions("A", "4")
	w.positions("B", "2")
	w.released("SO-2", "1 A 4 9.90")
	w.floor("closed", "SO-2", 0)
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	w.calm()
	w.positions("B", "3")
	w.positions("A", "5")
	w.quiet()
	w.lines(w.wms.docs("warehouse_order", "SO-1")[1], "1:4 2:3")
	w.ship("SO-1", "S-1", 1, "1 4, 2 1")
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 4, "2": 1})
	if n := len(w.exceptions("state=open&order=SO-1")); n != 1 {
		t.Errorf("%d exceptions of a split order, want 1", n)
	}
	w.ship("SO-1", "S-2", 1, "2 2")
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 4, "2": 3})
}

// TestW4_3_CancelRest tells ERP and channel what does not come any more.
func TestW4_3_CancelRest(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	w.rewrite("waybill.yaml", "\npolicy:\n", "\npolicy:\n  backorder: cancel_rest\n")
	w.start()
	w.released("SO-1", "1 A 10 9.90, 2 B 3 2.50")
	w.ship("SO-1", "S-1", 1, "1 6, 2 3", obj{"final": true})
	w.quiet()
	w.lines(w.one(w.erp, "sales_order_change", "SO-1"), "1:6 2:3")
	w.answerLine(w.answered("cancellation_answer", "SO-1", "partial"), "1", "4", "6")
	w.stages("SO-1", "1", "ordered 10 cancelled 4 shipped 6 invoiced 6 backordered 0")
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
	w.released("SO-2", "1 A 10 9.90")
	w.floor("closed", "SO-2", 0)
	w.floor("closed", "SO-2", 0)
	w.quiet()
	w.lines(w.one(w.erp, "sales_order_change", "SO-2"), "1:0")
	w.answerLine(w.answered("cancellation_answer", "SO-2", "accepted"), "1", "10", "0")
	if s := w.order("SO-2")["status"]; s != "cancelled" {
		t.Errorf("status %v, want cancelled", s)
	}
	w.positions("A", "100")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	w.books(w.wms, "SO-2", "warehouse_order")
	w.calm()
	w.balanced()
}

// TestW4_3_CancelRestShippedLate: what the warehouse shipped stands, though its
// closing came first.
func TestW4_3_CancelRestShippedLate(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	w.rewrite("waybill.yaml", "\npolicy:\n", "\npolicy:\n  backorder: cancel_rest\n")
	w.start()
	w.released("SO-1", "1 A 10 9.90")
	w.floor("closed", "SO-1", 0)
	w.quiet()
	w.ship("SO-1", "S-1", 1, "1 6")
	w.quiet()
	w.stages("SO-1", "1", "ordered 10 cancelled 4 shipped 6 posted 6 invoiced 6 backordered 0")
	w.billed("SO-1", map[string]int{"1": 6})
	w.calm()
}

// TestW4_3_FinalTakenBack: a newer version that is not final leaves the
// warehouse its order; nothing goes twice.
func TestW4_3_FinalTakenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 10 9.90")
	w.ship("SO-1", "S-1", 1, "1 6", obj{"final": true})
	w.quiet()
	w.ship("SO-1", "S-1", 2, "1 6")
	w.quiet()
	w.stages("SO-1", "1", "shipped 6 backordered 0")
	w.positions("A", "100")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	w.ship("SO-1", "S-2", 1, "1 4")
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 10})
	w.calm()
}

// TestW4_3_CorrectedShortage: what a closed warehouse order shipped is corrected
// downwards; the backorder grows with it.
func TestW4_3_CorrectedShortage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 10 9.90")
	w.ship("SO-1", "S-1", 1, "1 10", obj{"final": true})
	w.quiet()
	w.stages("SO-1", "1", "shipped 10 backordered 0")
	w.ship("SO-1", "S-1", 2, "1 7", obj{"final": true})
	w.quiet()
	w.stages("SO-1", "1", "shipped 7 backordered 3")
	w.lines(w.one(w.channel, "backorder_notice", "SO-1"), "1:3")
	w.positions("A", "3")
	w.quiet()
	w.lines(w.wms.docs("warehouse_order", "SO-1")[1], "1:3")
	w.ship("SO-1", "S-2", 1, "1 3", obj{"final": true})
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 10})
	w.calm()
}

// TestW4_3_SpentOnce: the same position under other messages is the same, and a
// kill in between spends nothing twice.
func TestW4_3_SpentOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, o := range []string{"SO-1", "SO-2", "SO-3"} {
		w.released(o, "1 A 4 9.90")
		w.floor("closed", o, 0)
		w.quiet()
	}
	position := envelope("inventory.position", obj{"sku": "A", "warehouse": "W1", "available": "5", "as_of": "2026-03-02T09:00:00Z"})
	w.pushBody("accepted", "erp", "pos-1", position)
	w.kill()
	w.start()
	w.pushBody("accepted", "erp", "pos-2", position)
	w.quiet()
	w.pushBody("accepted", "erp", "pos-3", position)
	w.quiet()
	for o, want := range map[string]string{"SO-1": "warehouse_order warehouse_order", "SO-2": "warehouse_order", "SO-3": "warehouse_order"} {
		w.books(w.wms, o, want)
	}
	// One that was taken earlier and comes later is not in force.
	w.push("erp", "inventory.position", obj{"sku": "A", "warehouse": "W1", "available": "50", "as_of": "2026-03-01T09:00:00Z", "version": 1})
	w.quiet()
	w.books(w.wms, "SO-2", "warehouse_order")
	w.calm()
}
