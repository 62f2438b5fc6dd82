package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

const (
	// prefixEnd closes an order prefix. No escaped order number has it (G4),
	// so orders of two channels can't meet.
	prefixEnd     = "~."
	prefixMax     = 32
	apiPrefix     = "api" + prefixEnd // of orders by the control API (C11)
	ordersName    = "orders"          // the connector of C11
	contractName  = "contract"        // the connector of the system contract
	ownName       = "waybill"         // the source of Waybill's own events
	nameFix       = "begin with a small letter; use small letters, digits, _ and -, at most 40"
	prefixLetters = "letters, digits and . _ -"
)

func (k *checker) systems() {
	if len(k.c.Systems) == 0 {
		k.wrong("systems", "there are no systems", "add at least a channel, an erp and a wms")
	}
	for _, name := range k.c.SystemNames() {
		k.system(name, k.c.Systems[name])
	}
	k.prefixes()
	k.targets()
}

func (k *checker) system(name string, s *System) {
	path := "systems." + name
	switch {
	case !nameForm.MatchString(name):
		k.wrong(path, fmt.Sprintf("%q can't be a system's name", name), nameFix)
	case name == ownName:
		k.wrong(path, "waybill is the source of Waybill's own events", "choose another name")
	}
	k.roleAndConnector(path, s)
	k.mode(path, s)
	if s.BaseURL != "" {
		k.address(path+".base_url", s.BaseURL, false)
	}
	k.budget(path+".budget", s.Budget)
	k.credentials(path, s)
}

func (k *checker) roleAndConnector(path string, s *System) {
	roles := make([]string, 0, 12)
	for _, r := range waybill.Roles() {
		roles = append(roles, string(r))
	}
	known := slices.Contains(waybill.Roles(), s.Role)
	if k.required(path+".role", string(s.Role), "choose one of "+strings.Join(roles, ", ")) && !known {
		k.wrong(path+".role", fmt.Sprintf("there is no role %q", s.Role), oneOf(string(s.Role), roles))
	}
	if !k.required(path+".connector", s.Connector, "choose one of "+strings.Join(k.c.registry.Names(), ", ")) {
		return
	}
	m, ok := k.c.registry[s.Connector]
	if !ok {
		k.wrong(path+".connector", fmt.Sprintf("there is no connector %q", s.Connector), oneOf(s.Connector, k.c.registry.Names()))
		return
	}
	switch {
	case m.Files && !s.Place.Named():
		k.wrong(path+".folder", "is missing", "name the folder in which files are exchanged with the system, or write sftp")
	case !m.Files && s.Place.Named():
		k.wrong(path, "the connector "+m.Name+" exchanges no files", "take out folder and sftp, or choose the connector file")
	}
	if known && !slices.Contains(m.Roles, s.Role) {
		k.wrong(path+".role", fmt.Sprintf("a system with the connector %s can't have the role %s", m.Name, s.Role), "it can have "+roleList(m))
	}
}

func roleList(m connector.Manifest) string {
	names := make([]string, len(m.Roles))
	for i, r := range m.Roles {
		names[i] = string(r)
	}
	return strings.Join(names, ", ")
}

func (k *checker) mode(path string, s *System) {
	modes := []string{string(Live), string(Off)}
	switch s.Mode {
	case Live, Off:
	case Shadow:
		k.wrong(path+".mode", "the mode shadow is not supported by this version", "choose live or off")
	default:
		k.wrong(path+".mode", fmt.Sprintf("there is no mode %q", s.Mode), oneOf(string(s.Mode), modes))
	}
}

func (k *checker) budget(path string, b Budget) {
	if b.Concurrency < 1 || b.Concurrency > concurrencyMax {
		k.wrong(path+".concurrency", fmt.Sprintf("%d requests at once are out of range", b.Concurrency), fmt.Sprintf("choose 1 to %d; to send nothing, set mode: off", concurrencyMax))
	}
	if b.Burst < 1 || b.Burst > ratePerSecondMax {
		k.wrong(path+".burst", fmt.Sprintf("%d requests in a burst are out of range", b.Burst), fmt.Sprintf("choose 1 to %d", ratePerSecondMax))
	}
}

// credentials warns where a live system is likely to be mute or deaf. It is no
// more than a warning: there are systems behind a gateway that signs.
func (k *checker) credentials(path string, s *System) {
	if s.Mode != Live || k.byAPI(s) {
		return
	}
	if s.BaseURL != "" && s.Token.IsZero() {
		k.warn(path+".token", "is missing", "requests to the system will carry no credential: name one, or add it to the secrets file")
	}
	if s.BaseURL == "" && len(s.WebhookSecrets) == 0 && !s.Place.Named() {
		k.warn(path, "has neither base_url nor webhook_secret", "nothing goes to it and nothing comes from it: add one, or set mode: off")
	}
}

// byAPI reports whether the system's orders come by the control API, which
// needs neither address nor secret of the system.
func (k *checker) byAPI(s *System) bool { return s.Connector == ordersName }

// prefixes holds the rules of G4: what makes an order's name unique in the
// installation. Prefixes without a ~ before their end can't begin one another.
func (k *checker) prefixes() {
	taken := map[string]string{}
	for _, name := range k.c.SystemNames() {
		s, path := k.c.Systems[name], "systems."+name+".order_prefix"
		if s.Role != waybill.RoleChannel {
			if s.Captures {
				k.wrong("systems."+name+".captures", "only a channel takes the buyer's money", "take it out")
			}
			if s.OrderPrefix != "" {
				k.wrong(path, "only a channel has one: orders are placed nowhere else", "take it out")
			}
			continue
		}
		if s.OrderPrefix != "" && !validPrefix(s.OrderPrefix) {
			k.wrong(path, fmt.Sprintf("%q can't be an order prefix", s.OrderPrefix), fmt.Sprintf("write at most %d %s, and %s at the end, such as %s%s", prefixMax, prefixLetters, prefixEnd, name, prefixEnd))
			continue
		}
		if k.byAPI(s) != (s.OrderPrefix == apiPrefix) {
			k.wrong(path, "orders of the connector orders, and no others, have the prefix "+apiPrefix, "write "+k.prefixFor(name, s))
			continue
		}
		other, twice := taken[s.OrderPrefix]
		switch {
		case twice && s.OrderPrefix == "":
			k.wrong(path, "is empty, and so is that of "+other, "only one channel may have none: write one for the others, such as "+name+prefixEnd)
		case twice:
			k.wrong(path, other+" has the same", "give each channel its own, such as "+name+prefixEnd)
		default:
			taken[s.OrderPrefix] = name
		}
	}
}

func (k *checker) prefixFor(name string, s *System) string {
	if k.byAPI(s) {
		return apiPrefix
	}
	return "another, such as " + name + "1" + prefixEnd
}

func validPrefix(p string) bool {
	body, ok := strings.CutSuffix(p, prefixEnd)
	return ok && body != "" && len(p) <= prefixMax && waybill.ValidID(body) && !strings.Contains(body, "~")
}

// targets: the pack sends a kind of document to one system of a role. Other
// systems of that role can be sources. Between several warehouses routes
// decide.
func (k *checker) targets() {
	for _, role := range []waybill.Role{waybill.RoleERP, waybill.RoleWMS, waybill.RoleSupplier} {
		if role == waybill.RoleWMS && len(k.c.Policy.Routes) > 0 {
			continue
		}
		first := ""
		for _, name := range k.c.SystemNames() {
			s := k.c.Systems[name]
			if s.Role != role || !s.TakesDocuments() {
				continue
			}
			if first != "" {
				fix := fmt.Sprintf("the pack %s has one: take out the base_url of one of them (it stays a source), or set mode: off", packs[0])
				if role == waybill.RoleWMS {
					fix = "write under policy.routes what each of them ships, take out the base_url of one of them (it stays a source), or set mode: off"
				}
				k.wrong("systems."+name+".role", fmt.Sprintf("documents for the %s go to %s already", role, first), fix)
				continue
			}
			first = name
		}
	}
}
