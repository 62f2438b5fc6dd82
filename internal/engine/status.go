package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
)

// Traffic counts what went between a system and Waybill since the start.
type Traffic struct {
	In  int64 // messages of the system that were kept
	Out int64 // documents that the system applied
}

// Traffic counts by system.
func (e *Engine) Traffic() map[string]Traffic {
	e.counts.mu.Lock()
	defer e.counts.mu.Unlock()
	return maps.Clone(e.counts.traffic)
}

// Open is how many deliveries are on their way: neither settled nor parked.
func (e *Engine) Open() int {
	open := 0
	for _, states := range e.counts.snapshot() {
		for state, n := range states {
			if !state.Settled() && state != lane.Parked {
				open += n
			}
		}
	}
	return open
}

// counters are kept by the loop and read by anybody.
type counters struct {
	mu     sync.Mutex
	states map[string]map[lane.State]int  // by target; unsettled only
	open   map[string]exception.Exception // without a waybill; only the loop looks

	traffic map[string]Traffic // never reset: rates are differences
}

// came counts a message of a system.
func (c *counters) came(system string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.traffic[system]
	t.In++
	c.traffic[system] = t
}

func (c *counters) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states = map[string]map[lane.State]int{}
	c.open = map[string]exception.Exception{}
	if c.traffic == nil {
		c.traffic = map[string]Traffic{}
	}
}

// move counts a delivery from one state to another; "" is none.
func (c *counters) move(target string, from, to lane.State) {
	if from == to {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.states[target]
	if m == nil {
		m = map[lane.State]int{}
		c.states[target] = m
	}
	if from != "" {
		m[from]--
	}
	m[to]++
	if to == lane.Done && from != "" {
		t := c.traffic[target]
		t.Out++
		c.traffic[target] = t
	}
}

func (c *counters) snapshot() map[string]map[lane.State]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[string]map[lane.State]int, len(c.states))
	for t, m := range c.states {
		states := make(map[lane.State]int, len(m))
		for s, n := range m {
			states[s] = n
		}
		out[t] = states
	}
	return out
}

// Status is where the whole database stands (system contract C2).
type Status struct {
	LedgerHead int64
	LedgerHash [sha256.Size]byte
	Deliveries map[lane.State]int
	Undecided  int
	Limbo      int
	Quarantine int
	Oldest     time.Duration // age of the oldest ready delivery
	Quiescent  bool
	Systems    []SystemStatus
	Replicas   []Replica // that share the database; none where one process owns it
}

// SystemStatus is what limits one target now.
type SystemStatus struct {
	Name     string
	Role     waybill.Role
	Takes    bool   // it takes documents
	Paused   string // why, "" where it is not
	Breaker  string // closed, open
	Until    time.Time
	UnderWay int
	Room     int
	// PerSecond is how many documents it takes a second while some wait, and
	// Drain when those on their way now are gone; 0 where nothing is known.
	PerSecond float64
	Drain     time.Duration
	Open      map[lane.State]int // its unsettled deliveries, by the state shown
}

// Status reads where everything stands.
func (e *Engine) Status(ctx context.Context) (Status, error) {
	st := Status{Deliveries: map[lane.State]int{}}
	systems, err := e.systemsHere(ctx)
	if err != nil {
		return st, err
	}
	counts, err := e.openCounts(ctx, &st, systems)
	if err != nil {
		return st, err
	}
	st.Systems = systems
	for _, s := range systems {
		for state, n := range s.Open {
			st.Deliveries[state] += n
		}
	}
	st.Limbo, st.Quarantine = counts[ledger.Limbo], counts[ledger.QuarantinedEvent]
	st.Undecided += counts[ledger.Undecided] + len(e.inbox)
	heads, err := e.store.Heads(ctx)
	if err != nil {
		return st, fmt.Errorf("read the chains' heads: %w", err)
	}
	h := sha256.New()
	for _, head := range heads {
		st.LedgerHead += head.Seq
		h.Write(head.Hash[:])
	}
	h.Sum(st.LedgerHash[:0])
	d := st.Deliveries
	st.Quiescent = st.Undecided+st.Limbo+d[lane.Ready]+d[lane.InFlight]+d[lane.InDoubt]+d[lane.Waiting] == 0
	if d[lane.Ready] > 0 {
		ready, err := e.store.Deliveries(ctx, lane.Query{State: lane.Ready, Limit: 1})
		if err != nil {
			return st, fmt.Errorf("read the oldest ready delivery: %w", err)
		}
		for _, r := range ready {
			st.Oldest = e.opt.Now().Sub(r.DecidedAt)
		}
	}
	return st, nil
}

// shown is the state of a delivery as it is shown: that of a paused target is
// parked, one behind an open breaker waits (system contract T1).
func shown(s lane.State, paused string, breakerOpen bool) lane.State {
	switch {
	case s != lane.Ready && s != lane.Waiting && s != lane.InDoubt:
		return s
	case paused != "":
		return lane.Parked
	case breakerOpen && s == lane.Ready:
		return lane.Waiting
	}
	return s
}

// systemsAsked asks the loop what limits the targets. It is told once all that
// was decided before is durable: whoever hears of it finds it in the store.
type systemsAsked struct {
	reply chan<- systemsOrError // takes one
}

type systemsOrError struct {
	systems []SystemStatus
	err     error
}

func (s *systemsAsked) fail(err error) { s.reply <- systemsOrError{err: err} }

func (s *systemsAsked) apply(_ context.Context, b *batch) error {
	b.after = append(b.after, func() { s.reply <- systemsOrError{systems: b.e.systemsNow()} })
	return nil
}

// systemsNow is for the loop alone.
func (e *Engine) systemsNow() []SystemStatus {
	counts := e.counts.snapshot()
	out := make([]SystemStatus, 0, len(e.order))
	for _, t := range e.order {
		x := SystemStatus{Name: t.sys.Name, Role: t.sys.Role, Takes: t.conn.Deliverer != nil, Paused: t.paused,
			Breaker: "closed", Until: t.until, UnderWay: t.underWay, Room: t.room, Open: map[lane.State]int{}}
		if t.paused == "receives_nothing" {
			x.Paused = ""
		}
		if t.open {
			x.Breaker = "open"
		}
		if t.paused == "" && !t.open {
			x.PerSecond, x.Drain = t.drain.Forecast(e.opt.Now(), t.sys.Rate, t.until.Sub(e.opt.Now()))
		}
		for state, n := range counts[t.sys.Name] {
			if n > 0 && !state.Settled() {
				x.Open[shown(state, t.paused, t.open)] += n
			}
		}
		out = append(out, x)
	}
	return out
}

// Systems reads what limits each target now.
func (e *Engine) Systems(ctx context.Context) ([]SystemStatus, error) {
	systems, err := e.systemsHere(ctx)
	if err != nil || e.share == nil {
		return systems, err
	}
	work, err := e.share.db.OpenWork(ctx)
	if err != nil {
		return nil, fmt.Errorf("count the open work: %w", err)
	}
	openIn(systems, work.Deliveries)
	return systems, nil
}

// systemsHere reads what limits each target here, with this engine's own open
// deliveries.
func (e *Engine) systemsHere(ctx context.Context) ([]SystemStatus, error) {
	reply := make(chan systemsOrError, 1)
	if err := e.submit(ctx, &systemsAsked{reply: reply}); err != nil {
		return nil, err
	}
	s, err := answerOf(ctx, e, reply)
	if err != nil {
		return nil, err
	}
	return s.systems, s.err
}

// Shown is the state of a delivery as C3 shows it, given its target's status.
func Shown(d lane.Delivery, systems []SystemStatus) (lane.State, string) {
	for _, s := range systems {
		if s.Name != d.Target {
			continue
		}
		state := shown(d.State, s.Paused, s.Breaker == "open")
		if state != d.State && s.Paused != "" {
			return state, s.Paused
		}
		return state, d.Reason
	}
	return d.State, d.Reason
}

// Ready reports whether the engine can commit and dispatch; reasons say why
// not (system contract C1).
func (e *Engine) Ready() (bool, []string) {
	var reasons []string
	if e.stopping.Load() {
		reasons = append(reasons, "stopping")
	} else if !e.ready.Load() {
		reasons = append(reasons, "starting")
	}
	if e.share != nil && e.ready.Load() && e.share.silent(e.opt.Now()) {
		reasons = append(reasons, "the database does not answer; another replica may have taken over")
	}
	if f := e.failure.Load(); f != nil {
		reasons = append(reasons, "the last commit failed: "+*f)
	}
	return len(reasons) == 0, reasons
}
