package tower

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// The tests of this file drive the pages in a real Chromium. It is part of what
// a machine that tests this project needs, so its absence fails.

// chrome is one browser for all tests; each test takes a tab of its own.
var chrome struct {
	once sync.Once
	ctx  context.Context
	stop func()
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chrome.stop != nil {
		chrome.stop()
	}
	os.Exit(code)
}

func startChrome() {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		chrome.err = fmt.Errorf("no Chromium is installed: run scripts/install-test-deps.sh")
		return
	}
	dir, err := os.MkdirTemp("", "waybill-chromium")
	if err != nil {
		chrome.err = err
		return
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-features", "Translate,OptimizationHints"), chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := chromedp.NewContext(alloc)
	chrome.stop = func() {
		cancel()
		stopAlloc()
		_ = os.RemoveAll(dir) // what Chromium still writes is in the temporary folder
	}
	chrome.ctx = ctx
	if err := chromedp.Do(ctx); err != nil {
		chrome.err = fmt.Errorf("start %s: %w", path, err)
	}
}

// tab is a page under test: its server, its data, and what its console said.
type tab struct {
	t    *testing.T
	ctx  context.Context
	src  *fake
	url  string
	mu   sync.Mutex
	said []string
}

// openTab starts a server on fake data and a tab with its own cookies. When the
// test ends, anything that the console reported fails it.
func openTab(t *testing.T, width, height int64) *tab {
	t.Helper()
	chrome.once.Do(startChrome)
	if chrome.err != nil {
		t.Fatal(chrome.err)
	}
	src := newFake()
	src.exchange()
	srv := httptest.NewServer(New(src, Options{Version: "0.1.0", Name: "Example Supply", Environment: "Test", Now: func() time.Time { return noon }}))
	ctx, cancel := chromedp.NewContext(chrome.ctx, chromedp.WithNewBrowserContext())
	ctx, cancelTime := context.WithTimeout(ctx, 2*time.Minute)
	b := &tab{t: t, ctx: ctx, src: src, url: srv.URL}
	t.Cleanup(func() {
		for _, line := range b.console() {
			t.Errorf("the console reported: %s", line)
		}
		cancelTime()
		cancel()
		srv.CloseClientConnections()
		srv.Close()
	})
	b.do(chromedp.EmulateViewport(width, height))
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == "error" || m.Type == "warning" {
				b.mu.Lock()
				b.said = append(b.said, m.String())
				b.mu.Unlock()
			}
		}
	}()
	return b
}

func (b *tab) console() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	said := b.said
	b.said = nil
	return said
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// open loads a page and waits until its scripts have run.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.url + path))
}

// typed enters text where the focus is.
func (b *tab) typed(text string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(text))
}

// press hits one key. The character follows from the key inside the browser, so
// that a page which takes the key keeps it from being typed.
func (b *tab) press(key string) {
	b.t.Helper()
	b.do(stroke(key))
}

func stroke(key string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		down := input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeKeyDown, Key: key, Text: key}
		if k, named := kb.Keys[[]rune(key)[0]]; named {
			down.Key, down.Code, down.Text, down.WindowsVirtualKeyCode = k.Key, k.Code, k.Text, k.Windows
		}
		if _, err := cdp.Call(ctx, t, input.DispatchKeyEvent, down); err != nil {
			return err
		}
		up := down
		up.Type, up.Text = input.DispatchKeyEventTypeKeyUp, ""
		_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, up)
		return err
	})
}

// pressAndLoad hits a key that leads to another page.
func (b *tab) pressAndLoad(key string) {
	b.t.Helper()
	if _, err := chromedp.RunResponse(b.ctx, stroke(key)); err != nil {
		b.t.Fatalf("press %q: %v", key, err)
	}
}

func (b *tab) path() string {
	b.t.Helper()
	at, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		b.t.Fatal(err)
	}
	return strings.TrimPrefix(at, b.url)
}

func eval[T any](b *tab, js string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](js))
	if err != nil {
		b.t.Fatalf("%s: %v", js, err)
	}
	return v
}

// until waits for an expression to become true.
func (b *tab) until(js string) {
	b.t.Helper()
	b.untilLoaded(js)
}

// wait runs a promise to its end.
func (b *tab) wait(promise string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](promise+`.then(() => true)`, chromedp.EvalAwaitPromise)); err != nil {
		b.t.Fatalf("%s: %v", promise, err)
	}
}

// untilLoaded waits for an expression on a page that is being loaded, also from
// the browser's own cache: it asks anew where the page was replaced meanwhile.
func (b *tab) untilLoaded(expression string) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		if err == nil && ok {
			return
		}
		select {
		case <-tick.C:
		case <-b.ctx.Done():
			b.t.Fatalf("wait for %s: %v (%v)", expression, b.ctx.Err(), err)
		}
	}
}

// live waits until the page's event stream is open.
func (b *tab) live() {
	b.t.Helper()
	b.until(`!!document.querySelector('#live')?._htmx?.sse`)
}

func TestBrowser_SearchOpenAndKeyboard(t *testing.T) {
	b := openTab(t, 1280, 900)
	b.open("/")
	b.press("/")
	b.typed("BF-7719")
	b.pressAndLoad(kb.Enter)
	if got := b.path(); got != "/orders/SO-104832" {
		t.Fatalf("a search by purchase order leads to %s, want the order", got)
	}
	b.press("j")
	first := eval[string](b, `document.activeElement.textContent`)
	b.press("j")
	if second := eval[string](b, `document.activeElement.textContent`); second == first || second == "" {
		t.Errorf("j moved from %q to %q, want the next message", first, second)
	}
	b.press("k")
	if back := eval[string](b, `document.activeElement.textContent`); back != first {
		t.Errorf("k moved to %q, want %q", back, first)
	}
	b.press("j")
	b.press(kb.Enter)
	b.until(`document.querySelector('#detail h2').textContent === document.activeElement.textContent`)
	if got := b.path(); !strings.Contains(got, "m=") {
		t.Errorf("an opened message is at %s, want it in the address", got)
	}

	b.press("?")
	if !eval[bool](b, `document.querySelector('#keys').matches(':popover-open')`) {
		t.Error("? does not show the keys")
	}
	b.press(kb.Escape)
	b.press("g")
	b.pressAndLoad("e")
	if got := b.path(); got != "/exceptions" {
		t.Errorf("g e leads to %s", got)
	}
	b.press("g")
	b.pressAndLoad("r")
	b.press("j")
	b.pressAndLoad(kb.Enter)
	if got := b.path(); got != "/orders/SO-104832" {
		t.Errorf("enter on the first row leads to %s", got)
	}
	b.press("g")
	b.pressAndLoad("o")
	if got := b.path(); got != "/" {
		t.Errorf("g o leads to %s", got)
	}
}

func TestBrowser_BackKeepsTheFilter(t *testing.T) {
	b := openTab(t, 1280, 900)
	b.open("/orders?status=partially_shipped")
	b.press("j")
	b.pressAndLoad(kb.Enter)
	// The page goes while it answers: only where it went to tells whether it did.
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[chromedp.Void](`setTimeout(() => history.back(), 0); undefined`)); err != nil {
		t.Logf("back: %v", err)
	}
	b.untilLoaded(`location.search === '?status=partially_shipped' && document.querySelector('select[name=status]').value === 'partially_shipped'`)
}

func TestBrowser_LiveRowKeepsTheFocus(t *testing.T) {
	b := openTab(t, 1280, 900)
	b.open("/orders")
	b.live()
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('#order-SO-104811 a').focus(); document.querySelector('#order-SO-104811').planted = true; document.querySelector('#order-SO-104790').planted = true; undefined`))
	b.src.change(func() { b.src.rows[1].Status = "shipped"; b.src.rows[1].Lines = 13 })
	b.until(`document.querySelector('#order-SO-104811').textContent.includes('Shipped')`)
	if got := eval[string](b, `document.activeElement.textContent`); got != "SO-104811" {
		t.Errorf("the focus is on %q after the update, want the same row", got)
	}
	if !eval[bool](b, `document.querySelector('#order-SO-104811').planted && document.querySelector('#order-SO-104790').planted`) {
		t.Error("rows were made anew, want them changed in place")
	}

	b.src.change(func() {
		b.src.rows = append([]OrderRow{{Order: "SO-105000", Status: "received", Lines: 1, Placed: noon}}, b.src.rows...)
	})
	b.until(`document.querySelector('tbody tr').id === 'order-SO-105000'`)
	if got := eval[string](b, `document.activeElement.textContent`); got != "SO-104811" {
		t.Errorf("the focus is on %q after a new row, want the same row", got)
	}
}

func TestBrowser_PauseHoldsUpdates(t *testing.T) {
	b := openTab(t, 1280, 900)
	b.open("/orders")
	b.live()
	b.press("p")
	b.until(`document.querySelector('.live-word').textContent === 'Paused'`)
	b.do(chromedp.Evaluate[chromedp.Void](`window.came = 0; document.querySelector('#live').addEventListener('htmx:sse:before:message', () => window.came++); undefined`))
	b.src.change(func() { b.src.rows[0].Status = "invoiced" })
	b.until(`window.came > 0`)
	if eval[bool](b, `document.querySelector('#order-SO-104832').textContent.includes('Invoiced')`) {
		t.Error("a paused page changed")
	}
	b.press("p")
	b.until(`document.querySelector('#order-SO-104832').textContent.includes('Invoiced')`)
}

func TestBrowser_LiveOrderAndOverview(t *testing.T) {
	b := openTab(t, 1280, 900)
	b.open("/orders/SO-104832")
	b.live()
	b.src.change(func() {
		o := b.src.orders["SO-104832"]
		o.Status = "invoiced"
		o.Problems = nil
		b.src.orders["SO-104832"] = o
		b.src.exceptions.Open = 0
	})
	b.until(`document.querySelector('#order-head').textContent.includes('Invoiced') && document.querySelector('#nav-exceptions').textContent === '0'`)
	if eval[int](b, `document.querySelectorAll('#order-problems .note').length`) != 0 {
		t.Error("a solved problem is still shown")
	}
	if !eval[bool](b, `document.querySelector('#timeline svg').namespaceURI.endsWith('svg') && document.querySelector('#timeline svg line').getBoundingClientRect().height >= 0 && document.querySelector('#timeline svg line') instanceof SVGElement`) {
		t.Error("the timeline is no drawing after the update")
	}
	b.open("/")
	b.live()
	b.src.change(func() { b.src.overview.Deliveries.Parked = 77 })
	b.until(`document.querySelector('#stats .v').textContent === '77'`)
}

func TestBrowser_ExceptionIsRetriedWithAReason(t *testing.T) {
	b := openTab(t, 1280, 900)
	b.open("/exceptions?e=exc-2")
	b.do(chromedp.Click(chromedp.CSS(`#act button[value=retry]`)))
	if len(b.src.acted()) != 0 || !strings.HasPrefix(b.path(), "/exceptions") {
		t.Fatal("a retry without a reason was sent")
	}
	b.do(chromedp.SendKeys(chromedp.CSS(`#act input[name=reason]`), "item added in the ERP"))
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(`#act button[value=retry]`))); err != nil {
		t.Fatal(err)
	}
	want := Action{Actor: anonymous, Kind: Retry, Scope: OnException, Target: "exc-2", Reason: "item added in the ERP"}
	if got := b.src.acted(); len(got) != 1 || got[0] != want {
		t.Errorf("done: %+v, want %+v", got, want)
	}
	if got := eval[string](b, `document.querySelector('[role=status]').textContent.trim()`); got != doneWords[Retry] {
		t.Errorf("the page says %q after the retry", got)
	}

	b.do(chromedp.SendKeys(chromedp.CSS(`.fix input[name=reason]`), "items were added"))
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(`.fix button[value=retry]`))); err != nil {
		t.Fatal(err)
	}
	if got := b.src.acted(); len(got) != 2 || got[1].Scope != OnCause || got[1].Target != "refused~erp~item_unknown" {
		t.Errorf("done by cause: %+v", got)
	}
}

func TestBrowser_DeliveryStaysOpenWhileItChanges(t *testing.T) {
	b := openTab(t, 1280, 900)
	b.open("/orders/SO-104832")
	b.live()
	b.do(chromedp.Click(chromedp.CSS(`#delivery-key-4 summary`)), chromedp.SendKeys(chromedp.CSS(`#delivery-key-4 input[name=reason]`), "they have"))
	b.src.change(func() {
		o := b.src.orders["SO-104832"]
		o.Deliveries = slices.Clone(o.Deliveries)
		o.Deliveries[4].Reason = "422 item_unknown, again"
		o.Deliveries = append(o.Deliveries, Delivery{Key: "key-new", Target: "webshop", Kind: "fulfilment", Seq: 3, State: "ready"})
		b.src.orders["SO-104832"] = o
	})
	b.until(`document.querySelector('#delivery-key-4 summary').textContent.includes('again') && !!document.querySelector('#delivery-key-new')`)
	b.typed(" it")
	if !eval[bool](b, `document.querySelector('#delivery-key-4').open && document.querySelector('#delivery-key-4 input[name=reason]').value === 'they have it'`) {
		t.Error("an update closed the delivery that was being worked on, or took its text")
	}
	b.do(chromedp.SendKeys(chromedp.CSS(`#delivery-key-4 input[name=ref]`), "E-99"))
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(`#delivery-key-4 button[value=settle]`))); err != nil {
		t.Fatal(err)
	}
	want := Action{Actor: anonymous, Kind: Settle, Scope: OnDelivery, Target: "key-4", Reason: "they have it", Ref: "E-99"}
	if got := b.src.acted(); len(got) != 1 || got[0] != want {
		t.Errorf("done: %+v, want %+v", got, want)
	}
}

func TestBrowser_OrderActionIsAPopover(t *testing.T) {
	b := openTab(t, 1280, 900)
	b.open("/orders/SO-104832")
	b.do(chromedp.Click(chromedp.CSS(`[popovertarget=act-hold]`)), chromedp.SendKeys(chromedp.CSS(`#act-hold input[name=reason]`), "customer asked"))
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(`#act-hold .btn.pri`))); err != nil {
		t.Fatal(err)
	}
	want := Action{Actor: anonymous, Kind: Hold, Scope: OnOrder, Target: "SO-104832", Reason: "customer asked"}
	if got := b.src.acted(); len(got) != 1 || got[0] != want {
		t.Errorf("done: %+v, want %+v", got, want)
	}
}

func TestBrowser_WorksWithoutScripts(t *testing.T) {
	b := openTab(t, 1280, 900)
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	b.open("/")
	b.do(chromedp.Focus(chromedp.CSS("#q")))
	b.typed("SHP-88214")
	b.pressAndLoad(kb.Enter)
	if got := b.path(); got != "/orders/SO-104832" {
		t.Fatalf("a search by shipment leads to %s", got)
	}
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(`#messages tr:last-child a`))); err != nil {
		t.Fatal(err)
	}
	if got, err := chromedp.Run(b.ctx, chromedp.TextContent(chromedp.CSS(`#detail h2`))); err != nil || got != "Message msg-order" {
		t.Errorf("the message beside the list is %q, %v", got, err)
	}
	b.open("/exceptions")
	b.do(chromedp.SendKeys(chromedp.CSS(`#act input[name=reason]`), "told by phone"))
	if _, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS(`#act button[value=skip]`))); err != nil {
		t.Fatal(err)
	}
	if got := b.src.acted(); len(got) != 1 || got[0].Kind != Skip {
		t.Errorf("done: %+v, want a skip", got)
	}
}

// pagesToLookAt are all pages a person can reach.
var pagesToLookAt = []string{"/", "/orders", "/orders?q=none-such", "/orders/SO-104832", "/orders/SO-104832?view=list", "/orders/LOAD-7", "/messages/dlv-posting2", "/messages/msg-ship2", "/exceptions", "/exceptions?cause=version_conflict", "/mapping", "/edi", "/edi/msg-850", "/no-such-page"}

func TestBrowser_NoSidewaysScroll(t *testing.T) {
	for _, width := range []int64{360, 390, 768, 1024, 1280} {
		b := openTab(t, width, 844)
		for _, path := range pagesToLookAt {
			b.open(path)
			if wide := eval[int](b, `document.documentElement.scrollWidth`); int64(wide) > width {
				t.Errorf("%s is %d wide on a screen of %d: %s", path, wide, width, eval[string](b, widest))
			}
		}
		forgive404(b)
	}
}

// widest names the element that reaches furthest to the right.
const widest = `(() => { let far = null, right = 0; for (const e of document.querySelectorAll('main *, header *')) { const r = e.getBoundingClientRect().right; if (r > right && !e.closest('.scroll, svg')) { right = r; far = e; } } return far.tagName + '.' + far.className + '#' + far.id; })()`

// forgive404 takes out what Chromium says of the page that is not there.
func forgive404(b *tab) {
	for _, line := range b.console() {
		if !strings.Contains(line, "404") {
			b.t.Errorf("the console reported: %s", line)
		}
	}
}

func TestBrowser_ConsoleTellsOfViolations(t *testing.T) {
	b := openTab(t, 1280, 900)
	b.open("/")
	b.do(chromedp.Evaluate[chromedp.Void](`document.body.insertAdjacentHTML('beforeend', '<p style="color:red">x</p>'); undefined`))
	b.until(`true`)
	for range 100 {
		if said := b.console(); len(said) > 0 {
			if !strings.Contains(said[0], "Content Security Policy") {
				t.Errorf("the console says %q", said[0])
			}
			return
		}
		b.until(`new Promise((done) => requestAnimationFrame(() => done(true)))`)
	}
	t.Error("an inline style was not reported, so no test here would see one")
}

func TestBrowser_Accessible(t *testing.T) {
	axe, err := os.ReadFile("testdata/axe/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	const run = `axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}).then((r) => r.violations.map((v) => v.id + ': ' + v.help + ': ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')))`
	for _, width := range []int64{1280, 390} {
		b := openTab(t, width, 900)
		for _, theme := range []string{"light", "dark"} {
			b.open("/orders")
			b.wait(fmt.Sprintf(`fetch('/theme', {method: 'POST', body: new URLSearchParams({theme: %q})})`, theme))
			for _, path := range pagesToLookAt {
				b.open(path)
				if got := eval[string](b, `document.documentElement.dataset.theme`); got != theme {
					t.Fatalf("%s is shown in %q, want %s", path, got, theme)
				}
				b.do(chromedp.Evaluate[chromedp.Void](string(axe) + "; undefined"))
				found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](run, chromedp.EvalAwaitPromise))
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range found {
					t.Errorf("%s at %d, %s: %s", path, width, theme, v)
				}
			}
		}
		forgive404(b)
	}
}
