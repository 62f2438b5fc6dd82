package sim

import (
	"container/heap"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/sim/counterpart"
	"github.com/waybillhq/waybill/internal/sim/oracle"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// world is one run: the clock, what is going to happen, and who is in it.
// Everything in it happens on one goroutine.
type world struct {
	ctx    context.Context
	plan   Plan
	bugs   bugs
	dir    string
	db     *sqlite.Store // the one database, whoever has it open
	policy *process.Policy

	now    time.Time
	agenda agenda
	serial int64 // of what is on the agenda: what is due at once happens in the order in which it was put there

	systems map[string]*counterpart.System
	proc    *proc                // the process that senders reach; nil: none
	zombie  *proc                // frozen, or its successor took over meanwhile
	procs   int                  // started so far
	draws   int                  // of the engine's own chance
	down    map[string]time.Time // until when a system is out
	current *errand              // whose request is being made

	passed  map[string]int // sites
	reached map[string]int
	states  map[uint64]bool
	trace   [sha256.Size]byte // of all that happened, to compare two runs

	history  oracle.History
	orders   []*orderStory
	messages map[int64]bool // ids of those that were found
	open     int            // stories and messages that are not at their end
	commands int
	failure  error
	quiet    bool
}

// start is the beginning of every run.
var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// happening is something on the agenda.
type happening struct {
	at     time.Time
	serial int64
	do     func()
}

type agenda []happening

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	if !a[i].at.Equal(a[j].at) {
		return a[i].at.Before(a[j].at)
	}
	return a[i].serial < a[j].serial
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push and Pop serve container/heap.
func (a *agenda) Push(x any) { *a = append(*a, x.(happening)) }

// Pop removes the last happening.
func (a *agenda) Pop() any {
	old := *a
	x := old[len(old)-1]
	*a = old[:len(old)-1]
	return x
}

// at puts something on the agenda.
func (w *world) at(t time.Time, do func()) {
	if t.Before(w.now) {
		t = w.now
	}
	w.serial++
	heap.Push(&w.agenda, happening{t, w.serial, do})
}

func (w *world) in(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

// run lets everything happen until the world is at rest or its end has come.
func (w *world) run(end time.Time) {
	for len(w.agenda) > 0 && w.failure == nil && !w.quiet {
		h := heap.Pop(&w.agenda).(happening)
		if h.at.After(end) {
			return
		}
		w.now = h.at
		h.do()
		w.poke(w.proc)
		w.poke(w.zombie)
	}
}

// calm reports whether the time of faults is over.
func (w *world) calm() bool { return !w.now.Before(start.Add(ms(w.plan.Calm))) }

// pass counts that a site was passed and returns the fault that waits there.
func (w *world) pass(site string) (Fault, int) {
	w.passed[site]++
	n := w.passed[site]
	if w.calm() {
		return Fault{}, n
	}
	for _, f := range w.plan.Faults {
		if f.Site == site && f.Nth == n {
			w.reach(f.What)
			return f, n
		}
	}
	return Fault{}, n
}

// reach counts that something was reached.
func (w *world) reach(what string) { w.reached[what]++ }

// chance is a number in [0, n) that depends on what it is for alone: leaving
// out one fault does not move the others.
func (w *world) chance(what string, nth, n int) int {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], w.plan.Seed)
	binary.BigEndian.PutUint64(b[8:], uint64(nth)) //nolint:gosec // a bit pattern
	sum := sha256.Sum256(append(b[:], what...))
	return int(binary.BigEndian.Uint64(sum[:8]) % uint64(n)) //nolint:gosec // n is positive
}

// note adds to the run's trace.
func (w *world) note(what string) {
	b := append(w.trace[:], what...)
	w.trace = sha256.Sum256(b)
}
