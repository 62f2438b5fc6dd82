package sandbox

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// erp is the ERP: it checks credit and items, keeps sales orders, postings and
// invoices, and validates each document against what it already holds.
type erp struct {
	w *World
	t *target

	mu      sync.Mutex
	limits  map[int]amount     // raised credit limits; absent: creditLimit
	open    map[string]amount  // by customer: approved and unpaid, where limits are shared
	unpaid  map[string][]debit // by customer: oldest first
	refusal map[int]bool       // orders whose sales order was refused
	stock   []amount           // by place in the catalogue, in the item's one warehouse
	back    map[string]amount  // what credits put into stock again, by return and item
}

// newERP opens the ERP.
func newERP(w *World) *erp {
	e := &erp{w: w, limits: map[int]amount{}, open: map[string]amount{}, unpaid: map[string][]debit{}, refusal: map[int]bool{},
		stock: make([]amount, len(catalogue)), back: map[string]amount{}}
	for i := range catalogue {
		e.stock[i] = catalogue[i].opening
	}
	e.t = newTarget(w, "erp", "E-", e)
	return e
}

// debit is an open invoice where credit limits are shared.
type debit struct {
	order, invoice string
	amount         amount
}

// erpOrder is what the ERP knows about an order.
type erpOrder struct {
	customer  string
	checks    int  // order_check documents judged
	refused   bool // the last check's answer
	reserved  amount
	lines     []erpLine
	sold      bool // there is a sales order
	postings  []posting
	cancelled bool   // all of it: nothing is posted, nothing is open
	billed    amount // invoices less credits, with charges and tax
}

// erpLine is a line of a sales order.
type erpLine struct {
	line, sku                           string
	parent                              string // of a kit's part: the kit's line
	ordered, posted, invoiced, credited amount
	returned                            amount // of credited: what came back
	price                               amount
	priced                              bool
}

// posting is a posted shipment.
type posting struct{ shipment, ref string }

// refusalCodes are the ERP's reasons not to take a sales order.
var refusalCodes = []struct{ code, detail string }{
	{"item_closed", "the item is closed for sales"},
	{"customer_blocked", "the customer's account is blocked"},
	{"ship_to_unknown", "the ship-to address is not in the customer's address book"},
}

// book dispatches by kind.
func (e *erp) book(d *document, b *orderBook, ref string) (booking, *refusal) {
	switch d.Kind {
	case "inventory_adjustment", "receipt_posting":
		return e.stocked(d)
	case "payment_receipt", "return_order":
		return booking{}, nil
	}
	if d.Order == "" || len(d.Covers) > 0 {
		return booking{}, refuse("order_missing", "", "%s needs the one order it belongs to", d.Kind)
	}
	if b.erp == nil {
		b.erp = &erpOrder{}
	}
	o := b.erp
	switch d.Kind {
	case "order_check":
		return e.check(d, o)
	case "sales_order":
		return e.sell(d, o)
	}
	if !o.sold {
		return booking{}, missing("sales_order_unknown", "there is no sales order %s", d.Order)
	}
	switch d.Kind {
	case "sales_order_change":
		return booking{}, o.change(d)
	case "sales_order_cancel":
		r := o.cancel(d)
		if r == nil {
			e.release(o)
		}
		return booking{}, r
	case "shipment_posting":
		r := o.post(d, ref)
		if r == nil {
			e.move(d.Lines, -1)
		}
		return booking{}, r
	case "invoice":
		return e.invoice(d, o, ref)
	case "shipment_reversal":
		return booking{}, e.reverse(d, o)
	case "credit_memo":
		return booking{}, e.credit(d, o)
	}
	return booking{}, refuse("kind_unknown", "", "the ERP takes no %s", d.Kind)
}

// check is the credit and item check.
func (e *erp) check(d *document, o *erpOrder) (booking, *refusal) {
	p := e.w.planOf(d.Order)
	if o.customer = text(d.Data.Customer); o.customer == "" && p.index >= 0 {
		o.customer = customerID(p.customer)
	}
	o.checks++
	objections := e.objections(p, d, o)
	o.refused = len(objections) > 0
	var done booking
	result := strconv.AppendBool([]byte(`{"approved":`), !o.refused)
	result = append(result, `,"reasons":[`...)
	for i, why := range objections {
		if i > 0 {
			result = append(result, ',')
		}
		result = appendField(append(result, '{'), "kind", why.kind)
		result = appendField(append(result, ','), "reason", why.reason)
		if why.line != "" {
			result = appendField(append(result, ','), "line", why.line)
		}
		result = append(result, '}')
	}
	result = append(result, ']')
	if o.refused && p.fate == HeldReleased && o.checks == 1 {
		done.follow = append(done.follow, func() { e.raise(p, d.Order, o.customer) })
	}
	done.result = string(append(appendPrices(append(result, `,"prices":[`...), d), "]}"...))
	return done, nil
}

// objection is a reason not to approve an order.
type objection struct{ kind, reason, line string }

// objections say why an order is not approved; none where it is. What the fate
// of an order of the sandbox's own customers is, is said by nothing else.
func (e *erp) objections(p *plan, d *document, o *erpOrder) (out []objection) {
	switch {
	case p.fate == HeldReleased && o.checks == 1:
		return []objection{{"credit", "credit limit exceeded", ""}}
	case p.fate == HeldForever && p.reason%3 == 0 && len(d.Lines) > 0:
		return []objection{{"item", "item is closed for sales", d.Lines[0].Line}}
	case p.fate == HeldForever:
		return []objection{{"credit", "credit limit exceeded, account in dunning", ""}}
	case p.index < 0:
		return e.rules(d, o)
	case !e.w.cfg.Once && !e.reserve(d, o):
		return []objection{{"credit", "credit limit exceeded", ""}}
	}
	return nil
}

// rules judge an order of somebody else's customer by what the ERP knows: items
// that are closed, and the credit limit of its customer.
func (e *erp) rules(d *document, o *erpOrder) (out []objection) {
	var value amount
	for _, l := range d.Lines {
		value += l.price.times(l.qty)
		if l.item >= 0 && catalogue[l.item].closed && l.qty > 0 {
			out = append(out, objection{"item", "item " + l.SKU + " is closed for sales", l.Line})
		}
	}
	customer, known := customerOf(o.customer)
	if !known {
		return out
	}
	e.mu.Lock()
	limit := e.limit(customer)
	e.mu.Unlock()
	if value > limit || !e.w.cfg.Once && !e.reserve(d, o) {
		out = append(out, objection{"credit", "credit limit of " + limit.money() + " exceeded", ""})
	}
	return out
}

// reserve takes an order's value from its customer's shared credit.
func (e *erp) reserve(d *document, o *erpOrder) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	var value amount
	for _, l := range d.Lines {
		value += l.price.times(l.qty)
	}
	customer, known := customerOf(o.customer)
	if !known {
		return true
	}
	after := e.open[o.customer] - o.reserved + value
	if e.open[o.customer] > 0 && after > e.limit(customer) {
		return false
	}
	e.open[o.customer], o.reserved = after, value
	return true
}

// release gives a cancelled order's credit back.
func (e *erp) release(o *erpOrder) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if o.cancelled && len(o.postings) == 0 {
		e.open[o.customer] = max(0, e.open[o.customer]-o.reserved)
		o.reserved = 0
	}
}

// limit is a customer's credit limit. The lock is held.
func (e *erp) limit(customer int) amount {
	if l, ok := e.limits[customer]; ok {
		return l
	}
	return creditLimit(customer)
}

// raise lifts the credit limit that an order waits for and tells it.
func (e *erp) raise(p *plan, order, customer string) {
	e.mu.Lock()
	limit := e.limit(p.customer) + pieces(2_500)
	e.limits[p.customer] = limit
	e.mu.Unlock()
	fields := appendCustomer(nil, customer, limit)
	e.w.later(raiseAfter, func() { e.w.tell("erp", "customer.changed", order, "credit", fields, nil) })
}

// raiseAfter lets the refusal's answer reach the asker first, as it does where
// a clerk raises the limit.
const raiseAfter = 30 * time.Millisecond

// appendCustomer writes a customer as T6 shows it.
func appendCustomer(b []byte, id string, limit amount) []byte {
	b = appendField(b, "customer", id)
	b = appendField(append(b, ','), "credit_limit", limit.money())
	return append(b, `,"terms":"NET30","status":"active"`...)
}

// appendPrices writes the ERP's own price of each line whose item it knows.
func appendPrices(b []byte, d *document) []byte {
	comma := false
	for _, l := range d.Lines {
		i, ok := bySKU[l.SKU]
		if !ok || l.Parent != "" { // a part is paid with its kit
			continue
		}
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = appendField(append(b, '{'), "line", l.Line)
		price := priceTexts[i]
		if ratio := ratioOf(i, l.UOM); ratio > 1 {
			price = (catalogue[i].price * ratio).money()
		}
		b = append(appendField(append(b, ','), "price", price), '}')
	}
	return b
}

// priceTexts are the catalogue's prices as written on the wire.
var priceTexts = func() []string {
	out := make([]string, len(catalogue))
	for i := range catalogue {
		out[i] = catalogue[i].price.money()
	}
	return out
}()

// sell enters a sales order, or the lines of one that a 207 sent back.
func (e *erp) sell(d *document, o *erpOrder) (booking, *refusal) {
	p := e.w.planOf(d.Order)
	switch {
	case p.fate == Refused:
		why := refusalCodes[p.reason%len(refusalCodes)]
		e.mu.Lock()
		e.refusal[p.index] = true
		e.mu.Unlock()
		return booking{}, refuse(why.code, "", "sales order %s: %s", d.Order, why.detail)
	case p.fate == HeldForever, o.refused:
		return booking{}, refuse("credit_hold", "", "sales order %s: not approved", d.Order)
	case len(d.Lines) == 0:
		return booking{}, refuse("lines_missing", "", "sales order %s has no lines", d.Order)
	}
	if r := exploded(d); r != nil && !o.sold { // the rest of an order after a 207 is some lines of it
		return booking{}, r
	}
	if o.customer == "" && p.index >= 0 {
		o.customer = customerID(p.customer)
	}
	for _, l := range d.Lines {
		if l.qty < 0 {
			return booking{}, refuse("qty_negative", l.Line, "line %s: quantity %s", l.Line, l.Qty)
		}
	}
	for _, l := range d.Lines {
		// a system that does not look at keys sells twice what it is told twice;
		// the second order's lines are new lines of the same order here
		if have := o.line(l.Line); have != nil && o.sold {
			have.ordered += l.qty
			continue
		}
		o.lines = append(o.lines, erpLine{line: l.Line, sku: l.SKU, parent: l.Parent, ordered: l.qty, price: l.price, priced: l.priced})
	}
	o.sold = true
	return booking{}, nil
}

// line finds a line; nil where the sales order has none of that name.
func (o *erpOrder) line(name string) *erpLine {
	for i := range o.lines {
		if o.lines[i].line == name {
			return &o.lines[i]
		}
	}
	return nil
}

// change sets the lines' totals to those of the document.
func (o *erpOrder) change(d *document) *refusal {
	for _, l := range d.Lines {
		have := o.line(l.Line)
		if l.qty < 0 || have != nil && l.qty < have.posted {
			return refuse("below_posted", l.Line, "line %s: %s is less than what is posted", l.Line, l.Qty)
		}
	}
	for _, l := range d.Lines {
		have := o.line(l.Line)
		if have == nil {
			o.lines = append(o.lines, erpLine{line: l.Line, sku: l.SKU, parent: l.Parent, ordered: l.qty, price: l.price, priced: l.priced})
			continue
		}
		have.ordered = l.qty
		if l.priced {
			have.price, have.priced = l.price, true
		}
	}
	o.cancelled = o.total() == 0
	return nil
}

// cancel takes the document's quantities off what is not posted; no lines:
// all of it.
func (o *erpOrder) cancel(d *document) *refusal {
	if len(d.Lines) == 0 {
		for i := range o.lines {
			o.lines[i].ordered = o.lines[i].posted
		}
		o.cancelled = o.total() == 0
		return nil
	}
	for _, l := range d.Lines {
		have := o.line(l.Line)
		if have == nil {
			return refuse("line_unknown", l.Line, "the sales order has no line %s", l.Line)
		}
		if l.qty <= 0 || have.ordered-l.qty < have.posted {
			return refuse("below_posted", l.Line, "line %s: %s cannot be cancelled of %s, of which %s are posted", l.Line, l.Qty, have.ordered, have.posted)
		}
	}
	for _, l := range d.Lines {
		o.line(l.Line).ordered -= l.qty
	}
	o.cancelled = o.total() == 0
	return nil
}

// total is what the order is for.
func (o *erpOrder) total() amount {
	var sum amount
	for _, l := range o.lines {
		sum += l.ordered
	}
	return sum
}

// post takes a shipment out of stock. More than was ordered is taken too: the
// goods are gone.
func (o *erpOrder) post(d *document, ref string) *refusal {
	shipment := text(d.Data.Shipment)
	if shipment == "" {
		return refuse("shipment_missing", "", "shipment_posting needs data.shipment")
	}
	if r := o.knows(d); r != nil {
		return r
	}
	for _, l := range d.Lines {
		if isKit(l.item) {
			return refuse("kit_not_posted", l.Line, "line %s: %s is no goods, its parts are", l.Line, l.SKU)
		}
	}
	for _, l := range d.Lines {
		o.line(l.Line).posted += l.qty
	}
	o.postings = append(o.postings, posting{shipment, ref})
	return nil
}

// knows refuses lines that the sales order lacks and quantities that are not
// positive.
func (o *erpOrder) knows(d *document) *refusal {
	if len(d.Lines) == 0 {
		return refuse("lines_missing", "", "%s has no lines", d.Kind)
	}
	for _, l := range d.Lines {
		switch {
		case o.line(l.Line) == nil:
			return refuse("line_unknown", l.Line, "the sales order has no line %s", l.Line)
		case l.qty <= 0:
			return refuse("qty_not_positive", l.Line, "line %s: quantity %s", l.Line, l.Qty)
		}
	}
	return nil
}

// invoice bills what is posted and not yet billed, at the order's price.
func (e *erp) invoice(d *document, o *erpOrder, ref string) (booking, *refusal) {
	if r := o.knows(d); r != nil {
		return booking{}, r
	}
	shipment := text(d.Data.Shipment)
	if shipment != "" && !slices.ContainsFunc(o.postings, func(p posting) bool { return p.shipment == shipment }) {
		return booking{}, missing("shipment_not_posted", "shipment %s is not posted", shipment)
	}
	total, r := d.Data.extras()
	if r != nil {
		return booking{}, r
	}
	for _, l := range d.Lines {
		have := o.line(l.Line)
		if left := o.billable(have) - have.invoiced; l.qty > left {
			return booking{}, refuse("invoice_above_posted", l.Line, "line %s: %s is more than the %s posted and not invoiced", l.Line, l.Qty, left)
		}
		if l.priced && have.priced && l.price != have.price {
			return booking{}, refuse("price_differs", l.Line, "line %s: price %s, the sales order's is %s", l.Line, l.Price, have.price)
		}
	}
	for _, l := range d.Lines {
		have := o.line(l.Line)
		have.invoiced += l.qty
		total += have.price.times(l.qty)
	}
	o.billed += total
	var done booking
	if p := e.w.planOf(d.Order); p.says&tellsInvoice != 0 {
		done.follow = append(done.follow, e.invoicePosted(d, o, ref, total))
	}
	if !e.w.cfg.Once {
		e.owe(o.customer, debit{d.Order, ref, total}, &done)
	}
	return done, nil
}

// invoicePosted prepares the push that echoes an invoice.
func (e *erp) invoicePosted(d *document, o *erpOrder, ref string, total amount) func() {
	fields := appendField(nil, "invoice", ref)
	fields = appendField(append(fields, ','), "total", total.money())
	fields = append(fields, `,"currency":"USD","lines":[`...)
	for i, l := range d.Lines {
		if i > 0 {
			fields = append(fields, ',')
		}
		fields = appendField(append(fields, '{'), "order", d.Order)
		fields = appendField(append(fields, ','), "line", l.Line)
		fields = append(appendAmount(append(fields, `,"qty":"`...), l.qty), '"')
		fields = append(appendField(append(fields, ','), "amount", o.line(l.Line).price.times(l.qty).money()), '}')
	}
	fields = append(fields, ']')
	return func() { e.w.tell("erp", "invoice.posted", d.Order, "invoice-"+ref, fields, nil) }
}

// owe adds an invoice to a customer's debts where credit is shared. Customers
// pay their oldest invoices once half of their limit is used up: an invoice
// causes the payment, no clock does.
func (e *erp) owe(customer string, fresh debit, done *booking) {
	e.mu.Lock()
	defer e.mu.Unlock()
	index, known := customerOf(customer)
	if !known {
		return
	}
	e.unpaid[customer] = append(e.unpaid[customer], fresh)
	for len(e.unpaid[customer]) > 0 && 2*e.open[customer] > e.limit(index) {
		paid := e.unpaid[customer][0]
		e.unpaid[customer] = e.unpaid[customer][1:]
		e.open[customer] = max(0, e.open[customer]-paid.amount)
		at := e.w.cfg.Now().UTC().Format(time.RFC3339Nano)
		fields := appendField(nil, "order", paid.order)
		for _, f := range [...][2]string{{"invoice", paid.invoice}, {"amount", paid.amount.money()}, {"currency", "USD"}, {"paid_at", at}} {
			fields = appendField(append(fields, ','), f[0], f[1])
		}
		done.follow = append(done.follow, func() { e.w.tell("erp", "invoice.paid", paid.order, "paid-"+paid.invoice, fields, nil) })
	}
}

// splits: the ERP locks lines now and then.
func (e *erp) splits(kind string) bool {
	return kind == "sales_order" || kind == "shipment_posting" || strings.HasPrefix(kind, "invoice")
}
