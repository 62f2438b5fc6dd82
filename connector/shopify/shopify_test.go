package shopify_test

import (
	"bytes"
	"compress/gzip"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/shopify"
)

// schema is the official schema of the version that the connector speaks.
var schema = sync.OnceValues(func() (*ast.Schema, error) { return loadSchema(shopify.APIVersion) })

func loadSchema(version string) (*ast.Schema, error) {
	file, err := os.Open("testdata/schema/admin-" + version + ".graphql.gz")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	packed, err := gzip.NewReader(file)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(packed)
	if err != nil {
		return nil, err
	}
	return gqlparser.LoadSchema(&ast.Source{Name: version, Input: string(text)})
}

// request is a GraphQL request as a server reads it.
type request struct {
	Query     string         `json:"query"`
	Variables map[string]any `json:"variables"`
}

// validRequest reads a request and holds it, with its variables, against the
// official schema.
func validRequest(t *testing.T, body []byte) request {
	t.Helper()
	var q request
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := dec.Decode(&q); err != nil {
		t.Errorf("the request is not JSON: %v", err)
		return q
	}
	s, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, errs := gqlparser.LoadQueryWithRules(s, q.Query, rules.NewDefaultRules())
	if len(errs) > 0 {
		t.Errorf("the official schema refuses the document: %v\n%s", errs, q.Query)
		return q
	}
	if _, err := validator.VariableValues(s, doc.Operations[0], q.Variables); err != nil {
		t.Errorf("the official schema refuses the variables: %v\n%s", err, body)
	}
	return q
}

func isMutation(_ *http.Request, body []byte) bool { return bytes.Contains(body, []byte(`"mutation `)) }

const (
	openOrder = `{"data":{"order":{"id":"gid://shopify/Order/5512345678901234567","metafield":null,"fulfillments":[],
	"fulfillmentOrders":{"nodes":[{"id":"gid://shopify/FulfillmentOrder/71","status":"OPEN","assignedLocation":{"location":{"id":"gid://shopify/Location/1"}},
	"lineItems":{"nodes":[{"id":"gid://shopify/FulfillmentOrderLineItem/711","remainingQuantity":10,"lineItem":{"id":"gid://shopify/LineItem/14012345678901"}},
	{"id":"gid://shopify/FulfillmentOrderLineItem/712","remainingQuantity":2,"lineItem":{"id":"gid://shopify/LineItem/14012345678902"}}],"pageInfo":{"hasNextPage":false,"endCursor":null}}}],
	"pageInfo":{"hasNextPage":false,"endCursor":null}}}}}`
	created = `{"data":{"metafieldsSet":{"userErrors":[]},"fulfillmentCreate":{"fulfillment":{"id":"gid://shopify/Fulfillment/255858046"},"userErrors":[]}}}`
	numbers = `"1Z001985YW99744790","1Z001985YW99744791"`
	asked   = `,"extensions":{"cost":{"requestedQueryCost":120,"actualQueryCost":null,"throttleStatus":{"maximumAvailable":2000.0,"currentlyAvailable":20,"restoreRate":50.0}}}`
)

// answering serves questions about an order, and mutations with the handler.
func answering(order string, mutation http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if isMutation(r, body) {
			mutation(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, order)
	}
}

func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func hasCode(code string) func(*testing.T, waybill.Outcome) {
	return func(t *testing.T, o waybill.Outcome) {
		t.Helper()
		if o.Problem.Code != code || o.Problem.Detail == "" {
			t.Errorf("problem %+v, want code %s with a detail", o.Problem, code)
		}
	}
}

func retriesAfter(d time.Duration) func(*testing.T, waybill.Outcome) {
	return func(t *testing.T, o waybill.Outcome) {
		t.Helper()
		if want := connectortest.Now.Add(d); !o.RetryAfter.Equal(want) {
			t.Errorf("retry after %s, want %s", o.RetryAfter, want)
		}
	}
}

// failed is an answer 200 with an error, without its last brace.
func failed(code string) string {
	return `{"errors":[{"message":"it says why","extensions":{"code":"` + code + `"}}]`
}

func TestConformance(t *testing.T) {
	onMutation := func(status int, body string, headers ...string) http.HandlerFunc {
		return answering(openOrder, says(status, body, headers...))
	}
	connectortest.Run(t, shopify.Manifest(), connectortest.Harness{
		Env: connector.Env{OrderPrefix: "web~."},
		Receive: connectortest.Receive{
			Secrets:  []string{"hush", "hush-before"},
			Required: []string{"X-Shopify-Webhook-Id", "X-Shopify-Topic"},
			Sign:     signed,
		},
		Deliver: connectortest.Deliver{
			Success: answering(openOrder, says(200, created)),
			Writes:  isMutation,
			Request: func(t *testing.T, _ connector.Attempt, r *http.Request, body []byte) {
				validRequest(t, body)
				if got, want := r.URL.Path, "/admin/api/"+shopify.APIVersion+"/graphql.json"; got != want {
					t.Errorf("path %s, want %s", got, want)
				}
				if got := r.Header.Get("X-Shopify-Access-Token"); got != "example-token" {
					t.Errorf("access token %q is not the configured one", got)
				}
			},
			Answers: []connectortest.Answer{
				{Name: "QuestionUnauthorized", Respond: says(401, `{"errors":"[API] Invalid API key"}`), Want: waybill.Unauthorized},
				{Name: "QuestionNotFound", Respond: says(404, `{"errors":"Not Found"}`), Want: waybill.Misconfigured},
				{Name: "QuestionThrottled", Respond: says(200, failed("THROTTLED")+asked+"}"), Want: waybill.Throttled, Check: retriesAfter(2 * time.Second)},
				{Name: "OrderUnknown", Respond: says(200, `{"data":{"order":null}}`), Want: waybill.Refused, Check: hasCode("order_not_found")},
				{Name: "Unauthorized", Respond: onMutation(401, `{}`), Want: waybill.Unauthorized},
				{Name: "Forbidden", Respond: onMutation(403, `{}`), Want: waybill.Unauthorized},
				{Name: "Frozen", Respond: onMutation(402, `{}`), Want: waybill.Misconfigured},
				{Name: "TooMany", Respond: onMutation(429, `{}`, "Retry-After", "2.0"), Want: waybill.Throttled, Check: retriesAfter(2 * time.Second)},
				{Name: "TooManyForDays", Respond: onMutation(429, `{}`, "Retry-After", "86400"), Want: waybill.Throttled, Check: retriesAfter(time.Hour)},
				{Name: "TooManyUntilADate", Respond: onMutation(429, `{}`, "Retry-After", "Fri, 02 Jan 2026 03:05:05 GMT"), Want: waybill.Throttled, Check: retriesAfter(time.Minute)},
				{Name: "Throttled", Respond: onMutation(200, failed("THROTTLED")+asked+"}"), Want: waybill.Throttled, Check: retriesAfter(2 * time.Second)},
				{Name: "AccessDenied", Respond: onMutation(200, failed("ACCESS_DENIED")+`,"data":{"fulfillmentCreate":null}}`), Want: waybill.Forbidden, Check: hasCode("access_denied")},
				{Name: "ShopInactive", Respond: onMutation(200, failed("SHOP_INACTIVE")+`}`), Want: waybill.Misconfigured},
				{Name: "InternalError", Respond: onMutation(200, failed("INTERNAL_SERVER_ERROR")+`}`), Want: waybill.InDoubt},
				{Name: "HalfExecuted", Respond: onMutation(200, failed("SOMETHING")+`,"data":{"fulfillmentCreate":null}}`), Want: waybill.InDoubt},
				{Name: "NothingInData", Respond: onMutation(200, failed("SOMETHING")+`,"data":null}`), Want: waybill.InDoubt},
				{Name: "DocumentRefused", Respond: onMutation(200, failed("undefinedField")+`}`), Want: waybill.Refused, Check: hasCode("undefined_field")},
				{Name: "TooCostly", Respond: onMutation(200, failed("MAX_COST_EXCEEDED")+`}`), Want: waybill.Refused, Check: hasCode("max_cost_exceeded")},
				{Name: "UserError", Respond: onMutation(200, `{"data":{"metafieldsSet":{"userErrors":[]},"fulfillmentCreate":{"fulfillment":null,"userErrors":[{"field":["fulfillment"],"message":"Invalid fulfillment order line item quantity requested."}]}}}`),
					Want: waybill.Refused, Check: hasCode("user_error")},
				{Name: "NeitherDoneNorRefused", Respond: onMutation(200, `{"data":{"fulfillmentCreate":{"fulfillment":null,"userErrors":[]}}}`), Want: waybill.InDoubt},
				{Name: "BodyUnreadable", Respond: onMutation(200, created), Attempt: func(a *connector.Attempt) { a.Body = []byte(`{"operation":"dance"}`) },
					Want: waybill.Refused, Check: hasCode("bad_document")},
			},
		},
		Inquire: connectortest.Inquire{
			Found:   fulfilled(numbers, 6, 2),
			Inquiry: connector.Inquiry{Deadline: connectortest.Now.Add(-time.Second)},
			Answers: []connectortest.Lookup{
				{Name: "Absent", Respond: says(200, openOrder), Want: connector.FoundAbsent},
				{Name: "OtherNumbers", Respond: fulfilled(`"1Z999"`, 6, 2), Want: connector.FoundAbsent},
				{Name: "OneOfTwoNumbers", Respond: fulfilled(`"1Z001985YW99744790"`, 6, 2), Want: connector.FoundAbsent},
				{Name: "FewerPieces", Respond: fulfilled(numbers, 6, 1), Want: connector.FoundAbsent,
					Check: func(t *testing.T, f connector.Finding) {
						if f.Note == "" {
							t.Error("a part of it is there and the finding does not say so")
						}
					}},
				{Name: "NoSuchOrder", Respond: says(200, `{"data":{"order":null}}`), Want: connector.FoundAbsent},
				{Name: "NullData", Respond: says(200, `{"data":null}`), Want: connector.FoundUnknown},
				{Name: "Throttled", Respond: says(200, failed("THROTTLED")+asked+"}"), Want: connector.FoundUnknown,
					Check: func(t *testing.T, f connector.Finding) {
						if want := connectortest.Now.Add(2 * time.Second); !f.RetryAfter.Equal(want) {
							t.Errorf("retry after %s, want %s", f.RetryAfter, want)
						}
					}},
				{Name: "Unauthorized", Respond: says(401, `{}`), Want: connector.FoundUnknown,
					Check: func(t *testing.T, f connector.Finding) {
						if !f.Unauthorized {
							t.Error("the credential was refused and the finding does not say so")
						}
					}},
			},
		},
		Probe: connectortest.Probe{
			Answer: says(200, `{"data":{"shop":{"name":"Example Hardware","myshopifyDomain":"example.myshopify.com"}}}`,
				"Date", "Fri, 02 Jan 2026 03:04:07 GMT"),
			Want: connector.Info{System: "Example Hardware", Head: -1, Now: time.Date(2026, 1, 2, 3, 4, 7, 0, time.UTC),
				Idempotency: waybill.ByLookup},
		},
	})
}

// signed makes the headers of an authentic webhook.
func signed(p connectortest.Push) http.Header {
	mac := hmac.New(sha256.New, []byte(p.Secret))
	mac.Write(p.Body)
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set("X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	h.Set("X-Shopify-Webhook-Id", p.ID)
	h.Set("X-Shopify-Event-Id", "one action in the shop")
	h.Set("X-Shopify-Topic", "orders/create")
	h.Set("X-Shopify-Shop-Domain", "example.myshopify.com")
	h.Set("X-Shopify-Triggered-At", p.At.Format(time.RFC3339Nano))
	return h
}

// fulfilled answers a look-up with one fulfilment with these numbers and so
// many pieces of the two lines.
func fulfilled(numbers string, first, second int) http.HandlerFunc {
	tracking := `{"number":` + strings.ReplaceAll(numbers, ",", `},{"number":`) + `}`
	order := strings.Replace(openOrder, `"fulfillments":[]`,
		`"fulfillments":[{"id":"gid://shopify/Fulfillment/255858046","status":"SUCCESS","trackingInfo":[`+tracking+`]}]`, 1)
	lines := fmt.Sprintf(`{"data":{"fulfillment":{"fulfillmentLineItems":{"nodes":[{"quantity":%d,"lineItem":{"id":"gid://shopify/LineItem/14012345678901"}},
		{"quantity":%d,"lineItem":{"id":"gid://shopify/LineItem/14012345678902"}}],"pageInfo":{"hasNextPage":false,"endCursor":null}}}}}`, first, second)
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte("WaybillFulfilledLines")) {
			fmt.Fprint(w, lines)
			return
		}
		fmt.Fprint(w, order)
	}
}
