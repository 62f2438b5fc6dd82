package schema

import (
	"fmt"
	"maps"
	"strings"
)

// A rule is what a Go type can't say of one of its fields: that a sender has to
// send it, how it is written, what it means. A field that the type lacks and
// keeps among the unknown ones is described by its rule alone.
type rule struct {
	path string // members joined by points; "lines[]" steps into the entries
	need presence
	form Object // merged into the field's schema
	doc  string
}

type presence uint8

const (
	asTyped  presence = iota // as the Go type has it
	required                 // although the type leaves out its zero value
	optional                 // although the type always writes it
)

// must is a field that has to be there.
func must(path string, form Object, doc string) rule { return rule{path, required, form, doc} }

// may is a field that can be left out.
func may(path string, form Object, doc string) rule { return rule{path, optional, form, doc} }

// Forms of fields (system contract G1).
var (
	formID = Object{"type": "string", "pattern": `^[A-Za-z0-9._~-]{1,128}$`}
	// formWord is text that can't be empty; a channel's own numbers may be of
	// any characters (G4).
	formWord     = Object{"type": "string", "minLength": 1}
	formText     = Object{"type": "string"}
	formTime     = Object{"type": "string", "format": "date-time"}
	formDate     = Object{"type": "string", "format": "date"}
	formCurrency = Object{"type": "string", "pattern": "^[A-Z]{3}$"}
	formVersion  = Object{"type": "integer", "minimum": 1}
	formDecimal  = Object{"type": "string", "pattern": decimalPattern}
	// formAmount is a decimal that can't be below zero.
	formAmount = Object{"type": "string", "pattern": strings.Replace(decimalPattern, "-?", "", 1)}
	formFlag   = Object{"type": "boolean"}
	formList   = Object{"type": "array"}
	formObject = Object{"type": "object"}
	formAny    = Object{}
)

// oneOf is a word of a list.
func oneOf[T ~string](words ...T) Object {
	list := make([]any, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return Object{"type": "string", "enum": list}
}

// apply writes rules into the schema of an object.
func apply(to Object, rules []rule) error {
	for _, r := range rules {
		if err := r.apply(to); err != nil {
			return fmt.Errorf("rule %s: %w", r.path, err)
		}
	}
	return nil
}

func (r rule) apply(to Object) error {
	steps := strings.Split(r.path, ".")
	for _, step := range steps[:len(steps)-1] {
		name, isList := strings.CutSuffix(step, "[]")
		inner, ok := properties(to)[name].(Object)
		if ok && isList {
			inner, ok = inner["items"].(Object)
		}
		if !ok {
			return fmt.Errorf("there is no %s to step into", step)
		}
		to = inner
	}
	name := steps[len(steps)-1]
	field, known := properties(to)[name].(Object)
	if !known {
		if len(r.form) == 0 && r.doc == "" {
			return fmt.Errorf("the type has no field %s, and the rule says nothing of it", name)
		}
		field = Object{}
	}
	r.merge(field)
	if field["type"] == "array" && field["items"] == nil {
		field["items"] = Object{"type": "object", "properties": Object{}}
	}
	properties(to)[name] = field
	r.demand(to, name)
	return nil
}

func (r rule) merge(field Object) {
	for key, v := range r.form {
		if inner, isObject := v.(Object); isObject {
			v = maps.Clone(inner)
		}
		field[key] = v
	}
	if r.doc != "" {
		field["description"] = r.doc
	}
}

// demand puts the field among those that have to be there, or takes it out.
func (r rule) demand(to Object, name string) {
	if r.need == asTyped {
		return
	}
	var list []string
	if now, ok := to["required"].([]any); ok {
		for _, other := range now {
			if text, isText := other.(string); isText && text != name {
				list = append(list, text)
			}
		}
	}
	if r.need == required {
		list = append(list, name)
	}
	to["required"] = names(list)
}

func properties(of Object) Object {
	if p, ok := of["properties"].(Object); ok {
		return p
	}
	p := Object{}
	of["properties"] = p
	return p
}
