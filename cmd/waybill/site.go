package main

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/api"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/desk"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/intake"
	"github.com/waybillhq/waybill/internal/reconcile"
	"github.com/waybillhq/waybill/internal/replay"
	"github.com/waybillhq/waybill/internal/tower"
	"github.com/waybillhq/waybill/internal/trace"
)

// siteOptions say how the pages are served.
type siteOptions struct {
	open        bool   // without a login: a demonstration on one machine
	environment string // a word beside the name
}

// site is everything that is served over HTTP: webhooks in, API and pages. A
// reload replaces it between two requests.
type site struct {
	opt     siteOptions
	current atomic.Pointer[api.API]
	metrics *api.Metrics
	desk    *desk.Desk
	replays *replay.Runner
	stop    context.CancelFunc // ends the event streams, so that the server can shut down
	stopped chan struct{}
}

// newSite puts the handler together. Close ends what it runs by itself.
func newSite(ctx context.Context, n *node, opt siteOptions) (*site, error) {
	s := &site{opt: opt, metrics: api.NewMetrics(), stopped: make(chan struct{})}
	s.desk = desk.New(desk.Deps{Store: n.store, Engine: n.engine, Trace: trace.New(n.store, n.engine), Systems: n.systems,
		Now: time.Now, Zone: n.cfg.Company.Zone, Log: n.log, Traffic: traffic(n.engine)})
	s.replays = replay.NewRunner(n.store, n.engine, n.readings(), time.Now)
	if err := s.build(n); err != nil {
		return nil, err
	}
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(s.stopped)
		s.desk.Run(ctx)
	}()
	return s, nil
}

// traffic hands the engine's counts to the pages.
func traffic(e *engine.Engine) func() map[string]desk.Traffic {
	return func() map[string]desk.Traffic {
		out := map[string]desk.Traffic{}
		for name, t := range e.Traffic() {
			out[name] = desk.Traffic(t)
		}
		return out
	}
}

// close ends the event streams, what the pages sample, and a replay that runs.
func (s *site) close() {
	s.stop()
	<-s.stopped
	s.replays.Close()
}

// build puts the handler together for the configuration in force.
func (s *site) build(n *node) error {
	rev, err := n.cfg.Rev()
	if err != nil {
		return err
	}
	owners, err := n.cfg.Matrix()
	if err != nil {
		return err
	}
	keys := auth.NewKeys(n.cfg.Keys)
	towerOptions := tower.Options{Version: buildVersion(), Environment: s.opt.environment, Log: n.log}
	if !s.opt.open {
		towerOptions.Login = func(key string) (string, bool) {
			actor, ok := keys.ByKey(key)
			return actor.Name, ok && actor.Role.Allows(auth.Operator)
		}
	}
	a, err := api.New(api.Deps{
		Engine: n.engine, Store: n.store, Trace: trace.New(n.store, n.engine), Keys: keys, Metrics: s.metrics,
		Intake: intake.New(intake.Options{Keeper: n.engine, Systems: n.systems, MaxBody: n.cfg.Limits.MaxBody,
			Log: n.log, Observe: s.metrics.Push}),
		Reconciler: reconcile.NewRunner(n.store, n.books()),
		Replayer:   s.replays, Ownership: owners,
		Pages:   tower.New(s.desk, towerOptions),
		Version: buildVersion(), Replica: n.replica, ConfigRev: rev, Log: n.log,
	})
	if err != nil {
		return err
	}
	s.current.Store(a)
	return nil
}

// books are the systems whose journals can be read.
func (n *node) books() []reconcile.System {
	var out []reconcile.System
	for _, s := range n.systems {
		if s.Conn.Journal != nil {
			out = append(out, reconcile.System{Name: s.Name, Role: s.Role, Journal: s.Conn.Journal})
		}
	}
	return out
}

// readings are what messages are read again with.
func (n *node) readings() replay.Configuration {
	c := replay.Configuration{Policy: n.policy, Translators: map[string]connector.Translator{}, Identity: map[string]identity.Profile{}}
	for _, s := range n.systems {
		c.Identity[s.Name] = s.Identity
		if s.Conn.Translator != nil {
			c.Translators[s.Name] = s.Conn.Translator
		}
	}
	return c
}

// ServeHTTP implements http.Handler.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.current.Load().ServeHTTP(w, r) }

// server bounds what a slow or hostile client can hold. Event streams set
// deadlines of their own for each write.
func (s *site) server() *http.Server { return api.Server("", s) }

// replace puts a reloaded configuration in force.
func (s *site) replace(n *node) {
	s.desk.Reconfigure(n.systems)
	s.replays.Reconfigure(n.readings())
	if err := s.build(n); err != nil {
		n.log.Error("the handler could not be rebuilt; the one before stays", "error", err)
	}
}
