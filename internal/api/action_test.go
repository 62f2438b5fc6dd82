package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
)

func refusal(code string) waybill.Outcome {
	return waybill.Outcome{Verdict: waybill.Refused, Problem: waybill.Problem{Status: 422, Code: code, Detail: "the item A is not known"}}
}

const because = `{"reason":"the item was added"}`

func TestAction_ExceptionIsRetriedAndAudited(t *testing.T) {
	w := newWorld(t)
	w.targets["erp"].on(waybill.SalesOrder, refusal("unknown_item"))
	for _, n := range []string{"SO-1", "SO-2", "SO-3"} {
		w.push("shop", "order.placed", strings.Replace(order1, "SO-1", n, 1))
	}
	w.rest()
	open := w.list("/api/v1/exceptions")
	if len(open) != 3 {
		t.Fatalf("%d exceptions, want 3: %v", len(open), open)
	}
	one := w.list("/api/v1/exceptions?order=SO-1&cause=refused_sales_order_unknown_item")
	if len(one) != 1 || !cmp.Equal(one[0]["orders"], []any{"SO-1"}) || one[0]["currency"] != "EUR" || one[0]["money"] != "55.50" {
		t.Fatalf("exceptions of SO-1: %v", one)
	}
	path := "/api/v1/exceptions/" + one[0]["id"].(string)
	for _, tt := range []struct {
		path, body string
		status     int
		code       string
	}{
		{path + "/retry", ``, 400, "reason_missing"},
		{path + "/retry", `{"reason":" "}`, 400, "reason_missing"},
		{path + "/retry", `{"reason"`, 400, "body_not_json"},
		{path + "/retry", `{"reason":7}`, 400, "body_malformed"},
		{path + "/settle", because, 400, "ref_missing"},
		{path + "/resume", because, 409, "unknown_action"},
		{path + "/dance", because, 404, "not_found"},
		{"/api/v1/exceptions/exc_999999/retry", because, 404, "not_found"},
		{"/api/v1/exceptions/by-cause/nothing/retry", because, 404, "not_found"},
		{"/api/v1/deliveries/nothing/retry", because, 404, "not_found"},
		{"/api/v1/orders/nothing/hold", because, 404, "not_found"},
		{"/api/v1/systems/nothing/pause", because, 404, "not_found"},
	} {
		if p := decode[map[string]any](t, w.tell(tt.path, tt.body, tt.status)); p["code"] != tt.code {
			t.Errorf("POST %s %s: %v, want %s", tt.path, tt.body, p, tt.code)
		}
	}
	w.targets["erp"].on(waybill.SalesOrder, waybill.Outcome{Verdict: waybill.Done, Receipt: waybill.Receipt{Ref: "E-5"}})
	if got := string(w.tell(path+"/retry", because, 200)); got != `{"done":true}` {
		t.Errorf("answer %s", got)
	}
	w.rest()
	if left := w.list("/api/v1/exceptions?cause=refused_sales_order_unknown_item"); len(left) != 2 {
		t.Errorf("%d are left, want 2", len(left))
	}
	bulk := decode[map[string]any](t, w.tell("/api/v1/exceptions/by-cause/refused_sales_order_unknown_item/retry", because, 200))
	if diff := cmp.Diff(map[string]any{"done": 2.0, "failed": []any{}, "more": false}, bulk); diff != "" {
		t.Errorf("by cause (-want +got):\n%s", diff)
	}
	w.rest()
	if left := w.list("/api/v1/exceptions"); len(left) != 0 {
		t.Errorf("still open: %v", left)
	}
	if closed := w.list("/api/v1/exceptions?state=closed"); len(closed) != 3 {
		t.Errorf("%d are closed, want 3", len(closed))
	}
	audit(t, w, 3)
}

// audit checks that the log holds n actions and that its hashes are a chain.
func audit(t *testing.T, w *world, n int) {
	t.Helper()
	log := w.list("/api/v1/audit")
	if len(log) != n {
		t.Fatalf("%d audited, want %d: %v", len(log), n, log)
	}
	prev := strings.Repeat("0", 64)
	for i, e := range log {
		if e["seq"] != float64(i+1) || e["prev"] != prev || e["actor"] != "admin" || e["action"] != "retry" || e["reason"] != "the item was added" {
			t.Errorf("entry %d: %v", i, e)
		}
		prev = e["hash"].(string)
	}
}

func TestAction_BulkSaysWhatFailed(t *testing.T) {
	w := newWorld(t)
	w.targets["erp"].on(waybill.SalesOrder, refusal("unknown_item"))
	w.push("shop", "order.placed", order1)
	w.rest()
	cause := "/api/v1/exceptions/by-cause/refused_sales_order_unknown_item/"
	p := decode[map[string]any](t, w.tell(cause+"retry", `{}`, 400))
	if p["code"] != "reason_missing" {
		t.Errorf("without a reason: %v", p)
	}
	got := decode[map[string]any](t, w.tell(cause+"resume", because, 200))
	failed := got["failed"].([]any)
	if got["done"] != 0.0 || len(failed) != 1 || failed[0].(map[string]any)["code"] != "unknown_action" {
		t.Errorf("answer %v", got)
	}
}

func TestAction_PausedSystemIsShownParked(t *testing.T) {
	w := newWorld(t)
	w.tell("/api/v1/systems/erp/pause", `{"reason":"month end"}`, 200)
	w.push("shop", "order.placed", order1)
	w.rest()
	for _, q := range []string{"state=parked", "state=parked&target=erp", "state=parked&order=SO-1", ""} {
		ds := w.list("/api/v1/deliveries?" + q)
		if len(ds) != 1 || ds[0]["state"] != "parked" || ds[0]["reason"] != "operator" || ds[0]["seq"] != 0.0 || ds[0]["digest"] != "" {
			t.Errorf("%q lists %v", q, ds)
		}
	}
	for _, q := range []string{"state=ready", "state=waiting", "state=parked&target=wms"} {
		if ds := w.list("/api/v1/deliveries?" + q); len(ds) != 0 {
			t.Errorf("%q lists %v", q, ds)
		}
	}
	key := w.list("/api/v1/deliveries")[0]["key"].(string)
	for q, n := range map[string]int{"": 1, "&state=parked&order=SO-1&target=erp": 1, "&state=ready": 0, "&target=wms": 0, "&order=SO-2": 0} {
		if ds := w.list("/api/v1/deliveries?key=" + key + q); len(ds) != n {
			t.Errorf("key%s lists %d, want %d", q, len(ds), n)
		}
	}
	if ds := w.list("/api/v1/deliveries?key=nothing"); len(ds) != 0 {
		t.Errorf("an unknown key lists %v", ds)
	}
	if as := w.list("/api/v1/deliveries/" + key + "/attempts"); len(as) != 0 {
		t.Errorf("attempts %v", as)
	}
	w.get("/api/v1/deliveries/nothing/attempts", 404)
	w.tell("/api/v1/systems/erp/resume", `{"reason":"closed"}`, 200)
	w.until("the delivery", func() bool {
		return len(w.list("/api/v1/deliveries?state=done&target=wms")) == 1
	})
	as := w.list("/api/v1/deliveries/" + key + "/attempts")
	if len(as) != 1 || as[0]["outcome"] != "done" || as[0]["end"] == nil {
		t.Errorf("attempts %v", as)
	}
}

func TestAction_AttemptUnderWayHasNoOutcome(t *testing.T) {
	w := newWorld(t)
	erp := w.targets["erp"]
	erp.mu.Lock() // the ERP does not answer
	locked := true
	defer func() {
		if locked {
			erp.mu.Unlock()
		}
	}()
	w.push("shop", "order.placed", order1)
	d := w.list("/api/v1/deliveries?state=in_flight")
	if len(d) != 1 {
		t.Fatalf("in flight: %v", d)
	}
	as := w.list("/api/v1/deliveries/" + d[0]["key"].(string) + "/attempts")
	if len(as) != 1 || as[0]["outcome"] != "" || as[0]["end"] != nil || as[0]["start"] == nil {
		t.Errorf("attempts %v", as)
	}
	if p := decode[map[string]any](t, w.tell("/api/v1/deliveries/"+d[0]["key"].(string)+"/skip", because, http.StatusConflict)); p["code"] != "in_flight" {
		t.Errorf("skip while under way: %v", p)
	}
	erp.mu.Unlock()
	locked = false
	w.rest()
}
