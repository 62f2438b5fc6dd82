package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// BenchmarkRound is the engine without the systems: whole order lives of four
// lines, from the bytes of the storefront's message to the invoice's receipt,
// with the real translation, rendering and database, 1,024 orders in flight.
// The systems answer at once and keep no books, so what is measured is what a
// durable round costs here.
//
// Run it with a fixed number of orders: -benchtime=20000x.
func BenchmarkRound(b *testing.B) {
	db, err := sqlite.Open(b.Context(), b.TempDir(), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	y := &yard{b: b, room: make(chan struct{}, 1024)}
	y.e = New(Options{Store: db, Systems: y.systems(), Timing: rigTiming, Replica: "bench",
		Policy: &process.Policy{Namespace: "bench", Company: "01", ERP: "erp", WMS: "wms",
			Channels:    map[string]process.Channel{"shop": {Documents: true}},
			HoldRecheck: rigTiming.HoldRecheck, Limbo: 10 * time.Minute},
		Now: func() time.Time { return time.Now().UTC() }, Chance: func() float64 { return 0.5 }})
	if err := y.e.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- y.e.Run(ctx, time.Second) }()

	b.ReportAllocs()
	cpu := cpuTime(b)
	b.ResetTimer()
	for i := range b.N {
		y.room <- struct{}{}
		y.all.Go(func() { y.tell("shop", fmt.Sprintf("o%d", i), y.order(i)) })
	}
	for range cap(y.room) { // every order is invoiced
		y.room <- struct{}{}
	}
	b.StopTimer()
	cpu = cpuTime(b) - cpu
	y.all.Wait()
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	n, rounds := float64(b.N), float64(y.e.stats.Rounds.Load())
	stats := db.Statistics()
	b.ReportMetric(n/b.Elapsed().Seconds(), "orders/s")
	b.ReportMetric(float64(cpu.Microseconds())/n, "cpu-µs/order")
	b.ReportMetric(float64(cpu.Microseconds())/rounds, "cpu-µs/round")
	b.ReportMetric(rounds/n, "rounds/order")
	b.ReportMetric(rounds/float64(stats.Commits), "rounds/commit")
	b.ReportMetric(float64(stats.BytesWritten)/n, "logged-B/order")
	b.ReportMetric(float64(y.kept.Load())/n, "kept-B/order")
	b.ReportMetric(float64(y.e.stats.Deciding.Load())/1e3/rounds, "deciding-µs/round")
	b.ReportMetric(float64(y.e.stats.Writing.Load())/1e3/rounds, "writing-µs/round")
	b.ReportMetric(float64(y.e.stats.Committing.Load())/1e3/rounds, "committing-µs/round")
}

// cpuTime is what the process has used of the processors.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// yard is every system at once: it answers each document as applied. The
// warehouse ships what it is sent.
type yard struct {
	b    *testing.B
	e    *Engine
	room chan struct{} // a place per order in flight
	all  sync.WaitGroup
	n    atomic.Int64
	kept atomic.Int64 // bytes of messages and documents

	translators map[string]connector.Translator
}

func (y *yard) systems() []System {
	y.translators = map[string]connector.Translator{}
	var out []System
	for _, s := range []struct {
		name string
		role waybill.Role
	}{{"shop", waybill.RoleChannel}, {"erp", waybill.RoleERP}, {"wms", waybill.RoleWMS}} {
		c := contractOf(y.b, s.name, s.role)
		y.translators[s.name] = c.Translator
		out = append(out, System{Name: s.name, Role: s.role, Concurrency: 256,
			Class: lane.Class{Idempotency: waybill.ByLookup},
			Conn:  connector.Connector{Translator: c.Translator, Renderer: c.Renderer, Deliverer: y}})
	}
	return out
}

// order is a message of two kilobytes: what a storefront says beside what is
// mapped is kept as it came.
func (y *yard) order(i int) string {
	var s strings.Builder
	fmt.Fprintf(&s, `{"type":"order.placed","timestamp":"2026-03-02T09:00:00Z","data":{"order":"SO-%d","version":1,"customer":"C-%d","currency":"EUR","po":"PO-%d","ship_to":{"name":"Goods in","lines":["Example Road %d"],"city":"Exampleton","postal":"10115","country":"DE"},"note":%q,"lines":[`,
		i, i%500, i, i%90, strings.Repeat("As agreed by telephone. ", 40))
	for l := 1; l <= 4; l++ {
		if l > 1 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, `{"line":"%d","sku":"SKU-%d","qty":"%d","uom":"EA","price":"%d.90","description":"Hexagon bolt M%d, zinc plated","options":{"finish":"zinc","pack":"box of 50"}}`,
			l, (i*7+l)%2000, 1+(i+l)%9, 3+l, 4+l)
	}
	s.WriteString(`]}}`)
	return s.String()
}

func (y *yard) tell(source, id, body string) {
	m := ledger.Message{Source: source, DedupeID: id, Status: ledger.Accepted, ReceivedAt: time.Now().UTC(),
		SHA256: sha256.Sum256([]byte(body)), Body: []byte(body)}
	events, err := y.translators[source].Translate(connector.Message{System: source, Body: m.Body, ReceivedAt: m.ReceivedAt})
	if err != nil {
		y.b.Errorf("translate %s: %v", id, err)
		return
	}
	y.kept.Add(int64(len(body)))
	if _, err := y.e.Keep(context.Background(), m, events); err != nil {
		y.b.Errorf("keep %s: %v", id, err)
	}
}

// Deliver implements connector.Deliverer.
func (y *yard) Deliver(_ context.Context, a connector.Attempt) (waybill.Outcome, error) {
	n := y.n.Add(1)
	y.kept.Add(int64(len(a.Body)))
	r := waybill.Receipt{Ref: fmt.Sprintf("E-%d", n), N: n, Generation: "g1"}
	switch a.Kind {
	case waybill.OrderCheck:
		r.Result = []byte(`{"approved":true}`)
	case waybill.WarehouseOrder:
		y.all.Go(func() {
			y.tell("wms", "s"+a.Key, fmt.Sprintf(`{"type":"shipment.confirmed","timestamp":"2026-03-02T10:00:00Z","data":{"order":%q,"shipment":"S-%d","shipped_at":"2026-03-02T10:00:00Z","carrier":"DPD","final":true,"packages":[{"tracking":"1Z%d"}],"lines":[%s]}}`,
				a.Order, n, n, linesOf(a.Body)))
		})
	case waybill.Invoice:
		<-y.room
	}
	return waybill.Outcome{Verdict: waybill.Done, Receipt: r}, nil
}

// linesOf repeats a document's lines.
func linesOf(body []byte) string {
	var d struct {
		Lines []waybill.LineQty `json:"lines"`
	}
	if err := waybill.Unmarshal(body, &d); err != nil {
		return ""
	}
	var s strings.Builder
	for i, l := range d.Lines {
		if i > 0 {
			s.WriteByte(',')
		}
		fmt.Fprintf(&s, `{"line":%q,"qty":%q}`, l.Line, l.Qty)
	}
	return s.String()
}
