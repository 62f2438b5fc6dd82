package schema_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector/fact"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/schema"
)

func all(t *testing.T) []schema.Schema {
	t.Helper()
	list, err := schema.All()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestPublished_IsCurrent: what is published is what the code makes.
func TestPublished_IsCurrent(t *testing.T) {
	published, err := schema.Published()
	if err != nil {
		t.Fatal(err)
	}
	now := map[string][]byte{}
	for _, s := range all(t) {
		now[s.String()] = s.JSON
	}
	for _, s := range published {
		made, inForce := now[s.String()]
		if inForce && !bytes.Equal(made, s.JSON) {
			t.Errorf("published/%s is not what the code makes: run make docs (-published +made)\n%s", s.FileName(), cmp.Diff(string(s.JSON), string(made)))
		}
		delete(now, s.String())
	}
	for name := range now {
		t.Errorf("%s is not published: run make docs", name)
	}
}

// TestAll_DescribesEveryNoun: whoever adds an event type or a kind of document
// to the dictionary describes it.
func TestAll_DescribesEveryNoun(t *testing.T) {
	var got []string
	for _, s := range all(t) {
		got = append(got, s.Name)
		if s.Title == "" {
			t.Errorf("%s has no title: say in event.go or document.go of internal/schema what it means", s)
		}
		c := jsonschema.NewCompiler()
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.JSON))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.AddResource(s.ID(), v); err != nil {
			t.Errorf("%s: %v", s, err)
		}
		if _, err := c.Compile(s.ID()); err != nil {
			t.Errorf("%s is no JSON Schema: %v", s, err)
		}
	}
	want := append(constants(t, "../../event.go", "EventType"), constants(t, "../../document.go", "Kind")...)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("schemas (-dictionary +described):\n%s\nAdd the noun to internal/schema (event.go or document.go), its data to process.EventData or process.DocumentData, and run make docs.", diff)
	}
}

// constants reads the values of a file's constants of a type.
func constants(t *testing.T, file, ofType string) (values []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, isName := spec.Type.(*ast.Ident); isName && name.Name == ofType {
			for _, v := range spec.Values {
				text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, text)
			}
		}
		return true
	})
	return values
}

// TestGolden_EveryVersionStaysReadable: data of every version of every event
// type that was ever written comes back in the current shape.
func TestGolden_EveryVersionStaysReadable(t *testing.T) {
	formats := schema.Stored()
	for _, et := range schema.EventTypes() {
		for version := 1; version <= formats.Version(et); version++ {
			file := filepath.Join("testdata/golden", string(et)+"@"+strconv.Itoa(version)+".json")
			t.Run(filepath.Base(file), func(t *testing.T) {
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatalf("%v: keep an example of what this version writes there, with every field it may have", err)
				}
				data, err = formats.Current(et, version, data)
				if err != nil {
					t.Fatal(err)
				}
				readable(t, et, data)
				event := []byte(`{"type":"` + string(et) + `","source":"x","data":` + string(data) + `}`)
				r, err := schema.Check(event)
				if err != nil || len(r.Problems) > 0 {
					t.Errorf("it is not what the schema in force says: %v %v", r.Problems, err)
				}
			})
		}
	}
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name, number, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), "@")
		if n, err := strconv.Atoi(number); err != nil || n < 1 || n > formats.Version(waybill.EventType(name)) {
			t.Errorf("%s: no version of this name was ever written", file)
		}
	}
}

// readable decodes data into its type and wants every known field back.
func readable(t *testing.T, et waybill.EventType, data []byte) {
	t.Helper()
	body := process.EventData(et)
	if fact.Known(et) {
		var err error
		if body, err = fact.DecodeBytes(data, et); err != nil {
			t.Fatal(err)
		}
	} else {
		body = reflect.New(reflect.TypeOf(body)).Interface()
		if err := waybill.Unmarshal(data, body); err != nil {
			t.Fatal(err)
		}
	}
	back, err := waybill.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var was, is map[string]any
	if err := waybill.Unmarshal(data, &was); err != nil {
		t.Fatal(err)
	}
	if err := waybill.Unmarshal(back, &is); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(was, is); diff != "" {
		t.Errorf("read and written again it differs (-stored +read):\n%s", diff)
	}
}
