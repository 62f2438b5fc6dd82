package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/connector/all"
	"github.com/waybillhq/waybill/internal/config"
	"github.com/waybillhq/waybill/internal/sandbox"
)

const doorsConfig = `version: 1
namespace: doors
company: {id: "01", zone: UTC, currency: USD}
secrets_file: secrets.json
egress: {allow: [127.0.0.0/8]}
timing: {profile: fast}
policy: {pack: o2c}
systems:
  erp: {role: erp, connector: contract, base_url: %q, budget: {concurrency: 16}}
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
    fields: {order: {column: No}, customer: {column: Customer}, currency: {value: USD}, ship_to.name: {value: Example Hardware}}
    lines: {line: {column: Line}, sku: {column: Item}, qty: {column: Qty, as: decimal}, uom: {value: EA}, price: {column: Price, as: decimal}}
`

// wrongOrder is an order that the ERP does not approve, and why.
type wrongOrder struct {
	name     string
	customer string
	lines    [][3]string // item, quantity, price; their ids count from 11
	holds    []hold
}

type hold struct {
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
	Line   string `json:"line"`
}

// The ERP's customers grant 5000.00 and 5500.00; its price of EX-1000 is 1.49,
// that of EX-OLD 4.90.
var wrongOrders = []wrongOrder{
	{"a closed item", "7000000000000", [][3]string{{sandbox.ClosedItem, "2", "4.90"}, {"EX-1000", "1", "1.49"}},
		[]hold{{"item", "item EX-OLD is closed for sales", "11"}}},
	{"more than the credit", "7000000000064", [][3]string{{"EX-1000", "4000", "1.49"}},
		[]hold{{"credit", "credit limit of 5500.00 exceeded", ""}}},
	{"another price", "7000000000000", [][3]string{{"EX-1000", "1", "1.49"}, {"EX-1000", "3", "1.50"}},
		[]hold{{"price", "line 12 was ordered at 1.50, the ERP's price is 1.49", "12"}}},
	{"all of them at once", "7000000000000", [][3]string{{sandbox.ClosedItem, "2000", "4.80"}, {"EX-1000", "1", "1.49"}},
		[]hold{{"credit", "credit limit of 5000.00 exceeded", ""}, {"item", "item EX-OLD is closed for sales", "11"},
			{"price", "line 11 was ordered at 4.80, the ERP's price is 4.90", "11"}}},
}

// asShop is the order as the storefront tells it.
func (w *wrongOrder) asShop(number string) string {
	var lines []string
	for i, l := range w.lines {
		lines = append(lines, fmt.Sprintf(`{"id":%d,"sku":%q,"quantity":%s,"current_quantity":%s,"fulfillable_quantity":%s,"price":%q,"requires_shipping":true}`,
			11+i, l[0], l[1], l[1], l[1], l[2]))
	}
	return fmt.Sprintf(`{"id":%s,"name":"#%s","created_at":"2026-01-02T08:15:00Z","updated_at":"2026-01-02T08:15:00Z","currency":"USD","customer":{"id":%s},`+
		`"shipping_address":{"name":"Example Hardware"},"total_tax":"0.00","line_items":[%s]}`, number, number, w.customer, strings.Join(lines, ","))
}

// asFile is the order as a file of the desk.
func (w *wrongOrder) asFile(number string) string {
	text := "No,Customer,Line,Item,Qty,Price\n"
	for i, l := range w.lines {
		text += fmt.Sprintf("%s,%s,%d,%s,%s,%s\n", number, w.customer, 11+i, l[0], l[1], l[2])
	}
	return text
}

// asCall is the order as the control API takes it.
func (w *wrongOrder) asCall(number string) string {
	var lines []string
	for i, l := range w.lines {
		lines = append(lines, fmt.Sprintf(`{"line":"%d","sku":%q,"qty":%q,"uom":"EA","price":%q}`, 11+i, l[0], l[1], l[2]))
	}
	return fmt.Sprintf(`{"order":%q,"customer":%q,"currency":"USD","ship_to":{"name":"Example Hardware"},"lines":[%s]}`, number, w.customer, strings.Join(lines, ","))
}

// One wrong order comes by a storefront, by a file and by the API, and is held
// for the same reasons in the same words, and whatever else is said of it is
// said in the same words too.
func TestOrders_SameHoldsByEveryDoor(t *testing.T) {
	world, err := sandbox.New(sandbox.Config{Once: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := world.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	dir := t.TempDir()
	secret := base64.StdEncoding.EncodeToString([]byte("storefront-secret-of-32-bytes..."))
	files := map[string]string{
		"waybill.yaml": fmt.Sprintf(doorsConfig, world.URL("erp")), "desk.yaml": doorsSpec,
		"secrets.json": fmt.Sprintf(`{"api_key":%q,"erp":{"token":%q},"shop":{"webhook_secret":%q}}`, demoKey, world.Secret("erp").Token, secret),
	}
	for i := range wrongOrders {
		number := strconv.Itoa(2001 + i)
		files["desk/orders/"+number+".csv"] = wrongOrders[i].asFile(number)
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	base := runNode(t, filepath.Join(dir, "waybill.yaml"), filepath.Join(dir, "data"))
	for i := range wrongOrders {
		w, number := &wrongOrders[i], strconv.Itoa(2001+i)
		body := w.asShop(number)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		post(t, base+"/in/shop", body, map[string]string{"X-Shopify-Topic": "orders/create", "X-Shopify-Webhook-Id": "w-" + number,
			"X-Shopify-Triggered-At": "2026-01-02T08:15:01Z", "X-Shopify-Hmac-Sha256": base64.StdEncoding.EncodeToString(mac.Sum(nil))})
		post(t, base+"/api/v1/orders", w.asCall(number), map[string]string{"Authorization": "Bearer " + demoKey, "Idempotency-Key": "k-" + number})
	}
	for i := range wrongOrders {
		w, number := &wrongOrders[i], strconv.Itoa(2001+i)
		t.Run(w.name, func(t *testing.T) {
			var first []string
			for _, ref := range []string{number, "desk~." + number, "api~." + number} {
				holds, said := heldAs(t, base, ref)
				if d := cmp.Diff(w.holds, holds); d != "" {
					t.Errorf("holds of %s (-want +got):\n%s", ref, d)
				}
				if first == nil {
					first = said
				} else if d := cmp.Diff(first, said); d != "" {
					t.Errorf("what is said of %s differs from what is said of %s (-first +this):\n%s", ref, number, d)
				}
			}
			if len(first) == 0 {
				t.Error("nothing is said of a held order in the timeline")
			}
		})
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

// versionNumber is what differs: a storefront counts its versions by the clock.
var versionNumber = regexp.MustCompile(`version \d+`)

// heldAs waits until an order is held, and gives its holds and what its
// timeline and its exceptions say of it, without its number and its version.
func heldAs(t *testing.T, base, ref string) (holds []hold, said []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	api := &apiClient{base: base, key: demoKey}
	var order struct {
		Status string `json:"status"`
		Holds  []hold `json:"holds"`
	}
	for {
		err := api.call(ctx, http.MethodGet, "/api/v1/orders/"+ref, nil, &order)
		if err == nil && order.Status == "held" {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s is not held: %+v, %v", ref, order, err)
		case <-tick.C:
		}
	}
	slices.SortFunc(order.Holds, func(a, b hold) int { return strings.Compare(a.Kind+a.Line, b.Kind+b.Line) })
	var timeline []struct {
		Kind   string `json:"kind"`
		Type   string `json:"type"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
		State  string `json:"state"`
	}
	var exceptions []struct {
		Cause string `json:"cause"`
		Next  string `json:"next"`
	}
	for path, into := range map[string]any{"/api/v1/orders/" + ref + "/timeline": &timeline, "/api/v1/exceptions?order=" + ref: &exceptions} {
		if err := api.call(ctx, http.MethodGet, path, nil, into); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range timeline {
		if e.Kind == "decision" || e.Kind == "event" && e.Type != "entity.touched" {
			text := strings.ReplaceAll(fmt.Sprint(e.Kind, ": ", e.Title, " ", e.Detail, " ", e.State), ref, "ORDER")
			said = append(said, versionNumber.ReplaceAllString(text, "version N"))
		}
	}
	for _, x := range exceptions {
		said = append(said, strings.ReplaceAll(fmt.Sprint(x.Cause, ": ", x.Next), ref, "ORDER"))
	}
	slices.Sort(said) // the ERP's records come when they come, and each has the order checked again
	return order.Holds, slices.Compact(said)
}
