package waybill_test

import (
	"testing"

	"github.com/waybillhq/waybill"
)

// Unknown fields survive a round through the model, wherever they stand
// (system contract G2), and nothing is written for fields that are not there.
func TestUnknownFieldsSurvive(t *testing.T) {
	const in = `{"order":"SO-1","ship_to":{"name":"A","dock":"7"},"charges":[{"code":"freight","amount":"5","why":"x"}],` +
		`"lines":[{"line":"1","sku":"A","qty":"5","price":"9.9","colour":{"ral":[1,2]}}],"x_field":true}`
	var o waybill.Order
	if err := waybill.Unmarshal([]byte(in), &o); err != nil {
		t.Fatal(err)
	}
	out, err := waybill.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != in {
		t.Errorf("round trip:\n got %s\nwant %s", out, in)
	}
}

// A party that is no object of known shape is kept as it came.
func TestPartyFreeform(t *testing.T) {
	for _, in := range []string{`{"order":"1","ship_to":"LOC-7","lines":[]}`, `{"order":"1","ship_to":{"name":7},"lines":[]}`} {
		var o waybill.Order
		if err := waybill.Unmarshal([]byte(in), &o); err != nil {
			t.Fatal(err)
		}
		out, err := waybill.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if string(out) != in {
			t.Errorf("round trip:\n got %s\nwant %s", out, in)
		}
	}
}
