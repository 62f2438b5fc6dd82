package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/waybillhq/waybill/internal/kpi"
)

// demoCost is what the whole process used, the sandbox included.
type demoCost struct {
	CPUMillisPerOrder float64 `json:"cpu_ms_per_order"`
	Commits           int64   `json:"commits"`
	Rounds            int64   `json:"rounds"`
}

// progressEvery is the time between two lines on the terminal.
const progressEvery = time.Second

// runOnce places the orders and waits until nothing moves any more, in Waybill
// and in the sandbox.
func (d *demo) runOnce(ctx context.Context, o demoOptions, errs io.Writer) (demoReport, error) {
	begin, cpu := time.Now(), cpuTime()
	placed := make(chan error, 1)
	go func() { placed <- d.place(ctx, o) }()
	tick := time.NewTicker(progressEvery / 20)
	defer tick.Stop()
	var last time.Time
	for all, quiet := false, 0; quiet < 2; {
		select {
		case err := <-placed:
			if err != nil {
				return demoReport{}, err
			}
			all, placed = true, nil
		case err := <-d.ended:
			d.ended <- err
			return demoReport{}, fmt.Errorf("the engine stopped: %w", err)
		case err := <-d.trouble():
			return demoReport{}, err
		case <-ctx.Done():
			return demoReport{}, ctx.Err()
		case <-tick.C:
			settled, what, err := d.settled(ctx)
			if err != nil {
				return demoReport{}, err
			}
			if all && settled {
				quiet++
				continue
			}
			quiet = 0
			if now := time.Now(); now.Sub(last) >= progressEvery {
				last = now
				b := d.engine.Stats()
				_, _ = fmt.Fprintf(errs, "%5.0fs  %d messages, %d documents, %d attempts; %s\n", now.Sub(begin).Seconds(),
					b.Messages.Load(), b.Documents.Load(), b.Attempts.Load(), what)
			}
		}
	}
	return d.report(ctx, time.Since(begin), cpuTime()-cpu)
}

// place places the orders, and holds back while many are on their way: a shop's
// customers come one after the other, not all at once.
func (d *demo) place(ctx context.Context, o demoOptions) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for left := o.orders; left > 0; {
		for d.engine.Open()+d.world.UnderWay() > underWayMax {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		n := min(left, placeAtOnce)
		if err := d.world.PlaceOrders(ctx, n, min(n, o.clients)); err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// underWayMax is how many documents and messages may be under way before no
// further order is placed; placeAtOnce how many orders are placed then.
const (
	underWayMax = 1024
	placeAtOnce = 64
)

// settled reports whether nothing moves, or what does.
func (d *demo) settled(ctx context.Context) (bool, string, error) {
	if quiet, what := d.world.Quiet(); !quiet {
		return false, what, nil
	}
	st, err := d.engine.Status(ctx)
	if err != nil {
		return false, "", err
	}
	if !st.Quiescent {
		return false, fmt.Sprintf("open deliveries %v", st.Deliveries), nil
	}
	waits, err := d.unmapped(ctx)
	return err == nil && !waits, "an order waits for a mapping", err
}

func (d *demo) report(ctx context.Context, took, cpu time.Duration) (demoReport, error) {
	books, stats := d.world.Books(), d.engine.Stats()
	k, err := kpi.Measure(ctx, d.store, time.Time{})
	if err != nil {
		return demoReport{}, err
	}
	counts, err := d.store.ExceptionCounts(ctx)
	if err != nil {
		return demoReport{}, err
	}
	r := demoReport{
		Orders: books.Placed, Lines: books.Lines, Messages: stats.Messages.Load(),
		DuplicatesAbsorbed: stats.Duplicates.Load(), Deliveries: stats.Documents.Load(),
		Retries: stats.Retries.Load(), InDoubtResolved: stats.Resolved.Load(),
		Seconds: took.Seconds(), OrdersPerSecond: float64(books.Placed) / took.Seconds(),
		OrderToInvoice: k.OrderToInvoice,
		Accepted:       books.Accepted, ShipmentsPosted: books.ShipmentsPosted, Invoices: books.Invoices,
		Lost: books.Lost, Duplicated: books.Duplicated, OutOfSequence: books.OutOfSequence,
		Backorders: books.Backorders, Receipts: books.Receipts, Adjustments: books.Adjustments, Returns: books.Returns,
		Credits: books.Credits, Balanced: demoBalance(books.Balanced),
		Digest: books.Digest, Findings: books.Findings, Outcomes: map[string]int{}, Exceptions: map[string]int{},
		Shows: d.shows(),
		Process: demoCost{CPUMillisPerOrder: cpu.Seconds() * 1000 / float64(max(books.Placed, 1)),
			Commits: d.store.Statistics().Commits, Rounds: stats.Rounds.Load()},
	}
	for _, b := range books.Orders {
		r.Outcomes[string(b.Outcome)]++
	}
	for _, c := range counts {
		r.Exceptions[c.Cause] = c.Open
		r.ExceptionsOpen += c.Open
	}
	return r, nil
}

func (r demoReport) print(out io.Writer) error {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("%d orders with %d lines in %.1f s: %.0f orders a second", r.Orders, r.Lines, r.Seconds, r.OrdersPerSecond)
	p("  order to invoice: median %.0f ms, 95 of 100 within %.0f ms", r.OrderToInvoice.P50, r.OrderToInvoice.P95)
	p("  messages %d (and %d repetitions absorbed), documents %d, repeated attempts %d, doubts resolved %d",
		r.Messages, r.DuplicatesAbsorbed, r.Deliveries, r.Retries, r.InDoubtResolved)
	p("the systems' own books")
	p("  accepted %d, shipments posted %d, invoices %d", r.Accepted, r.ShipmentsPosted, r.Invoices)
	p("  backorders %d, receipts %d, stock adjustments %d, returns %d, credits %d", r.Backorders, r.Receipts, r.Adjustments, r.Returns, r.Credits)
	p("  stock of ERP and warehouses agrees to the unit: %t; bills and goods agree to the cent: %t", r.Balanced.Units, r.Balanced.Cents)
	p("  lost %d, duplicated %d, out of sequence %d", r.Lost, r.Duplicated, r.OutOfSequence)
	names := make([]string, 0, len(r.Outcomes))
	for name := range r.Outcomes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		p("  %-10s %d orders", name, r.Outcomes[name])
	}
	p("open exceptions: %d", r.ExceptionsOpen)
	for _, f := range r.Findings {
		p("  finding: %s", f)
	}
	if len(r.Shows) > 0 {
		p("what to look at (waybill trace ORDER, where --data keeps the database)")
	}
	for _, s := range r.Shows {
		p("  %-50s %s", s.What, s.Order)
	}
	_, err := out.Write(b.Bytes())
	return err
}

// demoLive streams orders until it is told to stop.
func demoLive(ctx context.Context, o demoOptions, out, errs io.Writer) error {
	log := quietLogger(errs)
	d, err := startDemo(ctx, o, log)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "\n  Waybill is running with a simulated storefront, dealer portal, ERP, two warehouses and carrier.\n\n"+
		"  Pages    %s\n  Orders   %s/orders\n  API      %s/openapi.json   (key: %s)\n\n  Ctrl+C ends it.\n\n",
		d.address, d.address, d.address, demoKey)
	placing := make(chan error, 1)
	go func() { placing <- d.stream(ctx, o.rate) }()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	guide := legend{told: map[string]bool{}}
	for {
		select {
		case <-ctx.Done():
			_, _ = fmt.Fprintln(out, "\nstopping; requests under way get their answers recorded")
			return errors.Join(<-placing, d.close())
		case err := <-d.ended:
			d.ended <- err
			return fmt.Errorf("the engine stopped: %w", err)
		case err := <-d.trouble():
			return errors.Join(err, d.close())
		case <-tick.C:
			guide.tell(d, out)
			d.progress(ctx, out)
		}
	}
}

// stream places orders at a steady rate.
func (d *demo) stream(ctx context.Context, rate float64) error {
	tick := time.NewTicker(time.Duration(float64(time.Second) / max(rate, 0.01)))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := d.world.PlaceOrders(ctx, 1, 1); err != nil && ctx.Err() == nil {
				return err
			}
		}
	}
}

func (d *demo) progress(ctx context.Context, out io.Writer) {
	st, err := d.engine.Status(ctx)
	if err != nil {
		return // it stops
	}
	books := d.world.Books()
	open := 0
	for _, n := range st.Deliveries {
		open += n
	}
	_, _ = fmt.Fprintf(out, "\r  %d orders placed, %d accepted, %d shipments posted, %d invoices; %d documents under way   ",
		books.Placed, books.Accepted, books.ShipmentsPosted, books.Invoices, open)
}

// memory keeps an answer for a request made without a network.
type memory struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (m *memory) Header() http.Header { return m.header }

// WriteHeader implements http.ResponseWriter.
func (m *memory) WriteHeader(status int) {
	if m.status == 0 {
		m.status = status
	}
}

// Write implements http.ResponseWriter.
func (m *memory) Write(b []byte) (int, error) {
	m.WriteHeader(http.StatusOK)
	return m.body.Write(b)
}

func (m *memory) response(r *http.Request) *http.Response {
	m.WriteHeader(http.StatusOK)
	return &http.Response{Status: http.StatusText(m.status), StatusCode: m.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: m.header, ContentLength: int64(m.body.Len()), Body: io.NopCloser(&m.body), Request: r}
}

// cpuTime is what the process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
