package tryton

import (
	"bytes"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// Tryton marks what JSON has no type for: {"__class__":"Decimal","decimal":"1"}.
// Quantities are plain numbers, which it keeps as floats; they are rounded to
// the places of their unit before they are sent and after they are read.

// quantityPlaces is more than any unit has, and fewer than a float is exact to.
const quantityPlaces = 8

// number is a quantity or an amount as Tryton answers it; null reads as absent.
type number struct {
	waybill.Decimal
	set bool
}

// UnmarshalJSON reads a marked decimal, a plain number or null.
func (n *number) UnmarshalJSON(b []byte) error {
	*n = number{}
	b = bytes.TrimSpace(b)
	if string(b) == "null" {
		return nil
	}
	text := string(b)
	if len(b) > 0 && b[0] == '{' {
		var marked struct {
			Decimal string `json:"decimal"`
		}
		if err := waybill.Unmarshal(b, &marked); err != nil {
			return fmt.Errorf("a decimal: %w", err)
		}
		text = marked.Decimal
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || len(text) > 64 {
		return fmt.Errorf("%.64q is no number", text)
	}
	d, err := waybill.ParseDecimal(r.FloatString(quantityPlaces))
	if err != nil {
		return fmt.Errorf("%.64q is no number: %w", text, err)
	}
	n.Decimal, n.set = d.Round(quantityPlaces), true
	return nil
}

// flag is a boolean: 1 and 0 on one database of Tryton's, true and false on the
// other.
type flag bool

// UnmarshalJSON reads both spellings; null is false.
func (f *flag) UnmarshalJSON(b []byte) error {
	switch strings.TrimSpace(string(b)) {
	case "1", "true":
		*f = true
	case "0", "false", "null":
		*f = false
	default:
		return fmt.Errorf("%.20q is no yes or no", b)
	}
	return nil
}

func decimalOf(d waybill.Decimal) any {
	return map[string]any{"__class__": "Decimal", "decimal": d.String()}
}

// quantity writes a quantity as the plain number that Tryton takes.
func quantity(d waybill.Decimal) any { return jsontext.Value(d.String()) }

func dateOf(t time.Time) any {
	return map[string]any{"__class__": "date", "year": t.Year(), "month": int(t.Month()), "day": t.Day()}
}

// idOf reads the number of a reference like "sale.line,5"; 0 where it is one of
// another model.
func idOf(reference, model string) int64 {
	text, ok := strings.CutPrefix(reference, model+",")
	if !ok {
		return 0
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return id
}
