package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// The language of a mapping is jq without what reaches outside (files,
// environment, clock, input) and without what can grow without bound. This
// file reads a program's tree once: it refuses what is not on the list below,
// and puts exact or counted functions in the place of some.

// plain functions pass as they are.
var plain = map[string][]int{
	"length": {0}, "utf8bytelength": {0}, "keys": {0}, "has": {1}, "in": {1}, "map": {1}, "map_values": {1},
	"select": {1}, "not": {0}, "type": {0}, "empty": {0}, "error": {0, 1}, "contains": {1}, "inside": {1},
	"startswith": {1}, "endswith": {1}, "to_entries": {0}, "from_entries": {0}, "with_entries": {1},
	"recurse": {0, 1, 2}, "while": {2}, "until": {2}, "repeat": {1}, "range": {1, 2, 3},
	"arrays": {0}, "objects": {0}, "iterables": {0}, "booleans": {0}, "numbers": {0}, "strings": {0}, "nulls": {0},
	"values": {0}, "scalars": {0}, "walk": {1}, "first": {0, 1}, "last": {0, 1}, "isempty": {1}, "all": {0, 1, 2},
	"any": {0, 1, 2}, "limit": {2}, "skip": {2}, "nth": {1, 2}, "del": {1}, "path": {1}, "paths": {0, 1},
	"getpath": {1}, "IN": {1, 2}, "INDEX": {1, 2}, "toboolean": {0}, "min": {0}, "max": {0}, "min_by": {1}, "max_by": {1},
}

// weighed functions read and make text and lists: what they cost is counted.
var weighed = map[string][]int{
	"reverse": {0}, "ltrimstr": {1}, "rtrimstr": {1}, "trimstr": {1}, "ltrim": {0}, "rtrim": {0}, "trim": {0},
	"explode": {0}, "implode": {0}, "split": {1, 2}, "splits": {1, 2}, "ascii_downcase": {0}, "ascii_upcase": {0},
	"test": {1, 2}, "match": {1, 2}, "capture": {1, 2}, "scan": {1, 2}, "sort": {0}, "sort_by": {1}, "group_by": {1},
	"unique": {0}, "unique_by": {1}, "index": {1}, "rindex": {1}, "indices": {1}, "flatten": {0, 1},
	"strptime": {1}, "strftime": {1}, "mktime": {0}, "gmtime": {0}, "todate": {0}, "fromdate": {0},
	"todateiso8601": {0}, "fromdateiso8601": {0},
}

// replaced functions have one of our own in their place (functions.go).
var replaced = map[string][]int{
	"add": {0}, "join": {1}, "tostring": {0}, "tojson": {0}, "fromjson": {0}, "tonumber": {0}, "abs": {0},
	"floor": {0}, "round": {0, 1}, "fixed": {1}, "div": {3}, "replace": {2}, "gsub": {2}, "sub": {2}, "pointer": {1},
}

// instead says what to write for what people reach for and do not get.
var instead = map[string]string{
	"now": "the time is no input of a mapping; $context.received_at is when the message came", "env": "settings belong into the configuration",
	"input": "a program has one input", "inputs": "a program has one input", "debug": "waybill mapping test shows what a program gives",
	"setpath": "assign to a path, like .a.b = 1", "pick": "build the object, like {a: .a}", "localtime": "use gmtime", "strflocaltime": "use strftime",
	"ceil": "use floor, or round(places)", "sqrt": "only exact arithmetic is possible", "pow": "only exact arithmetic is possible",
	"halt": "use error(\"what is wrong\")", "halt_error": "use error(\"what is wrong\")", "ascii": "use implode", "tostream": "use paths",
	"limit": "limit(n; f) takes two", "gsub": "gsub(re; text) takes plain text; replace(from; to) takes no expression", "sub": "sub(re; text) takes plain text",
	"transpose": "use [range(length)] and indexes", "combinations": "use several generators", "getpath": "getpath(path) takes one",
}

var formats = []string{"@text", "@json", "@csv", "@tsv", "@html", "@uri", "@urid", "@sh", "@base64", "@base64d"}

// ours is the prefix of the functions that a program can't name: their names
// are no words of the language.
const ours = "waybill "

var operators = map[gojq.Operator]string{
	gojq.OpAdd: "add2", gojq.OpSub: "subtract", gojq.OpMul: "multiply", gojq.OpDiv: "divide", gojq.OpMod: "modulo",
	gojq.OpEq: "equal", gojq.OpNe: "unequal", gojq.OpGt: "greater", gojq.OpLt: "less", gojq.OpGe: "atleast", gojq.OpLe: "atmost",
}

// updates are the operators that change what is at a path: l += r is l |= . + r.
var updates = map[gojq.Operator]gojq.Operator{
	gojq.OpUpdateAdd: gojq.OpAdd, gojq.OpUpdateSub: gojq.OpSub, gojq.OpUpdateMul: gojq.OpMul,
	gojq.OpUpdateDiv: gojq.OpDiv, gojq.OpUpdateMod: gojq.OpMod,
}

// nestingMax bounds how deep a program's own text is nested.
const nestingMax = 200

// fault is why a program is refused; token is the word in its text.
type fault struct{ token, detail, fix string }

func (f *fault) Error() string { return f.detail }

// scope is the functions that a place in a program sees beside the language's.
type scope struct {
	name  string
	arity int
	next  *scope
}

func (s *scope) has(name string, arity int) bool {
	for ; s != nil; s = s.next {
		if s.name == name && s.arity == arity {
			return true
		}
	}
	return false
}

// rewriter walks a tree, changing it in place. The first fault ends it.
type rewriter struct {
	depth int
	fault *fault
}

func (r *rewriter) refuse(token, fix, format string, args ...any) {
	if r.fault == nil {
		r.fault = &fault{token: token, detail: fmt.Sprintf(format, args...), fix: fix}
	}
}

func (r *rewriter) query(q *gojq.Query, s *scope) {
	if q == nil || r.fault != nil {
		return
	}
	if r.depth++; r.depth > nestingMax {
		r.refuse("", "take parts out into functions (def)", "the program is nested deeper than %d", nestingMax)
		return
	}
	defer func() { r.depth-- }()
	if q.Meta != nil || len(q.Imports) > 0 {
		r.refuse("import", "put shared functions under define", "a mapping imports no modules")
		return
	}
	for _, d := range q.FuncDefs {
		s = r.define(d, s)
	}
	if q.Term != nil {
		r.term(q, s)
		return
	}
	for _, p := range q.Patterns {
		r.pattern(p, s)
	}
	r.query(q.Left, s)
	r.query(q.Right, s)
	if name, ok := operators[q.Op]; ok {
		*q = gojq.Query{FuncDefs: q.FuncDefs, Term: call(name, q.Left, q.Right)}
		return
	}
	r.assignment(q)
}

// define gives the scope behind a definition; its own body sees itself and its
// parameters.
func (r *rewriter) define(d *gojq.FuncDef, s *scope) *scope {
	s = &scope{d.Name, len(d.Args), s}
	inside := s
	for _, arg := range d.Args {
		inside = &scope{strings.TrimPrefix(arg, "$"), 0, inside}
	}
	r.query(d.Body, inside)
	return s
}

// assignment checks the operators that change what is at a path.
func (r *rewriter) assignment(q *gojq.Query) {
	op, counts := updates[q.Op]
	if !counts && q.Op != gojq.OpAssign && q.Op != gojq.OpModify && q.Op != gojq.OpUpdateAlt {
		return
	}
	r.target(q.Left)
	if !counts {
		return
	}
	const operand = "$waybill"
	sum := call(operators[op], &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeIdentity}}, &gojq.Query{Term: variable(operand)})
	*q = gojq.Query{FuncDefs: q.FuncDefs, Left: q.Right, Op: gojq.OpPipe, Patterns: []*gojq.Pattern{{Name: operand}},
		Right: &gojq.Query{Left: q.Left, Op: gojq.OpModify, Right: &gojq.Query{Term: sum}}}
}

// target checks what an assignment writes to: a number from the input as an
// index would make a list of any length.
func (r *rewriter) target(q *gojq.Query) {
	if q == nil {
		return
	}
	r.target(q.Left)
	r.target(q.Right)
	t := q.Term
	if t == nil {
		return
	}
	index := func(i *gojq.Index) {
		if i == nil || i.Name != "" || i.Str != nil || !i.IsSlice && constant(i.Start) {
			return
		}
		r.refuse("[", "name the member, or build the list anew with map", "an assignment writes to a place that is reckoned")
	}
	index(t.Index)
	for _, suffix := range t.SuffixList {
		index(suffix.Index)
	}
	if t.Func != nil && t.Func.Name == "getpath" {
		r.refuse("getpath", "name the member", "an assignment writes to a place that is reckoned")
	}
	r.target(t.Query)
}

// constant reports whether an index is written out: text, or a small number.
func constant(q *gojq.Query) bool {
	if q == nil || q.Term == nil || len(q.Term.SuffixList) > 0 {
		return false
	}
	t := q.Term
	return t.Type == gojq.TermTypeString && t.Str.Queries == nil || t.Type == gojq.TermTypeNumber && len(t.Number) <= 4
}

func (r *rewriter) term(q *gojq.Query, s *scope) {
	t := q.Term
	for _, suffix := range t.SuffixList {
		r.index(suffix.Index, s)
	}
	switch t.Type {
	case gojq.TermTypeIndex:
		r.index(t.Index, s)
	case gojq.TermTypeFunc:
		r.function(t, s)
	case gojq.TermTypeObject:
		for _, kv := range t.Object.KeyVals {
			r.member(kv, s)
		}
	case gojq.TermTypeArray:
		r.query(t.Array.Query, s)
	case gojq.TermTypeNumber:
		if strings.ContainsAny(t.Number, ".eE") || len(t.Number) > 18 {
			r.literal(t)
		}
	case gojq.TermTypeUnary:
		r.unary(t, s)
	case gojq.TermTypeFormat, gojq.TermTypeString:
		r.text(t, s)
	case gojq.TermTypeIf:
		r.query(t.If.Cond, s)
		r.query(t.If.Then, s)
		for _, e := range t.If.Elif {
			r.query(e.Cond, s)
			r.query(e.Then, s)
		}
		r.query(t.If.Else, s)
	case gojq.TermTypeTry:
		r.query(t.Try.Body, s)
		r.query(t.Try.Catch, s)
	default:
		r.loop(t, s)
	}
}

func (r *rewriter) loop(t *gojq.Term, s *scope) {
	switch t.Type {
	case gojq.TermTypeReduce:
		r.query(t.Reduce.Query, s)
		for _, p := range t.Reduce.Patterns {
			r.pattern(p, s)
		}
		r.query(t.Reduce.Start, s)
		r.query(t.Reduce.Update, s)
	case gojq.TermTypeForeach:
		r.query(t.Foreach.Query, s)
		for _, p := range t.Foreach.Patterns {
			r.pattern(p, s)
		}
		r.query(t.Foreach.Start, s)
		r.query(t.Foreach.Update, s)
		r.query(t.Foreach.Extract, s)
	case gojq.TermTypeLabel:
		r.query(t.Label.Body, s)
	case gojq.TermTypeQuery:
		r.query(t.Query, s)
	}
}

func (r *rewriter) index(i *gojq.Index, s *scope) {
	if i == nil {
		return
	}
	if i.Str != nil && i.Str.Queries != nil {
		i.Start, i.Str = &gojq.Query{Term: r.concatenation(i.Str, s, nil)}, nil
		return
	}
	r.query(i.Start, s)
	r.query(i.End, s)
}

func (r *rewriter) member(kv *gojq.ObjectKeyVal, s *scope) {
	if kv.KeyString != nil && kv.KeyString.Queries != nil {
		if kv.Val == nil {
			r.refuse("", `write {"…": value}`, "a member whose name is reckoned needs its value")
			return
		}
		kv.KeyQuery, kv.KeyString = &gojq.Query{Term: r.concatenation(kv.KeyString, s, nil)}, nil
	} else {
		r.query(kv.KeyQuery, s)
	}
	if kv.Key == "$ENV" {
		r.refuse("$ENV", instead["env"], "a mapping sees no environment")
	}
	r.query(kv.Val, s)
}

func (r *rewriter) pattern(p *gojq.Pattern, s *scope) {
	if p == nil {
		return
	}
	for _, one := range p.Array {
		r.pattern(one, s)
	}
	for _, one := range p.Object {
		if one.KeyString != nil && one.KeyString.Queries != nil {
			one.KeyQuery, one.KeyString = &gojq.Query{Term: r.concatenation(one.KeyString, s, nil)}, nil
		} else {
			r.query(one.KeyQuery, s)
		}
		r.pattern(one.Val, s)
	}
}

// literal keeps the digits of a number that is no small whole one.
func (r *rewriter) literal(t *gojq.Term) {
	if _, ok := plainDigits(t.Number); !ok {
		r.refuse(t.Number, "write fewer", "the number has too many digits")
		return
	}
	*t = gojq.Term{Type: gojq.TermTypeQuery, SuffixList: t.SuffixList, Query: &gojq.Query{Term: call("literal", textQuery(t.Number))}}
}

// unary makes -x of 0 - x.
func (r *rewriter) unary(t *gojq.Term, s *scope) {
	operand := &gojq.Query{Term: t.Unary.Term}
	r.query(operand, s)
	if t.Unary.Op != gojq.OpSub {
		return
	}
	zero := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeNumber, Number: "0"}}
	*t = gojq.Term{Type: gojq.TermTypeQuery, SuffixList: t.SuffixList, Query: &gojq.Query{Term: call("subtract", zero, operand)}}
}

// text is a string with expressions in it, or a format.
func (r *rewriter) text(t *gojq.Term, s *scope) {
	var format *gojq.Term
	if t.Type == gojq.TermTypeFormat {
		if !slices.Contains(formats, t.Format) {
			r.refuse(t.Format, "there are "+strings.Join(formats, ", "), "%s is no format of a mapping", t.Format)
			return
		}
		format = &gojq.Term{Type: gojq.TermTypeFormat, Format: t.Format}
		if t.Str == nil {
			*t = gojq.Term{Type: gojq.TermTypeQuery, SuffixList: t.SuffixList, Query: weigh(format)}
			return
		}
	}
	if t.Str.Queries != nil {
		made := r.concatenation(t.Str, s, format)
		*t = gojq.Term{Type: gojq.TermTypeQuery, SuffixList: t.SuffixList, Query: &gojq.Query{Term: made}}
	}
}

// concatenation writes "a\(x)b" as a sum, so that what it makes is counted.
func (r *rewriter) concatenation(text *gojq.String, s *scope, format *gojq.Term) *gojq.Term {
	var sum *gojq.Query
	for _, piece := range text.Queries {
		if piece.Term == nil || piece.Term.Str == nil {
			r.query(piece, s)
			as := call("tostring")
			if format != nil {
				as = format
			}
			piece = pipe(&gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeQuery, Query: piece}}, weigh(as))
		}
		if sum == nil {
			sum = piece
		} else {
			sum = &gojq.Query{Term: call("add2", sum, piece)}
		}
	}
	return &gojq.Term{Type: gojq.TermTypeQuery, Query: sum}
}

func (r *rewriter) function(t *gojq.Term, s *scope) {
	f := t.Func
	if f.Name[0] == '$' {
		if f.Name == "$ENV" || f.Name == "$__prog_args" {
			r.refuse(f.Name, instead["env"], "a mapping sees no environment")
		}
		return
	}
	for _, arg := range f.Args {
		r.query(arg, s)
	}
	arity := len(f.Args)
	switch {
	case s.has(f.Name, arity), slices.Contains(plain[f.Name], arity):
	case slices.Contains(weighed[f.Name], arity):
		*t = gojq.Term{Type: gojq.TermTypeQuery, SuffixList: t.SuffixList, Query: weigh(&gojq.Term{Type: gojq.TermTypeFunc, Func: f})}
	case f.Name == "add" && arity == 1:
		list := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeArray, Array: &gojq.Array{Query: f.Args[0]}}}
		*t = gojq.Term{Type: gojq.TermTypeQuery, SuffixList: t.SuffixList, Query: pipe(list, &gojq.Query{Term: call("add")})}
	case slices.Contains(replaced[f.Name], arity) && (f.Name != "gsub" && f.Name != "sub" || isText(f.Args[1])):
		t.Func = &gojq.Func{Name: ours + f.Name, Args: f.Args}
	default:
		r.refuse(f.Name, unknownFix(f.Name, arity), "there is no function %s/%d in a mapping", f.Name, arity)
	}
}

func unknownFix(name string, arity int) string {
	if fix, ok := instead[name]; ok {
		return fix
	}
	for _, list := range []map[string][]int{plain, weighed, replaced} {
		if arities, ok := list[name]; ok {
			return fmt.Sprintf("%s takes %v arguments, not %d", name, arities, arity)
		}
	}
	return "check its spelling, or define it"
}

// isText reports whether a query is text without expressions.
func isText(q *gojq.Query) bool {
	return q.Term != nil && q.Term.Type == gojq.TermTypeString && q.Term.Str.Queries == nil && len(q.Term.SuffixList) == 0
}

func call(name string, args ...*gojq.Query) *gojq.Term {
	return &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: ours + name, Args: args}}
}

func variable(name string) *gojq.Term {
	return &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: name}}
}

func textQuery(s string) *gojq.Query {
	return &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeString, Str: &gojq.String{Str: s}}}
}

func pipe(l, r *gojq.Query) *gojq.Query { return &gojq.Query{Left: l, Op: gojq.OpPipe, Right: r} }

// weigh puts the count before and behind a function.
func weigh(t *gojq.Term) *gojq.Query {
	return pipe(&gojq.Query{Term: call("weigh")}, pipe(&gojq.Query{Term: t}, &gojq.Query{Term: call("weigh")}))
}
