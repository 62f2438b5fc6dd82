package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill/internal/api"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/intake"
	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/trace"
)

func TestServer_SlowBodyEnds(t *testing.T) {
	read := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := intake.ReadBody(w, r, 1000)
		intake.Reply(w, intake.Answer{}, err)
	})
	srv := httptest.NewServer(api.Deadlines(read, 50*time.Millisecond, time.Minute))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusRequestTimeout || !strings.Contains(string(b), "body_timeout") || !res.Close {
		t.Errorf("%s: %s", res.Status, b)
	}
}

func TestServer_WaitAfterTheBodyIsNotCutShort(t *testing.T) {
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select { // longer than the body may take
		case <-r.Context().Done():
			w.WriteHeader(http.StatusTeapot)
		case <-time.After(150 * time.Millisecond):
		}
	})
	srv := httptest.NewServer(api.Deadlines(slow, 50*time.Millisecond, time.Minute))
	defer srv.Close()
	res, err := http.Post(srv.URL, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("%s", res.Status)
	}
}

func TestServer_StreamsLastOtherAnswersEnd(t *testing.T) {
	stream := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		rc := http.NewResponseController(w)
		for range 2 {
			fmt.Fprintln(w, "data: x")
			_ = rc.Flush()
			<-time.After(100 * time.Millisecond)
		}
		fmt.Fprintln(w, "data: end")
	})
	srv := httptest.NewServer(api.Deadlines(stream, time.Minute, 50*time.Millisecond))
	defer srv.Close()
	for accept, whole := range map[string]bool{"text/event-stream": true, "text/plain": false} {
		req, err := http.NewRequest(http.MethodGet, srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if got := strings.Contains(string(b), "data: end"); got != whole {
			t.Errorf("Accept %s: %q", accept, b)
		}
	}
}

// tired is an engine that can't work.
type tired struct{ err error }

// Do implements api.Engine.
func (e tired) Do(context.Context, engine.Command) error { return e.err }

// Map implements api.Engine.
func (e tired) Map(context.Context, engine.Remap) (engine.Mapped, error) {
	return engine.Mapped{}, e.err
}

// Status implements api.Engine.
func (e tired) Status(context.Context) (engine.Status, error) { return engine.Status{}, e.err }

// Ready implements api.Engine.
func (tired) Ready() (bool, []string) { return false, []string{"stopping"} }

// Stats implements api.Engine.
func (tired) Stats() *engine.Stats { return &engine.Stats{} }

func TestAPI_WhenTheEngineCannotWork(t *testing.T) {
	st, err := sqlite.Open(t.Context(), "", sqlite.Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for _, tt := range []struct {
		err          error
		method, path string
		status       int
		body         string
	}{
		{engine.ErrStopped, "GET", "/readyz", 503, `{"reasons":["stopping"]}`},
		{engine.ErrStopped, "GET", "/healthz", 200, `"alive"`},
		{engine.ErrStopped, "GET", "/api/v1/status", 503, `"unavailable"`},
		{engine.ErrStopped, "POST", "/api/v1/orders/SO-1/hold", 503, `"unavailable"`},
		{errors.New("disk /var/secret is on fire"), "GET", "/api/v1/status", 500, `"internal"`},
		{engine.ErrStopped, "GET", "/metrics", 200, "waybill_messages_total 0"},
	} {
		e := tired{tt.err}
		h, err := api.New(api.Deps{Engine: e, Store: st, Trace: trace.New(st, nil), Keys: auth.NewKeys(apiKeys())})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(because))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+keys["admin"])
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) || strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s %s: %d %s", tt.method, tt.path, w.Code, w.Body)
		}
		if (w.Code == 503) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%s %s: Retry-After %q with %d", tt.method, tt.path, w.Header().Get("Retry-After"), w.Code)
		}
	}
}

func TestAPI_PagesTakeTheRest(t *testing.T) {
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page "+r.URL.Path) })
	w := newWorld(t, func(d *api.Deps) { d.Pages = pages })
	for path, want := range map[string]string{"/": "page /", "/orders": "page /orders", "/healthz": `{"status":"alive","version":"1.2.3"}`} {
		if _, b := w.do("GET", path, "", "", nil); string(b) != want {
			t.Errorf("GET %s: %s", path, b)
		}
	}
}
