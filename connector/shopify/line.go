package shopify

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// lineItem is one line of an order, or of the line that a refund names.
type lineItem struct {
	ID          jsontext.Value  `json:"id"`
	GID         string          `json:"admin_graphql_api_id"`
	SKU         string          `json:"sku"`
	VariantID   jsontext.Value  `json:"variant_id"`
	ProductID   jsontext.Value  `json:"product_id"`
	Name        string          `json:"name"`
	Quantity    int64           `json:"quantity"`         // ever ordered
	Current     *int64          `json:"current_quantity"` // less what was refunded or taken off; since API version 2024-01
	Fulfillable *int64          `json:"fulfillable_quantity"`
	Fulfilment  string          `json:"fulfillment_status"`
	Price       waybill.Decimal `json:"price"`
	PriceSet    *moneySet       `json:"price_set"`
	Discounts   []allocation    `json:"discount_allocations"`
	TaxLines    []taxLine       `json:"tax_lines"`
	Tip         jsontext.Value  `json:"tip"`
	GiftCard    bool            `json:"gift_card"`
	Ships       *bool           `json:"requires_shipping"`

	TotalDiscount    waybill.Decimal `json:"total_discount"`
	TotalDiscountSet skipped         `json:"total_discount_set"`

	Unknown jsontext.Value `json:",embed"`
}

type shippingLine struct {
	Price     waybill.Decimal `json:"price"`
	PriceSet  *moneySet       `json:"price_set"`
	Removed   bool            `json:"is_removed"`
	Discounts []allocation    `json:"discount_allocations"`
	Unknown   jsontext.Value  `json:",embed"`
}

// allocation is a line's part of a discount.
type allocation struct {
	Amount    waybill.Decimal `json:"amount"`
	AmountSet *moneySet       `json:"amount_set"`
}

type taxLine struct {
	Price    waybill.Decimal `json:"price"`
	PriceSet *moneySet       `json:"price_set"`
	Unknown  jsontext.Value  `json:",embed"`
}

// owed is the quantity the buyer is owed, shipped or not: what was ordered less
// what edits took off. Refunds lower Shopify's current quantity too, and are
// put back: what comes back after its shipment was owed, and what is given up
// before it is asked for by refunds/create as a cancellation. The exception is
// a refund of goods never shipped and not restocked, which no event asks for:
// those units are no longer owed.
//
// A cancelled order's lines were all set to nothing; owed is what was ordered.
func (l *lineItem) owed(cancelled bool, refunds []refund) int64 {
	if l.Current == nil || cancelled {
		return l.Quantity
	}
	var refunded, unrestocked int64
	for i := range refunds {
		for j := range refunds[i].Lines {
			r := &refunds[i].Lines[j]
			if !bytes.Equal(r.LineItemID, l.ID) {
				continue
			}
			refunded += r.Quantity
			if r.RestockType == "no_restock" {
				unrestocked += r.Quantity
			}
		}
	}
	owed := min(*l.Current+refunded, l.Quantity)
	if unrestocked > 0 && l.Fulfilment == "" && l.Fulfillable != nil {
		given := owed - (refunded - unrestocked) - *l.Fulfillable
		owed -= max(0, min(given, unrestocked))
	}
	return owed
}

// share is the part of an amount for the whole line that falls on qty of it.
func (l *lineItem) share(amount waybill.Decimal, qty int64, currency string) waybill.Decimal {
	switch {
	case qty <= 0:
		return waybill.Decimal{}
	case qty == l.Quantity || amount.IsZero():
		return amount
	}
	part := amount.Mul(waybill.NewDecimal(qty)).Quo(waybill.NewDecimal(l.Quantity))
	return waybill.RoundAmount(part, currency)
}

func (l *lineItem) tax() waybill.Decimal {
	var sum waybill.Decimal
	for i := range l.TaxLines {
		sum = sum.Add(l.TaxLines[i].PriceSet.or(l.TaxLines[i].Price))
	}
	return sum
}

// discount adds up the line's allocations; API versions before 2019 have one
// total instead.
func (l *lineItem) discount() waybill.Decimal {
	if l.Discounts == nil {
		return l.TotalDiscount
	}
	var sum waybill.Decimal
	for i := range l.Discounts {
		sum = sum.Add(l.Discounts[i].AmountSet.or(l.Discounts[i].Amount))
	}
	return sum
}

func (l *lineItem) isTip() bool { return l.Tip.Kind() == '{' }

// kind: gift cards are money held for the buyer; what needs no shipping is a
// service, never picked nor shipped.
func (l *lineItem) kind() waybill.LineKind {
	switch {
	case l.isTip():
		return waybill.LineFee
	case l.GiftCard:
		return waybill.LineDeposit
	case l.Ships != nil && !*l.Ships:
		return waybill.LineService
	}
	return waybill.LineStock
}

func (l *lineItem) canonical(id string, qty int64) waybill.OrderLine {
	return waybill.OrderLine{Line: id, SKU: l.stockKeepingUnit(id), Qty: waybill.NewDecimal(qty), UOM: "EA",
		Price: l.PriceSet.or(l.Price), Kind: l.kind(), Description: l.Name,
		Unknown: object(len(l.Unknown)+256).nested(restName, l.rest).value()}
}

// stockKeepingUnit is the line's SKU in the characters that ids have, others
// escaped as in order numbers. A line without one is named after its variant,
// product or itself, so that an item mapping has something to hold on to.
func (l *lineItem) stockKeepingUnit(id string) string {
	sku := waybill.OrderName("", l.SKU)
	if waybill.ValidID(sku) {
		return sku
	}
	if v := ownID("", l.VariantID); v != "" {
		return "shopify-variant-" + v
	}
	if p := ownID("", l.ProductID); p != "" {
		return "shopify-product-" + p
	}
	return "shopify-line-" + id
}

// rest writes what was not mapped, what an item mapping starts from, and the
// taxes as they came for whoever files them.
func (l *lineItem) rest(m members) members {
	m = m.all(l.Unknown).text("sku", l.SKU).raw("variant_id", l.VariantID).raw("product_id", l.ProductID)
	if len(l.TaxLines) == 0 {
		return m
	}
	return objects(m, "tax_lines", l.TaxLines, func(m members, t *taxLine) members {
		return m.number("price", t.PriceSet.or(t.Price)).all(t.Unknown)
	})
}
