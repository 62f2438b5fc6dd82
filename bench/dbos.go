package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/dbos-inc/dbos-transact-golang/dbos"
	_ "github.com/dbos-inc/dbos-transact-golang/dbos/driver/sqlite" // the driver of sqlite: addresses
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// dbosFlight is how many workflows are under way at once.
const dbosFlight = 64

// stopWithin is how long a peer gets to stop.
const stopWithin = 30 * time.Second

func dbosNormal(ctx context.Context, b *bench) error { return dbosSQLite(ctx, b, "NORMAL") }
func dbosFull(ctx context.Context, b *bench) error   { return dbosSQLite(ctx, b, "FULL") }

func dbosSQLite(ctx context.Context, b *bench, synchronous string) error {
	path := filepath.Join(b.dir, "dbos.db")
	if err := runDBOS(ctx, b, "sqlite:"+path+"?_pragma=synchronous("+synchronous+")"); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	return db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM operation_outputs) + (SELECT count(*) FROM workflow_status WHERE status = 'SUCCESS')`).Scan(&b.out.Rounds)
}

func dbosPostgres(ctx context.Context, b *bench) error {
	if err := runDBOS(ctx, b, b.url); err != nil {
		return err
	}
	c, err := pgx.Connect(ctx, b.url)
	if err != nil {
		return err
	}
	defer c.Close(ctx) //nolint:errcheck // only read
	return c.QueryRow(ctx, `SELECT (SELECT count(*) FROM dbos.operation_outputs) + (SELECT count(*) FROM dbos.workflow_status WHERE status = 'SUCCESS')`).Scan(&b.out.Rounds)
}

// dbosOrder is a workflow's input: round 1.
type dbosOrder struct {
	Number int
	Placed record
}

// runDBOS runs an order as one workflow: its input is the order's message, each
// later round is a step whose result is kept.
func runDBOS(ctx context.Context, b *bench, url string) error {
	d, err := dbos.NewContext(ctx, dbos.Config{AppName: "bench", DatabaseURL: url, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	order := func(c dbos.Context, in dbosOrder) (string, error) {
		r := in.Placed
		for n := 2; n <= roundsPerOrder; n++ {
			var err error
			before := r
			r, err = dbos.RunAsStep(c, func(context.Context) (record, error) { return b.flow.round(n, in.Number, before) })
			if err != nil {
				return "", err
			}
		}
		return "invoiced", nil
	}
	dbos.RegisterWorkflow(d, order)
	if err := dbos.Launch(d); err != nil {
		return err
	}
	if err := b.begin(ctx); err != nil {
		return err
	}
	var g errgroup.Group
	g.SetLimit(dbosFlight)
	for i := range b.flow.orders {
		g.Go(func() error {
			h, err := dbos.RunWorkflow(d, order, dbosOrder{Number: i, Placed: b.flow.first(i)}, dbos.WithWorkflowID(orderName(i)))
			if err != nil {
				return fmt.Errorf("start order %s: %w", orderName(i), err)
			}
			_, err = h.GetResult()
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := b.end(ctx); err != nil {
		return err
	}
	return dbos.Shutdown(d, stopWithin)
}
