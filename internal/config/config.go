// Package config reads and checks the one configuration file, waybill.yaml:
// which systems there are, with which credentials and budgets, the policy of
// the process, its times and its limits. Everything that is wrong is reported
// at once, with line, key and what to do. The package also writes the file's
// first version for "waybill init".
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/ownership"
	"github.com/waybillhq/waybill/internal/secret"
)

// Config is a configuration with its secrets resolved and its defaults filled
// in. It is not changed after it was read.
type Config struct {
	File        string             `json:"-"`
	Version     int                // of the file's format; 1
	Namespace   string             // part of every document's key: never changes in the life of an installation
	Company     Company            //
	Listen      string             `json:"-"` // host:port of pages, API and webhooks
	Database    Database           `json:"-"`
	SecretsFile string             `json:"-"` // absolute; empty: none
	Keys        []auth.Key         // of the control API; the secrets file's own is called "api"
	Systems     map[string]*System // by name
	Policy      Policy             //
	Timing      Timing             //
	MasterData  MasterData         //
	Ownership   []ownership.Rule   // in the order of the file
	Milestones  []Milestone        //
	Notify      map[string]*Notify // by name
	Egress      Egress             //
	Limits      Limits             //

	registry connector.Registry
	read     Problems // what reading the file found
	places   places
	meant    map[string]bool
}

// Company is whose books these are.
type Company struct {
	ID       string
	Zone     *time.Location `json:"-"` // posting dates are dates in it; nil where it is unknown
	ZoneName string         // of the time zone database
	Currency string         // ISO 4217
}

// Database is where everything is kept.
type Database struct {
	URL      string
	Path     string        // the file of the embedded database, in the data directory; empty: a server's
	Password secret.Secret // of a server's user; zero: the URL's other means, or none
	Replicas Replicas      // how several processes on a server's database work together
}

// Replicas says how several processes on one database work together.
type Replicas string

// The ways in which replicas work together.
const (
	Standby Replicas = "standby" // one decides and sends; the others take messages and commands in and stand by
	Divided Replicas = "divided" // each decides and sends for its part of the orders
)

// Server reports whether the database is a PostgreSQL server's.
func (d Database) Server() bool { return d.Path == "" }

// Mode says how far a system is connected.
type Mode string

// The modes of a system.
const (
	Off    Mode = "off"    // nothing is taken from it or sent to it
	Shadow Mode = "shadow" // computed and compared, not sent; not in this version
	Live   Mode = "live"
)

// System is a counterpart.
type System struct {
	Name           string
	Role           waybill.Role
	Connector      string // a name in the registry
	BaseURL        string // without a slash at its end; empty: nothing is sent to an address
	Place          Place  // where files are exchanged with it
	Token          secret.Secret
	WebhookSecrets []secret.Secret // more than one while a secret rotates
	OrderPrefix    string          // of a channel (system contract G4)
	Captures       bool            // a channel that takes the buyer's money when goods ship
	Mode           Mode
	Budget         Budget
	Settings       map[string]string // of the connector, with its defaults
	Identity       identity.Profile  `json:",omitempty"` // what the system names in its own terms; nil: nothing
	// Described is what the file says that describes the system; nil where its
	// connector needs none.
	Described *connector.Description

	files map[string]string // settings that name files, as absolute paths
}

// Budget bounds what is sent to a system.
type Budget struct {
	Concurrency   int     // requests in flight
	RatePerSecond float64 // 0: no bound but the system's own answers
	Burst         int     // requests that may go at once after a pause
}

// Policy is how the process decides. The reference flow (W4) is the pack o2c.
type Policy struct {
	Pack           string
	HoldRecheck    time.Duration
	Limbo          time.Duration
	PriceTolerance waybill.Decimal // a fraction: 0.02 is 2 %
	OverShip       waybill.Decimal // a fraction of what was ordered
	Backorder      string          // wait, cancel_rest
	DuplicatePO    string          // off, hold
	Routes         []Route         // between several warehouses
}

// MasterData is how master data is read from systems of record (system contract
// T6).
type MasterData struct {
	Every time.Duration
}

// Milestone is a deadline in the life of every order: Until has to follow From
// within Within, or an exception is raised and Notify is told.
type Milestone struct {
	Name   string
	From   waybill.Status
	Until  waybill.Status
	Within time.Duration
	Notify string // a name in Config.Notify; empty: the exception alone
}

// Notify is a webhook that tells people or programs of an exception.
type Notify struct {
	URL    string
	Secret secret.Secret // signs by Standard Webhooks; empty: unsigned
}

// Egress is where Waybill may call beside public addresses.
type Egress struct {
	Allow []netip.Prefix
}

// Limits bound what is taken in.
type Limits struct {
	MaxBody int64 // bytes of a push (system contract W2: 413 above)
}

// SystemNames lists the systems, sorted.
func (c *Config) SystemNames() []string {
	names := make([]string, 0, len(c.Systems))
	for name := range c.Systems {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Target is the name of the live system with that role that documents go to;
// empty where there is none. Check lets only channels have several.
func (c *Config) Target(role waybill.Role) string {
	for _, name := range c.SystemNames() {
		if s := c.Systems[name]; s.Role == role && s.TakesDocuments() {
			return name
		}
	}
	return ""
}

// TakesDocuments reports whether documents can be sent to the system: to its
// address, or as files where the file that describes it names kinds.
func (s *System) TakesDocuments() bool {
	return s.Mode == Live && (s.BaseURL != "" || s.Place.Named() && (s.Described == nil || len(s.Described.Accepts) > 0))
}

// Env is what the system's connector is opened with. It is the place where the
// system's secrets are revealed.
func (s *System) Env(client *http.Client, now func() time.Time, log *slog.Logger) connector.Env {
	settings := maps.Clone(s.Settings)
	maps.Copy(settings, s.files)
	secrets := make([]string, len(s.WebhookSecrets))
	for i, one := range s.WebhookSecrets {
		secrets[i] = one.Reveal()
	}
	return connector.Env{
		System: s.Name, Role: s.Role, BaseURL: s.BaseURL, Token: s.Token.Reveal(), WebhookSecret: secrets,
		OrderPrefix: s.OrderPrefix, Settings: settings, Client: client, Now: now, Log: log,
	}
}

// Rev is a hash of what is in force, without secrets and without what differs
// between machines that run one installation (paths, listen address, database):
// two processes with one Rev decide and send alike (C2 config_rev).
func (c *Config) Rev() (string, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), nil
}
