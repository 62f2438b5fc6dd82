package schema_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector/fact"
	"github.com/waybillhq/waybill/internal/schema"
)

const placed = `{"type":"order.placed","timestamp":"2026-01-02T03:04:05Z","data":{"order":"SO-1","customer":"C1","currency":"EUR",
"ship_to":{"city":"Springfield"},"lines":[{"line":"1","sku":"A","qty":"5","uom":"EA","price":"9.90"}]}}`

const invoice = `{"kind":"invoice","company":"01","order":"SO-1","version":1,"key":"K-1","seq":3,"after":2,"revision":0,"currency":"EUR",
"posting_date":"2026-01-31","lines":[{"line":"1","qty":"5","price":"9.90"}],"data":{"shipment":"SH-1","posting":"K-0","charges":[],"tax":"0.00"}}`

func TestCheck(t *testing.T) {
	edit := func(s string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(s) }
	for _, tt := range []struct {
		name, payload, schema string
		want                  []string // pointer and detail
	}{
		{"event", placed, "order.placed@1", nil},
		{"event with fields nobody knows", edit(placed, `"order":"SO-1"`, `"order":"SO-1","gift":{"wrap":true}`), "order.placed@1", nil},
		{"event as Waybill shows it", `{"type":"timer.fired","source":"waybill","data":{"name":"limbo"}}`, "timer.fired@1", nil},
		{"stored event", `{"type":"timer.fired","source":"waybill","data":{}}`, "timer.fired@1", []string{"/data/name is missing"}},
		{"document", invoice, "invoice@1", nil},
		{"no JSON", `{"type":`, "", []string{" is not JSON: unexpected EOF"}},
		{"a list", `[]`, "", []string{" is no JSON object"}},
		{"nameless", `{"data":{}}`, "", []string{"/type is missing"}},
		{"unknown type", `{"type":"order.teleported","data":{}}`, "", []string{`/type "order.teleported" has no schema`}},
		{"a kind as a type", `{"type":"invoice","data":{}}`, "", []string{`/type "invoice" has no schema`}},
		{"a type as a kind", `{"kind":"order.placed","lines":[]}`, "", []string{`/kind "order.placed" has no schema`}},
		{"no time", edit(placed, `"timestamp":"2026-01-02T03:04:05Z",`, ""), "order.placed@1", []string{"/timestamp is missing"}},
		{"no currency code", edit(placed, "EUR", "Euro"), "order.placed@1", []string{`/data/currency "Euro" is not written as it has to be`}},
		{"a number for a decimal", edit(placed, `"qty":"5"`, `"qty":5`), "order.placed@1", []string{"/data/lines/0/qty is of type number"}},
		{"below zero", edit(placed, `"qty":"5"`, `"qty":"-5"`), "order.placed@1", []string{`/data/lines/0/qty "-5" is not written as it has to be`}},
		{"goods without a unit", edit(placed, `,"uom":"EA"`, ""), "order.placed@1", []string{"/data/lines/0/uom is missing"}},
		{"a fee needs none", edit(placed, `,"uom":"EA"`, `,"kind":"fee"`), "order.placed@1", nil},
		{"no price", edit(placed, `,"price":"9.90"`, ""), "order.placed@1", []string{"/data/lines/0/price is missing"}},
		{"a sample needs none", edit(placed, `,"price":"9.90"`, "", `"order":"SO-1"`, `"order":"SO-1","type":"sample"`), "order.placed@1", nil},
		{"no kind of line", edit(placed, `"line":"1"`, `"line":"1","kind":"gift"`), "order.placed@1", []string{`/data/lines/0/kind "gift" is none of its values`}},
		{"no date", edit(placed, `"order":"SO-1"`, `"order":"SO-1","requested_ship":"soon"`), "order.placed@1", []string{`/data/requested_ship "soon" is no date`}},
		{"without lines", edit(placed, `[{"line":"1","sku":"A","qty":"5","uom":"EA","price":"9.90"}]`, "[]"), "order.placed@1", []string{"/data/lines has 0 entries"}},
		{"two at once", edit(invoice, `"seq":3`, `"seq":0`, `"tax":"0.00"`, `"tax":null`), "invoice@1",
			[]string{"/data/tax is of type null", "/seq 0 is too low"}},
		{"an odd name", edit(placed, `"customer":"C1"`, `"customer":"C 1"`), "order.placed@1", []string{`/data/customer "C 1" is not written as it has to be`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := schema.Check([]byte(tt.payload))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range r.Problems {
				got = append(got, p.Pointer+" "+p.Detail)
				if p.Fix == "" {
					t.Errorf("%s: no fix", p)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || r.Schema != tt.schema {
				t.Errorf("schema %q (-want +got):\n%s", r.Schema, diff)
			}
		})
	}
}

// TestCheck_ValidIsTaken: a payload that the schema calls valid is one that
// Waybill takes. Each field of each golden example is left out and replaced.
func TestCheck_ValidIsTaken(t *testing.T) {
	compared := 0
	for _, et := range fact.Types() {
		data, err := os.ReadFile(filepath.Join("testdata/golden", string(et)+"@"+strconv.Itoa(schema.Stored().Version(et))+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var whole map[string]any
		if err := waybill.Unmarshal(data, &whole); err != nil {
			t.Fatal(err)
		}
		source := fact.Source{System: "x"}
		for _, r := range waybill.Roles() {
			if (fact.Source{Role: r}).MayReport(et) == nil {
				source.Role = r
			}
		}
		try := func(what string) {
			mutant, err := waybill.Marshal(whole)
			if err != nil {
				t.Fatal(err)
			}
			r, err := schema.Check([]byte(`{"type":"` + string(et) + `","timestamp":"2026-01-02T03:04:05Z","data":` + string(mutant) + `}`))
			if err != nil {
				t.Fatal(err)
			}
			compared++
			taken := takes(source, et, mutant)
			if what == "" && (taken != nil || len(r.Problems) > 0) {
				t.Errorf("%s: the example itself: %v, %v", et, taken, r.Problems)
			}
			if len(r.Problems) == 0 && taken != nil {
				t.Errorf("%s: %s: the schema calls it valid, and Waybill does not take it: %v", et, what, taken)
			}
		}
		try("")
		mutate(whole, "", try)
	}
	if compared < 1000 {
		t.Errorf("only %d payloads were compared", compared)
	}
}

// takes is what the contract's reader says.
func takes(s fact.Source, et waybill.EventType, data []byte) error {
	body, err := fact.DecodeBytes(data, et)
	if err != nil {
		return err
	}
	_, err = s.Events(fact.Fact{Type: et, At: time.Unix(1767323045, 0), Data: data, Body: body})
	return err
}

// mutate leaves out and replaces each member of an object, and of the objects
// in it, one at a time.
func mutate(o map[string]any, at string, try func(what string)) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		was := o[name]
		delete(o, name)
		try(at + "/" + name + " left out")
		for _, other := range []any{nil, "", "x y", "-1", 0.0, -1.0, 1.5, true, []any{}, map[string]any{}} {
			o[name] = other
			text, _ := waybill.Marshal(other)
			try(at + "/" + name + " is " + string(text))
		}
		o[name] = was
		switch v := was.(type) {
		case map[string]any:
			mutate(v, at+"/"+name, try)
		case []any:
			for _, entry := range v {
				if inner, ok := entry.(map[string]any); ok {
					mutate(inner, at+"/"+name+"/0", try)
				}
			}
		}
	}
}
