package config

import (
	"fmt"
	"slices"

	"github.com/waybillhq/waybill/internal/identity"
)

// mapped and asIs say in whose terms a system names things.
const (
	mapped = "mapped"
	asIs   = "as_is"
)

// identities are the keys of a system's section identity.
var identities = []struct {
	key    string
	entity identity.Kind
}{
	{"items", identity.Item}, {"customers", identity.Customer}, {"ship_tos", identity.ShipTo}, {"units", identity.Unit},
	{"carriers", identity.Carrier}, {"warehouses", identity.Warehouse}, {"terms", identity.Terms}, {"tax_codes", identity.TaxCode},
}

// loadIdentity reads what a system names in its own terms. What is not named is
// named by canonical ids.
func loadIdentity(s *section) identity.Profile {
	p := identity.Profile{}
	for _, one := range identities {
		text := s.text(one.key, asIs)
		if !slices.Contains([]string{mapped, asIs}, text) {
			s.r.problem(s.nodes[one.key], s.at(one.key), fmt.Sprintf("want %s or %s, got %q", mapped, asIs, text), "")
		}
		if text == mapped {
			p[one.entity] = true
		}
	}
	s.close()
	if len(p) == 0 {
		return nil
	}
	return p
}
