package shopify

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// members is a JSON object under construction, without its braces. Members
// with nothing to say are left out.
type members []byte

type member struct {
	name  string
	value jsontext.Value
}

// restName is the member that holds what the dictionary has no field for, as
// Shopify sent it. It stands apart so that no field of Shopify's can be taken
// for one of the dictionary's.
const restName = "shopify"

func (m members) raw(name string, value []byte) members {
	switch {
	case len(value) == 0, string(value) == "null", string(value) == "{}", string(value) == `""`:
		return m
	case len(m) > 0:
		m = append(m, ',')
	}
	m = append(m, '"')
	m = append(m, name...) // a name of this package: nothing to escape
	m = append(m, `":`...)
	return append(m, value...)
}

func (m members) text(name, value string) members { return m.raw(name, quote(value)) }

func (m members) number(name string, d waybill.Decimal) members { return m.text(name, d.String()) }

func (m members) integer(name string, n int64) members {
	if n == 0 {
		return m
	}
	return m.raw(name, strconv.AppendInt(nil, n, 10))
}

func (m members) flag(name string, value bool) members {
	if !value {
		return m
	}
	return m.raw(name, []byte("true"))
}

// all adds the members of an object.
func (m members) all(object jsontext.Value) members {
	inner := bytes.TrimSpace(object)
	if len(inner) < 2 || inner[0] != '{' {
		return m
	}
	inner = bytes.TrimSpace(inner[1 : len(inner)-1])
	if len(inner) == 0 {
		return m
	}
	if len(m) > 0 {
		m = append(m, ',')
	}
	return append(m, inner...)
}

// rest adds the member "shopify": what was not mapped, and the kept parts.
func (m members) rest(unknown jsontext.Value, kept ...member) members {
	r := make(members, 0, len(unknown)+256).all(unknown)
	for _, k := range kept {
		r = r.raw(k.name, k.value)
	}
	return m.raw(restName, r.value())
}

// value is the object, nil where it has no members.
func (m members) value() jsontext.Value {
	if len(m) == 0 {
		return nil
	}
	return append(append(append(make([]byte, 0, len(m)+2), '{'), m...), '}')
}

func quote(s string) jsontext.Value {
	if s == "" {
		return nil
	}
	b, err := jsontext.AppendQuote(nil, s)
	if err != nil { // not UTF-8, which the decoder has refused before
		return nil
	}
	return b
}

// appendOrder writes an order as the canonical model does: the dictionary's
// fields in their order, then what it has none for.
func appendOrder(m members, o *waybill.Order) members {
	m = m.text("order", o.Order).integer("version", o.Version).text("customer", o.Customer).
		text("currency", o.Currency).text("po", o.PO).text("terms", o.Terms).
		raw("ship_to", appendParty(o.ShipTo)).raw("bill_to", appendParty(o.BillTo))
	if !o.Tax.IsZero() {
		m = m.number("tax", o.Tax)
	}
	if len(o.Charges) > 0 {
		m = m.raw("charges", list(o.Charges, func(c *waybill.Charge) jsontext.Value {
			return members{}.text("code", c.Code).number("amount", c.Amount).value()
		}))
	}
	return m.raw("lines", list(o.Lines, appendLine)).text("channel_order", o.ChannelOrder).all(o.Unknown)
}

func appendLine(l *waybill.OrderLine) jsontext.Value {
	m := make(members, 0, len(l.Unknown)+160).text("line", l.Line).text("sku", l.SKU).number("qty", l.Qty).text("uom", l.UOM)
	if !l.Price.IsZero() {
		m = m.number("price", l.Price)
	}
	return m.text("kind", string(l.Kind)).text("description", l.Description).all(l.Unknown).value()
}

func appendParty(p *waybill.Party) jsontext.Value {
	if p == nil {
		return nil
	}
	m := make(members, 0, len(p.Unknown)+320).text("name", p.Name).text("company", p.Company)
	if len(p.Lines) > 0 {
		m = m.raw("address", list(p.Lines, func(s *string) jsontext.Value { return quote(*s) }))
	}
	return m.text("city", p.City).text("region", p.Region).text("postal", p.Postal).text("country", p.Country).
		text("phone", p.Phone).text("email", p.Email).all(p.Unknown).value()
}

func appendCancel(m members, c *waybill.CancelRequest) members {
	m = m.text("order", c.Order).text("request", c.Request).integer("version", c.Version)
	if len(c.Lines) > 0 {
		m = m.raw("lines", list(c.Lines, appendQty))
	}
	return m.all(c.Unknown)
}

func appendQty(l *waybill.LineQty) jsontext.Value {
	return members{}.text("line", l.Line).number("qty", l.Qty).value()
}

// list writes a list.
func list[T any](items []T, write func(*T) jsontext.Value) []byte {
	b := []byte{'['}
	for i := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, write(&items[i])...)
	}
	return append(b, ']')
}
