package process

import (
	"strconv"

	"github.com/waybillhq/waybill"
)

// The answers that a channel gets to a change or a cancellation.
const (
	answerAccepted = "accepted"
	answerPartial  = "partial"
	answerTooLate  = "too_late"
)

// changeState is what became of a change asked of the warehouse.
type changeState uint8

const (
	changeOpen changeState = iota
	changeTaken
	changeLate
)

// changeOf returns what became of the warehouse_order_change at a place: its
// receipt decides, or the warehouse's word where the receipt is still to come.
func (s *Sales) changeOf(at int) changeState {
	d := s.docs[at]
	switch {
	case d.kind != waybill.WarehouseOrderChange:
		return changeOpen
	case d.late:
		return changeLate
	case d.state == done:
		return changeTaken
	case !d.inBooks():
		return changeOpen
	case s.answeredBy(famChanged, at):
		return changeTaken
	case s.answeredBy(famChangeRefused, at):
		return changeLate
	}
	return changeOpen
}

// answeredBy reports whether the warehouse answered the document at a place
// with an event of a family.
func (s *Sales) answeredBy(fam family, at int) bool {
	for _, f := range s.of(fam) {
		if s.answers(f, at) && s.warehouseOrder(f.source, f.subject) >= 0 {
			return true
		}
	}
	return false
}

// refusedByEvent reports whether the warehouse refused the change or
// cancellation at a place by an event.
func (s *Sales) refusedByEvent(at int) bool {
	switch s.docs[at].kind {
	case waybill.WarehouseOrderChange:
		return s.changeOf(at) == changeLate
	case waybill.WarehouseOrderCancel:
		confirmed, refused := s.cancelOf(at)
		return refused && !confirmed
	}
	return false
}

// versionAt is the version of the order that a warehouse works by: of its
// warehouse order, or of the last change to it that it took.
func (s *Sales) versionAt(order int) (version int64, by int) {
	version, by = s.docs[order].version, order
	for i, d := range s.docs {
		if s.concerns(i, order) && s.changeOf(i) == changeTaken && d.attempt > s.docs[by].attempt {
			version, by = d.version, i
		}
	}
	return version, by
}

// change brings a newer version of the order to the systems that have an older
// one: the warehouses first, because only they can say whether it is too late
// (W4.4).
func (r *round) change() {
	s, o := r.s, r.pic.order
	for _, f := range s.of(famOrder) {
		if f.changed && s.tooLate(f) {
			r.answerChange(f, answerTooLate, "W4.4 the warehouse would not change any more")
		}
	}
	for i, at := range r.pic.orders {
		if r.changeAt(i, at) {
			return // one after the other: the next is not asked for what this one will not do
		}
	}
	r.changeBooks()
	if o.changed {
		r.answerChange(o, answerAccepted, "W4.4 version "+strconv.FormatInt(o.version, 10)+" is in force")
	}
}

// changeAt asks a warehouse for the version in force, and reports whether its
// answer is awaited. One that took a version which another warehouse would not
// take is asked back.
func (r *round) changeAt(i, at int) (asking bool) {
	s, o, order := r.s, r.pic.order, r.s.docs[r.pic.orders[i]]
	for other, d := range s.docs {
		if s.concerns(other, at) && d.version == o.version && s.changeOf(other) == changeOpen && (d.state == attempted || d.state == pending) {
			asking = true // also where the order was closed meanwhile
		}
	}
	version, by := s.versionAt(at)
	if version == o.version || order.kind != waybill.WarehouseOrder || !asking && r.pic.shut[i] && (r.accepted() || !r.finished(i, by)) {
		return asking
	}
	w := want{kind: waybill.WarehouseOrderChange, target: order.target, subject: versionSubject(o.version), version: o.version, of: at + 1,
		lines: func() vector { return r.goods(i) },
		why:   "W4.4 version " + strconv.FormatInt(o.version, 10) + " came after the release: the warehouse is asked first"}
	if version > o.version {
		if s.docs[by].kind != waybill.WarehouseOrderChange {
			return asking
		}
		refused := false
		if w.subject, refused = r.goesBack(at, version); refused {
			return asking
		}
		w.compensates = by + 1
		w.why = "W4.4 version " + strconv.FormatInt(version, 10) + " came too late for another warehouse: this one goes back"
	}
	w.subject = s.asking(w.kind, w.target, w.subject, at+1)
	r.want(w)
	return true
}

// goesBack is the subject of the change that takes a warehouse back to the
// version in force, and whether the warehouse refused that.
func (r *round) goesBack(order int, from int64) (subject string, refused bool) {
	d := r.s.docs[order]
	subject = versionSubject(r.pic.order.version) + ".after." + versionSubject(from)
	back := r.s.current(waybill.WarehouseOrderChange, d.target, r.s.asking(waybill.WarehouseOrderChange, d.target, subject, order+1))
	return subject, back != nil && back.late
}

// accepted reports whether a system was told that the version in force is
// accepted.
func (r *round) accepted() bool {
	return r.erpHolds() && r.booksVersion() == r.pic.order.version ||
		r.channel() != "" && r.stands(waybill.ChangeAnswer, r.channel(), versionSubject(r.pic.order.version))
}

// finished reports whether a closed warehouse order is its warehouse's last and
// left nothing: the warehouse then says whether there is anything to change. Of
// what it left, nothing is with the warehouse, and it is not asked.
func (r *round) finished(i, by int) bool {
	s, order := r.s, r.s.docs[r.pic.orders[i]]
	for _, at := range r.pic.orders[i+1:] {
		if s.docs[at].target == order.target {
			return false
		}
	}
	for _, en := range s.docs[by].lines {
		before, _ := order.before.of(en.line)
		owed := en.qty.Add(before).Sub(r.pic.q[waybill.Shipped][en.line])
		for n := range r.pic.requests {
			if q := &r.pic.requests[n]; r.pic.askedFor(q.f.subject, en.line) >= 0 {
				owed = owed.Sub(q.got[en.line])
			}
		}
		if r.pic.orderOf(en.line) == i && owed.Sign() > 0 {
			return false
		}
	}
	return true
}

// goods returns the new totals of a warehouse order: what shipped before it was
// made is not part of it.
func (r *round) goods(order int) vector {
	v := r.pic.totals(func(at int) bool { return r.pic.orderOf(at) == order && r.pic.accepted(at) })
	before := r.s.docs[r.pic.orders[order]].before
	for i := range v {
		gone, _ := before.of(v[i].line)
		v[i].qty = waybill.MaxDecimal(v[i].qty.Sub(gone), waybill.Decimal{})
	}
	return v
}

// booksVersion is the version of the order that the ERP carries; 0 when it
// holds none.
func (r *round) booksVersion() int64 {
	version, last := int64(0), 0
	for _, d := range r.s.docs {
		if d.inBooks() && !d.rest && d.attempt > last &&
			(d.kind == waybill.SalesOrder || d.kind == waybill.SalesOrderChange && d.byVersion) {
			version, last = d.version, d.attempt
		}
	}
	return version
}

// changeBooks brings the version in force to the ERP (W4.4).
func (r *round) changeBooks() {
	o := r.pic.order
	if r.p.ERP == "" || !r.erpHolds() || r.booksVersion() >= o.version {
		return
	}
	r.want(want{kind: waybill.SalesOrderChange, target: r.p.ERP, subject: versionSubject(o.version), version: o.version, byVersion: true,
		lines: r.everything,
		why:   "W4.4 the ERP has an older version of the order"})
}

// everything returns the new totals of all lines that the ERP may have.
func (r *round) everything() vector { return r.pic.totals(func(int) bool { return true }) }

// answerChange tells the channel what became of a version that it sent.
func (r *round) answerChange(f *fact, result, why string) {
	if r.channel() == "" {
		return
	}
	r.want(want{kind: waybill.ChangeAnswer, target: r.channel(), subject: versionSubject(f.version), version: f.version, answer: result,
		lines: func() vector {
			if result == answerTooLate {
				return nil
			}
			return r.everything()
		},
		why: why})
}
