package process

import (
	"slices"

	"github.com/waybillhq/waybill"
)

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
		if r.channel() != "" && (q.f.event != "" || q.got.any()) {
			r.answerCancel(q)
		}
	}
	r.followInBooks()
}

// askWarehouse puts a request to each warehouse that holds goods of it.
func (r *round) askWarehouse(q *request) {
	for i, at := range r.pic.orders {
		if r.s.recalling(at) || r.s.inQuestion(q.f.subject, at) {
			continue // that request waits for its turn
		}
		order, lines := r.s.docs[at], r.s.row()
		for line := range lines {
			if r.pic.orderOf(line) == i && r.pic.holds(q, line) && r.asks(q, line) {
				lines[line] = r.pic.cancellable(q, line)
			}
		}
		if !lines.any() || order.kind != waybill.WarehouseOrder {
			continue
		}
		r.want(want{kind: waybill.WarehouseOrderCancel, target: order.target, version: q.f.version, of: at + 1, lines: lines.positive,
			subject: r.s.asking(waybill.WarehouseOrderCancel, order.target, q.f.subject, at+1),
			why:     "W4.5 the warehouse holds the goods: it is asked first"})
	}
}

// asks reports whether a warehouse is still to be asked for a line of a request.
func (r *round) asks(q *request, line int) bool {
	return r.pic.askedFor(q.f.subject, line) < 0 && r.pic.cancellable(q, line).Cmp(r.pic.pool(r.pic.orderOf(line)).of(line)) > 0
}

// inQuestion reports whether a warehouse owes an answer to a request for its
// order at a place. It names its order and not the question: what has to be
// asked on top, because a shipment was taken back, waits.
func (s *Sales) inQuestion(request string, order int) bool {
	for at, d := range s.docs {
		if !d.asksFor(request) || d.of != 0 && d.of != order+1 || !d.inBooks() {
			continue
		}
		if confirmed, no := s.cancelOf(at); !confirmed && !no {
			return true
		}
	}
	return false
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
	if k := pic.kitAt(at); k != nil && slices.ContainsFunc(k.parts, func(p part) bool { return pic.concerns(q, p.line) }) {
		return true
	}
	if k := pic.kitOf(at); k != nil {
		if _, named := q.f.lines.of(k.line); named {
			return true
		}
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
		undone = undone || !q.decided && q.given.any()
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
	if q.f.event == "" || len(r.pic.orders) > 0 && r.pic.q[waybill.Shipped].any() {
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
	clear(r.pic.books)
	r.readTotals(r.pic.books, (*round).plans)
}

// carries is what a document carries, whatever the plan had for it.
func (r *round) carries(d *doc) vector { return d.lines }

// readTotals works readBooks' totals out into books, counting a document's lines
// by carried.
func (r *round) readTotals(books row, carried func(r *round, d *doc) vector) {
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
			books.sub(carried(r, next))
		default:
			for _, en := range carried(r, next) {
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
