package connectortest

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// Fixture is one txtar file. Its comment says in words what it shows, and may
// hold lines "name: value" that set something: system, role, prefix, topic,
// received (in) or target, lane, subject, control (out).
type Fixture struct {
	Name    string // without folder and ending
	Path    string
	archive *txtar.Archive
}

// Fixtures reads every txtar file of a folder.
func Fixtures(t *testing.T, dir string) []Fixture {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	fixtures := make([]Fixture, 0, len(paths))
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".txtar")
		fixtures = append(fixtures, Fixture{Name: name, Path: path, archive: archive})
	}
	return fixtures
}

// Setting is the value of a line "name: value" in the comment, "" where there
// is none.
func (f Fixture) Setting(name string) string {
	for line := range strings.Lines(string(f.archive.Comment)) {
		if k, v, ok := strings.Cut(line, ":"); ok && k == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// File is the content of a file in the fixture, without its last line break.
func (f Fixture) File(name string) ([]byte, bool) {
	for _, file := range f.archive.Files {
		if file.Name == name {
			return bytes.TrimSuffix(file.Data, []byte("\n")), true
		}
	}
	return nil, false
}

// Expect compares a file of the fixture with what it should hold, or writes it
// with -update. others are names that it takes the place of.
func (f Fixture) Expect(t *testing.T, name string, got []byte, others ...string) {
	t.Helper()
	want, there := f.File(name)
	if !*update {
		if !there {
			t.Fatalf("%s has no file %q; got:\n%s", f.Path, name, got)
		}
		if d := cmp.Diff(string(want), string(got)); d != "" {
			t.Errorf("%s, %s (-want +got):\n%s", f.Path, name, d)
		}
		return
	}
	if there && bytes.Equal(want, got) {
		return
	}
	var files []txtar.File
	for _, file := range f.archive.Files {
		if file.Name != name && !contains(others, file.Name) {
			files = append(files, file)
		}
	}
	f.archive.Files = append(files, txtar.File{Name: name, Data: append(bytes.Clone(got), '\n')})
	if err := os.WriteFile(f.Path, txtar.Format(f.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// Message is the message of a fixture in in/: files "headers" (optional) and
// "body".
func (f Fixture) Message(t *testing.T, system string) connector.Message {
	t.Helper()
	body, ok := f.File("body")
	if !ok {
		t.Fatalf("%s has no file %q", f.Path, "body")
	}
	m := connector.Message{System: system, Topic: f.Setting("topic"), Header: http.Header{}, Body: body, ReceivedAt: Now}
	headers, _ := f.File("headers")
	for line := range strings.Lines(string(headers)) {
		if k, v, ok := strings.Cut(line, ":"); ok {
			m.Header.Add(k, strings.TrimSpace(v))
		}
	}
	if received := f.Setting("received"); received != "" {
		at, err := time.Parse(time.RFC3339Nano, received)
		if err != nil {
			t.Fatalf("%s: received: %v", f.Path, err)
		}
		m.ReceivedAt = at
	}
	return m
}

// Document is the document of a fixture in out/: its file "document.json", and
// in "order.json" (optional) the order in force behind it. Its first attempt
// is made at the suite's time.
func (f Fixture) Document(t *testing.T) waybill.Document {
	t.Helper()
	text, ok := f.File("document.json")
	if !ok {
		t.Fatalf("%s has no file %q", f.Path, "document.json")
	}
	var d waybill.Document
	if err := waybill.Unmarshal(text, &d); err != nil {
		t.Fatalf("%s: %v", f.Path, err)
	}
	if d.Data != nil {
		if err := d.Data.Compact(); err != nil {
			t.Fatalf("%s: %v", f.Path, err)
		}
	}
	for i := range d.Lines {
		if d.Lines[i].Price != nil {
			d.Lines[i].Price.Currency = d.Currency
		}
	}
	d.Target, d.Lane, d.Subject, d.At = f.Setting("target"), f.Setting("lane"), f.Setting("subject"), Now
	if number := f.Setting("control"); number != "" {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			t.Fatalf("%s: control: %v", f.Path, err)
		}
		d.Control = n
	}
	if text, ok := f.File("order.json"); ok {
		d.Placed = &waybill.Order{}
		if err := waybill.Unmarshal(text, d.Placed); err != nil {
			t.Fatalf("%s: order.json: %v", f.Path, err)
		}
	}
	return d
}

// eventsJSON writes events to be read by people.
func eventsJSON(t *testing.T, events []waybill.Event) []byte {
	t.Helper()
	if events == nil {
		events = []waybill.Event{}
	}
	b, err := waybill.Marshal(events)
	if err != nil {
		t.Fatalf("the events can't be written as JSON: %v", err)
	}
	v := jsontext.Value(b)
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		t.Fatal(err)
	}
	return v
}

// diff reports a difference between what was wanted and what came.
func diff(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Comparer(waybill.Decimal.Equal)); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
