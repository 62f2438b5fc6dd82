package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// recall brings back what an item's state has let go of, where the event names
// it again.
func (b *batch) recall(ctx context.Context, f *flow, ev *waybill.Event) error {
	e, ok := f.state.(process.Endless)
	if !ok {
		return nil
	}
	name := e.Asks(ev)
	if name == "" {
		return nil
	}
	data, err := b.past(ctx, f, name)
	if err != nil {
		return err
	}
	if err := e.Recall(name, data); err != nil { // guessing that nothing was known would book it twice
		return &unreadable{waybill: f.row.ID, ref: f.row.Ref, err: fmt.Errorf("read what was known of %s: %w", name, err)}
	}
	return nil
}

// past reads what was kept under a name, also what is not committed yet; nil
// where nothing was.
func (b *batch) past(ctx context.Context, f *flow, name string) ([]byte, error) {
	for p := b; p != nil; p = p.prev {
		for _, kept := range slices.Backward(p.w.Past) {
			if kept.Waybill == f.row.ID && kept.Name == name {
				return kept.Data, nil
			}
		}
	}
	data, err := b.e.store.Past(ctx, f.row.ID, name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was known of %s of %s: %w", name, f.row.Ref, err)
	}
	return data, nil
}

// itemChanged keeps an item's record and lets every order that waits for the
// item be checked again.
func (b *batch) itemChanged(ctx context.Context, a *arrival, id int64, ev *waybill.Event) error {
	row, f, err := b.foldInto(ctx, a, id, ev)
	if f == nil {
		return err
	}
	if row.State != ledger.Applied && (a.read || row.State != ledger.Ignored) {
		return nil // nothing changed
	}
	if row.State == ledger.Applied {
		if item := f.state.(*process.Stock).Record(); item != nil {
			b.e.remember(ev.Ref, countingOf(item))
		}
		b.referGTIN(f, ev)
	}
	touched, err := b.touchWatchers(ctx, "item", ev.Ref)
	if row.State == ledger.Applied {
		row.Reason = touched
	}
	return err
}

// foldInto records an event and folds it into the waybill that it names. The
// flow is nil where the waybill is set aside.
func (b *batch) foldInto(ctx context.Context, a *arrival, id int64, ev *waybill.Event) (*ledger.Event, *flow, error) {
	f, err := b.flowFor(ctx, ev.Flow, ev.Ref)
	if u := (*unreadable)(nil); errors.As(err, &u) {
		row := b.recordAs(id, nil, ev, a.message.ID)
		row.State, row.Reason = ledger.ParkedEvent, u.Error()
	}
	if err != nil {
		return nil, nil, b.setAside(ctx, err)
	}
	row := b.recordAs(id, f, ev, a.message.ID)
	err = b.fold(ctx, f, ev, row)
	if u := (*unreadable)(nil); errors.As(err, &u) {
		row.State, row.Reason = ledger.ParkedEvent, u.Error()
		return row, nil, b.setAside(ctx, err)
	}
	return row, f, err
}

// snapshot keeps what a warehouse holds at one moment. It names many items and
// belongs to the flow of none; nothing is decided on it.
func (b *batch) snapshot(a *arrival, id int64, ev *waybill.Event) error {
	row := b.recordAs(id, nil, ev, a.message.ID)
	row.Reason = "kept to be compared with the books; no document follows from it"
	return nil
}

// positionStated keeps what is available of an item, and gives it to the orders
// that wait for it.
func (b *batch) positionStated(ctx context.Context, a *arrival, id int64, ev *waybill.Event) error {
	row, f, err := b.foldInto(ctx, a, id, ev)
	if f == nil || err != nil || row.State != ledger.Applied {
		return err
	}
	_, warehouse, _ := strings.Cut(ev.Subject, "/")
	b.next = append(b.next, func() error { return b.allot(ctx, f, warehouse, eventID(id), 0) })
	return nil
}

// watchStock begins the name of an item's stock, as orders watch it.
const watchStock = "stock:"

// watchersMax is how many orders that wait for an item are gone through in one
// commit.
const watchersMax = 64

// allotTimer names the timer by which the rest of the orders that wait for an
// item are gone through: for a warehouse's position, behind the order that was
// the last.
func allotTimer(warehouse, position string, after int64) string {
	return "allot:" + warehouse + ":" + position + ":" + strconv.FormatInt(after, 10)
}

// allotDue goes on where the commit before stopped.
func (b *batch) allotDue(ctx context.Context, item *flow, rest string) error {
	parts := strings.Split(rest, ":")
	if len(parts) != 3 {
		return fmt.Errorf("the timer allot:%s of %s names no position", rest, item.row.Ref)
	}
	after, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return fmt.Errorf("the timer allot:%s of %s names no order", rest, item.row.Ref)
	}
	return b.allot(ctx, item, parts[0], parts[1], after)
}

// allot gives a position to the orders whose backorders it covers, the oldest
// first (system contract W4.3). Ids rise with the age of orders. A page of
// orders is gone through in a commit; the timer that goes on is part of it, so
// nothing is forgotten or spent twice by a crash.
func (b *batch) allot(ctx context.Context, item *flow, warehouse, position string, after int64) error {
	stock, ok := item.state.(*process.Stock)
	if !ok {
		return nil
	}
	event, left, known := stock.Position(warehouse)
	if !known || event != position || left.Sign() <= 0 {
		return nil // a newer one is in force, or nothing is left of it
	}
	entity := watchStock + item.row.Ref
	stored, err := b.e.store.Watching(ctx, entity, after, watchersMax)
	if err != nil {
		return fmt.Errorf("read which orders wait for %s: %w", entity, err)
	}
	last := int64(-1) // of the page; -1: the page is the last
	if len(stored) == watchersMax {
		last = stored[len(stored)-1]
	}
	for _, id := range b.watching(entity, stored) {
		if id <= after || last >= 0 && id > last {
			continue
		}
		if err := b.allotTo(ctx, id, warehouse, position, item.row.Ref); err != nil {
			return err
		}
	}
	if last >= 0 {
		b.touch(item)
		b.setTimer(item, allotTimer(warehouse, position, last), b.now)
	}
	return nil
}

// allotTo gives an order what its backorders need of a position, each line's
// whole or nothing, and an order that ships complete all of them or nothing. What
// was given is taken from the position in the same commit.
func (b *batch) allotTo(ctx context.Context, order int64, warehouse, position, sku string) error {
	f, err := b.e.flowByID(ctx, order)
	if err != nil {
		return b.setAside(ctx, err)
	}
	if f.sales() == nil {
		return nil
	}
	given, items, err := b.covered(ctx, f.sales().Backorders(), warehouse, sku)
	if err != nil || len(given) == 0 {
		return err
	}
	allotted := &process.Allotted{Position: position, Warehouse: warehouse, Lines: given}
	if err := b.own(ctx, f, waybill.StockAllotted, allotted); err != nil {
		return err
	}
	for _, item := range items {
		if err := b.own(ctx, item, waybill.StockAllotted, allotted); err != nil {
			return err
		}
	}
	return nil
}

// covered finds the backordered lines that the positions of a warehouse cover,
// and the items that they are of.
func (b *batch) covered(ctx context.Context, waits []process.Backorder, warehouse, sku string) ([]waybill.LineQty, []*flow, error) {
	left := map[string]waybill.Decimal{}
	var items []*flow
	var given []waybill.LineQty
	whole := slices.ContainsFunc(waits, func(w process.Backorder) bool { return w.Whole })
	for _, w := range waits {
		if !whole && w.SKU != sku {
			continue // the other items' own positions were gone through when they came
		}
		have, seen := left[w.SKU]
		if !seen {
			item, err := b.e.flowByRef(ctx, waybill.FlowItem, w.SKU)
			switch {
			case errors.Is(err, store.ErrNotFound):
			case err != nil:
				return nil, nil, fmt.Errorf("read the positions of %s: %w", w.SKU, err)
			case whole && !b.e.owns(item.row.Shard): // its owner may be spending it right now
				return nil, nil, nil
			default:
				_, have, _ = item.state.(*process.Stock).Position(warehouse)
				items = append(items, item)
			}
			left[w.SKU] = have
		}
		if have.Cmp(w.Qty) < 0 {
			if whole {
				return nil, nil, nil
			}
			continue
		}
		left[w.SKU] = have.Sub(w.Qty)
		given = append(given, waybill.LineQty{Line: w.Line, SKU: w.SKU, Qty: w.Qty})
	}
	return given, items, nil
}
