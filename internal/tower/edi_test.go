package tower

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// purchaseOrder is an interchange of one 850 with so many lines; its CTT and SE
// are right.
func purchaseOrder(lines int) string {
	const isa = "ISA*00*          *00*          *ZZ*EXAMPLEBUY     *ZZ*EXAMPLEHDW     *261123*1432*U*00401*000000042*0*P*>~"
	var b strings.Builder
	b.WriteString(isa + "\nGS*PO*EXAMPLEBUY*EXAMPLEHDW*20261123*1432*42*X*004010~\nST*850*0001~\nBEG*00*NE*PO-4711**20261123~\n")
	for i := range lines {
		fmt.Fprintf(&b, "PO1*%d*5*EA*9.90**VN*SKU-%d~\n", i+1, i+1)
	}
	fmt.Fprintf(&b, "CTT*%d~\nSE*%d*0001~\nGE*1*42~\nIEA*1*000000042~\n", lines, lines+4)
	return b.String()
}

// exchange gives the data interchanges, one of them with a fault.
func (f *fake) exchange() {
	f.messages["msg-850"] = Message{ID: "msg-850", System: "bigbox", Order: "SO-104832", State: "applied", At: noon,
		Raw: []byte(strings.Replace(purchaseOrder(40), "PO1*30*5*EA", "PO1*30*five*EA", 1))}
	f.interchanges = []Interchange{
		{ID: "msg-850", System: "bigbox", Control: "000000042", Sets: []string{"850"}, At: noon, State: "accepted_with_errors", Orders: []string{"SO-104832"},
			Answers: []InterchangeAnswer{{ID: "wb-ack", State: "done"}}},
		{ID: "wb-856", Outbound: true, System: "bigbox", Control: "000000007", Sets: []string{"856"}, At: noon, State: "overdue", AckBy: noon.Add(-time.Hour)},
		{ID: "wb-940", Outbound: true, System: "threepl", Control: "000000003", Sets: []string{"940"}, At: noon, State: "accepted", AnsweredBy: "msg-50"},
	}
}

func ediPage(t *testing.T, raw string) (int, string) {
	t.Helper()
	src := newFake()
	src.messages["msg_42"] = Message{ID: "msg_42", System: "bigbox", Order: "SO-104832", State: "applied", At: noon, Raw: []byte(raw)}
	h := New(src, Options{Now: func() time.Time { return noon }})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/edi/msg_42", nil))
	return w.Code, w.Body.String()
}

func TestEDI_InterchangeByNameBesideItsBytes(t *testing.T) {
	code, page := ediPage(t, purchaseOrder(2))
	if code != http.StatusOK {
		t.Fatalf("status %d", code)
	}
	for _, want := range []string{"000000042", "ZZ/EXAMPLEBUY to ZZ/EXAMPLEHDW", `id="t4"`, `href="#r4"`, `id="r4"`, `href="#t4"`,
		"BEG*00*NE*PO-4711**20261123", "PO-4711", "new order", "Interchange header", "/messages/msg_42/raw", "/orders/SO-104832"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(page, `id="faults"`) {
		t.Error("a sound interchange is shown with faults")
	}
}

func TestEDI_FaultsStandAtTheirSegment(t *testing.T) {
	broken := strings.Replace(purchaseOrder(2), "PO1*2*5*EA", "PO1*2*five*EA", 1)
	code, page := ediPage(t, broken)
	if code != http.StatusOK {
		t.Fatalf("status %d", code)
	}
	for _, want := range []string{`id="faults"`, `<a href="#t6" class="mono">PO1, segment 6</a>`, `<li id="t6" class="d3 err">`, `<li id="r6" class="err">`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestEDI_LargeInterchangeIsCut(t *testing.T) {
	code, page := ediPage(t, purchaseOrder(3000))
	if code != http.StatusOK {
		t.Fatalf("status %d", code)
	}
	if n := strings.Count(page, `<li id="r`); n != segmentsShown {
		t.Errorf("%d segments are shown, want %d", n, segmentsShown)
	}
	if !strings.Contains(page, "Only the first 1,000 segments are shown") {
		t.Error("the page does not say that it is cut")
	}
}

func TestEDI_UnreadableRestIsNamed(t *testing.T) {
	code, page := ediPage(t, purchaseOrder(1)[:170])
	if code != http.StatusOK || !strings.Contains(page, `id="faults"`) {
		t.Errorf("status %d, and faults shown: %v", code, strings.Contains(page, `id="faults"`))
	}
}

func TestEDI_OtherMessagesHaveTheirOwnPage(t *testing.T) {
	if code, _ := ediPage(t, `{"type":"order.placed"}`); code != http.StatusSeeOther {
		t.Errorf("status %d, want 303 to the message's page", code)
	}
}

func TestEDI_ListSaysWhereEachAcknowledgmentStands(t *testing.T) {
	src := newFake()
	src.exchange()
	h := New(src, Options{Now: func() time.Time { return noon }})
	get := func(path string) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%s: status %d", path, w.Code)
		}
		return w.Body.String()
	}
	all := get("/edi")
	for _, want := range []string{`href="/edi/msg-850">000000042`, "Accepted with errors", `href="/orders/SO-104832"`, `href="/edi/wb-ack">done`, "Overdue", `href="/edi/msg-50"`} {
		if !strings.Contains(all, want) {
			t.Errorf("the list lacks %s", want)
		}
	}
	if one := get("/edi?system=threepl"); strings.Contains(one, "000000042") || !strings.Contains(one, "000000003") {
		t.Error("the list of one partner shows another's, or lacks its own")
	}
}

// A segment's name leads to its bytes and back, each side scrolled by itself.
func TestBrowser_SegmentAndItsBytesLeadToEachOther(t *testing.T) {
	b := openTab(t, 1280, 800)
	b.open("/edi/msg-850")
	b.do(chromedp.Click(chromedp.CSS(`#faults a`)))
	const seen = `(() => { const e = document.querySelector(":target"); if (!e) return ""; const r = e.getBoundingClientRect(), p = e.closest(".edi > div").getBoundingClientRect();
		return r.top >= p.top - 1 && r.bottom <= p.bottom + 1 ? e.id : "" })()`
	b.until(seen + ` === "t34"`)
	b.do(chromedp.Click(chromedp.CSS(`#t34 a`)))
	b.until(seen + ` === "r34"`)
	if raw := eval[string](b, `document.querySelector("#r34").innerText.trim()`); !strings.HasPrefix(raw, "PO1*30*five*EA") {
		t.Errorf("its bytes are %q", raw)
	}
	b.do(chromedp.Click(chromedp.CSS(`#r34 a`)))
	b.until(seen + ` === "t34"`)
}
