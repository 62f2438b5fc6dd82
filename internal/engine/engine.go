// Package engine holds the steps that move an order: a message is kept and
// translated, its events are folded and decided, documents enter their lanes,
// attempts are made, and receipts come back as events.
//
// One goroutine owns all of it. It drains what has come in, does one
// transaction for all of that, and only then answers callers and lets attempts
// go. So nothing is acknowledged or sent before the commit that holds it, and
// no lock guards the lanes. Calls to systems run beside it and come back as
// inputs. Clock, chance, network and goroutines are ports: a simulator steps
// the same engine by hand.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/ownership"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// Limits of the engine. Queues are bounded; what does not fit waits outside.
const (
	batchMax  = 512   // inputs per commit
	inboxSize = 1024  // inputs waiting for a commit
	flowsMax  = 16384 // waybills kept in memory
	idsAtOnce = 65536 // ids reserved at once
)

// ErrStopped is returned to callers whose input was not committed because the
// engine stops or its store fails. Nothing of the input is stored; send again.
var ErrStopped = errors.New("the engine is stopping or cannot commit; nothing was stored, send it again")

// System is a counterpart that documents go to or events come from.
type System struct {
	Name        string
	Role        waybill.Role
	Manifest    connector.Manifest
	Conn        connector.Connector
	Class       lane.Class
	Concurrency int     // requests under way at once
	Rate        float64 // requests per second; 0: no limit but the system's own
	Burst       int
	Identity    identity.Profile // what it names in its own terms; empty: nothing
}

// Options configure an engine.
type Options struct {
	Store      store.Store
	Policy     *process.Policy
	Systems    []System
	Timing     lane.Timing
	Milestones []Milestone
	// MasterData is the time between two readings of the systems of record (T6);
	// 0: they are not read.
	MasterData time.Duration
	// Ownership says whose word counts for which field; nil: everybody's.
	Ownership *ownership.Matrix
	// Lease is how long this replica keeps its shards without a word, where
	// several work on one database that can be shared; 0: this one owns it all.
	Lease   time.Duration
	Replica string
	// Divided gives every replica its part of the shards; false: one has all of
	// them, and the others take messages and commands in and stand by.
	Divided bool
	Log     *slog.Logger

	Now    func() time.Time // the clock; UTC
	Chance func() float64   // for jitter, in [0, 1)
	// Go runs a call to a system beside the engine; nil: a goroutine.
	Go func(func())
	// Notify hands an alert to whoever was named for it; nil: nobody is told.
	Notify func(Alert)
}

// Alert is a raised exception that somebody wants to be told of.
type Alert struct {
	Cause, Ref, Detail, Next string
	Target                   string // the notification's name in the configuration
	At                       time.Time
}

// Engine runs the one loop.
type Engine struct {
	opt     Options
	store   store.Store
	policy  *process.Policy
	timing  lane.Timing
	log     *slog.Logger
	inbox   chan input
	targets map[string]*target
	order   []*target // targets, sorted by name

	base  context.Context // of calls to systems: they end by their deadlines, not by the stop of the loop
	share *share          // of the shards; nil: all are this engine's

	// Owned by the loop.
	flows    *flowCache
	heads    [ledger.ShardCount]ledger.Head
	auditEnd audit.Entry
	due      dueHeap
	timers   map[store.TimerName]time.Time // the due times in force; the heap may hold older ones
	nextID   int64
	lastID   int64
	batchNo  int64
	book     *identity.Book
	wanted   map[string]bool // entities that events without a waybill wait for
	spare    spare
	recent   *recent
	touched  *touches
	bases    map[string]counting // how items are counted, by SKU
	aside    map[int64]string    // waybills that can't be worked on, and why
	broken   map[int64]string    // of them, those without an exception yet
	inflight map[int64]int       // delivery → attempt under way

	counts   counters
	stats    Stats
	changed  *signal
	ending   <-chan struct{} // of Run's context; nil where steps are called one by one
	gone     chan struct{}   // closed when nothing is taken any more
	stopping atomic.Bool
	ready    atomic.Bool
	failure  atomic.Pointer[string]
	calls    sync.WaitGroup
}

// Stats count what the engine did since it started.
type Stats struct {
	Batches    atomic.Int64
	Rounds     atomic.Int64 // inputs committed
	Messages   atomic.Int64
	Duplicates atomic.Int64
	Events     atomic.Int64
	Documents  atomic.Int64
	Attempts   atomic.Int64
	Retries    atomic.Int64
	Doubts     atomic.Int64
	Deciding   atomic.Int64 // nanoseconds of wall time spent deciding, writing and
	Writing    atomic.Int64 // committing, in that order
	Committing atomic.Int64
	Resolved   atomic.Int64 // doubts that a look-up or the same key resolved
}

// input is one thing that happened, waiting for its commit.
type input interface {
	// apply does the step's work in the batch. It must not fail half-way: what
	// can go wrong is decided before anything is changed.
	apply(ctx context.Context, b *batch) error
	// fail answers the caller when the batch was not committed.
	fail(err error)
}

// New makes an engine over an open store. Start must be called before anything
// is submitted.
func New(opt Options) *Engine {
	if opt.Now == nil {
		opt.Now = func() time.Time { return time.Now().UTC() }
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Go == nil {
		opt.Go = func(f func()) { go f() }
	}
	e := &Engine{
		opt: opt, store: opt.Store, policy: opt.Policy, timing: opt.Timing, log: opt.Log,
		inbox: make(chan input, inboxSize), targets: map[string]*target{},
		flows: newFlowCache(flowsMax), timers: map[store.TimerName]time.Time{},
		wanted: map[string]bool{}, inflight: map[int64]int{},
		changed: newSignal(), recent: newRecent(), touched: newTouches(), bases: map[string]counting{},
		aside: map[int64]string{}, broken: map[int64]string{}, gone: make(chan struct{}),
	}
	if db, ok := opt.Store.(store.Shared); ok && opt.Lease > 0 {
		e.share = newShare(db, opt.Replica, opt.Lease, opt.Divided)
	}
	for _, s := range opt.Systems {
		e.addTarget(s)
	}
	return e
}

// Start takes ownership of the store and loads what is open: unsettled
// deliveries, timers, paused systems. Attempts without an outcome are in doubt.
func (e *Engine) Start(ctx context.Context) error {
	e.base = context.WithoutCancel(ctx)
	if e.share != nil {
		if err := e.load(ctx); err != nil {
			return err
		}
		if err := e.startShare(ctx); err != nil {
			return err
		}
		e.ready.Store(true)
		return nil
	}
	heads, err := e.store.Acquire(ctx, e.opt.Replica)
	if err != nil {
		return fmt.Errorf("take ownership of the shards: %w", err)
	}
	for _, h := range heads {
		e.heads[h.Shard] = h
		e.batchNo = max(e.batchNo, h.Batch)
	}
	if err := e.load(ctx); err != nil {
		return err
	}
	e.ready.Store(true)
	return nil
}

// Run commits and dispatches until ctx ends, then drains: attempts under way
// get their outcomes recorded within grace. It returns after the last commit.
//
// Two batches overlap: while one is being written and synced, the next one is
// decided and goes on taking what comes in until the writer is free.
func (e *Engine) Run(ctx context.Context, grace time.Duration) error {
	lasting := context.WithoutCancel(ctx)
	e.ending = ctx.Done()
	defer close(e.gone)
	p := &pipe{e: e, work: make(chan *batch), written: make(chan error, 1)}
	go p.writer(lasting)
	if e.share != nil {
		sharing, end := context.WithCancel(lasting)
		defer func() { end(); e.share.work.Wait() }()
		e.runShare(sharing)
	}
	err := p.run(ctx, lasting)
	close(p.work)
	if err != nil {
		return err
	}
	if err := e.drain(lasting, grace); err != nil || e.share == nil {
		return err
	}
	return e.leave(lasting)
}

// take adds what is in the inbox, without waiting for more: a lone order is
// committed at once, a loaded engine commits hundreds together.
func (e *Engine) take(ins []input) []input { return e.takeFrom(e.inbox, ins) }

func (e *Engine) takeFrom(inbox <-chan input, ins []input) []input {
	for len(ins) < batchMax {
		select {
		case in := <-inbox:
			ins = append(ins, in)
		default:
			return ins
		}
	}
	return ins
}

// drain stops taking new work and records the outcomes of attempts under way.
func (e *Engine) drain(ctx context.Context, grace time.Duration) error {
	e.stopping.Store(true)
	e.ready.Store(false)
	settled := make(chan struct{})
	go func() { e.calls.Wait(); close(settled) }()
	timeout := time.NewTimer(grace)
	defer timeout.Stop()
	for open := true; open || len(e.inbox) > 0; {
		var ins []input
		select {
		case in := <-e.inbox:
			ins = append(ins, in)
		case <-settled:
			open = false
		case <-timeout.C:
			open = false
		}
		if err := e.Step(ctx, e.take(ins)); err != nil {
			return err
		}
	}
	return nil
}

// Step does one transaction for the inputs and everything that is due.
func (e *Engine) Step(ctx context.Context, ins []input) error {
	if e.shiftDue() {
		if err := e.shift(ctx); err != nil {
			return err
		}
	}
	if len(ins) == 0 && !e.somethingDue(e.opt.Now()) {
		return nil
	}
	if err := e.commit(ctx, ins); err != nil {
		return e.failed(ctx, ins, err)
	}
	return nil
}

// failed deals with a batch that was not committed. Nothing is lost: callers
// are told to send again, attempts come back as in doubt, and the memory is
// built anew from the store.
func (e *Engine) failed(ctx context.Context, ins []input, err error) error {
	var poison *poisoned
	if errors.As(err, &poison) {
		if len(ins) > 0 {
			return e.stepSingly(ctx, ins, poison)
		}
		e.leaveOut(poison)
		return e.reload(ctx)
	}
	if e.share != nil && errors.Is(err, store.ErrFenced) {
		return e.fenced(ctx, ins, err)
	}
	if e.share != nil && errors.Is(err, errKnown) {
		if err := e.lookAgain(ctx, ins); err == nil {
			return e.stepSingly(ctx, ins, errKnown)
		}
	}
	for _, in := range ins {
		in.fail(fmt.Errorf("%w (%w)", ErrStopped, err))
	}
	if errors.Is(err, store.ErrFenced) {
		return fmt.Errorf("this process lost its ownership of the store: %w", err)
	}
	text := err.Error()
	e.failure.Store(&text)
	e.log.Error("commit failed; memory is read again from the store", "error", err)
	return e.reload(ctx)
}

// reload reads memory again after something failed, as often as it takes: a
// database that restarts or fails over is away for seconds, and a process that
// ended would be away for longer. What comes in meanwhile is refused.
func (e *Engine) reload(ctx context.Context) error {
	for {
		err := e.load(ctx)
		if err == nil {
			return nil
		}
		if e.ending == nil {
			return fmt.Errorf("read the open work again after a failed commit: %w", err)
		}
		e.log.Error("the store can't be read; trying again", "error", err)
		text := err.Error()
		e.failure.Store(&text)
		pause := time.NewTimer(restAfterFailure)
		for waiting := true; waiting; {
			select {
			case <-pause.C:
				waiting = false
			case in := <-e.inbox:
				in.fail(fmt.Errorf("%w (%w)", ErrStopped, err))
			case <-e.ending:
				pause.Stop()
				return fmt.Errorf("read the open work again after a failed commit: %w", err)
			}
		}
	}
}

// leaveOut sets a waybill aside whose due step panicked: without it the others
// go on.
func (e *Engine) leaveOut(p *poisoned) {
	if p.waybill != 0 {
		e.aside[p.waybill], e.broken[p.waybill] = p.Error(), p.Error()
	}
}

// stepSingly commits each input of a batch alone, so that one that makes the
// process panic fails alone and is kept as poison.
func (e *Engine) stepSingly(ctx context.Context, ins []input, cause error) error {
	e.log.Error("an input broke its batch; its members are committed one by one", "error", cause)
	var poison *poisoned
	if errors.As(cause, &poison) {
		e.leaveOut(poison)
	}
	if err := e.reload(ctx); err != nil {
		return err
	}
	for _, in := range ins {
		if a, ok := in.(*arrival); ok {
			a.message.ID = 0 // its events go behind those of the inputs before it
		}
		err := e.commit(ctx, []input{in})
		var poison *poisoned
		if errors.As(err, &poison) {
			if err := e.reload(ctx); err != nil {
				return err
			}
			e.leaveOut(poison)
			if p, ok := in.(poisonable); ok && poison.waybill == 0 {
				p.poison(poison.Error())
			}
			err = e.commit(ctx, []input{in})
		}
		if err != nil {
			in.fail(fmt.Errorf("%w (%w)", ErrStopped, err))
			if err := e.reload(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// poisonable is an input that can be kept without being decided.
type poisonable interface{ poison(reason string) }

// poisoned is a panic in a decision.
type poisoned struct {
	what    any
	stack   []byte
	waybill int64 // whose due step it was; 0: an input's
}

func (p *poisoned) Error() string { return fmt.Sprintf("deciding panicked: %v", p.what) }

// submit queues an input for the next commit. It blocks while the inbox is
// full: that is the back-pressure on intake.
func (e *Engine) submit(ctx context.Context, in input) error {
	select {
	case e.inbox <- in:
		return nil
	case <-e.gone:
		return ErrStopped
	case <-ctx.Done():
		return fmt.Errorf("%w (%w)", ErrStopped, ctx.Err())
	}
}

// answerOf waits for the answer to an input, as long as somebody may give it.
func answerOf[T any](ctx context.Context, e *Engine, reply <-chan T) (answer T, err error) {
	select {
	case answer = <-reply:
		return answer, nil
	case <-ctx.Done():
		return answer, fmt.Errorf("%w (%w)", ErrStopped, ctx.Err())
	case <-e.gone:
	}
	select { // what the last batch said stands
	case answer = <-reply:
		return answer, nil
	default:
		return answer, ErrStopped
	}
}

// call runs a request to a system beside the loop; what it returns is the next
// input.
func (e *Engine) call(f func() input) {
	e.calls.Add(1)
	e.opt.Go(func() {
		defer e.calls.Done()
		e.inbox <- f()
	})
}

// id hands out the next id of the database.
func (e *Engine) id(ctx context.Context) (int64, error) { return e.ids(ctx, 1) }

// ids hands out n consecutive ids and returns the first.
func (e *Engine) ids(ctx context.Context, n int64) (int64, error) {
	if e.lastID-e.nextID < n {
		block, reserve := max(n, idsAtOnce), e.store.Reserve
		if e.share != nil { // above all that the other replicas have
			block, reserve = max(n, sharedID), e.share.db.Fresh
		}
		first, err := reserve(ctx, block)
		if err != nil {
			return 0, fmt.Errorf("reserve ids: %w", err)
		}
		e.nextID, e.lastID = first, first+block
	}
	e.nextID += n
	return e.nextID - n, nil
}

// Stats are the engine's counters.
func (e *Engine) Stats() *Stats { return &e.stats }

// Changes signals after commits, coalesced: a receiver that is slow misses
// nothing but repetitions. The function ends the subscription.
func (e *Engine) Changes() (<-chan struct{}, func()) { return e.changed.subscribe() }
