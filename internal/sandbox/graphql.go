package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// The storefront's leaky bucket, as it is told; only faults throttle.
const (
	costMax     = 20_000
	costRestore = 1_000
	costQuery   = 12
)

// parsedMax bounds how many documents are kept parsed. A client has a handful.
const parsedMax = 256

// parsedQueries keeps validated documents by their text.
type parsedQueries struct {
	mu   sync.RWMutex
	docs map[string]*ast.QueryDocument
}

// loadSchema reads the part of the Admin API's schema that the storefront
// serves.
func loadSchema() (*ast.Schema, error) {
	raw, err := shopdata.ReadFile("shopdata/admin-2026-04.trimmed.graphql")
	if err != nil {
		return nil, fmt.Errorf("load the Admin API's schema: %w", err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "admin-2026-04", Input: string(raw)})
	if err != nil {
		return nil, fmt.Errorf("load the Admin API's schema: %w", err)
	}
	return schema, nil
}

// parse gives a document, parsed and validated against the schema.
func (s *shop) parse(query string) (*ast.QueryDocument, gqlerror.List) {
	p := &s.parsed
	p.mu.RLock()
	doc := p.docs[query]
	p.mu.RUnlock()
	if doc != nil {
		return doc, nil
	}
	doc, errs := gqlparser.LoadQueryWithRules(s.schema, query, rules.NewDefaultRules())
	if len(errs) > 0 {
		return nil, errs
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.docs == nil || len(p.docs) >= parsedMax {
		p.docs = map[string]*ast.QueryDocument{}
	}
	p.docs[query] = doc
	return doc, nil
}

// ServeHTTP is the Admin API.
func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n, out := s.w.faults["shop"].out(); out {
		if n%2 == 1 {
			drop(w)
			return
		}
		answer(w, http.StatusBadGateway, []byte("Bad Gateway\n"), "Content-Type", "text/plain")
		return
	}
	version, ok := strings.CutPrefix(r.URL.Path, "/admin/api/")
	version, graphql := strings.CutSuffix(version, "/graphql.json")
	switch {
	case !ok || !graphql || strings.Contains(version, "/"):
		answer(w, http.StatusNotFound, []byte(`{"errors":"Not Found"}`), "Content-Type", jsonType)
	case r.Method != http.MethodPost:
		answer(w, http.StatusMethodNotAllowed, []byte(`{"errors":"Method Not Allowed"}`), "Content-Type", jsonType, "Allow", "POST")
	case r.Header.Get("X-Shopify-Access-Token") != s.w.cfg.Secrets["shop"].Token:
		answer(w, http.StatusUnauthorized, []byte(`{"errors":"[API] Invalid API key or access token (unrecognized login or wrong password)"}`), "Content-Type", jsonType)
	default:
		w.Header().Set("X-Shopify-API-Version", shopVersion)
		s.postQuery(w, r)
	}
}

// postQuery runs one GraphQL request, well or badly as its fault says.
func (s *shop) postQuery(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil || len(body) > bodyMax {
		answer(w, http.StatusBadRequest, []byte(`{"errors":"Bad Request"}`), "Content-Type", jsonType)
		return
	}
	var req struct {
		Query         string         `json:"query"`
		OperationName string         `json:"operationName"`
		Variables     map[string]any `json:"variables"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&req); err != nil {
		answer(w, http.StatusBadRequest, []byte(`{"errors":{"query":"Required parameter missing or invalid"}}`), "Content-Type", jsonType)
		return
	}
	fault := s.strike(body)
	if s.failEarly(w, fault) {
		return
	}
	out := s.execute(req.Query, req.OperationName, req.Variables)
	switch fault {
	case ApplyDrop:
		drop(w)
		return
	case ApplyHang:
		s.w.cfg.Sleep(r.Context(), shopHang)
		drop(w)
		return
	case LateApply, Pending, Partial:
		answer(w, http.StatusGatewayTimeout, []byte("Gateway Timeout\n"), "Content-Type", "text/plain")
		return
	case Slow:
		s.w.cfg.Sleep(r.Context(), slowFor)
	}
	answer(w, http.StatusOK, out, "Content-Type", jsonType)
}

// shopHang is how long the storefront holds an answer back before it cuts the
// connection itself.
const shopHang = 3 * time.Second

// failEarly answers the faults that apply nothing.
func (s *shop) failEarly(w http.ResponseWriter, fault Fault) bool {
	switch fault {
	case Throttle:
		answer(w, http.StatusOK, []byte(`{"errors":[{"message":"Throttled","extensions":{"code":"THROTTLED","documentation":"https://shopify.dev/api/usage/limits"}}],`+
			costJSON(0, 2)+`}`), "Content-Type", jsonType)
	case Busy:
		answer(w, http.StatusTooManyRequests, []byte(`{"errors":"Exceeded 2 calls per second for api client. Reduce request rates to resume uninterrupted service."}`),
			"Content-Type", jsonType, "Retry-After", "1.0")
	case ServerFail:
		answer(w, http.StatusBadGateway, []byte("Bad Gateway\n"), "Content-Type", "text/plain")
	case Reset:
		drop(w)
	default:
		return false
	}
	return true
}

// strike draws the fault of a request by the order that it names, so that no
// order meets more than its share.
func (s *shop) strike(body []byte) Fault {
	i, named := orderNamed(body)
	if !named {
		return ""
	}
	o := s.order(i)
	if o == nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o.calls++
	fault := s.w.faults["shop"].draw(strconv.Itoa(i), o.calls, o.faults)
	if fault != "" {
		o.faults++
	}
	return fault
}

// orderNamed finds the first order, fulfilment order or fulfilment that a body
// names by its global id.
func orderNamed(body []byte) (int, bool) {
	const scheme = "gid://shopify/"
	for {
		at := bytes.Index(body, []byte(scheme))
		if at < 0 {
			return 0, false
		}
		body = body[at+len(scheme):]
		end := bytes.IndexAny(body, `"\`)
		if end < 0 {
			return 0, false
		}
		if i, _, _, ok := readGID(scheme + string(body[:end])); ok {
			return i, true
		}
	}
}

// costJSON writes extensions with the cost of a query.
func costJSON(actual, available int) string {
	return fmt.Sprintf(`"extensions":{"cost":{"requestedQueryCost":%d,"actualQueryCost":%d,"throttleStatus":{"maximumAvailable":%d.0,"currentlyAvailable":%d,"restoreRate":%d.0}}}`,
		costQuery, actual, costMax, available, costRestore)
}

// costUsual is the extensions of an answer that was not throttled.
var costUsual = costJSON(costQuery, costMax-costQuery)

// execute runs a document and gives the body of the answer.
func (s *shop) execute(query, operation string, variables map[string]any) []byte {
	doc, errs := s.parse(query)
	if len(errs) > 0 {
		return errorBody(errs)
	}
	op := doc.Operations.ForName(operation)
	if op == nil {
		return errorBody(gqlerror.List{gqlerror.Errorf("No operation named %q", operation)})
	}
	vars, err := validator.VariableValues(s.schema, op, variables)
	if err != nil {
		return errorBody(gqlerror.List{gqlerror.Wrap(err)})
	}
	q := &execution{shop: s, doc: doc, vars: vars}
	var root gnode = queryRoot{s}
	if op.Operation == ast.Mutation {
		root = mutationRoot{s}
	}
	b := append(make([]byte, 0, 1024), `{"data":`...)
	s.mu.Lock()
	b = q.object(b, root, op.SelectionSet)
	told := s.takeUntold()
	s.mu.Unlock()
	for _, m := range told {
		s.w.pushers["shop"].push(m)
	}
	if len(q.errs) > 0 {
		if listed, err := json.Marshal(q.errs); err == nil {
			b = append(append(b, `,"errors":`...), listed...)
		}
	}
	return append(append(append(b, ','), costUsual...), '}')
}

// errorBody is the answer to a document that can't be run.
func errorBody(errs gqlerror.List) []byte {
	listed, err := json.Marshal(errs)
	if err != nil {
		listed = []byte(`[{"message":"invalid document"}]`)
	}
	return []byte(`{"errors":` + string(listed) + `}`)
}

// gnode is an object of the API: its concrete type, and its fields by name. A
// field gives nil, a string, an int, an int64, a bool, a time, a list of
// strings, a gnode or a list of them. Fields of the schema that a node does
// not know are null.
type gnode interface {
	typename() string
	field(name string, args map[string]any) any
}

// execution is one run of a document.
type execution struct {
	shop *shop
	doc  *ast.QueryDocument
	vars map[string]any
	errs gqlerror.List
}

// object writes the selected fields of a node.
func (q *execution) object(b []byte, n gnode, set ast.SelectionSet) []byte {
	b = append(b, '{')
	return append(q.fields(b, n, set), '}')
}

// fields writes the selected fields without braces, fragments spread out.
func (q *execution) fields(b []byte, n gnode, set ast.SelectionSet) []byte {
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.Field:
			if !q.wanted(sel.Directives) {
				continue
			}
			if b[len(b)-1] != '{' {
				b = append(b, ',')
			}
			b = append(append(append(b, '"'), sel.Alias...), `":`...)
			if sel.Name == "__typename" {
				b = appendText(b, n.typename())
				continue
			}
			b = q.value(b, n.field(sel.Name, sel.ArgumentMap(q.vars)), sel)
		case *ast.InlineFragment:
			if q.wanted(sel.Directives) && q.applies(sel.TypeCondition, n) {
				b = q.fields(b, n, sel.SelectionSet)
			}
		case *ast.FragmentSpread:
			if def := q.doc.Fragments.ForName(sel.Name); def != nil && q.wanted(sel.Directives) && q.applies(def.TypeCondition, n) {
				b = q.fields(b, n, def.SelectionSet)
			}
		}
	}
	return b
}

// wanted evaluates @skip and @include.
func (q *execution) wanted(list ast.DirectiveList) bool {
	if d := list.ForName("skip"); d != nil && d.ArgumentMap(q.vars)["if"] == true {
		return false
	}
	d := list.ForName("include")
	return d == nil || d.ArgumentMap(q.vars)["if"] == true
}

// applies says whether a fragment on a type covers a node.
func (q *execution) applies(condition string, n gnode) bool {
	if condition == "" || condition == n.typename() {
		return true
	}
	for _, d := range q.shop.schema.PossibleTypes[condition] {
		if d.Name == n.typename() {
			return true
		}
	}
	return false
}

// value writes what a field gave.
func (q *execution) value(b []byte, v any, f *ast.Field) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendText(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return appendText(b, strconv.FormatInt(v, 10)) // UnsignedInt64 is a string on the wire
	case bool:
		return strconv.AppendBool(b, v)
	case time.Time:
		if v.IsZero() {
			return append(b, "null"...)
		}
		return appendText(b, v.UTC().Format(time.RFC3339))
	case []string:
		b = append(b, '[')
		for i, s := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, s)
		}
		return append(b, ']')
	case []gnode:
		b = append(b, '[')
		for i, n := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = q.value(b, n, f)
		}
		return append(b, ']')
	case gnode:
		return q.object(b, v, f.SelectionSet)
	case error:
		q.errs = append(q.errs, gqlerror.Errorf("%s", v.Error()))
	}
	return append(b, "null"...)
}
