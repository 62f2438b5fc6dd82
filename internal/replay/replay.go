// Package replay reads messages again: any window of them or one order's, from
// the raw bytes, with the connectors and the policy in force today (system
// contract C8).
//
// A dry run says what would change, in states, documents, units and money, and
// changes nothing. It reads each message again, compares what it says now with
// what it was read as when it came, and folds the differences into a copy of
// each order's state: the copy then asks for the documents that a live replay
// would send. What went out stays in the copy as it does in the books. A live
// replay gives the same differences to the engine; messages that nobody
// understood and that are understood now become events that way.
package replay

import (
	"context"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
)

// Request says what to read again. At least a window or an order is named; with
// both, the order's messages of the window are read.
type Request struct {
	From, To time.Time // by the time of receipt, To excluded; zero: no limit
	Order    string    // any reference of one
	Live     bool      // bring it into force, and send what is missing
	Actor    string    // of a live replay, for the audit log
	Reason   string
}

// What says how a message reads now, as against when it came.
type What string

// How a message can read.
const (
	Released   What = "released"   // it was not understood, or said nothing that was tracked, and does now
	Changed    What = "changed"    // it says something else of the same
	Added      What = "added"      // it says something more
	Gone       What = "gone"       // it does not say it any more
	Unreadable What = "unreadable" // it was understood and is not any more; what it said stands
	Left       What = "left"       // it reads otherwise, and what it said stands: Reason says why
)

// Report is what a replay found and, where it was live, did.
type Report struct {
	Messages int `json:"messages"` // read again
	Changed  int `json:"changed"`  // of them, those that read otherwise
	Orders   int `json:"orders"`   // and other waybills that they belong to
	// Quarantined messages of the window are still not understood.
	Quarantined int `json:"quarantined"`
	// Skipped are not read again: messages of systems that are not configured
	// any more, pages of master data, and whole files, whose parts are messages.
	Skipped   int          `json:"skipped"`
	WouldSend []Document   `json:"would_send"`
	Differs   []Difference `json:"differs"`
	// Truncated: the lists above end at their limit, the numbers do not.
	Truncated bool `json:"truncated"`
	Documents int  `json:"documents"`   // that would be sent
	Different int  `json:"differences"` // waybills that would change
}

// Clean reports whether nothing would change and nothing would be sent.
func (r *Report) Clean() bool { return r.Documents+r.Different == 0 }

// Document is one that an order wants and that was never sent.
type Document struct {
	Key      string          `json:"key"`
	Target   string          `json:"target"`
	Kind     waybill.Kind    `json:"kind"`
	Order    string          `json:"order"` // or another waybill's lane
	Subject  string          `json:"subject"`
	Revision int             `json:"revision"`
	Lines    []DocumentLine  `json:"lines"`
	Money    waybill.Decimal `json:"money"` // of its lines, charges and tax, in Currency
	Currency string          `json:"currency"`
	Why      string          `json:"why"` // the rule that asks for it
}

// DocumentLine is a line of a document, in the unit that it goes out in.
type DocumentLine struct {
	Line  string          `json:"line"`
	SKU   string          `json:"sku"`
	Qty   waybill.Decimal `json:"qty"`
	UOM   string          `json:"uom"`
	Price waybill.Decimal `json:"price"` // zero where the document has none
}

// Difference is what would change of one order, or of one other waybill.
type Difference struct {
	Order    string    `json:"order"` // empty where messages of no waybill read otherwise
	Flow     string    `json:"flow,omitzero"`
	Status   *Turn     `json:"status,omitzero"`
	Open     *Turn     `json:"open_value,omitzero"` // what it is still to bring in, in Currency
	Currency string    `json:"currency,omitzero"`
	Lines    []Line    `json:"lines,omitzero"`
	Withdraw []string  `json:"withdraw,omitzero"` // keys of documents that are not needed any more and never left
	Skip     []string  `json:"skip,omitzero"`     // keys of refused documents that go anew with other content
	Send     []string  `json:"send,omitzero"`     // keys of would_send
	Messages []Message `json:"messages"`
}

// Turn is a value before and after.
type Turn struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Line is one quantity of one line that would change, in the item's base unit,
// and what the difference is worth at the order's price.
type Line struct {
	Line     string          `json:"line"`
	SKU      string          `json:"sku"`
	UOM      string          `json:"uom"`
	Stage    string          `json:"stage"`
	From     waybill.Decimal `json:"from"`
	To       waybill.Decimal `json:"to"`
	Money    waybill.Decimal `json:"money"` // signed
	Currency string          `json:"currency"`
}

// Message is one that reads otherwise.
type Message struct {
	Message string            `json:"message"`         // msg_<n>
	Event   string            `json:"event,omitzero"`  // evt_<n> that it was read as
	Source  string            `json:"source,omitzero"` // the system that sent it
	Type    waybill.EventType `json:"type"`
	Subject string            `json:"subject,omitzero"`
	What    What              `json:"what"`
	State   string            `json:"state,omitzero"` // that the event takes, as C4 names it
	Reason  string            `json:"reason,omitzero"`
	Fields  []Field           `json:"fields,omitzero"`
}

// Field is a member of the fact that would change, by its JSON Pointer. A member
// that is not there is an empty text.
type Field struct {
	Path string `json:"path"`
	From string `json:"from"`
	To   string `json:"to"`
}

// Configuration is what messages are read with.
type Configuration struct {
	Policy      *process.Policy
	Translators map[string]connector.Translator // by system
	Identity    map[string]identity.Profile     // by system: what it names in its own terms
}

// Reader is what is read.
type Reader interface {
	identity.Reader
	Message(ctx context.Context, id int64) (ledger.Message, error)
	Event(ctx context.Context, id int64) (ledger.Event, error)
	Events(ctx context.Context, q ledger.EventQuery) ([]ledger.Event, error)
	EventsAfter(ctx context.Context, after int64, limit int) ([]ledger.Event, error)
	Waybill(ctx context.Context, id int64) (ledger.Waybill, error)
	WaybillByTag(ctx context.Context, tag int64, kind waybill.FlowKind, ref string) (ledger.Waybill, error)
	WaybillsByRef(ctx context.Context, value string, limit int) ([]ledger.Waybill, error)
	Past(ctx context.Context, waybill int64, name string) ([]byte, error)
}
