package shopify_test

import (
	"errors"
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
	return openWith(t, base, transport)
}

func openWith(t testing.TB, base string, transport http.RoundTripper) connector.Connector {
	t.Helper()
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

// TestInquire_Marks: an answer is there when its metafield is.
func TestInquire_Marks(t *testing.T) {
	for answer, want := range map[string]connector.Finding{
		`{"id":"gid://shopify/Order/1","metafield":{"id":"gid://shopify/Metafield/19"}}`: {State: connector.FoundApplied, Receipt: waybill.Receipt{Ref: "19"}},
		`{"id":"gid://shopify/Order/1","metafield":null}`:                                {State: connector.FoundAbsent},
		`null`: {State: connector.FoundAbsent},
	} {
		c := openOn(t, says(200, `{"data":{"order":`+answer+`}}`))
		d, _ := rendered(t, c, "accepted")
		if diff := cmp.Diff(want, inquire(t, c, d)); diff != "" {
			t.Errorf("%s: finding (-want +got):\n%s", answer, diff)
		}
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

// TestProbe_CredentialRefused, in the other ways that Shopify says so.
func TestProbe_CredentialRefused(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{"403": says(403, `{}`), "denied": says(200, failed("ACCESS_DENIED")+`}`)} {
		_, err := openOn(t, h).Prober.Probe(t.Context())
		if r := (*connector.Rejection)(nil); !errors.As(err, &r) || r.Status != http.StatusUnauthorized {
			t.Errorf("%s: error %v (%T), want a Rejection with 401", name, err, err)
		}
	}
}

// roundTripper is a function as an HTTP transport.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestCall_NobodyCanRepeatIt: a request without GetBody is sent once, whatever
// the transport thinks of its method and headers.
func TestCall_NobodyCanRepeatIt(t *testing.T) {
	f := newFakeShop(t)
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	sent := 0
	c := openWith(t, server.URL, roundTripper(func(r *http.Request) (*http.Response, error) {
		if sent++; r.GetBody != nil {
			t.Error("the request has a GetBody: a transport can send it again")
		}
		return http.DefaultTransport.RoundTrip(r)
	}))
	if o := deliver(t, c, shipment(waybill.Fulfilment, "SHP-1", 1, 0)); o.Verdict != waybill.Done || sent != 2 {
		t.Errorf("outcome %+v after %d requests, want done after two", o, sent)
	}
}
