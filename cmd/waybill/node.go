package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/all"
	"github.com/waybillhq/waybill/internal/config"
	"github.com/waybillhq/waybill/internal/egress"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/transport"
)

// drainGrace is how long a stopping process waits for answers to requests
// under way. What has none by then is in doubt for the next process.
const drainGrace = 25 * time.Second

// probeEvery is the time between two T3 requests to a healthy system.
const probeEvery = time.Minute

// node is a running installation: the one place where everything is put
// together.
type node struct {
	cfg     *config.Config
	log     *slog.Logger
	clients func(*config.Config) *http.Client
	replica string    // its name among those that share the database
	held    io.Closer // the data directory, where the database is elsewhere; nil: with the store
	store   store.Store
	engine  *engine.Engine
	systems []engine.System
	policy  *process.Policy
	alerts  *alerter
	data    string
	book    connector.Book
	places  []*transport.SFTP // of the configuration in force
	former  []*transport.SFTP // of those before, still in use
}

// openNode opens the store and builds the engine. transport reaches the
// systems; nil is the network, with the configuration's egress rules.
func openNode(ctx context.Context, cfg *config.Config, data string, transport http.RoundTripper, log *slog.Logger) (*node, error) {
	n := &node{cfg: cfg, log: log, data: data}
	n.book = book{ctx: context.WithoutCancel(ctx), store: func() store.Store { return n.store }, policy: func() *process.Policy { return n.policy }}
	n.clients = func(c *config.Config) *http.Client {
		if transport != nil {
			return &http.Client{Transport: transport,
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		}
		return egress.Client(egress.Options{Allow: c.Egress.Allow})
	}
	conf, err := n.configuration(cfg)
	if err != nil {
		return nil, err
	}
	n.systems, n.policy = conf.Systems, conf.Policy
	n.replica = replicaName()
	if cfg.Database.Server() {
		if n.held, err = sqlite.Hold(data); err != nil {
			return nil, err
		}
	}
	db, err := openStore(ctx, cfg, data, n.replica)
	if err != nil {
		return nil, errors.Join(err, n.letGo())
	}
	n.store = db
	n.alerts = newAlerter(n.clients(cfg), cfg.Notify, log)
	n.engine = engine.New(engine.Options{
		Store: db, Policy: conf.Policy, Systems: conf.Systems, Timing: conf.Timing, Milestones: conf.Milestones,
		MasterData: conf.MasterData, Ownership: conf.Ownership,
		Lease: leaseOf(cfg), Divided: cfg.Database.Replicas == config.Divided, Replica: n.replica, Log: log, Chance: rand.Float64, Notify: n.alerts.tell,
	})
	if err := n.engine.Start(ctx); err != nil {
		return nil, errors.Join(err, db.Close(), n.letGo())
	}
	return n, nil
}

// replicaName names this process among those that share a database. Processes
// in containers may have one host name and one number, so chance is part of it.
func replicaName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "waybill"
	}
	return fmt.Sprintf("%s/%d-%04x", host, os.Getpid(), rand.Uint32()&0xffff)
}

// letGo gives the data directory back.
func (n *node) letGo() error {
	if n.held == nil {
		return nil
	}
	return n.held.Close()
}

// configuration turns the file's terms into the engine's.
func (n *node) configuration(cfg *config.Config) (engine.Configuration, error) {
	rev, err := cfg.Rev()
	if err != nil {
		return engine.Configuration{}, err
	}
	c := engine.Configuration{Policy: policyOf(cfg), Rev: rev, MasterData: cfg.MasterData.Every, Timing: lane.Timing{
		Deadline: cfg.Timing.Deadline, Settle: cfg.Timing.Settle, BackoffMin: cfg.Timing.BackoffMin,
		BackoffMax: cfg.Timing.BackoffMax, AckDeadline: cfg.Timing.AckDeadline,
		HoldRecheck: cfg.Policy.HoldRecheck, ProbeEvery: probeEvery,
	}}
	if c.Ownership, err = cfg.Matrix(); err != nil {
		return c, err
	}
	client := n.clients(cfg)
	registry := all.Registry()
	for _, name := range cfg.SystemNames() {
		s := cfg.Systems[name]
		if s.Mode == config.Off {
			continue
		}
		files, err := n.place(s, cfg)
		if err != nil {
			return c, err
		}
		opened, err := openSystemAt(s, registry[s.Connector], client, files, n.book, n.log)
		if err != nil {
			return c, err
		}
		c.Systems = append(c.Systems, opened)
	}
	for _, m := range cfg.Milestones {
		c.Milestones = append(c.Milestones, engine.Milestone{Name: m.Name, From: m.From, Until: m.Until, Within: m.Within, Notify: m.Notify})
	}
	return c, nil
}

// openSystem opens a system without the place where files are exchanged with
// it, for work that takes none.
func openSystem(s *config.System, m connector.Manifest, client *http.Client, log *slog.Logger) (engine.System, error) {
	return openSystemAt(s, m, client, nil, nil, log)
}

func openSystemAt(s *config.System, m connector.Manifest, client *http.Client, files connector.Files, orders connector.Book, log *slog.Logger) (engine.System, error) {
	env := s.Env(client, time.Now, log.With("system", s.Name))
	env.Files, env.Book = files, orders
	conn, err := m.Open(env)
	if err != nil {
		return engine.System{}, fmt.Errorf("open system %s: %w", s.Name, err)
	}
	if s.BaseURL == "" && files == nil { // a source: nothing can be sent to it
		conn.Deliverer, conn.Renderer, conn.Inquirer, conn.Prober, conn.Poller = nil, nil, nil, nil, nil
	}
	return engine.System{Name: s.Name, Role: s.Role, Manifest: conn.Described.Of(m), Conn: conn, Concurrency: s.Budget.Concurrency,
		Rate: s.Budget.RatePerSecond, Burst: s.Budget.Burst, Identity: s.Identity}, nil
}

// policyOf is the part of the configuration that decisions depend on.
func policyOf(cfg *config.Config) *process.Policy {
	p := &process.Policy{
		Namespace: cfg.Namespace, Company: cfg.Company.ID, Zone: cfg.Company.Zone,
		ERP: cfg.Target(waybill.RoleERP), WMS: cfg.Target(waybill.RoleWMS),
		HoldRecheck: cfg.Policy.HoldRecheck, Limbo: cfg.Policy.Limbo,
		PriceTolerance: cfg.Policy.PriceTolerance, OverShip: cfg.Policy.OverShip,
		Supplier: cfg.Target(waybill.RoleSupplier), Routes: cfg.Policy.Rules(),
		Backorder: process.BackorderPolicy(cfg.Policy.Backorder), DuplicatePO: cfg.Policy.HoldsDuplicates(),
		Channels: map[string]process.Channel{},
	}
	registry := all.Registry()
	for name, s := range cfg.Systems {
		if s.Role != waybill.RoleChannel {
			continue
		}
		// A channel that is off keeps its prefix: its open orders stay its own.
		m := s.Described.Of(registry[s.Connector])
		documents := s.TakesDocuments() && !m.NoChannelDocuments
		p.Channels[name] = process.Channel{Prefix: s.OrderPrefix, Restates: m.Restates, Documents: documents, Captures: s.Captures,
			Invoices:     documents && s.Described != nil && slices.Contains(m.Accepts, waybill.InvoiceNotice),
			OwnReturns:   !slices.Contains(m.Accepts, waybill.RefundNotice),
			Availability: documents && slices.Contains(m.Accepts, waybill.InventoryAvailability)}
	}
	return p
}

// reload reads the configuration file again and puts it in force, all of it or
// nothing.
func (n *node) reload(ctx context.Context, actor string) (*config.Config, error) {
	cfg, err := config.Load(n.cfg.File, all.Registry())
	if err != nil {
		return nil, fmt.Errorf("the configuration in force stays: %w", err)
	}
	if cfg.Namespace != n.cfg.Namespace {
		return nil, fmt.Errorf("the configuration in force stays: namespace was %q and is %q; it is part of every key and never changes", n.cfg.Namespace, cfg.Namespace)
	}
	if cfg.Database.Replicas != n.cfg.Database.Replicas {
		return nil, fmt.Errorf("the configuration in force stays: database.replicas was %s and is %s; restart this replica, and the others after it",
			n.cfg.Database.Replicas, cfg.Database.Replicas)
	}
	before := n.places
	n.places = nil
	conf, err := n.configuration(cfg)
	if err != nil {
		n.places = before
		return nil, fmt.Errorf("the configuration in force stays: %w", err)
	}
	n.former = append(n.former, before...)
	if err := n.engine.Reconfigure(ctx, conf, actor); err != nil {
		return nil, err
	}
	n.alerts.replace(cfg.Notify)
	n.cfg, n.systems, n.policy = cfg, conf.Systems, conf.Policy
	return cfg, nil
}

func (n *node) close() error {
	n.leave(append(n.former, n.places...))
	return errors.Join(n.store.Close(), n.letGo())
}

// leaseOf is how long a replica's silence is borne before another takes its
// work; 0 where the database is the process's own.
func leaseOf(cfg *config.Config) time.Duration {
	if !cfg.Database.Server() {
		return 0
	}
	return cfg.Timing.Lease
}
