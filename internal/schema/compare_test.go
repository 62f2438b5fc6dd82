package schema_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/schema"
)

// published is a schema as a file of its own, with its properties and what
// else it says.
func published(t *testing.T, name, kind, rest string) schema.Schema {
	t.Helper()
	text := `{"$id":"urn:waybill:schema:` + name + `:1","title":"` + name + `","x-kind":"` + kind + `","type":"object",` + rest + `}`
	list, err := schema.Read(fstest.MapFS{"a.json": &fstest.MapFile{Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	return list[0]
}

func TestBreaking(t *testing.T) {
	const old = `"properties":{"a":{"type":"string"},"n":{"type":["string","integer"]},"w":{"enum":["x","y"]},
		"l":{"type":"array","items":{"type":"object","properties":{"b":{"type":"string","pattern":"^a"}},"required":["b"]}}},"required":["a"]`
	change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(old) }
	for _, tt := range []struct {
		name, now string
		want      []string // pointer and change
		full      []string // more, where readers of the old schema count
	}{
		{"nothing", old, nil, nil},
		{"a field more", change(`"a":{"type":"string"}`, `"a":{"type":"string"},"z":{}`), nil, nil},
		{"a field less", change(`"a":{"type":"string"},`, ``, `,"required":["a"]`, ``), []string{"/a field_removed"}, []string{"/a field_not_sure"}},
		{"a field in a list less", change(`"b":{"type":"string","pattern":"^a"}`, ``), []string{"/l/[]/b field_removed"}, nil},
		{"a narrower type", change(`["string","integer"]`, `"string"`), []string{"/n type_narrowed"}, nil},
		{"another type", change(`["string","integer"]`, `"boolean"`), []string{"/n type_narrowed"}, []string{"/n type_widened"}},
		{"a wider type", change(`"a":{"type":"string"}`, `"a":{"type":["string","null"]}`), nil, []string{"/a type_widened"}},
		{"any type", change(`"a":{"type":"string"}`, `"a":{}`), nil, []string{"/a type_widened"}},
		{"required now", change(`"required":["a"]`, `"required":["a","n"]`), []string{"/n field_required"}, nil},
		{"a new field that is required", change(`"a":{"type":"string"}`, `"a":{"type":"string"},"z":{}`, `"required":["a"]`, `"required":["a","z"]`), []string{"/z field_required"}, nil},
		{"no longer required", change(`,"required":["a"]`, ``), nil, []string{"/a field_not_sure"}},
		{"a value less", change(`["x","y"]`, `["x"]`), []string{"/w value_removed"}, nil},
		{"a value more", change(`["x","y"]`, `["x","y","z"]`), nil, []string{"/w value_added"}},
		{"any value", change(`{"enum":["x","y"]}`, `{}`), nil, []string{"/w values_opened"}},
		{"values at all", change(`"a":{"type":"string"}`, `"a":{"type":"string","const":"k"}`), []string{"/a values_restricted"}, nil},
		{"a bound more", change(`"a":{"type":"string"}`, `"a":{"type":"string","minLength":1}`), []string{"/a bound_added"}, nil},
		{"another bound", change(`"^a"`, `"^b"`), []string{"/l/[]/b bound_changed"}, nil},
		{"a bound less", change(`,"pattern":"^a"`, ``), nil, []string{"/l/[]/b bound_lifted"}},
		{"no entries", change(`"type":"array","items"`, `"type":"array","entries"`), []string{"/l entries_changed"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for mode, want := range map[schema.Mode][]string{schema.Backward: tt.want, schema.Full: append(append([]string{}, tt.want...), tt.full...)} {
				was, is := published(t, "x", "event", old), published(t, "x", "event", tt.now)
				is.Mode = mode
				got := breaking(t, []schema.Schema{was}, []schema.Schema{is}, nil)
				sorted := cmp.Transformer("set", func(list []string) map[string]bool {
					set := map[string]bool{}
					for _, s := range list {
						set[s] = true
					}
					return set
				})
				if diff := cmp.Diff(want, got, sorted); diff != "" {
					t.Errorf("%s (-want +got):\n%s", mode, diff)
				}
			}
		})
	}
}

func breaking(t *testing.T, was, is []schema.Schema, f schema.Formats) (got []string) {
	t.Helper()
	found, err := schema.Breaking(was, is, f)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range found {
		if d.Fix == "" || d.Detail == "" || d.Schema == "" {
			t.Errorf("%+v says too little", d)
		}
		got = append(got, d.Pointer+" "+d.Change)
	}
	return got
}

func TestBreaking_Versions(t *testing.T) {
	was := published(t, "x", "event", `"properties":{"a":{}}`)
	now := published(t, "x", "event", `"properties":{}`)
	now.Version = 2
	same := func(b []byte) ([]byte, error) { return b, nil }
	for _, tt := range []struct {
		name    string
		was, is []schema.Schema
		f       schema.Formats
		want    []string
	}{
		{"gone", []schema.Schema{was}, nil, nil, []string{" removed"}},
		{"a new version without a step to it", []schema.Schema{was}, []schema.Schema{now}, nil, []string{" unreadable"}},
		{"a new version", []schema.Schema{was}, []schema.Schema{now}, schema.Formats{"x": {same}}, nil},
		{"an older program", []schema.Schema{now}, []schema.Schema{was}, nil, []string{" newer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, breaking(t, tt.was, tt.is, tt.f)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	rename := func(from, to string) schema.Upcast {
		return func(b []byte) ([]byte, error) {
			if !strings.Contains(string(b), from) {
				return nil, errors.New("it has no " + from)
			}
			return []byte(strings.Replace(string(b), from, to, 1)), nil
		}
	}
	f := schema.Formats{"x": {rename("one", "two"), rename("two", "three")}}
	for _, tt := range []struct {
		name      string
		eventType waybill.EventType
		version   int
		data      string
		want, err string
	}{
		{"the first", "x", 1, `{"one":1}`, `{"three":1}`, ""},
		{"the one between", "x", 2, `{"two":1}`, `{"three":1}`, ""},
		{"the one in force", "x", 3, `{"three":1}`, `{"three":1}`, ""},
		{"a type without steps", "y", 1, `{}`, `{}`, ""},
		{"a newer one", "x", 4, `{}`, "", "schema version 4, and this program knows 1 to 3"},
		{"none", "x", 0, `{}`, "", "schema version 0"},
		{"rotten", "x", 1, `{}`, "", "from schema version 1 to 2: it has no one"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := f.Current(tt.eventType, tt.version, []byte(tt.data))
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
			if string(got) != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	if f.Version("x") != 3 || f.Version("y") != 1 || (schema.Formats{}).Version("x") != 1 {
		t.Error("the versions written now are not 3, 1 and 1")
	}
}
