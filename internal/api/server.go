package api

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// Limits of a connection: a slow or idle peer holds none for long.
const (
	headerWithin = 5 * time.Second
	bodyWithin   = 30 * time.Second
	answerWithin = 60 * time.Second // from the end of the headers
	idleWithin   = 2 * time.Minute
	headerMax    = 32 << 10
	streamsMax   = 100 // of one HTTP/2 connection
)

// Server is an HTTP server with limits on what a peer can hold up. Streams of
// server-sent events may last; every other answer has to be taken in time.
func Server(addr string, handler http.Handler) *http.Server {
	return &http.Server{
		Addr: addr, Handler: within(handler), ReadHeaderTimeout: headerWithin, IdleTimeout: idleWithin,
		MaxHeaderBytes: headerMax, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: streamsMax},
	}
}

// within sets the deadlines of one request. The server's own ReadTimeout and
// WriteTimeout would end event streams too.
func within(next http.Handler) http.Handler { return deadlines(next, bodyWithin, answerWithin) }

func deadlines(next http.Handler, body, answer time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc, now := http.NewResponseController(w), time.Now()
		end := now.Add(answer)
		if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			end = time.Time{} // and none left over from a request before it
		}
		_ = rc.SetWriteDeadline(end) // not every connection has deadlines
		if r.Body != http.NoBody && rc.SetReadDeadline(now.Add(body)) == nil {
			timed := *r
			timed.Body = &timedBody{ReadCloser: r.Body, rc: rc}
			r = &timed
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody lifts the read deadline when the body has come: from then on the
// server reads only to see whether the peer is still there.
type timedBody struct {
	io.ReadCloser
	rc *http.ResponseController
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF { //nolint:errorlint // as io.Reader returns it
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}
