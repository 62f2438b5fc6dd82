package mapping

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits of what one program may be given, do and give. They are part of the
// language: the same input meets the same limit on every machine.
const (
	inputBytesMax   = 10 << 20 // of one input
	inputValuesMax  = 500_000  // values in one input, so that it fits into memory unpacked
	depthMax        = 100      // of nested values, in and out
	outputBytesMax  = 4 << 20  // of one result as JSON
	resultsMax      = 10_000   // results of one run
	stepsMax        = 4 << 20  // of the interpreter in one run
	workMax         = 64 << 20 // bytes that functions of one run may read and make
	numberDigitsMax = 400      // of a number, with its exponent written out
)

// Decode reads one JSON value for a program. Whole numbers that fit are int,
// all others stay as they are written (json.Number): nothing is rounded.
func Decode(b []byte) (any, error) {
	if len(b) > inputBytesMax {
		return nil, fmt.Errorf("it has %d bytes, and a mapping takes at most %d", len(b), inputBytesMax)
	}
	d := decoder{dec: jsontext.NewDecoder(bytes.NewBuffer(b))}
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := d.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the JSON value at byte %d", d.dec.InputOffset())
	}
	return v, nil
}

type decoder struct {
	dec    *jsontext.Decoder
	values int
}

func (d *decoder) value(depth int) (any, error) {
	if d.values++; d.values > inputValuesMax {
		return nil, fmt.Errorf("it holds more than %d values", inputValuesMax)
	}
	if depth > depthMax {
		return nil, fmt.Errorf("%s is nested deeper than %d", clip(string(d.dec.StackPointer()), 60), depthMax)
	}
	t, err := d.dec.ReadToken()
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	switch t.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return t.Bool(), nil
	case '"':
		return t.String(), nil
	case '0':
		return number(t.String())
	case '[':
		return d.list(depth)
	}
	return d.object(depth)
}

func (d *decoder) list(depth int) (any, error) {
	list := []any{}
	for d.dec.PeekKind() != ']' {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.dec.ReadToken()
	return list, err
}

func (d *decoder) object(depth int) (any, error) {
	object := map[string]any{}
	for d.dec.PeekKind() != '}' {
		t, err := d.dec.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("it is not JSON: %w", err)
		}
		name := t.String()
		if object[name], err = d.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := d.dec.ReadToken()
	return object, err
}

// number keeps a JSON number: int where it is one, its own digits otherwise.
// One whose digits written out would fill pages is refused.
func number(text string) (any, error) {
	if n, err := strconv.Atoi(text); err == nil && text != "-0" {
		return n, nil
	}
	if _, ok := plainDigits(text); !ok {
		return nil, fmt.Errorf("the number %s has more than %d digits", clip(text, 30), numberDigitsMax)
	}
	return json.Number(text), nil
}

// encoder writes a result. The members of objects are sorted, so that equal
// results are equal bytes.
type encoder struct {
	b     []byte
	limit int
	path  []any // where it is, for what is said about it
}

// Encode writes a result of a program as JSON. A number that was reckoned in
// binary floating point, and is not whole, is an error: it is no longer exact.
func Encode(v any) ([]byte, error) {
	e := encoder{limit: outputBytesMax}
	if err := e.value(v); err != nil {
		return nil, err
	}
	return e.b, nil
}

func (e *encoder) fail(format string, args ...any) error {
	pointer := ""
	for _, step := range e.path {
		pointer += fmt.Sprintf("/%v", step)
	}
	return &Error{Field: clip(pointer, 80), Reason: fmt.Sprintf(format, args...)}
}

func (e *encoder) value(v any) error {
	if len(e.b) > e.limit {
		return e.fail("the result is above %d bytes", e.limit)
	}
	var err error
	switch v := v.(type) {
	case nil:
		e.b = append(e.b, "null"...)
	case bool:
		e.b = strconv.AppendBool(e.b, v)
	case int:
		e.b = strconv.AppendInt(e.b, int64(v), 10)
	case *big.Int:
		e.b = v.Append(e.b, 10)
	case json.Number:
		e.b = append(e.b, v...)
	case float64:
		if v != math.Trunc(v) || math.Abs(v) >= 1<<53 {
			return e.fail("%v was reckoned in binary floating point and is not exact; use + - * and div(a; b; places) on numbers, or tonumber on text", v)
		}
		e.b = strconv.AppendInt(e.b, int64(v), 10)
	case string:
		if e.b, err = jsontext.AppendQuote(e.b, v); err != nil {
			return e.fail("the text is not UTF-8")
		}
	case []any:
		return e.list(v)
	case map[string]any:
		return e.object(v)
	default:
		return e.fail("a %T can't be written as JSON", v)
	}
	return nil
}

func (e *encoder) list(v []any) error {
	if len(e.path) >= depthMax {
		return e.fail("the result is nested deeper than %d", depthMax)
	}
	e.path = append(e.path, nil)
	e.b = append(e.b, '[')
	for i, one := range v {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.path[len(e.path)-1] = i
		if err := e.value(one); err != nil {
			return err
		}
	}
	e.b = append(e.b, ']')
	e.path = e.path[:len(e.path)-1]
	return nil
}

func (e *encoder) object(v map[string]any) error {
	if len(e.path) >= depthMax {
		return e.fail("the result is nested deeper than %d", depthMax)
	}
	var room [16]string
	names := room[:0]
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	e.path = append(e.path, nil)
	e.b = append(e.b, '{')
	for i, name := range names {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		var err error
		if e.b, err = jsontext.AppendQuote(e.b, name); err != nil {
			return e.fail("a member's name is not UTF-8")
		}
		e.b = append(e.b, ':')
		e.path[len(e.path)-1] = name
		if err := e.value(v[name]); err != nil {
			return err
		}
	}
	e.b = append(e.b, '}')
	e.path = e.path[:len(e.path)-1]
	return nil
}

func clip(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
