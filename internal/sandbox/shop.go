package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
)

// shopVersion is the API version that the storefront speaks.
const shopVersion = "2026-04"

// shop is the storefront. It places, edits and cancels orders, tells them by
// Shopify's webhooks, and lets fulfilments, tags, notes and metafields be
// written through the Admin GraphQL API.
type shop struct {
	w         *World
	templates []bodyTemplate
	schema    *ast.Schema
	parsed    parsedQueries
	next      atomic.Int64 // orders reserved, from Config.First

	mu     sync.Mutex // guards the orders' contents
	untold []*message // webhooks that mutations caused
	listMu sync.RWMutex
	orders []*shopOrder // by index less Config.First
}

// shopOrder is an order in the storefront's books; of one that was placed in the
// portal they have nothing but its fate.
type shopOrder struct {
	plan         plan
	placed       time.Time
	updated      time.Time
	lines        []shopLine
	fulfillments []fulfillment
	cancelledAt  time.Time
	cancelReason string // as OrderCancelReason
	restocked    bool   // cancelled with its goods taken back: nothing can be fulfilled any more
	closedAt     time.Time
	tags         []string
	note         string
	poNumber     string
	attributes   [][2]string
	metafields   []metafield
	hooks        int // webhooks made, for their ids
	faults       int // faulty answers given
	calls        int
	refunded     bool        // its fate's return was asked for
	acknowledged atomic.Bool // Waybill said 2xx to its placement
}

// shopLine is a line item; quantity is what was ordered, edits that take away
// lower only current.
type shopLine struct{ item, quantity, current, fulfilled int }

// fulfillment is a shipment as the storefront was told.
type fulfillment struct {
	lines    []fulfilledLine
	tracking []tracking
	cancelled,
	notified bool
	made    time.Time
	updated time.Time
	events  []fulfillmentEvent
}

type (
	fulfilledLine    struct{ line, quantity int }
	tracking         struct{ company, number, url string }
	metafield        struct{ namespace, key, kind, value string }
	fulfillmentEvent struct {
		status, message string
		at              time.Time
	}
)

// newShop opens the storefront.
func newShop(w *World) (*shop, error) {
	s := &shop{w: w}
	s.next.Store(int64(w.cfg.First))
	var err error
	if s.templates, err = loadTemplates(); err != nil {
		return nil, err
	}
	s.schema, err = loadSchema()
	return s, err
}

// order finds an order by its index; nil where it isn't placed.
func (s *shop) order(index int) *shopOrder {
	s.listMu.RLock()
	defer s.listMu.RUnlock()
	if i := index - s.w.cfg.First; i >= 0 && i < len(s.orders) {
		return s.orders[i]
	}
	return nil
}

// id is the order's id.
func (o *shopOrder) id() int64 { return idOf(orderIDs, o.plan.index, 0) }

// sum is the lines' value, as ordered or as it stands now.
func (o *shopOrder) sum(current bool) amount {
	var total amount
	for _, l := range o.lines {
		n := l.quantity
		if current {
			n = l.current
		}
		total += catalogue[l.item].price * amount(n)
	}
	return total
}

// weight is the order's weight in grams.
func (o *shopOrder) weight() int {
	grams := 0
	for _, l := range o.lines {
		grams += catalogue[l.item].grams * l.current
	}
	return grams
}

// PlaceOrders lets customers place n further orders, concurrency of them at
// once, and returns when Waybill has acknowledged every one of them (each is
// sent again and again until it has), or with the context's error.
func (w *World) PlaceOrders(ctx context.Context, n, concurrency int) error {
	if w.running() == nil {
		return fmt.Errorf("place orders: the sandbox is not started; call Start first")
	}
	w.open.Add(1)
	defer w.open.Add(-1)
	first := int(w.shop.next.Add(int64(n))) - n
	w.shop.reserve(n)
	var at atomic.Int64
	var group sync.WaitGroup
	var failed atomic.Pointer[error]
	for range min(max(concurrency, 1), max(n, 1)) {
		group.Go(func() {
			for failed.Load() == nil {
				i := int(at.Add(1)) - 1
				if i >= n {
					return
				}
				if err := w.place(ctx, first+i); err != nil {
					err = fmt.Errorf("place order %d: %w", first+i, err)
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// place places an order where its customer does.
func (w *World) place(ctx context.Context, index int) error {
	if o := w.shop.order(index); o.plan.trade {
		return w.portal.place(ctx, o)
	}
	return w.shop.place(ctx, index)
}

// reserve makes room for n further orders, with their fates.
func (s *shop) reserve(n int) {
	s.listMu.Lock()
	defer s.listMu.Unlock()
	for range n {
		index := s.w.cfg.First + len(s.orders)
		o := &shopOrder{plan: planFor(s.w.cfg.Seed, index, s.w.cfg.Lines, s.w.cfg.Whole)}
		for _, l := range o.plan.lines {
			o.lines = append(o.lines, shopLine{item: l.item, quantity: l.ordered, current: l.ordered})
		}
		s.orders = append(s.orders, o)
	}
}

// place sends one order's placement until it is acknowledged; where its fate
// is to be changed or cancelled early, that follows right behind, before or
// after the answer.
func (s *shop) place(ctx context.Context, index int) error {
	o := s.order(index)
	now := s.w.cfg.Now()
	s.mu.Lock()
	o.placed, o.updated = now, now
	m := s.message(o, "orders/create", "")
	s.mu.Unlock()
	follow := func() {
		switch o.plan.fate {
		case ChangedEarly:
			s.edit(index)
		case CancelEarly:
			s.cancel(index)
		}
	}
	if o.plan.early {
		follow()
	}
	p := s.w.pushers["shop"]
	p.mu.Lock()
	p.sent++
	p.mu.Unlock()
	if err := p.deliver(ctx, m); err != nil {
		return err
	}
	o.acknowledged.Store(true)
	if !o.plan.early {
		follow()
	}
	return nil
}

// edit sets an order's lines to what its fate makes of them and tells it.
func (s *shop) edit(index int) {
	s.mu.Lock()
	o := s.order(index)
	for k, l := range o.plan.lines {
		o.lines[k].current = l.edited
		o.lines[k].quantity = max(l.ordered, l.edited)
	}
	s.touch(o)
	m := s.message(o, "orders/updated", "edit")
	s.mu.Unlock()
	s.w.pushers["shop"].push(m)
}

// cancel cancels an order for its customer and tells it. The goods are not
// restocked by it, so what left all the same can still be fulfilled.
func (s *shop) cancel(index int) {
	s.mu.Lock()
	o := s.order(index)
	s.touch(o)
	o.cancelledAt, o.cancelReason = o.updated, "CUSTOMER"
	m := s.message(o, "orders/cancelled", "cancel")
	s.mu.Unlock()
	s.w.pushers["shop"].push(m)
}

// touch moves updated_at on, by a second at least: its unit on the wire.
func (s *shop) touch(o *shopOrder) {
	now := s.w.cfg.Now()
	if next := o.updated.Add(time.Second); now.Before(next) {
		now = next
	}
	o.updated = now
}

// message makes an order's webhook. The lock is held.
func (s *shop) message(o *shopOrder, topic, lane string) *message {
	o.hooks++
	about := uint64(o.plan.index)
	h := drawn(s.w.cfg.Seed, "webhook", about, uint64(o.hooks))
	return &message{
		lane: strconv.Itoa(o.plan.index) + lane, about: about, topic: topic, id: uuidFrom(&h),
		body: o.render(&s.templates[o.plan.template]), caused: o.updated,
	}
}

// uuidFrom draws a UUID of version 4.
func uuidFrom(c *chance) string {
	a, b := c.next(), c.next()
	a = a&^0xf000 | 0x4000
	b = b&^(0xc<<60) | 0x8<<60
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
}

// sign sets the headers of a Shopify webhook.
func (s *shop) sign(h http.Header, m *message, secret string) {
	h.Set("X-Shopify-Topic", m.topic)
	h.Set("X-Shopify-Hmac-Sha256", shopSignature(secret, m.body))
	h.Set("X-Shopify-Shop-Domain", s.w.cfg.Shop)
	h.Set("X-Shopify-API-Version", shopVersion)
	h.Set("X-Shopify-Webhook-Id", m.id)
	h.Set("X-Shopify-Event-Id", m.id[:len(m.id)-4]+"feed")
	h.Set("X-Shopify-Triggered-At", m.caused.UTC().Format(time.RFC3339Nano))
}

// remaining is what of a line can still be fulfilled.
func (o *shopOrder) remaining(k int) int {
	if o.restocked {
		return 0
	}
	return max(0, o.lines[k].current-o.lines[k].fulfilled)
}

// open says whether anything can still be fulfilled.
func (o *shopOrder) open() bool {
	for k := range o.lines {
		if o.remaining(k) > 0 {
			return true
		}
	}
	return false
}

// addTags adds tags that the order lacks, keeping the given spelling.
func (o *shopOrder) addTags(tags []string) {
	for _, t := range tags {
		t = strings.TrimSpace(t)
		if t != "" && !slices.ContainsFunc(o.tags, func(have string) bool { return strings.EqualFold(have, t) }) {
			o.tags = append(o.tags, t)
		}
	}
}

// setMetafield writes one metafield.
func (o *shopOrder) setMetafield(m metafield) {
	for i := range o.metafields {
		if have := &o.metafields[i]; have.namespace == m.namespace && have.key == m.key {
			if m.kind == "" {
				m.kind = have.kind
			}
			*have = m
			return
		}
	}
	o.metafields = append(o.metafields, m)
}
