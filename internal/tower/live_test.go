package tower

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipe is a connection under test: it keeps what was flushed, and can be slow.
type pipe struct {
	mu      sync.Mutex
	header  http.Header
	status  int
	buffer  bytes.Buffer
	flushed []string
	dead    bool // answers as a connection whose reader does not read
}

func (p *pipe) Header() http.Header { return p.header }

func (p *pipe) WriteHeader(status int) { p.status = status }

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.buffer.Write(b)
}

func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

func (p *pipe) FlushError() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return os.ErrDeadlineExceeded
	}
	p.flushed = append(p.flushed, p.buffer.String())
	p.buffer.Reset()
	return nil
}

// take gives what was flushed since the last time.
func (p *pipe) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.flushed
	p.flushed = nil
	return out
}

// listen opens an event stream in a bubble of synctest.
func listen(t *testing.T, h http.Handler, path string) (*pipe, func(), chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &pipe{header: http.Header{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.ServeHTTP(p, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
	}()
	synctest.Wait()
	return p, cancel, ended
}

// pass lets time go by, which inside a bubble of synctest takes none.
func pass(d time.Duration) { <-time.After(d) }

func liveHandler(src Source) http.Handler {
	return New(src, Options{Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

func TestLive_SendsOnlyTheRowThatChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake()
		p, stop, ended := listen(t, liveHandler(src), "/live?page=/orders")
		first := strings.Join(p.take(), "")
		if !strings.HasPrefix(first, "retry: 2000\n\n") || !strings.Contains(first, `hx-target="#orders-body"`) {
			t.Errorf("the stream begins with %.200q, want everything, since nothing is known of the page", first)
		}
		pass(livePace)
		src.change(func() { src.rows[2].Status = "invoiced" })
		synctest.Wait()
		got := p.take()
		if len(got) != 1 || strings.Count(got[0], "<hx-partial") != 1 || !strings.Contains(got[0], `<hx-partial hx-target="#order-SO-104790" hx-swap="outerMorph"><tr id="order-SO-104790"`) {
			t.Errorf("one row changed, sent: %q", got)
		}
		if !strings.HasPrefix(got[0], "id: ") || !strings.HasSuffix(got[0], "\n\n") {
			t.Errorf("not an event with an id: %q", got[0])
		}
		stop()
		<-ended
		synctest.Wait()
		if len(src.watchers) != 0 {
			t.Error("the last stream has ended, and the pages still listen to the source")
		}
	})
}

func TestLive_AtMostTwoEventsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake()
		p, stop, ended := listen(t, liveHandler(src), "/live?page=/")
		p.take()
		for i := range 100 {
			src.change(func() { src.overview.Deliveries.Parked = 100 + i })
			pass(20 * time.Millisecond)
		}
		pass(time.Second)
		got := p.take()
		if len(got) < 3 || len(got) > 5 {
			t.Errorf("%d events in two seconds of changes, want about 4", len(got))
		}
		if last := got[len(got)-1]; !strings.Contains(last, ">199<") {
			t.Error("the last state was not sent")
		}
		stop()
		<-ended
	})
}

func TestLive_PingsAndResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake()
		h := New(src, Options{Now: func() time.Time { return noon }})
		p, stop, ended := listen(t, h, "/live?page=/orders")
		first := strings.Join(p.take(), "")
		id, _, _ := strings.Cut(first[strings.Index(first, "id: ")+4:], "\n")
		pass(3*livePing + time.Second)
		if got := p.take(); len(got) != 3 || got[0] != ": still here\n\n" {
			t.Errorf("in 46 quiet seconds the stream said %q, want three comments", got)
		}
		stop()
		<-ended

		p, stop, ended = listen(t, h, "/live?page=/orders&seen="+id)
		if got := p.take(); len(got) != 1 || strings.Contains(got[0], "hx-partial") {
			t.Errorf("a page that is up to date was sent %q", got)
		}
		stop()
		<-ended
	})
}

func TestLive_DropsASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake()
		p, stop, ended := listen(t, liveHandler(src), "/live?page=/orders")
		defer stop()
		p.mu.Lock()
		p.dead = true
		p.mu.Unlock()
		pass(livePace)
		src.change(func() { src.rows[0].Lines = 99 })
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("a reader that takes nothing is kept")
		}
	})
}

func TestLive_EndsWhenTheSourceCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake()
		_, stop, ended := listen(t, liveHandler(src), "/live?page=/orders")
		defer stop()
		pass(livePace)
		src.mu.Lock()
		close(src.watchers[0])
		src.mu.Unlock()
		synctest.Wait()
		select {
		case <-ended:
		default:
			t.Error("the stream is still open, so a server could not shut down")
		}
	})
}

func TestLive_IsCapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFake()
		h := liveHandler(src)
		var stops []func()
		for range streamsMax {
			_, stop, _ := listen(t, h, "/live?page=/exceptions")
			stops = append(stops, stop)
		}
		if w := get(t, h, "/live?page=/exceptions"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("one stream too many: status %d", w.Code)
		}
		stops[0]()
		synctest.Wait()
		p, stop, _ := listen(t, h, "/live?page=/exceptions")
		if p.status != http.StatusOK {
			t.Errorf("after one has left: status %d", p.status)
		}
		stop()
		for _, stop := range stops {
			stop()
		}
		synctest.Wait()
	})
}

func TestLive_OverHTTP(t *testing.T) {
	src := newFake()
	srv := httptest.NewServer(newHandler(src, nil))
	defer srv.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/live?page=/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	buf := make([]byte, 13)
	if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "retry: 2000\n\n" {
		t.Errorf("the stream begins with %q, %v", buf, err)
	}
}
