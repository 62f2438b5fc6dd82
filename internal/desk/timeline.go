package desk

import (
	"fmt"
	"strconv"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/tower"
	"github.com/waybillhq/waybill/internal/trace"
)

// stages are the stages that reports from the floor move.
var stages = map[waybill.EventType]waybill.Stage{
	waybill.AllocationConfirmed: waybill.Allocated, waybill.PickConfirmed: waybill.Picked, waybill.PackConfirmed: waybill.Packed,
	waybill.ShipmentConfirmed: waybill.Shipped, waybill.ShipmentDelivered: waybill.Delivered,
	waybill.InvoicePosted: waybill.Invoiced, waybill.ReturnReceived: waybill.Returned, waybill.CreditPosted: waybill.Credited,
}

// shorts are the two words beside an arrow, by the type of event or the kind of
// document.
var shorts = map[string]string{
	string(waybill.OrderPlaced): "order", string(waybill.OrderChanged): "change", string(waybill.OrderCancelRequested): "cancel",
	string(waybill.ReturnRequested): "return", string(waybill.ShipmentDelivered): "delivered", string(waybill.ReturnReceived): "returned",
	string(waybill.ShipmentConfirmed): "shipped", string(waybill.PickConfirmed): "picked", string(waybill.PackConfirmed): "packed",
	string(waybill.AllocationConfirmed): "allocated", string(waybill.InvoicePosted): "invoiced", string(waybill.CreditPosted): "credited",
	string(waybill.OrderCheck): "check", string(waybill.SalesOrder): "sales order", string(waybill.SalesOrderChange): "change",
	string(waybill.SalesOrderCancel): "cancel", string(waybill.WarehouseOrder): "warehouse order",
	string(waybill.WarehouseOrderChange): "change", string(waybill.WarehouseOrderCancel): "cancel",
	string(waybill.OrderAcknowledgment): "ack", string(waybill.ChangeAnswer): "answer", string(waybill.CancellationAnswer): "answer",
	string(waybill.Fulfilment): "fulfilled", string(waybill.FulfilmentUpdate): "update", string(waybill.BackorderNotice): "backorder",
	string(waybill.ShipmentPosting): "post", string(waybill.ShipmentReversal): "reverse", string(waybill.Invoice): "invoice",
	string(waybill.CreditMemo): "credit", string(waybill.PaymentCapture): "capture", string(waybill.PaymentReceipt): "payment",
}

// timeline says an order's story in the words of the pages, oldest first.
func (d *Desk) timeline(entries []trace.Entry, deliveries []trace.Delivery) []tower.Entry {
	sent := make(map[string]trace.Delivery, len(deliveries))
	for _, x := range deliveries {
		sent[x.Key] = x
	}
	tries := map[string]int{}
	out := make([]tower.Entry, 0, len(entries))
	for _, e := range entries {
		one := tower.Entry{At: e.At, Clock: e.Clock, System: e.System, Role: d.role(e.System), Title: e.Title,
			Detail: e.Detail, State: e.State, Message: messageID(e.Message), Key: e.Key, Attempts: e.Attempts}
		number := strconv.FormatInt(e.Event, 10)
		switch e.Kind {
		case trace.Decision:
			one.Kind, one.ID = tower.Decision, "decision-"+number
		case trace.Receipt:
			one.Kind, one.ID = tower.Receipt, "receipt-"+number
		case trace.Sent:
			one.Kind, one.ID, one.Short = tower.Sent, e.Key, shorts[e.Type]
			one.Message = sentMessage(sent[e.Key])
		case trace.Attempt:
			// The first entry of the delivery has its state; this one only says
			// when it went again and what came of it.
			tries[e.Key]++
			one.Kind, one.ID = tower.Sent, fmt.Sprintf("%s-%d", e.Key, tries[e.Key]+1)
			one.State, one.Attempts, one.Detail = "", 0, joined(": ", words(e.State), e.Detail)
		default:
			one.Kind, one.ID, one.Short = tower.Event, "event-"+number, shorts[e.Type]
			if stage, moves := stages[waybill.EventType(e.Type)]; moves && e.State == "applied" {
				one.Stage = stage.String()
			}
		}
		out = append(out, one)
	}
	return out
}
