package connector

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"
)

// RetryAfterMax is the longest pause that a system can ask for (system
// contract T1).
const RetryAfterMax = time.Hour

// Answer is a system's answer whose body was read to its end.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Words is status and reason: "504 Gateway Timeout".
func (a Answer) Words() string {
	if text := http.StatusText(a.Status); text != "" {
		return strconv.Itoa(a.Status) + " " + text
	}
	return strconv.Itoa(a.Status)
}

// Request is one call to a system.
type Request struct {
	Method string
	URL    string
	Header http.Header
	Body   []byte
	Limit  int64 // bytes of the answer's body
}

// NotSentError says that no byte of a request can have left.
type NotSentError struct{ Err error }

// Error says why.
func (e *NotSentError) Error() string { return e.Err.Error() }

// Unwrap gives the reason.
func (e *NotSentError) Unwrap() error { return e.Err }

// Send makes one request, once: it has no GetBody, without which Go's transport
// can't send a body a second time. After an error the answer's status is set
// where its head had arrived; an error of type [*NotSentError] means that
// nothing has left.
func Send(ctx context.Context, client *http.Client, r Request) (Answer, error) {
	// A connection makes bytes possible. Until there is one nothing was sent;
	// from then on only an answer tells. A transport that does not even say
	// that it looks for a connection says nothing at all.
	var asked, connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	var body io.Reader = http.NoBody
	if len(r.Body) > 0 {
		body = bytes.NewReader(r.Body)
	} else if r.Method != http.MethodGet {
		// A request without a body is one that Go's transport may repeat, with
		// some headers also a POST; one with an empty body is not.
		body = io.NopCloser(bytes.NewReader(nil))
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return Answer{}, &NotSentError{fmt.Errorf("the request can't be made: %w", plainError(err))}
	}
	req.GetBody = nil
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if err := ctx.Err(); err != nil {
		return Answer{}, &NotSentError{fmt.Errorf("its time was over before it began: %w", err)}
	}
	resp, err := client.Do(req)
	if err != nil {
		if asked.Load() && !connected.Load() {
			return Answer{}, &NotSentError{fmt.Errorf("no connection: %w", plainError(err))}
		}
		return Answer{}, fmt.Errorf("no answer: %w", plainError(err))
	}
	defer resp.Body.Close()
	a := Answer{Status: resp.StatusCode, Header: resp.Header}
	read, err := io.ReadAll(io.LimitReader(resp.Body, r.Limit+1))
	switch {
	case err != nil:
		return a, fmt.Errorf("the answer %s broke off: %w", a.Words(), err)
	case int64(len(read)) > r.Limit:
		return a, fmt.Errorf("the answer %s is longer than %d bytes", a.Words(), r.Limit)
	}
	a.Body = read
	return a, nil
}

// plainError takes the method and the address off an error of the client: both
// are known to whoever reads it, and an address may hold a key.
func plainError(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}

// RetryAfter reads the header of that name as the time until which nothing may
// be sent, at least a second and at most [RetryAfterMax] from now. ok is false
// where it is missing or unreadable. A date is taken against the answer's own
// Date, so that the system's clock does not matter.
func RetryAfter(h http.Header, now time.Time) (until time.Time, ok bool) {
	value := h.Get("Retry-After")
	if value == "" {
		return time.Time{}, false
	}
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return now.Add(pause(time.Duration(min(max(n, 0), int64(RetryAfterMax/time.Second))) * time.Second)), true
	} else if errors.Is(err, strconv.ErrRange) {
		if value[0] == '-' {
			return now.Add(time.Second), true
		}
		return now.Add(RetryAfterMax), true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return time.Time{}, false
	}
	sent, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		sent = now
	}
	return now.Add(pause(date.Sub(sent))), true
}

func pause(d time.Duration) time.Duration { return min(max(d, time.Second), RetryAfterMax) }
