// Package sim runs the real engine, on its real database, in a world of its
// own: a clock that moves when everything is done, a network that loses,
// delays and repeats, systems with books, sources, and an operator. One
// goroutine takes every step, in an order that a seed decides, so that what
// went wrong goes wrong again.
//
// A run is a [Plan], which is data; [Run] plays it and has package oracle judge
// what came of it.
package sim

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/sim/counterpart"
	"github.com/waybillhq/waybill/internal/sim/oracle"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// bugs are wrong parts that a test puts in the place of right ones, to see
// whether the oracle notices. The zero value has none.
type bugs struct {
	store   func(store.Store) store.Store
	system  func(engine.System) engine.System
	options func(*engine.Options)
	leaves  func(*http.Request) // what becomes of a request before it leaves
	early   bool                // senders are answered before the commit
}

// Result is what came of a run.
type Result struct {
	Violations []oracle.Violation
	Reached    map[string]int // faults that hit and situations that came about, by name
	States     map[uint64]bool
	Trace      string        // of everything that happened: equal for equal runs
	Lasted     time.Duration // of the world's time
}

// lasts is how long a world may go on after its faults have ended before it
// counts as stuck.
const lasts = 8 * time.Minute

// Run plays a plan. The error is about the simulator itself.
func Run(ctx context.Context, p Plan) (Result, error) { return play(ctx, p, bugs{}) }

// play is Run with planted bugs.
func play(ctx context.Context, p Plan, b bugs) (_ Result, err error) {
	dir, err := os.MkdirTemp(place(), "waybill-sim-")
	if err != nil {
		return Result{}, fmt.Errorf("make room for the database: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		return Result{}, err
	}
	w := newWorld(ctx, p, b, dir, db)
	defer func() { err = errors.Join(err, w.db.Close()) }()
	w.boot(false)
	w.tell()
	w.faults()
	w.in(rounds, w.operate)
	w.at(start.Add(ms(p.Calm)), w.rest)
	w.run(start.Add(ms(p.Calm)).Add(lasts))
	if w.failure != nil {
		return Result{}, fmt.Errorf("seed %d at %s: %w", p.Seed, w.now.Sub(start), w.failure)
	}
	for _, live := range []*proc{w.proc, w.zombie} {
		if live != nil {
			live.die()
		}
	}
	if err := w.show(); err != nil {
		return Result{}, err
	}
	return Result{Violations: oracle.Judge(&w.history), Reached: w.reached, States: w.states,
		Trace: hex.EncodeToString(w.trace[:]), Lasted: w.now.Sub(start)}, nil
}

// place is where databases lie that need not outlive the machine: in memory
// where there is such a place.
func place() string {
	const inMemory = "/dev/shm"
	if f, err := os.Stat(inMemory); err == nil && f.IsDir() {
		return inMemory
	}
	return ""
}

func newWorld(ctx context.Context, p Plan, b bugs, dir string, db *sqlite.Store) *world {
	w := &world{ctx: ctx, plan: p, bugs: b, dir: dir, db: db, now: start,
		systems: map[string]*counterpart.System{}, passed: map[string]int{}, reached: map[string]int{},
		states: map[uint64]bool{}, messages: map[int64]bool{}, down: map[string]time.Time{},
		policy: &process.Policy{Namespace: "sim", Company: "01", ERP: "erp", WMS: "wms",
			Channels:    map[string]process.Channel{"shop": {Documents: true}},
			HoldRecheck: timing.HoldRecheck, Limbo: 30 * time.Second},
		history: oracle.History{Items: map[string]int64{}, Deadline: timing.Deadline, Settle: timing.Settle,
			Calm: start.Add(ms(p.Calm)), Epochs: true}}
	for _, sp := range p.Systems {
		s := counterpart.New(sp.Name, sp.Class, sp.KeepsOrder)
		s.Skew, s.TakeFor = ms(sp.Skew), 3*time.Second
		s.Later = func(at time.Time, f func(time.Time)) {
			w.open++
			w.at(at, func() { w.open--; f(w.now) })
		}
		s.Booked = func(e *oracle.Entry, _ time.Time) { w.note(e.Key); w.booked(sp.Name, e) }
		s.Settled = func(key string, e *oracle.Entry, _ time.Time) { w.settle(s, key, e) }
		w.systems[sp.Name] = s
		w.history.Targets = append(w.history.Targets, &s.Target)
		w.history.Epochs = w.history.Epochs && sp.Skew == 0
	}
	return w
}

// faults puts those on the agenda that have a time.
func (w *world) faults() {
	for _, f := range w.plan.Faults {
		if f.Site != "time" {
			continue
		}
		w.at(start.Add(ms(f.Nth)), func() {
			if f.What == "freeze" {
				w.freeze(f)
				return
			}
			w.reach("outage")
			w.down[f.What[len("outage "):]] = w.now.Add(ms(f.MS))
		})
	}
}

// rest looks whether the world has come to rest.
func (w *world) rest() {
	left, err := w.unsettled()
	if err != nil {
		w.failure = err
		return
	}
	p := w.proc
	if left == "" && w.open == 0 && w.zombie == nil && p != nil && len(p.waiting) == 0 && !p.s.Decidable() && !p.s.Writable() && !p.s.Finishable() {
		w.quiet = true
		return
	}
	w.history.Shown.Open = fmt.Sprintf("%s; %d stories and messages open", left, w.open)
	w.in(2*time.Second, w.rest)
}

// Summary is the outcome of many runs, as the command prints it.
type Summary struct {
	Seeds      int            `json:"seeds"`
	Violations []Failure      `json:"violations"`
	Reached    map[string]int `json:"reached"`
	States     int            `json:"states"`
	Seconds    float64        `json:"seconds"`
}

// Failure is a run that broke an invariant.
type Failure struct {
	Seed uint64 `json:"seed"`
	oracle.Violation
	Plan Plan `json:"plan"` // shrunk, as far as that was asked for
}

// failuresMax is how many failures are kept: who has ten has work enough.
const failuresMax = 10

// Many runs the plans of n seeds from first on, and stops early where enough
// has failed or ctx ends.
func Many(ctx context.Context, first uint64, n int, shrink bool) (Summary, error) {
	sum := Summary{Reached: map[string]int{}, Violations: []Failure{}}
	states := map[uint64]bool{}
	for seed := first; seed < first+uint64(n) && ctx.Err() == nil && len(sum.Violations) < failuresMax; seed++ { //nolint:gosec // n is positive
		p := Generate(seed)
		r, err := Run(ctx, p)
		if err != nil {
			return sum, err
		}
		sum.add(r, states)
		if len(r.Violations) > 0 {
			if shrink {
				p = Shrink(ctx, p, r.Violations[0].Invariant)
			}
			sum.Violations = append(sum.Violations, Failure{seed, r.Violations[0], p})
		}
	}
	sum.States = len(states)
	return sum, nil
}

// One plays one plan.
func One(ctx context.Context, p Plan) (Summary, error) {
	sum := Summary{Reached: map[string]int{}, Violations: []Failure{}}
	states := map[uint64]bool{}
	r, err := Run(ctx, p)
	if err != nil {
		return sum, err
	}
	sum.add(r, states)
	sum.States = len(states)
	for _, v := range r.Violations {
		sum.Violations = append(sum.Violations, Failure{p.Seed, v, p})
	}
	return sum, nil
}

func (s *Summary) add(r Result, states map[uint64]bool) {
	s.Seeds++
	for what, n := range r.Reached {
		s.Reached[what] += n
	}
	for state := range r.States {
		states[state] = true
	}
}

// Missing lists the situations that no run reached although the invariants are
// about them: a green run without them would say nothing.
func (s *Summary) Missing() []string {
	var out []string
	for _, twin := range twins {
		if s.Reached[twin] == 0 {
			out = append(out, twin)
		}
	}
	slices.Sort(out)
	return out
}
