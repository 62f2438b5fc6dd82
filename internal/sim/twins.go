package sim

// twins are the situations that the invariants are about. Each must come about
// in a set of runs, or what the invariants say of it is empty.
var twins = []string{
	// I1, I7: messages
	"duplicate_message", "conflict", "turned_away", "reply_lost",
	// I1, I11: every boundary, before and after its commit
	"crash_before B1", "crash_after B1", "crash_before B2", "crash_after B2", "crash_before B4", "crash_after B4",
	"crash_before B6", "crash_after B6", "crash_before B7", "crash_after B7", "crash_before B11", "crash_after B11",
	"commit_failed", "commit_unknown", "reopened",
	// I2, I3, I13: doubts
	"look_up_found", "look_up_absent", "look_up_pending", "look_up_unsettled", "sent_again", "key_recognised",
	"late_applied", "late_turned_away", "copied_by_the_network", "doubt_settle", "doubt_retry", "garbled", "500_after",
	// I3, I15: answers
	"202", "207", "422", "401", "hold", "closed_period", "in_progress", "taken_then_applied", "taken_then_rejected",
	"command_retry", "command_settle", "command_resume",
	// I8, I14, I20: the life of orders
	"early_shipment", "delivered_before_its_shipment", "adopted", "returned", "booked credit_memo", "booked shipment_posting",
	"booked sales_order_change", "booked sales_order_cancel", "booked inventory_adjustment",
	"warehouse_order.cancelled", "warehouse_order.cancel_refused",
	// I16: a process that does not know that it was replaced
	"frozen", "fenced",
	// I17: rest
	"429", "503", "outage_met",
}
