package sandbox

import "strconv"

// Fate is what will happen to an order, decided before it is placed. It is
// drawn from (seed, index of the order) alone; the causes that bring it about
// are documents and answers, never the clock, so that two runs of one seed
// end in the same books whatever the threads, the timing and the faults were.
type Fate string

// The fates.
const (
	Plain         Fate = "plain"          // shipped at once, in full
	Parts         Fate = "parts"          // shipped in full in two or three shipments
	HeldReleased  Fate = "held_released"  // the ERP's first check refuses; customer.changed releases it
	HeldForever   Fate = "held_forever"   // every check refuses
	ShortShipped  Fate = "short"          // the warehouse ships less and closes the order
	ChangedEarly  Fate = "changed_early"  // edited right behind its placement
	ChangedLate   Fate = "changed_late"   // edited when the warehouse has it; the warehouse takes the change
	ChangeTooLate Fate = "change_toolate" // edited when the warehouse has it; the warehouse refuses
	CancelEarly   Fate = "cancel_early"   // cancelled right behind its placement
	CancelLate    Fate = "cancel_late"    // cancelled when the warehouse has it; the warehouse stops it
	CancelTooLate Fate = "cancel_toolate" // cancelled when the warehouse has it; it ships all the same
	Refused       Fate = "refused"        // the ERP refuses the sales order
)

// The fates that only orders of the portal have (Config.Whole).
const (
	Cases       Fate = "cases"       // ordered by the case, shipped by the piece as well
	TwoSites    Fate = "two_sites"   // two warehouses ship a part each
	Loaded      Fate = "loaded"      // ships on one truck with its neighbours
	Backordered Fate = "backordered" // a line is bought first: closed short, received, released, shipped
	Returned    Fate = "returned"    // a part comes back
	Kitted      Fate = "kit"         // a kit, kept and shipped as its parts
)

// Renamed orders of the storefront name an item by a number that nobody has
// mapped (Config.Whole).
const Renamed Fate = "renamed"

// fateShare is how often a fate comes.
type fateShare struct {
	fate  Fate
	share int
}

// fateShares says how many of 1000 orders have which fate.
var fateShares = []fateShare{
	{Plain, 560}, {Parts, 150}, {HeldReleased, 50}, {HeldForever, 20}, {ShortShipped, 40}, {ChangedEarly, 40},
	{ChangedLate, 30}, {ChangeTooLate, 10}, {CancelEarly, 40}, {CancelLate, 28}, {CancelTooLate, 12}, {Refused, 20},
}

// tradeShares says how many of 1000 orders of the portal have which fate;
// those on a truck are chosen before.
var tradeShares = []fateShare{{Cases, 240}, {TwoSites, 200}, {Backordered, 190}, {Returned, 190}, {Kitted, 100}, {HeldReleased, 60}, {Plain, 20}}

// tradeShare is how many of 1000 orders come from the portal, where there is one.
const tradeShare = 300

// refundShare is how many of 1000 plain orders of the storefront a part comes
// back of, where the world is whole.
const refundShare = 40

// renamedShare is how many of 1000 other plain orders of the storefront name an
// item by a new number, where the world is whole.
const renamedShare = 40

// Orders travel on one truck by threes: one group among so many neighbours.
const (
	loadBlock = 64
	loadSize  = 3
)

// plan is the whole fate of one order: what is ordered, what shall be in the
// books at the end, and which of the optional messages its systems send.
type plan struct {
	index    int // the order's place in the world, from 0
	fate     Fate
	customer int // index into the customers
	template int // which sample the storefront's body is made from
	lines    []planLine
	parts    int   // number of shipments
	reason   int   // which of the reasons, where the fate needs one
	says     tells // what the warehouse, the carrier and the ERP tell
	early    bool  // the follow-up leaves before the first message is answered
	byRef    bool  // the warehouse names its order by its own ref, not by the document's key
	final    bool  // the last shipment says that it is the last
	trade    bool  // it is placed in the portal
	load     int   // the group that shares its truck, from 1; 0: none
	counted  int   // what a count of the first item's bin finds too much or too little behind it
	back     comeback
}

// comeback is what of an order's first line comes back; nothing where pieces is
// 0.
type comeback struct {
	pieces      int
	disposition string
}

// planLine is one line: what the first message orders, what an edit makes of
// it, and what the warehouse shall ship in the end.
type planLine struct {
	item    int // index into the catalogue
	ordered int
	edited  int // equal to ordered where nothing is edited
	ships   int
	byCase  bool // ordered in cases
}

// tells are the messages that systems may leave out.
type tells uint8

// The optional messages.
const (
	tellsAccepted tells = 1 << iota
	tellsAllocation
	tellsPick
	tellsPack
	tellsDelivered
	tellsInvoice
)

// linesMax bounds the lines of an order: their ids share a block of 64.
const linesMax = 40

// planFor draws the fate of the order at index; average is the mean number of
// lines, whole whether there is a portal.
func planFor(seed int64, index, average int, whole bool) plan {
	c := drawn(seed, "fate", uint64(index))
	p := plan{index: index, fate: drawFate(&c, fateShares), parts: 1}
	p.customer = c.below(customerCount)
	p.template = c.below(templateCount)
	p.reason = c.below(1000)
	p.early = c.hit(500)
	p.byRef = c.hit(500)
	p.final = c.hit(500)
	for bit, share := range map[tells]int{tellsAccepted: 500, tellsAllocation: 400, tellsPick: 400, tellsPack: 300, tellsDelivered: 300, tellsInvoice: 150} {
		d := drawn(seed, "tells", uint64(index), uint64(bit))
		if d.hit(share) {
			p.says |= bit
		}
	}
	p.lines = drawLines(&c, average)
	p.settle(&c)
	if whole {
		p.trades(seed)
	}
	return p
}

// drawFate picks one fate by its share.
func drawFate(c *chance, shares []fateShare) Fate {
	n := c.below(1000)
	for _, s := range shares {
		if n -= s.share; n < 0 {
			return s.fate
		}
	}
	return Plain
}

// drawLines picks one to twice the average lines, each of another item.
func drawLines(c *chance, average int) []planLine {
	n := min(1+c.below(2*average-1), linesMax)
	lines := make([]planLine, 0, n)
	for item := c.below(itemCount); len(lines) < n; item = (item + 1 + c.below(3)) % itemCount {
		qty := 1 + c.below(9)
		lines = append(lines, planLine{item: item, ordered: qty, edited: qty, ships: qty})
	}
	return lines
}

// settle makes the lines fit the fate: an order can't be shipped in three
// parts when it is for one piece.
func (p *plan) settle(c *chance) {
	first := &p.lines[0]
	switch p.fate {
	case Parts:
		p.parts = 2 + c.below(2)
		first.ordered = max(first.ordered, p.parts)
		first.edited, first.ships = first.ordered, first.ordered
	case ShortShipped:
		first.ordered++
		first.edited = first.ordered
		first.ships = 1 + c.below(first.ordered-1)
	case ChangedEarly, ChangedLate:
		if c.hit(500) {
			first.edited += 1 + c.below(4)
		} else {
			first.ordered++
			first.edited = max(1, first.ordered-1-c.below(3))
		}
		first.ships = first.edited
	case ChangeTooLate:
		// only more is asked for: what ships then still fits the storefront
		first.edited += 1 + c.below(4)
	case CancelEarly, CancelLate, HeldForever, Refused:
		for i := range p.lines {
			p.lines[i].ships = 0
		}
	}
}

// foreignPlan is the fate of an order that the storefront doesn't know, such
// as one of a portal: the warehouse ships what it is told, in one piece.
func foreignPlan() plan {
	return plan{index: -1, fate: Plain, parts: 1, says: tellsAccepted}
}

// number is the storefront's order number.
func (p *plan) number() int { return firstNumber + p.index }

// label names the order in the warehouse's ids, unique over all orders.
func (p *plan) label(order string) string {
	if p.index < 0 {
		return order
	}
	return strconv.Itoa(p.number())
}
