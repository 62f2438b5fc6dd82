package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/postgres"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// waybillFlight is how many orders are under way at once.
const waybillFlight = 1024

func waybillSQLite(ctx context.Context, b *bench) error {
	db, err := sqlite.Open(ctx, b.dir, sqlite.Options{})
	if err != nil {
		return err
	}
	return runWaybill(ctx, b, db)
}

func waybillPostgres(ctx context.Context, b *bench) error {
	db, err := postgres.Open(ctx, b.url, postgres.Options{Name: "bench"})
	if err != nil {
		return err
	}
	return runWaybill(ctx, b, db)
}

// runWaybill runs the engine as it is, with its translation, its rules and its
// rendering, between three systems that answer at once.
func runWaybill(ctx context.Context, b *bench, db store.Store) (err error) {
	defer func() {
		if closed := db.Close(); err == nil {
			err = closed
		}
	}()
	y := &yard{flow: b.flow, room: make(chan struct{}, waybillFlight), left: make([]atomic.Int32, b.flow.orders),
		translators: map[string]connector.Translator{}}
	systems, err := y.systems()
	if err != nil {
		return err
	}
	timing := lane.Timing{Deadline: 30 * time.Second, Settle: 2 * time.Second, BackoffMin: time.Second, BackoffMax: time.Minute,
		AckDeadline: time.Hour, HoldRecheck: 15 * time.Minute, ProbeEvery: time.Minute}
	y.e = engine.New(engine.Options{Store: db, Systems: systems, Timing: timing, Replica: "bench",
		Policy: &process.Policy{Namespace: "bench", Company: "01", ERP: "erp", WMS: "wms",
			Channels:    map[string]process.Channel{"shop": {Documents: true}},
			HoldRecheck: timing.HoldRecheck, Limbo: 10 * time.Minute},
		Chance: func() float64 { return 0.5 }})
	if err := y.e.Start(ctx); err != nil {
		return err
	}
	y.ctx = ctx
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- y.e.Run(running, time.Second) }()

	before := db.Statistics()
	if err := b.begin(ctx); err != nil {
		return err
	}
	if err := y.pass(ctx, b.flow.orders, ended); err != nil {
		return err
	}
	y.all.Wait()
	stop() // what is under way is answered and committed before Run returns
	if err := <-ended; err != nil {
		return err
	}
	if err := b.end(ctx); err != nil {
		return err
	}
	after := db.Statistics()
	b.out.Commits = float64(after.Commits - before.Commits)
	b.out.Rounds = y.e.Stats().Rounds.Load()
	if p := y.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// pass sends every order in and waits until the last one's documents
// have left.
func (y *yard) pass(ctx context.Context, orders int, ended <-chan error) error {
	take := func() error {
		select {
		case y.room <- struct{}{}:
			return nil
		case err := <-ended:
			return fmt.Errorf("the engine ended early: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for i := range orders {
		if err := take(); err != nil {
			return err
		}
		y.all.Go(func() { y.tell("shop", fmt.Sprintf("o%d", i), placed(i)) })
	}
	for range cap(y.room) { // every order has given its place back
		if err := take(); err != nil {
			return err
		}
	}
	return nil
}

// yard is every system at once: it answers each document as applied. The
// warehouse ships what it is sent.
type yard struct {
	ctx         context.Context // of the run: what comes in does so by itself
	e           *engine.Engine
	flow        *flow
	room        chan struct{}  // a place for each order under way
	left        []atomic.Int32 // by order: how many of its documents have left
	all         sync.WaitGroup
	translators map[string]connector.Translator
	failed      atomic.Pointer[error]
}

func (y *yard) systems() ([]engine.System, error) {
	var out []engine.System
	for _, s := range []struct {
		name string
		role waybill.Role
	}{{"shop", waybill.RoleChannel}, {"erp", waybill.RoleERP}, {"wms", waybill.RoleWMS}} {
		c, err := contract.Manifest().Open(connector.Env{System: s.name, Role: s.role, Observe: true})
		if err != nil {
			return nil, fmt.Errorf("open system %s: %w", s.name, err)
		}
		y.translators[s.name] = c.Translator
		out = append(out, engine.System{Name: s.name, Role: s.role, Concurrency: 256,
			Class: lane.Class{Idempotency: waybill.ByLookup},
			Conn:  connector.Connector{Translator: c.Translator, Renderer: c.Renderer, Deliverer: y}})
	}
	return out, nil
}

// tell brings a message in, as intake does.
func (y *yard) tell(source, id string, body []byte) {
	m := ledger.Message{Source: source, DedupeID: id, Status: ledger.Accepted, ReceivedAt: time.Now().UTC(),
		SHA256: sha256.Sum256(body), Body: body}
	y.flow.bytes.Add(int64(len(body)))
	events, err := y.translators[source].Translate(connector.Message{System: source, Body: body, ReceivedAt: m.ReceivedAt})
	if err == nil {
		_, err = y.e.Keep(y.ctx, m, events)
	}
	if err != nil {
		err = fmt.Errorf("take in message %s of %s: %w", id, source, err)
		y.failed.Store(&err)
	}
}

// Deliver implements connector.Deliverer.
func (y *yard) Deliver(_ context.Context, a connector.Attempt) (waybill.Outcome, error) {
	i, err := orderNumber(a.Order)
	if err != nil {
		return waybill.Outcome{}, err
	}
	d := slices.Index(deliveries, a.Kind)
	if d < 0 {
		return waybill.Outcome{}, fmt.Errorf("a document of kind %s is not part of the flow", a.Kind)
	}
	var r waybill.Receipt
	if err := waybill.Unmarshal(y.flow.deliver(i, d, a.Body), &r); err != nil {
		return waybill.Outcome{}, err
	}
	if a.Kind == waybill.WarehouseOrder {
		y.all.Go(func() { y.tell("wms", fmt.Sprintf("s%d", i), confirmed(i)) })
	}
	if int(y.left[i].Add(1)) == len(deliveries) {
		<-y.room
	}
	return waybill.Outcome{Verdict: waybill.Done, Receipt: r}, nil
}
