package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
)

// inProcessSuffix ends the host names of systems that don't listen.
const inProcessSuffix = ".sandbox"

// errCut is what a caller sees of a connection that was cut.
var errCut = errors.New("connection reset by the sandbox")

// Transport reaches the systems without a network: a request for
// http://erp.sandbox/… is answered by the ERP's handler in the caller's
// goroutine. A cut connection is an error after the request was sent, and a
// client's trace is told so (net/http/httptrace): a caller that treats it as
// never sent would apply a document twice. A context that ends while a system
// holds its answer back is that context's error.
func (w *World) Transport() http.RoundTripper { return transport{w} }

type transport struct{ w *World }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	system, ok := strings.CutSuffix(r.URL.Hostname(), inProcessSuffix)
	h := t.w.Handler(system)
	if !ok || h == nil {
		return nil, fmt.Errorf("reach %s: no such system in the sandbox", r.URL.Host)
	}
	in := r.WithContext(r.Context()) // the mux writes into it
	if r.Body == nil {
		in.Body = http.NoBody
	} else {
		defer r.Body.Close()
	}
	announce(r.Context())
	rec := &recorder{header: http.Header{}}
	h.ServeHTTP(rec, in)
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	if rec.cut {
		return nil, errCut
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", rec.status, http.StatusText(rec.status)), StatusCode: rec.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: rec.header,
		ContentLength: int64(rec.body.Len()), Body: io.NopCloser(&rec.body), Request: r,
	}, nil
}

// announce tells a client's trace what a connection would: that there is one,
// and that the request went out on it.
func announce(ctx context.Context) {
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil {
		return
	}
	if trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Reused: true})
	}
	if trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
}

// recorder keeps an answer in memory.
type recorder struct {
	header http.Header
	status int
	cut    bool
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// Drop ends the exchange without an answer.
func (r *recorder) Drop() { r.cut = true }
