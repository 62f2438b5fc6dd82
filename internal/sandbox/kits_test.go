package sandbox

import (
	"slices"
	"strings"
	"testing"
)

// kitLines are a kit's line and those of its two parts, of so many each.
func kitLines(kit *item, n string, parts ...string) []map[string]string {
	out := []map[string]string{{"line": "1", "sku": kit.sku, "qty": n, "uom": "EA", "price": kit.price.money()}}
	for i, qty := range parts {
		out = append(out, map[string]string{"line": []string{"1~1", "1~2"}[i], "sku": catalogue[kit.parts[i].item].sku, "qty": qty, "uom": "EA", "price": "0.00", "parent": "1"})
	}
	return out
}

func TestERP_KitsAreBilledByTheirParts(t *testing.T) {
	b := newBench(t, Config{Whole: true})
	kit := &catalogue[bySKU["KIT-1"]] // 1 of the first item, 2 of the second
	part := func(n int, qty string) map[string]string {
		return map[string]string{"line": []string{"1~1", "1~2"}[n], "sku": catalogue[kit.parts[n].item].sku, "qty": qty, "uom": "EA"}
	}
	shipped := map[string]any{"shipment": "S1"}
	for i, s := range []struct {
		doc  doc
		want result
	}{
		{doc{kind: "sales_order", lines: kitLines(kit, "3")}, result{Status: 422, Code: "kit_parts_differ"}},
		{doc{kind: "sales_order", lines: kitLines(kit, "3", "3", "5")}, result{Status: 422, Code: "kit_parts_differ"}},
		{doc{kind: "sales_order", lines: kitLines(kit, "3", "3", "6")[1:]}, result{Status: 422, Code: "kit_unknown"}},
		{doc{kind: "sales_order", lines: kitLines(kit, "3", "3", "6")}, result{Status: 201}},
		{doc{kind: "shipment_posting", lines: kitLines(kit, "1"), data: shipped}, result{Status: 422, Code: "kit_not_posted"}},
		{doc{kind: "shipment_posting", lines: []map[string]string{part(0, "2"), part(1, "2")}, data: shipped}, result{Status: 201}},
		{doc{kind: "invoice", lines: kitLines(kit, "2"), data: shipped}, result{Status: 422, Code: "invoice_above_posted"}},
		{doc{kind: "invoice", lines: []map[string]string{part(0, "2")}, data: shipped}, result{Status: 422, Code: "invoice_above_posted"}},
		{doc{kind: "invoice", lines: kitLines(kit, "1"), data: shipped}, result{Status: 201}},
		{doc{kind: "shipment_posting", lines: []map[string]string{part(0, "1"), part(1, "4")}, data: map[string]any{"shipment": "S2"}}, result{Status: 201}},
		{doc{kind: "invoice", lines: kitLines(kit, "2"), data: map[string]any{"shipment": "S2"}}, result{Status: 201}},
	} {
		s.doc.order, s.doc.seq, s.doc.key = order, i+1, "k"+string(rune('a'+i))
		if got, out := b.post("erp", s.doc); got != s.want {
			t.Errorf("step %d, %s: %+v %v, want %+v", i, s.doc.kind, got, out, s.want)
		}
	}
	if got, want := b.w.erp.t.shardOf(order).lane(order).erp.billed, kit.price.times(pieces(3)); got != want {
		t.Errorf("billed %s, want three kits, %s", got, want)
	}
	for n, want := range []int{3, 6} {
		at := kit.parts[n].item
		if got := b.w.erp.stock[at]; got != catalogue[at].opening-pieces(want) {
			t.Errorf("stock of part %d is %s, want %d less", n, got, want)
		}
	}
}

// What a kit's parts are worth is the kit's price; a part too many is not.
func TestBooks_CentsOfAKit(t *testing.T) {
	at := bySKU["KIT-1"]
	kit := &catalogue[at]
	p := plan{trade: true, lines: []planLine{{item: at, ordered: 2, edited: 2}}}
	first, second := &catalogue[kit.parts[0].item], &catalogue[kit.parts[1].item]
	for _, tt := range []struct {
		name  string
		moved map[string]amount
		want  amount
	}{
		{"two kits", map[string]amount{first.sku: pieces(2), second.sku: pieces(4)}, kit.price * 2},
		{"one kit and a part", map[string]amount{first.sku: pieces(2), second.sku: pieces(2)}, kit.price + first.price},
		{"a third kit was not ordered", map[string]amount{first.sku: pieces(3), second.sku: pieces(6)}, kit.price*2 + first.price + second.price*2},
		{"a part alone", map[string]amount{second.sku: pieces(1)}, second.price},
	} {
		if got := p.worth(tt.moved); got != tt.want {
			t.Errorf("%s: worth %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestERP_RecordsOfKits(t *testing.T) {
	b := newBench(t, Config{Whole: true})
	var kits []string
	for cursor, page := "", 0; page < 10; page++ {
		_, _, out := b.call("erp", "GET", "/v1/entities/items?cursor="+cursor, nil, nil)
		for _, it := range out["items"].([]any) {
			record := it.(map[string]any)
			made, isKit := record["kit"].(map[string]any)
			if !isKit {
				continue
			}
			kits = append(kits, record["sku"].(string))
			if n := len(made["components"].([]any)); n != 2 {
				t.Errorf("%s has %d components, want 2", record["sku"], n)
			}
		}
		next, more := out["next"].(string)
		if cursor = next; !more {
			break
		}
	}
	if len(kits) != kitCount || !slices.Contains(kits, LastItem) {
		t.Errorf("the records name the kits %v, want %d, and %s among them", kits, kitCount, LastItem)
	}
	_, _, out := b.call("erp", "GET", "/v1/entities/inventory?cursor=200", nil, nil)
	for _, it := range out["items"].([]any) {
		if sku := it.(map[string]any)["sku"].(string); strings.HasPrefix(sku, "KIT") {
			t.Errorf("there is a stock position of %s, which is kept as its parts", sku)
		}
	}
}

func TestShop_NewNumbers(t *testing.T) {
	w, err := New(Config{Whole: true, Seed: 11})
	if err != nil {
		t.Fatal(err)
	}
	w.shop.reserve(500)
	known := w.Numbers()
	found := 0
	for _, o := range w.shop.orders {
		if o.plan.trade {
			continue
		}
		for line, l := range o.lines {
			number, want := o.number(line), catalogue[l.item].sku
			if w.Meaning(number) != want {
				t.Errorf("number %s means %q, want %s", number, w.Meaning(number), want)
			}
			if slices.Contains(known, number) == (o.plan.fate == Renamed && line == 0) {
				t.Errorf("order %d (%s) line %d: number %s", o.plan.index, o.plan.fate, line, number)
			}
		}
		if o.plan.fate == Renamed {
			found++
		}
	}
	if found == 0 || w.Meaning("nothing") != "" {
		t.Errorf("%d orders have a new number; nothing means %q", found, w.Meaning("nothing"))
	}
}
