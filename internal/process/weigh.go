package process

import (
	"cmp"
	"slices"

	"github.com/waybillhq/waybill"
)

// request is a cancel request in force and what became of it.
type request struct {
	f       *fact
	asked   row // what it asked for and nobody before it was given
	given   row // confirmed: at once before the release, by the warehouse after it
	got     row // of given, what was not shipped after all
	decided bool
	late    bool // the warehouse would not cancel
}

// weigh works out what is cancelled: lines that the version in force lacks, and
// what cancel requests were given. What shipped stands whichever message came
// first (W4.5): cancelled is the lesser of what was confirmed and ordered − shipped.
func (pic *picture) weigh() {
	ordered, cancelled, shipped := pic.q[waybill.Ordered], pic.q[waybill.Cancelled], pic.q[waybill.Shipped]
	room := pic.s.row() // still to be given
	for at := range room {
		if !pic.gone[at] {
			room[at] = ordered[at]
		}
	}
	pic.give(room)
	for at := range cancelled {
		if pic.info[at] == nil {
			continue
		}
		confirmed := ordered[at].Sub(room[at]) // a line that is gone has no room: all of it
		open := waybill.MaxDecimal(ordered[at].Sub(shipped[at]), waybill.Decimal{})
		cancelled[at] = waybill.MinDecimal(confirmed, open)
	}
	pic.cancelKits()
	pic.fees()
	pic.share()
	for at := range pic.goal {
		pic.goal[at] = ordered[at].Sub(cancelled[at])
	}
	if len(pic.orders) > 0 {
		pic.backorder()
	}
}

// fees lets freight, fees and services go with the goods: they are cancelled
// when all goods are and nothing has shipped.
func (pic *picture) fees() {
	ordered, cancelled := pic.q[waybill.Ordered], pic.q[waybill.Cancelled]
	if !pic.goods || pic.q[waybill.Shipped].any() {
		return
	}
	for at := range ordered {
		if pic.stock(at) && !ordered[at].Equal(cancelled[at]) {
			return
		}
	}
	copy(cancelled, ordered)
}

// give goes through the requests in the order in which they count, and takes
// from room what each is given.
func (pic *picture) give(room row) {
	pic.requests = slices.DeleteFunc(pic.requests, pic.idle)
	slices.SortStableFunc(pic.requests, func(a, b request) int {
		switch { // those acted upon keep their order; the others follow in the order of their names
		case a.f.fix != 0 && b.f.fix != 0:
			return cmp.Compare(a.f.fix, b.f.fix)
		case a.f.fix != 0:
			return -1
		case b.f.fix != 0:
			return 1
		}
		return compareSubjects(a.f, b.f)
	})
	pic.confirmations()
	for i := range pic.requests {
		q := &pic.requests[i]
		q.asked, q.given, q.got = pic.asks(q.f, room), pic.s.row(), pic.s.row()
		pic.decide(q)
		for at := range room {
			room[at] = room[at].Sub(q.given[at])
		}
	}
	for at := range room {
		if i := pic.orderOf(at); i >= 0 && pic.s.recalled(pic.orders[i]) {
			continue
		}
		surplus := waybill.MinDecimal(pic.pool(pic.orderOf(at)).of(at), room[at].Sub(pic.q[waybill.Shipped][at]))
		if surplus.Sign() > 0 {
			if pic.lost == nil {
				pic.lost = pic.s.row()
			}
			pic.lost[at] = surplus
		}
	}
}

// idle reports whether a request of Waybill's own has no ground any more: the
// facts in force do not close the warehouse order whose rest it gives up, and
// nobody was told of it yet.
func (pic *picture) idle(q request) bool {
	if q.f.event != "" || q.f.fix != 0 {
		return false
	}
	i := slices.Index(pic.orders, q.f.answers-1)
	return i < 0 || !pic.shut[i]
}

// asks is what a request asks for, within what is left to give. One without
// lines asks for all goods, or for those of the warehouse order that it gives
// up; fees follow the goods.
func (pic *picture) asks(f *fact, room row) row {
	out := pic.s.row()
	if f.all {
		for at := range out {
			given := f.answers == 0 || pic.orderOf(at) >= 0 && pic.orders[pic.orderOf(at)] == f.answers-1
			if given && (pic.stock(at) || !pic.goods) {
				out[at] = room[at]
			}
		}
		return out
	}
	out.add(pic.base(f))
	for at := range out {
		out[at] = waybill.MaxDecimal(waybill.MinDecimal(out[at], room[at]), waybill.Decimal{})
	}
	return out
}

// pool is what a warehouse says it has cancelled of one of its orders.
type pool struct {
	order int  // index in pic.orders
	left  row  // not yet given to a request
	all   bool // it named no lines: whatever was asked
}

// of is what is left of a line; a warehouse that cancelled nothing has nil.
func (p *pool) of(line int) waybill.Decimal {
	if p == nil {
		return waybill.Decimal{}
	}
	return p.left[line]
}

func (p *pool) take(line int, qty waybill.Decimal) {
	if p != nil {
		p.left[line] = waybill.MaxDecimal(p.left[line].Sub(qty), waybill.Decimal{})
	}
}

func (pic *picture) pool(order int) *pool {
	for i := range pic.pools {
		if pic.pools[i].order == order {
			return &pic.pools[i]
		}
	}
	return nil
}

// confirmations adds up what the warehouses say they have cancelled.
func (pic *picture) confirmations() {
	for _, f := range pic.confirmed {
		order := pic.primary(f.source, f.subject)
		p := pic.pool(order)
		if p == nil {
			pic.pools = append(pic.pools, pool{order: order, left: pic.s.row()})
			p = &pic.pools[len(pic.pools)-1]
		}
		if !f.all {
			p.left.add(pic.base(f))
			continue
		}
		p.all = true
		if f.answers != 0 {
			continue
		}
		for at := range p.left { // nobody had asked: it cancels the whole order
			if pic.orderOf(at) == order && order >= 0 {
				p.left[at] = p.left[at].Add(waybill.MaxDecimal(pic.q[waybill.Ordered][at].Sub(pic.q[waybill.Shipped][at]), waybill.Decimal{}))
			}
		}
	}
}

// decide settles a request line by line: at once what no warehouse holds,
// otherwise by the warehouse's word. It is decided when each of its lines is.
func (pic *picture) decide(q *request) {
	q.decided = true
	if pic.toldLate(q) {
		q.late = true
		return
	}
	refused, moot, asked := false, false, false
	for line := range q.asked {
		if q.asked[line].Sign() <= 0 {
			continue
		}
		p := pic.pool(pic.orderOf(line))
		at := pic.askedFor(q.f.subject, line)
		switch {
		case at >= 0:
			asked = true
			confirmed, no := pic.s.cancelOf(at)
			switch {
			case confirmed:
				given := q.asked[line]
				if p = pic.pool(pic.askedOf(at)); p == nil || !p.all {
					given = waybill.MinDecimal(given, p.of(line))
				}
				q.given[line] = given
				p.take(line, given)
			case no:
				refused = true
			default:
				q.decided = false
			}
		case !pic.holds(q, line):
			q.given[line] = q.asked[line]
			p.take(line, q.asked[line])
		case pic.cancellable(q, line).Sign() <= 0:
			moot = true // all of it has shipped
		case pic.cancellable(q, line).Cmp(p.of(line)) <= 0: // the warehouse did so by itself
			q.given[line] = q.asked[line]
			p.take(line, q.asked[line])
		case pic.s.docs[pic.orders[pic.orderOf(line)]].kind == waybill.PurchaseOrder:
			refused = true // a supplier that has the order can't be asked: there is no document for it
		default:
			q.decided, asked = false, true
		}
	}
	if moot && !asked {
		for line := range q.asked {
			if q.given[line].IsZero() && pic.holds(q, line) && pic.cancellable(q, line).Sign() <= 0 {
				q.given[line] = q.asked[line]
			}
		}
	}
	q.late = refused && !q.given.any()
}

// toldLate reports whether the channel was told that a request came too late for
// a supplier: no message of the supplier's holds that fast.
func (pic *picture) toldLate(q *request) bool {
	if len(pic.orders) == 0 || pic.s.docs[pic.orders[0]].kind != waybill.PurchaseOrder {
		return false
	}
	for _, d := range pic.s.docs {
		if d.kind == waybill.CancellationAnswer && d.subject == q.f.subject && d.inBooks() {
			return d.answer == answerTooLate
		}
	}
	return false
}

// holds reports whether a warehouse has a line on an open order that was made
// before it was known that the request wants less.
func (pic *picture) holds(q *request, line int) bool {
	i := pic.orderOf(line)
	if i < 0 || pic.shut[i] || pic.neverHad(i, line) {
		return false
	}
	known := q.f.byWarehouse // the first order made after the request
	return known == 0 || pic.s.docs[known-1].attempt > pic.s.docs[pic.orders[i]].attempt
}

// neverHad reports whether a line is not with its warehouse because all of it had
// shipped when the order was made: a shipment that is taken back later leaves it
// with nobody.
func (pic *picture) neverHad(order, line int) bool {
	d := pic.s.docs[pic.orders[order]]
	if before, _ := d.before.of(line); before.IsZero() {
		return false
	}
	if _, has := d.lines.of(line); has {
		return false
	}
	for at, c := range pic.s.docs {
		if q, _ := c.lines.of(line); !q.IsZero() && pic.s.concerns(at, pic.orders[order]) && c.inBooks() { // a change to nothing gives it nothing
			return false
		}
	}
	return true
}

// askedFor returns the place of the document that put a line of a request to its
// warehouse; -1 when none did.
func (pic *picture) askedFor(request string, line int) int {
	for at, d := range pic.s.docs {
		if _, has := d.lines.of(line); d.asksFor(request) && has && (d.inBooks() || d.late) {
			return at
		}
	}
	return -1
}

// askedOf is the index of the warehouse order that a cancellation is about.
func (pic *picture) askedOf(cancel int) int {
	of := pic.s.docs[cancel].of - 1
	if of < 0 { // it was made when there was only one
		of = pic.s.firstOrder()
	}
	for i, at := range pic.orders {
		if at == of {
			return i
		}
	}
	return -1
}

// cancelOf tells what the warehouse said to the cancellation at a place.
func (s *Sales) cancelOf(at int) (confirmed, refused bool) {
	refused = s.docs[at].late || s.answeredBy(famCancelRefused, at)
	for _, f := range s.of(famCancelled) {
		confirmed = confirmed || s.answers(f, at) && (f.place == Applied || f.place == Superseded)
	}
	return confirmed, refused
}

// answers reports whether a warehouse's answer is about the question at a place:
// it was given to it, or to what was left of it to be tried again. A warehouse
// that was asked in two parts names neither.
func (s *Sales) answers(f *fact, at int) bool {
	if f.answers == 0 || f.answers == at+1 {
		return f.answers != 0
	}
	d, rest := s.docs[at], s.docs[f.answers-1]
	return rest.rest && rest.kind == d.kind && rest.target == d.target && rest.subject == d.subject && rest.attempt > d.attempt
}

// holdsRequest reports whether the document at a place + 1, which took a
// request into account, still stands.
func (s *Sales) holdsRequest(place int) bool {
	return place > 0 && s.docs[place-1].inBooks()
}

// cancellable is what of a line of a request its warehouse could still cancel.
func (pic *picture) cancellable(q *request, line int) waybill.Decimal {
	if !pic.stock(line) {
		return waybill.Decimal{}
	}
	open := pic.q[waybill.Ordered][line].Sub(pic.q[waybill.Shipped][line])
	for i := range pic.requests {
		if p := &pic.requests[i]; p != q && p.given != nil {
			open = open.Sub(p.given[line])
		}
	}
	return waybill.MaxDecimal(waybill.MinDecimal(q.asked[line], open), waybill.Decimal{})
}

// share tells each request what it got of what is cancelled, first come first
// served. Fees that went with the goods are the last one's that got any.
func (pic *picture) share() {
	rest := pic.s.row()
	for at := range rest {
		if !pic.gone[at] {
			rest[at] = pic.q[waybill.Cancelled][at]
		}
	}
	last := -1
	for i := range pic.requests {
		q := &pic.requests[i]
		for at := range rest {
			q.got[at] = waybill.MinDecimal(q.given[at], rest[at])
			rest[at] = rest[at].Sub(q.got[at])
		}
		for i := range pic.kits { // what is cancelled of a component is cancelled of its kit
			k := &pic.kits[i]
			q.got[k.line] = waybill.MinDecimal(k.begun(q.got), rest[k.line])
			rest[k.line] = rest[k.line].Sub(q.got[k.line])
		}
		if q.got.any() {
			last = i
		}
	}
	if last < 0 {
		return
	}
	for at := range rest {
		if !pic.stock(at) {
			q := &pic.requests[last]
			q.got[at] = q.got[at].Add(rest[at])
		}
	}
}
