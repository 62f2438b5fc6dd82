package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/store"
)

// loop runs the engine of a rig as serve does: with goroutines and the real
// clock. stop ends it and returns what Run said.
func (r *rig) loop(grace time.Duration) (stop func() error) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	e := r.e
	go func() { done <- e.Run(ctx, grace) }()
	return func() error {
		cancel()
		return soon(r.t, done)
	}
}

// gate is a target whose answers wait until a test lets them go.
type gate struct {
	mu      sync.Mutex
	waiting int
	arrived chan struct{}
	open    chan struct{}
}

func (g *gate) Deliver(ctx context.Context, _ connector.Attempt) (waybill.Outcome, error) {
	g.mu.Lock()
	g.waiting++
	g.mu.Unlock()
	g.arrived <- struct{}{}
	select {
	case <-g.open:
		return waybill.Outcome{Verdict: waybill.Done, Receipt: waybill.Receipt{Ref: "R"}}, nil
	case <-ctx.Done():
		return waybill.Outcome{}, ctx.Err()
	}
}

// realRig is a rig whose engine runs on the real clock, with an ERP behind a
// gate.
func realRig(t *testing.T, changes ...func(*rig)) (*rig, *gate) {
	g := &gate{arrived: make(chan struct{}, 4096), open: make(chan struct{})}
	r := newRig(t, changes...)
	r.opt.Now, r.opt.Go = nil, nil
	systems := r.systems()
	for i, s := range systems {
		if s.Name == "erp" {
			systems[i].Conn.Deliverer, systems[i].Conn.Prober, systems[i].Concurrency = g, nil, 4096
		}
	}
	opt := r.opt
	opt.Store, opt.Systems = r.db, systems
	r.e = New(opt)
	r.must(r.e.Start(t.Context()))
	return r, g
}

// keepAll keeps n orders side by side and waits for their answers.
func (r *rig) keepAll(n int) {
	r.t.Helper()
	var all sync.WaitGroup
	for i := range n {
		m, events := r.message("shop", fmt.Sprintf("k%d", i), r.body(waybill.OrderPlaced, orderData(fmt.Sprintf("SO-%d", i), 1, "5")))
		all.Go(func() {
			if _, err := r.e.Keep(r.t.Context(), m, events); err != nil {
				r.t.Error(err)
			}
		})
	}
	all.Wait()
}

// A stop waits for what is under way and records every outcome, however many
// come at once: the next process finds nothing in doubt.
func TestF46_DrainRecordsEveryOutcome(t *testing.T) {
	const orders = 600
	r, g := realRig(t)
	stop := r.loop(10 * time.Second)
	r.keepAll(orders)
	for range orders {
		<-g.arrived
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for !r.e.stopping.Load() {
		select {
		case err := <-stopped:
			t.Fatalf("it did not wait for the requests under way: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if ok, _ := r.e.Ready(); ok {
		t.Error("it says that it is ready while it stops")
	}
	close(g.open)
	r.must(soon(t, stopped))
	counts := map[string]int{}
	for i := range orders {
		for _, d := range r.deliveries(fmt.Sprintf("SO-%d", i), "erp", waybill.OrderCheck) {
			counts[string(d.State)]++
		}
	}
	if counts["done"] != orders {
		t.Errorf("after the drain: %v, want %d done", counts, orders)
	}
}

// More outcomes than a batch holds lie there when the last request ends.
func TestF46_DrainEmptiesTheInbox(t *testing.T) {
	const orders = 1000
	r := newRig(t, func(r *rig) { r.fakes["erp"].room, r.opt.Timing.ProbeEvery = orders, time.Hour })
	r.settle()
	for i := range orders {
		r.push("shop", fmt.Sprintf("d%d", i), r.body(waybill.OrderPlaced, orderData(fmt.Sprintf("SO-%d", i), 1, "5")))
	}
	r.stir()
	for len(r.calls) > 0 {
		r.let()
	}
	r.must(r.e.drain(t.Context(), time.Minute))
	for i := range orders {
		if d := r.one(fmt.Sprintf("SO-%d", i), waybill.OrderCheck); d.State != lane.Done {
			t.Fatalf("the check of SO-%d is %s after the drain", i, d.State)
		}
	}
}

// A stop does not wait for ever.
func TestF46_DrainEndsWithItsGrace(t *testing.T) {
	r, g := realRig(t)
	stop := r.loop(time.Millisecond)
	r.keepAll(1)
	<-g.arrived
	r.must(stop())
	close(g.open)
	if d := r.one("SO-0", waybill.OrderCheck); d.State != "in_flight" {
		t.Errorf("what had no outcome is %s, want in flight: the next process takes it as in doubt", d.State)
	}
}

// Whoever asks something of an engine that stops or has stopped is answered,
// whenever it was.
func TestStopAnswersEverybody(t *testing.T) {
	r, g := realRig(t)
	close(g.open)
	stop := r.loop(time.Second)
	var all sync.WaitGroup
	kept := make(chan string, 10000)
	for n := range 8 {
		all.Go(func() {
			for i := 0; ; i++ {
				ref := fmt.Sprintf("SO-%d-%d", n, i)
				m, events := r.message("shop", ref, r.body(waybill.OrderPlaced, orderData(ref, 1, "5")))
				if _, err := r.e.Keep(context.Background(), m, events); err != nil {
					if !errors.Is(err, ErrStopped) {
						t.Errorf("keep: %v", err)
					}
					return
				}
				kept <- ref
			}
		})
	}
	for range 50 {
		<-kept
	}
	r.must(stop())
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	soon(t, ended)
	ctx := context.Background()
	if err := r.e.Do(ctx, Command{Object: ToSystem, Name: "erp", Action: "pause", Reason: "x"}); !errors.Is(err, ErrStopped) {
		t.Errorf("a command after the stop: %v", err)
	}
	if _, err := r.e.Systems(ctx); !errors.Is(err, ErrStopped) {
		t.Errorf("the systems after the stop: %v", err)
	}
	if err := r.e.Reconfigure(ctx, Configuration{}, "x"); !errors.Is(err, ErrStopped) {
		t.Errorf("a reload after the stop: %v", err)
	}
	close(kept)
	for ref := range kept { // what was acknowledged is there
		if r.orderStatus(ref) == "" {
			t.Errorf("%s is lost", ref)
		}
	}
}

// Commits that fail are told to those who wait; the next that works makes the
// engine ready again.
func TestF04_DiskFull(t *testing.T) {
	full := false
	r := newRig(t, func(r *rig) {
		r.breakStore(func(_ int, name string) fault {
			if full && name == "Commit" {
				return fails
			}
			return works
		})
	})
	r.settle()
	r.place("SO-0")
	for range 3 { // with an answer that comes while the disk is full
		r.let()
		r.step()
	}
	full = true
	for i := range 5 {
		m := r.push("shop", fmt.Sprintf("f%d", i), r.body(waybill.OrderPlaced, orderData(fmt.Sprintf("SO-%d", i+1), 1, "5")))
		r.step()
		if k := soon(t, m); !errors.Is(k.err, ErrStopped) {
			t.Fatalf("a sender was told %+v while nothing could be stored", k)
		}
	}
	if ok, why := r.e.Ready(); ok || len(why) == 0 {
		t.Error("it says that it is ready and can't commit")
	}
	systems := r.status()
	if len(systems) != 4 {
		t.Errorf("the status of %d systems can be read, want 4", len(systems))
	}
	full = false
	for i := range 5 {
		m := r.push("shop", fmt.Sprintf("f%d", i), r.body(waybill.OrderPlaced, orderData(fmt.Sprintf("SO-%d", i+1), 1, "5")))
		r.settle()
		if k := soon(t, m); k.err != nil || k.kept.Duplicate {
			t.Fatalf("sent again: %+v", k)
		}
	}
	if ok, why := r.e.Ready(); !ok {
		t.Errorf("it can commit again and is not ready: %v", why)
	}
	for i := range 6 {
		ref := fmt.Sprintf("SO-%d", i)
		if s := r.orderStatus(ref); s != waybill.StatusReleased {
			t.Errorf("%s is %s", ref, s)
		}
	}
	r.audit()
}

// An answer that came while nothing could be stored is not forgotten: even a
// system that can't be asked again needs no person.
func TestF60_AnAnswerOutlivesAFailedCommit(t *testing.T) {
	bad := false
	r := newRig(t, func(r *rig) {
		r.fakes["erp"].class = waybill.NoIdempotency
		r.breakStore(func(_ int, name string) fault {
			if bad && name == "Commit" {
				return fails
			}
			return works
		})
	})
	r.settle()
	r.place("SO-1")
	r.let()
	bad = true
	for range 3 {
		r.step()
		for len(r.calls) > 0 {
			r.let()
		}
	}
	bad = false
	r.pass(time.Minute)
	if s := r.orderStatus("SO-1"); s != waybill.StatusReleased || len(r.open("")) != 0 {
		t.Errorf("SO-1 is %s, with %d exceptions", s, len(r.open("")))
	}
	if n := r.held("erp", "SO-1")[waybill.OrderCheck]; n != 1 {
		t.Errorf("%d checks in the books", n)
	}
	r.audit()
}

// An operator who was told that nothing was stored tries again, and that is
// stored then.
func TestC7_PauseThatFailedIsNotRemembered(t *testing.T) {
	bad := false
	r := newRig(t, func(r *rig) {
		r.breakStore(func(_ int, name string) fault {
			if bad && name == "Commit" {
				bad = false
				return fails
			}
			return works
		})
	})
	r.settle()
	bad = true
	first := r.command(Command{Actor: "ops", Object: ToSystem, Name: "erp", Action: "pause", Reason: "x"})
	r.step()
	if err := soon(t, first); !errors.Is(err, ErrStopped) {
		t.Fatalf("the failed pause was answered %v", err)
	}
	if s := r.system("erp"); s.Paused != "" {
		t.Errorf("paused is %q after a pause that failed", s.Paused)
	}
	r.must(r.do(ToSystem, "erp", "pause"))
	r.restart()
	if s := r.system("erp"); s.Paused != "operator" {
		t.Errorf("paused is %q after the restart", s.Paused)
	}
}

// An owner that was fenced stops; it does not fight.
func TestF43_FencedOwnerStops(t *testing.T) {
	r := newRig(t)
	r.place("SO-1")
	old := r.e
	r.crash()
	r.boot()
	m, events := r.message("shop", "late", r.body(waybill.OrderPlaced, orderData("SO-2", 1, "5")))
	reply := make(chan keptOrError, 1)
	err := old.Step(t.Context(), []input{&arrival{message: m, events: events, reply: reply}})
	if !errors.Is(err, store.ErrFenced) {
		t.Errorf("the old owner's commit: %v", err)
	}
	if k := soon(t, reply); !errors.Is(k.err, ErrStopped) {
		t.Errorf("its sender was told %+v", k)
	}
	r.pass(time.Minute)
	r.audit()
}
