package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/waybillhq/waybill/internal/sim/counterpart"
)

var (
	errDead    = errors.New("the process that asked is gone")
	errReset   = errors.New("connection reset by peer")
	errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
)

// errand is a request of the engine's, with all that the engine does around
// it. It runs as a coroutine: it stops where it waits for the network, and goes
// on when the world says so.
type errand struct {
	p      *proc
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	dead   bool
	answer counterpart.Answer
	err    error
}

// send runs f as an errand, a moment later.
func (p *proc) send(f func()) {
	p.errands++
	wait := time.Duration(p.w.chance("errand", p.errands, 3000)) * time.Microsecond
	p.w.in(wait, func() {
		p.whenAwake(func() {
			c := &errand{p: p}
			c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
				c.yield = yield
				f()
			})
			p.out = append(p.out, c)
			c.advance()
		})
	})
}

// advance lets the errand go on until it waits again or ends.
func (c *errand) advance() {
	w := c.p.w
	w.current = c
	_, more := c.next()
	w.current = nil
	if !more {
		for i, o := range c.p.out {
			if o == c {
				c.p.out = append(c.p.out[:i], c.p.out[i+1:]...)
				break
			}
		}
	}
}

// resume gives the errand its answer.
func (c *errand) resume(a counterpart.Answer, err error) {
	c.p.whenAwake(func() {
		if c.dead {
			return
		}
		c.answer, c.err = a, err
		c.advance()
	})
}

// drop ends the errand with its process. What it had sent is on its way.
func (c *errand) drop() {
	c.dead = true
	c.stop()
}

// network is the way to one system.
type network struct {
	w    *world
	name string
}

// RoundTrip carries a request there and its answer back, or what the plan has
// in mind for either.
func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	w, c := n.w, n.w.current
	if c == nil || c.dead {
		return nil, errDead
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	x := exchange{w: w, c: c, r: r.Clone(context.WithoutCancel(r.Context())), body: body, to: w.systems[n.name], left: w.now}
	if w.bugs.leaves != nil {
		w.bugs.leaves(x.r)
	}
	trace := httptrace.ContextClientTrace(r.Context())
	if trace == nil {
		trace = &httptrace.ClientTrace{GetConn: func(string) {}, GotConn: func(httptrace.GotConnInfo) {}}
	}
	trace.GetConn(r.URL.Host)
	if x.begin() {
		trace.GotConn(httptrace.GotConnInfo{})
	}
	if !c.yield(struct{}{}) || c.dead || c.err != nil {
		return nil, c.failed()
	}
	a := c.answer
	if a.Header == nil {
		a.Header = http.Header{}
	}
	return &http.Response{StatusCode: a.Status, Status: http.StatusText(a.Status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.Header, Body: io.NopCloser(bytes.NewReader(a.Body)), ContentLength: int64(len(a.Body)), Request: r}, nil
}

func (c *errand) failed() error {
	if c.dead || c.err == nil {
		return errDead
	}
	return c.err
}

// exchange is one request on its way and its answer.
type exchange struct {
	w    *world
	c    *errand
	r    *http.Request
	body []byte
	to   *counterpart.System
	left time.Time
	done bool // the errand has its answer or its error
}

// begin puts on the agenda what is going to happen to the request; false where
// no connection comes about.
func (x *exchange) begin() bool {
	w := x.w
	site := map[bool]string{true: "post ", false: "ask "}[x.r.Method == http.MethodPost] + x.to.Name
	if strings.HasSuffix(x.r.URL.Path, "/info") {
		site = "info " + x.to.Name
	}
	f, nth := w.pass(site)
	there := ms(1 + w.chance("there "+site, nth, 60))
	back := ms(1 + w.chance("back "+site, nth, 60))
	if w.chance("long "+site, nth, 20) == 0 {
		there *= 20
	}
	limit := x.left.Add(timing.Deadline)
	if w.now.Before(w.down[x.to.Name]) {
		w.reach("outage_met")
		f = Fault{What: []string{"refused", "reset_before"}[w.chance("down "+site, nth, 2)]}
	}
	w.note(site + f.What)
	switch f.What {
	case "refused":
		w.at(x.left.Add(there), func() { x.end(counterpart.Answer{}, errRefused, -1) })
		return false
	case "lost":
		w.at(limit, x.timeout)
	case "reset_before":
		w.at(x.left.Add(there), func() { x.end(counterpart.Answer{}, errReset, -1) })
	case "reply_lost":
		w.at(x.left.Add(there), func() { x.arrive("", false) })
		w.at(limit, x.timeout)
	case "reset_after":
		w.at(x.left.Add(there), func() { x.arrive("", false); x.end(counterpart.Answer{}, errReset, -1) })
	case "late":
		w.at(x.left.Add(there), func() { x.end(counterpart.Answer{}, errReset, -1) })
		w.at(x.left.Add(ms(f.MS)), func() { x.late() })
	case "slow":
		x.both(ms(f.MS), back, "")
	case "twice":
		x.both(there, back, "")
		if x.to.Class == "key" && x.r.Method == http.MethodPost {
			w.at(x.left.Add(there+ms(f.MS)), func() { x.arrive("", true) })
		}
	default:
		x.both(there, back, counterpart.Manner(f.What))
	}
	return true
}

// both is there and back.
func (x *exchange) both(there, back time.Duration, m counterpart.Manner) {
	limit := x.left.Add(timing.Deadline)
	x.w.at(x.left.Add(there), func() {
		a, seen := x.arrive(m, false)
		if x.w.now.Add(back).Before(limit) {
			x.w.in(back, func() { x.end(a, nil, seen) })
		}
	})
	x.w.at(limit, x.timeout)
}

func (x *exchange) timeout() { x.end(counterpart.Answer{}, context.DeadlineExceeded, -1) }

// late is an arrival after the caller has given up.
func (x *exchange) late() {
	books := len(x.to.Books)
	x.arrive("", false)
	if x.r.Method != http.MethodPost {
		return
	}
	if len(x.to.Books) > books {
		x.w.reach("late_applied")
	} else {
		x.w.reach("late_turned_away")
	}
}

// arrive is the request at the system.
func (x *exchange) arrive(m counterpart.Manner, repeated bool) (counterpart.Answer, int) {
	w := x.w
	a, seen := x.to.Serve(x.r, x.body, m, w.now, x.left, repeated)
	w.witness(x.to, seen)
	if x.r.Method == http.MethodPost {
		if f, _ := w.pass("B5"); f.What != "" && w.proc != nil {
			w.proc.crash(f)
		}
	}
	return a, seen
}

// witness counts what a look-up found, for the twins of the invariants.
func (w *world) witness(s *counterpart.System, seen int) {
	if seen < 0 {
		return
	}
	r := s.Seen[seen]
	switch {
	case r.Copy:
		w.reach("copied_by_the_network")
	case r.Ask && r.Absent:
		w.reach("look_up_absent")
	case r.Ask && r.Pending:
		w.reach("look_up_pending")
	case r.Ask && r.Unsettled:
		w.reach("look_up_unsettled")
	case r.Ask:
		w.reach("look_up_found")
	case r.Attempt > 1 && r.Status == 200:
		w.reach("key_recognised")
	case r.Attempt > 1:
		w.reach("sent_again")
	}
}

// end gives the caller its answer, unless it has given up.
func (x *exchange) end(a counterpart.Answer, err error, seen int) {
	if x.done || x.c.dead {
		return
	}
	x.done = true
	x.to.Answered(seen, a, x.w.now)
	x.c.resume(a, err)
}
