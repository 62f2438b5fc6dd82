package shopify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
)

// fixtureBody is the body of a fixture in in/.
func fixtureBody(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "in", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, ok := bytes.Cut(text, []byte("-- body --\n"))
	if !ok {
		t.Fatalf("fixture %s has no body", name)
	}
	body, _, _ = bytes.Cut(body, []byte("\n"))
	return body
}

// changeBody decodes a body, lets change edit it and writes it again.
func changeBody(t testing.TB, body []byte, change func(o map[string]any)) []byte {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var o map[string]any
	if err := dec.Decode(&o); err != nil {
		t.Fatal(err)
	}
	change(o)
	out, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func line(o map[string]any, i int) map[string]any { return o["line_items"].([]any)[i].(map[string]any) }

func oneOrder(t testing.TB, topic string, body []byte, headers ...string) (waybill.Event, *waybill.Order) {
	t.Helper()
	events, err := translate(t, topic, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 1 {
		t.Fatalf("%d events, want one", len(events))
	}
	return events[0], events[0].Body.(*waybill.Order)
}

// TestOrder_BodyIsData: whoever gets the event decoded sees what the ledger
// keeps.
func TestOrder_BodyIsData(t *testing.T) {
	for _, name := range []string{"order-created", "order-of-a-company", "order-edited-down"} {
		e, got := oneOrder(t, "orders/create", fixtureBody(t, name))
		var want waybill.Order
		if err := waybill.Unmarshal(e.Data, &want); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		unknown := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Unknown" }, cmp.Ignore())
		if diff := cmp.Diff(&want, got, cmp.Comparer(waybill.Decimal.Equal), cmpopts.EquateEmpty(), unknown); diff != "" {
			t.Errorf("%s: body is not what data says (-data +body):\n%s", name, diff)
		}
	}
}

// TestOrder_UnknownFieldsSurvive, wherever they stand.
func TestOrder_UnknownFieldsSurvive(t *testing.T) {
	body := changeBody(t, fixtureBody(t, "order-created"), func(o map[string]any) {
		o["x_order"] = map[string]any{"deep": []any{1, "two"}}
		o["customer"].(map[string]any)["x_customer"] = "kept"
		o["shipping_address"].(map[string]any)["x_address"] = "kept"
		line(o, 1)["x_line"] = "kept"
		line(o, 0)["tax_lines"].([]any)[0].(map[string]any)["x_tax"] = "kept"
		line(o, 0)["name"] = "a name with \"quotes\" and \u00fcml\u00e4ut"
	})
	e, _ := oneOrder(t, "orders/create", body)
	var data map[string]any
	if err := json.Unmarshal(e.Data, &data); err != nil {
		t.Fatal(err)
	}
	at := func(v any, path ...string) any {
		for _, name := range path {
			m, ok := v.(map[string]any)
			if !ok {
				return nil
			}
			v = m[name]
		}
		return v
	}
	lines := data["lines"].([]any)
	got := []any{at(data, "shopify", "x_order", "deep"), at(data, "shopify", "customer", "x_customer"), at(data, "ship_to", "shopify", "x_address"),
		at(lines[1], "shopify", "x_line"), at(lines[0], "shopify", "tax_lines").([]any)[0].(map[string]any)["x_tax"], at(lines[0], "description"),
		at(lines[1], "shopify", "sku")}
	want := []any{[]any{1.0, "two"}, "kept", "kept", "kept", "kept", "a name with \"quotes\" and \u00fcml\u00e4ut", "DRILL BIT 8/100"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// TestOrder_VersionsRise with every stamp, and within a second with the
// trigger; the same order told by two topics is the same fact.
func TestOrder_VersionsRise(t *testing.T) {
	at := func(updated, triggered string) int64 {
		body := changeBody(t, fixtureBody(t, "order-created"), func(o map[string]any) { o["updated_at"] = updated })
		e, o := oneOrder(t, "orders/updated", body, headerTriggered, triggered)
		if o.Version != e.Version {
			t.Errorf("the order says version %d, its event %d", o.Version, e.Version)
		}
		return e.Version
	}
	rising := []int64{
		at("2026-01-02T08:15:01-05:00", ""),
		at("2026-01-02T08:15:01-05:00", "2026-01-02T13:15:01.1Z"),
		at("2026-01-02T08:15:01-05:00", "2026-01-02T13:15:01.9Z"),
		at("2026-01-02T08:15:01-05:00", "2026-01-02T13:20:00Z"),
		at("2026-01-02T08:15:01-05:00", "2026-01-09T00:00:00Z"),
		at("2026-01-02T13:15:02Z", ""),
		at("2026-01-02T13:15:02.5Z", "2026-01-02T13:15:02.1Z"),
	}
	for i := 1; i < len(rising); i++ {
		if rising[i] <= rising[i-1] {
			t.Errorf("version %d is %d, not above %d", i, rising[i], rising[i-1])
		}
	}
	if v := at("2026-01-02T08:15:01-05:00", "2025-01-01T00:00:00Z"); v != rising[0] {
		t.Errorf("a trigger before its change gives version %d, want the stamp's %d", v, rising[0])
	}
	created, _ := oneOrder(t, "orders/create", fixtureBody(t, "order-created"))
	updated, _ := oneOrder(t, "orders/updated", fixtureBody(t, "order-created"))
	if created.Version != updated.Version || created.Subject != updated.Subject || !bytes.Equal(created.Data, updated.Data) {
		t.Error("one order told by two topics is not the same fact")
	}
}

// TestOrder_Owed is the table of what the buyer is owed after edits, refunds
// and cancellations.
func TestOrder_Owed(t *testing.T) {
	refund := func(kind string, qty int) map[string]any {
		return map[string]any{"refund_line_items": []any{map[string]any{"line_item_id": json.Number("14012345678901"), "quantity": qty, "restock_type": kind}}}
	}
	tests := []struct {
		name                          string
		quantity, current, fulfilable int
		status                        any
		refunds                       []any
		want                          string // "": the line is gone
	}{
		{"AsOrdered", 10, 10, 10, nil, nil, "10"},
		{"Edited", 10, 6, 6, nil, nil, "6"},
		{"EditedAway", 10, 0, 0, nil, nil, ""},
		{"ReturnedAfterShipment", 10, 7, 0, "fulfilled", []any{refund("return", 3)}, "10"},
		{"EditedThenReturned", 10, 5, 0, "fulfilled", []any{refund("return", 3)}, "8"},
		{"GivenUpAndRestocked", 10, 7, 7, nil, []any{refund("cancel", 3)}, "10"}, // refunds/create asks for the cancellation
		{"MoneyForGoodsKept", 10, 7, 0, "fulfilled", []any{refund("no_restock", 3)}, "10"},
		{"MoneyBeforeShipmentStillOwed", 10, 7, 10, nil, []any{refund("no_restock", 3)}, "10"},
		{"GivenUpAndNotRestocked", 10, 7, 7, nil, []any{refund("no_restock", 3)}, "7"},
		{"BothWays", 10, 4, 4, nil, []any{refund("no_restock", 3), refund("cancel", 3)}, "7"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := changeBody(t, fixtureBody(t, "order-created"), func(o map[string]any) {
				l := line(o, 0)
				l["quantity"], l["current_quantity"], l["fulfillable_quantity"], l["fulfillment_status"] = tt.quantity, tt.current, tt.fulfilable, tt.status
				o["refunds"] = tt.refunds
			})
			_, got := oneOrder(t, "orders/updated", body)
			qty := ""
			for _, l := range got.Lines {
				if l.Line == "14012345678901" {
					qty = l.Qty.String()
				}
			}
			if qty != tt.want {
				t.Errorf("owed %q, want %q", qty, tt.want)
			}
		})
	}
}

// TestOrder_OldVersionsWithoutCurrentQuantity read the quantity ordered.
func TestOrder_OldVersionsWithoutCurrentQuantity(t *testing.T) {
	_, o := oneOrder(t, "orders/create", changeBody(t, fixtureBody(t, "order-created"), func(o map[string]any) { delete(line(o, 0), "current_quantity") }))
	if got := o.Lines[0].Qty.String(); got != "10" {
		t.Errorf("quantity %s, want 10", got)
	}
}

// TestOrder_AddsUp: lines, charges and tax of the sample checkout are what its
// buyer paid.
func TestOrder_AddsUp(t *testing.T) {
	_, o := oneOrder(t, "orders/create", fixtureBody(t, "order-created"))
	sum := o.Tax
	for _, l := range o.Lines {
		sum = sum.Add(l.Price.Mul(l.Qty))
	}
	for _, c := range o.Charges {
		sum = sum.Add(c.Amount)
	}
	if got, want := sum.Fixed(2), "217.37"; got != want {
		t.Errorf("the order adds up to %s, its total_price is %s", got, want)
	}
}

func TestOrder_RefusesWhatItCannotRead(t *testing.T) {
	tests := []struct {
		name, field string
		change      func(o map[string]any)
	}{
		{"NoID", "/id", func(o map[string]any) { delete(o, "id"); delete(o, "admin_graphql_api_id") }},
		{"NoCurrency", "/currency", func(o map[string]any) { delete(o, "currency") }},
		{"CurrencyInWords", "/currency", func(o map[string]any) { o["currency"] = "Dollars" }},
		{"NoStamp", "/updated_at", func(o map[string]any) { delete(o, "updated_at") }},
		{"OddStamp", "/updated_at", func(o map[string]any) { o["updated_at"] = "2019-01-01 00:00:00.000Z" }},
		{"NoCreation", "/created_at", func(o map[string]any) { o["created_at"] = "" }},
		{"LineTwice", "/line_items/1/id", func(o map[string]any) { line(o, 1)["admin_graphql_api_id"] = line(o, 0)["admin_graphql_api_id"] }},
		{"QuantityInWords", "/line_items/2/quantity", func(o map[string]any) { line(o, 2)["quantity"] = "many" }},
		{"QuantityBelowZero", "/line_items/2/quantity", func(o map[string]any) { line(o, 2)["quantity"] = -1 }},
		{"PriceInWords", "/line_items/0/price", func(o map[string]any) { line(o, 0)["price"] = "example string" }},
		{"PriceWithExponent", "/line_items/0/price", func(o map[string]any) { line(o, 0)["price"] = json.Number("1e3") }},
		{"LinesNoList", "/line_items", func(o map[string]any) { o["line_items"] = "none" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := translate(t, "orders/create", changeBody(t, fixtureBody(t, "order-created"), tt.change))
			var u *connector.Untranslatable
			if !errors.As(err, &u) || u.Field != tt.field || u.Reason == "" {
				t.Errorf("error %v, want one at %s", err, tt.field)
			}
		})
	}
}

// TestOrder_RealShapes translates the anonymised real bodies with values in
// place of the placeholders: their shape is what shops of four API versions
// send.
func TestOrder_RealShapes(t *testing.T) {
	files, err := filepath.Glob("testdata/samples/webhooks-real/*-orders-[12].json")
	if err != nil || len(files) != 4 {
		t.Fatalf("found %v, error %v; want four bodies", files, err)
	}
	for _, file := range files {
		_, o := oneOrder(t, "orders/create", filled(t, file))
		if len(o.Lines) == 0 || o.Order != "web~.123" || o.Currency != "EUR" || o.ShipTo == nil {
			t.Errorf("%s: order %s in %s with %d lines, ship to %+v", file, o.Order, o.Currency, len(o.Lines), o.ShipTo)
		}
		for _, l := range o.Lines {
			if !waybill.ValidID(l.SKU) || !waybill.ValidID(l.Line) || l.Price.String() != "12.5" || l.Qty.String() != "123" {
				t.Errorf("%s: line %+v", file, l)
			}
		}
	}
}

// filled puts plausible values in place of an anonymised body's placeholders.
func filled(t testing.TB, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	next := 1000
	var fill func(name string, v any) any
	fill = func(name string, v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k := range v {
				v[k] = fill(k, v[k])
			}
		case []any:
			for i := range v {
				v[i] = fill(name, v[i])
				if m, ok := v[i].(map[string]any); ok && name == "line_items" {
					next++
					m["id"] = next
				}
			}
		case string:
			switch {
			case strings.HasSuffix(name, "_at"):
				return "2026-01-02T08:15:00-05:00"
			case strings.Contains(name, "currency"):
				return "EUR"
			case name == "amount" || name == "price" || strings.HasPrefix(name, "total_") || strings.HasPrefix(name, "current_"):
				return "12.50"
			case v == "example string":
				return "Example"
			}
		}
		return v
	}
	return changeBody(t, text, func(o map[string]any) { fill("", o) })
}

func TestReceive(t *testing.T) {
	body := []byte(`{"id":1}`)
	sign := func(secret string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		return base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	tests := []struct {
		name   string
		env    func(*connector.Env)
		change func(h http.Header)
		want   int // 0: taken
	}{
		{"First", nil, func(http.Header) {}, 0},
		{"WhileRotating", nil, func(h http.Header) { h.Set(headerSignature, sign("second secret")) }, 0},
		{"OtherSecret", nil, func(h http.Header) { h.Set(headerSignature, sign("third secret")) }, 401},
		{"NoSecretAtAll", func(e *connector.Env) { e.WebhookSecret = nil }, func(h http.Header) { h.Set(headerSignature, sign("")) }, 401},
		{"NoSignature", nil, func(h http.Header) { h.Del(headerSignature) }, 401},
		{"NoBase64", nil, func(h http.Header) { h.Set(headerSignature, "???") }, 401},
		{"Hexadecimal", nil, func(h http.Header) { h.Set(headerSignature, strings.Repeat("ab", 32)) }, 401},
		{"XML", nil, func(h http.Header) { h.Set("Content-Type", "application/xml") }, 415},
		{"NoID", nil, func(h http.Header) { h.Del(headerWebhookID) }, 400},
		{"LongID", nil, func(h http.Header) { h.Set(headerWebhookID, strings.Repeat("a", 129)) }, 400},
		{"NoTopic", nil, func(h http.Header) { h.Del(headerTopic) }, 400},
		{"ItsShop", func(e *connector.Env) { e.Settings = map[string]string{"shop": "Example.myshopify.com"} }, func(http.Header) {}, 0},
		{"OtherShop", func(e *connector.Env) { e.Settings = map[string]string{"shop": "other.myshopify.com"} }, func(http.Header) {}, 400},
		{"YearsOld", nil, func(h http.Header) { h.Set(headerTriggered, "2020-01-01T00:00:00Z") }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			for k, v := range map[string]string{headerSignature: sign("first secret"), headerWebhookID: "b54557e4", headerTopic: "orders/create",
				headerShop: "example.myshopify.com", "Content-Type": "application/json"} {
				h.Set(k, v)
			}
			tt.change(h)
			got, err := testShop(t, tt.env).Receiver.Receive(connector.Inbound{Header: h, Body: body})
			if tt.want == 0 {
				if want := (connector.Envelope{ID: "b54557e4", Topic: "orders/create"}); err != nil || got != want {
					t.Errorf("got %+v, error %v; want %+v", got, err, want)
				}
				return
			}
			if r := (*connector.Rejection)(nil); !errors.As(err, &r) || r.Status != tt.want {
				t.Errorf("error %v, want status %d", err, tt.want)
			}
		})
	}
}

func TestOpen_NamesTheBadSetting(t *testing.T) {
	for setting, value := range map[string]string{"api_version": "latest", "guest_customer": "no such id", "notify_customer": "perhaps"} {
		_, err := Manifest().Open(connector.Env{System: "shop", Observe: true, Settings: map[string]string{setting: value}})
		if e := (*waybill.Error)(nil); !errors.As(err, &e) || e.Field != setting || e.Fix == "" {
			t.Errorf("%s = %q: error %v, want one that names the setting and the fix", setting, value, err)
		}
	}
	_, err := Manifest().Open(connector.Env{System: "shop", BaseURL: "example.myshopify.com", Client: http.DefaultClient, Now: time.Now})
	if e := (*waybill.Error)(nil); !errors.As(err, &e) || e.Field != "base_url" {
		t.Errorf("an address without a scheme: error %v, want one at base_url", err)
	}
}

// TestSettings_Work: each setting changes what it says.
func TestSettings_Work(t *testing.T) {
	guest := testShop(t, func(e *connector.Env) { e.Settings = map[string]string{"guest_customer": "C-COUNTER"} })
	body := changeBody(t, fixtureBody(t, "order-created"), func(o map[string]any) { o["customer"] = nil })
	events, err := guest.Translator.Translate(connector.Message{System: "shop", Topic: "orders/create", Header: http.Header{}, Body: body})
	if err != nil || events[0].Body.(*waybill.Order).Customer != "C-COUNTER" {
		t.Errorf("events %+v, error %v; want the guest's number", events, err)
	}
	d := connectortest.Fixtures(t, "testdata/out")[0].Document(t)
	for value, want := range map[string]bool{"true": true, "false": false, "": false} {
		c := testShop(t, func(e *connector.Env) { e.Settings = map[string]string{"notify_customer": value} })
		r, err := c.Renderer.Render(d)
		if err != nil || bytes.Contains(r.Body, []byte(`"notify":true`)) != want {
			t.Errorf("notify_customer %q: rendered %s, error %v", value, r.Body, err)
		}
	}
}

func BenchmarkTranslate_FourLines(b *testing.B) {
	benchmarkTranslate(b, fixtureBody(b, "order-created"))
}

func BenchmarkTranslate_BiggestRealBody(b *testing.B) {
	benchmarkTranslate(b, filled(b, "testdata/samples/webhooks-real/2024-01-orders-1.json"))
}

func benchmarkTranslate(b *testing.B, body []byte) {
	c := testShop(b, nil)
	m := connector.Message{System: "shop", Topic: "orders/create", Header: http.Header{}, Body: body}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Translator.Translate(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReceive(b *testing.B) {
	body := fixtureBody(b, "order-created")
	mac := hmac.New(sha256.New, []byte("first secret"))
	mac.Write(body)
	h := http.Header{}
	h.Set(headerSignature, base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	h.Set(headerWebhookID, "b54557e4")
	h.Set(headerTopic, "orders/create")
	h.Set("Content-Type", "application/json")
	c := testShop(b, nil)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Receiver.Receive(connector.Inbound{Header: h, Body: body}); err != nil {
			b.Fatal(err)
		}
	}
}
