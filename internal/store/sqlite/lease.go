package sqlite

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// The process that locked the data directory is the only one, so leases never
// end and nobody stands in the way: what is left of them are the epochs.

const (
	headAcquire = `UPDATE shard SET epoch = epoch + 1, owner = ? WHERE shard = ?`

	headRelease = `UPDATE shard SET owner = '' WHERE owner = ? AND shard = ?`

	headOwners = `SELECT owner, shard FROM shard WHERE owner <> '' ORDER BY owner, shard`
)

// AcquireShards implements store.Leases. It always gets what it asks for.
func (s *Store) AcquireShards(ctx context.Context, replica string, shards []int, _ time.Duration) ([]ledger.Head, error) {
	if err := s.eachShard(ctx, replica, shards, func(w *writer) *stmt { return w.headAcquire }); err != nil {
		return nil, fmt.Errorf("acquire %d shards for %s: %w", len(shards), replica, err)
	}
	heads, err := s.Heads(ctx)
	return slices.DeleteFunc(heads, func(h ledger.Head) bool { return !slices.Contains(shards, h.Shard) }), err
}

// Renew implements store.Leases.
func (s *Store) Renew(context.Context, string, time.Duration) error { return nil }

// Release implements store.Leases.
func (s *Store) Release(ctx context.Context, replica string, shards []int) error {
	if err := s.eachShard(ctx, replica, shards, func(w *writer) *stmt { return w.headRelease }); err != nil {
		return fmt.Errorf("release %d shards of %s: %w", len(shards), replica, err)
	}
	return nil
}

// eachShard changes the owner of shards, all or none.
func (s *Store) eachShard(ctx context.Context, replica string, shards []int, by func(*writer) *stmt) error {
	b, err := s.Begin(ctx)
	if err != nil {
		return err
	}
	defer b.Rollback() //nolint:errcheck // the error before it says more
	t, _ := b.(*tx)
	for _, shard := range shards {
		if _, err := by(t.w).exec(t.ctx, replica, int64(shard)); err != nil {
			return err
		}
	}
	return t.Commit(ctx)
}

// Owners implements store.Leases.
func (s *Store) Owners(ctx context.Context) (o store.Owners, err error) {
	err = stream(ctx, s.headOwners, scanOwned,
		func(v owned) error {
			if n := len(o.Replicas); n == 0 || o.Replicas[n-1].Replica != v.replica {
				o.Replicas = append(o.Replicas, store.Owner{Replica: v.replica})
			}
			last := &o.Replicas[len(o.Replicas)-1]
			last.Shards = append(last.Shards, v.shard)
			return nil
		})
	if len(o.Replicas) > 0 {
		o.Now = time.Now()
	}
	return o, reading(err, "the owners of the shards")
}

type owned struct {
	replica string
	shard   int
}

func scanOwned(r row) (v owned, err error) {
	err = r.Scan(&v.replica, &v.shard)
	return v, err
}
