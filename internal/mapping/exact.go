package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"

	"github.com/waybillhq/waybill"
)

// Numbers in a mapping are exact decimals. jq's own operators would turn 0.1
// into a binary fraction, so the rewriting of a program (rewrite.go) puts the
// functions of this file in their place.

// plainDigits writes a JSON number without exponent: "1.5e3" is "1500". ok is
// false for what is no number, or one with too many digits.
func plainDigits(text string) (string, bool) {
	mantissa, exponent, shifted := strings.Cut(strings.ToLower(text), "e")
	if len(mantissa) > numberDigitsMax || mantissa == "" {
		return "", false
	}
	if !shifted {
		return mantissa, true
	}
	shift, err := strconv.Atoi(exponent)
	if err != nil || shift > numberDigitsMax || shift < -numberDigitsMax {
		return "", false
	}
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	point := len(whole) + shift
	digits := whole + fraction
	switch {
	case point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + digits, true
	case point >= len(digits):
		digits += strings.Repeat("0", point-len(digits))
		if digits = strings.TrimLeft(digits, "0"); digits == "" {
			digits = "0"
		}
		return sign + digits, true
	}
	return sign + digits[:point] + "." + digits[point:], true
}

// decimalOf reads a number of a program exactly.
func decimalOf(v any) (waybill.Decimal, bool) {
	text := ""
	switch v := v.(type) {
	case int:
		return waybill.NewDecimal(int64(v)), true
	case json.Number:
		text = string(v)
	case *big.Int:
		text = v.String()
	case float64: // a time in seconds, a length: whole
		if v != math.Trunc(v) || math.Abs(v) >= 1<<53 {
			return waybill.Decimal{}, false
		}
		return waybill.NewDecimal(int64(v)), true
	default:
		return waybill.Decimal{}, false
	}
	plain, ok := plainDigits(text)
	if !ok {
		return waybill.Decimal{}, false
	}
	d, err := waybill.ParseDecimal(plain)
	return d, err == nil
}

var errNotFinite = errors.New("the quotient has no end; say how many places it shall have: div(a; b; places)")

// ofDecimal gives a program a number.
func ofDecimal(d waybill.Decimal) any {
	text := d.String()
	if strings.Contains(text, "/") {
		return errNotFinite
	}
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	if len(text) > numberDigitsMax {
		return fmt.Errorf("a number of %d digits; at most %d are possible", len(text), numberDigitsMax)
	}
	return json.Number(text)
}

func (m *meter) add(l, r any) any {
	if a, ok := l.(int); ok {
		if b, ok := r.(int); ok && a < 1<<62 && a > -1<<62 && b < 1<<62 && b > -1<<62 {
			return a + b
		}
	}
	if l == nil {
		return r
	}
	if r == nil {
		return l
	}
	switch a := l.(type) {
	case string:
		if b, ok := r.(string); ok {
			if err := m.charge(len(a) + len(b)); err != nil {
				return err
			}
			return a + b
		}
	case []any:
		if b, ok := r.([]any); ok {
			if err := m.charge(16 * (len(a) + len(b))); err != nil {
				return err
			}
			return append(append(make([]any, 0, len(a)+len(b)), a...), b...)
		}
	case map[string]any:
		if b, ok := r.(map[string]any); ok {
			return m.merge(a, b)
		}
	}
	return reckon(l, r, "+", waybill.Decimal.Add)
}

func (m *meter) merge(a, b map[string]any) any {
	if err := m.charge(48 * (len(a) + len(b))); err != nil {
		return err
	}
	both := make(map[string]any, len(a)+len(b))
	for k, v := range a {
		both[k] = v
	}
	for k, v := range b {
		both[k] = v
	}
	return both
}

// reckon applies a decimal's operation to two numbers.
func reckon(l, r any, sign string, f func(a, b waybill.Decimal) waybill.Decimal) any {
	a, ok := decimalOf(l)
	b, also := decimalOf(r)
	if _, long := l.(json.Number); long && !ok {
		return fmt.Errorf("%s %s %s: the first has too many digits to reckon with", describe(l), sign, describe(r))
	}
	if !ok || !also {
		return fmt.Errorf("%s %s %s: both have to be numbers; tonumber makes one of text", describe(l), sign, describe(r))
	}
	return ofDecimal(f(a, b))
}

func (m *meter) subtract(l, r any) any {
	if a, ok := l.([]any); ok {
		b, ok := r.([]any)
		if !ok {
			return fmt.Errorf("%s - %s: want two lists or two numbers", describe(l), describe(r))
		}
		if err := m.charge(16 * (len(a) + 1) * (len(b) + 1)); err != nil {
			return err
		}
		rest := []any{}
		for _, v := range a {
			kept := true
			for _, w := range b {
				kept = kept && compare(v, w) != 0
			}
			if kept {
				rest = append(rest, v)
			}
		}
		return rest
	}
	return reckon(l, r, "-", waybill.Decimal.Sub)
}

func (m *meter) multiply(l, r any) any { return reckon(l, r, "*", waybill.Decimal.Mul) }

func (m *meter) divide(l, r any) any {
	if b, ok := decimalOf(r); ok && b.IsZero() {
		return fmt.Errorf("%s / 0", describe(l))
	}
	return reckon(l, r, "/", waybill.Decimal.Quo)
}

func (m *meter) modulo(l, r any) any {
	a, ok := l.(int)
	b, also := r.(int)
	if !ok || !also || b == 0 {
		return fmt.Errorf("%s %% %s: want two whole numbers, and not by 0", describe(l), describe(r))
	}
	return a % b
}

// quotient is div(a; b; places): rounded half up, as money is.
func quotient(_ any, args []any) any {
	a, ok := amountOf(args[0])
	b, also := amountOf(args[1])
	places, whole := args[2].(int)
	if !ok || !also || b.IsZero() || !whole || places < 0 || places > 20 {
		return fmt.Errorf("div(%s; %s; %s): want two numbers, the second not 0, and 0 to 20 places", describe(args[0]), describe(args[1]), describe(args[2]))
	}
	return ofDecimal(a.Quo(b).Round(places))
}

// amountOf is decimalOf that also reads decimal text.
func amountOf(v any) (waybill.Decimal, bool) {
	if s, ok := v.(string); ok {
		n := toNumber(s)
		if _, failed := n.(error); failed {
			return waybill.Decimal{}, false
		}
		v = n
	}
	return decimalOf(v)
}

// rounded is round(places) and round.
func rounded(v any, args []any) any {
	places := 0
	if len(args) > 0 {
		n, ok := args[0].(int)
		if !ok || n < 0 || n > 20 {
			return fmt.Errorf("round(%s): want 0 to 20 places", describe(args[0]))
		}
		places = n
	}
	d, ok := decimalOf(v)
	if !ok {
		return fmt.Errorf("round of %s: want a number", describe(v))
	}
	return ofDecimal(d.Round(places))
}

// fixed is fixed(places): the number or decimal text with that many places, as
// text.
func fixed(v any, args []any) any {
	places, whole := args[0].(int)
	d, ok := amountOf(v)
	if !ok || !whole || places < 0 || places > 20 {
		return fmt.Errorf("%s | fixed(%s): want a number, and 0 to 20 places", describe(v), describe(args[0]))
	}
	return d.Fixed(places)
}

func absolute(v any, _ []any) any {
	d, ok := decimalOf(v)
	if !ok {
		return fmt.Errorf("abs of %s: want a number", describe(v))
	}
	if d.Sign() < 0 {
		d = d.Neg()
	}
	return ofDecimal(d)
}

func floor(v any, _ []any) any {
	d, ok := decimalOf(v)
	if !ok {
		return fmt.Errorf("floor of %s: want a number", describe(v))
	}
	whole := d.Round(0)
	if whole.Cmp(d) > 0 {
		whole = whole.Sub(waybill.NewDecimal(1))
	}
	return ofDecimal(whole)
}

// toNumber is tonumber: a JSON number in text, exactly as it is written.
func toNumber(v any) any {
	switch v := v.(type) {
	case int, json.Number, *big.Int, float64:
		return v
	case string:
		if isNumber(v) {
			n, err := number(v)
			if err != nil {
				return err
			}
			return n
		}
	}
	return fmt.Errorf("%s is no number", describe(v))
}

// isNumber reports whether text is a number as JSON writes it.
func isNumber(text string) bool {
	if text == "" || len(text) > numberDigitsMax {
		return false
	}
	last := text[len(text)-1]
	return (text[0] == '-' || digit(text[0])) && digit(last) && json.Valid([]byte(text))
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// compare orders two values as jq does, numbers exactly.
func compare(l, r any) int {
	a, ok := decimalOf(l)
	if b, also := decimalOf(r); ok && also {
		return a.Cmp(b)
	}
	return gojq.Compare(l, r)
}

func equal(l, r any) bool {
	switch a := l.(type) {
	case string:
		b, ok := r.(string)
		return ok && a == b
	case nil:
		return r == nil
	case bool:
		b, ok := r.(bool)
		return ok && a == b
	}
	return compare(l, r) == 0
}

// describe names a value in an error: its type, and what it is where that is
// short.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "the text " + strconv.Quote(clip(v, 40))
	case []any:
		return fmt.Sprintf("a list of %d", len(v))
	case map[string]any:
		return "an object"
	}
	return clip(fmt.Sprint(v), 40)
}
