package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkOrder runs whole order lives: four lines on average, from the
// storefront's webhook to the ERP's invoice, everything durable, against the
// sandbox in the same process. It prints per order and per durable round what
// the whole process used, the sandbox's share included.
//
// Run it with a fixed number of orders: -benchtime=5000x.
func BenchmarkOrder(b *testing.B) {
	b.Run("in_process", func(b *testing.B) { benchmarkOrder(b, true) })
	b.Run("http", func(b *testing.B) { benchmarkOrder(b, false) })
}

func benchmarkOrder(b *testing.B, inProcess bool) {
	o := demoOptions{once: true, orders: b.N, lines: 4, seed: 7, faults: "none", plain: true, inProcess: inProcess,
		listen: "127.0.0.1:0", data: filepath.Join(b.TempDir(), "data"), clients: 256}
	if err := os.Mkdir(o.data, 0o700); err != nil {
		b.Fatal(err)
	}
	d, err := startDemo(b.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			b.Error(err)
		}
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	written := writtenBytes()
	b.ResetTimer()
	report, err := d.runOnce(b.Context(), o, io.Discard)
	b.StopTimer()
	if err != nil {
		b.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if bad := report.Lost + report.Duplicated + report.OutOfSequence; bad > 0 {
		b.Fatalf("lost %d, duplicated %d, out of sequence %d", report.Lost, report.Duplicated, report.OutOfSequence)
	}
	n, rounds := float64(b.N), float64(max(report.Process.Rounds, 1))
	b.ReportMetric(report.OrdersPerSecond, "orders/s")
	b.ReportMetric(report.Process.CPUMillisPerOrder*1000, "cpu-µs/order")
	b.ReportMetric(report.Process.CPUMillisPerOrder*1000*n/rounds, "cpu-µs/round")
	b.ReportMetric(rounds/n, "rounds/order")
	b.ReportMetric(float64(report.Process.Commits)/n, "commits/order")
	b.ReportMetric(float64(writtenBytes()-written)/n, "written-B/order")
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/n, "alloc-B/order")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/order")
	st := d.engine.Stats()
	b.ReportMetric(float64(st.Deciding.Load())/1e3/n, "deciding-µs/order")
	b.ReportMetric(float64(st.Writing.Load())/1e3/n, "writing-µs/order")
	b.ReportMetric(float64(st.Committing.Load())/1e3/n, "committing-µs/order")
	b.ReportMetric(report.OrderToInvoice.P50, "p50-ms")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/n, "wall-µs/order")
}

// writtenBytes is what the process has handed to the disk, as the kernel
// counts it; 0 where it does not.
func writtenBytes() int64 {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}

// BenchmarkLoneOrder is the latency of an order that has the system to itself.
func BenchmarkLoneOrder(b *testing.B) {
	o := demoOptions{once: true, orders: 1, lines: 4, seed: 7, faults: "none", plain: true, inProcess: true, listen: "127.0.0.1:0",
		data: filepath.Join(b.TempDir(), "data"), clients: 1}
	if err := os.Mkdir(o.data, 0o700); err != nil {
		b.Fatal(err)
	}
	d, err := startDemo(b.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			b.Error(err)
		}
	}()
	var commits int64
	look := time.NewTicker(200 * time.Microsecond)
	defer look.Stop()
	b.ResetTimer()
	for range b.N {
		before := d.store.Statistics().Commits
		if err := d.world.PlaceOrders(b.Context(), 1, 1); err != nil {
			b.Fatal(err)
		}
		for {
			settled, _, err := d.settled(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if settled {
				break
			}
			<-look.C
		}
		commits += d.store.Statistics().Commits - before
	}
	b.ReportMetric(float64(commits)/float64(b.N), "commits/order")
}
