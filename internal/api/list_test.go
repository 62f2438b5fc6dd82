package api_test

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
)

func TestList_PagesJoinToTheWhole(t *testing.T) {
	w := newWorld(t)
	w.targets["erp"].on(waybill.SalesOrder, refusal("unknown_item"))
	for i := range 7 {
		w.push("shop", "order.placed", strings.Replace(order1, "SO-1", fmt.Sprintf("SO-%d", i), 1))
	}
	w.rest()
	for i := range 3 {
		w.tell(fmt.Sprintf("/api/v1/orders/SO-%d/hold", i), because, 200)
	}
	w.rest()
	for _, path := range []string{"/api/v1/deliveries?", "/api/v1/deliveries?state=parked&", "/api/v1/deliveries?order=SO-5&", "/api/v1/events?",
		"/api/v1/events?source=shop&", "/api/v1/orders?", "/api/v1/orders?q=SO-&", "/api/v1/orders?status=held&", "/api/v1/exceptions?",
		"/api/v1/exceptions?state=all&", "/api/v1/audit?", "/api/v1/orders/SO-1/timeline?"} {
		whole := w.list(path + "limit=1000")
		if len(whole) < 2 {
			t.Errorf("%s lists %d: nothing to page", path, len(whole))
		}
		var joined []map[string]any
		after, pages := "", 0
		for {
			pages++
			res, b := w.do("GET", path+"limit=2&after="+after, "viewer", "", nil)
			page := decode[[]map[string]any](t, b)
			joined = append(joined, page...)
			if after = res.Header.Get("Next-Cursor"); after == "" {
				break
			}
			if len(page) != 2 {
				t.Fatalf("%s: a page of %d that is not the last", path, len(page))
			}
		}
		if diff := cmp.Diff(whole, joined); diff != "" {
			t.Errorf("%s (-whole +pages):\n%s", path, diff)
		}
		if want := (len(whole) + 1) / 2; pages != want {
			t.Errorf("%s came in %d pages, want %d", path, pages, want)
		}
	}
}

func TestList_LinesByAccept(t *testing.T) {
	w := newWorld(t)
	w.shipped()
	whole := w.list("/api/v1/events")
	for accept, lines := range map[string]bool{"application/x-ndjson": true, "application/ndjson": true, "text/html, application/x-ndjson;q=0.5": true,
		"application/json": false, "": false, "*/*": false, "application/x-ndjson;q=0": false} {
		res, b := w.do("GET", "/api/v1/events", "viewer", "", map[string]string{"Accept": accept})
		if got := res.Header.Get("Content-Type") == "application/x-ndjson"; got != lines {
			t.Errorf("Accept %q answers %s", accept, res.Header.Get("Content-Type"))
		}
		if !lines {
			continue
		}
		var got []map[string]any
		for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
			got = append(got, decode[map[string]any](t, s.Bytes()))
		}
		if diff := cmp.Diff(whole, got); diff != "" {
			t.Errorf("Accept %q (-JSON +NDJSON):\n%s", accept, diff)
		}
	}
}

func TestList_QueriesThatMeanNothing(t *testing.T) {
	w := newWorld(t)
	for query, want := range map[string][2]string{
		"deliveries?stat=done":            {"unknown_parameter", "stat"},
		"deliveries?state=finished":       {"unknown_value", "state"},
		"deliveries?target=a&target=b":    {"repeated_parameter", "target"},
		"deliveries?limit=0":              {"limit_out_of_range", "limit"},
		"deliveries?limit=1001":           {"limit_out_of_range", "limit"},
		"deliveries?limit=ten":            {"limit_out_of_range", "limit"},
		"events?after=x":                  {"cursor_malformed", "after"},
		"events?after=-1":                 {"cursor_malformed", "after"},
		"events?a=%zz":                    {"query_malformed", ""},
		"status?verbose=1":                {"unknown_parameter", "verbose"},
		"orders?status=done":              {"unknown_value", "status"},
		"exceptions?state=shut":           {"unknown_value", "state"},
		"audit?before=1":                  {"unknown_parameter", "before"},
		"orders/SO-1/timeline?reverse=on": {"unknown_parameter", "reverse"},
	} {
		p := decode[map[string]any](t, w.get("/api/v1/"+query, 400))
		field, _ := p["field"].(string)
		if got := [2]string{p["code"].(string), field}; got != want {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
}

func TestMetrics_CountWithoutNames(t *testing.T) {
	w := newWorld(t)
	w.shipped()
	w.do("POST", "/in/made~up", "", "{}", nil)
	res, b := w.do("GET", "/metrics", "", "", nil)
	if res.StatusCode != 200 {
		t.Fatal(res.Status)
	}
	for _, line := range []string{`waybill_messages_total 2`, `waybill_documents_total 5`, `waybill_deliveries{state="ready",system="erp"} 0`,
		`waybill_breaker_open{system="wms"} 0`, `waybill_intake_seconds_count{status="202",system="shop"} 1`,
		`waybill_intake_seconds_count{status="404",system=""} 1`, `waybill_build_info{config_rev="abc",version="1.2.3"} 1`} {
		if !bytes.Contains(b, []byte("\n"+line+"\n")) {
			t.Errorf("there is no line %s", line)
		}
	}
	for _, name := range []string{"SO-1", "made~up", "C1"} {
		if bytes.Contains(b, []byte(name)) {
			t.Errorf("the metrics name %s", name)
		}
	}
}

// A list of interchanges is one partner's: without its name it is refused by
// field, and a system that exchanged nothing has none.
func TestInterchanges_OfOnePartner(t *testing.T) {
	w := newWorld(t)
	if b := string(w.get("/api/v1/interchanges", 400)); !strings.Contains(b, "system_missing") {
		t.Errorf("without a partner: %s", b)
	}
	if list := w.list("/api/v1/interchanges?system=wms"); len(list) != 0 {
		t.Errorf("interchanges of a system that sent none: %v", list)
	}
}

// Every system is listed with what limits it, and no forecast is made up while
// nothing was sent to it.
func TestSystems(t *testing.T) {
	w := newWorld(t)
	var body struct {
		Systems []struct {
			Name    string   `json:"name"`
			Role    string   `json:"role"`
			Breaker string   `json:"breaker"`
			DrainS  *float64 `json:"drain_s"`
		} `json:"systems"`
	}
	if err := waybill.Unmarshal(w.get("/api/v1/systems", 200), &body); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, s := range body.Systems {
		found[s.Name] = s.Role
		if s.DrainS != nil || s.Breaker != "closed" {
			t.Errorf("%s: drains in %v, breaker %s", s.Name, s.DrainS, s.Breaker)
		}
	}
	if found["erp"] != "erp" || found["wms"] != "wms" {
		t.Errorf("listed: %v", found)
	}
}
