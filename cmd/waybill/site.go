package main

import (
	"net/http"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/waybillhq/waybill/internal/api"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/intake"
	"github.com/waybillhq/waybill/internal/reconcile"
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
}

func newSite(n *node, opt siteOptions) (*site, error) {
	s := &site{opt: opt, metrics: api.NewMetrics()}
	return s, s.build(n)
}

// build puts the handler together for the configuration in force.
func (s *site) build(n *node) error {
	rev, err := n.cfg.Rev()
	if err != nil {
		return err
	}
	keys := auth.NewKeys(n.cfg.Keys)
	stories := trace.New(n.store, n.engine)
	a, err := api.New(api.Deps{
		Engine: n.engine, Store: n.store, Trace: stories, Keys: keys, Metrics: s.metrics,
		Intake: intake.New(intake.Options{Keeper: n.engine, Systems: n.systems, MaxBody: n.cfg.Limits.MaxBody,
			Log: n.log, Observe: s.metrics.Push}),
		Reconciler: reconcile.NewRunner(n.store, n.books()),
		Version:    buildVersion(), Replica: strconv.Itoa(os.Getpid()), ConfigRev: rev, Log: n.log,
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

// ServeHTTP implements http.Handler.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.current.Load().ServeHTTP(w, r) }

// server bounds what a slow or hostile client can hold. Event streams set
// deadlines of their own for each write.
func (s *site) server() *http.Server { return api.Server("", s) }

// stop lets event streams end, so that the server can shut down.
func (s *site) stop() {}

// replace puts a reloaded configuration in force.
func (s *site) replace(n *node) {
	if err := s.build(n); err != nil {
		n.log.Error("the handler could not be rebuilt; the one before stays", "error", err)
	}
}
