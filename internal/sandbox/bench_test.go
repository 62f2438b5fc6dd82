package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// BenchmarkT1 posts a document to the ERP in process: what one request of the
// engine costs on this side.
func BenchmarkT1(b *testing.B) {
	w, err := New(Config{InProcess: true, Once: true})
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Transport: w.Transport()}
	lines := make([]map[string]string, 4)
	for i := range lines {
		lines[i] = map[string]string{"line": fmt.Sprint(12_000_000_000_000 + i), "sku": catalogue[i].sku, "qty": "5", "price": priceTexts[i]}
	}
	var bodies [][]byte
	var heads []http.Header
	for i := range b.N {
		order, key := fmt.Sprintf("SO-%d", i), fmt.Sprintf("%064d", i)
		body, err := json.Marshal(map[string]any{"kind": "order_check", "order": order, "key": key, "seq": 1, "after": 0, "version": 1, "lines": lines, "data": map[string]any{"customer": "7000000000064"}})
		if err != nil {
			b.Fatal(err)
		}
		h := t1Header(body, key, order, 1, 1, time.Now().Add(time.Hour))
		h.Set("Authorization", "Bearer "+w.Secret("erp").Token)
		bodies, heads = append(bodies, body), append(heads, h)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if status := send(b, client, "http://erp.sandbox/v1/documents", bodies[i], heads[i]); status != 201 {
			b.Fatalf("status %d", status)
		}
	}
}

// BenchmarkWebhook makes and signs an order's placement.
func BenchmarkWebhook(b *testing.B) {
	w, err := New(Config{InProcess: true, Lines: 4})
	if err != nil {
		b.Fatal(err)
	}
	w.shop.reserve(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		o := w.shop.order(i)
		o.placed, o.updated = time.Now(), time.Now()
		m := w.shop.message(o, "orders/create", "")
		w.shop.sign(http.Header{}, m, "hush")
	}
}

// BenchmarkGraphQL runs the look-up that comes before a fulfilment.
func BenchmarkGraphQL(b *testing.B) {
	w, err := New(Config{InProcess: true, Lines: 4})
	if err != nil {
		b.Fatal(err)
	}
	w.shop.reserve(1)
	w.shop.order(0).placed = time.Now()
	body, err := json.Marshal(map[string]any{"query": fulfilQuery, "variables": map[string]any{"id": "gid://shopify/Order/5000000000000"}})
	if err != nil {
		b.Fatal(err)
	}
	client := &http.Client{Transport: w.Transport()}
	h := http.Header{"X-Shopify-Access-Token": {w.Secret("shop").Token}}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if status := send(b, client, "http://shop.sandbox/admin/api/2026-04/graphql.json", body, h); status != 200 {
			b.Fatalf("status %d", status)
		}
	}
}

// send makes one request and drops its body.
func send(b *testing.B, client *http.Client, url string, body []byte, h http.Header) int {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header = h
	resp, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode
}
