package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// bench is a started world, in process, whose pushes are taken by a Waybill
// that says yes to everything and keeps them.
type bench struct {
	t      *testing.T
	w      *World
	client *http.Client
	pushed chan push
}

type push struct {
	system string
	header http.Header
	body   map[string]any
}

func newBench(t *testing.T, cfg Config) *bench {
	t.Helper()
	cfg.InProcess = true
	w, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, w: w, client: &http.Client{Transport: w.Transport()}, pushed: make(chan push, 10_000)}
	w.SetWaybill("http://waybill.example", &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		p := push{system: strings.TrimPrefix(r.URL.Path, "/in/"), header: r.Header}
		if err := json.NewDecoder(r.Body).Decode(&p.body); err != nil {
			t.Errorf("push is not JSON: %v", err)
		}
		b.pushed <- p
		return &http.Response{StatusCode: 202, Status: "202", Header: http.Header{}, Body: http.NoBody}, nil
	})})
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return b
}

// doc is a document to post.
type doc struct {
	kind, order, key string
	seq, after       int
	lines            []map[string]string
	data             map[string]any
	attempt          int
	deadline         time.Duration
	header           map[string]string // set on top
}

func line(name, sku, qty string) map[string]string {
	return map[string]string{"line": name, "sku": sku, "qty": qty, "price": "2.50"}
}

// result is an answer as the table compares it.
type result struct {
	Status   int
	Code     string
	Replayed bool
}

// post sends a document and gives its answer and body.
func (b *bench) post(system string, d doc) (result, map[string]any) {
	b.t.Helper()
	if d.attempt == 0 {
		d.attempt = 1
	}
	if d.deadline == 0 {
		d.deadline = time.Minute
	}
	body, err := json.Marshal(map[string]any{"kind": d.kind, "order": d.order, "key": d.key, "seq": d.seq, "after": d.after, "version": 1, "lines": d.lines, "data": d.data})
	if err != nil {
		b.t.Fatal(err)
	}
	h := t1Header(body, d.key, d.order, d.seq, d.attempt, time.Now().Add(d.deadline))
	for name, v := range d.header {
		h.Set(name, v)
	}
	status, header, out := b.call(system, http.MethodPost, "/v1/documents", body, h)
	code, _ := out["code"].(string)
	if code != "" && header.Get("Content-Type") != "application/problem+json" {
		b.t.Errorf("%d with code %s has type %q", status, code, header.Get("Content-Type"))
	}
	return result{status, code, header.Get("Idempotency-Replayed") == "true"}, out
}

// call makes a request; status 0: the connection was cut.
func (b *bench) call(system, method, path string, body []byte, h http.Header) (int, http.Header, map[string]any) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, "http://"+system+".sandbox"+path, bytes.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if h != nil {
		req.Header = h
	}
	if req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+b.w.Secret(system).Token)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, http.Header{}, nil
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	var out map[string]any
	_ = json.Unmarshal(raw, &out) // a plain text answer stays nil
	return resp.StatusCode, resp.Header, out
}

// order is an order that no storefront knows: shipped as it is told.
const order = "SO-1"

func sale(key string, seq, after int) doc {
	return doc{kind: "sales_order", order: order, key: key, seq: seq, after: after, lines: []map[string]string{line("1", "A", "5"), line("2", "B", "3")}}
}

func TestTarget_AnswersOfT1(t *testing.T) {
	tests := []struct {
		name   string
		system string
		class  string
		posts  []doc
		want   []result
	}{
		{"applied", "erp", "lookup", []doc{sale("k1", 1, 0)}, []result{{Status: 201}}},
		{"class key answers a repeat", "erp", "key", []doc{sale("k1", 1, 0), sale("k1", 1, 0)}, []result{{Status: 201}, {Status: 200, Replayed: true}}},
		{"class key refuses another body", "erp", "key", []doc{sale("k1", 1, 0), {kind: "sales_order", order: order, key: "k1", seq: 1, lines: []map[string]string{line("1", "A", "6")}}},
			[]result{{Status: 201}, {Status: 422, Code: "key_reuse"}}},
		{"class lookup applies a repeat again", "erp", "lookup", []doc{sale("k1", 1, 0), sale("k1", 1, 0)}, []result{{Status: 201}, {Status: 201}}},
		{"a refusal is not remembered", "erp", "key", []doc{
			{kind: "shipment_posting", order: order, key: "p", seq: 1, lines: []map[string]string{line("1", "A", "1")}, data: map[string]any{"shipment": "S1"}},
			sale("k1", 2, 0),
			{kind: "shipment_posting", order: order, key: "p", seq: 1, lines: []map[string]string{line("1", "A", "1")}, data: map[string]any{"shipment": "S1"}},
		}, []result{{Status: 422, Code: "sales_order_unknown"}, {Status: 201}, {Status: 201}}},
		{"after above what it holds", "erp", "lookup", []doc{sale("k1", 3, 2)}, []result{{Status: 409, Code: "seq_gap"}}},
		{"after equal to what it holds", "erp", "lookup", []doc{sale("k1", 3, 0), {kind: "sales_order_cancel", order: order, key: "k2", seq: 4, after: 3}}, []result{{Status: 201}, {Status: 201}}},
		{"older epoch", "erp", "lookup", []doc{
			{kind: "order_check", order: order, key: "c", seq: 1, header: map[string]string{"Waybill-Epoch": "5"}},
			{kind: "order_check", order: order, key: "d", seq: 2, header: map[string]string{"Waybill-Epoch": "4"}},
		}, []result{{Status: 201}, {Status: 409, Code: "stale_epoch"}}},
		{"behind its deadline", "erp", "lookup", []doc{{kind: "order_check", order: order, key: "c", seq: 1, deadline: -time.Second}}, []result{{Status: 408, Code: "deadline_passed"}}},
		{"wrong credential", "erp", "lookup", []doc{{kind: "order_check", order: order, key: "c", seq: 1, header: map[string]string{"Authorization": "Bearer no"}}}, []result{{Status: 401, Code: "unauthorized"}}},
		{"wrong digest", "erp", "lookup", []doc{{kind: "order_check", order: order, key: "c", seq: 1, header: map[string]string{"Content-Digest": "sha-256=:AAAA:"}}}, []result{{Status: 400, Code: "digest_differs"}}},
		{"key differs from the header", "erp", "lookup", []doc{{kind: "order_check", order: order, key: "c", seq: 1, header: map[string]string{"Idempotency-Key": "other"}}}, []result{{Status: 400, Code: "key_differs"}}},
		{"seq differs from the header", "erp", "lookup", []doc{{kind: "order_check", order: order, key: "c", seq: 1, header: map[string]string{"Waybill-Seq": "2"}}}, []result{{Status: 400, Code: "seq_differs"}}},
		{"no deadline", "erp", "lookup", []doc{{kind: "order_check", order: order, key: "c", seq: 1, header: map[string]string{"Waybill-Deadline": "soon"}}}, []result{{Status: 400, Code: "deadline"}}},
		{"no epoch", "erp", "lookup", []doc{{kind: "order_check", order: order, key: "c", seq: 1, header: map[string]string{"Waybill-Epoch": "x"}}}, []result{{Status: 400, Code: "epoch"}}},
		{"unknown kind", "wms", "key", []doc{{kind: "sales_order", order: order, key: "c", seq: 1}}, []result{{Status: 422, Code: "kind_unknown"}}},
		{"unreadable quantity", "erp", "lookup", []doc{{kind: "sales_order", order: order, key: "c", seq: 1, lines: []map[string]string{line("1", "A", "five")}}}, []result{{Status: 422, Code: "qty_unreadable"}}},
		{"invoice above posted", "erp", "lookup", []doc{
			sale("k1", 1, 0),
			{kind: "shipment_posting", order: order, key: "p", seq: 2, after: 1, lines: []map[string]string{line("1", "A", "2")}, data: map[string]any{"shipment": "S1"}},
			{kind: "invoice", order: order, key: "i", seq: 3, after: 2, lines: []map[string]string{line("1", "A", "3")}, data: map[string]any{"shipment": "S1"}},
			{kind: "invoice", order: order, key: "j", seq: 4, after: 2, lines: []map[string]string{line("1", "A", "2.0")}, data: map[string]any{"shipment": "S1"}},
			{kind: "invoice", order: order, key: "k", seq: 5, after: 4, lines: []map[string]string{line("1", "A", "0.5")}, data: map[string]any{"shipment": "S1"}},
		}, []result{{Status: 201}, {Status: 201}, {Status: 422, Code: "invoice_above_posted"}, {Status: 201}, {Status: 422, Code: "invoice_above_posted"}}},
		{"invoice of another price", "erp", "lookup", []doc{
			sale("k1", 1, 0),
			{kind: "shipment_posting", order: order, key: "p", seq: 2, after: 1, lines: []map[string]string{line("1", "A", "2")}, data: map[string]any{"shipment": "S1"}},
			{kind: "invoice", order: order, key: "i", seq: 3, after: 2, lines: []map[string]string{{"line": "1", "qty": "2", "price": "2.51"}}, data: map[string]any{"shipment": "S1"}},
		}, []result{{Status: 201}, {Status: 201}, {Status: 422, Code: "price_differs"}}},
		{"reversal and credit memo", "erp", "lookup", []doc{
			sale("k1", 1, 0),
			{kind: "shipment_posting", order: order, key: "p", seq: 2, after: 1, lines: []map[string]string{line("1", "A", "2")}, data: map[string]any{"shipment": "S1"}},
			{kind: "invoice", order: order, key: "i", seq: 3, after: 2, lines: []map[string]string{line("1", "A", "2")}, data: map[string]any{"shipment": "S1"}},
			{kind: "shipment_reversal", order: order, key: "r", seq: 4, after: 3, lines: []map[string]string{line("1", "A", "3")}},
			{kind: "shipment_reversal", order: order, key: "s", seq: 5, after: 3, lines: []map[string]string{line("1", "A", "1")}},
			{kind: "credit_memo", order: order, key: "c", seq: 6, after: 5, lines: []map[string]string{line("1", "A", "1")}},
			{kind: "credit_memo", order: order, key: "d", seq: 7, after: 6, lines: []map[string]string{line("1", "A", "1.5")}},
		}, []result{{Status: 201}, {Status: 201}, {Status: 201}, {Status: 422, Code: "nothing_posted"}, {Status: 201}, {Status: 201}, {Status: 422, Code: "credit_above_invoiced"}}},
		{"change below posted", "erp", "lookup", []doc{
			sale("k1", 1, 0),
			{kind: "shipment_posting", order: order, key: "p", seq: 2, after: 1, lines: []map[string]string{line("1", "A", "2")}, data: map[string]any{"shipment": "S1"}},
			{kind: "sales_order_change", order: order, key: "c", seq: 3, after: 2, lines: []map[string]string{line("1", "A", "1")}},
			{kind: "sales_order_cancel", order: order, key: "d", seq: 4, after: 2, lines: []map[string]string{line("1", "A", "3")}},
			{kind: "sales_order_cancel", order: order, key: "e", seq: 5, after: 4, lines: []map[string]string{line("1", "A", "1")}},
		}, []result{{Status: 201}, {Status: 201}, {Status: 422, Code: "below_posted"}, {Status: 201}, {Status: 422, Code: "below_posted"}}},
		{"change of nothing", "wms", "key", []doc{{kind: "warehouse_order_change", order: order, key: "c", seq: 1}}, []result{{Status: 422, Code: "warehouse_order_unknown"}}},
		{"change of what has shipped", "wms", "key", []doc{
			{kind: "warehouse_order", order: order, key: "w", seq: 1, lines: []map[string]string{line("1", "A", "2")}},
			{kind: "warehouse_order_change", order: order, key: "c", seq: 2, after: 1, lines: []map[string]string{line("1", "A", "1")}},
			{kind: "warehouse_order_cancel", order: order, key: "d", seq: 3, after: 1},
		}, []result{{Status: 201}, {Status: 422, Code: "already_shipped"}, {Status: 422, Code: "already_shipped"}}},
		{"label", "carrier", "none", []doc{{kind: "shipping_label", order: order, key: "l", seq: 1}, {kind: "label_void", order: order, key: "v", seq: 2, after: 1}}, []result{{Status: 201}, {Status: 201}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{Once: true, Idempotency: map[string]string{tt.system: tt.class}})
			var got []result
			for _, d := range tt.posts {
				r, _ := b.post(tt.system, d)
				got = append(got, r)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTarget_ReceiptAndLookup(t *testing.T) {
	for _, class := range []string{"key", "lookup", "none"} {
		t.Run(class, func(t *testing.T) {
			b := newBench(t, Config{Idempotency: map[string]string{"erp": class}})
			before := time.Now()
			status, _, absent := b.call("erp", http.MethodGet, "/v1/documents/by-key/k1", nil, nil)
			if status != 404 || absent["found"] != false {
				t.Fatalf("T2 before: %d %v", status, absent)
			}
			if class == "none" {
				if absent["as_of"] != nil {
					t.Errorf("class none vouches: %v", absent)
				}
			} else if asOf, err := time.Parse(time.RFC3339Nano, absent["as_of"].(string)); err != nil || asOf.Before(before) {
				t.Errorf("as_of %v is before the question", absent["as_of"])
			}
			_, receipt := b.post("erp", sale("k1", 1, 0))
			if receipt["n"] != 1.0 || receipt["generation"] != "g1" || !strings.HasPrefix(receipt["ref"].(string), "E-") || receipt["applied_at"] == nil || receipt["result"] == nil {
				t.Errorf("receipt %v", receipt)
			}
			status, _, found := b.call("erp", http.MethodGet, "/v1/documents/by-key/k1", nil, nil)
			if class == "none" {
				if status != 404 {
					t.Errorf("class none found it: %v", found)
				}
				return
			}
			if status != 200 || found["state"] != "applied" || found["ref"] != receipt["ref"] || found["n"] != 1.0 || found["seq"] != 1.0 {
				t.Errorf("T2 after: %d %v", status, found)
			}
			_, _, info := b.call("erp", http.MethodGet, "/v1/info", nil, nil)
			want := map[string]any{"system": "erp", "generation": "g1", "head": 1.0, "idempotency": class, "key_ttl_s": 86400.0, "keeps_order": false, "now": info["now"]}
			if diff := cmp.Diff(want, info); diff != "" {
				t.Errorf("T3 (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTarget_JournalPages(t *testing.T) {
	b := newBench(t, Config{})
	for i := 1; i <= 25; i++ {
		d := doc{kind: "order_check", order: fmt.Sprintf("SO-%d", i), key: fmt.Sprintf("k%d", i), seq: 1, lines: []map[string]string{line("1", "A", "5.50")}}
		if r, _ := b.post("erp", d); r.Status != 201 {
			t.Fatalf("post %d: %v", i, r)
		}
	}
	var keys []string
	for after := 0; ; {
		_, _, page := b.call("erp", http.MethodGet, "/v1/journal?limit=10&after="+strconv.Itoa(after), nil, nil)
		if page["head"] != 25.0 || page["generation"] != "g1" {
			t.Fatalf("page %v", page)
		}
		entries := page["entries"].([]any)
		if len(entries) == 0 {
			break
		}
		for _, v := range entries {
			e := v.(map[string]any)
			after++
			if e["n"] != float64(after) {
				t.Errorf("entry %v has n %v", after, e["n"])
			}
			keys = append(keys, e["key"].(string))
			if diff := cmp.Diff([]any{map[string]any{"line": "1", "sku": "A", "qty": "5.5"}}, e["lines"]); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
		}
	}
	if len(keys) != 25 || keys[24] != "k25" {
		t.Errorf("pages gave %v", keys)
	}
	if status, _, out := b.call("erp", http.MethodGet, "/v1/journal?after=x", nil, nil); status != 400 || out["code"] != "after_malformed" {
		t.Errorf("after=x: %d %v", status, out)
	}
}

func TestTarget_RecordsEveryRequestBeforeJudging(t *testing.T) {
	b := newBench(t, Config{})
	b.post("erp", doc{kind: "shipment_posting", order: order, key: "p", seq: 1, attempt: 1})
	b.post("erp", doc{kind: "shipment_posting", order: order, key: "p", seq: 1, attempt: 2, header: map[string]string{"Content-Digest": "sha-256=:AAAA:"}})
	calls := b.w.Calls("erp", "p")
	if len(calls) != 2 || calls[0].Attempt != 1 || calls[1].Attempt != 2 || calls[0].Epoch != 1 || calls[0].Digest == "" || calls[0].Arrived.IsZero() {
		t.Errorf("recorded %+v", calls)
	}
}

func TestTarget_MasterData(t *testing.T) {
	b := newBench(t, Config{})
	for what, want := range map[string]int{"items": itemCount, "customers": customerCount, "prices": itemCount, "inventory": itemCount, "warehouses": 1} {
		n, cursor := 0, ""
		for {
			status, _, page := b.call("erp", http.MethodGet, "/v1/entities/"+what+"?since=2026-01-01T00:00:00Z&cursor="+cursor, nil, nil)
			if status != 200 {
				t.Fatalf("%s: %d %v", what, status, page)
			}
			n += len(page["items"].([]any))
			if page["next"] == nil {
				break
			}
			cursor = page["next"].(string)
		}
		if n != want {
			t.Errorf("%s: %d records, want %d", what, n, want)
		}
	}
	if status, _, out := b.call("wms", http.MethodGet, "/v1/entities/items", nil, nil); status != 404 || out["code"] != "no_such_entities" {
		t.Errorf("the WMS has items: %d %v", status, out)
	}
}

func TestWorld_SetFaultNamesWhatItKnows(t *testing.T) {
	w, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range [][2]string{{"tms", "slow"}, {"erp", "rain"}} {
		if err := w.SetFault(tt[0], tt[1], true); err == nil || !strings.Contains(err.Error(), "unknown to the sandbox") {
			t.Errorf("SetFault(%q, %q) gave %v", tt[0], tt[1], err)
		}
	}
	for _, cfg := range []Config{{Faults: "some"}, {First: -1}, {Idempotency: map[string]string{"erp": "maybe"}}, {Idempotency: map[string]string{"shop": "key"}}, {Secrets: map[string]Secret{"erp": {WebhookSecret: "whsec_%"}}}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("New(%+v) gave no error", cfg)
		}
	}
}

// TestTarget_OverTheNetwork drives the same handlers over loopback: a cut
// connection is a cut connection there, too.
func TestTarget_OverTheNetwork(t *testing.T) {
	w, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := w.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	get := func(path string) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.URL("wms")+path, nil)
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", "Bearer "+w.Secret("wms").Token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		return resp.StatusCode, nil
	}
	if status, err := get("/v1/info"); err != nil || status != 200 {
		t.Fatalf("T3: %d, %v", status, err)
	}
	if err := w.SetFault("wms", "outage", true); err != nil {
		t.Fatal(err)
	}
	cut, busy := 0, 0
	for range 10 {
		status, err := get("/v1/info")
		switch {
		case err != nil:
			cut++
		case status == 503:
			busy++
		}
	}
	if cut == 0 || busy == 0 {
		t.Errorf("the outage cut %d connections and answered %d", cut, busy)
	}
}

// TestTransport_TellsThatTheRequestWentOut: a caller tells "not sent" from "in
// doubt" by its trace, so a cut connection in process has to be announced as
// one over the network is.
func TestTransport_TellsThatTheRequestWentOut(t *testing.T) {
	b := newBench(t, Config{})
	b.only("erp", Outage)
	connected, wrote := 0, 0
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn:      func(httptrace.GotConnInfo) { connected++ },
		WroteRequest: func(httptrace.WroteRequestInfo) { wrote++ },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://erp.sandbox/v1/info", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.client.Do(req)
	if err == nil {
		_ = resp.Body.Close()
		t.Fatal("the first request of an outage was answered")
	}
	if connected != 1 || wrote != 1 {
		t.Errorf("the trace heard of %d connections and %d requests, want 1 of each", connected, wrote)
	}
}
