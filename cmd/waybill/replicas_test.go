package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waybillhq/waybill/internal/sandbox"
	"github.com/waybillhq/waybill/internal/store/postgrestest"
	"github.com/waybillhq/waybill/internal/transport/transporttest"
)

// fleet is several replicas of the real binary on one database, and what stands
// before them: a request goes to any of those that are said to run.
type fleet struct {
	t    *testing.T
	bin  string
	dirs []string

	mu  sync.Mutex
	up  []string // base by replica; "": it is down
	all []*child
}

func newFleet(t *testing.T, n int, world *sandbox.World, extra string) *fleet {
	t.Helper()
	f := &fleet{t: t, bin: buildBinary(t), up: make([]string, n), all: make([]*child, n)}
	database := postgrestest.Shared(t).Database(t)
	for i := range n {
		dir := t.TempDir()
		if _, err := demoConfig(world, filepath.Join(dir, "waybill.yaml")); err != nil {
			t.Fatal(err)
		}
		keepIn(t, dir, database)
		if extra != "" {
			appendTo(t, filepath.Join(dir, "waybill.yaml"), extra)
		}
		f.dirs = append(f.dirs, dir)
		f.start(i)
	}
	t.Cleanup(f.close)
	return f
}

// close ends whoever still runs.
func (f *fleet) close() {
	for _, c := range f.all {
		if c != nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
	}
}

func (f *fleet) start(i int) {
	f.t.Helper()
	c := startServeOn(f.t, f.bin, f.dirs[i], filepath.Join(f.dirs[i], fmt.Sprint("data", i)), "127.0.0.1:0")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all[i], f.up[i] = c, c.base
}

// down takes a replica out of what requests are given to.
func (f *fleet) down(i int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.up[i] = ""
}

func (f *fleet) signal(i int, s syscall.Signal) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.all[i].cmd.Process.Signal(s); err != nil {
		f.t.Fatal(err)
	}
}

// end waits until a replica has ended.
func (f *fleet) end(i int) {
	f.mu.Lock()
	c := f.all[i]
	f.all[i] = nil
	f.mu.Unlock()
	_ = c.cmd.Wait() // how it ended is the test's doing
	_ = c.stderr.Close()
}

// RoundTrip gives a request to one of the replicas that run.
func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	var up []string
	for _, base := range f.up {
		if base != "" {
			up = append(up, base)
		}
	}
	f.mu.Unlock()
	if len(up) == 0 {
		return nil, errors.New("no replica runs")
	}
	to, err := url.Parse(up[rand.IntN(len(up))])
	if err != nil {
		return nil, err
	}
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.Host = to.Scheme, to.Host, to.Host
	return http.DefaultTransport.RoundTrip(out)
}

// any is the base of a replica that runs.
func (f *fleet) any() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, base := range f.up {
		if base != "" {
			return base
		}
	}
	f.t.Fatal("no replica runs")
	return ""
}

// trouble does something to one replica, and mends it.
func (f *fleet) trouble(ctx context.Context, chance *rand.Rand) {
	f.t.Helper()
	i := chance.IntN(len(f.dirs))
	switch chance.IntN(4) {
	case 0: // a rolling restart
		f.down(i)
		f.signal(i, syscall.SIGTERM)
		f.end(i)
		f.start(i)
	case 1: // a zombie: it wakes before its lease is over, or long after
		f.signal(i, syscall.SIGSTOP)
		pause(ctx, time.Duration(chance.IntN(3500))*time.Millisecond)
		f.signal(i, syscall.SIGCONT)
	default:
		f.down(i)
		f.signal(i, syscall.SIGKILL)
		f.end(i)
		pause(ctx, time.Duration(chance.IntN(2500))*time.Millisecond)
		f.start(i)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// make fight asks for more than every test run can afford.
var (
	fightReplicas = flag.Int("fight.replicas", 2, "replicas of TestF43_ReplicasFight")
	fightEvents   = flag.Int("fight.events", 20, "kills, stops and restarts in each of its two runs")
)

// TestF43_ReplicasFight lets replicas on one database be killed, stopped and
// woken, and restarted at random moments under load and faults. At the end every
// system's own books hold every document once and in order, and the database
// verifies.
func TestF43_ReplicasFight(t *testing.T) {
	events := *fightEvents
	if testing.Short() {
		events = 4
	}
	t.Run("standby", func(t *testing.T) { fight(t, *fightReplicas, events, "") })
	t.Run("divided", func(t *testing.T) { fight(t, *fightReplicas, events, "  replicas: divided\n") })
}

func fight(t *testing.T, replicas, events int, extra string) {
	t.Parallel()
	orders := 20 * events
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	world, err := sandbox.New(sandbox.Config{Seed: int64(seed >> 1), Lines: 3, Faults: "heavy", Once: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(events)*6*time.Second+2*time.Minute)
	defer cancel()
	if err := world.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	f := newFleet(t, replicas, world, extra)
	world.SetWaybill("http://waybill.example", &http.Client{Transport: f, Timeout: 4 * time.Second})

	placed := make(chan error, 1)
	go func() { placed <- world.PlaceOrders(ctx, orders, 16) }()
	for range events {
		pause(ctx, time.Duration(50+chance.IntN(900))*time.Millisecond)
		f.trouble(ctx, chance)
	}
	select {
	case err := <-placed:
		if err != nil {
			t.Fatal(err)
		}
	case <-ctx.Done():
		t.Fatal("the orders were not taken in time")
	}
	waitQuiet(ctx, t, world, f.any())
	books := world.Books()
	if books.Lost+books.Duplicated+books.OutOfSequence > 0 {
		t.Errorf("lost %d, duplicated %d, out of sequence %d:\n%s", books.Lost, books.Duplicated, books.OutOfSequence, strings.Join(books.Findings, "\n"))
	}
	if books.Invoices == 0 {
		t.Error("nothing was invoiced: the test shows nothing")
	}
	for i := range f.dirs {
		f.down(i)
		f.signal(i, syscall.SIGTERM)
		f.end(i)
	}
	var out, errs strings.Builder
	if code := run([]string{"verify", "--config", filepath.Join(f.dirs[0], "waybill.yaml"), "--data", filepath.Join(f.dirs[0], "data0")}, nil, &out, &errs); code != exitFine {
		t.Errorf("verify exits with %d: %s%s", code, out.String(), errs.String())
	}
}

// replicasOf is who shares the database, as a replica's status tells it.
func replicasOf(ctx context.Context, base string) (map[string]int, string) {
	var st struct {
		Replica  string
		Replicas []struct {
			Name   string
			Shards int
		}
	}
	if err := getJSON(ctx, base+"/api/v1/status", &st); err != nil {
		return nil, ""
	}
	out := map[string]int{}
	for _, r := range st.Replicas {
		out[r.Name] = r.Shards
	}
	return out, st.Replica
}

// awaitAll waits until a replica has every shard, and says how long that took.
func awaitAll(t *testing.T, base string, patience time.Duration) time.Duration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	began := time.Now()
	for {
		if all, me := replicasOf(ctx, base); all[me] == 1024 {
			return time.Since(began)
		}
		pause(ctx, 20*time.Millisecond)
		if ctx.Err() != nil {
			t.Fatalf("it does not have every shard after %v", patience)
		}
	}
}

// TestF43_TakeOverInTime: who stands by has the orders within the lease and two
// seconds after a kill, and at once after a SIGTERM; a process that starts alone
// waits for nobody's lease.
func TestF43_TakeOverInTime(t *testing.T) {
	world, err := sandbox.New(sandbox.Config{Seed: 3, Lines: 1, Faults: "none", Once: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := world.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	f := newFleet(t, 2, world, "")
	const lease = 2 * time.Second // of the timing profile fast
	awaitAll(t, f.up[0], 5*time.Second)
	f.down(0)
	f.signal(0, syscall.SIGKILL)
	f.end(0)
	if took := awaitAll(t, f.up[1], 10*time.Second); took > lease+2*time.Second {
		t.Errorf("it took over %v after the kill; the lease is %v", took, lease)
	}
	f.start(0)
	f.down(1)
	f.signal(1, syscall.SIGTERM)
	f.end(1)
	if took := awaitAll(t, f.up[0], 10*time.Second); took > time.Second {
		t.Errorf("it was handed the orders %v after the other had ended", took)
	}
	f.down(0)
	f.signal(0, syscall.SIGKILL)
	f.end(0)
	began := time.Now()
	f.start(0)
	awaitAll(t, f.up[0], 5*time.Second)
	if took := time.Since(began); took > time.Second {
		t.Errorf("alone it was ready %v after its start", took)
	}
}

// TestFile_OneReplicaPicksUp runs the example of the ERP by files with two
// replicas on one exchange. Whoever leads picks up and writes the batches; it is
// killed, stopped and woken again and again. Each order goes the whole way once,
// and no number of a batch is missing or given twice.
func TestFile_OneReplicaPicksUp(t *testing.T) {
	rounds, files, each := 6, 4, 4
	if testing.Short() {
		rounds, files = 2, 2
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	wms := &warehouse{t: t, taken: map[string]int{}, toShip: make(chan shipment, 1000)}
	server := httptest.NewServer(wms)
	defer server.Close()
	s := transporttest.SSHD(t)
	dir := exampleByFile(t, s, server.URL)
	keepIn(t, dir, postgrestest.Shared(t).Database(t))
	f := &fleet{t: t, bin: buildBinary(t), dirs: []string{dir, dir}, up: make([]string, 2), all: make([]*child, 2)}
	t.Cleanup(f.close)
	f.start(0)
	f.start(1)
	balanced := httptest.NewServer(http.HandlerFunc(f.pass))
	defer balanced.Close()
	wms.base = balanced.URL
	shipping := make(chan struct{})
	go func() { defer close(shipping); wms.ship(ctx) }()

	var orders []string
	for n := range files {
		orders = append(orders, dropOrders(t, filepath.Join(dir, "exchange/desk/orders"), n, each)...)
	}
	for n := range rounds {
		pause(ctx, time.Duration(300+rand.IntN(1500))*time.Millisecond)
		i := f.leader(ctx)
		if n%3 == 2 { // it wakes long after its lease
			f.signal(i, syscall.SIGSTOP)
			pause(ctx, 4500*time.Millisecond)
			f.signal(i, syscall.SIGCONT)
			continue
		}
		f.down(i)
		f.signal(i, syscall.SIGKILL)
		f.end(i)
		f.start(i)
	}
	waitBilled(ctx, t, f.any(), s.Dir, len(orders))
	for i := range f.dirs {
		f.signal(i, syscall.SIGTERM)
		f.end(i)
	}
	cancel()
	<-shipping
	checkBooks(t, s.Dir, orders)
	var out, errs strings.Builder
	if code := run([]string{"verify", "--config", filepath.Join(dir, "waybill.yaml"), "--data", filepath.Join(dir, "data")}, nil, &out, &errs); code != exitFine {
		t.Errorf("verify exits with %d: %s%s", code, out.String(), errs.String())
	}
}

// leader is the replica that leads; any, where none does just now.
func (f *fleet) leader(ctx context.Context) int {
	for i, base := range f.up {
		if all, me := replicasOf(ctx, base); all[me] > 0 {
			return i
		}
	}
	return 0
}

// pass stands before the replicas as a load balancer does.
func (f *fleet) pass(w http.ResponseWriter, r *http.Request) {
	r.RequestURI = ""
	resp, err := f.RoundTrip(r)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close() //nolint:errcheck // it is read to its end or given up
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}
