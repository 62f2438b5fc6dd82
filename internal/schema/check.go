package schema

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// Problem is what is wrong with a field of a payload.
type Problem struct {
	Pointer string `json:"pointer"` // JSON Pointer (RFC 6901); empty: the whole payload
	Detail  string `json:"detail"`
	Fix     string `json:"fix"`
}

// String is the problem on one line.
func (p Problem) String() string {
	return cmp.Or(p.Pointer, "the payload") + ": " + p.Detail + "; " + p.Fix
}

// Report is the verdict on one payload.
type Report struct {
	Schema   string    `json:"schema"` // name@version; empty where nobody knows what it is
	Problems []Problem `json:"problems"`
}

// Check finds out what a payload is, an event (W3) or a document (T1), and
// lists everything that its schema does not allow, by field. An event as
// Waybill itself shows it, with its source in place of a timestamp, is known
// too. Fields that the schema does not know are fine (G2).
func Check(payload []byte) (Report, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return found("", "", "is not JSON: "+err.Error(), "send one JSON object in UTF-8"), nil
	}
	body, isObject := v.(Object)
	if !isObject {
		return found("", "", "is no JSON object", "send an event with type and data, or a document with kind and lines"), nil
	}
	name, field := "", ""
	for _, f := range []string{"type", "kind"} {
		if text, ok := body[f].(string); ok && field == "" {
			name, field = text, f
		}
	}
	if field == "" {
		return found("", "/type", "is missing", "name what it is: type for an event, kind for a document"), nil
	}
	s, err := Find(name)
	if err != nil || (s.Kind == Event) != (field == "type") || s.Name != name {
		return found("", "/"+field, fmt.Sprintf("%q has no schema", name), "use a name of `waybill schema list`"), nil
	}
	part, at := "", ""
	_, stamped := body["timestamp"]
	if _, stored := body["source"]; stored && !stamped && s.Kind == Event {
		part, at, v = "#/properties/data", "/data", body["data"]
	}
	compiled, err := compile(s.ID() + part)
	if err != nil {
		return Report{}, err
	}
	r := Report{Schema: s.String(), Problems: []Problem{}}
	var wrong *jsonschema.ValidationError
	switch err := compiled.Validate(v); {
	case err == nil:
		return r, nil
	case !errors.As(err, &wrong):
		return Report{}, fmt.Errorf("check a %s: %w", s, err)
	}
	r.Problems = problemsOf(at, wrong)
	return r, nil
}

func found(schema, pointer, detail, fix string) Report {
	return Report{Schema: schema, Problems: []Problem{{pointer, detail, fix}}}
}

// compiler holds all schemas in force, compiled when they are first asked for.
var compiler = struct {
	sync.Mutex
	*jsonschema.Compiler
}{}

func compile(id string) (*jsonschema.Schema, error) {
	all, err := All()
	if err != nil {
		return nil, err
	}
	compiler.Lock()
	defer compiler.Unlock()
	if compiler.Compiler == nil {
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		for _, s := range all {
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.JSON))
			if err != nil {
				return nil, fmt.Errorf("read the schema %s: %w", s, err)
			}
			if err := c.AddResource(s.ID(), v); err != nil {
				return nil, fmt.Errorf("read the schema %s: %w", s, err)
			}
		}
		compiler.Compiler = c
	}
	s, err := compiler.Compile(id)
	if err != nil {
		return nil, fmt.Errorf("read the schema %s: %w", id, err)
	}
	return s, nil
}

// problemsOf takes the innermost findings: what is wrong with a field itself,
// not that therefore the object around it is wrong.
func problemsOf(at string, e *jsonschema.ValidationError) []Problem {
	var out []Problem
	var walk func(*jsonschema.ValidationError)
	walk = func(e *jsonschema.ValidationError) {
		for _, cause := range e.Causes {
			walk(cause)
		}
		if len(e.Causes) > 0 {
			return
		}
		for _, p := range problem(e) {
			p.Pointer = at + p.Pointer
			out = append(out, p)
		}
	}
	walk(e)
	slices.SortFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Detail, b.Detail))
	})
	return slices.Compact(out)
}

// problem says one finding in words.
func problem(e *jsonschema.ValidationError) []Problem {
	at := ""
	for _, step := range e.InstanceLocation {
		at += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(step)
	}
	one := func(detail, fix string) []Problem { return []Problem{{at, detail, fix}} }
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		var out []Problem
		for _, name := range k.Missing {
			out = append(out, Problem{at + "/" + name, "is missing", "send it"})
		}
		return out
	case *kind.Type:
		fix := "send " + strings.Join(k.Want, " or ")
		switch {
		case k.Got == "null":
			fix = "leave the field out, or " + fix
		case k.Got == "number" && slices.Contains(k.Want, "string"):
			fix = `write the number as a string, like "12.50"`
		}
		return one("is of type "+k.Got, fix)
	case *kind.Enum:
		words := make([]string, len(k.Want))
		for i, w := range k.Want {
			words[i] = fmt.Sprint(w)
		}
		return one(short(k.Got)+" is none of its values", "send one of "+strings.Join(words, ", "))
	case *kind.Const:
		return one(short(k.Got)+" is not its value", "send "+short(k.Want))
	case *kind.Pattern:
		return one(short(k.Got)+" is not written as it has to be", wantPattern(k.Want))
	case *kind.Format:
		return one(short(k.Got)+" is no "+k.Want, wantFormat(k.Want))
	case *kind.MinLength:
		return one("is empty", "send it, or leave the field out where it may be missing")
	case *kind.MinItems:
		return one("has "+strconv.Itoa(k.Got)+" entries", "send at least "+strconv.Itoa(k.Want))
	case *kind.Minimum:
		return one(k.Got.RatString()+" is too low", "send "+k.Want.RatString()+" or more")
	}
	return one(fmt.Sprintf("breaks the rule %s", strings.Join(e.ErrorKind.KeywordPath(), "/")), "see the schema: `waybill schema show`")
}

func wantPattern(pattern string) string {
	for _, known := range []struct {
		form Object
		want string
	}{
		{formID, "ids are 1 to 128 of the characters A-Z a-z 0-9 . _ ~ - (G1)"},
		{formCurrency, "send three capital letters as in ISO 4217, like EUR"},
		{formDecimal, `send a decimal string like "12.50"`},
		{formAmount, `send a decimal string that is not below zero, like "12.50"`},
	} {
		if known.form["pattern"] == pattern {
			return known.want
		}
	}
	return "it has to match " + pattern
}

func wantFormat(format string) string {
	switch format {
	case "date-time":
		return "write it as in RFC 3339, like 2026-01-02T03:04:05Z or with its offset +01:00"
	case "date":
		return "write it like 2026-01-31"
	}
	return "write it as a " + format
}

// short quotes a value, cut where it is long.
func short(v any) string {
	text := written(v)
	if len(text) > 60 {
		return strings.ToValidUTF8(text[:60], "") + "…"
	}
	return text
}
