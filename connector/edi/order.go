package edi

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/edi/x12"
)

// What BEG01 says an 850 is for.
const (
	purposeOriginal = "00"
	purposeCancel   = "01"
	purposeChange   = "04"
	purposeReplace  = "05"
	purposeConfirm  = "06"
	purposeAgain    = "07"
)

// purchaseOrder is an 850: the whole order.
func (r *reading) purchaseOrder() error {
	o := r.readOrder()
	own := o.own
	ref := o.order.Order
	event := waybill.Event{Type: waybill.OrderPlaced, Flow: waybill.FlowSales, Ref: ref, Subject: ref, Body: o.order}
	switch o.purpose {
	case purposeOriginal, purposeConfirm, purposeAgain:
		o.order.Version, event.Version = 1, 1
	case purposeCancel:
		return r.cancel(own, ref, nil)
	case purposeReplace, purposeChange:
		o.order.Version = r.sent().Unix()
		event.Type, event.Version = waybill.OrderChanged, o.order.Version
	default:
		r.note(fmt.Sprintf("BEG01 %s is no order: nothing is created", o.purpose))
		return nil
	}
	if o.order.ShipTo == nil {
		r.note("the order has no N1 ST: there is no address that the goods go to")
	}
	if len(o.order.Lines) == 0 {
		r.note("the order has no lines")
	}
	return r.emit(event)
}

// cancel asks to cancel an order, or some of its lines.
func (r *reading) cancel(own, ref string, lines []waybill.LineQty) error {
	request := id("cancel-" + r.m.Group.Interchange.Control + "-" + r.m.Group.Control + "-" + r.m.Control)
	c := &waybill.CancelRequest{Order: ref, Request: request, Version: 1, Lines: lines}
	if own != ref {
		c.ChannelOrder = own
	}
	return r.emit(waybill.Event{Type: waybill.OrderCancelRequested, Flow: waybill.FlowSales, Ref: ref, Subject: request, Body: c})
}

// Order reads an 850 as the order it states, without making events of it.
func (t *Translator) Order(m *x12.Message) *waybill.Order {
	partner, _ := t.Profile.Of(m.Group.Interchange)
	r := &reading{p: partner, book: t.Book, m: m}
	return r.readOrder().order
}

// orderReading is an order while its segments come.
type orderReading struct {
	*reading
	order    *waybill.Order
	own      string // the buyer's number of the order, release included
	purpose  string
	sequence string // of a change, BCH05
	partial  bool   // only the lines that change are there
	refs     []ref
	dates    []ref
	texts    []string
	parties  []party
	open     *party // whose loop we are in
	routing  string
	carrier  string
	kind     string       // BEG02
	placed   string       // date of the order
	line     *lineReading // the open one, nil before the first
	room     lineReading
	unknown  []byte // of the lines, one after the other
	seen     map[string]bool
}

// lineReading is a line while its segments come.
type lineReading struct {
	waybill.OrderLine
	ids    []ref
	refs   []ref
	dates  []ref
	stores []ref // SDQ: store and quantity
	pack   string
	action string // of a change, POC02
}

func (r *reading) readOrder() *orderReading {
	o := &orderReading{reading: r, order: &waybill.Order{}}
	for i := range r.m.Len() {
		s := r.m.Segment(i)
		switch s.ID() {
		case "PO1":
			if o.order.Lines == nil {
				o.order.Lines = make([]waybill.OrderLine, 0, (r.m.Len()-i)/3+1) // a line often has a PID and one more
			}
			o.endLine()
			o.beginLine(s)
		case "CTT", "SE":
			o.endLine()
		default:
			if o.line != nil {
				o.lineSegment(s)
			} else {
				o.headSegment(s)
			}
		}
	}
	o.finish()
	return o
}

// headSegment takes a segment before the first line in.
func (o *orderReading) headSegment(s x12.Segment) {
	if o.open != nil && o.open.read(s) {
		return
	}
	switch s.ID() {
	case "BEG":
		o.beginning(s.Element(1), s.Element(2), s.Element(3), s.Element(4), s.Element(5))
	case "BCH":
		o.beginning(s.Element(1), s.Element(2), s.Element(3), s.Element(4), s.Element(6))
		o.sequence = s.Element(5)
	case "CUR":
		if s.Element(1) == "BY" || o.order.Currency == "" {
			o.order.Currency = s.Element(2)
		}
	case "REF":
		o.refs = append(o.refs, ref{s.Element(1), s.Element(2), s.Element(3)})
	case "FOB":
		o.order.FreightTerms = s.Element(1)
	case "SAC":
		o.charge(s)
	case "ITD":
		o.order.Terms = terms(s)
	case "DTM":
		o.dates = append(o.dates, ref{Qualifier: s.Element(1), Value: s.Element(2)})
	case "TD5":
		o.carrier, o.routing = s.Element(3), s.Element(5)
	case "MSG", "NTE":
		text := s.Element(1)
		if s.ID() == "NTE" {
			text = s.Element(2)
		}
		o.texts = append(o.texts, text)
	case "N1":
		o.parties = append(o.parties, newParty(s))
		o.open = &o.parties[len(o.parties)-1]
	}
}

func (o *orderReading) beginning(purpose, kind, number, release, day string) {
	o.purpose, o.kind, o.placed = purpose, kind, day
	number = strings.TrimSpace(number)
	o.own, o.order.PO = number, number
	if release != "" {
		o.own = number + "." + release // a release is an order of its own against the blanket order
	}
	o.order.Order = o.reading.order(o.own)
	if o.order.Order != o.own {
		o.order.ChannelOrder = o.own
	}
	if kind == "RL" {
		o.order.Type = waybill.OrderRelease
	}
}

// charge is an allowance or charge on the order: an allowance is negative.
func (o *orderReading) charge(s x12.Segment) {
	amount, ok := implied(s.Element(5))
	code := s.Element(2)
	if code == "" {
		code = s.Element(4)
	}
	switch {
	case s.Element(1) == "A":
		amount = amount.Neg()
	case s.Element(1) != "C":
		return // information only
	}
	if !ok {
		o.note("SAC " + code + " states no amount: it is not on the order")
		return
	}
	o.order.Charges = append(o.order.Charges, waybill.Charge{Code: named(code, "charge"), Amount: amount})
}

func named(v, instead string) string {
	if v == "" {
		return instead
	}
	return v
}

// terms are ITD's own words, or discount and days put together.
func terms(s x12.Segment) string {
	for _, n := range []int{12, 10} {
		if text := strings.TrimSpace(s.Element(n)); text != "" {
			if strings.Trim(text, "-.0123456789") != "" {
				return text
			}
		}
	}
	text := ""
	if s.Has(3) && s.Has(5) {
		text = s.Element(3) + "% " + s.Element(5) + " days"
	}
	if s.Has(7) {
		if text != "" {
			text += ", "
		}
		text += "net " + s.Element(7) + " days"
	}
	return text
}

// newLine opens a line. There is one at a time, so that it is used again.
func (o *orderReading) newLine() *lineReading {
	l := &o.room
	*l = lineReading{ids: l.ids[:0], refs: l.refs[:0], dates: l.dates[:0], stores: l.stores[:0]}
	o.line = l
	return l
}

func (o *orderReading) beginLine(s x12.Segment) {
	o.open = nil
	l := o.newLine()
	at := len(o.order.Lines) + 1
	l.Line = id(s.Element(1))
	if l.Line == "" || o.taken(l.Line) {
		l.Line = strconv.Itoa(at)
		if o.taken(l.Line) {
			l.Line = "~" + l.Line
		}
	}
	if at > 32 {
		o.seen[l.Line] = true
	}
	l.Qty, _ = decimal(s.Element(2))
	l.UOM = o.unit(s.Element(3), "PO1", l.Line)
	l.Price, _ = price(s.Element(4), s.Element(5))
	l.ids = itemIDs(l.ids, s, 6, 10)
	l.SKU, l.CustomerSKU = o.item(l.ids)
}

// taken reports whether an earlier line has the number.
func (o *orderReading) taken(line string) bool {
	if len(o.order.Lines) < 32 {
		for i := range o.order.Lines {
			if o.order.Lines[i].Line == line {
				return true
			}
		}
		return false
	}
	if o.seen == nil {
		o.seen = make(map[string]bool, cap(o.order.Lines))
		for i := range o.order.Lines {
			o.seen[o.order.Lines[i].Line] = true
		}
	}
	return o.seen[line]
}

// price is a unit price by its basis: per hundred and per thousand are divided.
func price(amount, basis string) (waybill.Decimal, bool) {
	d, ok := decimal(amount)
	switch basis {
	case "HP":
		d = d.Quo(waybill.NewDecimal(100))
	case "TP":
		d = d.Quo(waybill.NewDecimal(1000))
	}
	return d, ok
}

// lineSegment takes a segment of a line in.
func (o *orderReading) lineSegment(s x12.Segment) {
	l := o.line
	switch s.ID() {
	case "PID":
		if l.Description == "" {
			l.Description = s.Element(5)
		}
	case "PO4":
		l.pack = s.Element(1)
	case "REF":
		l.refs = append(l.refs, ref{s.Element(1), s.Element(2), s.Element(3)})
	case "DTM":
		l.dates = append(l.dates, ref{Qualifier: s.Element(1), Value: s.Element(2)})
	case "SDQ":
		for n := 3; n+1 <= min(s.Len(), 22); n += 2 {
			if s.Has(n) {
				l.stores = append(l.stores, ref{Qualifier: s.Element(n), Value: s.Element(n + 1)})
			}
		}
	}
}

// lineRest is about what is kept of a line beside its fields.
const lineRest = 176

func (o *orderReading) endLine() {
	l := o.line
	if l == nil {
		return
	}
	o.line = nil
	if cap(o.unknown)-len(o.unknown) < lineRest { // one allocation for many lines
		o.unknown = make([]byte, 0, lineRest*min(16, cap(o.order.Lines)-len(o.order.Lines)+1))
	}
	rest := object{b: o.unknown[len(o.unknown):]}
	rest.open("", "{")
	rest.text("action", l.action)
	rest.refs("item_ids", l.ids)
	rest.text("pack", l.pack)
	rest.refs("references", l.refs)
	rest.refs("dates", l.dates)
	rest.refs("stores", l.stores)
	rest.close("}")
	if n := len(rest.b); n > 2 {
		l.Unknown = jsontext.Value(rest.b[:n:n])
		o.unknown = o.unknown[:min(len(o.unknown)+n, cap(o.unknown))]
	}
	o.order.Lines = append(o.order.Lines, l.OrderLine)
}

// finish puts together what the head said.
func (o *orderReading) finish() {
	for i := range o.parties {
		p := &o.parties[i]
		switch {
		case p.role == "ST" && o.order.ShipTo == nil:
			o.order.ShipTo = &p.Party
		case p.role == "BT" && o.order.BillTo == nil:
			o.order.BillTo = &p.Party
		case p.role == "Z7":
			o.order.MarkFor = named(p.Party.ID, p.Party.Name)
		}
	}
	o.order.Customer = o.customer()
	o.order.Currency = named(o.order.Currency, named(o.p.Currency, "USD"))
	for _, d := range o.dates {
		switch d.Qualifier {
		case "010", "037":
			o.order.RequestedShip = named(o.order.RequestedShip, date(d.Value))
		case "001":
			o.order.CancelAfter = date(d.Value)
		}
	}
	o.order.Unknown = o.rest()
}

// customer is our number of the buyer.
func (o *orderReading) customer() string {
	if o.p.Customer != "" {
		return o.p.Customer
	}
	for _, role := range []string{"BY", "BT"} {
		for i := range o.parties {
			if o.parties[i].role == role && o.parties[i].ID != "" {
				return id(o.parties[i].ID)
			}
		}
	}
	return id(o.m.Group.Interchange.Sender)
}

// rest is what the model has no field for and the answers need again.
func (o *orderReading) rest() jsontext.Value {
	g := o.m.Group
	var rest object
	rest.b = make([]byte, 0, 512)
	rest.open("", "{")
	rest.open("edi", "{")
	rest.text("set", o.m.Set)
	rest.text("interchange", g.Interchange.Control)
	rest.text("group", g.Control)
	rest.text("control", o.m.Control)
	rest.text("purpose", o.purpose)
	rest.text("order_type", o.kind)
	rest.text("sequence", o.sequence)
	if o.partial {
		rest.text("partial", "true")
	}
	rest.text("date", date(o.placed))
	rest.refs("references", o.refs)
	rest.refs("dates", o.dates)
	rest.text("carrier", o.carrier)
	rest.text("routing", o.routing)
	if len(o.texts) > 0 {
		rest.open("texts", "[")
		for _, t := range o.texts {
			rest.text("", t)
		}
		rest.close("]")
	}
	rest.open("parties", "[")
	for i := range o.parties {
		p := &o.parties[i]
		rest.open("", "{")
		rest.text("role", p.role)
		rest.text("id", p.ID)
		rest.text("name", p.Name)
		rest.close("}")
	}
	rest.close("]")
	rest.close("}}")
	return rest.b
}
