package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/intake"
	"github.com/waybillhq/waybill/internal/schema"
)

type object = schema.Object

// shapes are the components of a description.
type shapes struct{ schema.Shapes }

// describe writes the routes as OpenAPI 3.1. Everything in it comes from the
// table and from the Go types that are marshalled, so it can't fall behind.
func describe(routes []Route, family Family, version string) ([]byte, error) {
	s := &shapes{schema.Shapes{Prefix: "#/components/schemas/", Named: object{}}}
	paths := object{}
	for _, r := range routes {
		path := r.Path
		methods, known := paths[path].(object)
		if !known {
			methods = object{}
			paths[path] = methods
		}
		methods[strings.ToLower(r.Method)] = s.operation(r)
	}
	problem := s.Of(intake.Problem{})
	var tags []object
	title := "Waybill"
	for _, f := range families {
		if family == "" || family == f.name {
			tags = append(tags, object{"name": f.name, "description": f.doc})
		}
		if family == f.name {
			title += ", " + string(f.name) + " family"
		}
	}
	return waybill.Marshal(object{
		"openapi": "3.1.0",
		"tags":    tags,
		"info": object{"title": title, "version": version,
			"description": "The control API: part C of the Waybill system contract, version 1. Errors are problem+json (RFC 9457) with a stable code. Lists are paged: Next-Cursor of one page is after of the next. Ids are strings with a prefix (evt_, msg_, exc_); quantities and money are decimal strings.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"servers":  []object{{"url": "/"}},
		"security": []object{{"key": []string{}}},
		"paths":    paths,
		"components": object{
			"schemas": s.Named,
			"responses": object{"problem": object{"description": "What is wrong, and what to do",
				"content": object{"application/problem+json": object{"schema": problem}}}},
			"securitySchemes": object{"key": object{"type": "http", "scheme": "bearer", "description": "An API key of the configuration"}},
		},
	})
}

// operation describes one route.
func (s *shapes) operation(r Route) object {
	op := object{"summary": r.Summary, "tags": tagsOf(r), "operationId": operationID(r), "responses": s.responses(r)}
	switch r.Access {
	case ByKey:
		op["description"] = "Needs a key with the role " + r.Role.String() + " or more."
		op["x-role"] = r.Role.String()
	case Signature:
		op["description"] = "Authenticated by the system's own signature; the system contract, W1, has the headers."
		op["security"] = []object{}
	default:
		op["security"] = []object{}
	}
	if params := parameters(r); len(params) > 0 {
		op["parameters"] = params
	}
	if r.body != nil {
		op["requestBody"] = object{"required": true, "content": object{typeJSON: object{"schema": s.Of(r.body)}}}
	}
	return op
}

// tagsOf are the route's family and its part of the system contract.
func tagsOf(r Route) []string {
	if r.Family == "" {
		return []string{r.Tag}
	}
	return []string{string(r.Family), r.Tag}
}

func operationID(r Route) string {
	name := strings.NewReplacer("{", "", "}", "", "/api/v1", "", "/", "_", "-", "_", ".", "_").Replace(r.Path)
	return strings.ToLower(r.Method) + name
}

func parameters(r Route) []object {
	var out []object
	for part := range strings.SplitSeq(r.Path, "/") {
		if name, isParam := strings.CutPrefix(part, "{"); isParam {
			out = append(out, object{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": object{"type": "string"}})
		}
	}
	for _, q := range r.Query {
		schema := object{"type": "string"}
		if len(q.Allowed) > 0 {
			schema["enum"] = q.Allowed
		}
		if q.Name == "limit" {
			schema = object{"type": "integer", "minimum": 1, "maximum": limitMax, "default": limitDefault}
		}
		out = append(out, object{"name": q.Name, "in": "query", "required": false, "description": q.Doc, "schema": schema})
	}
	if r.header != "" {
		out = append(out, object{"name": r.header, "in": "header", "required": true, "schema": object{"type": "string"}})
	}
	return out
}

func (s *shapes) responses(r Route) object {
	out := object{"default": object{"$ref": "#/components/responses/problem"}}
	for status, answer := range r.answers {
		response := object{"description": http.StatusText(status)}
		switch {
		case r.bytes:
			response["content"] = object{"*/*": object{"schema": object{}}}
		case r.list && status == http.StatusOK:
			one := s.Of(answer)
			response["content"] = object{typeJSON: object{"schema": object{"type": "array", "items": one}}, typeNDJSON: object{"schema": one}}
			response["headers"] = object{"Next-Cursor": object{"description": "after of the next page; absent on the last", "schema": object{"type": "string"}}}
		default:
			response["content"] = object{typeJSON: object{"schema": s.Of(answer)}}
		}
		out[strconv.Itoa(status)] = response
	}
	if r.Access == ByKey {
		for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden} {
			out[strconv.Itoa(status)] = object{"$ref": "#/components/responses/problem"}
		}
	}
	return out
}
