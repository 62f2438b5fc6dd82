package process

import (
	"github.com/waybillhq/waybill"
)

// Backorder is what a line is owed after its warehouse closed short, to be
// released when stock covers it.
type Backorder struct {
	Line   string
	SKU    string
	Qty    waybill.Decimal // all that is owed of the line, in the item's base unit
	Whole  bool            // the order ships complete: all its lines or none
	System string          // the warehouse system that will be sent it
}

// Backorders lists the lines that wait for stock, in the order of the lines:
// those of a held order, of a drop-ship order, those that were released, those
// that an operator recalled and those that may be cancelled do not wait. What [Sales.Missing] lists must be attached.
func (s *Sales) Backorders() []Backorder {
	pic := s.look(nil)
	defer s.giveBack()
	return pic.backorders()
}

func (pic *picture) backorders() (out []Backorder) {
	s := pic.s
	if pic.body == nil || len(s.holds) > 0 || !pic.q[waybill.Backordered].any() {
		return nil
	}
	pic.eachLine(func(at int) {
		i := pic.orderOf(at)
		if !pic.short(at) || pic.freed(at) || pic.beingCancelled(at) || s.recalled(pic.orders[i]) ||
			s.docs[pic.orders[i]].kind != waybill.WarehouseOrder {
			return
		}
		out = append(out, Backorder{Line: s.table[at], SKU: pic.info[at].SKU, Qty: pic.q[waybill.Backordered][at],
			Whole: pic.body.ShipComplete, System: s.docs[pic.orders[i]].target})
	})
	return out
}

// short reports whether all that is still to ship of a line is backordered: its
// warehouse has closed its order, or cancelled the whole rest by itself.
func (pic *picture) short(line int) bool {
	owed := pic.q[waybill.Backordered][line]
	if owed.Sign() <= 0 || !pic.accepted(line) || !pic.stock(line) { // a kit is owed as its components
		return false
	}
	return pic.shut[pic.orderOf(line)] || owed.Equal(pic.goal[line].Sub(pic.q[waybill.Shipped][line]))
}

// beingCancelled reports whether a cancellation that is not decided yet asks for a
// line. What its warehouse has left may be what is cancelled: it is not sent
// again before that is known (W4.5).
func (pic *picture) beingCancelled(line int) bool {
	for i := range pic.requests {
		if q := &pic.requests[i]; !q.decided && pic.concerns(q, line) {
			return true
		}
	}
	return false
}

// freed reports whether a backorder of a line may be released: it was covered
// as a whole, and no more is owed since.
func (pic *picture) freed(line int) bool {
	qty, has := pic.s.docs[pic.orders[pic.orderOf(line)]].freed.of(line)
	return has && qty.Cmp(pic.q[waybill.Backordered][line]) >= 0
}

// backorder works out what warehouses left: all that is owed of lines whose
// warehouse order is closed, and of the others what was cancelled unasked.
func (pic *picture) backorder() {
	for at := range pic.goal {
		i := pic.orderOf(at)
		if i < 0 {
			continue
		}
		owed := waybill.MaxDecimal(pic.goal[at].Sub(pic.q[waybill.Shipped][at]), waybill.Decimal{})
		switch {
		case pic.shut[i]:
			pic.q[waybill.Backordered][at] = owed
		case pic.lost != nil:
			pic.q[waybill.Backordered][at] = waybill.MinDecimal(owed, pic.lost[at])
		}
	}
	for i := range pic.kits { // a short component makes its kits short
		k := &pic.kits[i]
		open := waybill.MaxDecimal(pic.goal[k.line].Sub(pic.q[waybill.Shipped][k.line]), waybill.Decimal{})
		pic.q[waybill.Backordered][k.line] = waybill.MinDecimal(open, k.begun(pic.q[waybill.Backordered]))
	}
}

// allot frees the backorders that stock covers.
func (r *round) allot(a *Allotted) {
	pic := r.s.look(nil)
	for i := range a.Lines {
		if at := r.s.find(a.Lines[i].Line, i); at >= 0 && pic.info[at] != nil && pic.short(at) {
			pic.free(at, a.Lines[i].Qty)
		}
	}
}

// releaseAll frees every backorder, because an operator says so.
func (r *round) releaseAll() {
	pic := r.s.look(nil)
	for at, owed := range pic.q[waybill.Backordered] {
		if pic.info[at] != nil && pic.short(at) {
			pic.free(at, owed)
		}
	}
}

func (pic *picture) free(line int, qty waybill.Decimal) {
	d := pic.s.docs[pic.orders[pic.orderOf(line)]]
	before, _ := d.freed.of(line)
	d.freed = d.freed.put(line, waybill.MaxDecimal(qty, before).Sub(before))
}

// releaseBackorders sends freed backorders to their warehouses again: a new
// warehouse order for each that was closed. An order that ships complete is
// released only whole (W4.3).
func (r *round) releaseBackorders() {
	pic := r.pic
	if !pic.q[waybill.Backordered].any() || pic.body.ShipComplete && !pic.allFreed() {
		return
	}
	for i, at := range pic.orders {
		closed, rest := r.s.docs[at], r.s.row()
		for line, owed := range pic.q[waybill.Backordered] {
			if pic.orderOf(line) == i && pic.short(line) && pic.freed(line) && !pic.beingCancelled(line) {
				rest[line] = owed
			}
		}
		lines := rest.positive()
		if lines == nil {
			continue
		}
		r.want(want{kind: closed.kind, target: closed.target, subject: r.s.free(closed.kind, closed.target, closed.key),
			version: pic.order.version, of: at + 1, lines: func() vector { return lines },
			why: "W4.3 the backorder is covered by stock or released by an operator"})
	}
}

// allFreed reports whether every backordered line may be released.
func (pic *picture) allFreed() bool {
	for line, owed := range pic.q[waybill.Backordered] {
		if owed.Sign() > 0 && pic.accepted(line) && pic.stock(line) && (!pic.short(line) || !pic.freed(line) || pic.beingCancelled(line)) {
			return false
		}
	}
	return true
}

// notify tells the channel what a warehouse left, once for each warehouse order
// that was closed short: what is owed of it, released again or not (W4.3).
func (r *round) notify() {
	if r.channel() == "" || len(r.pic.orders) == 0 {
		return
	}
	for i, at := range r.pic.orders {
		closed := r.s.docs[at]
		if r.stands(waybill.BackorderNotice, r.channel(), closed.key) {
			continue
		}
		var owed row
		for line, q := range r.pic.q[waybill.Backordered] {
			if q.Sign() > 0 && r.pic.orderOf(line) == i && r.pic.short(line) {
				if owed == nil {
					owed = r.s.row()
				}
				owed[line] = q
			}
		}
		for _, next := range r.pic.orders {
			if d := r.s.docs[next]; d.of == at+1 {
				if owed == nil {
					owed = r.s.row()
				}
				owed.add(d.lines)
			}
		}
		if lines := owed.positive(); lines != nil {
			r.want(want{kind: waybill.BackorderNotice, target: r.channel(), subject: closed.key, version: closed.version, of: at + 1,
				lines: func() vector { return lines },
				why:   "W4.3 the warehouse closed its order short"})
		}
	}
}

// giveUpRests has what warehouses left cancelled, where that is the policy: by a
// request of Waybill's own, named after the warehouse order that was closed
// (W4.3). It asks once: what is owed later is backordered.
func (r *round) giveUpRests() {
	if r.p.Backorder != BackorderCancelRest || !r.pic.q[waybill.Backordered].any() {
		return
	}
	known := len(r.s.facts)
	for i, at := range r.pic.orders {
		closed := r.s.docs[at]
		if !r.pic.shut[i] || r.s.recalled(at) || r.s.givesUp(closed.key) {
			continue
		}
		for line, owed := range r.pic.q[waybill.Backordered] {
			if owed.Sign() > 0 && r.pic.orderOf(line) == i {
				r.keep(&fact{family: famCancel, source: own, subject: closed.key, version: 1, at: millis(r.now), all: true, answers: at + 1})
				break
			}
		}
	}
	if len(r.s.facts) > known {
		r.look()
	}
}

func (s *Sales) givesUp(order string) bool {
	for _, f := range s.of(famCancel) {
		if f.source == own && f.subject == order {
			return true
		}
	}
	return false
}

// sentFor is the warehouse order, by place + 1, that a shipment is about: the
// last that its system had when the shipment was first heard of. If it is the
// last shipment for it, later orders are still open.
func (r *round) sentFor(f *fact) int {
	for _, other := range r.s.of(famShipped) {
		if compareSubjects(other, f) == 0 && other.answers > 0 {
			return other.answers
		}
	}
	return r.s.latestOrder(f.source)
}
