package contract_test

import (
	"fmt"
	"math/big"
	"testing"
)

// pieces sums what a target's books hold of kinds by line, in pieces, where a
// case is so many of them.
func (f *target) pieces(order string, ratio int64, kinds ...string) map[string]string {
	sum := map[string]*big.Rat{}
	for _, kind := range kinds {
		sign := int64(1)
		if kind[0] == '-' {
			kind, sign = kind[1:], -1
		}
		for _, d := range f.docs(kind, order) {
			for _, l := range d["lines"].([]any) {
				row := l.(obj)
				qty, ok := new(big.Rat).SetString(row["qty"].(string))
				if !ok {
					f.fault("%s names quantity %v", kind, row["qty"])
					continue
				}
				switch row["uom"] {
				case "CS":
					qty.Mul(qty, big.NewRat(ratio, 1))
				case "EA":
				default:
					f.fault("%s of %s names unit %v", kind, order, row["uom"])
				}
				id := row["line"].(string)
				if sum[id] == nil {
					sum[id] = new(big.Rat)
				}
				sum[id].Add(sum[id], qty.Mul(qty, big.NewRat(sign, 1)))
			}
		}
	}
	out := map[string]string{}
	for id, q := range sum {
		out[id] = q.RatString()
	}
	return out
}

// inPieces holds posted and invoiced of line 1, in pieces.
func (w *world) inPieces(order string, ratio int64, want string) {
	w.Helper()
	for what, have := range map[string]map[string]string{
		"posted":   w.erp.pieces(order, ratio, "shipment_posting", "-shipment_reversal"),
		"invoiced": w.erp.pieces(order, ratio, "invoice", "-credit_memo"),
	} {
		if have["1"] != want {
			w.Errorf("%s: net %s of line 1 is %q pieces, want %s", order, what, have["1"], want)
		}
	}
}

// cased orders line 1 in cases.
func cased(order string, qty string) obj {
	d := placed(order, 1, "1 A "+qty+" 120.00")
	d["lines"].([]any)[0].(obj)["uom"] = "CS"
	return d
}

func in(uom, qty string) obj {
	return obj{"lines": []any{obj{"line": "1", "qty": qty, "uom": uom}}, "packages": nil}
}

func (w *world) item(sku, ratio string) {
	w.Helper()
	w.push("erp", "item.changed", obj{"sku": sku, "base_uom": "EA", "uoms": []any{obj{"uom": "CS", "ratio": ratio}}, "status": "active"})
}

// TestG5_CasesAndPieces: ordered in cases, shipped in both, corrected by pieces.
func TestG5_CasesAndPieces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.item("A", "12")
	w.quiet()
	w.push("channel", "order.placed", cased("SO-1", "3"))
	w.quiet()
	if base := w.line("SO-1", "1")["base_uom"]; base != "EA" {
		t.Errorf("base_uom %v", base)
	}
	w.stages("SO-1", "1", "ordered 36 released 36")
	if have := w.wms.pieces("SO-1", 12, "warehouse_order")["1"]; have != "36" {
		t.Errorf("the warehouse is asked for %s pieces", have)
	}
	w.ship("SO-1", "S-1", 1, "1 7", in("EA", "7"))
	w.quiet()
	w.stages("SO-1", "1", "shipped 7 posted 7 invoiced 7")
	w.inPieces("SO-1", 12, "7")
	w.ship("SO-1", "S-1", 2, "1 1", in("CS", "1"))
	w.quiet()
	w.inPieces("SO-1", 12, "12")
	w.ship("SO-1", "S-1", 3, "1 11", in("EA", "11"))
	w.ship("SO-1", "S-2", 1, "1 2", in("", "2")) // an empty unit is the order line's
	w.quiet()
	w.stages("SO-1", "1", "shipped 35 posted 35")
	w.inPieces("SO-1", 12, "35")
	w.ship("SO-1", "S-3", 1, "1 1", in("EA", "1"), obj{"final": true})
	w.quiet()
	w.inPieces("SO-1", 12, "36")
	w.stages("SO-1", "1", "ordered 36 shipped 36 posted 36 backordered 0")
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
	w.calm()
	w.balanced()
}

// TestG5_ItemComesLast: facts in an unknown unit wait and are taken in when the
// item is known, in every order of arrival, also after a person was told.
func TestG5_ItemComesLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var orders []string
	for n, turn := range permutations(3) {
		o, sku := fmt.Sprint("SO-", n), fmt.Sprint("SKU-", n)
		orders = append(orders, o)
		for _, step := range turn {
			switch step {
			case 0:
				w.place(o, "1 "+sku+" 24 9.90")
			case 1:
				w.ship(o, "S-"+o, 1, "1 2", in("CS", "2"))
			default:
				w.item(sku, "12")
			}
		}
	}
	w.place("SO-L", "1 L 24 9.90")
	w.ship("SO-L", "S-L", 1, "1 2", in("CS", "2"))
	w.quiet() // past the limbo
	for _, o := range orders {
		w.stages(o, "1", "ordered 24 shipped 24 posted 24 invoiced 24")
		w.inPieces(o, 12, "24")
		w.lines(w.one(w.channel, "fulfilment", o), quantities(w.one(w.erp, "shipment_posting", o)))
	}
	if len(w.exceptions("state=open")) != 1 {
		t.Errorf("exceptions: %s", marshal(w.exceptions("state=open")))
	}
	w.kill()
	w.start()
	w.item("L", "12")
	w.quiet()
	w.stages("SO-L", "1", "ordered 24 shipped 24 posted 24 invoiced 24")
	w.inPieces("SO-L", 12, "24")
	w.calm()
	w.balanced()
}

// TestG5_Backorder: a position is in pieces, the order in cases.
func TestG5_Backorder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.item("A", "12")
	w.quiet()
	w.push("channel", "order.placed", cased("SO-1", "3"))
	w.quiet()
	w.ship("SO-1", "S-1", 1, "1 5", in("EA", "5"), obj{"final": true})
	w.quiet()
	w.stages("SO-1", "1", "shipped 5 backordered 31")
	if have := w.channel.pieces("SO-1", 12, "backorder_notice")["1"]; have != "31" {
		t.Errorf("the notice says %s pieces", have)
	}
	w.positions("A", "30")
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	w.positions("A", "31")
	w.quiet()
	if have := w.wms.pieces("SO-1", 12, "warehouse_order")["1"]; have != "67" {
		t.Errorf("the warehouse was asked for %s pieces in all, want 36 and 31", have)
	}
	w.calm()
}

// TestG5_CancelInPieces: a part of a case is cancelled before and after release.
func TestG5_CancelInPieces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.item("A", "12")
	w.quiet()
	gate := make(chan struct{})
	w.erp.on("sales_order", "SO-1", 1, hold(gate))
	w.push("channel", "order.placed", cased("SO-1", "3"))
	w.await("sales_order is under way", func() bool { return len(w.erp.tries("sales_order", "")) == 1 })
	w.cancel("SO-1", "R-1", obj{"lines": []any{obj{"line": "1", "qty": "5", "uom": "EA"}}})
	close(gate)
	w.quiet()
	w.stages("SO-1", "1", "ordered 36 cancelled 5 released 31")
	if have := w.wms.pieces("SO-1", 12, "warehouse_order")["1"]; have != "31" {
		t.Errorf("the warehouse is asked for %s pieces", have)
	}
	if have := w.erp.pieces("SO-1", 12, "sales_order_cancel")["1"]; have != "5" {
		t.Errorf("the ERP cancels %s pieces", have)
	}
	w.cancel("SO-1", "R-2", obj{"lines": []any{obj{"line": "1", "qty": "1", "uom": "CS"}}})
	w.await("the warehouse is asked", func() bool { return len(w.wms.docs("warehouse_order_cancel", "SO-1")) == 1 })
	w.warehouse("cancelled", "SO-1")
	w.quiet()
	w.stages("SO-1", "1", "ordered 36 cancelled 17")
	w.ship("SO-1", "S-1", 1, "1 19", in("EA", "19"))
	w.quiet()
	w.inPieces("SO-1", 12, "19")
	if s := w.order("SO-1")["status"]; s != "invoiced" {
		t.Errorf("status %v, want invoiced", s)
	}
	w.calm()
	w.balanced()
}

// TestG5_PublishedItem: the record is read by T6, while facts wait for it.
func TestG5_PublishedItem(t *testing.T) {
	t.Parallel()
	w := prepare(t)
	w.erp.set(func() {
		w.erp.entities = map[string][]any{"items": {obj{"sku": "A", "base_uom": "EA", "status": "active",
			"uoms": []any{obj{"uom": "CS", "ratio": "7"}, obj{"uom": "PAL", "ratio": "280"}}}}}
	})
	w.start()
	w.push("channel", "order.placed", cased("SO-1", "3"))
	w.ship("SO-1", "S-1", 1, "1 20", in("EA", "20"))
	w.quiet()
	w.stages("SO-1", "1", "ordered 21 shipped 20 posted 20 invoiced 20")
	w.inPieces("SO-1", 7, "20")
	w.returned("SO-1", "R-1", 1, "1 1", obj{"lines": []any{obj{"line": "1", "qty": "1", "uom": "CS", "disposition": "restock"}}})
	w.quiet()
	w.stages("SO-1", "1", "returned 7 credited 7")
	w.inPiecesInvoiced("SO-1", 7, "13")
	w.calm()
	w.balanced()
}

func (w *world) inPiecesInvoiced(order string, ratio int64, want string) {
	w.Helper()
	if have := w.erp.pieces(order, ratio, "invoice", "-credit_memo")["1"]; have != want {
		w.Errorf("%s: net invoiced %s pieces, want %s", order, have, want)
	}
}

// TestG5_LaterFactor: what was converted stays; the item's later record does
// not touch it.
func TestG5_LaterFactor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.item("A", "12")
	w.quiet()
	w.push("channel", "order.placed", cased("SO-1", "3"))
	w.quiet()
	w.ship("SO-1", "S-1", 1, "1 2", in("CS", "2"))
	w.quiet()
	w.item("A", "10")
	w.quiet()
	w.kill()
	w.start()
	w.quiet()
	w.stages("SO-1", "1", "ordered 36 shipped 24 posted 24 invoiced 24")
	w.inPieces("SO-1", 12, "24")
	w.books(w.erp, "SO-1", "order_check sales_order shipment_posting invoice")
	w.calm()
	w.balanced()
}
