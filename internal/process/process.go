// Package process decides what an order needs: the pure rules of order to
// cash.
//
// Nothing here reacts to an event. [Decide] first folds the event into what is
// known (the facts in force, the documents decided and what became of them),
// then asks one question from the beginning: which documents does this order
// need now? The answer is the plan, and the plan is compared with what exists:
// wanted and missing is added, planned and no longer wanted is withdrawn,
// attempted stays whatever happens and is corrected by documents of its own.
// That is why the order in which messages arrive cannot matter.
//
// The plan reads top to bottom in plan.go; each of its steps is a file: check,
// accept, change, cancel, release, backorder, ship, capture, bill, returns. The
// rules are W4 of the system contract, and every document carries the rule that
// asked for it.
//
// The package does no I/O and knows no clock: now is the time at which the
// event was recorded.
package process

import (
	"time"

	"github.com/waybillhq/waybill"
)

// Policy is the part of the configuration that decisions depend on. It is
// read-only to this package; one value may serve any number of orders at once.
type Policy struct {
	Namespace string         // of the installation; part of every key
	Company   string         // of orders that name none
	Zone      *time.Location // of the company; nil means UTC
	ERP, WMS  string         // the systems by role; "" means none, and its documents are not wanted
	Supplier  string         // ships drop-ship orders; "" means none
	// Routes say which of several warehouse systems ships a line; the first that
	// fits. What none fits is shipped by WMS.
	Routes []Route
	// Channels are the systems that place orders, by their names.
	Channels map[string]Channel
	// HoldRecheck is the time between two checks of a held order.
	HoldRecheck time.Duration
	// Limbo is how long a fact may wait for its order, line, unit, shipment or
	// warehouse order before a person is asked.
	Limbo time.Duration
	// DuplicatePO holds an order whose buyer has another open order under the same
	// purchase order number, until an operator releases it.
	DuplicatePO bool
	// Backorder is what becomes of what a warehouse leaves when it closes short;
	// empty means wait.
	Backorder BackorderPolicy
	// PriceTolerance and OverShip are fractions (0.02 is two percent): how far
	// the ERP's price may differ from the order's, and how much more than
	// ordered may ship and be invoiced without asking.
	PriceTolerance, OverShip waybill.Decimal
}

// Channel is what deciding needs to know of a system that places orders.
type Channel struct {
	Prefix    string // of its orders' names (system contract G4)
	Documents bool   // it takes acknowledgments, fulfilments and answers
	Captures  bool   // it takes the buyer's money when goods ship: payment_capture
	Invoices  bool   // it is sent the invoices of its orders: invoice_notice
	// Availability: it takes inventory_availability.
	Availability bool
	// OwnReturns: it tells its buyers of returns and refunds by itself, and takes
	// neither return_authorization nor refund_notice.
	OwnReturns bool
	// Restates: it sends the whole order again at any change of it, also at
	// those that Waybill caused; a version that says the same is no change.
	Restates bool
}

func (p *Policy) zone() *time.Location {
	if p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}

// BackorderPolicy says what becomes of the rest of an order that its warehouse
// closed short (system contract W4.3).
type BackorderPolicy string

// The policies of backorders.
const (
	BackorderWait       BackorderPolicy = "wait"        // it is owed until stock covers it or an operator releases it
	BackorderCancelRest BackorderPolicy = "cancel_rest" // it is cancelled
)

// Duplicate is the data of duplicate.found: another open order of the same buyer
// has the same purchase order number.
type Duplicate struct {
	Order string `json:"order"`
}

// Allotted is the data of stock.allotted: an inventory position covers the whole
// backorder of these lines, and that part of it is theirs. What was allotted is
// sent to the line's warehouse again.
type Allotted struct {
	Position  string            `json:"position"`  // the event of the inventory.position
	Warehouse string            `json:"warehouse"` // the position's
	Lines     []waybill.LineQty `json:"lines"`     // in the base unit
}

// Attempted is the data of document.attempted: the first attempt is committed,
// so the document's content is fixed.
type Attempted struct {
	Key string `json:"key"`
	Seq int64  `json:"seq,omitzero"`
}

// Outcome is how a document was settled.
type Outcome string

// The outcomes of document.settled.
const (
	OutcomeDone    Outcome = "done"    // applied, by the target's word or an operator's
	OutcomePartial Outcome = "partial" // the lines differ: Receipt.Lines says how
	OutcomePending Outcome = "pending" // taken, not applied yet
	OutcomeRefused Outcome = "refused" // judged and not applied; waits in its lane
	OutcomeSkipped Outcome = "skipped" // taken out of its lane by an operator
	OutcomeAbsent  Outcome = "absent"  // conclusively not there; what is needed goes anew
)

// Settled is the data of document.settled: a target's answer, or an operator's
// in its place.
type Settled struct {
	Key     string           `json:"key"`
	Outcome Outcome          `json:"outcome"`
	Receipt *waybill.Receipt `json:"receipt,omitzero"`
	Problem *waybill.Problem `json:"problem,omitzero"`
	By      string           `json:"by,omitzero"` // the operator; empty: the target itself
}

// Verb names an operator's command to an order.
type Verb string

// The commands of command.given.
const (
	Recheck      Verb = "recheck"       // ask the ERP again, and what the order needs, whatever operators edited or undid
	Hold         Verb = "hold"          // stop first attempts of sales_order and warehouse_order
	Release      Verb = "release"       // lift all holds, without a check
	Cancel       Verb = "cancel"        // as a cancel request for all that is open
	SettleExcess Verb = "settle_excess" // what shipped above the order may be invoiced
	// ReleaseBackorder sends all that is backordered to its warehouse again,
	// whatever is in stock.
	ReleaseBackorder Verb = "release_backorder"
	// Replay asks anew what the order needs, by the policy in force.
	Replay Verb = "replay"
	// Edit puts an operator's content in place of a document that its target
	// turned down.
	Edit Verb = "edit"
	// Compensate undoes a document that its target applied, by its inverse.
	Compensate Verb = "compensate"
)

// Command is the data of command.given.
type Command struct {
	Command Verb   `json:"command"`
	Reason  string `json:"reason,omitzero"`
	Actor   string `json:"actor,omitzero"`
	ID      string `json:"id,omitzero"` // unique in the installation; names the cancel request
	// Of edit and compensate: the document's key, and its new content.
	Key      string  `json:"key,omitzero"`
	Document *Edited `json:"document,omitzero"`
}

// Fired is the data of timer.fired.
type Fired struct {
	Name string `json:"name"`
}

// Touched is the data of entity.touched: a customer, an item, or a payment (by
// its customer) changed that a held order waits for.
type Touched struct {
	Kind string `json:"kind"` // customer, item, payment
	ID   string `json:"id"`
}

// The timers of an order.
const (
	TimerLimbo   = "limbo"        // facts have waited long enough
	TimerRecheck = "hold_recheck" // a held order is checked again
	TimerRelease = "release"      // the requested day of shipment begins
)
