package main

import (
	"errors"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/schema"
	"github.com/waybillhq/waybill/internal/store"
)

// TestSchemas_HoldWhatIsWritten: every event that a demonstration records and
// every document that it sends is what its published schema says.
func TestSchemas_HoldWhatIsWritten(t *testing.T) {
	checked := map[string]int{}
	hold := func(what string, payload []byte) {
		t.Helper()
		r, err := schema.Check(payload)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range r.Problems {
			t.Errorf("%s: %s\n%s", what, p, payload)
		}
		checked[r.Schema]++
	}
	runDemo(t, demoOptions{orders: 80, lines: 3, seed: 7, faults: "light"}, func(d *demo, _ demoReport) {
		for after := int64(0); ; {
			events, err := d.store.EventsAfter(t.Context(), after, 500)
			if err != nil {
				t.Fatal(err)
			}
			if len(events) == 0 {
				break
			}
			for _, e := range events {
				after = e.ID
				if len(e.Data) == 0 {
					continue // its body is derived, as that of document.attempted
				}
				b, err := waybill.Marshal(waybill.Event{Type: e.Type, Source: e.Source, Data: e.Data})
				if err != nil {
					t.Fatal(err)
				}
				hold(string(e.Type)+" of "+e.Source, b)
			}
		}
		d.eachContractBody(t, hold)
	})
	for _, name := range []string{"order.placed@1", "shipment.confirmed@1", "document.settled@1",
		"order_check@1", "sales_order@1", "warehouse_order@1", "shipment_posting@1", "invoice@1"} {
		if checked[name] == 0 {
			t.Errorf("no %s was checked: %v", name, checked)
		}
	}
	if t.Failed() {
		t.Log("describe what is written in internal/schema, and run make docs")
	}
}

// eachContractBody hands out every rendered document of the systems that speak
// the contract.
func (d *demo) eachContractBody(t *testing.T, do func(what string, body []byte)) {
	t.Helper()
	for before := int64(0); ; {
		found, err := d.store.Waybills(t.Context(), ledger.WaybillQuery{Before: before, Limit: 200})
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			return
		}
		for _, w := range found {
			before = w.ID
			ds, err := d.store.DeliveriesOf(t.Context(), w.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, x := range ds {
				body, err := d.store.Body(t.Context(), x.ID)
				if errors.Is(err, store.ErrNotFound) {
					continue // never attempted
				}
				if err != nil {
					t.Fatal(err)
				}
				if x.Target == "erp" || x.Target == "wms" {
					do(string(x.Kind)+" for "+x.Target, body.Bytes)
				}
			}
		}
	}
}
