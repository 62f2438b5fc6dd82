package process

import (
	"slices"

	"github.com/waybillhq/waybill"
)

// Route sends lines to a warehouse system. What a list is empty of does not
// matter; a route without any condition fits every line.
type Route struct {
	SKUs      []string
	Customers []string
	Countries []string // of ship_to, ISO 3166-1 alpha-2
	Types     []waybill.OrderType
	Channels  []string // the systems that placed the order, by name
	Match     Matcher  // nil: no further condition
	System    string   // the warehouse system that ships what fits
}

// Matcher is a condition on a line that was compiled from the configuration. It
// is pure: the same line gives the same answer, for ever.
type Matcher interface {
	Matches(o *waybill.Order, l *waybill.OrderLine) bool
}

// fits reports whether a route is a line's.
func (w *Route) fits(channel string, o *waybill.Order, l *waybill.OrderLine) bool {
	country := ""
	if o.ShipTo != nil {
		country = o.ShipTo.Country
	}
	kind := o.Type
	if kind == "" {
		kind = waybill.OrderStandard
	}
	return anyOf(w.SKUs, l.SKU) && anyOf(w.Customers, o.Customer) && anyOf(w.Countries, country) && anyOf(w.Types, kind) &&
		anyOf(w.Channels, channel) && (w.Match == nil || w.Match.Matches(o, l))
}

func anyOf[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }

// route decides which warehouse ships each line: the first route that fits. A
// line that a warehouse order carries stays with it. An order that ships
// complete goes to the warehouse of its first line.
func (r *round) route() {
	s, o := r.s, r.pic.body
	if o == nil || o.Type == waybill.OrderDropShip || len(r.p.Routes) == 0 && s.sites == nil {
		return
	}
	sites := make([]string, len(s.table))
	whole, other := "", false
	if o.ShipComplete && len(r.pic.orders) > 0 {
		whole = s.docs[r.pic.orders[0]].target
	}
	r.pic.eachLine(func(at int) {
		if !r.pic.stock(at) {
			return
		}
		site := r.p.WMS
		for i := range r.p.Routes {
			if r.p.Routes[i].fits(s.origin, o, r.pic.info[at]) {
				site = r.p.Routes[i].System
				break
			}
		}
		if o.ShipComplete {
			whole = named(site, whole)
			site = whole
		}
		if r.pic.carried(at) {
			site = s.docs[r.pic.orders[r.pic.orderOf(at)]].target
		}
		sites[at], other = site, other || site != r.p.WMS
	})
	if !other {
		sites = nil
	}
	if !slices.Equal(sites, s.sites) {
		s.sites = sites
		r.look()
	}
}

// carried reports whether a warehouse order has a line.
func (pic *picture) carried(line int) bool {
	for i, at := range pic.orders {
		for other, d := range pic.s.docs {
			if other != at && !pic.s.partOf(other, at) && !pic.s.concerns(other, at) {
				continue
			}
			if _, has := d.lines.of(line); has && d.inBooks() && pic.orderOf(line) == i {
				return true
			}
		}
	}
	return false
}
