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

// baseOf is an item's base unit; empty where no system of record has described
// the item.
func (b *batch) baseOf(ctx context.Context, sku string) (string, error) {
	if base, known := b.e.bases[sku]; known {
		return base, nil
	}
	item, err := b.recordOf(ctx, sku)
	if err != nil {
		return "", err
	}
	base := ""
	if item != nil {
		base = item.BaseUOM
	}
	b.e.rememberBase(sku, base)
	return base, nil
}

func (e *Engine) rememberBase(sku, base string) {
	if len(e.bases) >= basesMax {
		clear(e.bases)
	}
	e.bases[sku] = base
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
// ordered in their base unit (system contract G5).
func (b *batch) unitsOfOrder(ctx context.Context, f *flow, o *waybill.Order) error {
	for i := range o.Lines {
		l := &o.Lines[i]
		if l.SKU == "" || !l.IsStock() {
			continue
		}
		base, err := b.baseOf(ctx, l.SKU)
		if err != nil {
			return err
		}
		if base != "" && base != l.UOM && (l.UOM != "" || base != "EA") {
			b.tellUnits(ctx, f, l.SKU)
		}
	}
	return nil
}

// tellUnits tells an order an item's units, after the arrivals.
func (b *batch) tellUnits(ctx context.Context, f *flow, sku string) {
	b.next = append(b.next, func() error {
		item, err := b.recordOf(ctx, sku)
		if err != nil || item == nil || !f.sales().Lacks(item) {
			return err
		}
		return b.own(ctx, f, waybill.ItemKnown, &process.Item{SKU: item.SKU, BaseUOM: item.BaseUOM, UOMs: item.UOMs})
	})
}
