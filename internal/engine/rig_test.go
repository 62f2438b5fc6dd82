package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/contract"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// rig runs one engine by hand: the clock moves when a test says so, requests
// to systems lie in a list until a test lets them go, and a crash is an engine
// that is dropped beside its store.
type rig struct {
	t      testing.TB
	db     store.Store // what the engine sees
	kept   store.Store // the database itself
	opt    Options
	now    time.Time
	e      *Engine
	calls  []func() // requests under way, in the order in which they left
	fakes  map[string]*fake
	alerts []Alert
	serial int // of messages

	overlap bool  // decide each batch while the one before it is written, as Run does
	bite    int   // inputs taken at once, where batches overlap
	pipe    *pipe // where batches overlap
	mended  int   // how often the engine had to be started again

	points  int  // places passed where a process can die
	crashAt int  // the one where it does; 0: nowhere
	arrive  bool // requests under way still reach their systems
}

var errCrash = errors.New("the process died")

// point is a place where a process can die.
func (r *rig) point() error {
	if r.points++; r.points == r.crashAt {
		return errCrash
	}
	return nil
}

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// rigTiming has round numbers: chance is 0, so a back-off is half of its step.
var rigTiming = lane.Timing{
	Deadline: 30 * time.Second, Settle: 2 * time.Second, BackoffMin: time.Second, BackoffMax: time.Minute,
	AckDeadline: time.Hour, HoldRecheck: 15 * time.Minute, ProbeEvery: time.Minute,
}

// newRig opens an engine between a shop, an ERP, a WMS and a carrier. Every
// change runs before it starts.
func newRig(t testing.TB, changes ...func(*rig)) *rig {
	t.Helper()
	db, err := sqlite.Open(t.Context(), "", sqlite.Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, db: db, kept: db, now: start, fakes: map[string]*fake{}}
	for name, role := range map[string]waybill.Role{"shop": waybill.RoleChannel, "erp": waybill.RoleERP,
		"wms": waybill.RoleWMS, "carrier": waybill.RoleCarrier} {
		r.fakes[name] = newFake(r, name, role)
	}
	r.opt = Options{
		Policy: &process.Policy{Namespace: "test", Company: "01", ERP: "erp", WMS: "wms",
			Channels:    map[string]process.Channel{"shop": {Documents: true}},
			HoldRecheck: rigTiming.HoldRecheck, Limbo: 10 * time.Minute},
		Timing:  rigTiming,
		Replica: "one",
		Now:     func() time.Time { return r.now },
		Chance:  func() float64 { return 0 },
		Go:      func(f func()) { r.calls = append(r.calls, f) },
		Notify:  func(a Alert) { r.alerts = append(r.alerts, a) },
	}
	for _, change := range changes {
		change(r)
	}
	r.boot()
	return r
}

// systems are the fakes as the engine is configured with them.
func (r *rig) systems() []System {
	var out []System
	for _, name := range slices.Sorted(maps.Keys(r.fakes)) {
		out = append(out, r.fakes[name].system())
	}
	return out
}

// boot starts an engine on the store, beside whatever was there before.
func (r *rig) boot() {
	r.t.Helper()
	opt := r.opt
	opt.Store, opt.Systems = r.db, r.systems()
	for try := 1; ; try++ {
		r.e = New(opt)
		err := r.e.Start(r.t.Context())
		if err == nil {
			break
		}
		if try == 3 {
			r.t.Fatal(err)
		}
	}
	r.pipe = &pipe{e: r.e, work: make(chan *batch, 1), written: make(chan error, 1)}
}

// crash drops the engine without a drain. Requests under way stay on their
// way: they are returned, and whatever they bring comes too late.
func (r *rig) crash() []func() {
	under := r.calls
	r.calls = nil
	close(r.e.gone) // connections break: senders get no answer
	return under
}

// restart is a crash and a new engine; requests under way arrive only where
// the rig says so.
func (r *rig) restart() {
	r.t.Helper()
	under := r.crash()
	if r.arrive {
		for _, f := range under {
			f()
		}
	}
	r.boot()
}

// step commits what has come in and what is due, and looks at the lanes.
func (r *rig) step() {
	r.t.Helper()
	var err error
	if r.overlap {
		err = r.overlapped(r.t.Context())
	} else {
		err = r.e.Step(r.t.Context(), r.e.take(nil))
	}
	if err == nil && !r.overlap {
		err = r.point()
	}
	if err != nil { // Run would end: the process is started again
		if r.mended++; r.mended > 3 {
			r.t.Fatalf("step: %v", err)
		}
		r.restart()
	}
	r.checkLanes()
}

// overlapped does what Run does in one turn: it decides on what has come in on
// top of the batch that is being written, then that one is committed, and the
// writer gets the next.
func (r *rig) overlapped(ctx context.Context) error {
	p := r.pipe
	var ins []input
	for len(r.e.inbox) > 0 && len(ins) < r.bite {
		ins = append(ins, <-r.e.inbox)
	}
	var bad error
	if len(ins) > 0 || p.next == nil && p.writing == nil && r.e.somethingDue(r.now) {
		if p.next == nil {
			p.next = r.e.newBatch(p.writing)
		}
		bad = p.next.take(ctx, ins)
	}
	if p.writing != nil {
		if err := r.point(); err != nil {
			return err
		}
		p.written <- r.e.write(ctx, <-p.work)
		if err := r.point(); err != nil {
			return err
		}
	}
	if bad != nil {
		return p.broken(ctx, bad)
	}
	if p.writing != nil {
		if err := p.finish(ctx, <-p.written); err != nil {
			return err
		}
	}
	return p.hand(ctx)
}

// idle reports whether a step would do nothing.
func (r *rig) idle() bool {
	return len(r.e.inbox) == 0 && r.pipe.writing == nil && r.pipe.next == nil && !r.e.somethingDue(r.now)
}

// stir steps until neither inputs nor due times make it do anything, without
// letting requests go.
func (r *rig) stir() {
	r.t.Helper()
	for n := 0; !r.idle(); n++ {
		if n > 1000 {
			r.t.Fatal("the engine finds something to do for ever")
		}
		r.step()
	}
}

// let lets the oldest request under way go.
func (r *rig) let() {
	f := r.calls[0]
	r.calls = r.calls[1:]
	f()
}

// settle runs until nothing is under way and nothing is due now.
func (r *rig) settle() {
	r.t.Helper()
	for n := 0; ; n++ {
		if n > 5000 {
			r.t.Fatal("the engine does not come to rest")
		}
		r.stir()
		if len(r.calls) == 0 {
			return
		}
		r.let()
	}
}

// pass moves the clock and settles what comes due on the way, at its time.
func (r *rig) pass(d time.Duration) {
	r.t.Helper()
	end := r.now.Add(d)
	for {
		r.settle()
		next, some := r.e.due.next()
		if !some || next.After(end) {
			break
		}
		if next.After(r.now) {
			r.now = next
		}
	}
	r.now = end
	r.settle()
}

// push puts a message in the inbox as Keep does, and returns where its answer
// will come.
func (r *rig) push(source, id string, body string) <-chan keptOrError {
	r.t.Helper()
	m, events := r.message(source, id, body)
	reply := make(chan keptOrError, 1)
	r.enqueue(func(e *Engine) {
		kept, err := e.Keep(r.t.Context(), m, events)
		reply <- keptOrError{kept, err}
	})
	return reply
}

// message is a push as intake hands it over.
func (r *rig) message(source, id, body string) (ledger.Message, []waybill.Event) {
	r.t.Helper()
	m := ledger.Message{Source: source, DedupeID: id, Status: ledger.Accepted, ReceivedAt: r.now,
		SHA256: sha256.Sum256([]byte(body)), Body: []byte(body)}
	events, err := r.fakes[source].translator.Translate(connector.Message{System: source, Body: m.Body, ReceivedAt: r.now})
	r.must(err)
	return m, events
}

// enqueue runs a call of the engine's beside the test, until what it submits
// is in the inbox or it has returned.
func (r *rig) enqueue(f func(*Engine)) {
	e, before, back := r.e, len(r.e.inbox), make(chan struct{})
	go func() { defer close(back); f(e) }()
	for len(e.inbox) == before {
		select {
		case <-back:
			return
		default:
			runtime.Gosched()
		}
	}
}

// tell pushes a fact under a fresh id and commits it.
func (r *rig) tell(source string, kind waybill.EventType, data string) Kept {
	r.t.Helper()
	return r.tellAll(fact{source, kind, data})[0]
}

// fact is what a system has to tell.
type fact struct {
	source string
	kind   waybill.EventType
	data   string
}

// tellAll pushes facts side by side, each under a fresh id. A sender without a
// yes sends again.
func (r *rig) tellAll(facts ...fact) []Kept {
	r.t.Helper()
	ids, bodies, kept := make([]string, len(facts)), make([]string, len(facts)), make([]Kept, len(facts))
	for i, f := range facts {
		r.serial++
		ids[i], bodies[i] = fmt.Sprintf("m%d", r.serial), r.body(f.kind, f.data)
	}
	open := len(facts)
	for try := 0; open > 0; try++ {
		if try == 4 {
			r.t.Fatalf("%d messages were not kept after four tries", open)
		}
		replies := make([]<-chan keptOrError, len(facts))
		for i, f := range facts {
			if kept[i].Message == 0 {
				replies[i] = r.push(f.source, ids[i], bodies[i])
			}
		}
		if r.step(); r.overlap {
			r.stir()
		}
		for i, reply := range replies {
			if reply == nil {
				continue
			}
			switch k := soon(r.t, reply); {
			case k.err == nil:
				kept[i] = k.kept
				open--
			case !errors.Is(k.err, ErrStopped):
				r.t.Fatalf("the message was not kept: %v", k.err)
			}
		}
	}
	return kept
}

func (r *rig) body(kind waybill.EventType, data string) string {
	return fmt.Sprintf(`{"type":%q,"timestamp":%q,"data":%s}`, kind, r.now.Format(time.RFC3339), data)
}

// soon takes what must have been said by now; only the goroutine that passes
// it on may still have to run.
func soon[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	patience := time.NewTimer(5 * time.Second)
	defer patience.Stop()
	select {
	case v := <-from:
		return v
	case <-patience.C:
		t.Fatal("no answer came")
	}
	panic("unreachable")
}

// do gives a command and commits it.
func (r *rig) do(object Object, name, action string, more ...string) error {
	r.t.Helper()
	c := Command{Actor: "ops", Object: object, Name: name, Action: action, Reason: "a test"}
	if len(more) > 0 {
		c.Ref = more[0]
	}
	return r.give(c)
}

func (r *rig) give(c Command) error {
	r.t.Helper()
	for range 4 {
		reply := r.command(c)
		if r.step(); r.overlap {
			r.stir()
		}
		if err := soon(r.t, reply); !errors.Is(err, ErrStopped) {
			return err
		}
	}
	return ErrStopped
}

// command puts a command in the inbox.
func (r *rig) command(c Command) <-chan error {
	reply := make(chan error, 1)
	r.enqueue(func(e *Engine) { reply <- e.Do(r.t.Context(), c) })
	return reply
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// place places an order of one line of five pieces and settles.
func (r *rig) place(order string) {
	r.t.Helper()
	r.tell("shop", waybill.OrderPlaced, orderData(order, 1, "5"))
}

func orderData(order string, version int, qty string) string {
	return fmt.Sprintf(`{"order":%q,"version":%d,"customer":"C1","currency":"EUR","ship_to":{"id":"D1"},"lines":[{"line":"1","sku":"A","qty":%q,"uom":"EA","price":"9.90"},`+
		`{"line":"2","sku":"B","qty":"2","uom":"EA","price":"1.50"}]}`, order, version, qty)
}

func (r *rig) ship(order, shipment, lines string) {
	r.t.Helper()
	r.tell("wms", waybill.ShipmentConfirmed, fmt.Sprintf(`{"order":%q,"shipment":%q,"shipped_at":%q,"lines":%s}`,
		order, shipment, r.now.Format(time.RFC3339), lines))
}

const allLines = `[{"line":"1","qty":"5"},{"line":"2","qty":"2"}]`

// deliveries reads what is in the lanes of an order to a target, in the order
// of their ids; kind "" means any.
func (r *rig) deliveries(order, target string, kind waybill.Kind) []lane.Delivery {
	r.t.Helper()
	ctx := r.t.Context()
	w, err := r.kept.WaybillByTag(ctx, process.Tag(order, r.opt.Policy), waybill.FlowSales, order)
	r.must(err)
	all, err := r.kept.DeliveriesOf(ctx, w.ID)
	r.must(err)
	return slices.DeleteFunc(all, func(d lane.Delivery) bool {
		return target != "" && d.Target != target || kind != "" && d.Kind != kind
	})
}

// one reads the only delivery of its kind.
func (r *rig) one(order string, kind waybill.Kind) lane.Delivery {
	r.t.Helper()
	ds := r.deliveries(order, "", kind)
	if len(ds) != 1 {
		r.t.Fatalf("%s has %d deliveries of %s, want 1", order, len(ds), kind)
	}
	return ds[0]
}

// shown is a delivery's state as C3 shows it.
func (r *rig) shown(d lane.Delivery) (lane.State, string) {
	r.t.Helper()
	return Shown(d, r.status())
}

func (r *rig) status() []SystemStatus {
	r.t.Helper()
	reply := make(chan []SystemStatus, 1)
	r.enqueue(func(e *Engine) {
		s, err := e.Systems(r.t.Context())
		if err != nil {
			r.t.Error(err)
		}
		reply <- s
	})
	r.step()
	return soon(r.t, reply)
}

func (r *rig) system(name string) SystemStatus {
	r.t.Helper()
	for _, s := range r.status() {
		if s.Name == name {
			return s
		}
	}
	r.t.Fatalf("no system %s", name)
	return SystemStatus{}
}

// open lists the open exceptions of a cause; "" means any.
func (r *rig) open(cause string) []exception.Exception {
	r.t.Helper()
	xs, err := r.kept.Exceptions(r.t.Context(), exception.Query{State: exception.Open, Cause: cause, Limit: 1000})
	r.must(err)
	return xs
}

func (r *rig) orderStatus(order string) waybill.Status {
	r.t.Helper()
	w, err := r.kept.WaybillByTag(r.t.Context(), process.Tag(order, r.opt.Policy), waybill.FlowSales, order)
	r.must(err)
	return w.Status
}

// event reads an event as C4 shows it.
func (r *rig) event(id int64) ledger.Event {
	r.t.Helper()
	ev, err := r.kept.Event(r.t.Context(), id)
	r.must(err)
	return ev
}

// held reads how often each kind is in a system's books for an order.
func (r *rig) held(system, order string) map[waybill.Kind]int {
	out := map[waybill.Kind]int{}
	for _, en := range r.fakes[system].books {
		if en.order == order {
			out[en.kind]++
		}
	}
	return out
}

// translatorOf is the contract connector's reading of a system's pushes, and
// its writing of documents.
func contractOf(t testing.TB, name string, role waybill.Role) connector.Connector {
	t.Helper()
	c, err := contract.Manifest().Open(connector.Env{System: name, Role: role, Observe: true})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
