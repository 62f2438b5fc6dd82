package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// contender is one engine on one database.
type contender struct {
	Name     string `json:"name"`
	Slug     string `json:"slug"` // how the command line names it
	Module   string `json:"module"`
	Postgres bool   `json:"postgres"`
	InFlight int    `json:"in_flight"`
	// Durability is the setting; Loses is what a power cut may take of what was
	// said to be done.
	Durability string `json:"durability"`
	Loses      string `json:"loses"`
	Shape      string `json:"shape"` // how an order is expressed in it

	run func(context.Context, *bench) error
}

const (
	walFull    = "WAL, synchronous=FULL"
	pgDefaults = "fsync, full_page_writes, synchronous_commit on"
)

// contenders are in the order of the table.
var contenders = []contender{
	{"Waybill, SQLite", "waybill-sqlite", "github.com/waybillhq/waybill", false, waybillFlight, walFull, "nothing",
		"the product's engine: translation, rules, timeline, references, hash chain", waybillSQLite},
	{"Waybill, PostgreSQL", "waybill-postgres", "github.com/waybillhq/waybill", true, waybillFlight, pgDefaults, "nothing",
		"the same, one replica", waybillPostgres},
	{"DBOS Transact, SQLite", "dbos-sqlite", "github.com/dbos-inc/dbos-transact-golang", false, dbosFlight, "WAL, synchronous=NORMAL (its default)", "the rounds since the last checkpoint",
		"a workflow, a step for each round", dbosSQLite},
	{"DBOS Transact, SQLite, FULL", "dbos-sqlite-full", "github.com/dbos-inc/dbos-transact-golang", false, dbosFlight, walFull + " (on a handle given to it)", "nothing",
		"a workflow, a step for each round", dbosFull},
	{"DBOS Transact, PostgreSQL", "dbos-postgres", "github.com/dbos-inc/dbos-transact-golang", true, dbosFlight, pgDefaults, "nothing",
		"a workflow, a step for each round", dbosPostgres},
	{"River, PostgreSQL", "river-postgres", "github.com/riverqueue/river", true, riverWorkers, pgDefaults, "nothing",
		"a job for each round; JobCompleteTx and the next job's InsertTx in one transaction", riverPostgres},
	{"NATS JetStream, embedded", "nats", "github.com/nats-io/nats-server/v2", false, natsFlight, "file storage, sync always", "nothing",
		"a message for each round, acknowledged when the next one is on disk", natsJetStream},
}

// result is what one run of one contender showed.
type result struct {
	Orders       int     `json:"orders"`
	Seconds      float64 `json:"seconds"`
	OrdersPerSec float64 `json:"orders_per_second"`
	ClientCPU    float64 `json:"client_cpu_us_per_order"`
	ServerCPU    float64 `json:"server_cpu_us_per_order,omitempty"`
	// Commits are those for an order; of PostgreSQL's clients but Waybill every
	// transaction, reading ones too. 0: not known.
	Commits float64 `json:"commits_per_order,omitempty"`
	// Written is what the process handed to the disk, or the server to its log.
	Written    float64 `json:"written_bytes_per_order"`
	Flow       float64 `json:"flow_bytes_per_order"` // messages and documents
	Rounds     int64   `json:"rounds"`               // found in a peer's own store afterwards; Waybill's as its engine committed them
	Deliveries int     `json:"deliveries"`           // distinct; each reached its system
	Repeated   int     `json:"repeated"`             // deliveries made more than once
	Load       float64 `json:"load_average"`         // over the last minute, when the run began
}

// bench is one run: begin and end stand around what is measured.
type bench struct {
	dir    string // empty, on the disk under test
	url    string // of an empty database; "" where none is asked for
	master int    // the process id of the PostgreSQL server
	flow   *flow
	out    result

	at             time.Time
	client, server time.Duration
	written        int64
}

// measure runs a contender and checks that all of its work was done.
func measure(ctx context.Context, c contender, b *bench) (result, error) {
	var err error
	n := b.flow.orders
	b.out.Orders = n
	if b.out.Load, err = loadAverage(); err != nil {
		return result{}, err
	}
	if err := c.run(ctx, b); err != nil {
		return result{}, fmt.Errorf("run %s: %w", c.Name, err)
	}
	if b.out.Commits == 0 && b.url != "" {
		if b.out.Commits, err = transactions(ctx, b.url); err != nil {
			return result{}, err
		}
	}
	b.out.Commits /= float64(n)
	if b.out.Repeated, err = b.flow.tally(); err != nil {
		return result{}, fmt.Errorf("run %s: %w", c.Name, err)
	}
	b.out.Deliveries = len(b.flow.seen)
	b.out.Flow = float64(b.flow.bytes.Load()) / float64(n)
	if want := int64(n * roundsPerOrder); b.out.Rounds < want {
		return result{}, fmt.Errorf("run %s: its store holds %d durable rounds of %d orders, %d are the flow: this is not the same work", c.Name, b.out.Rounds, n, want)
	}
	return b.out, nil
}

// begin starts the clocks: everything is set up, nothing has come in.
func (b *bench) begin(ctx context.Context) error {
	runtime.GC()
	var err error
	if b.client, b.server, b.written, err = b.used(ctx); err != nil {
		return err
	}
	b.at = time.Now()
	return nil
}

// end stops them: the last round of the last order is durable.
func (b *bench) end(ctx context.Context) error {
	took := time.Since(b.at)
	client, server, written, err := b.used(ctx)
	if err != nil {
		return err
	}
	n := float64(b.flow.orders)
	b.out.Seconds = took.Seconds()
	b.out.OrdersPerSec = n / took.Seconds()
	b.out.ClientCPU = float64((client - b.client).Microseconds()) / n
	b.out.ServerCPU = float64((server - b.server).Microseconds()) / n
	b.out.Written = float64(written-b.written) / n
	return nil
}

// used is the CPU of this process and of the database's, and the bytes that one
// of them wrote.
func (b *bench) used(ctx context.Context) (client, server time.Duration, written int64, err error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, 0, 0, err
	}
	client = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	if b.url == "" {
		written, err = writtenBytes()
		return client, 0, written, err
	}
	if server, err = serverCPU(b.master); err != nil {
		return 0, 0, 0, err
	}
	c, err := pgx.Connect(ctx, b.url)
	if err != nil {
		return 0, 0, 0, err
	}
	defer c.Close(ctx) //nolint:errcheck // only asked
	err = c.QueryRow(ctx, `SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint`).Scan(&written)
	return client, server, written, err
}

// transactions counts what was committed on the database since it was made.
func transactions(ctx context.Context, url string) (float64, error) {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer c.Close(ctx) //nolint:errcheck // only asked
	var n int64
	err = c.QueryRow(ctx, `SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()`).Scan(&n)
	return float64(n), err
}

// writtenBytes is what this process has handed to the disk.
func writtenBytes() (int64, error) {
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "write_bytes:"); ok {
			return strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, fmt.Errorf("/proc/self/io says nothing of write_bytes; run on Linux with task I/O accounting")
}

func loadAverage() (float64, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	return strconv.ParseFloat(first, 64)
}
