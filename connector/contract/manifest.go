// Package contract speaks the system contract, version 1, with any system that
// does: it takes the system's signed pushes (part W) and calls what the system
// offers (part T).
//
// One file per part: receive.go is W1, translate.go W3, render.go and
// deliver.go T1 with answer.go for its table of answers, inquire.go T2,
// info.go T3, journal.go T4, entities.go T6.
package contract

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/fact"
)

// Name is the connector's name in the configuration.
const Name = "contract"

// Manifest describes a system that speaks the contract. It has no settings:
// whatever differs between two such systems, they say themselves (T3), and
// their address, credential and secrets are keys of every system.
func Manifest() connector.Manifest {
	return connector.Manifest{
		Name:        Name,
		Title:       "System contract",
		Summary:     "Any system that speaks the Waybill system contract, version 1, over HTTP and JSON.",
		Roles:       waybill.Roles(),
		Emits:       fact.Types(),
		Accepts:     kinds(),
		Idempotency: waybill.ByLookup,
		Open:        open,
	}
}

// system is one configured system. Its methods are safe for concurrent use.
type system struct {
	source  fact.Source
	base    string // without a slash at its end; "" where the system only pushes
	token   string
	secrets [][]byte
	client  *http.Client
	now     func() time.Time
	log     *slog.Logger
}

// open makes the connector of one system. A system without webhook secrets has
// no Receiver, one without a base URL is never called.
func open(env connector.Env) (connector.Connector, error) {
	s := &system{
		source: fact.Source{System: env.System, Role: env.Role, OrderPrefix: env.OrderPrefix},
		token:  env.Token,
		now:    env.Now,
		log:    env.Log,
	}
	c := connector.Connector{Translator: s, Renderer: renderer{}}
	if env.Observe {
		return c, nil
	}
	for i, secret := range env.WebhookSecret {
		key, err := decodeSecret(secret)
		if err != nil {
			return connector.Connector{}, fmt.Errorf("system %s: webhook secret %d: %w", env.System, i+1, err)
		}
		s.secrets = append(s.secrets, key)
	}
	if len(s.secrets) > 0 {
		c.Receiver = s
	}
	if env.BaseURL == "" {
		return c, nil
	}
	if err := s.reach(env); err != nil {
		return connector.Connector{}, fmt.Errorf("system %s: %w", env.System, err)
	}
	c.Deliverer, c.Inquirer, c.Prober, c.Journal, c.Publisher = s, s, s, s, s
	return c, nil
}

// reach checks and keeps what is needed to call the system.
func (s *system) reach(env connector.Env) error {
	u, err := url.Parse(env.BaseURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("base URL %q: want http:// or https:// and a host", env.BaseURL)
	case u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("base URL %q: take the part after ? or # off", env.BaseURL)
	case u.User != nil:
		return fmt.Errorf("base URL with a user name in it: put the credential into the system's token")
	case env.Client == nil || env.Now == nil:
		return fmt.Errorf("it is opened without a client or a clock")
	case strings.ContainsAny(env.Token, "\r\n"):
		return fmt.Errorf("the token holds a line break: take it off")
	}
	s.base = strings.TrimRight(env.BaseURL, "/")
	// Whatever client comes in, a redirect is an answer and not an order (G2).
	client := *env.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s.client = &client
	return nil
}

// kinds lists what the contract has (T1 has one shape for all): not those that
// are for formats only which bill and acknowledge by themselves.
func kinds() []waybill.Kind {
	return slices.DeleteFunc(waybill.Kinds(), func(k waybill.Kind) bool {
		return k == waybill.InvoiceNotice || k == waybill.FunctionalAcknowledgment
	})
}
