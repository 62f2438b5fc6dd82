package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// faulty is a store whose calls fail when a test says so.
type faulty struct {
	store.Store
	mu    sync.Mutex // senders look for repetitions beside the loop
	calls int
	fail  func(n int, name string) fault // nil: nothing fails
}

// fault is how a call fails.
type fault int

const (
	works   fault = iota
	fails         // nothing happens
	lies          // it happens, and is said to have failed
	panicks       // a bug below
)

var errDisk = errors.New("disk I/O error")

// verdict counts a call and says how it ends.
func (s *faulty) verdict(name string) fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.fail == nil {
		return works
	}
	return s.fail(s.calls, name)
}

// hit counts a call and fails it. do is the call.
func (s *faulty) hit(name string, do func() error) error {
	switch s.verdict(name) {
	case fails:
		return errDisk
	case lies:
		if err := do(); err != nil {
			return err
		}
		return errDisk
	case panicks:
		panic("a bug in " + name)
	}
	return do()
}

func get[T any](s *faulty, name string, do func() (T, error)) (v T, err error) {
	err = s.hit(name, func() (err error) {
		v, err = do()
		return err
	})
	return v, err
}

func (s *faulty) Begin(ctx context.Context) (store.Tx, error) {
	var tx store.Tx
	err := s.hit("Begin", func() (err error) {
		tx, err = s.Store.Begin(ctx)
		return err
	})
	if err != nil && tx != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return &faultyTx{tx, s}, err
}

func (s *faulty) Reserve(ctx context.Context, n int64) (int64, error) {
	return get(s, "Reserve", func() (int64, error) { return s.Store.Reserve(ctx, n) })
}

func (s *faulty) MessageByDedupe(ctx context.Context, source, id string) (ledger.Message, error) {
	return get(s, "MessageByDedupe", func() (ledger.Message, error) { return s.Store.MessageByDedupe(ctx, source, id) })
}

func (s *faulty) Body(ctx context.Context, id int64) (lane.Body, error) {
	return get(s, "Body", func() (lane.Body, error) { return s.Store.Body(ctx, id) })
}

func (s *faulty) Event(ctx context.Context, id int64) (ledger.Event, error) {
	return get(s, "Event", func() (ledger.Event, error) { return s.Store.Event(ctx, id) })
}

func (s *faulty) Waybill(ctx context.Context, id int64) (ledger.Waybill, error) {
	return get(s, "Waybill", func() (ledger.Waybill, error) { return s.Store.Waybill(ctx, id) })
}

func (s *faulty) WaybillByTag(ctx context.Context, tag int64, kind waybill.FlowKind, ref string) (ledger.Waybill, error) {
	return get(s, "WaybillByTag", func() (ledger.Waybill, error) { return s.Store.WaybillByTag(ctx, tag, kind, ref) })
}

func (s *faulty) WaybillsByRef(ctx context.Context, value string, limit int) ([]ledger.Waybill, error) {
	return get(s, "WaybillsByRef", func() ([]ledger.Waybill, error) { return s.Store.WaybillsByRef(ctx, value, limit) })
}

func (s *faulty) Watching(ctx context.Context, entity string, after int64, limit int) ([]int64, error) {
	return get(s, "Watching", func() ([]int64, error) { return s.Store.Watching(ctx, entity, after, limit) })
}

func (s *faulty) DeliveriesOf(ctx context.Context, id int64) ([]lane.Delivery, error) {
	return get(s, "DeliveriesOf", func() ([]lane.Delivery, error) { return s.Store.DeliveriesOf(ctx, id) })
}

func (s *faulty) OpenExceptionsOf(ctx context.Context, id int64) ([]exception.Exception, error) {
	return get(s, "OpenExceptionsOf", func() ([]exception.Exception, error) { return s.Store.OpenExceptionsOf(ctx, id) })
}

func (s *faulty) Heads(ctx context.Context) ([]ledger.Head, error) {
	return get(s, "Heads", func() ([]ledger.Head, error) { return s.Store.Heads(ctx) })
}

type faultyTx struct {
	store.Tx
	s *faulty
}

func (t *faultyTx) KeepMessages(ctx context.Context, ms []ledger.Message) ([]*ledger.Message, error) {
	return get(t.s, "KeepMessages", func() ([]*ledger.Message, error) { return t.Tx.KeepMessages(ctx, ms) })
}

func (t *faultyTx) Write(ctx context.Context, b *store.Batch) error {
	return t.s.hit("Write", func() error { return t.Tx.Write(ctx, b) })
}

func (t *faultyTx) Commit(ctx context.Context) error {
	return t.s.hit("Commit", func() error { return t.Tx.Commit(ctx) })
}

// break makes the rig's store fail.
func (r *rig) breakStore(fail func(n int, name string) fault) *faulty {
	s := &faulty{Store: r.kept, fail: fail}
	r.db = s
	return s
}

// life is a small story with everything that matters to a fault: two orders,
// a lost answer, two shipments, a fact before its order, a cancellation, a
// command.
func life(r *rig) {
	r.fakes["erp"].on(waybill.SalesOrder, drop)
	r.tell("carrier", waybill.ShipmentDelivered, `{"shipment":"S1","delivered_at":"2026-03-02T10:00:00Z"}`)
	r.tellAll(fact{"wms", waybill.ShipmentConfirmed, `{"order":"SO-1","shipment":"S1","shipped_at":"2026-03-02T09:00:00Z","lines":[{"line":"1","qty":"3"}]}`},
		fact{"shop", waybill.OrderPlaced, orderData("SO-1", 1, "5")}, fact{"shop", waybill.OrderPlaced, orderData("SO-2", 1, "5")})
	r.settle()
	r.pass(3 * time.Minute)
	r.ship("SO-1", "S2", `[{"line":"1","qty":"2"},{"line":"2","qty":"2"}]`)
	if err := r.do(ToSystem, "shop", "pause"); err != nil {
		r.t.Errorf("pause: %v", err)
	}
	r.settle()
	r.tell("shop", waybill.OrderCancelRequested, `{"order":"SO-2","request":"c1"}`)
	r.settle()
	if err := r.do(ToSystem, "shop", "resume"); err != nil {
		r.t.Errorf("resume: %v", err)
	}
	r.settle()
	for _, d := range r.deliveries("SO-2", "wms", waybill.WarehouseOrder) {
		r.tell("wms", "warehouse_order.cancelled", fmt.Sprintf(`{"order":"SO-2","warehouse_order":%q}`, d.Key))
	}
	r.pass(10 * time.Minute)
}

// end is what matters of how a story ends.
type end struct {
	Books  map[string]map[waybill.Kind]int
	Status map[string]waybill.Status
	Open   []string
}

func (r *rig) end(orders ...string) end {
	r.t.Helper()
	e := end{Books: map[string]map[waybill.Kind]int{}, Status: map[string]waybill.Status{}}
	for _, o := range orders {
		for name := range r.fakes {
			if held := r.held(name, o); len(held) > 0 {
				e.Books[name+" "+o] = held
			}
		}
		e.Status[o] = r.orderStatus(o)
	}
	for _, x := range r.open("") {
		e.Open = append(e.Open, x.Cause+" "+x.Ref)
	}
	return e
}

// Every call to the store fails once, each in a run of its own, until one runs
// through; and each commit happens and says it did not. What was acknowledged
// is there, the books end as without a fault.
func TestF60_EveryStoreCallFailsOnce(t *testing.T) {
	var want end
	{
		r := newRig(t)
		life(r)
		r.audit()
		want = r.end("SO-1", "SO-2")
		if want.Status["SO-1"] != waybill.StatusInvoiced || want.Status["SO-2"] != waybill.StatusCancelled {
			t.Fatalf("without a fault: %+v", want)
		}
	}
	for _, how := range []struct {
		name    string
		overlap bool
		fault   fault
		only    []string
	}{
		{"fails", false, fails, nil}, {"fails, overlapping", true, fails, []string{"Begin", "KeepMessages", "Write", "Commit"}},
		{"commit lies", false, lies, []string{"Commit"}}, {"commit lies, overlapping", true, lies, []string{"Commit"}},
	} {
		t.Run(how.name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				hit, seen := "", 0
				r := newRig(t, func(r *rig) {
					r.overlap, r.bite, r.opt.Timing.ProbeEvery = how.overlap, 2, time.Hour
					r.breakStore(func(_ int, name string) fault {
						if how.only == nil || slices.Contains(how.only, name) {
							if seen++; seen == n {
								hit = name
								return how.fault
							}
						}
						return works
					})
				})
				life(r)
				r.audit()
				if diff := cmp.Diff(want, r.end("SO-1", "SO-2")); diff != "" {
					t.Errorf("call %d (%s) failed (-want +got):\n%s", n, hit, diff)
				}
				if t.Failed() {
					t.Fatalf("with call %d (%s) failing", n, hit)
				}
				if hit == "" {
					t.Logf("%d calls", n-1)
					return
				}
			}
		})
	}
}

// The process dies at every place where it can, between any two commits and
// also between a commit and its consequences; requests under way arrive or
// don't. The books end as if nothing had happened.
func TestF01_TheProcessDiesAnywhere(t *testing.T) {
	for _, how := range []struct {
		class           waybill.Idempotency
		overlap, arrive bool
	}{
		{waybill.ByLookup, false, false}, {waybill.ByLookup, false, true}, {waybill.ByKey, false, true},
		{waybill.ByLookup, true, true}, {waybill.ByKey, true, false},
	} {
		t.Run(fmt.Sprintf("%s overlap=%t arrive=%t", how.class, how.overlap, how.arrive), func(t *testing.T) {
			t.Parallel()
			setup := func(at int) *rig {
				return newRig(t, func(r *rig) {
					r.overlap, r.bite, r.arrive, r.crashAt = how.overlap, 2, how.arrive, at
					r.opt.Timing.ProbeEvery = time.Hour
					for _, f := range r.fakes {
						f.class = how.class
					}
				})
			}
			calm := setup(0)
			life(calm)
			want := calm.end("SO-1", "SO-2")
			for at := 1; at <= calm.points; at++ {
				r := setup(at)
				life(r)
				r.audit()
				if diff := cmp.Diff(want, r.end("SO-1", "SO-2")); diff != "" {
					t.Errorf("the end (-want +got):\n%s", diff)
				}
				if r.mended != 1 {
					t.Errorf("it died %d times", r.mended)
				}
				if t.Failed() {
					t.Fatalf("died at point %d of %d", at, calm.points)
				}
			}
			t.Logf("%d points", calm.points)
		})
	}
}
