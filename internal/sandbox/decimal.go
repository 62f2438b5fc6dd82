package sandbox

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// amount is an exact decimal in millionths. The systems here count pieces and
// cents; a number with more than six decimals, or of a size no order has, is
// an error and never rounded.
type amount int64

// one is the amount 1.
const one amount = 1_000_000

// amountDigits bounds the digits before the point, so that sums can't overflow.
const amountDigits = 12

// pieces gives the amount of n whole units.
func pieces(n int) amount { return amount(n) * one }

// cents gives the amount of n hundredths.
func cents(n int) amount { return amount(n) * (one / 100) }

// parseAmount reads a decimal string such as "5", "-2.5" or "9.90".
func parseAmount(s string) (amount, error) {
	digits, negative := strings.CutPrefix(s, "-")
	whole, fraction, point := strings.Cut(digits, ".")
	if whole == "" || len(whole) > amountDigits || point && (fraction == "" || len(fraction) > 6) {
		return 0, fmt.Errorf("%q is no decimal of at most %d digits and 6 decimals", s, amountDigits)
	}
	var v int64
	for _, part := range [2]string{whole, (fraction + "000000")[:6]} {
		for _, c := range []byte(part) {
			if c < '0' || c > '9' {
				return 0, fmt.Errorf("%q is no decimal", s)
			}
			v = v*10 + int64(c-'0')
		}
	}
	if negative {
		v = -v
	}
	return amount(v), nil
}

// appendAmount writes a without needless zeros: 5, -2.5, 9.9.
func appendAmount(b []byte, a amount) []byte {
	if a < 0 {
		b, a = append(b, '-'), -a
	}
	b = strconv.AppendInt(b, int64(a/one), 10)
	if f := int64(a % one); f != 0 {
		text := strings.TrimRight(strconv.FormatInt(int64(one)+f, 10)[1:], "0")
		b = append(append(b, '.'), text...)
	}
	return b
}

// String writes a as a decimal without needless zeros.
func (a amount) String() string { return string(appendAmount(nil, a)) }

// money writes a with two decimals, as prices are written; what is finer than
// a hundredth is rounded half away from zero.
func (a amount) money() string {
	if a < 0 || a%(one/100) != 0 {
		return a.ratio().FloatString(2)
	}
	b := strconv.AppendInt(make([]byte, 0, 16), int64(a/one), 10)
	hundredths := byte(a % one / (one / 100))
	return string(append(b, '.', '0'+hundredths/10, '0'+hundredths%10))
}

// small says whether a product of two such numbers fits.
func (a amount) small() bool { return a > -1<<31 && a < 1<<31 }

// ratio gives a as an exact fraction.
func (a amount) ratio() *big.Rat { return big.NewRat(int64(a), int64(one)) }

// times multiplies exactly; a product finer than a millionth is rounded half
// away from zero.
func (a amount) times(b amount) amount {
	if b%one == 0 && a.small() && (b / one).small() {
		return a * (b / one)
	}
	r := new(big.Rat).Mul(a.ratio(), b.ratio())
	v, err := parseAmount(r.FloatString(6))
	if err != nil {
		return 0
	}
	return v
}
