package mapping_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/mapping"
)

func exampleOrder() *waybill.Order {
	return &waybill.Order{
		Order: "SO-1", Customer: "C-77", Currency: "EUR", ShipTo: &waybill.Party{Country: "US", Region: "CA"},
		Lines: []waybill.OrderLine{
			{Line: "1", SKU: "EAST-1", Qty: waybill.MustDecimal("120"), UOM: "EA", Price: waybill.MustDecimal("0.1")},
			{Line: "2", SKU: "WEST-1", Qty: waybill.MustDecimal("0.3"), UOM: "M", Price: waybill.MustDecimal("12345678901234567.89")},
		},
	}
}

func TestRule_Matches(t *testing.T) {
	tests := []struct {
		when string
		want [2]bool // per line
	}{
		{`line.sku startsWith "EAST"`, [2]bool{true, false}},
		{`line.qty > 100`, [2]bool{true, false}},
		{`line.qty == 0.3`, [2]bool{false, true}},
		{`line.qty * 10 == 3`, [2]bool{false, true}},
		{`line.price + 0.1 == 0.2`, [2]bool{true, false}},
		{`line.price > 12345678901234567.88 and line.price < 12345678901234567.90`, [2]bool{false, true}},
		{`0.2 < line.qty && line.qty <= 0.3`, [2]bool{false, true}},
		{`order.type == "standard" and line.kind == "stock"`, [2]bool{true, true}},
		{`order.ship_to.country in ["US", "CA"] and order.ship_to.region != "NY"`, [2]bool{true, true}},
		{`any(order.lines, .uom == "M") and line.uom == "EA"`, [2]bool{true, false}},
		{`count(order.lines, .qty > 1) == 1`, [2]bool{true, true}},
		{`line.sku matches "^W.*1$"`, [2]bool{false, true}},
		{`let big = line.qty >= 50; big ? true : lower(line.uom) == "m"`, [2]bool{true, true}},
		{`order.customer == "C-1"`, [2]bool{false, false}},
		{`order.bill_to.country == ""`, [2]bool{true, true}},
	}
	o := exampleOrder()
	for _, tt := range tests {
		r, err := mapping.CompileRule("r", tt.when)
		if err != nil {
			t.Errorf("%s: %v", tt.when, err)
			continue
		}
		for i := range o.Lines {
			got, why, err := r.Matches(o, &o.Lines[i])
			if err != nil || got != tt.want[i] || !strings.Contains(why, tt.when) {
				t.Errorf("%s on line %s: %v (%s), error %v", tt.when, o.Lines[i].Line, got, why, err)
			}
			if plain := (mapping.Predicate{Rule: r}).Matches(o, &o.Lines[i]); plain != got {
				t.Errorf("%s: the predicate says %v", tt.when, plain)
			}
		}
	}
}

// The why that is kept names rule, condition and the values looked at, and no
// name or address.
func TestRule_SaysWhy(t *testing.T) {
	r, err := mapping.CompileRule("heavy", `line.qty > 100 and order.ship_to.country == "US" and order.ship_to.name != "x"`)
	if err != nil {
		t.Fatal(err)
	}
	o := exampleOrder()
	o.ShipTo.Name = "Example Person"
	_, why, _ := r.Matches(o, &o.Lines[0])
	want := `rule heavy (` + r.When + `) holds: line.qty is 120, order.ship_to.country is US`
	if why != want {
		t.Errorf("why is\n%s\nwant\n%s", why, want)
	}
}

func TestCompileRule_Refuses(t *testing.T) {
	tests := []struct{ when, want string }{
		{`line.nosuch == "a"`, "nosuch"}, {`lines.qty > 1`, "lines"}, {`line.qty > "1"`, "mismatched"}, {`line.sku`, "bool"},
		{`line.sku == 1`, "=="}, {`now() == now()`, "now"}, {`line.qty / 2 > 1`, "mismatched"}, {`len(order.lines) / 2 > 1`, `"/"`}, {`len(1..1000000) > 1`, `".."`}, {`len(order.lines) ** 3 > 1`, `"**"`},
		{`any(order.lines, any(order.lines, .qty > 1))`, "another loop"}, {`line.sku matches line.uom`, "matches"},
		{`line.sku ==`, "EOF"}, {``, "EOF"}, {strings.Repeat("true and ", 400) + "true", "node"}, {strings.Repeat(" ", 5000), "KiB"},
		{`keys(order) == []`, "keys"}, {`map(order.lines, .qty)`, "expected bool"}, {`get(order, "po") == ""`, "get"}, {`random() > 1`, "random"},
		{`1.5 > 1.5e999`, "float"}, {`line.qty > 1e300`, "decimal"},
	}
	for _, tt := range tests {
		_, err := mapping.CompileRule("r", tt.when)
		var s *mapping.SyntaxError
		if !errors.As(err, &s) || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(tt.want)) {
			t.Errorf("%.50s: error %v, want %q", tt.when, err, tt.want)
		}
	}
}

// A rule's cost grows with the order's lines, not with a power of them.
func TestRule_LooksAtManyLines(t *testing.T) {
	r, err := mapping.CompileRule("r", `count(order.lines, .qty > 1 and .sku startsWith "A") > 9999 and none(order.lines, .uom == "X")`)
	if err != nil {
		t.Fatal(err)
	}
	o := exampleOrder()
	o.Lines = nil
	for i := range 10_000 {
		o.Lines = append(o.Lines, waybill.OrderLine{Line: fmt.Sprint(i), SKU: "A", Qty: waybill.NewDecimal(2)})
	}
	if got, _, err := r.Matches(o, &o.Lines[0]); err != nil || !got {
		t.Errorf("%v, error %v", got, err)
	}
}
