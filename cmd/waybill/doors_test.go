package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/connector/all"
	"github.com/waybillhq/waybill/internal/config"
)

// strictERP approves nothing: an item is closed, the credit is used up, and
// its prices are others.
func strictERP(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/v1/info"):
		fmt.Fprintf(rw, `{"system":"erp","generation":"g1","head":0,"now":%q,"idempotency":"lookup"}`, time.Now().UTC().Format(time.RFC3339Nano))
	case r.Method != http.MethodPost:
		rw.WriteHeader(http.StatusNotFound)
	default:
		rw.WriteHeader(http.StatusCreated)
		fmt.Fprint(rw, `{"ref":"CHK","n":0,"generation":"g1","result":{"approved":false,
			"reasons":[{"kind":"item_closed","reason":"item EX-OLD is closed","line":"11"},{"kind":"credit","reason":"the credit limit of 7001 is used up"}],
			"prices":[{"line":"11","price":"4.90"},{"line":"12","price":"2.20"}]}}`)
	}
}

const doorsConfig = `version: 1
namespace: doors
company: {id: "01", zone: UTC, currency: EUR}
secrets_file: secrets.json
egress: {allow: [127.0.0.0/8]}
timing: {profile: fast}
policy: {pack: o2c}
systems:
  erp: {role: erp, connector: contract, base_url: %q}
  shop: {role: channel, connector: shopify, order_prefix: ""}
  desk: {role: channel, connector: file, order_prefix: desk~., folder: desk, settings: {spec: desk.yaml}}
  api: {role: channel, connector: orders, order_prefix: api~.}
`

const doorsSpec = `version: 1
in:
  orders:
    every: 1s
    stable: 0s
    event: order.placed
    group: [No]
    fields: {order: {column: No}, customer: {column: Customer}, currency: {value: EUR}, ship_to.name: {value: Example Hardware}}
    lines: {line: {column: Line}, sku: {column: Item}, qty: {column: Qty, as: decimal}, uom: {value: EA}, price: {column: Price, as: decimal}}
`

// One wrong order comes by a storefront, by a file and by the API, and is held
// for the same reasons in the same words.
func TestOrders_SameHoldsByEveryDoor(t *testing.T) {
	erp := httptest.NewServer(http.HandlerFunc(strictERP))
	defer erp.Close()
	dir := t.TempDir()
	secret := base64.StdEncoding.EncodeToString([]byte("storefront-secret-of-32-bytes..."))
	for name, text := range map[string]string{
		"waybill.yaml": fmt.Sprintf(doorsConfig, erp.URL), "desk.yaml": doorsSpec,
		"secrets.json":         fmt.Sprintf(`{"api_key":%q,"erp":{"token":"t"},"shop":{"webhook_secret":%q}}`, demoKey, secret),
		"desk/orders/1001.csv": "No,Customer,Line,Item,Qty,Price\n1001,7001,11,EX-OLD,2,5.00\n1001,7001,12,EX-NEW,1,2.20\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	base := runNode(t, filepath.Join(dir, "waybill.yaml"), filepath.Join(dir, "data"))

	shopBody := `{"id":1001,"name":"#1001","created_at":"2026-01-02T08:15:00Z","updated_at":"2026-01-02T08:15:00Z","currency":"EUR","customer":{"id":7001},` +
		`"shipping_address":{"name":"Example Hardware"},"total_tax":"0.00","line_items":[` +
		`{"id":11,"sku":"EX-OLD","quantity":2,"current_quantity":2,"fulfillable_quantity":2,"price":"5.00","requires_shipping":true},` +
		`{"id":12,"sku":"EX-NEW","quantity":1,"current_quantity":1,"fulfillable_quantity":1,"price":"2.20","requires_shipping":true}]}`
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(shopBody))
	post(t, base+"/in/shop", shopBody, map[string]string{"X-Shopify-Topic": "orders/create", "X-Shopify-Webhook-Id": "w-1",
		"X-Shopify-Triggered-At": "2026-01-02T08:15:01Z", "X-Shopify-Hmac-Sha256": base64.StdEncoding.EncodeToString(mac.Sum(nil))})
	post(t, base+"/api/v1/orders", `{"order":"1001","customer":"7001","currency":"EUR","ship_to":{"name":"Example Hardware"},"lines":[`+
		`{"line":"11","sku":"EX-OLD","qty":"2","uom":"EA","price":"5.00"},{"line":"12","sku":"EX-NEW","qty":"1","uom":"EA","price":"2.20"}]}`,
		map[string]string{"Authorization": "Bearer " + demoKey, "Idempotency-Key": "k-1"})

	want := map[string]string{"item_closed": "item EX-OLD is closed", "credit": "the credit limit of 7001 is used up",
		"price": "line 11 was ordered at 5.00, the ERP's price is 4.90"}
	for _, ref := range []string{"1001", "desk~.1001", "api~.1001"} {
		if d := cmp.Diff(want, holdsOf(t, base, ref)); d != "" {
			t.Errorf("holds of %s (-want +got):\n%s", ref, d)
		}
	}
}

// runNode runs a whole installation in this process until the test ends.
func runNode(t *testing.T, file, data string) (base string) {
	t.Helper()
	cfg, err := config.Load(file, all.Registry())
	if err != nil {
		t.Fatal(err)
	}
	n, err := openNode(t.Context(), cfg, data, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSite(t.Context(), n, siteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	asking := startRounds(ctx, n)
	ended := make(chan error, 1)
	go func() { ended <- n.engine.Run(ctx, time.Second) }()
	t.Cleanup(func() {
		asking.stop()
		s.close()
		server.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	return server.URL
}

func post(t *testing.T, url, body string, headers map[string]string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for k, v := range headers {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if said, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusAccepted || strings.Contains(string(said), "quarantined") {
		t.Fatalf("POST %s: %s %s", url, resp.Status, said)
	}
}

// holdsOf waits until an order is held and gives its holds by kind.
func holdsOf(t *testing.T, base, ref string) map[string]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/orders/"+ref, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+demoKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var order struct {
			Status string
			Holds  []struct{ Kind, Reason string }
		}
		err = json.NewDecoder(resp.Body).Decode(&order)
		_ = resp.Body.Close()
		if err == nil && order.Status == "held" {
			out := map[string]string{}
			for _, h := range order.Holds {
				out[h.Kind] = h.Reason
			}
			return out
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s is not held: %+v, %v", ref, order, err)
		case <-tick.C:
		}
	}
}
