package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

const (
	headsAll = `SELECT shard, epoch, seq, hash, batch FROM shard ORDER BY shard`

	shardsAcquireAll = `UPDATE shard SET epoch = epoch + 1, owner = $1`

	leaseTake = `
		INSERT INTO replica (name, expires) VALUES ($1, clock_timestamp() + $2 * interval '1 microsecond')
		ON CONFLICT (name) DO UPDATE SET expires = excluded.expires`

	// A lease that has run out is not extended: somebody may be taking its shards.
	leaseRenew = `
		UPDATE replica SET expires = clock_timestamp() + $2 * interval '1 microsecond'
		WHERE name = $1 AND expires > clock_timestamp()`

	// A replica that died long ago has nothing left but its row.
	replicasForget = `
		DELETE FROM replica AS r
		WHERE r.expires < clock_timestamp() - interval '10 minutes'
			AND NOT EXISTS (SELECT 1 FROM shard s WHERE s.owner = r.name)`

	shardsLock = `SELECT shard FROM shard WHERE shard = ANY($1::int2[]) ORDER BY shard FOR UPDATE`

	shardsAcquire = `
		UPDATE shard AS s
		SET epoch = s.epoch + 1, owner = $2
		WHERE s.shard = ANY($1::int2[]) AND (s.owner IN ('', $2) OR NOT EXISTS (
			SELECT 1 FROM replica r WHERE r.name = s.owner AND r.expires > clock_timestamp()))
		RETURNING s.shard, s.epoch, s.seq, s.hash, s.batch`

	shardsRelease = `
		UPDATE shard SET owner = ''
		WHERE owner = $2 AND shard = ANY($1::int2[])`

	ownersAll = `
		SELECT r.name, (extract(epoch FROM r.expires) * 1000000)::int8,
			(extract(epoch FROM clock_timestamp()) * 1000000)::int8, s.shard
		FROM replica r LEFT JOIN shard s ON s.owner = r.name
		ORDER BY r.name, s.shard`

	ownerNamed = `SELECT owner FROM shard WHERE owner <> '' LIMIT 1`
)

// Acquire implements store.Store. One process that owns all shards keeps out
// every other as long as it lives, those that share shards too.
func (s *Store) Acquire(ctx context.Context, replica string) ([]ledger.Head, error) {
	var heads []ledger.Head
	err := s.alone(ctx, exclusive, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, shardsAcquireAll, storable(replica))
		if err == nil {
			heads, err = s.Heads(ctx)
		}
		if err == nil {
			s.own(heads)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("acquire the shards for %s: %w", replica, err)
	}
	return heads, nil
}

// AcquireShards implements store.Leases.
func (s *Store) AcquireShards(ctx context.Context, replica string, shards []int, lease time.Duration) ([]ledger.Head, error) {
	var heads []ledger.Head
	err := s.alone(ctx, noHold, func(ctx context.Context, conn *pgx.Conn) error {
		if s.hold == sharedHold {
			return nil
		}
		return bury(ctx, conn)
	})
	if err != nil {
		return nil, fmt.Errorf("acquire %d shards for %s: %w", len(shards), replica, err)
	}
	err = s.alone(ctx, sharedHold, func(ctx context.Context, conn *pgx.Conn) error {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, leaseTake, storable(replica), lease.Microseconds()); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, replicasForget); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, shardsLock, shards); err != nil {
				return err
			}
			rs, err := tx.Query(ctx, shardsAcquire, binaryRows, shards, storable(replica))
			if err != nil {
				return err
			}
			defer rs.Close()
			for rs.Next() {
				c := cells{raw: rs.RawValues()}
				heads = append(heads, scanHead(&c))
				if c.err != nil {
					return c.err
				}
			}
			return rs.Err()
		})
		if err == nil {
			s.own(heads)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("acquire %d shards for %s: %w", len(shards), replica, err)
	}
	slices.SortFunc(heads, func(a, b ledger.Head) int { return a.Shard - b.Shard })
	return heads, nil
}

// own remembers the epochs of shards that were acquired; the gate is held.
func (s *Store) own(heads []ledger.Head) {
	for _, h := range heads {
		s.epochs.of[h.Shard] = h.Epoch
	}
	s.epochs.owner = true
}

// Renew implements store.Leases.
func (s *Store) Renew(ctx context.Context, replica string, lease time.Duration) error {
	tag, err := s.pool.Exec(ctx, leaseRenew, storable(replica), lease.Microseconds())
	if err == nil && tag.RowsAffected() == 0 {
		err = store.ErrFenced
	}
	if err != nil {
		return fmt.Errorf("renew the lease of %s: %w", replica, err)
	}
	return nil
}

// Release implements store.Leases.
func (s *Store) Release(ctx context.Context, replica string, shards []int) error {
	err := s.alone(ctx, noHold, func(ctx context.Context, conn *pgx.Conn) error {
		for _, shard := range shards {
			s.epochs.of[shard&(ledger.ShardCount-1)] = 0
		}
		if _, err := conn.Exec(ctx, shardsRelease, shards, storable(replica)); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, wakeAll)
		return err
	})
	if err != nil {
		return fmt.Errorf("release %d shards of %s: %w", len(shards), replica, err)
	}
	return nil
}

// Owners implements store.Leases.
func (s *Store) Owners(ctx context.Context) (o store.Owners, err error) {
	type row struct {
		name         string
		expires, now time.Time
		shard        int64
	}
	err = stream(ctx, s, ownersAll, func(c *cells) row {
		r := row{name: c.text(), expires: c.moment(), now: c.moment(), shard: -1}
		if len(c.raw) > 0 && c.raw[0] != nil {
			r.shard = c.num()
		}
		return r
	}, func(r row) error {
		o.Now = r.now
		if n := len(o.Replicas); n == 0 || o.Replicas[n-1].Replica != r.name {
			o.Replicas = append(o.Replicas, store.Owner{Replica: r.name, Expires: r.expires})
		}
		if r.shard >= 0 {
			last := &o.Replicas[len(o.Replicas)-1]
			last.Shards = append(last.Shards, int(r.shard))
		}
		return nil
	})
	return o, reading(err, "the owners of the shards")
}

// Heads implements ledger.Reader.
func (s *Store) Heads(ctx context.Context) ([]ledger.Head, error) {
	hs, err := collect(ctx, s, headsAll, scanHead)
	return hs, reading(err, "the heads of the shards")
}

func scanHead(c *cells) ledger.Head {
	return ledger.Head{Shard: int(c.num()), Epoch: c.num(), Seq: c.num(), Hash: c.hash(), Batch: c.num()}
}

// alone runs statements on the writer's connection outside any batch, with
// what it must hold from now on.
func (s *Store) alone(ctx context.Context, want hold, do func(context.Context, *pgx.Conn) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if err := s.writer.ready(ctx); err != nil {
		return err
	}
	if want != noHold && want != s.hold {
		if err := want.take(ctx, s.writer.conn); err != nil {
			return err
		}
		s.hold = want
		s.ids.drop()
	}
	return do(ctx, s.writer.conn)
}

// bury lets go what processes left behind that have ended without a word, where
// no session of any is left: who comes alone need not wait until their leases
// run out. A session that is cut off while its process lives holds nothing
// either; its epochs are over, and it finds that out.
func bury(ctx context.Context, conn *pgx.Conn) error {
	if alone, err := alone(ctx, conn); err != nil || !alone {
		return err
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM replica`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE shard SET owner = '' WHERE owner <> ''`)
		return err
	})
	_, unlocked := conn.Exec(ctx, `SELECT pg_advisory_unlock($1)`, int64(holdKey))
	return errors.Join(err, unlocked)
}

// buryMost is how long a server may take to notice that a session's process has
// been killed.
const buryMost = 250 * time.Millisecond

// alone reports whether no other session writes, and takes the lock that keeps
// others from beginning to.
func alone(ctx context.Context, conn *pgx.Conn) (got bool, err error) {
	pause := time.NewTicker(buryMost / 10)
	defer pause.Stop()
	for range 10 {
		err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(holdKey)).Scan(&got)
		if err != nil || got {
			return got, err
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return false, nil
}

// hold is a lock that a writer's session keeps as long as it lives: one process
// that owns all shards and those that share them keep each other out. It stops
// mistakes early; what makes them harmless is the epoch.
type hold int

const (
	noHold hold = iota
	sharedHold
	exclusive
)

// holdKey names the lock among the database's advisory locks.
const holdKey = 0x5741594249_4c4c // WAYBILL

// holdMost bounds the wait for the lock: the session of a process that was
// killed is gone at once, or when its server notices.
const (
	holdMost  = 20 * time.Second
	holdPause = 100 * time.Millisecond
)

// take gives the session its lock.
func (h hold) take(ctx context.Context, conn *pgx.Conn) error {
	text := `SELECT pg_try_advisory_lock($1)`
	switch h {
	case noHold:
		return nil
	case sharedHold:
		text = `SELECT pg_try_advisory_lock_shared($1)`
	}
	ctx, cancel := context.WithTimeout(ctx, holdMost)
	defer cancel()
	pause := time.NewTicker(holdPause)
	defer pause.Stop()
	for {
		var got bool
		if err := conn.QueryRow(ctx, text, int64(holdKey)).Scan(&got); err != nil {
			return fmt.Errorf("take the database for this process: %w", err)
		}
		if got {
			return nil
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return inUse(context.WithoutCancel(ctx), conn)
		}
	}
}

// inUse says who has the database.
func inUse(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	owner := "another process"
	var name string
	if err := conn.QueryRow(ctx, ownerNamed).Scan(&name); err == nil {
		owner = stored(name)
	}
	return errors.New("the database is in use by " + owner + "; stop it first, or name another database")
}
