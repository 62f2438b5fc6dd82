package rest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/rest"
)

// depot is the example that the tests hold the connector to.
const depot = "../../examples/3pl-rest/depot.yaml"

const (
	secret  = "the-depots-webhook-secret"
	secret2 = "the-secret-that-takes-its-place"
)

// sign makes the headers of the depot's pushes.
func sign(p connectortest.Push) http.Header {
	stamp := strconv.FormatInt(p.At.UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(p.Secret))
	fmt.Fprintf(mac, "%s.%s", stamp, p.Body)
	h := http.Header{}
	h.Set("X-Depot-Delivery", p.ID)
	h.Set("X-Depot-Time", stamp)
	h.Set("X-Depot-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	return h
}

// answer is an answer with a status, headers in pairs and a body.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func TestREST_Conforms(t *testing.T) {
	connectortest.Run(t, rest.Manifest(), connectortest.Harness{
		Env: connector.Env{System: "depot", Role: waybill.RoleWMS, Settings: map[string]string{"spec": depot}},
		Receive: connectortest.Receive{Sign: sign, Secrets: []string{secret, secret2}, Tolerance: 300 * time.Second,
			Required: []string{"X-Depot-Delivery", "X-Depot-Time", "X-Depot-Signature"}},
		Deliver: connectortest.Deliver{
			Success: answer(200, `{"ok":true,"document":{"id":"C-4711"}}`),
			Attempt: connector.Attempt{Kind: waybill.WarehouseOrder, Order: "SO-1001", Lane: "SO-1001", Subject: "SO-1001",
				Key: "0123456789abcdefghjkmnpqrstvwxyz0", Body: []byte(rendered), Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
			Request: checkRequest,
			Answers: rows(),
		},
		Inquire: connectortest.Inquire{
			Found:   answer(200, `{"ok":true,"documents":[{"id":"C-4711","requestKey":"0123456789abcdefghjkmnpqrstvwxyz0"}]}`),
			Answers: lookups(),
		},
		Probe: connectortest.Probe{
			Answer: answer(200, `{"ok":true}`, "Date", "Fri, 02 Jan 2026 03:04:06 GMT"),
			Want:   connector.Info{System: "depot", Head: -1, Now: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC), Idempotency: waybill.ByLookup},
		},
	})
}

const rendered = `{"method":"POST","path":"/api/2/consignments","body":{"requestKey":"0123456789abcdefghjkmnpqrstvwxyz0","clientRef":"SO-1001","positions":[{"ref":"1","units":12.50}]}}`

func checkRequest(t *testing.T, a connector.Attempt, r *http.Request, body []byte) {
	t.Helper()
	const want = `{"requestKey":"0123456789abcdefghjkmnpqrstvwxyz0","clientRef":"SO-1001","positions":[{"ref":"1","units":12.50}]}`
	if r.Method != http.MethodPost || r.URL.Path != "/api/2/consignments" || string(body) != want {
		t.Errorf("%s %s with\n%s\nwant\n%s", r.Method, r.URL.Path, body, want)
	}
	for name, value := range map[string]string{"X-Api-Key": "example-token", "Content-Type": "application/json", "Traceparent": a.Traceparent, "Authorization": ""} {
		if got := r.Header.Get(name); got != value {
			t.Errorf("header %s is %q, want %q", name, got, value)
		}
	}
}

// rows is the depot's table of answers, and what no line of it names.
func rows() []connectortest.Answer {
	code := func(want string) func(*testing.T, waybill.Outcome) {
		return func(t *testing.T, o waybill.Outcome) {
			if o.Problem.Code != want {
				t.Errorf("problem %+v, want code %q", o.Problem, want)
			}
		}
	}
	until := func(want time.Duration) func(*testing.T, waybill.Outcome) {
		return func(t *testing.T, o waybill.Outcome) {
			if got := o.RetryAfter.Sub(connectortest.Now); got != want {
				t.Errorf("throttled for %s, want %s", got, want)
			}
		}
	}
	list := []connectortest.Answer{
		{Name: "Applied", Respond: answer(200, `{"ok":true,"document":{"id":"C-1"}}`), Want: waybill.Done,
			Check: func(t *testing.T, o waybill.Outcome) {
				if o.Receipt.Ref != "C-1" {
					t.Errorf("receipt %+v", o.Receipt)
				}
			}},
		{Name: "AppliedNumericId", Respond: answer(200, `{"ok":true,"document":{"id":12345678901234567890}}`), Want: waybill.Done,
			Check: func(t *testing.T, o waybill.Outcome) {
				if o.Receipt.Ref != "12345678901234567890" {
					t.Errorf("receipt %+v", o.Receipt)
				}
			}},
		{Name: "ErrorInside200", Respond: answer(200, `{"ok":false,"errors":[{"code":"ARTICLE_UNKNOWN","text":"no such article","line":"2"}]}`), Want: waybill.Refused,
			Check: func(t *testing.T, o waybill.Outcome) {
				code("article_unknown")(t, o)
				if o.Problem.Line != "2" || o.Problem.Title != "no such article" {
					t.Errorf("problem %+v", o.Problem)
				}
			}},
		{Name: "ErrorInside200WithoutWords", Respond: answer(200, `{"ok":false}`), Want: waybill.InDoubt},
		{Name: "Closed", Respond: answer(200, `{"ok":false,"errors":[{"code":"PERIOD_CLOSED","text":"year end"}]}`), Want: waybill.Park, Check: code("closed_period")},
		{Name: "Taken", Respond: answer(200, `{"ok":true,"taken":true}`), Want: waybill.Pending},
		{Name: "NoRef", Respond: answer(200, `{"ok":true,"document":{}}`), Want: waybill.InDoubt},
		{Name: "RefOfAnotherType", Respond: answer(200, `{"ok":true,"document":{"id":{"a":1}}}`), Want: waybill.InDoubt},
		{Name: "OfAnotherType", Respond: answer(200, `{"ok":true,"document":"C-1"}`), Want: waybill.InDoubt},
		{Name: "OkAsText", Respond: answer(200, `{"ok":"true","document":{"id":"C-1"}}`), Want: waybill.InDoubt},
		{Name: "AnArray", Respond: answer(200, `[]`), Want: waybill.InDoubt},
		{Name: "Deep", Respond: answer(200, deep), Want: waybill.InDoubt},
		{Name: "Created", Respond: answer(201, `{"ok":true,"document":{"id":"C-1"}}`), Want: waybill.InDoubt},
		{Name: "BadRequest", Respond: answer(400, `{"ok":false}`), Want: waybill.InDoubt},
		{Name: "Unauthorized", Respond: answer(401, `{}`), Want: waybill.Unauthorized},
		{Name: "Forbidden", Respond: answer(403, `{}`), Want: waybill.Forbidden},
		{Name: "TooMany", Respond: answer(429, ``, "Retry-After", "7"), Want: waybill.Throttled, Check: until(7 * time.Second)},
		{Name: "TooManyWithoutTime", Respond: answer(429, `{}`), Want: waybill.Throttled},
		{Name: "Unavailable", Respond: answer(503, ``, "Retry-After", "999999999999999999999"), Want: waybill.Throttled, Check: until(time.Hour)},
		{Name: "UnavailableWithoutTime", Respond: answer(503, ``), Want: waybill.InDoubt},
		{Name: "LeftOut", Attempt: func(a *connector.Attempt) { a.Body = []byte(`{"omit":"not needed"}`) }, Respond: answer(500, ``), Want: waybill.Done},
		{Name: "NoRequest", Attempt: func(a *connector.Attempt) { a.Body = []byte(`{"unsupported":"no request"}`) }, Respond: answer(500, ``), Want: waybill.Refused, Check: code("unsupported_document")},
		{Name: "NotRendered", Attempt: func(a *connector.Attempt) { a.Body = []byte(`{`) }, Respond: answer(200, `{"ok":true,"document":{"id":"C-1"}}`), Want: waybill.NotSent},
	}
	for _, status := range []int{202, 204, 404, 408, 409, 422, 425, 500, 504} {
		list = append(list, connectortest.Answer{Name: strconv.Itoa(status), Respond: answer(status, ``), Want: waybill.InDoubt})
	}
	return list
}

// lookups is the depot's table of answers to look-ups.
func lookups() []connectortest.Lookup {
	row := func(name string, status int, body string, want connector.FindingState) connectortest.Lookup {
		return connectortest.Lookup{Name: name, Respond: answer(status, body), Want: want}
	}
	return []connectortest.Lookup{
		row("Absent", 200, `{"ok":true,"documents":[],"asOf":"2026-01-02T03:04:36Z"}`, connector.FoundAbsent),
		row("AbsentBeforeTheDeadline", 200, `{"ok":true,"documents":[],"asOf":"2026-01-02T03:04:05Z"}`, connector.FoundUnknown),
		row("AbsentWithoutTime", 200, `{"ok":true,"documents":[]}`, connector.FoundUnknown),
		row("AnotherKey", 200, `{"ok":true,"documents":[{"id":"C-1","requestKey":"another"}]}`, connector.FoundUnknown),
		row("Several", 200, `{"ok":true,"documents":[{},{}]}`, connector.FoundUnknown),
		row("NotOk", 200, `{"ok":false,"errors":[]}`, connector.FoundUnknown),
		row("List", 200, `[]`, connector.FoundUnknown),
		row("NotFound", 404, `{"ok":false}`, connector.FoundUnknown),
	}
}
