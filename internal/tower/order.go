package tower

import "time"

// Order is everything known of one order, as C6 and its timeline have it.
type Order struct {
	Order      string
	PO         string
	Customer   string
	ShipTo     string
	Channel    string
	Type       string // standard, transfer, ...
	Status     string
	Total      string // "EUR 4,812.60"; may be empty
	Placed     time.Time
	Promise    *Promise
	Refs       []Ref
	Holds      []OrderHold
	Problems   []Problem
	Lines      []Line
	Shipments  []Shipment
	Invoices   []Invoice
	Timeline   []Entry // oldest first
	Deliveries []Delivery
	Actions    []ActionKind // what a person may do with the order now
}

// Promise is the next deadline the order has to keep.
type Promise struct {
	Label string // "ship by"
	At    time.Time
}

// Ref is what a system calls this order or a part of it.
type Ref struct {
	System string
	Kind   string // order, po, shipment, tracking, sscc, invoice, ...
	Value  string
}

// OrderHold says why no first attempt is made for the order.
type OrderHold struct {
	Kind   string // credit, price, manual, ...
	Reason string
	Since  time.Time
}

// Problem is what is wrong with the order now, and what frees it.
type Problem struct {
	Tone      string // bad or warn
	Title     string
	Detail    string
	Exception string // opens it in the inbox; may be empty
	Cause     string
}

// Line is an order line with its counters, all in the item's base unit.
type Line struct {
	Line        string
	SKU         string
	UOM         string
	Description string
	Kind        string // stock, freight, fee, service, deposit; empty is stock
	Ordered     string
	Cancelled   string
	Released    string
	Allocated   string
	Picked      string
	Packed      string
	Shipped     string
	Posted      string
	Invoiced    string
	Returned    string
	Credited    string
	Backordered string
	Bar         Bar
	Behind      []string // names of counters that should have moved and did not
	Note        string   // why the line is not further; may be empty
	NoteTone    string   // bad, warn or empty
}

// LineQty is a quantity of an order line.
type LineQty struct {
	Line string
	SKU  string
	Qty  string
	UOM  string
}

// Shipment is what left together.
type Shipment struct {
	Shipment string
	At       time.Time
	System   string
	Carrier  string
	Service  string
	Tracking []string
	Lines    []LineQty
}

// Invoice is what the ERP billed.
type Invoice struct {
	Ref    string
	At     time.Time
	Total  string
	Credit bool // a credit memo
	Lines  []LineQty
}

// EntryKind is what an entry of the timeline is.
type EntryKind string

// The four kinds of the timeline, as in C6.
const (
	Event    EntryKind = "event"    // a system told Waybill
	Decision EntryKind = "decision" // Waybill decided
	Sent     EntryKind = "delivery" // Waybill told a system
	Receipt  EntryKind = "receipt"  // the system answered
)

// Entry is one thing that happened to the order. At keeps the source's zone;
// Clock says whose clock it was (handover, label, system, Waybill's own).
type Entry struct {
	ID       string // stable for the entry's life
	At       time.Time
	Clock    string
	Kind     EntryKind
	System   string // the counterpart; empty for a decision
	Role     string // the counterpart's role, for its place and its icon
	Title    string // in shop words: "Shipment 2 confirmed"
	Short    string // two words at most, beside the arrow in the lanes; empty: no words
	Detail   string // the rule, the refusal, the reason
	State    string // a delivery's or an event's state, as in C3 and C4
	Stage    string // allocated, picked, shipped ... where the event reports one
	Message  string // opens raw and canonical; may be empty
	Key      string // a delivery's key
	Attempts int
}

// Delivery is one document on its way to one system.
type Delivery struct {
	Key      string
	Target   string
	Kind     string // sales_order, warehouse_order, ...
	Subject  string
	Revision int
	Seq      int
	State    string // of C3
	Reason   string
	Ref      string // the target's reference
	Message  string // opens the sent bytes; may be empty
	Actions  []ActionKind
	Attempts []Attempt
}

// Attempt is one try to deliver.
type Attempt struct {
	N        int
	Epoch    int64
	Start    time.Time
	Deadline time.Time
	End      time.Time // zero: no outcome yet
	Outcome  string    // "201 applied", "timed out", ...
}

// Message is one message with its bytes, or one sent document.
type Message struct {
	ID          string
	Outbound    bool
	System      string
	Order       string // the order to go back to; may be empty
	Title       string
	State       string
	Reason      string // why it is not applied or done; may be empty
	At          time.Time
	ContentType string
	SHA256      string // of the raw bytes, lower case hexadecimal
	Headers     []Header
	Raw         []byte // exactly what came in or went out
	Canonical   []Canonical
	Attempts    []Attempt // of a delivery
	Trace       string    // W3C trace id; may be empty
}

// Header is a header line as received or sent, secrets already masked.
type Header struct{ Name, Value string }

// Canonical is one event (or document) that the bytes stand for.
type Canonical struct {
	ID    string
	Type  string
	State string
	JSON  string // indented
}
