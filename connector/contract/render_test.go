package contract

import (
	"reflect"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
)

// The body says everything that a document of the dictionary says: the renderer
// is written by hand, and no field of the document may be forgotten by it.
func TestRender_SaysAllOfTheDocument(t *testing.T) {
	d := waybill.Document{Kind: waybill.Invoice, Company: "01", Order: "SO-1", Version: 2, Key: "k1", Seq: 3, After: 2, Revision: 1,
		Supersedes: "k0", Compensates: "k9", Covers: []waybill.Cover{{Order: "SO-1", Line: "1", Qty: waybill.NewDecimal(5)}},
		Currency: "EUR", PostingDate: "2026-01-31", Data: jsontext.Value(`{"shipment":"S1"}`),
		Lines: []waybill.DocumentLine{{Line: "1~1", SKU: "A", Qty: waybill.NewDecimal(5), UOM: "EA",
			Price: &waybill.Price{Amount: waybill.NewDecimal(10), Currency: "EUR"}, PriceUOM: "CS", Kind: waybill.LineKit, Parent: "1"}}}
	for _, v := range []reflect.Value{reflect.ValueOf(d), reflect.ValueOf(d.Lines[0])} {
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Tag.Get("json") != "-" && v.Field(i).IsZero() {
				t.Errorf("the test leaves out %s of %s: give it a value", f.Name, v.Type())
			}
		}
	}
	said, err := renderer{}.Render(d)
	if err != nil {
		t.Fatal(err)
	}
	want, err := waybill.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var got, all map[string]any
	if err := waybill.Unmarshal(said.Body, &got); err != nil {
		t.Fatal(err)
	}
	if err := waybill.Unmarshal(want, &all); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Errorf("the body leaves something out (-document +body):\n%s", diff)
	}
}
