package contract_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// keys holds that an object has these fields.
func (w *world) keys(what string, have obj, names string) {
	w.Helper()
	for _, name := range strings.Fields(names) {
		if _, ok := have[name]; !ok {
			w.Errorf("%s has no %s: %s", what, name, marshal(have))
		}
	}
}

// story is an order with a bit of everything.
func story(t *testing.T) *world {
	w := newWorld(t)
	w.released("SO-1", "1 A 5 9.90, 2 B 3 2.50", obj{"po": "PO-77"})
	w.ship("SO-1", "S-1", 1, "1 5, 2 2")
	w.quiet()
	return w
}

// TestC2_Quiescent says the truth: once it is said, everything is in the books
// and in the ledger.
func TestC2_Quiescent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 120 {
		order := fmt.Sprintf("SO-%d", n)
		w.place(order, "1 A 5 9.90")
		s := w.status()
		for s["quiescent"] != true {
			s = w.status()
		}
		if status := w.order(order)["status"]; status != "released" || w.wms.kinds(order) != "warehouse_order" || w.channel.kinds(order) != "order_acknowledgment" {
			t.Fatalf("order %d is %v while quiescent: %s", n, status, marshal(s))
		}
	}
	s := w.status()
	w.keys("C2", s, "version replica config_rev ledger_head ledger_hash deliveries undecided limbo quarantined oldest_ready_s quiescent")
	w.keys("C2 deliveries", s["deliveries"].(obj), "ready in_flight in_doubt waiting parked")
}

func TestC1_And_Authorization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		if code, _, body := w.try("GET", path, nil, nil); code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/deliveries", "/api/v1/events", "/api/v1/orders/SO-1", "/api/v1/exceptions", "/api/v1/audit"} {
		for _, h := range []http.Header{nil, {"Authorization": {"Bearer wrong"}}} {
			code, header, body := w.try("GET", path, nil, h)
			if code != 401 || !strings.HasPrefix(header.Get("Content-Type"), "application/problem+json") {
				t.Errorf("GET %s without a key: %d %s %s", path, code, header.Get("Content-Type"), body)
			}
		}
	}
	for _, path := range []string{"/api/v1/orders/NONE", "/api/v1/deliveries/none/attempts", "/api/v1/events/none/raw", "/api/v1/messages/none/raw", "/api/v1/nowhere"} {
		code, header, body := w.try("GET", path, nil, w.bearer())
		if code != 404 || !strings.HasPrefix(header.Get("Content-Type"), "application/problem+json") {
			t.Errorf("GET %s: %d %s %s", path, code, header.Get("Content-Type"), body)
		}
	}
}

func TestC3(t *testing.T) {
	t.Parallel()
	w := story(t)
	for _, d := range w.list("/api/v1/deliveries?order=SO-1") {
		w.keys("C3", d, "key target lane order kind subject revision seq state attempts ref digest events reason")
		if d["state"] != "done" || d["attempts"] != 1.0 || d["ref"] == "" || len(d["events"].([]any)) == 0 {
			t.Errorf("C3: %s", marshal(d))
		}
		f := w.target(d["target"].(string))
		q := f.tries(d["kind"].(string), "SO-1")[0]
		if d["key"] != q.key || d["seq"] != float64(q.seq) || d["lane"] != q.lane || d["digest"] != q.header.Get("Content-Digest") {
			t.Errorf("C3 differs from what was sent: %s", marshal(d))
		}
		tries := w.list("/api/v1/deliveries/" + q.key + "/attempts")
		if len(tries) != 1 {
			t.Fatalf("attempts: %s", marshal(tries))
		}
		w.keys("attempt", tries[0], "start deadline end outcome epoch")
		if tries[0]["epoch"] != float64(q.epoch) {
			t.Errorf("attempt %s, sent with epoch %d", marshal(tries[0]), q.epoch)
		}
	}
	for query, want := range map[string]int{"target=wms": 1, "target=wms&order=SO-1&state=done": 1, "state=parked": 0, "order=NONE": 0,
		"key=" + w.one(w.erp, "invoice", "SO-1")["key"].(string): 1} {
		if rows := w.list("/api/v1/deliveries?" + query); len(rows) != want {
			t.Errorf("deliveries?%s: %d rows, want %d", query, len(rows), want)
		}
	}
}

// TestC_Paging: every list in pages and as NDJSON gives the same rows.
func TestC_Paging(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "", -1, refuse(422, "closed"))
	for n := range 7 {
		w.place(fmt.Sprintf("SO-%d", n), "1 A 5 9.90")
	}
	w.quiet()
	for range 2 {
		w.act("/api/v1/systems/channel/pause")
		w.act("/api/v1/systems/channel/resume")
	}
	for path, want := range map[string]int{"/api/v1/deliveries": 14, "/api/v1/events": 0, "/api/v1/exceptions": 7, "/api/v1/audit": 4} {
		whole := w.list(path + "?limit=1000")
		if want > 0 && len(whole) != want {
			t.Errorf("%s: %d rows, want %d", path, len(whole), want)
		}
		var paged []obj
		after, pages := "", 0
		for {
			code, header, body := w.try("GET", path+"?limit=3&after="+url.QueryEscape(after), nil, w.bearer())
			if code != 200 {
				t.Fatalf("%s: %d %s", path, code, body)
			}
			rows := unmarshal(w, body).([]any)
			if len(rows) > 3 {
				t.Fatalf("%s?limit=3: %d rows", path, len(rows))
			}
			for _, r := range rows {
				paged = append(paged, r.(obj))
			}
			if after = header.Get("Next-Cursor"); after == "" || pages > 100 {
				break
			}
			pages++
		}
		if string(marshal(paged)) != string(marshal(whole)) {
			t.Errorf("%s: %d rows in pages, %d at once", path, len(paged), len(whole))
		}
		h := w.bearer()
		h.Set("Accept", "application/x-ndjson")
		_, header, body := w.try("GET", path+"?limit=1000", nil, h)
		var lines []obj
		for dec := json.NewDecoder(strings.NewReader(string(body))); dec.More(); {
			var row obj
			if err := dec.Decode(&row); err != nil {
				t.Fatalf("%s as NDJSON: %v", path, err)
			}
			lines = append(lines, row)
		}
		if !strings.Contains(header.Get("Content-Type"), "ndjson") || string(marshal(lines)) != string(marshal(whole)) || strings.Count(strings.TrimSpace(string(body)), "\n")+1 != len(whole) {
			t.Errorf("%s as NDJSON (%s): %d rows, %d as JSON", path, header.Get("Content-Type"), len(lines), len(whole))
		}
	}
	if code, _, _ := w.try("GET", "/api/v1/deliveries?limit=none", nil, w.bearer()); code != 400 {
		t.Errorf("limit=none: %d, want 400", code)
	}
}

func TestC4(t *testing.T) {
	t.Parallel()
	w := story(t)
	rows := w.list("/api/v1/events?source=wms")
	if len(rows) != 1 {
		t.Fatalf("events: %s", marshal(rows))
	}
	e := rows[0]
	w.keys("C4", e, "event message source id sha256 type order state reason")
	if e["type"] != "shipment.confirmed" || e["order"] != "SO-1" || e["state"] != "applied" || e["source"] != "wms" {
		t.Errorf("C4: %s", marshal(e))
	}
	_, _, raw := w.try("GET", fmt.Sprintf("/api/v1/messages/%v/raw", e["message"]), nil, w.bearer())
	if sum := digestHex(raw); sum != strings.TrimPrefix(fmt.Sprint(e["sha256"]), "sha256:") {
		t.Errorf("sha256 %v, the raw body's is %s", e["sha256"], sum)
	}
}

func TestC6(t *testing.T) {
	t.Parallel()
	w := story(t)
	o := w.order("SO-1")
	w.keys("C6", o, "order po status refs holds shipments invoices lines")
	for _, l := range o["lines"].([]any) {
		w.keys("C6 line", l.(obj), "line sku base_uom ordered cancelled released allocated picked packed shipped posted invoiced returned credited backordered")
	}
	if s := o["shipments"].([]any); len(s) != 1 || s[0].(obj)["shipment"] != "S-1" || quantities(s[0].(obj)) != "1:5 2:2" {
		t.Errorf("shipments %s", marshal(s))
	}
	ref := w.erp.byKey[w.one(w.erp, "invoice", "SO-1")["key"].(string)].ref
	if i := o["invoices"].([]any); len(i) != 1 || i[0].(obj)["ref"] != ref || quantities(i[0].(obj)) != "1:5 2:2" {
		t.Errorf("invoices %s, the ERP's is %s", marshal(i), ref)
	}
	for _, ref := range []string{"SO-1", "PO-77", "S-1", "1ZS-1", ref, w.one(w.wms, "warehouse_order", "SO-1")["key"].(string)} {
		if got := w.order(ref)["order"]; got != "SO-1" {
			t.Errorf("order by %s: %v", ref, got)
		}
	}
	// A shipment of several orders: the reference is ambiguous.
	w.released("SO-2", "1 A 5 9.90")
	w.ship("SO-2", "S-1", 1, "1 5")
	w.quiet()
	code, _, body := w.try("GET", "/api/v1/orders/S-1", nil, w.bearer())
	if v, _ := unmarshal(w, body).(obj); code != 300 || len(v["orders"].([]any)) != 2 {
		t.Errorf("an ambiguous reference: %d %s", code, body)
	}
	w.one(w.erp, "shipment_posting", "SO-2")
}

// TestC6_Timeline: events, decisions, deliveries, receipts in one order.
func TestC6_Timeline(t *testing.T) {
	t.Parallel()
	w := story(t)
	rows := w.list("/api/v1/orders/SO-1/timeline?limit=1000")
	text := ""
	for _, r := range rows {
		text += string(marshal(r)) + "\n"
	}
	at := 0
	for _, what := range []string{"order.placed", "order_check", "sales_order", "warehouse_order", "shipment.confirmed", "shipment_posting", "invoice"} {
		n := strings.Index(text[at:], what)
		if n < 0 {
			t.Fatalf("the timeline does not tell %s in its place:\n%s", what, text)
		}
		at += n
	}
	for _, f := range w.all {
		for _, d := range f.docs("", "SO-1") {
			if ref := f.byKey[d["key"].(string)].ref; !strings.Contains(text, ref+`"`) {
				t.Errorf("the timeline lacks the receipt %s", ref)
			}
		}
	}
}

func TestC7_Exceptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.erp.on("sales_order", "", 3, refuse(422, "no_item"))
	for n := range 3 {
		w.place(fmt.Sprintf("SO-%d", n), "1 A 5 9.90")
	}
	w.quiet()
	all := w.exceptions("state=open")
	if len(all) != 3 {
		t.Fatalf("exceptions: %s", marshal(all))
	}
	for _, e := range all {
		w.keys("C7", e, "id cause orders money currency since next actions")
		if e["next"] == "" || len(e["actions"].([]any)) == 0 {
			t.Errorf("no next step: %s", marshal(e))
		}
	}
	cause := all[0]["cause"].(string)
	if rows := w.exceptions("order=SO-1&cause=" + cause); len(rows) != 1 {
		t.Errorf("by order and cause: %s", marshal(rows))
	}
	one := fmt.Sprintf("/api/v1/exceptions/%v/retry", w.exceptions("order=SO-1")[0]["id"])
	if code, v := w.post(one, obj{}); code != 400 && code != 422 {
		t.Errorf("without reason: %d %s", code, marshal(v))
	}
	w.act(one)
	w.quiet()
	w.books(w.wms, "SO-1", "warehouse_order")
	w.act("/api/v1/exceptions/by-cause/" + cause + "/retry")
	w.quiet()
	if left := w.exceptions("state=open"); len(left) != 0 {
		t.Errorf("exceptions left: %s", marshal(left))
	}
	w.act("/api/v1/systems/wms/pause")
	w.place("SO-9", "1 A 5 9.90")
	d := w.awaitState("warehouse_order", "SO-9", "parked")
	w.quiet()
	if d["attempts"] != 0.0 {
		t.Errorf("a paused target was sent %v attempts", d["attempts"])
	}
	w.act("/api/v1/systems/wms/resume")
	w.quiet()
	w.books(w.wms, "SO-9", "warehouse_order")
	// C10 has it all, chained.
	prev := ""
	var actions []string
	for n, a := range w.list("/api/v1/audit?limit=1000") {
		w.keys("C10", a, "seq at actor action object reason before after prev hash")
		if n > 0 && a["prev"] != prev {
			t.Errorf("audit entry %v does not follow its predecessor", a["seq"])
		}
		prev = a["hash"].(string)
		actions = append(actions, fmt.Sprint(a["action"], "/", a["reason"]))
	}
	text := strings.Join(actions, " ")
	for _, word := range []string{"retry", "pause", "resume", "the contract test wants it"} {
		if !strings.Contains(text, word) {
			t.Errorf("the audit does not tell %q: %s", word, text)
		}
	}
}

// TestC7_SkipRules: only when parked, and after the attempt's deadline.
func TestC7_SkipRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.place("SO-1", "1 A 5 9.90")
	w.quiet()
	done := w.one(w.erp, "sales_order", "SO-1")["key"].(string)
	for _, verb := range []string{"skip", "retry", "settle"} {
		if code, v := w.post("/api/v1/deliveries/"+done+"/"+verb, obj{"reason": "x", "ref": "E-9"}); code != 409 && code != 422 {
			t.Errorf("%s of a document that is done: %d %s", verb, code, marshal(v))
		}
	}
	w.wms.on("warehouse_order", "SO-2", 1, refuse(422, "no"))
	w.place("SO-2", "1 A 5 9.90")
	key := w.awaitState("warehouse_order", "SO-2", "parked")["key"].(string)
	if code, v := w.post("/api/v1/deliveries/"+key+"/skip", obj{"reason": "x"}); code != 409 && code != 422 {
		t.Errorf("skip before the attempt's deadline: %d %s", code, marshal(v))
	}
	if code, v := w.post("/api/v1/deliveries/"+key+"/settle", obj{"reason": "x"}); code != 400 && code != 422 {
		t.Errorf("settle without ref: %d %s", code, marshal(v))
	}
}

// TestC9 compares the ERP's books: a document by hand, one gone, one twice.
func TestC9(t *testing.T) {
	t.Parallel()
	w := story(t)
	w.balanced()
	gone := w.one(w.erp, "invoice", "SO-1")["key"]
	w.erp.set(func() {
		for _, e := range w.erp.books {
			if e.key == gone {
				e.state = "lost"
			}
		}
		w.erp.head++
		w.erp.books = append(w.erp.books, &entry{n: w.erp.head, ref: "HAND-1", state: "applied", doc: obj{"kind": "shipment_posting", "order": "SO-1",
			"lines": []any{obj{"line": "2", "qty": "1"}}, "data": obj{}}})
		posting := w.erp.docsLocked("shipment_posting")
		w.erp.head++
		w.erp.books = append(w.erp.books, &entry{n: w.erp.head, key: posting["key"].(string), ref: "TWICE", state: "applied", doc: posting})
	})
	out := w.reconciled("erp")
	w.keys("C9", out, "state missing_in_target unknown_in_target duplicate differs breaks")
	if text := string(marshal(out["missing_in_target"])); !strings.Contains(text, gone.(string)) {
		t.Errorf("missing_in_target %s, want the invoice %s", text, gone)
	}
	if text := string(marshal(out["unknown_in_target"])); text != fmt.Sprintf("[%d]", w.erp.head-1) {
		t.Errorf("unknown_in_target %s, want [%d]", text, w.erp.head-1)
	}
	if text := string(marshal(out["duplicate"])); !strings.Contains(text, w.one2("shipment_posting")) {
		t.Errorf("duplicate %s, want the posting", text)
	}
	controls := map[string]bool{}
	for _, b := range out["breaks"].([]any) {
		w.keys("C9 break", b.(obj), "control order line qty money currency since cause action")
		controls[b.(obj)["control"].(string)] = true
	}
	for _, c := range []string{"shipped_not_invoiced", "posted_not_shipped", "duplicate"} {
		if !controls[c] {
			t.Errorf("no break %s: %s", c, marshal(out["breaks"]))
		}
	}
	w.act("/api/v1/systems/erp/resume") // a later T3 may call the loss a rewind
}

// docsLocked is the first document of a kind; the lock is held.
func (f *target) docsLocked(kind string) obj {
	for _, e := range f.books {
		if e.doc["kind"] == kind && e.key != "" {
			return e.doc
		}
	}
	return nil
}

// one2 is the key of the ERP's first document of a kind.
func (w *world) one2(kind string) string { return w.erp.docs(kind, "SO-1")[0]["key"].(string) }

func TestC11(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	send := func(key string, body any) (int, obj) {
		h := w.bearer()
		h.Set("Content-Type", "application/json")
		if key != "" {
			h.Set("Idempotency-Key", key)
		}
		code, _, text := w.try("POST", "/api/v1/orders", marshal(body), h)
		v, _ := unmarshal(w, text).(obj)
		return code, v
	}
	d := placed("P-1", 1, "1 A 5 9.90")
	if code, v := send("", d); code != 400 {
		t.Errorf("without Idempotency-Key: %d %v", code, v)
	}
	code, v := send("k-1", d)
	if code != 202 || v["duplicate"] != false || v["status"] != "accepted" {
		t.Errorf("first: %d %v", code, v)
	}
	if code, again := send("k-1", d); code/100 != 2 || again["duplicate"] != true || again["event"] != v["event"] {
		t.Errorf("again: %d %v", code, again)
	}
	if code, v := send("k-1", placed("P-2", 1, "1 A 5 9.90")); code != 422 {
		t.Errorf("same key, another body: %d %v", code, v)
	}
	w.quiet()
	w.books(w.erp, "api~.P-1", "order_check sales_order")
	w.books(w.wms, "api~.P-1", "warehouse_order")
	if n := len(w.channel.tries("", "")); n != 0 {
		t.Errorf("orders of C11 get no channel documents; %d were sent", n)
	}
	w.ship("api~.P-1", "S-1", 1, "1 5")
	w.quiet()
	w.billed("api~.P-1", map[string]int{"1": 5})
}

// TestOpenAPI is served.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code, _, body := w.try("GET", "/openapi.json", nil, w.bearer())
	if code != 200 {
		t.Fatalf("%d", code)
	}
	v := unmarshal(w, body).(obj)
	if !strings.HasPrefix(fmt.Sprint(v["openapi"]), "3.1") {
		t.Errorf("openapi %v", v["openapi"])
	}
	for _, path := range []string{"/api/v1/status", "/api/v1/deliveries", "/api/v1/events", "/api/v1/orders", "/api/v1/exceptions", "/api/v1/audit", "/api/v1/reconciliations"} {
		if _, ok := v["paths"].(obj)[path]; !ok {
			t.Errorf("openapi.json lacks %s", path)
		}
	}
}

// reconciled runs C9 against a system and gives its findings.
func (w *world) reconciled(system string) obj {
	w.Helper()
	code, v := w.post("/api/v1/reconciliations", obj{"system": system})
	if code != 202 {
		w.Fatalf("C9: %d %s", code, marshal(v))
	}
	var out obj
	w.await("the reconciliation is done", func() bool {
		out = w.get(fmt.Sprintf("/api/v1/reconciliations/%v", v["id"])).(obj)
		return out["state"] != "running" && out["state"] != "queued" && out["state"] != "pending"
	})
	return out
}

// balanced holds that C9 finds nothing in any system.
func (w *world) balanced() {
	w.Helper()
	for _, f := range w.all {
		out := w.reconciled(f.name)
		for _, list := range []string{"missing_in_target", "unknown_in_target", "duplicate", "differs", "breaks"} {
			rows, ok := out[list].([]any)
			if !ok || len(rows) != 0 {
				w.Errorf("C9 of %s: %s: %s", f.name, list, marshal(out[list]))
			}
		}
	}
}
