package ownership_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybillhq/waybill/internal/ownership"
)

func matrix(t interface{ Fatal(...any) }, rules ...ownership.Rule) *ownership.Matrix {
	m, err := ownership.NewMatrix(rules)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func rule(entity ownership.Kind, field, owner string, others ownership.Policy) ownership.Rule {
	return ownership.Rule{Entity: entity, Field: field, Owner: owner, Others: others}
}

func TestMatrix_Of(t *testing.T) {
	m := matrix(t, rule("*", "", "erp", "refuse"), rule("item", "/a", "pim", "propose"), rule("item", "/a/b", "wms", "accept"), rule("*", "/a/b/c", "x", "refuse"))
	for _, c := range []struct {
		kind  ownership.Kind
		field string
		owner string
	}{
		{"item", "/a", "pim"}, {"item", "/a/b", "wms"}, {"item", "/a/b/c", "wms"}, {"item", "/ab", "erp"}, {"customer", "/a", "erp"},
		{"customer", "/a/b/c", "x"}, {"item", "/z", "erp"},
	} {
		if r, ok := m.Of(c.kind, c.field); !ok || r.Owner != c.owner {
			t.Errorf("%s %s is %q's, want %s's", c.kind, c.field, r.Owner, c.owner)
		}
	}
	if _, ok := matrix(t, rule("item", "/a", "pim", "refuse")).Of("item", "/b"); ok {
		t.Error("/b has an owner")
	}
	if _, err := ownership.NewMatrix([]ownership.Rule{rule("item", "/a", "x", "refuse"), rule("item", "/a", "y", "refuse")}); err == nil || !strings.Contains(err.Error(), "item /a") {
		t.Errorf("two rules for one field: %v", err)
	}
	if (*ownership.Matrix)(nil).Governs("item") {
		t.Error("no matrix governs items")
	}
}

// write is one line of a table: who says what, and what is in force then.
type write struct {
	source  string
	version int64
	data    string
	want    string // in force
	out     string // what became of it
}

func outcome(o ownership.Outcome) string {
	var parts []string
	for word, is := range map[string]bool{"stale": o.Stale, "whole": o.Whole, "conflict": o.Conflict} {
		if is {
			parts = append(parts, word)
		}
	}
	if len(parts) > 1 { // stale and conflict
		parts = []string{"stale conflict"}
	}
	for _, list := range []struct {
		word string
		cs   []ownership.Change
	}{{"refused", o.Refused}, {"proposed", o.Proposed}, {"flagged", o.Flagged}} {
		for _, c := range list.cs {
			parts = append(parts, fmt.Sprintf("%s %s %s→%s", list.word, c.Field, string(c.Old), c.New))
		}
	}
	for _, p := range o.Withdrawn {
		parts = append(parts, "withdrawn "+p.Field)
	}
	return strings.Join(parts, ", ")
}

func TestRecord_Write(t *testing.T) {
	rules := []ownership.Rule{rule("item", "", "erp", "refuse"), rule("item", "/text", "pim", "propose"), rule("item", "/weight", "wms", "accept")}
	for name, steps := range map[string][]write{
		"the owner alone": {
			{"erp", 1, `{"sku":"A","base_uom":"EA"}`, `{"sku":"A","base_uom":"EA"}`, "whole"},
			{"erp", 1, `{"base_uom":"EA","sku":"A"}`, `{"sku":"A","base_uom":"EA"}`, "stale"},
			{"erp", 3, `{"sku":"A"}`, `{"sku":"A"}`, "whole"},
			{"erp", 2, `{"sku":"A","base_uom":"CS"}`, `{"sku":"A"}`, "stale"},
		},
		"each its own": {
			{"erp", 7, `{"sku":"A","base_uom":"EA"}`, `{"sku":"A","base_uom":"EA"}`, "whole"},
			{"pim", 100, `{"sku":"A","text":"Hammer"}`, `{"sku":"A","base_uom":"EA","text":"Hammer"}`, ""},
			{"erp", 8, `{"sku":"A","base_uom":"CS"}`, `{"sku":"A","base_uom":"CS","text":"Hammer"}`, ""},
			{"pim", 101, `{"sku":"A"}`, `{"sku":"A","base_uom":"CS"}`, ""},
		},
		"a value of another": {
			{"erp", 1, `{"sku":"A","base_uom":"EA","text":"Hamer"}`, `{"sku":"A","base_uom":"EA"}`, `proposed /text →"Hamer"`},
			{"pim", 1, `{"sku":"A","text":"Hammer","base_uom":"CS"}`, `{"sku":"A","base_uom":"EA","text":"Hammer"}`, `refused /base_uom "EA"→"CS"`},
			{"erp", 2, `{"sku":"A","base_uom":"EA","text":"Hamer"}`, `{"sku":"A","base_uom":"EA","text":"Hammer"}`, ""},
			{"erp", 3, `{"sku":"A","base_uom":"EA","text":"Mallet"}`, `{"sku":"A","base_uom":"EA","text":"Hammer"}`, `proposed /text "Hammer"→"Mallet"`},
			{"pim", 2, `{"sku":"A","text":"Mallet"}`, `{"sku":"A","base_uom":"EA","text":"Mallet"}`, "withdrawn /text"},
			{"erp", 4, `{"sku":"A","base_uom":"EA","weight":"2"}`, `{"sku":"A","base_uom":"EA","text":"Mallet","weight":"2"}`, `flagged /weight →"2"`},
		},
		"below a field": {
			{"pim", 1, `{"sku":"A","text":{"de":"Hammer","en":"hammer"}}`, `{"sku":"A","text":{"de":"Hammer","en":"hammer"}}`, "whole"},
			{"erp", 1, `{"sku":"A","text":{"de":"Axt"}}`, `{"sku":"A","text":{"de":"Hammer","en":"hammer"}}`, `proposed /text/de "Hammer"→"Axt"`},
		},
		"one version, two contents": {
			{"erp", 1, `{"sku":"A","n":1}`, `{"sku":"A","n":1}`, "whole"},
			{"erp", 1, `{"sku":"A","n":2}`, "", "either"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, rec := matrix(t, rules...), ownership.Record{}
			for i, s := range steps {
				out, err := rec.Write(m, ownership.Write{Kind: "item", Source: s.source, Version: s.version, Data: jsontext.Value(s.data)})
				if err != nil {
					t.Fatal(err)
				}
				if s.out == "either" { // by its hash; both orders end the same: see below
					if !out.Conflict {
						t.Errorf("step %d is no conflict", i)
					}
					continue
				}
				if diff := cmp.Diff(s.out, outcome(out)); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i, diff)
				}
				if !same(rec.Data, s.want) {
					t.Errorf("step %d: in force is %s, want %s", i, rec.Data, s.want)
				}
			}
		})
	}
}

func same(a jsontext.Value, b string) bool {
	x, y := a.Clone(), jsontext.Value(b).Clone()
	return x.Canonicalize() == nil && y.Canonicalize() == nil && string(x) == string(y)
}

// A declined value is not proposed again; another one is. A taken value is in
// force until its owner writes another.
func TestRecord_Settle(t *testing.T) {
	m := matrix(t, rule("item", "", "erp", "propose"))
	rec := ownership.Record{}
	say := func(source string, version int64, data string) ownership.Outcome {
		t.Helper()
		out, err := rec.Write(m, ownership.Write{Kind: "item", Source: source, Version: version, Data: jsontext.Value(data)})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	say("erp", 1, `{"a":{"b":1},"c":1}`)
	say("pim", 1, `{"a":{"b":2}}`)
	if _, ok := rec.Settle("pim", "/a/b", false); !ok {
		t.Fatal("nothing to decline")
	}
	if out := say("pim", 2, `{"a":{"b":2},"x":0}`); outcome(out) != "proposed /x →0" {
		t.Errorf("after declining: %s", outcome(out))
	}
	if out := say("pim", 3, `{"a":{"b":3}}`); outcome(out) != "proposed /a/b 1→3, withdrawn /x" {
		t.Errorf("another value: %s", outcome(out))
	}
	before := rec.Version
	if p, ok := rec.Settle("pim", "/a/b", true); !ok || string(p.New) != "3" || !same(rec.Data, `{"a":{"b":3},"c":1}`) || rec.Version <= before {
		t.Errorf("taken: %s in version %d", rec.Data, rec.Version)
	}
	if _, ok := rec.Settle("pim", "/a/b", true); ok {
		t.Error("taken twice")
	}
	say("erp", 2, `{"a":{"b":4},"c":1}`)
	if !same(rec.Data, `{"a":{"b":4},"c":1}`) {
		t.Errorf("the owner's word: %s", rec.Data)
	}
	// Other rules judge the same write again.
	m = matrix(t, rule("item", "", "pim", "propose"))
	if out := say("pim", 3, `{"a":{"b":3}}`); out.Stale || !same(rec.Data, `{"a":{"b":3}}`) {
		t.Errorf("by other rules: %s", rec.Data)
	}
}

// Whatever the order of arrival and however often, what is in force of owned
// fields is the same; who does not own a field never changes it, and versions
// rise.
func TestRecord_AnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sources := []string{"erp", "pim", "wms"}
		var rules []ownership.Rule
		for _, field := range []string{"", "/a", "/a/b", "/c"} {
			rules = append(rules, rule("item", field, rapid.SampledFrom(sources).Draw(rt, "owner"), rapid.SampledFrom([]ownership.Policy{"refuse", "propose"}).Draw(rt, "others")))
		}
		m := matrix(rt, rules...)
		var writes []ownership.Write
		for n := range rapid.IntRange(1, 8).Draw(rt, "writes") {
			data := fmt.Sprintf(`{"sku":"A","a":{"b":%d,"z":%d},"c":[%d]}`, rapid.IntRange(0, 2).Draw(rt, "b"), rapid.IntRange(0, 2).Draw(rt, "z"), n%2)
			if rapid.Bool().Draw(rt, "short") {
				data = fmt.Sprintf(`{"sku":"A","c":[%d]}`, n)
			}
			writes = append(writes, ownership.Write{Kind: "item", Source: rapid.SampledFrom(sources).Draw(rt, "source"),
				Version: int64(rapid.IntRange(1, 3).Draw(rt, "version")), Data: jsontext.Value(data)})
		}
		end := func(order []ownership.Write) string {
			var rec ownership.Record
			for _, w := range order {
				before := rec.Version
				if _, err := rec.Write(m, w); err != nil {
					rt.Fatal(err)
				}
				if rec.Version < before {
					rt.Fatalf("the version fell from %d to %d", before, rec.Version)
				}
			}
			v := rec.Data.Clone()
			if err := v.Canonicalize(); err != nil {
				rt.Fatal(err)
			}
			return string(v)
		}
		want := end(writes)
		again := append(append([]ownership.Write{}, writes...), writes...)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 1))
		r.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		if got := end(again); got != want {
			rt.Fatalf("in another order %s is in force, want %s", got, want)
		}
	})
}
