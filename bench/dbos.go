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

// dbosSQLite is DBOS as it opens a database by itself: synchronous=NORMAL.
func dbosSQLite(ctx context.Context, b *bench) error {
	path := filepath.Join(b.dir, "dbos.db")
	if err := runDBOS(ctx, b, dbos.Config{DatabaseURL: "sqlite:" + path}); err != nil {
		return err
	}
	return dbosRounds(ctx, b, path)
}

// dbosFull is DBOS on a handle of ours, which it uses as it is. An address that
// asks for FULL would not do: DBOS then sets one of its connections to NORMAL.
func dbosFull(ctx context.Context, b *bench) error {
	const settings = "?_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=foreign_keys(ON)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
	path := filepath.Join(b.dir, "dbos.db")
	db, err := sql.Open("sqlite", "file:"+path+settings)
	if err != nil {
		return err
	}
	defer db.Close()      //nolint:errcheck // DBOS closes it too, when it stops
	db.SetMaxOpenConns(8) // as in a handle of DBOS's own
	db.SetMaxIdleConns(4)
	if err := runDBOS(ctx, b, dbos.Config{SQLiteSystemDB: db}); err != nil {
		return err
	}
	return dbosRounds(ctx, b, path)
}

// dbosRounds counts what SQLite holds: each step, and each workflow's input.
func dbosRounds(ctx context.Context, b *bench, path string) error {
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	return db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM operation_outputs) + (SELECT count(*) FROM workflow_status WHERE status = 'SUCCESS')`).Scan(&b.out.Rounds)
}

func dbosPostgres(ctx context.Context, b *bench) error {
	if err := runDBOS(ctx, b, dbos.Config{DatabaseURL: b.url}); err != nil {
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
func runDBOS(ctx context.Context, b *bench, config dbos.Config) error {
	config.AppName, config.Logger = "bench", slog.New(slog.DiscardHandler)
	d, err := dbos.NewContext(ctx, config)
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
