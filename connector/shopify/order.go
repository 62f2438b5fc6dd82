package shopify

import (
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// order is the body that all topics of an order carry. What is read here is
// mapped; fields of type skipped say again what a mapped one says (amounts in
// both currencies, current totals) or echo what Waybill wrote; all others land
// in Unknown and are kept.
type order struct {
	ID        jsontext.Value `json:"id"`
	GID       string         `json:"admin_graphql_api_id"`
	Name      string         `json:"name"`
	CreatedAt string         `json:"created_at"`
	UpdatedAt string         `json:"updated_at"`

	CancelledAt  string `json:"cancelled_at"`
	CancelReason string `json:"cancel_reason"`

	Currency      string        `json:"currency"` // the shop's; the buyer's is presentment_currency
	TaxesIncluded bool          `json:"taxes_included"`
	Test          bool          `json:"test"`
	PONumber      string        `json:"po_number"`
	Email         string        `json:"email"`
	Phone         string        `json:"phone"`
	Customer      *customer     `json:"customer"`
	Company       *company      `json:"company"`
	PaymentTerms  *paymentTerms `json:"payment_terms"`
	ShippingTo    *address      `json:"shipping_address"`
	BillingTo     *address      `json:"billing_address"`

	Lines    []lineItem     `json:"line_items"`
	Shipping []shippingLine `json:"shipping_lines"`
	Refunds  []refund       `json:"refunds"`

	TotalTax waybill.Decimal `json:"total_tax"`
	TotalTip waybill.Decimal `json:"total_tip_received"`
	Duties   *moneySet       `json:"original_total_duties_set"`
	Fees     *moneySet       `json:"original_total_additional_fees_set"`

	FulfillmentStatus skipped `json:"fulfillment_status"`
	Fulfillments      skipped `json:"fulfillments"`
	repeatedAmounts

	Unknown jsontext.Value `json:",embed"`
}

// repeatedAmounts are the amounts that follow from the lines and charges.
type repeatedAmounts struct {
	CurrentShipping    skipped `json:"current_shipping_price_set"`
	CurrentSubtotal    skipped `json:"current_subtotal_price"`
	CurrentSubtotalSet skipped `json:"current_subtotal_price_set"`
	CurrentFees        skipped `json:"current_total_additional_fees_set"`
	CurrentDiscount    skipped `json:"current_total_discounts"`
	CurrentDiscountSet skipped `json:"current_total_discounts_set"`
	CurrentDuties      skipped `json:"current_total_duties_set"`
	CurrentPrice       skipped `json:"current_total_price"`
	CurrentPriceSet    skipped `json:"current_total_price_set"`
	CurrentTax         skipped `json:"current_total_tax"`
	CurrentTaxSet      skipped `json:"current_total_tax_set"`
	SubtotalSet        skipped `json:"subtotal_price_set"`
	DiscountsSet       skipped `json:"total_discounts_set"`
	LinesSet           skipped `json:"total_line_items_price_set"`
	PriceSet           skipped `json:"total_price_set"`
	ShippingSet        skipped `json:"total_shipping_price_set"`
	TaxSet             skipped `json:"total_tax_set"`
	RoundedPaymentSet  skipped `json:"total_cash_rounding_payment_adjustment_set"`
	RoundedRefundSet   skipped `json:"total_cash_rounding_refund_adjustment_set"`
}

// skipped is a field that is known and not kept.
type skipped struct{}

// UnmarshalJSONFrom reads past the value.
func (*skipped) UnmarshalJSONFrom(dec *jsontext.Decoder) error { return dec.SkipValue() }

// moneySet is an amount in the shop's currency and in the buyer's.
type moneySet struct {
	Shop struct {
		Amount waybill.Decimal `json:"amount"`
	} `json:"shop_money"`
}

// or is the amount in the shop's currency, or plain where the set is missing,
// as in API versions before 2019.
func (m *moneySet) or(plain waybill.Decimal) waybill.Decimal {
	if m == nil {
		return plain
	}
	return m.Shop.Amount
}

type customer struct {
	ID      jsontext.Value `json:"id"`
	GID     string         `json:"admin_graphql_api_id"`
	Unknown jsontext.Value `json:",embed"`
}

type company struct {
	ID      jsontext.Value `json:"id"`
	Unknown jsontext.Value `json:",embed"`
}

type paymentTerms struct {
	Name    string         `json:"payment_terms_name"`
	Unknown jsontext.Value `json:",embed"`
}

type address struct {
	Name         string         `json:"name"`
	Company      string         `json:"company"`
	Address1     string         `json:"address1"`
	Address2     string         `json:"address2"`
	City         string         `json:"city"`
	Province     string         `json:"province"`
	ProvinceCode string         `json:"province_code"`
	Zip          string         `json:"zip"`
	CountryCode  string         `json:"country_code"`
	Phone        string         `json:"phone"`
	Unknown      jsontext.Value `json:",embed"`
}

func (a *address) party(email string) *waybill.Party {
	if a == nil {
		return nil
	}
	p := &waybill.Party{Name: a.Name, Company: a.Company, City: a.City, Region: a.ProvinceCode, Postal: a.Zip,
		Country: a.CountryCode, Phone: a.Phone, Email: email}
	if p.Region == "" {
		p.Region = a.Province
	}
	for _, l := range [...]string{a.Address1, a.Address2} {
		if l != "" {
			p.Lines = append(p.Lines, l)
		}
	}
	if len(a.Unknown) > len(`{}`) {
		p.Unknown = object(len(a.Unknown)+16).nested(restName, func(m members) members { return m.all(a.Unknown) }).value()
	}
	return p
}

// canonical is the order in the dictionary's words.
func (o *order) canonical(ref, own string, version int64, guest string) (*waybill.Order, error) {
	if !isCurrency(o.Currency) {
		return nil, untranslatable("/currency", strconv.Quote(o.Currency)+" is no currency as ISO 4217 writes it")
	}
	w := &waybill.Order{Order: ref, Version: version, Customer: o.customerNumber(guest), Currency: o.Currency,
		PO: o.PONumber, ChannelOrder: own, ChannelName: o.Name, Lines: make([]waybill.OrderLine, 0, len(o.Lines))}
	if o.PaymentTerms != nil {
		w.Terms = o.PaymentTerms.Name
	}
	email := o.Email
	w.ShipTo, w.BillTo = o.ShippingTo.party(email), o.BillingTo.party(email)

	tax, discount, tipped := o.TotalTax, waybill.Decimal{}, false
	seen := make(map[string]bool, len(o.Lines))
	for i := range o.Lines {
		l := &o.Lines[i]
		id := ownID(l.GID, l.ID)
		if id == "" || seen[id] {
			return nil, untranslatable(fmt.Sprintf("/line_items/%d/id", i), fmt.Sprintf("line id %q is missing or there twice", id))
		}
		seen[id] = true
		tipped = tipped || l.isTip()
		if l.Quantity < 0 || l.Current != nil && *l.Current < 0 {
			return nil, untranslatable(fmt.Sprintf("/line_items/%d/quantity", i), "the line has fewer than no pieces")
		}
		qty := l.owed(o.CancelledAt != "", o.Refunds)
		tax = tax.Sub(l.share(l.tax(), l.Quantity-qty, o.Currency))
		discount = discount.Add(l.share(l.discount(), qty, o.Currency))
		if qty == 0 {
			continue // taken off the order by an edit
		}
		w.Lines = append(w.Lines, l.canonical(id, qty))
	}
	w.Tax = waybill.MaxDecimal(tax, waybill.Decimal{})
	w.Charges = o.charges(discount, tipped)
	w.Unknown = o.unknown()
	return w, nil
}

func isCurrency(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return len(s) == 3
}

// customerNumber is the company of a business order, else the buyer's account.
func (o *order) customerNumber(guest string) string {
	if o.Company != nil {
		if id := ownID("", o.Company.ID); id != "" {
			return "company-" + id
		}
	}
	if o.Customer != nil {
		if id := ownID(o.Customer.GID, o.Customer.ID); id != "" {
			return id
		}
	}
	return guest
}

// charges lists what the order costs beside its lines; discounts are negative.
func (o *order) charges(discount waybill.Decimal, tipped bool) []waybill.Charge {
	charges := make([]waybill.Charge, 0, len(o.Shipping)+2)
	add := func(code string, amount waybill.Decimal) {
		if amount.Sign() != 0 {
			charges = append(charges, waybill.Charge{Code: code, Amount: amount})
		}
	}
	for i := range o.Shipping {
		l := &o.Shipping[i]
		if l.Removed {
			continue
		}
		add("shipping", l.PriceSet.or(l.Price))
		for _, a := range l.Discounts {
			discount = discount.Add(a.AmountSet.or(a.Amount))
		}
	}
	add("discount", discount.Neg())
	if !tipped { // a tip given at the checkout is a line of its own
		add("tip", o.TotalTip)
	}
	add("duties", o.Duties.or(waybill.Decimal{}))
	add("fee", o.Fees.or(waybill.Decimal{}))
	if len(charges) == 0 {
		return nil
	}
	return charges
}

// unknown is what the order says beyond the dictionary: the flags that change how amounts and the order are to be read, and the
// untouched rest.
func (o *order) unknown() jsontext.Value {
	m := object(len(o.Unknown)+1024).flag("test", o.Test).flag("taxes_included", o.TaxesIncluded)
	return m.nested(restName, o.rest).value()
}

// cancellation is what a cancel request says beyond the dictionary.
func (o *order) cancellation(own string) jsontext.Value {
	m := object(len(o.Unknown)+1024).text("channel_order", own).text("channel_name", o.Name).
		text("cancelled_at", o.CancelledAt).text("reason", o.CancelReason).flag("test", o.Test)
	return m.nested(restName, o.rest).value()
}

// rest writes what was not mapped, and the parts of which only an id or a name
// was.
func (o *order) rest(m members) members {
	m = m.all(o.Unknown).text("email", o.Email).text("phone", o.Phone).text("cancel_reason", o.CancelReason)
	if o.Customer != nil {
		m = m.raw("customer", o.Customer.Unknown)
	}
	if o.Company != nil {
		m = m.raw("company", o.Company.Unknown)
	}
	if o.PaymentTerms != nil {
		m = m.raw("payment_terms", o.PaymentTerms.Unknown)
	}
	return m
}
