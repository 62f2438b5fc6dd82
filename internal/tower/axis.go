package tower

import (
	"slices"
	"time"
)

// axis is the time of a timeline: stretches with a scale of their own, idle gaps
// closed up between them.
type axis struct {
	at      []time.Time
	x       []int // of each entry
	gaps    []laneGap
	parts   []stretch
	now     int // -1: not drawn
	promise int // -1: not drawn
}

// stretch is a run of entries without an idle gap.
type stretch struct {
	first, last int // indexes of entries
	from, to    time.Time
	x1, x2      int
}

func newAxis(entries []Entry, o Order, now time.Time) *axis {
	a := &axis{now: -1, promise: -1}
	for _, e := range entries {
		a.at = append(a.at, e.At)
	}
	a.x = make([]int, len(a.at))
	a.cut()
	start, end := laneLabelW+18, laneEnd-18
	if o.open() && !now.Before(a.at[len(a.at)-1]) {
		end = a.leaveRoomForNow(o, now, start)
	}
	a.place(start, end)
	return a
}

// cut splits the entries into stretches at idle gaps.
func (a *axis) cut() {
	idle := idleGaps(a.at)
	first := 0
	for i := range a.at {
		if i+1 == len(a.at) || slices.Contains(idle, i) {
			a.parts = append(a.parts, stretch{first: first, last: i, from: a.at[first], to: a.at[i]})
			first = i + 1
		}
	}
}

// idleGaps are the indexes after which nothing happened for long: for more than
// a third of what is left of the whole once the longer gaps are out.
func idleGaps(at []time.Time) []int {
	type gap struct {
		after int
		d     time.Duration
	}
	var gaps []gap
	for i := 1; i < len(at); i++ {
		gaps = append(gaps, gap{i - 1, at[i].Sub(at[i-1])})
	}
	slices.SortStableFunc(gaps, func(a, b gap) int { return int(min(max(b.d-a.d, -1), 1)) })
	left := time.Duration(0)
	if len(at) > 0 {
		left = at[len(at)-1].Sub(at[0])
	}
	var out []int
	num, den := time.Duration(1), time.Duration(3)
	if len(at) < 6 {
		num = 2 // few entries have room enough beside each other
	}
	for _, g := range gaps {
		lastOne := len(gaps)-len(out) < 2 // it is all that is left, however short
		if lastOne || len(out) == laneGapMax || g.d < 2*time.Second || g.d <= left*num/den {
			break
		}
		out = append(out, g.after)
		left -= g.d
	}
	return out
}

// leaveRoomForNow keeps the right end for what is still to come: the time since
// the last entry, now, and the promise where it is near. It says where the
// entries have to end.
func (a *axis) leaveRoomForNow(o Order, now time.Time, start int) int {
	a.now = laneEnd - 40
	if o.Promise != nil && o.Promise.At.After(now) && o.Promise.At.Sub(now) < 24*time.Hour {
		a.promise = laneEnd - 40
		a.now = laneEnd - 132
	}
	if o.Promise != nil && !o.Promise.At.After(now) && o.Promise.At.After(a.at[0]) {
		a.now = laneEnd - 40
		a.promise = a.now - 70
	}
	since := now.Sub(a.at[len(a.at)-1])
	whole := a.at[len(a.at)-1].Sub(a.at[0])
	share := 40
	stuck := slices.ContainsFunc(o.Timeline, func(e Entry) bool { return e.Kind == Sent && unsettled(e.State) })
	if stuck || since > whole/8 {
		share = 124 // the words for how long it is stuck have to fit
	}
	return max(a.now-share, start+200)
}

// place gives each stretch its width, by its entries, and each entry its place,
// by its time as far as the least distance allows.
func (a *axis) place(start, end int) {
	free := end - start - laneGapW*(len(a.parts)-1)
	weights := 0
	for _, p := range a.parts {
		weights += p.last - p.first + 2
	}
	x := start
	for i := range a.parts {
		p := &a.parts[i]
		width := free * (p.last - p.first + 2) / weights
		p.x1, p.x2 = x, x+width
		inset := 0
		if len(a.parts) > 1 {
			inset = min(14, width/6)
		}
		a.spread(*p, p.x1+inset, p.x2-inset)
		x += width
		if i+1 < len(a.parts) {
			a.gaps = append(a.gaps, laneGap{X: x, Text: duration(a.parts[i+1].from.Sub(p.to)) + " idle"})
			x += laneGapW
		}
	}
}

// spread places the entries of one stretch: linear in time, then pushed apart.
func (a *axis) spread(p stretch, x1, x2 int) {
	n := p.last - p.first
	whole := p.to.Sub(p.from)
	step := laneStepMin
	if n > 0 {
		step = min(step, (x2-x1)/n)
	}
	for i := p.first; i <= p.last; i++ {
		a.x[i] = x1
		if whole > 0 {
			a.x[i] = x1 + int(int64(x2-x1)*int64(a.at[i].Sub(p.from)/time.Microsecond)/max(1, int64(whole/time.Microsecond)))
		}
		if i > p.first {
			a.x[i] = max(a.x[i], a.x[i-1]+step)
		}
	}
	for i, limit := p.last, x2; i >= p.first && a.x[i] > limit; i-- {
		a.x[i] = limit
		limit -= step
	}
}

// ticks writes the time under the first and the last entry of each stretch and
// at its middle where there is room; a stretch is linear enough between them.
func (a *axis) ticks(now time.Time) (out []laneTick) {
	end, day := 0, ""
	add := func(i int) {
		text := tickText(a.at[i], a.at[len(a.at)-1].Sub(a.at[0]))
		today := a.at[i].UTC().Format("2 Jan")
		if today != day && (day != "" || today != now.UTC().Format("2 Jan")) {
			text = today + " " + a.at[i].UTC().Format("15:04")
		}
		half := 3*len(text) + 3
		textX := min(max(a.x[i], end+half, laneLabelW+half-20), 1000-half)
		if textX-a.x[i] > 26 || textX-half < end {
			return
		}
		out = append(out, laneTick{X: a.x[i], TextX: textX, Text: text})
		end, day = textX+half+6, today
	}
	for _, p := range a.parts {
		add(p.first)
		if p.x2-p.x1 > 260 && p.last-p.first >= 3 {
			add((p.first + p.last) / 2)
		}
		if p.x2-p.x1 > 110 && p.last > p.first {
			add(p.last)
		}
	}
	return out
}

// tickText is as exact as the whole is short.
func tickText(t time.Time, whole time.Duration) string {
	layout := "15:04:05"
	if whole < 10*time.Second {
		layout = "15:04:05.000"
	}
	return t.UTC().Format(layout)
}
