package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill/internal/sandbox"
	"github.com/waybillhq/waybill/internal/store/postgrestest"
	"github.com/waybillhq/waybill/internal/verify"
)

// keepIn makes the configuration in dir name another database than the
// embedded one.
func keepIn(t *testing.T, dir, url string) {
	t.Helper()
	appendTo(t, filepath.Join(dir, "waybill.yaml"), fmt.Sprintf("\ndatabase:\n  url: %q\n", url))
}

// appendTo adds text to a file.
func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestDemo_PostgreSQL: the demonstration under heavy faults ends on PostgreSQL
// as it does on the embedded database.
func TestDemo_PostgreSQL(t *testing.T) {
	o := demoOptions{orders: 300, lines: 3, seed: 11, faults: "heavy", database: postgrestest.Shared(t).Database(t)}
	runDemo(t, o, func(d *demo, r demoReport) {
		if r.Lost+r.Duplicated+r.OutOfSequence > 0 {
			t.Errorf("lost %d, duplicated %d, out of sequence %d: %v", r.Lost, r.Duplicated, r.OutOfSequence, r.Findings)
		}
		if r.Outcomes["open"] > 0 || r.Invoices == 0 || r.InDoubtResolved == 0 {
			t.Errorf("outcomes %v, %d doubts resolved", r.Outcomes, r.InDoubtResolved)
		}
		d.booksAgree(t)
		rep, err := verify.Run(t.Context(), d.store, d.policy)
		if err != nil {
			t.Fatal(err)
		}
		if !rep.OK || rep.Events == 0 {
			t.Errorf("verify: %d events, violations %v", rep.Events, rep.Violations)
		}
	})
}

// TestF39_KillDatabaseAndWaybill kills the real binary, its PostgreSQL server,
// or both, at random moments under load and heavy faults. Waybill outlives its
// database, and at the end every system's own books hold every document once
// and in order.
func TestF39_KillDatabaseAndWaybill(t *testing.T) {
	kills, orders := 20, 600
	if testing.Short() {
		kills, orders = 4, 100
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	bin, dir := buildBinary(t), t.TempDir()
	world, err := sandbox.New(sandbox.Config{Seed: int64(seed >> 1), Lines: 3, Faults: "heavy", Once: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	if err := world.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	if _, err := demoConfig(world, filepath.Join(dir, "waybill.yaml")); err != nil {
		t.Fatal(err)
	}
	server := postgrestest.New(t)
	keepIn(t, dir, server.Database(t))
	c := startServe(t, bin, dir, "127.0.0.1:0")
	listen := strings.TrimPrefix(c.base, "http://")
	world.SetWaybill(c.base, nil)

	placed := make(chan error, 1)
	go func() { placed <- world.PlaceOrders(ctx, orders, 16) }()
	for range kills {
		pause := time.NewTimer(time.Duration(50+chance.IntN(1200)) * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
		victim := chance.IntN(3)
		if victim > 0 { // the database, alone or with its client
			server.Kill(t)
		}
		if victim != 1 {
			c.kill(t)
		}
		if victim > 0 {
			server.Start(t)
		}
		if victim != 1 {
			c = startServe(t, bin, dir, listen)
		}
	}
	select {
	case err := <-placed:
		if err != nil {
			t.Fatal(err)
		}
	case <-ctx.Done():
		t.Fatal("the orders were not taken in time")
	}
	waitQuiet(ctx, t, world, c.base)
	books := world.Books()
	if books.Lost+books.Duplicated+books.OutOfSequence > 0 {
		t.Errorf("lost %d, duplicated %d, out of sequence %d:\n%s", books.Lost, books.Duplicated, books.OutOfSequence, strings.Join(books.Findings, "\n"))
	}
	if books.Invoices == 0 {
		t.Error("nothing was invoiced: the test shows nothing")
	}
	c.kill(t)
	var out, errs strings.Builder
	if code := run([]string{"verify", "--config", filepath.Join(dir, "waybill.yaml"), "--data", filepath.Join(dir, "data")}, nil, &out, &errs); code != exitFine {
		t.Errorf("verify exits with %d: %s%s", code, out.String(), errs.String())
	}
}
