package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store/postgres"
	"github.com/waybillhq/waybill/internal/store/postgrestest"
)

// pair is two engines on one database, between the same systems, stepped by
// hand in turn. The first one started has all orders, where they are not
// divided.
type pair struct {
	t    *testing.T
	url  string
	a, b *rig
}

func newPair(t *testing.T, divided bool, changes ...func(*rig)) *pair {
	t.Helper()
	p := &pair{t: t, url: postgrestest.Shared(t).Database(t)}
	open := func(name string) *rig {
		return newRig(t, func(r *rig) {
			db, err := postgres.Open(t.Context(), p.url, postgres.Options{Name: name})
			r.must(err)
			t.Cleanup(func() { r.must(db.Close()) })
			r.db, r.kept = db, db
			r.opt.Replica, r.opt.Lease, r.opt.Divided = name, time.Hour, divided
			if p.a != nil {
				r.fakes = p.a.fakes
				r.opt.Now = func() time.Time { return p.a.now }
			}
			for _, change := range changes {
				change(r)
			}
		})
	}
	p.a = open("one")
	p.b = open("two")
	p.b.serial = 1000 // each its own messages
	return p
}

// look lets one replica look who owns what, and do what was handed to it. It
// reports whether anything was.
func (p *pair) look(r *rig) {
	p.t.Helper()
	r.now = r.opt.Now()
	ctx := p.t.Context()
	r.must(r.e.share.keep(ctx, r.opt.Now))
	if r.e.shiftDue() {
		r.must(r.e.shift(ctx))
	}
	r.must(r.e.fetchOnce(ctx))
	r.settle()
}

// settle lets both look until what one hands over the other has done.
func (p *pair) settle(rs ...*rig) {
	p.t.Helper()
	if len(rs) == 0 {
		rs = []*rig{p.a, p.b}
	}
	for range 8 {
		for _, r := range rs {
			p.look(r)
		}
	}
}

// pass lets time go by, with a look every second.
func (p *pair) pass(d time.Duration, rs ...*rig) {
	p.t.Helper()
	for end := p.a.now.Add(d); p.a.now.Before(end); {
		p.a.now = p.a.now.Add(time.Second)
		for _, r := range rs {
			p.look(r)
		}
	}
}

// expire ends the lease of a replica, as the database's clock would.
func (p *pair) expire(name string) {
	p.t.Helper()
	ctx := p.t.Context()
	conn, err := pgx.Connect(ctx, p.url)
	p.a.must(err)
	defer conn.Close(ctx) //nolint:errcheck // it has done its work
	_, err = conn.Exec(ctx, `UPDATE replica SET expires = clock_timestamp() - interval '1 s' WHERE name = $1`, name)
	p.a.must(err)
}

// wait gives an answer that comes from the other replica, which is stepped
// meanwhile.
func wait[T any](p *pair, from <-chan T) (answer T) {
	p.t.Helper()
	for range 100 {
		p.settle()
		select {
		case answer = <-from:
			return answer
		case <-time.After(50 * time.Millisecond):
		}
	}
	p.t.Fatal("no answer came from the other replica")
	return answer
}

// once wants every document of an order once in the books.
func (p *pair) once(order string) {
	p.t.Helper()
	for system, kinds := range map[string][]waybill.Kind{"erp": {waybill.OrderCheck, waybill.SalesOrder}, "wms": {waybill.WarehouseOrder}} {
		held := p.a.held(system, order)
		for _, kind := range kinds {
			if held[kind] != 1 {
				p.t.Errorf("%s holds %s of %s %d times", system, kind, order, held[kind])
			}
		}
	}
}

// What is told to the replica that stands by, and what its neighbour dies with
// under way, is in every system's books once. Who wakes afterwards writes
// nothing.
func TestF43_TakeOverWithRequestsUnderWay(t *testing.T) {
	for _, divided := range []bool{false, true} {
		t.Run(fmt.Sprint("divided=", divided), func(t *testing.T) {
			p := newPair(t, divided)
			p.settle()
			for i := range 8 {
				r := p.a
				if i%2 == 1 {
					r = p.b
				}
				r.tell("shop", waybill.OrderPlaced, orderData(fmt.Sprintf("SO-%d", i), 1, "5"))
				r.stir() // attempts are committed, and lie there
			}
			for range 3 {
				p.look(p.b)
			}
			under := p.a.crash()
			for i, f := range under {
				if i%2 == 0 { // half of them still reach their systems
					f()
				}
			}
			p.expire("one")
			p.pass(2*time.Minute, p.b)
			if !p.b.e.ownsAll() {
				t.Fatal("the orders were not taken over")
			}
			for i := range 8 {
				p.once(fmt.Sprintf("SO-%d", i))
			}
			before, err := p.b.kept.Heads(t.Context())
			p.a.must(err)
			p.a.e.inbox = make(chan input, inboxSize) // it wakes: what it believed is over
			if err := p.a.e.Step(t.Context(), []input{&entityTouch{}}); err == nil && p.a.e.owns(steward) {
				t.Error("the zombie still believes that it owns what it lost")
			}
			after, err := p.b.kept.Heads(t.Context())
			p.a.must(err)
			if fmt.Sprint(before) != fmt.Sprint(after) {
				t.Error("the zombie wrote events")
			}
			p.b.audit()
		})
	}
}

// entityTouch is an input that writes an event into the steward's shard.
type entityTouch struct{}

func (*entityTouch) apply(_ context.Context, b *batch) error {
	b.recordAs(1<<60, nil, &waybill.Event{Type: MessageNoted, Source: "shop", Subject: "late"}, 0)
	return nil
}

func (*entityTouch) fail(error) {}

// Control numbers rise by one, whichever replica gives them: none is given
// twice, and none is skipped.
func TestNumbered_OverReplicas(t *testing.T) {
	var f *fake
	p := newPair(t, false, func(r *rig) {
		if r.opt.Replica == "one" {
			f = numbered(r, "wms")
		}
	})
	p.settle()
	rs := []*rig{p.a, p.b}
	for i := range 6 {
		rs[i%2].tell("shop", waybill.OrderPlaced, orderData(fmt.Sprintf("SO-%d", i), 1, "5"))
		p.settle()
		leader := p.a
		if !leader.e.Leads() {
			leader = p.b
		}
		other := p.b
		if leader == p.b {
			other = p.a
		}
		if i < 3 {
			leader.must(leader.e.leave(t.Context())) // it hands over in order
		} else {
			leader.tell("shop", waybill.OrderPlaced, orderData(fmt.Sprintf("LATE-%d", i), 1, "5"))
			leader.stir()
			p.expire(leader.opt.Replica) // it sleeps with requests under way, and wakes
		}
		p.look(other)
		p.settle()
	}
	given := map[string]string{}
	p.pass(3*time.Minute, p.a, p.b)
	for _, a := range f.attemptsOf(waybill.WarehouseOrder) {
		_, rest, _ := strings.Cut(string(a.Body), `"number":`)
		number, _, _ := strings.Cut(rest, ",")
		if key, taken := given[number]; taken && key != a.Key {
			t.Errorf("number %s was given to %s and to %s", number, key, a.Key)
		}
		given[number] = a.Key
	}
	if len(given) != 9 {
		t.Errorf("%d numbers were given to 9 documents", len(given))
	}
	for n := 1; n <= 9; n++ {
		if given[fmt.Sprint(n)] == "" {
			t.Errorf("number %d was skipped: %v", n, given)
		}
	}
	p.b.audit()
}

// Where orders are divided nobody gives numbers, and what changes all shards in
// one commit is refused by name.
func TestDivided_RefusesWhatOnlyOneCanDo(t *testing.T) {
	var f *fake
	p := newPair(t, true, func(r *rig) {
		if r.opt.Replica == "one" {
			f = numbered(r, "wms")
		}
	})
	p.settle()
	for i := range 4 {
		p.a.tell("shop", waybill.OrderPlaced, orderData(fmt.Sprintf("SO-%d", i), 1, "5"))
	}
	p.settle()
	if n := len(f.attemptsOf(waybill.WarehouseOrder)); n > 0 {
		t.Errorf("%d documents with numbers went out of two replicas", n)
	}
	refused := func(what string, err error) {
		t.Helper()
		if no := (*waybill.Error)(nil); !errors.As(err, &no) || no.Code != "several_replicas" {
			t.Errorf("%s: %v, want several_replicas", what, err)
		}
	}
	for _, r := range []*rig{p.a, p.b} {
		said := make(chan error, 1)
		r.enqueue(func(e *Engine) {
			_, err := e.Map(t.Context(), Remap{Actor: "ops", Reason: "a test", Add: []identity.Mapping{itemOf("shop", "A-1", "A")}})
			said <- err
		})
		refused("a mapping", wait(p, said))
		again := make(chan error, 1)
		r.enqueue(func(e *Engine) { again <- e.Reread(t.Context(), Reread{Message: 1}) })
		refused("a live replay", wait(p, again))
	}
}

// What the replica that stands by is asked for is done by the one that has the
// orders, and answered.
func TestStandby_PassesOn(t *testing.T) {
	p := newPair(t, false, ownTerms)
	p.settle()
	mapped := make(chan mappedOrError, 1)
	p.b.tell("shop", waybill.OrderPlaced, strangeOrder("SO-1", "BOX"))
	p.settle()
	p.b.enqueue(func(e *Engine) {
		m, err := e.Map(t.Context(), Remap{Actor: "ops", Reason: "a test", Add: []identity.Mapping{itemOf("shop", "BOX", "B"), itemOf("shop", "A-1", "A"),
			{Reference: identity.Reference{System: "shop", Kind: identity.Customer, Value: "K-7"}, Canonical: "C1"}}})
		mapped <- mappedOrError{m, err}
	})
	got := wait(p, mapped)
	if got.err != nil || len(got.mapped.Mappings) != 3 || len(got.mapped.Orders) != 1 || got.mapped.Orders[0] != "SO-1" {
		t.Fatalf("the mapping is answered %+v", got)
	}
	p.once("SO-1")

	body := p.b.body(waybill.OrderPlaced, orderData("SO-2", 1, "5"))
	kept := p.b.strange("shop", "odd", strings.ReplaceAll(body, "SO-2", "SO-3"))
	p.settle()
	events := p.b.read("shop", strings.ReplaceAll(body, "SO-2", "SO-3"))
	for i := range events {
		events[i].Data = bytes.ReplaceAll(events[i].Data, []byte(`"C1"`), []byte(`"K-7"`))
	}
	read := make(chan error, 1)
	p.b.enqueue(func(e *Engine) {
		read <- e.Reread(t.Context(), Reread{Message: kept.Message, Changes: []Change{{Event: events[0]}}})
	})
	p.a.must(wait(p, read))
	if m, err := p.b.kept.Message(t.Context(), kept.Message); err != nil || m.Status != ledger.Accepted {
		t.Errorf("the message read again is %s: %v", m.Status, err)
	}

	claims := make(chan error, 2)
	for _, r := range []*rig{p.a, p.b} {
		r.enqueue(func(e *Engine) {
			claims <- e.Claim(t.Context(), Claim{Name: "n", Set: map[string]string{"n": e.Name()}})
		})
	}
	if one, two := wait(p, claims), wait(p, claims); (one == nil) == (two == nil) || !errors.Is(errors.Join(one, two), ErrTaken) {
		t.Errorf("two claim at once: %v and %v", one, two)
	}

	paused := make(chan error, 1)
	p.b.enqueue(func(e *Engine) {
		paused <- e.Do(t.Context(), Command{Actor: "ops", Object: ToSystem, Name: "erp", Action: "pause", Reason: "a test"})
	})
	p.a.must(wait(p, paused))
	if s := p.a.system("erp"); s.Paused != "operator" {
		t.Errorf("the leader has %q for the pause", s.Paused)
	}
	wrong := make(chan error, 1)
	p.b.enqueue(func(e *Engine) {
		wrong <- e.Do(t.Context(), Command{Actor: "ops", Object: ToOrder, Name: "SO-1", Action: "dance", Reason: "a test"})
	})
	if no := (*waybill.Error)(nil); !errors.As(wait(p, wrong), &no) || no.Code != "unknown_action" {
		t.Errorf("a command that is wrong: %v", no)
	}
	if d := p.b.one("SO-1", waybill.WarehouseOrder); d.State != lane.Done {
		t.Errorf("%s is %s", d.Kind, d.State)
	}
	p.b.audit()
}

// F41: who does not hear of its database says that it is not ready, long before
// a load balancer would find out.
func TestF41_NotReadyWithoutTheDatabase(t *testing.T) {
	p := newPair(t, false)
	p.settle()
	for _, r := range []*rig{p.a, p.b} {
		if ok, reasons := r.e.Ready(); !ok {
			t.Errorf("%s is not ready: %v", r.opt.Replica, reasons)
		}
	}
	p.a.now = p.a.now.Add(5 * time.Second)
	for _, r := range []*rig{p.a, p.b} {
		if ok, _ := r.e.Ready(); ok {
			t.Errorf("%s is ready although its database has said nothing for five seconds", r.opt.Replica)
		}
	}
	p.look(p.b)
	if ok, reasons := p.b.e.Ready(); !ok {
		t.Errorf("the database answers again, and it is not ready: %v", reasons)
	}
}

// Two engines run side by side with goroutines and the real clock, each told
// half of the orders; each order is checked once, and both hand over at their
// end.
func TestReplicas_RunSideBySide(t *testing.T) {
	const orders = 120
	p := newPair(t, true)
	g := &gate{arrived: make(chan struct{}, 4096), open: make(chan struct{})}
	close(g.open)
	var stops []func() error
	for _, r := range []*rig{p.a, p.b} {
		r.must(r.e.leave(t.Context()))
		systems := r.systems()
		for i := range systems {
			systems[i].Conn.Deliverer, systems[i].Conn.Prober, systems[i].Conn.Inquirer = g, nil, nil
		}
		opt := r.opt
		opt.Store, opt.Systems, opt.Now, opt.Go, opt.Notify, opt.Lease = r.db, systems, nil, nil, nil, 2*time.Second
		r.e = New(opt)
		r.must(r.e.Start(t.Context()))
		stops = append(stops, r.loop(10*time.Second))
	}
	var all sync.WaitGroup
	for i := range orders {
		r := []*rig{p.a, p.b}[i%2]
		m, events := r.message("shop", fmt.Sprintf("k%d", i), r.body(waybill.OrderPlaced, orderData(fmt.Sprintf("SO-%d", i), 1, "5")))
		all.Go(func() {
			if _, err := r.e.Keep(t.Context(), m, events); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for range orders { // each order has its check under way once
		select {
		case <-g.arrived:
		case <-time.After(20 * time.Second):
			t.Fatal("an order was not checked")
		}
	}
	for _, stop := range stops {
		p.a.must(stop())
	}
	for i := range orders {
		if d := p.a.one(fmt.Sprintf("SO-%d", i), waybill.OrderCheck); d.Attempts != 1 || d.State != lane.Done {
			t.Errorf("%s of %s is %s after %d attempts", d.Kind, d.Lane, d.State, d.Attempts)
		}
	}
	owners, err := p.a.kept.Owners(t.Context())
	p.a.must(err)
	if len(owners.Replicas) != 0 {
		t.Errorf("after their end there are %+v", owners.Replicas)
	}
}

// itemsApart gives two items, each of another replica.
func (p *pair) itemsApart() (a, b string) {
	for i := range 200 {
		sku := fmt.Sprintf("SKU-%d", i)
		own := p.a.e.owns(ledger.ShardOf(process.FlowTag(waybill.FlowItem, sku, p.a.opt.Policy)))
		switch {
		case own && a == "":
			a = sku
		case !own && b == "":
			b = sku
		}
	}
	return a, b
}

// Where orders are divided a position is still spent once, whoever has the
// orders that wait for it; one that ships complete is not released over the
// items of two replicas, but by an operator's word.
func TestDivided_Backorders(t *testing.T) {
	p := newPair(t, true)
	p.settle()
	mine, theirs := p.itemsApart()
	backorder := func(order, more, lines string) {
		t.Helper()
		p.a.tell("shop", waybill.OrderPlaced, fmt.Sprintf(`{"order":%q,"customer":"C1","currency":"EUR","ship_to":{"id":"D1"}%s,"lines":[%s]}`, order, more, lines))
		p.settle()
		p.b.tell("wms", waybill.WarehouseOrderClosed, fmt.Sprintf(`{"order":%q,"warehouse_order":%q}`, order, p.a.one(order, waybill.WarehouseOrder).Key))
		p.settle()
	}
	line := func(n, sku string) string {
		return fmt.Sprintf(`{"line":%q,"sku":%q,"qty":"5","uom":"EA","price":"9.90"}`, n, sku)
	}
	var orders []string
	for i := range 4 {
		orders = append(orders, fmt.Sprintf("SO-%d", i))
		backorder(orders[i], "", line("1", mine))
	}
	p.b.position(mine, "12")
	p.settle()
	p.pass(time.Minute, p.a, p.b)
	if got := p.a.released(orders...); len(got) != 2 {
		t.Errorf("12 pieces released %v, of 5 each", got)
	}

	backorder("WHOLE", `,"ship_complete":true`, line("1", mine)+","+line("2", theirs))
	p.a.position(mine, "30")
	p.b.position(theirs, "5")
	p.settle()
	p.pass(time.Minute, p.a, p.b)
	if got := p.a.released("WHOLE"); len(got) != 0 {
		t.Error("it was released over the items of two replicas")
	}
	said := make(chan error, 1)
	p.a.enqueue(func(e *Engine) {
		said <- e.Do(t.Context(), Command{Actor: "ops", Object: ToOrder, Name: "WHOLE", Action: "release_backorder", Reason: "a test"})
	})
	p.a.must(wait(p, said))
	p.settle()
	if got := p.a.released("WHOLE"); len(got) != 1 {
		t.Error("an operator's word did not release it")
	}
	p.a.audit()
}

// An event that was announced by the replica that stands by ends in the chain of
// an order that was not known then, and has gone past its id: it gets another,
// and the announced one leads to it.
func TestStandby_AnnouncedIDsLeadToTheirEvents(t *testing.T) {
	p := newPair(t, false)
	p.settle()
	p.a.place("SO-1")
	p.settle()
	kept := p.b.tell("carrier", waybill.ShipmentDelivered, fmt.Sprintf(`{"shipment":"SH-1","delivered_at":%q}`, p.a.now.Format(time.RFC3339)))
	for range 3 { // its task lies there, while the order goes on under newer ids
		p.a.ship("SO-1", "SH-1", allLines)
	}
	p.settle()
	ev := p.b.event(kept.Event)
	w, err := p.b.kept.WaybillsByRef(t.Context(), "SO-1", 2)
	p.a.must(err)
	if len(w) != 1 || ev.Waybill != w[0].ID || ev.Type != waybill.ShipmentDelivered || ev.ID <= kept.Event {
		t.Errorf("event %d, announced as %d, is %s of waybill %d", ev.ID, kept.Event, ev.Type, ev.Waybill)
	}
	p.a.audit()
}

// F10: a replica whose clock is ten minutes ahead, or behind, takes nothing: a
// lease ends by the database's clock.
func TestF10_ClocksApart(t *testing.T) {
	for _, apart := range []time.Duration{10 * time.Minute, -10 * time.Minute} {
		var clock *rig
		p := newPair(t, false, func(r *rig) {
			r.opt.Lease = 5 * time.Minute
			if r.opt.Replica == "one" {
				clock = r
				return
			}
			r.opt.Now = func() time.Time { return clock.now.Add(apart) }
		})
		for range 5 {
			p.settle()
		}
		if !p.a.e.ownsAll() || p.b.e.Leads() {
			t.Errorf("with clocks %v apart the orders went to another replica", apart)
		}
		p.b.tell("shop", waybill.OrderPlaced, orderData("SO-1", 1, "5"))
		p.settle()
		p.once("SO-1")
	}
}
