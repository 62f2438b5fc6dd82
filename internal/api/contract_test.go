package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/api"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// described validates answers against the served description.
type described struct {
	w   *world
	doc map[string]any
	c   *jsonschema.Compiler
}

func newDescribed(w *world) *described {
	b := w.get("/openapi.json", 200)
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		w.t.Fatalf("openapi.json: %v", err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi.json", doc); err != nil {
		w.t.Fatalf("openapi.json: %v", err)
	}
	return &described{w: w, doc: doc.(map[string]any), c: c}
}

// holds validates a body against the schema of an operation's answer.
func (d *described) holds(path, method, status, media string, body []byte) {
	d.w.t.Helper()
	at := "/paths/" + pointer(path) + "/" + method + "/responses/" + status + "/content/" + pointer(media) + "/schema"
	sch, err := d.c.Compile("openapi.json#" + at)
	if err != nil {
		d.w.t.Errorf("%s: %v", at, err)
		return
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		d.w.t.Errorf("%s %s: %v", method, path, err)
		return
	}
	if err := sch.Validate(v); err != nil {
		d.w.t.Errorf("%s %s answers other than it is described: %v\n%s", method, path, err, body)
	}
}

func pointer(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(s)
}

func keysOf(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

func wantKeys(t *testing.T, what string, got map[string]any, want string) {
	t.Helper()
	fields := strings.Fields(want)
	slices.Sort(fields)
	if diff := cmp.Diff(fields, keysOf(got)); diff != "" {
		t.Errorf("keys of %s (-contract +got):\n%s", what, diff)
	}
}

func TestContract_Shapes(t *testing.T) {
	w := newWorld(t, withReconciler)
	w.targets["erp"].on(waybill.SalesOrder, refusal("unknown_item"))
	w.push("shop", "order.placed", strings.ReplaceAll(order1, "SO-1", "SO-2"))
	w.rest()
	w.targets["erp"].on(waybill.SalesOrder, waybill.Outcome{Verdict: waybill.Done, Receipt: waybill.Receipt{Ref: "E-77"}})
	w.shipped()
	w.tell("/api/v1/orders/SO-1/hold", `{"reason":"asked by the customer"}`, 200)
	w.tell("/api/v1/orders/SO-1/release", `{"reason":"settled"}`, 200)
	key := w.list("/api/v1/deliveries")[0]["key"].(string)
	d := newDescribed(w)

	for _, tt := range []struct {
		path, route string
		keys        string            // of the object, or of each entry
		nested      map[string]string // keys of objects inside
	}{
		{"/healthz", "/healthz", "status version", nil},
		{"/readyz", "/readyz", "reasons", nil},
		{"/api/v1/status", "/api/v1/status", "version replica config_rev ledger_head ledger_hash deliveries undecided limbo quarantined oldest_ready_s quiescent",
			map[string]string{"deliveries": "ready in_flight in_doubt waiting parked"}},
		{"/api/v1/deliveries", "/api/v1/deliveries", "key target lane order kind subject revision seq state attempts ref digest events reason", nil},
		{"/api/v1/deliveries/" + key + "/attempts", "/api/v1/deliveries/{key}/attempts", "start deadline end outcome epoch", nil},
		{"/api/v1/events", "/api/v1/events", "event message source id sha256 type order state reason", nil},
		{"/api/v1/orders/SO-1", "/api/v1/orders/{ref}", "order po status refs holds shipments invoices lines", map[string]string{
			"refs": "system kind value", "shipments": "shipment lines", "invoices": "ref lines",
			"lines": "line sku base_uom ordered cancelled released allocated picked packed shipped delivered posted invoiced returned credited backordered"}},
		{"/api/v1/orders/SO-1/timeline", "/api/v1/orders/{ref}/timeline",
			"seq at clock recorded_at kind system type title detail state event message key attempts", nil},
		{"/api/v1/orders", "/api/v1/orders", "order status customer received_at updated_at", nil},
		{"/api/v1/exceptions", "/api/v1/exceptions", "id cause orders money currency since next actions", nil},
		{"/api/v1/audit", "/api/v1/audit", "seq at actor action object reason before after prev hash", nil},
		{"/api/v1/reconciliations/rec_1", "/api/v1/reconciliations/{id}", "state missing_in_target unknown_in_target duplicate differs breaks", nil},
	} {
		t.Run(tt.route, func(t *testing.T) {
			body := w.get(tt.path, 200)
			d.holds(tt.route, "get", "200", "application/json", body)
			var all []map[string]any
			if body[0] == '[' {
				all = decode[[]map[string]any](t, body)
			} else {
				all = []map[string]any{decode[map[string]any](t, body)}
			}
			if len(all) == 0 {
				t.Fatal("there is nothing to look at")
			}
			for _, one := range all {
				wantKeys(t, tt.path, one, tt.keys)
				for name, keys := range tt.nested {
					inner, isList := one[name].([]any)
					if !isList {
						inner = []any{one[name]}
					}
					for _, x := range inner {
						wantKeys(t, tt.path+" "+name, x.(map[string]any), keys)
					}
				}
			}
		})
	}
}

func TestContract_OneDelivery(t *testing.T) {
	w := newWorld(t)
	w.shipped()
	posting := w.list("/api/v1/deliveries?target=erp&order=TRK-1&state=done&limit=3")[2]
	want := map[string]any{"key": posting["key"], "target": "erp", "lane": "SO-1", "order": "SO-1", "kind": "shipment_posting",
		"subject": "SH-1", "revision": 0.0, "seq": 3.0, "state": "done", "attempts": 1.0, "ref": "E-3", "reason": "",
		"digest": posting["digest"], "events": posting["events"]}
	if diff := cmp.Diff(want, posting); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	row, err := w.store.DeliveriesOf(t.Context(), mustOrder(w).ID)
	if err != nil {
		t.Fatal(err)
	}
	body, err := w.store.Body(t.Context(), row[3].ID)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body.Bytes)
	if want := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"; posting["digest"] != want {
		t.Errorf("digest %v of the bytes sent, want %s", posting["digest"], want)
	}
}

func mustOrder(w *world) ledger.Waybill {
	w.t.Helper()
	found, err := w.store.WaybillsByRef(w.t.Context(), "SO-1", 1)
	if err != nil || len(found) != 1 {
		w.t.Fatalf("SO-1: %v %v", found, err)
	}
	return found[0]
}

func TestContract_QuantitiesOfAnOrder(t *testing.T) {
	w := newWorld(t)
	w.shipped()
	got := decode[map[string]any](t, w.get("/api/v1/orders/PO-9", 200))
	if got["order"] != "SO-1" || got["po"] != "PO-9" || got["status"] != "invoiced" {
		t.Errorf("got %v %v %v", got["order"], got["po"], got["status"])
	}
	want := map[string]any{"line": "1", "sku": "A", "base_uom": "EA", "ordered": "5", "cancelled": "0", "released": "5",
		"allocated": "0", "picked": "0", "packed": "0", "shipped": "5", "delivered": "0", "posted": "5", "invoiced": "5",
		"returned": "0", "credited": "0", "backordered": "0"}
	if diff := cmp.Diff(want, got["lines"].([]any)[0]); diff != "" {
		t.Errorf("line 1 (-want +got):\n%s", diff)
	}
}

func TestContract_EventAndItsBytes(t *testing.T) {
	w := newWorld(t)
	body := "{\"type\":\"order.placed\",\n \"timestamp\":\"2026-01-02T03:04:05Z\", \"data\":" + strings.Replace(order1, "Example Hardware", "Éxample \\u00e4", 1) + " }"
	res, b := w.pushRaw("shop", "m-raw", body)
	if res.StatusCode != 202 {
		t.Fatalf("%s: %s", res.Status, b)
	}
	w.rest()
	answer := decode[map[string]any](t, b)
	sum := sha256.Sum256([]byte(body))
	events := w.list("/api/v1/events?source=shop&id=m-raw")
	want := []map[string]any{{"event": answer["event"], "message": answer["id"], "source": "shop", "id": "m-raw",
		"sha256": hex.EncodeToString(sum[:]), "type": "order.placed", "order": "SO-1", "state": "applied", "reason": ""}}
	if diff := cmp.Diff(want, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	number := strings.TrimPrefix(answer["id"].(string), "msg_")
	for _, path := range []string{"/api/v1/messages/" + answer["id"].(string), "/api/v1/messages/" + number, "/api/v1/events/" + answer["event"].(string)} {
		res, raw := w.do("GET", path+"/raw", "operator", "", nil)
		if string(raw) != body {
			t.Errorf("%s is not what was sent: %q", path, raw)
		}
		if got := res.Header.Get("Content-Digest"); got != "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":" {
			t.Errorf("%s: Content-Digest %s", path, got)
		}
	}
	own := w.list("/api/v1/events?source=waybill&limit=1")[0]["event"].(string)
	for _, path := range []string{"/api/v1/events/" + own, "/api/v1/messages/msg_999999", "/api/v1/messages/x"} {
		w.get(path+"/raw", 404)
	}
	if quarantined := w.list("/api/v1/events?state=quarantined"); len(quarantined) != 0 {
		t.Errorf("quarantined: %v", quarantined)
	}
}

func TestContract_SeveralOrders(t *testing.T) {
	w := newWorld(t)
	for _, n := range []string{"SO-1", "SO-2", "PO-9"} { // the third is called as the others' purchase order is
		w.push("shop", "order.placed", strings.Replace(order1, "SO-1", n, 1))
	}
	w.rest()
	if got := decode[map[string]any](t, w.get("/api/v1/orders/PO-9", 200)); got["order"] != "PO-9" {
		t.Errorf("an order's own number names %v", got["order"])
	}
	for _, n := range []string{"SO-1", "SO-2"} {
		w.push("wms", "shipment.confirmed", `{"order":"`+n+`","shipment":"LOAD~7","version":1,"shipped_at":"2026-01-03T09:00:00Z","lines":[{"line":"1","qty":"1"}]}`)
	}
	w.rest()
	d := newDescribed(w)
	for _, path := range []string{"", "/timeline"} {
		body := w.get("/api/v1/orders/LOAD~7"+path, 300)
		d.holds("/api/v1/orders/{ref}"+path, "get", "300", "application/json", body)
		if diff := cmp.Diff(map[string]any{"orders": []any{"SO-2", "SO-1"}}, decode[map[string]any](t, body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	w.get("/api/v1/orders/nothing", 404)
	key := w.list("/api/v1/deliveries?order=SO-2")[0]["key"].(string)
	if got := decode[map[string]any](t, w.get("/api/v1/orders/"+key, 200)); got["order"] != "SO-2" {
		t.Errorf("a document's key names %v", got["order"])
	}
}

func TestContract_OrderByAPI(t *testing.T) {
	w := newWorld(t)
	body := strings.Replace(order1, "SO-1", "1001", 1)
	post := func(key, body string) (*http.Response, map[string]any) {
		h := map[string]string{}
		if key != "" {
			h["Idempotency-Key"] = key
		}
		res, b := w.do("POST", "/api/v1/orders", "operator", body, h)
		return res, decode[map[string]any](t, b)
	}
	res, first := post("k-1", body)
	if res.StatusCode != 202 || first["status"] != "accepted" || first["duplicate"] != false {
		t.Fatalf("%s %v", res.Status, first)
	}
	wantKeys(t, "the answer", first, "id event duplicate status")
	if res, again := post("k-1", body); res.StatusCode != 200 || again["duplicate"] != true || again["id"] != first["id"] {
		t.Errorf("again: %s %v", res.Status, again)
	}
	if res, p := post("k-1", strings.Replace(body, `"5"`, `"6"`, 1)); res.StatusCode != 422 || p["code"] != "key_reuse" {
		t.Errorf("another body: %s %v", res.Status, p)
	}
	if res, p := post("", body); res.StatusCode != 400 || p["code"] != "header_missing" {
		t.Errorf("no key: %s %v", res.Status, p)
	}
	w.rest()
	if got := decode[map[string]any](t, w.get("/api/v1/orders/api~.1001", 200)); got["status"] != "released" {
		t.Errorf("the order is %v", got["status"])
	}
}

// oneReconciler knows one reconciliation.
type oneReconciler struct{}

// Start implements api.Reconciler.
func (oneReconciler) Start(_ context.Context, system string, _ time.Time) (string, error) {
	if system != "erp" {
		return "", &waybill.Error{Code: "not_found", Detail: "no system is called " + system}
	}
	return "rec_1", nil
}

// Get implements api.Reconciler.
func (oneReconciler) Get(_ context.Context, id string) (any, error) {
	if id != "rec_1" {
		return nil, store.ErrNotFound
	}
	none := []string{}
	return map[string]any{"state": "done", "missing_in_target": none, "unknown_in_target": []int{3}, "duplicate": none, "differs": none,
		"breaks": []map[string]string{{"control": "quantity", "order": "SO-1", "line": "1", "qty": "1", "money": "9.90",
			"currency": "EUR", "since": "2026-01-02T00:00:00Z", "cause": "", "action": ""}}}, nil
}

func withReconciler(d *api.Deps) { d.Reconciler = oneReconciler{} }

func TestContract_Reconciliation(t *testing.T) {
	w := newWorld(t, withReconciler)
	b := w.tell("/api/v1/reconciliations", `{"system":"erp","as_of":"2026-01-02T00:00:00Z"}`, 202)
	if got := decode[map[string]any](t, b); got["id"] != "rec_1" {
		t.Errorf("answer %v", got)
	}
	w.tell("/api/v1/reconciliations", `{"system":"nobody"}`, 404)
	w.tell("/api/v1/reconciliations", `{}`, 400)
	w.get("/api/v1/reconciliations/rec_2", 404)
	without := newWorld(t)
	without.get("/api/v1/reconciliations/rec_1", 404)
}

func TestContract_PushesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	body := `{"type":"order.placed","timestamp":"2026-01-02T03:04:05Z","data":` + order1 + `}`
	res, b := w.do("POST", "/in/shop", "", body, map[string]string{"Webhook-Id": "m-1",
		"Webhook-Timestamp": strconv.FormatInt(time.Now().Unix(), 10), "Webhook-Signature": "v1,AAAA"})
	if p := decode[map[string]any](t, b); res.StatusCode != 401 || p["code"] != "signature_wrong" {
		t.Errorf("%s %v", res.Status, p)
	}
	m, err := w.store.Message(t.Context(), 1)
	if err != nil || m.Status != ledger.Rejected || string(m.Body) != body {
		t.Errorf("recorded %+v, %v", m, err)
	}
	if events := w.list("/api/v1/events"); len(events) != 0 {
		t.Errorf("it became %v", events)
	}
	res, b = w.pushRaw("shop", "m-1", `{"type":"order.placed",}`)
	if p := decode[map[string]any](t, b); res.StatusCode != 400 || p["code"] != "body_not_json" || !strings.Contains(p["detail"].(string), "offset 23") {
		t.Errorf("%s %v", res.Status, p)
	}
	res, b = w.pushRaw("shop", "m-1", `{"type":"order.danced","timestamp":"2026-01-02T03:04:05Z","data":{}}`)
	if a := decode[map[string]any](t, b); res.StatusCode != 202 || a["status"] != "quarantined" {
		t.Errorf("%s %v", res.Status, a)
	}
	w.rest()
	if q := w.list("/api/v1/events?state=quarantined&source=shop&id=m-1"); len(q) != 1 || !strings.Contains(q[0]["reason"].(string), "order.danced") {
		t.Errorf("quarantined: %v", q)
	}
	if res, b = w.pushRaw("shop", "m-1", body); res.StatusCode != 409 {
		t.Errorf("the same id with another body: %s %s", res.Status, b)
	}
}
