package waybill

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// EventType names a canonical fact in the past tense, as W3 of the system
// contract lists them, or one of Waybill's own (receipts, commands, timers).
type EventType string

// Facts that systems report (system contract W3).
const (
	OrderPlaced          EventType = "order.placed"
	OrderChanged         EventType = "order.changed"
	OrderCancelRequested EventType = "order.cancel_requested"
	ReturnRequested      EventType = "return.requested"

	WarehouseOrderAccepted      EventType = "warehouse_order.accepted"
	WarehouseOrderChanged       EventType = "warehouse_order.changed"
	WarehouseOrderChangeRefused EventType = "warehouse_order.change_refused"
	WarehouseOrderCancelled     EventType = "warehouse_order.cancelled"
	WarehouseOrderCancelRefused EventType = "warehouse_order.cancel_refused"
	WarehouseOrderClosed        EventType = "warehouse_order.closed"

	AllocationConfirmed EventType = "allocation.confirmed"
	PickConfirmed       EventType = "pick.confirmed"
	PackConfirmed       EventType = "pack.confirmed"
	ShipmentConfirmed   EventType = "shipment.confirmed"
	ShipmentDelivered   EventType = "shipment.delivered"

	InventoryAdjusted EventType = "inventory.adjusted"
	InventorySnapshot EventType = "inventory.snapshot"
	ReceiptConfirmed  EventType = "receipt.confirmed"
	TransferShipped   EventType = "transfer.shipped"
	TransferReceived  EventType = "transfer.received"
	ReturnReceived    EventType = "return.received"

	ItemChanged       EventType = "item.changed"
	CustomerChanged   EventType = "customer.changed"
	PriceChanged      EventType = "price.changed"
	InventoryPosition EventType = "inventory.position"

	InvoicePosted EventType = "invoice.posted"
	CreditPosted  EventType = "credit.posted"
	InvoicePaid   EventType = "invoice.paid"

	DocumentApplied  EventType = "document.applied"
	DocumentRejected EventType = "document.rejected"
)

// InterchangeReceived says that an EDI interchange came in and was judged. No system
// pushes it (W3 has no such type): the connector that reads interchanges
// reports it beside what their messages say.
const InterchangeReceived EventType = "interchange.received"

// WarehouseChanged is a warehouse as its system of record describes it. No
// system pushes it (W3 has no such type): it is read (T6).
const WarehouseChanged EventType = "warehouse.changed"

// Events of Waybill's own. They are kept in the same ledger as the facts and
// folded the same way, so a state can be refolded from the ledger alone.
const (
	// DocumentAttempted: a document's first attempt was committed; from here
	// on its bytes, its sequence number and its content are fixed.
	DocumentAttempted EventType = "document.attempted"
	// DocumentSettled: a system's answer to a document (the receipt).
	DocumentSettled EventType = "document.settled"
	// CommandGiven: an operator's command.
	CommandGiven EventType = "command.given"
	// TimerFired: a durable timer came due.
	TimerFired EventType = "timer.fired"
	// EntityTouched: a customer, item or payment that the order depends on
	// changed; a held order is checked again.
	EntityTouched EventType = "entity.touched"
	// DuplicateFound: another open order of the same buyer has the same purchase
	// order number; the order is held.
	DuplicateFound EventType = "duplicate.found"
	// ItemKnown: an item's units are known from its record; the order's
	// quantities are counted in its base unit.
	ItemKnown EventType = "item.known"
	// StockAllotted: an inventory position covers backordered lines, which are
	// released.
	StockAllotted EventType = "stock.allotted"
	// ReturnMatched: a return without an order was matched to the order that it
	// belongs to.
	ReturnMatched EventType = "return.matched"
	// ReferenceUnmapped: a version of the order names something that nobody has
	// mapped; it waits, and the order is held.
	ReferenceUnmapped EventType = "reference.unmapped"
	// ReferenceMapped: what the order waited for has a meaning.
	ReferenceMapped EventType = "reference.mapped"
)

// Event is a canonical fact in the past tense that a message carried. It is
// never changed; what it means may be superseded by a newer version of its
// subject.
type Event struct {
	ID     string    `json:"id,omitzero"` // the ledger's, set when the event is recorded
	Type   EventType `json:"type"`
	Source string    `json:"source"` // the system that reported it; "waybill" for its own
	// Flow and Ref name the waybill the event belongs to, e.g. sales and the
	// order's number. Empty Ref: the event names no waybill.
	Flow FlowKind `json:"flow,omitzero"`
	Ref  string   `json:"ref,omitzero"`
	// Subject and Version: of one subject (within Type's family and Source)
	// the highest version is in force, whenever it arrived. Absent versions
	// are 1.
	Subject    string    `json:"subject,omitzero"`
	Version    int64     `json:"version,omitzero"`
	OccurredAt time.Time `json:"occurred_at,omitzero"` // the source's clock, its offset kept
	RecordedAt time.Time `json:"recorded_at,omitzero"` // when its commit was made; UTC
	// Data is the fact as JSON: the typed data of its type (OrderPlaced has an
	// [Order], ShipmentConfirmed a [Shipment], …), with all fields the source
	// sent and Waybill does not know.
	Data jsontext.Value `json:"data,omitzero"`
	// Body is Data decoded, where it already was; never serialised.
	Body any `json:"-"`
	// Replaces is the event that the same message was read as before: of the
	// two, this one is in force. Void: the message does not say it any more.
	// Both are kept beside the event, not in it.
	Replaces string `json:"-"`
	Void     bool   `json:"-"`
}

// CancelRequest is the data of order.cancel_requested. Without lines it asks
// for everything that is open.
type CancelRequest struct {
	Order        string         `json:"order"`
	ChannelOrder string         `json:"channel_order,omitzero"` // the channel's own number, where it differs
	Request      string         `json:"request"`
	Version      int64          `json:"version,omitzero"`
	Lines        []LineQty      `json:"lines,omitzero"`
	Unknown      jsontext.Value `json:",embed"`
}

// WarehouseOrderReport is the data of the warehouse_order.* events.
// WarehouseOrder is the document's key or the ref its receipt gave. Without
// lines, it speaks of all that has not shipped.
type WarehouseOrderReport struct {
	Order          string         `json:"order"`
	WarehouseOrder string         `json:"warehouse_order"`
	Version        int64          `json:"version,omitzero"`
	Lines          []LineQty      `json:"lines,omitzero"`
	Reason         string         `json:"reason,omitzero"`
	Unknown        jsontext.Value `json:",embed"`
}

// Progress is the data of allocation, pick and pack confirmations. Document is
// the warehouse's own number for the step (a wave, a pick list).
type Progress struct {
	Order    string         `json:"order"`
	Document string         `json:"document"`
	Version  int64          `json:"version,omitzero"`
	Lines    []LineQty      `json:"lines"`
	Unknown  jsontext.Value `json:",embed"`
}

// Shipment is the data of shipment.confirmed: what left the building. One
// shipment of several orders is reported by one event per order.
type Shipment struct {
	Order     string         `json:"order"`
	Shipment  string         `json:"shipment"`
	Version   int64          `json:"version,omitzero"`
	ShippedAt string         `json:"shipped_at,omitzero"` // RFC 3339
	Mode      string         `json:"mode,omitzero"`       // parcel, ltl, own_truck, pickup
	Carrier   string         `json:"carrier,omitzero"`
	Service   string         `json:"service,omitzero"`
	BOL       string         `json:"bol,omitzero"`
	PRO       string         `json:"pro,omitzero"`
	Load      string         `json:"load,omitzero"`
	Freight   Decimal        `json:"freight,omitzero"`
	Final     bool           `json:"final,omitzero"` // nothing more comes from this system for the order
	Lines     []LineQty      `json:"lines"`
	Packages  []Package      `json:"packages,omitzero"`
	Unknown   jsontext.Value `json:",embed"`
}

// Delivery is the data of shipment.delivered.
type Delivery struct {
	Shipment    string         `json:"shipment"`
	Order       string         `json:"order,omitzero"`
	Version     int64          `json:"version,omitzero"`
	DeliveredAt string         `json:"delivered_at,omitzero"`
	Unknown     jsontext.Value `json:",embed"`
}

// Posting is the data of invoice.posted and credit.posted: a document that the
// ERP made, with or without Waybill's doing.
type Posting struct {
	Order    string         `json:"order,omitzero"`
	Invoice  string         `json:"invoice"`
	Version  int64          `json:"version,omitzero"`
	Total    Decimal        `json:"total,omitzero"`
	Currency string         `json:"currency,omitzero"`
	Lines    []PostingLine  `json:"lines,omitzero"`
	Unknown  jsontext.Value `json:",embed"`
}

// PostingLine is one line of an invoice over one or many orders.
type PostingLine struct {
	Order   string         `json:"order,omitzero"`
	Line    string         `json:"line,omitzero"`
	Qty     Decimal        `json:"qty"`
	Amount  Decimal        `json:"amount,omitzero"`
	UOM     string         `json:"uom,omitzero"`
	Unknown jsontext.Value `json:",embed"`
}

// Payment is the data of invoice.paid.
type Payment struct {
	Order    string         `json:"order,omitzero"`
	Customer string         `json:"customer,omitzero"`
	Invoice  string         `json:"invoice,omitzero"`
	Payment  string         `json:"payment,omitzero"`
	Version  int64          `json:"version,omitzero"`
	Amount   Decimal        `json:"amount,omitzero"`
	Currency string         `json:"currency,omitzero"`
	PaidAt   string         `json:"paid_at,omitzero"`
	Unknown  jsontext.Value `json:",embed"`
}

// DocumentReport is the data of document.applied and document.rejected: a
// target's later answer to a document it had taken (202). A target that does
// not know the key names the control number that the document was written
// with (and the kind, where the report is about documents of that kind alone), or
// the order and the kind: then the oldest document of that kind that the target
// has taken is meant.
type DocumentReport struct {
	Key     string         `json:"key,omitzero"`
	Control int64          `json:"control,omitzero"`
	Order   string         `json:"order,omitzero"`
	Kind    Kind           `json:"kind,omitzero"`
	Version int64          `json:"version,omitzero"`
	Ref     string         `json:"ref,omitzero"`
	N       int64          `json:"n,omitzero"`
	Result  jsontext.Value `json:"result,omitzero"`
	Problem *Problem       `json:"problem,omitzero"`
	Unknown jsontext.Value `json:",embed"`
}

// Interchange is the data of interchange.received: what came in, whether it was
// accepted, and what its sender is owed in answer.
type Interchange struct {
	Interchange string               `json:"interchange"` // unique per source: its parties' control number and what tells two of one number apart
	Standard    string               `json:"standard"`    // X12
	Control     string               `json:"control"`     // ISA13
	Sender      string               `json:"sender"`      // qualifier/id
	Receiver    string               `json:"receiver"`
	Test        bool                 `json:"test,omitzero"`
	Status      string               `json:"status"`            // accepted, accepted_with_errors, rejected
	Problem     string               `json:"problem,omitzero"`  // what is wrong with its envelope
	Messages    []InterchangeMessage `json:"messages,omitzero"` // those of which something is to be said
	Received    int                  `json:"received,omitzero"` // messages in it, acknowledgments not counted
	Answers     []InterchangeAnswer  `json:"answers,omitzero"`  // in the order in which they go
	Unknown     jsontext.Value       `json:",embed"`
}

// InterchangeMessage is a message that was not accepted as it is, or of which
// nothing was taken.
type InterchangeMessage struct {
	Set     string   `json:"set"`
	Control string   `json:"control"`
	Status  string   `json:"status"`
	Events  int      `json:"events,omitzero"`  // that it became
	Reasons []string `json:"reasons,omitzero"` // in words, with codes and positions
}

// InterchangeAnswer is an acknowledgment without its own control numbers: they
// are reserved where it is stored.
type InterchangeAnswer struct {
	Set  string `json:"set"` // 997, 999, TA1
	Text string `json:"text"`
}

// Entity is the data of item.changed, customer.changed, price.changed and
// inventory.position: which entity, with the rest kept as it came.
type Entity struct {
	SKU       string         `json:"sku,omitzero"`
	Customer  string         `json:"customer,omitzero"`
	Warehouse string         `json:"warehouse,omitzero"`
	Available *Decimal       `json:"available,omitzero"`
	AsOf      string         `json:"as_of,omitzero"`   // RFC 3339
	Version   int64          `json:"version,omitzero"` // absent: the message's time
	Unknown   jsontext.Value `json:",embed"`
}
