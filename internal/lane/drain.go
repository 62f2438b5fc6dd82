package lane

import "time"

// drainsKept is how many ends a rate is measured over: enough to even out
// documents of different cost, few enough to follow a target that changes.
const drainsKept = 64

// Drain measures how fast a target takes what waits for it, so that it can be
// said when a backlog is gone. It counts only while something waits: an idle
// target is not a slow one. The zero value is ready to use.
type Drain struct {
	open  int       // documents that wait for the target or are under way
	since time.Time // when the first of them came
	ends  [drainsKept]time.Time
	count int // of ends since then; the last drainsKept are kept
	last  float64
}

// Opened counts a document that waits for the target from now on.
func (d *Drain) Opened(now time.Time) {
	if d.open == 0 {
		d.since, d.count = now, 0
	}
	d.open++
}

// Closed counts a document that the target took, or that needs it no more.
func (d *Drain) Closed(now time.Time) {
	if d.open == 0 {
		return
	}
	d.ends[d.count%drainsKept] = now
	d.count++
	d.last = d.measured(now)
	d.open--
}

// Waiting is how many documents wait for the target or are under way to it.
func (d *Drain) Waiting() int { return d.open }

// measured is the rate since something waits, over the last ends; 0 before two.
func (d *Drain) measured(now time.Time) float64 {
	from, n := d.since, d.count
	if d.count > drainsKept {
		from, n = d.ends[d.count%drainsKept], drainsKept-1
	}
	took := now.Sub(from)
	if n < 2 || took <= 0 {
		return d.last
	}
	return float64(n) / took.Seconds()
}

// Forecast says how many documents a second the target takes, and how long it
// will need for what waits. Permitted is the configured rate in requests a
// second, 0 where there is none; closed is how long nothing may go to it yet.
// Without a rate, measured or permitted, it knows nothing: 0, 0.
func (d *Drain) Forecast(now time.Time, permitted float64, closed time.Duration) (perSecond float64, within time.Duration) {
	if d.open == 0 {
		return d.last, 0
	}
	perSecond = d.measured(now)
	if perSecond == 0 || permitted > 0 && perSecond > permitted {
		perSecond = permitted
	}
	if perSecond == 0 {
		return 0, 0
	}
	need := float64(d.open) / perSecond
	return perSecond, max(time.Duration(min(need, forecastMost.Seconds())*float64(time.Second)), closed)
}

// forecastMost is the longest time that a forecast names.
const forecastMost = 365 * 24 * time.Hour
