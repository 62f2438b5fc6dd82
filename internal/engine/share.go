package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// steward is the shard whose owner looks after what belongs to no waybill: the
// audit log, exceptions without an order, pauses of systems, readings.
const steward = 0

const (
	lookMost = time.Second // between two looks at who owns what
	sharedID = 4096        // ids reserved at once, where several replicas give ids
)

// share is the part of the shards that this engine owns, where several replicas
// work on one database. What it says of ownership belongs to the loop; the plan
// and the lease are the keeper's, who runs beside it.
type share struct {
	db      store.Shared
	name    string
	lease   time.Duration
	divided bool // every replica has its part of the shards; false: one has all, and the others stand by

	owned   [ledger.ShardCount]bool
	leaving [ledger.ShardCount]bool // nothing new begins on them; they go once nothing is under way
	since   time.Time               // of the oldest that leaves
	newest  int64                   // no event that is in a chain of an owned shard has a higher id
	held    atomic.Pointer[time.Time]
	heard   atomic.Pointer[time.Time] // when the database last answered

	mu     sync.Mutex
	plan   *plan // what the loop is to bring about; nil: nothing
	mine   []int // owned, for those beside the loop
	peers  []peer
	parts  parts
	told   map[string]string // what the database says of all systems
	lost   bool              // the lease ran out
	seen   map[int64]bool    // tasks on their way through this engine, or done of late
	before map[int64]bool

	look  chan struct{} // somebody should look at who owns what, now
	fetch chan struct{} // something was handed over
	woken *signal
	work  sync.WaitGroup
}

// plan is a step towards a fair share.
type plan struct {
	lost    bool // what was owned is not any more
	release []int
	take    []int
}

// peer is another replica, and one of its shards.
type peer struct {
	name  string
	shard int // -1: it has none
}

// parts is how many replicas share the budgets, and which of them this is.
type parts struct{ of, at int }

func newShare(db store.Shared, name string, lease time.Duration, divided bool) *share {
	return &share{db: db, name: name, lease: lease, divided: divided, seen: map[int64]bool{}, before: map[int64]bool{}, parts: parts{of: 1},
		look: make(chan struct{}, 1), fetch: make(chan struct{}, 1), woken: newSignal()}
}

// owns reports whether this engine may write a shard's waybills. It is for the
// loop.
func (e *Engine) owns(shard int) bool { return e.share == nil || e.share.owned[shard] }

// ownsAll reports whether every shard is this engine's. It is for the loop.
func (e *Engine) ownsAll() bool { return e.share == nil || !slices.Contains(e.share.owned[:], false) }

// divided reports whether several engines own shards side by side.
func (e *Engine) divided() bool { return e.share != nil && e.share.divided }

// leaves reports whether a shard is about to go to another replica: the next
// owner goes on.
func (e *Engine) leaves(shard int) bool { return e.share != nil && e.share.leaving[shard] }

// Leads reports whether this replica does what is done once for the whole
// installation. It may be asked from anywhere; where two believe it for a
// moment, the database lets one of them write.
func (e *Engine) Leads() bool {
	if e.share == nil {
		return true
	}
	e.share.mu.Lock()
	defer e.share.mu.Unlock()
	return len(e.share.mine) > 0 && e.share.mine[0] == steward && e.share.holds(e.opt.Now())
}

// homeless is the shard of an event that belongs to no waybill.
func (e *Engine) homeless(shard int) int {
	if e.share == nil {
		return shard
	}
	for own, yes := range e.share.owned {
		if yes {
			return own
		}
	}
	return steward
}

// holds reports whether the lease is proven still held: it is counted from
// before the database was asked to extend it, and ends early by a margin.
func (s *share) holds(now time.Time) bool {
	until := s.held.Load()
	return until != nil && now.Before(*until)
}

// silentMost is how long a replica says that it is ready without hearing of its
// database.
const silentMost = 4 * time.Second

// silent reports whether the database has not answered for too long.
func (s *share) silent(now time.Time) bool {
	at := s.heard.Load()
	return at == nil || now.Sub(*at) > min(s.lease, silentMost)
}

func (s *share) extended(began time.Time) {
	s.heard.Store(&began)
	until := began.Add(s.lease - s.lease/8)
	s.held.Store(&until)
}

// every is the time between two looks.
func (s *share) every() time.Duration { return min(s.lease/3, lookMost) }

// keep looks after the lease once: it extends it, looks who else is there, and
// plans what the loop has to let go or may take.
func (s *share) keep(ctx context.Context, now func() time.Time) error {
	began := now()
	err := s.db.Renew(ctx, s.name, s.lease)
	lost := errors.Is(err, store.ErrFenced)
	switch {
	case lost:
		s.held.Store(nil)
		if _, err := s.db.AcquireShards(ctx, s.name, nil, s.lease); err != nil { // the lease alone
			return fmt.Errorf("take a lease: %w", err)
		}
		s.extended(began)
	case err != nil:
		return fmt.Errorf("extend the lease: %w", err)
	default:
		s.extended(began)
	}
	owners, err := s.db.Owners(ctx)
	if err != nil {
		return fmt.Errorf("look who owns what: %w", err)
	}
	told, err := s.db.Settings(ctx, sharedPrefix)
	if err != nil {
		return fmt.Errorf("look what the systems are said to be: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = told
	s.lost = s.lost || lost
	s.plan = s.planned(owners)
	return nil
}

// planned compares the shards that are nobody's, and this replica's own, with
// its fair share. Nobody takes from anybody: who has more lets go, and who has
// less takes what is free. Where the shards are divided every replica has the
// same share; otherwise who has the steward's shard has all, or the first to
// come where nobody has it.
func (s *share) planned(o store.Owners) *plan {
	p := &plan{lost: s.lost}
	var taken [ledger.ShardCount]bool
	var mine []int
	s.peers, s.parts = nil, parts{}
	for _, r := range o.Replicas {
		if r.Replica != s.name && !r.Expires.After(o.Now) {
			continue
		}
		if r.Replica == s.name {
			s.parts.at, mine = s.parts.of, r.Shards
		} else {
			other := peer{name: r.Replica, shard: -1}
			if len(r.Shards) > 0 {
				other.shard = r.Shards[0]
			}
			s.peers = append(s.peers, other)
		}
		s.parts.of++
		for _, shard := range r.Shards {
			taken[shard] = true
		}
	}
	s.parts.of = max(s.parts.of, 1)
	fair := (ledger.ShardCount + s.parts.of - 1) / s.parts.of
	if !s.divided {
		fair = 0
		if first := s.parts.at == 0; taken[steward] && slices.Contains(mine, steward) || !taken[steward] && first {
			fair = ledger.ShardCount
		}
		s.parts = parts{of: 1} // the budgets are its alone, too
	}
	keep := mine[:min(len(mine), fair)]
	p.release = slices.Clone(mine[len(keep):])
	for _, shard := range keep {
		if p.lost || !slices.Contains(s.mine, shard) {
			p.take = append(p.take, shard) // its own in the database, and not in memory
		}
	}
	var free []int
	for shard, is := range taken {
		if !is {
			free = append(free, shard)
		}
	}
	if n := min(fair-len(keep), len(free)); n > 0 {
		from := s.parts.at * len(free) / s.parts.of // each begins elsewhere
		free = append(free[from:], free[:from]...)
		p.take = append(p.take, free[:n]...)
	}
	slices.Sort(p.take)
	return p
}

// shiftDue reports whether a plan waits for the loop.
func (e *Engine) shiftDue() bool {
	if e.share == nil || e.stopping.Load() {
		return false
	}
	e.share.mu.Lock()
	defer e.share.mu.Unlock()
	return e.share.plan != nil
}

// shift brings a plan about, between two batches: nothing is being decided or
// written. What the database refuses is left to the next look.
func (e *Engine) shift(ctx context.Context) error {
	s := e.share
	s.mu.Lock()
	p, told := s.plan, s.told
	s.plan, s.lost = nil, false
	s.mu.Unlock()
	if p == nil {
		return nil
	}
	e.nextID, e.lastID = 0, 0 // ids stay in the order of time
	changed := p.lost && s.disown()
	if e.letGo(ctx, p.release) {
		changed = true
	}
	if len(p.take) > 0 {
		got, err := e.takeShards(ctx, p.take)
		if err != nil {
			e.log.Warn("shards could not be taken; trying again", "error", err)
		}
		changed = changed || got
	}
	if changed {
		if err := e.reload(ctx); err != nil {
			return err
		}
		e.shareChanged()
	}
	e.hear(told)
	e.divide()
	return nil
}

// takeShards makes this engine the owner of those of the shards that nobody
// else has.
func (e *Engine) takeShards(ctx context.Context, shards []int) (got bool, err error) {
	s, began := e.share, e.opt.Now()
	heads, err := s.db.AcquireShards(ctx, s.name, shards, s.lease)
	if err != nil || len(heads) == 0 {
		return false, err
	}
	above, err := s.db.Fresh(ctx, 1)
	if err != nil {
		return false, err
	}
	s.extended(began)
	s.newest = max(s.newest, above)
	for _, h := range heads {
		s.owned[h.Shard] = true
		e.heads[h.Shard] = h
		e.batchNo = max(e.batchNo, h.Batch)
	}
	return true, nil
}

// letGo releases shards once nothing is under way on them, or what is has had
// its time. It reports whether any went.
func (e *Engine) letGo(ctx context.Context, shards []int) bool {
	s := e.share
	now := e.opt.Now()
	clear(s.leaving[:])
	if len(shards) == 0 {
		s.since = time.Time{}
		return false
	}
	if s.since.IsZero() {
		s.since = now
	}
	busy := e.busy()
	if now.Sub(s.since) > e.timing.Deadline {
		busy = nil // what has no answer by now is in doubt
	}
	var gone []int
	for _, shard := range shards {
		if s.owned[shard] && busy[shard] {
			s.leaving[shard] = true
			continue
		}
		s.owned[shard] = false
		gone = append(gone, shard)
	}
	if len(gone) == 0 {
		return false
	}
	if len(gone) == len(shards) {
		s.since = time.Time{}
	}
	if err := s.db.Release(ctx, s.name, gone); err != nil {
		e.log.Warn("shards could not be released; trying again", "error", err)
	}
	return true
}

// busy are the shards on which requests are under way.
func (e *Engine) busy() map[int]bool {
	out := map[int]bool{}
	if len(e.inflight) == 0 {
		return out
	}
	for _, f := range e.flows.byID {
		for _, l := range f.lanes {
			for _, d := range l.queue {
				if _, under := e.inflight[d.ID]; under {
					out[f.row.Shard] = true
				}
			}
		}
	}
	return out
}

// disown drops every shard; it reports whether there were any.
func (s *share) disown() (some bool) {
	some = slices.Contains(s.owned[:], true)
	clear(s.owned[:])
	clear(s.leaving[:])
	return some
}

// ownedNow lists what is owned, rising. It is for the loop.
func (s *share) ownedNow() (mine []int) {
	for shard, own := range s.owned {
		if own {
			mine = append(mine, shard)
		}
	}
	return mine
}

// shareChanged tells those beside the loop what is owned now.
func (e *Engine) shareChanged() {
	s := e.share
	mine := s.ownedNow()
	s.mu.Lock()
	had := len(s.mine)
	s.mine = mine
	s.mu.Unlock()
	e.log.Info("this replica's shards", "replica", s.name, "shards", len(mine), "before", had)
	poke(s.fetch)
	poke(s.look) // there may be more to take, or to let go
}

// fenced goes on after the database refused a batch because another replica
// owns one of its shards: nothing that was believed of any shard counts any
// more. The inputs are tried again, each alone; those of waybills that are
// others' now are handed to them.
func (e *Engine) fenced(ctx context.Context, ins []input, cause error) error {
	e.log.Warn("another replica owns a shard of the batch; all are given up and taken anew", "error", cause)
	s := e.share
	s.held.Store(nil)
	s.disown()
	s.mu.Lock()
	s.mine, s.plan, s.lost = nil, nil, true
	s.mu.Unlock()
	poke(s.look)
	return e.stepSingly(ctx, ins, cause)
}

// poke leaves a sign, where none is left already.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// startShare takes a lease and what is free of the shards.
func (e *Engine) startShare(ctx context.Context) error {
	if err := e.share.keep(ctx, e.opt.Now); err != nil {
		return err
	}
	return e.shift(ctx)
}

// runShare keeps the lease and brings in what is handed over, until ctx ends.
// Everything runs beside the loop.
func (e *Engine) runShare(ctx context.Context) {
	s := e.share
	s.work.Go(func() { e.keepShare(ctx) })
	s.work.Go(func() { e.fetchTasks(ctx) })
	s.work.Go(func() {
		for rested(ctx, 0) {
			err := s.db.Listen(ctx, func() { poke(s.fetch); poke(s.look); s.woken.raise() })
			if err != nil {
				e.log.Warn("handed work is looked for every second only", "error", err)
			}
			if !rested(ctx, lookMost) {
				return
			}
		}
	})
}

// keepShare looks after the lease again and again.
func (e *Engine) keepShare(ctx context.Context) {
	s := e.share
	last := time.Time{}
	for {
		timer := time.NewTimer(s.every())
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-s.look:
			timer.Stop()
			if time.Since(last) < s.every()/8 && !rested(ctx, s.every()/8) {
				return
			}
		}
		last = time.Now()
		within, cancel := context.WithTimeout(ctx, s.lease)
		err := s.keep(within, e.opt.Now)
		cancel()
		if err != nil && ctx.Err() == nil {
			e.log.Warn("the lease could not be looked after; trying again", "error", err)
			continue
		}
		select {
		case e.inbox <- nudge{}: // the loop looks at the plan
		default: // it is awake
		}
	}
}

// rested waits, and reports whether ctx lasted as long.
func rested(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
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

// leave hands every shard over, so that nobody waits for the lease to end.
func (e *Engine) leave(ctx context.Context) error {
	e.share.disown()
	e.share.held.Store(nil)
	if err := e.share.db.Leave(ctx, e.share.name); err != nil {
		return fmt.Errorf("hand the shards over: %w", err)
	}
	return nil
}

// nudge wakes the loop.
type nudge struct{}

func (nudge) apply(ctx context.Context, b *batch) error {
	if b.e.share == nil || len(b.e.wanted) == 0 {
		return nil
	}
	return b.lookForWanted(ctx)
}

func (nudge) fail(error) {}
