// Package waybill is the dictionary of the control plane between a
// distributor's systems: orders, lines, shipments, invoices, the events that
// systems report, the documents that their books shall hold, and the receipts
// they answer with.
//
// Everything here is pure: values and rules without I/O, without a clock and
// without chance. The words are those of the field (APICS for the stages of an
// order, GS1 for numbers, ISO 4217 for money, UN/ECE Recommendation 20 for
// units); the wire shapes are those of the system contract, version 1.
//
// A newcomer starts with [Event] (what happened), [Document] (what a system's
// books shall hold once) and [Stage] (the quantities an order line goes
// through).
package waybill

// Role says what a system is for in the distributor's landscape. A system has
// exactly one role; which events it may report and which documents it takes
// follow from it.
type Role string

// The roles of a system.
const (
	RoleChannel  Role = "channel"  // where orders are placed: storefront, portal, EDI customer, inside sales
	RoleOMS      Role = "oms"      // order management
	RoleERP      Role = "erp"      // the books: system of record for customers, items, prices, posted documents
	RoleWMS      Role = "wms"      // warehouse or third-party logistics provider
	RoleCarrier  Role = "carrier"  // parcel or freight carrier, or an aggregator of them
	RoleTMS      Role = "tms"      // transport planning
	RoleSupplier Role = "supplier" // ships drop-ship orders
	RoleTax      Role = "tax"      // tax calculation
	RoleCRM      Role = "crm"      // customer relations
	RoleReturns  Role = "returns"  // returns portal
	RoleSink     Role = "sink"     // only listens
)

// Roles lists every role, in the order of the documentation.
func Roles() []Role {
	return []Role{RoleChannel, RoleOMS, RoleERP, RoleWMS, RoleCarrier, RoleTMS,
		RoleSupplier, RoleTax, RoleCRM, RoleReturns, RoleSink}
}

// FlowKind is the kind of a waybill: which flow its state describes.
type FlowKind string

// The kinds of waybill. An order is a sales flow; loads, invoice runs and
// master entities have flows, and so lanes, of their own.
const (
	FlowSales      FlowKind = "sales"
	FlowReturn     FlowKind = "return" // a blind return, without a known order
	FlowTransfer   FlowKind = "transfer"
	FlowPurchase   FlowKind = "purchase"
	FlowDropship   FlowKind = "dropship"
	FlowLoad       FlowKind = "load"
	FlowInvoiceRun FlowKind = "invoice_run"
	FlowReceipt    FlowKind = "receipt"
	FlowItem       FlowKind = "item"
	FlowCustomer   FlowKind = "customer"
	// FlowInterchange is an EDI interchange that came in, with what answers it.
	FlowInterchange FlowKind = "interchange"
)

// Lane names the ordered queue of a waybill, as the header Waybill-Lane and
// C3 show it: the order itself for orders, "~~kind~ref" for every other flow
// (system contract G4). No order begins with "~~", so the two never meet.
func Lane(kind FlowKind, ref string) string {
	switch kind {
	case FlowSales, FlowDropship, FlowPurchase:
		return ref
	case FlowInvoiceRun:
		return "~~invoice~" + ref
	default:
		return "~~" + string(kind) + "~" + ref
	}
}
