package connectortest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// Deliver is what the suite needs to know of a Deliverer.
type Deliver struct {
	// Success answers an attempt so that it is done; nil: the suite can't test
	// the Deliverer. An attempt may take several requests.
	Success http.HandlerFunc
	// Attempt is the attempt made; its empty fields are filled, its body is
	// that of the first fixture in out/.
	Attempt connector.Attempt
	// Writes tells requests that change something from questions; nil: all
	// that are not GET do.
	Writes func(r *http.Request, body []byte) bool
	// Request checks what a request must carry.
	Request func(t *testing.T, a connector.Attempt, r *http.Request, body []byte)
	// Answers are the rows of the counterpart's table of answers.
	Answers []Answer
}

// Answer is one answer of a counterpart and what it means.
type Answer struct {
	Name    string
	Respond http.HandlerFunc
	Attempt func(*connector.Attempt) // changes the attempt; may be nil
	Want    waybill.Verdict
	Check   func(t *testing.T, o waybill.Outcome) // may be nil
}

// deliver checks each row of the table of answers, and that a fault at any
// request leaves the document in doubt, never twice in the world.
func (s *suite) deliver(t *testing.T) {
	d := s.h.Deliver
	if d.Success == nil {
		t.Skip("no Deliverer in the harness")
	}
	attempt := s.attempt(t)
	requests := 0
	t.Run("Success", func(t *testing.T) {
		rec := &recorder{writes: d.Writes, next: d.Success}
		c, _ := s.open(t, rec)
		o, err := c.Deliverer.Deliver(t.Context(), attempt)
		if err != nil || o.Verdict != waybill.Done {
			t.Fatalf("outcome %+v, error %v; want done", o, err)
		}
		rec.check(t)
		came := rec.all()
		requests = len(came)
		for _, seen := range came {
			if d.Request != nil {
				d.Request(t, attempt, seen.request, seen.body)
			}
		}
	})
	for _, a := range d.Answers {
		t.Run("Answer/"+a.Name, func(t *testing.T) {
			rec := &recorder{writes: d.Writes, next: a.Respond}
			c, _ := s.open(t, rec)
			changed := attempt
			if a.Attempt != nil {
				a.Attempt(&changed)
			}
			o, err := c.Deliverer.Deliver(t.Context(), changed)
			if err != nil {
				o.Verdict = waybill.InDoubt // as the engine takes it
			}
			if o.Verdict != a.Want {
				t.Errorf("verdict %s (%s, error %v), want %s", o.Verdict, o.Note, err, a.Want)
			}
			rec.check(t)
			if a.Check != nil {
				a.Check(t, o)
			}
		})
	}
	for n := range requests {
		for _, f := range faults() {
			t.Run(f.name+"/Request"+string(rune('1'+n)), func(t *testing.T) { s.faultAt(t, attempt, n, f) })
		}
	}
	t.Run("NoConnection", func(t *testing.T) { s.noConnection(t, attempt) })
	t.Run("KeptAliveConnectionClosed", func(t *testing.T) { s.keptAlive(t, attempt, requests) })
}

// attempt fills the harness's attempt.
func (s *suite) attempt(t *testing.T) connector.Attempt {
	t.Helper()
	a := s.h.Deliver.Attempt
	if a.Body == nil {
		fixtures := Fixtures(t, filepath.Join(s.h.Fixtures, "out"))
		if len(fixtures) == 0 {
			t.Fatalf("%s/out has no fixtures, and the harness no attempt with a body", s.h.Fixtures)
		}
		d := fixtures[0].Document(t)
		c, _ := s.open(t, http.NotFoundHandler())
		r, err := c.Renderer.Render(d)
		if err != nil {
			t.Fatal(err)
		}
		a.Kind, a.Order, a.Lane, a.Key, a.Subject = d.Kind, d.Order, d.Order, d.Key, d.Subject
		a.Body, a.ContentType = r.Body, r.ContentType
	}
	a.Seq, a.Attempt, a.Epoch = max(a.Seq, 1), max(a.Attempt, 1), max(a.Epoch, 1)
	if a.Deadline.IsZero() {
		a.Deadline = Now.Add(30 * time.Second)
	}
	return a
}

// faultAt breaks the nth request of an attempt. A fault is never an answer:
// the attempt is in doubt, or not sent where nothing could have changed.
func (s *suite) faultAt(t *testing.T, a connector.Attempt, n int, f fault) {
	d := s.h.Deliver
	count := 0
	rec := &recorder{writes: d.Writes}
	rec.next = func(w http.ResponseWriter, r *http.Request) {
		if count++; count == n+1 {
			f.handler(w, r)
			return
		}
		d.Success(w, r)
	}
	c, _ := s.open(t, rec)
	ctx, cancel := context.WithTimeout(t.Context(), f.patience())
	defer cancel()
	start := time.Now()
	o, err := c.Deliverer.Deliver(ctx, a)
	if took := time.Since(start); took > f.patience()+patience/2 {
		t.Errorf("it came back after %s, the context ended after %s", took, f.patience())
	}
	if err != nil {
		o.Verdict = waybill.InDoubt
	}
	allowed := []waybill.Verdict{waybill.InDoubt}
	if f.redirect {
		allowed = append(allowed, waybill.Misconfigured)
	}
	if rec.wrote() == 0 {
		allowed = append(allowed, waybill.NotSent)
	}
	if !slices.Contains(allowed, o.Verdict) {
		t.Errorf("verdict %s (%s, error %v), want one of %v", o.Verdict, o.Note, err, allowed)
	}
	rec.check(t)
}

// noConnection delivers to a port where nobody listens.
func (s *suite) noConnection(t *testing.T, a connector.Attempt) {
	env := s.env(nobody(t))
	env.Client = client(t)
	o, err := s.openEnv(t, env).Deliverer.Deliver(t.Context(), a)
	if err != nil || o.Verdict != waybill.NotSent {
		t.Errorf("outcome %+v, error %v; want not_sent: no byte left", o, err)
	}
}

// keptAlive delivers twice over one connection; the second time the server
// applies and closes it without an answer. Go's transport would send again.
func (s *suite) keptAlive(t *testing.T, a connector.Attempt, requests int) {
	d := s.h.Deliver
	count := 0
	rec := &recorder{writes: d.Writes}
	rec.next = func(w http.ResponseWriter, r *http.Request) {
		if count++; count >= 2*requests {
			reset(w, r)
			return
		}
		d.Success(w, r)
	}
	c, _ := s.open(t, rec)
	if o, err := c.Deliverer.Deliver(t.Context(), a); err != nil || o.Verdict != waybill.Done {
		t.Fatalf("first delivery: %+v, %v", o, err)
	}
	rec.forget()
	o, err := c.Deliverer.Deliver(t.Context(), a)
	if err == nil && o.Verdict != waybill.InDoubt {
		t.Errorf("verdict %s (%s), want in doubt", o.Verdict, o.Note)
	}
	if got := len(rec.all()); got != requests {
		t.Errorf("%d requests, want %d: a request was repeated", got, requests)
	}
	rec.check(t)
}

// recorder keeps what came in before it is answered.
type recorder struct {
	writes func(*http.Request, []byte) bool
	next   http.HandlerFunc

	mu   sync.Mutex
	seen []seenRequest
}

type seenRequest struct {
	request *http.Request
	body    []byte
}

// ServeHTTP records, then answers.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	req.Body = io.NopCloser(bytes.NewReader(body))
	r.mu.Lock()
	r.seen = append(r.seen, seenRequest{req, body})
	r.mu.Unlock()
	r.next(w, req)
}

func (r *recorder) isWrite(s seenRequest) bool {
	if r.writes == nil {
		return s.request.Method != http.MethodGet
	}
	return r.writes(s.request, s.body)
}

func (r *recorder) wrote() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.seen {
		if r.isWrite(s) {
			n++
		}
	}
	return n
}

// all lists what came in so far.
func (r *recorder) all() []seenRequest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = nil
}

// check fails where the same writing request came twice.
func (r *recorder) check(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range r.seen {
		for _, before := range r.seen[:i] {
			if r.isWrite(s) && s.request.URL.Path == before.request.URL.Path && bytes.Equal(s.body, before.body) {
				t.Errorf("the request %s %s was repeated by itself:\n%.500s", s.request.Method, s.request.URL, s.body)
			}
		}
	}
}
