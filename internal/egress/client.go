package egress

import (
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Limits of the client that no configuration changes.
const (
	dialTimeout        = 10 * time.Second
	tlsTimeout         = 10 * time.Second
	idleTimeout        = 60 * time.Second
	idlePerHostMax     = 256       // kept-alive connections to one system
	idleMax            = 1024      // and to all
	headerBytesMax     = 256 << 10 // of an answer
	headerTimeout      = 2 * time.Minute
	keepAliveInterval  = 15 * time.Second
	expectContinueWait = time.Second
)

// Options are the rules of a client.
type Options struct {
	// Allow names the addresses that may be called beside public ones: the
	// configuration's egress.allow.
	Allow []netip.Prefix
	// Resolver looks names up; nil is the machine's own.
	Resolver *net.Resolver
}

// Dialer makes the connections that the rules allow, for systems that are not
// spoken to over HTTP. Each address is judged after name resolution.
func Dialer(o Options) *net.Dialer {
	return &net.Dialer{
		Timeout:   dialTimeout,
		KeepAlive: keepAliveInterval,
		Resolver:  o.Resolver,
		Control:   NewGuard(o.Allow).Control,
	}
}

// Client makes the HTTP client that calls systems. It
//
//   - connects only to addresses that the guard lets through, judged after
//     name resolution and at each dial;
//   - never follows a redirect: the caller gets the 3xx (system contract G2);
//   - ignores proxies in the environment;
//   - never repeats a request with a body, also where the caller left a
//     GetBody: Go's transport would otherwise replay a POST with an
//     Idempotency-Key on a broken connection, and a repetition is the engine's
//     to decide (T5). A request without a body, a question, may be repeated;
//   - sends no Accept-Encoding of its own and unpacks nothing.
//
// It sets no time-out over a whole request: callers give a context with the
// attempt's deadline. Without one an answer has to begin within two minutes.
func Client(o Options) *http.Client {
	return &http.Client{
		Transport: &once{&http.Transport{
			Proxy:                  nil,
			DialContext:            Dialer(o).DialContext,
			TLSHandshakeTimeout:    tlsTimeout,
			ResponseHeaderTimeout:  headerTimeout,
			ExpectContinueTimeout:  expectContinueWait,
			IdleConnTimeout:        idleTimeout,
			MaxIdleConns:           idleMax,
			MaxIdleConnsPerHost:    idlePerHostMax,
			MaxResponseHeaderBytes: headerBytesMax,
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// once takes from each request the means to be sent twice.
type once struct{ *http.Transport }

// RoundTrip sends r, at most once if it has a body.
func (o *once) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.GetBody != nil {
		copied := *r // a RoundTripper must not change its caller's request
		copied.GetBody = nil
		r = &copied
	}
	return o.Transport.RoundTrip(r)
}
