package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// placed is a bench with n orders placed, and their bodies as Waybill got them.
func placed(t *testing.T, cfg Config, n int) (*bench, []map[string]any) {
	t.Helper()
	b := newBench(t, cfg)
	if err := b.w.PlaceOrders(t.Context(), n, 1); err != nil {
		t.Fatal(err)
	}
	var bodies []map[string]any
	for len(bodies) < n {
		p := <-b.pushed
		if p.system == "shop" && p.header.Get("X-Shopify-Topic") == "orders/create" {
			bodies = append(bodies, p.body)
		}
	}
	return b, bodies
}

// plainSeed is a seed whose first order is neither edited nor cancelled.
func plainSeed() int64 {
	seed := int64(0)
	for planFor(seed, 0, 1, false).fate != Plain {
		seed++
	}
	return seed
}

// graph runs a document and gives the whole answer.
func (b *bench) graph(document string, variables map[string]any) map[string]any {
	b.t.Helper()
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		b.t.Fatal(err)
	}
	h := http.Header{}
	h.Set("X-Shopify-Access-Token", b.w.Secret("shop").Token)
	status, _, out := b.call("shop", http.MethodPost, "/admin/api/2026-04/graphql.json", body, h)
	if status != 200 {
		b.t.Fatalf("GraphQL answered %d %v", status, out)
	}
	return out
}

// dig walks into decoded JSON: names, and numbers for places in a list.
func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func TestShop_WebhookHeaders(t *testing.T) {
	b := newBench(t, Config{Seed: plainSeed(), Secrets: map[string]Secret{"shop": {WebhookSecret: "hush"}}})
	if err := b.w.PlaceOrders(t.Context(), 1, 1); err != nil {
		t.Fatal(err)
	}
	h := (<-b.pushed).header
	want := map[string]string{"X-Shopify-Topic": "orders/create", "X-Shopify-Shop-Domain": "example-hardware.myshopify.com", "X-Shopify-Api-Version": "2026-04"}
	for name, v := range want {
		if h.Get(name) != v {
			t.Errorf("%s is %q, want %q", name, h.Get(name), v)
		}
	}
	for _, name := range []string{"X-Shopify-Hmac-Sha256", "X-Shopify-Webhook-Id", "X-Shopify-Event-Id", "X-Shopify-Triggered-At"} {
		if h.Get(name) == "" {
			t.Errorf("%s is missing", name)
		}
	}
	// HMAC-SHA256 of "{}" under "hush", computed with OpenSSL
	if got := shopSignature("hush", []byte("{}")); got != "UFwgrGBPZilFtmKh8TqcovA78LGYb1BdWu9I4Q2oyRg=" {
		t.Errorf("signature of {} is %s", got)
	}
}

// TestShop_BodiesKeepTheSamplesShape compares every order body with the sample
// it was made from: the same members, of the same JSON types.
func TestShop_BodiesKeepTheSamplesShape(t *testing.T) {
	b := newBench(t, Config{Lines: 3})
	if err := b.w.PlaceOrders(t.Context(), 40, 4); err != nil {
		t.Fatal(err)
	}
	met := map[int]bool{}
	for _, o := range b.w.shop.orders {
		raw, err := shopdata.ReadFile("shopdata/" + sampleFiles[o.plan.template])
		if err != nil {
			t.Fatal(err)
		}
		var sample, body map[string]any
		if err := json.Unmarshal(raw, &sample); err != nil {
			t.Fatal(err)
		}
		text := o.render(&b.w.shop.templates[o.plan.template])
		if err := json.Unmarshal(text, &body); err != nil {
			t.Fatalf("body of order %d: %v", o.plan.index, err)
		}
		if strings.Contains(string(text), "example string") || strings.ContainsAny(string(text), "\u27e6\u27e7") {
			t.Errorf("order %d still has the sample's text, or a hole", o.plan.index)
		}
		met[o.plan.template] = true
		sameShape(t, fmt.Sprintf("order %d", o.plan.index), sample, body)
		if n := len(body["line_items"].([]any)); n != len(o.plan.lines) {
			t.Errorf("order %d has %d lines, want %d", o.plan.index, n, len(o.plan.lines))
		}
		for i := range body["line_items"].([]any) {
			sameShape(t, fmt.Sprintf("order %d line %d", o.plan.index, i), dig(sample, "line_items", 0).(map[string]any), dig(body, "line_items", i).(map[string]any))
		}
	}
	if len(met) != templateCount {
		t.Errorf("40 orders used the templates %v", met)
	}
}

// sameShape compares the members of two objects.
func sameShape(t *testing.T, where string, sample, body map[string]any) {
	t.Helper()
	for name := range sample {
		if _, ok := body[name]; !ok {
			t.Errorf("%s lacks %s", where, name)
		}
	}
	for name, v := range body {
		old, ok := sample[name]
		switch {
		case !ok:
			t.Errorf("%s has %s, which the sample lacks", where, name)
		case v != nil && old != nil && fmt.Sprintf("%T", v) != fmt.Sprintf("%T", old):
			t.Errorf("%s: %s is %T, the sample's is %T", where, name, v, old)
		}
	}
}

func TestShop_BodyAddsUp(t *testing.T) {
	_, bodies := placed(t, Config{Lines: 3, Seed: 2}, 5)
	for _, body := range bodies {
		sum, err := parseAmount("10.00")
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range body["line_items"].([]any) {
			price, err := parseAmount(dig(v, "price").(string))
			if err != nil {
				t.Fatal(err)
			}
			sum += price.times(pieces(int(dig(v, "quantity").(float64))))
		}
		if total, _ := parseAmount(body["total_price"].(string)); total != sum {
			t.Errorf("order %v: total %v, lines and shipping make %s", body["name"], body["total_price"], sum)
		}
		if gid := body["admin_graphql_api_id"]; gid != fmt.Sprintf("gid://shopify/Order/%.0f", body["id"]) {
			t.Errorf("order %v: id %v, global id %v", body["name"], body["id"], gid)
		}
	}
}

func TestShop_EditAndCancelMoveUpdatedAt(t *testing.T) {
	b, _ := placed(t, Config{Seed: plainSeed()}, 1)
	o := b.w.shop.order(0)
	before := o.updated
	b.w.shop.edit(0)
	edited := <-b.pushed
	b.w.shop.cancel(0)
	cancelled := <-b.pushed
	if edited.header.Get("X-Shopify-Topic") != "orders/updated" || cancelled.header.Get("X-Shopify-Topic") != "orders/cancelled" {
		t.Fatalf("topics %v, %v", edited.header, cancelled.header)
	}
	first, second := edited.body["updated_at"].(string), cancelled.body["updated_at"].(string)
	if first <= stamp(before) || second <= first {
		t.Errorf("updated_at went %s, %s, %s", stamp(before), first, second)
	}
	if cancelled.body["cancelled_at"] != second || cancelled.body["cancel_reason"] != "customer" || edited.body["cancelled_at"] != nil {
		t.Errorf("cancelled at %v for %v", cancelled.body["cancelled_at"], cancelled.body["cancel_reason"])
	}
	if edited.header.Get("X-Shopify-Webhook-Id") == cancelled.header.Get("X-Shopify-Webhook-Id") {
		t.Error("two webhooks have one id")
	}
}

// openLines reads the fulfilment order of an order.
func (b *bench) openLines(gid any) (fulfillmentOrder any, items []any) {
	b.t.Helper()
	out := b.graph(`query($id: ID!) { order(id: $id) { fulfillmentOrders(first: 1) { edges { node { id status
		lineItems(first: 50) { nodes { id remainingQuantity totalQuantity sku lineItem { id sku quantity currentQuantity } } } } } } } }`, map[string]any{"id": gid})
	fo := dig(out, "data", "order", "fulfillmentOrders", "edges", 0, "node")
	return dig(fo, "id"), dig(fo, "lineItems", "nodes").([]any)
}

const createMutation = `mutation Fulfil($f: FulfillmentInput!) {
	fulfillmentCreate(fulfillment: $f) { fulfillment { id status totalQuantity trackingInfo { company number url } } userErrors { field message } } }`

// fulfilment makes the input of fulfillmentCreate.
func fulfilment(fulfillmentOrder any, items []map[string]any, numbers ...string) map[string]any {
	return map[string]any{"f": map[string]any{
		"lineItemsByFulfillmentOrder": []any{map[string]any{"fulfillmentOrderId": fulfillmentOrder, "fulfillmentOrderLineItems": items}},
		"notifyCustomer":              true,
		"trackingInfo":                map[string]any{"company": "Example Parcel", "numbers": numbers, "urls": []string{"https://track.example.com/1"}},
	}}
}

func TestShop_FulfilInPartsThenTooMuch(t *testing.T) {
	b, bodies := placed(t, Config{Seed: 4, Lines: 2}, 1)
	gid := bodies[0]["admin_graphql_api_id"]
	fo, items := b.openLines(gid)
	first := items[0].(map[string]any)
	left := int(first["remainingQuantity"].(float64))
	if left < 2 || dig(first, "lineItem", "id") != dig(bodies[0], "line_items", 0, "admin_graphql_api_id") {
		t.Fatalf("line %v; this test needs two pieces of a line, choose another seed", first)
	}
	out := b.graph(createMutation, fulfilment(fo, []map[string]any{{"id": first["id"], "quantity": 1}}, "T1", "T2"))
	want := map[string]any{"userErrors": []any{}, "fulfillment": map[string]any{
		"id": "gid://shopify/Fulfillment/4000000000000", "status": "SUCCESS", "totalQuantity": 1.0,
		"trackingInfo": []any{
			map[string]any{"company": "Example Parcel", "number": "T1", "url": "https://track.example.com/1"},
			map[string]any{"company": "Example Parcel", "number": "T2", "url": nil},
		},
	}}
	if diff := cmp.Diff(want, dig(out, "data", "fulfillmentCreate")); diff != "" {
		t.Errorf("fulfillmentCreate (-want +got):\n%s", diff)
	}
	if _, items = b.openLines(gid); dig(items[0], "remainingQuantity") != float64(left-1) {
		t.Errorf("remaining %v, want %d", dig(items[0], "remainingQuantity"), left-1)
	}
	failures := []struct {
		name  string
		input map[string]any
		want  string
	}{
		{"more than remains", fulfilment(fo, []map[string]any{{"id": first["id"], "quantity": left}}), "Invalid fulfillment order line item quantity requested."},
		{"nothing of a line", fulfilment(fo, []map[string]any{{"id": first["id"], "quantity": 0}}), "Invalid fulfillment order line item quantity requested."},
		{"more than remains in two entries", fulfilment(fo, []map[string]any{{"id": first["id"], "quantity": left - 1}, {"id": first["id"], "quantity": 1}}), "Invalid fulfillment order line item quantity requested."},
		{"unknown line", fulfilment(fo, []map[string]any{{"id": "gid://shopify/FulfillmentOrderLineItem/1", "quantity": 1}}), "Fulfillment order line item does not exist."},
		{"unknown fulfilment order", fulfilment("gid://shopify/FulfillmentOrder/1", nil), "Fulfillment order does not exist."},
	}
	for _, tt := range failures {
		out := b.graph(createMutation, tt.input)
		if got := dig(out, "data", "fulfillmentCreate", "userErrors", 0, "message"); got != tt.want || dig(out, "data", "fulfillmentCreate", "fulfillment") != nil {
			t.Errorf("%s: %v", tt.name, out)
		}
	}
	b.graph(createMutation, fulfilment(fo, nil, "T3")) // no lines: the rest
	out = b.graph(createMutation, fulfilment(fo, nil, "T4"))
	if got, _ := dig(out, "data", "fulfillmentCreate", "userErrors", 0, "message").(string); !strings.Contains(got, "unfulfillable status= closed") {
		t.Errorf("a closed fulfilment order was fulfilled: %v", out)
	}
	out = b.graph(`query($id: ID!) { order(id: $id) { displayFulfillmentStatus fulfillmentsCount { count } fulfillments(first: 1) { id } } }`, map[string]any{"id": gid})
	want = map[string]any{"displayFulfillmentStatus": "FULFILLED", "fulfillmentsCount": map[string]any{"count": 2.0}, "fulfillments": []any{map[string]any{"id": "gid://shopify/Fulfillment/4000000000000"}}}
	if diff := cmp.Diff(want, dig(out, "data", "order")); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if n := b.w.Books().Fulfillments; n != 2 {
		t.Errorf("the books have %d fulfilments, want 2", n)
	}
}

func TestShop_TrackingUpdateAndCancel(t *testing.T) {
	b, bodies := placed(t, Config{Seed: plainSeed()}, 1)
	fo, items := b.openLines(bodies[0]["admin_graphql_api_id"])
	id := dig(b.graph(createMutation, fulfilment(fo, nil, "T1")), "data", "fulfillmentCreate", "fulfillment", "id")
	out := b.graph(`mutation($id: ID!) { fulfillmentTrackingInfoUpdate(fulfillmentId: $id, trackingInfoInput: {number: "T9"}, notifyCustomer: false) {
		fulfillment { trackingInfo(first: 5) { number } } userErrors { message } } }`, map[string]any{"id": id})
	if dig(out, "data", "fulfillmentTrackingInfoUpdate", "fulfillment", "trackingInfo", 0, "number") != "T9" {
		t.Errorf("tracking update: %v", out)
	}
	out = b.graph(`mutation($id: ID!) { fulfillmentCancel(id: $id) { fulfillment { status displayStatus } userErrors { message } } }`, map[string]any{"id": id})
	if dig(out, "data", "fulfillmentCancel", "fulfillment", "status") != "CANCELLED" {
		t.Errorf("cancel: %v", out)
	}
	if _, again := b.openLines(bodies[0]["admin_graphql_api_id"]); dig(again[0], "remainingQuantity") != dig(items[0], "remainingQuantity") {
		t.Errorf("a cancelled fulfilment gives nothing back: %v", again)
	}
	out = b.graph(`mutation { fulfillmentTrackingInfoUpdate(fulfillmentId: "gid://shopify/Fulfillment/4999999999999", trackingInfoInput: {number: "T9"}) { fulfillment { id } userErrors { field message } } }`, nil)
	if dig(out, "data", "fulfillmentTrackingInfoUpdate", "userErrors", 0, "field", 0) != "fulfillmentId" {
		t.Errorf("unknown fulfilment: %v", out)
	}
}

func TestShop_TagsNotesAndMetafields(t *testing.T) {
	b, bodies := placed(t, Config{Seed: plainSeed()}, 1)
	gid := bodies[0]["admin_graphql_api_id"]
	b.graph(`mutation($id: ID!) {
		tagsAdd(id: $id, tags: ["waybill", "held"]) { node { id ... on Order { tags } } userErrors { message } }
		orderUpdate(input: {id: $id, note: "too late", poNumber: "PO-9", customAttributes: [{key: "a", value: "b"}], metafields: [{namespace: "waybill", key: "cancel", type: "json", value: "{}"}]}) { order { id } userErrors { message } }
		metafieldsSet(metafields: [{ownerId: $id, namespace: "waybill", key: "ack", type: "single_line_text_field", value: "v1"}]) { metafields { key } userErrors { code message } }
	}`, map[string]any{"id": gid})
	b.graph(`mutation($id: ID!) { tagsAdd(id: $id, tags: ["Waybill"]) { userErrors { message } } tagsRemove(id: $id, tags: ["HELD"]) { userErrors { message } } }`, map[string]any{"id": gid})
	out := b.graph(`query($id: ID!) { order(id: $id) { tags note poNumber customAttributes { key value }
		ack: metafield(namespace: "waybill", key: "ack") { value type }
		none: metafield(namespace: "other", key: "ack") { value }
		metafields(first: 10, namespace: "waybill") { nodes { key } pageInfo { hasNextPage } } shippingAddress { city } } }`, map[string]any{"id": gid})
	want := map[string]any{
		"tags": []any{"waybill"}, "note": "too late", "poNumber": "PO-9", "customAttributes": []any{map[string]any{"key": "a", "value": "b"}},
		"ack": map[string]any{"value": "v1", "type": "single_line_text_field"}, "none": nil,
		"metafields":      map[string]any{"nodes": []any{map[string]any{"key": "cancel"}, map[string]any{"key": "ack"}}, "pageInfo": map[string]any{"hasNextPage": false}},
		"shippingAddress": nil,
	}
	if diff := cmp.Diff(want, dig(out, "data", "order")); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	out = b.graph(`mutation { metafieldsSet(metafields: [{ownerId: "gid://shopify/Order/1", key: "k", value: "v"}]) { metafields { key } userErrors { code field } } }`, nil)
	if dig(out, "data", "metafieldsSet", "userErrors", 0, "code") != "INVALID" {
		t.Errorf("unknown owner: %v", out)
	}
}

func TestShop_OrderCancelTellsItOnce(t *testing.T) {
	b, bodies := placed(t, Config{Seed: plainSeed()}, 1)
	const document = `mutation($id: ID!) { orderCancel(orderId: $id, reason: OTHER, restock: true, refundMethod: {originalPaymentMethodsRefund: false}) { job { id done } orderCancelUserErrors { code field message } } }`
	out := b.graph(document, map[string]any{"id": bodies[0]["admin_graphql_api_id"]})
	if dig(out, "data", "orderCancel", "job", "done") != true {
		t.Fatalf("orderCancel: %v", out)
	}
	if p := <-b.pushed; p.header.Get("X-Shopify-Topic") != "orders/cancelled" || p.body["cancel_reason"] != "other" {
		t.Errorf("pushed %v %v", p.header, p.body["cancel_reason"])
	}
	out = b.graph(document, map[string]any{"id": bodies[0]["admin_graphql_api_id"]})
	if dig(out, "data", "orderCancel", "orderCancelUserErrors", 0, "code") != "INVALID" {
		t.Errorf("cancelled twice: %v", out)
	}
	fo, _ := b.openLines(bodies[0]["admin_graphql_api_id"])
	if out := b.graph(createMutation, fulfilment(fo, nil)); dig(out, "data", "fulfillmentCreate", "fulfillment") != nil {
		t.Errorf("a restocked order was fulfilled: %v", out)
	}
}

func TestShop_PagesNodesAndFragments(t *testing.T) {
	b, bodies := placed(t, Config{Lines: 6, Seed: 9}, 6)
	var order map[string]any
	for _, body := range bodies {
		if len(body["line_items"].([]any)) >= 4 {
			order = body
		}
	}
	if order == nil {
		t.Fatal("no order with four lines; choose another seed")
	}
	var ids []any
	var after any
	for {
		out := b.graph(`query($id: ID!, $after: String) { order(id: $id) { ...Lines } } fragment Lines on Order { lineItems(first: 2, after: $after) { edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }`,
			map[string]any{"id": order["admin_graphql_api_id"], "after": after})
		page := dig(out, "data", "order", "lineItems")
		for i := range dig(page, "edges").([]any) {
			ids = append(ids, dig(page, "edges", i, "node", "id"))
		}
		if dig(page, "pageInfo", "hasNextPage") != true {
			break
		}
		after = dig(page, "pageInfo", "endCursor")
	}
	var want []any
	for i := range order["line_items"].([]any) {
		want = append(want, dig(order, "line_items", i, "admin_graphql_api_id"))
	}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Errorf("lines over pages (-want +got):\n%s", diff)
	}
	out := b.graph(`query($q: String!, $no: Boolean!) { orders(first: 3, query: $q) { nodes { name } } nodes(ids: ["gid://shopify/Order/5000000000000", "gid://shopify/Product/1"]) { __typename id ... on Order { name } } shop { myshopifyDomain name @skip(if: $no) } }`,
		map[string]any{"q": "name:#1003", "no": true})
	wantOut := map[string]any{
		"orders": map[string]any{"nodes": []any{map[string]any{"name": "#1003"}}},
		"nodes":  []any{map[string]any{"__typename": "Order", "id": "gid://shopify/Order/5000000000000", "name": "#1001"}, nil},
		"shop":   map[string]any{"myshopifyDomain": "example-hardware.myshopify.com"},
	}
	if diff := cmp.Diff(wantOut, out["data"]); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestShop_RefusesWhatTheSchemaDoes(t *testing.T) {
	b := newBench(t, Config{})
	for name, document := range map[string]string{
		"unknown field":      `{ order(id: "gid://shopify/Order/1") { colour } }`,
		"wrong variable":     `query($id: Int!) { order(id: $id) { id } }`,
		"missing selection":  `{ shop }`,
		"not GraphQL":        `order`,
		"missing a variable": `query($id: ID!) { order(id: $id) { id } }`,
	} {
		if out := b.graph(document, nil); dig(out, "errors", 0, "message") == nil || out["data"] != nil {
			t.Errorf("%s: %v", name, out)
		}
	}
	h := http.Header{}
	h.Set("X-Shopify-Access-Token", "no")
	if status, _, _ := b.call("shop", http.MethodPost, "/admin/api/2026-04/graphql.json", []byte(`{}`), h); status != 401 {
		t.Errorf("a wrong token was answered %d", status)
	}
	if status, _, _ := b.call("shop", http.MethodPost, "/admin/orders.json", []byte(`{}`), nil); status != 404 {
		t.Errorf("another path was answered %d", status)
	}
}

func TestShop_FaultsAsShopifyMakesThem(t *testing.T) {
	b, bodies := placed(t, Config{Seed: plainSeed()}, 1)
	body, err := json.Marshal(map[string]any{"query": `query($id: ID!) { order(id: $id) { id } }`, "variables": map[string]any{"id": bodies[0]["admin_graphql_api_id"]}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func() (int, http.Header, map[string]any) {
		h := http.Header{}
		h.Set("X-Shopify-Access-Token", b.w.Secret("shop").Token)
		return b.call("shop", http.MethodPost, "/admin/api/2026-04/graphql.json", body, h)
	}
	if _, _, out := ask(); dig(out, "extensions", "cost", "throttleStatus", "restoreRate") != 1000.0 {
		t.Errorf("extensions %v", out["extensions"])
	}
	b.only("shop", Throttle)
	if err := b.w.SetFault("shop", string(Busy), true); err != nil {
		t.Fatal(err)
	}
	throttled, busy := 0, 0
	for range 60 {
		status, header, out := ask()
		switch {
		case dig(out, "errors", 0, "extensions", "code") == "THROTTLED" && status == 200:
			throttled++
			if dig(out, "extensions", "cost", "throttleStatus", "currentlyAvailable") != 2.0 {
				t.Errorf("throttled with %v", out["extensions"])
			}
		case status == 429 && header.Get("Retry-After") == "1.0":
			busy++
		case status != 200:
			t.Errorf("%d %v", status, out)
		}
	}
	if throttled == 0 || busy == 0 || throttled+busy > faultsPerDocument {
		t.Errorf("%d throttled, %d busy, want some of each and at most %d", throttled, busy, faultsPerDocument)
	}
}
