package process

import (
	"slices"

	"github.com/waybillhq/waybill"
)

// Item is the data of item.known: what the item's system of record says of its
// units. The first record that is known counts for the order, for ever: a later
// one adds units that were unknown, and changes no factor.
type Item struct {
	SKU     string        `json:"sku"`
	BaseUOM string        `json:"base_uom"`
	UOMs    []waybill.UOM `json:"uoms,omitzero"` // base units in one of each
	// Kit is what one base unit is made up of. It counts where it is known before
	// the order is accepted.
	Kit *waybill.Kit `json:"kit,omitzero"`
}

// factor is how many base units are in one of a unit.
func (it *Item) factor(uom string) (factor waybill.Decimal, ok bool) {
	if uom == it.BaseUOM {
		return waybill.NewDecimal(1), true
	}
	for i := range it.UOMs {
		if it.UOMs[i].UOM == uom && it.UOMs[i].Ratio.Sign() > 0 {
			return it.UOMs[i].Ratio, true
		}
	}
	return waybill.Decimal{}, false
}

// item is the record that a line is counted by, and how many base units are in
// one of the line's unit. Without a record, or with one that does not know the
// line's unit, that unit is the base: it is nil, and one (system contract G5).
func (s *Sales) item(line *waybill.OrderLine) (it *Item, factor waybill.Decimal) {
	for i := range s.items {
		if s.items[i].SKU != line.SKU {
			continue
		}
		uom := line.UOM
		if uom == "" {
			uom = s.items[i].BaseUOM
		}
		if f, ok := s.items[i].factor(uom); ok {
			return &s.items[i], f
		}
	}
	return nil, waybill.NewDecimal(1)
}

// toBase converts a quantity of an order line to the line's base unit. A unit
// that is not known is not guessed: ok is false, and the fact waits.
func (s *Sales) toBase(line *waybill.OrderLine, qty waybill.Decimal, uom string) (base waybill.Decimal, ok bool) {
	if len(s.items) == 0 {
		return qty, uom == "" || uom == lineUnit(line)
	}
	it, factor := s.item(line)
	switch {
	case it == nil:
		return qty, uom == "" || uom == lineUnit(line)
	case uom != "":
		if factor, ok = it.factor(uom); !ok {
			return qty, false
		}
	}
	return qty.Mul(factor), true
}

// PerUnit is how much of a line's base unit one of a unit is; an empty unit is
// the order line's. ok is false where the line or the unit is not known.
func (s *Sales) PerUnit(line, uom string) (factor waybill.Decimal, ok bool) {
	pic := s.look(nil)
	defer s.giveBack()
	at := s.find(line, 0)
	if at < 0 || pic.info[at] == nil {
		return waybill.Decimal{}, false
	}
	return s.toBase(pic.info[at], waybill.NewDecimal(1), uom)
}

// lineUnit is the unit that a line is ordered in. A line without one counts
// pieces.
func lineUnit(line *waybill.OrderLine) string {
	if line == nil || line.UOM == "" {
		return "EA"
	}
	return line.UOM
}

// baseUnit is the unit in which a line is counted.
func (s *Sales) baseUnit(line *waybill.OrderLine) string {
	if len(s.items) > 0 {
		if it, _ := s.item(line); it != nil {
			return it.BaseUOM
		}
	}
	return lineUnit(line)
}

// perLineUnit is how many base units are in one of the unit that a line is
// ordered in.
func (s *Sales) perLineUnit(line *waybill.OrderLine) waybill.Decimal {
	if len(s.items) == 0 {
		return waybill.NewDecimal(1)
	}
	_, factor := s.item(line)
	return factor
}

// value is what a quantity of a line in base units is worth at a price for one
// of the line's unit. It is exact.
func (s *Sales) value(line *waybill.OrderLine, qty, price waybill.Decimal) waybill.Decimal {
	if len(s.items) > 0 {
		qty = qty.Quo(s.perLineUnit(line))
	}
	return qty.Mul(price)
}

// inLineUnit writes a quantity for other systems: in the line's unit where that
// is a whole number, otherwise in the base unit, which is then named.
func (s *Sales) inLineUnit(line *waybill.OrderLine, base waybill.Decimal) (qty waybill.Decimal, uom string) {
	if len(s.items) == 0 {
		return base, ""
	}
	it, factor := s.item(line)
	if it == nil {
		return base, ""
	}
	if qty = base.Quo(factor); qty.Equal(qty.Round(0)) {
		return qty, ""
	}
	return base, it.BaseUOM
}

// learn takes an item's units in. Where they make another unit the base of a
// line, what was counted of the line is converted, this once.
func (r *round) learn(record *Item) {
	s := r.s
	pic := s.look(nil)
	before := make([]waybill.Decimal, len(pic.info))
	for at, l := range pic.info {
		if l != nil {
			before[at] = s.perLineUnit(l)
		}
	}
	explodes := s.lacksKit(record.SKU, record.Kit)
	at := slices.IndexFunc(s.items, func(it Item) bool { return it.SKU == record.SKU })
	if at < 0 {
		at = len(s.items)
		s.items = append(s.items, Item{SKU: record.SKU, BaseUOM: record.BaseUOM, UOMs: slices.Clone(record.UOMs)})
	} else if it := &s.items[at]; it.BaseUOM == record.BaseUOM { // factors to another base can't be added
		for _, u := range record.UOMs {
			_, known := it.factor(u.UOM)
			if sold := slices.ContainsFunc(pic.info, func(l *waybill.OrderLine) bool { return l != nil && l.SKU == it.SKU && l.UOM == u.UOM }); !known && (it.Kit == nil || !sold) {
				it.UOMs = append(it.UOMs, u) // how many kits were sold stays what it was
			}
		}
	}
	if explodes {
		s.items[at].Kit = record.Kit
		s.tableKits()
	}
	for at, l := range pic.info {
		if l == nil || l.SKU != record.SKU {
			continue
		}
		if times := s.perLineUnit(l).Quo(before[at]); !times.Equal(waybill.NewDecimal(1)) {
			for _, d := range s.docs {
				for _, v := range []*vector{&d.lines, &d.again, &d.rejected, &d.before, &d.freed, &d.meant} {
					*v = v.scaled(at, times)
				}
			}
		}
	}
}

// scaled is the vector with the quantity of a line multiplied. It is another
// one: facts and documents share what they have in common.
func (v vector) scaled(line int, times waybill.Decimal) vector {
	out := slices.Clone(v)
	for i := range out {
		if out[i].line == line {
			out[i].qty = out[i].qty.Mul(times)
		}
	}
	return out
}

// unitsAwaited lists the items whose records would tell units that facts wait
// for.
func (pic *picture) unitsAwaited() (skus []string) {
	for _, f := range pic.s.facts {
		if f.place != Limbo && f.place != Parked || pic.body == nil {
			continue
		}
		add := func(line *waybill.OrderLine, uom string) {
			if line == nil || line.SKU == "" || slices.Contains(skus, line.SKU) {
				return
			}
			if _, ok := pic.s.toBase(line, waybill.Decimal{}, uom); !ok {
				skus = append(skus, line.SKU)
			}
		}
		for i, en := range f.lines {
			add(pic.info[en.line], f.unit(i))
		}
		if body := f.returned(); body != nil {
			for i := range body.Lines {
				for _, at := range pic.linesOf(body.Lines[i].SKU) {
					add(pic.info[at], body.Lines[i].UOM)
				}
			}
		}
	}
	return skus
}
