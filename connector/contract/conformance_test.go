package contract_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/contract"
)

// The secrets of the tests: the contract's own, and one that takes its place.
const (
	secret  = "whsec_d2F5YmlsbC1jb250cmFjdC10ZXN0LXNlY3JldC0zMmI="
	secret2 = "whsec_YW5vdGhlci1zZWNyZXQtZm9yLXRoZS1yb3RhdGlvbiE="
)

// sign makes the headers of W1.
func sign(p connectortest.Push) http.Header {
	key, err := base64.StdEncoding.DecodeString(p.Secret[len("whsec_"):])
	if err != nil {
		panic(err)
	}
	timestamp := strconv.FormatInt(p.At.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", p.ID, timestamp, p.Body)
	h := http.Header{}
	h.Set("webhook-id", p.ID)
	h.Set("webhook-timestamp", timestamp)
	h.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	h.Set("Content-Type", "application/json")
	return h
}

// answer is an answer with a status, headers in pairs and a body.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if status >= 400 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

const applied = `{"ref":"E-77","n":12,"applied_at":"2026-01-02T03:04:05+01:00","generation":"g1","result":{"approved":true}}`

func TestContract_Conforms(t *testing.T) {
	connectortest.Run(t, contract.Manifest(), connectortest.Harness{
		Env: connector.Env{System: "erp", Role: waybill.RoleERP},
		Receive: connectortest.Receive{
			Sign: sign, Secrets: []string{secret, secret2}, Tolerance: 300 * time.Second,
			Required: []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"},
		},
		Deliver: connectortest.Deliver{
			Success: answer(201, applied),
			Attempt: connector.Attempt{Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
			Request: checkRequest,
			Answers: rows(),
		},
		Inquire: connectortest.Inquire{Found: answer(200, `{"found":true,"state":"applied","ref":"E-77","n":12,"generation":"g1"}`), Answers: lookups()},
		Probe: connectortest.Probe{
			Answer: answer(200, `{"system":"erp","generation":"g1","head":12,"now":"2026-01-02T03:04:06Z","idempotency":"key","key_ttl_s":86400,"keeps_order":true}`),
			Want: connector.Info{System: "erp", Generation: "g1", Head: 12, Now: time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC),
				Idempotency: waybill.ByKey, KeyTTL: 24 * time.Hour, KeepsOrder: true},
		},
	})
}

// checkRequest is T0.
func checkRequest(t *testing.T, a connector.Attempt, r *http.Request, body []byte) {
	t.Helper()
	sum := sha256.Sum256(body)
	want := map[string]string{
		"Authorization":    "Bearer example-token",
		"Idempotency-Key":  a.Key,
		"Waybill-Lane":     a.Lane,
		"Waybill-Seq":      "1",
		"Waybill-Attempt":  "1",
		"Waybill-Epoch":    "1",
		"Waybill-Deadline": "2026-01-02T03:04:35.000Z",
		"Content-Digest":   "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":",
		"Content-Type":     "application/json",
		"Traceparent":      a.Traceparent,
	}
	for name, value := range want {
		if got := r.Header.Get(name); got != value {
			t.Errorf("header %s is %q, want %q", name, got, value)
		}
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v1/documents" || string(body) != string(a.Body) {
		t.Errorf("%s %s with %d bytes, want POST /v1/documents with the rendered %d", r.Method, r.URL.Path, len(body), len(a.Body))
	}
}

// rows is the table of answers of T1, one function for each part of it.
func rows() []connectortest.Answer {
	list := slices.Concat(rowsDone(), rowsRefused(), rowsConflict(), rowsThrottled())
	for _, status := range []int{408, 425, 500, 501, 502, 504, 507, 599} {
		list = append(list, connectortest.Answer{Name: strconv.Itoa(status), Respond: problem(status, "x"), Want: waybill.InDoubt})
	}
	return list
}

func problem(status int, code string, headers ...string) http.HandlerFunc {
	return answer(status, `{"type":"about:blank","title":"no","detail":"said no","code":"`+code+`","line":"2"}`, headers...)
}

// isProblem wants the problem that problem answers.
func isProblem(code string) func(*testing.T, waybill.Outcome) {
	return func(t *testing.T, o waybill.Outcome) {
		if o.Problem.Code != code || o.Problem.Detail != "said no" || o.Problem.Line != "2" {
			t.Errorf("problem is %+v, want code %s", o.Problem, code)
		}
	}
}

// asksFirst wants a refusal that is looked up before it is believed, or not.
func asksFirst(want bool) func(*testing.T, waybill.Outcome) {
	return func(t *testing.T, o waybill.Outcome) {
		if o.AskFirst != want {
			t.Errorf("ask first is %v, want %v", o.AskFirst, want)
		}
	}
}

// rowsDone is 2xx.
func rowsDone() []connectortest.Answer {
	receipt := func(replayed bool) func(*testing.T, waybill.Outcome) {
		return func(t *testing.T, o waybill.Outcome) {
			r := o.Receipt
			if r.Ref != "E-77" || r.N != 12 || r.Generation != "g1" || string(r.Result) != `{"approved":true}` ||
				r.AppliedAt.Format(time.RFC3339) != "2026-01-02T03:04:05+01:00" || r.Replayed != replayed {
				t.Errorf("receipt is %+v", r)
			}
		}
	}
	return []connectortest.Answer{
		{Name: "201", Respond: answer(201, applied), Want: waybill.Done, Check: receipt(false)},
		{Name: "201/odd time", Respond: answer(201, `{"ref":"E-77","applied_at":17}`), Want: waybill.Done},
		{Name: "201/unreadable", Respond: answer(201, `{"ref":`), Want: waybill.InDoubt},
		{Name: "201/no object", Respond: answer(201, `"E-77"`), Want: waybill.InDoubt},
		{Name: "201/other types", Respond: answer(201, `{"ref":{"a":1}}`), Want: waybill.InDoubt},
		{Name: "200/replayed", Respond: answer(200, applied, "Idempotency-Replayed", "true"), Want: waybill.Done, Check: receipt(true)},
		{Name: "200/with ref", Respond: answer(200, applied), Want: waybill.Done, Check: receipt(false)},
		{Name: "200/of something else", Respond: answer(200, `{"status":"ok"}`), Want: waybill.InDoubt},
		{Name: "202", Respond: answer(202, `{"state":"pending"}`), Want: waybill.Pending},
		{Name: "202/empty", Respond: answer(202, ``), Want: waybill.Pending},
		{Name: "204", Respond: answer(204, ``), Want: waybill.InDoubt},
		{Name: "206", Respond: answer(206, applied), Want: waybill.InDoubt},
		{Name: "207", Respond: answer(207, `{"ref":"E-77","n":12,"lines":[{"line":"1","status":"applied","ref":"E-77-1"},{"line":"2","status":"rejected","problem":{"code":"unknown_item"}},{"line":"3","status":"retry"}]}`),
			Want: waybill.Partial, Check: checkLines},
		{Name: "207/without lines", Respond: answer(207, `{"ref":"E-77","lines":[]}`), Want: waybill.InDoubt},
		{Name: "207/unknown status", Respond: answer(207, `{"lines":[{"line":"1","status":"maybe"}]}`), Want: waybill.InDoubt},
		{Name: "207/line twice", Respond: answer(207, `{"lines":[{"line":"1","status":"applied"},{"line":"1","status":"retry"}]}`), Want: waybill.InDoubt},
		{Name: "207/line without number", Respond: answer(207, `{"lines":[{"status":"applied"}]}`), Want: waybill.InDoubt},
	}
}

// rowsRefused is 3xx and 4xx but 409 and 429.
func rowsRefused() []connectortest.Answer {
	ofKind := func(k waybill.Kind) func(*connector.Attempt) {
		return func(a *connector.Attempt) { a.Kind = k }
	}
	return []connectortest.Answer{
		{Name: "400", Respond: problem(400, "bad_request"), Want: waybill.Refused, Check: isProblem("bad_request")},
		{Name: "404", Respond: problem(404, "unknown_order"), Want: waybill.Refused, Check: isProblem("unknown_order")},
		{Name: "418 unknown 4xx", Respond: problem(418, "teapot"), Want: waybill.Refused, Check: isProblem("teapot")},
		{Name: "422", Respond: problem(422, "unknown_item"), Want: waybill.Refused, Check: isProblem("unknown_item")},
		{Name: "422/key_reuse", Respond: problem(422, "key_reuse"), Want: waybill.Refused, Check: isProblem("key_reuse")},
		{Name: "422/credit_hold on a sales order", Respond: problem(422, "credit_hold"), Attempt: ofKind(waybill.SalesOrder), Want: waybill.Refused, Check: isProblem("credit_hold")},
		{Name: "422/credit_hold on another kind", Respond: problem(422, "credit_hold"), Attempt: ofKind(waybill.Invoice), Want: waybill.Park, Check: isProblem("credit_hold")},
		{Name: "422/not a problem's types", Respond: answer(422, `{"code":"x","status":"422","line":3,"title":{}}`), Want: waybill.Refused},
		{Name: "422/no problem+json", Respond: answer(422, `{"code":"x"}`, "Content-Type", "application/json"), Want: waybill.Misconfigured},
		{Name: "422/unreadable problem", Respond: answer(422, `{"code":`), Want: waybill.Misconfigured},
		{Name: "404/page", Respond: answer(404, "<html>", "Content-Type", "text/html"), Want: waybill.Misconfigured},
		{Name: "401", Respond: problem(401, "token_expired"), Want: waybill.Unauthorized},
		{Name: "401/page", Respond: answer(401, "<html>", "Content-Type", "text/html"), Want: waybill.Unauthorized},
		{Name: "403", Respond: problem(403, "forbidden"), Want: waybill.Forbidden, Check: isProblem("forbidden")},
		{Name: "403/page", Respond: answer(403, "<html>", "Content-Type", "text/html"), Want: waybill.Forbidden},
		{Name: "301", Respond: answer(301, "", "Location", "/elsewhere"), Want: waybill.Misconfigured},
		{Name: "304", Respond: answer(304, ""), Want: waybill.Misconfigured},
		{Name: "308", Respond: answer(308, "", "Location", "/elsewhere"), Want: waybill.Misconfigured},
		{Name: "400/asks nothing", Respond: problem(400, "x"), Want: waybill.Refused, Check: asksFirst(false)},
	}
}

// rowsConflict is 409.
func rowsConflict() []connectortest.Answer {
	return []connectortest.Answer{
		{Name: "409/page", Respond: answer(409, "<html>", "Content-Type", "text/html"), Want: waybill.Misconfigured},
		{Name: "409/in_progress", Respond: problem(409, "in_progress"), Want: waybill.InDoubt, Check: isProblem("in_progress")},
		{Name: "409/seq_gap", Respond: problem(409, "seq_gap"), Want: waybill.InDoubt, Check: isProblem("seq_gap")},
		{Name: "409/closed_period", Respond: problem(409, "closed_period"), Want: waybill.Park, Check: isProblem("closed_period")},
		{Name: "409/locked", Respond: problem(409, "locked"), Want: waybill.Park, Check: isProblem("locked")},
		{Name: "409/stale_epoch", Respond: problem(409, "stale_epoch"), Want: waybill.Stale},
		{Name: "409/any other", Respond: problem(409, "duplicate_po"), Want: waybill.Refused, Check: asksFirst(true)},
		{Name: "409/no code", Respond: answer(409, `{}`), Want: waybill.Refused, Check: asksFirst(true)},
	}
}

// rowsThrottled is 429 and 503.
func rowsThrottled() []connectortest.Answer {
	until := func(d time.Duration) func(*testing.T, waybill.Outcome) {
		return func(t *testing.T, o waybill.Outcome) {
			if want := connectortest.Now.Add(d); !o.RetryAfter.Equal(want) {
				t.Errorf("retry after %v, want %v", o.RetryAfter, want)
			}
		}
	}
	untold := func(t *testing.T, o waybill.Outcome) {
		if !o.RetryAfter.IsZero() {
			t.Errorf("retry after %v, want none", o.RetryAfter)
		}
	}
	date := connectortest.Now.Add(time.Hour) // the server's clock is an hour ahead
	httpDate := func(t time.Time) string { return t.UTC().Format(http.TimeFormat) }
	return []connectortest.Answer{
		{Name: "429", Respond: problem(429, "slow_down"), Want: waybill.Throttled, Check: untold},
		{Name: "429/seconds", Respond: problem(429, "slow_down", "Retry-After", "7"), Want: waybill.Throttled, Check: until(7 * time.Second)},
		{Name: "429/page", Respond: answer(429, "<html>", "Content-Type", "text/html", "Retry-After", "7"), Want: waybill.Throttled, Check: until(7 * time.Second)},
		{Name: "429/zero", Respond: problem(429, "slow_down", "Retry-After", "0"), Want: waybill.Throttled, Check: until(time.Second)},
		{Name: "429/below zero", Respond: problem(429, "slow_down", "Retry-After", "-5"), Want: waybill.Throttled, Check: until(time.Second)},
		{Name: "429/cap", Respond: problem(429, "slow_down", "Retry-After", "86400"), Want: waybill.Throttled, Check: until(time.Hour)},
		{Name: "429/beyond numbers", Respond: problem(429, "slow_down", "Retry-After", "99999999999999999999"), Want: waybill.Throttled, Check: until(time.Hour)},
		{Name: "429/date", Respond: problem(429, "slow_down", "Date", httpDate(date), "Retry-After", httpDate(date.Add(90*time.Second))), Want: waybill.Throttled, Check: until(90 * time.Second)},
		{Name: "429/past date", Respond: problem(429, "slow_down", "Date", httpDate(date), "Retry-After", httpDate(date.Add(-time.Minute))), Want: waybill.Throttled, Check: until(time.Second)},
		{Name: "429/nonsense", Respond: problem(429, "slow_down", "Retry-After", "soon"), Want: waybill.Throttled, Check: untold},
		{Name: "503/with Retry-After", Respond: problem(503, "busy", "Retry-After", "3"), Want: waybill.Throttled, Check: until(3 * time.Second)},
		{Name: "503/without", Respond: problem(503, "busy"), Want: waybill.InDoubt},
		{Name: "503/nonsense", Respond: problem(503, "busy", "Retry-After", "soon"), Want: waybill.InDoubt},
	}
}

func checkLines(t *testing.T, o waybill.Outcome) {
	lines := o.Receipt.Lines
	if len(lines) != 3 || o.Receipt.Ref != "E-77" || lines[0].Ref != "E-77-1" || lines[1].Status != "rejected" ||
		lines[1].Problem == nil || lines[1].Problem.Code != "unknown_item" || lines[2].Status != "retry" {
		t.Errorf("receipt is %+v", o.Receipt)
	}
}

// lookups is the table of T2. The last attempt's deadline is 30 s after Now.
func lookups() []connectortest.Lookup {
	notFound := func(asOf string) http.HandlerFunc {
		return answer(404, `{"found":false,"as_of":"`+asOf+`","generation":"g1"}`, "Content-Type", "application/json")
	}
	code := func(want string) func(*testing.T, connector.Finding) {
		return func(t *testing.T, f connector.Finding) {
			if f.Problem.Code != want {
				t.Errorf("problem is %+v, want code %s", f.Problem, want)
			}
		}
	}
	return []connectortest.Lookup{
		{Name: "applied", Respond: answer(200, `{"found":true,"state":"applied","key":"","ref":"E-77","n":12,"digest":"x","seq":1,"generation":"g1","result":{"a":1},"lines":[]}`),
			Want: connector.FoundApplied, Check: func(t *testing.T, f connector.Finding) {
				if f.Receipt.Ref != "E-77" || f.Receipt.N != 12 || f.Receipt.Generation != "g1" || string(f.Receipt.Result) != `{"a":1}` || f.Receipt.Lines != nil {
					t.Errorf("receipt is %+v", f.Receipt)
				}
			}},
		{Name: "applied in part", Respond: answer(200, `{"found":true,"state":"applied","ref":"E-77","lines":[{"line":"1","status":"applied"},{"line":"2","status":"retry"}]}`),
			Want: connector.FoundApplied, Check: func(t *testing.T, f connector.Finding) {
				if len(f.Receipt.Lines) != 2 || f.Receipt.Lines[1].Status != "retry" {
					t.Errorf("receipt is %+v", f.Receipt)
				}
			}},
		{Name: "pending", Respond: answer(200, `{"found":true,"state":"pending"}`), Want: connector.FoundPending},
		{Name: "rejected", Respond: answer(200, `{"found":true,"state":"rejected","result":{"code":"unknown_item"}}`), Want: connector.FoundRejected, Check: code("unknown_item")},
		{Name: "rejected with problem", Respond: answer(200, `{"found":true,"state":"rejected","problem":{"code":"locked"}}`), Want: connector.FoundRejected, Check: code("locked")},
		{Name: "absent at the deadline", Respond: notFound("2026-01-02T03:04:35Z"), Want: connector.FoundAbsent},
		{Name: "absent in another zone", Respond: notFound("2026-01-02T04:04:36+01:00"), Want: connector.FoundAbsent},
		{Name: "absent before the deadline", Respond: notFound("2026-01-02T03:04:34.999Z"), Want: connector.FoundUnknown},
		{Name: "404 without as_of", Respond: answer(404, `{"found":false}`), Want: connector.FoundUnknown},
		{Name: "404 with odd as_of", Respond: notFound("yesterday"), Want: connector.FoundUnknown},
		{Name: "404 of no look-up", Respond: answer(404, `{"code":"not_found","as_of":"2027-01-01T00:00:00Z"}`), Want: connector.FoundUnknown},
		{Name: "404 that says found", Respond: answer(404, `{"found":true,"as_of":"2027-01-01T00:00:00Z"}`), Want: connector.FoundUnknown},
		{Name: "200 that says not found", Respond: answer(200, `{"found":false,"as_of":"2027-01-01T00:00:00Z"}`), Want: connector.FoundUnknown},
		{Name: "another key", Respond: answer(200, `{"found":true,"state":"applied","key":"another"}`), Want: connector.FoundUnknown},
		{Name: "unknown state", Respond: answer(200, `{"found":true,"state":"perhaps"}`), Want: connector.FoundUnknown},
		{Name: "unreadable lines", Respond: answer(200, `{"found":true,"state":"applied","lines":[{"line":"1","status":"perhaps"}]}`), Want: connector.FoundUnknown},
		{Name: "401", Respond: answer(401, `{}`), Want: connector.FoundUnknown, Check: func(t *testing.T, f connector.Finding) {
			if !f.Unauthorized {
				t.Errorf("finding is %+v, want unauthorized", f)
			}
		}},
		{Name: "429", Respond: answer(429, `{}`, "Retry-After", "5"), Want: connector.FoundUnknown, Check: func(t *testing.T, f connector.Finding) {
			if !f.RetryAfter.Equal(connectortest.Now.Add(5 * time.Second)) {
				t.Errorf("finding is %+v, want 5 s", f)
			}
		}},
		{Name: "503", Respond: answer(503, `{}`, "Retry-After", "5"), Want: connector.FoundUnknown, Check: func(t *testing.T, f connector.Finding) {
			if !f.RetryAfter.Equal(connectortest.Now.Add(5 * time.Second)) {
				t.Errorf("finding is %+v, want 5 s", f)
			}
		}},
	}
}
