package waybill

import (
	"github.com/go-json-experiment/json/jsontext"
)

// OrderType says what kind of order it is; it decides which documents follow
// (a transfer is never invoiced, a drop-ship order goes to a supplier).
type OrderType string

// The types of order (system contract W3, order.placed).
const (
	OrderStandard    OrderType = "standard"
	OrderTransfer    OrderType = "transfer"
	OrderSample      OrderType = "sample"
	OrderReplacement OrderType = "replacement"
	OrderDropShip    OrderType = "drop_ship"
	OrderRelease     OrderType = "release"
)

// Billable reports whether shipments of the order are invoiced.
func (t OrderType) Billable() bool {
	return t != OrderTransfer && t != OrderSample && t != OrderReplacement
}

// LineKind says whether a line is goods that are picked and shipped, or money
// that only goes on the invoice.
type LineKind string

// The kinds of line.
const (
	LineStock   LineKind = "stock"
	LineFreight LineKind = "freight"
	LineFee     LineKind = "fee"
	LineService LineKind = "service"
	LineDeposit LineKind = "deposit"
	// LineKit is a line that is sold as one and made up of components, which are
	// lines of their own: they are picked, shipped and posted, and the kit is
	// counted by them. A kit whose components nobody states is goods.
	LineKit LineKind = "kit"
)

// Order is an order as one of its versions states it: the data of order.placed
// and order.changed. An order.changed is the whole order, not a difference.
type Order struct {
	Order          string      `json:"order"` // unique in the installation (G4)
	Version        int64       `json:"version,omitzero"`
	Customer       string      `json:"customer,omitzero"`
	Currency       string      `json:"currency,omitzero"`
	Company        string      `json:"company,omitzero"`
	PO             string      `json:"po,omitzero"`
	Type           OrderType   `json:"type,omitzero"` // empty means standard
	Terms          string      `json:"terms,omitzero"`
	RequestedShip  string      `json:"requested_ship,omitzero"` // YYYY-MM-DD in the company's zone
	CancelAfter    string      `json:"cancel_after,omitzero"`   // YYYY-MM-DD
	ShipComplete   bool        `json:"ship_complete,omitzero"`
	FreightTerms   string      `json:"freight_terms,omitzero"`
	CarrierAccount string      `json:"carrier_account,omitzero"`
	MarkFor        string      `json:"mark_for,omitzero"`
	ShipTo         *Party      `json:"ship_to,omitzero"`
	BillTo         *Party      `json:"bill_to,omitzero"`
	Tax            Decimal     `json:"tax,omitzero"` // of the whole order, in Currency
	Charges        []Charge    `json:"charges,omitzero"`
	Lines          []OrderLine `json:"lines"`
	// ChannelOrder is the channel's own number, where it differs from Order.
	ChannelOrder string `json:"channel_order,omitzero"`
	// ChannelName is the number that people use for it there, where that is
	// another one still: "#1001".
	ChannelName string `json:"channel_name,omitzero"`
	// Unknown keeps every field that the source sent and this type lacks.
	Unknown jsontext.Value `json:",embed"`
}

// OrderLine is one line of an order. Line is its identity for ever: through
// changes, splits and substitutions.
type OrderLine struct {
	Line        string   `json:"line"`
	SKU         string   `json:"sku,omitzero"`
	Qty         Decimal  `json:"qty"`
	UOM         string   `json:"uom,omitzero"` // UN/ECE Rec 20 code or the systems' common alias
	Price       Decimal  `json:"price,omitzero"`
	Kind        LineKind `json:"kind,omitzero"` // empty means stock
	CustomerSKU string   `json:"customer_sku,omitzero"`
	Description string   `json:"description,omitzero"`
	// Kit is what one of the line's unit is made up of; absent where the line is
	// no kit, or the item's record says it.
	Kit *Kit `json:"kit,omitzero"`
	// Parent is the kit's line, of a component's line.
	Parent  string         `json:"parent,omitzero"`
	Unknown jsontext.Value `json:",embed"`
}

// Kit says what one of an item is made up of, and when it is invoiced. A
// component that is a kit itself is one article here.
type Kit struct {
	Components []Component    `json:"components"`
	Invoice    KitRule        `json:"invoice,omitzero"` // empty means on_complete
	Unknown    jsontext.Value `json:",embed"`
}

// Component is an article of a kit.
type Component struct {
	// Line is the component's line in its order; empty: the kit's, "~" and the
	// component's place in the list, from 1. Of an item's record it is not read.
	Line        string         `json:"line,omitzero"`
	SKU         string         `json:"sku"`
	Qty         Decimal        `json:"qty"` // in one kit
	UOM         string         `json:"uom,omitzero"`
	Price       Decimal        `json:"price,omitzero"` // of by_component, for one of UOM
	Description string         `json:"description,omitzero"`
	Unknown     jsontext.Value `json:",embed"`
}

// KitRule says when a kit is invoiced.
type KitRule string

// The rules of kits. Never are more kits invoiced than the components that left
// allow.
const (
	KitOnComplete  KitRule = "on_complete"  // when all components of a kit have left
	KitOnFirst     KitRule = "on_first"     // when the first component of a kit has left
	KitByComponent KitRule = "by_component" // each component at its own price; without one for each, on_complete
)

// IsStock reports whether the line is goods: released, shipped and posted.
func (l OrderLine) IsStock() bool { return l.Kind == "" || l.Kind == LineStock }

// Charge is an amount on the order that belongs to no line: freight, a fee, a
// discount (negative).
type Charge struct {
	Code    string         `json:"code"`
	Amount  Decimal        `json:"amount"`
	Unknown jsontext.Value `json:",embed"`
}

// Party is who goods or paper go to.
type Party struct {
	ID       string         `json:"id,omitzero"`
	Name     string         `json:"name,omitzero"`
	Company  string         `json:"company,omitzero"`
	Lines    []string       `json:"address,omitzero"`
	City     string         `json:"city,omitzero"`
	Region   string         `json:"region,omitzero"`
	Postal   string         `json:"postal,omitzero"`
	Country  string         `json:"country,omitzero"` // ISO 3166-1 alpha-2
	Phone    string         `json:"phone,omitzero"`
	Email    string         `json:"email,omitzero"`
	GLN      string         `json:"gln,omitzero"` // GS1 Global Location Number
	Freeform jsontext.Value `json:"-"`
	Unknown  jsontext.Value `json:",embed"`
}

// partyFields is Party without its methods, so that decoding does not recurse.
type partyFields Party

// UnmarshalJSONFrom reads an address object. Systems also write a bare id, or
// a shape of their own: whatever is not understood is kept as it is and
// written back unchanged.
func (p *Party) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	raw, err := dec.ReadValue()
	if err != nil {
		return err
	}
	var fields partyFields
	if raw.Kind() != '{' || unmarshalStrict(raw, &fields) != nil {
		*p = Party{Freeform: raw.Clone()}
		return nil
	}
	*p = Party(fields)
	return nil
}

// MarshalJSONTo writes what UnmarshalJSONFrom read.
func (p Party) MarshalJSONTo(enc *jsontext.Encoder) error {
	if p.Freeform != nil {
		return enc.WriteValue(p.Freeform)
	}
	return marshalEncode(enc, partyFields(p))
}

// Item is an article as its system of record describes it (system contract
// T6): a stock keeping unit with its base unit and packs.
type Item struct {
	SKU     string         `json:"sku"`
	BaseUOM string         `json:"base_uom,omitzero"`
	UOMs    []UOM          `json:"uoms,omitzero"`
	Status  string         `json:"status,omitzero"`
	Kit     *Kit           `json:"kit,omitzero"` // what one base unit is made up of
	Unknown jsontext.Value `json:",embed"`
}

// UOM is a unit an item is traded in: one of it holds Ratio base units.
type UOM struct {
	UOM   string  `json:"uom"`
	Ratio Decimal `json:"ratio"`
}

// Customer is a buyer as the ERP knows it (T6).
type Customer struct {
	Customer    string         `json:"customer"`
	CreditLimit Decimal        `json:"credit_limit,omitzero"`
	Terms       string         `json:"terms,omitzero"`
	Status      string         `json:"status,omitzero"`
	Unknown     jsontext.Value `json:",embed"`
}

// Warehouse is a place that ships (T6).
type Warehouse struct {
	Warehouse string         `json:"warehouse"`
	Zone      string         `json:"zone,omitzero"` // IANA time zone
	Unknown   jsontext.Value `json:",embed"`
}

// LineQty is a quantity of one order line, as facts and documents state it. It
// is the fact's own, never a running total.
type LineQty struct {
	Line    string         `json:"line,omitzero"`
	SKU     string         `json:"sku,omitzero"` // differs from the ordered one in a substitution
	Qty     Decimal        `json:"qty"`
	UOM     string         `json:"uom,omitzero"` // empty: the order line's (G5)
	Reason  string         `json:"reason,omitzero"`
	Unknown jsontext.Value `json:",embed"`
}

// Package is one parcel, carton or pallet of a shipment.
type Package struct {
	Tracking string         `json:"tracking,omitzero"`
	SSCC     string         `json:"sscc,omitzero"` // GS1 Serial Shipping Container Code, 18 digits
	Lines    []LineQty      `json:"lines,omitzero"`
	Unknown  jsontext.Value `json:",embed"`
}
