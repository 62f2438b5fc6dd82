package sandbox

import (
	"context"
	"net/http"
	"strconv"
	"sync"
)

// portal is a second channel, where dealers order by the piece and by the case.
// It speaks the system contract: it places orders and asks for returns by
// pushes, and keeps what it is told of them.
type portal struct {
	w *World
	t *target

	mu        sync.Mutex // guards the orders
	orders    map[int]*portalOrder
	available map[string]amount // by item and warehouse
}

// portalOrder is an order in the portal's books. Quantities are by SKU, in
// pieces.
type portalOrder struct {
	fulfilled, refunded     map[string]amount
	backordered, authorized int // notices of them
	asked                   bool
}

// newPortal opens the portal.
func newPortal(w *World) *portal {
	p := &portal{w: w, orders: map[int]*portalOrder{}, available: map[string]amount{}}
	p.t = newTarget(w, "portal", "P-", p)
	return p
}

// What every order of the portal pays beside its goods: for handling, and as tax
// in hundredths of its goods' value.
var (
	handling = cents(450)
	taxShare = cents(8)
)

// tax is the tax on a value, to the cent.
func tax(value amount) amount {
	v, err := parseAmount(value.times(taxShare).money())
	if err != nil {
		return 0
	}
	return v
}

// value is what an order's goods cost.
func (p *plan) value() amount {
	var sum amount
	for _, l := range p.lines {
		sum += catalogue[l.item].price.times(pieces(l.ordered))
	}
	return sum
}

// place sends an order's placement until it is acknowledged.
func (c *portal) place(ctx context.Context, o *shopOrder) error {
	p := &o.plan
	number := strconv.Itoa(p.number())
	fields := appendField(nil, "order", number)
	fields = appendField(append(fields, ','), "customer", customerID(p.customer))
	fields = appendField(append(fields, ','), "po", "EX-PO-"+number)
	fields = append(fields, `,"currency":"USD","ship_to":{"name":"Example Dealer","address":["1 Example Street"],"city":"Springfield","postal":"00000","country":"US"},"tax":`...)
	fields = appendText(fields, tax(p.value()).money())
	fields = append(appendField(append(fields, `,"charges":[{"code":"handling",`...), "amount", handling.money()), `}],"lines":[`...)
	for i, l := range p.lines {
		if i > 0 {
			fields = append(fields, ',')
		}
		uom, qty := l.unit()
		fields = appendField(append(fields, '{'), "line", strconv.Itoa(i+1))
		for _, f := range [...][2]string{{"sku", catalogue[l.item].sku}, {"qty", strconv.Itoa(qty)}, {"uom", uom}, {"price", l.price().money()}} {
			fields = appendField(append(fields, ','), f[0], f[1])
		}
		fields = append(fields, '}')
	}
	now := c.w.cfg.Now()
	c.mu.Lock()
	c.orders[p.index] = &portalOrder{fulfilled: map[string]amount{}, refunded: map[string]amount{}}
	c.mu.Unlock()
	push := c.w.pushers["portal"]
	push.mu.Lock()
	push.sent++
	push.mu.Unlock()
	err := push.deliver(ctx, &message{lane: number, about: textHash(number), id: "portal-" + number + "-placed",
		body: fact("order.placed", now.UTC(), append(fields, ']')), caused: now})
	if err == nil {
		o.acknowledged.Store(true)
	}
	return err
}

// book takes what the portal is told of an order or of stock.
func (c *portal) book(d *document, b *orderBook, _ string) (booking, *refusal) {
	if d.Kind == "inventory_availability" {
		return booking{}, c.stocked(d)
	}
	i, known := orderIndex(b.lane)
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.orders[i]
	if !known || o == nil || text(d.Data.ChannelOrder) != strconv.Itoa(firstNumber+i) {
		return booking{}, refuse("order_unknown", "", "the portal has no order %s", text(d.Data.ChannelOrder))
	}
	p := &c.w.shop.order(i).plan
	switch d.Kind {
	case "order_acknowledgment", "change_answer", "cancellation_answer":
		return booking{}, nil
	case "fulfilment":
		return c.fulfil(d, o, p)
	case "backorder_notice":
		o.backordered++
		return booking{}, nil
	case "return_authorization":
		if !o.asked {
			return booking{}, missing("return_unknown", "nobody asked for return %s", text(d.Data.Return))
		}
		o.authorized++
		return booking{}, nil
	case "refund_notice":
		return booking{}, add(o.refunded, d, "refund_above_fulfilled", func(sku string) amount { return o.fulfilled[sku] })
	}
	return booking{}, refuse("kind_unknown", "", "the portal takes no %s", d.Kind)
}

// add adds a document's lines to what there is by item, up to a limit.
func add(have map[string]amount, d *document, code string, limit func(sku string) amount) *refusal {
	if len(d.Lines) == 0 {
		return refuse("lines_missing", "", "%s has no lines", d.Kind)
	}
	for _, l := range d.Lines {
		if most := limit(l.SKU) - have[l.SKU]; l.qty <= 0 || l.qty > most {
			return refuse(code, l.Line, "line %s: %s %s of %s, and %s are possible", l.Line, l.Qty, l.UOM, l.SKU, most)
		}
	}
	for _, l := range d.Lines {
		have[l.SKU] += l.qty
	}
	return nil
}

// fulfil takes a shipment. Once all has come, the dealer sends back what the
// order's fate has him send.
func (c *portal) fulfil(d *document, o *portalOrder, p *plan) (booking, *refusal) {
	wanted := p.wanted()
	r := add(o.fulfilled, d, "fulfilled_above_ordered", func(sku string) amount { return wanted[sku] })
	if r != nil || p.back.pieces == 0 || o.asked {
		return booking{}, r
	}
	for sku, qty := range wanted {
		if o.fulfilled[sku] < qty {
			return booking{}, nil
		}
	}
	o.asked = true
	return booking{follow: []func(){func() { c.askReturn(p) }}}, nil
}

// askReturn asks for an order's return.
func (c *portal) askReturn(p *plan) {
	number := strconv.Itoa(p.number())
	fields := appendField(nil, "return", "RMA-"+number)
	fields = appendField(append(fields, ','), "order", number)
	fields = append(appendAmount(append(fields, `,"lines":[{"line":"1","qty":"`...), pieces(p.back.pieces)), `","uom":"EA","reason":"not needed"}]`...)
	c.w.tell("portal", "return.requested", number, "return", fields, nil)
}

// stocked takes what is available of an item.
func (c *portal) stocked(d *document) *refusal {
	if len(d.Lines) != 1 || d.Lines[0].qty < 0 || text(d.Data.Warehouse) == "" {
		return refuse("availability_unreadable", "", "inventory_availability wants one item, its warehouse and a quantity from 0")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.available[d.Lines[0].SKU+"\x00"+text(d.Data.Warehouse)] = d.Lines[0].qty
	return nil
}

// splits: the portal takes a document as a whole.
func (c *portal) splits(string) bool { return false }

// entities: the portal is no system of record.
func (c *portal) entities(http.ResponseWriter, *http.Request, string) bool { return false }
