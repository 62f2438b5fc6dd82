package schema

import (
	"fmt"
	"slices"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/process"
)

// document is what the types don't say of a kind of document.
type document struct {
	version int // 0 means 1
	title   string
	qty     Object // form of its lines' quantities
	rules   []rule // of its data
}

// documents is the table of T1 and W4. The types of the data are those that
// the deciders compose; where they compose none yet, the rules describe it.
var documents = map[waybill.Kind]document{
	waybill.OrderCheck:       {title: "May the order be accepted? Answered with approval, reasons and prices", qty: formAmount},
	waybill.SalesOrder:       {title: "The order in the ERP's books", qty: formAmount},
	waybill.SalesOrderChange: {title: "The order's new totals; 0 cancels a line", qty: formAmount},
	waybill.SalesOrderCancel: {title: "Quantities of the order that are cancelled", qty: formAmount},
	waybill.PurchaseOrder:    {title: "A drop-ship order to the supplier that ships it", qty: formAmount},
	waybill.ReturnOrder:      {title: "A return that the ERP shall expect", qty: formAmount, rules: []rule{may("return", formID, "")}},
	waybill.WarehouseOrder:   {title: "What a warehouse shall pick, pack and ship", qty: formAmount, rules: toWarehouse},
	waybill.ShipmentPosting:  {title: "Goods that left, in the ERP's books", qty: formAmount, rules: ofShipment},
	waybill.ShipmentReversal: {title: "Less left than was posted: the difference", qty: formAmount, rules: ofShipment},
	waybill.Fulfilment:       {title: "A shipment, to the channel of its order", qty: formAmount, rules: ofShipment},
	waybill.FulfilmentUpdate: {title: "What a shipment is after its correction", qty: formAmount, rules: ofShipment},
	waybill.Invoice:          {title: "What is billed of a posting", qty: formAmount, rules: ofBill},
	waybill.InvoiceNotice: {title: "An invoice of the ERP's books, to the channel that is billed by us", qty: formAmount,
		rules: []rule{must("channel_order", formWord, channelDoc), must("invoice", formText, "the ERP's number"),
			must("charges", Object{"type": "array"}, "amounts that belong to no line"), must("tax", formDecimal, "of this document")}},
	waybill.FunctionalAcknowledgment: {title: "Whether an interchange was accepted, to its sender", qty: formAmount,
		rules: []rule{must("interchange", formWord, "that is answered"), must("set", formWord, "997, 999, TA1"), must("text", formText, "the acknowledgment")}},
	waybill.CreditMemo:       {title: "What is given back of an invoice", qty: formAmount, rules: ofBill},
	waybill.PaymentCapture:   {title: "A payment that the channel shall collect", qty: formAmount, rules: []rule{may("shipment", formID, "")}},
	waybill.PaymentReceipt:   {title: "A payment that was collected, in the ERP's books", qty: formAmount, rules: []rule{may("amount", formDecimal, "")}},
	waybill.BackorderNotice:  {title: "What of the order comes later", qty: formAmount, rules: []rule{must("warehouse_order", formID, "the one that was closed")}},
	waybill.RefundNotice:     {title: "What is refunded of a return", qty: formAmount, rules: ofReturn},
	waybill.ReturnAdvice:     {title: "A return that a warehouse shall expect", qty: formAmount, rules: ofReturn},
	waybill.ChangeAnswer:     {title: "Whether a change was made or came too late", qty: formAmount, rules: []rule{must("result", oneOf("accepted", "too_late"), "")}},
	waybill.ShippingLabel:    {title: "A label for a package", qty: formAmount},
	waybill.LabelVoid:        {title: "A label that is not used", qty: formAmount},
	waybill.TaxQuote:         {title: "What tax would an order bear?", qty: formAmount},
	waybill.TaxCommit:        {title: "A tax that is now owed", qty: formAmount},
	waybill.TaxVoid:          {title: "A tax that is no longer owed", qty: formAmount},
	waybill.ItemDocument:     {title: "An item, as its system of record describes it", qty: formAmount},
	waybill.CustomerDocument: {title: "A customer, as its system of record describes it", qty: formAmount},
	waybill.ReceiptPosting:   {title: "Goods that a warehouse received, in the ERP's books", qty: formAmount, rules: ofStock},
	waybill.OrderAcknowledgment: {title: "The order was accepted, to the channel that placed it", qty: formAmount,
		rules: []rule{must("channel_order", formWord, channelDoc)}},
	waybill.WarehouseOrderChange: {title: "New totals of a warehouse order", qty: formAmount, rules: toWarehouse},
	waybill.WarehouseOrderCancel: {title: "Quantities that a warehouse shall not ship", qty: formAmount, rules: toWarehouse},
	waybill.CancellationAnswer: {title: "What of a cancellation was made", qty: formAmount,
		rules: []rule{must("request", formWord, ""), must("result", oneOf("accepted", "partial", "too_late"), ""), must("lines", formList, "")}},
	waybill.ReturnAuthorization: {title: "A return is authorised, to the channel that asked", qty: formAmount, rules: ofReturn},
	waybill.InventoryAdjustment: {title: "A correction of stock, in the ERP's books", qty: formDecimal, rules: ofStock},
	waybill.InventoryAvailability: {title: "What of an item can be sold, to a channel; absolute", qty: formDecimal,
		rules: []rule{must("warehouse", formID, "")}},
}

const channelDoc = "the order's number as its channel knows it"

var (
	ofShipment = []rule{must("shipment", formWord, "the shipment's number"), must("packages", formList, "")}
	ofBill     = []rule{may("shipment", formWord, "the shipment that is billed"), must("charges", Object{"type": "array"}, "amounts that belong to no line"),
		must("tax", formDecimal, "of this document")}
	ofReturn    = []rule{must("return", formID, "the return's number")}
	ofStock     = []rule{must("document", formID, "the warehouse's own number"), must("warehouse", formID, "")}
	toWarehouse = []rule{must("warehouse_order", formID, "its key")}
)

// documentOf is the schema of T1's body for a kind.
func documentOf(k waybill.Kind) (Object, error) {
	d := documents[k]
	data := Object{"type": "object", "properties": Object{}}
	if typed := process.DocumentData(k); typed != nil {
		data = shapeOf(typed)
	}
	if err := apply(data, d.rules); err != nil {
		return nil, fmt.Errorf("%s, data: %w", k, err)
	}
	body := shapeOf(waybill.Document{})
	properties(body)["data"] = data
	err := apply(body, []rule{
		must("kind", Object{"const": string(k)}, ""), may("company", formText, "the books it belongs to"), must("order", formWord, "the order, or what its lane is named after"),
		may("version", formVersion, "of the subject"), must("key", formID, "the Idempotency-Key; equal on all attempts"),
		must("seq", formVersion, "position in its lane"), must("after", Object{"type": "integer", "minimum": 0}, "seq of the lane's last document that this system applied or took; 0: none"),
		must("revision", Object{"type": "integer", "minimum": 0}, "0, raised where a refused document is needed again"),
		may("supersedes", formID, "the document in whose place it comes"), may("compensates", formID, "the document that it takes back"),
		may("covers", formList, "where it serves several orders"), may("currency", formCurrency, "ISO 4217"),
		may("posting_date", formDate, "in the company's zone"), must("lines", formList, ""), must("lines[].line", formWord, ""),
		must("lines[].qty", d.qty, "in uom"), must("data", formAny, "what this kind says beside its lines"),
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", k, err)
	}
	return body, nil
}

// kinds lists the kinds of document, sorted.
func kinds() []waybill.Kind {
	list := make([]waybill.Kind, 0, len(documents))
	for k := range documents {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
