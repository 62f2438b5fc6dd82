package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// guarded is the database as a process sees it: a commit may fail, or lie, or
// be the process's last.
type guarded struct {
	store.Store
	w    *world
	p    *proc
	doom *Fault // the process dies as soon as it returns
}

var (
	errDisk = errors.New("simulated disk fault")
	errDied = errors.New("the process died")
)

// Begin implements store.Store.
func (g *guarded) Begin(ctx context.Context) (store.Tx, error) {
	tx, err := g.Store.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &guardedTx{Tx: tx, g: g, kinds: map[string]bool{}}, nil
}

// guardedTx knows what kind of batch it is.
type guardedTx struct {
	store.Tx
	g     *guarded
	kinds map[string]bool
}

// KeepMessages implements store.Tx.
func (t *guardedTx) KeepMessages(ctx context.Context, ms []ledger.Message) ([]*ledger.Message, error) {
	t.kinds["B1"] = t.kinds["B1"] || len(ms) > 0
	return t.Tx.KeepMessages(ctx, ms)
}

// Write implements store.Tx.
func (t *guardedTx) Write(ctx context.Context, b *store.Batch) error {
	for i := range b.Deliveries {
		d := &b.Deliveries[i]
		switch {
		case d.State == lane.InFlight:
			t.kinds["B4"] = true
		case d.Attempts == 0:
			t.kinds["B2"] = true
		case d.State == lane.InDoubt || d.Outcome == waybill.InDoubt:
			t.kinds["B7"] = true
		}
		t.g.w.seen(d)
	}
	for i := range b.Events {
		if b.Events[i].Type == waybill.DocumentSettled {
			t.kinds["B6"] = true
		}
	}
	t.kinds["B11"] = len(b.Audit) > 0
	return t.Tx.Write(ctx, b)
}

// Commit implements store.Tx.
func (t *guardedTx) Commit(ctx context.Context) error {
	w := t.g.w
	var doom *Fault
	for _, kind := range boundaries {
		if !t.kinds[kind] {
			continue
		}
		if f, _ := w.pass(kind); f.What != "" && doom == nil {
			doom = &f
			w.reach(f.What + " " + kind)
		}
	}
	if doom != nil && doom.What == "crash_before" {
		t.g.doom = doom
		return errors.Join(errDied, t.Rollback())
	}
	switch f, _ := w.pass("commit"); f.What {
	case "fails":
		w.reach("commit_failed")
		return errors.Join(store.ErrNotCommitted, errDisk, t.Rollback())
	case "lies":
		w.reach("commit_unknown")
		if err := t.Tx.Commit(ctx); err != nil {
			return err
		}
		return errDisk
	}
	if err := t.Tx.Commit(ctx); err != nil {
		return err
	}
	t.g.doom = doom
	return nil
}

// seen counts the states that deliveries were in, roughly: how many different
// situations a run has visited.
func (w *world) seen(d *lane.Delivery) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %s %s %s %d %d", d.Kind, d.Target, d.State, d.Next, d.Outcome, min(d.Attempts, 4), min(d.Failures, 4))
	w.states[h.Sum64()] = true
}
