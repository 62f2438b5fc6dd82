package tower

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// timeline.go lays out an order's life as lanes: a row for each system, time
// from left to right, an arrow for each message. Idle gaps are closed up and
// their length is written on them, so that seconds and days fit in one picture.

const (
	laneLabelW   = 150 // the names at the left
	laneEnd      = 990
	laneRowH     = 50
	laneTop      = 30
	laneGapW     = 36
	laneStepMin  = 13 // least distance of two arrows, so that each can be seen
	laneEntryMax = 120
	laneGapMax   = 4
)

// lanes is the drawing.
type lanes struct {
	H       int
	Bottom  int
	Rows    []laneRow
	Ticks   []laneTick
	Gaps    []laneGap
	Arrows  []laneArrow
	Dots    []laneDot
	Bars    []laneBar
	Labels  []laneLabel
	Now     *laneTick
	Promise *laneTick
	Left    int // earlier entries that are not drawn
	Summary string
}

// BarTexts are the words on the bars, drawn above all bars.
func (l lanes) BarTexts() (out []laneText) {
	classes := map[string]string{"bad": "tb u-fw-600", "warn": "tw u-fw-600"}
	for _, b := range l.Bars {
		if b.Text != "" {
			out = append(out, laneText{X: b.X + 10, Y: b.Y + 13, Class: cmp.Or(classes[b.Tone], "on-"+b.Stage), Text: b.Text})
		}
	}
	return out
}

// Body is the height of the rows, FootY the line below them.
func (l lanes) Body() int { return l.Bottom - laneTop }

// FootY is where the words for now and the promise stand.
func (l lanes) FootY() int { return l.Bottom + 17 }

type laneText struct {
	X, Y        int
	Class, Text string
}

type laneRow struct {
	Name, Icon string
	Y, Mid     int
	Tinted     bool
}

// IconY is the icon's upper edge, TextY the name's base line.
func (r laneRow) IconY() int { return r.Mid - 8 }

// TextY is the name's base line.
func (r laneRow) TextY() int { return r.Mid + 4 }

type laneTick struct {
	X     int
	TextX int // moved a little where two would touch
	Text  string
	Late  bool
}

// Rest is the width from here to the right end.
func (t laneTick) Rest() int { return 1000 - t.X }

type laneGap struct {
	X, Mid int
	Text   string
}

// X1 is the middle of the gap, X2 its right end.
func (g laneGap) X1() int { return g.X + laneGapW/2 }

// X2 is the gap's right end.
func (g laneGap) X2() int { return g.X + laneGapW }

type laneArrow struct {
	X, Y1, Y2, Tip int
	Head           string // path data
	Bad            bool
	Title          string
}

// SquareX and SquareY place the mark of a delivery that is stuck.
func (a laneArrow) SquareX() int { return a.X - 5 }

// SquareY is the mark's upper edge.
func (a laneArrow) SquareY() int { return a.Tip - 5 }

type laneDot struct {
	X, Y  int
	Title string
}

type laneBar struct {
	X, Y, W int
	Stage   string
	Text    string
	Tone    string
}

type laneLabel struct {
	X, Y int
	Text string
}

// roleOrder is the order of the rows, the way goods and money flow.
var roleOrder = []string{"channel", "oms", "crm", "waybill", "tax", "wms", "supplier", "carrier", "tms", "returns", "erp", "sink"}

func roleRank(role string) int {
	if i := slices.Index(roleOrder, role); i >= 0 {
		return i
	}
	return len(roleOrder)
}

// open says whether the order's life goes on.
func (o Order) open() bool { return o.Status != "invoiced" && o.Status != "cancelled" }

// layLanes draws the newest entries of an order.
func layLanes(o Order, now time.Time) lanes {
	entries := slices.Clone(o.Timeline)
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.At.Compare(b.At) })
	l := lanes{}
	if len(entries) > laneEntryMax {
		l.Left = len(entries) - laneEntryMax
		entries = entries[l.Left:]
	}
	rowOf := l.layRows(entries)
	l.Bottom = laneTop + len(l.Rows)*laneRowH
	l.H = l.Bottom + 26
	if len(entries) == 0 {
		return l
	}
	a := newAxis(entries, o, now)
	l.Ticks, l.Gaps = a.ticks(now), a.gaps
	for i := range l.Gaps {
		l.Gaps[i].Mid = (laneTop + l.Bottom) / 2
		if len(l.Rows) > 3 {
			l.Gaps[i].Text += ", closed up"
		}
	}
	if a.now >= 0 {
		l.Now = &laneTick{X: a.now, Text: "now " + now.UTC().Format("15:04")}
	}
	if a.promise >= 0 {
		l.Promise = &laneTick{X: a.promise, Text: o.Promise.Label + " " + o.Promise.At.UTC().Format("15:04"), Late: now.After(o.Promise.At)}
	}
	l.drawBars(o, entries, a, rowOf, now)
	l.drawArrows(entries, a, rowOf, now)
	l.Summary = laneSummary(o, entries, len(l.Rows))
	return l
}

// layRows makes a row for Waybill and for each system, and says where each is.
func (l *lanes) layRows(entries []Entry) map[string]int {
	type system struct{ name, role string }
	systems := []system{{"Waybill", "waybill"}}
	for _, e := range entries {
		s := system{e.System, e.Role}
		if e.System != "" && !slices.ContainsFunc(systems, func(x system) bool { return x.name == s.name }) {
			systems = append(systems, s)
		}
	}
	slices.SortStableFunc(systems, func(a, b system) int {
		return cmp.Or(cmp.Compare(roleRank(a.role), roleRank(b.role)), cmp.Compare(a.name, b.name))
	})
	mid := map[string]int{}
	for i, s := range systems {
		y := laneTop + i*laneRowH
		l.Rows = append(l.Rows, laneRow{Name: s.name, Icon: roleIcon(s.role), Y: y, Mid: y + laneRowH/2, Tinted: i%2 == 0})
		mid[s.name] = y + laneRowH/2
	}
	return mid
}

// drawBars shows what takes time: a stage's work between two facts of the same
// system, and a document that its target does not take.
func (l *lanes) drawBars(o Order, entries []Entry, a *axis, rowOf map[string]int, now time.Time) {
	last := map[string]int{} // system to the index of its last fact with a stage
	for i, e := range entries {
		if e.Kind != Event || e.Stage == "" {
			continue
		}
		if before, ok := last[e.System]; ok && a.x[i]-a.x[before] > 24 {
			l.Bars = append(l.Bars, laneBar{X: a.x[before], Y: rowOf[e.System] - 9, W: a.x[i] - a.x[before], Stage: stageOfRamp(e.Stage),
				Text: fitText(stageVerb(e.Stage), a.x[i]-a.x[before])})
		}
		last[e.System] = i
	}
	for i, e := range entries {
		if e.Kind != Sent || !unsettled(e.State) || a.now < 0 || a.now-a.x[i] < 12 || !o.open() {
			continue
		}
		m := markOf(e.State)
		w := a.now - a.x[i]
		l.Bars = append(l.Bars, laneBar{X: a.x[i], Y: rowOf[e.System] - 9, W: w, Tone: m.Tone,
			Text: fitText(humanLower(m.Word)+" "+duration(now.Sub(e.At)), w)})
	}
}

func unsettled(state string) bool {
	return state == "parked" || state == "waiting" || state == "in_doubt"
}

// drawArrows draws each message between Waybill and a system, and a label where
// there is room for one.
func (l *lanes) drawArrows(entries []Entry, a *axis, rowOf map[string]int, now time.Time) {
	home := rowOf["Waybill"]
	taken := map[int]int{} // a row's middle to where its last label ends
	for i, e := range entries {
		x, title := a.x[i], fmt.Sprintf("%s %s", when(now, e.At), e.Title)
		if e.System == "" {
			l.Dots = append(l.Dots, laneDot{X: x, Y: home, Title: title})
			continue
		}
		row := rowOf[e.System]
		from, to := row, home
		if e.Kind == Sent {
			from, to = home, row
		}
		way := 1
		if to < from {
			way = -1
		}
		tip := to - 5*way
		if e.Kind == Sent {
			tip = to - 9*way
		}
		l.Arrows = append(l.Arrows, laneArrow{X: x, Y1: from, Y2: tip, Tip: to, Bad: e.State == "parked" || e.State == "quarantined", Title: title,
			Head: fmt.Sprintf("M%d.4 %d.5L%d %dL%d.6 %d.5", x-4, tip-6*way, x, tip, x+3, tip-6*way)})
		text := e.Short
		width := 6*len([]rune(text)) + 8
		if text == "" || len(text) > 18 || taken[row] > x || x+width > laneEnd {
			continue
		}
		taken[row] = x + width
		y := row - 6
		if row > home {
			y = row + 20
		}
		l.Labels = append(l.Labels, laneLabel{X: x + 6, Y: y, Text: text})
	}
}

func laneSummary(o Order, entries []Entry, rows int) string {
	parked := 0
	for _, e := range entries {
		if e.State == "parked" {
			parked++
		}
	}
	s := fmt.Sprintf("Swim lanes of order %s: %d entries between %d systems, from %s to %s UTC.", o.Order, len(entries), rows,
		entries[0].At.UTC().Format("2 January 15:04:05"), entries[len(entries)-1].At.UTC().Format("2 January 15:04:05"))
	if parked > 0 {
		s += fmt.Sprintf(" %s needs a person.", plural(parked, "delivery", "deliveries"))
	}
	return s + " The list view has the same entries as text."
}

// stageOfRamp maps a counter to the stage ramp, which has fewer steps.
func stageOfRamp(stage string) string {
	switch stage {
	case "allocated", "picked", "shipped", "posted", "invoiced", "returned":
		return stage
	case "packed":
		return "picked"
	case "delivered":
		return "shipped"
	case "credited":
		return "returned"
	}
	return "open"
}

func stageVerb(stage string) string {
	verbs := map[string]string{"allocated": "allocate", "picked": "pick", "packed": "pack", "shipped": "ship", "delivered": "deliver"}
	return cmp.Or(verbs[stage], stage)
}

// fitText leaves a text out where it is wider than its place.
func fitText(text string, width int) string {
	if 6*len(text)+14 > width {
		return ""
	}
	return text
}

func humanLower(word string) string {
	if word == "" {
		return ""
	}
	return string(word[0]|0x20) + word[1:]
}
