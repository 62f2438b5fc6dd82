// Package rest connects a system that is described by a file instead of by Go:
// a spec, which says how it is called, what its answers mean and how its
// pushes are signed, and a mapping, which turns its payloads into Waybill's
// events and Waybill's documents into its requests.
//
// An answer that no line of the spec names is in doubt; the spec can only say
// more, never less. One file per part: spec.go reads and checks it, auth.go
// and signature.go are credentials, receive.go and translate.go what comes in,
// render.go, deliver.go and answer.go what goes out, inquire.go look-ups,
// poll.go what is asked for, probe.go health.
package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/fact"
)

// Name is the connector's name in the configuration.
const Name = "rest"

// specSetting is the one setting.
const specSetting = "spec"

// Bounds of answers, in bytes.
const (
	answerBytesMax = 1 << 20
	pageBytesMax   = 8 << 20
	tokenBytesMax  = 64 << 10
)

// Manifest describes what any such system can do; what one of them does, its
// spec says (see [connector.Description]).
func Manifest() connector.Manifest {
	return connector.Manifest{
		Name:        Name,
		Title:       "REST by a file",
		Summary:     "Any system with an HTTP API and JSON, described by a spec and a mapping instead of a program.",
		Roles:       waybill.Roles(),
		Emits:       fact.Types(),
		Accepts:     waybill.Kinds(),
		Idempotency: waybill.NoIdempotency,
		Settings: []connector.Setting{{Name: specSetting, Required: true, File: true,
			Doc: "the file that describes the system; a relative name begins at the configuration's folder"}},
		Open: open,
	}
}

// system is one configured system. Its methods are safe for concurrent use.
type system struct {
	*spec
	source     fact.Source
	base       string // without a slash at its end
	credential *credential
	secrets    [][]byte // that sign its pushes
	client     *http.Client
	now        func() time.Time

	mu    sync.Mutex
	until time.Time // its budget is used up: nothing goes before
}

// open makes the connector of one system. What its spec does not describe stays
// nil: a system without webhook has no Receiver, one without look-ups no
// Inquirer.
func open(env connector.Env) (connector.Connector, error) {
	s := &system{source: fact.Source{System: env.System, Role: env.Role, OrderPrefix: env.OrderPrefix}, now: env.Now}
	var err error
	if s.spec, err = loadSpec(env.Settings[specSetting]); err != nil {
		return connector.Connector{}, fmt.Errorf("system %s: %w", env.System, err)
	}
	c := connector.Connector{Translator: s, Renderer: s, Described: s.described()}
	if env.Observe {
		return c, nil
	}
	if s.webhook != nil && len(env.WebhookSecret) > 0 {
		for i, secret := range env.WebhookSecret {
			key, err := s.webhook.Signature.key(secret)
			if err != nil {
				return connector.Connector{}, fmt.Errorf("system %s: webhook secret %d: %w", env.System, i+1, err)
			}
			s.secrets = append(s.secrets, key)
		}
		c.Receiver = s
	}
	if env.BaseURL == "" {
		return c, nil
	}
	if err := s.reach(env); err != nil {
		return connector.Connector{}, fmt.Errorf("system %s: %w", env.System, err)
	}
	c.Deliverer = s
	if s.lookups() {
		c.Inquirer = s
	}
	if s.probe != nil {
		c.Prober = s
	}
	if len(s.polls) > 0 {
		c.Poller = s
	}
	return c, nil
}

// described is what the spec says in the manifest's place.
func (s *system) described() *connector.Description {
	d := &connector.Description{Idempotency: s.idempotency, KeyTTL: s.keyTTL, KeepsOrder: s.keepsOrder, Revision: s.revision}
	for _, kind := range waybill.Kinds() {
		if s.documents[kind] != nil {
			d.Accepts = append(d.Accepts, kind)
		}
	}
	return d
}

func (s *system) lookups() bool {
	for _, d := range s.documents {
		if d.lookup != nil {
			return true
		}
	}
	return false
}

// reach checks and keeps what is needed to call the system.
func (s *system) reach(env connector.Env) error {
	u, err := url.Parse(env.BaseURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("base URL %q: want http:// or https:// and a host", env.BaseURL)
	case u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return fmt.Errorf("base URL: take out user, query and fragment; a credential is the system's token")
	case env.Client == nil || env.Now == nil:
		return fmt.Errorf("it is opened without a client or a clock")
	case strings.ContainsAny(env.Token, "\r\n"):
		return fmt.Errorf("the token holds a line break: take it off")
	case env.Token == "" && s.auth.Scheme != authNone:
		return fmt.Errorf("its spec authenticates by %s, and there is no token: name one in the configuration", s.auth.Scheme)
	}
	s.base = strings.TrimRight(env.BaseURL, "/")
	// Whatever client comes in, a redirect is an answer and not an order.
	client := *env.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.client = &client
	s.credential = &credential{authBody: s.auth, token: env.Token, base: s.base, client: s.client, now: s.now}
	return nil
}

// pollNames lists the polls, sorted.
func (s *system) pollNames() []string {
	names := make([]string, 0, len(s.polls))
	for name := range s.polls {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
