package fact

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// drawValue draws a JSON value, with the white space and the escapes that a
// hurried scanner trips over.
func drawValue(t *rapid.T, depth int) string {
	space := rapid.SampledFrom([]string{"", "", " ", "\n\t"})
	kinds := 3
	if depth > 0 {
		kinds = 5
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom([]string{"0", "-1.5e3", "true", "false", "null", "12345678901234567890"}).Draw(t, "scalar")
	case 1:
		return rapid.SampledFrom([]string{`""`, `"a"`, `"\""`, `"\\"`, `"}],:{["`, `"\u0022\\\""`, `"é"`}).Draw(t, "text")
	case 2:
		quoted, err := jsontext.AppendQuote(nil, rapid.StringMatching(`[ -~]{0,8}`).Draw(t, "free"))
		if err != nil {
			t.Fatal(err)
		}
		return string(quoted)
	case 3:
		var items []string
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			items = append(items, space.Draw(t, "before")+drawValue(t, depth-1)+space.Draw(t, "after"))
		}
		return "[" + space.Draw(t, "in") + strings.Join(items, ",") + "]"
	}
	return drawObject(t, depth-1, nil)
}

// drawObject draws an object with some members of given names.
func drawObject(t *rapid.T, depth int, names []string) string {
	space := rapid.SampledFrom([]string{"", " ", "\r\n"})
	seen := map[string]bool{}
	var members []string
	for _, name := range append(rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,3}`), 0, 4).Draw(t, "names"), names...) {
		if seen[name] {
			continue
		}
		seen[name] = true
		quoted := `"` + name + `"`
		if rapid.IntRange(0, 4).Draw(t, "escaped") == 0 {
			quoted = `"\u00` + hexOf(name[0]) + name[1:] + `"`
		}
		members = append(members, space.Draw(t, "s1")+quoted+space.Draw(t, "s2")+":"+space.Draw(t, "s3")+drawValue(t, depth)+space.Draw(t, "s4"))
	}
	return "{" + space.Draw(t, "s5") + strings.Join(rapid.Permutation(members).Draw(t, "order"), ",") + "}"
}

func hexOf(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// The scanner finds what a decoder finds, and nothing else.
func TestMember_FindsWhatADecoderFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		object := drawObject(t, 3, []string{"order"})
		var members map[string]jsontext.Value
		if err := json.Unmarshal([]byte(object), &members); err != nil {
			t.Fatalf("the test's own object %s: %v", object, err)
		}
		for _, name := range []string{"order", "lines", "a"} {
			start, end, ok := member([]byte(object), name)
			want, there := members[name]
			if ok != there || ok && object[start:end] != string(want) {
				t.Fatalf("member %s of %s: %v, want %q, %v", name, object, ok, want, there)
			}
		}
	})
}

// Writing another order number changes that and the channel's own number; all
// other members stay, byte for byte.
func TestWithOrder_ChangesNothingElse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"order"}
		if rapid.Bool().Draw(t, "sent") {
			names = append(names, "channel_order")
		}
		object := drawObject(t, 2, names)
		own := rapid.StringMatching(`[ -~]{1,12}`).Draw(t, "own")
		name := waybill.OrderName("shop~.", own)
		got, err := withOrder([]byte(object), name, own)
		if err != nil {
			t.Fatal(err)
		}
		var before, after map[string]jsontext.Value
		if err := json.Unmarshal([]byte(object), &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(got, &after); err != nil {
			t.Fatalf("%s became %s: %v", object, got, err)
		}
		quotedName, _ := jsontext.AppendQuote(nil, name)
		quotedOwn, _ := jsontext.AppendQuote(nil, own)
		before["order"], before["channel_order"] = quotedName, quotedOwn
		if d := cmp.Diff(before, after); d != "" {
			t.Fatalf("%s became %s (-want +got):\n%s", object, got, d)
		}
	})
}

// No bytes whatever let the scanner leave its text.
func TestMember_StaysInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(rapid.StringOf(rapid.SampledFrom([]rune(`{}[]",:\ ora1`))).Draw(t, "text"))
		start, end, ok := member(text, "o")
		if ok && (start > end || end > len(text)) {
			t.Fatalf("member of %q: %d to %d", text, start, end)
		}
	})
}

func events(t *testing.T, s Source, eventType waybill.EventType, data string) ([]waybill.Event, error) {
	t.Helper()
	body, err := DecodeBytes([]byte(data), eventType)
	if err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return s.Events(Fact{Type: eventType, At: time.Unix(1767323045, 0).UTC(), Data: []byte(data), Body: body})
}

// Data that nothing has to be changed in is the sender's own bytes.
func TestEvents_DataIsTheSendersBytes(t *testing.T) {
	data := `{ "order" : "SO-1", "document":"D-1", "lines":[], "x":1.50 }`
	got, err := events(t, Source{System: "wms", Role: waybill.RoleWMS}, waybill.PickConfirmed, data)
	if err != nil || len(got) != 1 || !bytes.Equal(got[0].Data, []byte(data)) {
		t.Errorf("events %+v, error %v", got, err)
	}
}

func TestEvents_NamesTheFieldAtFault(t *testing.T) {
	channel, wms, erp := Source{"shop", waybill.RoleChannel, "s~."}, Source{"wms", waybill.RoleWMS, ""}, Source{"erp", waybill.RoleERP, ""}
	carrier := Source{"carrier", waybill.RoleCarrier, ""}
	const head = `"customer":"C","currency":"EUR","ship_to":{}`
	tests := []struct {
		source Source
		event  waybill.EventType
		data   string
		field  string
	}{
		{channel, waybill.OrderPlaced, `{"order":"` + strings.Repeat("#", 45) + `",` + head + `,"lines":[{"line":"1","sku":"A","qty":"1","uom":"EA","price":"1"}]}`, "/order"},
		{channel, waybill.OrderPlaced, `{"order":"1",` + head + `,"lines":[{"line":"1","kind":"freight","qty":"1","price":"1"},{"line":"1","kind":"fee","qty":"1","price":"1"}]}`, "/lines/1/line"},
		{channel, waybill.OrderPlaced, `{"order":"1",` + head + `,"charges":[{"amount":"1"}],"lines":[{"line":"1","kind":"freight","qty":"1","price":"1"}]}`, "/charges"},
		{channel, waybill.OrderPlaced, `{"order":"1",` + head + `,"lines":[{"line":"1","kind":"freight","qty":"1","price":null}]}`, "/lines/0/price"},
		{channel, waybill.OrderCancelRequested, `{"order":"1","request":"a b"}`, "/request"},
		{channel, waybill.OrderCancelRequested, `{"order":"1","lines":[{"qty":"1"}]}`, "/lines/0/line"},
		{channel, waybill.ReturnRequested, `{"return":"R","lines":[{"sku":"A","qty":"1"}]}`, "/lines/0/line"},
		{channel, waybill.ReturnRequested, `{"return":"R"}`, "/lines"},
		{channel, waybill.ReturnRequested, `{"lines":[]}`, "/return"},
		{wms, waybill.ReturnReceived, `{"return":"R","lines":[{"qty":"1"}]}`, "/lines/0/line"},
		{wms, waybill.WarehouseOrderClosed, `{"order":"1"}`, "/warehouse_order"},
		{wms, waybill.PickConfirmed, `{"order":"1","lines":[]}`, "/document"},
		{wms, waybill.PickConfirmed, `{"order":"1","document":"D"}`, "/lines"},
		{wms, waybill.ShipmentConfirmed, `{"order":"1","shipment":"S","shipped_at":"2026-01-02T03:04:05Z","freight":"-1","lines":[]}`, "/freight"},
		{wms, waybill.ShipmentConfirmed, `{"order":"1","shipment":"S","shipped_at":"2026-01-02T03:04:05Z","lines":[{"line":"1","sku":"a b","qty":"1"}]}`, "/lines/0/sku"},
		{wms, waybill.ShipmentConfirmed, `{"order":"1","shipment":"S","lines":[]}`, "/shipped_at"},
		{carrier, waybill.ShipmentDelivered, `{"shipment":"S"}`, "/delivered_at"},
		{carrier, waybill.ShipmentDelivered, `{"shipment":"S","order":"a b","delivered_at":"2026-01-02T03:04:05Z"}`, "/order"},
		{wms, waybill.InventoryAdjusted, `{"document":"D","sku":"A","warehouse":"W","reason":"x"}`, "/qty"},
		{wms, waybill.InventoryAdjusted, `{"document":"D","sku":"A","warehouse":"W","qty":"1"}`, "/reason"},
		{wms, waybill.InventorySnapshot, `{"warehouse":"W","as_of":"now","lines":[]}`, "/as_of"},
		{wms, waybill.InventorySnapshot, `{"warehouse":"W","as_of":"2026-01-02T03:04:05Z","lines":[{"sku":"A"}]}`, "/lines/0/qty"},
		{wms, waybill.ReceiptConfirmed, `{"document":"D","warehouse":"W","lines":[{"sku":"A","qty":"-1"}]}`, "/lines/0/qty"},
		{wms, waybill.TransferShipped, `{"document":"D","lines":[]}`, "/warehouse"},
		{erp, waybill.ItemChanged, `{"base_uom":"EA"}`, "/sku"},
		{erp, waybill.ItemChanged, `{"sku":"A","version":0}`, "/version"},
		{erp, waybill.ItemChanged, `{"sku":"A","version":-3}`, "/version"},
		{erp, waybill.CustomerChanged, `{}`, "/customer"},
		{erp, waybill.PriceChanged, `{"sku":"A","customer":"a b"}`, "/customer"},
		{erp, waybill.InventoryPosition, `{"sku":"A","warehouse":"W"}`, "/available"},
		{erp, waybill.InventoryPosition, `{"sku":"A","warehouse":"W","available":"0","as_of":"x"}`, "/as_of"},
		{erp, waybill.InvoicePosted, `{"invoice":"I","currency":"EUR","lines":[{"order":"1","line":"1","qty":"1","amount":"1"}]}`, "/total"},
		{erp, waybill.InvoicePosted, `{"invoice":"I","total":"0","currency":"euro","lines":[]}`, "/currency"},
		{erp, waybill.InvoicePosted, `{"invoice":"I","total":"0","currency":"EUR","lines":[{"line":"1","qty":"1","amount":"1"}]}`, "/lines/0/order"},
		{erp, waybill.InvoicePosted, `{"invoice":"I","total":"0","currency":"EUR","lines":[{"order":"1","line":"1","qty":"1"}]}`, "/lines/0/amount"},
		{erp, waybill.InvoicePaid, `{"order":"1","invoice":"I","currency":"EUR","paid_at":"2026-01-02T03:04:05Z"}`, "/amount"},
		{erp, waybill.InvoicePaid, `{"invoice":"I","currency":"EUR","amount":"1","paid_at":"2026-01-02T03:04:05Z"}`, "/order"},
		{erp, waybill.DocumentApplied, `{"ref":"E-1"}`, "/key"},
	}
	for _, tt := range tests {
		_, err := events(t, tt.source, tt.event, tt.data)
		u := (*connector.Untranslatable)(nil)
		if !errors.As(err, &u) || u.Field != tt.field {
			t.Errorf("%s %s: %v, want field %s", tt.event, tt.data, err, tt.field)
		}
	}
}

// Lines that would be slow to compare one by one are compared all the same.
func TestOrder_ManyLines(t *testing.T) {
	const n = 5000
	lines := make([]waybill.OrderLine, n)
	for i := range lines {
		lines[i] = waybill.OrderLine{Line: "L" + time.Duration(i).String(), Kind: waybill.LineFee, Qty: waybill.NewDecimal(1), Price: waybill.NewDecimal(1)}
	}
	c := check{}
	c.distinctLines(lines)
	if c.err != nil {
		t.Errorf("distinct lines: %v", c.err)
	}
	lines[n-1].Line = lines[0].Line
	c.distinctLines(lines)
	if c.err == nil || c.err.Field != "/lines/4999/line" {
		t.Errorf("the last line has the first one's number: %v", c.err)
	}
}

// Two wishes without a number are two requests; the same one again is one.
func TestCancelRequest_UnnamedIsNamedByItsLines(t *testing.T) {
	channel := Source{"shop", waybill.RoleChannel, ""}
	subject := func(data string) string {
		got, err := events(t, channel, waybill.OrderCancelRequested, data)
		if err != nil {
			t.Fatal(err)
		}
		return got[0].Subject
	}
	one := subject(`{"order":"1","lines":[{"line":"1","qty":"2"}]}`)
	if again := subject(`{"lines":[ {"qty":"2","line":"1"} ],"order":"1"}`); again != one {
		t.Errorf("the same wish is %q and %q", one, again)
	}
	if other := subject(`{"order":"1","lines":[{"line":"2","qty":"2"}]}`); other == one {
		t.Errorf("two wishes are both %q", one)
	}
	for _, all := range []string{`{"order":"1"}`, `{"order":"1","lines":null}`, `{"order":"1","lines":[]}`} {
		if got := subject(all); got != "cancel" {
			t.Errorf("%s: subject %q", all, got)
		}
	}
}

func TestParseTime_DoesNotDependOnTheMachine(t *testing.T) {
	got, err := ParseTime("2026-01-02T03:04:05.5+01:00")
	if err != nil {
		t.Fatal(err)
	}
	if name, offset := got.Zone(); name != "" || offset != 3600 {
		t.Errorf("zone %q, offset %d", name, offset)
	}
}
