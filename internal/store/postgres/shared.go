package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

const (
	taskInsert = `INSERT INTO task (id, shard, kind, data) SELECT * FROM $rows`

	taskDelete = `
		DELETE FROM task AS t USING $rows AS n (id, shard)
		WHERE t.id = n.id AND t.shard = n.shard`

	answerInsert = `
		INSERT INTO answer (task, text)
		SELECT * FROM $rows
		ON CONFLICT DO NOTHING`

	aliasInsert = `INSERT INTO event_alias (id, event, shard) SELECT * FROM $rows`

	// Whoever hands something over wakes the others with its commit.
	wakeSend = `SELECT pg_notify('waybill', n.of) FROM $rows AS n (of)`

	wakeAll = `SELECT pg_notify('waybill', '')`

	tasksOf = `
		SELECT id, shard, kind, data FROM task
		WHERE shard = ANY($1::int2[]) ORDER BY id LIMIT $2`

	answerTake = `DELETE FROM answer WHERE task = $1 RETURNING text`

	pendingIn = `
		SELECT id, waybill, target, kind, state, next, due
		FROM delivery
		WHERE state IN ('ready', 'in_flight', 'in_doubt', 'waiting', 'parked') AND state <> 'done' AND shard = ANY($1::int2[])
		ORDER BY id`

	timersIn = `
		SELECT waybill, name, due FROM timer
		WHERE shard = ANY($1::int2[]) ORDER BY due NULLS FIRST, waybill, name`

	settingsOf = `SELECT name, value FROM setting WHERE starts_with(name, $1) AND name >= $1`

	// One statement sees one moment: what goes from a task to a delivery while it
	// runs is counted once.
	openWork = `
		SELECT target, state, count(*) FROM delivery
		WHERE state IN ('ready', 'in_flight', 'in_doubt', 'waiting', 'parked') AND state <> 'done'
		GROUP BY target, state
		UNION ALL
		SELECT NULL, state, count(*) FROM event
		WHERE state IN ('limbo', 'parked', 'quarantined', 'undecided') AND state <> 'applied'
		GROUP BY state
		UNION ALL
		SELECT NULL, NULL, count(*) FROM task`

	replicaForget = `DELETE FROM replica WHERE name = $1`
	answersForget = `DELETE FROM answer WHERE at < now() - interval '1 hour'`
	shardsLeave   = `UPDATE shard SET owner = '' WHERE owner = $1`
)

var _ store.Shared = (*Store)(nil)

// HandOver implements store.SharedTx.
func (t *tx) HandOver(_ context.Context, h *store.HandOver) error {
	if !t.open {
		return errors.New("hand over: the batch has ended")
	}
	s := t.w.sheet
	list := []*rows{s.taskInsert, s.taskDelete, s.answerInsert, s.aliasInsert, s.wake}
	for _, r := range list {
		r.reset()
	}
	for i := range h.Tasks {
		x := &h.Tasks[i]
		s.taskInsert.add().num(x.ID).num(int64(x.Shard)).text(x.Kind).blob(x.Data)
	}
	for i := range h.Taken {
		s.taskDelete.add().num(h.Taken[i].ID).num(int64(h.Taken[i].Shard))
	}
	for task, text := range h.Answers {
		s.answerInsert.add().num(task).text(text)
	}
	for _, a := range h.Aliases {
		s.aliasInsert.add().num(a.ID).num(a.Event).num(int64(a.Shard))
	}
	if len(h.Tasks)+len(h.Answers) > 0 || h.Wake {
		s.wake.add().text("")
	}
	return t.send(list, func(*rows, *cells) error { return nil })
}

// Fresh implements store.Shared.
func (s *Store) Fresh(ctx context.Context, n int64) (int64, error) {
	if n < 1 || s.readOnly {
		return 0, fmt.Errorf("reserve %d ids: %w", n, errReadOnly)
	}
	last, err := one(ctx, s, settingReserve, (*cells).num, reservedName, n)
	if err != nil {
		return 0, fmt.Errorf("reserve %d ids: %w", n, err)
	}
	return last - n + 1, nil
}

// Leave implements store.Shared.
func (s *Store) Leave(ctx context.Context, replica string) error {
	err := s.alone(ctx, noHold, func(ctx context.Context, conn *pgx.Conn) error {
		clear(s.epochs.of[:])
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, shardsLeave, storable(replica)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, replicaForget, storable(replica)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, answersForget); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, wakeAll)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("let go the shards of %s: %w", replica, err)
	}
	return nil
}

// Tasks implements store.Shared.
func (s *Store) Tasks(ctx context.Context, shards []int, most int) ([]store.Task, error) {
	ts, err := collect(ctx, s, tasksOf, func(c *cells) store.Task {
		return store.Task{ID: c.num(), Shard: int(c.num()), Kind: c.text(), Data: append([]byte(nil), c.next()...)}
	}, shards, limit(most))
	return ts, reading(err, "the tasks of %d shards", len(shards))
}

// TakeAnswer implements store.Shared.
func (s *Store) TakeAnswer(ctx context.Context, task int64) (string, error) {
	text, err := one(ctx, s, answerTake, (*cells).text, task)
	return text, reading(err, "the answer to task %d", task)
}

// OpenWork implements store.Shared.
func (s *Store) OpenWork(ctx context.Context) (store.OpenWork, error) {
	o := store.OpenWork{Deliveries: map[string]map[lane.State]int{}, Events: map[ledger.EventState]int{}}
	type row struct {
		target, state string
		n             int
	}
	all, err := collect(ctx, s, openWork, func(c *cells) row { return row{c.text(), c.text(), int(c.num())} })
	for _, r := range all {
		switch {
		case r.state == "":
			o.Tasks = r.n
		case r.target == "":
			o.Events[ledger.EventState(r.state)] = r.n
		case o.Deliveries[r.target] == nil:
			o.Deliveries[r.target] = map[lane.State]int{lane.State(r.state): r.n}
		default:
			o.Deliveries[r.target][lane.State(r.state)] = r.n
		}
	}
	return o, reading(err, "the open work")
}

// PendingIn implements store.Shared.
func (s *Store) PendingIn(ctx context.Context, shards []int, each func(lane.Pending) error) error {
	return reading(stream(ctx, s, pendingIn, scanPending, each, shards), "the pending deliveries of %d shards", len(shards))
}

// TimersIn implements store.Shared.
func (s *Store) TimersIn(ctx context.Context, shards []int, each func(store.Timer) error) error {
	return reading(stream(ctx, s, timersIn, scanTimer, each, shards), "the timers of %d shards", len(shards))
}

// Settings implements store.Shared.
func (s *Store) Settings(ctx context.Context, prefix string) (map[string]string, error) {
	all, err := collect(ctx, s, settingsOf, func(c *cells) [2]string { return [2]string{c.text(), c.text()} }, prefix)
	if err != nil {
		return nil, reading(err, "the settings %s…", prefix)
	}
	out := make(map[string]string, len(all))
	for _, v := range all {
		out[v[0]] = v[1]
	}
	return out, nil
}

// Listen implements store.Shared.
func (s *Store) Listen(ctx context.Context, wake func()) (err error) {
	conn, err := pgx.ConnectConfig(ctx, s.config)
	if err != nil {
		return fmt.Errorf("listen for the other replicas: %w", unreachable(s.config, err))
	}
	defer func() {
		quit, cancel := context.WithTimeout(s.lasting, closeTimeout)
		defer cancel()
		err = errors.Join(err, conn.Close(quit))
	}()
	if _, err := conn.Exec(ctx, `LISTEN waybill`); err != nil {
		return fmt.Errorf("listen for the other replicas: %w", err)
	}
	for {
		wake() // what came before it listened
		if _, err := conn.WaitForNotification(ctx); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("listen for the other replicas: %w", err)
		}
	}
}
