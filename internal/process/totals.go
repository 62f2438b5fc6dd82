package process

import (
	"sync"

	"github.com/waybillhq/waybill"
)

// picture is the order as the facts in force and the receipts show it, line by
// line. It lives for one look: its rows are reused by the next.
type picture struct {
	s *Sales

	order *fact          // the version in force; nil before the order is known
	body  *waybill.Order // its content

	info []*waybill.OrderLine // by line of the table; nil: in no version in force or before it
	gone []bool               // the version in force lacks the line: it counts as cancelled

	q        [waybill.StageCount]row
	goal     row // ordered − cancelled: what shall be delivered
	taken    row // invoiced by the ERP's own doing
	gave     row // credited by the ERP's own doing; nil where it did not
	books    row // the totals that the ERP's order carries, or will when it answers
	rejected []bool

	shipments []*fact   // in force
	confirmed []*fact   // warehouse_order.cancelled in force
	pools     []pool    // what they confirmed, by warehouse order
	requests  []request // cancel requests in force, in the order in which they count
	returns   []comeback
	requested []*fact // returns that the buyer asked for
	conflicts []*fact // in force, with another content of the same version
	twins     []*fact // shipments whose number another system used as well

	kits   []kit
	orders []int  // places of the warehouse orders with their warehouses, by attempt
	shut   []bool // by orders: it is closed, its warehouse ships no more of it
	at     []int  // by line: its warehouse order's index + 1; nil where one has all lines
	lost   row    // what warehouses cancelled that nobody asked them to

	goods bool // the order has lines of stock
}

// scratch is the memory that one call works in. Orders at rest hold none.
type scratch struct {
	pic  picture
	rnd  round
	slab row
	used int
	info []*waybill.OrderLine
	bits []bool
	shut []bool

	places []int
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// borrow takes memory to work in, to be given back when the call ends.
func (s *Sales) borrow() {
	if s.scratch == nil {
		s.scratch = scratches.Get().(*scratch)
	}
}

// giveBack forgets what the call worked on.
func (s *Sales) giveBack() {
	c := s.scratch
	clear(c.pic.shipments)
	clear(c.pic.confirmed)
	clear(c.pic.requests)
	clear(c.info)
	c.pic = picture{shipments: c.pic.shipments[:0], confirmed: c.pic.confirmed[:0], requests: c.pic.requests[:0]}
	c.rnd = round{}
	s.scratch = nil
	scratches.Put(c)
}

// row returns a row of zeros, valid until the next look.
func (s *Sales) row() row {
	n := len(s.table)
	c := s.scratch
	if c.used+n > len(c.slab) {
		c.slab = make(row, max(2*len(c.slab), rowsAtFirst*n))
		c.used = 0
	}
	out := c.slab[c.used : c.used+n : c.used+n]
	c.used += n
	return out
}

// rowsAtFirst is how many rows an ordinary look needs.
const rowsAtFirst = int(waybill.StageCount) + 19

// look derives the picture, to be used until giveBack. tell hears of facts whose
// place changed.
func (s *Sales) look(tell *round) *picture {
	s.borrow()
	n := len(s.table)
	c := s.scratch
	clear(c.slab[:c.used]) // at once: row by row costs many times as much
	c.used, c.places = 0, c.places[:0]
	if cap(c.info) < n {
		c.info = make([]*waybill.OrderLine, n+n/2)
		c.bits = make([]bool, 2*(n+n/2))
	}
	clear(c.info)
	clear(c.bits)
	old := c.pic
	c.pic = picture{s: s, order: s.inForce(), info: c.info[:n], gone: c.bits[:n:n], rejected: c.bits[n : 2*n],
		shipments: old.shipments[:0], confirmed: old.confirmed[:0], requests: old.requests[:0]}
	pic := &c.pic
	for i := range pic.q {
		pic.q[i] = s.row()
	}
	pic.goal, pic.taken, pic.books = s.row(), s.row(), s.row()
	pic.findOrders()
	pic.demand()
	pic.adopt(tell)
	pic.placeLines()
	copy(pic.taken, pic.q[waybill.Invoiced])
	if pic.q[waybill.Credited].any() {
		pic.gave = s.row()
		copy(pic.gave, pic.q[waybill.Credited])
	}
	pic.receipts()
	pic.foldKits()
	pic.weigh()
	return pic
}

// demand reads the lines: each as the version in force has it, or else the
// highest version below that has it.
func (pic *picture) demand() {
	if pic.order == nil {
		return
	}
	below := false
	for _, f := range pic.s.of(famOrder) {
		below = below || f == pic.order
		o := pic.s.orderOf(f)
		if !below || o == nil || pic.s.tooLate(f) {
			continue
		}
		if f == pic.order {
			pic.body = o
		} else if f.version == pic.order.version {
			continue // its twin with other content
		}
		for i := range o.Lines {
			l := &o.Lines[i]
			at := pic.s.find(l.Line, i)
			if at < 0 || pic.info[at] != nil {
				continue
			}
			pic.info[at] = l
			pic.gone[at] = f != pic.order
			pic.q[waybill.Ordered][at], _ = pic.s.toBase(l, l.Qty, "")
			pic.goods = pic.goods || l.IsStock()
		}
	}
	for at, l := range pic.info {
		if l != nil && l.Kind == waybill.LineKit {
			pic.readKit(l, at)
		}
	}
}

// stock reports whether a line is goods.
func (pic *picture) stock(line int) bool { return pic.info[line] != nil && pic.info[line].IsStock() }

// receipts adds what the systems' answers say to the totals.
func (pic *picture) receipts() {
	for _, d := range pic.s.docs {
		pic.reject(d)
		switch {
		case d.state != done:
		case d.kind == waybill.ShipmentPosting:
			pic.q[waybill.Posted].add(d.lines)
		case d.kind == waybill.ShipmentReversal:
			pic.q[waybill.Posted].sub(d.lines)
		case d.kind == waybill.Invoice:
			pic.q[waybill.Invoiced].add(d.lines)
		case d.kind == waybill.CreditMemo:
			pic.q[waybill.Credited].add(d.lines)
		}
	}
	pic.releasedLines()
}

// reject keeps the lines that the ERP will not take: later documents name the
// others only. A change of the order that it takes with the line heals it.
func (pic *picture) reject(d *doc) {
	switch d.kind {
	case waybill.SalesOrder, waybill.SalesOrderChange, waybill.ShipmentPosting, waybill.Invoice:
	default:
		return
	}
	if d.state != done {
		return
	}
	if d.kind == waybill.SalesOrderChange {
		for _, en := range d.lines {
			pic.rejected[en.line] = false
		}
	}
	for _, en := range d.rejected {
		pic.rejected[en.line] = true
	}
}

// LineTotals are a line's quantities by stage.
type LineTotals struct {
	Line string
	waybill.Quantities
}

// Totals returns the quantities of every line in the item's base unit, lines in
// the order in which the order has them; empty while the order is not known.
func (s *Sales) Totals() []LineTotals {
	pic := s.look(nil)
	defer s.giveBack()
	out := make([]LineTotals, 0, len(s.table))
	pic.eachLine(func(at int) {
		t := LineTotals{Line: s.table[at]}
		for stage := range t.Quantities {
			t.Quantities[stage] = pic.q[stage][at]
		}
		out = append(out, t)
	})
	return out
}

// eachLine calls do for the lines of the version in force in its order, then
// for those it lacks, by their ids.
func (pic *picture) eachLine(do func(at int)) {
	if pic.body == nil {
		return
	}
	for i := range pic.body.Lines {
		l := &pic.body.Lines[i]
		if at := pic.s.find(l.Line, i); at >= 0 && pic.info[at] == l { // of two with one id the first counts
			do(at)
		}
	}
	last := ""
	for {
		next := -1
		for at, l := range pic.info {
			if l != nil && pic.gone[at] && (last == "" || l.Line > last) && (next < 0 || l.Line < pic.info[next].Line) {
				next = at
			}
		}
		if next < 0 {
			return
		}
		last = pic.info[next].Line
		do(next)
	}
}
