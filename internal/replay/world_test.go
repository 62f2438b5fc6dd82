package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// world is an engine on a database in memory, between a shop, an ERP and a
// warehouse, whose mapping a test may change.
type world struct {
	*testing.T
	db      store.Store
	eng     *engine.Engine
	policy  *process.Policy
	mapping *mapping
	targets map[string]*target
	runner  *Runner
	serial  int

	mu  sync.Mutex
	now time.Time
}

// mapping reads the contract's messages after a correction that a test makes.
type mapping struct {
	mu      sync.Mutex
	refuses string // a text whose messages it does not understand
	from    string // a text that it reads as another
	to      string
	silent  string // a text whose messages it takes for nothing
}

func (m *mapping) set(change func(*mapping)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refuses, m.from, m.to, m.silent = "", "", "", ""
	change(m)
}

// read reads a message with what stands behind the mapping.
func (m *mapping) read(inner connector.Translator, msg connector.Message) ([]waybill.Event, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuses != "" && bytes.Contains(msg.Body, []byte(m.refuses)) {
		return nil, &connector.Untranslatable{Field: "/data", Reason: "the mapping does not know " + m.refuses}
	}
	if m.silent != "" && bytes.Contains(msg.Body, []byte(m.silent)) {
		return nil, nil
	}
	if m.from != "" {
		msg.Body = bytes.ReplaceAll(msg.Body, []byte(m.from), []byte(m.to))
	}
	return inner.Translate(msg)
}

// target takes every document once.
type target struct {
	mu   sync.Mutex
	name string
	seen map[string]waybill.Kind // by key
	sent []string                // kind and subject of each attempt
}

// Deliver implements connector.Deliverer.
func (x *target) Deliver(_ context.Context, a connector.Attempt) (waybill.Outcome, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.sent = append(x.sent, string(a.Kind)+" "+a.Order+" "+a.Subject)
	x.seen[a.Key] = a.Kind
	r := waybill.Receipt{Ref: fmt.Sprintf("%s-%d", x.name, len(x.sent)), N: int64(len(x.sent))}
	if a.Kind == waybill.OrderCheck {
		r.Result = []byte(`{"approved":true}`)
	}
	return waybill.Outcome{Verdict: waybill.Done, Receipt: r}, nil
}

func (x *target) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.sent)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := sqlite.Open(t.Context(), "", sqlite.Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, db: db, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), targets: map[string]*target{},
		policy: &process.Policy{Namespace: "test", Company: "01", ERP: "erp", WMS: "wms", HoldRecheck: time.Hour, Limbo: time.Hour,
			Channels: map[string]process.Channel{"shop": {}, "market": {Prefix: "mk~."}}}}
	systems := []engine.System{}
	w.mapping = &mapping{}
	translators := map[string]connector.Translator{}
	profiles := map[string]identity.Profile{"market": {identity.Item: true}}
	for name, role := range map[string]waybill.Role{"shop": waybill.RoleChannel, "market": waybill.RoleChannel, "erp": waybill.RoleERP, "wms": waybill.RoleWMS} {
		prefix := ""
		if name == "market" { // it has its own numbers for items
			prefix = "mk~."
		}
		conn, err := contract.Manifest().Open(connector.Env{System: name, Role: role, OrderPrefix: prefix, Observe: true, Now: w.clock})
		if err != nil {
			t.Fatal(err)
		}
		conn.Prober, conn.Inquirer, conn.Deliverer = nil, nil, nil
		if role != waybill.RoleChannel {
			w.targets[name] = &target{name: name, seen: map[string]waybill.Kind{}}
			conn.Deliverer = w.targets[name]
		}
		// One mapping stands before every system's own reading.
		translators[name] = &perSystem{m: w.mapping, inner: conn.Translator}
		systems = append(systems, engine.System{Name: name, Role: role, Manifest: contract.Manifest(), Conn: conn,
			Class: lane.Class{Idempotency: waybill.ByKey}, Identity: profiles[name]})
	}
	w.eng = engine.New(engine.Options{Store: db, Policy: w.policy, Systems: systems, Replica: "one", Now: w.clock,
		Chance: func() float64 { return 0 },
		Timing: lane.Timing{Deadline: time.Minute, Settle: time.Second, BackoffMin: time.Millisecond, BackoffMax: time.Second,
			AckDeadline: time.Hour, HoldRecheck: time.Hour, ProbeEvery: time.Hour}})
	if err := w.eng.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- w.eng.Run(ctx, time.Second) }()
	w.runner = NewRunner(db, w.eng, Configuration{Policy: w.policy, Translators: translators, Identity: profiles}, w.clock)
	t.Cleanup(func() {
		w.runner.Close()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// perSystem puts the mapping before a system's own reading.
type perSystem struct {
	m     *mapping
	inner connector.Translator
}

// Translate implements connector.Translator.
func (p *perSystem) Translate(msg connector.Message) ([]waybill.Event, error) {
	return p.m.read(p.inner, msg)
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Millisecond)
	return w.now
}

// pass moves the clock.
func (w *world) pass(d time.Duration) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
	return w.now
}

// push keeps a message as the intake does, and waits until nothing is left to
// do.
func (w *world) push(system, kind, data string) engine.Kept {
	w.Helper()
	w.serial++
	body := fmt.Sprintf(`{"type":%q,"timestamp":"2026-03-02T09:00:00Z","data":%s}`, kind, data)
	now := w.clock()
	m := ledger.Message{Source: system, DedupeID: fmt.Sprintf("m%d", w.serial), Status: ledger.Accepted, ReceivedAt: now,
		SHA256: sha256.Sum256([]byte(body)), Header: []byte(`{"webhook-id":"x"}`), Body: []byte(body)}
	events, err := w.runner.conf.Translators[system].Translate(connector.Message{System: system, Body: m.Body, ReceivedAt: now})
	if err != nil {
		m.Status, m.Reason, events = ledger.Quarantined, err.Error(), nil
	}
	kept, err := w.eng.Keep(w.Context(), m, events)
	if err != nil {
		w.Fatal(err)
	}
	w.rest()
	return kept
}

// rest waits until the engine has nothing left to do.
func (w *world) rest() {
	w.Helper()
	changed, done := w.eng.Changes()
	defer done()
	patience := time.NewTimer(20 * time.Second)
	defer patience.Stop()
	for {
		st, err := w.eng.Status(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		d := st.Deliveries
		if st.Undecided+d[lane.Ready]+d[lane.InFlight]+d[lane.InDoubt]+d[lane.Waiting] == 0 {
			return
		}
		select {
		case <-changed:
		case <-patience.C:
			w.Fatalf("the engine does not come to rest: %+v", st)
		}
	}
}

// replay runs a replay to its end.
func (w *world) replay(req Request) *Result {
	w.Helper()
	id, err := w.runner.Start(w.Context(), req)
	if err != nil {
		w.Fatal(err)
	}
	w.runner.mu.Lock()
	ended := w.runner.ended
	w.runner.mu.Unlock()
	<-ended
	w.rest()
	got, err := w.runner.Get(w.Context(), id)
	if err != nil {
		w.Fatal(err)
	}
	res := got.(*Result)
	if res.State != Done {
		w.Fatalf("the replay ended as %s: %s", res.State, res.Error)
	}
	return res
}

func orderData(order, qty string) string {
	return fmt.Sprintf(`{"order":%q,"version":1,"customer":"C1","currency":"EUR","ship_to":{"id":"D1"},`+
		`"lines":[{"line":"1","sku":"A","qty":%q,"uom":"EA","price":"9.90"}]}`, order, qty)
}

func shipmentData(order, shipment, qty string) string {
	return fmt.Sprintf(`{"order":%q,"shipment":%q,"shipped_at":"2026-03-02T09:00:00Z","lines":[{"line":"1","qty":%q}]}`, order, shipment, qty)
}
