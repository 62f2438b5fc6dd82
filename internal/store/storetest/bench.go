package storetest

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// rounds is how many rounds share a commit under load.
const rounds = 256

// usage is what the process has used so far.
type usage struct {
	cpu     time.Duration
	written int64 // by write calls, to log, database and all else
}

func used(tb testing.TB) (u usage) {
	tb.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		tb.Fatal(err)
	}
	u.cpu = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	io, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return u // not on this system
	}
	if _, after, found := bytes.Cut(io, []byte("wchar: ")); found {
		n, _, _ := bytes.Cut(after, []byte("\n"))
		u.written, _ = strconv.ParseInt(string(n), 10, 64)
	}
	return u
}

// meter adds up what the measured part of each turn uses.
type meter struct {
	usage
	server func() time.Duration // CPU of a database server; nil: there is none
}

func (m *meter) run(b *testing.B, measured func()) {
	b.Helper()
	before := used(b)
	b.StartTimer()
	measured()
	b.StopTimer()
	after := used(b)
	m.cpu += after.cpu - before.cpu
	m.written += after.written - before.written
}

// report gives CPU and bytes for each of n, which move less than the time does
// with the machine's other work.
func (m *meter) report(b *testing.B, n int, per string) {
	b.Helper()
	b.ReportMetric(float64(m.cpu.Nanoseconds())/1e3/float64(n), "cpu-us/"+per)
	if m.server == nil {
		b.ReportMetric(float64(m.written)/float64(n), "B-written/"+per)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1e3/float64(n), "us/"+per)
}

// jsonOf is JSON of about n bytes, as far from its neighbours as real
// documents are.
func jsonOf(rng *rand.Rand, n int) []byte {
	out := []byte(`{"order":"SO-`)
	out = strconv.AppendInt(out, rng.Int64N(1e6), 10)
	out = append(out, `","lines":[`...)
	for i := 1; len(out) < n-2; i++ {
		out = fmt.Appendf(out, `{"line":"%d","sku":"ANCHOR-%06d","qty":"%d","uom":"EA","price":"%d.%02d"},`,
			i, rng.IntN(1e6), rng.IntN(100), rng.IntN(1000), rng.IntN(100))
	}
	return append(out[:n-2], "]}"...)
}

// flowing makes rounds of 1024 orders in flight, as the engine writes them:
// an event, the waybill's new state, a delivery that is done and the next one
// that is under way with its bytes.
type flowing struct {
	rng   *rand.Rand
	heads []ledger.Head
	ws    []ledger.Waybill
	last  []lane.Delivery
	id    int64
	next  int
	now   time.Time
}

func (f *flowing) ids() int64 { f.id++; return f.id }

func (f *flowing) order(b *store.Batch, i int) {
	tag := f.rng.Int64()
	f.ws[i] = ledger.Waybill{ID: f.ids(), Tag: tag, Shard: ledger.ShardOf(tag), Kind: waybill.FlowSales,
		Ref: fmt.Sprintf("SO-%d", f.id), Customer: "C1001", Status: waybill.StatusReceived, CreatedAt: f.now}
	f.last[i] = lane.Delivery{}
	for _, system := range []string{"shop", "erp"} {
		b.References = append(b.References, ledger.Reference{Waybill: f.ws[i].ID, System: system, Kind: "order",
			Value: fmt.Sprintf("%s-%d", system, f.rng.Int64N(1e9))})
	}
}

func (f *flowing) round(b *store.Batch, i int) {
	f.now = f.now.Add(time.Millisecond)
	if f.ws[i].Version%9 == 0 {
		f.order(b, i)
	}
	w := &f.ws[i]
	w.Version++
	if w.Version%2 == 0 {
		w.Status = []waybill.Status{waybill.StatusAccepted, waybill.StatusReleased, waybill.StatusShipped, waybill.StatusInvoiced}[w.Version/2%4]
	}
	w.UpdatedAt, w.State = f.now, jsonOf(f.rng, 1000)
	b.Waybills = append(b.Waybills, *w)
	h := &f.heads[w.Shard]
	h.Seq++
	h.Batch++
	e := ledger.Event{ID: f.ids(), Shard: w.Shard, Seq: h.Seq, Waybill: w.ID, Type: waybill.DocumentSettled,
		Source: []string{"shop", "erp", "wms", "carrier"}[w.Version%4], Subject: w.Ref, Version: 1, OccurredAt: f.now, RecordedAt: f.now,
		State: ledger.Applied, Data: jsonOf(f.rng, 400)}
	e.Link(h.Hash)
	h.Hash = e.Hash
	b.Heads, b.Events = append(b.Heads, *h), append(b.Events, e)
	if d := f.last[i]; d.ID != 0 {
		d.State, d.Outcome, d.EndedAt, d.SettledAt, d.Ref, d.N = lane.Done, waybill.Done, f.now, f.now, "E-77", 12
		b.Deliveries = append(b.Deliveries, d)
	}
	d := lane.Delivery{ID: f.ids(), Waybill: w.ID, Shard: w.Shard, Key: "0123456789abc0123456789abcdefghjkm", Lane: w.Ref,
		Target: []string{"shop", "erp", "wms"}[w.Version%3], Kind: waybill.WarehouseOrder, Subject: w.Ref, Version: 1,
		Why: "approved: release to the warehouse", Event: e.ID, Seq: 1, State: lane.InFlight, Attempts: 1, Epoch: 1,
		StartedAt: f.now, Deadline: f.now, DecidedAt: f.now, Next: lane.Send, Digest: sha256.Sum256([]byte(w.Ref))}
	f.last[i] = d
	b.Deliveries = append(b.Deliveries, d)
	b.Bodies = append(b.Bodies, lane.Body{Delivery: d.ID, ContentType: "application/json", Bytes: jsonOf(f.rng, 600)})
}

func (f *flowing) batch() *store.Batch {
	b := &store.Batch{}
	for range rounds {
		f.round(b, f.next)
		f.next = (f.next + 1) % len(f.ws)
	}
	return b
}

func newFlowing(tb testing.TB, s store.Store) *flowing {
	tb.Helper()
	heads, err := s.Acquire(tb.Context(), "bench")
	if err != nil {
		tb.Fatal(err)
	}
	return &flowing{rng: rand.New(rand.NewPCG(1, 2)), heads: heads, ws: make([]ledger.Waybill, 1024),
		last: make([]lane.Delivery, 1024), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

// write commits one batch.
func write(tb testing.TB, s store.Store, b *store.Batch) {
	tb.Helper()
	tx, err := s.Begin(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // harmless after Commit
	if err := tx.Write(tb.Context(), b); err != nil {
		tb.Fatal(err)
	}
	if err := tx.Commit(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// BenchBatch256 measures the hot path: 256 rounds in one commit. server gives
// the CPU of the database's own processes; nil where it has none.
func BenchBatch256(b *testing.B, s store.Store, server func() time.Duration) {
	b.Helper()
	f := newFlowing(b, s)
	for range 8 {
		write(b, s, f.batch())
	}
	m := meter{server: server}
	begin := m.serverNow()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		batch := f.batch()
		m.run(b, func() { write(b, s, batch) })
		b.StartTimer()
	}
	m.reportServer(b, b.N*rounds, "round", begin)
	m.report(b, b.N*rounds, "round")
}

// BenchKeepMessages measures intake: 256 new messages of 2 KB in one commit.
func BenchKeepMessages(b *testing.B, s store.Store, server func() time.Duration) {
	b.Helper()
	rng := rand.New(rand.NewPCG(3, 4))
	ms := make([]ledger.Message, rounds)
	id := int64(0)
	m := meter{server: server}
	begin := m.serverNow()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for i := range ms {
			id++
			ms[i] = ledger.Message{ID: id, Source: "shop", DedupeID: fmt.Sprintf("evt_%016x", rng.Uint64()), Topic: "orders/create",
				Status: ledger.Accepted, ReceivedAt: time.UnixMicro(id), FirstEvent: id, Events: 1,
				Header: []byte(`{"x-topic":"orders/create","x-version":"2026-04"}`), Body: jsonOf(rng, 2000)}
		}
		m.run(b, func() { keep(b, s, ms) })
		b.StartTimer()
	}
	m.reportServer(b, b.N*rounds, "message", begin)
	m.report(b, b.N*rounds, "message")
}

// serverNow is what the server has used so far.
func (m *meter) serverNow() time.Duration {
	if m.server == nil {
		return 0
	}
	return m.server()
}

// reportServer gives the server's CPU, and both together. Its background work
// counts too.
func (m *meter) reportServer(b *testing.B, n int, per string, begin time.Duration) {
	b.Helper()
	if m.server == nil {
		return
	}
	used := m.server() - begin
	b.ReportMetric(float64(used.Nanoseconds())/1e3/float64(n), "server-cpu-us/"+per)
	b.ReportMetric(float64((used+m.cpu).Nanoseconds())/1e3/float64(n), "both-cpu-us/"+per)
}

// keep commits new messages.
func keep(tb testing.TB, s store.Store, ms []ledger.Message) {
	tb.Helper()
	tx, err := s.Begin(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // harmless after Commit
	if _, err := tx.KeepMessages(tb.Context(), ms); err != nil {
		tb.Fatal(err)
	}
	if err := tx.Commit(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}
