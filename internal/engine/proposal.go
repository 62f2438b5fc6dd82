package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/ownership"
	"github.com/waybillhq/waybill/internal/store"
)

// onProposal takes or declines a proposal.
func (c *command) onProposal(ctx context.Context, b *batch, x exception.Exception) error {
	kind, ref, source, field, ok := ProposalNamed(x.Subject)
	if !ok || x.Cause != CauseProposal {
		return refuse("unknown_action", "the exception is no proposal", "its actions: "+strings.Join(x.Actions, ", "))
	}
	rec, err := b.owned(ctx, kind, ref)
	if err != nil {
		return err
	}
	take := c.Action == "take"
	p, ok := rec.Settle(source, field, take)
	if !ok {
		return refuse("not_found", "the proposal does not wait any more", "nothing is left to do")
	}
	if err := b.keepOwned(kind, ref, rec); err != nil {
		return err
	}
	b.clear(nil, x.Cause, x.Subject, c.Actor)
	c.before, c.after = p.Old, p.Old
	if !take {
		return nil
	}
	c.after = p.New
	switch kind {
	case ownership.Item:
		return b.inForce(ctx, waybill.ItemChanged, ref, ref, rec.Version, rec.Data)
	case ownership.Stock:
		return b.takePosition(ctx, ref, &p)
	}
	if kind == ownership.Customer {
		_, err = b.touchWatchers(ctx, "customer", ref)
	}
	return err
}

// takePosition puts a proposed position in force, as of now.
func (b *batch) takePosition(ctx context.Context, ref string, p *ownership.Proposal) error {
	sku, warehouse, _ := strings.Cut(ref, "/")
	var available waybill.Decimal
	if err := waybill.Unmarshal(p.New, &available); err != nil {
		return fmt.Errorf("read the position of %s that was proposed: %w", ref, err)
	}
	data, err := waybill.Marshal(&waybill.Entity{SKU: sku, Warehouse: warehouse, Available: &available, AsOf: b.now.UTC().Format(time.RFC3339Nano)})
	if err != nil {
		return fmt.Errorf("write the position of %s: %w", ref, err)
	}
	return b.inForce(ctx, waybill.InventoryPosition, sku, ref, b.now.UnixMicro(), data)
}

// Proposal is a value that waits for a person.
type Proposal struct {
	ID     int64 // of its exception
	Entity ownership.Kind
	Ref    string
	ownership.Proposal
}

// ProposalReader is where proposals are kept.
type ProposalReader interface {
	Exceptions(ctx context.Context, q exception.Query) ([]exception.Exception, error)
	Setting(ctx context.Context, name string) (string, error)
}

// Proposals reads the proposals that wait, those with ids above after, in rising
// order.
func Proposals(ctx context.Context, db ProposalReader, after int64, limit int) ([]Proposal, error) {
	xs, err := db.Exceptions(ctx, exception.Query{State: exception.Open, Cause: CauseProposal, After: after, Limit: limit})
	if err != nil {
		return nil, fmt.Errorf("read the proposals: %w", err)
	}
	out := make([]Proposal, 0, len(xs))
	for _, x := range xs {
		kind, ref, source, field, _ := ProposalNamed(x.Subject)
		one := Proposal{ID: x.ID, Entity: kind, Ref: ref, Proposal: ownership.Proposal{Source: source, Field: field, Since: x.Since}}
		text, err := db.Setting(ctx, OwnedSetting(kind, ref))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("read the proposals for %s %s: %w", kind, ref, err)
		}
		var rec ownership.Record
		if text != "" {
			if err := waybill.Unmarshal([]byte(text), &rec); err != nil {
				return nil, fmt.Errorf("read the proposals for %s %s: %w", kind, ref, err)
			}
		}
		for _, p := range rec.Proposals {
			if p.Source == source && p.Field == field {
				one.Proposal = p
			}
		}
		out = append(out, one)
	}
	return out, nil
}
