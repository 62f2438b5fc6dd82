package desk

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/tower"
)

// Orders implements tower.Source.
func (d *Desk) Orders(ctx context.Context, q tower.OrderQuery) (tower.OrderPage, error) {
	var page tower.OrderPage
	before := int64(0)
	if q.After != "" {
		var err error
		if before, err = strconv.ParseInt(q.After, 10, 64); err != nil || before <= 0 {
			return page, fmt.Errorf("the list has no page after %q: %w", q.After, tower.ErrNotFound)
		}
	}
	if q.Q != "" && q.Status == "" && q.After == "" {
		found, err := d.trace.Find(ctx, q.Q)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return page, err
		}
		if len(found) == 1 {
			page.Exact = waybill.Lane(found[0].Kind, found[0].Ref)
			return page, nil
		}
	}
	var err error
	page.Orders, page.Next, err = d.rows(ctx, ledger.WaybillQuery{Ref: q.Q, Status: waybill.Status(q.Status), Before: before, Limit: max(q.Limit, 1)})
	return page, err
}

// rows are one page of orders, and where the next one begins; "" where it is
// the last.
func (d *Desk) rows(ctx context.Context, q ledger.WaybillQuery) (rows []tower.OrderRow, next string, err error) {
	limit := q.Limit
	q.Limit++
	found, err := d.trace.Orders(ctx, q)
	if err != nil {
		return nil, "", err
	}
	if len(found) > limit {
		found = found[:limit]
		next = strconv.FormatInt(found[limit-1].ID, 10)
	}
	for _, w := range found {
		row, err := d.row(ctx, w)
		if err != nil {
			return nil, "", err
		}
		rows = append(rows, row)
	}
	return rows, next, nil
}

func (d *Desk) row(ctx context.Context, w ledger.Waybill) (tower.OrderRow, error) {
	state, content, err := d.load(ctx, w)
	if err != nil {
		return tower.OrderRow{}, err
	}
	open, err := d.store.OpenExceptionsOf(ctx, w.ID)
	if err != nil {
		return tower.OrderRow{}, fmt.Errorf("read the exceptions of %s: %w", w.Ref, err)
	}
	v := state.View()
	row := tower.OrderRow{Order: w.Ref, PO: v.PO, Customer: buyer(content, w.Customer), Channel: state.Origin(),
		Status: string(v.Status), Lines: len(v.Lines), Total: total(content), Placed: w.CreatedAt,
		Exceptions: len(open), Bar: bar(v.Lines...)}
	switch {
	case len(open) > 0:
		row.Where = causeOf(open[0].Cause).title
	case len(v.Holds) > 0:
		row.Where = sentence(v.Holds[0].Kind) + " hold"
	}
	return row, nil
}

// load reads an order's state with the facts that it leaves in the ledger, and
// its content in force; that is nil while only facts about it are known.
func (d *Desk) load(ctx context.Context, w ledger.Waybill) (*process.Sales, *waybill.Order, error) {
	state, err := process.Load(w.State)
	if err != nil {
		return nil, nil, fmt.Errorf("read the state of %s: %w", w.Ref, err)
	}
	var content []byte
	version := int64(0)
	err = state.Fetch(func(event int64) ([]byte, error) {
		ev, err := d.store.Event(ctx, event)
		if err != nil {
			return nil, err
		}
		isOrder := ev.Type == waybill.OrderPlaced || ev.Type == waybill.OrderChanged
		if isOrder && ev.State == ledger.Applied && ev.Version >= version {
			content, version = ev.Data, ev.Version
		}
		return ev.Data, nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the facts of %s: %w", w.Ref, err)
	}
	if content == nil {
		return state, nil, nil
	}
	order := new(waybill.Order)
	if err := waybill.Unmarshal(content, order); err != nil {
		return nil, nil, fmt.Errorf("read version %d of %s: %w", version, w.Ref, err)
	}
	return state, order, nil
}
