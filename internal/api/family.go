package api

import (
	"fmt"
	"net/http"

	"github.com/waybillhq/waybill/internal/schema"
)

// Family is the part of the API that a route belongs to, by whom it serves.
type Family string

// The families. The zero value is the process itself: health, metrics, and
// what describes the API.
const (
	Experience Family = "experience" // portals and inside sales: orders and their status
	Process    Family = "process"    // who runs the flow: deliveries, exceptions, reconciliations, the audit log
	System     Family = "system"     // who connects systems: what comes in, and the systems themselves
)

// families lists them with what they are for.
var families = []struct {
	name Family
	doc  string
}{
	{Experience, "Orders and their status, for portals and inside sales. A key of some customers sees and places their orders alone; an order of anybody else is 404."},
	{Process, "The flow of documents between systems: deliveries, exceptions, reconciliations, the audit log."},
	{System, "The connected systems: what they send, what was kept of it byte for byte, and the systems themselves."},
}

// inFamily puts routes that name no family of their own into one.
func inFamily(f Family, routes []Route) []Route {
	for i := range routes {
		if routes[i].Family == "" {
			routes[i].Family = f
		}
	}
	return routes
}

// descriptionRoutes serve the description whole and by family, and the
// published schemas of events and documents.
func descriptionRoutes() []Route {
	serve := func(f Family) func(*API, *call) error {
		return func(a *API, c *call) error { c.send(http.StatusOK, typeJSON, a.described[f]); return nil }
	}
	out := []Route{
		{Method: "GET", Path: "/openapi.json", Access: Open, Tag: "C1", Summary: "This description (OpenAPI 3.1)", bytes: true, answers: ok(nil), serve: serve("")},
		{Method: "GET", Path: "/schemas/{name}", Access: Open, Tag: "W3", Summary: "The published JSON Schema of an event or a document, by its name or name@version",
			bytes: true, answers: ok(nil), serve: (*API).schema},
	}
	for _, f := range families {
		out = append(out, Route{Method: "GET", Path: "/openapi/" + string(f.name) + ".json", Access: Open, Tag: "C1",
			Summary: "The part of the description for the " + string(f.name) + " family", bytes: true, answers: ok(nil), serve: serve(f.name)})
	}
	return out
}

// schema answers with a published schema, as `waybill schema show` prints it.
func (a *API) schema(c *call) error {
	s, err := schema.Find(c.PathValue("name"))
	if err != nil {
		return err
	}
	c.send(http.StatusOK, "application/schema+json", s.JSON)
	return nil
}

// describeAll describes the API whole, and each family by itself.
func describeAll(routes []Route, version string) (map[Family][]byte, error) {
	out := map[Family][]byte{}
	whole, err := describe(routes, "", version)
	if err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	out[""] = whole
	for _, f := range families {
		var part []Route
		for _, r := range routes {
			if r.Family == f.name {
				part = append(part, r)
			}
		}
		if out[f.name], err = describe(part, f.name, version); err != nil {
			return nil, fmt.Errorf("describe the %s family of the API: %w", f.name, err)
		}
	}
	return out, nil
}
