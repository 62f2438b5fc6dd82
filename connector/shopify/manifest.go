// Package shopify connects a Shopify shop as a sales channel.
//
// Orders, cancellations and refunds come in as webhooks ([Manifest] says which
// topics matter, topics.go names them all); fulfilments with tracking and
// answers go back through the Admin GraphQL API.
//
// Shopify knows no idempotency key for what Waybill writes, so the class is
// look-up: everything written carries a mark that Shopify keeps and that is
// written in the same request or in the same object. A fulfilment is
// recognised by its tracking numbers (a shipment without any gets its own
// number as one), an answer by an order metafield named after the document's
// key. Shopify has no deadline after which a request is dropped; a look-up is
// authoritative for the moment it is made, which is why it is only believed
// after the attempt's deadline.
package shopify

import (
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// APIVersion is the version of the Admin API that the documents of this
// package are validated against. Shopify serves each version for a year.
const APIVersion = "2026-04"

// Manifest describes a Shopify shop. Address, access token, webhook secrets (the
// app's client secret) and order prefix are keys of every system.
func Manifest() connector.Manifest {
	return connector.Manifest{
		Name:    "shopify",
		Title:   "Shopify",
		Summary: "A Shopify shop: orders in by webhook, fulfilments and answers out by Admin GraphQL.",
		Roles:   []waybill.Role{waybill.RoleChannel},
		Emits: []waybill.EventType{waybill.OrderPlaced, waybill.OrderChanged,
			waybill.OrderCancelRequested, waybill.ReturnRequested},
		Accepts: []waybill.Kind{waybill.OrderAcknowledgment, waybill.Fulfilment, waybill.FulfilmentUpdate,
			waybill.ChangeAnswer, waybill.CancellationAnswer, waybill.BackorderNotice},
		Restates:    true,
		Idempotency: waybill.ByLookup,
		Settings: []connector.Setting{
			{Name: "api_version", Default: APIVersion,
				Doc: "Version of the Admin API in the address of every call, as YYYY-MM."},
			{Name: "shop",
				Doc: "The shop's domain, like example.myshopify.com. Where one app serves several shops its secret signs for all of them; with this set, webhooks of another shop are refused."},
			{Name: "guest_customer", Default: "guest",
				Doc: "Customer of an order that a buyer without an account placed."},
			{Name: "notify_customer", Default: "false",
				Doc: "true: Shopify mails the buyer when a fulfilment is created or its tracking changes."},
		},
		Open: open,
	}
}

var apiVersionForm = regexp.MustCompile(`^(\d{4}-\d{2}|unstable)$`)

// shop is one configured shop. It is read-only after open and safe for
// concurrent use.
type shop struct {
	env      connector.Env
	endpoint string // of the GraphQL Admin API
	version  string
	domain   string
	guest    string
	notify   bool
}

func open(env connector.Env) (connector.Connector, error) {
	s := &shop{env: env, version: APIVersion, guest: "guest"}
	if v := env.Settings["api_version"]; v != "" {
		s.version = v
	}
	if !apiVersionForm.MatchString(s.version) {
		return connector.Connector{}, settingError(env, "api_version", s.version, "write it as YYYY-MM, like "+APIVersion)
	}
	s.domain = strings.ToLower(env.Settings["shop"])
	if g := env.Settings["guest_customer"]; g != "" {
		s.guest = g
	}
	if !waybill.ValidID(s.guest) {
		return connector.Connector{}, settingError(env, "guest_customer", s.guest, "use letters, digits and . _ ~ - only, at most 128")
	}
	if v := env.Settings["notify_customer"]; v != "" {
		notify, err := strconv.ParseBool(v)
		if err != nil {
			return connector.Connector{}, settingError(env, "notify_customer", v, "write true or false")
		}
		s.notify = notify
	}
	c := connector.Connector{Receiver: s, Translator: s, Renderer: s}
	if env.BaseURL == "" { // a shop that only pushes
		return c, nil
	}
	base, err := url.Parse(env.BaseURL)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return connector.Connector{}, settingError(env, "base_url", env.BaseURL, "write the shop's address, like https://example.myshopify.com")
	}
	if env.Client == nil || env.Now == nil {
		return connector.Connector{}, settingError(env, "base_url", env.BaseURL, "give an HTTP client and a clock with it")
	}
	s.endpoint = base.JoinPath("admin", "api", s.version, "graphql.json").String()
	c.Deliverer, c.Inquirer, c.Prober = s, s, s
	return c, nil
}

func settingError(env connector.Env, name, value, fix string) error {
	return &waybill.Error{
		Code:   "bad_setting",
		Field:  name,
		Detail: "system " + env.System + ": " + strconv.Quote(value) + " cannot be used",
		Fix:    fix,
	}
}
