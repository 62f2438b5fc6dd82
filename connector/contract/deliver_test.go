package contract_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/connectortest"
)

// target opens the connector against a server, with a client that would follow
// redirects.
func target(t *testing.T, handler http.Handler) (connector.Connector, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return open(t, connector.Env{System: "erp", Role: waybill.RoleERP, BaseURL: server.URL + "/", Token: "example-token",
		Client: server.Client(), Now: func() time.Time { return connectortest.Now }}), server
}

func attempt() connector.Attempt {
	return connector.Attempt{Kind: waybill.SalesOrder, Order: "SO-1", Lane: "SO-1", Key: "0123456789abcdefghjkmnpqrstvwxyz0",
		Seq: 3, Attempt: 2, Epoch: 7, Deadline: connectortest.Now.Add(30 * time.Second),
		Body: []byte(`{"kind":"sales_order"}`), ContentType: "application/json"}
}

// A client that comes with its own idea of redirects is not obeyed.
func TestDeliver_FollowsNoRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		var calls atomic.Int32
		c, _ := target(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			w.Header().Set("Location", "/v1/elsewhere")
			w.WriteHeader(status)
		}))
		o, err := c.Deliverer.Deliver(t.Context(), attempt())
		if err != nil || o.Verdict != waybill.Misconfigured || calls.Load() != 1 {
			t.Errorf("%d: outcome %+v, error %v after %d calls", status, o, err, calls.Load())
		}
	}
}

// Go's transport sends a request with an Idempotency-Key again when a
// connection that it had kept is closed under it, if it can rewind the body.
func TestDeliver_IsNeverReplayedByTheTransport(t *testing.T) {
	var applied atomic.Int32
	c, _ := target(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if applied.Add(1) == 1 {
			answer(201, `{"ref":"E-1"}`)(w, r)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	}))
	for n, want := range []waybill.Verdict{waybill.Done, waybill.InDoubt} {
		o, err := c.Deliverer.Deliver(t.Context(), attempt())
		if err != nil || o.Verdict != want {
			t.Errorf("delivery %d: %+v, %v; want %s", n+1, o, err, want)
		}
	}
	if applied.Load() != 2 {
		t.Errorf("the target was asked %d times, want 2: one for each attempt", applied.Load())
	}
}

func TestDeliver_NotSentOnlyBeforeTheFirstByte(t *testing.T) {
	env := connector.Env{System: "erp", Role: waybill.RoleERP, BaseURL: "https://127.0.0.1:1", Now: time.Now}
	dial := func(err error) *http.Client {
		return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, err }}}
	}
	t.Run("DNS", func(t *testing.T) {
		env.Client = dial(&net.DNSError{Err: "no such host", Name: "erp.example.com", IsNotFound: true})
		o, err := open(t, env).Deliverer.Deliver(t.Context(), attempt())
		if err != nil || o.Verdict != waybill.NotSent || !strings.Contains(o.Note, "no such host") {
			t.Errorf("outcome %+v, error %v", o, err)
		}
	})
	t.Run("TLS", func(t *testing.T) {
		server := httptest.NewUnstartedServer(answer(201, `{"ref":"E-1"}`))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		defer server.Close()
		env.BaseURL, env.Client = server.URL, &http.Client{Transport: &http.Transport{}} // it does not know the server's certificate
		o, err := open(t, env).Deliverer.Deliver(t.Context(), attempt())
		if err != nil || o.Verdict != waybill.NotSent {
			t.Errorf("outcome %+v, error %v", o, err)
		}
	})
	t.Run("ContextOver", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		env.Client = dial(errors.New("never dialled"))
		o, err := open(t, env).Deliverer.Deliver(ctx, attempt())
		if err != nil || o.Verdict != waybill.NotSent {
			t.Errorf("outcome %+v, error %v", o, err)
		}
	})
}

func TestDeliver_TellsSeqAttemptEpochAndDeadline(t *testing.T) {
	got := make(chan http.Header, 1)
	c, _ := target(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header
		if r.URL.Path != "/v1/documents" || r.ContentLength != 22 {
			t.Errorf("path %s, length %d", r.URL.Path, r.ContentLength)
		}
		answer(201, `{"ref":"E-1"}`)(w, r)
	}))
	a := attempt()
	a.Deadline = time.Date(2026, 1, 2, 4, 5, 6, 789_999_000, time.FixedZone("", 3600))
	if o, err := c.Deliverer.Deliver(t.Context(), a); err != nil || o.Verdict != waybill.Done {
		t.Fatalf("outcome %+v, error %v", o, err)
	}
	h := <-got
	for name, want := range map[string]string{"Waybill-Seq": "3", "Waybill-Attempt": "2", "Waybill-Epoch": "7",
		"Waybill-Deadline": "2026-01-02T03:05:06.789Z", "Traceparent": "",
		// printf '%s' '{"kind":"sales_order"}' | openssl dgst -sha256 -binary | base64
		"Content-Digest": "sha-256=:8LVEOtf5qZxGMeS4pGxv0uz33IGBYZtw/IImhdwpb/c=:"} {
		if h.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, h.Get(name), want)
		}
	}
}

// silent is a transport of another make, which tells nobody of its
// connections.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, r.Body)
	return nil, errors.New("something broke")
}

func TestDeliver_UnknownTransportIsInDoubt(t *testing.T) {
	c := open(t, connector.Env{System: "erp", Role: waybill.RoleERP, BaseURL: "http://erp.example.com", Now: time.Now,
		Client: &http.Client{Transport: silent{}}})
	o, err := c.Deliverer.Deliver(t.Context(), attempt())
	if err != nil || o.Verdict != waybill.InDoubt {
		t.Errorf("outcome %+v, error %v; want in doubt", o, err)
	}
}
