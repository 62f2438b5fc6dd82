package shopify

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// members is JSON under construction: everything is written into one buffer,
// from the outermost object inwards. Members with nothing to say are left out.
type members []byte

// restName is the member that holds what the dictionary has no field for, as
// Shopify sent it. It stands apart so that no field of Shopify's can be taken
// for one of the dictionary's.
const restName = "shopify"

// object begins the outermost object, with room for size bytes.
func object(size int) members { return append(make(members, 0, size), '{') }

// key begins a member. Names are this package's: there is nothing to escape.
func (m members) key(name string) members {
	m = append(m.comma(), '"')
	m = append(m, name...)
	return append(m, `":`...)
}

func (m members) comma() members {
	if c := m[len(m)-1]; c == '{' || c == '[' {
		return m
	}
	return append(m, ',')
}

func (m members) raw(name string, value []byte) members {
	switch string(value) {
	case "", "null", "{}", `""`:
		return m
	}
	return append(m.key(name), value...)
}

func (m members) text(name, value string) members {
	if value == "" {
		return m
	}
	return m.key(name).quote(value)
}

// quote writes a text. One that is not UTF-8 was refused when it was read.
func (m members) quote(s string) members {
	b, err := jsontext.AppendQuote(m, s)
	if err != nil {
		return append(m, `""`...)
	}
	return b
}

func (m members) number(name string, d waybill.Decimal) members { return m.text(name, d.String()) }

func (m members) integer(name string, n int64) members {
	if n == 0 {
		return m
	}
	return strconv.AppendInt(m.key(name), n, 10)
}

func (m members) flag(name string, value bool) members {
	if !value {
		return m
	}
	return append(m.key(name), "true"...)
}

// all adds the members of an object.
func (m members) all(object jsontext.Value) members {
	inner := bytes.TrimSpace(object)
	if len(inner) < 2 || inner[0] != '{' {
		return m
	}
	if inner = bytes.TrimSpace(inner[1 : len(inner)-1]); len(inner) == 0 {
		return m
	}
	return append(m.comma(), inner...)
}

// nested adds an object, unless it stays empty.
func (m members) nested(name string, write func(members) members) members {
	start := len(m)
	m = write(append(m.key(name), '{'))
	if m[len(m)-1] == '{' {
		return m[:start]
	}
	return append(m, '}')
}

// value ends the outermost object; nil where it has no members.
func (m members) value() jsontext.Value {
	if len(m) <= 1 {
		return nil
	}
	return jsontext.Value(append(m, '}'))
}

// objects adds a list of objects.
func objects[T any](m members, name string, items []T, write func(members, *T) members) members {
	m = append(m.key(name), '[')
	for i := range items {
		m = append(write(append(m.comma(), '{'), &items[i]), '}')
	}
	return append(m, ']')
}

// appendOrder writes an order as the canonical model does: the dictionary's
// fields in their order, then what it has none for.
func appendOrder(m members, o *waybill.Order) members {
	m = m.text("order", o.Order).integer("version", o.Version).text("customer", o.Customer).
		text("currency", o.Currency).text("po", o.PO).text("terms", o.Terms)
	m = appendParty(appendParty(m, "ship_to", o.ShipTo), "bill_to", o.BillTo)
	if !o.Tax.IsZero() {
		m = m.number("tax", o.Tax)
	}
	if len(o.Charges) > 0 {
		m = objects(m, "charges", o.Charges, func(m members, c *waybill.Charge) members {
			return m.text("code", c.Code).number("amount", c.Amount)
		})
	}
	return objects(m, "lines", o.Lines, appendLine).text("channel_order", o.ChannelOrder).text("channel_name", o.ChannelName).all(o.Unknown)
}

func appendLine(m members, l *waybill.OrderLine) members {
	m = m.text("line", l.Line).text("sku", l.SKU).number("qty", l.Qty).text("uom", l.UOM)
	if !l.Price.IsZero() {
		m = m.number("price", l.Price)
	}
	return m.text("kind", string(l.Kind)).text("description", l.Description).all(l.Unknown)
}

func appendParty(m members, name string, p *waybill.Party) members {
	if p == nil {
		return m
	}
	return m.nested(name, func(m members) members {
		m = m.text("name", p.Name).text("company", p.Company)
		if len(p.Lines) > 0 {
			m = append(m.key("address"), '[')
			for _, l := range p.Lines {
				m = m.comma().quote(l)
			}
			m = append(m, ']')
		}
		return m.text("city", p.City).text("region", p.Region).text("postal", p.Postal).text("country", p.Country).
			text("phone", p.Phone).text("email", p.Email).all(p.Unknown)
	})
}

func appendCancel(m members, c *waybill.CancelRequest) members {
	m = m.text("order", c.Order).text("request", c.Request).integer("version", c.Version)
	if len(c.Lines) > 0 {
		m = objects(m, "lines", c.Lines, appendQty)
	}
	return m.all(c.Unknown)
}

func appendQty(m members, l *waybill.LineQty) members {
	return m.text("line", l.Line).number("qty", l.Qty)
}
