package process

import (
	"slices"

	"github.com/waybillhq/waybill"
)

// Voided is why a fact counts for nothing that its message, read again, does
// not say any more.
const Voided = "its message, read again, does not say it"

// reread makes f the last reading of its version: in force in place of what the
// same message was read as before. What went out by the earlier reading stays,
// and is corrected as a newer version of it would correct it. It reports whether
// f is to be kept.
//
// What a warehouse answered, and what a cancellation asked, was acted upon when
// it came; it can't be taken back by another reading.
func (r *round) reread(f *fact, e *waybill.Event) bool {
	s := r.s
	at := slices.IndexFunc(s.facts, func(o *fact) bool { return o.event == e.Replaces })
	if at < 0 || compareSubjects(s.facts[at], f) != 0 || s.facts[at].version != f.version {
		r.place(f.event, Ignored, "it is read again in place of event "+e.Replaces+", which says nothing here")
		return false
	}
	old := s.facts[at]
	if old.acted() || e.Void && f.family == famOrder {
		r.place(f.event, Ignored, "event "+e.Replaces+" was acted upon: have "+f.source+" send a newer version")
		return false
	}
	f.void = e.Void
	for _, o := range s.facts {
		if compareSubjects(o, f) == 0 && o.version == f.version {
			f.reading = max(f.reading, o.reading+1)
			f.round = max(f.round, o.round+1) // it is checked by itself
		}
	}
	if f.family != famOrder {
		f.round = 0
		return true
	}
	f.late = s.ordinal
	s.epoch++ // what was refused before may go anew
	return true
}

// acted reports whether a fact is an answer of a warehouse or a cancellation
// that counted.
func (f *fact) acted() bool {
	switch f.family {
	case famCancel, famAccepted, famChanged, famChangeRefused, famCancelled, famCancelRefused, famClosed:
		return f.place != Limbo && f.place != Parked
	}
	return false
}

// readAs returns the later reading of f's version that has its content; at is
// where f belongs among the facts. nil: there is none.
func (s *Sales) readAs(f *fact, at int) *fact {
	for i := at - 1; i >= 0; i-- {
		o := s.facts[i]
		if compareSubjects(o, f) != 0 || o.version != f.version {
			return nil
		}
		if o.reading > f.reading && o.digest == f.digest {
			return o
		}
	}
	return nil
}

// readLate returns the order in force where it is a later reading than the one
// that a system's document carries, and asks for something else; nil otherwise.
func (s *Sales) readLate(f *fact) *fact {
	if f == nil || f.reading == 0 || f.order() == nil {
		return nil
	}
	carried := slices.ContainsFunc(s.docs, func(d *doc) bool {
		switch d.kind {
		case waybill.SalesOrder, waybill.SalesOrderChange, waybill.WarehouseOrder, waybill.WarehouseOrderChange, waybill.PurchaseOrder:
			return d.inBooks() && d.version == f.version && d.attempt <= f.late
		}
		return false
	})
	if !carried {
		return nil
	}
	for _, o := range s.of(famOrder) {
		if o.version == f.version && o.reading == f.reading-1 && o.order() != nil && !sameDemand(o.order(), f.order()) {
			return f
		}
	}
	return nil
}

// sameDemand reports whether two orders ask for the same goods, for the same
// buyer and place, at the same prices.
func sameDemand(a, b *waybill.Order) bool {
	demand := func(o *waybill.Order) ([]byte, error) {
		plain := waybill.Order{Customer: o.Customer, Currency: o.Currency, ShipTo: o.ShipTo, Charges: o.Charges, Lines: slices.Clone(o.Lines)}
		for i := range plain.Lines {
			plain.Lines[i].Unknown = nil
		}
		return waybill.Marshal(&plain)
	}
	x, errX := demand(a)
	y, errY := demand(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
