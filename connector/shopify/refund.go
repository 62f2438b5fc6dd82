package shopify

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// refund is the body of refunds/create, and a part of an order.
type refund struct {
	ID        jsontext.Value `json:"id"`
	GID       string         `json:"admin_graphql_api_id"`
	OrderID   jsontext.Value `json:"order_id"`
	CreatedAt string         `json:"created_at"`
	Note      string         `json:"note"`
	Lines     []refundLine   `json:"refund_line_items"`
	DutiesSet skipped        `json:"total_duties_set"`
	Unknown   jsontext.Value `json:",embed"`
}

type refundLine struct {
	LineItemID  jsontext.Value `json:"line_item_id"`
	Quantity    int64          `json:"quantity"`
	RestockType string         `json:"restock_type"`
	LineItem    struct {
		GID string `json:"admin_graphql_api_id"`
	} `json:"line_item"`
}

// translateRefund reads what a refund does to the goods; its money stays with
// the shop. Units restocked as cancelled were not shipped and are asked to be
// withdrawn; units restocked as returned are announced to come back; units not
// restocked, and refunds without lines, are money only.
func (s *shop) translateRefund(system string, body []byte) ([]waybill.Event, error) {
	var r refund
	if err := decode(compact(body), &r); err != nil {
		return nil, err
	}
	id, own := ownID(r.GID, r.ID), ownID("", r.OrderID)
	switch {
	case id == "":
		return nil, untranslatable("/id", "the refund has no id")
	case own == "":
		return nil, untranslatable("/order_id", "the refund names no order")
	}
	at, err := parseTime("/created_at", r.CreatedAt)
	if err != nil {
		return nil, err
	}
	withdrawn, returned, err := r.goods()
	if err != nil {
		return nil, err
	}
	ref, request := waybill.OrderName(s.env.OrderPrefix, own), "refund-"+id
	unknown := object(len(r.Unknown)+256).text("channel_order", own).text("reason", r.Note).
		nested(restName, func(m members) members { return m.all(r.Unknown).text("created_at", r.CreatedAt) }).value()
	event := waybill.Event{Source: system, Flow: waybill.FlowSales, Ref: ref, Subject: request, Version: 1, OccurredAt: at}

	var events []waybill.Event
	if len(withdrawn) > 0 {
		asked := &waybill.CancelRequest{Order: ref, Request: request, Lines: withdrawn, Unknown: unknown}
		e := event
		e.Type, e.Data, e.Body = waybill.OrderCancelRequested, appendCancel(object(len(unknown)+256), asked).value(), asked
		events = append(events, e)
	}
	if len(returned) > 0 {
		e := event
		e.Type = waybill.ReturnRequested
		e.Data = objects(object(len(unknown)+256).text("order", ref).text("return", request), "lines", returned, appendQty).all(unknown).value()
		events = append(events, e)
	}
	return events, nil
}

// goods sorts the refund's lines by what becomes of the goods.
func (r *refund) goods() (withdrawn, returned []waybill.LineQty, err error) {
	for i := range r.Lines {
		l := &r.Lines[i]
		line := ownID(l.LineItem.GID, l.LineItemID)
		if line == "" {
			return nil, nil, untranslatable(fmt.Sprintf("/refund_line_items/%d/line_item_id", i), "the refund's line names no line of the order")
		}
		if l.Quantity <= 0 {
			return nil, nil, untranslatable(fmt.Sprintf("/refund_line_items/%d/quantity", i), fmt.Sprintf("%d pieces cannot be refunded", l.Quantity))
		}
		qty := waybill.LineQty{Line: line, Qty: waybill.NewDecimal(l.Quantity)}
		switch l.RestockType {
		case "cancel":
			withdrawn = append(withdrawn, qty)
		case "return":
			returned = append(returned, qty)
		case "no_restock":
		default:
			return nil, nil, untranslatable(fmt.Sprintf("/refund_line_items/%d/restock_type", i),
				fmt.Sprintf("%q does not say whether the goods were ever shipped; want cancel, return or no_restock", l.RestockType))
		}
	}
	return withdrawn, returned, nil
}
