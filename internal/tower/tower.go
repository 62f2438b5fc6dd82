// Package tower holds the pages: what a person sees of every order, message and
// exception, and the few things they may do about them. Pages are rendered on
// the server, work without scripts, and stay live by one event stream each. The
// package asks its questions through Source and knows nothing of the engine.
package tower

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Options are what the pages need beside a Source. The zero value works.
type Options struct {
	Version     string           // shown at the foot of the navigation
	Name        string           // the enterprise, shown at the top; empty: Waybill
	Environment string           // a word beside the name, for example "Demo"
	Now         func() time.Time // the clock of the pages; nil: the wall clock
	Log         *slog.Logger     // takes what a page could not do; nil: slog.Default

	// Login turns an API key into the name of its owner. Nil leaves the pages
	// open to whoever reaches them, for a demonstration on one machine.
	Login func(key string) (actor string, ok bool)
}

// anonymous acts where the pages are open.
const anonymous = "operator"

// tower is the pages' handler and what it keeps between requests.
type tower struct {
	src      Source
	opts     Options
	assets   *assets
	pages    *templates
	sessions *sessions
	hub      *hub
	mux      *http.ServeMux
}

// New gives the handler of all pages. It serves "/", "/orders", "/messages/", "/edi",
// "/exceptions", "/mapping", "/live", "/act", "/theme", "/login", "/logout" and "/assets/",
// and nothing else, so it can stand behind a more specific mux. Every response
// carries the security headers; requests that change something are refused
// when they come from another origin.
func New(src Source, opts Options) http.Handler {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Name == "" {
		opts.Name = "Waybill"
	}
	t := &tower{src: src, opts: opts, assets: mustAssets(), sessions: newSessions(opts.Now), hub: newHub(src), mux: http.NewServeMux()}
	t.pages = mustTemplates(t.assets)
	t.routes()
	return secure(http.NewCrossOriginProtection().Handler(t.mux))
}

func (t *tower) routes() {
	t.mux.HandleFunc("GET /assets/{hash}/{name}", t.assets.serve)
	t.mux.HandleFunc("GET /login", t.loginPage)
	t.mux.HandleFunc("POST /login", t.login)
	t.mux.HandleFunc("POST /logout", t.logout)
	t.mux.HandleFunc("POST /theme", t.theme)

	for _, pattern := range []string{"GET /{$}", "GET /orders", "GET /orders/{order}", "GET /messages/{message}", "GET /edi", "GET /edi/{message}", "GET /exceptions", "GET /mapping"} {
		t.mux.Handle(pattern, t.signedIn(t.page))
	}
	t.mux.Handle("GET /messages/{message}/raw", t.signedIn(t.raw))
	t.mux.Handle("GET /live", t.signedIn(t.live))
	t.mux.Handle("POST /act", t.signedIn(t.act))
	t.mux.Handle("POST /mapping", t.signedIn(t.mapReference))
	t.mux.Handle("GET /", t.signedIn(func(w http.ResponseWriter, r *http.Request, _ string) {
		t.fail(w, r, fmt.Errorf("there is no page %s: %w", r.URL.Path, ErrNotFound))
	}))
}

// secure sets what every response carries. No page has an inline script or
// style, so the policy allows none.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		next.ServeHTTP(w, r)
	})
}

// fail answers with a page that says what went wrong. What a person may know is
// written as it is; everything else goes to the log, and the page says so.
func (t *tower) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := errorView{Status: http.StatusInternalServerError, Title: "This page could not be made",
		Detail: "The reason is in the log of the server. Nothing was changed and nothing is lost; try again."}
	switch {
	case errors.Is(err, ErrNotFound):
		p = errorView{Status: http.StatusNotFound, Title: "Not found", Detail: err.Error()}
	case errors.Is(err, ErrRefused):
		p = errorView{Status: http.StatusConflict, Title: "That cannot be done now", Detail: err.Error()}
	case errors.Is(err, errBadRequest):
		p = errorView{Status: http.StatusBadRequest, Title: "Something is missing", Detail: err.Error()}
	default:
		if r.Context().Err() != nil {
			return // the reader has left
		}
		t.opts.Log.Error("page failed", "path", r.URL.Path, "error", err)
	}
	v := view{Title: p.Title, page: "error", Body: p}
	t.write(w, r, p.Status, v)
}
