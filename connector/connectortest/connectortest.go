// Package connectortest is the conformance suite of connectors: what the
// engine relies on, as tests. A connector's own test is one call of [Run] with
// its fixtures and its counterpart's answers.
//
// Fixtures are txtar files that a domain expert can read: testdata/in holds
// messages with the events they become, testdata/out documents with the bytes
// they are sent as. The flag -update writes what is expected anew.
package connectortest

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

var update = flag.Bool("update", false, "write the expectations of the fixtures anew")

// Updating reports whether the test runs with -update.
func Updating() bool { return *update }

// Now is the suite's clock.
var Now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// patience is how long the suite waits for an answer that must come.
const patience = 10 * time.Second

// Harness is what the suite needs to know of a connector. Fields of
// capabilities that it lacks stay empty.
type Harness struct {
	// Env opens the connector. Empty fields are filled: System "example",
	// the manifest's first role, Token "example-token", the suite's clock and
	// client. BaseURL is the suite's server.
	Env connector.Env
	// Fixtures is the folder with in/ and out/; empty: "testdata".
	Fixtures string

	Receive Receive
	Deliver Deliver
	Inquire Inquire
	Probe   Probe
}

// Run holds a connector against everything that the engine relies on.
func Run(t *testing.T, m connector.Manifest, h Harness) {
	t.Helper()
	if h.Fixtures == "" {
		h.Fixtures = "testdata"
	}
	s := &suite{m: m, h: h}
	t.Run("Manifest", s.manifest)
	t.Run("Translate", s.translate)
	t.Run("Receive", s.receive)
	t.Run("Render", s.render)
	t.Run("Deliver", s.deliver)
	t.Run("Inquire", s.inquire)
	t.Run("Probe", s.probe)
}

type suite struct {
	m connector.Manifest
	h Harness
}

// env is the harness's with what it left empty.
func (s *suite) env(base string) connector.Env {
	env := s.h.Env
	if env.System == "" {
		env.System = "example"
	}
	if env.Role == "" && len(s.m.Roles) > 0 {
		env.Role = s.m.Roles[0]
	}
	if env.Token == "" {
		env.Token = "example-token"
	}
	if env.Now == nil {
		env.Now = func() time.Time { return Now }
	}
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	if env.WebhookSecret == nil {
		env.WebhookSecret = s.h.Receive.Secrets
	}
	env.BaseURL = base
	return env
}

// open makes the connector against a server of the suite.
func (s *suite) open(t *testing.T, handler http.Handler) (connector.Connector, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections() // whoever still waits for an answer gets none
		server.Close()
	})
	env := s.env(server.URL)
	env.Client = client(t)
	return s.openEnv(t, env), server
}

func (s *suite) openEnv(t *testing.T, env connector.Env) connector.Connector {
	t.Helper()
	c, err := s.m.Open(env)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return c
}

// client is what the engine hands to a connector: it follows no redirect and
// keeps connections alive.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// manifest checks that a connector can do what its manifest says.
func (s *suite) manifest(t *testing.T) {
	m := s.m
	if m.Name == "" || m.Title == "" || m.Summary == "" || m.Open == nil {
		t.Fatalf("name, title, summary and Open are needed, have %+v", m)
	}
	if len(m.Roles) == 0 {
		t.Error("a connector serves at least one role")
	}
	for _, r := range m.Roles {
		if !slices.Contains(waybill.Roles(), r) {
			t.Errorf("role %q is none of the dictionary's", r)
		}
	}
	for _, setting := range m.Settings {
		if setting.Name == "" || setting.Doc == "" {
			t.Errorf("setting %+v: name and doc are what its user sees", setting)
		}
		if setting.Required && setting.Default != "" {
			t.Errorf("setting %s is required and has a default: one of them is wrong", setting.Name)
		}
	}
	c, _ := s.open(t, http.NotFoundHandler())
	has := []struct {
		needed, there bool
		what          string
	}{
		{len(m.Emits) > 0, c.Translator != nil, "it emits events, so it has a Translator"},
		{len(m.Accepts) > 0, c.Renderer != nil && c.Deliverer != nil, "it accepts documents, so it has a Renderer and a Deliverer"},
		{m.Idempotency == waybill.ByLookup && len(m.Accepts) > 0, c.Inquirer != nil, "its class is lookup, so it has an Inquirer"},
		{s.h.Receive.Sign != nil, c.Receiver != nil, "the harness signs pushes, so it has a Receiver"},
	}
	for _, cap := range has {
		if cap.needed && !cap.there {
			t.Error(cap.what)
		}
	}
	env := s.env("")
	env.Token, env.WebhookSecret, env.Observe = "", nil, true
	observed, err := m.Open(env)
	if err != nil {
		t.Errorf("opened for reading payloads only, without credentials: %v", err)
	} else if len(m.Emits) > 0 && observed.Translator == nil {
		t.Error("opened for reading payloads only, it has no Translator")
	}
}

// Probe is what the suite needs to know of a Prober.
type Probe struct {
	// Answer answers rightly; nil: the suite can't test the Prober.
	Answer http.HandlerFunc
	Want   connector.Info
}

func (s *suite) probe(t *testing.T) {
	if s.h.Probe.Answer == nil {
		t.Skip("no Prober in the harness")
	}
	t.Run("Answer", func(t *testing.T) {
		c, _ := s.open(t, s.h.Probe.Answer)
		got, err := c.Prober.Probe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		diff(t, "info", s.h.Probe.Want, got)
	})
	t.Run("CredentialRefused", func(t *testing.T) {
		c, _ := s.open(t, status(http.StatusUnauthorized))
		_, err := c.Prober.Probe(t.Context())
		if r := (*connector.Rejection)(nil); !errors.As(err, &r) || r.Status != http.StatusUnauthorized {
			t.Errorf("error is %v (%T), want a Rejection with 401", err, err)
		}
	})
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			c, _ := s.open(t, f.handler)
			ctx, cancel := context.WithTimeout(t.Context(), f.patience())
			defer cancel()
			if info, err := c.Prober.Probe(ctx); err == nil {
				t.Errorf("the probe holds this for a healthy system: %+v", info)
			}
		})
	}
}
