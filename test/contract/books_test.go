package contract_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// apply puts the document into the books once, in a state of T2.
func (c *call) apply(state string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[c.key]; e != nil {
		return e
	}
	e := &entry{at: time.Now(), key: c.key, doc: c.doc, digest: c.header.Get("Content-Digest"), state: state, result: obj{}}
	c.head++
	e.n, e.ref = c.head, fmt.Sprintf("%s-%d", strings.ToUpper(c.name[:1]), c.head)
	if c.kind == "order_check" {
		e.result = obj{"approved": true, "reasons": []any{}}
	}
	c.books = append(c.books, e)
	c.byKey[c.key] = e
	if l := c.lanes[c.lane]; state != "rejected" {
		l.taken = max(l.taken, c.seq)
	}
	return e
}

func (f *target) receipt(e *entry) obj {
	f.mu.Lock()
	defer f.mu.Unlock()
	return obj{"ref": e.ref, "n": e.n, "applied_at": e.at.Format(time.RFC3339Nano), "generation": f.generation, "result": e.result}
}

// accept is what the books do by themselves: 201, or 200 when known.
func (c *call) accept() {
	if c.now().After(c.deadline) {
		c.problem(503, "too_late")
		return
	}
	c.mu.Lock()
	known := c.byKey[c.key] != nil
	c.mu.Unlock()
	e := c.apply("applied")
	if known {
		c.w.Header().Set("Idempotency-Replayed", "true")
		answer(c.w, 200, c.receipt(e))
		return
	}
	answer(c.w, 201, c.receipt(e))
}

// with applies and answers 201 with a result of its own.
func with(result obj) func(*call) {
	return func(c *call) {
		e := c.apply("applied")
		c.set(func() { e.result = result })
		answer(c.w, 201, c.receipt(e))
	}
}

// denied is an order_check that is not approved.
func denied(kind, reason string) func(*call) {
	return with(obj{"approved": false, "reasons": []any{obj{"kind": kind, "reason": reason}}})
}

func (c *call) problem(code int, name string) { answerProblem(c.w, code, name) }

// refuse answers with problem+json.
func refuse(code int, name string) func(*call) {
	return func(c *call) { c.problem(code, name) }
}

// drop cuts the connection without an answer.
func (c *call) drop() {
	c.w.(*closing).done()
	conn, _, err := http.NewResponseController(c.w.(*closing).ResponseWriter).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// hang holds the request until the other side gives up.
func (c *call) hang() { <-c.r.Context().Done() }

// hold answers only when told, or when the other side gives up.
func hold(release <-chan struct{}) func(*call) {
	return func(c *call) {
		select {
		case <-release:
			c.accept()
		case <-c.r.Context().Done():
		}
	}
}

// tries gives the T1 requests of a kind for an order ("" is any).
func (f *target) tries(kind, order string) []*request {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []*request
	for _, q := range f.sent {
		if (kind == "" || q.kind == kind) && (order == "" || q.order == order) {
			out = append(out, q)
		}
	}
	return out
}

// docs gives what the books hold of a kind for an order, in their order.
func (f *target) docs(kind, order string) []obj {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []obj
	for _, e := range f.books {
		if e.state == "applied" && (kind == "" || e.doc["kind"] == kind) && (order == "" || e.doc["order"] == order) {
			out = append(out, e.doc)
		}
	}
	return out
}

// kinds gives the kinds that the books hold for an order, in their order.
func (f *target) kinds(order string) string {
	var out []string
	for _, d := range f.docs("", order) {
		out = append(out, d["kind"].(string))
	}
	return strings.Join(out, " ")
}

// lookups counts T2 for a key.
func (f *target) lookups(key string) []lookup {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []lookup
	for _, l := range f.asked {
		if l.key == key {
			out = append(out, l)
		}
	}
	return out
}

// one gives the only document of a kind in the books.
func (w *world) one(f *target, kind, order string) obj {
	w.Helper()
	docs := f.docs(kind, order)
	if len(docs) != 1 {
		w.Fatalf("%s holds %d %s of %s, want 1: %s", f.name, len(docs), kind, order, f.kinds(order))
	}
	return docs[0]
}

// books holds an order's kinds in a target's books, in order.
func (w *world) books(f *target, order, want string) {
	w.Helper()
	if have := f.kinds(order); have != want {
		w.Errorf("%s holds of %s: %s\nwant %s", f.name, order, have, want)
	}
}

// quantities writes a document's lines as "1:5 2:0", by their numbers.
func quantities(doc obj) string {
	var out []string
	lines, _ := doc["lines"].([]any)
	for _, l := range lines {
		out = append(out, fmt.Sprintf("%v:%v", l.(obj)["line"], l.(obj)["qty"]))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// lines holds a document to its quantities.
func (w *world) lines(doc obj, want string) {
	w.Helper()
	if have := quantities(doc); have != want {
		w.Errorf("%v of %v names %s, want %s", doc["kind"], doc["order"], have, want)
	}
}

var event atomic.Int64

// sign is Standard Webhooks 1.0 with the secret "whsec_<base64>".
func sign(secret, id, timestamp string, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(id + "." + timestamp + "." + string(body)))
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// signed gives the headers of W1.
func signed(secret, id string, at time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	return http.Header{"Content-Type": {"application/json"}, "Webhook-Id": {id}, "Webhook-Timestamp": {stamp},
		"Webhook-Signature": {sign(secret, id, stamp, body)}}
}

func envelope(kind string, data obj) []byte {
	return marshal(obj{"type": kind, "timestamp": time.Now().UTC().Format(time.RFC3339Nano), "data": data})
}

// push sends one event and wants 202 with a status; it gives the answer.
func (w *world) pushAs(status, system, kind string, data obj) obj {
	w.Helper()
	return w.pushBody(status, system, fmt.Sprintf("evt_%d", event.Add(1)), envelope(kind, data))
}

func (w *world) pushBody(status, system, id string, body []byte) obj {
	w.Helper()
	code, _, text := w.try("POST", "/in/"+system, body, signed(hookSecret, id, time.Now(), body))
	have, _ := unmarshal(w, text).(obj)
	if code != 202 || have["status"] != status {
		w.Fatalf("push to /in/%s: %d %s, want 202 %s\n%s", system, code, text, status, body)
	}
	return have
}

func (w *world) push(system, kind string, data obj) obj {
	w.Helper()
	return w.pushAs("accepted", system, kind, data)
}

// placed is an order of lines, written "1 A 5 9.90, 2 B 3 2.50": line, sku,
// quantity, price.
func placed(order string, version int, lines string, more ...obj) obj {
	rows := []any{}
	for _, l := range strings.Split(lines, ",") {
		f := strings.Fields(l)
		rows = append(rows, obj{"line": f[0], "sku": f[1], "qty": f[2], "uom": "EA", "price": f[3]})
	}
	d := obj{"order": order, "version": version, "customer": "C-" + order, "currency": "EUR",
		"ship_to": obj{"name": "Example Hardware", "city": "Exampletown", "country": "DE"}, "lines": rows}
	return merge(d, more)
}

// shipped is a shipment of lines, written "1 5, 2 3".
func shipped(order, shipment string, version int, lines string, more ...obj) obj {
	return merge(obj{"order": order, "shipment": shipment, "version": version, "shipped_at": "2026-03-04T23:30:00-05:00",
		"carrier": "UPS", "service": "Ground", "lines": rows(lines),
		"packages": []any{obj{"tracking": "1Z" + shipment, "lines": rows(lines)}}}, more)
}

func rows(lines string) []any {
	out := []any{}
	for _, l := range strings.Split(lines, ",") {
		f := strings.Fields(l)
		out = append(out, obj{"line": f[0], "qty": f[1]})
	}
	return out
}

func merge(d obj, more []obj) obj {
	for _, m := range more {
		for k, v := range m {
			if v == nil {
				delete(d, k)
			} else {
				d[k] = v
			}
		}
	}
	return d
}

func (w *world) place(order, lines string, more ...obj) {
	w.Helper()
	w.push("channel", "order.placed", placed(order, 1, lines, more...))
}

func (w *world) ship(order, shipment string, version int, lines string, more ...obj) {
	w.Helper()
	w.push("wms", "shipment.confirmed", shipped(order, shipment, version, lines, more...))
}

// released places an order and waits until the warehouse has it.
func (w *world) released(order, lines string, more ...obj) {
	w.Helper()
	w.place(order, lines, more...)
	w.quiet()
	w.one(w.wms, "warehouse_order", order)
}
