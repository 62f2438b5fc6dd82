package mapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/yamlfile"
)

// Rule is a condition over an order and one of its lines: where it is picked,
// whether it is held, which policy it falls under. It is safe for concurrent
// use.
type Rule struct {
	Name   string
	When   string // as it is written
	reads  []string
	lines  bool // it looks at the order's other lines
	runner *vm.Program
}

// Limits of a rule. Loops over lines are not nested, so a rule costs at most
// its nodes times the order's lines.
const (
	ruleBytesMax = 4 << 10
	ruleNodesMax = 500
)

// ruleInput is what a rule sees. Fields are named as on the wire.
type ruleInput struct {
	Order orderInput `expr:"order"`
	Line  lineInput  `expr:"line"`
}

type orderInput struct {
	Order         string      `expr:"order"`
	Customer      string      `expr:"customer"`
	Company       string      `expr:"company"`
	Currency      string      `expr:"currency"`
	PO            string      `expr:"po"`
	Type          string      `expr:"type"`
	Terms         string      `expr:"terms"`
	RequestedShip string      `expr:"requested_ship"`
	CancelAfter   string      `expr:"cancel_after"`
	FreightTerms  string      `expr:"freight_terms"`
	MarkFor       string      `expr:"mark_for"`
	ChannelOrder  string      `expr:"channel_order"`
	ShipComplete  bool        `expr:"ship_complete"`
	ShipTo        partyInput  `expr:"ship_to"`
	BillTo        partyInput  `expr:"bill_to"`
	Lines         []lineInput `expr:"lines"`
}

type partyInput struct {
	ID      string `expr:"id"`
	Name    string `expr:"name"`
	Company string `expr:"company"`
	City    string `expr:"city"`
	Region  string `expr:"region"`
	Postal  string `expr:"postal"`
	Country string `expr:"country"`
	GLN     string `expr:"gln"`
}

type lineInput struct {
	Line        string          `expr:"line"`
	SKU         string          `expr:"sku"`
	Qty         waybill.Decimal `expr:"qty"`
	UOM         string          `expr:"uom"`
	Price       waybill.Decimal `expr:"price"`
	Kind        string          `expr:"kind"`
	CustomerSKU string          `expr:"customer_sku"`
}

// reckonings are the operators on quantities and prices: exact, also with a
// whole number on either side.
var reckonings = func() []expr.Option {
	compared := map[string]func(order int) bool{
		"==": func(o int) bool { return o == 0 }, "!=": func(o int) bool { return o != 0 },
		"<": func(o int) bool { return o < 0 }, "<=": func(o int) bool { return o <= 0 },
		">": func(o int) bool { return o > 0 }, ">=": func(o int) bool { return o >= 0 },
	}
	var options []expr.Option
	for _, sign := range []string{"==", "!=", "<", "<=", ">", ">="} {
		holds, name := compared[sign], "decimal "+sign
		options = append(options, expr.Operator(sign, name), expr.Function(name, func(args ...any) (any, error) {
			return holds(asDecimal(args[0]).Cmp(asDecimal(args[1]))), nil
		}, new(func(a, b waybill.Decimal) bool), new(func(a waybill.Decimal, b int) bool), new(func(a int, b waybill.Decimal) bool)))
	}
	sums := map[string]func(a, b waybill.Decimal) waybill.Decimal{
		"+": waybill.Decimal.Add, "-": waybill.Decimal.Sub, "*": waybill.Decimal.Mul,
	}
	for _, sign := range []string{"+", "-", "*"} {
		f, name := sums[sign], "decimal "+sign
		options = append(options, expr.Operator(sign, name), expr.Function(name, func(args ...any) (any, error) {
			return f(asDecimal(args[0]), asDecimal(args[1])), nil
		}, new(func(a, b waybill.Decimal) waybill.Decimal), new(func(a waybill.Decimal, b int) waybill.Decimal), new(func(a int, b waybill.Decimal) waybill.Decimal)))
	}
	return append(options, expr.Function("decimal", func(args ...any) (any, error) {
		text, ok := args[0].(string)
		if !ok {
			return nil, errors.New(`decimal wants text like "0.5"`)
		}
		return waybill.ParseDecimal(text)
	}, new(func(string) waybill.Decimal)))
}()

func asDecimal(v any) waybill.Decimal {
	if n, ok := v.(int); ok {
		return waybill.NewDecimal(int64(n))
	}
	d, _ := v.(waybill.Decimal)
	return d
}

// ruleFunctions are those of the language that a rule may use. All are bounded
// by their arguments and give one answer for ever.
var ruleFunctions = []string{"all", "any", "none", "one", "count", "len", "lower", "upper", "trim", "hasPrefix", "hasSuffix"}

// CompileRule checks and compiles a rule. The error is a [*SyntaxError].
func CompileRule(name, when string) (*Rule, error) {
	if len(when) > ruleBytesMax {
		return nil, &SyntaxError{Detail: fmt.Sprintf("the rule is above %d KiB", ruleBytesMax>>10), Fix: "split it"}
	}
	r := &Rule{Name: name, When: strings.TrimSpace(when)}
	literals := &literals{source: when}
	options := append([]expr.Option{expr.Env(ruleInput{}), expr.AsBool(), expr.DisableAllBuiltins(),
		expr.MaxNodes(ruleNodesMax), expr.Patch(literals)}, reckonings...)
	for _, f := range ruleFunctions {
		options = append(options, expr.EnableBuiltin(f))
	}
	program, err := expr.Compile(when, options...)
	if err != nil {
		return nil, ruleError(err)
	}
	if err := literals.err; err != nil {
		return nil, err
	}
	c := ruleCheck{rule: r}
	root := program.Node()
	ast.Walk(&root, &c)
	if c.err == nil {
		c.nesting(root, 0)
	}
	if c.err != nil {
		return nil, c.err
	}
	r.runner = program
	return r, nil
}

func ruleError(err error) error {
	var at *file.Error
	if errors.As(err, &at) {
		return &SyntaxError{Line: at.Line, Detail: fmt.Sprintf("%s (column %d)", at.Message, at.Column+1),
			Fix: "a rule sees order and line; quantities compare with numbers, text with text"}
	}
	return &SyntaxError{Detail: err.Error()}
}

// literals makes exact decimals of numbers with a fraction, from their digits
// as they stand in the text.
type literals struct {
	source string
	err    error
}

// Visit replaces a number with a fraction.
func (l *literals) Visit(node *ast.Node) {
	if _, ok := (*node).(*ast.FloatNode); !ok {
		return
	}
	at := (*node).Location()
	text := []rune(l.source)
	end := min(at.To, len(text))
	digits := strings.ReplaceAll(string(text[min(at.From, end):end]), "_", "")
	if plain, ok := plainDigits(digits); !ok {
		l.err = &SyntaxError{Detail: fmt.Sprintf("%q is no decimal number", clip(digits, 40)), Fix: "write it like 0.5"}
	} else if _, err := waybill.ParseDecimal(plain); err != nil {
		l.err = &SyntaxError{Detail: err.Error(), Fix: "write it like 0.5"}
	} else {
		ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: "decimal"}, Arguments: []ast.Node{&ast.StringNode{Value: plain}}})
	}
}

// ruleCheck refuses what could make a rule long or inexact, and notes which
// fields it reads.
type ruleCheck struct {
	rule *Rule
	err  error
}

// Visit looks at one node.
func (c *ruleCheck) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BinaryNode:
		if n.Operator == ".." || n.Operator == "**" || n.Operator == "^" || n.Operator == "/" || n.Operator == "%" {
			c.err = &SyntaxError{Detail: fmt.Sprintf("a rule has no operator %q", n.Operator), Fix: "compare with the product instead: a > 2 * b"}
		}
		if n.Operator == "matches" {
			if _, ok := n.Right.(*ast.StringNode); !ok {
				c.err = &SyntaxError{Detail: "the expression behind matches has to be text", Fix: `write it out: line.sku matches "^E-"`}
			}
		}
	case *ast.MemberNode:
		if path := memberPath(n); path != "" {
			if path == "order.lines" {
				c.rule.lines = true
			} else if readable[path] != nil && !slices.Contains(c.rule.reads, path) {
				c.rule.reads = append(c.rule.reads, path)
			}
		}
	}
}

// nesting refuses a loop inside a loop: with it a rule's cost would grow with
// a power of the order's lines.
func (c *ruleCheck) nesting(n ast.Node, loops int) {
	if b, ok := n.(*ast.BuiltinNode); ok && len(b.Arguments) > 1 {
		if _, isLoop := b.Arguments[1].(*ast.PredicateNode); isLoop {
			if loops++; loops > 1 {
				c.err = &SyntaxError{Detail: b.Name + " stands inside another loop", Fix: "write two rules, or one condition over a single loop"}
				return
			}
			c.nesting(b.Arguments[1].(*ast.PredicateNode).Node, loops)
			return
		}
	}
	for _, child := range children(n) {
		c.nesting(child, loops)
	}
}

// children gives the nodes right below one that can hold a loop.
func children(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.UnaryNode:
		return []ast.Node{n.Node}
	case *ast.BinaryNode:
		return []ast.Node{n.Left, n.Right}
	case *ast.ChainNode:
		return []ast.Node{n.Node}
	case *ast.MemberNode:
		return []ast.Node{n.Node, n.Property}
	case *ast.SliceNode:
		return []ast.Node{n.Node, n.From, n.To}
	case *ast.CallNode:
		return n.Arguments
	case *ast.BuiltinNode:
		return n.Arguments
	case *ast.PredicateNode:
		return []ast.Node{n.Node}
	case *ast.VariableDeclaratorNode:
		return []ast.Node{n.Value, n.Expr}
	case *ast.SequenceNode:
		return n.Nodes
	case *ast.ConditionalNode:
		return []ast.Node{n.Cond, n.Exp1, n.Exp2}
	case *ast.ArrayNode:
		return n.Nodes
	case *ast.MapNode:
		return n.Pairs
	case *ast.PairNode:
		return []ast.Node{n.Key, n.Value}
	}
	return nil
}

// memberPath writes a.b.c, empty for what is no plain path.
func memberPath(n *ast.MemberNode) string {
	property, ok := n.Property.(*ast.StringNode)
	if !ok {
		return ""
	}
	switch base := n.Node.(type) {
	case *ast.IdentifierNode:
		return base.Value + "." + property.Value
	case *ast.MemberNode:
		if path := memberPath(base); path != "" {
			return path + "." + property.Value
		}
	}
	return ""
}

// readable are the fields whose values a rule's why can show.
var readable = map[string]func(*ruleInput) string{
	"line.line": func(i *ruleInput) string { return i.Line.Line }, "line.sku": func(i *ruleInput) string { return i.Line.SKU },
	"line.qty": func(i *ruleInput) string { return i.Line.Qty.String() }, "line.uom": func(i *ruleInput) string { return i.Line.UOM },
	"line.price": func(i *ruleInput) string { return i.Line.Price.String() }, "line.kind": func(i *ruleInput) string { return i.Line.Kind },
	"line.customer_sku": func(i *ruleInput) string { return i.Line.CustomerSKU },
	"order.customer":    func(i *ruleInput) string { return i.Order.Customer }, "order.type": func(i *ruleInput) string { return i.Order.Type },
	"order.po": func(i *ruleInput) string { return i.Order.PO }, "order.company": func(i *ruleInput) string { return i.Order.Company },
	"order.currency": func(i *ruleInput) string { return i.Order.Currency }, "order.terms": func(i *ruleInput) string { return i.Order.Terms },
	"order.requested_ship": func(i *ruleInput) string { return i.Order.RequestedShip }, "order.freight_terms": func(i *ruleInput) string { return i.Order.FreightTerms },
	"order.ship_to.country": func(i *ruleInput) string { return i.Order.ShipTo.Country }, "order.ship_to.region": func(i *ruleInput) string { return i.Order.ShipTo.Region },
}

// Matches says whether the rule holds for a line of an order, and why, in
// words to be kept with the decision: the rule, its condition and the values
// that it looked at. Names and addresses are not repeated there.
func (r *Rule) Matches(order *waybill.Order, line *waybill.OrderLine) (bool, string, error) {
	in := ruleInput{Order: orderOf(order, r.lines), Line: lineOf(line)}
	v, err := expr.Run(r.runner, in)
	if err != nil {
		return false, "", fmt.Errorf("rule %s on line %s of order %s: %w", r.Name, line.Line, order.Order, err)
	}
	held, _ := v.(bool)
	verdict := "does not hold"
	if held {
		verdict = "holds"
	}
	values := make([]string, len(r.reads))
	for i, path := range r.reads {
		values[i] = path + " is " + clip(readable[path](&in), 60)
	}
	why := fmt.Sprintf("rule %s (%s) %s", r.Name, r.When, verdict)
	if len(values) > 0 {
		why += ": " + strings.Join(values, ", ")
	}
	return held, why, nil
}

// Predicate is a rule as a plain condition: a rule that fails does not hold.
type Predicate struct{ Rule *Rule }

// Matches says whether the rule holds for a line of an order.
func (p Predicate) Matches(order *waybill.Order, line *waybill.OrderLine) bool {
	held, _, err := p.Rule.Matches(order, line)
	return held && err == nil
}

func orderOf(o *waybill.Order, withLines bool) orderInput {
	in := orderInput{Order: o.Order, Customer: o.Customer, Company: o.Company, Currency: o.Currency, PO: o.PO,
		Type: string(o.Type), Terms: o.Terms, RequestedShip: o.RequestedShip, CancelAfter: o.CancelAfter,
		FreightTerms: o.FreightTerms, MarkFor: o.MarkFor, ChannelOrder: o.ChannelOrder, ShipComplete: o.ShipComplete,
		ShipTo: partyOf(o.ShipTo), BillTo: partyOf(o.BillTo)}
	if in.Type == "" {
		in.Type = string(waybill.OrderStandard)
	}
	if withLines {
		in.Lines = make([]lineInput, len(o.Lines))
		for i := range o.Lines {
			in.Lines[i] = lineOf(&o.Lines[i])
		}
	}
	return in
}

func partyOf(p *waybill.Party) partyInput {
	if p == nil {
		return partyInput{}
	}
	return partyInput{ID: p.ID, Name: p.Name, Company: p.Company, City: p.City, Region: p.Region, Postal: p.Postal, Country: p.Country, GLN: p.GLN}
}

func lineOf(l *waybill.OrderLine) lineInput {
	in := lineInput{Line: l.Line, SKU: l.SKU, Qty: l.Qty, UOM: l.UOM, Price: l.Price, Kind: string(l.Kind), CustomerSKU: l.CustomerSKU}
	if in.Kind == "" {
		in.Kind = string(waybill.LineStock)
	}
	return in
}

func (f *File) compileRules(y *yamlfile.File, bodies []ruleBody) {
	for i, b := range bodies {
		if !nameForm.MatchString(b.Name) || f.Rule(b.Name) != nil {
			y.Wrong(fmt.Sprintf("%q can't be a rule's name, or another has it", clip(b.Name, 60)), nameFix, "rules", i, "name")
			continue
		}
		r, err := CompileRule(b.Name, b.When)
		if err != nil {
			syntax(y, err, 0, "rules", i, "when")
			continue
		}
		f.rules = append(f.rules, r)
	}
}
