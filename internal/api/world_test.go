package api_test

import (
	"bytes"
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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
	"github.com/waybillhq/waybill/connector/orders"
	"github.com/waybillhq/waybill/internal/api"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/intake"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/secret"
	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/trace"
)

// world is a whole installation on loopback: a real store in memory, the real
// engine, a channel and a warehouse that push signed events, and systems that
// take documents.
type world struct {
	t       *testing.T
	base    string
	engine  *engine.Engine
	store   *sqlite.Store
	targets map[string]*target
	pushed  int
}

const webhookSecret = "whsec_d2F5YmlsbC1jb250cmFjdC10ZXN0LXNlY3JldC0zMmI="

// keys by role, as a caller sends them; "" has none.
var keys = map[string]string{"": "", "viewer": "key-of-viewer", "operator": "key-of-operator",
	"integrator": "key-of-integrator", "admin": "key-of-admin"}

type option func(*api.Deps)

func newWorld(t *testing.T, opts ...option) *world {
	t.Helper()
	st, err := sqlite.Open(t.Context(), "", sqlite.Options{Memory: true})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &world{t: t, store: st, targets: map[string]*target{"erp": {refs: "E-"}, "wms": {refs: "W-"}}}
	w.engine = engine.New(engine.Options{
		Store: st, Replica: "r1", Log: slog.New(slog.DiscardHandler), Chance: func() float64 { return 0.5 },
		Policy: &process.Policy{Namespace: "test", Company: "01", ERP: "erp", WMS: "wms", HoldRecheck: time.Hour, Limbo: time.Hour,
			Channels: map[string]process.Channel{"shop": {}, "desk": {Prefix: "api~."}, "market": {Prefix: "mk~."}}},
		Timing: lane.Timing{Deadline: time.Minute, Settle: time.Second, BackoffMin: time.Millisecond, BackoffMax: time.Millisecond,
			AckDeadline: time.Hour, HoldRecheck: time.Hour, ProbeEvery: time.Hour},
		Systems: w.systems(),
	})
	if err := w.engine.Start(t.Context()); err != nil {
		t.Fatalf("start the engine: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- w.engine.Run(ctx, 5*time.Second) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("the engine: %v", err)
		}
	})
	metrics := api.NewMetrics()
	d := api.Deps{Engine: w.engine, Store: st, Trace: trace.New(st, w.engine), Metrics: metrics,
		Intake: intake.New(intake.Options{Keeper: w.engine, Systems: w.systems(), Observe: metrics.Push}),
		Keys:   auth.NewKeys(apiKeys()), Version: "1.2.3", Replica: "r1", ConfigRev: "abc"}
	for _, o := range opts {
		o(&d)
	}
	h, err := api.New(d)
	if err != nil {
		t.Fatalf("make the API: %v", err)
	}
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = api.Server("", h)
	srv.Start()
	t.Cleanup(srv.Close)
	w.base = srv.URL
	return w
}

func apiKeys() (out []auth.Key) {
	for name, key := range keys {
		if role, err := auth.ParseRole(name); err == nil {
			out = append(out, auth.Key{Name: name, Role: role, Key: secret.New(key)})
		}
	}
	return out
}

func (w *world) systems() []engine.System {
	open := func(m connector.Manifest, name string, role waybill.Role, prefix string) engine.System {
		conn, err := m.Open(connector.Env{System: name, Role: role, WebhookSecret: []string{webhookSecret}, OrderPrefix: prefix,
			Client: http.DefaultClient, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			w.t.Fatalf("open %s: %v", name, err)
		}
		conn.Deliverer, conn.Inquirer, conn.Prober = nil, nil, nil
		return engine.System{Name: name, Role: role, Manifest: m, Conn: conn}
	}
	all := []engine.System{open(contract.Manifest(), "shop", waybill.RoleChannel, ""),
		open(orders.Manifest(), "desk", waybill.RoleChannel, "api~.")}
	market := open(contract.Manifest(), "market", waybill.RoleChannel, "mk~.") // it has its own numbers for items
	market.Identity = identity.Profile{identity.Item: true}
	all = append(all, market)
	for _, name := range []string{"erp", "wms"} {
		s := open(contract.Manifest(), name, waybill.Role(name), "")
		s.Conn.Deliverer, s.Conn.Inquirer, s.Conn.Prober = w.targets[name], w.targets[name], nil
		s.Class = lane.Class{Idempotency: waybill.ByKey}
		all = append(all, s)
	}
	return all
}

// target takes every document unless it was told otherwise.
type target struct {
	mu     sync.Mutex
	refs   string
	n      int64
	answer map[waybill.Kind]waybill.Outcome
}

func (x *target) on(k waybill.Kind, o waybill.Outcome) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.answer == nil {
		x.answer = map[waybill.Kind]waybill.Outcome{}
	}
	x.answer[k] = o
}

// Deliver implements connector.Deliverer.
func (x *target) Deliver(_ context.Context, a connector.Attempt) (waybill.Outcome, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if o, told := x.answer[a.Kind]; told {
		return o, nil
	}
	x.n++
	r := waybill.Receipt{Ref: x.refs + strconv.FormatInt(x.n, 10), N: x.n}
	if a.Kind == waybill.OrderCheck {
		r.Result = []byte(`{"approved":true}`)
	}
	return waybill.Outcome{Verdict: waybill.Done, Receipt: r}, nil
}

// Inquire implements connector.Inquirer.
func (x *target) Inquire(context.Context, connector.Inquiry) (connector.Finding, error) {
	return connector.Finding{State: connector.FoundUnknown}, nil
}

// push sends a signed event of a system and returns the answer.
func (w *world) push(system, kind, data string) map[string]any {
	w.t.Helper()
	w.pushed++
	body := fmt.Sprintf(`{"type":%q,"timestamp":"2026-01-02T03:04:05+01:00","data":%s}`, kind, data)
	res, b := w.pushRaw(system, fmt.Sprintf("m-%d", w.pushed), body)
	if res.StatusCode != http.StatusAccepted {
		w.t.Fatalf("push %s: %s: %s", kind, res.Status, b)
	}
	return decode[map[string]any](w.t, b)
}

func (w *world) pushRaw(system, id, body string) (*http.Response, []byte) {
	w.t.Helper()
	stamp := strconv.FormatInt(time.Now().Unix(), 10)
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, "whsec_"))
	if err != nil {
		w.t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	return w.do("POST", "/in/"+system, "", body, map[string]string{"Webhook-Id": id, "Webhook-Timestamp": stamp,
		"Webhook-Signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))})
}

// do makes a request with the key of a role.
func (w *world) do(method, path, role, body string, header map[string]string) (*http.Response, []byte) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, w.base+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if keys[role] != "" {
		req.Header.Set("Authorization", "Bearer "+keys[role])
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res, b
}

// get reads as an admin and wants a status.
func (w *world) get(path string, want int) []byte {
	w.t.Helper()
	res, b := w.do("GET", path, "admin", "", nil)
	if res.StatusCode != want {
		w.t.Fatalf("GET %s: %s, want %d: %s", path, res.Status, want, b)
	}
	return b
}

// list reads a list as an admin.
func (w *world) list(path string) []map[string]any {
	w.t.Helper()
	return decode[[]map[string]any](w.t, w.get(path, 200))
}

// tell does an action as an admin and wants a status.
func (w *world) tell(path, body string, want int) []byte {
	w.t.Helper()
	res, b := w.do("POST", path, "admin", body, nil)
	if res.StatusCode != want {
		w.t.Fatalf("POST %s: %s, want %d: %s", path, res.Status, want, b)
	}
	return b
}

// until waits for commits until what is asked for has come.
func (w *world) until(what string, there func() bool) {
	w.t.Helper()
	changes, end := w.engine.Changes()
	defer end()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for !there() {
		select {
		case <-changes:
		case <-limit.C:
			w.t.Fatalf("%s did not come; status %s", what, w.get("/api/v1/status", 200))
		}
	}
}

// rest waits until nothing moves by itself any more.
func (w *world) rest() {
	w.t.Helper()
	w.until("rest", func() bool {
		st := decode[map[string]any](w.t, w.get("/api/v1/status", 200))
		return st["quiescent"] == true
	})
}

func decode[T any](t *testing.T, b []byte) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("not JSON: %v: %s", err, b)
	}
	return v
}

const order1 = `{"order":"SO-1","version":1,"customer":"C1","po":"PO-9","currency":"EUR","ship_to":{"name":"Example Hardware"},
	"lines":[{"line":"1","sku":"A","qty":"5","uom":"EA","price":"9.90"},{"line":"2","sku":"B","qty":"2","uom":"EA","price":"3.00"}]}`

// shipped brings an order through to its invoice.
func (w *world) shipped() {
	w.t.Helper()
	w.push("shop", "order.placed", order1)
	w.rest()
	w.push("wms", "shipment.confirmed", `{"order":"SO-1","shipment":"SH-1","version":1,"shipped_at":"2026-01-03T09:00:00Z","carrier":"PX",
		"packages":[{"tracking":"TRK-1"}],"lines":[{"line":"1","qty":"5"},{"line":"2","qty":"2"}]}`)
	w.rest()
}
