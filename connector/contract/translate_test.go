package contract_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/contract"
	"github.com/waybillhq/waybill/connector/fact"
)

// The engine decodes events from the ledger by their Data, and fresh ones come
// with their Body: the two must say the same.
func TestTranslate_BodyIsWhatDataSays(t *testing.T) {
	seen := map[waybill.EventType]bool{}
	for _, f := range connectortest.Fixtures(t, filepath.Join("testdata", "in")) {
		env := connector.Env{System: f.Setting("system"), Role: waybill.Role(f.Setting("role")), OrderPrefix: f.Setting("prefix"), Observe: true}
		events, err := open(t, env).Translator.Translate(f.Message(t, env.System))
		if err != nil {
			continue
		}
		for _, e := range events {
			seen[e.Type] = true
			again := reflect.New(reflect.TypeOf(e.Body).Elem()).Interface()
			if err := waybill.Unmarshal(e.Data, again); err != nil {
				t.Errorf("%s: data: %v", f.Path, err)
			}
			if d := cmp.Diff(again, e.Body, cmp.Comparer(waybill.Decimal.Equal)); d != "" {
				t.Errorf("%s: %s (-data +body):\n%s", f.Path, e.Type, d)
			}
		}
	}
	for _, eventType := range fact.Types() {
		if !seen[eventType] {
			t.Errorf("no fixture in testdata/in shows %s", eventType)
		}
	}
}

// W3 names the roles; any other is told so. The table is written again here.
func TestTranslate_OnlyTheNamedRolesReport(t *testing.T) {
	from := map[waybill.EventType]string{
		"order.placed": "channel", "order.changed": "channel", "order.cancel_requested": "channel", "return.requested": "channel",
		"warehouse_order.accepted": "wms", "warehouse_order.changed": "wms", "warehouse_order.change_refused": "wms",
		"warehouse_order.cancelled": "wms", "warehouse_order.cancel_refused": "wms", "warehouse_order.closed": "wms",
		"allocation.confirmed": "wms", "pick.confirmed": "wms", "pack.confirmed": "wms",
		"shipment.confirmed": "wms supplier", "shipment.delivered": "carrier",
		"inventory.adjusted": "wms", "inventory.snapshot": "wms erp", "receipt.confirmed": "wms",
		"transfer.shipped": "wms", "transfer.received": "wms", "return.received": "wms",
		"item.changed": "erp", "customer.changed": "erp", "price.changed": "erp", "inventory.position": "erp",
		"invoice.posted": "erp", "credit.posted": "erp", "invoice.paid": "erp",
		"document.applied": "any", "document.rejected": "any",
	}
	if got := len(fact.Types()); got != len(from) {
		t.Errorf("%d types are known, W3 has %d", got, len(from))
	}
	for eventType, roles := range from {
		for _, role := range waybill.Roles() {
			err := fact.Source{System: "example", Role: role}.MayReport(eventType)
			want := roles == "any" || strings.Contains(roles, string(role))
			if (err == nil) != want {
				t.Errorf("%s from %s: %v", eventType, role, err)
			}
			if err != nil && !strings.Contains(err.Error(), "/type") {
				t.Errorf("%s from %s: %v does not name the field", eventType, role, err)
			}
		}
	}
}

func TestManifest_AcceptsEveryKind(t *testing.T) {
	seen := map[waybill.Kind]bool{}
	for _, k := range contract.Manifest().Accepts {
		if seen[k] || k == "" {
			t.Errorf("kind %q is listed twice, or empty", k)
		}
		seen[k] = true
	}
	if len(seen) != 34 {
		t.Errorf("%d kinds, the contract has 34", len(seen))
	}
}
