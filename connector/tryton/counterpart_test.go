//go:build counterparts

package tryton

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// books is a started Tryton with a connector to it.
type books struct {
	*erp
	url, password string
}

// start starts a Tryton of its own from the seeded state; WAYBILL_TRYTON_BACKEND
// says on which database.
func start(t *testing.T) *books {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	script, dir := "../../test/counterparts/tryton/tryton.sh", t.TempDir()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "bash", script, "start", dir, strconv.Itoa(port))
	cmd.Stdout, cmd.Stderr = &out, &said
	t.Cleanup(func() {
		stop := exec.CommandContext(context.WithoutCancel(t.Context()), "bash", script, "reset", dir)
		if b, err := stop.CombinedOutput(); err != nil {
			t.Errorf("stop Tryton: %v\n%s", err, b)
		}
	})
	if err := cmd.Run(); err != nil {
		t.Fatalf("start Tryton: %v\n%s", err, &said)
	}
	var ready struct{ URL, Password string }
	if err := json.Unmarshal(out.Bytes(), &ready); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	b := &books{url: ready.URL, password: ready.Password}
	b.erp = b.connect(t, ready.URL)
	return b
}

// connect opens a connector of its own, as another replica would.
func (b *books) connect(t *testing.T, base string) *erp {
	t.Helper()
	c, err := Manifest().Open(connector.Env{System: "erp", Role: waybill.RoleERP, BaseURL: base, Token: b.password,
		Client: &http.Client{}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Settings: map[string]string{"payment_method": "Bank", "charge_products": "freight=FREIGHT", "units": "CS=cs12"}})
	if err != nil {
		t.Fatal(err)
	}
	return c.Deliverer.(*erp)
}

func line(id, sku, qty, price string) waybill.DocumentLine {
	return waybill.DocumentLine{Line: id, SKU: sku, Qty: waybill.MustDecimal(qty), UOM: "EA",
		Price: &waybill.Price{Amount: waybill.MustDecimal(price), Currency: "EUR"}}
}

func document(kind waybill.Kind, order, key, data string, lines ...waybill.DocumentLine) waybill.Document {
	return waybill.Document{Kind: kind, Order: order, Key: key, Currency: "EUR", Lines: lines, Data: []byte(data)}
}

func attempt(t *testing.T, e *erp, d waybill.Document) connector.Attempt {
	t.Helper()
	r, err := e.Render(d)
	if err != nil {
		t.Fatal(err)
	}
	return connector.Attempt{Kind: d.Kind, Order: d.Order, Key: d.Key, Attempt: 1, Body: r.Body, Deadline: time.Now().Add(time.Minute)}
}

func (b *books) deliver(t *testing.T, d waybill.Document, want waybill.Verdict) waybill.Outcome {
	t.Helper()
	o, err := b.Deliver(t.Context(), attempt(t, b.erp, d))
	if err != nil || o.Verdict != want {
		t.Fatalf("%s of %s: %s (%s, %+v), error %v; want %s", d.Kind, d.Order, o.Verdict, o.Note, o.Problem, err, want)
	}
	return o
}

// count counts records in Tryton's own tables.
func (b *books) count(t *testing.T, model string, domain ...any) int {
	t.Helper()
	var n int
	if err := b.invoke(t.Context(), nil, "model."+model+".search_count", &n, domain); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTryton_OrderToCashAndBack(t *testing.T) {
	b := start(t)
	const head = `{"customer":"C0001","po":"PO-1","ship_to":{"name":"Example Store","address":["1 Example Road"],"city":"Lyon","postal":"69001","country":"FR"}}`
	lines := []waybill.DocumentLine{line("1", "SKU-0001", "10", "10.25"), line("2", "SKU-0002", "5", "10.50")}
	check := b.deliver(t, document(waybill.OrderCheck, "SO-1", "k0", head, lines...), waybill.Done)
	want := `{"approved":true,"reasons":[],"prices":[{"line":"1","price":"10.25"},{"line":"2","price":"10.50"}]}`
	if d := cmp.Diff(want, string(check.Receipt.Result)); d != "" {
		t.Errorf("check (-want +got):\n%s", d)
	}
	twice := []waybill.Document{
		document(waybill.SalesOrder, "SO-1", "k1", head, lines...),
		document(waybill.SalesOrderChange, "SO-1", "k2", head, line("1", "SKU-0001", "8", "10.25"), line("2", "SKU-0002", "5", "10.50"), line("3", "SKU-0003", "2", "10.75")),
		document(waybill.SalesOrderCancel, "SO-1", "k3", `{"request":"C-1"}`, line("2", "SKU-0002", "5", "10.50")),
		document(waybill.ShipmentPosting, "SO-1", "k4", `{"shipment":"S-1","carrier":"TestPost"}`, line("1", "SKU-0001", "6", "10.25"), line("3", "SKU-0003", "3", "10.75")),
		document(waybill.Invoice, "SO-1", "k5", `{"shipment":"S-1","posting":"k4","tax":"19.59","charges":[{"code":"freight","amount":"4.20"}]}`, line("1", "SKU-0001", "6", "10.25"), line("3", "SKU-0003", "3", "10.75")),
		document(waybill.PaymentReceipt, "SO-1", "k6", `{"shipment":"S-1","amount":"17.54"}`),
		document(waybill.PaymentReceipt, "SO-1", "k7", `{"shipment":"S-1","amount":"100.00"}`),
		document(waybill.CreditMemo, "SO-1", "k8", `{"return":"R-1","tax":"4.10"}`, line("1", "SKU-0001", "2", "10.25")),
		document(waybill.ShipmentReversal, "SO-1", "k9", `{"shipment":"S-1"}`, line("1", "SKU-0001", "1", "10.25")),
		document(waybill.CreditMemo, "SO-1", "ka", `{"posting":"k9","tax":"2.05"}`, line("1", "SKU-0001", "1", "10.25")),
		document(waybill.InventoryAdjustment, "~~item~SKU-0006", "kb", `{"document":"A-1","warehouse":"WH","reason":"count"}`, line("1", "SKU-0006", "-2", "0")),
	}
	for _, d := range twice {
		first := b.deliver(t, d, waybill.Done)
		again := b.deliver(t, d, waybill.Done)
		if first.Receipt.Ref == "" || d.Kind != waybill.SalesOrderChange && d.Kind != waybill.SalesOrderCancel && first.Receipt.Ref != again.Receipt.Ref {
			t.Errorf("%s: ref %q, then %q", d.Kind, first.Receipt.Ref, again.Receipt.Ref)
		}
		t.Logf("%s %s %s", d.Kind, first.Receipt.Ref, first.Receipt.Result)
	}
	for _, c := range []struct {
		model  string
		domain []any
		want   int
	}{
		{sales, all{isReturn(false)}, 1},
		{sales, all{isReturn(true)}, 2},
		{amendments, nil, 2},
		{shipments, all{is("state", "done")}, 1},
		{shipments, all{is("state", "waiting")}, 1}, // the backorder
		{invoices, all{is("state", "paid")}, 1},
		{invoices, all{is("state", "posted")}, 2}, // the credit notes
		{invoices, all{is("state", "draft")}, 0},
		{internals, all{is("state", "done")}, 1},
		{claims, nil, 0},
	} {
		if got := b.count(t, c.model, c.domain...); got != c.want {
			t.Errorf("%s %v: %d, want %d", c.model, c.domain, got, c.want)
		}
	}
}

func TestTryton_CreditHoldLeavesNothing(t *testing.T) {
	b := start(t)
	d := document(waybill.SalesOrder, "SO-9", "c1", `{"customer":"C0002"}`, line("1", "SKU-0001", "100", "9.225"))
	if o := b.deliver(t, d, waybill.Refused); o.Problem.Code != codeCredit {
		t.Errorf("code %s (%s), want %s", o.Problem.Code, o.Problem.Detail, codeCredit)
	}
	if n := b.count(t, sales); n != 0 {
		t.Errorf("%d sales are left of a refused one", n)
	}
}

func TestTryton_FourWorkersOneDocument(t *testing.T) {
	b := start(t)
	d := document(waybill.SalesOrder, "SO-2", "r1", `{"customer":"C0005"}`, line("1", "SKU-0001", "3", "10.25"))
	var group sync.WaitGroup
	verdicts := make([]waybill.Verdict, 4)
	for i := range verdicts {
		e, a := b.connect(t, b.url), attempt(t, b.erp, d)
		group.Go(func() {
			o, err := e.Deliver(t.Context(), a)
			if err != nil {
				t.Error(err)
			}
			verdicts[i] = o.Verdict
		})
	}
	group.Wait()
	b.deliver(t, d, waybill.Done)
	if n, m := b.count(t, sales), b.count(t, shipments); n != 1 || m != 1 {
		t.Errorf("%d sales and %d shipments (%v), want one each", n, m, verdicts)
	}
}

// TestTryton_AnswersDropped loses the answer of every call in turn, after
// Tryton has applied it, and goes on as the engine would.
func TestTryton_AnswersDropped(t *testing.T) {
	b := start(t)
	target, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	calls, drop := 0, 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := httptest.NewRecorder()
		forward := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: target.Scheme, Host: target.Host}) }}
		forward.ServeHTTP(answer, r)
		if calls++; calls == drop {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	defer proxy.Close()
	for drop = 1; ; drop++ {
		order := fmt.Sprintf("SO-D%d", drop)
		d := document(waybill.SalesOrder, order, fmt.Sprintf("d%d", drop), `{"customer":"C0005"}`, line("1", "SKU-0001", "1", "10.25"))
		e, a := b.connect(t, proxy.URL+target.Path), attempt(t, b.erp, d)
		calls = 0
		o, err := e.Deliver(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		through := calls < drop
		if o.Verdict != waybill.Done {
			f, err := e.Inquire(t.Context(), connector.Inquiry{Kind: d.Kind, Order: order, Key: d.Key, Body: a.Body, Deadline: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			if f.State != connector.FoundApplied {
				e.env.Now = func() time.Time { return time.Now().Add(2 * time.Minute) } // the attempt's deadline is over
				a.Deadline = time.Now().Add(3 * time.Minute)
				if o, err = e.Deliver(t.Context(), a); err != nil || o.Verdict != waybill.Done {
					t.Fatalf("after call %d was dropped: %s (%s), %v", drop, o.Verdict, o.Note, err)
				}
			}
		}
		if n := b.count(t, sales, is("reference", order)); n != 1 {
			t.Errorf("after call %d was dropped: %d sales", drop, n)
		}
		if through {
			break
		}
	}
	if n, m := b.count(t, sales), b.count(t, shipments); n != drop || m != drop {
		t.Errorf("%d sales and %d shipments of %d orders", n, m, drop)
	}
}

func TestTryton_SessionExpired(t *testing.T) {
	b := start(t)
	if _, err := b.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.session.header = "Session bm9ib2R5OjE6eA=="
	b.deliver(t, document(waybill.SalesOrder, "SO-3", "s1", `{"customer":"C0005"}`, line("1", "SKU-0001", "1", "10.25")), waybill.Done)
	wrong := b.connect(t, b.url)
	wrong.env.Token = "wrong"
	if _, err := wrong.Probe(t.Context()); err == nil {
		t.Error("a wrong password is taken for a healthy system")
	}
}
