package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// How River is set up: it looks for work far more often than by its defaults,
// which are 100 ms and 1 s.
const (
	riverWorkers  = 200
	riverPool     = 32
	riverIntake   = 100 // orders taken in with one insert
	riverCooldown = 2 * time.Millisecond
	riverPoll     = 20 * time.Millisecond
)

// riverRound is a job: what the round before left, and the number of the round
// that it does.
type riverRound struct {
	Order  int    `json:"order"`
	Round  int    `json:"round"`
	Before record `json:"before"`
}

// Kind implements river.JobArgs.
func (riverRound) Kind() string { return "round" }

type riverWorker struct {
	river.WorkerDefaults[riverRound]
	flow *flow
	pool *pgxpool.Pool
	done chan struct{} // one for each order that ended
}

// Work does a round and, in one transaction, completes its job and inserts the
// next one. The last round leaves a row of its own.
func (w *riverWorker) Work(ctx context.Context, job *river.Job[riverRound]) error {
	after, err := w.flow.round(job.Args.Round, job.Args.Order, job.Args.Before)
	if err != nil {
		return err
	}
	last := job.Args.Round == roundsPerOrder
	err = pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		if last {
			if _, err := tx.Exec(ctx, `INSERT INTO ended (number, document, receipt) VALUES ($1, $2, $3)`,
				job.Args.Order, []byte(after.Document), []byte(after.Receipt)); err != nil {
				return err
			}
		} else if _, err := river.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx,
			riverRound{Order: job.Args.Order, Round: job.Args.Round + 1, Before: after}, nil); err != nil {
			return err
		}
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
	if err != nil {
		return fmt.Errorf("complete round %d of order %s: %w", job.Args.Round, orderName(job.Args.Order), err)
	}
	if last {
		w.done <- struct{}{}
	}
	return nil
}

// riverPostgres runs an order as a chain of jobs, each completed in the
// transaction that inserts the next.
func riverPostgres(ctx context.Context, b *bench) error {
	config, err := pgxpool.ParseConfig(b.url)
	if err != nil {
		return err
	}
	config.MaxConns = riverPool
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, `CREATE TABLE ended (number bigint PRIMARY KEY, document bytea NOT NULL, receipt bytea NOT NULL)`); err != nil {
		return err
	}
	w := &riverWorker{flow: b.flow, pool: pool, done: make(chan struct{}, b.flow.orders)}
	workers := river.NewWorkers()
	river.AddWorker(workers, w)
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: riverWorkers}},
		Workers:       workers,
		FetchCooldown: riverCooldown, FetchPollInterval: riverPoll,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	if err := riverPass(ctx, b, client, w.done); err != nil {
		return err
	}
	if err := client.Stop(ctx); err != nil {
		return err
	}
	return pool.QueryRow(ctx, `SELECT (SELECT count(*) FROM river_job WHERE state = 'completed') + (SELECT count(*) FROM ended)`).Scan(&b.out.Rounds)
}

// riverPass takes every order in and waits for the last one to end.
func riverPass(ctx context.Context, b *bench, client *river.Client[pgx.Tx], done <-chan struct{}) error {
	if err := b.begin(ctx); err != nil {
		return err
	}
	for from := 0; from < b.flow.orders; from += riverIntake {
		var in []river.InsertManyParams
		for i := from; i < min(from+riverIntake, b.flow.orders); i++ {
			in = append(in, river.InsertManyParams{Args: riverRound{Order: i, Round: 2, Before: b.flow.first(i)}})
		}
		if _, err := client.InsertManyFast(ctx, in); err != nil {
			return fmt.Errorf("take orders in: %w", err)
		}
	}
	for range b.flow.orders {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return b.end(ctx)
}
