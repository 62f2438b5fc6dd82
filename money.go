package waybill

// Money is an exact amount in one currency (ISO 4217). Amounts in different
// currencies are never added.
type Money struct {
	Amount   Decimal `json:"amount"`
	Currency string  `json:"currency"`
}

// String writes code and amount with the currency's minor units: "EUR 4812.60".
func (m Money) String() string { return m.Currency + " " + FormatAmount(m.Amount, m.Currency) }

// minorUnits lists the currencies whose minor unit is not a hundredth
// (ISO 4217, list one, column "minor units").
var minorUnits = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
	"RWF": 0, "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
	"CLF": 4, "UYW": 4,
}

// MinorUnits is the number of places a currency's amounts have after the
// point: 2 for most, 0 for the yen, 3 for the Kuwaiti dinar.
func MinorUnits(currency string) int {
	if n, ok := minorUnits[currency]; ok {
		return n
	}
	return 2
}

// RoundAmount rounds an amount to its currency's minor units.
func RoundAmount(d Decimal, currency string) Decimal { return d.Round(MinorUnits(currency)) }

// FormatAmount writes an amount with at least the currency's minor units. A
// price finer than that ("0.0125") keeps its places.
func FormatAmount(d Decimal, currency string) string {
	places := MinorUnits(currency)
	var buf [24]byte
	if b, ok := d.appendPlaces(buf[:0], places); ok {
		return string(b)
	}
	if s := d.Fixed(places); MustDecimal(s).Equal(d) {
		return s
	}
	return d.String()
}
