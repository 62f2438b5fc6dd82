package desk_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
	"github.com/waybillhq/waybill/internal/desk"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/trace"
)

// world is an installation without a network: a real store in memory, the real
// engine, and systems that push what the test says and take every document
// unless they are told otherwise.
type world struct {
	t       *testing.T
	store   *sqlite.Store
	engine  *engine.Engine
	systems []engine.System
	targets map[string]*target
	desk    *desk.Desk
	pushed  int

	mu  sync.Mutex
	now time.Time
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	t.Helper()
	st, err := sqlite.Open(t.Context(), "", sqlite.Options{Memory: true})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() { _ = st.Close() })
	w := &world{t: t, store: st, targets: map[string]*target{}, now: noon}
	for _, s := range []struct {
		name string
		role waybill.Role
	}{{"shop", waybill.RoleChannel}, {"erp", waybill.RoleERP}, {"wms", waybill.RoleWMS}} {
		w.open(s.name, s.role)
	}
	w.engine = engine.New(engine.Options{Store: st, Replica: "r1", Systems: w.systems, Now: w.clock, Chance: func() float64 { return 0.5 },
		Policy: &process.Policy{Namespace: "test", Company: "01", ERP: "erp", WMS: "wms", HoldRecheck: time.Hour, Limbo: time.Hour,
			Channels: map[string]process.Channel{"shop": {Documents: true}}},
		Timing: lane.Timing{Deadline: time.Minute, Settle: time.Second, BackoffMin: time.Hour, BackoffMax: time.Hour,
			AckDeadline: time.Hour, HoldRecheck: time.Hour, ProbeEvery: time.Hour}})
	if err := w.engine.Start(t.Context()); err != nil {
		t.Fatalf("start the engine: %v", err)
	}
	w.run(func(ctx context.Context) {
		if err := w.engine.Run(ctx, 5*time.Second); err != nil {
			t.Errorf("the engine: %v", err)
		}
	})
	w.desk = desk.New(desk.Deps{Store: st, Engine: w.engine, Trace: trace.New(st, w.engine), Systems: w.systems, Now: w.clock})
	return w
}

// run does something beside the test, which waits for its end.
func (w *world) run(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan struct{})
	go func() { defer close(done); f(ctx) }()
	stop = func() { cancel(); <-done }
	w.t.Cleanup(stop)
	return stop
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) open(name string, role waybill.Role) {
	m := contract.Manifest()
	conn, err := m.Open(connector.Env{System: name, Role: role, Client: http.DefaultClient, Now: w.clock,
		WebhookSecret: []string{"whsec_d2F5YmlsbC1jb250cmFjdC10ZXN0LXNlY3JldC0zMmI="}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatalf("open %s: %v", name, err)
	}
	x := &target{name: name}
	w.targets[name] = x
	conn.Deliverer, conn.Inquirer, conn.Prober = x, nil, nil
	w.systems = append(w.systems, engine.System{Name: name, Role: role, Manifest: m, Conn: conn, Class: lane.Class{Idempotency: waybill.ByKey}})
}

// push brings a system's message in, as a webhook would. It returns after the
// commit, with the message's number.
func (w *world) push(system, eventType, data string) int64 {
	w.t.Helper()
	w.pushed++
	body := []byte(fmt.Sprintf(`{"type":%q,"timestamp":"2026-03-02T13:00:00+01:00","data":%s}`, eventType, data))
	m := ledger.Message{Source: system, DedupeID: fmt.Sprintf("evt-%d", w.pushed), Status: ledger.Accepted, ReceivedAt: w.clock(),
		SHA256: sha256.Sum256(body), Body: body, Header: []byte(`{"content-type":"application/json","webhook-id":"evt-1","webhook-signature":"v1,c2VjcmV0"}`)}
	var events []waybill.Event
	for _, s := range w.systems {
		if s.Name != system {
			continue
		}
		var err error
		if events, err = s.Conn.Translator.Translate(connector.Message{System: system, Body: body, ReceivedAt: m.ReceivedAt}); err != nil {
			m.Status, m.Reason, events = ledger.Quarantined, err.Error(), nil
		}
	}
	kept, err := w.engine.Keep(w.t.Context(), m, events)
	if err != nil {
		w.t.Fatalf("keep %s: %v", eventType, err)
	}
	return kept.Message
}

// until waits for something to become so; it looks again after each commit.
func (w *world) until(what string, so func() bool) {
	w.t.Helper()
	changes, end := w.engine.Changes()
	defer end()
	patience := time.NewTimer(20 * time.Second)
	defer patience.Stop()
	for !so() {
		select {
		case <-changes:
		case <-patience.C:
			w.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// settled waits until nothing is under way.
func (w *world) settled() {
	w.t.Helper()
	w.until("nothing is under way", func() bool {
		st, err := w.engine.Status(w.t.Context())
		if err != nil {
			w.t.Fatalf("status: %v", err)
		}
		return st.Deliveries[lane.InFlight]+st.Deliveries[lane.Ready]+st.Undecided == 0
	})
}

// target takes every document unless it was told otherwise.
type target struct {
	name string

	mu     sync.Mutex
	n      int64
	answer map[waybill.Kind]waybill.Outcome
}

// on gives all documents of a kind one answer; a zero outcome takes them again.
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
	if o := x.answer[a.Kind]; o.Verdict != "" {
		return o, nil
	}
	x.n++
	r := waybill.Receipt{Ref: fmt.Sprintf("%s-%d", x.name, x.n), N: x.n}
	if a.Kind == waybill.OrderCheck {
		r.Result = jsontext.Value(`{"approved":true,"reasons":[]}`)
	}
	return waybill.Outcome{Verdict: waybill.Done, Receipt: r}, nil
}

func refused(code, detail string) waybill.Outcome {
	return waybill.Outcome{Verdict: waybill.Refused, Problem: waybill.Problem{Status: 422, Code: code, Detail: detail}, Note: "422 " + code}
}
