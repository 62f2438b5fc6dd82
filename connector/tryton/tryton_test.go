package tryton

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
)

// answers answers each method by the end of its name, as Tryton would.
func answers(results map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var call struct {
			Method string `json:"method"`
		}
		if waybill.Unmarshal(body, &call) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		result := "[]"
		for end, text := range results {
			if strings.HasSuffix(call.Method, end) {
				result = text
			}
		}
		_, _ = io.WriteString(w, `{"id":1,"result":`+result+`}`)
	}
}

func signedIn(more map[string]string) http.HandlerFunc {
	results := map[string]string{"common.db.login": `[3,"0123"]`, "get_preferences": `{"company":1,"language":"en","company.rec_name":"Example"}`}
	for k, v := range more {
		results[k] = v
	}
	return answers(results)
}

func TestTryton_Conformance(t *testing.T) {
	connectortest.Run(t, Manifest(), connectortest.Harness{
		Inquire: connectortest.Inquire{
			Found: signedIn(map[string]string{"sale.sale.search_read": `[{"id":7,"state":"processing","number":"7"}]`}),
			Inquiry: connector.Inquiry{Kind: waybill.SalesOrder, Order: "SO-1", Key: "k1", Deadline: connectortest.Now,
				Body: []byte(`{"kind":"sales_order","order":"SO-1","key":"k1","lines":[],"details":{}}`)},
			Answers: []connectortest.Lookup{
				{Name: "absent", Respond: signedIn(nil), Want: connector.FoundAbsent},
				{Name: "refused before it was confirmed", Respond: signedIn(map[string]string{"sale.sale.search_read": `[{"id":7,"state":"quotation","number":"7"}]`}), Want: connector.FoundAbsent},
				{Name: "in the queue", Respond: signedIn(map[string]string{"sale.sale.search_read": `[{"id":7,"state":"confirmed","number":"7"}]`}), Want: connector.FoundPending},
				{Name: "a worker holds the key", Want: connector.FoundUnknown,
					Respond: signedIn(map[string]string{"party.category.search_read": `[{"id":2,"parent":1,"name":"20260102T030500.000Z","_timestamp":"1"}]`})},
			},
		},
		Probe: connectortest.Probe{Answer: signedIn(map[string]string{"res.user.search_read": `[{"id":3,"login":"waybill"}]`}),
			Want: connector.Info{System: "tryton", Head: -1, Now: connectortest.Now, Idempotency: waybill.ByLookup}},
	})
}

// TestClassify holds the errors that Tryton 6.0 was seen to answer with.
func TestClassify(t *testing.T) {
	for _, c := range []struct {
		name, raw string
		verdict   waybill.Verdict
		code      string
	}{
		{"business rule", `["UserError",["The party has reached its credit limit.","",null]]`, waybill.Refused, "user_error"},
		{"domain", `["UserError",["The value is not valid according to its domain.","",[[["party","=",4]],{}]]]`, waybill.Refused, "validation"},
		{"warning", `["UserWarning",["credit_limit_amount_sale.sale,5","The party has reached its credit limit.",""]]`, waybill.Refused, "warning"},
		{"stale", `["ConcurrencyException","Records were modified in the meanwhile"]`, waybill.NotSent, "concurrency"},
		{"login", `["LoginException",["password","Password for waybill","password"]]`, waybill.Unauthorized, "login_refused"},
		{"busy database", `["database is locked",""]`, waybill.NotSent, "database_busy"},
		{"unknown", `["'nosuchfield'",""]`, waybill.InDoubt, "server_error"},
		{"no list", `{"message":"no"}`, waybill.InDoubt, "unreadable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := classify("model.x.y", jsontext.Value(c.raw))
			if f.Verdict != c.verdict || f.Problem.Code != c.code {
				t.Errorf("%s %s, want %s %s", f.Verdict, f.Problem.Code, c.verdict, c.code)
			}
		})
	}
}

func TestOutcome_EarlierStepsStay(t *testing.T) {
	for _, c := range []struct {
		wrote bool
		is    waybill.Verdict
		want  waybill.Verdict
	}{
		{false, waybill.InDoubt, waybill.NotSent}, {true, waybill.InDoubt, waybill.InDoubt},
		{false, waybill.NotSent, waybill.NotSent}, {true, waybill.NotSent, waybill.InDoubt},
		{true, waybill.Refused, waybill.Refused},
	} {
		w := &work{wrote: c.wrote}
		if o := w.outcome(waybill.Receipt{}, failed(c.is, "x", "y")); o.Verdict != c.want {
			t.Errorf("%s with wrote=%v is %s, want %s", c.is, c.wrote, o.Verdict, c.want)
		}
	}
}

func TestUnit_SizeIsExact(t *testing.T) {
	var u unit
	if err := waybill.Unmarshal([]byte(`{"factor":0.333333333333,"rate":3.0}`), &u); err != nil {
		t.Fatal(err)
	}
	if got := u.size().String(); got != "1/3" {
		t.Errorf("size %s, want 1/3", got)
	}
}
