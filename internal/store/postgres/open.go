// Package postgres keeps Waybill's books in a PostgreSQL database: the same
// tables, packed rows and promises as the embedded one, for installations that
// outgrow one machine. It is a [store.Store].
//
// One connection writes, batch by batch; a pool of others reads. A batch is sent
// in one round trip, one statement for all rows of a kind. Before it changes
// anything of a shard it locks the shard's row and compares the epoch, so an
// owner that was replaced writes nothing. A commit whose answer was lost is
// looked up under the lock of the writer's own row.
package postgres

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/schema"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/packed"
)

// Options say how a database is opened.
type Options struct {
	// Password is the database user's; empty: what the URL or PostgreSQL's own
	// environment variables say.
	Password string
	// Name is the replica's, for people who look at the server's sessions.
	Name string
	// ReadOnly opens an existing database for reading, beside the processes that
	// own it or without one. Nothing is created or migrated.
	ReadOnly bool
	// Formats is how data written by earlier versions is read; nil is
	// [schema.Stored].
	Formats schema.Formats
}

// Store is an open database.
type Store struct {
	name     string
	readOnly bool
	lasting  context.Context // Open's, without its end: for saying good-bye
	config   *pgx.ConnConfig
	formats  schema.Formats
	pool     *pgxpool.Pool
	ids      ids

	gate   chan struct{} // holds one token while somebody writes
	writer *writer       // nil where nothing may be written
	hold   hold          // what the writer's connection must hold; guarded by gate
	epochs epochs        // of the shards that this store acquired; guarded by gate

	commits atomic.Int64
}

// epochs are those under which this store owns shards; 0: it does not.
type epochs struct {
	of    [ledger.ShardCount]int64
	owner bool // whether it has acquired any
}

var _ store.Store = (*Store)(nil)

var errReadOnly = errors.New("the database is open for reading only, or closed")

// Open connects to the database at url (postgres://…) and brings its schema up
// to date. It fails where the server can't be reached, is a standby, stores text
// in another form than UTF-8, or holds a schema that a newer program wrote.
func Open(ctx context.Context, url string, opts Options) (*Store, error) {
	s := &Store{name: opts.Name, readOnly: opts.ReadOnly, lasting: context.WithoutCancel(ctx), formats: opts.Formats,
		gate: make(chan struct{}, 1)}
	if s.formats == nil {
		s.formats = schema.Stored()
	}
	if err := s.open(ctx, url, opts); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, url string, opts Options) error {
	config, err := configure(url, opts)
	if err != nil {
		return err
	}
	s.config = config.ConnConfig
	if err := migrate(ctx, s.config, s.readOnly); err != nil {
		return fmt.Errorf("open the database: %w", unreachable(s.config, err))
	}
	if s.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	encoding, err := one(ctx, s, `SHOW server_encoding`, (*cells).text)
	if err != nil {
		return fmt.Errorf("open the database: %w", unreachable(s.config, err))
	}
	if encoding != "UTF8" {
		return fmt.Errorf("open the database: it stores text as %s; make one WITH ENCODING 'UTF8'", encoding)
	}
	if s.readOnly {
		return nil
	}
	id, err := newWriterID()
	if err != nil {
		return err
	}
	s.writer = &writer{s: s, id: id, sheet: newSheet(), formats: s.formats}
	return s.writer.ready(ctx)
}

// Settings of every session. A server can spare what they spare: no plan of a
// batch depends on how many rows a table had when it was made.
var sessionSettings = map[string]string{
	"timezone":          "UTC",
	"jit":               "off",
	"enable_seqscan":    "off", // a plan made while a table was small would read it whole for ever
	"statement_timeout": "0",
}

// configure reads the URL. Its settings win, but for those that the promises
// depend on.
func configure(url string, opts Options) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The error may repeat the URL, and the URL may hold a password.
		return nil, errors.New("the database's URL can't be read; write postgres://USER@HOST:PORT/NAME?sslmode=verify-full")
	}
	c := config.ConnConfig
	if opts.Password != "" {
		c.Password = opts.Password
	}
	for k, v := range sessionSettings {
		c.RuntimeParams[k] = v
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "waybill " + opts.Name
	}
	if opts.ReadOnly {
		c.RuntimeParams["default_transaction_read_only"] = "on"
	} else {
		// Never a decision from a standby, and of several hosts the one that takes
		// writes.
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	// A peer that has gone without a word is noticed within half a minute.
	dialer := &net.Dialer{Timeout: c.ConnectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
	c.DialFunc = dialer.DialContext
	return config, nil
}

// connectTimeout bounds one try to reach the server, where its URL names none.
const connectTimeout = 5 * time.Second

// unreachable adds where the server was sought, without its password.
func unreachable(c *pgx.ConnConfig, err error) error {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return fmt.Errorf("PostgreSQL at %s, database %s, can't be reached: %w; is it running, and is database.url right?",
			net.JoinHostPort(c.Host, fmt.Sprint(c.Port)), c.Database, err)
	}
	return err
}

// newWriterID names this store's row of the table writer, which no other has.
func newWriterID() (int64, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return 0, fmt.Errorf("name the writer: %w", err)
	}
	return int64(binary.BigEndian.Uint64(b[:]) >> 1), nil //nolint:gosec // 63 bits
}

// Statistics implements store.Store. What the server writes to its log is its
// own to count.
func (s *Store) Statistics() store.Statistics { return store.Statistics{Commits: s.commits.Load()} }

// closeTimeout bounds saying good-bye to the server.
const closeTimeout = 5 * time.Second

// Close waits for an open batch, and ends every connection.
func (s *Store) Close() error {
	var err error
	if s.writer != nil {
		s.gate <- struct{}{}
		err = s.writer.close()
		s.writer, s.readOnly = nil, true
		<-s.gate
	}
	if s.pool != nil {
		s.pool.Close()
	}
	return err
}

// writer is the one connection that writes. Only the holder of the store's gate
// may use it.
type writer struct {
	s       *Store
	id      int64
	conn    *pgx.Conn // nil: to be made
	sheet   *sheet
	arena   packed.Arena
	formats schema.Formats
	number  int64 // of the last batch

	newestDelivery int64 // no delivery of this store has a higher id
}

// idleInBatch bounds how long the server keeps a batch whose client says
// nothing: its locks would hold up everybody who looks it up.
const idleInBatch = "20s"

// ready connects the writer where it is not, and prepares its statements.
func (w *writer) ready(ctx context.Context) error {
	if w.conn != nil && !w.conn.IsClosed() {
		return nil
	}
	config := w.s.config.Copy()
	config.RuntimeParams["idle_in_transaction_session_timeout"] = idleInBatch
	config.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
	config.RuntimeParams["enable_hashjoin"], config.RuntimeParams["enable_mergejoin"] = "off", "off"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return unreachable(config, err)
	}
	if err := w.adopt(ctx, conn); err != nil {
		return errors.Join(err, conn.Close(ctx))
	}
	w.conn = conn
	return nil
}

// adopt makes a fresh connection the writer's.
func (w *writer) adopt(ctx context.Context, conn *pgx.Conn) error {
	// What was committed must be on disk, whatever this role's default is.
	if _, err := conn.Exec(ctx, `SELECT set_config('synchronous_commit', 'on', false)
		WHERE current_setting('synchronous_commit') = 'off'`); err != nil {
		return fmt.Errorf("make commits durable: %w", err)
	}
	for _, r := range w.sheet.list() {
		if _, err := conn.PgConn().Prepare(ctx, r.name, r.sql, nil); err != nil {
			return fmt.Errorf("prepare the writing of %s: %w", r.name, err)
		}
	}
	if err := conn.QueryRow(ctx, deliveryNewest).Scan(&w.newestDelivery); err != nil {
		return fmt.Errorf("find the newest delivery: %w", err)
	}
	if _, err := conn.Exec(ctx, writersForget); err != nil {
		return fmt.Errorf("forget writers of long ago: %w", err)
	}
	return w.s.hold.take(ctx, conn)
}

func (w *writer) close() error {
	if w.conn == nil || w.conn.IsClosed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(w.s.lasting, closeTimeout)
	defer cancel()
	_, err := w.conn.Exec(ctx, `DELETE FROM writer WHERE id = $1`, w.id)
	return errors.Join(err, w.conn.Close(ctx))
}
