package mapping_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/internal/mapping"
	"github.com/waybillhq/waybill/internal/yamlfile"
)

const example = "../../examples/3pl-rest/depot.mapping.yaml"

func TestFile_ExamplesHold(t *testing.T) {
	f, err := mapping.Load(example)
	if err != nil {
		t.Fatal(err)
	}
	results := f.Test()
	if len(results) < 8 {
		t.Errorf("%d examples", len(results))
	}
	for _, r := range results {
		if !r.OK {
			t.Errorf("%s:\n%s", r.Name, r.Difference)
		}
	}
}

func load(t *testing.T, text string) (*mapping.File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return mapping.Load(path)
}

const broken = `mapping: Bad Name
version: 0
define: |
  def a: 1;
programs:
  one: |
    {
      x: now
    }
  two: .a |
  three: nosuch
rules:
  - name: r
    when: line.nosuch > 1
  - name: r2
    when: |
      line.qty > 1 and
      order.nosuch
examples:
  - name: e
    program: nine
    in: '{'
    out: '1'
  - name: e
    program: one
    in: '1'
    error: x
    out: '2'
  - program: one
    in_file: absent.json
    out: '1'
`

func TestLoad_NamesFileLineAndKey(t *testing.T) {
	_, err := load(t, broken)
	var ps yamlfile.Problems
	if !errors.As(err, &ps) {
		t.Fatalf("error %v (%T)", err, err)
	}
	type found struct {
		line int
		path string
		has  string
	}
	want := []found{
		{1, "mapping", "mapping's name"}, {2, "version", "version"}, {8, "programs.one", "now/0"}, {10, "programs.two", "ends too early"},
		{11, "programs.three", "nosuch/0"}, {14, "rules[0].when", "nosuch"}, {18, "rules[1].when", "nosuch"},
		{21, "examples[0].program", "nine"}, {22, "examples[0].in", "JSON"}, {24, "examples[1].name", "name of its own"},
		{25, "examples[1].program", "no program"}, {27, "examples[1].error", "not in both"}, {29, "examples[2].name", "name of its own"},
		{29, "examples[2].program", "no program"}, {30, "examples[2].in_file", "read"},
	}
	for _, w := range want {
		ok := false
		for _, p := range ps {
			ok = ok || p.Line == w.line && p.Path == w.path && strings.Contains(p.Detail, w.has)
		}
		if !ok {
			t.Errorf("line %d, %s: no problem with %q", w.line, w.path, w.has)
		}
	}
	if t.Failed() {
		t.Log("\n" + err.Error())
	}
}

func TestLoad_RefusesWhatIsNoMapping(t *testing.T) {
	for text, want := range map[string]string{
		"":           "no documents",
		"- 1":        "no keys",
		"mapping: [": "m.yaml:2:",
		"mapping: a\nversion: 1\nx: 1\nprograms: {a: .}": "x: unknown key",
		"mapping: a\nversion: one\n":                     "m.yaml:2:",
		"mapping: a\nversion: 1\n":                       "neither programs nor rules",
		strings.Repeat("#", 5<<20):                       "MiB",
	} {
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: error %v, want %q", text, err, want)
		}
	}
	if _, err := mapping.Load(filepath.Join(t.TempDir(), "absent.yaml")); err == nil || !strings.Contains(err.Error(), "can't be read") {
		t.Errorf("error %v", err)
	}
}

func TestTest_ShowsTheDifference(t *testing.T) {
	f, err := load(t, `mapping: m
version: 1
programs: {p: '{a: .x, b: [1, 2], c: 3, d: 4, e: 5, f: 6}'}
examples:
  - {name: wrong, in: '{"x":1}', out: '{"a":2,"b":[1,2],"c":3,"d":4,"e":5,"f":6}'}
  - {name: no error, in: '{"x":1}', error: boom}
  - {name: other error, in: '[]', error: boom}
  - {name: right, in: '{"x":0.10}', out: '{"f":6,"b":[1,2],"c":3,"d":4,"e":5,"a":0.10}'}
`)
	if err != nil {
		t.Fatal(err)
	}
	got := f.Test()
	if want := "  {\n-   \"a\": 2,\n+   \"a\": 1,\n    \"b\": [\n      1,\n  …\n"; got[0].OK || got[0].Difference != want {
		t.Errorf("difference (-want +got):\n%s", cmp.Diff(want, got[0].Difference))
	}
	for _, r := range got[1:3] {
		if r.OK || !strings.HasPrefix(r.Difference, "- error: boom\n+ ") {
			t.Errorf("%s: %q", r.Name, r.Difference)
		}
	}
	if !got[3].OK {
		t.Errorf("%s: %s", got[3].Name, got[3].Difference)
	}
}

// BenchmarkConsignment is an order of four lines from its document's JSON to
// the bytes of a request.
func BenchmarkConsignment(b *testing.B) { benchmark(b, "consignment", "warehouse-order.json") }

// BenchmarkDispatch is a shipment from a push's JSON to an event's.
func BenchmarkDispatch(b *testing.B) { benchmark(b, "events", "dispatched.json") }

func benchmark(b *testing.B, program, file string) {
	f, err := mapping.Load(example)
	if err != nil {
		b.Fatal(err)
	}
	in, err := os.ReadFile(filepath.Join("../../examples/3pl-rest/examples", file))
	if err != nil {
		b.Fatal(err)
	}
	p := f.Program(program)
	b.ReportAllocs()
	for b.Loop() {
		v, err := mapping.Decode(in)
		if err != nil {
			b.Fatal(err)
		}
		out, err := p.One(nil, v, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := mapping.Encode(out); err != nil {
			b.Fatal(err)
		}
	}
}
