package contract_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
)

// pages answers by the address's path and query.
func pages(byAddress map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, ok := byAddress[r.URL.RequestURI()]
		if !ok {
			answer(404, `{"code":"not_found"}`)(w, r)
			return
		}
		answer(200, body)(w, r)
	}
}

func TestJournal_ReadsPageByPage(t *testing.T) {
	c, _ := target(t, pages(map[string]string{
		"/v1/journal?after=0&limit=2": `{"generation":"g1","head":3,"entries":[
			{"n":1,"at":"2026-01-02T03:04:05Z","key":"k1","kind":"sales_order","order":"SO-1","seq":1,"digest":"d","ref":"E-1","lines":[{"line":"1","sku":"A","qty":"5","price":"9.90"}],"data":{"a":1}},
			{"n":2,"at":null,"key":null,"kind":"invoice","order":"SO-1","ref":"E-2","lines":null}]}`,
		"/v1/journal?after=2&limit=2": `{"generation":"g2","head":3,"entries":[{"n":3,"key":"k3"}]}`,
		"/v1/journal?after=3&limit=2": `{"generation":"g2","head":3,"entries":[]}`,
	}))
	var got []connector.Entry
	after := int64(0)
	for {
		entries, head, err := c.Journal.Entries(t.Context(), after, 2)
		if err != nil || head != 3 {
			t.Fatalf("after %d: head %d, error %v", after, head, err)
		}
		if len(entries) == 0 {
			break
		}
		got, after = append(got, entries...), entries[len(entries)-1].N
	}
	want := []connector.Entry{
		{N: 1, At: connectortest.Now, Key: "k1", Kind: waybill.SalesOrder, Order: "SO-1", Seq: 1, Digest: "d", Ref: "E-1",
			Lines: []waybill.DocumentLine{{Line: "1", SKU: "A", Qty: waybill.NewDecimal(5), Price: &waybill.Price{Amount: waybill.MustDecimal("9.9")}}},
			Data:  []byte(`{"a":1}`), Generation: "g1"},
		{N: 2, Kind: waybill.Invoice, Order: "SO-1", Ref: "E-2", Generation: "g1"}, // entered by hand
		{N: 3, Key: "k3", Generation: "g2"},
	}
	if d := cmp.Diff(want, got, cmp.Comparer(waybill.Decimal.Equal)); d != "" {
		t.Errorf("entries (-want +got):\n%s", d)
	}
}

func TestJournal_RefusesWhatCantBeCounted(t *testing.T) {
	tests := map[string]string{
		"not above after":   `{"head":3,"entries":[{"n":0}]}`,
		"out of order":      `{"head":3,"entries":[{"n":2},{"n":1}]}`,
		"twice":             `{"head":3,"entries":[{"n":1},{"n":1}]}`,
		"more than asked":   `{"head":3,"entries":[{"n":1},{"n":2},{"n":3}]}`,
		"no quantity":       `{"head":3,"entries":[{"n":1,"lines":[{"line":"1","qty":"many"}]}]}`,
		"not JSON":          `{"head":`,
		"something else":    `[]`,
		"numbers as text":   `{"head":"3","entries":[]}`,
		"an entry of null ": `{"head":3,"entries":[null]}`,
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			c, _ := target(t, answer(200, body))
			if entries, _, err := c.Journal.Entries(t.Context(), 0, 2); err == nil || !strings.Contains(err.Error(), "erp") {
				t.Errorf("entries %+v, error %v; want an error that names the system", entries, err)
			}
		})
	}
	c, _ := target(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("limit"); got != "1000" {
			t.Errorf("limit is %s, want the contract's 1000 at most", got)
		}
		answer(200, `{"head":0,"entries":[]}`)(w, r)
	}))
	if _, _, err := c.Journal.Entries(t.Context(), 0, 5000); err != nil {
		t.Error(err)
	}
}

func TestEntities_BecomeTheEventsThatReportThem(t *testing.T) {
	c, _ := target(t, pages(map[string]string{
		"/v1/entities/items":     `{"items":[{"sku":"A","base_uom":"EA","x":1}],"next":"c2"}`,
		"/v1/entities/customers": `{"items":[{"customer":"C-1","version":4}],"next":null}`,
		"/v1/entities/inventory": `{"items":[{"sku":"A","warehouse":"W1","available":"5","as_of":"2026-01-01T00:00:00+01:00"}],"next":""}`,
		"/v1/entities/prices?cursor=c%262&since=2026-01-01T00%3A00%3A00Z": `{"items":[{"sku":"A","customer":"C-1","price":"1"}]}`,
	}))
	micros := connectortest.Now.UnixMicro()
	asOf := time.Date(2026, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600))
	tests := []struct {
		kind, since, cursor string
		want                []waybill.Event
		next                string
	}{
		{"items", "", "", []waybill.Event{{Type: waybill.ItemChanged, Source: "erp", Flow: waybill.FlowItem, Ref: "A", Subject: "A",
			Version: micros, OccurredAt: connectortest.Now, Data: []byte(`{"sku":"A","base_uom":"EA","x":1}`)}}, "c2"},
		{"customers", "", "", []waybill.Event{{Type: waybill.CustomerChanged, Source: "erp", Flow: waybill.FlowCustomer, Ref: "C-1", Subject: "C-1",
			Version: 4, OccurredAt: connectortest.Now, Data: []byte(`{"customer":"C-1","version":4}`)}}, ""},
		{"inventory", "", "", []waybill.Event{{Type: waybill.InventoryPosition, Source: "erp", Flow: waybill.FlowItem, Ref: "A", Subject: "A/W1",
			Version: asOf.UnixMicro(), OccurredAt: asOf,
			Data: []byte(`{"sku":"A","warehouse":"W1","available":"5","as_of":"2026-01-01T00:00:00+01:00"}`)}}, ""},
		{"prices", "2026-01-01T00:00:00Z", "c&2", []waybill.Event{{Type: waybill.PriceChanged, Source: "erp", Flow: waybill.FlowItem, Ref: "A", Subject: "A/C-1",
			Version: micros, OccurredAt: connectortest.Now, Data: []byte(`{"sku":"A","customer":"C-1","price":"1"}`)}}, ""},
		{"warehouses", "", "", nil, ""}, // 404: none here
	}
	for _, tt := range tests {
		got, next, err := c.Publisher.Entities(t.Context(), tt.kind, tt.since, tt.cursor)
		if err != nil || next != tt.next {
			t.Errorf("%s: next %q, error %v", tt.kind, next, err)
		}
		for i := range got {
			got[i].Body = nil
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.kind, d)
		}
	}
}

func TestEntities_RefusesWhatIsWrong(t *testing.T) {
	tests := []struct{ kind, cursor, body, want string }{
		{"planets", "", `{"items":[]}`, "want items, customers"},
		{"items", "", `{"items":[{"sku":"A"},{"base_uom":"EA"}]}`, "/items/1/sku"},
		{"items", "", `{"items":[{"sku":7}]}`, "/items/0/sku"},
		{"items", "", `{"items":[null]}`, "/items/0"},
		{"items", "c1", `{"items":[],"next":"c1"}`, "is itself"},
		{"items", "", `not JSON`, "unreadable"},
	}
	for _, tt := range tests {
		c, _ := target(t, answer(200, tt.body))
		events, _, err := c.Publisher.Entities(t.Context(), tt.kind, "", tt.cursor)
		if err == nil || !strings.Contains(err.Error(), tt.want) || events != nil {
			t.Errorf("%s %s: events %v, error %v, want %q", tt.kind, tt.body, events, err, tt.want)
		}
	}
	c, _ := target(t, answer(500, `{}`))
	if _, _, err := c.Publisher.Entities(t.Context(), "items", "", ""); err == nil {
		t.Error("500 is taken for an empty page")
	}
}

func TestProbe_ReadsWhatIsThere(t *testing.T) {
	tests := []struct {
		body string
		want connector.Info
		err  string
	}{
		{`{}`, connector.Info{Head: -1}, ""},
		{`{"system":"wms","head":0,"idempotency":"none","key_ttl_s":-5,"now":"odd"}`,
			connector.Info{System: "wms", Idempotency: waybill.NoIdempotency}, ""},
		{`{"key_ttl_s":9223372036854775807,"idempotency":"lookup"}`,
			connector.Info{Head: -1, Idempotency: waybill.ByLookup, KeyTTL: 100 * 365 * 24 * time.Hour}, ""},
		{`{"idempotency":"always"}`, connector.Info{}, `"always" is none of`},
		{`<html>`, connector.Info{}, "unreadable"},
	}
	for _, tt := range tests {
		c, _ := target(t, answer(200, tt.body))
		got, err := c.Prober.Probe(t.Context())
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: error %v, want %q", tt.body, err, tt.err)
			}
			continue
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: info %+v, error %v, want %+v", tt.body, got, err, tt.want)
		}
	}
}
