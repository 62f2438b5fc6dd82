package api

import (
	"encoding"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// schemas are the components of the description, by name. Each is made from
// the Go type that is marshalled.
type schemas map[string]any

var (
	timeType    = reflect.TypeFor[time.Time]()
	decimalType = reflect.TypeFor[waybill.Decimal]()
	rawType     = reflect.TypeFor[jsontext.Value]()
	textType    = reflect.TypeFor[encoding.TextMarshaler]()
)

// of is the schema of a value's type.
func (s schemas) of(v any) object {
	if v == nil {
		return object{}
	}
	return s.ofType(reflect.TypeOf(v))
}

func (s schemas) ofType(t reflect.Type) object {
	switch {
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t == decimalType:
		return object{"type": "string", "description": "an exact decimal", "examples": []string{"12.5"}}
	case t == rawType:
		return object{}
	case t.Kind() == reflect.Pointer:
		return object{"anyOf": []object{s.ofType(t.Elem()), {"type": "null"}}}
	case t.Implements(textType):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice:
		return object{"type": "array", "items": s.ofType(t.Elem())}
	case reflect.Map:
		return object{"type": "object"}
	case reflect.Struct:
		return s.ofStruct(t)
	}
	return object{}
}

// ofStruct describes a struct once, under a name, and refers to it.
func (s schemas) ofStruct(t reflect.Type) object {
	if t.Name() == "" {
		return s.fields(t)
	}
	name := path.Base(t.PkgPath()) + "." + t.Name()
	if _, known := s[name]; !known {
		s[name] = object{} // a type that contains itself ends here
		s[name] = s.fields(t)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (s schemas) fields(t reflect.Type) object {
	properties := object{}
	needed := []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" || name == "" {
			continue
		}
		properties[name] = s.ofType(f.Type)
		if !strings.Contains(options, "omitzero") && !strings.Contains(options, "omitempty") {
			needed = append(needed, name)
		}
	}
	return object{"type": "object", "properties": properties, "required": required(needed)}
}
