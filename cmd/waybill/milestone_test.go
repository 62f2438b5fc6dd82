package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill/connector/all"
	"github.com/waybillhq/waybill/internal/config"
	"github.com/waybillhq/waybill/internal/exception"
)

// TestMilestone_LateIsToldAtOnce: an order that does not reach its milestone in time
// is an exception, and a signed webhook tells of it, right after the deadline.
func TestMilestone_LateIsToldAtOnce(t *testing.T) {
	type told struct {
		at     time.Time
		header http.Header
		body   []byte
	}
	calls := make(chan told, 4)
	people := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		calls <- told{at: time.Now(), header: r.Header, body: b}
	}))
	defer people.Close()
	erp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway) // it never answers as it should
	}))
	defer erp.Close()

	dir := t.TempDir()
	const secret = "whsec_c2VjcmV0LW9mLXRoZS1wZW9wbGUtMTIzNDU2Nzg="
	yaml := fmt.Sprintf(`version: 1
namespace: late
company: {id: "01", zone: UTC, currency: EUR}
secrets_file: secrets.json
egress: {allow: [127.0.0.0/8]}
timing: {profile: fast}
systems:
  erp: {role: erp, connector: contract, base_url: %q}
  api: {role: channel, connector: orders, order_prefix: api~.}
policy: {pack: o2c}
milestones:
  - {name: acceptance, from: received, until: accepted, within: 1s, notify: people}
notify:
  people: {url: %q, secret: "${env:PEOPLE_SECRET}"}
`, erp.URL, people.URL)
	t.Setenv("PEOPLE_SECRET", secret)
	for name, text := range map[string]string{"waybill.yaml": yaml, "secrets.json": `{"api_key":"a-key-for-tests-only","erp":{"token":"x"}}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(filepath.Join(dir, "waybill.yaml"), all.Registry())
	if err != nil {
		t.Fatal(err)
	}
	n, stop := startNode(t, cfg, filepath.Join(dir, "data"))
	defer stop()

	const order = `{"order":"L-1","customer":"C1","currency":"EUR","ship_to":{"name":"A"},"lines":[{"line":"1","sku":"A","qty":"5","uom":"EA","price":"2"}]}`
	begin := time.Now()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.address+"/api/v1/orders", strings.NewReader(order))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer a-key-for-tests-only"}, "Content-Type": {"application/json"}, "Idempotency-Key": {"k1"}}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted {
		t.Fatalf("the order was answered with %s", resp.Status)
	}
	select {
	case c := <-calls:
		if after := c.at.Sub(begin); after < time.Second {
			t.Errorf("told %s after the order, before it was late", after)
		}
		var event struct {
			Type string            `json:"type"`
			Data map[string]string `json:"data"`
		}
		if err := json.Unmarshal(c.body, &event); err != nil || event.Data["cause"] != "late_acceptance" || event.Data["order"] != "api~.L-1" {
			t.Errorf("told %s (%v)", c.body, err)
		}
		if c.header.Get("webhook-id") == "" || !strings.HasPrefix(c.header.Get("webhook-signature"), "v1,") {
			t.Errorf("the call is not a Standard Webhook: %v", c.header)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was told")
	}
	open, err := n.store.Exceptions(t.Context(), exception.Query{State: exception.Open, Cause: "late_acceptance", Limit: 10})
	if err != nil || len(open) != 1 {
		t.Fatalf("open exceptions %v (%v), want the late order", open, err)
	}
	due := begin.Add(time.Second)
	if late := open[0].Since.Sub(due); late < -100*time.Millisecond || late > 10*time.Second {
		t.Errorf("raised %s after the deadline", late)
	}
}

// servedNode is a node that runs and is served.
type servedNode struct {
	*node
	address string
}

// startNode runs a node in this process until stop is called.
func startNode(t *testing.T, cfg *config.Config, data string) (servedNode, func()) {
	t.Helper()
	n, err := openNode(t.Context(), cfg, data, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSite(t.Context(), n, siteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := s.server()
	go func() { _ = server.Serve(l) }() // ends with stop
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go n.alerts.run(ctx)
	go func() { ended <- n.engine.Run(ctx, 5*time.Second) }()
	return servedNode{node: n, address: "http://" + l.Addr().String()}, func() {
		s.close()
		_ = server.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := n.close(); err != nil {
			t.Error(err)
		}
	}
}
