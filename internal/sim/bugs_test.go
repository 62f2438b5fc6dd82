package sim

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// brokenStore is a database with a fault of its own; nil fields work.
type brokenStore struct {
	store.Store
	keep    func([]ledger.Message)
	write   func(*store.Batch)
	commit  func(store.Tx) error
	body    func(*lane.Body)
	known   func() bool // false: no message is ever known
	pending func(lane.Pending) bool
	heads   func([]ledger.Head)
}

func (s *brokenStore) Begin(ctx context.Context) (store.Tx, error) {
	tx, err := s.Store.Begin(ctx)
	return &brokenTx{tx, s}, err
}

func (s *brokenStore) Body(ctx context.Context, id int64) (lane.Body, error) {
	b, err := s.Store.Body(ctx, id)
	if s.body != nil {
		s.body(&b)
	}
	return b, err
}

func (s *brokenStore) MessageByDedupe(ctx context.Context, source, id string) (ledger.Message, error) {
	if s.known != nil && !s.known() {
		return ledger.Message{}, store.ErrNotFound
	}
	return s.Store.MessageByDedupe(ctx, source, id)
}

func (s *brokenStore) PendingDeliveries(ctx context.Context, each func(lane.Pending) error) error {
	return s.Store.PendingDeliveries(ctx, func(p lane.Pending) error {
		if s.pending != nil && !s.pending(p) {
			return nil
		}
		return each(p)
	})
}

func (s *brokenStore) Acquire(ctx context.Context, replica string) ([]ledger.Head, error) {
	hs, err := s.Store.Acquire(ctx, replica)
	if s.heads != nil {
		s.heads(hs)
	}
	return hs, err
}

type brokenTx struct {
	store.Tx
	s *brokenStore
}

func (t *brokenTx) KeepMessages(ctx context.Context, ms []ledger.Message) ([]*ledger.Message, error) {
	if t.s.keep != nil {
		t.s.keep(ms)
	}
	return t.Tx.KeepMessages(ctx, ms)
}

func (t *brokenTx) Write(ctx context.Context, b *store.Batch) error {
	if t.s.write == nil {
		return t.Tx.Write(ctx, b)
	}
	wrong := *b
	wrong.Deliveries = append([]lane.Delivery(nil), b.Deliveries...)
	t.s.write(&wrong)
	return t.Tx.Write(ctx, &wrong)
}

func (t *brokenTx) Commit(ctx context.Context) error {
	if t.s.commit != nil {
		return t.s.commit(t.Tx)
	}
	return t.Tx.Commit(ctx)
}

func badStore(change func(*brokenStore)) bugs {
	return bugs{store: func(s store.Store) store.Store {
		b := &brokenStore{Store: s}
		change(b)
		return b
	}}
}

func badWrite(change func(*store.Batch)) bugs {
	return badStore(func(s *brokenStore) { s.write = change })
}

// brokenConnector misreads what its system says, or sends something else.
type brokenConnector struct {
	connector.Connector
	deliver func(connector.Attempt, waybill.Outcome, error) (waybill.Outcome, error)
	twice   bool
	inquire func(connector.Finding, error) (connector.Finding, error)
	read    func([]waybill.Event) []waybill.Event
	render  func(*waybill.Document)
}

func (c *brokenConnector) Deliver(ctx context.Context, a connector.Attempt) (waybill.Outcome, error) {
	o, err := c.Deliverer.Deliver(ctx, a)
	if c.twice && o.Verdict == waybill.InDoubt {
		o, err = c.Deliverer.Deliver(ctx, a)
	}
	if c.deliver != nil {
		return c.deliver(a, o, err)
	}
	return o, err
}

func (c *brokenConnector) Inquire(ctx context.Context, q connector.Inquiry) (connector.Finding, error) {
	f, err := c.Inquirer.Inquire(ctx, q)
	if c.inquire != nil {
		return c.inquire(f, err)
	}
	return f, err
}

func (c *brokenConnector) Translate(m connector.Message) ([]waybill.Event, error) {
	evs, err := c.Translator.Translate(m)
	if c.read != nil {
		return c.read(evs), err
	}
	return evs, err
}

func (c *brokenConnector) Render(d waybill.Document) (connector.Rendered, error) {
	if c.render != nil {
		c.render(&d)
	}
	return c.Renderer.Render(d)
}

func badConnector(change func(*brokenConnector)) bugs {
	return bugs{system: func(s engine.System) engine.System {
		b := &brokenConnector{Connector: s.Conn}
		change(b)
		if s.Conn.Deliverer != nil {
			s.Conn.Deliverer, s.Conn.Inquirer = b, b
		}
		s.Conn.Translator, s.Conn.Renderer = b, b
		return s
	}}
}

// as reads one verdict as another.
func as(from, to waybill.Verdict) bugs {
	return badConnector(func(c *brokenConnector) {
		c.deliver = func(_ connector.Attempt, o waybill.Outcome, err error) (waybill.Outcome, error) {
			if o.Verdict == from {
				o.Verdict = to
			}
			return o, err
		}
	})
}

func found(from, to connector.FindingState) bugs {
	return badConnector(func(c *brokenConnector) {
		c.inquire = func(f connector.Finding, err error) (connector.Finding, error) {
			if f.State == from {
				return connector.Finding{State: to}, nil
			}
			return f, err
		}
	})
}

func header(name, value string) bugs {
	return bugs{leaves: func(r *http.Request) {
		if r.Header.Get(name) != "" {
			r.Header.Set(name, value)
		}
	}}
}

// planted are the mistakes that the oracle must notice, by whatever invariant:
// a bug shows itself where the run happens to look.
var planted = []struct {
	name string
	bugs bugs
}{
	{"an answer before the commit", bugs{early: true}},
	{"a commit that is only said", badStore(func(s *brokenStore) { s.commit = func(tx store.Tx) error { return tx.Rollback() } })},
	{"a message is kept with other bytes", badStore(func(s *brokenStore) {
		s.keep = func(ms []ledger.Message) {
			for i := range ms {
				ms[i].Body = append([]byte(" "), ms[i].Body...)
			}
		}
	})},
	{"repetitions are not recognised", badStore(func(s *brokenStore) {
		n := 0
		s.known = func() bool { return false }
		s.keep = func(ms []ledger.Message) {
			for i := range ms {
				n++
				ms[i].DedupeID += strings.Repeat(" ", n)
			}
		}
	})},
	{"an event is lost", badWrite(func(b *store.Batch) {
		if len(b.Events) > 2 {
			b.Events = b.Events[1:]
		}
	})},
	{"the heads of the chains are not written", badWrite(func(b *store.Batch) { b.Heads = nil })},
	{"new documents are lost", badWrite(func(b *store.Batch) {
		keep := b.Deliveries[:0]
		for _, d := range b.Deliveries {
			if d.Kind != waybill.Invoice {
				keep = append(keep, d)
			}
		}
		b.Deliveries = keep
	})},
	{"an attempt is not written before it is made", badWrite(func(b *store.Batch) {
		for i := range b.Deliveries {
			if d := &b.Deliveries[i]; d.State == lane.InFlight {
				d.State, d.Attempts, d.Seq, d.Next = lane.Ready, 0, 0, lane.Stay
			}
		}
	})},
	{"receipts are forgotten", badWrite(func(b *store.Batch) {
		for i := range b.Deliveries {
			if d := &b.Deliveries[i]; d.State == lane.Done {
				d.State, d.Next = lane.InFlight, lane.Stay
			}
		}
	})},
	{"stored bytes change", badStore(func(s *brokenStore) {
		s.body = func(b *lane.Body) { b.Bytes = append(append([]byte(nil), b.Bytes...), ' ') }
	})},
	{"timers are lost", badWrite(func(b *store.Batch) { b.Timers = nil })},
	{"exceptions are lost", badWrite(func(b *store.Batch) { b.Exceptions = []exception.Exception{} })},
	{"the audit log is not written", badWrite(func(b *store.Batch) { b.Audit = []audit.Entry{} })},
	{"a restart overlooks what is in doubt", badStore(func(s *brokenStore) {
		s.pending = func(p lane.Pending) bool { return p.State != lane.InDoubt && p.State != lane.InFlight }
	})},
	{"waybills are not written", badWrite(func(b *store.Batch) { b.Waybills = nil })},
	{"a time-out counts as not sent", as(waybill.InDoubt, waybill.NotSent)},
	{"a time-out counts as refused", as(waybill.InDoubt, waybill.Refused)},
	{"a time-out counts as applied", as(waybill.InDoubt, waybill.Done)},
	{"taken counts as applied", as(waybill.Pending, waybill.Done)},
	{"refused counts as applied", as(waybill.Refused, waybill.Done)},
	{"a partial answer counts as whole", badConnector(func(c *brokenConnector) {
		c.deliver = func(_ connector.Attempt, o waybill.Outcome, err error) (waybill.Outcome, error) {
			if o.Verdict == waybill.Partial {
				o.Verdict, o.Receipt.Lines = waybill.Done, nil
			}
			return o, err
		}
	})},
	{"not sent counts as applied", as(waybill.NotSent, waybill.Done)},
	{"throttled counts as applied", as(waybill.Throttled, waybill.Done)},
	{"Retry-After is not heard", as(waybill.Throttled, waybill.NotSent)},
	{"an unknown finding counts as absent", found(connector.FoundUnknown, connector.FoundAbsent)},
	{"a pending finding counts as applied", found(connector.FoundPending, connector.FoundApplied)},
	{"a pending finding counts as absent", found(connector.FoundPending, connector.FoundAbsent)},
	{"an applied finding counts as absent", found(connector.FoundApplied, connector.FoundAbsent)},
	{"an absent finding counts as applied", found(connector.FoundAbsent, connector.FoundApplied)},
	{"the client repeats by itself", badConnector(func(c *brokenConnector) { c.twice = true })},
	{"a key for each attempt", bugs{leaves: func(r *http.Request) {
		r.Header.Set("Idempotency-Key", r.Header.Get("Idempotency-Key")+r.Header.Get("Waybill-Attempt"))
	}}},
	{"no number", header("Waybill-Seq", "0")},
	{"no epoch", header("Waybill-Epoch", "0")},
	{"a digest of other bytes", header("Content-Digest", "sha-256=:AAAA:")},
	{"a deadline far away", header("Waybill-Deadline", "2026-03-02T10:00:00.000Z")},
	{"every target is taken for one that honours keys", bugs{system: func(s engine.System) engine.System {
		s.Class, s.Conn.Prober = lane.Class{Idempotency: waybill.ByKey}, nil
		return s
	}}},
	{"every target is taken for one that can be asked and keeps order", bugs{system: func(s engine.System) engine.System {
		s.Class, s.Conn.Prober = lane.Class{Idempotency: waybill.ByLookup, KeepsOrder: true}, nil
		return s
	}}},
	{"no wait before a look-up", bugs{options: func(o *engine.Options) { o.Timing.Settle = -9 * time.Second }}},
	{"a line of a document is lost", badConnector(func(c *brokenConnector) {
		c.render = func(d *waybill.Document) {
			if len(d.Lines) > 1 {
				d.Lines = d.Lines[1:]
			}
		}
	})},
	{"a fact is read over", badConnector(func(c *brokenConnector) {
		c.read = func(evs []waybill.Event) []waybill.Event {
			if len(evs) > 0 && evs[0].Type == waybill.ShipmentConfirmed {
				return nil
			}
			return evs
		}
	})},
}

// seedsForABug is how many runs may pass before a planted bug shows itself.
const seedsForABug = 150

// Every planted bug is noticed: an oracle that is content with them would say
// nothing about the engine.
func TestPlantedBugsAreCaught(t *testing.T) {
	for _, bug := range planted {
		t.Run(bug.name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= seedsForABug; seed++ {
				r, err := play(t.Context(), Generate(seed), bug.bugs)
				if err != nil {
					return // the engine itself noticed: it could not start or go on
				}
				if len(r.Violations) > 0 {
					t.Logf("seed %d: %s %s", seed, r.Violations[0].Invariant, r.Violations[0].Detail)
					return
				}
			}
			t.Errorf("nothing was noticed in %d runs", seedsForABug)
		})
	}
}
