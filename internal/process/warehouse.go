package process

import (
	"slices"
	"strconv"
	"strings"

	"github.com/waybillhq/waybill"
)

// releases reports whether documents of a kind send goods out of the door: of
// a warehouse, or of a supplier in its place. Both are called warehouse orders
// here.
func releases(k waybill.Kind) bool { return k == waybill.WarehouseOrder || k == waybill.PurchaseOrder }

// findOrders lists the warehouse orders that are with their warehouses, or may
// be, in the order of their first attempts. What was left of one to be tried
// again is part of it.
func (pic *picture) findOrders() {
	s, c := pic.s, pic.s.scratch
	from := len(c.places)
	for at, d := range s.docs {
		if releases(d.kind) && !d.rest && d.inBooks() {
			c.places = append(c.places, at)
		}
	}
	pic.orders = c.places[from:len(c.places):len(c.places)]
	if len(pic.orders) > 1 {
		s.byAttempt(pic.orders)
	}
	c.shut = append(c.shut[:0], make([]bool, len(pic.orders))...)
	pic.shut = c.shut
}

// close takes in that a warehouse ships no more of an order: of the one at a
// place + 1 and of all it had before (W4.3). A later one goes on.
func (pic *picture) close(place int) {
	if place == 0 {
		return
	}
	last := pic.s.docs[place-1]
	for i, at := range pic.orders {
		if d := pic.s.docs[at]; d.target == last.target && d.attempt <= last.attempt {
			pic.shut[i] = true
		}
	}
}

// placeLines tells which warehouse order has each line: the last that carried
// it, or else its warehouse's open one.
func (pic *picture) placeLines() {
	s, n := pic.s, len(pic.orders)
	pic.at = nil
	if n == 0 || n == 1 && s.sites == nil {
		return // all lines are with the one order
	}
	pic.at = make([]int, len(s.table))
	for i, at := range pic.orders {
		for other, d := range s.docs {
			if other != at && !s.partOf(other, at) && (d.of != at+1 || s.changeOf(other) != changeTaken) {
				continue
			}
			for _, en := range d.lines {
				pic.at[en.line] = i + 1
			}
		}
	}
	for line := range pic.at {
		for i := 0; pic.at[line] == 0 && i < n; i++ {
			if !pic.shut[i] && pic.serves(i, line) {
				pic.at[line] = i + 1
			}
		}
		for i := n - 1; pic.at[line] == 0 && i >= 0; i-- {
			if pic.serves(i, line) {
				pic.at[line] = i + 1
			}
		}
	}
}

// partOf reports whether a document is what was left of a warehouse order to be
// tried again.
func (s *Sales) partOf(rest, order int) bool {
	d, o := s.docs[rest], s.docs[order]
	return d.rest && d.kind == o.kind && d.target == o.target && d.subject == o.subject
}

// serves reports whether a warehouse order went to the warehouse that a line
// ships from.
func (pic *picture) serves(order, line int) bool {
	site := pic.s.siteOf(line)
	return site == "" || site == pic.s.docs[pic.orders[order]].target
}

// orderOf returns which of the warehouse orders has a line; -1 when none was
// made for it.
func (pic *picture) orderOf(line int) int {
	switch {
	case len(pic.orders) == 0 || !pic.stock(line):
		return -1
	case pic.at == nil:
		return 0
	}
	return pic.at[line] - 1
}

// primary returns the index in pic.orders of the warehouse order that a system
// calls by a name; -1 when it is not with its warehouse.
func (pic *picture) primary(source, name string) int {
	place := pic.s.warehouseOrder(source, name)
	for i, at := range pic.orders {
		if place == at || place >= 0 && pic.s.partOf(place, at) {
			return i
		}
	}
	return -1
}

// warehouseOrder returns the place of the warehouse order that was sent under a
// name: its key, or the number that the system gave it; -1 when there is none.
func (s *Sales) warehouseOrder(source, name string) int {
	found := -1
	for at, d := range s.docs {
		if releases(d.kind) && d.attempt > 0 && name != "" && (d.key == name || d.ref == name && d.target == source) {
			found = at
		}
	}
	return found
}

// latestOrder returns the place + 1 of the warehouse order that a system was
// sent last; 0 when it was sent none. It is what a shipment that says nothing of
// warehouse orders is about.
func (s *Sales) latestOrder(system string) int {
	last, place := 0, 0
	for at, d := range s.docs {
		if releases(d.kind) && !d.rest && d.attempt > last && d.target == system {
			last, place = d.attempt, at+1
		}
	}
	return place
}

// answered finds the document that a warehouse's answer is about: of the changes
// or of the cancellations of the order it names, the one attempted last. A
// warehouse names its order, not the request.
func (r *round) answered(f *fact) int {
	var kind waybill.Kind
	switch f.family {
	case famChanged, famChangeRefused:
		kind = waybill.WarehouseOrderChange
	case famCancelled, famCancelRefused:
		kind = waybill.WarehouseOrderCancel
	default:
		return 0
	}
	order := r.s.warehouseOrder(f.source, f.subject)
	last, at := 0, 0
	for i, d := range r.s.docs {
		about := order < 0 || d.of == 0 || d.of == order+1 || r.s.partOf(order, d.of-1)
		if d.kind == kind && d.attempt > last && about {
			last, at = d.attempt, i+1
		}
	}
	return at
}

// asking returns the subject of the document that asks about a warehouse order:
// the version or the request, and where its warehouse is asked about several of
// its orders, or of one order for more of a request, which one.
func (s *Sales) asking(kind waybill.Kind, target, subject string, of int) string {
	for n := 1; ; n++ {
		name := subject
		if n > 1 {
			name += "/" + strconv.Itoa(n)
		}
		d := s.current(kind, target, name)
		put := d != nil && kind == waybill.WarehouseOrderCancel && (d.inBooks() || d.late)
		if d == nil || (d.of == 0 || d.of == of) && !put {
			return name
		}
	}
}

// asksFor reports whether a document puts a cancel request to a warehouse.
func (d *doc) asksFor(request string) bool {
	if d.kind != waybill.WarehouseOrderCancel {
		return false
	}
	more, ok := strings.CutPrefix(d.subject, request)
	return ok && (more == "" || more[0] == '/')
}

// releasedLines adds up what warehouses took: of each line what had left when
// its last order was made, and what that order asks for.
func (pic *picture) releasedLines() {
	s, out := pic.s, pic.q[waybill.Released]
	var first row // what had left before the line's first order
	for i, at := range pic.orders {
		order, latest := s.docs[at], (*doc)(nil)
		for other, d := range s.docs {
			took := d == order && d.state == done || s.concerns(other, at) && s.changeOf(other) == changeTaken
			if took && !d.rest && (latest == nil || d.attempt > latest.attempt) {
				latest = d
			}
		}
		if latest == nil {
			continue
		}
		sum := s.row()
		sum.add(latest.lines)
		for _, d := range s.docs { // lines that the warehouse took at a second try
			if d.rest && d.state == done && d.kind == latest.kind && d.subject == latest.subject && d.target == latest.target {
				sum.add(d.lines)
			}
		}
		if first == nil {
			first = s.row()
		}
		for line := range sum {
			switch before, _ := order.before.of(line); {
			case sum[line].Sign() <= 0:
			case i > 0 && out[line].Sign() > 0:
				left := waybill.MaxDecimal(before.Sub(first[line]), waybill.Decimal{}) // less than nothing where a shipment was taken back
				out[line] = left.Add(sum[line])
			default:
				first[line], out[line] = before, sum[line]
			}
		}
	}
}

// concerns reports whether a change or cancellation is about a warehouse order.
// One that names none was made when there was only one.
func (s *Sales) concerns(change, order int) bool {
	d := s.docs[change]
	return d.kind == waybill.WarehouseOrderChange && (d.of == order+1 || d.of == 0)
}

// firstOrder is the place of the order's first warehouse order.
func (s *Sales) firstOrder() int {
	first := -1
	for at, d := range s.docs {
		if releases(d.kind) && !d.rest && d.inBooks() && (first < 0 || d.attempt < s.docs[first].attempt) {
			first = at
		}
	}
	return first
}

// siteOf is the system that a line ships from; empty where all lines ship from
// the same.
func (s *Sales) siteOf(line int) string {
	if line < len(s.sites) {
		return s.sites[line]
	}
	return ""
}

// sitesOf lists the systems that the lines ship from, in the order of the lines.
func (s *Sales) sitesOf() []string {
	var out []string
	for _, name := range s.sites {
		if name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
