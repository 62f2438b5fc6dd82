package contract_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestW1_Vector is the contract's own test vector against this signature.
func TestW1_Vector(t *testing.T) {
	t.Parallel()
	body := `{"type":"order.placed","timestamp":"2026-01-02T03:04:05Z","data":{"order":"SO-1","version":1}}`
	want := "v1,YKfnXcvGXEF/hz143Wpr5Dj7S98IO4Xy5BBtZtnQk0U="
	if got := sign(hookSecret, "evt_0001", "1767323045", []byte(body)); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

// TestW2 walks every answer of the intake.
func TestW2(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	placedBody := func(order string) []byte { return envelope("order.placed", placed(order, 1, "1 A 1 1.00")) }
	post := func(path string, body []byte, h http.Header) (int, http.Header, obj) {
		code, header, text := w.try("POST", path, body, h)
		v, _ := unmarshal(w, text).(obj)
		return code, header, v
	}
	now := time.Now()
	body := placedBody("SO-1")
	code, _, v := post("/in/channel", body, signed(hookSecret, "w2_1", now, body))
	if code != 202 || v["duplicate"] != false || v["status"] != "accepted" || v["id"] == "" || v["id"] == nil || v["event"] == "" || v["event"] == nil {
		t.Errorf("first: %d %v", code, v)
	}
	again, _, dup := post("/in/channel", body, signed(hookSecret, "w2_1", now.Add(-10*time.Second), body))
	if again != 200 || dup["duplicate"] != true || dup["event"] != v["event"] || dup["status"] != "accepted" || dup["id"] != v["id"] {
		t.Errorf("again: %d %v, first was %v", again, dup, v)
	}
	other := placedBody("SO-2")
	problem := func(name, path string, body []byte, h http.Header, want int) obj {
		t.Helper()
		code, header, v := post(path, body, h)
		if code != want {
			t.Errorf("%s: %d %v, want %d", name, code, v, want)
		}
		if !strings.HasPrefix(header.Get("Content-Type"), "application/problem+json") || v["code"] == nil {
			t.Errorf("%s: not problem+json with code (G3): %s %v", name, header.Get("Content-Type"), v)
		}
		return v
	}
	problem("id known with another body", "/in/channel", other, signed(hookSecret, "w2_1", now, other), 409)
	problem("unknown system", "/in/nowhere", body, signed(hookSecret, "w2_2", now, body), 404)
	problem("a system without secret", "/in/api", body, signed(hookSecret, "w2_2", now, body), 404)
	problem("too old", "/in/channel", other, signed(hookSecret, "w2_3", now.Add(-310*time.Second), other), 401)
	problem("too new", "/in/channel", other, signed(hookSecret, "w2_3", now.Add(310*time.Second), other), 401)
	problem("another secret", "/in/channel", other, signed("whsec_b3RoZXI=", "w2_3", now, other), 401)
	tampered := append([]byte(nil), other...)
	tampered[len(tampered)-3] = ' '
	problem("another body than signed", "/in/channel", tampered, signed(hookSecret, "w2_3", now, other), 401)
	for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		h := signed(hookSecret, "w2_3", now, other)
		h.Del(name)
		problem("without "+name, "/in/channel", other, h, 400)
	}
	h := signed(hookSecret, "w2_3", now, other)
	h.Set("Webhook-Timestamp", "yesterday")
	problem("malformed timestamp", "/in/channel", other, h, 400)
	broken := []byte(`{"type":"order.placed","data":{"order":"SO-1",}}`)
	v = problem("not JSON", "/in/channel", broken, signed(hookSecret, "w2_3", now, broken), 400)
	if text := string(marshal(v)); !strings.Contains(text, "45") && !strings.Contains(text, "46") && !strings.Contains(text, "47") {
		t.Errorf("no position in %s", text)
	}
	h = signed(hookSecret, "w2_3", now, other)
	h.Set("Content-Type", "text/plain")
	problem("type", "/in/channel", other, h, 415)
	big := []byte(`{"type":"order.placed","data":{"x":"` + strings.Repeat("x", 10<<20) + `"}}`)
	problem("above max_body", "/in/channel", big, signed(hookSecret, "w2_3", now, big), 413)

	for name, change := range map[string]func(http.Header){
		"300 s are allowed":  func(h http.Header) {},
		"charset is allowed": func(h http.Header) { h.Set("Content-Type", "application/json; charset=utf-8") },
		"a list while a secret rotates": func(h http.Header) {
			h.Set("Webhook-Signature", "v1,AAAA v2,odd "+h.Get("Webhook-Signature"))
		},
	} {
		id := "ok_" + fmt.Sprint(len(name))
		at := now.Add(-290 * time.Second)
		b := placedBody("OK-" + fmt.Sprint(len(name)))
		h := signed(hookSecret, id, at, b)
		change(h)
		if code, _, v := post("/in/channel", b, h); code != 202 || v["status"] != "accepted" {
			t.Errorf("%s: %d %v", name, code, v)
		}
	}
	// The failures stored nothing under their ids.
	if code, _, v := post("/in/channel", other, signed(hookSecret, "w2_3", now, other)); code != 202 {
		t.Errorf("the id of refused pushes is spent: %d %v", code, v)
	}
	w.quiet()
	w.books(w.wms, "SO-2", "warehouse_order")
	// Ids are per system.
	ship := envelope("shipment.confirmed", shipped("SO-1", "S-1", 1, "1 1"))
	if code, _, v := post("/in/wms", ship, signed(hookSecret, "w2_1", now, ship)); code != 202 {
		t.Errorf("another system's id: %d %v", code, v)
	}
	w.quiet()
	w.kill() // a duplicate is known over a crash
	w.start()
	if code, _, v := post("/in/channel", body, signed(hookSecret, "w2_1", now, body)); code != 200 || v["duplicate"] != true {
		t.Errorf("after kill -9: %d %v", code, v)
	}
}

// TestW2_RotatedSecret: both secrets hold while one replaces the other.
func TestW2_RotatedSecret(t *testing.T) {
	t.Parallel()
	const next = "whsec_bmV4dC1zZWNyZXQtb2YtdGhlLWNoYW5uZWwtMzJieXQ="
	w := prepare(t)
	w.writeSecrets(func(s obj) { s["channel"].(obj)["webhook_secret"] = []string{hookSecret, next} })
	w.start()
	for n, secret := range []string{hookSecret, next} {
		body := envelope("order.placed", placed(fmt.Sprintf("SO-%d", n), 1, "1 A 1 1.00"))
		if code, _, text := w.try("POST", "/in/channel", body, signed(secret, fmt.Sprintf("r_%d", n), time.Now(), body)); code != 202 {
			t.Errorf("secret %d: %d %s", n, code, text)
		}
	}
	w.quiet()
}

// TestW2_Quarantined: authentic but not understood; kept, visible in C4.
func TestW2_Quarantined(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, body := range map[string][]byte{
		"unknown type":   envelope("order.dreamt", obj{"order": "SO-1"}),
		"no order":       envelope("order.placed", obj{"customer": "C"}),
		"no lines":       envelope("order.placed", merge(placed("SO-1", 1, "1 A 1 1.00"), []obj{{"lines": nil}})),
		"qty a word":     envelope("order.placed", placed("SO-1", 1, "1 A many 1.00")),
		"no type":        marshal(obj{"data": obj{"order": "SO-1"}}),
		"wrong role":     envelope("shipment.confirmed", shipped("SO-1", "S-1", 1, "1 1")),
		"data no object": marshal(obj{"type": "order.placed", "timestamp": "2026-01-02T03:04:05Z", "data": []int{1}}),
	} {
		id := "q_" + strings.ReplaceAll(name, " ", "_")
		before := w.status()["quarantined"].(float64)
		have := w.pushBody("quarantined", "channel", id, body)
		if now := w.status()["quarantined"].(float64); now != before+1 {
			t.Errorf("%s: C2 quarantined went from %v to %v", name, before, now)
		}
		rows := w.list("/api/v1/events?source=channel&id=" + id)
		if len(rows) != 1 || rows[0]["state"] != "quarantined" || rows[0]["reason"] == "" || rows[0]["event"] != have["event"] {
			t.Errorf("%s: C4 %s, the push was answered %v", name, marshal(rows), have)
			continue
		}
		if _, _, raw := w.try("GET", fmt.Sprintf("/api/v1/messages/%v/raw", rows[0]["message"]), nil, w.bearer()); string(raw) != string(body) {
			t.Errorf("%s: C5 gives other bytes: %s", name, raw)
		}
		if _, _, raw := w.try("GET", fmt.Sprintf("/api/v1/events/%v/raw", rows[0]["event"]), nil, w.bearer()); string(raw) != string(body) {
			t.Errorf("%s: C5 by event gives other bytes: %s", name, raw)
		}
		code, _, text := w.try("POST", "/in/channel", body, signed(hookSecret, id, time.Now(), body))
		if v := unmarshal(w, text).(obj); code != 200 || v["duplicate"] != true || v["status"] != "quarantined" {
			t.Errorf("%s: again: %d %v", name, code, v)
		}
	}
	w.quiet()
	if len(w.erp.tries("", "")) != 0 {
		t.Error("a quarantined message had an effect")
	}
}
