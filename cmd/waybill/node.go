package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
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
	store   store.Store
	engine  *engine.Engine
	systems []engine.System
	policy  *process.Policy
	alerts  *alerter
}

// openNode opens the store and builds the engine. transport reaches the
// systems; nil is the network, with the configuration's egress rules.
func openNode(ctx context.Context, cfg *config.Config, data string, transport http.RoundTripper, log *slog.Logger) (*node, error) {
	n := &node{cfg: cfg, log: log}
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
	db, err := sqlite.Open(ctx, data, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	n.store = db
	host, err := os.Hostname()
	if err != nil {
		host = "waybill"
	}
	n.alerts = newAlerter(n.clients(cfg), cfg.Notify, log)
	n.engine = engine.New(engine.Options{
		Store: db, Policy: conf.Policy, Systems: conf.Systems, Timing: conf.Timing, Milestones: conf.Milestones,
		Replica: fmt.Sprintf("%s/%d", host, os.Getpid()), Log: log, Chance: rand.Float64, Notify: n.alerts.tell,
	})
	if err := n.engine.Start(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return n, nil
}

// configuration turns the file's terms into the engine's.
func (n *node) configuration(cfg *config.Config) (engine.Configuration, error) {
	rev, err := cfg.Rev()
	if err != nil {
		return engine.Configuration{}, err
	}
	c := engine.Configuration{Policy: policyOf(cfg), Rev: rev, Timing: lane.Timing{
		Deadline: cfg.Timing.Deadline, Settle: cfg.Timing.Settle, BackoffMin: cfg.Timing.BackoffMin,
		BackoffMax: cfg.Timing.BackoffMax, AckDeadline: cfg.Timing.AckDeadline,
		HoldRecheck: cfg.Policy.HoldRecheck, ProbeEvery: probeEvery,
	}}
	client := n.clients(cfg)
	registry := all.Registry()
	for _, name := range cfg.SystemNames() {
		s := cfg.Systems[name]
		if s.Mode == config.Off {
			continue
		}
		opened, err := openSystem(s, registry[s.Connector], client, n.log)
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

func openSystem(s *config.System, m connector.Manifest, client *http.Client, log *slog.Logger) (engine.System, error) {
	conn, err := m.Open(s.Env(client, time.Now, log.With("system", s.Name)))
	if err != nil {
		return engine.System{}, fmt.Errorf("open system %s: %w", s.Name, err)
	}
	if s.BaseURL == "" { // a source: nothing can be sent to it
		conn.Deliverer, conn.Renderer, conn.Inquirer, conn.Prober = nil, nil, nil, nil
	}
	return engine.System{Name: s.Name, Role: s.Role, Manifest: m, Conn: conn, Concurrency: s.Budget.Concurrency,
		Rate: s.Budget.RatePerSecond, Burst: s.Budget.Burst}, nil
}

// policyOf is the part of the configuration that decisions depend on.
func policyOf(cfg *config.Config) *process.Policy {
	p := &process.Policy{
		Namespace: cfg.Namespace, Company: cfg.Company.ID, Zone: cfg.Company.Zone,
		ERP: cfg.Target(waybill.RoleERP), WMS: cfg.Target(waybill.RoleWMS),
		HoldRecheck: cfg.Policy.HoldRecheck, Limbo: cfg.Policy.Limbo,
		PriceTolerance: cfg.Policy.PriceTolerance, OverShip: cfg.Policy.OverShip,
		Channels: map[string]process.Channel{},
	}
	registry := all.Registry()
	for name, s := range cfg.Systems {
		if s.Role != waybill.RoleChannel {
			continue
		}
		// A channel that is off keeps its prefix: its open orders stay its own.
		p.Channels[name] = process.Channel{Prefix: s.OrderPrefix, Restates: registry[s.Connector].Restates,
			Documents: s.Mode != config.Off && s.BaseURL != "" && !registry[s.Connector].NoChannelDocuments}
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
	conf, err := n.configuration(cfg)
	if err != nil {
		return nil, fmt.Errorf("the configuration in force stays: %w", err)
	}
	if err := n.engine.Reconfigure(ctx, conf, actor); err != nil {
		return nil, err
	}
	n.alerts.replace(cfg.Notify)
	n.cfg, n.systems, n.policy = cfg, conf.Systems, conf.Policy
	return cfg, nil
}

func (n *node) close() error { return n.store.Close() }
