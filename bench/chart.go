package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// Measures of the chart, in pixels.
const (
	chartWidth = 760
	chartLabel = 210 // left of the bars
	chartRow   = 34
	chartBar   = 18
	chartEnd   = 190 // right of the longest bar, for its figures
)

// chart draws a bar for each contender, as long as its median rate, with the
// least and the greatest as a line. What a power cut would take from is hatched.
func (r *report) chart() string {
	most := 0.0
	for _, e := range r.Contenders {
		most = max(most, e.spread(rate).most)
	}
	if most == 0 {
		most = 1
	}
	scale := (chartWidth - chartLabel - chartEnd) / most
	var s strings.Builder
	height := chartRow*len(r.Contenders) + 56
	fmt.Fprintf(&s, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="Orders a second">`+"\n",
		chartWidth, height, chartWidth, height)
	s.WriteString(`<defs><pattern id="lossy" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="#d5d9de"/><rect width="2" height="6" fill="#8a94a0"/></pattern></defs>` + "\n")
	fmt.Fprintf(&s, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", chartWidth, height)
	fmt.Fprintf(&s, `<text x="12" y="22" font-weight="600" fill="#1c232b">Orders a second, %d durable rounds and %d deliveries each</text>`+"\n", r.Flow.Rounds, r.Flow.Deliveries)
	for i, e := range r.Contenders {
		y := 36 + i*chartRow
		v := e.spread(rate)
		fill := "#8a94a0"
		switch {
		case e.ours():
			fill = "#1f6feb"
		case !e.durable():
			fill = "url(#lossy)"
		}
		mid := float64(y) + chartBar/2
		fmt.Fprintf(&s, `<text x="12" y="%d" fill="#1c232b">%s</text>`+"\n", y+chartBar-4, escape(e.Name))
		fmt.Fprintf(&s, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", chartLabel, y, v.median*scale, chartBar, fill)
		fmt.Fprintf(&s, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="#1c232b"/>`+"\n", chartLabel+v.least*scale, mid, chartLabel+v.most*scale, mid)
		fmt.Fprintf(&s, `<text x="%.1f" y="%d" fill="#1c232b">%s</text>`+"\n", chartLabel+v.most*scale+8, y+chartBar-4, escape(v.String()))
	}
	fmt.Fprintf(&s, `<text x="12" y="%d" font-size="11" fill="#5b6570">Median (least – most) of the runs. Hatched: a power cut loses what was said to be done.</text>`+"\n</svg>\n", height-8)
	return s.String()
}

func escape(text string) string {
	var s strings.Builder
	_ = xml.EscapeText(&s, []byte(text)) // a builder takes everything
	return s.String()
}
