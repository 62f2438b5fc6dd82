package waybill

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is a kind of business document: a noun that a system's books shall hold
// once (system contract T1 and W4).
type Kind string

// The kinds of document.
const (
	OrderCheck            Kind = "order_check"
	SalesOrder            Kind = "sales_order"
	SalesOrderChange      Kind = "sales_order_change"
	SalesOrderCancel      Kind = "sales_order_cancel"
	WarehouseOrder        Kind = "warehouse_order"
	WarehouseOrderChange  Kind = "warehouse_order_change"
	WarehouseOrderCancel  Kind = "warehouse_order_cancel"
	ShipmentPosting       Kind = "shipment_posting"
	ShipmentReversal      Kind = "shipment_reversal"
	Invoice               Kind = "invoice"
	CreditMemo            Kind = "credit_memo"
	PaymentReceipt        Kind = "payment_receipt"
	OrderAcknowledgment   Kind = "order_acknowledgment"
	ChangeAnswer          Kind = "change_answer"
	CancellationAnswer    Kind = "cancellation_answer"
	Fulfilment            Kind = "fulfilment"
	FulfilmentUpdate      Kind = "fulfilment_update"
	BackorderNotice       Kind = "backorder_notice"
	PaymentCapture        Kind = "payment_capture"
	RefundNotice          Kind = "refund_notice"
	ReturnAuthorization   Kind = "return_authorization"
	ReturnAdvice          Kind = "return_advice"
	ReturnOrder           Kind = "return_order"
	PurchaseOrder         Kind = "purchase_order"
	InventoryAdjustment   Kind = "inventory_adjustment"
	ReceiptPosting        Kind = "receipt_posting"
	InventoryAvailability Kind = "inventory_availability"
	// InvoiceNotice is an invoice of the ERP's books, to the channel of its
	// order, where that wants to be billed by the installation.
	InvoiceNotice Kind = "invoice_notice"
	// FunctionalAcknowledgment answers an interchange: 997, 999, TA1.
	FunctionalAcknowledgment Kind = "functional_acknowledgment"
	ShippingLabel            Kind = "shipping_label"
	LabelVoid                Kind = "label_void"
	TaxQuote                 Kind = "tax_quote"
	TaxCommit                Kind = "tax_commit"
	TaxVoid                  Kind = "tax_void"
	ItemDocument             Kind = "item"
	CustomerDocument         Kind = "customer"
)

// Kinds lists every kind of document.
func Kinds() []Kind {
	return []Kind{
		OrderCheck, SalesOrder, SalesOrderChange, SalesOrderCancel,
		WarehouseOrder, WarehouseOrderChange, WarehouseOrderCancel,
		ShipmentPosting, ShipmentReversal, Invoice, CreditMemo, PaymentReceipt,
		OrderAcknowledgment, ChangeAnswer, CancellationAnswer,
		Fulfilment, FulfilmentUpdate, BackorderNotice, PaymentCapture, RefundNotice,
		ReturnAuthorization, ReturnAdvice, ReturnOrder, PurchaseOrder,
		InventoryAdjustment, ReceiptPosting, InventoryAvailability,
		ShippingLabel, LabelVoid, TaxQuote, TaxCommit, TaxVoid,
		ItemDocument, CustomerDocument, InvoiceNotice, FunctionalAcknowledgment,
	}
}

// Document is a business document on its way to one system: the body of T1.
// Its content is fixed with its first attempt; until then it is composed anew
// from the facts in force.
type Document struct {
	Kind        Kind           `json:"kind"`
	Company     string         `json:"company,omitzero"`
	Order       string         `json:"order"`
	Version     int64          `json:"version,omitzero"` // of the subject
	Key         string         `json:"key"`
	Seq         int64          `json:"seq"`   // position in (target, lane), from 1
	After       int64          `json:"after"` // the lane's last document this target applied or took; 0: none
	Revision    int            `json:"revision"`
	Supersedes  string         `json:"supersedes,omitzero"`
	Compensates string         `json:"compensates,omitzero"`
	Covers      []Cover        `json:"covers,omitzero"`
	Currency    string         `json:"currency,omitzero"`
	PostingDate string         `json:"posting_date,omitzero"` // YYYY-MM-DD in the company's zone
	Lines       []DocumentLine `json:"lines"`
	Data        jsontext.Value `json:"data,omitzero"`

	// Not part of the body:

	Target  string `json:"-"` // the system's name
	Lane    string `json:"-"`
	Subject string `json:"-"`
	// For formats that repeat what the body leaves out: the order in force
	// behind it (nil where it has none; not to be changed), the time of the
	// first attempt, and where the system's documents are numbered, the number
	// reserved with it (from 1).
	Placed  *Order    `json:"-"`
	At      time.Time `json:"-"`
	Control int64     `json:"-"`
}

// Cover is a part of an order that a document of another lane serves.
type Cover struct {
	Order string  `json:"order"`
	Line  string  `json:"line"`
	Qty   Decimal `json:"qty"`
}

// DocumentLine is a line of a document: a new total in order_check,
// sales_order and every *_change (0: cancelled), the document's own positive
// quantity in every other kind (signed in inventory_adjustment).
type DocumentLine struct {
	Line  string  `json:"line"`
	SKU   string  `json:"sku,omitzero"`
	Qty   Decimal `json:"qty"`
	UOM   string  `json:"uom,omitzero"`
	Price *Price  `json:"price,omitzero"`
	// PriceUOM is the unit that Price is for, where it is not UOM.
	PriceUOM string   `json:"price_uom,omitzero"`
	Kind     LineKind `json:"kind,omitzero"`
	Parent   string   `json:"parent,omitzero"` // of a kit's component: the kit's line
}

// Price is a unit price, written with at least its currency's minor units.
type Price struct {
	Amount   Decimal
	Currency string
}

// MarshalText writes the amount: "9.90".
func (p Price) MarshalText() ([]byte, error) {
	return []byte(FormatAmount(p.Amount, p.Currency)), nil
}

// UnmarshalText reads the amount; the currency is the document's.
func (p *Price) UnmarshalText(b []byte) error { return p.Amount.UnmarshalText(b) }

// Identity is what makes a document itself, wherever and whenever it is
// decided.
type Identity struct {
	Namespace string // of the installation, from the configuration
	Target    string // the system that shall hold it
	Origin    string // the system that placed the order; "" where none did
	OriginRef string // the origin's own number for the order
	Kind      Kind
	Subject   string
	Revision  int // 0, raised by an edit, a partial retry, or where a refused document is needed again
}

// KeyTag is the first part of every key of one order: 13 characters that
// depend only on the order, so that an index of one entry per order finds the
// order of any key.
func KeyTag(namespace, origin, originRef string) string {
	sum := hashFields("tag", namespace, origin, originRef)
	return keyEncoding.EncodeToString(sum[:8])
}

// TagNumber is a KeyTag's hash as a number, for a database index. The shard of
// a waybill is its tag's lowest ten bits.
func TagNumber(namespace, origin, originRef string) int64 {
	sum := hashFields("tag", namespace, origin, originRef)
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // a bit pattern, not a quantity
}

// TagOfKey reads the tag's number back from a key, and reports whether the
// text can be a key at all.
func TagOfKey(key string) (int64, bool) {
	if len(key) != KeyLength {
		return 0, false
	}
	b, err := keyEncoding.DecodeString(key[:13])
	if err != nil {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(b)), true //nolint:gosec // a bit pattern
}

// KeyLength is the length of a document's key.
const KeyLength = 13 + 20

var keyEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Key is the document's idempotency key: a hash of its identity and of nothing
// else, so the same decision made twice, on another replica or in a database
// rebuilt from the same messages, is the same document (system contract T0).
func (id Identity) Key() string {
	sum := hashFields("key", id.Namespace, id.Target, id.Origin, id.OriginRef,
		string(id.Kind), id.Subject, strconv.Itoa(id.Revision))
	return KeyTag(id.Namespace, id.Origin, id.OriginRef) + keyEncoding.EncodeToString(sum[:12])
}

// hashFields hashes its fields with their lengths, so that no two lists of
// fields run together.
func hashFields(fields ...string) [sha256.Size]byte {
	buf := make([]byte, 0, 256)
	for _, f := range fields {
		buf = binary.AppendUvarint(buf, uint64(len(f)))
		buf = append(buf, f...)
	}
	return sha256.Sum256(buf)
}

// Problem is an error answer as RFC 9457 (problem+json) shapes it, with the
// contract's code and line.
type Problem struct {
	Type   string `json:"type,omitzero"`
	Title  string `json:"title,omitzero"`
	Status int    `json:"status,omitzero"`
	Detail string `json:"detail,omitzero"`
	Code   string `json:"code,omitzero"` // snake_case
	Line   string `json:"line,omitzero"`
}

// Receipt is a system's answer that it holds a document.
type Receipt struct {
	Ref        string         `json:"ref,omitzero"` // the system's own number
	N          int64          `json:"n,omitzero"`   // its position in the system's journal; 0 where it has none
	AppliedAt  time.Time      `json:"applied_at,omitzero"`
	Generation string         `json:"generation,omitzero"`
	Result     jsontext.Value `json:"result,omitzero"`
	Replayed   bool           `json:"replayed,omitzero"`
	Lines      []LineOutcome  `json:"lines,omitzero"` // only where the outcome differs by line
}

// LineOutcome is a target's verdict on one line of a document (answer 207).
type LineOutcome struct {
	Line    string   `json:"line"`
	Status  string   `json:"status"` // applied, rejected, retry
	Ref     string   `json:"ref,omitzero"`
	Problem *Problem `json:"problem,omitzero"`
}
