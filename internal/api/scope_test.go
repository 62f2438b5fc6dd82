package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/internal/api"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/schema"
	"github.com/waybillhq/waybill/internal/secret"
)

// withPortal adds a key of one customer.
func withPortal(d *api.Deps) {
	d.Keys = auth.NewKeys(append(apiKeys(), auth.Key{Name: "portal", Role: auth.Operator,
		Key: secret.New("key-of-portal"), Customers: []string{"C1"}}))
}

// portal asks with the key of customer C1.
func (w *world) portal(method, path, body string, header ...string) (*http.Response, []byte) {
	w.t.Helper()
	h := map[string]string{"Authorization": "Bearer key-of-portal"}
	for i := 0; i+1 < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	return w.do(method, path, "", body, h)
}

func code(b []byte) string {
	var p struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(b, &p) // no problem has no code
	return p.Code
}

// TestScope_OthersOrdersAreNotThere: whoever asks with a key of one customer
// learns nothing of another's orders, by no reference, list or answer.
func TestScope_OthersOrdersAreNotThere(t *testing.T) {
	w := newWorld(t, withPortal)
	place := func(order, customer string) {
		w.push("shop", "order.placed", strings.NewReplacer("SO-1", order, `"C1"`, fmt.Sprintf("%q", customer)).Replace(order1))
	}
	place("SO-1", "C1")
	place("SO-2", "C2") // the same purchase order number, of another buyer
	place("SO-3", "C1")
	w.rest()
	// facts without their order belong to nobody yet
	w.push("wms", "shipment.confirmed", `{"order":"SO-9","shipment":"SH-9","shipped_at":"2026-01-03T09:00:00Z","lines":[{"line":"1","qty":"1"}]}`)

	for _, tt := range []struct {
		path, code, want string
		status           int
	}{
		{"/api/v1/orders/SO-1", "", `"order":"SO-1"`, 200},
		{"/api/v1/orders/SO-1/timeline", "", `"order.placed"`, 200},
		{"/api/v1/orders/PO-9", "", `{"orders":["SO-3","SO-1"]}`, 300},
		{"/api/v1/orders/PO-9/timeline", "", `{"orders":["SO-3","SO-1"]}`, 300},
		{"/api/v1/orders/SO-2", "not_found", "", 404},
		{"/api/v1/orders/SO-2/timeline", "not_found", "", 404},
		{"/api/v1/orders/SO-9", "not_found", "", 404},
		{"/api/v1/orders/SH-9", "not_found", "", 404},
		{"/api/v1/orders/nothing", "not_found", "", 404},
	} {
		res, b := w.portal("GET", tt.path, "")
		if res.StatusCode != tt.status || code(b) != tt.code || !strings.Contains(string(b), tt.want) {
			t.Errorf("%s: %s %s", tt.path, res.Status, b)
		}
	}
	_, others := w.portal("GET", "/api/v1/orders/SO-2", "")
	_, nobodys := w.portal("GET", "/api/v1/orders/SO-8", "")
	if strings.ReplaceAll(string(others), "SO-2", "SO-8") != string(nobodys) {
		t.Errorf("another's order is told from none:\n%s\n%s", others, nobodys)
	}
	for _, query := range []string{"", "?q=SO", "?q=PO-9", "?status=accepted", "?limit=1"} {
		path := "/api/v1/orders" + query
		var got []string
		for path != "" {
			res, b := w.portal("GET", path, "")
			if res.StatusCode != 200 {
				t.Fatalf("%s: %s %s", path, res.Status, b)
			}
			for _, o := range decode[[]map[string]any](t, b) {
				got = append(got, o["order"].(string))
			}
			path = ""
			if next := res.Header.Get("Next-Cursor"); next != "" {
				path = "/api/v1/orders?limit=1&after=" + next
			}
		}
		if strings.Contains(query, "status") {
			got = slices.DeleteFunc(got, func(o string) bool { return o != "SO-2" && o != "SO-9" })
			if len(got) > 0 {
				t.Errorf("%q lists %v", query, got)
			}
			continue
		}
		if diff := cmp.Diff([]string{"SO-3", "SO-1"}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
}

func TestScope_PlacesForItsCustomersAlone(t *testing.T) {
	w := newWorld(t, withPortal)
	order := func(number, customer string) string {
		return strings.NewReplacer("SO-1", number, `"C1"`, fmt.Sprintf("%q", customer)).Replace(order1)
	}
	res, b := w.do("POST", "/api/v1/orders", "operator", order("77", "C2"), map[string]string{"Idempotency-Key": "k-0"})
	if res.StatusCode != 202 {
		t.Fatalf("%s %s", res.Status, b)
	}
	w.rest()
	for i, tt := range []struct {
		name, body, code string
		status           int
	}{
		{"its own", order("78", "C1"), "", 202},
		{"another's customer", order("79", "C2"), "customer_not_allowed", 403},
		{"no customer", strings.Replace(order("79", "C1"), `"customer":"C1",`, "", 1), "customer_not_allowed", 403},
		{"another's order, changed", strings.Replace(order("77", "C1"), `"version":1`, `"version":2`, 1), "order_taken", 409},
		{"its own, changed", strings.Replace(order("78", "C1"), `"version":1`, `"version":2`, 1), "", 202},
		{"no JSON", "{", "body_malformed", 400},
		{"customer twice", strings.Replace(order("79", "C1"), `"customer":"C1",`, `"customer":"C1","customer":"C2",`, 1), "body_malformed", 400},
	} {
		res, b := w.portal("POST", "/api/v1/orders", tt.body, "Idempotency-Key", fmt.Sprintf("p-%d", i))
		if res.StatusCode != tt.status || code(b) != tt.code {
			t.Errorf("%s: %s %s", tt.name, res.Status, b)
		}
		w.rest()
	}
	if o := decode[map[string]any](t, w.get("/api/v1/orders/api~.77", 200)); o["lines"] == nil {
		t.Errorf("the other's order is gone: %v", o)
	}
}

// TestScope_NothingButOrders: every route that is not for portals is closed to
// their keys, whatever their role.
func TestScope_NothingButOrders(t *testing.T) {
	w := newWorld(t, withPortal, withReconciler, withReplayer)
	open := map[string]bool{"GET /api/v1/orders": true, "POST /api/v1/orders": true, "GET /api/v1/orders/{ref}": true, "GET /api/v1/orders/{ref}/timeline": true}
	for route, need := range who {
		if need == "open" || need == "signature" || open[route] {
			continue
		}
		method, path, _ := strings.Cut(route, " ")
		res, b := w.portal(method, placeholder.ReplaceAllString(path, "1"), "")
		if res.StatusCode != 403 || code(b) != "forbidden" {
			t.Errorf("%s: %s %s", route, res.Status, b)
		}
	}
}

// TestOpenAPI_Families: each family's description holds its routes, whole and
// by itself, and together they hold all but what describes the process.
func TestOpenAPI_Families(t *testing.T) {
	w := newWorld(t, withReconciler, withReplayer)
	seen := map[string]string{}
	for _, family := range []string{"experience", "process", "system"} {
		doc := decode[map[string]any](t, w.get("/openapi/"+family+".json", 200))
		for path, item := range doc["paths"].(map[string]any) {
			for method, op := range item.(map[string]any) {
				route := strings.ToUpper(method) + " " + path
				if other := seen[route]; other != "" {
					t.Errorf("%s is in %s and in %s", route, other, family)
				}
				seen[route] = family
				if tags := op.(map[string]any)["tags"].([]any); tags[0] != family {
					t.Errorf("%s has the tags %v", route, tags)
				}
			}
		}
		resolve(t, doc, doc)
	}
	for route, family := range map[string]string{"GET /api/v1/orders/{ref}": "experience", "POST /api/v1/orders": "experience",
		"GET /api/v1/exceptions": "process", "POST /api/v1/reconciliations": "process", "POST /api/v1/orders/{ref}/hold": "process",
		"POST /in/{system}": "system", "POST /api/v1/systems/{name}/pause": "system", "GET /api/v1/messages/{message}/raw": "system"} {
		if seen[route] != family {
			t.Errorf("%s is in family %q, want %s", route, seen[route], family)
		}
	}
	for route := range maps.Keys(who) {
		_, path, _ := strings.Cut(route, " ")
		if inside := strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/in/"); inside != (seen[route] != "") {
			t.Errorf("%s is in family %q", route, seen[route])
		}
	}
}

func TestSchemas_ArePublished(t *testing.T) {
	w := newWorld(t)
	want, err := schema.Find("order.placed")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"order.placed", "order.placed@1"} {
		res, b := w.do("GET", "/schemas/"+name, "", "", nil)
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != "application/schema+json" || string(b) != string(want.JSON) {
			t.Errorf("%s: %s %.80s", name, res.Status, b)
		}
	}
	if res, b := w.do("GET", "/schemas/order.placed@99", "", "", nil); res.StatusCode != 404 || code(b) != "not_found" {
		t.Errorf("%s %s", res.Status, b)
	}
}
