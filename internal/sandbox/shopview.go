package sandbox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// global writes a global id.
func global(kind string, id int64) string {
	return "gid://shopify/" + kind + "/" + strconv.FormatInt(id, 10)
}

// gidSpaces are the id spaces of the types that belong to an order.
var gidSpaces = map[string]int64{
	"Order": orderIDs, "Fulfillment": fulfillmentIDs, "FulfillmentOrder": fulfillmentOrdIDs, "LineItem": lineIDs, "FulfillmentOrderLineItem": fulfillmentLineIDs,
}

// readGID takes a global id apart: the order it belongs to and the part of it
// that it is. False for other types and for ids of no order.
func readGID(gid string) (index, part int, kind string, ok bool) {
	rest, ok := strings.CutPrefix(gid, "gid://shopify/")
	if !ok {
		return 0, 0, "", false
	}
	kind, number, _ := strings.Cut(rest, "/")
	number, _, _ = strings.Cut(number, "?")
	id, err := strconv.ParseInt(number, 10, 64)
	space, known := gidSpaces[kind]
	if err != nil || !known {
		return 0, 0, kind, false
	}
	index, part, ok = indexOf(space, id)
	return index, part, kind, ok
}

// find gives the order that a global id of the wanted type names, and which
// part of it; nil where there is none.
func (s *shop) find(gid any, want string) (o *shopOrder, part int) {
	text, _ := gid.(string)
	i, part, kind, ok := readGID(text)
	if !ok || kind != want {
		return nil, 0
	}
	return s.order(i), part
}

// object is a node made of a table: the type, and a function for its fields.
type object struct {
	kind string
	get  func(name string, args map[string]any) any
}

func (o object) typename() string                           { return o.kind }
func (o object) field(name string, args map[string]any) any { return o.get(name, args) }

// queryRoot is QueryRoot.
type queryRoot struct{ s *shop }

func (queryRoot) typename() string { return "QueryRoot" }

func (r queryRoot) field(name string, args map[string]any) any {
	switch name {
	case "order", "fulfillment", "fulfillmentOrder":
		return r.s.node(args["id"], strings.ToUpper(name[:1])+name[1:])
	case "node":
		return r.s.node(args["id"], "")
	case "nodes":
		var out []gnode
		ids, _ := args["ids"].([]any)
		for _, id := range ids {
			n, _ := r.s.node(id, "").(gnode)
			out = append(out, n)
		}
		return out
	case "orderByIdentifier":
		in, _ := args["identifier"].(map[string]any)
		return r.s.node(in["id"], "Order")
	case "orders":
		return connection("Order", r.s.search(args["query"]), args)
	case "fulfillmentOrders":
		var out []gnode
		for _, n := range r.s.search(nil) {
			out = append(out, n.(orderNode).fulfillmentOrder())
		}
		return connection("FulfillmentOrder", out, args)
	case "shop":
		return r.s.shopNode()
	}
	return nil
}

// node finds an object by its global id; want "" takes any type.
func (s *shop) node(gid any, want string) any {
	text, _ := gid.(string)
	i, part, kind, ok := readGID(text)
	if !ok || want != "" && kind != want {
		return nil
	}
	o := s.order(i)
	if o == nil || o.placed.IsZero() {
		return nil
	}
	n := orderNode{s, o}
	switch kind {
	case "Order":
		return n
	case "FulfillmentOrder":
		return n.fulfillmentOrder()
	case "Fulfillment":
		if part < len(o.fulfillments) {
			return n.fulfillment(part)
		}
	case "LineItem":
		if part < len(o.lines) {
			return n.lineItem(part)
		}
	case "FulfillmentOrderLineItem":
		if part < len(o.lines) {
			return n.fulfillmentOrderLine(part)
		}
	}
	return nil
}

// search lists orders, newest last, by a query of the form name:… or id:….
func (s *shop) search(query any) []gnode {
	text, _ := query.(string)
	field, want, _ := strings.Cut(text, ":")
	want = strings.Trim(want, `"'#`)
	s.listMu.RLock()
	defer s.listMu.RUnlock()
	var out []gnode
	for _, o := range s.orders {
		hit := text == "" || field == "name" && want == strconv.Itoa(o.plan.number()) || field == "id" && want == strconv.FormatInt(o.id(), 10) ||
			field == "tag" && slices.ContainsFunc(o.tags, func(t string) bool { return strings.EqualFold(t, want) })
		if hit && !o.placed.IsZero() {
			out = append(out, orderNode{s, o})
		}
	}
	return out
}

// shopNode is Shop.
func (s *shop) shopNode() gnode {
	return object{"Shop", func(name string, _ map[string]any) any {
		switch name {
		case "id":
			return global("Shop", 548380009)
		case "name":
			return "Example Hardware"
		case "myshopifyDomain":
			return s.w.cfg.Shop
		case "url":
			return "https://" + s.w.cfg.Shop
		case "currencyCode":
			return "USD"
		case "ianaTimezone":
			return "America/New_York"
		case "email", "contactEmail":
			return "shop@example.com"
		}
		return nil
	}}
}

// connection pages through nodes with first and after.
func connection(kind string, nodes []gnode, args map[string]any) gnode {
	from := 0
	if after, _ := args["after"].(string); after != "" {
		n, err := strconv.Atoi(after)
		if err == nil {
			from = min(n, len(nodes))
		}
	}
	to := len(nodes)
	if first, ok := number(args["first"]); ok {
		to = min(from+first, to)
	} else if last, ok := number(args["last"]); ok {
		from = max(from, to-last)
	}
	page := nodes[from:to]
	return object{kind + "Connection", func(name string, _ map[string]any) any {
		switch name {
		case "nodes":
			return page
		case "edges":
			var edges []gnode
			for i, n := range page {
				edges = append(edges, object{kind + "Edge", func(name string, _ map[string]any) any {
					if name == "node" {
						return n
					}
					return strconv.Itoa(from + i + 1)
				}})
			}
			return edges
		case "pageInfo":
			return object{"PageInfo", func(name string, _ map[string]any) any {
				switch name {
				case "hasNextPage":
					return to < len(nodes)
				case "hasPreviousPage":
					return from > 0
				case "startCursor":
					return cursor(from+1, from < to)
				}
				return cursor(to, from < to)
			}}
		}
		return nil
	}}
}

// cursor writes a cursor; null on an empty page.
func cursor(at int, some bool) any {
	if !some {
		return nil
	}
	return strconv.Itoa(at)
}

// money makes a MoneyBag.
func money(a amount) gnode {
	v2 := object{"MoneyV2", func(name string, _ map[string]any) any {
		if name == "amount" {
			return a.money()
		}
		return "USD"
	}}
	return object{"MoneyBag", func(string, map[string]any) any { return v2 }}
}

// orderNode is Order.
type orderNode struct {
	s *shop
	o *shopOrder
}

func (orderNode) typename() string { return "Order" }

func (n orderNode) field(name string, args map[string]any) any {
	o := n.o
	switch name {
	case "id":
		return global("Order", o.id())
	case "legacyResourceId":
		return o.id()
	case "name":
		return "#" + strconv.Itoa(o.plan.number())
	case "number":
		return o.plan.number()
	case "fulfillmentOrders":
		return connection("FulfillmentOrder", []gnode{n.fulfillmentOrder()}, args)
	case "fulfillments":
		list := n.fulfillmentNodes()
		if first, ok := number(args["first"]); ok {
			list = list[:min(first, len(list))]
		}
		return list
	case "lineItems":
		var list []gnode
		for k := range o.lines {
			list = append(list, n.lineItem(k))
		}
		return connection("LineItem", list, args)
	case "tags":
		return o.tags
	case "note":
		return orNull(o.note)
	case "poNumber":
		return orNull(o.poNumber)
	case "customAttributes":
		return o.attributeNodes()
	case "metafield":
		return n.metafield(args)
	case "metafields":
		return connection("Metafield", n.metafieldNodes(args), args)
	}
	return n.plainField(name)
}

// plainField gives the fields that need no arguments and little thought.
func (n orderNode) plainField(name string) any {
	o := n.o
	switch name {
	case "createdAt", "processedAt":
		return o.placed
	case "updatedAt":
		return o.updated
	case "cancelledAt":
		return o.cancelledAt
	case "cancelReason":
		return orNull(o.cancelReason)
	case "closed":
		return !o.closedAt.IsZero()
	case "closedAt":
		return o.closedAt
	case "confirmed", "fullyPaid", "requiresShipping", "merchantEditable":
		return true
	case "test", "taxesIncluded", "taxExempt", "unpaid", "capturable":
		return false
	case "edited":
		return slices.ContainsFunc(o.lines, func(l shopLine) bool { return l.current != l.quantity })
	case "fulfillable":
		return o.open()
	case "currencyCode", "presentmentCurrencyCode":
		return "USD"
	case "email":
		return fmt.Sprintf("buyer%d@example.com", o.plan.customer)
	case "displayFinancialStatus":
		return "PAID"
	case "displayFulfillmentStatus":
		return o.fulfillmentStatus()
	case "subtotalPriceSet":
		return money(o.sum(false))
	case "currentSubtotalPriceSet":
		return money(o.sum(true))
	case "totalPriceSet", "originalTotalPriceSet":
		return money(o.sum(false) + shippingPrice)
	case "currentTotalPriceSet":
		return money(o.sum(true) + shippingPrice)
	case "totalShippingPriceSet", "currentShippingPriceSet":
		return money(shippingPrice)
	case "totalTaxSet", "currentTotalTaxSet", "totalDiscountsSet", "currentTotalDiscountsSet", "totalOutstandingSet", "totalRefundedSet", "totalTipReceivedSet":
		return money(0)
	case "customer":
		return object{"Customer", func(name string, _ map[string]any) any {
			switch name {
			case "id":
				return global("Customer", idOf(customerIDs, o.plan.customer, 0))
			case "legacyResourceId":
				return idOf(customerIDs, o.plan.customer, 0)
			}
			return nil
		}}
	case "fulfillmentsCount":
		return object{"Count", func(name string, _ map[string]any) any {
			if name == "count" {
				return len(o.fulfillments)
			}
			return "EXACT"
		}}
	}
	return nil
}

// fulfillmentStatus is OrderDisplayFulfillmentStatus.
func (o *shopOrder) fulfillmentStatus() string {
	some := slices.ContainsFunc(o.lines, func(l shopLine) bool { return l.fulfilled > 0 })
	switch {
	case some && !o.open():
		return "FULFILLED"
	case some:
		return "PARTIALLY_FULFILLED"
	}
	return "UNFULFILLED"
}

// orNull gives null for an empty text.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// number reads an integer argument.
func number(v any) (int, bool) {
	switch v := v.(type) {
	case int64:
		return int(v), true
	case int:
		return v, true
	case float64:
		return int(v), true
	case interface{ Int64() (int64, error) }:
		n, err := v.Int64()
		return int(n), err == nil
	}
	return 0, false
}
