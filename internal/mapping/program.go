// Package mapping is the language in which the shapes and rules of one system
// are written down instead of programmed: payloads in jq, rules over orders and
// their lines in expr.
//
// A mapping is a versioned file. It is read, checked and compiled once; from
// then on a program is a function of its input and of nothing else: no clock,
// no environment, no files, no chance, and no map order escapes. What it may
// cost is counted in steps and bytes, so the same input gives the same result,
// or the same refusal, on every machine and for ever. Numbers are exact
// decimals.
package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/itchyny/gojq"
)

// Context is the variable that every program sees: an object with system,
// topic and received_at, where the input is a message; empty else.
const Context = "$context"

// sourceBytesMax bounds the text of one program.
const sourceBytesMax = 64 << 10

// Error is why a run gave nothing: the field at fault as a JSON Pointer into
// its input or its result, where that is known, and the reason.
type Error struct {
	Field  string
	Reason string
}

// Error names field and reason.
func (e *Error) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// SyntaxError is why a program can't be compiled.
type SyntaxError struct {
	Line   int // of the program's text, from 1; 0 where no line is at fault
	Detail string
	Fix    string
}

// Error names the line.
func (e *SyntaxError) Error() string {
	s := e.Detail
	if e.Line > 0 {
		s = fmt.Sprintf("line %d: %s", e.Line, s)
	}
	if e.Fix != "" {
		s += "; " + e.Fix
	}
	return s
}

// Program is a compiled jq program. It is safe for concurrent use.
type Program struct {
	name      string
	source    string
	instances sync.Pool
}

// instance is a program compiled together with the meter that its functions
// count on; one run has it to itself.
type instance struct {
	code  *gojq.Code
	meter meter
}

// Compile checks and compiles a program; name is what its errors call it. The
// error is a [*SyntaxError].
func Compile(name, source string) (*Program, error) {
	if len(source) > sourceBytesMax {
		return nil, &SyntaxError{Detail: fmt.Sprintf("the program is above %d KiB", sourceBytesMax>>10), Fix: "split it"}
	}
	p := &Program{name: name, source: source}
	first, err := p.instance()
	if err != nil {
		return nil, err
	}
	p.instances.Put(first)
	return p, nil
}

func (p *Program) instance() (*instance, error) {
	tree, err := gojq.Parse(p.source)
	if err != nil {
		return nil, p.parseError(err)
	}
	r := rewriter{}
	r.query(tree, nil)
	if r.fault != nil {
		return nil, &SyntaxError{Line: p.lineOf(r.fault.token), Detail: r.fault.detail, Fix: r.fault.fix}
	}
	in := &instance{}
	in.code, err = gojq.Compile(tree, append(functions(&in.meter), gojq.WithVariables([]string{Context}))...)
	if err != nil {
		_, token, _ := strings.Cut(err.Error(), ": ")
		return nil, &SyntaxError{Line: p.lineOf(token), Detail: err.Error(), Fix: "check its spelling; the only variable from outside is " + Context}
	}
	return in, nil
}

func (p *Program) parseError(err error) error {
	var at *gojq.ParseError
	if !errors.As(err, &at) {
		return &SyntaxError{Detail: err.Error()}
	}
	before := p.source[:min(max(at.Offset-len(at.Token), 0), len(p.source))]
	detail := "the program ends too early"
	if at.Token != "" {
		detail = fmt.Sprintf("%q is not expected here", clip(at.Token, 30))
	}
	return &SyntaxError{Line: 1 + strings.Count(before, "\n"), Detail: detail, Fix: "check brackets, commas and the words before it"}
}

// lineOf finds a word of the program; the tree does not say where it stood.
func (p *Program) lineOf(token string) int {
	if token == "" {
		return 0
	}
	i := strings.Index(p.source, token)
	if i < 0 {
		return 0
	}
	return 1 + strings.Count(p.source[:i], "\n")
}

// Run gives the results of the program for an input, which is as [Decode]
// makes it and is not changed. context is the value of $context, nil for none.
// stop ends it from outside; nil never does, which keeps a run pure. The error
// is an [*Error].
func (p *Program) Run(stop <-chan struct{}, input any, context map[string]any) ([]any, error) {
	in, ok := p.instances.Get().(*instance)
	if !ok {
		var err error
		if in, err = p.instance(); err != nil {
			return nil, &Error{Reason: p.name + ": " + err.Error()}
		}
	}
	defer p.instances.Put(in)
	in.meter.start(stop)
	if context == nil {
		context = map[string]any{}
	}
	iter := in.code.RunWithContext(&in.meter, input, context)
	var results []any
	for {
		v, more := iter.Next()
		if in.meter.err != nil {
			return nil, &Error{Reason: p.name + ": " + in.meter.err.Error()}
		}
		if !more {
			return results, nil
		}
		if err, failed := v.(error); failed {
			return nil, p.failure(err)
		}
		if len(results) == resultsMax {
			return nil, &Error{Reason: fmt.Sprintf("%s: it gives more than %d results", p.name, resultsMax)}
		}
		results = append(results, v)
	}
}

// failure is the error of a run. error({field, reason}) in a program names the
// field itself.
func (p *Program) failure(err error) error {
	if own := (*Error)(nil); errors.As(err, &own) {
		return &Error{Field: own.Field, Reason: p.name + ": " + own.Reason}
	}
	var raised gojq.ValueError
	if errors.As(err, &raised) {
		switch v := raised.Value().(type) {
		case map[string]any:
			field, _ := v["field"].(string)
			if reason, ok := v["reason"].(string); ok {
				return &Error{Field: clip(field, 80), Reason: p.name + ": " + clip(reason, 300)}
			}
		case string:
			return &Error{Reason: p.name + ": " + clip(v, 300)}
		}
	}
	return &Error{Reason: p.name + ": " + clip(strings.ToValidUTF8(err.Error(), "?"), 300)}
}

// One gives the only result of a program. None, or several, is an error.
func (p *Program) One(stop <-chan struct{}, input any, context map[string]any) (any, error) {
	results, err := p.Run(stop, input, context)
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, &Error{Reason: fmt.Sprintf("%s: it gives %d results, want one", p.name, len(results))}
	}
	return results[0], nil
}

// Holds runs a program as a condition: its one result is neither false nor
// null.
func (p *Program) Holds(stop <-chan struct{}, input any) (bool, error) {
	v, err := p.One(stop, input, nil)
	return v != nil && v != false, err
}

// names lists the members of an object, sorted.
func names(object map[string]any) []string {
	list := make([]string, 0, len(object))
	for name := range object {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}
