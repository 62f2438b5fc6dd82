package edi

import (
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/edi/x12"
)

// Translator turns transaction sets into events. It is pure: the same set, read
// with the same profile and book, gives the same events.
type Translator struct {
	Profile *Profile
	Book    connector.Book // nil: no order is known; completes sets that state differences
}

// Translation is what a set says: events in their order, and in words what a
// person should know of it, like a unit that nobody gave a meaning.
type Translation struct {
	Events []waybill.Event
	Notes  []string
}

// Translate reads one set. One that was rejected, and acknowledgments, make no
// events.
func (t *Translator) Translate(m *x12.Message) (Translation, error) {
	partner, _ := t.Profile.Of(m.Group.Interchange)
	r := &reading{p: partner, book: t.Book, m: m}
	zone, err := partner.location()
	if err != nil {
		return Translation{}, fmt.Errorf("translate set %s %s: zone of partner %s: %w", m.Set, m.Control, partner.Name, err)
	}
	r.zone = zone
	switch {
	case m.Status == x12.Rejected:
		return Translation{}, nil
	case partner.Usage == "P" && m.Group.Interchange.Usage != "P":
		r.note("a test interchange of a partner in production makes no events")
		return r.out, nil
	}
	switch m.Set {
	case "850":
		err = r.purchaseOrder()
	case "860":
		err = r.orderChange()
	case "945":
		err = r.shipment()
	case "947":
		err = r.adjustment()
	case "846":
		err = r.inventory()
	case "997", "999": // read by x12.ReadGroupAck, and no fact of an order
	default:
		r.note(fmt.Sprintf("set %s is read and says nothing that is tracked", m.Set))
	}
	if err != nil {
		return Translation{}, fmt.Errorf("translate set %s %s of interchange %s: %w", m.Set, m.Control, m.Group.Interchange.Control, err)
	}
	return r.out, nil
}

// reading is one set on its way into the model.
type reading struct {
	p    *Partner
	book connector.Book
	m    *x12.Message
	zone *time.Location
	out  Translation
}

func (r *reading) note(text string) {
	for _, have := range r.out.Notes {
		if have == text {
			return
		}
	}
	r.out.Notes = append(r.out.Notes, text)
}

// source is the system that the events come from.
func (r *reading) source() string {
	if r.p.Name != "" {
		return r.p.Name
	}
	return id(r.m.Group.Interchange.Sender)
}

// emit adds an event with its data.
func (r *reading) emit(e waybill.Event) error {
	data, err := waybill.Marshal(e.Body)
	if err != nil {
		return err
	}
	e.Data, e.Source, e.OccurredAt = data, r.source(), r.sent()
	if e.Version == 0 {
		e.Version = 1
	}
	r.out.Events = append(r.out.Events, e)
	return nil
}

// sent is the group's date and time in the partner's zone.
func (r *reading) sent() time.Time {
	g := r.m.Group
	layout := "20060102 1504"
	if len(g.Time) >= 6 {
		layout = "20060102 150405"
	}
	at, err := time.ParseInLocation(layout, g.Date+" "+g.Time[:min(len(g.Time), 6)], r.zone)
	if err != nil {
		return g.Interchange.Sent(r.zone)
	}
	return at
}

// order is an own number made the installation's.
func (r *reading) order(own string) string { return waybill.OrderName(r.p.Prefix, own) }

// id makes any text an id (system contract G1): what an id can't hold is
// written ~XX.
func id(v string) string {
	v = waybill.OrderName("", strings.TrimSpace(v))
	return v[:min(len(v), waybill.IDMax)]
}

// date writes YYYYMMDD as YYYY-MM-DD, "" where v is no date.
func date(v string) string {
	if len(v) != 8 {
		return ""
	}
	return v[:4] + "-" + v[4:6] + "-" + v[6:]
}

// instant is a date, with a time of day where there is one, in the partner's
// zone. A date alone is put at noon: it is the same day in every zone that is
// less than half a day away.
func (r *reading) instant(day, clock string) string {
	if clock == "" {
		clock = "1200"
	}
	at, err := time.ParseInLocation("200601021504", day+clock[:min(len(clock), 4)], r.zone)
	if err != nil {
		return ""
	}
	return at.Format(time.RFC3339)
}

// decimal reads a number of X12: a point may lead, and a plus never comes.
func decimal(v string) (waybill.Decimal, bool) {
	v = strings.TrimSpace(v)
	if v == "" {
		return waybill.Decimal{}, false
	}
	d, err := waybill.ParseDecimal(v)
	if err == nil {
		return d, true
	}
	sign := ""
	if v[0] == '-' {
		sign, v = "-", v[1:]
	}
	d, err = waybill.ParseDecimal(sign + "0" + strings.TrimSuffix(v, "."))
	return d, err == nil
}

// implied reads a number with two implied decimals (type N2): 1250 is 12.50.
func implied(v string) (waybill.Decimal, bool) {
	d, ok := decimal(v)
	return d.Mul(hundredth), ok
}

var hundredth = waybill.MustDecimal("0.01")

// unit is our unit for a code, with a note where nobody gave it a meaning.
func (r *reading) unit(code, segment, of string) string {
	code = strings.TrimSpace(code)
	if code == "" {
		return ""
	}
	unit, known := r.p.unit(code)
	if !known {
		r.note(fmt.Sprintf("%s %s: unit %q has no meaning in the table; give the partner an alias for it", segment, of, code))
	}
	return unit
}

// ref is a qualified reference.
type ref struct {
	Qualifier string `json:"qualifier"`
	Value     string `json:"value"`
	Text      string `json:"text,omitzero"`
}

// itemIDs appends the pairs of qualifier and number from element n on, at most
// so many.
func itemIDs(out []ref, s x12.Segment, n, most int) []ref {
	for i := 0; i < most && n+1 <= s.Len(); i, n = i+1, n+2 {
		if q, v := s.Element(n), strings.TrimSpace(s.Element(n+1)); q != "" && v != "" {
			out = append(out, ref{Qualifier: q, Value: v})
		}
	}
	return out
}

// trusted is the value of the first qualifier in order of trust.
func trusted(ids []ref, order, instead []string) string {
	if len(order) == 0 {
		order = instead
	}
	for _, q := range order {
		for i := range ids {
			if ids[i].Qualifier == q {
				return ids[i].Value
			}
		}
	}
	return ""
}

// item is our number of an item and the buyer's. Where none of ours is there,
// the buyer's stands for it until somebody maps it.
func (r *reading) item(ids []ref) (sku, buyers string) {
	sku, buyers = trusted(ids, r.p.Items, defaultItems), trusted(ids, r.p.BuyerItems, defaultBuyerItems)
	if sku == "" {
		sku = buyers
	}
	if sku == "" && len(ids) > 0 {
		sku = ids[0].Value
	}
	return asID(sku), buyers
}

// asID takes an id of ours that comes back, or makes one of any other text.
func asID(v string) string {
	if own := inward(strings.TrimSpace(v)); strings.Contains(v, theirs) && waybill.ValidID(own) {
		return own
	}
	return id(v)
}

// party is an N1 loop.
type party struct {
	role string
	waybill.Party
}

// read takes a segment of the N1 loop in, and reports whether it was one.
func (p *party) read(s x12.Segment) bool {
	switch s.ID() {
	case "N2":
		p.Company = s.Element(1)
	case "N3":
		for _, line := range []string{s.Element(1), s.Element(2)} {
			if line != "" {
				p.Lines = append(p.Lines, line)
			}
		}
	case "N4":
		p.City, p.Region, p.Postal, p.Country = s.Element(1), s.Element(2), s.Element(3), s.Element(4)
	case "PER":
		p.contact(s)
	default:
		return false
	}
	return true
}

func (p *party) contact(s x12.Segment) {
	for n := 3; n <= 7; n += 2 {
		switch s.Element(n) {
		case "TE":
			p.Phone = s.Element(n + 1)
		case "EM":
			p.Email = s.Element(n + 1)
		}
	}
}

func newParty(s x12.Segment) party {
	p := party{role: s.Element(1)}
	p.Name, p.ID = s.Element(2), s.Element(4)
	if s.Element(3) == "UL" {
		p.GLN = s.Element(4)
	}
	return p
}

// object writes what the model has no field for, member by member: reflection
// would take longer than all the rest.
type object struct{ b []byte }

func (o *object) open(name, bracket string) {
	o.comma()
	if name != "" {
		o.b = append(append(append(o.b, '"'), name...), '"', ':')
	}
	o.b = append(o.b, bracket...)
}

func (o *object) close(bracket string) { o.b = append(o.b, bracket...) }

func (o *object) comma() {
	if n := len(o.b); n > 0 && o.b[n-1] != '{' && o.b[n-1] != '[' {
		o.b = append(o.b, ',')
	}
}

func (o *object) text(name, v string) {
	if v == "" {
		return
	}
	o.open(name, "")
	if plainText(v) {
		o.b = append(append(append(o.b, '"'), v...), '"')
		return
	}
	quoted, err := jsontext.AppendQuote(o.b, v)
	if err != nil { // sets are UTF-8 since they were read; an empty text stands for what is not
		quoted = append(o.b, `""`...)
	}
	o.b = quoted
}

// plainText reports whether JSON writes v as it is: most of what X12 can hold.
func plainText(v string) bool {
	for i := 0; i < len(v); i++ {
		if c := v[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (o *object) refs(name string, refs []ref) {
	if len(refs) == 0 {
		return
	}
	o.open(name, "[")
	for _, r := range refs {
		o.open("", "{")
		o.text("qualifier", r.Qualifier)
		o.text("value", r.Value)
		o.text("text", r.Text)
		o.close("}")
	}
	o.close("]")
}
