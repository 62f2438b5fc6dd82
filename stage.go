package waybill

// Stage is a quantity an order line goes through, in the item's base unit. A
// stage's total is the sum of the facts in force; no system writes a total.
type Stage uint8

// The stages of a sales line, from demand to money and back.
const (
	Ordered     Stage = iota // demand of the version in force
	Cancelled                // demand withdrawn and confirmed
	Released                 // warehouse orders that a warehouse took
	Allocated                // stock set aside for the line
	Picked                   // taken from the shelf
	Packed                   // in a package
	Shipped                  // left the building
	Delivered                // reached the consignee
	Posted                   // booked as shipped in the ERP
	Invoiced                 // billed in the ERP
	Returned                 // came back
	Credited                 // credited in the ERP
	Backordered              // closed short by the warehouse and still owed
	StageCount
)

var stageNames = [StageCount]string{"ordered", "cancelled", "released", "allocated", "picked",
	"packed", "shipped", "delivered", "posted", "invoiced", "returned", "credited", "backordered"}

// String is the stage's name in the contract and on the pages.
func (s Stage) String() string {
	if s < StageCount {
		return stageNames[s]
	}
	return "unknown"
}

// Quantities holds a line's total per stage.
type Quantities [StageCount]Decimal

// Open is what the buyer still expects: ordered − cancelled − shipped, never
// below zero.
func (q Quantities) Open() Decimal {
	open := q[Ordered].Sub(q[Cancelled]).Sub(q[Shipped])
	return MaxDecimal(open, Decimal{})
}

// Status is the one word for an order. It is derived from the totals whenever
// it is asked for and never stored as a truth of its own.
type Status string

// The statuses of an order (system contract C6).
const (
	StatusReceived         Status = "received"
	StatusHeld             Status = "held"
	StatusAccepted         Status = "accepted"
	StatusReleased         Status = "released"
	StatusPartiallyShipped Status = "partially_shipped"
	StatusShipped          Status = "shipped"
	StatusBackordered      Status = "backordered"
	StatusInvoiced         Status = "invoiced"
	StatusCancelled        Status = "cancelled"
)
