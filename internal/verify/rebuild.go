package verify

import (
	"bytes"
	"context"
	"fmt"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// Rebuild folds a ledger into a fresh store and compares the two: every chain's
// end, every waybill's state, every document's key. Messages and events are
// taken over as they are; everything else is made from them. What differs is
// added to the report. Nobody may write to db meanwhile.
func Rebuild(ctx context.Context, db, fresh store.Store, policy *process.Policy, r *Report) error {
	b := &rebuild{db: db, fresh: fresh, policy: policy, r: r}
	heads, err := fresh.Acquire(ctx, "rebuild")
	if err != nil {
		return fmt.Errorf("take ownership of the fresh store: %w", err)
	}
	for _, h := range heads {
		b.heads[h.Shard] = h
	}
	if err := b.ledger(ctx); err != nil {
		return err
	}
	if err := b.waybills(ctx); err != nil {
		return err
	}
	if err := b.compare(ctx); err != nil {
		return err
	}
	r.OK = r.Count == 0
	return nil
}

// rebuild is a fresh store on its way.
type rebuild struct {
	db, fresh store.Store
	policy    *process.Policy
	r         *Report
	heads     [ledger.ShardCount]ledger.Head
}

// ledger takes the messages and events over, page by page, and links the chains
// anew.
func (b *rebuild) ledger(ctx context.Context) error {
	for after := int64(0); ; {
		page, err := b.db.EventsAfter(ctx, after, pageSize)
		if err != nil {
			return fmt.Errorf("read the events after %d: %w", after, err)
		}
		var batch store.Batch
		var messages []ledger.Message
		touched := map[int]bool{}
		for i := range page {
			e := page[i]
			after = e.ID
			if e.Message != 0 {
				m, err := b.db.Message(ctx, e.Message)
				if err != nil {
					return fmt.Errorf("read message %d: %w", e.Message, err)
				}
				if m.FirstEvent == e.ID {
					messages = append(messages, m)
				}
			}
			head := &b.heads[e.Shard]
			head.Seq++
			e.Seq = head.Seq
			e.Link(head.Hash)
			head.Hash = e.Hash
			touched[e.Shard] = true
			batch.Events = append(batch.Events, e)
		}
		for shard := range touched {
			batch.Heads = append(batch.Heads, b.heads[shard])
		}
		if err := b.write(ctx, messages, &batch); err != nil {
			return err
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

func (b *rebuild) write(ctx context.Context, messages []ledger.Message, batch *store.Batch) error {
	tx, err := b.fresh.Begin(ctx)
	if err != nil {
		return fmt.Errorf("write the fresh store: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // harmless after Commit
	if _, err := tx.KeepMessages(ctx, messages); err != nil {
		return fmt.Errorf("write %d messages to the fresh store: %w", len(messages), err)
	}
	if err := tx.Write(ctx, batch); err != nil {
		return fmt.Errorf("write the fresh store: %w", err)
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit to the fresh store: %w", err)
	}
	return nil
}

// waybills folds every waybill from the fresh store's events.
func (b *rebuild) waybills(ctx context.Context) error {
	return each(ctx, b.db, func(w *ledger.Waybill) error {
		tag := process.FlowTag(w.Kind, w.Ref, b.policy)
		made := ledger.Waybill{ID: w.ID, Shard: ledger.ShardOf(tag), Tag: tag, Kind: w.Kind, Ref: w.Ref, Version: 1,
			CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt}
		f, err := refold(ctx, b.fresh, b.policy, &made, &Report{})
		if err != nil {
			return err
		}
		made.State, made.Status, made.Customer = f.state.Append(nil), f.state.Status(), f.state.Customer()
		batch := store.Batch{Waybills: []ledger.Waybill{made}}
		for _, d := range f.docs {
			id, err := b.fresh.Reserve(ctx, 1)
			if err != nil {
				return fmt.Errorf("number a document of %s: %w", w.Ref, err)
			}
			batch.Deliveries = append(batch.Deliveries, lane.Delivery{ID: id, Waybill: made.ID, Shard: made.Shard, Key: d.Key, Target: d.Target,
				Lane: waybill.Lane(w.Kind, w.Ref), Kind: d.Kind, Subject: d.Subject, Version: d.Version, Revision: d.Revision,
				Supersedes: d.Supersedes, Compensates: d.Compensates, Why: d.Why, State: lane.Waiting})
		}
		return b.write(ctx, nil, &batch)
	})
}

// compare holds the two stores against each other.
func (b *rebuild) compare(ctx context.Context) error {
	was, err := heads(ctx, b.db)
	if err != nil {
		return err
	}
	is, err := heads(ctx, b.fresh)
	if err != nil {
		return err
	}
	for shard := range was {
		if was[shard].Seq != is[shard].Seq || was[shard].Hash != is[shard].Hash {
			b.r.add("rebuild_chain", fmt.Sprintf("shard %d", shard), "rebuilt, its chain ends at %d with another hash or number than at %d", is[shard].Seq, was[shard].Seq)
		}
	}
	return each(ctx, b.db, func(w *ledger.Waybill) error {
		made, err := b.fresh.Waybill(ctx, w.ID)
		if err != nil {
			return fmt.Errorf("read %s from the fresh store: %w", w.Ref, err)
		}
		if made.Tag != w.Tag || made.Shard != w.Shard || made.Status != w.Status || made.Customer != w.Customer || !bytes.Equal(made.State, w.State) {
			b.r.add("rebuild_state", "waybill "+w.Ref, "rebuilt, it is %s of shard %d with state %q; it was %s of shard %d with %q",
				made.Status, made.Shard, clip(made.State), w.Status, w.Shard, clip(w.State))
		}
		return b.keys(ctx, w)
	})
}

// keys compares the keys of a waybill's documents.
func (b *rebuild) keys(ctx context.Context, w *ledger.Waybill) error {
	of := func(db store.Store) (map[string]bool, error) {
		ds, err := db.DeliveriesOf(ctx, w.ID)
		if err != nil {
			return nil, fmt.Errorf("read the deliveries of %s: %w", w.Ref, err)
		}
		keys := map[string]bool{}
		for i := range ds {
			keys[ds[i].Key] = true
		}
		return keys, nil
	}
	was, err := of(b.db)
	if err != nil {
		return err
	}
	is, err := of(b.fresh)
	if err != nil {
		return err
	}
	for key := range was {
		if !is[key] {
			b.r.add("rebuild_key", "waybill "+w.Ref, "rebuilt, it has no document %s", key)
		}
	}
	for key := range is {
		if !was[key] {
			b.r.add("rebuild_key", "waybill "+w.Ref, "rebuilt, it has a document %s that it had not", key)
		}
	}
	return nil
}

// each gives every waybill to do.
func each(ctx context.Context, db store.Store, do func(w *ledger.Waybill) error) error {
	for before := int64(0); ; {
		page, err := db.Waybills(ctx, ledger.WaybillQuery{Before: before, Limit: pageSize})
		if err != nil {
			return fmt.Errorf("read the waybills before %d: %w", before, err)
		}
		for i := range page {
			before = page[i].ID
			if err := do(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
	}
}
