package contract_test

import (
	"fmt"
	"strings"
	"testing"
)

// back is a return of lines, written "1 2, 2 1".
func back(order, id string, version int, lines string, more ...obj) obj {
	return merge(obj{"order": order, "return": id, "version": version, "lines": rows(lines)}, more)
}

func (w *world) requested(order, id string, version int, lines string, more ...obj) {
	w.Helper()
	w.push("channel", "return.requested", back(order, id, version, lines, more...))
}

func (w *world) returned(order, id string, version int, lines string, more ...obj) {
	w.Helper()
	d := back(order, id, version, lines, more...)
	for _, l := range d["lines"].([]any) {
		if l.(obj)["disposition"] == nil {
			l.(obj)["disposition"] = "restock"
		}
	}
	w.push("wms", "return.received", d)
}

// sold is an order that is shipped and billed.
func (w *world) sold(order, lines, ship string) {
	w.Helper()
	w.released(order, lines)
	w.ship(order, "S-"+order, 1, ship)
	w.quiet()
}

// credited holds what the ERP's credit memos of returns sum up to.
func (w *world) credited(order string, want map[string]int) {
	w.Helper()
	for line, n := range want {
		if have := w.erp.net(order, "credit_memo")[line]; have != n {
			w.Errorf("%s: credited of line %s is %d, want %d (%s)", order, line, have, n, w.erp.kinds(order))
		}
	}
}

// TestW4_6_Return: authorised and announced, then credited and refunded.
func TestW4_6_Return(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sold("SO-1", "1 A 5 9.90, 2 B 3 2.50", "1 5, 2 3")
	w.requested("SO-1", "R-1", 1, "1 2, 2 1")
	w.requested("SO-1", "R-1", 1, "1 2, 2 1")
	w.quiet()
	w.books(w.channel, "SO-1", "order_acknowledgment fulfilment return_authorization")
	w.books(w.wms, "SO-1", "warehouse_order return_advice")
	w.lines(w.one(w.wms, "return_advice", "SO-1"), "1:2 2:1")
	w.lines(w.one(w.channel, "return_authorization", "SO-1"), "1:2 2:1")
	w.subject("return_advice", "SO-1", "R-1")
	w.subject("return_authorization", "SO-1", "R-1")
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting invoice")
	w.stages("SO-1", "1", "returned 0 credited 0")
	w.returned("SO-1", "R-1", 1, "1 2")
	w.returned("SO-1", "R-1", 1, "1 2")
	w.quiet()
	memo := w.one(w.erp, "credit_memo", "SO-1")
	w.lines(memo, "1:2")
	w.subject("credit_memo", "SO-1", "R-1")
	w.subject("refund_notice", "SO-1", "R-1")
	w.lines(w.one(w.channel, "refund_notice", "SO-1"), "1:2")
	if memo["data"].(obj)["return"] != "R-1" {
		t.Errorf("the credit memo says %s", marshal(memo["data"]))
	}
	w.stages("SO-1", "1", "shipped 5 invoiced 5 returned 2 credited 2")
	w.stages("SO-1", "2", "shipped 3 invoiced 3 returned 0 credited 0")
	w.calm()
	w.balanced()
}

// TestW4_6_Reordered: order, shipment, request and receipt in every order of
// arrival, some twice, end in the same books.
func TestW4_6_Reordered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	facts := []func(string){
		func(o string) { w.place(o, "1 A 5 9.90, 2 B 3 2.50") },
		func(o string) { w.ship(o, "S-"+o, 1, "1 5, 2 3") },
		func(o string) { w.requested(o, "R-"+o, 1, "1 2") },
		func(o string) { w.returned(o, "R-"+o, 1, "1 2") },
	}
	var orders []string
	for _, turn := range permutations(len(facts)) {
		o := strings.NewReplacer("[", "", "]", "", " ", ".").Replace(fmt.Sprint("SO-", turn))
		orders = append(orders, o)
		for _, n := range turn {
			facts[n](o)
		}
		facts[turn[0]](o)
	}
	w.quiet()
	for _, o := range orders {
		w.billedNet(o, "1", 5, 5)
		w.credited(o, map[string]int{"1": 2, "2": 0})
		w.one(w.erp, "credit_memo", o)
		w.one(w.channel, "refund_notice", o)
		w.one(w.channel, "return_authorization", o)
		w.one(w.wms, "return_advice", o)
		w.stages(o, "1", "shipped 5 posted 5 invoiced 5 returned 2 credited 2")
	}
	w.calm()
	w.balanced()
}

// billedNet holds what the ERP posted and invoiced of a line, credits apart.
func (w *world) billedNet(order, line string, posted, invoiced int) {
	w.Helper()
	if have := w.erp.net(order, "shipment_posting", "-shipment_reversal")[line]; have != posted {
		w.Errorf("%s: posted %d of line %s, want %d (%s)", order, have, line, posted, w.erp.kinds(order))
	}
	if have := w.erp.net(order, "invoice")[line]; have != invoiced {
		w.Errorf("%s: invoiced %d of line %s, want %d (%s)", order, have, line, invoiced, w.erp.kinds(order))
	}
}

// TestW4_6_Corrected: a newer version of what came back is credited by its
// difference; less than was credited is said.
func TestW4_6_Corrected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sold("SO-1", "1 A 5 9.90, 2 B 3 2.50", "1 5, 2 3")
	w.returned("SO-1", "R-1", 1, "1 2")
	w.quiet()
	w.returned("SO-1", "R-1", 2, "1 3, 2 1")
	w.quiet()
	memos := w.erp.docs("credit_memo", "SO-1")
	if len(memos) != 2 {
		t.Fatalf("books: %s", w.erp.kinds("SO-1"))
	}
	w.lines(memos[1], "1:1 2:1")
	w.stages("SO-1", "1", "returned 3 credited 3")
	w.returned("SO-1", "R-1", 1, "1 2") // an old one, late
	w.quiet()
	w.stages("SO-1", "1", "returned 3 credited 3")
	w.calm()
	w.returned("SO-1", "R-1", 3, "1 1, 2 1")
	w.quiet()
	w.stages("SO-1", "1", "returned 1")
	if w.line("SO-1", "1")["credited"] == "3" && len(w.exceptions("state=open&order=SO-1")) == 0 {
		t.Error("credited more than came back, and nobody is told")
	}
}

// TestW4_6_CorrectedBeforeTheFirstAttempt: the document carries the newer one.
func TestW4_6_CorrectedBeforeTheFirstAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90")
	gate := make(chan struct{})
	w.erp.on("shipment_posting", "SO-1", 1, hold(gate))
	w.ship("SO-1", "S-1", 1, "1 5")
	w.await("the lane is busy", func() bool { return len(w.erp.tries("shipment_posting", "")) == 1 })
	w.returned("SO-1", "R-1", 1, "1 2")
	w.returned("SO-1", "R-1", 2, "1 1")
	close(gate)
	w.quiet()
	w.lines(w.one(w.erp, "credit_memo", "SO-1"), "1:1")
	w.stages("SO-1", "1", "returned 1 credited 1")
	w.calm()
}

// TestW4_6_BySku spreads over the lines of one item, and finds the order by the
// return that was requested.
func TestW4_6_BySku(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sold("SO-1", "1 A 2 9.90, 2 A 3 9.90, 3 B 1 1.00", "1 2, 2 3, 3 1")
	bySku := []any{obj{"sku": "A", "qty": "4", "disposition": "scrap"}}
	w.requested("SO-1", "R-1", 1, "1 2, 2 2")
	w.returned("", "R-1", 1, "1 1", obj{"order": nil, "lines": bySku})
	w.quiet()
	sum := w.erp.net("SO-1", "credit_memo")
	if sum["1"]+sum["2"] != 4 || sum["1"] > 2 || sum["2"] > 3 || sum["3"] != 0 {
		t.Errorf("credited %v", sum)
	}
	// The other way round: received first, without an order.
	w.returned("", "R-2", 1, "1 1", obj{"order": nil, "lines": []any{obj{"sku": "B", "qty": "1", "disposition": "restock"}}})
	w.requested("SO-1", "R-2", 1, "3 1")
	w.quiet()
	w.stages("SO-1", "3", "returned 1 credited 1")
	w.calm()
	w.balanced()
}

// TestW4_6_MoreThanShipped is an exception, and never credited beyond what was
// invoiced.
func TestW4_6_MoreThanShipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sold("SO-1", "1 A 5 9.90", "1 3")
	w.returned("SO-1", "R-1", 1, "1 4")
	w.quiet()
	w.stages("SO-1", "1", "returned 4 credited 3")
	if len(w.exceptions("state=open&order=SO-1")) == 0 {
		t.Error("more came back than shipped, and nobody is told")
	}
	w.ship("SO-1", "S-2", 1, "1 2")
	w.quiet()
	w.stages("SO-1", "1", "shipped 5 returned 4 credited 4")
	w.credited("SO-1", map[string]int{"1": 4})
	w.calm()
}

// TestW4_6_BadAnswers: the memo in doubt, in parts and refused is credited once.
func TestW4_6_BadAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(*call){
		"applied, then cut": func(c *call) { c.apply("applied"); c.drop() },
		"cut":               (*call).drop,
		"409 in progress":   func(c *call) { c.apply("applied"); c.problem(409, "in_progress") },
		"202":               take,
		"207":               parts(map[string]string{"1": "applied", "2": "retry"}),
		"422":               refuse(422, "closed_account"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.sold("SO-1", "1 A 5 9.90, 2 B 3 2.50", "1 5, 2 3")
			times := 1
			if name == "422" {
				times = -1 // a kill may cost the first answer
			}
			w.erp.on("credit_memo", "SO-1", times, answer)
			w.returned("SO-1", "R-1", 1, "1 2, 2 1")
			w.await("the attempt", func() bool { return len(w.erp.tries("credit_memo", "")) == 1 })
			w.kill()
			w.start()
			w.await("the memo is known", func() bool { return w.delivery("credit_memo", "SO-1") != nil })
			switch name {
			case "202":
				w.erp.settled(w.delivery("credit_memo", "SO-1")["key"].(string), "applied", nil)
			case "422":
				w.awaitState("credit_memo", "SO-1", "parked")
				w.erp.clear()
				w.act("/api/v1/deliveries/" + w.awaitState("credit_memo", "SO-1", "parked")["key"].(string) + "/retry")
			}
			w.quiet()
			w.stages("SO-1", "1", "returned 2 credited 2")
			w.stages("SO-1", "2", "returned 1 credited 1")
			if n := len(w.erp.docs("credit_memo", "SO-1")); n != 1 && (name != "207" || n != 2) {
				t.Errorf("%d credit memos", n)
			}
			w.one(w.channel, "refund_notice", "SO-1")
			w.calm()
		})
	}
}

// TestW4_6_ShipmentCorrectedAfterReturn: both take their part off, each once.
func TestW4_6_ShipmentCorrectedAfterReturn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sold("SO-1", "1 A 5 9.90", "1 5")
	w.returned("SO-1", "R-1", 1, "1 2")
	w.quiet()
	w.ship("SO-1", "S-SO-1", 2, "1 4")
	w.quiet()
	w.lines(w.one(w.erp, "shipment_reversal", "SO-1"), "1:1")
	w.credited("SO-1", map[string]int{"1": 3})
	w.stages("SO-1", "1", "shipped 4 posted 4 invoiced 5 returned 2 credited 3")
	w.calm()
	w.balanced()
}
