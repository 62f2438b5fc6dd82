package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/secret"
)

// NameURL is one --target of "waybill init".
type NameURL struct {
	// Name is the system's: a role ("erp"), a role with something behind it
	// ("wms2", "wms_east"), or any name followed by its role ("shop:channel").
	Name string
	URL  string // where part T of the system contract is served
}

// ParseTarget reads NAME=URL.
func ParseTarget(text string) (NameURL, error) {
	name, url, ok := strings.Cut(text, "=")
	if !ok || name == "" || url == "" {
		return NameURL{}, &waybill.Error{Field: "--target", Detail: "is not NAME=URL", Fix: "write it like --target erp=https://erp.example.com/waybill"}
	}
	return NameURL{Name: name, URL: url}, nil
}

// InitOptions are the choices of "waybill init".
type InitOptions struct {
	Pack        string // o2c, the reference flow
	Targets     []NameURL
	SecretsFile string // its path is written down, its content never; empty: secrets come from the environment
	Timing      string // a profile: standard (also where empty) or fast
	EgressAllow []string
	Namespace   string // empty: waybill
}

// start is a system of the configuration that Init writes.
type start struct {
	name string
	role waybill.Role
	url  string
}

// Init writes the first configuration: commented, complete enough to serve,
// and the same for the same choices. An error names the flag that is wrong.
//
// A system that the secrets file names beside the targets pushes without being
// called: it becomes a source where its name says its role, and is named in a
// comment otherwise.
func Init(o InitOptions) ([]byte, error) {
	if !slices.Contains(packs, o.Pack) {
		return nil, &waybill.Error{Field: "--pack", Detail: fmt.Sprintf("there is no pack %q", o.Pack), Fix: oneOf(o.Pack, packs)}
	}
	if o.Timing == "" {
		o.Timing = profiles[0].Profile
	}
	if _, ok := profileOf(o.Timing); !ok {
		return nil, &waybill.Error{Field: "--timing", Detail: fmt.Sprintf("there is no profile %q", o.Timing), Fix: oneOf(o.Timing, profileNames())}
	}
	if o.Namespace == "" {
		o.Namespace = ownName
	}
	if !waybill.ValidID(o.Namespace) || len(o.Namespace) > namespaceMax {
		return nil, &waybill.Error{Field: "--namespace", Detail: fmt.Sprintf("%q can't be a namespace", o.Namespace), Fix: fmt.Sprintf("use at most %d letters, digits and . _ ~ -", namespaceMax)}
	}
	var allow []netip.Prefix
	for _, text := range o.EgressAllow {
		p, err := parsePrefix(text)
		if err != nil {
			return nil, &waybill.Error{Field: "--egress-allow", Detail: err.Error()}
		}
		if !slices.Contains(allow, p) {
			allow = append(allow, p)
		}
	}
	systems, err := startTargets(o.Targets, allow)
	if err != nil {
		return nil, err
	}
	systems, notes, err := startSources(&o, systems)
	if err != nil {
		return nil, err
	}
	return write(o, allow, systems, notes), nil
}

func startTargets(targets []NameURL, allow []netip.Prefix) ([]start, error) {
	if len(targets) == 0 {
		return nil, &waybill.Error{Field: "--target", Detail: "is missing", Fix: "name the systems: --target erp=URL --target wms=URL --target channel=URL"}
	}
	var systems []start
	for _, t := range targets {
		name, role, err := roleOf(t.Name)
		if err != nil {
			return nil, err
		}
		field := "--target " + name
		if slices.ContainsFunc(systems, func(s start) bool { return s.name == name }) {
			return nil, &waybill.Error{Field: field, Detail: "stands twice", Fix: "give each system its own name, such as " + name + "2"}
		}
		if main := role == waybill.RoleERP || role == waybill.RoleWMS; main &&
			slices.ContainsFunc(systems, func(s start) bool { return s.role == role }) {
			return nil, &waybill.Error{Field: field, Detail: fmt.Sprintf("is a second %s", role), Fix: "the pack o2c sends documents to one"}
		}
		if err := startAddress(field, t.URL, allow); err != nil {
			return nil, err
		}
		systems = append(systems, start{name: name, role: role, url: strings.TrimRight(t.URL, "/")})
	}
	return systems, nil
}

// startAddress judges a target as Check will, so that what Init writes loads.
func startAddress(field, url string, allow []netip.Prefix) error {
	k := &checker{c: &Config{Egress: Egress{Allow: allow}}}
	k.address("", url, false)
	if len(k.found) == 0 {
		return nil
	}
	fix := k.found[0].Fix
	if fix == "" { // the guard's own error says what to allow
		fix = "here that is --egress-allow"
	}
	return &waybill.Error{Field: field, Detail: k.found[0].Detail, Fix: fix}
}

var startName = regexp.MustCompile(`^([a-z]+)(?:[0-9_-].*)?$`)

// roleOf reads a target's name, "erp", "wms2" or "shop:channel".
func roleOf(text string) (string, waybill.Role, error) {
	name, role, named := strings.Cut(text, ":")
	fail := func(detail, fix string) (string, waybill.Role, error) {
		return "", "", &waybill.Error{Field: "--target " + name, Detail: detail, Fix: fix}
	}
	switch {
	case !nameForm.MatchString(name):
		return fail(fmt.Sprintf("%q can't be a system's name", name), nameFix)
	case name == ownName || name == secretsKey:
		return fail("is a name of Waybill's own", "choose another")
	}
	if !named {
		m := startName.FindStringSubmatch(name)
		if m == nil {
			return fail("does not say its role", "write "+name+":ROLE=URL")
		}
		role = m[1]
	}
	if !slices.Contains(waybill.Roles(), waybill.Role(role)) {
		names := make([]string, 0, 12)
		for _, r := range waybill.Roles() {
			names = append(names, string(r))
		}
		return fail(fmt.Sprintf("there is no role %q", role), "write "+name+":ROLE=URL; "+oneOf(role, names))
	}
	return name, waybill.Role(role), nil
}

// startSources adds what the secrets file names beside the targets, and makes
// the path of the file absolute: the configuration may be kept elsewhere.
func startSources(o *InitOptions, systems []start) ([]start, []string, error) {
	if o.SecretsFile == "" {
		return systems, nil, nil
	}
	path, err := filepath.Abs(o.SecretsFile)
	if err != nil || !utf8.ValidString(path) {
		return nil, nil, &waybill.Error{Field: "--secrets", Detail: "the path can't be written down: its folder is unknown or its letters are no UTF-8", Fix: "give an absolute path"}
	}
	o.SecretsFile = path
	f, err := secret.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return systems, []string{"This file does not exist yet."}, nil
	}
	if err != nil {
		return nil, nil, &waybill.Error{Field: "--secrets", Detail: err.Error()}
	}
	var notes []string
	for _, name := range f.Names() {
		if name == secretsKey || slices.ContainsFunc(systems, func(s start) bool { return s.name == name }) {
			continue
		}
		_, role, err := roleOf(name)
		if err != nil || len(f.Systems[name].WebhookSecrets) == 0 {
			notes = append(notes, fmt.Sprintf("It also names %s, which is no target: add it under systems if it should be one.", strconv.Quote(name)))
			continue
		}
		systems = append(systems, start{name: name, role: role})
	}
	return systems, notes, nil
}

// write renders the configuration.
func write(o InitOptions, allow []netip.Prefix, systems []start, notes []string) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Waybill, written by \"waybill init\". All keys: waybill.example.yaml.")
	line("# \"waybill config check\" says what is wrong, with line and key.")
	line("version: 1")
	line("")
	line("# Part of every document's key: never change it once documents went out. Two")
	line("# installations that post to one ERP need different ones.")
	line("namespace: %s", scalar(o.Namespace))
	line("")
	line("# Whose books these are. Posting dates are dates in this zone.")
	line("company:")
	line("  id: \"01\"")
	line("  zone: UTC")
	line("  currency: EUR")
	line("")
	line("# Pages, control API and the systems' pushes; --listen of \"waybill serve\" wins.")
	line("listen: %s", defaultListen)
	line("")
	writeSecrets(line, o, notes)
	line("# The counterparts. One without base_url is a source only; webhooks go to")
	line("# /in/NAME and need the system's webhook secret.")
	line("systems:")
	bare := true // one channel may go without a prefix
	for _, s := range systems {
		writeSystem(line, o, s, &bare)
	}
	line("  # Orders by the control API: portals and inside sales.")
	line("  %s:", secretsKey)
	line("    role: channel")
	line("    connector: %s", ordersName)
	line("    order_prefix: %s", apiPrefix)
	line("")
	p, _ := profileOf(o.Timing)
	line("# How the process decides. A held order is checked again every hold_recheck")
	line("# (%s in this profile); facts wait for their order for limbo (%s).", short(p.holdRecheck), short(p.limbo))
	line("policy:")
	line("  pack: %s", o.Pack)
	line("")
	line("# lease %s, deadline %s, settle %s, back-off %s to %s, acknowledgments due in %s.",
		short(p.Lease), short(p.Deadline), short(p.Settle), short(p.BackoffMin), short(p.BackoffMax), short(p.AckDeadline))
	line("timing:")
	line("  profile: %s", p.Profile)
	if len(allow) > 0 {
		line("")
		line("# Waybill calls public addresses, and these.")
		line("egress:")
		line("  allow:")
		for _, prefix := range allow {
			line("    - %s", scalar(prefix.String()))
		}
	}
	return []byte(b.String())
}

func writeSecrets(line func(string, ...any), o InitOptions, notes []string) {
	if o.SecretsFile == "" {
		line("# The keys of the control API. Secrets are named here, never written out.")
		line("api:")
		line("  keys:")
		line("    - name: admin")
		line("      role: admin")
		line("      key: ${env:WAYBILL_API_KEY}")
		line("")
		return
	}
	line("# The systems' tokens and webhook secrets and the admin's API key are there:")
	line("#   {\"api_key\":\"…\",\"<system>\":{\"token\":\"…\",\"webhook_secret\":\"whsec_…\"}}")
	for _, note := range notes {
		line("# %s", note)
	}
	line("secrets_file: %s", scalar(o.SecretsFile))
	line("")
}

func writeSystem(line func(string, ...any), o InitOptions, s start, bare *bool) {
	line("  %s:", s.name)
	line("    role: %s", s.role)
	line("    connector: %s", contractName)
	if s.url != "" {
		line("    base_url: %s", scalar(s.url))
	}
	if o.SecretsFile == "" {
		name := "WAYBILL_" + strings.ToUpper(strings.ReplaceAll(s.name, "-", "_"))
		line("    token: ${env:%s_TOKEN}", name)
		line("    webhook_secret: ${env:%s_WEBHOOK_SECRET}", name)
	}
	if s.role != waybill.RoleChannel {
		return
	}
	if *bare {
		line("    order_prefix: \"\" # its order numbers stand as they are")
		*bare = false
		return
	}
	line("    order_prefix: %s", s.prefix())
}

// prefix is the order prefix of a second channel.
func (s start) prefix() string {
	name := s.name
	if most := prefixMax - len(prefixEnd); len(name) > most {
		name = name[:most]
	}
	return name + prefixEnd
}

var plainScalar = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9/._~@%+=-]*(?::[A-Za-z0-9/._~@%+=-]+)*$`)

// scalar writes a text so that YAML reads it back as that text. Go's quoting is
// valid in YAML: they share their escapes.
func scalar(text string) string {
	if plainScalar.MatchString(text) && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, strings.ToLower(text)) {
		return text
	}
	return strconv.Quote(text)
}

// short writes a time without the zeros that Go adds: 5m0s is 5m.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
