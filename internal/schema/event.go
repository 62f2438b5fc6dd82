package schema

import (
	"fmt"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector/fact"
	"github.com/waybillhq/waybill/internal/process"
)

// event is what the types don't say of an event type.
type event struct {
	title string
	rules []rule // of its data
	extra Object // merged into the schema of its data
}

// own lists Waybill's own events. They are stored, and never pushed.
var own = map[waybill.EventType]event{
	waybill.DocumentAttempted: {title: "A document's first attempt was committed; its content is fixed from here on", rules: []rule{
		must("key", formID, "the document's key"), may("seq", formVersion, "its position in its lane")}},
	waybill.DocumentSettled: {title: "A system's answer to a document, or an operator's in its place", rules: []rule{
		must("key", formID, "the document's key"),
		must("outcome", oneOf(process.OutcomeDone, process.OutcomePartial, process.OutcomePending, process.OutcomeRefused,
			process.OutcomeSkipped, process.OutcomeAbsent), "how it was settled"),
		may("by", formText, "the operator; absent: the target itself")}},
	waybill.CommandGiven: {title: "An operator's command to an order", rules: []rule{
		must("command", formWord, "what to do"), may("reason", formText, "why, in the operator's words"),
		may("actor", formText, "who said so")}},
	waybill.TimerFired: {title: "A durable timer came due", rules: []rule{must("name", formWord, "the timer's name in its waybill")}},
	waybill.EntityTouched: {title: "A customer, item or payment that an order waits for changed", rules: []rule{
		must("kind", formWord, "customer, item or payment"), must("id", formWord, "its id")}},
	waybill.StockAllotted: {title: "A position covers backordered lines, which are released", rules: []rule{
		must("position", formWord, "the event of the position"), must("warehouse", formText, "the position's"), must("lines", formList, "")}},
	waybill.ItemKnown: {title: "An item's units are known; quantities are counted in its base unit", rules: []rule{
		must("sku", formID, ""), must("base_uom", formWord, "the unit that quantities are kept in"),
		may("kit", formObject, "what one base unit is made up of; counts before the order is accepted")}},
	waybill.DuplicateFound: {title: "Another open order of the buyer has the same purchase order number", rules: []rule{
		must("order", formID, "the other order")}},
	waybill.ReferenceUnmapped: {title: "A version of an order names something that nobody has mapped; the order is held", rules: unmappedRules},
	waybill.ReferenceMapped:   {title: "What an order waited for has a meaning", rules: unmappedRules},
	waybill.InterchangeReceived: {title: "An EDI interchange came in: what became of it and what its sender is owed", rules: []rule{
		must("interchange", formWord, "unique per source"), must("standard", formWord, "X12"), must("control", formText, "its control number, as it came"),
		must("sender", formText, "qualifier/id"), must("receiver", formText, "qualifier/id"),
		must("status", oneOf("accepted", "accepted_with_errors", "rejected"), ""), may("test", formFlag, "it is marked as a test"),
		may("problem", formText, "what is wrong with its envelope"), may("received", formVersion, "messages in it, acknowledgments not counted"),
		may("messages", formList, "those that were not accepted as they are, or of which nothing was taken"),
		may("answers", formList, "acknowledgments, without control numbers of their own")}},
	waybill.ReturnMatched: {title: "A return without an order was matched to the order that it is of", rules: []rule{
		must("order", formID, "the order that it is of"), may("by", formText, "the operator; absent: what the return or the order names"),
		may("why", formText, "the operator's reason")}},
}

// unmappedRules are those of reference.unmapped and reference.mapped.
var unmappedRules = []rule{
	must("event", formID, "the event that waits, or waited"), must("references", formList, ""),
	must("references[].reference", formText, "kind, company, system, scope and value, with slashes between"),
	may("references[].line", formID, "the line that names it"), must("references[].reason", formText, "what is wrong, in words"),
}

// facts is the table of W3 and of what is only read (T6).
var facts = map[waybill.EventType]event{
	waybill.OrderPlaced:          {title: "An order was placed", rules: orderRules(1), extra: orderConditions()},
	waybill.OrderChanged:         {title: "An order changed: the whole order as it is now", rules: orderRules(0), extra: orderConditions()},
	waybill.OrderCancelRequested: {title: "A buyer asks to cancel an order or some of its lines", rules: cancelRules},
	waybill.ReturnRequested:      {title: "A buyer asks to send goods back", rules: returnRules(true)},
	waybill.ReturnReceived: {title: "A warehouse received goods that came back", rules: returnRules(false),
		extra: Object{"properties": Object{"lines": Object{"items": Object{"anyOf": []any{
			Object{"required": []any{"line"}}, Object{"required": []any{"sku"}}}}}}}},

	waybill.WarehouseOrderAccepted:      {title: "A warehouse took a warehouse order", rules: warehouseOrderRules},
	waybill.WarehouseOrderChanged:       {title: "A warehouse made the change it was asked for", rules: warehouseOrderRules},
	waybill.WarehouseOrderChangeRefused: {title: "A warehouse refuses a change", rules: warehouseOrderRules},
	waybill.WarehouseOrderCancelled:     {title: "A warehouse cancelled a warehouse order or some of its lines", rules: warehouseOrderRules},
	waybill.WarehouseOrderCancelRefused: {title: "A warehouse refuses a cancellation", rules: warehouseOrderRules},
	waybill.WarehouseOrderClosed:        {title: "A warehouse closed a warehouse order; nothing more comes of it", rules: warehouseOrderRules},

	waybill.AllocationConfirmed: {title: "Stock was set aside for lines of an order", rules: progressRules},
	waybill.PickConfirmed:       {title: "Lines of an order were picked", rules: progressRules},
	waybill.PackConfirmed:       {title: "Lines of an order were packed", rules: progressRules},
	waybill.ShipmentConfirmed:   {title: "Goods left the building: one event per order of a shipment", rules: shipmentRules},
	waybill.ShipmentDelivered: {title: "A shipment reached the consignee", rules: []rule{
		must("shipment", formID, "the shipment's number"), must("delivered_at", formTime, ""), may("order", formID, orderDoc), version}},

	waybill.InventoryAdjusted: {title: "A warehouse corrected an item's stock", rules: []rule{
		must("document", formID, "the warehouse's own number for the adjustment"), must("sku", formID, ""), must("warehouse", formID, ""),
		must("qty", formDecimal, "the difference, signed"), must("reason", formWord, "why the stock differs"), version}},
	waybill.InventorySnapshot: {title: "All stock of a warehouse at one moment", rules: []rule{
		must("warehouse", formID, ""), must("as_of", formTime, ""), must("lines", formList, ""), must("lines[].sku", formID, ""),
		must("lines[].qty", formDecimal, "the position; below zero is oversold"),
		may("lines[].state", formText, "the warehouse's word for what can be done with it"), version}},
	waybill.ReceiptConfirmed: {title: "A warehouse received goods", rules: movementRules},
	waybill.TransferShipped:  {title: "A transfer between warehouses left", rules: movementRules},
	waybill.TransferReceived: {title: "A transfer between warehouses arrived", rules: movementRules},

	waybill.ItemChanged: {title: "An item as its system of record describes it", rules: []rule{
		must("sku", formID, ""), may("base_uom", formWord, "the unit that its quantities are kept in"),
		may("uoms", formList, "the units it is traded in"), may("uoms[].uom", formWord, ""),
		may("uoms[].ratio", formAmount, "base units in one of it"), may("status", formText, ""),
		may("kit", formObject, "what one base unit is made up of, and when it is invoiced"), entityVersion}},
	waybill.CustomerChanged: {title: "A customer as its system of record describes it", rules: []rule{
		must("customer", formID, ""), may("credit_limit", formDecimal, ""), may("terms", formText, "terms of payment"),
		may("status", formText, ""), entityVersion}},
	waybill.PriceChanged: {title: "A price of an item, for one customer or for all", rules: []rule{
		must("sku", formID, ""), may("customer", formID, "absent: for all"), may("price", formDecimal, ""),
		may("currency", formCurrency, "ISO 4217"), may("uom", formWord, "the unit it is for"), entityVersion}},
	waybill.InventoryPosition: {title: "What of an item is available in a warehouse", rules: []rule{
		must("sku", formID, ""), must("warehouse", formID, ""), must("available", formDecimal, "absolute; below zero is oversold"),
		may("as_of", formTime, ""), entityVersion}},
	waybill.WarehouseChanged: {title: "A warehouse as its system of record describes it", rules: []rule{
		must("warehouse", formID, ""), may("zone", formText, "IANA time zone"), entityVersion}},

	waybill.InvoicePosted: {title: "The ERP posted an invoice, over one order or many", rules: postingRules, extra: postingConditions()},
	waybill.CreditPosted:  {title: "The ERP posted a credit, over one order or many", rules: postingRules, extra: postingConditions()},
	waybill.InvoicePaid: {title: "An invoice was paid, whole or in part", rules: []rule{
		must("order", formID, orderDoc), must("invoice", formID, ""), may("payment", formID, "the payment's own number"), may("customer", formID, ""),
		must("amount", formDecimal, ""), must("currency", formCurrency, "ISO 4217"), must("paid_at", formTime, ""), version}},

	waybill.DocumentApplied: {title: "A target applied a document that it had taken (202)", rules: reportRules},
	waybill.DocumentRejected: {title: "A target rejected a document that it had taken (202)", rules: append([]rule{
		may("problem", formObject, "why, as problem+json (RFC 9457)")}, reportRules...)},
}

const (
	orderDoc = "the order, as documents named it"
	ownDoc   = "the fact's own quantity, never a running total"
)

var (
	version       = may("version", formVersion, "rises per subject; absent: 1")
	entityVersion = may("version", formVersion, "rises per entity; absent: the time of the message")
)

// orderRules are those of order.placed and order.changed; an order is placed
// with at least one line, and cancelled by changing it to none.
func orderRules(lines int) []rule {
	return []rule{
		must("order", formWord, "the channel's own number of the order"), must("customer", formID, "the buyer, as the ERP knows it"),
		must("currency", formCurrency, "ISO 4217"), must("ship_to", formAny, "where the goods go"),
		must("lines", Object{"type": "array", "minItems": lines}, "every line that the order has in this version"),
		must("lines[].line", formID, "the line's identity for ever"), may("lines[].sku", formID, "the item; every stock line has one"),
		must("lines[].qty", formAmount, "in uom; in order.changed, 0 cancels the line"), may("lines[].uom", formWord, "UN/ECE Rec 20 or the usual alias; every stock line has one"),
		may("lines[].price", formDecimal, "per uom, in the order's currency"),
		may("lines[].kind", oneOf(waybill.LineStock, waybill.LineFreight, waybill.LineFee, waybill.LineService, waybill.LineDeposit, waybill.LineKit), "absent: stock"),
		may("lines[].kit", formObject, "what one of the line's unit is made up of, and when it is invoiced"),
		may("lines[].customer_sku", formText, "the buyer's own number of the item"),
		may("type", oneOf(waybill.OrderStandard, waybill.OrderTransfer, waybill.OrderSample, waybill.OrderReplacement,
			waybill.OrderDropShip, waybill.OrderRelease), "absent: standard"),
		may("company", formText, "the books it belongs to"), may("po", formText, "the buyer's purchase order"), may("terms", formText, "terms of payment"),
		may("requested_ship", formDate, "not before this day, in the company's zone"), may("cancel_after", formDate, "in the company's zone"),
		may("ship_complete", formFlag, "all in one shipment, or wait"), may("charges", formList, "amounts that belong to no line"),
		must("charges[].code", formWord, "freight, discount, …"), may("tax", formDecimal, "of the whole order"), version,
		may("channel_order", formText, "the channel's own number, where order is Waybill's name of it"),
	}
}

// orderConditions are what depends on another field: goods have an item and a
// unit; what is invoiced has a price.
func orderConditions() Object {
	unbilled := []any{string(waybill.OrderTransfer), string(waybill.OrderSample), string(waybill.OrderReplacement)}
	goods := Object{
		"if":   Object{"properties": Object{"kind": Object{"const": string(waybill.LineStock)}}},
		"then": Object{"required": []any{"sku", "uom"}},
	}
	return Object{
		"properties": Object{"lines": Object{"items": goods}},
		"if":         Object{"required": []any{"type"}, "properties": Object{"type": Object{"enum": unbilled}}},
		"else":       Object{"properties": Object{"lines": Object{"items": Object{"required": []any{"price"}}}}},
	}
}

var cancelRules = []rule{
	must("order", formWord, "the channel's own number of the order"), may("request", formID, "the request's own number"),
	may("lines", formList, "absent: all that is open"), must("lines[].line", formID, ""), must("lines[].qty", formAmount, "how much of it"), version,
}

// returnRules are those of returns: a buyer names order lines, a warehouse
// lines or items.
func returnRules(requested bool) []rule {
	rules := []rule{
		must("return", formID, "the return's number"), may("order", formWord, "absent: it waits to be matched"), must("lines", formList, ""),
		must("lines[].qty", formAmount, ""), may("lines[].sku", formID, ""), may("lines[].reason", formText, ""), version,
	}
	if requested {
		return append(rules, must("lines[].line", formID, "of the order"))
	}
	return append(rules, may("order", formID, orderDoc+"; absent: it waits to be matched"), may("lines[].line", formID, "of the order, where it is known"),
		may("lines[].disposition", formText, "what became of it: restock, scrap, …"))
}

var warehouseOrderRules = []rule{
	must("order", formID, orderDoc), must("warehouse_order", formID, "the document's key, or the ref that its receipt gave"),
	may("lines", formList, "absent: all that has not shipped"), must("lines[].line", formID, ""), must("lines[].qty", formAmount, ownDoc),
	may("reason", formText, "in words"), version,
}

var progressRules = []rule{
	must("order", formID, orderDoc), must("document", formID, "the warehouse's own number for the step: a wave, a pick list"),
	must("lines", formList, ""), must("lines[].line", formID, ""), must("lines[].qty", formAmount, ownDoc), version,
}

var shipmentRules = []rule{
	must("order", formID, orderDoc), must("shipment", formID, "the shipment's number"),
	must("shipped_at", formTime, "when it left, on the source's clock"), must("lines", formList, ""),
	must("lines[].line", formID, "the line that was ordered"), must("lines[].qty", formAmount, ownDoc),
	may("lines[].sku", formID, "the substitute, where another item went"), may("lines[].uom", formWord, "absent: the order line's"),
	may("lines[].lots", formList, ""), may("lines[].lots[].lot", formWord, ""), may("lines[].lots[].expiry", formDate, ""),
	may("lines[].lots[].qty", formAmount, ""), may("lines[].serials", Object{"type": "array", "items": formWord}, ""),
	may("lines[].weight", formAmount, "measured, of catch weight items"),
	may("mode", oneOf("parcel", "ltl", "own_truck", "pickup"), ""), may("carrier", formText, ""), may("service", formText, "the carrier's product"),
	may("packages", formList, ""), may("packages[].tracking", formText, ""),
	may("packages[].sscc", Object{"type": "string", "pattern": "^[0-9]{18}$"}, "GS1 Serial Shipping Container Code"),
	may("bol", formText, "bill of lading"), may("pro", formText, "the carrier's freight bill"), may("load", formText, "the load it is part of"),
	may("freight", formAmount, "to be billed"), may("final", formFlag, "nothing more comes from this system for the order"), version,
}

var movementRules = []rule{
	must("document", formID, "the warehouse's own number"), must("warehouse", formID, ""), must("lines", formList, ""),
	must("lines[].sku", formID, ""), must("lines[].qty", formAmount, ""), version,
}

var postingRules = []rule{
	must("invoice", formID, "the ERP's number"), must("total", formDecimal, ""), must("currency", formCurrency, "ISO 4217"),
	may("order", formID, "of all lines that name none"), must("lines", formList, ""), may("lines[].order", formID, ""),
	must("lines[].line", formID, ""), must("lines[].qty", formAmount, ""), must("lines[].amount", formDecimal, ""), version,
}

// postingConditions: where the whole names no order, each line does.
func postingConditions() Object {
	return Object{
		"if":   Object{"required": []any{"order"}},
		"else": Object{"properties": Object{"lines": Object{"minItems": 1, "items": Object{"required": []any{"order"}}}}},
	}
}

var reportRules = []rule{
	must("key", formID, "the document's key"), may("control", formVersion, "the control number that it was written with"),
	may("order", formID, "the order that a shipment answered it for"), may("kind", formWord, "its kind, with order"),
	may("ref", formText, "the target's own number"), may("n", Object{"type": "integer"}, "position in its journal"),
	version,
}

// dataOf is the schema of the data of an event type.
func dataOf(t waybill.EventType) (Object, error) {
	e, isFact := facts[t]
	body := process.EventData(t)
	if isFact {
		var err error
		if body, err = fact.DecodeBytes([]byte("{}"), t); err != nil {
			return nil, fmt.Errorf("the type of %s: %w", t, err)
		}
	} else {
		e = own[t]
	}
	data := shapeOf(body)
	if err := apply(data, e.rules); err != nil {
		return nil, fmt.Errorf("%s: %w", t, err)
	}
	mergeInto(data, e.extra)
	return data, nil
}

// reporters are the roles that report a type (W3).
func reporters(t waybill.EventType) []string {
	var roles []string
	for _, r := range waybill.Roles() {
		if (fact.Source{Role: r}).MayReport(t) == nil {
			roles = append(roles, string(r))
		}
	}
	return roles
}
