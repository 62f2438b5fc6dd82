package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
	cfact "github.com/waybillhq/waybill/connector/fact"
	"github.com/waybillhq/waybill/internal/ledger"
)

// catalogue is a system of record that answers T6 from lists of records, two a
// page. It ignores since, as a simple one may.
type catalogue struct {
	r     *rig
	items map[string][]string // records by kind
	asked []string            // kind, since, cursor
	fails int                 // of the next answers
}

var entityTypes = map[string]waybill.EventType{"items": waybill.ItemChanged, "customers": waybill.CustomerChanged,
	"inventory": waybill.InventoryPosition, "prices": waybill.PriceChanged, "warehouses": waybill.WarehouseChanged}

// Entities implements connector.Publisher.
func (c *catalogue) Entities(_ context.Context, kind, since, cursor string) ([]waybill.Event, string, error) {
	c.asked = append(c.asked, fmt.Sprintf("%s %t %s", kind, since != "", cursor))
	if c.fails > 0 {
		c.fails--
		return nil, "", errors.New("connection reset")
	}
	from, _ := strconv.Atoi(cursor)
	var out []waybill.Event
	for i := from; i < len(c.items[kind]) && i < from+2; i++ {
		data := []byte(c.items[kind][i])
		body, err := cfact.DecodeBytes(data, entityTypes[kind])
		if err != nil {
			return nil, "", err
		}
		events, err := cfact.Source{System: "erp", Role: waybill.RoleERP}.Read(cfact.Fact{Type: entityTypes[kind], At: c.r.now, Data: data, Body: body})
		if err != nil {
			return nil, "", err
		}
		out = append(out, events...)
	}
	if from+2 < len(c.items[kind]) {
		return out, strconv.Itoa(from + 2), nil
	}
	return out, "", nil
}

// recorded is a rig whose ERP answers T6.
func recorded(t *testing.T, items map[string][]string) (*rig, *catalogue) {
	c := &catalogue{items: items}
	r := stocked(t, func(r *rig) {
		c.r = r
		r.opt.MasterData = 15 * time.Minute
		r.opt.Timing.ProbeEvery = 24 * time.Hour
		r.fakes["erp"].publisher = c
	})
	r.settle()
	return r, c
}

func (r *rig) messages(source string) int {
	r.t.Helper()
	seen := map[int64]bool{}
	evs, err := r.kept.Events(r.t.Context(), ledger.EventQuery{Source: source, Limit: 10000})
	r.must(err)
	for _, ev := range evs {
		seen[ev.Message] = true
	}
	return len(seen)
}

// Master data is read at the start and then in turn, page by page; an answer
// that says the same again adds nothing, what was read is kept as it came.
func TestT6_MasterDataIsRead(t *testing.T) {
	r, c := recorded(t, map[string][]string{
		"items": {`{"sku":"A","base_uom":"EA","note":"kept"}`, `{"sku":"B","base_uom":"EA"}`, `{"sku":"C","base_uom":"KGM"}`},
	})
	want := []string{"items false ", "items false 2", "customers false ", "warehouses false ", "prices false ", "inventory false "}
	if diff := cmp.Diff(want, c.asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if got := r.stockOf("C").Record(); got == nil || got.BaseUOM != "KGM" {
		t.Errorf("the record of C is %+v", got)
	}
	evs, err := r.kept.Events(t.Context(), ledger.EventQuery{Waybill: r.item("A").ID, Limit: 10})
	r.must(err)
	if len(evs) != 1 || string(evs[0].Data) != c.items["items"][0] {
		t.Fatalf("%d events of A", len(evs))
	}
	m, err := r.kept.Message(t.Context(), evs[0].Message)
	r.must(err)
	if want := `{"items":[{"sku":"A","base_uom":"EA","note":"kept"},{"sku":"B","base_uom":"EA"}],"next":"2"}`; string(m.Body) != want {
		t.Errorf("the message is %s, want %s", m.Body, want)
	}
	c.asked = nil
	r.pass(15 * time.Minute)
	if len(c.asked) != 6 || c.asked[0] != "items true " {
		t.Errorf("asked again: %q", c.asked)
	}
	if n := r.messages("erp"); n != 2 {
		t.Errorf("%d messages after an answer that said the same, want 2", n)
	}
	c.items["items"][2] = `{"sku":"C","base_uom":"KGM","status":"blocked"}`
	r.pass(15 * time.Minute)
	c.items["items"][2] = `{"sku":"C","base_uom":"KGM"}`
	r.pass(15 * time.Minute)
	if n, got := r.messages("erp"), r.stockOf("C").Record(); n != 4 || got.Status != "" {
		t.Errorf("%d messages, C is %+v; want 4 and what it was at first", n, got)
	}
	r.restart()
	c.asked = nil
	r.settle()
	if len(c.asked) != 6 || c.asked[0] != "items true " || r.messages("erp") != 4 {
		t.Errorf("after a restart: asked %q, %d messages", c.asked, r.messages("erp"))
	}
	r.audit()
}

// A system that does not answer is asked again, and nobody else waits for it.
func TestT6_AfterAFailure(t *testing.T) {
	r, c := recorded(t, map[string][]string{"items": {`{"sku":"A","base_uom":"EA"}`, `{"sku":"B"}`, `{"sku":"C"}`}})
	c.fails, c.asked = 2, nil
	c.items["items"] = append(c.items["items"], `{"sku":"D","base_uom":"MTR"}`)
	r.pass(16 * time.Minute)
	if got := r.stockOf("D").Record(); got == nil || got.BaseUOM != "MTR" {
		t.Errorf("the record of D is %+v after %q", got, c.asked)
	}
	r.audit()
}

// That a position is still the same is news to an order that waits for it, and
// to nobody else.
func TestT6_APositionThatStays(t *testing.T) {
	r, c := recorded(t, nil)
	at := func() {
		c.items["inventory"] = []string{`{"sku":"A","warehouse":"W1","available":"7","as_of":"` + r.now.Format(time.RFC3339) + `"}`}
	}
	c.items = map[string][]string{}
	at()
	r.pass(15 * time.Minute)
	at()
	r.pass(15 * time.Minute)
	if n := r.messages("erp"); n != 1 {
		t.Errorf("%d messages, want 1", n)
	}
	r.short("SO-1", "6", "")
	at()
	r.pass(15 * time.Minute)
	r.pass(time.Minute)
	if got := r.released("SO-1"); len(got) != 1 {
		t.Error("the backorder is not released by a position that was read")
	}
	r.audit()
}

// The contract connector publishes what T6 says; a channel is told, not asked.
func TestT6_WhoIsRead(t *testing.T) {
	for role, want := range map[waybill.Role]bool{waybill.RoleERP: true, waybill.RoleWMS: true, waybill.RoleChannel: false} {
		conn, err := contract.Manifest().Open(connector.Env{System: "x", Role: role, BaseURL: "http://127.0.0.1:1", Client: http.DefaultClient, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		e := New(Options{MasterData: time.Minute})
		if got := e.reads(&target{sys: System{Name: "x", Role: role}, conn: conn}); got != want {
			t.Errorf("%s is read: %t, want %t", role, got, want)
		}
	}
}
