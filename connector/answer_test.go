package connector_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/waybillhq/waybill/connector"
)

// A connection that closes without an answer is no reason to send again, with
// or without a body, and with the header that would let Go's transport do so.
func TestSend_NeverRepeats(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		for _, body := range []string{"", "{}"} {
			var requests atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) > 1 {
					panic(http.ErrAbortHandler)
				}
			}))
			send := func() (connector.Answer, error) {
				return connector.Send(t.Context(), server.Client(), connector.Request{Method: method, URL: server.URL, Body: []byte(body), Limit: 10,
					Header: http.Header{"Idempotency-Key": {"k"}}})
			}
			if a, err := send(); err != nil || a.Status != 200 {
				t.Errorf("%s: %+v, error %v", method, a, err)
			}
			_, err := send()
			if unsent := (*connector.NotSentError)(nil); err == nil || errors.As(err, &unsent) {
				t.Errorf("%s: error %v", method, err)
			}
			if n := requests.Load(); n != 2 {
				t.Errorf("%s with body %q: %d requests, want 2", method, body, n)
			}
			server.Close()
		}
	}
}

func TestSend_SaysWhatLeft(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("0123456789")) }))
	defer server.Close()
	a, err := connector.Send(t.Context(), server.Client(), connector.Request{Method: http.MethodGet, URL: server.URL, Limit: 9})
	if err == nil || a.Status != 200 || a.Body != nil || !strings.Contains(err.Error(), "longer than 9 bytes") {
		t.Errorf("%+v, error %v", a, err)
	}
	for _, url := range []string{"http://127.0.0.1:1/?key=secret", "http://[::1", ":"} {
		_, err := connector.Send(t.Context(), http.DefaultClient, connector.Request{Method: http.MethodPost, URL: url})
		if unsent := (*connector.NotSentError)(nil); !errors.As(err, &unsent) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v", url, err)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		value, date string
		want        time.Duration // 0: unreadable
	}{
		{"", "", 0}, {"soon", "", 0}, {"7", "", 7 * time.Second}, {"0", "", time.Second}, {"-5", "", time.Second}, {"86400", "", time.Hour},
		{"99999999999999999999999", "", time.Hour}, {"-99999999999999999999999", "", time.Second},
		{"Fri, 02 Jan 2026 03:04:25 GMT", "", 20 * time.Second}, {"Fri, 02 Jan 2026 03:04:25 GMT", "Fri, 02 Jan 2026 03:04:20 GMT", 5 * time.Second},
		{"Fri, 02 Jan 2026 03:00:00 GMT", "", time.Second},
	}
	for _, tt := range tests {
		h := http.Header{"Retry-After": {tt.value}, "Date": {tt.date}}
		until, ok := connector.RetryAfter(h, now)
		if ok != (tt.want != 0) || ok && until.Sub(now) != tt.want {
			t.Errorf("%q at %q: %s, %v", tt.value, tt.date, until.Sub(now), ok)
		}
	}
}
