// Package desk is what the pages show and do, read from the ledger and the
// engine. It says in the words of the pages what trace, store and engine say
// in theirs, and turns what a person asks for into the engine's commands. It
// decides nothing and keeps nothing but counters and answers that may be used
// again until the next commit.
package desk

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/crossref"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/tower"
	"github.com/waybillhq/waybill/internal/trace"
)

var _ tower.Source = (*Desk)(nil)

// Store is what the pages read of the database.
type Store interface {
	ledger.Reader
	lane.Reader
	exception.Reader
	crossref.Reader
}

// Engine is what the pages ask and tell the engine.
type Engine interface {
	Status(ctx context.Context) (engine.Status, error)
	Systems(ctx context.Context) ([]engine.SystemStatus, error)
	Do(ctx context.Context, c engine.Command) error
	Map(ctx context.Context, r engine.Remap) (engine.Mapped, error)
	Stats() *engine.Stats
	Ready() (bool, []string)
	Changes() (<-chan struct{}, func())
}

// Traffic counts what went between a system and Waybill since the start.
type Traffic struct {
	In  int64 // messages of the system that were kept
	Out int64 // deliveries that the system applied
}

// Deps are what a desk stands on. Store, Engine and Trace are required.
type Deps struct {
	Store   Store
	Engine  Engine
	Trace   *trace.Service
	Systems []engine.System // the configured ones

	Now  func() time.Time // the clock; nil: the wall clock
	Zone *time.Location   // the company's, in which its dates are meant; nil: UTC

	Log *slog.Logger // takes what could not be counted; nil: nobody

	// Traffic counts by system, for the rates on the map; nil: the map shows
	// none. It is asked once a second and must be quick.
	Traffic func() map[string]Traffic
}

// Desk answers the pages. It is safe for concurrent use. Until Run is called
// it counts no rates and signals no changes; everything else works.
type Desk struct {
	store   Store
	engine  Engine
	trace   *trace.Service
	now     func() time.Time
	zone    *time.Location
	log     *slog.Logger
	traffic func() map[string]Traffic

	systems atomic.Pointer[[]engine.System]
	rates   rates
	subs    listeners

	orders fresh[map[waybill.Status]int]
	open   fresh[openExceptions]
	lag    fresh[string]
	stale  atomic.Bool // an answer was older than the last commit
}

// New makes a desk.
func New(deps Deps) *Desk {
	d := &Desk{store: deps.Store, engine: deps.Engine, trace: deps.Trace, now: deps.Now, zone: deps.Zone, log: deps.Log, traffic: deps.Traffic}
	if d.now == nil {
		d.now = time.Now
	}
	if d.zone == nil {
		d.zone = time.UTC
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.traffic == nil {
		d.traffic = func() map[string]Traffic { return nil }
	}
	d.lag.least = lagLeast
	d.Reconfigure(deps.Systems)
	return d
}

// Reconfigure takes the systems of a reloaded configuration.
func (d *Desk) Reconfigure(systems []engine.System) { d.systems.Store(&systems) }

// system is a configured system by its name; false where there is none.
func (d *Desk) system(name string) (engine.System, bool) {
	for _, s := range *d.systems.Load() {
		if s.Name == name {
			return s, true
		}
	}
	return engine.System{}, false
}

// role is a system's role; empty where it is not configured.
func (d *Desk) role(name string) string {
	s, _ := d.system(name)
	return string(s.Role)
}

// sampleEvery is the time between two samples of the engine's counters.
const sampleEvery = time.Second

// Run counts rates and passes the engine's signals on, until ctx ends. Then it
// ends all subscriptions, so that no live page keeps a server from shutting
// down.
func (d *Desk) Run(ctx context.Context) {
	defer d.subs.end()
	committed, stop := d.engine.Changes()
	defer stop()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	d.look(ctx)
	batches := int64(-1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-committed:
			// The engine also signals steps that wrote nothing, among them the
			// questions of the pages themselves.
			if n := d.engine.Stats().Batches.Load(); n != batches {
				batches = n
				d.subs.tell()
			}
		case <-tick.C:
			d.look(ctx)
		}
	}
}

// look takes a sample, and tells the pages where they show something else now.
func (d *Desk) look(ctx context.Context) {
	moved, err := d.sample(ctx)
	if err != nil && ctx.Err() == nil {
		d.log.Warn("the rates of the last second were not counted", "error", err)
	}
	if d.stale.Swap(false) || moved {
		d.subs.tell()
	}
}

// Changes implements tower.Source.
func (d *Desk) Changes(context.Context) (<-chan struct{}, func()) { return d.subs.join() }

// listeners are told that something changed; signals coalesce.
type listeners struct {
	mu   sync.Mutex
	list map[chan struct{}]bool
	over bool
}

func (l *listeners) join() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		close(c)
		return c, func() {}
	}
	if l.list == nil {
		l.list = map[chan struct{}]bool{}
	}
	l.list[c] = true
	return c, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.list, c)
	}
}

func (l *listeners) tell() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.list {
		select {
		case c <- struct{}{}:
		default: // it has not looked since the last one
		}
	}
}

func (l *listeners) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for c := range l.list {
		close(c)
	}
	l.list = nil
}
