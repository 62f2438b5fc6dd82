package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/waybillhq/waybill/internal/sim/counterpart"
	"github.com/waybillhq/waybill/internal/sim/oracle"
)

// orderStory is what becomes of an order outside the program: what its buyer
// wants, and what the floor does about it.
type orderStory struct {
	w     *world
	plan  OrderPlan
	truth *oracle.Order

	key       string           // of its warehouse order
	ordered   map[string]int64 // at the warehouse, in thousandths
	shipped   map[string]int64
	leaves    int // shipments that have left or were given up
	cancelled bool
}

var skus = []string{"A", "B", "C"}

// tell begins the stories of the plan.
func (w *world) tell() {
	for _, o := range w.plan.Orders {
		s := &orderStory{w: w, plan: o, ordered: map[string]int64{}, shipped: map[string]int64{},
			truth: &oracle.Order{Ref: o.Ref, Returns: map[string]map[string]int64{}}}
		w.orders = append(w.orders, s)
		w.history.Orders = append(w.history.Orders, s.truth)
		s.begin()
	}
	for i, c := range w.plan.Counts {
		w.open++
		w.at(start.Add(ms(c.At)), func() {
			w.open--
			if c.Qty == 0 {
				return
			}
			w.history.Items[c.SKU] += int64(c.Qty) * 1000
			w.push("wms", "inventory.adjusted", fmt.Sprintf(`{"document":"ADJ-%d","sku":%q,"warehouse":"W1","qty":"%d","reason":"count"}`, i+1, c.SKU, c.Qty))
		})
	}
}

func (s *orderStory) begin() {
	w, o := s.w, s.plan
	later := func(at int, do func()) {
		w.open++
		w.at(start.Add(ms(at)), func() { w.open--; do() })
	}
	later(o.At, func() { s.place("order.placed", 1, o.Lines) })
	if c := o.Change; c != nil {
		later(c.At, func() { s.place("order.changed", 2, c.Lines) })
	}
	if o.Cancel > 0 {
		later(o.Cancel, func() {
			request := "CR-" + o.Ref
			s.truth.Cancels = append(s.truth.Cancels, request)
			w.push("shop", "order.cancel_requested", fmt.Sprintf(`{"order":%q,"request":%q}`, o.Ref, request))
		})
	}
	if o.Early {
		for i, q := range o.Lines {
			s.ordered[fmt.Sprint(i+1)] = int64(q) * 1000
		}
		w.reach("early_shipment")
		s.plan.Return = 0
		for i := range o.Shipments {
			later(o.Shipments[i].After, func() { s.ship(i) })
		}
	}
}

func (s *orderStory) place(kind string, version int, lines []int) {
	total := map[string]int64{}
	var out []string
	for i, q := range lines {
		total[fmt.Sprint(i+1)] = int64(q) * 1000
		out = append(out, fmt.Sprintf(`{"line":"%d","sku":%q,"qty":"%d","uom":"EA","price":"%d.90"}`, i+1, skus[i], q, 3+i))
	}
	s.truth.Versions = append(s.truth.Versions, total)
	s.w.push("shop", kind, fmt.Sprintf(`{"order":%q,"version":%d,"customer":"C1","currency":"EUR","ship_to":{"id":"D1"},"lines":[%s]}`,
		s.plan.Ref, version, strings.Join(out, ",")))
}

// booked is the floor's answer to what a system has entered in its books.
func (w *world) booked(system string, e *oracle.Entry) {
	w.reach("booked " + e.Kind)
	if system != "wms" {
		return
	}
	for _, s := range w.orders {
		if s.plan.Ref != e.Order {
			continue
		}
		switch e.Kind {
		case "warehouse_order":
			s.released(e)
		case "warehouse_order_change":
			for line, q := range e.Quantity {
				s.ordered[line] = q
			}
		case "warehouse_order_cancel":
			w.open++
			w.in(time.Second, func() { w.open--; s.cancel() })
		}
	}
}

// released is the warehouse order on the floor.
func (s *orderStory) released(e *oracle.Entry) {
	for line, q := range e.Quantity {
		s.ordered[line] = s.shipped[line] + q
	}
	if s.key != "" || s.plan.Early {
		s.key = e.Key
		return
	}
	s.key = e.Key
	for i, sh := range s.plan.Shipments {
		s.w.open++
		s.w.in(ms(sh.After), func() { s.w.open--; s.ship(i) })
	}
}

// ship lets a shipment leave, as far as it is ordered and not cancelled.
func (s *orderStory) ship(i int) {
	s.leaves++
	if s.cancelled {
		return
	}
	sh := s.plan.Shipments[i]
	truth := oracle.Shipment{ID: fmt.Sprintf("S-%s-%d", s.plan.Ref, i+1), Quantity: map[string]int64{}}
	var lines []string
	for l, q := range sh.Lines {
		line := fmt.Sprint(l + 1)
		n := min(int64(q)*1000, s.ordered[line]-s.shipped[line])
		if n <= 0 {
			continue
		}
		s.shipped[line] += n
		truth.Quantity[line] = n
		lines = append(lines, fmt.Sprintf(`{"line":%q,"qty":"%d"}`, line, n/1000))
	}
	if len(lines) == 0 {
		return
	}
	w := s.w
	s.truth.Shipments = append(s.truth.Shipments, truth)
	confirm := func() {
		w.push("wms", "shipment.confirmed", fmt.Sprintf(`{"order":%q,"shipment":%q,"shipped_at":%q,"lines":[%s]}`,
			s.plan.Ref, truth.ID, w.now.Format(time.RFC3339), strings.Join(lines, ",")))
	}
	delivered := func() {
		w.push("carrier", "shipment.delivered", fmt.Sprintf(`{"shipment":%q,"delivered_at":%q}`, truth.ID, w.now.Format(time.RFC3339)))
	}
	w.open++
	switch d := ms(sh.Delivered); {
	case d < 0:
		w.reach("delivered_before_its_shipment")
		delivered()
		w.in(-d, func() { w.open--; confirm() })
	case d > 0:
		confirm()
		w.in(d, func() { w.open--; delivered() })
	default:
		confirm()
		w.open--
	}
	if s.plan.Return > 0 && s.leaves == len(s.plan.Shipments) && s.shipped["1"] >= 1000 {
		s.comeBack()
	}
}

// comeBack is a piece of line 1 that the buyer sends back.
func (s *orderStory) comeBack() {
	w, id := s.w, "RMA-"+s.plan.Ref
	w.open += 2
	w.in(ms(s.plan.Return), func() {
		w.open--
		w.push("shop", "return.requested", fmt.Sprintf(`{"return":%q,"order":%q,"lines":[{"line":"1","qty":"1","reason":"damaged"}]}`, id, s.plan.Ref))
		w.in(ms(s.plan.Return/2), func() {
			w.open--
			s.truth.Returns[id] = map[string]int64{"1": 1000}
			w.reach("returned")
			w.push("wms", "return.received", fmt.Sprintf(`{"return":%q,"order":%q,"lines":[{"line":"1","qty":"1","disposition":"restock"}]}`, id, s.plan.Ref))
		})
	})
}

// cancel is the floor's word on a cancellation: what has not left stays.
func (s *orderStory) cancel() {
	kind := "warehouse_order.cancelled"
	if s.leaves >= len(s.plan.Shipments) {
		kind = "warehouse_order.cancel_refused"
	} else {
		s.cancelled, s.truth.Confirmed = true, true
	}
	s.w.reach(kind)
	s.w.push("wms", kind, fmt.Sprintf(`{"order":%q,"warehouse_order":%q}`, s.plan.Ref, s.key))
}

// settle is a system's own report of what became of a document that it took.
func (w *world) settle(s *counterpart.System, key string, e *oracle.Entry) {
	kind, data := "document.rejected", fmt.Sprintf(`{"key":%q,"problem":{"code":"unknown_item","status":422}}`, key)
	w.reach("taken_then_rejected")
	if e != nil {
		kind, data = "document.applied", fmt.Sprintf(`{"key":%q,"ref":"%s-%d","n":%d}`, key, s.Name, e.N, e.N)
		w.reached["taken_then_rejected"]--
		w.reach("taken_then_applied")
	}
	if w.chance("report "+key, 0, 2) == 0 {
		w.push(s.Name, kind, data)
	}
}
