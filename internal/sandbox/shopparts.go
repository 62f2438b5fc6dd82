package sandbox

import (
	"fmt"
	"strconv"
	"strings"
)

// lineItem is LineItem.
func (n orderNode) lineItem(k int) gnode {
	l, it := &n.o.lines[k], &catalogue[n.o.lines[k].item]
	return object{"LineItem", func(name string, _ map[string]any) any {
		switch name {
		case "id":
			return global("LineItem", idOf(lineIDs, n.o.plan.index, k))
		case "sku":
			return n.o.number(k)
		case "name", "title":
			return it.title
		case "quantity":
			return l.quantity
		case "currentQuantity", "refundableQuantity":
			return l.current
		case "unfulfilledQuantity", "fulfillableQuantity":
			return n.o.remaining(k)
		case "nonFulfillableQuantity":
			return 0
		case "requiresShipping", "taxable", "merchantEditable":
			return true
		case "isGiftCard", "restockable":
			return false
		case "vendor":
			return "Example Hardware"
		case "originalUnitPriceSet", "discountedUnitPriceSet", "discountedUnitPriceAfterAllDiscountsSet":
			return money(it.price)
		case "originalTotalSet", "discountedTotalSet":
			return money(it.price * amount(l.quantity))
		case "totalDiscountSet":
			return money(0)
		}
		return nil
	}}
}

// fulfillmentOrder is FulfillmentOrder; an order has one.
func (n orderNode) fulfillmentOrder() gnode {
	o := n.o
	return object{"FulfillmentOrder", func(name string, args map[string]any) any {
		switch name {
		case "id":
			return global("FulfillmentOrder", idOf(fulfillmentOrdIDs, o.plan.index, 0))
		case "status":
			return o.fulfillmentOrderStatus()
		case "requestStatus":
			return "UNSUBMITTED"
		case "order":
			return n
		case "orderId":
			return global("Order", o.id())
		case "orderName":
			return "#" + strconv.Itoa(o.plan.number())
		case "orderProcessedAt", "createdAt":
			return o.placed
		case "updatedAt":
			return o.updated
		case "lineItems":
			var list []gnode
			for k := range o.lines {
				list = append(list, n.fulfillmentOrderLine(k))
			}
			return connection("FulfillmentOrderLineItem", list, args)
		case "fulfillments":
			return connection("Fulfillment", n.fulfillmentNodes(), args)
		case "fulfillmentHolds":
			return []gnode{}
		case "supportedActions":
			return o.supportedActions()
		case "assignedLocation":
			return object{"FulfillmentOrderAssignedLocation", func(name string, _ map[string]any) any {
				switch name {
				case "name":
					return "Main warehouse"
				case "countryCode":
					return "US"
				case "location":
					return locationNode
				}
				return nil
			}}
		}
		return nil
	}}
}

// locationNode is the one Location.
var locationNode gnode = object{"Location", func(name string, _ map[string]any) any {
	switch name {
	case "id":
		return global("Location", 655441491)
	case "legacyResourceId":
		return int64(655441491)
	case "name":
		return "Main warehouse"
	case "isActive", "fulfillsOnlineOrders":
		return true
	}
	return nil
}}

// fulfillmentOrderStatus is FulfillmentOrderStatus.
func (o *shopOrder) fulfillmentOrderStatus() string {
	switch {
	case o.restocked && len(o.fulfillments) == 0:
		return "CANCELLED"
	case !o.open():
		return "CLOSED"
	case len(o.fulfillments) > 0:
		return "IN_PROGRESS"
	}
	return "OPEN"
}

// supportedActions says what may be done with the fulfilment order.
func (o *shopOrder) supportedActions() []gnode {
	if !o.open() {
		return []gnode{}
	}
	return []gnode{object{"FulfillmentOrderSupportedAction", func(name string, _ map[string]any) any {
		if name == "action" {
			return "CREATE_FULFILLMENT"
		}
		return nil
	}}}
}

// fulfillmentOrderLine is FulfillmentOrderLineItem.
func (n orderNode) fulfillmentOrderLine(k int) gnode {
	it := &catalogue[n.o.lines[k].item]
	return object{"FulfillmentOrderLineItem", func(name string, _ map[string]any) any {
		switch name {
		case "id":
			return global("FulfillmentOrderLineItem", idOf(fulfillmentLineIDs, n.o.plan.index, k))
		case "lineItem":
			return n.lineItem(k)
		case "remainingQuantity":
			return n.o.remaining(k)
		case "totalQuantity":
			return n.o.lines[k].current
		case "sku":
			return n.o.number(k)
		case "productTitle":
			return it.title
		case "requiresShipping":
			return true
		case "vendor":
			return "Example Hardware"
		}
		return nil
	}}
}

// fulfillmentNodes lists the order's fulfilments.
func (n orderNode) fulfillmentNodes() []gnode {
	list := make([]gnode, 0, len(n.o.fulfillments))
	for i := range n.o.fulfillments {
		list = append(list, n.fulfillment(i))
	}
	return list
}

// fulfillment is Fulfillment.
func (n orderNode) fulfillment(i int) gnode {
	id := idOf(fulfillmentIDs, n.o.plan.index, i)
	return object{"Fulfillment", func(name string, args map[string]any) any {
		f := &n.o.fulfillments[i]
		switch name {
		case "id":
			return global("Fulfillment", id)
		case "legacyResourceId":
			return id
		case "name":
			return fmt.Sprintf("#%d-F%d", n.o.plan.number(), i+1)
		case "status":
			return f.status("SUCCESS", "CANCELLED")
		case "displayStatus":
			return f.status("FULFILLED", "CANCELED")
		case "createdAt":
			return f.made
		case "updatedAt":
			return f.updated
		case "order":
			return n
		case "requiresShipping":
			return true
		case "totalQuantity":
			return f.quantity()
		case "trackingInfo":
			list := f.trackingNodes()
			if first, ok := number(args["first"]); ok {
				list = list[:min(first, len(list))]
			}
			return list
		case "fulfillmentLineItems":
			return connection("FulfillmentLineItem", n.fulfilledLines(i), args)
		case "fulfillmentOrders":
			return connection("FulfillmentOrder", []gnode{n.fulfillmentOrder()}, args)
		case "events":
			return connection("FulfillmentEvent", f.eventNodes(), args)
		}
		return nil
	}}
}

// status picks the word for a fulfilment that stands or was cancelled.
func (f *fulfillment) status(stands, cancelled string) string {
	if f.cancelled {
		return cancelled
	}
	return stands
}

// quantity is how many pieces a fulfilment holds.
func (f *fulfillment) quantity() int {
	sum := 0
	for _, l := range f.lines {
		sum += l.quantity
	}
	return sum
}

// trackingNodes are FulfillmentTrackingInfo.
func (f *fulfillment) trackingNodes() []gnode {
	list := make([]gnode, 0, len(f.tracking))
	for _, t := range f.tracking {
		list = append(list, object{"FulfillmentTrackingInfo", func(name string, _ map[string]any) any {
			switch name {
			case "company":
				return orNull(t.company)
			case "number":
				return orNull(t.number)
			}
			return orNull(t.url)
		}})
	}
	return list
}

// fulfilledLines are FulfillmentLineItem.
func (n orderNode) fulfilledLines(i int) []gnode {
	var list []gnode
	for _, l := range n.o.fulfillments[i].lines {
		list = append(list, object{"FulfillmentLineItem", func(name string, _ map[string]any) any {
			switch name {
			case "id":
				return global("FulfillmentLineItem", idOf(fulfillmentLineIDs, n.o.plan.index, l.line))
			case "lineItem":
				return n.lineItem(l.line)
			case "quantity":
				return l.quantity
			}
			return nil
		}})
	}
	return list
}

// eventNodes are FulfillmentEvent.
func (f *fulfillment) eventNodes() []gnode {
	var list []gnode
	for i := range f.events {
		list = append(list, f.event(i))
	}
	return list
}

// event is one FulfillmentEvent.
func (f *fulfillment) event(i int) gnode {
	e := f.events[i]
	return object{"FulfillmentEvent", func(name string, _ map[string]any) any {
		switch name {
		case "id":
			return global("FulfillmentEvent", int64(i+1))
		case "status":
			return e.status
		case "message":
			return orNull(e.message)
		case "happenedAt", "createdAt":
			return e.at
		}
		return nil
	}}
}

// attributeNodes are the order's custom attributes.
func (o *shopOrder) attributeNodes() []gnode {
	list := make([]gnode, 0, len(o.attributes))
	for _, a := range o.attributes {
		list = append(list, object{"Attribute", func(name string, _ map[string]any) any {
			if name == "key" {
				return a[0]
			}
			return a[1]
		}})
	}
	return list
}

// metafield finds one metafield by namespace and key.
func (n orderNode) metafield(args map[string]any) any {
	for i, m := range n.o.metafields {
		if m.key == args["key"] && m.namespace == namespaceOf(args) {
			return n.metafieldNode(i)
		}
	}
	return nil
}

// namespaceOf reads the namespace argument; absent, it is the app's own.
func namespaceOf(args map[string]any) string {
	ns, _ := args["namespace"].(string)
	ns = strings.Replace(ns, "$app", appNamespace, 1)
	if ns == "" {
		return appNamespace
	}
	return ns
}

// appNamespace is what $app stands for.
const appNamespace = "app--1"

// metafieldNodes lists the metafields of a namespace, or all.
func (n orderNode) metafieldNodes(args map[string]any) []gnode {
	var list []gnode
	keys, _ := args["keys"].([]any)
	for i, m := range n.o.metafields {
		if args["namespace"] != nil && m.namespace != namespaceOf(args) {
			continue
		}
		if keys != nil && !anyKey(keys, m) {
			continue
		}
		list = append(list, n.metafieldNode(i))
	}
	return list
}

// anyKey says whether a metafield is among keys of the form key or
// namespace.key.
func anyKey(keys []any, m metafield) bool {
	for _, k := range keys {
		if k == m.key || k == m.namespace+"."+m.key {
			return true
		}
	}
	return false
}

// metafieldNode is Metafield.
func (n orderNode) metafieldNode(i int) gnode {
	m := n.o.metafields[i]
	id := idOf(orderIDs, n.o.plan.index, i)
	return object{"Metafield", func(name string, _ map[string]any) any {
		switch name {
		case "id":
			return global("Metafield", id)
		case "legacyResourceId":
			return id
		case "namespace":
			return m.namespace
		case "key":
			return m.key
		case "value", "jsonValue":
			return m.value
		case "type":
			return m.kind
		case "ownerType":
			return "ORDER"
		case "owner":
			return n
		case "compareDigest":
			return strconv.FormatUint(textHash(m.value), 16)
		case "createdAt", "updatedAt":
			return n.o.updated
		}
		return nil
	}}
}
