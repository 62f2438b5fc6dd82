package main

import (
	"context"
	"sync"
	"time"

	"github.com/waybillhq/waybill/internal/intake"
)

// round is something that Waybill does again and again beside the engine, one
// step at a time: ask a system what changed, pick its files up, write the batches
// it takes. Each step says when it wants the
// next.
type round interface {
	Step(ctx context.Context) (again time.Time)
	String() string
}

// rounds runs them, one goroutine each, as long as this replica leads: what is
// asked and picked up is one for all of them.
type rounds struct {
	ctx context.Context

	mu     sync.Mutex // a reload and the end of the process may meet
	cancel context.CancelFunc
	all    sync.WaitGroup
}

// roundsOf lists what a node does by itself.
func roundsOf(n *node) []round {
	var list []round
	for _, q := range intake.NewQuestions(intake.PollOptions{Keeper: n.engine, Cursors: n.store, Rememberer: n.engine,
		Systems: n.systems, MaxBody: n.cfg.Limits.MaxBody, Now: time.Now, Log: n.log, Report: n.engine.Report}) {
		list = append(list, q)
	}
	for _, p := range intake.NewPickups(intake.DropOptions{Keeper: n.engine, Systems: n.systems, Spool: n.spool(), Wait: n.cfg.Policy.Limbo,
		MaxBody: n.cfg.Limits.MaxBody, Now: time.Now, Log: n.log, Report: n.engine.Report}) {
		list = append(list, p)
	}
	for _, s := range n.systems {
		if s.Conn.Batcher != nil {
			list = append(list, &batching{system: s.Name, batcher: s.Conn.Batcher, now: time.Now, log: n.log, report: n.engine.Report})
		}
	}
	return list
}

func startRounds(ctx context.Context, n *node) *rounds {
	r := &rounds{ctx: ctx, cancel: func() {}}
	r.replace(n)
	return r
}

// replace runs the rounds of the configuration in force, once those before have
// come to rest.
func (r *rounds) replace(n *node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest()
	n.leave(n.former) // what is under way there is in doubt, and is looked up
	n.former = nil
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(r.ctx)
	r.all.Go(func() {
		for leading(ctx, n, true) {
			r.once(ctx, n)
		}
	})
}

// once runs the rounds until this replica leads no more. Whoever leads next
// begins where the last word in the database says, and so does this one when it
// leads again.
func (r *rounds) once(ctx context.Context, n *node) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, one := range roundsOf(n) {
		all.Go(func() {
			for wait(ctx, time.Until(one.Step(ctx))) {
			}
		})
	}
	leading(ctx, n, false)
	cancel()
	all.Wait()
}

// leadEvery is the time between two looks whether this replica leads.
const leadEvery = 500 * time.Millisecond

// leading waits until this replica leads, or leads no more; false where the
// context ended before.
func leading(ctx context.Context, n *node, want bool) bool {
	for n.engine.Leads() != want {
		if !wait(ctx, leadEvery) {
			return false
		}
	}
	return ctx.Err() == nil
}

// stop ends the rounds and returns when the last has.
func (r *rounds) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest()
}

func (r *rounds) rest() {
	r.cancel()
	r.all.Wait()
}

// wait reports whether the context lasted as long.
func wait(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
