// Package sqlite keeps Waybill's books in one SQLite file: the ledger, the
// deliveries, the exceptions, the audit log and the timers. It is a
// [store.Store].
//
// One connection writes, a few others read. A commit has returned only when
// its pages are synced to the write-ahead log (journal_mode WAL, synchronous
// FULL), so what was committed survives the loss of power. One process at a
// time owns a data directory.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"modernc.org/sqlite"

	"github.com/waybillhq/waybill/internal/schema"
	"github.com/waybillhq/waybill/internal/store"
)

// readersMax is how many reads run side by side. Each keeps a page cache of
// its own.
const readersMax = 4

// busyTimeout, in milliseconds, is how long a statement waits for a lock of
// another connection, mostly one that restores a checkpoint.
const busyTimeout = "5000"

// logMax bounds the write-ahead log between checkpoints, in bytes: a log that
// a slow reader let grow past it is cut back.
const logMax = "67108864"

// checkpointPages is after how many pages in the log they are copied into the
// database file: 32 MB. SQLite's own 1000 copies a page that many rounds
// change more often, which writes a tenth more bytes.
const checkpointPages = "8000"

// frameSize is what a page takes in the write-ahead log.
const frameSize = 24 + 4096

// Options say how a database is opened.
type Options struct {
	// ReadOnly opens an existing database for reading, beside the process
	// that owns it or without one. Nothing is created, locked or migrated.
	ReadOnly bool
	// Memory keeps a database for tests and simulation: in a directory of its
	// own for temporary files, never synced, and gone when the store is closed.
	// Everything else is as in production, the log beside the file too; SQLite's
	// own databases in memory would make reads wait for an open batch.
	Memory bool
	// Formats is how data written by earlier versions is read; nil is
	// [schema.Stored].
	Formats schema.Formats
}

// Store is an open database.
type Store struct {
	dir    string
	at     address
	brief  bool     // dir goes with the store
	lock   *os.File // held from Open to Close
	reader *sql.DB
	readStatements
	writer *writer       // nil where nothing may be written
	gate   chan struct{} // holds one token while somebody writes
	broken error         // why nothing can be written any more; guarded by gate
	ids    ids

	formats schema.Formats

	commits, bytes atomic.Int64
}

var _ store.Store = (*Store)(nil)

// Open opens the database in the data directory dir and brings its schema up
// to date; where there is none, it makes one. It fails where another process
// owns the directory (the error names its process id), where others may write
// to it, and where a newer program wrote the schema.
func Open(ctx context.Context, dir string, opts Options) (*Store, error) {
	s := &Store{dir: dir, gate: make(chan struct{}, 1), formats: opts.Formats}
	if s.formats == nil {
		s.formats = schema.Stored()
	}
	if err := s.open(ctx, opts); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, opts Options) error {
	// What a commit waits for is the data and the size of the log, not its
	// time stamps. Where the system has no such call, the longer one stays.
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return fmt.Errorf("choose the sync call: %w", err)
	}
	var err error
	if opts.Memory {
		if s.dir, err = os.MkdirTemp("", "waybill-"); err != nil {
			return fmt.Errorf("make a directory for a database in memory: %w", err)
		}
		s.brief = true
	}
	path := filepath.Join(s.dir, FileName)
	switch {
	case opts.Memory && opts.ReadOnly:
		return errors.New("open a database in memory for reading only: it would be empty; drop one of the two options")
	case opts.ReadOnly:
		if err := checkDir(s.dir); err != nil {
			return err
		}
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("open the database for reading: %w; name the directory that `waybill serve --data` uses", err)
		}
	default:
		if err := s.own(path); err != nil {
			return err
		}
	}
	if s.at, err = newAddress(path, opts); err != nil {
		return err
	}
	if s.reader, err = sql.Open("sqlite", s.at.reader()); err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	s.reader.SetMaxOpenConns(readersMax)
	s.reader.SetMaxIdleConns(readersMax)
	if opts.ReadOnly {
		if err := migrate(ctx, s.reader, true); err != nil {
			return err
		}
	} else if err := s.bringUp(ctx); err != nil {
		return err
	}
	for to, text := range s.list() {
		if *to, err = s.reader.PrepareContext(ctx, text); err != nil { //nolint:sqlclosecheck // Close closes every one
			return fmt.Errorf("prepare %q: %w", text, err)
		}
	}
	return s.ids.load(ctx, s)
}

// own makes the directory this process's, and the file its owner's alone.
func (s *Store) own(path string) (err error) {
	if err := prepareDir(s.dir); err != nil {
		return err
	}
	if s.lock, err = holdDir(s.dir); err != nil {
		return err
	}
	return prepareFile(path)
}

// bringUp migrates the database and connects the writer to it.
func (s *Store) bringUp(ctx context.Context) error {
	db, err := sql.Open("sqlite", s.at.writer())
	if err != nil {
		return fmt.Errorf("open %s: %w", s.at.path, err)
	}
	defer db.Close() //nolint:errcheck // its transactions have ended
	db.SetMaxOpenConns(1)
	if err := migrate(ctx, db, false); err != nil {
		return err
	}
	s.writer, err = openWriter(ctx, s.at.writer(), s.formats)
	return err
}

// address makes the driver's names for one database.
type address struct {
	path string // absolute
	mode string
	sync string
}

func newAddress(path string, opts Options) (a address, err error) {
	a.mode, a.sync = "rw", "FULL"
	if opts.ReadOnly {
		a.mode = "ro"
	}
	if opts.Memory {
		a.sync = "OFF"
	}
	if a.path, err = filepath.Abs(path); err != nil {
		return a, fmt.Errorf("find %s: %w", path, err)
	}
	return a, nil
}

func (a address) writer() string {
	return a.with("busy_timeout("+busyTimeout+")", "journal_mode(WAL)", "synchronous("+a.sync+")",
		"journal_size_limit("+logMax+")", "wal_autocheckpoint("+checkpointPages+")", "temp_store(MEMORY)")
}

func (a address) reader() string {
	return a.with("busy_timeout("+busyTimeout+")", "temp_store(MEMORY)", "query_only(1)")
}

// copier may write, but only the copy: VACUUM INTO is refused where query_only
// is set.
func (a address) copier() string {
	return a.with("busy_timeout("+busyTimeout+")", "temp_store(MEMORY)")
}

func (a address) with(pragmas ...string) string {
	q := url.Values{"mode": {a.mode}, "_pragma": pragmas, "_txlock": {"immediate"}}
	return "file:" + strings.ReplaceAll(url.PathEscape(a.path), "%2F", "/") + "?" + q.Encode()
}

// Statistics implements store.Store. BytesWritten counts what went into the
// write-ahead log; checkpoints copy at most as much into the database file.
func (s *Store) Statistics() store.Statistics {
	return store.Statistics{Commits: s.commits.Load(), BytesWritten: s.bytes.Load()}
}

// Close waits for an open batch, moves the log's content into the database
// file and lets the directory go.
func (s *Store) Close() error {
	var errs []error
	for st := range s.list() {
		if *st != nil {
			errs = append(errs, (*st).Close())
		}
	}
	if s.reader != nil {
		errs = append(errs, s.reader.Close())
	}
	if s.writer != nil {
		s.gate <- struct{}{}
		errs = append(errs, s.writer.close())
		s.writer = nil
		<-s.gate
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	if s.brief {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}
