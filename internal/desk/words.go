package desk

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/tower"
)

// money writes an amount as people read it, code first: "EUR 4,812.60". An
// amount without a currency is none.
func money(m waybill.Money) string {
	if m.Currency == "" {
		return ""
	}
	text := waybill.FormatAmount(m.Amount, m.Currency)
	sign, whole := "", text
	if rest, negative := strings.CutPrefix(text, "-"); negative {
		sign, whole = "-", rest
	}
	whole, cents, fraction := strings.Cut(whole, ".")
	whole = grouped(whole)
	if fraction {
		whole += "." + cents
	}
	return m.Currency + " " + sign + whole
}

// grouped sets a comma before each three digits from the right. What is no
// plain number stays as it is.
func grouped(digits string) string {
	if strings.Trim(digits, "0123456789") != "" {
		return digits
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// purse holds sums by currency: amounts in different ones are never added.
type purse map[string]waybill.Decimal

func (p purse) put(m waybill.Money) {
	if m.Currency != "" && !m.Amount.IsZero() {
		p[m.Currency] = p[m.Currency].Add(m.Amount)
	}
}

// text writes the sums, currencies in order.
func (p purse) text() []string {
	codes := make([]string, 0, len(p))
	for code := range p {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	out := make([]string, 0, len(codes))
	for _, code := range codes {
		out = append(out, money(waybill.Money{Amount: p[code], Currency: code}))
	}
	return out
}

// total is what an order comes to as its version in force states it: lines,
// charges and tax. An order without a single price has none.
func total(o *waybill.Order) string {
	if o == nil || o.Currency == "" {
		return ""
	}
	priced := !o.Tax.IsZero()
	sum := o.Tax
	for _, l := range o.Lines {
		priced = priced || !l.Price.IsZero()
		sum = sum.Add(l.Qty.Mul(l.Price))
	}
	for _, c := range o.Charges {
		priced = priced || !c.Amount.IsZero()
		sum = sum.Add(c.Amount)
	}
	if !priced {
		return ""
	}
	return money(waybill.Money{Amount: waybill.RoundAmount(sum, o.Currency), Currency: o.Currency})
}

// buyer is how a list names who ordered: the company, else the person that the
// goods go to, else the customer's number.
func buyer(o *waybill.Order, customer string) string {
	if o == nil {
		return customer
	}
	for _, p := range []*waybill.Party{o.BillTo, o.ShipTo} {
		if p != nil && p.Company != "" {
			return p.Company
		}
	}
	if o.ShipTo != nil && o.ShipTo.Name != "" {
		return o.ShipTo.Name
	}
	return cmp.Or(o.Customer, customer)
}

// destination is where the goods go, in one line.
func destination(p *waybill.Party) string {
	if p == nil {
		return ""
	}
	var parts []string
	for _, s := range []string{cmp.Or(p.Company, p.Name, p.ID), p.City, p.Region, p.Country} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ", ")
}

// The steps of a bar, the furthest first; the last one is everything.
var barStages = []string{"returned", "invoiced", "posted", "shipped", "picked", "allocated", "open"}

// reach is how many units of a line came at least as far as each of barStages.
func reach(l process.LineView) []waybill.Decimal {
	most := waybill.MaxDecimal
	got := []waybill.Decimal{l.Returned, l.Invoiced, l.Posted, l.Shipped, most(l.Picked, l.Packed), l.Allocated, l.Ordered.Sub(l.Cancelled)}
	for i := range got {
		got[i] = most(got[i], waybill.Decimal{})
		if i > 0 {
			got[i] = most(got[i], got[i-1])
		}
	}
	return got
}

// bar counts each unit of the lines once, at its furthest stage.
func bar(lines ...process.LineView) tower.Bar {
	far := make([]waybill.Decimal, len(barStages))
	for _, l := range lines {
		for i, q := range reach(l) {
			far[i] = far[i].Add(q)
		}
	}
	whole := far[len(far)-1]
	if whole.Sign() <= 0 {
		return nil
	}
	var out tower.Bar
	before, seen := waybill.Decimal{}, 0
	for i, q := range far {
		part := q.Sub(before)
		before = q
		if part.IsZero() {
			continue
		}
		upTo := permille(q, whole)
		out = append(out, tower.Segment{Stage: barStages[i], Qty: part.String(), Permille: upTo - seen})
		seen = upTo
	}
	return out
}

// permille is a share of a whole in whole thousandths, exact until it is
// rounded.
func permille(part, whole waybill.Decimal) int {
	n, err := strconv.Atoi(part.Mul(waybill.NewDecimal(1000)).Quo(whole).Fixed(0))
	if err != nil { // more than a whole: no bar
		return 0
	}
	return n
}

// words writes a snake_case name as words.
func words(name string) string { return strings.NewReplacer("_", " ", "~", " ").Replace(name) }

// sentence writes a snake_case name as the beginning of a sentence.
func sentence(name string) string {
	if name == "" {
		return ""
	}
	w := words(name)
	return strings.ToUpper(w[:1]) + w[1:]
}

// joined writes the parts that are not empty with a separator.
func joined(sep string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), sep)
}

// counted writes a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(strconv.Itoa(n)) + " " + many
}

// span writes milliseconds in the unit that people would use.
func span(ms float64) string {
	tenths := int64(ms/100 + 0.5) // of a second
	switch {
	case tenths < 10:
		return fmt.Sprintf("%d ms", int64(ms+0.5))
	case tenths < 600:
		return fmt.Sprintf("%d.%d s", tenths/10, tenths%10)
	case tenths < 36000:
		return fmt.Sprintf("%d min", tenths/600)
	}
	return fmt.Sprintf("%d h %02d", tenths/36000, tenths%36000/600)
}
