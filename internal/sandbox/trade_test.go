package sandbox

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// piecesOf is a line of an item of the portal.
func piecesOf(sku, qty, uom, price string) map[string]string {
	return map[string]string{"line": "1", "sku": sku, "qty": qty, "uom": uom, "price": price}
}

func TestFate_OfThePortal(t *testing.T) {
	met, trade, renamed := map[Fate]int{}, 0, 0
	for i := range 5000 {
		p, plain := planFor(7, i, 4, true), planFor(7, i, 4, false)
		if !p.trade {
			if p.back.pieces > 0 && p.fate != Plain || p.back.pieces > p.lines[0].ordered {
				t.Errorf("order %d (%s): %d pieces come back", p.index, p.fate, p.back.pieces)
			}
			p.back = comeback{}
			if p.fate == Renamed { // else it is what it was
				renamed++
				p.fate = Plain
			}
			if diff := cmp.Diff(plain, p, cmp.AllowUnexported(plan{}, planLine{}, comeback{})); diff != "" {
				t.Fatalf("the portal changed order %d of the storefront (-without +with):\n%s", i, diff)
			}
			continue
		}
		trade++
		met[p.fate]++
		checkTrade(t, p)
	}
	if trade < 5000*tradeShare/1000 || trade > 5000*(tradeShare+80)/1000 {
		t.Errorf("%d orders of 5000 are the portal's", trade)
	}
	if renamed < 50 || renamed > 150 {
		t.Errorf("%d orders of 5000 name an item by a new number", renamed)
	}
	if groups := 5000 / loadBlock; met[Loaded] < groups*loadSize || met[Loaded] > (groups+1)*loadSize {
		t.Errorf("%d orders travel on %d trucks", met[Loaded], groups)
	}
	for _, s := range tradeShares {
		if got, want := met[s.fate], s.share*trade/1000; got < want/2 || got > want*2 {
			t.Errorf("fate %s came %d times in %d", s.fate, got, trade)
		}
	}
}

// checkTrade checks that the plan of an order of the portal can be brought about.
func checkTrade(t *testing.T, p plan) {
	t.Helper()
	at, items := map[int]bool{}, map[int]bool{}
	bought, kits := false, false
	for _, l := range p.lines {
		kits = kits || isKit(l.item)
		if uom, qty := l.unit(); l.item < itemCount || qty < 1 || pieces(qty)*ratioOf(l.item, uom) != pieces(l.ordered) || items[l.item] {
			t.Errorf("order %d (%s): line %+v", p.index, p.fate, l)
		}
		items[l.item], at[catalogue[l.item].site] = true, true
		bought = bought || boughtItem(l.item)
	}
	if len(at) > 1 != (p.fate == TwoSites) || bought != (p.fate == Backordered) {
		t.Errorf("order %d (%s) is of %d warehouses, bought %t", p.index, p.fate, len(at), bought)
	}
	if kits != (p.fate == Kitted) {
		t.Errorf("order %d (%s) has a kit: %t", p.index, p.fate, kits)
	}
	if p.back.pieces > 0 != (p.fate == Returned) || p.back.pieces > p.lines[0].ordered {
		t.Errorf("order %d (%s): %d pieces of %d come back", p.index, p.fate, p.back.pieces, p.lines[0].ordered)
	}
}

func TestERP_CountsInPieces(t *testing.T) {
	b := newBench(t, Config{Whole: true})
	it := &catalogue[itemCount]
	byCase := (it.price * perCase).money()
	shipped := map[string]any{"shipment": "S1"}
	steps := []struct {
		doc  doc
		want result
	}{
		{doc{kind: "sales_order", key: "k", lines: []map[string]string{piecesOf(it.sku, "2", "BX", byCase)}}, result{Status: 422, Code: "uom_unknown"}},
		{doc{kind: "sales_order", key: "k", lines: []map[string]string{piecesOf(it.sku, "2", caseUnit, byCase)}}, result{Status: 201}},
		{doc{kind: "shipment_posting", key: "p", lines: []map[string]string{piecesOf(it.sku, "18", "EA", "")}, data: shipped}, result{Status: 201}},
		{doc{kind: "invoice", key: "i", lines: []map[string]string{piecesOf(it.sku, "2", caseUnit, byCase)}, data: shipped}, result{Status: 422, Code: "invoice_above_posted"}},
		{doc{kind: "invoice", key: "i", lines: []map[string]string{piecesOf(it.sku, "18", "EA", byCase)}, data: shipped}, result{Status: 422, Code: "price_differs"}},
		{doc{kind: "invoice", key: "i", lines: []map[string]string{{"line": "1", "sku": it.sku, "qty": "18", "uom": "EA", "price": byCase, "price_uom": caseUnit}},
			data: map[string]any{"shipment": "S1", "tax": "1.25", "charges": []map[string]string{{"code": "handling", "amount": "4.50"}}}}, result{Status: 201}},
	}
	for i, s := range steps {
		s.doc.order, s.doc.seq = order, i+1
		if got, out := b.post("erp", s.doc); got != s.want {
			t.Errorf("step %d, %s: %+v %v, want %+v", i, s.doc.kind, got, out, s.want)
		}
	}
	o := b.w.erp.t.shardOf(order).lane(order).erp
	if want := it.price.times(pieces(18)) + cents(575); o.billed != want {
		t.Errorf("billed %s, want %s", o.billed, want)
	}
	if got, want := b.w.erp.stock[itemCount], it.opening-pieces(18); got != want {
		t.Errorf("stock %s, want %s", got, want)
	}
	_, _, page := b.call("erp", "GET", "/v1/journal", nil, nil)
	first := page["entries"].([]any)[0].(map[string]any)["lines"].([]any)[0]
	if diff := cmp.Diff(map[string]any{"line": "1", "sku": it.sku, "qty": "2", "uom": caseUnit}, first); diff != "" {
		t.Errorf("the journal does not show the document's own quantity (-want +got):\n%s", diff)
	}
}

func TestERP_StockIsBookedWhereItIs(t *testing.T) {
	bought := itemCount + 2*tradePart
	sku := catalogue[bought].sku
	data := func(warehouse string) map[string]any {
		return map[string]any{"document": "D1", "warehouse": warehouse, "reason": "cycle_count"}
	}
	for _, tt := range []struct {
		kind, sku, qty, uom string
		data                map[string]any
		want                result
		stock               amount
	}{
		{"receipt_posting", sku, "2", caseUnit, data("W1"), result{Status: 201}, pieces(24)},
		{"receipt_posting", sku, "2", "EA", data("W2"), result{Status: 422, Code: "warehouse_unknown"}, 0},
		{"receipt_posting", sku, "-2", "EA", data("W1"), result{Status: 422, Code: "qty_not_positive"}, 0},
		{"receipt_posting", "NONE", "2", "EA", data("W1"), result{Status: 422, Code: "item_unknown"}, 0},
		{"receipt_posting", sku, "2", "EA", nil, result{Status: 422, Code: "document_missing"}, 0},
		{"inventory_adjustment", sku, "-2", "EA", data("W1"), result{Status: 201}, pieces(-2)},
		{"inventory_adjustment", sku, "-2", "EA", map[string]any{"document": "D1", "warehouse": "W1"}, result{Status: 422, Code: "reason_missing"}, 0},
	} {
		t.Run(tt.kind+" "+tt.qty+tt.want.Code, func(t *testing.T) {
			b := newBench(t, Config{Whole: true})
			got, out := b.post("erp", doc{kind: tt.kind, order: "~~item~" + tt.sku, key: "k", seq: 1, data: tt.data, lines: []map[string]string{piecesOf(tt.sku, tt.qty, tt.uom, "")}})
			if got != tt.want || b.w.erp.stock[bought] != tt.stock {
				t.Errorf("%+v %v, stock %s; want %+v, stock %s", got, out, b.w.erp.stock[bought], tt.want, tt.stock)
			}
			if tt.kind != "receipt_posting" || tt.want.Status != 201 {
				return
			}
			p := <-b.pushed
			told := p.body["data"].(map[string]any)
			if p.body["type"] != "inventory.position" || told["available"] != tt.stock.String() || told["warehouse"] != "W1" {
				t.Errorf("pushed %v", p.body)
			}
		})
	}
}

func TestERP_ReturnIsInStockOnce(t *testing.T) {
	b := newBench(t, Config{Whole: true})
	it := &catalogue[itemCount]
	price := it.price.money()
	back := map[string]any{"return": "R1", "lines": []map[string]string{{"line": "1", "qty": "1", "uom": caseUnit, "disposition": restock}, {"line": "1", "qty": "3", "disposition": "scrap"}}}
	for i, d := range []doc{
		{kind: "sales_order", lines: []map[string]string{piecesOf(it.sku, "20", "EA", price)}},
		{kind: "shipment_posting", lines: []map[string]string{piecesOf(it.sku, "20", "EA", "")}, data: map[string]any{"shipment": "S1"}},
		{kind: "invoice", lines: []map[string]string{piecesOf(it.sku, "20", "EA", price)}, data: map[string]any{"shipment": "S1"}},
		{kind: "credit_memo", lines: []map[string]string{piecesOf(it.sku, "5", "EA", price)}, data: back},
		{kind: "credit_memo", lines: []map[string]string{piecesOf(it.sku, "10", "EA", price)}, data: back},
	} {
		d.order, d.key, d.seq = order, fmt.Sprint("k", i), i+1
		if got, out := b.post("erp", d); got.Status != 201 {
			t.Fatalf("%s: %+v %v", d.kind, got, out)
		}
	}
	if got, want := b.w.erp.stock[itemCount], it.opening-pieces(20-perCase); got != want {
		t.Errorf("stock %s, want %s", got, want)
	}
	if got, want := b.w.erp.t.shardOf(order).lane(order).erp.billed, it.price.times(pieces(5)); got != want {
		t.Errorf("billed %s, want %s", got, want)
	}
}

func TestWMS_TruckLeavesWithItsGroup(t *testing.T) {
	b := newBench(t, Config{Whole: true, Once: true, Seed: 7})
	b.w.shop.reserve(loadBlock)
	var group []plan
	for _, o := range b.w.shop.orders {
		if o.plan.fate == Loaded {
			o.plan.says = 0
			group = append(group, o.plan)
		}
	}
	if len(group) != loadSize {
		t.Fatalf("%d orders share a truck", len(group))
	}
	for i, p := range group {
		if len(b.pushed) > 0 {
			t.Fatalf("the truck left with %d orders", i)
		}
		name := "portal~." + strconv.Itoa(p.number())
		if got, out := b.post("wms", doc{kind: "warehouse_order", order: name, key: "k" + name, seq: 1, lines: []map[string]string{piecesOf(catalogue[p.lines[0].item].sku, "1", "EA", "")}}); got.Status != 201 {
			t.Fatalf("%s: %+v %v", name, got, out)
		}
	}
	orders := map[any]bool{}
	for range group {
		p := <-b.pushed
		data := p.body["data"].(map[string]any)
		if data["shipment"] != "SHLD-1-1" || data["load"] != "LD-1-1" || data["mode"] != "own_truck" {
			t.Errorf("pushed %v", p.body)
		}
		orders[data["order"]] = true
	}
	if len(orders) != loadSize {
		t.Errorf("shipments of %v", orders)
	}
}

func TestBooks_ReceiptBookedTwiceShows(t *testing.T) {
	b := newBench(t, Config{Whole: true})
	d := doc{kind: "receipt_posting", order: "~~receipt~D1", key: "k", seq: 1, data: map[string]any{"document": "D1", "warehouse": "W1"},
		lines: []map[string]string{piecesOf(catalogue[itemCount].sku, "2", "EA", "")}}
	if got := b.w.Books(); !got.Balanced.Units || got.Duplicated != 0 {
		t.Fatalf("before anything happened: %+v", got)
	}
	b.post("erp", d)
	d.attempt = 2
	b.post("erp", d)
	if got := b.w.Books(); got.Balanced.Units || got.Duplicated != 1 || got.Receipts != 1 {
		t.Errorf("balanced %+v, duplicated %d, receipts %d: %v", got.Balanced, got.Duplicated, got.Receipts, got.Findings)
	}
}

func TestBooks_CentsOfAnOrder(t *testing.T) {
	p := plan{trade: true, lines: []planLine{{item: itemCount, ordered: 10}}}
	it := &catalogue[itemCount] // 2.35
	for _, tt := range []struct {
		name          string
		shipped, came amount
		portal        bool
		billed        amount
		want          bool
	}{
		{"nothing", 0, 0, true, 0, true},
		{"the storefront's shipping", pieces(10), 0, false, cents(2350 + 1000), true},
		{"with handling and tax", pieces(10), 0, true, cents(2350 + 450 + 188), true},
		{"a cent too much", pieces(10), 0, true, cents(2350 + 450 + 189), false},
		{"less a return and its tax", pieces(10), pieces(3), true, cents(2350 + 450 + 188 - 705 - 56), true},
		{"a return that is not credited", pieces(10), pieces(3), true, cents(2350 + 450 + 188), false},
		{"billed and never shipped", 0, 0, true, cents(235), false},
	} {
		s := sheet{plan: &p, erp: &erpOrder{billed: tt.billed}, shipped: map[string]amount{it.sku: tt.shipped}, came: map[string]amount{it.sku: tt.came}}
		if tt.portal {
			s.portal = &portalOrder{}
		}
		b := Books{Balanced: Balance{Cents: true}}
		s.weigh(&b)
		if b.Balanced.Cents != tt.want {
			t.Errorf("%s: %t %v", tt.name, b.Balanced.Cents, b.Findings)
		}
	}
}
