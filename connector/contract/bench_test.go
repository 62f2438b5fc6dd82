package contract_test

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/contract"
)

// order4 is an order of four lines.
const order4 = `{"type":"order.placed","timestamp":"2026-01-02T03:04:05+01:00","data":{"order":"SO-1001","version":1,"customer":"C-77",` +
	`"currency":"EUR","po":"PO-4711","terms":"NET30","ship_to":{"name":"Example Hardware","address":["Main Street 1"],"city":"Springfield",` +
	`"postal":"12345","country":"US"},"tax":"18.22","charges":[{"code":"freight","amount":"12.00"}],"lines":[` +
	`{"line":"1","sku":"BOLT-M8","qty":"100","uom":"EA","price":"0.12"},{"line":"2","sku":"NUT-M8","qty":"100","uom":"EA","price":"0.08"},` +
	`{"line":"3","sku":"SAW-7","qty":"1","uom":"EA","price":"79.90"},{"line":"4","sku":"TAPE","qty":"12.5","uom":"M","price":"1.10"}]}}`

func BenchmarkReceive(b *testing.B) {
	r := open(b, connector.Env{System: "channel", Role: waybill.RoleChannel, WebhookSecret: []string{secret}}).Receiver
	in := connector.Inbound{Body: []byte(order4), Now: connectortest.Now,
		Header: sign(connectortest.Push{ID: "evt_0001", At: connectortest.Now, Secret: secret, Body: []byte(order4)})}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Receive(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTranslate(b *testing.B) {
	for name, prefix := range map[string]string{"order4": "", "order4-prefixed": "shop~."} {
		b.Run(name, func(b *testing.B) {
			c := open(b, connector.Env{System: "channel", Role: waybill.RoleChannel, OrderPrefix: prefix, Observe: true})
			m := connector.Message{System: "channel", Header: http.Header{}, Body: []byte(order4), ReceivedAt: connectortest.Now}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Translator.Translate(m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRender(b *testing.B) {
	c := open(b, connector.Env{System: "erp", Role: waybill.RoleERP, Observe: true})
	d := waybill.Document{Kind: waybill.SalesOrder, Company: "01", Order: "SO-1", Version: 1, Key: "0123456789abcdefghjkmnpqrstvwxyz0",
		Seq: 1, Currency: "EUR", Data: []byte(`{"po":"PO-1","customer":"C1","ship_to":{"name":"Example Hardware","city":"Springfield"}}`)}
	for _, price := range []string{"0.12", "0.08", "79.90", "1.10"} {
		d.Lines = append(d.Lines, waybill.DocumentLine{Line: "1", SKU: "BOLT-M8", Qty: waybill.MustDecimal("12.5"), UOM: "EA",
			Price: &waybill.Price{Amount: waybill.MustDecimal(price), Currency: "EUR"}})
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Renderer.Render(d); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzTranslate looks for bytes that break the reading of pushes.
func FuzzTranslate(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "in", "*.txtar"))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no fixtures: %v", err)
	}
	f.Add([]byte(order4))
	f.Add([]byte(vectorBody))
	translators := map[waybill.Role]connector.Translator{}
	for _, role := range waybill.Roles() {
		c, err := contract.Manifest().Open(connector.Env{System: "example", Role: role, OrderPrefix: "x~.", Observe: true})
		if err != nil {
			f.Fatal(err)
		}
		translators[role] = c.Translator
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for role, tr := range translators {
			events, err := tr.Translate(connector.Message{System: "example", Body: body, ReceivedAt: connectortest.Now})
			if err == nil && len(events) == 0 {
				t.Errorf("role %s: neither events nor an error", role)
			}
			for _, e := range events {
				if !e.Data.IsValid() {
					t.Errorf("role %s: data is not JSON: %q", role, e.Data)
				}
			}
		}
	})
}
