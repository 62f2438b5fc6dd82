package intake_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
	"github.com/waybillhq/waybill/connector/orders"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/intake"
	"github.com/waybillhq/waybill/internal/ledger"
)

// The test vector of W1.
const (
	vectorSecret    = "whsec_d2F5YmlsbC1jb250cmFjdC10ZXN0LXNlY3JldC0zMmI="
	vectorID        = "evt_0001"
	vectorTime      = 1767323045
	vectorBody      = `{"type":"order.placed","timestamp":"2026-01-02T03:04:05Z","data":{"order":"SO-1","version":1}}`
	vectorSignature = "v1,YKfnXcvGXEF/hz143Wpr5Dj7S98IO4Xy5BBtZtnQk0U="
)

// books keeps messages as a store would: (source, dedupe id) is unique.
type books struct {
	mu       sync.Mutex
	messages []ledger.Message
	events   [][]waybill.Event
	err      error
	hold     chan struct{} // Keep waits for it, where there is one
	entered  chan struct{}
}

func (b *books) Keep(_ context.Context, m ledger.Message, events []waybill.Event) (engine.Kept, error) {
	if b.hold != nil {
		b.entered <- struct{}{}
		<-b.hold
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return engine.Kept{}, b.err
	}
	for i, k := range b.messages {
		if m.Status != ledger.Rejected && k.Status != ledger.Rejected && k.Source == m.Source && k.DedupeID == m.DedupeID {
			return engine.Kept{Message: int64(i)*2 + 1, Event: int64(i)*2 + 2, Duplicate: true, Conflict: k.SHA256 != m.SHA256, Status: k.Status,
				ReceivedAt: k.ReceivedAt}, nil
		}
	}
	b.messages, b.events = append(b.messages, m), append(b.events, events)
	n := int64(len(b.messages)-1) * 2
	return engine.Kept{Message: n + 1, Event: n + 2, Status: m.Status, ReceivedAt: m.ReceivedAt}, nil
}

func open(t testing.TB, m connector.Manifest, env connector.Env) engine.System {
	t.Helper()
	env.Now, env.Client = time.Now, http.DefaultClient
	conn, err := m.Open(env)
	if err != nil {
		t.Fatalf("open %s: %v", m.Name, err)
	}
	return engine.System{Name: env.System, Role: env.Role, Manifest: m, Conn: conn}
}

// door is an intake on loopback with a channel "shop" that signs and the
// orders of the API.
func door(t testing.TB, b intake.Keeper, more ...engine.System) (*intake.Intake, http.Handler) {
	t.Helper()
	in := intake.New(intake.Options{
		Keeper: b,
		Systems: append(more,
			open(t, contract.Manifest(), connector.Env{System: "shop", Role: waybill.RoleChannel, WebhookSecret: []string{vectorSecret}}),
			open(t, orders.Manifest(), connector.Env{System: "desk", Role: waybill.RoleChannel, OrderPrefix: "api~."})),
		MaxBody: 64 << 10,
		Now:     func() time.Time { return time.Unix(vectorTime, 0) },
	})
	mux := http.NewServeMux()
	mux.Handle("POST /in/{system}", in)
	return in, mux
}

func push(h http.Handler, system, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/in/"+system, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Webhook-Id", vectorID)
	r.Header.Set("Webhook-Timestamp", fmt.Sprint(vectorTime))
	r.Header.Set("Webhook-Signature", vectorSignature)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func answer(t *testing.T, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, w.Body)
	}
	return got
}

func TestPush_VectorOfTheContract(t *testing.T) {
	b := &books{}
	_, h := door(t, b)
	w := push(h, "shop", vectorBody, func(r *http.Request) { r.Header.Set("Traceparent", "00-1-2-01"); r.Header.Set("Cookie", "s=1") })
	want := map[string]any{"id": "msg_1", "event": "evt_2", "duplicate": false, "status": "quarantined"} // it has no lines
	if w.Code != http.StatusAccepted {
		t.Errorf("status %d, want 202: %s", w.Code, w.Body)
	}
	if diff := cmp.Diff(want, answer(t, w)); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	m := b.messages[0]
	if m.SHA256 != sha256.Sum256([]byte(vectorBody)) || string(m.Body) != vectorBody || m.DedupeID != vectorID || m.Source != "shop" {
		t.Errorf("kept %+v", m)
	}
	headers := `{"content-type":"application/json","traceparent":"00-1-2-01","webhook-id":"evt_0001","webhook-signature":"` + vectorSignature + `","webhook-timestamp":"1767323045"}`
	if string(m.Header) != headers {
		t.Errorf("kept headers %s\nwant %s", m.Header, headers)
	}
	if !strings.Contains(m.Reason, "/data") {
		t.Errorf("the reason %q names no field", m.Reason)
	}
}

func TestPush_RepetitionAndConflict(t *testing.T) {
	b := &books{}
	stub := &stub{id: "m-1"}
	_, h := door(t, b, engine.System{Name: "stub", Conn: connector.Connector{Receiver: stub, Translator: stub}})
	for i, want := range []struct {
		body   string
		status int
		answer map[string]any
	}{
		{"a", 202, map[string]any{"id": "msg_1", "event": "evt_2", "duplicate": false, "status": "accepted"}},
		{"a", 200, map[string]any{"id": "msg_1", "event": "evt_2", "duplicate": true, "status": "accepted"}},
		{"b", 409, nil},
	} {
		w := push(h, "stub", want.body, nil)
		got := answer(t, w)
		if w.Code != want.status {
			t.Errorf("push %d: status %d, want %d: %s", i, w.Code, want.status, w.Body)
		}
		if want.answer == nil {
			want.answer = map[string]any{"type": "about:blank", "title": "Conflict", "status": 409.0, "code": "id_conflict", "detail": got["detail"], "fix": got["fix"]}
		}
		if diff := cmp.Diff(want.answer, got); diff != "" {
			t.Errorf("push %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestPush_Refusals(t *testing.T) {
	tests := []struct {
		name   string
		system string
		body   string
		change func(*http.Request)
		err    error
		status int
		code   string
		kept   int // messages recorded
	}{
		{name: "unknown system", system: "nobody", status: 404, code: "unknown_system"},
		{name: "orders by API have no open door", system: "desk", status: 404, code: "unknown_system"},
		{name: "signature missing", change: func(r *http.Request) { r.Header.Del("Webhook-Signature") }, status: 400, code: "header_missing"},
		{name: "signature wrong", body: vectorBody + " ", status: 401, code: "signature_wrong", kept: 1},
		{name: "too old", change: func(r *http.Request) { r.Header.Set("Webhook-Timestamp", "1767320000") }, status: 401, code: "timestamp_out_of_window", kept: 1},
		{name: "no JSON type", change: func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, status: 415, code: "content_type"},
		{name: "compressed", change: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, status: 415, code: "content_encoding"},
		{name: "announced too large", body: strings.Repeat("x", 65<<10), status: 413, code: "body_too_large"},
		{name: "turns out too large", body: strings.Repeat("x", 65<<10), change: func(r *http.Request) { r.ContentLength = -1 }, status: 413, code: "body_too_large"},
		{name: "can't commit", err: fmt.Errorf("disk full: %w", engine.ErrStopped), status: 503, code: "unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &books{err: tt.err}
			_, h := door(t, b)
			if tt.system == "" {
				tt.system = "shop"
			}
			if tt.body == "" {
				tt.body = vectorBody
			}
			w := push(h, tt.system, tt.body, tt.change)
			got := answer(t, w)
			if w.Code != tt.status || got["code"] != tt.code || got["status"] != float64(tt.status) {
				t.Errorf("status %d code %v, want %d %s: %s", w.Code, got["code"], tt.status, tt.code, w.Body)
			}
			if ct := w.Header().Get("Content-Type"); ct != "application/problem+json" {
				t.Errorf("content type %q", ct)
			}
			if (w.Header().Get("Retry-After") != "") != (tt.status == 503) {
				t.Errorf("Retry-After %q with %d", w.Header().Get("Retry-After"), tt.status)
			}
			if len(b.messages) != tt.kept {
				t.Fatalf("%d messages kept, want %d", len(b.messages), tt.kept)
			}
			for _, m := range b.messages {
				if m.Status != ledger.Rejected || m.DedupeID != "" || !strings.Contains(m.Reason, tt.code) {
					t.Errorf("recorded %+v", m)
				}
			}
		})
	}
}

func TestPush_EvidenceIsBounded(t *testing.T) {
	b := &books{}
	_, h := door(t, b)
	for range 25 {
		if w := push(h, "shop", strings.Repeat("x", 20_000), nil); w.Code != http.StatusUnauthorized {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
	if len(b.messages) != 10 {
		t.Errorf("%d of 25 refused messages recorded in one second, want 10", len(b.messages))
	}
	m := b.messages[0]
	if len(m.Body) != 4096 || m.SHA256 != sha256.Sum256(m.Body) || !strings.Contains(m.Reason, "20000 bytes") {
		t.Errorf("recorded %d bytes, reason %q", len(m.Body), m.Reason)
	}
}

func TestPush_PanicsCostOneMessage(t *testing.T) {
	b := &books{}
	s := &stub{id: "m-1", panicTranslate: true}
	_, h := door(t, b, engine.System{Name: "stub", Conn: connector.Connector{Receiver: s, Translator: s}})
	w := push(h, "stub", "a", nil)
	if got := answer(t, w); w.Code != 202 || got["status"] != "quarantined" || !strings.Contains(b.messages[0].Reason, "boom") {
		t.Errorf("status %d, answer %v, reason %q", w.Code, got, b.messages[0].Reason)
	}
	s.panicReceive = true
	if w := push(h, "stub", "b", nil); w.Code != 503 || len(b.messages) != 1 {
		t.Errorf("status %d, %d messages kept", w.Code, len(b.messages))
	}
}

const orderBody = `{"order":"1001","customer":"C1","currency":"EUR","ship_to":{"name":"Example Hardware"},"lines":[{"line":"1","sku":"A","qty":"5","uom":"EA","price":"9.90"}]}`

func order(in *intake.Intake, key, body string) (intake.Answer, int, string) {
	w := httptest.NewRecorder()
	h := http.Header{"Content-Type": {"application/json"}}
	if key != "" {
		h.Set("Idempotency-Key", key)
	}
	a, err := in.Order(context.Background(), h, []byte(body))
	status := intake.Reply(w, a, err)
	var p intake.Problem
	_ = json.Unmarshal(w.Body.Bytes(), &p)
	return a, status, p.Code
}

func TestOrder_KeyTellsRepetition(t *testing.T) {
	b := &books{}
	in, _ := door(t, b)
	for i, want := range []struct {
		key, body string
		status    int
		code      string
	}{
		{"", orderBody, 400, "header_missing"},
		{"k-1", orderBody, 202, ""},
		{`"k-1"`, orderBody, 200, ""},
		{"k-1", strings.Replace(orderBody, `"5"`, `"6"`, 1), 422, "key_reuse"},
		{"k-2", "{", 400, "body_not_json"},
	} {
		if _, status, code := order(in, want.key, want.body); status != want.status || code != want.code {
			t.Errorf("order %d: %d %q, want %d %q", i, status, code, want.status, want.code)
		}
	}
	if len(b.events) != 1 || b.events[0][0].Ref != "api~.1001" || b.events[0][0].Type != waybill.OrderPlaced {
		t.Errorf("events %+v", b.events)
	}
}

func TestOrder_InProgress(t *testing.T) {
	b := &books{hold: make(chan struct{}), entered: make(chan struct{})}
	in, _ := door(t, b)
	first := make(chan int)
	go func() { _, status, _ := order(in, "k-1", orderBody); first <- status }()
	<-b.entered
	if _, status, code := order(in, "k-1", orderBody); status != 409 || code != "in_progress" {
		t.Errorf("the second got %d %q while the first was being taken", status, code)
	}
	close(b.hold)
	if status := <-first; status != 202 {
		t.Errorf("the first got %d", status)
	}
}

func TestReadBody_BreaksOff(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/in/shop", io.MultiReader(strings.NewReader("{"), broken{}))
	r.ContentLength = 100
	_, err := intake.ReadBody(httptest.NewRecorder(), r, 1000)
	if no := (*connector.Rejection)(nil); !errors.As(err, &no) || no.Status != 400 || no.Err.Code != "body_cut" {
		t.Errorf("got %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// stub believes everything and says nothing.
type stub struct {
	id                           string
	panicReceive, panicTranslate bool
}

func (s *stub) Receive(connector.Inbound) (connector.Envelope, error) {
	if s.panicReceive {
		panic("boom")
	}
	return connector.Envelope{ID: s.id}, nil
}

func (s *stub) Translate(connector.Message) ([]waybill.Event, error) {
	if s.panicTranslate {
		panic("boom")
	}
	return nil, nil
}
