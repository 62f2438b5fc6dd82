package rest_test

import (
	"crypto/hmac"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/rest"
)

const plainMapping = `mapping: plain
version: 1
programs:
  body: '{key, order}'
  events: '{type: "invoice.paid", data: .}'
`

// plainSpec is a spec with what a test adds to it.
const plainSpec = `spec: plain
version: 1
mapping: mapping.yaml
idempotency: none
documents:
  sales_order: {path: /orders, body: body}
answers:
  - {status: ["2xx"], verdict: done, receipt: .body.id}
`

// specFile writes a spec beside a mapping and gives its path.
func specFile(t testing.TB, spec string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"spec.yaml": spec, "mapping.yaml": plainMapping} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "spec.yaml")
}

// clock is a clock that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// open opens a spec against a server.
func open(t *testing.T, spec string, handler http.HandlerFunc) (connector.Connector, *clock) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	c := &clock{at: connectortest.Now}
	made, err := rest.Manifest().Open(connector.Env{System: "erp", Role: waybill.RoleERP, BaseURL: server.URL + "/base/", Token: "the token",
		WebhookSecret: []string{"the-secret"}, Settings: map[string]string{"spec": specFile(t, spec)}, Client: server.Client(), Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return made, c
}

// deliver sends one sales order.
func deliver(t *testing.T, c connector.Connector) waybill.Outcome {
	t.Helper()
	d := waybill.Document{Kind: waybill.SalesOrder, Order: "SO-1", Key: "k1", Target: "erp", Lane: "SO-1", Subject: "SO-1"}
	r, err := c.Renderer.Render(d)
	if err != nil {
		t.Fatal(err)
	}
	o, err := c.Deliverer.Deliver(t.Context(), connector.Attempt{Kind: d.Kind, Order: d.Order, Key: d.Key, Body: r.Body, ContentType: r.ContentType})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestAuth_EachSchemeShowsItsCredential(t *testing.T) {
	tests := []struct {
		name, auth string
		check      func(t *testing.T, r *http.Request, body string)
	}{
		{"none", `{scheme: none}`, func(t *testing.T, r *http.Request, _ string) {
			if r.Header.Get("Authorization") != "" {
				t.Error("a credential without a scheme")
			}
		}},
		{"basic", `{scheme: basic, user: waybill}`, func(t *testing.T, r *http.Request, _ string) {
			if user, password, _ := r.BasicAuth(); user != "waybill" || password != "the token" {
				t.Errorf("user %q, password %q", user, password)
			}
		}},
		{"bearer", `{scheme: bearer}`, func(t *testing.T, r *http.Request, _ string) {
			if got := r.Header.Get("Authorization"); got != "Bearer the token" {
				t.Errorf("authorization %q", got)
			}
		}},
		{"header", `{scheme: api_key, header: x-key}`, func(t *testing.T, r *http.Request, _ string) {
			if got := r.Header.Get("X-Key"); got != "the token" {
				t.Errorf("key %q", got)
			}
		}},
		{"query", `{scheme: api_key, query: api key}`, func(t *testing.T, r *http.Request, _ string) {
			if got := r.URL.Query().Get("api key"); got != "the token" {
				t.Errorf("key %q", got)
			}
		}},
		{"hmac", `{scheme: hmac, signature: {header: X-Sign, algorithm: sha512, encoding: base64, prefix: "HMAC {key_id}:", key_id: wb, payload: "{method}\n{path}\n{timestamp}\n{digest}"}, timestamp: {header: X-Time, form: rfc3339}}`,
			func(t *testing.T, r *http.Request, body string) {
				if got := r.Header.Get("X-Sign"); r.Header.Get("X-Time") != "2026-01-02T03:04:05Z" || got != hmacOf(body) {
					t.Errorf("signature %q, want %q", got, hmacOf(body))
				}
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := open(t, plainSpec+"auth: "+tt.auth+"\n", func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.URL.Path != "/base/orders" || string(body) != `{"key":"k1","order":"SO-1"}` {
					t.Errorf("%s with %s", r.URL, body)
				}
				tt.check(t, r, string(body))
				answer(200, `{"id":7}`)(w, r)
			})
			if o := deliver(t, c); o.Verdict != waybill.Done || o.Receipt.Ref != "7" {
				t.Errorf("outcome %+v", o)
			}
		})
	}
}

// hmacOf is the signature over method, path, time and digest.
func hmacOf(body string) string {
	sum := sha512.Sum512([]byte(body))
	mac := hmac.New(sha512.New, []byte("the token"))
	fmt.Fprintf(mac, "POST\n/base/orders\n2026-01-02T03:04:05Z\n%s", base64.StdEncoding.EncodeToString(sum[:]))
	return "HMAC wb:" + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// oauth is a token endpoint and an API behind it.
type oauth struct {
	mu      sync.Mutex
	granted int
	good    string // the access token that the API takes
	status  int    // of the token endpoint; 0: 200
	calls   []string
}

func (o *oauth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls = append(o.calls, r.URL.Path)
	if r.URL.Path == "/base/token" {
		user, password, _ := r.BasicAuth()
		if r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "orders" || user != "client" || password != "the+token" || o.status != 0 {
			w.WriteHeader(max(o.status, 400))
			return
		}
		o.granted++
		o.good = "access-" + strconv.Itoa(o.granted)
		answer(200, fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":120}`, o.good))(w, r)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+o.good {
		w.WriteHeader(401)
		return
	}
	answer(201, `{"id":"E-1"}`)(w, r)
}

const oauthSpec = plainSpec + "auth: {scheme: oauth2, token_url: /token, client_id: client, scope: orders}\n"

func TestAuth_OAuth2KeepsItsTokenAndRenewsItOnce(t *testing.T) {
	o := &oauth{}
	c, clock := open(t, oauthSpec, o.ServeHTTP)
	expect := func(what string, verdict waybill.Verdict, calls ...string) {
		t.Helper()
		o.calls = nil
		if got := deliver(t, c); got.Verdict != verdict {
			t.Errorf("%s: %+v", what, got)
		}
		if d := cmp.Diff(calls, o.calls); d != "" {
			t.Errorf("%s: calls (-want +got):\n%s", what, d)
		}
	}
	expect("first", waybill.Done, "/base/token", "/base/orders")
	expect("again, with the same token", waybill.Done, "/base/orders")
	clock.add(91 * time.Second)
	expect("shortly before its end", waybill.Done, "/base/token", "/base/orders")
	o.good = "revoked"
	expect("revoked early: one renewal, and once more", waybill.Done, "/base/orders", "/base/token", "/base/orders")
	o.good = "revoked"
	o.status = 401
	expect("the client's credential is refused", waybill.Unauthorized, "/base/orders", "/base/token")
	o.status = 503
	expect("the token endpoint is down: nothing left", waybill.NotSent, "/base/token")
}

func TestAuth_OAuth2GivesUpAfterOneRenewal(t *testing.T) {
	o := &oauth{}
	c, _ := open(t, oauthSpec, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/orders") {
			o.calls = append(o.calls, "refused")
			w.WriteHeader(401)
			return
		}
		o.ServeHTTP(w, r)
	})
	if got := deliver(t, c); got.Verdict != waybill.Unauthorized {
		t.Errorf("outcome %+v", got)
	}
	if d := cmp.Diff([]string{"/base/token", "refused", "/base/token", "refused"}, o.calls); d != "" {
		t.Errorf("calls (-want +got):\n%s", d)
	}
}

func TestRate_AUsedUpBudgetHoldsBackTheNextRequest(t *testing.T) {
	for form, reset := range map[string]string{"seconds": "20", "unix": strconv.FormatInt(connectortest.Now.Add(20*time.Second).Unix(), 10)} {
		calls := 0
		c, clock := open(t, plainSpec+"auth: {scheme: bearer}\nrate: {remaining: X-Left, reset: X-Reset, form: "+form+"}\n",
			func(w http.ResponseWriter, r *http.Request) {
				calls++
				answer(200, `{"id":"E-1"}`, "X-Left", strconv.Itoa(2-calls), "X-Reset", reset)(w, r)
			})
		for i, want := range []waybill.Verdict{waybill.Done, waybill.Done, waybill.Throttled} {
			o := deliver(t, c)
			if o.Verdict != want || want == waybill.Throttled && !o.RetryAfter.Equal(connectortest.Now.Add(20*time.Second)) {
				t.Errorf("%s, delivery %d: %+v", form, i+1, o)
			}
		}
		clock.add(20 * time.Second)
		if o := deliver(t, c); o.Verdict != waybill.Done || calls != 3 {
			t.Errorf("%s, after the reset: %+v with %d calls", form, o, calls)
		}
	}
}

func TestAnswers_PartialNamesEachLine(t *testing.T) {
	spec := strings.Replace(plainSpec, "answers:\n", "answers:\n  - {status: [\"207\"], verdict: partial, receipt: '{ref: .body.id, lines: .body.lines}'}\n", 1) + "auth: {scheme: bearer}\n"
	for body, want := range map[string]waybill.Verdict{
		`{"id":"E","lines":[{"line":"1","status":"applied"},{"line":"2","status":"rejected","problem":{"code":"closed"}}]}`: waybill.Partial,
		`{"id":"E","lines":[]}`:                              waybill.InDoubt,
		`{"id":"E","lines":[{"line":"1","status":"maybe"}]}`: waybill.InDoubt,
		`{"id":"E","lines":[{"line":"1","status":"applied"},{"line":"1","status":"rejected"}]}`: waybill.InDoubt,
		`{"id":"E","lines":"all"}`: waybill.InDoubt,
	} {
		c, _ := open(t, spec, answer(207, body))
		if o := deliver(t, c); o.Verdict != want {
			t.Errorf("%s: %+v", body, o)
		}
	}
}

func TestReceive_IDsFromTheBody(t *testing.T) {
	const hook = "auth: {scheme: none}\nwebhook:\n  events: events\n  signature: {header: X-Sign, algorithm: sha1, encoding: base64, payload: \"{url}{body}\"}\n  url: https://hooks.example.com/in/erp\n"
	for name, tt := range map[string]struct{ spec, body, id string }{
		"a number":     {hook + "  id: .event.id\n", `{"event":{"id":7}}`, "7"},
		"its hash":     {hook, `{}`, "sha256-44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
		"not there":    {hook + "  id: .event.id\n", `{}`, ""},
		"another type": {hook + "  id: .id\n", `{"id":[1]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := open(t, plainSpec+tt.spec, answer(200, ``))
			e, err := c.Receiver.Receive(connector.Inbound{Body: []byte(tt.body), Now: connectortest.Now, Header: http.Header{"X-Sign": {sha1Of("https://hooks.example.com/in/erp" + tt.body)}}})
			if tt.id == "" {
				if r, ok := err.(*connector.Rejection); !ok || r.Status != 400 { //nolint:errorlint // the contract's type
					t.Errorf("id %q, error %v; want a 400", e.ID, err)
				}
				return
			}
			if err != nil || e.ID != tt.id {
				t.Errorf("id %q, error %v; want %q", e.ID, err, tt.id)
			}
		})
	}
}
