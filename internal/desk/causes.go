package desk

import (
	"strings"

	"github.com/waybillhq/waybill"
)

// cause says in business words what a cause of exceptions is.
type cause struct {
	title string
	class string // its kind, in a word or two
	tone  string // bad: something is stuck or wrong in the books; warn: it may become so
	next  string // the one step for all of them
	role  waybill.Role
}

// causes are the causes that process and engine raise.
var causes = map[string]cause{
	"in_doubt":        {"Not known whether it was taken", "In doubt", "bad", "Look in the system whether it holds the document. Settle it with its number there, or retry it.", ""},
	"business_park":   {"The books are closed to it for now", "Waits for a condition", "warn", "It is tried again by itself. Open the period or lift the lock, then retry all to have it at once.", ""},
	"key_reuse":       {"A key came back with other content", "Alarm", "bad", "Compare what both hold before anything is sent again, then settle or skip it.", ""},
	"ack_overdue":     {"Taken, and not acknowledged in time", "Late", "warn", "Ask the system. Waybill keeps asking too.", ""},
	"cannot_render":   {"A document can't be written", "Mapping", "bad", "Correct what it lacks, then retry all.", ""},
	"line_rejected":   {"Lines rejected", "Refused", "bad", "Repair the line and change the order, or cancel the line. The other lines went on.", ""},
	"limbo_expired":   {"Reported for something nobody knows", "Limbo", "warn", "Find out why what it names never came. It is taken in as soon as it does.", ""},
	"unknown_unit":    {"Unit not known", "Master data", "warn", "Correct the unit at its source, or keep the item's units where it is mastered.", ""},
	"unreadable_fact": {"A report can't be read", "Mapping", "bad", "Have it sent again in a newer version.", ""},

	"version_conflict":      {"Two contents for one version", "Conflict", "warn", "Ask the sender which is right and have it sent as a newer version.", ""},
	"order_read_again":      {"An order reads otherwise than it was sent", "Replay", "warn", "See what the systems hold, and have a newer version of the order sent.", ""},
	"shipment_number_taken": {"One shipment number, two systems", "Conflict", "bad", "Have one of them number its shipments apart and send it again.", ""},
	"change_contradicted":   {"A change was applied and then refused", "Conflict", "bad", "Ask the warehouse by which quantities it works, and enter the difference.", waybill.RoleWMS},
	"warehouse_cancelled":   {"Cancelled by the warehouse alone", "Conflict", "warn", "Cancel for the buyer too, or have it shipped from elsewhere.", waybill.RoleWMS},

	"over_shipped":         {"More shipped than ordered", "Quantity", "bad", "Settle it to invoice the excess, or arrange its return.", waybill.RoleWMS},
	"posted_over_shipped":  {"More posted than shipped", "Quantity", "bad", "See which reversal is missing in the ERP.", waybill.RoleERP},
	"invoiced_over_posted": {"More invoiced than posted", "Quantity", "bad", "See which invoice the ERP made by itself. Credit it, or post the shipment.", waybill.RoleERP},
	"split_ship_complete":  {"A complete order shipped in parts", "Promise", "warn", "Tell the buyer, and ask the warehouse for the rest.", waybill.RoleWMS},
	"no_supplier":          {"Drop-ship order without a supplier", "Set-up", "bad", "Order the goods from the supplier. Its shipment is taken in as a warehouse's.", waybill.RoleSupplier},

	"no_warehouse":           {"Lines that no route sends to a warehouse", "Set-up", "bad", "Add a route that fits, or a warehouse for the rest.", waybill.RoleWMS},
	"warehouses_disagree":    {"Warehouses work by different versions", "Conflict", "bad", "Ask the warehouse by which quantities it works, and enter the difference.", waybill.RoleWMS},
	"returned_over_shipped":  {"More came back than shipped", "Quantity", "bad", "See whether a shipment was never reported, or the return is of another order.", waybill.RoleWMS},
	"credited_over_invoiced": {"More credited than invoiced", "Quantity", "bad", "See which credit the ERP made by itself, and bill the difference there.", waybill.RoleERP},
	"credited_over_returned": {"More credited than came back", "Quantity", "bad", "Bill the difference in the ERP, or have the return corrected.", waybill.RoleERP},
	"captured_over_shipped":  {"More captured than shipped", "Quantity", "bad", "Refund the difference in the channel.", waybill.RoleChannel},

	"recall_refused":     {"A warehouse order that can't be taken back", "Undone", "bad", "Have the warehouse stop it by hand, or let it ship.", waybill.RoleWMS},
	"undone_order_afoot": {"Goods move for an order that was taken back", "Undone", "bad", "Compensate the warehouse order too, or recheck the order.", waybill.RoleERP},

	"ownership_proposal": {"Values proposed by who does not own them", "Ownership", "warn", "Take each or decline it. What is taken has to be entered in its system of record too.", ""},
	"ownership_refused":  {"Values written by who does not own them", "Ownership", "warn", "Enter what is right where it is owned, and stop the other system from sending it.", ""},
	"ownership_flagged":  {"Values in force that their owner does not have", "Ownership", "warn", "Enter them in their system of record too, or correct them where they came from.", ""},

	"unmapped":      {"Named by a system, and not mapped", "Mapping", "warn", "Say on the page Mapping what each means. One mapping releases everything that waits for it.", ""},
	"order_awaited": {"Counted in packs of an unknown order", "Mapping", "warn", "Ask the channel for the order. What it says of it is taken in as soon as it comes.", ""},

	"unmatched_return": {"Returns without an order", "Unmatched", "warn", "Find each one's order by the goods or the sender, and match them.", waybill.RoleReturns},

	"message_quarantined":   {"Messages not understood", "Quarantine", "bad", "Correct the mapping and replay them, or have them sent again.", ""},
	"message_conflict":      {"One message id, two bodies", "Conflict", "warn", "Ask the sender which body is right. It has to come under a new id.", ""},
	"poison_answer":         {"An answer could not be decided on", "Fault", "bad", "Report it with the delivery; what should follow from the answer has not happened.", ""},
	"waybill_set_aside":     {"An order could not be worked on", "Fault", "bad", "Run waybill verify and report what it says of the order.", ""},
	"invoiced_over_ordered": {"More invoiced than ordered", "Quantity", "bad", "See which invoice has to be credited in the ERP.", waybill.RoleERP},
	"poison_message":        {"A message that can't be decided on", "Fault", "bad", "Report it with the message. Nothing of it was applied.", ""},

	"delayed_ack":    {"Sent by EDI, and not acknowledged in time", "Late", "warn", "Ask the partner whether it has the interchange. Retry sends the same bytes with the same number.", ""},
	"proof_mismatch": {"Notice, cartons and invoice disagree", "Proof", "bad", "Have what is wrong reported anew, then retry all.", waybill.RoleChannel},
	"edi_rejected":   {"EDI messages rejected or taken with errors", "EDI", "bad", "The sender is told. Agree on the correction and have it sent again.", ""},
	"edi_not_taken":  {"EDI messages that nothing followed from", "EDI", "warn", "Correct the partner's file or ask the sender, then replay the message.", ""},

	"pickup_failed": {"A folder of files can't be used", "Reading", "bad", "Mend what each names. The folder is looked at again by itself.", ""},
	"batch_failed":  {"A file can't be written", "Writing", "bad", "Mend what each names. It is tried again by itself.", ""},
	"poll_failed":   {"A system can't be asked what changed", "Reading", "bad", "Mend what each names. The system is asked again by itself.", ""},

	"target_unauthorized":  {"Credential refused", "System paused", "bad", "Correct the credential. Waybill goes on by itself when the system takes it.", ""},
	"target_misconfigured": {"The address answers, but not as the system", "System paused", "bad", "Correct its address or what stands before it, then reload or resume.", ""},
	"target_refusals":      {"Everything is refused for one reason", "System paused", "bad", "Correct what every document is refused for, then resume the system.", ""},
	"target_rewind":        {"The system's books were set back", "System paused", "bad", "Reconcile it: postings are lost there. Then resume the system.", ""},
	"clock_skew":           {"Clocks differ", "Clock", "warn", "Set the clocks of both machines by NTP.", ""},
}

// roleOf says which system holds a kind of document.
func roleOf(k waybill.Kind) waybill.Role {
	switch k {
	case waybill.OrderCheck, waybill.SalesOrder, waybill.SalesOrderChange, waybill.SalesOrderCancel, waybill.ShipmentPosting,
		waybill.ShipmentReversal, waybill.Invoice, waybill.CreditMemo, waybill.PaymentReceipt, waybill.InventoryAdjustment,
		waybill.ReceiptPosting:
		return waybill.RoleERP
	case waybill.WarehouseOrder, waybill.WarehouseOrderChange, waybill.WarehouseOrderCancel:
		return waybill.RoleWMS
	case waybill.PurchaseOrder:
		return waybill.RoleSupplier
	}
	return waybill.RoleChannel
}

// refusable are the kinds that an order's flow sends, the longer names first,
// so that a cause is split at the right place.
var refusable = []waybill.Kind{
	waybill.WarehouseOrderChange, waybill.WarehouseOrderCancel, waybill.WarehouseOrder, waybill.SalesOrderChange,
	waybill.SalesOrderCancel, waybill.SalesOrder, waybill.OrderCheck, waybill.OrderAcknowledgment, waybill.ShipmentPosting,
	waybill.ShipmentReversal, waybill.Invoice, waybill.CreditMemo, waybill.PaymentReceipt, waybill.PaymentCapture,
	waybill.FulfilmentUpdate, waybill.Fulfilment, waybill.BackorderNotice, waybill.RefundNotice, waybill.ChangeAnswer,
	waybill.CancellationAnswer, waybill.PurchaseOrder, waybill.InventoryAdjustment, waybill.ReceiptPosting, waybill.InventoryAvailability,
}

// refusalNext says what repairs the refusals that every system knows.
var refusalNext = map[string]string{
	"item_unknown":     "Add the item there or map it, then retry all.",
	"customer_unknown": "Add the customer there or map it, then retry all.",
	"unknown_item":     "Add the item there or map it, then retry all.",
	"unknown_customer": "Add the customer there or map it, then retry all.",
}

// causeOf is what a cause's machine name stands for. A name that is not known
// is shown in its own words.
func causeOf(name string) cause {
	if c, known := causes[name]; known {
		return c
	}
	if milestone, late := strings.CutPrefix(name, "late_"); late {
		return cause{"Late: " + words(milestone), "Milestone missed", "warn", "Open each order: its lanes show what it waits for.", ""}
	}
	if refusal, ok := strings.CutPrefix(name, "refused_"); ok {
		for _, kind := range refusable {
			if code, of := strings.CutPrefix(refusal, string(kind)+"_"); of {
				next := refusalNext[code]
				if next == "" {
					next = "Repair the cause, then retry all."
				}
				return cause{sentence(string(kind)) + " refused: " + words(code), "Refused", "bad", next, roleOf(kind)}
			}
		}
		return cause{"Refused: " + words(refusal), "Refused", "bad", "Repair the cause, then retry all.", ""}
	}
	return cause{title: sentence(name), class: "Needs a person", tone: "warn"}
}

// detail is a cause's class with the system it is about, where only one can be
// meant.
func (d *Desk) detail(c cause, system string) string {
	if system == "" && c.role != "" {
		for _, s := range *d.systems.Load() {
			if s.Role == c.role {
				if system != "" { // several have the role
					return c.class
				}
				system = s.Name
			}
		}
	}
	if system == "" {
		return c.class
	}
	return c.class + ", " + system
}
