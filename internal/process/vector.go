package process

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/waybillhq/waybill"
)

// entry is the quantity of one line, named by its place in the order's table
// of lines.
type entry struct {
	line int
	qty  waybill.Decimal
}

// vector holds quantities by line, in ascending order of lines; a fact that
// came in several units may name a line more than once, in its own order.
type vector []entry

// row holds one quantity for every line of the table.
type row []waybill.Decimal

// of returns the quantity of a line; has says whether the vector names it.
func (v vector) of(line int) (qty waybill.Decimal, has bool) {
	if line < len(v) && v[line].line == line { // most vectors name every line
		return v[line].qty, true
	}
	for i := range v {
		if v[i].line == line {
			return v[i].qty, true
		}
	}
	return waybill.Decimal{}, false
}

// put adds qty to a line.
func (v vector) put(line int, qty waybill.Decimal) vector {
	at := len(v)
	for at > 0 && v[at-1].line >= line {
		at--
	}
	if at < len(v) && v[at].line == line {
		v[at].qty = v[at].qty.Add(qty)
		return v
	}
	v = append(v, entry{})
	copy(v[at+1:], v[at:])
	v[at] = entry{line: line, qty: qty}
	return v
}

// add adds a vector to the row.
func (r row) add(v vector) {
	for i := range v {
		r[v[i].line] = r[v[i].line].Add(v[i].qty)
	}
}

// sub takes a vector from the row.
func (r row) sub(v vector) {
	for i := range v {
		r[v[i].line] = r[v[i].line].Sub(v[i].qty)
	}
}

// positive returns the lines above zero as a vector; nil when there is none.
func (r row) positive() vector {
	n := 0
	for i := range r {
		if r[i].Sign() > 0 {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	v := make(vector, 0, n)
	for i := range r {
		if r[i].Sign() > 0 {
			v = append(v, entry{line: i, qty: r[i]})
		}
	}
	return v
}

// any reports whether a line is above zero.
func (r row) any() bool {
	for i := range r {
		if r[i].Sign() > 0 {
			return true
		}
	}
	return false
}

// appendTo writes the quantities of consecutive lines with commas between them;
// "4=" before a quantity says that its line is the table's fifth.
func (v vector) appendTo(b []byte) []byte {
	next := 0
	for i := range v {
		if i > 0 {
			b = append(b, ',')
		}
		if v[i].line != next {
			b = strconv.AppendInt(b, int64(v[i].line), 10)
			b = append(b, '=')
		}
		b = append(b, v[i].qty.String()...)
		next = v[i].line + 1
	}
	return b
}

// UnmarshalText reads what appendTo wrote.
func (v *vector) UnmarshalText(b []byte) error {
	*v = nil
	if len(b) == 0 {
		return nil
	}
	rest, next := string(b), 0
	out := make(vector, 0, strings.Count(rest, ",")+1)
	for more := true; more; {
		var item string
		item, rest, more = strings.Cut(rest, ",")
		if place, qty, jumps := strings.Cut(item, "="); jumps {
			n, err := strconv.Atoi(place)
			if err != nil || n < 0 {
				return fmt.Errorf("quantities %q: %q is no place in the table of lines", b, place)
			}
			next, item = n, qty
		}
		qty, err := waybill.ParseDecimal(item)
		if err != nil {
			return fmt.Errorf("quantities %q: %w", b, err)
		}
		out = append(out, entry{line: next, qty: qty})
		next++
	}
	*v = out
	return nil
}
