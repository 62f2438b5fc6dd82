package process

import (
	"strconv"
	"time"

	"github.com/waybillhq/waybill"
)

// accept books the order in the ERP once it is approved and not held (W4.1).
func (r *round) accept() {
	if r.p.ERP == "" || r.stands(waybill.SalesOrder, r.p.ERP, r.s.ref) || !r.approved() || r.held() || !r.toDeliver() {
		return
	}
	o := r.pic.order
	r.want(want{kind: waybill.SalesOrder, target: r.p.ERP, subject: r.s.ref, version: o.version,
		lines: func() vector { return r.pic.totals(func(int) bool { return true }) },
		why:   "W4.1 version " + strconv.FormatInt(o.version, 10) + " is approved (check round " + strconv.Itoa(o.round) + ")"})
}

// booked reports whether the ERP has the order, or there is no ERP to have it.
func (r *round) booked() bool {
	return r.p.ERP == "" || r.s.applied(waybill.SalesOrder, r.p.ERP, r.s.ref)
}

// release sends the goods that are still open to their warehouses, not before
// the requested day; and what a warehouse left, when it may be tried again
// (W4.1, W4.3).
func (r *round) release() {
	if len(r.pic.orders) > 0 && r.s.sites == nil && !r.pic.q[waybill.Backordered].any() || !r.booked() || r.held() {
		return
	}
	r.releaseBackorders()
	switch {
	case r.s.sites != nil:
		for _, system := range r.s.sitesOf() {
			r.releaseTo(waybill.WarehouseOrder, system)
		}
	case r.pic.body.Type == waybill.OrderDropShip:
		r.releaseTo(waybill.PurchaseOrder, r.p.Supplier)
	default:
		r.releaseTo(waybill.WarehouseOrder, r.p.WMS)
	}
}

// releaseTo makes a system's first warehouse order.
func (r *round) releaseTo(kind waybill.Kind, system string) {
	for _, at := range r.pic.orders {
		if r.s.sites == nil || r.s.docs[at].target == system {
			return
		}
	}
	if system == "" {
		return
	}
	if due, later := r.shipDay(); later {
		r.dayAhead = true
		r.set(TimerRelease, due)
		return
	}
	lines := r.open(system)
	if lines == nil {
		return
	}
	why := "W4.1 the order is accepted and may be shipped"
	if kind == waybill.PurchaseOrder {
		why = "W4.2 the order is accepted and the supplier ships it"
	}
	r.want(want{kind: kind, target: system, subject: r.s.ref, version: r.pic.order.version,
		lines: func() vector { return lines }, why: why})
}

// open is what of a system's goods is neither cancelled nor shipped, without the
// lines that the ERP rejected.
func (r *round) open(system string) vector {
	rest := r.s.row()
	for at := range rest {
		if site := r.s.siteOf(at); (site == "" || site == system) && r.pic.stock(at) && r.pic.accepted(at) {
			rest[at] = r.pic.goal[at].Sub(r.pic.q[waybill.Shipped][at])
		}
	}
	return rest.positive()
}

// shipDay returns the start of the requested day of shipment in the company's
// zone, and whether it is still to come. A day that has begun stays begun.
func (r *round) shipDay() (due time.Time, later bool) {
	day := r.pic.body.RequestedShip
	if day == "" || day == r.s.reached {
		return time.Time{}, false
	}
	due, err := time.ParseInLocation(time.DateOnly, day, r.p.zone())
	if err != nil || !r.now.Before(due) {
		r.s.reached = day
		return time.Time{}, false
	}
	return due, true
}

// channel is the system to tell; empty when the origin takes no documents.
func (r *round) channel() string {
	if r.p.Channels[r.s.origin].Documents {
		return r.s.origin
	}
	return ""
}

// acknowledge tells the channel that its order is accepted (W4.1).
func (r *round) acknowledge() {
	if r.channel() == "" || r.stands(waybill.OrderAcknowledgment, r.channel(), r.s.ref) || !r.booked() || !r.approved() || r.held() || !r.toDeliver() {
		return
	}
	r.want(want{kind: waybill.OrderAcknowledgment, target: r.channel(), subject: r.s.ref, version: r.pic.order.version,
		lines: func() vector {
			rest := r.s.row()
			for at := range rest {
				if r.pic.accepted(at) {
					rest[at] = r.pic.goal[at]
				}
			}
			return rest.positive()
		},
		why: "W4.1 the order is accepted"})
}
