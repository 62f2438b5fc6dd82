package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// basesMax is how many items' base units are remembered. Most orders are
// counted in their items' base units: to know it, no item is read.
const basesMax = 65536

// counting is what is remembered of an item: its base unit, empty where no
// system of record has described it, and whether it is made up of others.
type counting struct {
	base string
	kit  bool
}

func countingOf(item *waybill.Item) counting {
	if item == nil {
		return counting{}
	}
	return counting{item.BaseUOM, item.Kit != nil}
}

// countingOf is how an item is counted.
func (b *batch) countingOf(ctx context.Context, sku string) (counting, error) {
	if c, known := b.e.bases[sku]; known {
		return c, nil
	}
	item, err := b.recordOf(ctx, sku)
	if err != nil {
		return counting{}, err
	}
	c := countingOf(item)
	b.e.remember(sku, c)
	return c, nil
}

func (e *Engine) remember(sku string, c counting) {
	if len(e.bases) >= basesMax {
		clear(e.bases)
	}
	e.bases[sku] = c
}

// recordOf is an item as its system of record describes it; nil where none
// does.
func (b *batch) recordOf(ctx context.Context, sku string) (*waybill.Item, error) {
	f, err := b.e.flowByRef(ctx, waybill.FlowItem, sku)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if u := (*unreadable)(nil); errors.As(err, &u) {
		return nil, b.setAside(ctx, err) // the orders go on as without a record
	}
	if err != nil {
		return nil, fmt.Errorf("read item %s: %w", sku, err)
	}
	stock, ok := f.state.(*process.Stock)
	if !ok {
		return nil, nil
	}
	return stock.Record(), nil
}

// unitsOfOrder tells an order the units of those of its items that are not
// ordered in their base unit (system contract G5), and what its kits are made
// up of.
func (b *batch) unitsOfOrder(ctx context.Context, f *flow, o *waybill.Order) error {
	for i := range o.Lines {
		l := &o.Lines[i]
		if l.SKU == "" || !l.IsStock() && l.Kind != waybill.LineKit {
			continue
		}
		c, err := b.countingOf(ctx, l.SKU)
		if err != nil {
			return err
		}
		if c.kit && l.Kit == nil || c.base != "" && c.base != l.UOM && (l.UOM != "" || c.base != "EA") {
			b.tellFirst(ctx, f, l.SKU)
		}
	}
	return nil
}

// tellFirst tells an order an item's units and its components after the
// arrivals, and before anything of it is sent.
func (b *batch) tellFirst(ctx context.Context, f *flow, sku string) {
	if b.untold == nil {
		b.untold = map[*flow]int{}
	}
	b.untold[f]++
	b.tellUnits(ctx, f, sku)
	b.next = append(b.next, func() error {
		b.untold[f]--
		return b.advance(ctx, f)
	})
}

// tellUnits tells an order an item's units and its components, after the
// arrivals.
func (b *batch) tellUnits(ctx context.Context, f *flow, sku string) {
	b.next = append(b.next, func() error {
		item, err := b.recordOf(ctx, sku)
		if err != nil || item == nil || !f.sales().Lacks(item) {
			return err
		}
		return b.own(ctx, f, waybill.ItemKnown, &process.Item{SKU: item.SKU, BaseUOM: item.BaseUOM, UOMs: item.UOMs, Kit: item.Kit})
	})
}
