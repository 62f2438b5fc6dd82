package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

var errReadOnly = errors.New("the database is open for reading only, or closed")

// tx is the write transaction of one batch. It holds the store's gate from
// Begin to Commit or Rollback.
type tx struct {
	s    *Store
	w    *writer
	ctx  context.Context // Begin's, without its end: a batch is finished or rolled back, never cut
	open bool
}

// Begin waits for the writer, as long as ctx lasts, and starts a transaction.
func (s *Store) Begin(ctx context.Context) (store.Tx, error) {
	if err := s.enter(ctx); err != nil {
		return nil, fmt.Errorf("begin a batch: %w", err)
	}
	t := &tx{s: s, w: s.writer, ctx: context.WithoutCancel(ctx), open: true}
	err := t.run(t.w.begin)
	if err == nil {
		err = s.ids.begin(t)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("begin a batch: %w", err), t.Rollback())
	}
	return t, nil
}

// enter takes the gate to the writer.
func (s *Store) enter(ctx context.Context) error {
	if s.writer == nil {
		return errReadOnly
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.gate <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.broken; err != nil {
		<-s.gate
		return err
	}
	return nil
}

func (s *Store) leave() { <-s.gate }

// alone runs one statement outside any batch.
func (s *Store) alone(ctx context.Context, do func(context.Context, *writer) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	return do(context.WithoutCancel(ctx), s.writer)
}

// KeepMessages implements store.Tx.
func (t *tx) KeepMessages(_ context.Context, ms []ledger.Message) ([]*ledger.Message, error) {
	if !t.open {
		return nil, errors.New("keep messages: the batch has ended")
	}
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	known := make([]*ledger.Message, len(ms))
	for i := range ms {
		k, err := t.w.insertMessage(t.ctx, &ms[i])
		if err != nil {
			return nil, fmt.Errorf("keep message %s of %s: %w", ms[i].DedupeID, ms[i].Source, err)
		}
		known[i] = k
	}
	return known, nil
}

// Write implements store.Tx.
func (t *tx) Write(_ context.Context, b *store.Batch) error {
	if !t.open {
		return errors.New("write: the batch has ended")
	}
	w, ctx := t.w, t.ctx
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, step := range []func() error{
		func() error { return each(ctx, b.Heads, w.writeHead) },
		func() error { return each(ctx, b.Waybills, w.writeWaybill) },
		func() error { return each(ctx, b.Events, w.insertEvent) },
		func() error { return each(ctx, b.EventStates, w.changeEvent) },
		func() error { return each(ctx, b.References, w.insertReference) },
		func() error { return each(ctx, b.Past, w.writePast) },
		func() error { return each(ctx, b.Deliveries, w.writeDelivery) },
		func() error { return each(ctx, b.Bodies, w.insertBody) },
		func() error { return each(ctx, b.Attempts, w.insertAttempt) },
		func() error { return each(ctx, b.Timers, w.setTimer) },
		func() error { return each(ctx, b.ClearTimers, w.clearTimer) },
		func() error { return each(ctx, b.Watches, w.insertWatch) },
		func() error { return each(ctx, b.Unwatch, w.deleteWatch) },
		func() error { return each(ctx, b.Exceptions, w.writeException) },
		func() error { return each(ctx, b.Unmap, w.deleteMapping) },
		func() error { return each(ctx, b.Mappings, w.insertMapping) },
		func() error { return each(ctx, b.Audit, w.insertAudit) },
		func() error { return w.writeSettings(ctx, b.Settings) },
		func() error { return each(ctx, b.MessageUpdates, w.updateMessage) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// each writes rows until the first that fails.
func each[T any](ctx context.Context, rows []T, write func(context.Context, *T) error) error {
	for i := range rows {
		if err := write(ctx, &rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// Commit implements store.Tx. A log that can't be synced makes the store
// unusable: what the disk holds is no longer known, and a second sync would
// answer yes to pages that were dropped.
func (t *tx) Commit(context.Context) error {
	if !t.open {
		return errors.New("commit: the batch has ended")
	}
	s := t.s
	err := t.run(t.w.commit)
	if err != nil {
		if fault := new(sqlite.Error); errors.As(err, &fault) && fault.Code()&0xff == sqlite3.SQLITE_IOERR {
			s.broken = fmt.Errorf("the database could not be synced at %s, so nothing more is written; check the disk and start again: %w",
				s.dir, err)
		}
		return errors.Join(fmt.Errorf("commit a batch: %w", err), t.Rollback())
	}
	s.commits.Add(1)
	s.bytes.Add(t.w.pagesWritten() * frameSize)
	t.end(true)
	return nil
}

// Rollback implements store.Tx.
func (t *tx) Rollback() error {
	if !t.open {
		return nil
	}
	err := t.run(t.w.rollback)
	t.end(false)
	if fault := new(sqlite.Error); errors.As(err, &fault) && fault.Code() == sqlite3.SQLITE_ERROR {
		return nil // SQLite rolled it back itself when a statement failed
	}
	if err != nil {
		return fmt.Errorf("roll a batch back: %w", err)
	}
	return nil
}

func (t *tx) run(s *stmt) error {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	_, err := s.exec(t.ctx)
	return err
}

func (t *tx) end(committed bool) {
	t.open = false
	t.s.ids.settle(committed)
	t.s.leave()
}

// micros is a time as it is stored; the zero time is NULL.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}
