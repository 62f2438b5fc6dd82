package tower

import (
	"fmt"
	"strings"
)

// chart.go lays out the small drawings. Everything is a number of the SVG's own
// units; no page needs a script or a style attribute to show them.

// spark is a line of values in a box.
type spark struct {
	W, H   int
	Line   string // path data
	Area   string
	X, Y   string // the last point
	Values []int
}

// sparkline draws values from left to right, the highest at the top. Fewer than
// two values draw nothing.
func sparkline(values []int, w, h int) spark {
	s := spark{W: w, H: h, Values: values}
	if len(values) < 2 {
		return s
	}
	highest := 1
	for _, v := range values {
		highest = max(highest, v)
	}
	const pad = 3 // room for the dot at the end
	var b strings.Builder
	for i, v := range values {
		x := tenths(10*pad + i*10*(w-2*pad)/(len(values)-1))
		y := tenths(10*(h-pad) - v*10*(h-2*pad)/highest)
		if i == 0 {
			b.WriteString("M")
		} else {
			b.WriteString(" ")
		}
		b.WriteString(x + " " + y)
		s.X, s.Y = x, y
	}
	s.Line = b.String()
	s.Area = fmt.Sprintf("%s L%s %d L%d %dZ", s.Line, s.X, h-1, pad, h-1)
	return s
}

// tenths writes a whole number of tenths as a decimal.
func tenths(n int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%d", sign, n/10, n%10)
}

// percent writes permille as a percentage for an SVG attribute.
func percent(permille int) string { return tenths(permille) + "%" }

// barSegment is a Segment in its place.
type barSegment struct {
	Stage string
	X, W  string
	First bool
}

// layBar puts the segments side by side; empty ones are left out.
func layBar(b Bar) (out []barSegment) {
	x := 0
	for _, s := range b {
		if s.Permille <= 0 || x >= 1000 {
			continue
		}
		w := min(s.Permille, 1000-x)
		out = append(out, barSegment{Stage: s.Stage, X: percent(x), W: percent(w), First: x == 0})
		x += w
	}
	return out
}

// Label reads the bar aloud: "20 picked, 10 allocated, 6 open".
func (b Bar) Label() string {
	words := make([]string, 0, len(b))
	for _, s := range b {
		if s.Permille > 0 {
			words = append(words, strings.TrimSpace(s.Qty+" "+s.Stage))
		}
	}
	if len(words) == 0 {
		return "nothing yet"
	}
	return strings.Join(words, ", ")
}
