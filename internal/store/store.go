// Package store gathers what the engine keeps: the small interfaces of ledger,
// lane, exception and audit in one transaction. SQLite and PostgreSQL stand
// behind it; storetest is what both must agree on.
//
// SQL is the truth: nothing is acknowledged, sent or shown as done before the
// commit that holds it has returned.
package store

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
)

// ErrNotFound is returned where a single thing was asked for and is not there.
var ErrNotFound = errors.New("not found")

// ErrFenced is returned by a commit whose shard has a newer owner. The writer
// drops its memory and starts over.
var ErrFenced = errors.New("the shard has a newer owner")

// ErrNotCommitted is returned by a commit of which it is known that nothing was
// written and nothing will be. The same batch may be tried again.
var ErrNotCommitted = errors.New("the batch was not committed")

// Store is a database that keeps Waybill's promises. Reads are safe for
// concurrent use; writes go through one Tx at a time per owner.
type Store interface {
	ledger.Reader
	lane.Reader
	exception.Reader
	audit.Reader
	identity.Reader
	TimerReader
	Leases

	// Begin starts the one write transaction of a batch.
	Begin(ctx context.Context) (Tx, error)
	// Acquire makes the caller the owner of all shards: every epoch rises, so
	// that an owner before it is fenced. It returns the heads of the chains.
	Acquire(ctx context.Context, replica string) ([]ledger.Head, error)
	// Reserve hands out n ids that nobody had before, rising, and returns the
	// first.
	Reserve(ctx context.Context, n int64) (int64, error)
	// Setting reads a small durable value; ErrNotFound where it was never set.
	Setting(ctx context.Context, name string) (string, error)
	// Check reads the database for damage and returns what it found.
	Check(ctx context.Context) ([]string, error)
	// Backup writes a consistent copy while the store is in use.
	Backup(ctx context.Context, path string) error
	// Statistics are the store's own counters since it was opened.
	Statistics() Statistics
	Close() error
}

// Leases let several replicas share the shards of one database. A replica keeps
// a lease by the store's own clock; while it lasts, nobody else gets the shards
// that the replica acquired. What makes a mistake harmless is not the lease but
// the epoch, which rises whenever a shard is acquired and which every batch
// compares: a replica that missed the end of its lease writes nothing.
//
// The embedded database has one owner, the process that opened it, and its
// leases never end.
type Leases interface {
	// AcquireShards takes or extends the replica's lease, and makes it the owner
	// of those of the shards that are nobody's, its own already, or of a replica
	// whose lease has run out. It returns the heads of those it got; ids reserved
	// from now on are above all under which the shards were written.
	AcquireShards(ctx context.Context, replica string, shards []int, lease time.Duration) ([]ledger.Head, error)
	// Renew extends a lease that has not run out; otherwise it answers ErrFenced,
	// and the replica must acquire its shards again.
	Renew(ctx context.Context, replica string, lease time.Duration) error
	// Release lets shards go, once the replica's last batch on them has ended.
	Release(ctx context.Context, replica string, shards []int) error
	// Owners says who owns what and until when.
	Owners(ctx context.Context) (Owners, error)
}

// Owners are the replicas that have a lease, in the order of their names.
type Owners struct {
	Now      time.Time // by the store's own clock; zero where there is no replica
	Replicas []Owner
}

// Owner is one replica.
type Owner struct {
	Replica string
	Expires time.Time // of its lease, by the store's own clock; zero: never
	Shards  []int     // rising
}

// Table is the rows of one table of a database that is being moved to another.
// Values are int64, string, []byte or nil; packed ones stay as they are stored.
type Table struct {
	Name    string
	Columns []string
	Rows    iter.Seq2[[]any, error]
}

// Statistics count what a store did since it was opened.
type Statistics struct {
	Commits      int64
	BytesWritten int64 // to log and database; 0 where unknown
}

// Tx is one batch. Its phases go in this order: KeepMessages, Write, Commit.
type Tx interface {
	// KeepMessages inserts messages. Where (source, dedupe id) is known
	// already, nothing is inserted and the known one is returned at its index
	// (with ID, SHA256, FirstEvent, Events, Status set); other indexes are nil.
	// A repetition within one call is known by the first of it.
	KeepMessages(ctx context.Context, ms []ledger.Message) ([]*ledger.Message, error)
	// Write writes the rest of the batch.
	Write(ctx context.Context, b *Batch) error
	// Commit makes the batch durable. ErrNotCommitted says that it is not and
	// will not be; any other error leaves the outcome unknown. In both cases the
	// caller drops its memory and reads again.
	Commit(ctx context.Context) error
	// Rollback drops the batch; harmless after Commit.
	Rollback() error
}

// Batch is everything one transaction writes beside messages. The order of the
// fields is the order of writing.
type Batch struct {
	Heads          []ledger.Head // shards that got events; epoch must be the stored one
	Waybills       []ledger.Waybill
	Events         []ledger.Event
	EventStates    []ledger.StateChange
	References     []ledger.Reference // repetitions are ignored
	Past           []ledger.Past      // inserted, or replaced by waybill and name
	Deliveries     []lane.Delivery    // inserted, or replaced by id
	Bodies         []lane.Body
	Attempts       []lane.Attempt
	Timers         []Timer // set, replacing one of the same name
	ClearTimers    []TimerName
	Watches        []Watch
	Unwatch        []Watch
	Exceptions     []exception.Exception // inserted, or replaced by id
	Unmap          []int64               // mappings that are removed, by id
	Mappings       []identity.Mapping    // inserted; a reference that has a meaning from that day on is an error
	Audit          []audit.Entry
	Settings       map[string]string
	MessageUpdates []ledger.Message // FirstEvent, Events, Status, Reason by ID
}

// TimerName names a durable timer of a waybill (0: of the installation).
type TimerName struct {
	Waybill int64
	Name    string
}

// Timer is a durable deadline.
type Timer struct {
	TimerName
	Due time.Time
}

// Watch says that a waybill wants to hear of changes to an entity, e.g.
// "customer:C1" while its order is held.
type Watch struct {
	Entity  string
	Waybill int64
}

// TimerReader reads timers and watches.
type TimerReader interface {
	// Timers streams all timers, soonest first.
	Timers(ctx context.Context, each func(Timer) error) error
	// Watching lists the waybills that watch an entity, those with an id above
	// after, in rising order.
	Watching(ctx context.Context, entity string, after int64, limit int) ([]int64, error)
}
