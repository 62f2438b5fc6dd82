package api_test

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/internal/api"
)

// who is who may call what. It is written by hand: a route that is new or has
// become more open fails until somebody says here that it shall be so.
var who = map[string]string{
	"GET /healthz":        "open",
	"GET /readyz":         "open",
	"GET /metrics":        "open",
	"GET /openapi.json":   "open",
	"GET /schemas/{name}": "open",
	"POST /in/{system}":   "signature",
	"GET /api/v1/status":  "viewer",

	"GET /openapi/experience.json": "open",
	"GET /openapi/process.json":    "open",
	"GET /openapi/system.json":     "open",

	"GET /api/v1/deliveries":                   "viewer",
	"GET /api/v1/deliveries/{key}/attempts":    "viewer",
	"POST /api/v1/deliveries/{key}/compensate": "operator",
	"POST /api/v1/deliveries/{key}/edit":       "operator",
	"POST /api/v1/deliveries/{key}/retry":      "operator",
	"POST /api/v1/deliveries/{key}/skip":       "operator",
	"POST /api/v1/deliveries/{key}/settle":     "operator",

	"GET /api/v1/events":                 "viewer",
	"GET /api/v1/events/{event}/raw":     "operator",
	"GET /api/v1/messages/{message}/raw": "operator",

	"GET /api/v1/orders":                          "viewer",
	"POST /api/v1/orders":                         "operator",
	"GET /api/v1/orders/{ref}":                    "viewer",
	"GET /api/v1/orders/{ref}/timeline":           "viewer",
	"POST /api/v1/orders/{ref}/recheck":           "operator",
	"POST /api/v1/orders/{ref}/hold":              "operator",
	"POST /api/v1/orders/{ref}/release":           "operator",
	"POST /api/v1/orders/{ref}/release_backorder": "operator",
	"POST /api/v1/orders/{ref}/cancel":            "operator",

	"GET /api/v1/exceptions":                           "viewer",
	"GET /api/v1/interchanges":                         "viewer",
	"GET /api/v1/systems":                              "viewer",
	"POST /api/v1/exceptions/{id}/retry":               "operator",
	"POST /api/v1/exceptions/{id}/skip":                "operator",
	"POST /api/v1/exceptions/{id}/settle":              "operator",
	"POST /api/v1/exceptions/{id}/resume":              "operator",
	"POST /api/v1/exceptions/{id}/close":               "operator",
	"POST /api/v1/exceptions/{id}/match":               "operator",
	"POST /api/v1/exceptions/{id}/take":                "operator",
	"POST /api/v1/exceptions/{id}/decline":             "operator",
	"GET /api/v1/ownership":                            "viewer",
	"GET /api/v1/proposals":                            "viewer",
	"POST /api/v1/exceptions/{id}/map":                 "operator",
	"GET /api/v1/mappings":                             "viewer",
	"GET /api/v1/mappings/export":                      "viewer",
	"GET /api/v1/mappings/unmapped":                    "viewer",
	"POST /api/v1/mappings":                            "operator",
	"POST /api/v1/mappings/import":                     "operator",
	"DELETE /api/v1/mappings/{mapping}":                "operator",
	"POST /api/v1/exceptions/by-cause/{cause}/retry":   "operator",
	"POST /api/v1/exceptions/by-cause/{cause}/skip":    "operator",
	"POST /api/v1/exceptions/by-cause/{cause}/resume":  "operator",
	"POST /api/v1/exceptions/by-cause/{cause}/close":   "operator",
	"POST /api/v1/exceptions/by-cause/{cause}/take":    "operator",
	"POST /api/v1/exceptions/by-cause/{cause}/decline": "operator",

	"POST /api/v1/systems/{name}/pause":  "integrator",
	"POST /api/v1/systems/{name}/resume": "integrator",

	"POST /api/v1/replays":     "integrator",
	"GET /api/v1/replays/{id}": "operator",

	"POST /api/v1/reconciliations":     "integrator",
	"GET /api/v1/reconciliations/{id}": "viewer",

	"GET /api/v1/audit": "viewer",
}

func TestRoutes_WhoMayCallWhat(t *testing.T) {
	got := map[string]string{}
	for _, r := range api.Routes() {
		got[r.Method+" "+r.Path] = r.Who()
		if r.Summary == "" || r.Tag == "" {
			t.Errorf("%s %s does not say what it is for", r.Method, r.Path)
		}
	}
	if diff := cmp.Diff(who, got); diff != "" {
		t.Errorf("(-here +table):\n%s", diff)
	}
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

func TestRoutes_EveryRouteForEveryRole(t *testing.T) {
	w := newWorld(t, withReconciler, withReplayer)
	ranks := []string{"", "viewer", "operator", "integrator", "admin"}
	for route, need := range who {
		method, path, _ := strings.Cut(route, " ")
		path = placeholder.ReplaceAllString(path, "1")
		for rank, role := range ranks {
			res, b := w.do(method, path, role, "", nil)
			want := "neither 401 nor 403"
			fine := res.StatusCode != 401 && res.StatusCode != 403
			if least := slices.Index(ranks, need); least >= 0 && rank < least {
				want, fine = "403", res.StatusCode == 403
				if role == "" {
					want, fine = "401", res.StatusCode == 401 && res.Header.Get("WWW-Authenticate") != ""
				}
			}
			if !fine {
				t.Errorf("%s as %q (least %s): %s, want %s: %s", route, role, need, res.Status, want, b)
			}
		}
	}
}

func TestRoutes_WhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		method, path, role string
		status             int
		code, allow        string
	}{
		{"GET", "/api/v1/nothing", "", 401, "unauthorized", ""},
		{"GET", "/api/v1/nothing", "viewer", 404, "not_found", ""},
		{"GET", "/nothing", "", 404, "not_found", ""},
		{"DELETE", "/api/v1/orders/SO-1", "admin", 405, "method_not_allowed", "GET"},
		{"DELETE", "/api/v1/orders", "admin", 405, "method_not_allowed", "GET, POST"},
		{"GET", "/in/shop", "", 405, "method_not_allowed", "POST"},
		{"POST", "/healthz", "", 405, "method_not_allowed", "GET"},
		{"POST", "/api/v1/replays", "admin", 404, "not_found", ""},
		{"POST", "/api/v1/deliveries/x/dance", "admin", 404, "not_found", ""},
	} {
		res, b := w.do(tt.method, tt.path, tt.role, "", nil)
		p := decode[map[string]any](t, b)
		if res.StatusCode != tt.status || p["code"] != tt.code || res.Header.Get("Allow") != tt.allow ||
			res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s as %q: %s %v Allow %q", tt.method, tt.path, tt.role, res.Status, p, res.Header.Get("Allow"))
		}
	}
	if res, _ := w.do("GET", "/api/v1/status", "", "", map[string]string{"Authorization": "Bearer wrong"}); res.StatusCode != 401 {
		t.Errorf("a wrong key: %s", res.Status)
	}
}

func TestOpenAPI_HasEveryRouteAndEveryName(t *testing.T) {
	w := newWorld(t, withReconciler, withReplayer)
	res, b := w.do("GET", "/openapi.json", "", "", nil)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s", res.Status)
	}
	doc := decode[map[string]any](t, b)
	if doc["openapi"] != "3.1.0" || doc["info"].(map[string]any)["version"] != "1.2.3" {
		t.Errorf("openapi %v, info %v", doc["openapi"], doc["info"])
	}
	described, ids := map[string]string{}, map[string]bool{}
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			o := op.(map[string]any)
			route := strings.ToUpper(method) + " " + path
			described[route] = checkOperation(t, route, o)
			if id := o["operationId"].(string); ids[id] {
				t.Errorf("two operations are called %s", id)
			} else {
				ids[id] = true
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(who)), slices.Sorted(maps.Keys(described))); diff != "" {
		t.Errorf("routes (-table +description):\n%s", diff)
	}
	for route, role := range described {
		if role != "" && role != who[route] {
			t.Errorf("%s is described for %s", route, role)
		}
	}
	resolve(t, doc, doc)
}

// checkOperation checks what OpenAPI 3.1 wants of an operation and returns the
// role it names.
func checkOperation(t *testing.T, route string, o map[string]any) string {
	if o["summary"] == "" || len(o["responses"].(map[string]any)) < 2 {
		t.Errorf("%s: %v", route, o)
	}
	declared := map[string]bool{}
	params, _ := o["parameters"].([]any)
	for _, p := range params {
		x := p.(map[string]any)
		if x["in"] == "path" {
			declared["{"+x["name"].(string)+"}"] = x["required"] == true
		}
		if x["schema"] == nil {
			t.Errorf("%s: parameter %v has no schema", route, x["name"])
		}
	}
	for _, name := range placeholder.FindAllString(route, -1) {
		if !declared[name] {
			t.Errorf("%s: %s is not declared", route, name)
		}
	}
	role, _ := o["x-role"].(string)
	if _, open := o["security"]; open != (role == "") {
		t.Errorf("%s: security %v with role %q", route, o["security"], role)
	}
	return role
}

// resolve follows every reference.
func resolve(t *testing.T, doc map[string]any, v any) {
	switch x := v.(type) {
	case map[string]any:
		if ref, ok := x["$ref"].(string); ok {
			at := any(doc)
			for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				m, _ := at.(map[string]any)
				at = m[part]
			}
			if at == nil {
				t.Errorf("%s names nothing", ref)
			}
		}
		for _, inner := range x {
			resolve(t, doc, inner)
		}
	case []any:
		for _, inner := range x {
			resolve(t, doc, inner)
		}
	}
}
