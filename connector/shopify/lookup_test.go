package shopify_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
	"github.com/waybillhq/waybill/connector/shopify"
)

// openAt opens the connector against an address.
func openAt(t testing.TB, base string) connector.Connector {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := shopify.Manifest().Open(connector.Env{System: "shop", Role: waybill.RoleChannel, BaseURL: base, Token: "example-token",
		OrderPrefix: "web~.", Now: func() time.Time { return connectortest.Now },
		Client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func openOn(t testing.TB, h http.Handler) connector.Connector {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return openAt(t, server.URL)
}

// rendered renders the document of a fixture in out/.
func rendered(t testing.TB, c connector.Connector, name string) (waybill.Document, []byte) {
	t.Helper()
	for _, f := range connectortest.Fixtures(t.(*testing.T), "testdata/out") {
		if f.Name == name {
			d := f.Document(t.(*testing.T))
			r, err := c.Renderer.Render(d)
			if err != nil {
				t.Fatal(err)
			}
			return d, r.Body
		}
	}
	t.Fatalf("no fixture testdata/out/%s.txtar", name)
	return waybill.Document{}, nil
}

func TestInquire_Answers(t *testing.T) {
	const mark = `{"data":{"order":{"id":"gid://shopify/Order/1","metafield":{"id":"gid://shopify/Metafield/19"}}}}`
	const numbers = `"1Z001985YW99744790","1Z001985YW99744791"`
	tests := []struct {
		name, document string
		respond        http.HandlerFunc
		want           connector.Finding // the note is compared by whether there is one
	}{
		{"Found", "a-fulfilment", fulfilled(numbers, 6, 2), connector.Finding{State: connector.FoundApplied, Receipt: waybill.Receipt{Ref: "255858046"}}},
		{"Absent", "a-fulfilment", says(200, openOrder), connector.Finding{State: connector.FoundAbsent}},
		{"OtherNumbers", "a-fulfilment", fulfilled(`"1Z999"`, 6, 2), connector.Finding{State: connector.FoundAbsent}},
		{"OneOfTwoNumbers", "a-fulfilment", fulfilled(`"1Z001985YW99744790"`, 6, 2), connector.Finding{State: connector.FoundAbsent}},
		{"FewerPieces", "a-fulfilment", fulfilled(numbers, 6, 1), connector.Finding{State: connector.FoundAbsent, Note: "some"}},
		{"NoSuchOrder", "a-fulfilment", says(200, `{"data":{"order":null}}`), connector.Finding{State: connector.FoundAbsent, Note: "some"}},
		{"Mark", "accepted", says(200, mark), connector.Finding{State: connector.FoundApplied, Receipt: waybill.Receipt{Ref: "19"}}},
		{"NoMark", "accepted", says(200, `{"data":{"order":{"id":"gid://shopify/Order/1","metafield":null}}}`), connector.Finding{State: connector.FoundAbsent}},
		{"Throttled", "accepted", says(200, failed("THROTTLED")+asked+"}"),
			connector.Finding{State: connector.FoundUnknown, RetryAfter: connectortest.Now.Add(2 * time.Second), Note: "some"}},
		{"Unauthorized", "accepted", says(401, `{}`), connector.Finding{State: connector.FoundUnknown, Unauthorized: true, Note: "some"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := openOn(t, tt.respond)
			d, body := rendered(t, c, tt.document)
			got, err := c.Inquirer.Inquire(t.Context(), connector.Inquiry{Kind: d.Kind, Order: d.Order, Key: d.Key, Body: body,
				Deadline: connectortest.Now.Add(-time.Second)})
			if err != nil {
				t.Fatal(err)
			}
			if got.Note != "" {
				got.Note = "some"
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("finding (-want +got):\n%s", diff)
			}
		})
	}
}

// TestInquire_BeforeTheDeadline: what is not there yet may still come.
func TestInquire_BeforeTheDeadline(t *testing.T) {
	c := openOn(t, says(200, openOrder))
	d, body := rendered(t, c, "a-fulfilment")
	got, err := c.Inquirer.Inquire(t.Context(), connector.Inquiry{Kind: d.Kind, Order: d.Order, Key: d.Key, Body: body,
		Deadline: connectortest.Now.Add(time.Second)})
	if err != nil || got.State != connector.FoundUnknown {
		t.Errorf("found %s (%s, error %v), want unknown", got.State, got.Note, err)
	}
}

// noAnswers are ways not to answer. None says anything about a key.
var noAnswers = map[string]http.HandlerFunc{
	"Status500":   says(500, `{}`),
	"Status503":   says(503, `{}`),
	"Status404":   says(404, `{"errors":"Not Found"}`),
	"Status403":   says(403, `{}`),
	"Status429":   says(429, `{}`),
	"Redirect":    says(302, ``, "Location", "/elsewhere"),
	"EmptyBody":   says(200, ``),
	"EmptyObject": says(200, `{}`),
	"NullData":    says(200, `{"data":null}`),
	"Page":        says(200, `<html>Please log in</html>`),
	"HalfAnObject": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "400")
		_, _ = io.WriteString(w, `{"data":{"order":`)
	},
	"Reset": func(w http.ResponseWriter, _ *http.Request) {
		if h, ok := w.(http.Hijacker); ok {
			if conn, _, err := h.Hijack(); err == nil {
				conn.Close()
			}
		}
	},
	"Silence": func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees its client go
		<-r.Context().Done()
	},
}

func TestLookUp_NoAnswerIsNoAbsence(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	check := func(t *testing.T, c connector.Connector) {
		for _, fixture := range []string{"a-fulfilment", "accepted"} {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			d, body := rendered(t, c, fixture)
			got, err := c.Inquirer.Inquire(ctx, connector.Inquiry{Kind: d.Kind, Order: d.Order, Key: d.Key, Body: body})
			if err != nil || got.State != connector.FoundUnknown || got.Note == "" {
				t.Errorf("%s: finding %+v, error %v; want unknown with a note", fixture, got, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if info, err := c.Prober.Probe(ctx); err == nil {
			t.Errorf("the probe holds this for a healthy shop: %+v", info)
		}
	}
	for name, h := range noAnswers {
		t.Run(name, func(t *testing.T) { check(t, openOn(t, h)) })
	}
	t.Run("NoConnection", func(t *testing.T) { check(t, openAt(t, "http://"+closed.Addr().String())) })
}

func TestProbe(t *testing.T) {
	c := openOn(t, says(200, `{"data":{"shop":{"name":"Example Hardware","myshopifyDomain":"example.myshopify.com"}}}`,
		"Date", "Fri, 02 Jan 2026 03:04:07 GMT"))
	got, err := c.Prober.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := connector.Info{System: "Example Hardware", Head: -1, Now: time.Date(2026, 1, 2, 3, 4, 7, 0, time.UTC), Idempotency: waybill.ByLookup}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
	for name, h := range map[string]http.HandlerFunc{"401": says(401, `{}`), "403": says(403, `{}`), "denied": says(200, failed("ACCESS_DENIED")+`}`)} {
		_, err := openOn(t, h).Prober.Probe(t.Context())
		if r := (*connector.Rejection)(nil); !errors.As(err, &r) || r.Status != http.StatusUnauthorized {
			t.Errorf("%s: error %v (%T), want a Rejection with 401", name, err, err)
		}
	}
}
