package rest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/mapping"
	"github.com/waybillhq/waybill/internal/yamlfile"
)

// Limits of what a spec can ask for.
const (
	durationMax = 90 * 24 * time.Hour
	everyMin    = time.Second
)

// specBody is a spec as it is written.
type specBody struct {
	Spec        string                  `yaml:"spec"`
	Version     int                     `yaml:"version"`
	Mapping     string                  `yaml:"mapping"`
	Idempotency string                  `yaml:"idempotency"`
	KeyTTL      time.Duration           `yaml:"key_ttl"`
	KeepsOrder  bool                    `yaml:"keeps_order"`
	Auth        authBody                `yaml:"auth"`
	Headers     map[string]string       `yaml:"headers"`
	Webhook     *webhookBody            `yaml:"webhook"`
	Polls       map[string]pollBody     `yaml:"polls"`
	Documents   map[string]documentBody `yaml:"documents"`
	Answers     []answerBody            `yaml:"answers"`
	Lookup      *lookupBody             `yaml:"lookup"`
	Probe       *probeBody              `yaml:"probe"`
	Rate        *rateBody               `yaml:"rate"`
}

type documentBody struct {
	Omit      string            `yaml:"omit"`
	Method    string            `yaml:"method"`
	Path      string            `yaml:"path"`
	Body      string            `yaml:"body"`
	Headers   map[string]string `yaml:"headers"`
	KeyHeader string            `yaml:"key_header"`
	Answers   []answerBody      `yaml:"answers"`
	Lookup    *lookupBody       `yaml:"lookup"`
}

type answerBody struct {
	Status  []string `yaml:"status"`
	When    string   `yaml:"when"`
	Verdict string   `yaml:"verdict"`
	Receipt string   `yaml:"receipt"`
	Problem string   `yaml:"problem"`
	Empty   bool     `yaml:"empty"`
}

type lookupBody struct {
	Path    string            `yaml:"path"`
	Headers map[string]string `yaml:"headers"`
	Answers []foundBody       `yaml:"answers"`
}

type foundBody struct {
	Status  []string `yaml:"status"`
	When    string   `yaml:"when"`
	State   string   `yaml:"state"`
	Receipt string   `yaml:"receipt"`
	Problem string   `yaml:"problem"`
}

type probeBody struct {
	Path string `yaml:"path"`
	When string `yaml:"when"`
}

type rateBody struct {
	Remaining string `yaml:"remaining"`
	Reset     string `yaml:"reset"`
	Form      string `yaml:"form"`
}

// spec is a system's description, checked and compiled.
type spec struct {
	file        string
	revision    string
	mapping     *mapping.File
	idempotency waybill.Idempotency
	keyTTL      time.Duration
	keepsOrder  bool
	auth        authBody
	headers     map[string]template
	webhook     *webhook
	polls       map[string]*poll
	documents   map[waybill.Kind]*document
	lookup      *lookup
	probe       *probe
	rate        *rateBody
}

// document is how one kind is sent.
type document struct {
	omit      string
	method    string
	path      template
	body      *mapping.Program
	headers   map[string]template
	keyHeader string
	answers   []answer
	lookup    *lookup
}

type probe struct {
	path template
	when *mapping.Program
}

// reader compiles a spec and gathers everything that is wrong with it.
type reader struct {
	y *yamlfile.File
	s *spec
}

// loadSpec reads the spec at path and its mapping. The error is
// [yamlfile.Problems].
func loadSpec(path string) (*spec, error) {
	var b specBody
	y, err := yamlfile.Load(path, &b)
	if err != nil {
		return nil, err
	}
	r := reader{y: y, s: &spec{file: path, keyTTL: b.KeyTTL, keepsOrder: b.KeepsOrder, auth: b.Auth, rate: b.Rate,
		polls: map[string]*poll{}, documents: map[waybill.Kind]*document{}}}
	r.head(b)
	r.auth(b.Auth)
	r.s.headers = r.headers(b.Headers, "headers")
	r.rate()
	if b.Webhook != nil {
		r.webhook(*b.Webhook)
	}
	for _, name := range slices.Sorted(maps.Keys(b.Polls)) {
		r.poll(name, b.Polls[name])
	}
	shared := r.answers(b.Answers, "answers")
	r.s.lookup = r.lookup(b.Lookup, "lookup")
	for _, name := range slices.Sorted(maps.Keys(b.Documents)) {
		r.document(name, b.Documents[name], shared)
	}
	if b.Probe != nil {
		r.s.probe = &probe{path: r.path(b.Probe.Path, nil, "probe", "path"), when: r.program(b.Probe.When, "probe", "when")}
	}
	r.classes(b)
	if err := y.Err(); err != nil {
		return nil, err
	}
	r.s.revision, err = revision(path, r.s.mapping.Path)
	return r.s, err
}

// revision is a hash over the files' bytes.
func revision(paths ...string) (string, error) {
	h := sha256.New()
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("read %s again: %w", path, err)
		}
		sum := sha256.Sum256(b)
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

func (r *reader) head(b specBody) {
	if b.Spec == "" {
		r.y.Wrong("is missing", "name the kind of system that the file describes, such as example-3pl", "spec")
	}
	if b.Version < 1 {
		r.y.Wrong("a spec has a version, from 1", "write version: 1, and raise it with every change", "version")
	}
	if b.Mapping == "" {
		r.y.Wrong("is missing", "name the mapping file; relative names begin at this file's folder", "mapping")
		return
	}
	m, err := mapping.Load(r.y.Beside(b.Mapping))
	if err != nil {
		r.y.Join(err)
		return
	}
	r.s.mapping = m
}

func (r *reader) rate() {
	b := r.s.rate
	if b == nil {
		return
	}
	if b.Remaining == "" || b.Reset == "" {
		r.y.Wrong("want remaining and reset", "name both headers; Retry-After is read always", "rate")
	}
	if b.Form == "" {
		b.Form = "seconds"
	}
	r.oneOf(b.Form, []string{"seconds", "unix"}, "rate", "form")
}

// classes checks that what the spec promises about repetitions it can keep.
func (r *reader) classes(b specBody) {
	r.s.idempotency = waybill.Idempotency(b.Idempotency)
	classes := []string{string(waybill.ByKey), string(waybill.ByLookup), string(waybill.NoIdempotency)}
	if !r.oneOf(b.Idempotency, classes, "idempotency") {
		return
	}
	if b.KeyTTL < 0 || b.KeyTTL > durationMax {
		r.y.Wrong("is out of range", "write how long the system remembers a key, like 24h; leave it out where that is for ever", "key_ttl")
	}
	for kind, d := range r.s.documents {
		if d.omit != "" {
			continue
		}
		if r.s.idempotency == waybill.ByLookup && d.lookup == nil {
			r.y.Wrong("idempotency is lookup, and there is no look-up for it", "write lookup, here or for all documents; or choose none: a document in doubt then waits for a person", "documents", string(kind))
		}
		if r.s.idempotency == waybill.ByKey && d.keyHeader == "" && d.body == nil && !strings.Contains(d.path.text, "{key}") {
			r.y.Wrong("idempotency is key, and the key is not sent", "write key_header, or put the key into path or body", "documents", string(kind))
		}
	}
}

func (r *reader) document(name string, b documentBody, shared []answer) {
	at := []any{"documents", name}
	kind := waybill.Kind(name)
	if !slices.Contains(waybill.Kinds(), kind) {
		r.y.Wrong("there is no kind of document of that name", "there are "+joined(waybill.Kinds()), at...)
		return
	}
	d := &document{omit: b.Omit, method: strings.ToUpper(b.Method), keyHeader: http.CanonicalHeaderKey(b.KeyHeader)}
	r.s.documents[kind] = d
	if b.Omit != "" {
		if b.Path != "" || b.Body != "" {
			r.y.Wrong("a document that is left out has no request", "take path and body out, or omit", append(at, "omit")...)
		}
		return
	}
	if d.method == "" {
		d.method = http.MethodPost
	}
	r.oneOf(d.method, []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, append(at, "method")...)
	d.path = r.path(b.Path, nil, append(at, "path")...)
	d.headers = r.headers(b.Headers, append(at, "headers")...)
	if b.Body != "" {
		d.body = r.named(b.Body, append(at, "body")...)
	}
	d.answers = append(r.answers(b.Answers, append(at, "answers")...), shared...)
	if !slices.ContainsFunc(d.answers, func(a answer) bool {
		return a.verdict == waybill.Done || a.verdict == waybill.Pending || a.verdict == waybill.Partial
	}) {
		r.y.Wrong("no answer means that it was applied", "write which answers do, here or for all documents: status, receipt or when, and verdict: done", at...)
	}
	d.lookup = r.s.lookup
	if b.Lookup != nil {
		d.lookup = r.lookup(b.Lookup, append(at, "lookup")...)
	}
}

// program compiles a short program that stands in the spec itself; nil for
// none.
func (r *reader) program(source string, path ...any) *mapping.Program {
	if source == "" {
		return nil
	}
	return mapping.CompileAt(r.y, source, path...)
}

// named finds a program of the mapping.
func (r *reader) named(name string, path ...any) *mapping.Program {
	if r.s.mapping == nil {
		return nil // the mapping's own faults are reported
	}
	p := r.s.mapping.Program(name)
	if p == nil {
		r.y.Wrong(fmt.Sprintf("the mapping %s has no program %q", r.s.mapping.Name, name), "there are "+strings.Join(r.s.mapping.Programs(), ", "), path...)
	}
	return p
}

func (r *reader) headers(b map[string]string, path ...any) map[string]template {
	out := map[string]template{}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		t, err := parseTemplate(b[name])
		if err != nil {
			r.y.Wrong(err.Error(), "", append(slices.Clone(path), name)...)
		}
		if canonical := http.CanonicalHeaderKey(name); canonical == "Authorization" {
			r.y.Wrong("the credential does not belong here", "write auth, and the token into the configuration", append(slices.Clone(path), name)...)
		}
		out[http.CanonicalHeaderKey(name)] = t
	}
	return out
}

// path reads the path of a request, relative to the system's base URL.
func (r *reader) path(text string, words []string, path ...any) template {
	t, err := parseTemplate(text)
	switch {
	case err != nil:
		r.y.Wrong(err.Error(), "", path...)
	case text == "":
		r.y.Wrong("is missing", "write what follows the system's base URL, like /orders/{order}", path...)
	case text[0] != '/':
		r.y.Wrong(fmt.Sprintf("%q does not begin with /", text), "it is added to the system's base URL", path...)
	default:
		if _, err := url.ParseRequestURI(t.sample()); err != nil {
			r.y.Wrong(fmt.Sprintf("%q is no path", text), "letters with a meaning in addresses are written like %20", path...)
		}
		for _, word := range t.words() {
			if words != nil && !slices.Contains(words, word) {
				r.y.Wrong(fmt.Sprintf("there is no {%s} here", word), "there are {"+strings.Join(words, "}, {")+"}", path...)
			}
		}
	}
	return t
}

func (r *reader) oneOf(value string, values []string, path ...any) bool {
	if slices.Contains(values, value) {
		return true
	}
	r.y.Wrong(fmt.Sprintf("%q is none of its values", value), "choose one of "+strings.Join(values, ", "), path...)
	return false
}

func joined[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, one := range list {
		words[i] = string(one)
	}
	return strings.Join(words, ", ")
}

// statuses is a list of status codes and classes: 200, 2xx. Empty: any.
type statuses []string

func (r *reader) statuses(list []string, path ...any) statuses {
	for _, s := range list {
		n, err := strconv.Atoi(s)
		class := len(s) == 3 && s[1:] == "xx" && s[0] >= '1' && s[0] <= '5'
		if !class && (err != nil || n < 100 || n > 599) {
			r.y.Wrong(fmt.Sprintf("%q is no status", s), "write codes like 200, or a class like 2xx", path...)
		}
	}
	return list
}

func (s statuses) has(status int) bool {
	if len(s) == 0 {
		return true
	}
	code := strconv.Itoa(status)
	return slices.Contains(s, code) || slices.Contains(s, code[:1]+"xx")
}
