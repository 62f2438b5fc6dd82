package schema

import (
	"encoding"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// Object is a JSON object of a schema.
type Object = map[string]any

// Shapes makes JSON Schemas (2020-12) of Go types from what is marshalled:
// their types and json tags. A field without omitzero or omitempty is required.
type Shapes struct {
	// Prefix is where named structs are put: "#/components/schemas/" for a
	// description of an API. Empty: every struct is written out in its place.
	Prefix string
	// Named are the structs described so far, by package and name; of no use
	// without a Prefix.
	Named Object
}

var (
	timeType    = reflect.TypeFor[time.Time]()
	decimalType = reflect.TypeFor[waybill.Decimal]()
	partyType   = reflect.TypeFor[waybill.Party]()
	rawType     = reflect.TypeFor[jsontext.Value]()
	textType    = reflect.TypeFor[encoding.TextMarshaler]()
)

// decimalPattern is what [waybill.ParseDecimal] reads. A quantity that is no
// finite decimal in its unit is written as a fraction.
const decimalPattern = `^-?[0-9]+(\.[0-9]+)?(/[0-9]+(\.[0-9]+)?)?$`

// Of is the schema of a value's type; of nil, that of any value.
func (s *Shapes) Of(v any) Object {
	if v == nil {
		return Object{}
	}
	return s.ofType(reflect.TypeOf(v))
}

func (s *Shapes) ofType(t reflect.Type) Object {
	switch {
	case t == timeType:
		return Object{"type": "string", "format": "date-time"}
	case t == decimalType:
		return Object{"type": "string", "description": "an exact decimal", "pattern": decimalPattern, "examples": []any{"12.5"}}
	case t == partyType:
		party := s.fields(t)
		party["type"] = []any{"object", "string"}
		party["description"] = "an address, or the sender's own number of one"
		return party
	case t == rawType:
		return Object{}
	case t.Kind() == reflect.Pointer:
		return Object{"anyOf": []any{s.ofType(t.Elem()), Object{"type": "null"}}}
	case t.Implements(textType):
		return Object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.String:
		return Object{"type": "string"}
	case reflect.Bool:
		return Object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return Object{"type": "integer"}
	case reflect.Float64:
		return Object{"type": "number"}
	case reflect.Slice:
		return Object{"type": "array", "items": s.ofType(t.Elem())}
	case reflect.Map:
		return Object{"type": "object"}
	case reflect.Struct:
		return s.ofStruct(t)
	}
	return Object{}
}

// ofStruct describes a struct once, under a name, and refers to it.
func (s *Shapes) ofStruct(t reflect.Type) Object {
	if s.Prefix == "" || t.Name() == "" {
		return s.fields(t)
	}
	name := path.Base(t.PkgPath()) + "." + t.Name()
	if _, known := s.Named[name]; !known {
		s.Named[name] = Object{} // a type that contains itself ends here
		s.Named[name] = s.fields(t)
	}
	return Object{"$ref": s.Prefix + name}
}

func (s *Shapes) fields(t reflect.Type) Object {
	properties := Object{}
	needed := []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || name == "" {
			continue
		}
		if strings.Contains(options, "omitzero") || strings.Contains(options, "omitempty") {
			properties[name] = s.ofType(present(f.Type))
			continue
		}
		properties[name] = s.ofType(f.Type)
		needed = append(needed, name)
	}
	return Object{"type": "object", "properties": properties, "required": names(needed)}
}

// present is the type of an optional field where it is there: a pointer that
// is nil is left out, never written as null.
func present(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// names lists names once and sorted.
func names(list []string) []any {
	slices.Sort(list)
	out := make([]any, 0, len(list))
	for _, name := range slices.Compact(list) {
		out = append(out, name)
	}
	return out
}
