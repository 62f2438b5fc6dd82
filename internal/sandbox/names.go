package sandbox

import (
	"strconv"
	"strings"
)

// The storefront has numbers of its own (Config.Whole): most are the ERP's, and
// now and then an item is sold under a new one that nobody has told Waybill of.

// number is how the storefront names the item of an order's line.
func (o *shopOrder) number(line int) string {
	sku := catalogue[o.lines[line].item].sku
	if o.plan.fate == Renamed && line == 0 {
		return renamed(sku)
	}
	return sku
}

// renamed is an item's new number in the storefront.
func renamed(sku string) string { return strings.ReplaceAll(sku, "-", "") }

// Numbers lists the storefront's numbers as they were when the world began; each
// is the ERP's number too.
func (w *World) Numbers() []string {
	out := make([]string, 0, itemCount)
	for i := range itemCount {
		out = append(out, catalogue[i].sku)
	}
	return out
}

// Meaning is what somebody who knows the storefront's goods says of one of its
// numbers: the ERP's. It is empty where the storefront has no such number.
func (w *World) Meaning(number string) string {
	for i := range itemCount {
		if sku := catalogue[i].sku; number == sku || number == renamed(sku) {
			return sku
		}
	}
	return ""
}

// Example is an order that shows a fate.
type Example struct {
	Fate   Fate
	System string // the channel that it was placed in
	Number string // by which the channel names it to Waybill
}

// Examples are the first orders of every fate that Waybill has acknowledged, in
// the order in which they were placed.
func (w *World) Examples() (out []Example) {
	w.shop.listMu.RLock()
	defer w.shop.listMu.RUnlock()
	met := map[Fate]bool{}
	for _, o := range w.shop.orders {
		if met[o.plan.fate] || !o.acknowledged.Load() {
			continue
		}
		met[o.plan.fate] = true
		e := Example{o.plan.fate, "shop", strconv.FormatInt(o.id(), 10)}
		if o.plan.trade {
			e.System, e.Number = "portal", strconv.Itoa(o.plan.number())
		}
		out = append(out, e)
	}
	return out
}
