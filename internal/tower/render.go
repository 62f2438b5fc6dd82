package tower

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

//go:embed templates
var templateFiles embed.FS

// templates is one parsed set per page: the layout, the shared parts and the
// page's own file.
type templates struct {
	byPage map[string]*template.Template
}

// mustTemplates parses what is embedded; a failure is a defect of the build.
func mustTemplates(a *assets) *templates {
	shared := template.New("layout.html").Funcs(funcs(a)).Option("missingkey=error")
	shared = template.Must(shared.ParseFS(templateFiles, "templates/layout.html", "templates/icons.html", "templates/shared.html"))
	names, err := fs.Glob(templateFiles, "templates/page_*.html")
	if err != nil || len(names) == 0 {
		panic(fmt.Sprintf("tower: no page templates are embedded (%v)", err))
	}
	t := &templates{byPage: map[string]*template.Template{}}
	for _, name := range names {
		set := template.Must(template.Must(shared.Clone()).ParseFS(templateFiles, name))
		t.byPage[strings.TrimSuffix(strings.TrimPrefix(path.Base(name), "page_"), ".html")] = set
	}
	return t
}

func (t *templates) execute(w io.Writer, page, name string, data any) error {
	set := t.byPage[page]
	if set == nil {
		return fmt.Errorf("render: there is no page template %q", page)
	}
	return set.ExecuteTemplate(w, name, data)
}

// view is a page: what the layout needs, the body, and which parts of it live.
type view struct {
	Title  string
	Nav    string // overview, orders, exceptions, mapping or edi: marked in the navigation
	Crumbs []crumb
	Bare   bool // no navigation: the login
	Body   any
	Shell  shell

	page  string // the template
	parts []part // what the event stream replaces
}

// crumb is a step of the path above a page; the last one has no link.
type crumb struct{ Text, Link string }

// shell is what the layout says on each page.
type shell struct {
	Version     string
	Name        string
	Environment string
	Actor       string
	SignedIn    bool
	Theme       string
	Path        string // of this page with its query, to come back to
	Done        string // what the last action was, empty otherwise
	Counts      Counts
	Now         time.Time
	Live        string // where the page's event stream is; empty: none
}

// part is an element with an id that can be replaced by itself. One with kids is
// a list: while the same kids are there in the same order only those that
// changed are replaced, otherwise the whole list.
type part struct {
	id   string
	tmpl string
	data any
	kids []part
}

// write renders a page and sends it packed. The page is made in memory first,
// so that an error never leaves half of one.
func (t *tower) write(w http.ResponseWriter, r *http.Request, status int, v view) {
	if err := t.fillShell(r, &v); err != nil {
		t.opts.Log.Error("page frame failed", "path", r.URL.Path, "error", err)
	}
	var b bytes.Buffer
	if err := t.pages.execute(&b, v.page, "layout.html", v); err != nil {
		t.opts.Log.Error("page template failed", "path", r.URL.Path, "error", err)
		http.Error(w, "This page could not be made; the reason is in the log of the server.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store") // orders are not for a shared machine's disk
	h.Set("Vary", "Accept-Encoding, Cookie")
	body := b.Bytes()
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		body = gzipBytes(body)
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a reader that left is no error of ours
	}
}

// fillShell adds what every page has. A page is shown even where the counts
// cannot be had, so the error is only for the log.
func (t *tower) fillShell(r *http.Request, v *view) error {
	actor, signedIn := t.actor(r)
	v.Shell = shell{Version: t.opts.Version, Name: t.opts.Name, Environment: t.opts.Environment,
		Actor: actor, SignedIn: signedIn && t.opts.Login != nil, Theme: themeOf(r),
		Path: r.URL.RequestURI(), Done: doneWord(r.URL.Query().Get("done")), Now: t.now()}
	if v.Bare || !signedIn {
		return nil
	}
	counts, err := t.src.Counts(r.Context())
	v.Shell.Counts = counts
	if v.parts != nil && err == nil {
		v.parts = append(v.parts, navParts(counts, v.Shell.Now)...)
		state, hashErr := t.render(v.page, v.parts)
		if hashErr != nil {
			return hashErr
		}
		v.Shell.Live = "/live?page=" + escapeQuery(v.Shell.Path) + "&seen=" + state.id
	}
	return err
}

// now is the pages' clock in the zone that they show.
func (t *tower) now() time.Time { return t.opts.Now().UTC() }

// rendered is a page's live parts as they were at one moment.
type rendered struct {
	id    string // changes whenever any part does
	parts []renderedPart
}

type renderedPart struct {
	id   string
	html string
	kids []renderedPart
}

// render makes the live parts of a page. Lists are rendered once whole and once
// by row; both are small beside the question to the Source.
func (t *tower) render(page string, parts []part) (rendered, error) {
	sum := fnv.New64a()
	out, err := t.renderParts(page, parts, sum)
	if err != nil {
		return rendered{}, err
	}
	return rendered{id: fmt.Sprintf("%016x", sum.Sum64()), parts: out}, nil
}

func (t *tower) renderParts(page string, parts []part, sum io.Writer) ([]renderedPart, error) {
	out := make([]renderedPart, 0, len(parts))
	for _, p := range parts {
		var b strings.Builder
		if err := t.pages.execute(&b, page, p.tmpl, p.data); err != nil {
			return nil, fmt.Errorf("render part %s: %w", p.id, err)
		}
		if sum != nil {
			_, _ = io.WriteString(sum, b.String()) // a hash takes everything
		}
		kids, err := t.renderParts(page, p.kids, nil)
		if err != nil {
			return nil, err
		}
		out = append(out, renderedPart{id: p.id, html: b.String(), kids: kids})
	}
	return out, nil
}

// errBadRequest is wrapped by what is wrong with a form or a query.
var errBadRequest = errors.New("the request is incomplete")

func escapeQuery(s string) string { return url.QueryEscape(s) }

// localPath lets only a path of these pages through as a place to go to; a
// browser reads "//" and "/\" as another host.
func localPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(s, "/") ||
		strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n\t") || strings.HasPrefix(u.Path, "/login") {
		return "/"
	}
	return s
}

// queryWith is a path with one query value set, or taken out where it is empty.
func queryWith(p, key, value string) string {
	u, err := url.Parse(p)
	if err != nil {
		return "/"
	}
	q := u.Query()
	if value == "" {
		q.Del(key)
	} else {
		q.Set(key, value)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
