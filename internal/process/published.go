package process

import "github.com/waybillhq/waybill"

// EventData is an empty value of the data of one of Waybill's own events, for
// its published schema; nil for every other type.
func EventData(t waybill.EventType) any {
	switch t {
	case waybill.DocumentAttempted:
		return Attempted{}
	case waybill.DocumentSettled:
		return Settled{}
	case waybill.CommandGiven:
		return Command{}
	case waybill.TimerFired:
		return Fired{}
	case waybill.EntityTouched:
		return Touched{}
	case waybill.ItemKnown:
		return Item{}
	case waybill.DuplicateFound:
		return Duplicate{}
	case waybill.StockAllotted:
		return Allotted{}
	case waybill.ReferenceUnmapped, waybill.ReferenceMapped:
		return Unmapped{}
	case waybill.ReturnMatched:
		return Matched{}
	case waybill.InterchangeReceived:
		return waybill.Interchange{}
	}
	return nil
}

// DocumentData is an empty value of what [Compose] writes as the data of a
// kind, for its published schema; nil for kinds that it does not compose.
func DocumentData(k waybill.Kind) any {
	switch k {
	case waybill.OrderCheck, waybill.SalesOrder, waybill.SalesOrderChange,
		waybill.WarehouseOrder, waybill.WarehouseOrderChange, waybill.WarehouseOrderCancel, waybill.PurchaseOrder:
		return header{}
	case waybill.SalesOrderCancel:
		return requestData{}
	case waybill.OrderAcknowledgment:
		return ackData{}
	case waybill.ChangeAnswer:
		return changeAnswer{}
	case waybill.CancellationAnswer:
		return cancelAnswer{}
	case waybill.Fulfilment, waybill.FulfilmentUpdate, waybill.ShipmentPosting, waybill.ShipmentReversal:
		return shipmentData{}
	case waybill.Invoice, waybill.CreditMemo:
		return billData{}
	case waybill.InvoiceNotice:
		return invoiceNotice{}
	case waybill.FunctionalAcknowledgment:
		return acknowledgment{}
	case waybill.BackorderNotice:
		return notice{}
	case waybill.PaymentCapture, waybill.PaymentReceipt:
		return paymentData{}
	case waybill.ReturnAuthorization, waybill.ReturnAdvice, waybill.RefundNotice:
		return returnData{}
	case waybill.InventoryAdjustment, waybill.ReceiptPosting, waybill.InventoryAvailability:
		return stockData{}
	}
	return nil
}
