package waybill

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Decimal is an exact number: a quantity in a unit or an amount of money. It
// is kept as a reduced fraction, so that a pack of 12 converted to its third
// and back is still a pack of 12 (system contract G5: exact rationals), and
// written as a plain decimal string whenever it is one.
//
// The zero value is 0. Decimals are values: no operation changes its
// operands. Numbers up to 18 digits are held without allocation; larger ones
// fall back to math/big and stay exact.
type Decimal struct {
	num int64
	den int64    // 0 means 1; always positive and reduced
	big *big.Rat // set only where num/den do not fit
}

// DigitsMax bounds the digits a decimal string may have, before and after the
// point together. Longer ones are refused rather than computed with.
const DigitsMax = 60

// NewDecimal returns the whole number n.
func NewDecimal(n int64) Decimal { return Decimal{num: n} }

// MustDecimal is ParseDecimal for constants in code and tests; it panics on
// text that is no decimal.
func MustDecimal(s string) Decimal {
	d, err := ParseDecimal(s)
	if err != nil {
		panic(err)
	}
	return d
}

// ParseDecimal reads a plain decimal string such as "12", "-0.50" or
// "1234567.891". Exponents, signs other than a leading minus, spaces and
// grouping are refused. It also reads the form String writes for numbers that
// are no finite decimal ("1/3").
func ParseDecimal(s string) (Decimal, error) {
	if n, d, isFraction := strings.Cut(s, "/"); isFraction {
		num, err := parsePlain(n)
		if err != nil {
			return Decimal{}, err
		}
		den, err := parsePlain(d)
		if err != nil {
			return Decimal{}, err
		}
		if den.Sign() <= 0 {
			return Decimal{}, fmt.Errorf("%q is not a decimal: the denominator must be above zero", clip(s))
		}
		return num.Quo(den), nil
	}
	return parsePlain(s)
}

func parsePlain(s string) (Decimal, error) {
	digits, neg := s, false
	if strings.HasPrefix(digits, "-") {
		digits, neg = digits[1:], true
	}
	var num int64
	den, count, fraction, fits := int64(1), 0, false, true
	for i := 0; i < len(digits); i++ {
		c := digits[i]
		if c == '.' && !fraction && i > 0 && i < len(digits)-1 {
			fraction = true
			continue
		}
		if c < '0' || c > '9' {
			return Decimal{}, fmt.Errorf("%q is not a decimal: want digits with at most one point, like \"12.50\"", clip(s))
		}
		count++
		if count > 18 {
			fits = false
			continue
		}
		num = num*10 + int64(c-'0')
		if fraction {
			den *= 10
		}
	}
	switch {
	case count == 0:
		return Decimal{}, fmt.Errorf("%q is not a decimal: it has no digits", clip(s))
	case count > DigitsMax:
		return Decimal{}, fmt.Errorf("%q is not a decimal: more than %d digits", clip(s), DigitsMax)
	case !fits:
		r, ok := new(big.Rat).SetString(s)
		if !ok {
			return Decimal{}, fmt.Errorf("%q is not a decimal", clip(s))
		}
		return fromBig(r), nil
	}
	if neg {
		num = -num
	}
	return reduce(num, den), nil
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

func (d Decimal) denominator() int64 {
	if d.den == 0 {
		return 1
	}
	return d.den
}

func (d Decimal) rat() *big.Rat {
	if d.big != nil {
		return d.big
	}
	return big.NewRat(d.num, d.denominator())
}

func fromBig(r *big.Rat) Decimal {
	if r.Num().IsInt64() && r.Denom().IsInt64() {
		return reduce(r.Num().Int64(), r.Denom().Int64())
	}
	return Decimal{big: r}
}

// reduce wants den > 0.
func reduce(num, den int64) Decimal {
	if num == 0 {
		return Decimal{}
	}
	if den == 1 {
		return Decimal{num: num}
	}
	a, b := num, den
	if a < 0 {
		a = -a
	}
	for b != 0 {
		a, b = b, a%b
	}
	if a > 1 { // a stays negative only for the smallest int64, where nothing is gained
		num, den = num/a, den/a
	}
	if den == 1 {
		den = 0
	}
	return Decimal{num: num, den: den}
}

// mul64 multiplies without overflow, or reports that it can't.
func mul64(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(abs64(a)), uint64(abs64(b)))
	if hi != 0 || lo > 1<<62 {
		return 0, false
	}
	if (a < 0) != (b < 0) {
		return -int64(lo), true
	}
	return int64(lo), true
}

func abs64(a int64) int64 {
	if a < 0 {
		return -a
	}
	return a
}

// Add returns d + e.
func (d Decimal) Add(e Decimal) Decimal {
	if d.big == nil && e.big == nil {
		dd, ed := d.denominator(), e.denominator()
		if dd == ed {
			if sum := d.num + e.num; abs64(d.num) < 1<<61 && abs64(e.num) < 1<<61 {
				return reduce(sum, dd)
			}
		}
		a, ok1 := mul64(d.num, ed)
		b, ok2 := mul64(e.num, dd)
		den, ok3 := mul64(dd, ed)
		if ok1 && ok2 && ok3 && abs64(a) < 1<<61 && abs64(b) < 1<<61 {
			return reduce(a+b, den)
		}
	}
	return fromBig(new(big.Rat).Add(d.rat(), e.rat()))
}

// Neg returns -d.
func (d Decimal) Neg() Decimal {
	if d.big != nil {
		return fromBig(new(big.Rat).Neg(d.big))
	}
	return Decimal{num: -d.num, den: d.den}
}

// Sub returns d - e.
func (d Decimal) Sub(e Decimal) Decimal { return d.Add(e.Neg()) }

// Mul returns d × e.
func (d Decimal) Mul(e Decimal) Decimal {
	if d.big == nil && e.big == nil {
		n, ok1 := mul64(d.num, e.num)
		m, ok2 := mul64(d.denominator(), e.denominator())
		if ok1 && ok2 {
			return reduce(n, m)
		}
	}
	return fromBig(new(big.Rat).Mul(d.rat(), e.rat()))
}

// Quo returns d ÷ e, exactly. Dividing by zero returns zero: callers that can
// meet a zero divisor ask for its sign first.
func (d Decimal) Quo(e Decimal) Decimal {
	if e.Sign() == 0 {
		return Decimal{}
	}
	return fromBig(new(big.Rat).Quo(d.rat(), e.rat()))
}

// Cmp is -1, 0 or +1 as d is below, equal to or above e.
func (d Decimal) Cmp(e Decimal) int {
	if d.big == nil && e.big == nil && d.den == e.den {
		switch {
		case d.num < e.num:
			return -1
		case d.num > e.num:
			return 1
		}
		return 0
	}
	return d.rat().Cmp(e.rat())
}

// Equal reports whether d and e are the same number; 5, 5.0 and 10/2 are.
func (d Decimal) Equal(e Decimal) bool { return d.Cmp(e) == 0 }

// Sign is -1, 0 or +1.
func (d Decimal) Sign() int {
	if d.big != nil {
		return d.big.Sign()
	}
	switch {
	case d.num < 0:
		return -1
	case d.num > 0:
		return 1
	}
	return 0
}

// IsZero reports whether d is 0; encoders use it to leave empty fields out.
func (d Decimal) IsZero() bool { return d.Sign() == 0 }

// MinDecimal returns the lesser of a and b.
func MinDecimal(a, b Decimal) Decimal {
	if a.Cmp(b) <= 0 {
		return a
	}
	return b
}

// MaxDecimal returns the greater of a and b.
func MaxDecimal(a, b Decimal) Decimal {
	if a.Cmp(b) >= 0 {
		return a
	}
	return b
}

// Round returns d rounded to so many places after the point, halves away from
// zero, as commercial documents are rounded.
func (d Decimal) Round(places int) Decimal {
	r, err := ParseDecimal(d.Fixed(places))
	if err != nil {
		return d
	}
	return r
}

// Fixed writes d with exactly so many places after the point, rounding halves
// away from zero: 9.9 with 2 places is "9.90".
func (d Decimal) Fixed(places int) string {
	return d.rat().FloatString(places)
}

// String writes d as the shortest exact decimal ("9.9", "12"), or as a
// fraction ("1/3") where no finite decimal is exact.
func (d Decimal) String() string {
	if d.big == nil && d.den == 0 {
		return strconv.FormatInt(d.num, 10)
	}
	var buf [24]byte
	if b, ok := d.appendPlaces(buf[:0], 0); ok {
		return string(b)
	}
	r := d.rat()
	places, exact := r.FloatPrec()
	if !exact {
		return r.RatString()
	}
	return r.FloatString(places)
}

// appendPlaces writes d exactly, with as few places after the point as that
// takes and never fewer than least. It reports false for numbers that need
// more than 64 bits, or are no finite decimal.
func (d Decimal) appendPlaces(b []byte, least int) ([]byte, bool) {
	if d.big != nil {
		return b, false
	}
	den, scale, places := d.denominator(), int64(1), 0
	for places < least || scale%den != 0 {
		if places == 18 {
			return b, false
		}
		scale *= 10
		places++
	}
	n, ok := mul64(d.num, scale/den)
	if !ok {
		return b, false
	}
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	start := len(b)
	b = strconv.AppendInt(b, n, 10)
	if places == 0 {
		return b, true
	}
	for len(b)-start <= places { // a digit before the point, and all after it
		b = slices.Insert(b, start, '0')
	}
	b = append(b, 0)
	point := len(b) - 1 - places
	copy(b[point+1:], b[point:])
	b[point] = '.'
	return b, true
}

// MarshalText writes String.
func (d Decimal) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads ParseDecimal.
func (d *Decimal) UnmarshalText(b []byte) error {
	v, err := ParseDecimal(string(b))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// UnmarshalJSON reads a decimal string. A bare JSON number is read by its
// text, digit by digit, and never as a float; one with an exponent is refused.
func (d *Decimal) UnmarshalJSON(b []byte) error {
	s := string(b)
	if s == "null" {
		return nil
	}
	if len(s) >= 2 && s[0] == '"' {
		s = s[1 : len(s)-1]
	}
	if s == "" {
		return errors.New("empty string where a decimal is wanted, like \"12.50\"")
	}
	return d.UnmarshalText([]byte(s))
}

// MarshalJSON writes a decimal string.
func (d Decimal) MarshalJSON() ([]byte, error) { return []byte(`"` + d.String() + `"`), nil }
