package sandbox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mutationRoot is Mutation. Every mutation checks everything before it
// changes anything; what is wrong comes back as user errors, as at Shopify.
type mutationRoot struct{ s *shop }

func (mutationRoot) typename() string { return "Mutation" }

func (r mutationRoot) field(name string, args map[string]any) any {
	switch name {
	case "fulfillmentCreate":
		return r.s.fulfillmentCreate(args)
	case "fulfillmentTrackingInfoUpdate":
		return r.s.trackingUpdate(args)
	case "fulfillmentCancel":
		return r.s.fulfillmentCancel(args)
	case "fulfillmentEventCreate":
		return r.s.eventCreate(args)
	case "orderCancel":
		return r.s.orderCancel(args)
	case "orderClose":
		return r.s.orderClose(args)
	case "orderUpdate":
		return r.s.orderUpdate(args)
	case "tagsAdd", "tagsRemove":
		return r.s.tags(name, args)
	case "metafieldsSet":
		return r.s.metafieldsSet(args)
	}
	return nil
}

// userError is an entry of userErrors.
type userError struct {
	field   []string
	message string
	code    string
}

// payload is a mutation's answer: its object under one name, and the errors.
// Both fields for errors that orderCancel has are filled.
func payload(kind, member string, result any, errs ...userError) gnode {
	return object{kind, func(name string, _ map[string]any) any {
		switch name {
		case "userErrors", "orderCancelUserErrors":
			list := make([]gnode, 0, len(errs))
			for _, e := range errs {
				list = append(list, e.node())
			}
			return list
		case member:
			return result
		}
		return nil
	}}
}

// node is UserError.
func (e userError) node() gnode {
	return object{"UserError", func(name string, _ map[string]any) any {
		switch name {
		case "field":
			if e.field == nil {
				return nil
			}
			return e.field
		case "message":
			return e.message
		}
		return orNull(e.code)
	}}
}

// fulfillmentCreate books a shipment against fulfilment orders.
func (s *shop) fulfillmentCreate(args map[string]any) gnode {
	const kind, member = "FulfillmentCreatePayload", "fulfillment"
	in, _ := args["fulfillment"].(map[string]any)
	groups, _ := in["lineItemsByFulfillmentOrder"].([]any)
	fail := func(format string, a ...any) gnode {
		return payload(kind, member, nil, userError{field: []string{"fulfillment"}, message: fmt.Sprintf(format, a...)})
	}
	if len(groups) == 0 {
		return fail("Line items by fulfillment order can't be blank")
	}
	var order *shopOrder
	var lines []fulfilledLine
	for _, g := range groups {
		group, _ := g.(map[string]any)
		o, _ := s.find(group["fulfillmentOrderId"], "FulfillmentOrder")
		switch {
		case o == nil:
			return fail("Fulfillment order does not exist.")
		case order != nil && o != order:
			return fail("All fulfillment orders must belong to the same order.")
		case !o.open():
			return fail("Fulfillment order %d has an unfulfillable status= %s.", idOf(fulfillmentOrdIDs, o.plan.index, 0), strings.ToLower(o.fulfillmentOrderStatus()))
		}
		order = o
		more, problem := o.wanted(group["fulfillmentOrderLineItems"])
		if problem != "" {
			return fail("%s", problem)
		}
		lines = append(lines, more...)
	}
	now := s.w.cfg.Now()
	f := fulfillment{lines: lines, made: now, updated: now}
	f.tracking = readTracking(in["trackingInfo"])
	f.notified, _ = in["notifyCustomer"].(bool)
	for _, l := range lines {
		order.lines[l.line].fulfilled += l.quantity
	}
	order.fulfillments = append(order.fulfillments, f)
	s.touch(order)
	if order.plan.back.pieces > 0 && !order.open() && !order.refunded {
		s.untold = append(s.untold, s.refund(order))
	}
	return payload(kind, member, orderNode{s, order}.fulfillment(len(order.fulfillments)-1))
}

// wanted reads the lines of a fulfilment; none named means all that is left.
func (o *shopOrder) wanted(in any) (lines []fulfilledLine, problem string) {
	list, _ := in.([]any)
	if len(list) == 0 {
		for k := range o.lines {
			if n := o.remaining(k); n > 0 {
				lines = append(lines, fulfilledLine{k, n})
			}
		}
		return lines, ""
	}
	asked := map[int]int{}
	for _, l := range list {
		item, _ := l.(map[string]any)
		id, _ := item["id"].(string)
		index, k, kind, ok := readGID(id)
		if !ok || kind != "FulfillmentOrderLineItem" || index != o.plan.index || k >= len(o.lines) {
			return nil, "Fulfillment order line item does not exist."
		}
		n, _ := number(item["quantity"])
		asked[k] += n
		if n < 1 || asked[k] > o.remaining(k) {
			return nil, "Invalid fulfillment order line item quantity requested."
		}
		lines = append(lines, fulfilledLine{k, n})
	}
	return lines, ""
}

// readTracking reads FulfillmentTrackingInput: one number or several, each
// with the URL in the same place.
func readTracking(in any) []tracking {
	info, _ := in.(map[string]any)
	if info == nil {
		return nil
	}
	company, _ := info["company"].(string)
	numbers, urls := texts(info["numbers"], info["number"]), texts(info["urls"], info["url"])
	var out []tracking
	for i := range max(len(numbers), len(urls), 1) {
		t := tracking{company: company}
		if i < len(numbers) {
			t.number = numbers[i]
		}
		if i < len(urls) {
			t.url = urls[i]
		}
		out = append(out, t)
	}
	return out
}

// texts reads a list of strings, or the single one given in its place.
func texts(list, single any) []string {
	var out []string
	many, _ := list.([]any)
	for _, v := range many {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	if s, ok := single.(string); ok && len(out) == 0 {
		out = append(out, s)
	}
	return out
}

// fulfillmentOf finds a fulfilment by its global id.
func (s *shop) fulfillmentOf(gid any) (*shopOrder, int) {
	o, i := s.find(gid, "Fulfillment")
	if o == nil || i >= len(o.fulfillments) {
		return nil, 0
	}
	return o, i
}

// trackingUpdate replaces a fulfilment's tracking.
func (s *shop) trackingUpdate(args map[string]any) gnode {
	const kind, member = "FulfillmentTrackingInfoUpdatePayload", "fulfillment"
	o, i := s.fulfillmentOf(args["fulfillmentId"])
	switch {
	case o == nil:
		return payload(kind, member, nil, userError{field: []string{"fulfillmentId"}, message: "Fulfillment does not exist."})
	case o.fulfillments[i].cancelled:
		return payload(kind, member, nil, userError{field: []string{"fulfillmentId"}, message: "Fulfillment is cancelled."})
	}
	o.fulfillments[i].tracking = readTracking(args["trackingInfoInput"])
	s.touch(o)
	o.fulfillments[i].updated = o.updated
	return payload(kind, member, orderNode{s, o}.fulfillment(i))
}

// fulfillmentCancel takes a fulfilment back.
func (s *shop) fulfillmentCancel(args map[string]any) gnode {
	const kind, member = "FulfillmentCancelPayload", "fulfillment"
	o, i := s.fulfillmentOf(args["id"])
	if o == nil || o.fulfillments[i].cancelled {
		return payload(kind, member, nil, userError{field: []string{"id"}, message: "Fulfillment not found."})
	}
	f := &o.fulfillments[i]
	f.cancelled = true
	for _, l := range f.lines {
		o.lines[l.line].fulfilled -= l.quantity
	}
	s.touch(o)
	f.updated = o.updated
	return payload(kind, member, orderNode{s, o}.fulfillment(i))
}

// eventCreate notes an event of a fulfilment's journey.
func (s *shop) eventCreate(args map[string]any) gnode {
	const kind, member = "FulfillmentEventCreatePayload", "fulfillmentEvent"
	in, _ := args["fulfillmentEvent"].(map[string]any)
	o, i := s.fulfillmentOf(in["fulfillmentId"])
	if o == nil {
		return payload(kind, member, nil, userError{field: []string{"fulfillmentEvent", "fulfillmentId"}, message: "Fulfillment does not exist."})
	}
	f := &o.fulfillments[i]
	e := fulfillmentEvent{at: s.w.cfg.Now()}
	e.status, _ = in["status"].(string)
	e.message, _ = in["message"].(string)
	f.events = append(f.events, e)
	return payload(kind, member, f.event(len(f.events)-1))
}

// orderCancel cancels an order on behalf of the caller, and tells it by a
// webhook as any other cancellation.
func (s *shop) orderCancel(args map[string]any) gnode {
	const kind = "OrderCancelPayload"
	o, _ := s.find(args["orderId"], "Order")
	switch {
	case o == nil:
		return payload(kind, "job", nil, userError{field: []string{"orderId"}, message: "Order does not exist", code: "NOT_FOUND"})
	case !o.cancelledAt.IsZero():
		return payload(kind, "job", nil, userError{field: []string{"orderId"}, message: "Cannot cancel an order that has already been canceled", code: "INVALID"})
	}
	s.touch(o)
	o.cancelledAt = o.updated
	o.cancelReason, _ = args["reason"].(string)
	o.restocked, _ = args["restock"].(bool)
	s.untold = append(s.untold, s.message(o, "orders/cancelled", "cancel"))
	job := object{"Job", func(name string, _ map[string]any) any {
		if name == "id" {
			return global("Job", o.id())
		}
		return true
	}}
	return payload(kind, "job", job)
}

// refund gives a buyer his money for goods that he sends back, and makes the
// webhook that says so. The lock is held.
func (s *shop) refund(o *shopOrder) *message {
	o.refunded = true
	o.lines[0].current -= o.plan.back.pieces
	m := s.message(o, "refunds/create", "refund")
	b := strconv.AppendInt([]byte(`{"id":`), idOf(refundIDs, o.plan.index, 0), 10)
	b = strconv.AppendInt(append(b, `,"order_id":`...), o.id(), 10)
	b = appendField(append(b, ','), "created_at", stamp(o.updated))
	b = strconv.AppendInt(append(b, `,"note":"not needed","restock":true,"refund_line_items":[{"line_item_id":`...), idOf(lineIDs, o.plan.index, 0), 10)
	b = strconv.AppendInt(append(b, `,"restock_type":"return","quantity":`...), int64(o.plan.back.pieces), 10)
	m.body = append(b, `}],"transactions":[],"order_adjustments":[]}`...)
	return m
}

// takeUntold hands over the webhooks that mutations made. The lock is held.
func (s *shop) takeUntold() []*message {
	told := s.untold
	s.untold = nil
	return told
}

// orderClose archives an order.
func (s *shop) orderClose(args map[string]any) gnode {
	const kind, member = "OrderClosePayload", "order"
	in, _ := args["input"].(map[string]any)
	o, _ := s.find(in["id"], "Order")
	if o == nil {
		return payload(kind, member, nil, userError{field: []string{"id"}, message: "Order does not exist"})
	}
	s.touch(o)
	o.closedAt = o.updated
	return payload(kind, member, orderNode{s, o})
}

// orderUpdate writes note, tags, metafields, PO number and attributes.
func (s *shop) orderUpdate(args map[string]any) gnode {
	const kind, member = "OrderUpdatePayload", "order"
	in, _ := args["input"].(map[string]any)
	o, _ := s.find(in["id"], "Order")
	if o == nil {
		return payload(kind, member, nil, userError{field: []string{"id"}, message: "Order does not exist"})
	}
	if note, ok := in["note"].(string); ok {
		o.note = note
	}
	if po, ok := in["poNumber"].(string); ok {
		o.poNumber = po
	}
	if _, ok := in["tags"]; ok {
		o.tags = nil
		o.addTags(texts(in["tags"], nil))
	}
	if list, ok := in["customAttributes"].([]any); ok {
		o.attributes = nil
		for _, v := range list {
			a, _ := v.(map[string]any)
			key, _ := a["key"].(string)
			value, _ := a["value"].(string)
			o.attributes = append(o.attributes, [2]string{key, value})
		}
	}
	list, _ := in["metafields"].([]any)
	for _, v := range list {
		m, _ := v.(map[string]any)
		o.setMetafield(readMetafield(m))
	}
	s.touch(o)
	return payload(kind, member, orderNode{s, o})
}

// readMetafield reads a metafield's input.
func readMetafield(in map[string]any) metafield {
	m := metafield{namespace: namespaceOf(in)}
	m.key, _ = in["key"].(string)
	m.value, _ = in["value"].(string)
	m.kind, _ = in["type"].(string)
	return m
}

// tags adds or removes tags of an order.
func (s *shop) tags(name string, args map[string]any) gnode {
	kind := strings.ToUpper(name[:1]) + name[1:] + "Payload"
	o, _ := s.find(args["id"], "Order")
	if o == nil {
		return payload(kind, "node", nil, userError{field: []string{"id"}, message: "Resource not found"})
	}
	list := texts(args["tags"], nil)
	if name == "tagsAdd" {
		o.addTags(list)
	} else {
		o.tags = slices.DeleteFunc(o.tags, func(have string) bool {
			return slices.ContainsFunc(list, func(t string) bool { return strings.EqualFold(t, have) })
		})
	}
	s.touch(o)
	return payload(kind, "node", orderNode{s, o})
}

// metafieldsSet writes metafields of orders, all or none.
func (s *shop) metafieldsSet(args map[string]any) gnode {
	const kind, member = "MetafieldsSetPayload", "metafields"
	list, _ := args["metafields"].([]any)
	for i, v := range list {
		in, _ := v.(map[string]any)
		if o, _ := s.find(in["ownerId"], "Order"); o == nil {
			return payload(kind, member, nil, userError{field: []string{"metafields", fmt.Sprint(i), "ownerId"}, message: "Owner does not exist.", code: "INVALID"})
		}
	}
	var out []gnode
	for _, v := range list {
		in, _ := v.(map[string]any)
		o, _ := s.find(in["ownerId"], "Order")
		m := readMetafield(in)
		o.setMetafield(m)
		s.touch(o)
		at := slices.IndexFunc(o.metafields, func(have metafield) bool { return have.namespace == m.namespace && have.key == m.key })
		out = append(out, orderNode{s, o}.metafieldNode(at))
	}
	return payload(kind, member, out)
}
