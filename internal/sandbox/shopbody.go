package sandbox

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// shopdata holds samples of real order bodies and the schema of the Admin API;
// SOURCE.md there says where they come from.
//
//go:embed shopdata
var shopdata embed.FS

// sampleFiles are the bodies that the storefront's orders are made from.
var sampleFiles = []string{"order-2026-04.json", "order-2024-04.json", "order-2025-04.json"}

// templateCount is how many there are.
const templateCount = 3

// bodyTemplate is a sample cut at the places where an order's own values go,
// so that a body is written by copying.
type bodyTemplate struct{ order, line cuts }

// cuts are texts with holes between them: len(holes) == len(texts)-1.
type cuts struct {
	texts []string
	holes []string
}

// The marks around a hole's name: a hole in place of a whole value, and one
// inside a string.
const (
	valueHole = "\u27e6v:"
	textHole  = "\u27e6t:"
	holeEnd   = "\u27e7"
)

func value(name string) string  { return valueHole + name + holeEnd }
func inText(name string) string { return textHole + name + holeEnd }

// loadTemplates cuts all samples.
func loadTemplates() ([]bodyTemplate, error) {
	var out []bodyTemplate
	for _, name := range sampleFiles {
		raw, err := shopdata.ReadFile("shopdata/" + name)
		if err != nil {
			return nil, fmt.Errorf("load sample order: %w", err)
		}
		t, err := newTemplate(raw)
		if err != nil {
			return nil, fmt.Errorf("load sample order %s: %w", name, err)
		}
		out = append(out, t)
	}
	return out, nil
}

// newTemplate keeps a sample's shape and puts holes and plausible values in
// place of its own.
func newTemplate(raw []byte) (bodyTemplate, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var order map[string]any
	if err := decoder.Decode(&order); err != nil {
		return bodyTemplate{}, err
	}
	list, _ := order["line_items"].([]any)
	if len(list) == 0 {
		return bodyTemplate{}, fmt.Errorf("sample has no line_items")
	}
	line, err := json.Marshal(fill("line_item", list[0], lineValues))
	if err != nil {
		return bodyTemplate{}, err
	}
	filled, _ := fill("", order, orderValues).(map[string]any)
	filled["line_items"] = value("lines")
	body, err := json.Marshal(filled)
	if err != nil {
		return bodyTemplate{}, err
	}
	return bodyTemplate{order: cutAt(string(body)), line: cutAt(string(line))}, nil
}

// cutAt splits text at its holes. A value's hole takes its quotes along.
func cutAt(s string) cuts {
	s = strings.ReplaceAll(s, `"`+valueHole, valueHole)
	var c cuts
	for {
		v, t := strings.Index(s, valueHole), strings.Index(s, textHole)
		at, mark := v, valueHole
		if v < 0 || t >= 0 && t < v {
			at, mark = t, textHole
		}
		if at < 0 {
			c.texts = append(c.texts, s)
			return c
		}
		c.texts = append(c.texts, s[:at])
		s = s[at+len(mark):]
		end := strings.Index(s, holeEnd)
		c.holes = append(c.holes, s[:end])
		s = s[end+len(holeEnd):]
		if mark == valueHole {
			s = strings.TrimPrefix(s, `"`)
		}
	}
}

// appendFilled writes the cuts with their holes filled.
func (c *cuts) appendFilled(b []byte, fill func(b []byte, hole string) []byte) []byte {
	for i, hole := range c.holes {
		b = fill(append(b, c.texts[i]...), hole)
	}
	return append(b, c.texts[len(c.texts)-1]...)
}

// orderValues are the members of an order with a value of their own; every
// other one keeps the sample's value, or a plain one of its kind.
var orderValues = map[string]any{
	"id": value("id"), "admin_graphql_api_id": "gid://shopify/Order/" + inText("id"),
	"name": "#" + inText("number"), "number": value("count"), "order_number": value("number"),
	"created_at": inText("created"), "processed_at": inText("created"), "updated_at": inText("updated"),
	"cancelled_at": value("cancelled_at"), "cancel_reason": value("cancel_reason"), "closed_at": nil,
	"currency": "USD", "presentment_currency": "USD", "currency_code": "USD",
	"email": "buyer" + inText("customer") + "@example.com", "contact_email": "buyer" + inText("customer") + "@example.com",
	"token": inText("token"), "cart_token": nil, "checkout_token": nil, "checkout_id": nil, "confirmation_number": "EX" + inText("number"), "confirmed": true,
	"order_status_url": "https://shop.example.com/orders/" + inText("token"), "test": false,
	"financial_status": "paid", "fulfillment_status": nil, "fulfillments": []any{}, "refunds": []any{}, "returns": []any{},
	"po_number": nil, "note": nil, "note_attributes": []any{}, "tags": "", "discount_codes": []any{}, "discount_applications": []any{}, "discount_allocations": []any{},
	"landing_site": "/", "landing_site_ref": nil, "referring_site": nil, "reference": nil, "source_identifier": nil, "source_name": "web", "source_url": nil,
	"payment_gateway_names": []any{"bogus"}, "customer_locale": "en", "phone": nil, "app_id": json.Number("580111"), "company": nil,
	"total_price": inText("total"), "current_total_price": inText("current_total"),
	"subtotal_price": inText("subtotal"), "total_line_items_price": inText("subtotal"), "current_subtotal_price": inText("current_subtotal"),
	"total_shipping_price": shippingText, "current_shipping_price": shippingText, "total_weight": value("weight"),
	"tax_lines": []any{}, "taxes_included": false, "location_id": nil, "user_id": nil, "merchant_business_entity_id": "MTU0ODM4MDAwOQ",
	"code": "Standard", "title": "Standard shipping", "source": "shopify", "carrier_identifier": nil,
	"requested_fulfillment_service_id": nil, "price": shippingText, "discounted_price": shippingText, "current_discounted_price": shippingText,
	"first_name": "Buyer", "last_name": inText("customer"), "address1": "123 Shipping Street", "address2": nil, "city": "Shippington", "zip": "40003",
	"province": "Kentucky", "province_code": "KY", "country": "United States", "country_code": "US", "country_name": "United States",
	"latitude": nil, "longitude": nil, "state": "enabled", "multipass_identifier": nil, "opt_in_level": "single_opt_in", "consent_collected_from": "SHOPIFY",
	"consent_updated_at": nil, "browser_ip": "192.0.2.1", "user_agent": "Mozilla/5.0", "accept_language": "en",
	"shipping_line.id": value("shipping_id"), "customer.id": value("customer_id"), "customer.admin_graphql_api_id": "gid://shopify/Customer/" + inText("customer_id"),
	"customer.created_at": inText("created"), "customer.updated_at": inText("created"), "customer.tags": "",
	"default_address.id": value("address_id"), "default_address.customer_id": value("customer_id"),
	"default_address.name": "Buyer " + inText("customer"), "shipping_address.name": "Buyer " + inText("customer"), "billing_address.name": "Buyer " + inText("customer"),
	"default_address.company": companyText, "shipping_address.company": companyText, "billing_address.company": companyText,
}

// companyText names the buyer's company.
var companyText = "Example Hardware " + inText("customer")

// shippingText is what every order pays for shipping.
const shippingText = "10.00"

// lineValues are the members of a line with a value of their own.
var lineValues = map[string]any{
	"id": value("line_id"), "admin_graphql_api_id": "gid://shopify/LineItem/" + inText("line_id"),
	"sku": inText("sku"), "title": inText("title"), "name": inText("title"), "price": inText("price"), "pre_tax_price": inText("price"),
	"quantity": value("quantity"), "current_quantity": value("current"), "fulfillable_quantity": value("current"),
	"product_id": value("product"), "variant_id": value("variant"), "grams": value("grams"), "variant_title": nil,
	"fulfillment_service": "manual", "fulfillment_status": nil, "variant_inventory_management": "shopify", "vendor": "Example Hardware",
	"requires_shipping": true, "gift_card": false, "taxable": true, "product_exists": true, "currency_code": "USD",
	"properties": []any{}, "tax_lines": []any{}, "duties": []any{}, "discount_allocations": []any{}, "attributed_staffs": []any{}, "sales_line_item_group_id": nil,
}

// fill walks a sample. A member's value is looked up as parent.name, then as
// name; amounts of money inside a …_set are those of the member without _set.
func fill(parent string, v any, values map[string]any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, old := range v {
			out[name] = fillMember(parent, name, old, values)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = fill(strings.TrimSuffix(parent, "s"), v[i], values)
		}
		return out
	}
	return v
}

// fillMember gives the value of one member.
func fillMember(parent, name string, old any, values map[string]any) any {
	if bag, ok := strings.CutSuffix(name, "_set"); ok && old != nil {
		amount, known := values[bag].(string)
		if !known {
			amount = "0.00"
		}
		money := map[string]any{"amount": amount, "currency_code": "USD"}
		return map[string]any{"shop_money": money, "presentment_money": money}
	}
	if v, ok := values[parent+"."+name]; ok {
		return v
	}
	if v, ok := values[name]; ok && (parent == "" || !isMap(old)) {
		return v
	}
	switch old := old.(type) {
	case map[string]any, []any:
		return fill(name, old, values)
	case string:
		return plainText(name, old)
	}
	return old
}

// isMap says whether a sample's value has members of its own.
func isMap(v any) bool { _, ok := v.(map[string]any); return ok }

// plainText replaces the text of an anonymised sample: money is zero, other
// texts are empty.
func plainText(name, old string) any {
	switch {
	case strings.HasPrefix(name, "total_") || strings.HasPrefix(name, "current_") || strings.HasSuffix(name, "discount"):
		return "0.00"
	case old == "example string" || strings.HasPrefix(old, "2019-01-01") || strings.HasSuffix(old, "www.example.com/"):
		return ""
	}
	return old
}

// stamp writes a time as Shopify does, with the shop's offset.
func stamp(t time.Time) string { return t.In(shopZone).Format("2006-01-02T15:04:05-07:00") }

// shopZone is the shop's offset.
var shopZone = time.FixedZone("", -5*60*60)

// render writes the body of an order webhook. The shop's lock is held.
func (o *shopOrder) render(t *bodyTemplate) []byte {
	b := make([]byte, 0, 12_000)
	return t.order.appendFilled(b, func(b []byte, hole string) []byte {
		switch hole {
		case "id":
			return strconv.AppendInt(b, o.id(), 10)
		case "number":
			return strconv.AppendInt(b, int64(o.plan.number()), 10)
		case "count":
			return strconv.AppendInt(b, int64(o.plan.index+1), 10)
		case "created":
			return append(b, stamp(o.placed)...)
		case "updated":
			return append(b, stamp(o.updated)...)
		case "cancelled_at", "cancel_reason":
			return o.appendCancelled(b, hole)
		case "customer":
			return strconv.AppendInt(b, int64(o.plan.customer), 10)
		case "customer_id":
			return append(b, customerID(o.plan.customer)...)
		case "address_id", "shipping_id":
			return strconv.AppendInt(b, o.id()+3, 10)
		case "token":
			return strconv.AppendUint(b, mix(uint64(o.id())), 16)
		case "lines":
			return o.appendLines(b, t)
		case "weight":
			return strconv.AppendInt(b, int64(o.weight()), 10)
		case "total":
			return append(b, (o.sum(false) + shippingPrice).money()...)
		case "current_total":
			return append(b, (o.sum(true) + shippingPrice).money()...)
		case "subtotal":
			return append(b, o.sum(false).money()...)
		case "current_subtotal":
			return append(b, o.sum(true).money()...)
		}
		return b
	})
}

// shippingPrice is shippingText as a number.
var shippingPrice = cents(1000)

// appendCancelled writes when or why an order was cancelled, or null.
func (o *shopOrder) appendCancelled(b []byte, hole string) []byte {
	switch {
	case o.cancelledAt.IsZero():
		return append(b, "null"...)
	case hole == "cancelled_at":
		return appendText(b, stamp(o.cancelledAt))
	}
	return appendText(b, strings.ToLower(o.cancelReason))
}

// appendLines writes the line items.
func (o *shopOrder) appendLines(b []byte, t *bodyTemplate) []byte {
	b = append(b, '[')
	for k := range o.lines {
		if k > 0 {
			b = append(b, ',')
		}
		l := &o.lines[k]
		it := &catalogue[l.item]
		b = t.line.appendFilled(b, func(b []byte, hole string) []byte {
			switch hole {
			case "line_id":
				return strconv.AppendInt(b, idOf(lineIDs, o.plan.index, k), 10)
			case "sku":
				return append(b, o.number(k)...)
			case "title":
				return append(b, it.title...)
			case "price":
				return append(b, priceTexts[l.item]...)
			case "quantity":
				return strconv.AppendInt(b, int64(l.quantity), 10)
			case "current":
				return strconv.AppendInt(b, int64(l.current), 10)
			case "product":
				return strconv.AppendInt(b, it.product, 10)
			case "variant":
				return strconv.AppendInt(b, it.variant, 10)
			case "grams":
				return strconv.AppendInt(b, int64(it.grams), 10)
			}
			return b
		})
	}
	return append(b, ']')
}
