// Package schema publishes what every event and every document looks like: a
// JSON Schema (2020-12) of each, with name and version, made from the Go types
// that are read and written and from the table of what those can't say
// (event.go, document.go).
//
// A published schema is a promise. Compare says whether a change keeps it,
// Formats brings stored data of every version ever written into the current
// shape, and Check tells the writer of a payload which field is wrong.
package schema

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector/fact"
)

// Kind says what a schema describes.
type Kind string

// The kinds of schema.
const (
	Event    Kind = "event"    // the body of a push (W3), or a stored event of Waybill's own
	Document Kind = "document" // the body of T1
)

// Mode says which changes a schema may see without a new version.
type Mode string

// The modes of compatibility.
const (
	// Backward: whoever writes by the published schema is still understood.
	Backward Mode = "backward"
	// Full: and whoever reads by it still understands what is written now.
	Full Mode = "full"
)

// Schema is a published schema.
type Schema struct {
	Name    string // the event's type or the document's kind
	Version int    // from 1
	Kind    Kind
	Mode    Mode
	Title   string
	JSON    []byte // indented, members sorted
}

// String is the name with the version: "order.placed@1".
func (s Schema) String() string { return s.Name + "@" + strconv.Itoa(s.Version) }

// ID is the $id of a schema: a URN of its name and version.
func (s Schema) ID() string { return "urn:waybill:schema:" + s.Name + ":" + strconv.Itoa(s.Version) }

const dialect = "https://json-schema.org/draft/2020-12/schema"

//go:embed published
var files embed.FS

// current makes the schemas of this version of the program once.
var current = sync.OnceValues(makeAll)

// All lists the schemas in force, events before documents, by name.
func All() ([]Schema, error) { return current() }

// Find reads a schema by its name, or by name@version; also one that is no
// longer in force and was published once.
func Find(ref string) (Schema, error) {
	name, text, versioned := strings.Cut(ref, "@")
	all, err := All()
	if err != nil {
		return Schema{}, err
	}
	at := slices.IndexFunc(all, func(s Schema) bool { return s.Name == name })
	if at < 0 {
		return Schema{}, &waybill.Error{Code: "not_found", Detail: fmt.Sprintf("there is no schema %q", name), Fix: "see `waybill schema list`"}
	}
	if !versioned || text == strconv.Itoa(all[at].Version) {
		return all[at], nil
	}
	old, err := Published()
	if err != nil {
		return Schema{}, err
	}
	for _, s := range old {
		if s.String() == ref {
			return s, nil
		}
	}
	return Schema{}, &waybill.Error{Code: "not_found", Detail: fmt.Sprintf("%s has no version %q", name, text),
		Fix: fmt.Sprintf("the one in force is %d", all[at].Version)}
}

// Published lists every version ever published, as the program carries it.
func Published() ([]Schema, error) {
	sub, err := fs.Sub(files, "published")
	if err != nil {
		return nil, err
	}
	return Read(sub)
}

// Read reads published schemas from a folder: every *.json in it.
func Read(dir fs.FS) ([]Schema, error) {
	found, err := fs.Glob(dir, "*.json")
	if err != nil {
		return nil, err
	}
	out := make([]Schema, 0, len(found))
	for _, file := range found {
		b, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, err
		}
		s, err := parse(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, byName)
	return out, nil
}

// parse reads what a schema says of itself.
func parse(b []byte) (Schema, error) {
	var v struct {
		ID    string `json:"$id"`
		Title string `json:"title"`
		Kind  Kind   `json:"x-kind"`
		Mode  Mode   `json:"x-compatibility"`
	}
	if err := waybill.Unmarshal(b, &v); err != nil {
		return Schema{}, fmt.Errorf("is no JSON Schema: %w", err)
	}
	rest, ours := strings.CutPrefix(v.ID, "urn:waybill:schema:")
	name, number, versioned := strings.Cut(rest, ":")
	version, err := strconv.Atoi(number)
	if !ours || !versioned || err != nil || version < 1 {
		return Schema{}, fmt.Errorf("$id %q names no schema; want urn:waybill:schema:NAME:VERSION", v.ID)
	}
	return Schema{Name: name, Version: version, Kind: v.Kind, Mode: v.Mode, Title: v.Title, JSON: b}, nil
}

// FileName is the name under which a schema is published: "order.placed@1.json".
func (s Schema) FileName() string { return path.Base(s.String() + ".json") }

func byName(a, b Schema) int {
	return cmp.Or(cmp.Compare(b.Kind, a.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
}

// makeAll makes every schema from the types and the tables.
func makeAll() ([]Schema, error) {
	var all []Schema
	for _, t := range EventTypes() {
		s, err := makeEvent(t)
		if err != nil {
			return nil, fmt.Errorf("make the schema of %s: %w", t, err)
		}
		all = append(all, s)
	}
	for _, k := range kinds() {
		s, err := makeDocument(k)
		if err != nil {
			return nil, fmt.Errorf("make the schema of %s: %w", k, err)
		}
		all = append(all, s)
	}
	slices.SortFunc(all, byName)
	return all, nil
}

// EventTypes lists every type of event that has a schema, sorted.
func EventTypes() []waybill.EventType {
	return slices.Sorted(maps.Keys(merged(facts, own)))
}

func merged(a, b map[waybill.EventType]event) map[waybill.EventType]event {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// makeEvent describes the body of a push: type, timestamp and data. An event
// that nobody pushes has no timestamp of its own.
func makeEvent(t waybill.EventType) (Schema, error) {
	data, err := dataOf(t)
	if err != nil {
		return Schema{}, err
	}
	s := Schema{Name: string(t), Version: Stored().Version(t), Kind: Event, Mode: Backward, Title: merged(facts, own)[t].title}
	body := Object{"type": "object", "required": []any{"data", "type"}, "properties": Object{
		"type": Object{"const": s.Name}, "data": data}}
	if roles := reporters(t); len(roles) > 0 && slices.Contains(fact.Types(), t) {
		body["required"] = []any{"data", "timestamp", "type"}
		properties(body)["timestamp"] = Object{"type": "string", "format": "date-time", "description": "when it happened, on the source's clock"}
		body["x-reported-by"] = roles
	}
	return s.seal(body)
}

func makeDocument(k waybill.Kind) (Schema, error) {
	body, err := documentOf(k)
	if err != nil {
		return Schema{}, err
	}
	s := Schema{Name: string(k), Version: max(documents[k].version, 1), Kind: Document, Mode: Full, Title: documents[k].title}
	return s.seal(body)
}

// seal writes a schema out.
func (s Schema) seal(body Object) (Schema, error) {
	body["$schema"], body["$id"], body["title"] = dialect, s.ID(), s.Title
	body["x-kind"], body["x-compatibility"] = string(s.Kind), string(s.Mode)
	b, err := waybill.Marshal(body)
	if err != nil {
		return s, err
	}
	v := jsontext.Value(b)
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		return s, err
	}
	s.JSON = append(v, '\n')
	return s, nil
}

// shapeOf writes a type out, every struct in its place.
func shapeOf(v any) Object {
	return (&Shapes{}).ofType(present(reflect.TypeOf(v)))
}

// mergeInto lays a schema over another: objects by their members, the rest by
// replacing it.
func mergeInto(to, from Object) {
	for key, v := range from {
		inner, isObject := v.(Object)
		now, there := to[key].(Object)
		if isObject && there {
			mergeInto(now, inner)
			continue
		}
		to[key] = v
	}
}
