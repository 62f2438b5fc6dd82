package rest_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/rest"
	"github.com/waybillhq/waybill/internal/yamlfile"
)

// openFile opens a spec as a check of the configuration does.
func openFile(path string) error {
	_, err := rest.Manifest().Open(connector.Env{System: "x", Role: waybill.RoleERP, Settings: map[string]string{"spec": path}, Observe: true})
	return err
}

const brokenSpec = `spec: x
version: 0
mapping: mapping.yaml
idempotency: lookup
key_ttl: -1h
auth: {scheme: oauth2}
headers: {Authorization: x, X-A: "{a b}"}
rate: {remaining: X-Left}
webhook:
  events: nosuch
  id: .id
  id_header: X-Id
  timestamp: {form: never}
  signature: {algorithm: md5, payload: "{timestamp}.{nothing}"}
polls:
  p:
    path: /changes?since={since}
    every: 1ms
    pages: cursor
    items: .items[] |
    events: events
documents:
  nosuch_kind: {path: /x}
  invoice: {omit: not here, path: /x}
  sales_order:
    method: GET
    path: orders
    body: nosuch
    answers:
      - {verdict: done}
      - {status: ["200"], verdict: done}
      - {status: ["20"], when: now, verdict: maybe}
      - {status: ["207"], verdict: partial}
      - {status: ["200"], when: .a, verdict: done, problem: .b}
  credit_memo: {path: "/credits/{key}"}
lookup:
  path: /x?key={body.key}&y={nothing}
  answers:
    - {status: ["404"], state: absent}
    - {status: ["200"], when: .x, state: perhaps}
`

func TestSpec_NamesFileLineAndKey(t *testing.T) {
	path := specFile(t, brokenSpec)
	var ps yamlfile.Problems
	if err := openFile(path); !errors.As(err, &ps) {
		t.Fatalf("error %v (%T)", err, err)
	}
	want := []struct {
		line int
		path string
		has  string
	}{
		{2, "version", "from 1"}, {5, "key_ttl", "range"}, {6, "auth.client_id", "missing"}, {6, "auth.token_url", "missing"},
		{7, "headers.Authorization", "credential"}, {7, "headers.X-A", "places"}, {8, "rate", "remaining and reset"},
		{10, "webhook.events", `no program "nosuch"`}, {11, "webhook.id", "either"}, {13, "webhook.timestamp.header", "missing"}, {13, "webhook.timestamp.form", "none of its"},
		{14, "webhook.signature.header", "missing"}, {14, "webhook.signature.algorithm", "md5"}, {14, "webhook.signature.payload", "{nothing}"},
		{14, "webhook.signature.payload", "cover the body"}, {17, "polls.p.path", "no place"}, {18, "polls.p.every", "range"},
		{17, "polls.p.next", "missing"}, {17, "polls.p.id", "missing"}, {20, "polls.p.items", "ends too early"}, {17, "polls.p.since", "belong together"},
		{23, "documents.nosuch_kind", "no kind"}, {24, "documents.invoice.omit", "no request"},
		{26, "documents.sales_order.method", "GET"}, {27, "documents.sales_order.path", "begin with /"}, {28, "documents.sales_order.body", "nosuch"},
		{30, "documents.sales_order.answers[0].status", "every answer"}, {30, "documents.sales_order.answers[0].verdict", "alone"},
		{31, "documents.sales_order.answers[1].verdict", "alone"}, {32, "documents.sales_order.answers[2].status", "no status"},
		{32, "documents.sales_order.answers[2].when", "now/0"}, {32, "documents.sales_order.answers[2].verdict", "maybe"},
		{33, "documents.sales_order.answers[3].receipt", "missing"}, {34, "documents.sales_order.answers[4].problem", "belongs to"},
		{35, "documents.credit_memo", "no answer means"}, {37, "lookup.path", "{nothing}"}, {39, "lookup.answers[0].when", "missing"},
		{40, "lookup.answers[1].state", "perhaps"}, {39, "lookup.answers", "no answer means"},
	}
	for _, w := range want {
		ok := false
		for _, p := range ps {
			ok = ok || p.File == path && p.Line == w.line && p.Path == w.path && strings.Contains(p.Detail, w.has)
		}
		if !ok {
			t.Errorf("line %d, %s: no problem with %q", w.line, w.path, w.has)
		}
	}
	if len(ps) != len(want) {
		t.Errorf("%d problems, want %d", len(ps), len(want))
	}
	if t.Failed() {
		t.Log("\n" + ps.Error())
	}
}

func TestSpec_ItsMappingIsCheckedWithIt(t *testing.T) {
	path := specFile(t, plainSpec+"auth: {scheme: none}\n")
	if err := openFile(path); err != nil {
		t.Fatal(err)
	}
	m := filepath.Join(filepath.Dir(path), "mapping.yaml")
	if err := os.WriteFile(m, []byte("mapping: m\nversion: 1\nprograms:\n  body: .a +\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := openFile(path); err == nil || !strings.Contains(err.Error(), "mapping.yaml:4:") {
		t.Errorf("error %v", err)
	}
	if err := os.Remove(m); err != nil {
		t.Fatal(err)
	}
	if err := openFile(path); err == nil || !strings.Contains(err.Error(), "mapping.yaml: the file can't be read") {
		t.Errorf("error %v", err)
	}
	if err := openFile(""); err == nil || !strings.Contains(err.Error(), "can't be read") {
		t.Errorf("error %v", err)
	}
}

func TestSpec_DescribesTheSystemInTheManifestsPlace(t *testing.T) {
	path := specFile(t, strings.Replace(plainSpec, "idempotency: none", "idempotency: key\nkey_ttl: 24h\nkeeps_order: true", 1)+"auth: {scheme: none}\n")
	c, err := rest.Manifest().Open(connector.Env{System: "x", Role: waybill.RoleERP, Settings: map[string]string{"spec": path}, Observe: true})
	if err != nil {
		t.Fatal(err)
	}
	m := c.Described.Of(rest.Manifest())
	if m.Idempotency != waybill.ByKey || m.KeyTTL.Hours() != 24 || !m.KeepsOrder || len(m.Accepts) != 1 || m.Accepts[0] != waybill.SalesOrder {
		t.Errorf("manifest %+v", m)
	}
	before := c.Described.Revision
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "mapping.yaml"), []byte(plainMapping+"# a word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err = rest.Manifest().Open(connector.Env{System: "x", Role: waybill.RoleERP, Settings: map[string]string{"spec": path}, Observe: true})
	if err != nil || c.Described.Revision == before || before == "" {
		t.Errorf("revision %q, then %q (%v): it has to change with the mapping", before, c.Described.Revision, err)
	}
}
