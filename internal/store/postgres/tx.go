package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

const (
	// The first statement of every batch: its number, in a row that nobody else
	// writes.
	writerStamp = `
		INSERT INTO writer (id, name, batch, at) VALUES ($1, $2, $3, now())
		ON CONFLICT (id) DO UPDATE SET batch = excluded.batch, at = excluded.at`

	writerLook = `SELECT batch FROM writer WHERE id = $1 FOR UPDATE`

	// A process that died left its row behind.
	writersForget = `DELETE FROM writer WHERE at < now() - interval '7 days'`
)

// answerTimeout bounds the wait for the server's answer to a part of a batch.
const answerTimeout = time.Minute

// tx is the write transaction of one batch. It holds the store's gate from
// Begin to Commit or Rollback.
type tx struct {
	s     *Store
	w     *writer
	ctx   context.Context // Begin's, without its end: a batch is finished or rolled back, never cut
	open  bool
	begun bool // whether the server knows of it

	unknown bool // some deliveries taken for known are new to the database
}

// Begin waits for the writer, as long as ctx lasts, and connects it where it
// lost its connection. The server hears of the transaction with its first rows.
func (s *Store) Begin(ctx context.Context) (store.Tx, error) {
	if err := s.enter(ctx); err != nil {
		return nil, fmt.Errorf("begin a batch: %w", err)
	}
	if err := s.writer.ready(ctx); err != nil {
		s.leave()
		return nil, fmt.Errorf("begin a batch: %w", err)
	}
	s.writer.sheet.reset()
	return &tx{s: s, w: s.writer, ctx: context.WithoutCancel(ctx), open: true}, nil
}

// enter takes the gate to the writer.
func (s *Store) enter(ctx context.Context) error {
	if s.readOnly {
		return errReadOnly
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.gate <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) leave() { <-s.gate }

// KeepMessages implements store.Tx.
func (t *tx) KeepMessages(_ context.Context, ms []ledger.Message) ([]*ledger.Message, error) {
	if !t.open {
		return nil, errors.New("keep messages: the batch has ended")
	}
	if len(ms) == 0 {
		return nil, nil
	}
	// Every batch inserts in one order, so two that hold the same messages wait
	// for each other and never in a circle.
	sorted := make([]int, len(ms))
	for i := range ms {
		sorted[i] = i
	}
	slices.SortStableFunc(sorted, func(a, b int) int {
		return cmp.Or(strings.Compare(ms[a].DedupeID, ms[b].DedupeID), strings.Compare(ms[a].Source, ms[b].Source))
	})
	for _, i := range sorted {
		t.w.addMessage(&ms[i])
	}
	kept := make(map[int64]bool, len(ms))
	err := t.send([]*rows{t.w.sheet.messageKeep}, func(_ *rows, c *cells) error {
		kept[c.num()] = true
		return c.err
	})
	if err != nil {
		return nil, fmt.Errorf("keep %d messages: %w", len(ms), err)
	}
	t.w.sheet.messageKeep.reset()
	known := make([]*ledger.Message, len(ms))
	for i := range ms {
		if kept[ms[i].ID] {
			continue
		}
		if known[i], err = t.known(&ms[i]); err != nil {
			return nil, err
		}
	}
	return known, nil
}

// known reads, inside the batch, the message that was kept before m.
func (t *tx) known(m *ledger.Message) (*ledger.Message, error) {
	ctx, cancel := context.WithTimeout(t.ctx, answerTimeout)
	defer cancel()
	rs, err := t.w.conn.Query(ctx, messageKnown, binaryRows, storable(m.DedupeID), storable(m.Source), shardOfMessage(m.Source, m.DedupeID))
	if err != nil {
		return nil, fmt.Errorf("read the known message %s of %s: %w", m.DedupeID, m.Source, err)
	}
	defer rs.Close()
	if rs.Next() {
		c := cells{raw: rs.RawValues()}
		k := scanMessage(&c)
		return &k, c.err
	}
	if err := rs.Err(); err != nil {
		return nil, fmt.Errorf("read the known message %s of %s: %w", m.DedupeID, m.Source, err)
	}
	return nil, fmt.Errorf("keep message %s of %s: its id %d is taken", m.DedupeID, m.Source, m.ID)
}

// Write implements store.Tx.
func (t *tx) Write(_ context.Context, b *store.Batch) error {
	if !t.open {
		return errors.New("write: the batch has ended")
	}
	t.w.sheet.reset()
	if err := t.fill(b); err != nil {
		return err
	}
	fence := t.fence(b)
	err := t.send(t.w.sheet.list(), func(_ *rows, c *cells) error { return fence.compare(c) })
	if err != nil {
		return err
	}
	if fence.left() {
		return fmt.Errorf("write a batch: a shard is not there: %w", store.ErrFenced)
	}
	if t.unknown {
		return t.insertUnknown(b)
	}
	return nil
}

// insertUnknown writes deliveries again that were taken for known and are not:
// their ids were seen in a batch that was dropped, or by another owner.
func (t *tx) insertUnknown(b *store.Batch) error {
	t.unknown = false
	t.w.sheet.deliveryInsert.reset()
	lastOf(b.Deliveries, func(d *lane.Delivery) int64 { return d.ID }, t.w.addDelivery)
	return t.send([]*rows{t.w.sheet.deliveryInsert}, func(*rows, *cells) error { return nil })
}

// send sends the statements that have rows, in one round trip, and reads what
// each of them changed or returned. A connection that turns out to be gone when
// the batch begins is made again: nothing of the batch was on it.
func (t *tx) send(list []*rows, each func(*rows, *cells) error) error {
	first := !t.begun
	err := t.sendOnce(list, each)
	if err == nil || !first || !t.w.conn.IsClosed() {
		return err
	}
	t.begun = false
	if rerr := t.w.ready(t.ctx); rerr != nil {
		return errors.Join(err, rerr)
	}
	return t.sendOnce(list, each)
}

func (t *tx) sendOnce(list []*rows, each func(*rows, *cells) error) error {
	batch := &pgconn.Batch{}
	var sent []*rows // nil: a statement without rows of its own
	for _, r := range list {
		if r.n == 0 {
			continue
		}
		if !t.begun {
			t.begun = true
			t.w.number++
			batch.ExecParams(`BEGIN ISOLATION LEVEL READ COMMITTED`, nil, nil, nil, nil)
			batch.ExecParams(writerStamp, [][]byte{binaryNumber(t.w.id), []byte(storable(t.s.name)), binaryNumber(t.w.number)},
				[]uint32{20, 25, 20}, []int16{1, 0, 1}, nil)
			sent = append(sent, nil, nil)
		}
		batch.ExecPrepared(r.name, r.params(), []int16{1}, []int16{1})
		sent = append(sent, r)
	}
	if len(sent) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, answerTimeout)
	defer cancel()
	results := t.w.conn.PgConn().ExecBatch(ctx, batch)
	err := t.receive(results, sent, each)
	if cerr := results.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("write a batch: %w", cerr)
	}
	return err
}

// name is what the i-th of the statements sent writes.
func name(sent []*rows, i int) string {
	if i >= len(sent) || sent[i] == nil {
		return "a batch"
	}
	return sent[i].name
}

// receive reads the results in the order in which they were sent, to the last:
// of several errors the first counts.
func (t *tx) receive(results *pgconn.MultiResultReader, sent []*rows, each func(*rows, *cells) error) (err error) {
	for i := range sent {
		if !results.NextResult() {
			if err == nil {
				err = fmt.Errorf("write %s: %w", name(sent, i), orCut(results.Close()))
			}
			return err
		}
		r, rr := sent[i], results.ResultReader()
		for rr.NextRow() {
			c := cells{raw: rr.Values()}
			if eerr := each(r, &c); eerr != nil && err == nil {
				err = eerr
			}
		}
		tag, rerr := rr.Close()
		switch {
		case rerr != nil && err == nil:
			err = fmt.Errorf("write %s: %w", name(sent, i), rerr)
		case r == nil || err != nil || rerr != nil:
		case r.missing != nil && tag.RowsAffected() != int64(r.n):
			err = fmt.Errorf("write %s: %d of %d rows are not as they were: %w", r.name, int64(r.n)-tag.RowsAffected(), r.n, r.missing)
		case r == t.w.sheet.deliveryUpdate && tag.RowsAffected() != int64(r.n):
			t.unknown = true
		}
	}
	return err
}

// orCut is err, or what it means that there is none.
func orCut(err error) error {
	if err == nil {
		return errors.New("the server answered less than it was asked")
	}
	return err
}

// Commit implements store.Tx. When its answer is lost, the store looks up what
// became of the batch: nil says that it is durable, ErrNotCommitted that it is
// not and never will be. Any other error leaves it open.
func (t *tx) Commit(context.Context) error {
	if !t.open {
		return errors.New("commit: the batch has ended")
	}
	if !t.begun {
		t.end()
		return nil
	}
	ctx, cancel := context.WithTimeout(t.ctx, answerTimeout)
	defer cancel()
	tag, err := t.w.conn.Exec(ctx, `COMMIT`)
	switch {
	case err == nil && tag.String() == "COMMIT":
	case err == nil: // a statement before it had failed
		t.end()
		return fmt.Errorf("commit a batch: the server rolled it back: %w", store.ErrNotCommitted)
	case !t.w.conn.IsClosed():
		t.end()
		return fmt.Errorf("commit a batch: %w: %w", store.ErrNotCommitted, err)
	default:
		if err := t.lookUp(err); err != nil {
			t.end()
			return err
		}
	}
	t.s.commits.Add(1)
	t.end()
	return nil
}

// lookUpMost bounds how long a lost answer is looked up, and lookUpPause is the
// time between two tries: a server that restarts needs seconds.
const (
	lookUpMost  = 45 * time.Second
	lookUpPause = 100 * time.Millisecond
)

// lookUp finds out what became of a commit whose answer was lost. The writer's
// row is locked by the batch until it has ended, so whoever reads it under a
// lock of his own reads the end.
func (t *tx) lookUp(lost error) error {
	ctx, cancel := context.WithTimeout(t.ctx, lookUpMost)
	defer cancel()
	pause := time.NewTicker(lookUpPause)
	defer pause.Stop()
	for {
		number, err := t.lastBatch(ctx)
		switch {
		case err == nil && number == t.w.number:
			return nil
		case err == nil:
			return fmt.Errorf("commit a batch: %w: %w", store.ErrNotCommitted, lost)
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return fmt.Errorf("commit a batch: its outcome is not known, the database can't be asked (%w): %w", err, lost)
		}
	}
}

// lastBatch is the number of this store's last batch that was committed.
func (t *tx) lastBatch(ctx context.Context) (number int64, err error) {
	conn, err := pgx.ConnectConfig(ctx, t.s.config)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx) //nolint:errcheck // it only asked
	err = conn.QueryRow(ctx, writerLook, t.w.id).Scan(&number)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return number, err
}

// Rollback implements store.Tx.
func (t *tx) Rollback() error {
	if !t.open {
		return nil
	}
	defer t.end()
	if !t.begun || t.w.conn.IsClosed() {
		return nil // the server drops what its client left
	}
	ctx, cancel := context.WithTimeout(t.ctx, answerTimeout)
	defer cancel()
	if _, err := t.w.conn.Exec(ctx, `ROLLBACK`); err != nil && !t.w.conn.IsClosed() {
		return fmt.Errorf("roll a batch back: %w", err)
	}
	return nil
}

func (t *tx) end() {
	t.open = false
	t.s.leave()
}
