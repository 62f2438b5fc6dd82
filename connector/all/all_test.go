package all_test

import (
	"slices"
	"testing"

	"github.com/waybillhq/waybill/connector/all"
)

func TestRegistry_ShipsEachConnectorUnderItsName(t *testing.T) {
	r := all.Registry()
	for _, name := range []string{"contract", "orders"} {
		if !slices.Contains(r.Names(), name) {
			t.Errorf("connector %s is not registered; names: %v", name, r.Names())
		}
	}
	for name, m := range r {
		if m.Name != name || m.Title == "" || m.Summary == "" || m.Open == nil || len(m.Roles) == 0 {
			t.Errorf("manifest %q is incomplete: %+v", name, m)
		}
	}
}
