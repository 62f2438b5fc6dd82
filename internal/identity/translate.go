package identity

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// AsNamed is the member of a fact, of one of its lines, packages or parties that
// keeps what its source wrote in place of what was translated.
const AsNamed = "as_named"

// Named is what stands under [AsNamed]: the members as they came.
type Named struct {
	System      string          `json:"system"`
	SKU         string          `json:"sku,omitzero"`
	GTIN        string          `json:"gtin,omitzero"`
	VendorPart  string          `json:"vendor_part,omitzero"`
	CustomerSKU string          `json:"customer_sku,omitzero"`
	Qty         string          `json:"qty,omitzero"`
	UOM         string          `json:"uom,omitzero"`
	Price       string          `json:"price,omitzero"`
	Times       waybill.Decimal `json:"times,omitzero"` // by which quantities of the line were multiplied
	Unit        string          `json:"unit,omitzero"`  // that they count now
	ID          string          `json:"id,omitzero"`
	Customer    string          `json:"customer,omitzero"`
	Carrier     string          `json:"carrier,omitzero"`
	Service     string          `json:"service,omitzero"`
	Warehouse   string          `json:"warehouse,omitzero"`
	Terms       string          `json:"terms,omitzero"`
	TaxCode     string          `json:"tax_code,omitzero"`
}

// Fact is a fact on its way in, as its source wrote it.
type Fact struct {
	System  string
	Profile Profile // of the system
	Company string  // of the installation, where the fact names none
	At      time.Time
	Data    []byte
	// Line is how the same source named a line of the order before, for facts
	// that name a line alone; nil where there is no such order.
	Line func(line string) (Named, bool)
}

// Missing is a reference that has no meaning yet.
type Missing struct {
	Reference
	Also  []Reference // other numbers of the same item, any of which would do
	Lines []string    // of the fact; empty: it is named outside the lines
	Why   string      // what else is wrong than that nobody mapped it
}

// Wants lists the references of which any mapping may give it a meaning.
func (m *Missing) Wants() []Reference {
	out := m.Reference.wider()
	for _, r := range m.Also {
		out = append(out, r.wider()...)
	}
	return out
}

// Detail is the trouble in words: "item B-100 of shop (line 2) is not mapped".
func (m *Missing) Detail() string {
	s := m.Reference.String()
	switch len(m.Lines) {
	case 0:
	case 1:
		s += " (line " + m.Lines[0] + ")"
	default:
		s += " (lines " + strings.Join(m.Lines, ", ") + ")"
	}
	if m.Why != "" {
		return s + ": " + m.Why
	}
	return s + " is not mapped"
}

// Translate writes a fact in canonical ids, all of it or nothing: where a
// reference has no meaning, the data stay as they are and what is missing is
// listed, in the order of the fact. The same fact and the same mappings give
// the same bytes. Members that are not translated are kept as they came.
func (b *Book) Translate(f Fact) (data []byte, missing []Missing, err error) {
	if len(f.Profile) == 0 {
		return f.Data, nil, nil
	}
	var top object
	if err := waybill.Unmarshal(f.Data, &top); err != nil {
		return nil, nil, fmt.Errorf("read the fact to translate its references: %w", err)
	}
	t := &translation{book: b, fact: f, company: top.text("company")}
	if t.company == "" {
		t.company = f.Company
	}
	t.whole(top)
	if t.err != nil {
		return nil, nil, t.err
	}
	if len(t.missing) > 0 {
		return f.Data, t.missing, nil
	}
	if !top.has(AsNamed) {
		top.set(AsNamed, Named{System: f.System})
	}
	data, err = waybill.Marshal(top)
	return data, nil, err
}

// Translated reports whether data is what [Book.Translate] wrote.
func Translated(data []byte) bool {
	var top struct {
		AsNamed jsontext.Value `json:"as_named"`
	}
	return waybill.Unmarshal(data, &top) == nil && len(top.AsNamed) > 0
}

// translation is one fact being translated.
type translation struct {
	book    *Book
	fact    Fact
	company string
	missing []Missing
	err     error
}

// find is the meaning of a reference; nil where the system speaks in canonical
// ids, names nothing, or the reference is missing, which is noted.
func (t *translation) find(kind Kind, scope, value, line string) *Mapping {
	if value == "" || !t.fact.Profile[kind.Entity()] {
		return nil
	}
	r := Reference{Company: t.company, System: t.fact.System, Kind: kind, Scope: scope, Value: value}
	if m := t.book.Find(r, t.fact.At); m != nil {
		return m
	}
	t.miss([]Reference{r}, line, "")
	return nil
}

func (t *translation) miss(numbers []Reference, line, why string) {
	r := numbers[0]
	for i := range t.missing {
		if m := &t.missing[i]; m.Reference == r && m.Why == why {
			m.Also = append(m.Also, numbers[1:]...)
			if line != "" && !slices.Contains(m.Lines, line) {
				m.Lines = append(m.Lines, line)
			}
			return
		}
	}
	m := Missing{Reference: r, Also: numbers[1:], Why: why}
	if line != "" {
		m.Lines = []string{line}
	}
	t.missing = append(t.missing, m)
}

// whole translates a fact: its own members, its parties, lines and packages.
func (t *translation) whole(top object) {
	was := Named{System: t.fact.System}
	delete(top, AsNamed) // a source can't say that it was translated
	if m := t.find(Customer, "", top.text("customer"), ""); m != nil {
		was.Customer = top.swap("customer", m.Canonical)
	}
	customer := top.text("customer")
	for _, f := range []struct {
		name string
		kind Kind
		was  *string
	}{{"warehouse", Warehouse, &was.Warehouse}, {"terms", Terms, &was.Terms}, {"tax_code", TaxCode, &was.TaxCode}} {
		if m := t.find(f.kind, "", top.text(f.name), ""); m != nil {
			*f.was = top.swap(f.name, m.Canonical)
		}
	}
	t.carrier(top, &was)
	t.item(top, customer, "", &was)
	top.note(was)
	t.shipTo(top, customer)
	t.each(top, "lines", func(line object) { t.line(line, customer) })
	t.each(top, "charges", func(charge object) {
		named := Named{System: t.fact.System}
		if m := t.find(TaxCode, "", charge.text("tax_code"), ""); m != nil {
			named.TaxCode = charge.swap("tax_code", m.Canonical)
		}
		charge.note(named)
	})
	t.each(top, "packages", func(pack object) {
		t.each(pack, "lines", func(line object) { t.line(line, customer) })
	})
}

func (t *translation) line(line object, customer string) {
	was := Named{System: t.fact.System}
	delete(line, AsNamed)
	id := line.text("line")
	if m := t.find(TaxCode, "", line.text("tax_code"), id); m != nil {
		was.TaxCode = line.swap("tax_code", m.Canonical)
	}
	switch waybill.LineKind(line.text("kind")) {
	case "", waybill.LineStock:
		t.item(line, customer, id, &was)
	}
	line.note(was)
}

// item translates the number of an item, whichever the source used, and its
// quantity. Two numbers that mean two items are as good as none.
func (t *translation) item(o object, customer, line string, was *Named) {
	if !t.fact.Profile[Item] {
		t.unit(o, line, was)
		return
	}
	var found *Mapping
	var numbers []Reference
	for _, number := range []struct {
		member string
		kind   Kind
		scope  string
	}{{"sku", Item, ""}, {"gtin", GTIN, ""}, {"vendor_part", VendorPart, ""}, {"customer_sku", BuyerPart, customer}} {
		value := o.text(number.member)
		if value == "" {
			continue
		}
		r := Reference{Company: t.company, System: t.fact.System, Kind: number.kind, Scope: number.scope, Value: value}
		numbers = append(numbers, r)
		m := t.book.Find(r, t.fact.At)
		switch {
		case m == nil:
		case found == nil:
			found = m
		case found.Canonical != m.Canonical:
			t.miss(numbers, line, fmt.Sprintf("%s means %s, and %s means %s", found.Reference, found.Canonical, m.Reference, m.Canonical))
			return
		}
	}
	switch {
	case len(numbers) == 0:
		t.known(o, line, was)
	case found == nil:
		t.miss(numbers, line, "")
	default:
		was.SKU = o.swap("sku", found.Canonical)
		if !t.scale(o, found.Times(), found.Unit, was) {
			t.miss(numbers, line, fmt.Sprintf("its price of %s for %s %s is no exact decimal for one", o.text("price"), found.Times(), found.Unit))
		}
		if found.Unit == "" {
			t.unit(o, line, was)
		}
	}
}

// known translates the quantity of a line that is named by its number alone, as
// the order's line was named.
func (t *translation) known(o object, line string, was *Named) {
	if t.fact.Line != nil && line != "" {
		if order, ok := t.fact.Line(line); ok && !order.Times.IsZero() {
			if uom := o.text("uom"); uom == "" || uom == order.UOM {
				t.scale(o, order.Times, order.Unit, was)
				return
			}
		}
	}
	t.unit(o, line, was)
}

func (t *translation) unit(o object, line string, was *Named) {
	if m := t.find(Unit, "", o.text("uom"), line); m != nil {
		was.UOM = o.swap("uom", m.Canonical)
	}
}

// scale brings quantities to the item's unit: quantities times, the price for
// one divided by as much. false: the price is not exact in decimals.
func (t *translation) scale(o object, times waybill.Decimal, unit string, was *Named) bool {
	if unit == "" {
		return true
	}
	was.UOM = o.swap("uom", unit)
	was.Unit, was.Times = unit, times
	if text := o.text("qty"); text != "" {
		q, err := waybill.ParseDecimal(text)
		if err != nil {
			t.err = fmt.Errorf("read the quantity of a line to translate it: %w", err)
			return true
		}
		was.Qty = text
		o.set("qty", q.Mul(times))
	}
	price := o.text("price")
	if price == "" {
		return true
	}
	p, err := waybill.ParseDecimal(price)
	if err != nil {
		t.err = fmt.Errorf("read the price of a line to translate it: %w", err)
		return true
	}
	one := p.Quo(times)
	if !exact(one) {
		return false
	}
	was.Price = price
	o.set("price", one)
	return true
}

// exact reports whether a number can be written as a decimal.
func exact(d waybill.Decimal) bool { return !strings.Contains(d.String(), "/") }

// carrier translates a carrier with its service, or the carrier alone.
func (t *translation) carrier(o object, was *Named) {
	carrier, service := o.text("carrier"), o.text("service")
	if carrier == "" || !t.fact.Profile[Carrier] {
		return
	}
	if service != "" {
		r := Reference{Company: t.company, System: t.fact.System, Kind: Carrier, Value: carrier + "/" + service}
		if m := t.book.Find(r, t.fact.At); m != nil {
			t.setCarrier(o, m, was)
			return
		}
	}
	if m := t.find(Carrier, "", carrier, ""); m != nil {
		t.setCarrier(o, m, was)
	}
}

func (t *translation) setCarrier(o object, m *Mapping, was *Named) {
	carrier, service, both := strings.Cut(m.Canonical, "/")
	was.Carrier, was.Service = o.swap("carrier", carrier), o.text("service")
	if both {
		o.set("service", service)
	}
}

// shipTo translates the id of the party that goods go to. A party without an id
// is an address, and stays one.
func (t *translation) shipTo(top object, customer string) {
	if !t.fact.Profile[ShipTo] || top["ship_to"].Kind() != '{' {
		return
	}
	var party object
	if t.err = firstOf(t.err, waybill.Unmarshal(top["ship_to"], &party)); t.err != nil {
		return
	}
	named := Named{System: t.fact.System}
	delete(party, AsNamed)
	if m := t.find(ShipTo, customer, party.text("id"), ""); m != nil {
		named.ID = party.swap("id", m.Canonical)
	}
	party.note(named)
	top.set("ship_to", party)
}

// each does something to every object of a list.
func (t *translation) each(o object, member string, do func(object)) {
	if o[member].Kind() != '[' || t.err != nil {
		return
	}
	var list []jsontext.Value
	if t.err = firstOf(t.err, waybill.Unmarshal(o[member], &list)); t.err != nil {
		return
	}
	for i := range list {
		if list[i].Kind() != '{' {
			continue
		}
		var one object
		if t.err = firstOf(t.err, waybill.Unmarshal(list[i], &one)); t.err != nil {
			return
		}
		do(one)
		if list[i], t.err = waybill.Marshal(one); t.err != nil {
			return
		}
	}
	o.set(member, list)
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// object is a JSON object whose members are kept as they came until they are
// set.
type object map[string]jsontext.Value

func (o object) has(name string) bool { return len(o[name]) > 0 }

// text is a member that is a string or a number, as text; empty where it is
// neither.
func (o object) text(name string) string {
	v := o[name]
	switch v.Kind() {
	case '"':
		plain, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return ""
		}
		return string(plain)
	case '0':
		return string(v)
	}
	return ""
}

// set gives a member a value that is known to be writable.
func (o object) set(name string, v any) {
	data, err := waybill.Marshal(v)
	if err != nil {
		return // texts, decimals and JSON itself always are
	}
	o[name] = data
}

// swap sets a member and returns what it was.
func (o object) swap(name, value string) string {
	was := o.text(name)
	o.set(name, value)
	return was
}

// note keeps what was replaced; nothing where nothing was.
func (o object) note(was Named) {
	if was != (Named{System: was.System}) {
		o.set(AsNamed, was)
	}
}
