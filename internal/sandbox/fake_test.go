package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeWaybill drives the sandbox through the reference flow with just enough
// sense to finish every fate: one goroutine per order, one document at a time.
// It holds no books of its own that the tests would compare with.
type fakeWaybill struct {
	t      *testing.T
	w      *World
	client *http.Client

	mu     sync.Mutex
	orders map[string]*fakeOrder
	seen   map[string]bool
	busy   int
	idle   *sync.Cond

	blunders bool // the test makes it fail: refused fulfilments are expected
	twice    int  // deliveries recognised as repeats
	bad      int  // signatures that did not verify
}

type fakeEvent struct {
	kind string
	body map[string]any
}

type fakeOrder struct {
	f       *fakeWaybill
	ref     string
	inbox   []fakeEvent
	running bool

	gid, customer      string
	updated            string
	lines              []map[string]string
	placed, held       bool
	sold, released     bool
	cancelled, refused bool
	woKey              string
	seq, after         map[string]int
	early              []fakeEvent
}

func newFake(t *testing.T, w *World) *fakeWaybill {
	f := &fakeWaybill{t: t, w: w, client: &http.Client{Transport: w.Transport(), Timeout: 2 * time.Second}, orders: map[string]*fakeOrder{}, seen: map[string]bool{}}
	f.idle = sync.NewCond(&f.mu)
	w.SetWaybill("http://waybill.example", &http.Client{Transport: roundTrip(f.serve)})
	return f
}

type roundTrip func(*http.Request) (*http.Response, error)

func (fn roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return fn(r) }

// serve is Waybill's intake.
func (f *fakeWaybill) serve(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	status := f.take(r, body)
	return &http.Response{StatusCode: status, Status: strconv.Itoa(status), Header: http.Header{}, Body: http.NoBody}, nil
}

func (f *fakeWaybill) take(r *http.Request, body []byte) int {
	system := strings.TrimPrefix(r.URL.Path, "/in/")
	id, kind, ok := f.verify(system, r.Header, body)
	if !ok {
		f.mu.Lock()
		f.bad++
		f.mu.Unlock()
		return http.StatusUnauthorized
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var data map[string]any
	if err := decoder.Decode(&data); err != nil {
		f.t.Errorf("body of %s is not JSON: %v", id, err)
		return http.StatusBadRequest
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen[id] {
		f.twice++
		return http.StatusOK
	}
	f.seen[id] = true
	if system == "shop" {
		f.order("shop~.~23" + data["order_number"].(json.Number).String()).put(fakeEvent{kind, data})
		return http.StatusAccepted
	}
	kind = data["type"].(string)
	data = data["data"].(map[string]any)
	switch {
	case kind == "customer.changed":
		for _, o := range f.orders {
			if o.customer == data["customer"] {
				o.put(fakeEvent{kind, data})
			}
		}
	case data["order"] != nil:
		f.order(data["order"].(string)).put(fakeEvent{kind, data})
	}
	return http.StatusAccepted
}

// verify checks a signature from the texts of the standards.
func (f *fakeWaybill) verify(system string, h http.Header, body []byte) (id, kind string, ok bool) {
	secret := f.w.Secret(system).WebhookSecret
	if system == "shop" {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		want := base64.StdEncoding.EncodeToString(mac.Sum(nil))
		return h.Get("X-Shopify-Webhook-Id"), h.Get("X-Shopify-Topic"), h.Get("X-Shopify-Hmac-SHA256") == want
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return "", "", false
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	return h.Get("webhook-id"), "", h.Get("webhook-signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// order finds or opens an order. The lock is held.
func (f *fakeWaybill) order(ref string) *fakeOrder {
	o := f.orders[ref]
	if o == nil {
		o = &fakeOrder{f: f, ref: ref, seq: map[string]int{}, after: map[string]int{}}
		f.orders[ref] = o
	}
	return o
}

// put hands an event to the order's goroutine. The lock is held.
func (o *fakeOrder) put(e fakeEvent) {
	o.inbox = append(o.inbox, e)
	if !o.running {
		o.running = true
		o.f.busy++
		go o.run()
	}
}

func (o *fakeOrder) run() {
	for {
		o.f.mu.Lock()
		if len(o.inbox) == 0 {
			o.running = false
			o.f.busy--
			o.f.idle.Broadcast()
			o.f.mu.Unlock()
			return
		}
		e := o.inbox[0]
		o.inbox = o.inbox[1:]
		o.f.mu.Unlock()
		o.handle(e)
	}
}

func (o *fakeOrder) handle(e fakeEvent) {
	if !o.placed && e.kind != "orders/create" {
		o.early = append(o.early, e)
		return
	}
	switch e.kind {
	case "orders/create":
		o.placed = true
		o.gid = e.body["admin_graphql_api_id"].(string)
		o.f.mu.Lock()
		o.customer = e.body["customer"].(map[string]any)["id"].(json.Number).String()
		o.f.mu.Unlock()
		o.take(e.body)
		for _, early := range o.early {
			if early.kind == "orders/cancelled" {
				o.cancelled = true
			}
			if early.kind == "orders/updated" {
				o.take(early.body)
			}
		}
		if !o.cancelled {
			o.check()
		}
	case "customer.changed":
		if o.held && !o.cancelled {
			o.check()
		}
	case "orders/updated":
		o.change(e.body)
	case "orders/cancelled":
		o.cancel()
	case "warehouse_order.cancelled":
		o.cancelled = true
		o.send("erp", "sales_order_cancel", nil, nil)
	case "shipment.confirmed":
		o.ship(e.body)
	}
}

// take reads the lines of a storefront body, unless a newer one was read.
func (o *fakeOrder) take(body map[string]any) {
	if at := body["updated_at"].(string); at <= o.updated {
		return
	} else {
		o.updated = at
	}
	o.lines = nil
	for _, v := range body["line_items"].([]any) {
		l := v.(map[string]any)
		o.lines = append(o.lines, map[string]string{
			"line": l["id"].(json.Number).String(), "sku": l["sku"].(string), "qty": l["current_quantity"].(json.Number).String(), "price": l["price"].(string),
		})
	}
}

func (o *fakeOrder) check() {
	res := o.send("erp", "order_check", o.lines, map[string]any{"customer": o.customer})
	if res.result["approved"] != true {
		o.held = true
		return
	}
	o.held = false
	if !o.send("erp", "sales_order", o.lines, nil).ok {
		o.refused = true
		return
	}
	o.sold = true
	wo := o.send("wms", "warehouse_order", o.lines, nil)
	o.released, o.woKey = wo.ok, wo.key
	o.query(`mutation($id: ID!, $tags: [String!]!) { tagsAdd(id: $id, tags: $tags) { userErrors { field message } } }`, map[string]any{"id": o.gid, "tags": []string{"accepted"}})
}

func (o *fakeOrder) change(body map[string]any) {
	before := o.lines
	o.take(body)
	switch {
	case o.cancelled || o.refused || !o.placed:
	case !o.released:
		if o.held {
			o.check()
		}
	default:
		if !o.send("wms", "warehouse_order_change", o.lines, nil).ok {
			o.lines = before
			return
		}
		o.send("erp", "sales_order_change", o.lines, nil)
	}
}

func (o *fakeOrder) cancel() {
	switch {
	case o.released:
		o.send("wms", "warehouse_order_cancel", nil, map[string]any{"warehouse_order": o.woKey})
	case o.sold:
		o.send("erp", "sales_order_cancel", nil, nil)
		o.cancelled = true
	default:
		o.cancelled, o.held = true, false
	}
}

func (o *fakeOrder) ship(data map[string]any) {
	var lines []map[string]string
	for _, v := range data["lines"].([]any) {
		l := v.(map[string]any)
		lines = append(lines, map[string]string{"line": l["line"].(string), "qty": l["qty"].(string)})
	}
	about := map[string]any{"shipment": data["shipment"]}
	o.send("erp", "shipment_posting", lines, about)
	o.send("erp", "invoice", lines, about)
	o.fulfil(lines, data)
}

// reply is what a document came to.
type reply struct {
	ok     bool
	key    string
	code   string
	result map[string]any
}

// send brings one document to its end: applied, or refused.
func (o *fakeOrder) send(target, kind string, lines []map[string]string, data map[string]any) reply {
	revision := 0
	for {
		r, again := o.post(target, kind, lines, data, revision)
		if again == "" {
			return r
		}
		lines = slices.DeleteFunc(slices.Clone(lines), func(l map[string]string) bool { return l["line"] != again })
		revision++
	}
}

func (o *fakeOrder) post(target, kind string, lines []map[string]string, data map[string]any, revision int) (r reply, again string) {
	o.seq[target]++
	seq := o.seq[target]
	key := fmt.Sprintf("%s.%s.%d.%d", o.ref, kind, seq, revision)
	body, err := json.Marshal(map[string]any{
		"kind": kind, "order": o.ref, "key": key, "seq": seq, "after": o.after[target], "revision": revision, "version": 1, "lines": lines, "data": data,
	})
	if err != nil {
		o.f.t.Error(err)
	}
	for attempt := 1; ; attempt++ {
		deadline := time.Now().Add(time.Second)
		res, status := o.attempt(target, key, body, seq, attempt, deadline)
		switch status {
		case 201, 200, 207:
			o.after[target] = seq
			lines, _ := res["lines"].([]any)
			for _, l := range lines {
				if l := l.(map[string]any); l["status"] == "retry" {
					again = l["line"].(string)
				}
			}
			result, _ := res["result"].(map[string]any)
			return reply{ok: true, key: key, result: result}, again
		case 429, 503:
			pause(100 * time.Millisecond)
			continue
		case 422, 400, 404:
			return reply{key: key, code: fmt.Sprint(res["code"])}, ""
		}
		found, done := o.inquire(target, key, deadline)
		if !done {
			continue
		}
		if found["state"] == "rejected" {
			return reply{key: key}, ""
		}
		o.after[target] = seq
		lines, _ := found["lines"].([]any)
		for _, l := range lines {
			if l := l.(map[string]any); l["status"] == "retry" {
				again = l["line"].(string)
			}
		}
		result, _ := found["result"].(map[string]any)
		return reply{ok: true, key: key, result: result}, again
	}
}

// inquire asks T2 until the answer is conclusive; done false: send again.
func (o *fakeOrder) inquire(target, key string, deadline time.Time) (found map[string]any, done bool) {
	if target == "wms" {
		pause(50 * time.Millisecond)
		return nil, false // class key: sent again without asking
	}
	for {
		pause(50 * time.Millisecond)
		res, status := o.f.call(target, http.MethodGet, "/v1/documents/by-key/"+key, nil, nil)
		switch {
		case status == 200 && res["state"] != "pending":
			return res, true
		case status == 404 && res["as_of"] != nil:
			asOf, err := time.Parse(time.RFC3339Nano, res["as_of"].(string))
			if err == nil && !asOf.Before(deadline) {
				return nil, false
			}
		}
	}
}

func (o *fakeOrder) attempt(target, key string, body []byte, seq, attempt int, deadline time.Time) (map[string]any, int) {
	return o.f.call(target, http.MethodPost, "/v1/documents", body, t1Header(body, key, o.ref, seq, attempt, deadline))
}

// t1Header are the headers of T0.
func t1Header(body []byte, key, lane string, seq, attempt int, deadline time.Time) http.Header {
	sum := sha256.Sum256(body)
	h := http.Header{}
	h.Set("Idempotency-Key", key)
	h.Set("Waybill-Lane", lane)
	h.Set("Waybill-Seq", strconv.Itoa(seq))
	h.Set("Waybill-Attempt", strconv.Itoa(attempt))
	h.Set("Waybill-Epoch", "1")
	h.Set("Waybill-Deadline", deadline.Format(time.RFC3339Nano))
	h.Set("Content-Digest", "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":")
	h.Set("Content-Type", "application/json")
	return h
}

// call makes one request; status 0: no answer.
func (f *fakeWaybill) call(system, method, path string, body []byte, h http.Header) (map[string]any, int) {
	req, err := http.NewRequestWithContext(f.t.Context(), method, "http://"+system+".sandbox"+path, bytes.NewReader(body))
	if err != nil {
		f.t.Error(err)
		return nil, 0
	}
	if h != nil {
		req.Header = h
	}
	req.Header.Set("Authorization", "Bearer "+f.w.Secret(system).Token)
	req.Header.Set("X-Shopify-Access-Token", f.w.Secret(system).Token)
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, 0
	}
	defer resp.Body.Close()
	var out map[string]any
	_ = json.NewDecoder(resp.Body).Decode(&out) // not every answer is JSON
	return out, resp.StatusCode
}

// query runs a GraphQL document until it is answered.
func (o *fakeOrder) query(document string, variables map[string]any) map[string]any {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
	if err != nil {
		o.f.t.Error(err)
	}
	for {
		res, status := o.f.call("shop", http.MethodPost, "/admin/api/2026-04/graphql.json", body, nil)
		if status == 200 && res["errors"] == nil {
			return res["data"].(map[string]any)
		}
		if status == 200 && !strings.Contains(fmt.Sprint(res["errors"]), "THROTTLED") {
			o.f.t.Errorf("GraphQL errors: %v", res["errors"])
			return nil
		}
		pause(50 * time.Millisecond)
	}
}

const fulfilQuery = `query($id: ID!) { order(id: $id) {
	fulfillments { trackingInfo { number } }
	fulfillmentOrders(first: 5) { nodes { id lineItems(first: 60) { nodes { id remainingQuantity lineItem { id } } } } } } }`

const fulfilMutation = `mutation($f: FulfillmentInput!) { fulfillmentCreate(fulfillment: $f) { fulfillment { id } userErrors { field message } } }`

// fulfil writes a shipment to the storefront, looking first whether it is
// there.
func (o *fakeOrder) fulfil(lines []map[string]string, data map[string]any) {
	tracking := data["packages"].([]any)[0].(map[string]any)["tracking"].(string)
	for {
		order := o.query(fulfilQuery, map[string]any{"id": o.gid})["order"].(map[string]any)
		if strings.Contains(fmt.Sprint(order["fulfillments"]), tracking) {
			return
		}
		fo := order["fulfillmentOrders"].(map[string]any)["nodes"].([]any)[0].(map[string]any)
		var items []map[string]any
		for _, v := range fo["lineItems"].(map[string]any)["nodes"].([]any) {
			item := v.(map[string]any)
			for _, l := range lines {
				if strings.HasSuffix(item["lineItem"].(map[string]any)["id"].(string), "/"+l["line"]) {
					n, _ := strconv.Atoi(l["qty"])
					items = append(items, map[string]any{"id": item["id"], "quantity": n})
				}
			}
		}
		body, _ := json.Marshal(map[string]any{"query": fulfilMutation, "variables": map[string]any{"f": map[string]any{
			"lineItemsByFulfillmentOrder": []any{map[string]any{"fulfillmentOrderId": fo["id"], "fulfillmentOrderLineItems": items}},
			"trackingInfo":                map[string]any{"number": tracking}, "notifyCustomer": true,
		}}})
		res, status := o.f.call("shop", http.MethodPost, "/admin/api/2026-04/graphql.json", body, nil)
		if status == 200 && res["errors"] == nil {
			created := res["data"].(map[string]any)["fulfillmentCreate"].(map[string]any)
			if created["fulfillment"] == nil && !o.f.blunders {
				o.f.t.Errorf("order %s: fulfilment refused: %v", o.ref, created["userErrors"])
			}
			return
		}
		pause(50 * time.Millisecond)
	}
}

// settle waits until neither side has anything to do.
func (f *fakeWaybill) settle() {
	for {
		f.mu.Lock()
		for f.busy > 0 {
			f.idle.Wait()
		}
		f.mu.Unlock()
		if quiet, _ := f.w.Quiet(); quiet {
			f.mu.Lock()
			done := f.busy == 0
			f.mu.Unlock()
			if done {
				return
			}
		}
		pause(10 * time.Millisecond)
	}
}

// pause lets the bubble's clock move on.
func pause(d time.Duration) { wait(context.Background(), d) }
