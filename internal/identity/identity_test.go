package identity

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybillhq/waybill"
)

var day = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func drawMapping(t *rapid.T, id int64) Mapping {
	m := Mapping{ID: id, Reference: Reference{Kind: rapid.SampledFrom(Kinds()).Draw(t, "kind"), Company: rapid.SampledFrom([]string{"", "01"}).Draw(t, "company"),
		System: rapid.SampledFrom([]string{"", "shop", "edi"}).Draw(t, "system"), Scope: rapid.SampledFrom([]string{"", "C1"}).Draw(t, "scope"),
		Value: rapid.SampledFrom([]string{"A", "a/b", "x,\"y", "Ä 1", "%2F"}).Draw(t, "value")},
		ValidFrom: rapid.SampledFrom([]string{"", "2026-01-01", "2026-06-01"}).Draw(t, "from"),
		Canonical: rapid.SampledFrom([]string{"SKU-1", "SKU-2", "SKU 3"}).Draw(t, "canonical")}
	if m.Kind.Entity() == Item && rapid.Bool().Draw(t, "pack") {
		m.Multiplier, m.Unit = waybill.MustDecimal(rapid.SampledFrom([]string{"1", "12", "0.25"}).Draw(t, "times")), "EA"
	}
	return m
}

// However mappings are added and removed, a reference has one meaning at one
// time, a refused one changes nothing, and a sheet of them reads back the same.
func TestBook_NeverTwoMeanings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBook()
		force := map[int64]Mapping{}
		for id := int64(1); id <= int64(rapid.IntRange(1, 40).Draw(t, "steps")); id++ {
			if rapid.IntRange(0, 4).Draw(t, "remove") == 0 {
				gone := rapid.Int64Range(1, id).Draw(t, "which")
				b.Remove(gone)
				delete(force, gone)
				continue
			}
			m := drawMapping(t, id)
			taken := false
			for _, o := range force {
				taken = taken || o.Reference == m.Reference && o.ValidFrom == m.ValidFrom
			}
			err := b.Add(m)
			var wrong *waybill.Error
			switch held := b.Holds(&m); {
			case err == nil && !held:
				t.Fatalf("%s was taken and is not there", m.Reference)
			case err == nil && !taken:
				force[id] = m
			case err != nil && (!taken || held || !errors.As(err, &wrong) || wrong.Code != "mapped_already"):
				t.Fatalf("%s: %v", m.Reference, err)
			}
		}
		for _, m := range force {
			seen := 0
			for _, o := range b.All() {
				if o.Reference == m.Reference && o.ValidFrom == m.ValidFrom {
					seen++
				}
			}
			if got := b.exactly(m.Reference, m.ValidFrom); seen != 1 || got == nil || !got.Same(&m) {
				t.Fatalf("%s has %d meanings, %+v", m.Reference, seen, got)
			}
			if key, err := ParseKey(m.Key()); err != nil || key != m.Reference {
				t.Fatalf("%q reads as %+v, %v", m.Key(), key, err)
			}
		}
		var sheet bytes.Buffer
		if err := WriteSheet(&sheet, b.All()); err != nil {
			t.Fatal(err)
		}
		rows, err := ReadSheet(bytes.NewReader(sheet.Bytes()))
		if err != nil || len(rows) != b.Len() {
			t.Fatalf("%d rows of %d, %v", len(rows), b.Len(), err)
		}
		empty := NewBook()
		for i, effect := range b.Plan(rows) {
			if effect != Known {
				t.Fatalf("line %d of an export is %s: %v", rows[i].Line, effect, rows[i].Err)
			}
			if err := empty.Add(rows[i].Mapping); err != nil {
				t.Fatal(err)
			}
		}
		var again bytes.Buffer
		if err := WriteSheet(&again, b.All()); err != nil || again.String() != sheet.String() {
			t.Fatalf("the sheet differs: %v", err)
		}
	})
}

// A pack that comes in and goes out again is what its system wrote.
func TestTranslate_ThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SampledFrom([]string{"1", "2", "12", "0.5", "7"}).Draw(t, "times")
		qty := rapid.IntRange(1, 500).Draw(t, "qty")
		cents := rapid.IntRange(0, 9999).Draw(t, "cents")
		price := waybill.NewDecimal(int64(cents)).Quo(waybill.NewDecimal(100)).String()
		b := NewBook(Mapping{ID: 1, Reference: Reference{System: "shop", Kind: Item, Value: "BOX"}, Canonical: "SKU-1", Multiplier: waybill.MustDecimal(times), Unit: "EA"})
		profile := Profile{Item: true}
		in := fmt.Sprintf(`{"order":"1","lines":[{"line":"1","sku":"BOX","qty":"%d","uom":"CS","price":%q,"x":[1]}]}`, qty, price)
		data, missing, err := b.Translate(Fact{System: "shop", Profile: profile, At: day, Data: []byte(in)})
		if err != nil {
			t.Fatal(err)
		}
		one := waybill.MustDecimal(price).Quo(waybill.MustDecimal(times))
		if len(missing) > 0 {
			if exact(one) || string(data) != in || !strings.Contains(missing[0].Detail(), "no exact decimal") {
				t.Fatalf("missing %+v of %s", missing, data)
			}
			return
		}
		var o waybill.Order
		if err := waybill.Unmarshal(data, &o); err != nil {
			t.Fatal(err)
		}
		l := o.Lines[0]
		if worth := l.Qty.Mul(l.Price); l.SKU != "SKU-1" || l.UOM != "EA" || !worth.Equal(waybill.NewDecimal(int64(qty)).Mul(waybill.MustDecimal(price))) {
			t.Fatalf("%+v is worth %s", l, worth)
		}
		out, err := b.Outward(Outgoing{System: "shop", Profile: profile, At: day, Line: Lines("shop", &o)}, waybill.Document{
			Lines: []waybill.DocumentLine{{Line: "1", SKU: l.SKU, Qty: l.Qty, UOM: l.UOM, Price: &waybill.Price{Amount: l.Price}}},
			Data:  []byte(fmt.Sprintf(`{"lines":[{"line":"1","qty":%q}]}`, l.Qty))})
		if err != nil {
			t.Fatal(err)
		}
		want := waybill.NewDecimal(int64(qty))
		if d := out.Lines[0]; d.SKU != "BOX" || d.UOM != "CS" || !d.Qty.Equal(want) || !d.Price.Amount.Equal(waybill.MustDecimal(price)) ||
			string(out.Data) != fmt.Sprintf(`{"lines":[{"line":"1","qty":"%d"}]}`, qty) {
			t.Fatalf("it goes out as %+v, %s", d, out.Data)
		}
	})
}

func TestTranslate(t *testing.T) {
	ref := func(kind Kind, scope, value string) Reference {
		return Reference{System: "edi", Kind: kind, Scope: scope, Value: value}
	}
	b := NewBook(
		Mapping{ID: 1, Reference: ref(Customer, "", "4012345000009"), Canonical: "C1"},
		Mapping{ID: 2, Reference: ref(BuyerPart, "C1", "77"), Canonical: "SKU-7"},
		Mapping{ID: 3, Reference: ref(BuyerPart, "C2", "77"), Canonical: "SKU-8"},
		Mapping{ID: 4, Reference: Reference{Kind: GTIN, Value: "04012345678901"}, Canonical: "SKU-7"},
		Mapping{ID: 5, Reference: ref(ShipTo, "C1", "DC-2"), Canonical: "D2"},
		Mapping{ID: 6, Reference: ref(Carrier, "", "UPSN/GND"), Canonical: "UPS/GROUND"},
		Mapping{ID: 7, Reference: ref(Carrier, "", "UPSN"), Canonical: "UPS"},
		Mapping{ID: 8, Reference: ref(Unit, "", "PCE"), Canonical: "EA"},
		Mapping{ID: 9, Reference: ref(Item, "", "OLD"), Canonical: "SKU-1"},
		Mapping{ID: 10, Reference: ref(Item, "", "OLD"), ValidFrom: "2026-03-02", Canonical: "SKU-2"},
		Mapping{ID: 11, Reference: ref(Item, "", "SOON"), ValidFrom: "2026-03-03", Canonical: "SKU-3"},
	)
	all := Profile{Customer: true, Item: true, ShipTo: true, Carrier: true, Unit: true}
	for _, c := range []struct{ name, in, want, missing string }{
		{"an order in the buyer's terms", `{"customer":"4012345000009","ship_to":{"id":"DC-2","name":"N"},"lines":[{"line":"1","customer_sku":"77","uom":"PCE","qty":"2"}]}`,
			`{"as_named":{"system":"edi","customer":"4012345000009"},"customer":"C1","lines":[{"as_named":{"system":"edi","uom":"PCE"},"customer_sku":"77","line":"1","qty":"2","sku":"SKU-7","uom":"EA"}],"ship_to":{"as_named":{"system":"edi","id":"DC-2"},"id":"D2","name":"N"}}`, ""},
		{"carrier and service", `{"carrier":"UPSN","service":"GND"}`, `{"as_named":{"system":"edi","carrier":"UPSN","service":"GND"},"carrier":"UPS","service":"GROUND"}`, ""},
		{"carrier alone", `{"carrier":"UPSN","service":"2DA"}`, `{"as_named":{"system":"edi","carrier":"UPSN","service":"2DA"},"carrier":"UPS","service":"2DA"}`, ""},
		{"a money line is no item", `{"lines":[{"line":"9","kind":"freight","sku":"FRT","qty":"1"}]}`, `{"as_named":{"system":"edi"},"lines":[{"kind":"freight","line":"9","qty":"1","sku":"FRT"}]}`, ""},
		{"by the day of receipt", `{"sku":"OLD","qty":"1"}`, `{"as_named":{"system":"edi","sku":"OLD"},"qty":"1","sku":"SKU-2"}`, ""},
		{"what claims to be translated is not", `{"as_named":{"system":"x"},"sku":"OLD"}`, `{"as_named":{"system":"edi","sku":"OLD"},"sku":"SKU-2"}`, ""},
		{"not valid yet", `{"sku":"SOON"}`, "", "item SOON of edi is not mapped"},
		{"another buyer's number", `{"customer":"4012345000009","lines":[{"line":"1","customer_sku":"78"},{"line":"2","customer_sku":"78"}]}`, "", "buyer part 78 of edi for C1 (lines 1, 2) is not mapped"},
		{"two numbers of two items", `{"lines":[{"line":"1","sku":"OLD","gtin":"04012345678901"}]}`, "", "item OLD of edi (line 1): item OLD of edi means SKU-2, and gtin 04012345678901 means SKU-7"},
	} {
		data, missing, err := b.Translate(Fact{System: "edi", Profile: all, At: day, Data: []byte(c.in)})
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.missing != "":
			if len(missing) != 1 || missing[0].Detail() != c.missing || string(data) != c.in {
				t.Errorf("%s: missing %+v, %s", c.name, missing, data)
			}
		case len(missing) > 0 || string(data) != c.want:
			t.Errorf("%s:\n got %s\nwant %s\nmissing %+v", c.name, data, c.want, missing)
		}
	}
}

func TestName_UnambiguousOrNothing(t *testing.T) {
	m := func(id int64, value, times string) Mapping {
		out := Mapping{ID: id, Reference: Reference{System: "wms", Kind: Item, Value: value}, Canonical: "A"}
		if times != "" {
			out.Multiplier, out.Unit = waybill.MustDecimal(times), "EA"
		}
		return out
	}
	for _, c := range []struct {
		name string
		book *Book
		want string
	}{
		{"none", NewBook(), "wms has no number for item A"},
		{"one", NewBook(m(1, "W", "")), "W"},
		{"piece before pack", NewBook(m(1, "W", ""), m(2, "BOX", "12")), "W"},
		{"two", NewBook(m(1, "W", ""), m(2, "V", "")), "wms has several numbers for item A (V, W)"},
	} {
		got, err := c.book.Name("wms", "01", "", Item, "A", day)
		switch {
		case err != nil && !strings.HasPrefix(err.Error(), c.want):
			t.Errorf("%s: %v", c.name, err)
		case err == nil && got.Value != c.want:
			t.Errorf("%s: %s, want %s", c.name, got.Value, c.want)
		}
	}
}

func TestSuggest(t *testing.T) {
	b := NewBook(Mapping{ID: 1, Reference: Reference{System: "edi", Kind: Item, Value: "BX-200"}, Canonical: "BOLT-BOX"})
	got := b.Suggest(Reference{System: "shop", Kind: Item, Value: "BX-200"}, []string{"bx 200", "BX-2001", "BX-300", "NUT"}, []string{"BOLT-200"})
	var ids []string
	for _, s := range got {
		ids = append(ids, s.Canonical+": "+s.Why)
	}
	want := []string{"BOLT-200: it has the same GTIN", "bx 200: it is written the same but for case and signs",
		"BOLT-BOX: it is what edi calls the same", "BX-2001: 1 of its characters differ", "BX-300: 1 of its characters differ"}
	if d := cmp.Diff(want, ids); d != "" {
		t.Errorf("suggestions (-want +got):\n%s", d)
	}
}

func TestReadSheet_SaysWhatIsWrong(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "can't be read",
		"kind,value\n":                       "no column canonical",
		"kind,value,canonical,price\n":       "a column \"price\"",
		"kind,value,canonical\nitem,\"A,B\n": "can't be read",
		"kind,value,canonical,kind\nitem,A,B,item\n": "a column \"kind\"",
		"kind,value,canonical\nitem,A,B,C\n":         "can't be read",
	} {
		if _, err := ReadSheet(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
	rows, err := ReadSheet(strings.NewReader("\ufeffvalue,Kind,canonical,multiplier,unit\n A ,item,B,1/3,EA\nA,item,B,,\nA,unit,B,2,EA\n"))
	if err != nil || len(rows) != 3 || rows[0].Err == nil || rows[1].Err != nil || rows[1].Value != "A" || rows[2].Err == nil {
		t.Errorf("%+v, %v", rows, err)
	}
}
