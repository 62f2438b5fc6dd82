package connectortest

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// fault is a way in which a counterpart fails to answer.
type fault struct {
	name     string
	handler  http.HandlerFunc
	redirect bool
	hangs    bool
}

// patience is how long a call may take.
func (f fault) patience() time.Duration {
	if f.hangs {
		return 200 * time.Millisecond
	}
	return patience
}

// faults lists what any HTTP server can do to a request. None of it says
// whether the request took effect.
func faults() []fault {
	return []fault{
		{name: "Status500", handler: status(http.StatusInternalServerError)},
		{name: "Status502", handler: status(http.StatusBadGateway)},
		{name: "Status504", handler: status(http.StatusGatewayTimeout)},
		{name: "Status599", handler: status(599)},
		{name: "Reset", handler: reset},
		{name: "HeadOnly", handler: cut("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n")},
		{name: "CutInBody", handler: cut("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n{\"ref\":\"E-1\",")},
		{name: "CutInHead", handler: cut("HTTP/1.1 201 Cre")},
		{name: "NotHTTP", handler: cut("SSH-2.0-OpenSSH_9.2\r\n")},
		{name: "Page", handler: page},
		{name: "NoBody", handler: status(http.StatusOK)},
		{name: "EndlessBody", handler: endless},
		{name: "Redirect", handler: redirect, redirect: true},
		{name: "NoAnswer", handler: hang, hangs: true},
	}
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close() //nolint:errcheck // nothing was accepted
	return "http://" + listener.Addr().String()
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// reset takes the request and closes the connection.
func reset(w http.ResponseWriter, r *http.Request) { cut("")(w, r) }

// cut writes these bytes and closes the connection.
func cut(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		hijacker, ok := w.(http.Hijacker)
		if !ok {
			return
		}
		conn, _, err := hijacker.Hijack()
		if err != nil {
			return
		}
		_, _ = conn.Write([]byte(answer))
		if tcp, ok := conn.(*net.TCPConn); ok && answer == "" {
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}

// page is what a captive portal or a proxy answers to anything.
func page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte("<html><body>Please log in</body></html>"))
}

// endless writes JSON until nobody reads any more.
func endless(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"ref":"`))
	chunk := make([]byte, 64<<10)
	for i := range chunk {
		chunk[i] = 'a'
	}
	for r.Context().Err() == nil {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// redirect leads to an address that would say yes.
func redirect(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", r.URL.Path+"?redirected=1")
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// hang answers when its caller has gone. The server notices that only once it
// has read the request's body.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}
