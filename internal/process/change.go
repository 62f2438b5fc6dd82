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
		if f.answers == at+1 && s.isWarehouseOrder(f.subject) {
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
		_, confirmed, refused := s.warehouseOn(s.docs[at].subject)
		return refused && !confirmed
	}
	return false
}

// warehouseVersion is the version of the order that the warehouse works by: of
// its order, or of the last change that it took.
func (s *Sales) warehouseVersion() int64 {
	version, last := int64(0), 0
	for i, d := range s.docs {
		takes := d.kind == waybill.WarehouseOrder && d.inBooks() || s.changeOf(i) == changeTaken
		if takes && d.attempt > last {
			version, last = d.version, d.attempt
		}
	}
	return version
}

// change brings a newer version of the order to the systems that have an older
// one: the warehouse first, because only it can say whether it is too late
// (W4.4).
func (r *round) change() {
	s, o := r.s, r.pic.order
	for _, f := range s.of(famOrder) {
		if f.changed && s.tooLate(f) {
			r.answerChange(f, answerTooLate, "W4.4 the warehouse would not change any more")
		}
	}
	if r.pic.released && s.warehouseVersion() < o.version {
		r.want(want{kind: waybill.WarehouseOrderChange, target: r.p.WMS, subject: versionSubject(o.version), version: o.version,
			lines: r.goods,
			why:   "W4.4 version " + strconv.FormatInt(o.version, 10) + " came after the release: the warehouse is asked first"})
		return
	}
	r.changeBooks()
	if o.changed {
		r.answerChange(o, answerAccepted, "W4.4 version "+strconv.FormatInt(o.version, 10)+" is in force")
	}
}

// goods returns the warehouse order's new totals: what shipped before the
// warehouse was asked is not part of it.
func (r *round) goods() vector {
	v := r.pic.totals(func(at int) bool { return r.pic.stock(at) && r.pic.accepted(at) })
	before := r.shippedBefore()
	for i := range v {
		v[i].qty = waybill.MaxDecimal(v[i].qty.Sub(before[v[i].line]), waybill.Decimal{})
	}
	return v
}

// shippedBefore is what had left the building when the warehouse order was
// made, by line.
func (r *round) shippedBefore() row {
	before := r.s.row()
	for _, d := range r.s.docs {
		if d.kind == waybill.WarehouseOrder && d.inBooks() && !d.rest {
			before.add(d.before)
		}
	}
	return before
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
