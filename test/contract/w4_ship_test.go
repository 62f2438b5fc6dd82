package contract_test

import (
	"fmt"
	"strings"
	"testing"
)

// net sums what a target's books hold of kinds, by line; a kind with a minus
// sign is taken off.
func (f *target) net(order string, kinds ...string) map[string]int {
	sum := map[string]int{}
	for _, kind := range kinds {
		sign := 1
		if strings.HasPrefix(kind, "-") {
			kind, sign = kind[1:], -1
		}
		for _, d := range f.docs(kind, order) {
			for _, l := range d["lines"].([]any) {
				var n int
				_, _ = fmt.Sscan(l.(obj)["qty"].(string), &n)
				sum[l.(obj)["line"].(string)] += sign * n
			}
		}
	}
	return sum
}

// billed holds the ERP's net posted and invoiced quantities.
func (w *world) billed(order string, want map[string]int) {
	w.Helper()
	for what, have := range map[string]map[string]int{
		"posted":   w.erp.net(order, "shipment_posting", "-shipment_reversal"),
		"invoiced": w.erp.net(order, "invoice", "-credit_memo"),
	} {
		for line, n := range want {
			if have[line] != n {
				w.Errorf("net %s of line %s is %d, want %d (%s)", what, line, have[line], n, w.erp.kinds(order))
			}
		}
	}
}

// TestW4_2_CorrectionUp: after its first attempt the ERP gets only the
// difference, the channel a fulfilment_update.
func TestW4_2_CorrectionUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 9 9.90, 2 B 3 2.50")
	w.ship("SO-1", "S-1", 1, "1 5, 2 3")
	w.quiet()
	w.ship("SO-1", "S-1", 2, "1 7, 2 3")
	w.quiet()
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting invoice shipment_posting invoice")
	w.books(w.channel, "SO-1", "order_acknowledgment fulfilment fulfilment_update")
	w.lines(w.erp.docs("shipment_posting", "SO-1")[1], "1:2")
	w.lines(w.erp.docs("invoice", "SO-1")[1], "1:2")
	if v := w.erp.docs("shipment_posting", "SO-1")[1]["version"]; v != 2.0 {
		t.Errorf("version %v, want 2", v)
	}
	w.billed("SO-1", map[string]int{"1": 7, "2": 3})
	w.stages("SO-1", "1", "shipped 7 posted 7 invoiced 7")
}

// TestW4_2_CorrectionDown: less is a reversal and a credit memo, newest posting
// first, each naming what it compensates.
func TestW4_2_CorrectionDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 9 9.90")
	w.ship("SO-1", "S-1", 1, "1 5")
	w.quiet()
	w.ship("SO-1", "S-1", 2, "1 8")
	w.quiet()
	w.ship("SO-1", "S-1", 3, "1 2")
	w.quiet()
	postings, invoices := w.erp.docs("shipment_posting", "SO-1"), w.erp.docs("invoice", "SO-1")
	reversals, memos := w.erp.docs("shipment_reversal", "SO-1"), w.erp.docs("credit_memo", "SO-1")
	if len(postings) != 2 || len(invoices) != 2 || len(reversals) != 2 || len(memos) != 2 {
		t.Fatalf("books: %s", w.erp.kinds("SO-1"))
	}
	w.lines(reversals[0], "1:3")
	w.lines(reversals[1], "1:3")
	for n, d := range reversals {
		if d["compensates"] != postings[1-n]["key"] {
			t.Errorf("reversal %d compensates %v, want the %s posting", n, d["compensates"], []string{"newer", "older"}[n])
		}
		if d["posting_date"] == nil {
			t.Errorf("reversal %d has no posting_date", n)
		}
	}
	for n, d := range memos {
		if d["compensates"] != invoices[1-n]["key"] {
			t.Errorf("credit memo %d compensates %v", n, d["compensates"])
		}
	}
	w.billed("SO-1", map[string]int{"1": 2})
	w.balanced()
	w.stages("SO-1", "1", "shipped 2 posted 2 invoiced 8 credited 6")
	w.books(w.channel, "SO-1", "order_acknowledgment fulfilment fulfilment_update fulfilment_update")
}

// TestW4_2_CorrectionToNothing and a line that goes away.
func TestW4_2_CorrectionToNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50")
	w.ship("SO-1", "S-1", 1, "1 5, 2 3")
	w.quiet()
	w.ship("SO-1", "S-1", 2, "1 5")
	w.quiet()
	w.lines(w.one(w.erp, "shipment_reversal", "SO-1"), "2:3")
	w.lines(w.one(w.erp, "credit_memo", "SO-1"), "2:3")
	w.billed("SO-1", map[string]int{"1": 5, "2": 0})
	w.balanced()
	w.stages("SO-1", "2", "shipped 0 posted 0 invoiced 3 credited 3")
}

// TestW4_2_NewerBeforeTheFirstAttempt: a document without an attempt carries
// the newer version.
func TestW4_2_NewerBeforeTheFirstAttempt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gate := make(chan struct{})
	w.released("SO-1", "1 A 9 9.90")
	w.erp.on("shipment_posting", "SO-1", 1, hold(gate))
	w.channel.on("fulfilment", "SO-1", 1, hold(gate))
	w.ship("SO-1", "S-0", 1, "1 1")
	w.await("the lanes are busy", func() bool {
		return len(w.erp.tries("shipment_posting", "")) == 1 && len(w.channel.tries("fulfilment", "")) == 1
	})
	w.ship("SO-1", "S-1", 1, "1 5")
	w.ship("SO-1", "S-1", 2, "1 4")
	close(gate)
	w.quiet()
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting shipment_posting invoice invoice")
	w.books(w.channel, "SO-1", "order_acknowledgment fulfilment fulfilment")
	w.lines(w.erp.docs("shipment_posting", "SO-1")[1], "1:4")
	w.lines(w.channel.docs("fulfilment", "SO-1")[1], "1:4")
	w.billed("SO-1", map[string]int{"1": 5})
}

// TestW4_2_OnlyTheCarrierDiffers: the channel is told, the ERP is not.
func TestW4_2_OnlyTheCarrierDiffers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 9 9.90")
	w.ship("SO-1", "S-1", 1, "1 5")
	w.quiet()
	w.ship("SO-1", "S-1", 2, "1 5", obj{"carrier": "DHL", "packages": []any{obj{"tracking": "JD1"}}})
	w.quiet()
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting invoice")
	w.books(w.channel, "SO-1", "order_acknowledgment fulfilment fulfilment_update")
	up := w.one(w.channel, "fulfilment_update", "SO-1")["data"].(obj)
	if up["carrier"] != "DHL" || !strings.Contains(string(marshal(up["packages"])), "JD1") {
		t.Errorf("fulfilment_update says %s", marshal(up))
	}
	w.ship("SO-1", "S-1", 3, "1 5", obj{"carrier": "DHL", "packages": []any{obj{"tracking": "JD1"}}})
	w.quiet()
	w.books(w.channel, "SO-1", "order_acknowledgment fulfilment fulfilment_update")
}

// TestW4_2_CorrectionWhileInDoubt: the newer version comes while the posting of
// the older one has no outcome.
func TestW4_2_CorrectionWhileInDoubt(t *testing.T) {
	t.Parallel()
	for _, applied := range []bool{false, true} {
		t.Run(fmt.Sprint("applied ", applied), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.released("SO-1", "1 A 9 9.90")
			w.erp.on("shipment_posting", "SO-1", 1, func(c *call) {
				if applied {
					c.apply("applied")
				}
				c.drop()
			})
			w.ship("SO-1", "S-1", 1, "1 5")
			w.await("the attempt", func() bool { return len(w.erp.tries("shipment_posting", "")) == 1 })
			w.ship("SO-1", "S-1", 2, "1 3")
			w.quiet()
			w.billed("SO-1", map[string]int{"1": 3})
			w.stages("SO-1", "1", "shipped 3 posted 3 invoiced 3")
		})
	}
}

// TestW4_2_NoInvoice for transfer, sample and replacement.
func TestW4_2_NoInvoice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, kind := range []string{"transfer", "sample", "replacement"} {
		w.released(kind, "1 A 5 9.90", obj{"type": kind})
		w.ship(kind, "S-"+kind, 1, "1 5")
		w.quiet()
		w.books(w.erp, kind, "order_check sales_order shipment_posting")
		w.books(w.channel, kind, "order_acknowledgment fulfilment")
	}
}

// TestW4_2_NonStock: neither released nor posted; they and the order's charges
// are on the first invoice, a shipment's freight on its own.
func TestW4_2_NonStock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := placed("SO-1", 1, "1 A 5 9.90, 2 FREIGHT 1 12.00", obj{"charges": []any{obj{"code": "handling", "amount": "3.50"}}})
	d["lines"].([]any)[1].(obj)["kind"] = "freight"
	w.push("channel", "order.placed", d)
	w.quiet()
	w.lines(w.one(w.wms, "warehouse_order", "SO-1"), "1:5")
	w.ship("SO-1", "S-1", 1, "1 2", obj{"freight": "7.00"})
	w.quiet()
	w.ship("SO-1", "S-2", 1, "1 3", obj{"freight": "8.00"})
	w.quiet()
	postings, invoices := w.erp.docs("shipment_posting", "SO-1"), w.erp.docs("invoice", "SO-1")
	if len(postings) != 2 || len(invoices) != 2 {
		t.Fatalf("books: %s", w.erp.kinds("SO-1"))
	}
	w.lines(postings[0], "1:2")
	w.lines(invoices[0], "1:2 2:1")
	w.lines(invoices[1], "1:3")
	for n, want := range []struct{ has, lacks string }{{`"3.5`, `"8`}, {`"8`, `"3.5`}} {
		text := string(marshal(invoices[n]["data"].(obj)["charges"]))
		if !strings.Contains(text, want.has) || strings.Contains(text, want.lacks) {
			t.Errorf("invoice %d has charges %s", n+1, text)
		}
	}
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
}

// TestW4_2_OverShipped: what shipped above the order is posted; the excess is
// invoiced only when its exception is settled.
func TestW4_2_OverShipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90")
	w.ship("SO-1", "S-1", 1, "1 7")
	w.quiet()
	w.lines(w.one(w.erp, "shipment_posting", "SO-1"), "1:7")
	w.lines(w.one(w.erp, "invoice", "SO-1"), "1:5")
	w.stages("SO-1", "1", "ordered 5 shipped 7 posted 7 invoiced 5")
	open := w.exceptions("state=open&order=SO-1")
	if len(open) != 1 {
		t.Fatalf("exceptions: %s", marshal(open))
	}
	actions := string(marshal(open[0]["actions"]))
	if !strings.Contains(actions, "settle") {
		t.Fatalf("the exception offers %s, not settle", actions)
	}
	w.act(fmt.Sprintf("/api/v1/exceptions/%v/settle", open[0]["id"]))
	w.quiet()
	if have := w.erp.net("SO-1", "invoice")["1"]; have != 7 {
		t.Errorf("invoiced %d after the exception was settled, want 7", have)
	}
	if left := w.exceptions("state=open&order=SO-1"); len(left) != 0 {
		t.Errorf("exceptions left: %s", marshal(left))
	}
}

// TestW4_2_OverShippedCorrected: the breach closes when the facts no longer
// breach.
func TestW4_2_OverShippedCorrected(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90")
	w.ship("SO-1", "S-1", 1, "1 7")
	w.quiet()
	w.ship("SO-1", "S-1", 2, "1 5")
	w.quiet()
	w.billed("SO-1", map[string]int{"1": 5})
	if left := w.exceptions("state=open&order=SO-1"); len(left) != 0 {
		t.Errorf("exceptions left: %s", marshal(left))
	}
	if have := w.erp.docs("credit_memo", "SO-1"); len(have) != 0 {
		t.Errorf("a credit memo for what was never invoiced: %s", marshal(have))
	}
}

// TestW4_2_FactsOfTheFloor show in the stages of C6.
func TestW4_2_FactsOfTheFloor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90")
	row := func(qty string) []any { return []any{obj{"line": "1", "qty": qty}} }
	w.push("wms", "allocation.confirmed", obj{"order": "SO-1", "document": "AL-1", "lines": row("5")})
	w.push("wms", "pick.confirmed", obj{"order": "SO-1", "document": "PI-1", "lines": row("2")})
	w.push("wms", "pick.confirmed", obj{"order": "SO-1", "document": "PI-2", "lines": row("2")})
	w.push("wms", "pick.confirmed", obj{"order": "SO-1", "document": "PI-1", "version": 2, "lines": row("3")})
	w.push("wms", "pack.confirmed", obj{"order": "SO-1", "document": "PA-1", "lines": row("4")})
	w.quiet()
	w.stages("SO-1", "1", "allocated 5 picked 5 packed 4 shipped 0")
}
