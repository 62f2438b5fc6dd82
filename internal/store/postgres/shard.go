package postgres

import (
	"fmt"
	"hash/fnv"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// What belongs to no waybill has the shard of what it is looked for by. The
// hash is stored with the rows, so it never changes.

// shardOfMessage is the shard of a message, by its source and dedupe id.
func shardOfMessage(source, dedupe string) int64 { return shardOfText(source + "\x00" + dedupe) }

// shardOfText is the shard of a reference by its value, and of a watch by its
// entity.
func shardOfText(s string) int64 {
	h := fnv.New64a()
	h.Write([]byte(s)) //nolint:errcheck // it never fails
	return int64(h.Sum64() % ledger.ShardCount)
}

const (
	// All batches lock in the order of shards, so none waits in a circle.
	shardLock = `
		SELECT s.shard, s.epoch FROM shard AS s
		WHERE s.shard IN (SELECT n.shard FROM $rows AS n (shard))
		ORDER BY s.shard FOR UPDATE OF s`

	headWrite = `
		UPDATE shard AS s
		SET seq = n.seq, hash = n.hash, batch = n.batch
		FROM $rows AS n (shard, epoch, seq, batch, hash)
		WHERE s.shard = n.shard AND s.epoch = n.epoch`
)

// fence is what a batch has to find in the rows of the shards that it changes.
type fence struct {
	want  map[int64]int64 // epoch by shard; anyEpoch where the store acquired nothing
	found map[int64]bool
}

const anyEpoch = -1

// fence adds the locks of all shards that the batch changes to the sheet, and
// returns the epochs that it wants to find there.
func (t *tx) fence(b *store.Batch) fence {
	f := fence{want: make(map[int64]int64, len(b.Heads)), found: make(map[int64]bool, len(b.Heads))}
	touch := func(shard int) {
		if _, ok := f.want[int64(shard)]; ok {
			return
		}
		f.want[int64(shard)] = anyEpoch
		if t.s.epochs.owner {
			f.want[int64(shard)] = t.s.epochs.of[shard&(ledger.ShardCount-1)]
		}
	}
	for i := range b.Heads {
		touch(b.Heads[i].Shard)
	}
	for i := range b.Waybills {
		touch(b.Waybills[i].Shard)
	}
	for i := range b.Deliveries {
		touch(b.Deliveries[i].Shard)
	}
	for shard := range f.want {
		t.w.sheet.shardLock.add().num(shard)
	}
	return f
}

// compare reads a locked shard's row.
func (f fence) compare(c *cells) error {
	shard, epoch := c.num(), c.num()
	if c.err != nil {
		return c.err
	}
	want, ok := f.want[shard]
	if ok && want != anyEpoch && (want != epoch || want == 0) {
		return fmt.Errorf("write shard %d in epoch %d: its epoch is %d: %w", shard, want, epoch, store.ErrFenced)
	}
	f.found[shard] = true
	return nil
}

// left reports whether a shard's row was not found.
func (f fence) left() bool { return len(f.found) < len(f.want) }
