package waybill

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// The fast way of writing a decimal and the one by way of big.Rat agree.
func TestDecimal_WritesAsBigRatDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		num := rapid.Int64().Draw(t, "num")
		den := rapid.SampledFrom([]int64{1, 2, 3, 4, 5, 8, 10, 12, 100, 125, 1000, 1 << 20, 1e6, 1e12, 1e18}).Draw(t, "den")
		d := NewDecimal(num).Quo(NewDecimal(den))
		r := big.NewRat(num, den)
		want := r.RatString()
		if places, exact := r.FloatPrec(); exact {
			want = r.FloatString(places)
		}
		if got := d.String(); got != want {
			t.Fatalf("%d/%d: String is %s, want %s", num, den, got, want)
		}
		if back, err := ParseDecimal(d.String()); err != nil || !back.Equal(d) {
			t.Fatalf("%s reads back as %s, %v", d, back, err)
		}
		amount := r.FloatString(2)
		if places, exact := r.FloatPrec(); !exact || places > 2 {
			amount = want
		}
		if got := FormatAmount(d, "EUR"); got != amount {
			t.Fatalf("%d/%d: amount is %s, want %s", num, den, got, amount)
		}
	})
}
