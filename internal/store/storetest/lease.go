package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// soon is a lease that is not over while a test runs; over is one that has run
// out when the next statement looks at it.
const (
	soon = time.Hour
	over = time.Duration(0)
)

// move is a batch that moves a shard's head.
func move(h ledger.Head) *store.Batch {
	h.Seq++
	h.Batch++
	return &store.Batch{Heads: []ledger.Head{h}}
}

func shardsOf(hs []ledger.Head) (shards []int) {
	for _, h := range hs {
		shards = append(shards, h.Shard)
	}
	return shards
}

// A replica gets the shards that it asks for, and writes under their epochs
// alone.
func leaseAcquire(t *testing.T, b *books) {
	ctx := t.Context()
	first := must[[]ledger.Head](t)(b.AcquireShards(ctx, "a", []int{3, 1, 1023}, soon))
	same(t, "the shards acquired", shardsOf(first), []int{1, 3, 1023})
	for _, h := range first {
		if h.Epoch != 1 {
			t.Errorf("shard %d, acquired once, is in epoch %d", h.Shard, h.Epoch)
		}
	}
	b.commit(t, move(first[1]))
	if err := b.Renew(ctx, "a", soon); err != nil {
		t.Errorf("renew: %v", err)
	}

	again := must[[]ledger.Head](t)(b.AcquireShards(ctx, "a", []int{3}, soon))
	if len(again) != 1 || again[0].Epoch != 2 || again[0].Seq != first[1].Seq+1 {
		t.Errorf("its own shard acquired again: %+v; want epoch 2 and the head that it wrote", again)
	}
	if err := b.try(ctx, move(first[1])); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a batch under the shard's first epoch: %v, want ErrFenced", err)
	}
	b.commit(t, move(first[0]))

	owners := must[store.Owners](t)(b.Owners(ctx))
	if len(owners.Replicas) != 1 || owners.Replicas[0].Replica != "a" || owners.Now.IsZero() {
		t.Fatalf("owners: %+v", owners)
	}
	same(t, "what the replica owns", owners.Replicas[0].Shards, []int{1, 3, 1023})
	if err := b.Release(ctx, "a", []int{1, 3, 1023}); err != nil {
		t.Fatal(err)
	}
	for _, o := range must[store.Owners](t)(b.Owners(ctx)).Replicas {
		if len(o.Shards) > 0 {
			t.Errorf("after it let them go, %s owns %v", o.Replica, o.Shards)
		}
	}
}

// Ids of an owner are above all under which its shards were written before.
func leaseIDsRise(t *testing.T, b *books) {
	before := must[int64](t)(b.Reserve(t.Context(), 10))
	b.commit(t, &store.Batch{Events: []ledger.Event{anEvent(before + 9)}})
	b.reopen(t)
	_ = must[[]ledger.Head](t)(b.AcquireShards(t.Context(), "b", []int{1}, soon))
	if after := must[int64](t)(b.Reserve(t.Context(), 1)); after <= before+9 {
		t.Errorf("the next owner writes under id %d, and %d is in the ledger", after, before+9)
	}
}

// RunShared holds a store that several processes may have open at once to what
// they rely on. The stores it opens at one place are open side by side.
func RunShared(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, a, b *books)
	}{
		{"LeaseKeepsOthersOut", leaseKeepsOthersOut},
		{"LeaseOver", leaseOver},
		{"ReleaseHandsOver", releaseHandsOver},
		{"AloneWaitsForNobody", aloneWaitsForNobody},
		{"ZombieWritesNothing", zombieWritesNothing},
		{"IDsNeverMeet", idsNeverMeet},
		{"OneOfTwoKeepsAMessage", oneOfTwoKeepsAMessage},
	} {
		t.Run(c.name, func(t *testing.T) {
			place := t.TempDir()
			a, b := &books{open: open, place: place}, &books{open: open, place: place}
			for _, s := range []*books{a, b} {
				s.Store = open(t, place)
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Errorf("close: %v", err)
					}
				})
			}
			c.run(t, a, b)
		})
	}
}

func leaseKeepsOthersOut(t *testing.T, a, b *books) {
	ctx := t.Context()
	mine := must[[]ledger.Head](t)(a.AcquireShards(ctx, "a", []int{1, 2}, soon))
	got := must[[]ledger.Head](t)(b.AcquireShards(ctx, "b", []int{1, 2, 3}, soon))
	same(t, "what is left for the second", shardsOf(got), []int{3})
	a.commit(t, move(mine[0]))
	b.commit(t, move(got[0]))

	// Not even under the right number.
	stolen := mine[1]
	if err := b.try(ctx, move(stolen)); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a batch on a shard of another replica: %v, want ErrFenced", err)
	}
	if err := b.try(ctx, &store.Batch{Waybills: []ledger.Waybill{{ID: 1, Shard: 2, Tag: 2, Version: 1}}}); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a waybill in a shard of another replica: %v, want ErrFenced", err)
	}
	owners := must[store.Owners](t)(a.Owners(ctx))
	if len(owners.Replicas) != 2 || !owners.Replicas[0].Expires.After(owners.Now) {
		t.Errorf("owners: %+v", owners)
	}
}

func leaseOver(t *testing.T, a, b *books) {
	ctx := t.Context()
	mine := must[[]ledger.Head](t)(a.AcquireShards(ctx, "a", []int{1, 2}, over))
	if err := a.Renew(ctx, "a", soon); !errors.Is(err, store.ErrFenced) {
		t.Errorf("renew a lease that has run out: %v, want ErrFenced", err)
	}
	a.commit(t, move(mine[0])) // nobody has taken the shard: no harm
	got := must[[]ledger.Head](t)(b.AcquireShards(ctx, "b", []int{1}, soon))
	if len(got) != 1 || got[0].Epoch != 2 || got[0].Seq != 1 {
		t.Fatalf("the shard of a lease that has run out: %+v; want epoch 2 and the last head", got)
	}
	if err := a.try(ctx, move(mine[0])); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a batch of the owner before: %v, want ErrFenced", err)
	}
	a.commit(t, move(mine[1]))
}

func releaseHandsOver(t *testing.T, a, b *books) {
	ctx := t.Context()
	mine := must[[]ledger.Head](t)(a.AcquireShards(ctx, "a", []int{1, 2}, soon))
	if err := a.Release(ctx, "a", []int{1}); err != nil {
		t.Fatal(err)
	}
	got := must[[]ledger.Head](t)(b.AcquireShards(ctx, "b", []int{1, 2}, soon))
	same(t, "what was let go", shardsOf(got), []int{1})
	if err := a.try(ctx, move(mine[0])); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a batch on a shard that was let go: %v, want ErrFenced", err)
	}
	a.commit(t, move(mine[1]))
}

// A process that ended without a word has no session any more: who comes alone
// takes its shards at once, under the next epoch.
func aloneWaitsForNobody(t *testing.T, a, b *books) {
	ctx := t.Context()
	_ = must[[]ledger.Head](t)(a.AcquireShards(ctx, "a", []int{1, 2}, soon))
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	got := must[[]ledger.Head](t)(b.AcquireShards(ctx, "b", []int{2, 3}, soon))
	same(t, "what the dead one had, and what was free", shardsOf(got), []int{2, 3})
	if got[0].Epoch != 2 {
		t.Errorf("the shard of the dead one is in epoch %d, want 2", got[0].Epoch)
	}
	owners := must[store.Owners](t)(b.Owners(ctx))
	if len(owners.Replicas) != 1 || owners.Replicas[0].Replica != "b" {
		t.Errorf("owners: %+v; want b alone", owners)
	}
}

// A replica that slept through its lease with a batch half written.
func zombieWritesNothing(t *testing.T, a, b *books) {
	ctx := t.Context()
	mine := must[[]ledger.Head](t)(a.AcquireShards(ctx, "a", []int{1}, over))
	asleep := a.begin(t)
	if _, err := asleep.KeepMessages(ctx, []ledger.Message{aMessage(1, "shop", "evt_1")}); err != nil {
		t.Fatal(err)
	}
	_ = must[[]ledger.Head](t)(b.AcquireShards(ctx, "b", []int{1}, soon))
	if err := asleep.Write(ctx, move(mine[0])); !errors.Is(err, store.ErrFenced) {
		t.Errorf("the batch that slept: %v, want ErrFenced", err)
	}
	if err := asleep.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Message(ctx, 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it left a message: %v", err)
	}
}

func idsNeverMeet(t *testing.T, a, b *books) {
	h := &handedOut{seen: map[int64]bool{}}
	for range 5 {
		h.reserve(t.Context(), t, a, 40_000)
		h.reserve(t.Context(), t, b, 40_000)
	}
}

func oneOfTwoKeepsAMessage(t *testing.T, a, b *books) {
	first := a.begin(t)
	if k, err := first.KeepMessages(t.Context(), []ledger.Message{aMessage(1, "shop", "evt_1"), aMessage(2, "shop", "evt_0")}); err != nil || k[0] != nil {
		t.Fatal(k, err)
	}
	second := make(chan error, 1)
	go func() {
		tx, err := b.Begin(t.Context())
		if err != nil {
			second <- err
			return
		}
		defer tx.Rollback() //nolint:errcheck // harmless after Commit
		known, err := tx.KeepMessages(t.Context(), []ledger.Message{aMessage(3, "shop", "evt_0"), aMessage(4, "shop", "evt_1")})
		if err == nil && (known[0] == nil || known[0].ID != 2 || known[1] == nil || known[1].ID != 1) {
			err = errors.New("the second was told that a message is new")
		}
		second <- err
	}()
	if err := first.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-second; err != nil {
		t.Error(err)
	}
}
