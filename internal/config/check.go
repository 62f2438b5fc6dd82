package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/egress"
)

const (
	namespaceMax = 64
	apiKeyMin    = 20 // letters below which a key is easily guessed
	timeMin      = time.Millisecond
	timeMax      = 90 * 24 * time.Hour
)

var (
	currencyForm = regexp.MustCompile(`^[A-Z]{3}$`)
	nameForm     = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)
	ownerForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)
)

// packs are the policies that there are.
var packs = []string{"o2c"}

// Check gives everything that is wrong or doubtful, in the order of the lines,
// with what reading the file already found. A configuration that Load returned
// has warnings at most.
func (c *Config) Check() Problems {
	k := &checker{c: c, found: slices.Clone(c.read)}
	k.head()
	k.keys()
	k.systems()
	k.policy()
	k.timing()
	k.ownership()
	k.milestones()
	k.notify()
	k.limits()
	k.found.sort()
	return k.found
}

type checker struct {
	c     *Config
	found Problems
}

func (k *checker) add(path, detail, fix string, warning bool) {
	for _, p := range k.c.read { // a value that could not be read is no longer judged
		rest, below := strings.CutPrefix(path, p.Path)
		if !p.Warning && p.Path != "" && below && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return
		}
	}
	if k.c.meant[path] { // its misspelt key is reported
		return
	}
	at := k.c.places.of(path)
	k.found = append(k.found, Problem{File: k.c.File, Line: at.line, Column: at.column, Path: path, Detail: detail, Fix: fix, Warning: warning})
}

func (k *checker) wrong(path, detail, fix string) { k.add(path, detail, fix, false) }
func (k *checker) warn(path, detail, fix string)  { k.add(path, detail, fix, true) }

// required reports whether there is a value; if not, that is a problem.
func (k *checker) required(path, value, fix string) bool {
	if value == "" {
		k.wrong(path, "is missing", fix)
		return false
	}
	return true
}

func (k *checker) head() {
	c := k.c
	switch {
	case c.Version == 0:
		k.wrong("version", "is missing", "write version: 1")
	case c.Version != formatVersion:
		k.wrong("version", fmt.Sprintf("this waybill reads version %d of the file, not %d", formatVersion, c.Version), "write version: 1, or use the waybill that the file was written for")
	}
	if k.required("namespace", c.Namespace, "write a short word of your own that never changes, such as your company's name: it is part of every document's key") &&
		(!waybill.ValidID(c.Namespace) || len(c.Namespace) > namespaceMax) {
		k.wrong("namespace", fmt.Sprintf("%q can't be a namespace", c.Namespace), fmt.Sprintf("use at most %d letters, digits and . _ ~ -", namespaceMax))
	}
	if k.required("company.id", c.Company.ID, "write the company's number in the ERP, such as 01") && !waybill.ValidID(c.Company.ID) {
		k.wrong("company.id", fmt.Sprintf("%q can't be a company's number", c.Company.ID), "use at most 128 letters, digits and . _ ~ -")
	}
	if c.Company.Zone == nil {
		k.wrong("company.zone", fmt.Sprintf("there is no time zone %q", c.Company.ZoneName), "write a name of the time zone database, such as UTC or Europe/Berlin")
	}
	if k.required("company.currency", c.Company.Currency, "write the currency of the books, such as EUR") && !currencyForm.MatchString(c.Company.Currency) {
		k.wrong("company.currency", fmt.Sprintf("%q is no currency", c.Company.Currency), "write the three capital letters of ISO 4217, such as EUR")
	}
	if _, port, err := net.SplitHostPort(c.Listen); err != nil || !validPort(port) {
		k.wrong("listen", fmt.Sprintf("%q is no address to listen on", c.Listen), "write host:port, such as 127.0.0.1:8080, or :8080 for all interfaces")
	}
	k.database()
}

func validPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

func (k *checker) database() {
	scheme, _, _ := strings.Cut(k.c.Database.URL, ":")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		k.server()
	case scheme != "sqlite" || k.c.Database.Path == "" || strings.HasPrefix(k.c.Database.Path, "//"):
		// The URL is not repeated: it may hold a password.
		k.wrong("database.url", "is no database that waybill knows", "write "+defaultDatabase+", the embedded database in the data directory")
	case k.c.Database.URL != defaultDatabase:
		k.wrong("database.url", "the file of the embedded database has one name", "write "+defaultDatabase+"; --data says in which directory it is")
	}
	k.replicas()
}

// replicas checks how several processes work together. What only one of them
// can do at a time keeps the orders together.
func (k *checker) replicas() {
	const path = "database.replicas"
	switch k.c.Database.Replicas {
	case Standby:
		return
	case Divided:
	default:
		k.wrong(path, fmt.Sprintf("there is no way of working called %q", k.c.Database.Replicas),
			oneOf(string(k.c.Database.Replicas), []string{string(Standby), string(Divided)}))
		return
	}
	if !k.c.Database.Server() {
		k.wrong(path, "the embedded database belongs to one process", "leave it out, or name a PostgreSQL server in database.url")
	}
	if needs := k.c.together(); needs != "" {
		k.wrong(path, "the orders can't be divided: "+needs, "write "+string(Standby)+": one replica decides and sends, the others stand by")
	}
}

// together says what of the configuration only one replica can do for all
// orders; empty where nothing is.
func (c *Config) together() string {
	for _, name := range c.SystemNames() {
		switch s := c.Systems[name]; {
		case s.Mode == Off:
		case s.Described.Of(c.registry[s.Connector]).Numbered:
			return "system " + name + " takes documents under control numbers, which are given one after the other"
		case len(s.Identity) > 0:
			return "system " + name + " has identity, and its mappings are known to one replica at a time"
		}
	}
	switch {
	case len(c.Ownership) > 0:
		return "ownership judges each value against the one before it"
	case c.Policy.HoldsDuplicates():
		return "policy.duplicate_po compares orders with each other"
	}
	return ""
}

// server checks the address of a PostgreSQL server. The URL is not repeated: it
// may hold a password.
func (k *checker) server() {
	const form = "write postgres://USER@HOST:5432/NAME?sslmode=verify-full"
	u, err := url.Parse(k.c.Database.URL)
	if err != nil {
		k.wrong("database.url", "is no URL", form)
		return
	}
	_, written := u.User.Password()
	switch q := u.Query(); {
	case written || q.Has("password"):
		k.wrong("database.url", "holds a password", "take it out and write database.password: ${env:NAME} or ${file:PATH}")
	case u.Host == "" && !q.Has("host"):
		k.wrong("database.url", "names no server", form+", or ?host=/run/postgresql for a socket")
	case strings.Trim(u.Path, "/") == "" && !q.Has("dbname"):
		k.wrong("database.url", "names no database", form)
	}
}

func (k *checker) keys() {
	names := map[string]int{}
	for i, key := range k.c.Keys {
		// The secrets file's key has no line of its own.
		path := fmt.Sprintf("api.keys[%d]", i)
		if _, ok := k.c.places[path]; !ok {
			path = "secrets_file"
		}
		switch first, taken := names[key.Name]; {
		case key.Name == "":
			k.wrong(path+".name", "is missing", "name the key after its owner: the audit shows the name")
		case !ownerForm.MatchString(key.Name):
			k.wrong(path+".name", fmt.Sprintf("%q can't be a key's name", key.Name), "use at most 64 letters, digits and . _ @ -")
		case taken && path == "secrets_file":
			k.wrong(fmt.Sprintf("api.keys[%d].name", first), `the name "api" is that of the key in the secrets file`, "choose another")
		case taken:
			k.wrong(path+".name", fmt.Sprintf("api.keys[%d] has the name %s too", first, key.Name), "give each key its own name")
		default:
			names[key.Name] = i
		}
		if key.Role == auth.Nobody {
			k.wrong(path+".role", "is missing", "choose one of "+strings.Join(auth.Roles(), ", "))
		}
		if len(key.Customers) > 0 && key.Role > auth.Operator {
			k.wrong(path+".role", fmt.Sprintf("a key of some customers can't be %s", key.Role), "choose viewer, or operator for one that places orders")
		}
		k.apiKey(i, path, key)
	}
	if len(k.c.Keys) == 0 {
		k.warn("api.keys", "there is no API key", "without one nobody can use the control API: add a key here, or api_key to the secrets file")
	}
}

func (k *checker) apiKey(i int, path string, key auth.Key) {
	at := path
	if path != "secrets_file" {
		at += ".key"
	}
	if key.Key.IsZero() {
		k.wrong(at, "is missing", "name the secret: ${env:NAME} or ${file:PATH}")
		return
	}
	for j := range i {
		if key.Key.Equal(k.c.Keys[j].Key) {
			k.wrong(at, fmt.Sprintf("the keys of %s and %s are the same", k.c.Keys[j].Name, key.Name), "give each its own: the audit tells people apart by them")
		}
	}
	if len(key.Key.Reveal()) < apiKeyMin {
		k.warn(at, fmt.Sprintf("the key of %s is shorter than %d letters and can be guessed", key.Name, apiKeyMin), "use a random one, such as that of: openssl rand -base64 32")
	}
}

func (k *checker) policy() {
	p := k.c.Policy
	if k.required("policy.pack", p.Pack, "write o2c, the reference flow from order to cash") && !slices.Contains(packs, p.Pack) {
		k.wrong("policy.pack", fmt.Sprintf("there is no pack %q", p.Pack), oneOf(p.Pack, packs))
	}
	k.duration("policy.hold_recheck", p.HoldRecheck)
	k.duration("policy.limbo", p.Limbo)
	k.fraction("policy.price_tolerance", p.PriceTolerance)
	k.fraction("policy.over_ship", p.OverShip)
	k.choice("policy.backorder", p.Backorder, backorders)
	k.choice("policy.duplicate_po", p.DuplicatePO, duplicates)
	k.routes()
	k.duration("master_data.every", k.c.MasterData.Every)
}

func (k *checker) fraction(path string, d waybill.Decimal) {
	if d.Sign() < 0 || d.Cmp(waybill.NewDecimal(1)) > 0 {
		k.wrong(path, fmt.Sprintf("%s is no fraction between 0 and 1", d), "write 0.02 for 2 %")
	}
}

func (k *checker) duration(path string, d time.Duration) {
	if d < timeMin || d > timeMax {
		k.wrong(path, short(d)+" is out of range", fmt.Sprintf("choose a time from %s to %s", timeMin, short(timeMax)))
	}
}

func (k *checker) timing() {
	t := k.c.Timing
	k.duration("timing.lease", t.Lease)
	k.duration("timing.deadline", t.Deadline)
	k.duration("timing.settle", t.Settle)
	k.duration("timing.backoff_min", t.BackoffMin)
	k.duration("timing.backoff_max", t.BackoffMax)
	k.duration("timing.ack_deadline", t.AckDeadline)
	if t.BackoffMax < t.BackoffMin {
		k.wrong("timing.backoff_max", fmt.Sprintf("%s is shorter than backoff_min, %s", short(t.BackoffMax), short(t.BackoffMin)), "raise it, or lower backoff_min")
	}
	if t.AckDeadline < t.Deadline {
		k.wrong("timing.ack_deadline", fmt.Sprintf("%s is shorter than deadline, %s", short(t.AckDeadline), short(t.Deadline)), "an acknowledgment can't be due before the answer: raise it")
	}
}

// milestoneStatuses are the statuses that a milestone can speak of, in the
// order in which an order passes them.
var milestoneStatuses = []waybill.Status{waybill.StatusReceived, waybill.StatusAccepted, waybill.StatusReleased,
	waybill.StatusShipped, waybill.StatusInvoiced}

func (k *checker) milestones() {
	names := make([]string, len(milestoneStatuses))
	for i, s := range milestoneStatuses {
		names[i] = string(s)
	}
	taken := map[string]bool{}
	for i, m := range k.c.Milestones {
		path := fmt.Sprintf("milestones[%d]", i)
		switch {
		case m.Name == "":
			k.wrong(path+".name", "is missing", "write a word such as ship_in_time: exceptions are called by it")
		case !nameForm.MatchString(m.Name):
			k.wrong(path+".name", fmt.Sprintf("%q can't be a milestone's name", m.Name), nameFix)
		case taken[m.Name]:
			k.wrong(path+".name", "another milestone has the name "+m.Name, "give each its own")
		}
		taken[m.Name] = true
		from, fromOK := k.milestoneStatus(path+".from", m.From, names)
		until, untilOK := k.milestoneStatus(path+".until", m.Until, names)
		if fromOK && untilOK && until <= from {
			k.wrong(path+".until", fmt.Sprintf("%s does not come after %s", m.Until, m.From), "an order passes "+strings.Join(names, ", "))
		}
		if m.Within == 0 {
			k.wrong(path+".within", "is missing", "write a time like 24h")
		} else {
			k.duration(path+".within", m.Within)
		}
		if _, ok := k.c.Notify[m.Notify]; m.Notify != "" && !ok {
			k.wrong(path+".notify", fmt.Sprintf("there is no %q under notify", m.Notify), "add it there, or take this key out: the exception is raised anyway")
		}
	}
}

func (k *checker) milestoneStatus(path string, s waybill.Status, names []string) (int, bool) {
	if !k.required(path, string(s), "choose one of "+strings.Join(names, ", ")) {
		return 0, false
	}
	i := slices.Index(milestoneStatuses, s)
	if i < 0 {
		k.wrong(path, fmt.Sprintf("%q is no status that a milestone can speak of", s), oneOf(string(s), names))
	}
	return i, i >= 0
}

func (k *checker) notify() {
	for name, n := range k.c.Notify {
		path := "notify." + name
		if !nameForm.MatchString(name) {
			k.wrong(path, fmt.Sprintf("%q can't be a name", name), nameFix)
		}
		if k.required(path+".url", n.URL, "write the address that is called, such as https://example.com/hooks/waybill") {
			k.address(path+".url", n.URL, true)
		}
	}
}

func (k *checker) limits() {
	if n := k.c.Limits.MaxBody; n < maxBodyMin || n > maxBodyMax {
		k.wrong("limits.max_body", fmt.Sprintf("%d bytes are out of range", n), "choose a size from 1KiB to 1GiB")
	}
}

// address checks a URL that is called. It is never repeated in what is said
// about it: people write passwords into URLs.
func (k *checker) address(path, text string, query bool) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		k.wrong(path, "is no http or https address", "write it in full, such as https://erp.example.com/waybill")
		return
	case u.User != nil:
		k.wrong(path, "holds a user or password", "take them out; a system's credential is its token")
		return
	case u.Fragment != "" || !query && (u.RawQuery != "" || u.ForceQuery):
		k.wrong(path, "has a part behind ? or #", "take it out: paths are added to the address")
		return
	case u.Port() != "" && !validPort(u.Port()):
		k.wrong(path, "has a port out of range", "ports go to 65535")
		return
	}
	k.reachable(path, u.Hostname())
}

// reachable says beforehand what the guard would refuse later. Names other
// than localhost are judged when they are resolved, at each connection.
func (k *checker) reachable(path, host string) {
	addrs := []netip.Addr{}
	if addr, err := netip.ParseAddr(host); err == nil {
		addrs = append(addrs, addr)
	} else if h := strings.ToLower(strings.TrimSuffix(host, ".")); h == "localhost" || strings.HasSuffix(h, ".localhost") {
		addrs = append(addrs, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback())
	}
	guard := egress.NewGuard(k.c.Egress.Allow)
	var refused error
	for _, addr := range addrs {
		err := guard.Check(addr)
		if err == nil {
			return
		}
		if refused == nil {
			refused = err
		}
	}
	if refused != nil {
		k.wrong(path, refused.Error(), "")
	}
}
