package reconcile

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/store"
)

// runsKept bounds the finished reconciliations that can still be asked for.
const runsKept = 64

// runTimeout bounds one reconciliation.
const runTimeout = 30 * time.Minute

// Result is a reconciliation as C9 shows it.
type Result struct {
	ID    string `json:"id"`
	State string `json:"state"` // running, done, failed
	Error string `json:"error,omitempty"`
	*Report
}

// Runner runs reconciliations in the background and keeps the last of them.
type Runner struct {
	db      Reader
	systems []System

	mu    sync.Mutex
	done  map[string]*Result
	order []string
}

// NewRunner makes a runner for the systems whose books can be read.
func NewRunner(db Reader, systems []System) *Runner {
	return &Runner{db: db, systems: systems, done: map[string]*Result{}}
}

// System finds a system by its name; the error names those that can be
// reconciled.
func (r *Runner) System(name string) (System, error) {
	var known []string
	for _, s := range r.systems {
		if s.Name == name {
			return s, nil
		}
		known = append(known, s.Name)
	}
	slices.Sort(known)
	return System{}, &waybill.Error{Code: "unknown_system", Field: "/system",
		Detail: fmt.Sprintf("no system called %q can be reconciled", name), Fix: "choose one of " + strings.Join(known, ", ")}
}

// Start begins a reconciliation and returns its id at once.
func (r *Runner) Start(ctx context.Context, system string, asOf time.Time) (string, error) {
	sys, err := r.System(system)
	if err != nil {
		return "", err
	}
	id := "rec_" + strings.ToLower(rand.Text())
	r.keep(&Result{ID: id, State: "running"})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), runTimeout)
	go func() {
		defer cancel()
		res := &Result{ID: id, State: "done"}
		if res.Report, err = Run(ctx, r.db, sys, asOf); err != nil {
			res.State, res.Error = "failed", err.Error()
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.done[id] = res
	}()
	return id, nil
}

func (r *Runner) keep(res *Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[res.ID] = res
	r.order = append(r.order, res.ID)
	for len(r.order) > runsKept {
		delete(r.done, r.order[0])
		r.order = r.order[1:]
	}
}

// Get answers with a [*Result], or store.ErrNotFound.
func (r *Runner) Get(_ context.Context, id string) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	res, ok := r.done[id]
	if !ok {
		return nil, store.ErrNotFound
	}
	return res, nil
}
