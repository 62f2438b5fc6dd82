package tower

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newHandler(src Source, login func(string) (string, bool)) http.Handler {
	return New(src, Options{Version: "0.1.0", Name: "Example Supply", Now: func() time.Time { return noon }, Login: login})
}

func get(t *testing.T, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func post(t *testing.T, h http.Handler, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPages_StatusAndSecurityHeaders(t *testing.T) {
	h := newHandler(newFake(), nil)
	for path, status := range map[string]int{
		"/": 200, "/orders": 200, "/orders?status=held": 200, "/orders?q=BF-7719": 303, "/orders/SO-104832": 200, "/orders/BF-7719": 303,
		"/orders/LOAD-7": 300, "/orders/none": 404, "/messages/msg-ship2": 200, "/messages/none": 404, "/messages/msg-ship2/raw": 200,
		"/mapping": 200, "/exceptions": 200, "/exceptions?cause=version_conflict": 200, "/nothing": 404, "/assets/old/app.css": 404,
		"/orders?q=" + strings.Repeat("x", queryMax+1): 400,
	} {
		w := get(t, h, path)
		if w.Code != status {
			t.Errorf("%s: status %d, want %d", path, w.Code, status)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

// inline finds what the policy would forbid.
var inline = regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(?:[^>]*)>[^<]|javascript:`)

func TestPages_HaveNothingInline(t *testing.T) {
	h := newHandler(newFake(), nil)
	for _, path := range pagesToLookAt {
		if found := inline.FindString(get(t, h, path).Body.String()); found != "" {
			t.Errorf("%s has %q, which the policy forbids", path, found)
		}
	}
}

func TestPages_EscapeWhatSystemsSend(t *testing.T) {
	src := newFake()
	const evil = `"><script>alert(1)</script>`
	src.rows[0].Customer = evil
	o := src.orders["SO-104832"]
	o.Lines[0].Description, o.Timeline[0].Title, o.Refs[0].Value = evil, evil, evil
	src.orders["SO-104832"] = o
	m := src.messages["msg-ship2"]
	m.Raw, m.Title = []byte(`{"a":"`+strings.ReplaceAll(evil, `"`, `\"`)+`"}`), evil
	src.messages["msg-ship2"] = m
	h := newHandler(src, nil)
	for _, path := range []string{"/", "/orders", "/orders?q=" + url.QueryEscape(evil), "/orders/SO-104832", "/orders/SO-104832?view=list&m=msg-ship2", "/messages/msg-ship2", "/no" + url.PathEscape(evil)} {
		if body := get(t, h, path).Body.String(); strings.Contains(body, "<script>alert") {
			t.Errorf("%s lets a system's text through as markup", path)
		}
	}
}

func TestMessage_RawIsExact(t *testing.T) {
	src := newFake()
	w := get(t, newHandler(src, nil), "/messages/msg-ship2/raw")
	if diff := cmp.Diff(src.messages["msg-ship2"].Raw, w.Body.Bytes()); diff != "" {
		t.Errorf("the bytes differ (-kept +sent):\n%s", diff)
	}
	if got := w.Header().Get("Content-Disposition"); !strings.HasPrefix(got, "attachment") {
		t.Errorf("raw bytes are sent as %q; a browser could run them", got)
	}
}

// golden compares with a file under testdata; UPDATE_GOLDEN=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; write it with UPDATE_GOLDEN=1", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); write it anew with UPDATE_GOLDEN=1 when that is right:\n%s", file, diff)
	}
}

// outline keeps of a page what a person and the event stream hold on to:
// headings, names, links, forms and ids, one a line.
func outline(body string) string {
	var b strings.Builder
	_, main, _ := strings.Cut(body, "<main")
	main, _, _ = strings.Cut(main, "</main>")
	for _, tag := range regexp.MustCompile(`<(h1|h2|h3|a|form|button|input|select|section|tr|tbody|table|details)\b[^>]*>`).FindAllString(main, -1) {
		kept := regexp.MustCompile(`\s(id|href|action|name|value|aria-label|aria-labelledby|aria-current|required|popovertarget)(="[^"]*")?`).FindAllString(tag, -1)
		if len(kept) > 0 {
			b.WriteString(regexp.MustCompile(`^<[a-z0-9]+`).FindString(tag)[1:] + strings.Join(kept, "") + "\n")
		}
	}
	return b.String()
}

func TestPages_Outline(t *testing.T) {
	h := newHandler(newFake(), nil)
	for name, path := range map[string]string{"overview": "/", "orders": "/orders", "order": "/orders/SO-104832", "message": "/messages/dlv-posting2", "exceptions": "/exceptions", "mapping": "/mapping"} {
		golden(t, name+".txt", outline(get(t, h, path).Body.String()))
	}
}

// TestTemplates executes each page with a full and with an empty view, so that
// no template fails only when data is missing.
func TestTemplates(t *testing.T) {
	full := newFake()
	empty := &fake{orders: map[string]Order{"SO-1": {Order: "SO-1"}}, messages: map[string]Message{"m": {ID: "m"}}}
	paths := map[*fake][]string{
		full:  pagesToLookAt,
		empty: {"/", "/orders", "/orders?q=x", "/orders/SO-1", "/orders/SO-1?view=list", "/orders/SO-1?m=gone", "/messages/m", "/exceptions", "/exceptions?state=closed", "/exceptions?e=gone", "/mapping", "/mapping?released=0"},
	}
	for src, list := range paths {
		h := newHandler(src, func(string) (string, bool) { return "", false })
		if w := get(t, h, "/login"); w.Code != 200 || !strings.HasSuffix(strings.TrimSpace(w.Body.String()), "</html>") {
			t.Errorf("/login: status %d, the page is not whole", w.Code)
		}
		h = newHandler(src, nil)
		for _, path := range list {
			w := get(t, h, path)
			if w.Code >= 500 || !strings.HasSuffix(strings.TrimSpace(w.Body.String()), "</html>") {
				t.Errorf("%s: status %d, the page is not whole", path, w.Code)
			}
			if body := w.Body.String(); strings.Contains(body, "<no value>") || strings.Contains(body, "%!") || strings.Contains(body, "ZgotmplZ") {
				t.Errorf("%s shows a value that a template could not", path)
			}
		}
	}
}

// TestWeight keeps the first load of each page under 90 KB packed, the font
// included, and later pages under 15 KB.
func TestWeight(t *testing.T) {
	h := newHandler(newFake(), nil)
	link := regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"`)
	for _, path := range []string{"/", "/orders", "/orders/SO-104832", "/exceptions"} {
		page := get(t, h, path, "Accept-Encoding", "gzip")
		if page.Header().Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s is not packed", path)
		}
		z, err := gzip.NewReader(bytes.NewReader(page.Body.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		total := page.Body.Len()
		if total > 15<<10 {
			t.Errorf("%s is %d bytes, want at most 15 KB", path, total)
		}
		seen := map[string]bool{}
		for _, m := range link.FindAllSubmatch(body, -1) {
			name := string(m[1])
			if seen[name] {
				continue
			}
			seen[name] = true
			asset := get(t, h, name, "Accept-Encoding", "br, gzip")
			if asset.Code != 200 || !strings.Contains(asset.Header().Get("Cache-Control"), "immutable") {
				t.Errorf("%s: status %d, %q", name, asset.Code, asset.Header().Get("Cache-Control"))
			}
			total += asset.Body.Len()
		}
		if len(seen) < 7 {
			t.Errorf("%s names %d assets, want the styles, the scripts, the font and the icon", path, len(seen))
		}
		t.Logf("%s: %d bytes on the first load", path, total)
		if total > 90<<10 {
			t.Errorf("%s weighs %d bytes on the first load, want at most 90 KB", path, total)
		}
	}
}

func TestAct_Checks(t *testing.T) {
	good := func() url.Values {
		return url.Values{"kind": {"retry"}, "scope": {"exception"}, "target": {"exc-1"}, "reason": {"fixed"}, "back": {"/exceptions?cause=x"}}
	}
	tests := map[string]struct {
		change func(url.Values)
		header []string
		err    error
		status int
		to     string
		done   bool
	}{
		"goes back":                       {status: 303, to: "/exceptions?cause=x&done=retry", done: true},
		"another origin":                  {header: []string{"Sec-Fetch-Site", "cross-site"}, status: 403},
		"no reason":                       {change: func(f url.Values) { f.Set("reason", "  ") }, status: 400},
		"a long reason":                   {change: func(f url.Values) { f.Set("reason", strings.Repeat("x", reasonMax+1)) }, status: 400},
		"no target":                       {change: func(f url.Values) { f.Del("target") }, status: 400},
		"an unknown action":               {change: func(f url.Values) { f.Set("kind", "burn") }, status: 400},
		"an action of another scope":      {change: func(f url.Values) { f.Set("kind", "hold") }, status: 400},
		"settle needs a reference":        {change: func(f url.Values) { f.Set("kind", "settle") }, status: 400},
		"settle with one":                 {change: func(f url.Values) { f.Set("kind", "settle"); f.Set("ref", "E-7") }, status: 303, to: "/exceptions?cause=x&done=settle", done: true},
		"back to another host":            {change: func(f url.Values) { f.Set("back", "//evil.example/") }, status: 303, to: "/?done=retry", done: true},
		"back to another host by slashes": {change: func(f url.Values) { f.Set("back", `/\evil.example/`) }, status: 303, to: "/?done=retry", done: true},
		"the source refuses":              {err: fmt.Errorf("%w: wait until the attempt's deadline at 14:33", ErrRefused), status: 409, done: true},
		"the source does not know it":     {err: ErrNotFound, status: 404, done: true},
		"the source fails":                {err: io.ErrUnexpectedEOF, status: 500, done: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			src := newFake()
			src.actErr = test.err
			form := good()
			if test.change != nil {
				test.change(form)
			}
			w := post(t, newHandler(src, nil), "/act", form, test.header...)
			if w.Code != test.status || w.Header().Get("Location") != test.to {
				t.Errorf("status %d to %q, want %d to %q", w.Code, w.Header().Get("Location"), test.status, test.to)
			}
			if done := len(src.acted()) == 1; done != test.done {
				t.Errorf("the action reached the source: %v, want %v", done, test.done)
			}
			if errors.Is(test.err, io.ErrUnexpectedEOF) && strings.Contains(w.Body.String(), test.err.Error()) {
				t.Error("the page shows an error that is only for the log")
			}
		})
	}
}

func TestLogin(t *testing.T) {
	now := noon
	src := newFake()
	h := New(src, Options{Now: func() time.Time { return now }, Login: func(key string) (string, bool) { return "Ada", key == "wb_live_right" }})

	if w := get(t, h, "/orders?status=held"); w.Code != 303 || w.Header().Get("Location") != "/login?back=%2Forders%3Fstatus%3Dheld" {
		t.Fatalf("without a session: status %d to %q", w.Code, w.Header().Get("Location"))
	}
	for _, path := range []string{"/live?page=/"} {
		if w := get(t, h, path); w.Code != 401 {
			t.Errorf("%s without a session: status %d, want 401", path, w.Code)
		}
	}
	if w := post(t, h, "/act", url.Values{"kind": {"retry"}, "scope": {"exception"}, "target": {"exc-1"}, "reason": {"x"}}); w.Code != 401 || len(src.acted()) != 0 {
		t.Errorf("an action without a session: status %d, done %v", w.Code, src.acted())
	}
	if w := post(t, h, "/login", url.Values{"key": {"wrong"}}); w.Code != 401 || len(w.Result().Cookies()) != 0 {
		t.Errorf("a wrong key: status %d, cookies %v", w.Code, w.Result().Cookies())
	}
	w := post(t, h, "/login", url.Values{"key": {" wb_live_right\n"}, "back": {"/orders?status=held"}})
	if w.Code != 303 || w.Header().Get("Location") != "/orders?status=held" {
		t.Fatalf("the right key: status %d to %q", w.Code, w.Header().Get("Location"))
	}
	c := w.Result().Cookies()[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || len(c.Value) < 26 || strings.Contains(c.Value, "wb_live") {
		t.Errorf("the session's cookie is %+v", c)
	}
	cookie := c.Name + "=" + c.Value
	if w := get(t, h, "/", "Cookie", cookie); w.Code != 200 || !strings.Contains(w.Body.String(), "Ada") {
		t.Errorf("with a session: status %d", w.Code)
	}
	post(t, h, "/act", url.Values{"kind": {"retry"}, "scope": {"exception"}, "target": {"exc-1"}, "reason": {"x"}}, "Cookie", cookie)
	if got := src.acted(); len(got) != 1 || got[0].Actor != "Ada" {
		t.Errorf("done: %+v, want by Ada", got)
	}
	now = noon.Add(sessionLife)
	if w := get(t, h, "/", "Cookie", cookie); w.Code != 303 {
		t.Errorf("after 12 hours: status %d, want the login", w.Code)
	}
	now = noon
	again := post(t, h, "/login", url.Values{"key": {"wb_live_right"}}).Result().Cookies()[0]
	post(t, h, "/logout", nil, "Cookie", again.Name+"="+again.Value)
	if w := get(t, h, "/", "Cookie", again.Name+"="+again.Value); w.Code != 303 {
		t.Errorf("after signing out: status %d, want the login", w.Code)
	}
}

func TestSessions_AreLimited(t *testing.T) {
	now := noon
	s := newSessions(func() time.Time { return now })
	first := s.start("a")
	now = now.Add(time.Second)
	for range sessionsMax {
		s.start("b")
	}
	if len(s.byID) != sessionsMax {
		t.Errorf("%d sessions are kept, want %d", len(s.byID), sessionsMax)
	}
	if _, ok := s.actor(first); ok {
		t.Error("the session that ends first was kept")
	}
}

func TestLocalPath(t *testing.T) {
	for in, want := range map[string]string{
		"/orders?q=a#b": "/orders?q=a#b", "": "/", "orders": "/", "//x.example": "/", `/\x.example`: "/", "https://x.example/": "/", "/a\r\nb": "/", "/login?back=/": "/",
	} {
		if got := localPath(in); got != want {
			t.Errorf("localPath(%q) = %q, want %q", in, got, want)
		}
	}
}
