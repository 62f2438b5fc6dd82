package egress_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/waybillhq/waybill/internal/egress"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// server counts its requests.
func server(t *testing.T, h http.HandlerFunc) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var hits atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s, &hits
}

// get gives status and body of the answer.
func get(t *testing.T, c *http.Client, url string) (int, string, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, string(body), err
}

func TestClient_GuardsEachDial(t *testing.T) {
	s, hits := server(t, func(http.ResponseWriter, *http.Request) {})
	_, _, err := get(t, egress.Client(egress.Options{}), s.URL)
	var refused *egress.Refused
	if !errors.As(err, &refused) || hits.Load() != 0 {
		t.Errorf("a loopback server was called unasked: %v, %d hits", err, hits.Load())
	}
	if _, _, err := get(t, egress.Client(egress.Options{Allow: loopback}), s.URL); err != nil || hits.Load() != 1 {
		t.Errorf("an allowed server was not called: %v, %d hits", err, hits.Load())
	}
}

// TestClient_Spellings: whatever a host is spelled like, the address that comes
// out of it is judged. The name server here answers 127.0.0.1 to everything, as
// a hostile one or a lenient resolver would.
func TestClient_Spellings(t *testing.T) {
	s, hits := server(t, func(http.ResponseWriter, *http.Request) {})
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	names := nameServer(t, func(int64) [4]byte { return [4]byte{127, 0, 0, 1} })
	client := egress.Client(egress.Options{Resolver: names})
	for _, host := range []string{"127.0.0.1", "127.0.0.1.", "127.1", "0177.0.0.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "127.0.0.1.nip.example",
		"[::ffff:7f00:1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "localhost", "LOCALHOST", "localhost.", "metadata.google.internal",
		"metadata", "instance-data", "rebound.example.com", "[::1]", "[::]", "0.0.0.0", "0", "169.254.169.254", "[fd00:ec2::254]"} {
		status, _, err := get(t, client, "http://"+host+":"+port+"/")
		if err == nil {
			t.Errorf("%s: answered %d", host, status)
		}
	}
	if hits.Load() != 0 {
		t.Errorf("%d requests came through", hits.Load())
	}
	if _, _, err := get(t, client, "http://rebound.example.com:"+port+"/"); !errors.As(err, new(*egress.Refused)) {
		t.Errorf("a public name with an inner address: %v", err)
	}
}

// TestClient_Rebinding: a name that was allowed a moment ago and now leads
// elsewhere is judged by where it leads now.
func TestClient_Rebinding(t *testing.T) {
	s, hits := server(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") })
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	names := nameServer(t, func(n int64) [4]byte {
		if n == 1 {
			return [4]byte{127, 0, 0, 1}
		}
		return [4]byte{127, 0, 0, 2}
	})
	client := egress.Client(egress.Options{Resolver: names, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if _, _, err := get(t, client, "http://shop.example.com:"+port); err != nil {
		t.Fatalf("the first address is allowed: %v", err)
	}
	client.CloseIdleConnections()
	_, _, err = get(t, client, "http://shop.example.com:"+port)
	var refused *egress.Refused
	if !errors.As(err, &refused) || refused.Addr != netip.MustParseAddr("127.0.0.2") || hits.Load() != 1 {
		t.Errorf("the second address is not: %v, %d hits", err, hits.Load())
	}
}

func TestClient_FollowsNoRedirect(t *testing.T) {
	inner, innerHits := server(t, func(http.ResponseWriter, *http.Request) {})
	s, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inner.URL, http.StatusTemporaryRedirect)
	})
	status, _, err := get(t, egress.Client(egress.Options{Allow: loopback}), s.URL)
	if err != nil || status != http.StatusTemporaryRedirect || innerHits.Load() != 0 {
		t.Errorf("%d, %v, %d hits behind the redirect", status, err, innerHits.Load())
	}
}

func TestClient_IgnoresProxies(t *testing.T) {
	proxy, proxied := server(t, func(http.ResponseWriter, *http.Request) {})
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	// Go reads the environment once and never proxies loopback, so the name has
	// to be another's: with a proxy it would not have to resolve.
	names := nameServer(t, func(int64) [4]byte { return [4]byte{192, 0, 2, 1} })
	_, _, err := get(t, egress.Client(egress.Options{Allow: loopback, Resolver: names}), "http://erp.example.com/")
	if !errors.As(err, new(*egress.Refused)) || proxied.Load() != 0 {
		t.Errorf("%v, the proxy was asked %d times", err, proxied.Load())
	}
}

// TestClient_NeverRepeats: a server that reads a request on a kept-alive
// connection and closes it makes Go's transport send a request with an
// Idempotency-Key and a GetBody again. Ours must not.
func TestClient_NeverRepeats(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var posts atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for r := bufio.NewReader(conn); ; {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if req.URL.Path == "/apply" {
						posts.Add(1)
						return // applied, and the line is dead
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				}
			}()
		}
	}()
	post := func(c *http.Client, path string) error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Idempotency-Key", "k1")
		if r.GetBody == nil {
			t.Fatal("the request can't be repeated anyway: the test proves nothing")
		}
		res, err := c.Do(r)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		if r.GetBody == nil {
			t.Error("the caller's request was changed")
		}
		return err
	}
	plain := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(plain.CloseIdleConnections)
	ours := egress.Client(egress.Options{Allow: loopback})
	t.Cleanup(ours.CloseIdleConnections)
	for _, c := range []struct {
		client *http.Client
		least  int64
		most   int64
	}{{plain, 2, 1000}, {ours, 1, 1}} {
		posts.Store(0)
		if err := post(c.client, "/warm"); err != nil {
			t.Fatal(err)
		}
		if err := post(c.client, "/apply"); err == nil {
			t.Error("a dead line is no error")
		}
		if n := posts.Load(); n < c.least || n > c.most {
			t.Errorf("the server got it %d times, want %d to %d", n, c.least, c.most)
		}
	}
}

func TestClient_UnpacksNothing(t *testing.T) {
	s, _ := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Accept-Encoding"))
	})
	_, body, err := get(t, egress.Client(egress.Options{Allow: loopback}), s.URL)
	if err != nil || body != "" {
		t.Errorf("Accept-Encoding %q, %v", body, err)
	}
}

// nameServer is a resolver whose answer to the n-th question for an IPv4
// address, from 1, is addr(n). It knows no IPv6 addresses.
func nameServer(t *testing.T, addr func(n int64) [4]byte) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	var asked int64
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 17 {
				continue
			}
			end := 12 // of the question: labels, a zero, type and class (RFC 1035, 4.1.2)
			for b[end] != 0 {
				end += int(b[end]) + 1
			}
			end += 5
			isA := binary.BigEndian.Uint16(b[end-4:]) == 1
			answer := append([]byte{b[0], b[1], 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0}, b[12:end]...)
			if isA {
				asked++
				a := addr(asked)
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, a[0], a[1], a[2], a[3])
			}
			_, _ = pc.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}
