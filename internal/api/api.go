// Package api is Waybill's own HTTP surface: the control API (part C of the
// system contract), the door for pushes (W1), health, metrics and the OpenAPI
// description of it all. One table of routes, in routes.go, says which path
// takes which method from whom; the mux, the description and the command
// `waybill routes` are made from it, so none can disagree with another.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/crossref"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/intake"
	"github.com/waybillhq/waybill/internal/ownership"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/trace"
)

// Engine is what the API asks and tells the engine.
type Engine interface {
	Do(ctx context.Context, c engine.Command) error
	Map(ctx context.Context, r engine.Remap) (engine.Mapped, error)
	Status(ctx context.Context) (engine.Status, error)
	Ready() (bool, []string)
	Stats() *engine.Stats
}

// Store is what the API reads beside stories.
type Store interface {
	trace.Reader
	audit.Reader
	crossref.Reader
	Statistics() store.Statistics
	Setting(ctx context.Context, name string) (string, error)
}

// Reconciler compares a system's books with what happened (C9). Start begins
// and returns an id at once; an unknown system is a [*waybill.Error]. Get
// answers with what marshals as C9 shows it, or [store.ErrNotFound].
type Reconciler interface {
	Start(ctx context.Context, system string, asOf time.Time) (id string, err error)
	Get(ctx context.Context, id string) (any, error)
}

// Deps are what the API stands on.
type Deps struct {
	Engine     Engine
	Store      Store
	Trace      *trace.Service
	Intake     *intake.Intake
	Keys       *auth.Keys
	Metrics    *Metrics          // nil: nothing is measured of the intake
	Reconciler Reconciler        // nil: the routes of C9 are not there
	Replayer   Replayer          // nil: the routes of C8 are not there
	Ownership  *ownership.Matrix // nil: nobody owns anything
	Pages      http.Handler      // takes every path that is not the API's; nil: those are 404
	Version    string
	Replica    string
	ConfigRev  string
	Log        *slog.Logger // nil: nothing is logged
}

// API answers the routes of the table.
type API struct {
	Deps
	mux       *http.ServeMux
	described map[Family][]byte // OpenAPI; "" has it whole
	metrics   http.Handler
}

// New makes the handler of all routes.
func New(d Deps) (*API, error) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Metrics == nil {
		d.Metrics = NewMetrics()
	}
	a := &API{Deps: d, mux: http.NewServeMux(), metrics: metricsHandler(&d)}
	var served []Route
	for _, r := range routes() {
		if r.needs != nil && !r.needs(&d) {
			continue
		}
		served = append(served, r)
		a.mux.Handle(r.Method+" "+r.Path, a.guard(r))
	}
	a.mux.HandleFunc("/api/", a.unknown)
	a.mux.HandleFunc("/in/", a.unknown)
	if d.Pages != nil {
		a.mux.Handle("/", d.Pages)
	} else {
		a.mux.HandleFunc("/", a.unknown)
	}
	var err error
	if a.described, err = describeAll(served, d.Version); err != nil {
		return nil, err
	}
	return a, nil
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// workWithin bounds what one request may wait for the engine: one that has
// stopped answers nobody.
const workWithin = 30 * time.Second

// call is one request of the API.
type call struct {
	*http.Request
	w     http.ResponseWriter
	actor auth.Actor
	query query
}

// guard checks who calls and what they ask before the route's own code runs.
func (a *API) guard(route Route) http.Handler {
	if route.Access == Signature { // the intake authenticates, measures and answers by itself
		return a.Intake
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), workWithin)
		defer cancel()
		c := &call{Request: r.WithContext(ctx), w: w}
		secure(w.Header())
		defer func() {
			if p := recover(); p != nil {
				a.Log.Error("a request failed", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				a.fail(c, errors.New("a fault of the program"))
			}
		}()
		if err := a.admit(c, route); err != nil {
			a.fail(c, err)
			return
		}
		if err := route.serve(a, c); err != nil {
			a.fail(c, err)
		}
	})
}

func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
}

// admit finds out who calls and whether the route takes the call. A route
// without a role takes none.
func (a *API) admit(c *call, route Route) (err error) {
	if route.Access != Open {
		if c.actor, err = a.identify(c.Request, c.w); err != nil {
			return err
		}
		if !c.actor.Role.Allows(route.Role) {
			return reject(http.StatusForbidden, "forbidden", "", fmt.Sprintf("%s needs the role %s; the key %s has %s",
				route.Summary, route.Role, c.actor.Name, c.actor.Role), "use a key with that role")
		}
		if c.actor.Scope != nil && !route.scoped {
			return reject(http.StatusForbidden, "forbidden", "", fmt.Sprintf("the key %s is for the orders of some customers; %s is about all",
				c.actor.Name, route.Path), "use a key without customers")
		}
	}
	if c.query, err = readQuery(c.URL.RawQuery, route.Query); err != nil {
		return err
	}
	return nil
}

func (a *API) identify(r *http.Request, w http.ResponseWriter) (auth.Actor, error) {
	actor, ok := a.Keys.Identify(r.Header.Get("Authorization"))
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="waybill"`)
		return actor, reject(http.StatusUnauthorized, "unauthorized", "Authorization",
			"an API key is missing or not known", "send Authorization: Bearer and a key of the configuration")
	}
	return actor, nil
}

// unknown answers paths that no route has, and methods that a path does not
// take. Whoever has no key learns nothing of which it is.
func (a *API) unknown(w http.ResponseWriter, r *http.Request) {
	c := &call{Request: r, w: w}
	secure(w.Header())
	if strings.HasPrefix(r.URL.Path, "/api/") {
		if _, err := a.identify(r, w); err != nil {
			a.fail(c, err)
			return
		}
	}
	if allowed := a.methods(r); len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		a.fail(c, reject(http.StatusMethodNotAllowed, "method_not_allowed", "", fmt.Sprintf("%s does not take %s", r.URL.Path, r.Method),
			"use "+strings.Join(allowed, " or ")))
		return
	}
	a.fail(c, reject(http.StatusNotFound, "not_found", "", "there is nothing at "+r.URL.Path, "see /openapi.json for what there is"))
}

// methods lists what a path takes.
func (a *API) methods(r *http.Request) (allowed []string) {
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := a.mux.Handler(probe); strings.HasPrefix(pattern, m+" ") {
			allowed = append(allowed, m)
		}
	}
	slices.Sort(allowed)
	return allowed
}

func reject(status int, code, field, detail, fix string) error {
	return connector.Reject(status, code, field, detail, fix)
}

// fail answers with an error. What went wrong inside is for the log; the caller
// learns that it did.
func (a *API) fail(c *call, err error) {
	var no *connector.Rejection
	var wrong *waybill.Error
	switch {
	case errors.As(err, &no):
		intake.WriteProblem(c.w, no.Status, no.Err)
	case errors.As(err, &wrong):
		intake.WriteProblem(c.w, statusOf(wrong.Code), *wrong)
	case errors.Is(err, store.ErrNotFound):
		intake.WriteProblem(c.w, http.StatusNotFound, waybill.Error{Code: "not_found", Detail: err.Error()})
	case errors.Is(err, engine.ErrStopped), errors.Is(err, context.DeadlineExceeded):
		intake.WriteProblem(c.w, http.StatusServiceUnavailable, waybill.Error{Code: "unavailable",
			Detail: "this can't be answered now", Fix: "try again in a moment"})
	case c.Context().Err() != nil: // the caller has left
	default:
		a.Log.Error("a request failed", "method", c.Method, "path", c.URL.Path, "error", err)
		intake.WriteProblem(c.w, http.StatusInternalServerError, waybill.Error{Code: "internal",
			Detail: "this failed; the log of the server says why", Fix: "nothing was changed; try again, and report it if it stays"})
	}
}

// statusOf is the status of an error that the engine found in a command.
func statusOf(code string) int {
	switch code {
	case "not_found":
		return http.StatusNotFound
	case "invalid", "too_many", "too_long":
		return http.StatusBadRequest
	case "reason_missing", "ref_missing", "document_missing", "window_missing", "window_empty":
		return http.StatusBadRequest
	case process.CodeEdit:
		return http.StatusUnprocessableEntity
	}
	return http.StatusConflict
}
