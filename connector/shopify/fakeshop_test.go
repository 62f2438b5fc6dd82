package shopify_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fakeShop is a shop with one order, small enough to read. It holds every
// request against the official schema.
type fakeShop struct {
	t *testing.T

	mu           sync.Mutex
	orders       []fakeFulfilmentOrder
	fulfilments  []fakeFulfilment
	metafields   map[string]string
	tags         []string
	log          []string // the mutations taken, in words
	pageSize     int      // of fulfilment orders and their lines; 0: all
	refuseMarks  bool
	beforeAnswer func(mutation bool) (apply, answer bool) // faults; nil: none
}

type fakeFulfilmentOrder struct {
	id, location, status string
	lines                []fakeLine
}

type fakeLine struct {
	id, line  string
	remaining int64
}

type fakeFulfilment struct {
	id, status string
	numbers    []string
	lines      []fakeLine // remaining: the pieces in it; id: where they came from
}

const (
	bolts  = "14012345678901"
	drills = "14012345678902"
)

func newFakeShop(t *testing.T) *fakeShop {
	return &fakeShop{t: t, metafields: map[string]string{}, orders: []fakeFulfilmentOrder{
		{id: "71", location: "1", status: "OPEN", lines: []fakeLine{{"711", bolts, 10}, {"712", drills, 2}}},
	}}
}

func (f *fakeShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	q := validRequest(f.t, body)
	f.mu.Lock()
	defer f.mu.Unlock()
	apply, answers := true, true
	if f.beforeAnswer != nil {
		apply, answers = f.beforeAnswer(isMutation(r, body))
	}
	var out map[string]any
	if apply {
		out = f.run(q)
	}
	if !answers {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			conn.Close()
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(map[string]any{"data": out}); err != nil {
		f.t.Error(err)
	}
}

// run executes the documents of the connector, by name.
func (f *fakeShop) run(q request) map[string]any {
	name := strings.FieldsFunc(q.Query, func(r rune) bool { return r == ' ' || r == '(' })[1]
	out := map[string]any{}
	if marks, ok := q.Variables["marks"].([]any); ok {
		out["metafieldsSet"] = f.mark(marks)
	}
	switch name {
	case "WaybillOrder":
		out["order"] = f.order(q.Variables)
	case "WaybillOpenLines":
		for _, o := range f.orders {
			if q.Variables["id"] == "gid://shopify/FulfillmentOrder/"+o.id {
				out["fulfillmentOrder"] = map[string]any{"lineItems": f.openLines(o, q.Variables["after"])}
			}
		}
	case "WaybillFulfilledLines":
		for _, m := range f.fulfilments {
			if q.Variables["id"] == "gid://shopify/Fulfillment/"+m.id {
				var nodes []any
				for _, l := range m.lines {
					nodes = append(nodes, map[string]any{"quantity": l.remaining, "lineItem": id("LineItem", l.line)})
				}
				out["fulfillment"] = map[string]any{"fulfillmentLineItems": page(nodes, len(nodes), nil)}
			}
		}
	case "WaybillFulfil":
		out["fulfillmentCreate"] = f.create(q.Variables["fulfillment"].(map[string]any))
	case "WaybillTrack":
		m := f.fulfilment(q.Variables["id"])
		m.numbers = strs(q.Variables["tracking"].(map[string]any)["numbers"])
		f.log = append(f.log, fmt.Sprintf("track %s as %s", m.id, strings.Join(m.numbers, " ")))
		out["fulfillmentTrackingInfoUpdate"] = taken("fulfillment", id("Fulfillment", m.id))
	case "WaybillCancelFulfilment":
		m := f.fulfilment(q.Variables["id"])
		m.status = "CANCELLED"
		f.log = append(f.log, "cancel "+m.id)
		for _, l := range m.lines {
			f.open(l.id).remaining += l.remaining
		}
		out["fulfillmentCancel"] = taken("fulfillment", id("Fulfillment", m.id))
	case "WaybillAnswer":
		for _, tag := range strs(q.Variables["tags"]) {
			if !slices.Contains(f.tags, tag) {
				f.tags = append(f.tags, tag)
			}
		}
		out["tagsAdd"] = map[string]any{"userErrors": []any{}}
	case "WaybillMark":
		order := map[string]any{"id": q.Variables["id"], "metafield": nil}
		if _, there := f.metafields[q.Variables["key"].(string)]; there {
			order["metafield"] = id("Metafield", "19")
		}
		out["order"] = order
	default:
		f.t.Errorf("the fake does not know %s", name)
	}
	return out
}

func (f *fakeShop) mark(marks []any) map[string]any {
	if f.refuseMarks {
		return map[string]any{"userErrors": []any{map[string]any{"code": "NOT_ALLOWED", "field": nil, "message": "no"}}}
	}
	for _, m := range marks {
		m := m.(map[string]any)
		f.metafields[m["key"].(string)] = m["value"].(string)
	}
	return map[string]any{"metafields": []any{id("Metafield", "19")}, "userErrors": []any{}}
}

func (f *fakeShop) order(v map[string]any) map[string]any {
	var fulfilments, orders []any
	for _, m := range f.fulfilments {
		var numbers []any
		for _, n := range m.numbers {
			numbers = append(numbers, map[string]any{"number": n})
		}
		fulfilments = append(fulfilments, map[string]any{"id": "gid://shopify/Fulfillment/" + m.id, "status": m.status, "trackingInfo": numbers})
	}
	for _, o := range f.orders {
		orders = append(orders, map[string]any{"id": "gid://shopify/FulfillmentOrder/" + o.id, "status": o.status,
			"assignedLocation": map[string]any{"location": id("Location", o.location)}, "lineItems": f.openLines(o, nil)})
	}
	out := map[string]any{"id": v["id"], "metafield": nil, "fulfillments": fulfilments, "fulfillmentOrders": page(orders, f.pageSize, v["after"])}
	if value, there := f.metafields[v["handle"].(string)]; there {
		out["metafield"] = map[string]any{"value": value}
	}
	return out
}

func (f *fakeShop) openLines(o fakeFulfilmentOrder, after any) map[string]any {
	var nodes []any
	for _, l := range o.lines {
		nodes = append(nodes, map[string]any{"id": "gid://shopify/FulfillmentOrderLineItem/" + l.id, "remainingQuantity": l.remaining, "lineItem": id("LineItem", l.line)})
	}
	return page(nodes, f.pageSize, after)
}

// create refuses what Shopify does: too many pieces, two locations at once.
func (f *fakeShop) create(in map[string]any) map[string]any {
	m := fakeFulfilment{id: fmt.Sprint(901 + len(f.fulfilments)), status: "SUCCESS",
		numbers: strs(in["trackingInfo"].(map[string]any)["numbers"])}
	refused := func(message string) map[string]any {
		f.log = append(f.log, "refuse: "+message)
		return map[string]any{"fulfillment": nil, "userErrors": []any{map[string]any{"field": []any{"fulfillment"}, "message": message}}}
	}
	location, words := "", []string{}
	for _, g := range in["lineItemsByFulfillmentOrder"].([]any) {
		g := g.(map[string]any)
		for _, o := range f.orders {
			if g["fulfillmentOrderId"] != "gid://shopify/FulfillmentOrder/"+o.id {
				continue
			}
			if location != "" && location != o.location {
				return refused("All fulfillment orders must have the same assigned location.")
			}
			location = o.location
		}
		for _, l := range g["fulfillmentOrderLineItems"].([]any) {
			l := l.(map[string]any)
			qty, _ := l["quantity"].(json.Number).Int64()
			open := f.open(strings.TrimPrefix(l["id"].(string), "gid://shopify/FulfillmentOrderLineItem/"))
			if open == nil || qty < 1 || qty > open.remaining {
				return refused("Invalid fulfillment order line item quantity requested.")
			}
			m.lines = append(m.lines, fakeLine{open.id, open.line, qty})
			words = append(words, fmt.Sprintf("%d of %s", qty, open.id))
		}
	}
	for _, l := range m.lines {
		f.open(l.id).remaining -= l.remaining
	}
	f.fulfilments = append(f.fulfilments, m)
	f.log = append(f.log, fmt.Sprintf("create %s: %s as %s", m.id, strings.Join(words, ", "), strings.Join(m.numbers, " ")))
	return taken("fulfillment", id("Fulfillment", m.id))
}

func (f *fakeShop) open(lineID string) *fakeLine {
	for i := range f.orders {
		for j := range f.orders[i].lines {
			if f.orders[i].lines[j].id == lineID {
				return &f.orders[i].lines[j]
			}
		}
	}
	return nil
}

func (f *fakeShop) fulfilment(gid any) *fakeFulfilment {
	for i := range f.fulfilments {
		if gid == "gid://shopify/Fulfillment/"+f.fulfilments[i].id {
			return &f.fulfilments[i]
		}
	}
	f.t.Fatalf("no fulfilment %v", gid)
	return nil
}

// shipped is what the shop believes was shipped, by line.
func (f *fakeShop) shipped() map[string]int64 {
	sum := map[string]int64{}
	for _, m := range f.fulfilments {
		for _, l := range m.lines {
			if m.status == "SUCCESS" {
				sum[l.line] += l.remaining
			}
		}
	}
	return sum
}

func id(kind, number string) map[string]any {
	return map[string]any{"id": "gid://shopify/" + kind + "/" + number}
}

func taken(member string, object any) map[string]any {
	return map[string]any{member: object, "userErrors": []any{}}
}

// page cuts a list; cursors are the number of nodes before.
func page(nodes []any, size int, after any) map[string]any {
	start := 0
	if s, ok := after.(string); ok {
		_, _ = fmt.Sscan(s, &start)
	}
	end := len(nodes)
	if size > 0 {
		end = min(end, start+size)
	}
	return map[string]any{"nodes": append([]any{}, nodes[start:end]...), "pageInfo": map[string]any{"hasNextPage": end < len(nodes), "endCursor": fmt.Sprint(end)}}
}

func strs(list any) []string {
	var out []string
	items, _ := list.([]any)
	for _, v := range items {
		out = append(out, v.(string))
	}
	return out
}
