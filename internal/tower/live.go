package tower

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	streamsMax  = 256                    // open event streams; more are answered 503
	livePace    = 500 * time.Millisecond // between two events of one stream, at least
	livePing    = 15 * time.Second       // a comment keeps the connection open
	liveFlush   = 5 * time.Second        // a reader that takes longer for one event is dropped
	liveRetryMS = 2000                   // what a browser waits before it comes back
)

// hub turns the Source's signals into a number that every stream can watch. It
// listens only while there are streams.
type hub struct {
	src Source
	max int

	mu      sync.Mutex
	streams int
	seen    uint64        // signals so far
	changed chan struct{} // closed at the next signal
	over    bool          // the Source has closed
	stop    context.CancelFunc
	cached  map[string]cachedPage
}

// cachedPage lets streams of the same page share one rendering.
type cachedPage struct {
	seen   uint64
	minute int64
	now    rendered
}

func newHub(src Source) *hub {
	return &hub{src: src, max: streamsMax, changed: make(chan struct{}), cached: map[string]cachedPage{}}
}

// join counts a stream in, and says no when there are too many. What it starts
// outlives the stream of ctx, and ends with the last one.
func (h *hub) join(ctx context.Context) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams >= h.max {
		return false
	}
	h.streams++
	if h.streams == 1 {
		all, stop := context.WithCancel(context.WithoutCancel(ctx))
		h.stop, h.over = stop, false
		signals, end := h.src.Changes(all)
		go h.listen(all, signals, end)
	}
	return true
}

func (h *hub) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams--
	if h.streams == 0 {
		h.stop()
		clear(h.cached)
	}
}

func (h *hub) listen(ctx context.Context, signals <-chan struct{}, end func()) {
	defer end()
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-signals:
			h.bump(!open)
			if !open {
				return
			}
		}
	}
}

func (h *hub) bump(over bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = over
	h.seen++
	close(h.changed)
	h.changed = make(chan struct{})
}

// watch gives the number of signals so far, what closes at the next one, and
// whether there will be none.
func (h *hub) watch() (seen uint64, changed <-chan struct{}, over bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.seen, h.changed, h.over
}

// stream is one browser's page that is kept up to date.
type stream struct {
	t     *tower
	out   io.Writer
	flush *http.ResponseController
	page  *url.URL
	last  rendered // what the browser shows; an empty id: not known
}

// live keeps one page up to date: an event carries the parts that changed since
// the last one, each under the id that it replaces.
func (t *tower) live(w http.ResponseWriter, r *http.Request, _ string) {
	page, err := url.Parse(localPath(r.URL.Query().Get("page")))
	if err != nil {
		http.Error(w, "page: not a path of these pages", http.StatusBadRequest)
		return
	}
	if !t.hub.join(r.Context()) {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "Too many live pages are open; this one can be loaded again by hand.", http.StatusServiceUnavailable)
		return
	}
	defer t.hub.leave()
	s := &stream{t: t, out: w, flush: http.NewResponseController(w), page: page}
	s.last.id = r.Header.Get("Last-Event-ID")
	if s.last.id == "" {
		s.last.id = r.URL.Query().Get("seen")
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if s.send(fmt.Sprintf("retry: %d\n\n", liveRetryMS)) != nil {
		return
	}
	s.run(r.Context())
}

// run ends when the browser leaves, is too slow, or its page is no more.
func (s *stream) run(ctx context.Context) {
	ping := time.NewTicker(livePing)
	defer ping.Stop()
	minute := s.t.now().Unix() / 60
	for {
		seen, changed, over := s.t.hub.watch()
		if over {
			return
		}
		if err := s.update(ctx, seen, minute); err != nil {
			if ctx.Err() == nil {
				s.t.opts.Log.Warn("live page ended", "page", s.page.Path, "error", err)
			}
			return
		}
		if !pause(ctx, livePace) {
			return
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return
			case <-changed:
				waiting = false
			case <-ping.C:
				if s.send(": still here\n\n") != nil {
					return
				}
				if now := s.t.now().Unix() / 60; now != minute {
					minute, waiting = now, false
				}
			}
		}
	}
}

// pause waits, unless the stream ends before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// update sends what changed. Where it is not known what the browser shows, it
// sends everything, unless the browser has the same already.
func (s *stream) update(ctx context.Context, seen uint64, minute int64) error {
	now, err := s.t.current(ctx, s.page, seen, minute)
	if err != nil {
		return err
	}
	if now.id == s.last.id {
		s.last = now
		return nil
	}
	body := changedParts(s.last.parts, now.parts)
	s.last = now
	if body == "" {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "id: %s\n", now.id)
	for line := range strings.SplitSeq(body, "\n") {
		if line = strings.TrimRight(line, "\r"); line != "" {
			b.WriteString("data: " + line + "\n")
		}
	}
	b.WriteByte('\n')
	return s.send(b.String())
}

// current renders a page's parts, once for all its streams.
func (t *tower) current(ctx context.Context, page *url.URL, seen uint64, minute int64) (rendered, error) {
	key := page.RequestURI()
	t.hub.mu.Lock()
	have, ok := t.hub.cached[key]
	t.hub.mu.Unlock()
	if ok && have.seen >= seen && have.minute >= minute {
		return have.now, nil
	}
	v, err := t.build(ctx, page)
	if err != nil {
		return rendered{}, err
	}
	counts, err := t.src.Counts(ctx)
	if err != nil {
		return rendered{}, fmt.Errorf("count for the navigation: %w", err)
	}
	now, err := t.render(v.page, append(v.parts, navParts(counts, t.now())...))
	if err != nil {
		return rendered{}, err
	}
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	if len(t.hub.cached) >= streamsMax {
		clear(t.hub.cached)
	}
	t.hub.cached[key] = cachedPage{seen, minute, now}
	return now, nil
}

// send writes and flushes under a deadline.
func (s *stream) send(text string) error {
	if err := s.flush.SetWriteDeadline(time.Now().Add(liveFlush)); err != nil {
		return fmt.Errorf("set the deadline of a live page: %w", err)
	}
	if _, err := io.WriteString(s.out, text); err != nil {
		return err
	}
	return s.flush.Flush()
}

// changedParts wraps each part that differs for the browser. A list whose rows
// are the same ones sends only the rows that differ.
func changedParts(before, after []renderedPart) string {
	old := make(map[string]renderedPart, len(before))
	for _, p := range before {
		old[p.id] = p
	}
	var b strings.Builder
	for _, p := range after {
		was, known := old[p.id]
		switch {
		case known && was.html == p.html:
		case known && len(p.kids) > 0 && sameRows(was, p):
			b.WriteString(changedParts(was.kids, p.kids))
		default:
			fmt.Fprintf(&b, "<hx-partial hx-target=\"#%s\" hx-swap=\"outerMorph\">%s</hx-partial>\n", p.id, p.html)
		}
	}
	return b.String()
}

// sameRows says whether two renderings of a list have the same rows and differ
// in nothing else.
func sameRows(a, b renderedPart) bool {
	if len(a.kids) != len(b.kids) {
		return false
	}
	restA, restB := a.html, b.html
	for i := range a.kids {
		if a.kids[i].id != b.kids[i].id {
			return false
		}
		headA, tailA, okA := strings.Cut(restA, a.kids[i].html)
		headB, tailB, okB := strings.Cut(restB, b.kids[i].html)
		if !okA || !okB || headA != headB {
			return false
		}
		restA, restB = tailA, tailB
	}
	return restA == restB
}

// navParts are the numbers of the navigation, which every page has.
func navParts(c Counts, now time.Time) []part {
	return []part{
		{id: "nav-orders", tmpl: "nav-orders", data: c},
		{id: "nav-exceptions", tmpl: "nav-exceptions", data: c},
		{id: "tab-exceptions", tmpl: "tab-exceptions", data: c},
		{id: "live-clock", tmpl: "live-clock", data: now},
	}
}
