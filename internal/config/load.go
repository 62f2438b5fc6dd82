package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are the same on every machine, also where none are installed

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/secret"
)

const (
	formatVersion    = 1
	fileBytesMax     = 1 << 20 // of a configuration
	concurrencyMax   = 1024
	ratePerSecondMax = 100_000

	defaultListen      = "127.0.0.1:8080"
	defaultDatabase    = "sqlite:waybill.db"
	defaultZone        = "UTC"
	defaultConcurrency = 32
	defaultMaxBody     = 10 << 20 // system contract W2
	maxBodyMin         = 1 << 10
	maxBodyMax         = 1 << 30

	// secretsKey is the name of the API key that the secrets file holds.
	secretsKey = "api"
)

// Load reads the configuration at path and checks it against the connectors
// that there are. Relative paths in it are relative to its folder. Where
// something is wrong the error is Problems with all that is; of a
// configuration that loads, Check gives the warnings.
func Load(path string, registry connector.Registry) (*Config, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > fileBytesMax {
		return nil, Problems{{File: path, Detail: fmt.Sprintf("the file is above %d KiB", fileBytesMax>>10), Fix: "is it the right one?"}}
	}
	var src []byte
	if err == nil {
		src, err = os.ReadFile(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, Problems{{File: path, Detail: "there is no such file", Fix: `write one with "waybill init", or name another with --config`}}
	case err != nil:
		return nil, Problems{{File: path, Detail: "the file can't be read: " + err.Error()}}
	}
	return Read(path, src, registry)
}

// Read is Load for text that is at hand; file is where it stands or would
// stand.
func Read(file string, src []byte, registry connector.Registry) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, Problems{{File: file, Detail: "the folder of the file is unknown: " + err.Error()}}
	}
	r := &reader{file: file, secrets: secret.Resolver{Dir: dir}, places: places{}, meant: map[string]bool{}}
	top := r.root(src)
	if top.node == nil {
		return nil, r.problems
	}
	c := &Config{File: file, registry: registry, places: r.places, meant: r.meant}
	c.load(top)
	c.read = r.problems
	if found := c.Check(); found.Fatal() {
		return nil, found
	}
	return c, nil
}

// load reads every section, in the order of the documentation.
func (c *Config) load(top *section) {
	c.Version = top.number("version", 0)
	c.Namespace = top.text("namespace", "")
	c.loadCompany(top.sub("company"))
	c.Listen = top.text("listen", defaultListen)
	c.loadDatabase(top.sub("database"))
	c.loadKeys(top.sub("api"))
	c.loadSystems(top)
	c.loadSecretsFile(top)
	var p profile
	timing := top.sub("timing")
	c.Timing, p = timing.timing()
	c.loadPolicy(top.sub("policy"), p)
	master := top.sub("master_data")
	c.MasterData.Every = master.duration("every", p.masterData)
	master.close()
	c.loadOwnership(top)
	c.loadMilestones(top)
	c.loadNotify(top)
	c.loadEgress(top.sub("egress"))
	limits := top.sub("limits")
	c.Limits.MaxBody = limits.size("max_body", defaultMaxBody)
	limits.close()
	top.close()
}

func (c *Config) loadCompany(s *section) {
	c.Company.ID = s.text("id", "")
	c.Company.ZoneName = s.text("zone", defaultZone)
	c.Company.Currency = s.text("currency", "")
	s.close()
	// "Local" would be another zone on each machine.
	if zone, err := time.LoadLocation(c.Company.ZoneName); err == nil && c.Company.ZoneName != "Local" && c.Company.ZoneName != "" {
		c.Company.Zone = zone
	}
}

func (c *Config) loadDatabase(s *section) {
	c.Database.URL = s.text("url", defaultDatabase)
	if path, ok := strings.CutPrefix(c.Database.URL, "sqlite:"); ok {
		c.Database.Path = path
	}
	c.Database.Password = s.secret("password")
	c.Database.Replicas = Replicas(s.text("replicas", string(Standby)))
	s.close()
}

func (c *Config) loadKeys(s *section) {
	for _, k := range s.each("keys") {
		key := auth.Key{Name: k.text("name", ""), Key: k.secret("key")}
		name := k.text("role", "")
		if name != "" {
			var err error
			if key.Role, err = auth.ParseRole(name); err != nil {
				s.r.problem(k.nodes["role"], k.at("role"), fmt.Sprintf("there is no role %q", name), oneOf(name, auth.Roles()))
			}
		}
		key.Customers = customers(k)
		k.close()
		c.Keys = append(c.Keys, key)
	}
	s.close()
}

func (c *Config) loadSystems(top *section) {
	c.Systems = map[string]*System{}
	names, sections := top.named("systems")
	for i, name := range names {
		c.Systems[name] = c.loadSystem(name, sections[i])
	}
}

func (c *Config) loadSystem(name string, s *section) *System {
	sys := &System{
		Name:        name,
		Role:        waybill.Role(s.text("role", "")),
		Connector:   s.text("connector", ""),
		BaseURL:     strings.TrimRight(s.text("base_url", ""), "/"),
		Place:       loadPlace(s),
		Token:       s.secret("token"),
		OrderPrefix: s.text("order_prefix", ""),
		Captures:    s.flag("captures"),
		Identity:    loadIdentity(s.sub("identity")),
		Mode:        Mode(s.text("mode", string(Live))),
		Settings:    map[string]string{},
	}
	if one := s.secret("webhook_secret"); !one.IsZero() {
		sys.WebhookSecrets = append(sys.WebhookSecrets, one)
	}
	sys.WebhookSecrets = append(sys.WebhookSecrets, s.secretList("webhook_secrets")...)
	b := s.sub("budget")
	sys.Budget = Budget{Concurrency: b.number("concurrency", defaultConcurrency), RatePerSecond: b.rate("rate_per_second")}
	// A second's worth after a pause, at least one request.
	sys.Budget.Burst = b.number("burst", max(int(sys.Budget.RatePerSecond), 1))
	b.close()
	c.loadSettings(sys, s.sub("settings"))
	s.close()
	return sys
}

// loadSettings reads what the connector asks for; an unknown connector is
// Check's business, and its settings can't be judged.
func (c *Config) loadSettings(sys *System, s *section) {
	m, ok := c.registry[sys.Connector]
	if !ok {
		return
	}
	for _, want := range m.Settings {
		if v := s.text(want.Name, want.Default); v != "" {
			sys.Settings[want.Name] = v
		} else if want.Required {
			c.missing(s, want)
		}
	}
	if len(m.Settings) == 0 && len(s.keys) > 0 {
		s.r.problem(s.where[s.keys[0]], s.path, "the connector "+m.Name+" has no settings", "take them out")
		return
	}
	s.close()
	describe(sys, m, s)
}

func (c *Config) missing(s *section, want connector.Setting) {
	at := c.places.of(s.path)
	s.r.problems = append(s.r.problems, Problem{File: s.r.file, Line: at.line, Column: at.column, Path: s.at(want.Name),
		Detail: "is missing", Fix: "it is: " + want.Doc})
}

// customers reads whose orders a key may see. An empty list is not the same as
// none: it would shut a portal out or, read otherwise, open everything to it.
func customers(k *section) (list []string) {
	nodes, paths := k.items("customers")
	for i, n := range nodes {
		id, ok := k.r.scalar(n, paths[i])
		if ok && !waybill.ValidID(id) {
			k.r.problem(n, paths[i], fmt.Sprintf("%q is no customer's id", id), "write the id by which orders name the customer")
		}
		list = append(list, id)
	}
	if n := k.nodes["customers"]; n != nil && len(nodes) == 0 {
		k.r.problem(n, k.at("customers"), "lists nobody", "name customers, or leave it out for all")
	}
	return list
}

// loadSecretsFile takes from the secrets file what the configuration does not
// name itself: a system's token and webhook secret, and the API key "api".
func (c *Config) loadSecretsFile(top *section) {
	n := top.get("secrets_file")
	if n == nil {
		return
	}
	path, ok := top.r.scalar(n, "secrets_file")
	if !ok || path == "" {
		return
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(top.r.secrets.Dir, path)
	}
	c.SecretsFile = path
	f, err := secret.ReadFile(path)
	if err != nil {
		top.r.problem(n, "secrets_file", err.Error(), "")
		return
	}
	warn := func(detail, fix string) { top.r.warn(n, "secrets_file", detail, fix) }
	if f.Exposed {
		warn("others than its owner can read "+path, "chmod 600 "+path)
	}
	if !f.APIKey.IsZero() {
		c.Keys = append(c.Keys, auth.Key{Name: secretsKey, Role: auth.Admin, Key: f.APIKey})
	}
	for _, name := range f.Names() {
		sys, ok := c.Systems[name]
		if !ok {
			warn(fmt.Sprintf("it names %q, which is no system here", name), "add it under systems, or take it out there")
			continue
		}
		if sys.Token.IsZero() {
			sys.Token = f.Systems[name].Token
		}
		if len(sys.WebhookSecrets) == 0 {
			sys.WebhookSecrets = f.Systems[name].WebhookSecrets
		}
	}
}

func (c *Config) loadPolicy(s *section, p profile) {
	c.Policy = Policy{
		Pack:           s.text("pack", ""),
		HoldRecheck:    s.duration("hold_recheck", p.holdRecheck),
		Limbo:          s.duration("limbo", p.limbo),
		PriceTolerance: s.decimal("price_tolerance"),
		OverShip:       s.decimal("over_ship"),
		Backorder:      s.text("backorder", backorders[0]),
		DuplicatePO:    s.text("duplicate_po", duplicates[0]),
	}
	c.Policy.loadRoutes(s)
	s.close()
}

func (c *Config) loadMilestones(top *section) {
	for _, m := range top.each("milestones") {
		c.Milestones = append(c.Milestones, Milestone{
			Name:   m.text("name", ""),
			From:   waybill.Status(m.text("from", "")),
			Until:  waybill.Status(m.text("until", "")),
			Within: m.duration("within", 0),
			Notify: m.text("notify", ""),
		})
		m.close()
	}
}

func (c *Config) loadNotify(top *section) {
	c.Notify = map[string]*Notify{}
	names, sections := top.named("notify")
	for i, name := range names {
		s := sections[i]
		c.Notify[name] = &Notify{URL: s.text("url", ""), Secret: s.secret("secret")}
		s.close()
	}
}

func (c *Config) loadEgress(s *section) {
	nodes, paths := s.items("allow")
	for i, n := range nodes {
		text, ok := s.r.scalar(n, paths[i])
		if !ok {
			continue
		}
		prefix, err := parsePrefix(text)
		if err != nil {
			s.r.problem(n, paths[i], err.Error(), "")
			continue
		}
		if prefix.Bits() == 0 {
			s.r.warn(n, paths[i], prefix.String()+" allows every address, a cloud's metadata included", "name the networks that your systems are in")
		}
		if !slices.Contains(c.Egress.Allow, prefix) {
			c.Egress.Allow = append(c.Egress.Allow, prefix)
		}
	}
	s.close()
}

// parsePrefix reads a block of addresses or a single one. Bits behind the mask
// say nothing, so 10.1.2.3/8 is 10.0.0.0/8.
func parsePrefix(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no block of addresses; write one like 10.1.0.0/16 or 10.1.2.3", text)
	}
	return p.Masked(), nil
}
