package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// functions are those that rewriting puts into a program, bound to the meter
// of the instance that runs it.
func functions(m *meter) []gojq.CompilerOption {
	two := func(f func(l, r any) any) func(any, []any) any {
		return func(_ any, args []any) any { return f(args[0], args[1]) }
	}
	ordered := func(holds func(order int) bool) func(any, []any) any {
		return func(_ any, args []any) any { return holds(compare(args[0], args[1])) }
	}
	f := func(name string, least, most int, f func(any, []any) any) gojq.CompilerOption {
		return gojq.WithFunction(ours+name, least, most, f)
	}
	return []gojq.CompilerOption{
		f("add2", 2, 2, two(m.add)), f("subtract", 2, 2, two(m.subtract)), f("multiply", 2, 2, two(m.multiply)),
		f("divide", 2, 2, two(m.divide)), f("modulo", 2, 2, two(m.modulo)),
		f("equal", 2, 2, func(_ any, a []any) any { return equal(a[0], a[1]) }),
		f("unequal", 2, 2, func(_ any, a []any) any { return !equal(a[0], a[1]) }),
		f("greater", 2, 2, ordered(func(o int) bool { return o > 0 })), f("less", 2, 2, ordered(func(o int) bool { return o < 0 })),
		f("atleast", 2, 2, ordered(func(o int) bool { return o >= 0 })), f("atmost", 2, 2, ordered(func(o int) bool { return o <= 0 })),
		f("literal", 1, 1, literalNumber), f("weigh", 0, 0, m.weigh), f("add", 0, 0, m.sum), f("join", 1, 1, m.join),
		f("tostring", 0, 0, m.toString), f("tojson", 0, 0, m.toJSON), f("fromjson", 0, 0, m.fromJSON),
		f("tonumber", 0, 0, func(v any, _ []any) any { return toNumber(v) }),
		f("abs", 0, 0, absolute), f("floor", 0, 0, floor), f("round", 0, 1, rounded), f("fixed", 1, 1, fixed), f("div", 3, 3, quotient),
		f("replace", 2, 2, m.replace), f("gsub", 2, 2, m.substitute(-1)), f("sub", 2, 2, m.substitute(1)), f("pointer", 1, 1, pointer),
	}
}

func literalNumber(_ any, args []any) any {
	s, ok := args[0].(string)
	if !ok {
		return errors.New("a number's digits are text")
	}
	return json.Number(s)
}

// sum is add: of a list's elements, or of an object's values in the order of
// their names.
func (m *meter) sum(v any, _ []any) any {
	list, ok := v.([]any)
	if !ok {
		object, isObject := v.(map[string]any)
		if !isObject {
			return fmt.Errorf("add of %s: want a list", describe(v))
		}
		for _, name := range names(object) {
			list = append(list, object[name])
		}
	}
	if text, ok := m.sumText(list); ok {
		return text
	}
	var total any
	for _, one := range list {
		total = m.add(total, one)
		if _, failed := total.(error); failed {
			return total
		}
	}
	return total
}

// sumText joins a list of text at once; ok is false where it is another list.
func (m *meter) sumText(list []any) (any, bool) {
	if len(list) < 2 {
		return nil, false
	}
	size := 0
	for _, one := range list {
		s, ok := one.(string)
		if !ok {
			return nil, false
		}
		size += len(s)
	}
	if err := m.charge(size); err != nil {
		return err, true
	}
	var b strings.Builder
	b.Grow(size)
	for _, one := range list {
		s, _ := one.(string)
		b.WriteString(s)
	}
	return b.String(), true
}

// join is join(separator): text, numbers and booleans, null as nothing.
func (m *meter) join(v any, args []any) any {
	list, ok := v.([]any)
	separator, isText := args[0].(string)
	if !ok || !isText {
		return fmt.Errorf("join of %s by %s: want a list and text", describe(v), describe(args[0]))
	}
	var b strings.Builder
	for i, one := range list {
		text := ""
		switch one := one.(type) {
		case nil:
		case string:
			text = one
		case []any, map[string]any:
			return fmt.Errorf("join: element %d is %s, want text or a number", i, describe(one))
		default:
			text = fmt.Sprint(one)
		}
		if err := m.charge(len(text) + len(separator)); err != nil {
			return err
		}
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(text)
	}
	return b.String()
}

func (m *meter) toString(v any, _ []any) any {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return strconv.Itoa(v)
	case json.Number:
		return string(v)
	}
	return m.toJSON(v, nil)
}

func (m *meter) toJSON(v any, _ []any) any {
	b, err := Encode(v)
	if err != nil {
		return err
	}
	if err := m.charge(len(b)); err != nil {
		return err
	}
	return string(b)
}

func (m *meter) fromJSON(v any, _ []any) any {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("fromjson of %s: want text", describe(v))
	}
	if err := m.charge(16 * len(s)); err != nil {
		return err
	}
	read, err := Decode([]byte(s))
	if err != nil {
		return err
	}
	return read
}

// replace is replace(from; to): every occurrence of plain text.
func (m *meter) replace(v any, args []any) any {
	s, ok := v.(string)
	from, isText := args[0].(string)
	to, alsoText := args[1].(string)
	if !ok || !isText || !alsoText || from == "" {
		return fmt.Errorf("replace in %s: want text, and text to replace", describe(v))
	}
	if err := m.charge(len(s) + strings.Count(s, from)*len(to)); err != nil {
		return err
	}
	return strings.ReplaceAll(s, from, to)
}

// substitute is sub and gsub with plain text for what matches.
func (m *meter) substitute(most int) func(any, []any) any {
	return func(v any, args []any) any {
		s, ok := v.(string)
		pattern, isText := args[0].(string)
		to, alsoText := args[1].(string)
		if !ok || !isText || !alsoText {
			return fmt.Errorf("gsub in %s: want text", describe(v))
		}
		re, err := regexp.Compile(pattern)
		if err != nil {
			return fmt.Errorf("gsub: %s is no regular expression: %w", strconv.Quote(clip(pattern, 60)), err)
		}
		at := re.FindAllStringIndex(s, most)
		if err := m.charge(len(s) + len(at)*(len(to)+32)); err != nil {
			return err
		}
		var b strings.Builder
		last := 0
		for _, span := range at {
			b.WriteString(s[last:span[0]])
			b.WriteString(to)
			last = span[1]
		}
		b.WriteString(s[last:])
		return b.String()
	}
}

// pointer is pointer("/ship/ref"): what stands there in the input. Where there
// is nothing, the error names the field.
func pointer(v any, args []any) any {
	path, ok := args[0].(string)
	if !ok || path == "" || path[0] != '/' {
		return fmt.Errorf("pointer(%s): want text like \"/ship/ref\"", describe(args[0]))
	}
	at := v
	for step := range strings.SplitSeq(path[1:], "/") {
		switch value := at.(type) {
		case map[string]any:
			at = value[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(value) {
				return missing(path)
			}
			at = value[n]
		default:
			return missing(path)
		}
	}
	if at == nil {
		return missing(path)
	}
	return at
}

func missing(path string) error { return &Error{Field: path, Reason: "is missing"} }
