package sandbox

import "slices"

// trades says what the portal, where there is one, adds to an order's fate: it
// makes the order its own, or has a buyer of the storefront send something back.
func (p *plan) trades(seed int64) {
	c := drawn(seed, "trade", uint64(p.index))
	group := drawn(seed, "load", uint64(p.index/loadBlock))
	place := p.index%loadBlock - group.below(loadBlock-loadSize+1)
	switch {
	case place >= 0 && place < loadSize:
		p.fate, p.load = Loaded, 1+p.index/loadBlock
	case c.hit(tradeShare):
		p.fate = drawFate(&c, tradeShares)
	default:
		switch {
		case p.fate != Plain:
		case c.hit(refundShare):
			p.back = comeBack(&c, p.lines[0].ordered)
		case c.hit(renamedShare):
			p.fate = Renamed
		}
		return
	}
	p.trade, p.parts = true, 1
	p.lines = p.tradeLines(&c)
	switch p.fate {
	case Cases:
		p.parts = 1 + c.below(2)
		if c.hit(250) {
			p.counted = [...]int{-2, -1, 1, 3}[c.below(4)]
		}
	case Returned:
		p.back = comeBack(&c, p.lines[0].ordered)
	}
}

// comeBack draws what comes back of so many pieces.
func comeBack(c *chance, ordered int) comeback {
	back := comeback{1 + c.below(ordered), restock}
	if n := c.below(10); n > 8 {
		back.disposition = reject
	} else if n > 5 {
		back.disposition = "scrap"
	}
	return back
}

// tradeLines are the lines of an order of the portal: the first of the first
// warehouse, the second of where the fate wants it.
func (p *plan) tradeLines(c *chance) []planLine {
	line := func(part int) planLine {
		l := planLine{item: itemCount + part*tradePart + c.below(tradePart), byCase: c.hit(600)}
		if l.ordered = 2 + c.below(8); l.byCase {
			l.ordered = perCase * (1 + c.below(4))
		}
		l.edited, l.ships = l.ordered, l.ordered
		return l
	}
	first := line(0)
	if p.fate == Cases && !first.byCase {
		first.byCase, first.ordered = true, perCase*(1+c.below(4))
		first.edited, first.ships = first.ordered, first.ordered
	}
	lines := []planLine{first}
	switch p.fate {
	case Kitted:
		n := 1 + c.below(4)
		kit := planLine{item: len(catalogue) - kitCount + c.below(kitCount), ordered: n, edited: n, ships: n}
		other := line(0)
		for slices.ContainsFunc(catalogue[kit.item].parts, func(p part) bool { return p.item == other.item }) {
			other = line(0)
		}
		lines = []planLine{kit, other}
	case TwoSites:
		lines = append(lines, line(1))
	case Backordered:
		lines = append(lines, line(2))
	default:
		if other := line(0); other.item != first.item {
			lines = append(lines, other)
		}
	}
	return lines
}

// unit is the unit that a line is ordered in, and how many of it.
func (l planLine) unit() (uom string, qty int) {
	if l.byCase {
		return caseUnit, l.ordered / perCase
	}
	return "EA", l.ordered
}

// price is a line's price for one of its unit.
func (l planLine) price() amount {
	if l.byCase {
		return catalogue[l.item].price * perCase
	}
	return catalogue[l.item].price
}
