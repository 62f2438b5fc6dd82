package process_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/process"
)

// TestC04_EchoIsNoChange: writing to a shop makes it send the order again, at a
// newer version with the same content. That is no change: no document follows,
// whichever version came first (complaint 4 of the field).
func TestC04_EchoIsNoChange(t *testing.T) {
	p := &process.Policy{Namespace: "test", ERP: "erp", WMS: "wms", Channels: map[string]process.Channel{
		"shop": {Documents: true, Restates: true}}, HoldRecheck: time.Minute, Limbo: time.Minute}
	event := func(id string, version int64, kind waybill.EventType, qty, note string) *waybill.Event {
		data := fmt.Sprintf(`{"order":"SO-1","version":%d,"customer":"C1","currency":"EUR","ship_to":{"name":"A"},`+
			`"lines":[{"line":"1","sku":"A","qty":"%s","uom":"EA","price":"1"}],"shopify":{"tags":"%s"}}`, version, qty, note)
		return &waybill.Event{ID: id, Type: kind, Source: "shop", Flow: waybill.FlowSales, Ref: "SO-1", Version: version,
			RecordedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Data: []byte(data)}
	}
	placed := event("1", 10, waybill.OrderPlaced, "5", "")
	echo := event("2", 20, waybill.OrderChanged, "5", "waybill-accepted")
	changed := event("3", 30, waybill.OrderChanged, "6", "waybill-accepted")
	keys := func(events ...*waybill.Event) map[string]bool {
		s, live := process.New("SO-1", p), map[string]bool{}
		for _, e := range events {
			d := process.Decide(s, e, p)
			for _, k := range d.Withdraw {
				delete(live, k)
			}
			for _, a := range d.Add {
				live[a.Key] = true
			}
		}
		return live
	}
	first := keys(placed)
	for name, got := range map[string]map[string]bool{"after": keys(placed, echo), "before": keys(echo, placed), "twice": keys(placed, echo, echo)} {
		if fmt.Sprint(got) != fmt.Sprint(first) {
			t.Errorf("echo %s: documents %v, want those of the order alone %v", name, got, first)
		}
	}
	if got := keys(placed, echo, changed); fmt.Sprint(got) == fmt.Sprint(first) {
		t.Error("a real change makes no document: the test shows nothing")
	}
}
