package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// pushWorkers bounds the webhooks that one system has under way at once.
const pushWorkers = 256

// The pause after a failed push doubles from the first to the last.
const (
	pushPauseFirst = 20 * time.Millisecond
	pushPauseLast  = time.Second
	pushTimeout    = 15 * time.Second
)

// message is one webhook on its way to Waybill. Its id and body are the same
// on every attempt.
type message struct {
	lane   string // messages of one lane leave in order, one at a time
	about  uint64 // what the faults of this message are drawn from
	id     string
	topic  string // the storefront's X-Shopify-Topic
	body   []byte
	caused time.Time // when what it tells happened
	done   func()    // called once Waybill said 2xx; may be nil
}

// pusher sends one system's webhooks: in order per lane, each again and again
// until Waybill says 2xx. Workers start when there is work and end when there
// is none.
type pusher struct {
	w      *World
	system string
	sign   func(h http.Header, m *message, now time.Time)

	mu      sync.Mutex
	lanes   map[string][]*message // waiting behind the lane's head, which is in ready or with a worker
	ready   []*message
	workers int
	open    int // accepted and not yet answered with 2xx

	sent, repeats int    // distinct messages; sends that Waybill should recognise
	trouble       string // the last answer that wasn't 2xx
}

// push takes a message over.
func (p *pusher) push(m *message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open++
	p.sent++
	if waiting, busy := p.lanes[m.lane]; busy {
		p.lanes[m.lane] = append(waiting, m)
		return
	}
	p.lanes[m.lane] = nil
	p.makeReady(m)
}

// makeReady gives a lane's head to a worker. The lock is held.
func (p *pusher) makeReady(m *message) {
	p.ready = append(p.ready, m)
	if ctx := p.w.running(); p.workers < pushWorkers && ctx != nil {
		p.workers++
		go p.work(ctx)
	}
}

// wake starts the workers for what was pushed before the world was started.
func (p *pusher) wake(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range min(len(p.ready), pushWorkers-p.workers) {
		p.workers++
		go p.work(ctx)
	}
}

// work sends ready messages until there are none.
func (p *pusher) work(ctx context.Context) {
	for {
		p.mu.Lock()
		if len(p.ready) == 0 || ctx.Err() != nil {
			p.workers--
			p.mu.Unlock()
			return
		}
		m := p.ready[0]
		p.ready = p.ready[1:]
		m = p.holdBack(m)
		p.mu.Unlock()
		if err := p.deliver(ctx, m); err != nil {
			continue // the world is shutting down; the message stays open
		}
		p.settle(m)
	}
}

// holdBack lets a lane's second message overtake its first where the faults
// say so. The lock is held.
func (p *pusher) holdBack(m *message) *message {
	waiting := p.lanes[m.lane]
	if len(waiting) == 0 || !p.w.faults[p.system].webhook(m, "reorder") {
		return m
	}
	second := waiting[0]
	waiting[0] = m
	return second
}

// settle lets the next message of the lane go.
func (p *pusher) settle(m *message) {
	if m.done != nil {
		m.done()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	waiting := p.lanes[m.lane]
	if len(waiting) == 0 {
		delete(p.lanes, m.lane)
		return
	}
	p.lanes[m.lane] = waiting[1:]
	p.makeReady(waiting[0])
}

// deliver sends m until Waybill says 2xx; its only error is the context's.
// Where the faults say so it sends m twice, one behind the other or both at
// once.
func (p *pusher) deliver(ctx context.Context, m *message) error {
	faults := p.w.faults[p.system]
	if !faults.webhook(m, "duplicate") {
		return p.untilTaken(ctx, m)
	}
	p.mu.Lock()
	p.repeats++
	p.mu.Unlock()
	if faults.webhook(m, "concurrent") {
		twin := make(chan error, 1)
		go func() { twin <- p.untilTaken(ctx, m) }()
		err := p.untilTaken(ctx, m)
		if twinErr := <-twin; err == nil {
			err = twinErr
		}
		return err
	}
	if err := p.untilTaken(ctx, m); err != nil {
		return err
	}
	return p.untilTaken(ctx, m)
}

// untilTaken tries until a 2xx comes.
func (p *pusher) untilTaken(ctx context.Context, m *message) error {
	pause := pushPauseFirst
	for {
		wait, err := p.try(ctx, m)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p.mu.Lock()
		p.trouble = err.Error()
		p.mu.Unlock()
		if wait == 0 {
			wait, pause = pause, min(2*pause, pushPauseLast)
		}
		p.w.cfg.Sleep(ctx, wait)
	}
}

// try makes one attempt; wait is what a Retry-After asked for.
func (p *pusher) try(ctx context.Context, m *message) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	base, client := p.w.waybill()
	if base == "" {
		return 0, fmt.Errorf("push %s: no address of Waybill yet", m.id)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/in/"+p.system, bytes.NewReader(m.body))
	if err != nil {
		return 0, fmt.Errorf("push %s: %w", m.id, err)
	}
	req.GetBody = nil // the pusher alone decides on another attempt
	req.Header.Set("Content-Type", "application/json")
	p.sign(req.Header, m, p.w.cfg.Now())
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("push %s: %w", m.id, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		_, err := io.Copy(io.Discard, resp.Body)
		if err != nil {
			return 0, fmt.Errorf("push %s: read the answer: %w", m.id, err)
		}
		return 0, nil
	}
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
	if s, convErr := strconv.Atoi(resp.Header.Get("Retry-After")); convErr == nil && s > 0 {
		wait = time.Duration(s) * time.Second
	}
	return wait, fmt.Errorf("push %s to /in/%s: %s: %s", m.id, p.system, resp.Status, said)
}

// waiting tells how many messages are open and what Waybill last said.
func (p *pusher) waiting() (open int, trouble string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open, p.trouble
}

// fact builds the body of a push as W1 and W3 want it: type, timestamp and
// data, whose members follow in fields.
func fact(kind string, at time.Time, fields []byte) []byte {
	b := make([]byte, 0, 96+len(kind)+len(fields))
	b = append(b, `{"type":"`...)
	b = append(b, kind...)
	b = append(b, `","timestamp":"`...)
	b = at.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","data":{`...)
	b = append(b, fields...)
	return append(b, "}}"...)
}
