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
	pic.fees()
	pic.share()
	for at := range pic.goal {
		pic.goal[at] = ordered[at].Sub(cancelled[at])
	}
	if pic.closed {
		for at := range pic.goal {
			if pic.stock(at) {
				pic.q[waybill.Backordered][at] = waybill.MaxDecimal(pic.goal[at].Sub(shipped[at]), waybill.Decimal{})
			}
		}
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
	left, limited := pic.confirmations()
	for i := range pic.requests {
		q := &pic.requests[i]
		q.asked, q.given, q.got = pic.asks(q.f, room), pic.s.row(), pic.s.row()
		pic.decide(q, left, limited)
		for at := range room {
			room[at] = room[at].Sub(q.given[at])
		}
	}
	for at := range left {
		pic.surplus = pic.surplus || left[at].Sign() > 0 && room[at].Sub(pic.q[waybill.Shipped][at]).Sign() > 0
	}
	pic.closed = pic.closed || pic.surplus
}

// asks is what a request asks for, within what is left to give. One without
// lines asks for all goods; fees follow the goods.
func (pic *picture) asks(f *fact, room row) row {
	out := pic.s.row()
	if f.all {
		for at := range out {
			if pic.stock(at) || !pic.goods {
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

// confirmations adds up what the warehouse says it has cancelled. limited is
// false where it named no lines: all that was asked, and all that is open.
func (pic *picture) confirmations() (left row, limited bool) {
	left, limited = pic.s.row(), true
	for _, f := range pic.confirmed {
		if !f.all {
			left.add(pic.base(f))
			continue
		}
		limited = false
		if f.answers == 0 { // nobody had asked: it cancels the whole order
			for at := range left {
				if pic.stock(at) {
					left[at] = left[at].Add(waybill.MaxDecimal(pic.q[waybill.Ordered][at].Sub(pic.q[waybill.Shipped][at]), waybill.Decimal{}))
				}
			}
		}
	}
	return left, limited
}

// decide settles one request: at once where the warehouse does not hold its
// goods, otherwise by the warehouse's word.
func (pic *picture) decide(q *request, left row, limited bool) {
	s := pic.s
	sent, confirmed, refused := s.warehouseOn(q.f.subject)
	switch {
	case refused && !confirmed:
		q.decided, q.late = true, true
	case !pic.released, s.holdsRequest(q.f.byWarehouse):
		q.decided = true
		copy(q.given, q.asked)
	case confirmed:
		q.decided = true
		for at := range q.asked {
			q.given[at] = q.asked[at]
			if limited {
				q.given[at] = waybill.MinDecimal(q.asked[at], left[at])
			}
			left[at] = waybill.MaxDecimal(left[at].Sub(q.given[at]), waybill.Decimal{})
		}
	case !sent && (pic.closed || !pic.cancellable(q).any() || pic.covers(left, q)):
		q.decided = true
		copy(q.given, q.asked)
		for at := range left {
			left[at] = waybill.MaxDecimal(left[at].Sub(q.given[at]), waybill.Decimal{})
		}
	}
}

// warehouseOn tells what the warehouse was told of a request and what it said.
func (s *Sales) warehouseOn(request string) (sent, confirmed, refused bool) {
	for i, d := range s.docs {
		if d.kind != waybill.WarehouseOrderCancel || d.subject != request {
			continue
		}
		sent = sent || d.inBooks()
		refused = refused || d.late || s.answeredBy(famCancelRefused, i)
		for _, f := range s.of(famCancelled) {
			confirmed = confirmed || f.answers == i+1 && (f.place == Applied || f.place == Superseded)
		}
	}
	return sent, confirmed, refused
}

// holdsRequest reports whether the document at a place + 1, which took a
// request into account, still stands.
func (s *Sales) holdsRequest(place int) bool {
	return place > 0 && s.docs[place-1].inBooks()
}

// cancellable is what of a request the warehouse could still cancel.
func (pic *picture) cancellable(q *request) row {
	out := pic.s.row()
	for at := range out {
		if !pic.stock(at) {
			continue
		}
		open := pic.q[waybill.Ordered][at].Sub(pic.q[waybill.Shipped][at])
		for i := range pic.requests {
			if p := &pic.requests[i]; p != q && p.given != nil {
				open = open.Sub(p.given[at])
			}
		}
		out[at] = waybill.MaxDecimal(waybill.MinDecimal(q.asked[at], open), waybill.Decimal{})
	}
	return out
}

// covers reports whether the warehouse has cancelled as much already as the
// request could still get.
func (pic *picture) covers(left row, q *request) bool {
	could := pic.cancellable(q)
	for at := range could {
		if could[at].Cmp(left[at]) > 0 {
			return false
		}
	}
	return true
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

// cancel sees each request through: the warehouse first where it holds the
// goods, then the ERP where it holds the order, and the channel its answer
// (W4.5).
func (r *round) cancel() {
	asking := false
	for i := range r.pic.requests {
		q := &r.pic.requests[i]
		if !q.decided {
			if !asking {
				r.askWarehouse(q)
			}
			asking = true // one at a time: what one is given, the next can't be
			continue
		}
		if r.channel() != "" {
			r.answerCancel(q)
		}
	}
	r.followInBooks()
}

func (r *round) askWarehouse(q *request) {
	r.want(want{kind: waybill.WarehouseOrderCancel, target: r.p.WMS, subject: q.f.subject, version: q.f.version,
		lines: func() vector { return r.pic.cancellable(q).positive() },
		why:   "W4.5 the warehouse holds the goods: it is asked first"})
}

func (r *round) answerCancel(q *request) {
	result := r.pic.result(q)
	r.want(want{kind: waybill.CancellationAnswer, target: r.channel(), subject: q.f.subject, version: q.f.version, answer: result,
		lines: func() vector { return q.got.positive() },
		why:   "W4.5 request " + q.f.subject + " is decided: " + result})
}

// result is the answer to a request in one word.
func (pic *picture) result(q *request) string {
	if q.late {
		return answerTooLate
	}
	got, short, shipped := false, false, false
	for at := range q.got {
		got = got || q.got[at].Sign() > 0
		short = short || q.got[at].Cmp(q.asked[at]) < 0
		shipped = shipped || pic.concerns(q, at) && pic.q[waybill.Shipped][at].Sign() > 0
	}
	switch {
	case got && !short:
		return answerAccepted
	case got:
		return answerPartial
	case short || shipped:
		return answerTooLate
	}
	return answerAccepted // it was cancelled already
}

// concerns reports whether a request is about a line.
func (pic *picture) concerns(q *request, at int) bool {
	if q.f.all {
		return pic.stock(at) || q.got[at].Sign() > 0
	}
	_, named := q.f.lines.of(at)
	return named
}

// followInBooks brings the ERP's order to what is left after cancellations.
func (r *round) followInBooks() {
	if r.p.ERP == "" || !r.s.applied(waybill.SalesOrder, r.p.ERP, r.s.ref) {
		return
	}
	undone := false
	for i := range r.pic.requests {
		q := &r.pic.requests[i]
		if !q.decided || q.late || r.cancels(q) == nil || r.s.holdsRequest(q.f.byBooks) || r.cancelledInBooks(q) {
			continue
		}
		undone = true
		r.cancelInBooks(q)
	}
	if !undone {
		r.matchBooks()
	}
}

// cancels is what a request takes from the ERP's order: lines that the ERP
// rejected are not in it.
func (r *round) cancels(q *request) vector {
	out := r.s.row()
	for at := range out {
		if r.pic.accepted(at) {
			out[at] = q.got[at]
		}
	}
	return out.positive()
}

func (r *round) cancelledInBooks(q *request) bool {
	return r.s.inBooks(waybill.SalesOrderCancel, r.p.ERP, q.f.subject)
}

func (r *round) cancelInBooks(q *request) {
	w := want{kind: waybill.SalesOrderCancel, target: r.p.ERP, subject: q.f.subject, version: q.f.version,
		lines: func() vector { return r.cancels(q) },
		why:   "W4.5 request " + q.f.subject + " is decided and the ERP holds the order"}
	if r.pic.released && r.pic.q[waybill.Shipped].any() {
		w.kind, w.lines = waybill.SalesOrderChange, r.everything
		w.subject = r.s.free(w.kind, w.target, w.subject)
		w.why = "W4.5 request " + q.f.subject + " is decided, and a part had shipped"
	}
	r.want(w)
}

// matchBooks corrects the totals of the ERP's order where a shipment that came
// later shows that less was cancelled than the ERP was told, or more.
func (r *round) matchBooks() {
	if r.booksVersion() != r.pic.order.version || !r.differs() {
		return
	}
	base := versionSubject(r.pic.order.version)
	version := r.pic.order.version
	for i := range r.pic.requests {
		if q := &r.pic.requests[i]; q.decided && !q.late {
			base, version = q.f.subject, q.f.version
		}
	}
	r.want(want{kind: waybill.SalesOrderChange, target: r.p.ERP, version: version,
		subject: r.s.free(waybill.SalesOrderChange, r.p.ERP, base),
		lines:   r.everything,
		why:     "W4.5 what shipped stands: the ERP's order total for line " + r.firstDifference() + " follows"})
}

func (r *round) differs() bool { return r.firstDifference() != "" }

// firstDifference names a line of which the ERP's order carries another total
// than the facts in force want; empty when there is none.
func (r *round) firstDifference() string {
	r.readBooks()
	for at, l := range r.pic.info {
		if l != nil && r.pic.accepted(at) && !r.pic.books[at].Equal(r.pic.goal[at]) {
			return l.Line
		}
	}
	return ""
}

// readBooks works out the totals that the ERP's order carries, with the
// documents on their way to it.
func (r *round) readBooks() {
	books := r.pic.books
	clear(books)
	last := 0
	for {
		var next *doc
		for _, d := range r.s.docs {
			if d.inBooks() && d.attempt > last && d.setsTotals() && (next == nil || d.attempt < next.attempt) {
				next = d
			}
		}
		if next == nil {
			return
		}
		last = next.attempt
		switch next.kind {
		case waybill.SalesOrderCancel:
			books.sub(next.lines)
		default:
			for _, en := range next.lines {
				books[en.line] = en.qty
			}
		}
	}
}

// setsTotals reports whether a document sets or lowers the totals of the ERP's
// order.
func (d *doc) setsTotals() bool {
	return d.kind == waybill.SalesOrder || d.kind == waybill.SalesOrderChange || d.kind == waybill.SalesOrderCancel
}
