package lane

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var drainStart = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// A forecast made anywhere in the drain of a backlog comes true within a tenth,
// whatever the target's pace, however long it was idle before, and with the
// documents' costs varying.
func TestDrain_ForecastComesTrue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d Drain
		now := drainStart
		for range rapid.IntRange(0, 30).Draw(t, "quick ones before") { // one at once, hours apart
			d.Opened(now)
			now = now.Add(20 * time.Millisecond)
			d.Closed(now)
			now = now.Add(time.Hour)
		}
		n := rapid.IntRange(100, 400).Draw(t, "backlog")
		pace := time.Duration(rapid.IntRange(10, 5000).Draw(t, "pace in ms")) * time.Millisecond
		jitter := rapid.SliceOfN(rapid.Float64Range(0.8, 1.2), n, n).Draw(t, "cost")
		for range n {
			d.Opened(now)
		}
		type said struct{ at, gone time.Time }
		var forecasts []said
		for i := range n {
			now = now.Add(time.Duration(float64(pace) * jitter[i]))
			d.Closed(now)
			if i >= 20 && i < n-1 {
				_, within := d.Forecast(now, 0, 0)
				forecasts = append(forecasts, said{now, now.Add(within)})
			}
		}
		for _, f := range forecasts {
			real, told := now.Sub(f.at).Seconds(), f.gone.Sub(f.at).Seconds()
			if slack := 2 * pace.Seconds(); math.Abs(real-told) > real*0.2+slack {
				t.Fatalf("after %v of the drain %.1f s were told, %.1f s it took", f.at.Sub(drainStart), told, real)
			}
		}
		if d.Waiting() != 0 {
			t.Fatalf("%d wait at the end", d.Waiting())
		}
	})
}

func TestDrain_Forecast(t *testing.T) {
	at := func(s float64) time.Time { return drainStart.Add(time.Duration(s * float64(time.Second))) }
	var d Drain
	if rate, within := d.Forecast(at(0), 0, 0); rate != 0 || within != 0 {
		t.Errorf("nothing is known yet, told %v and %v", rate, within)
	}
	for range 100 {
		d.Opened(at(0))
	}
	if rate, within := d.Forecast(at(0), 5, 0); rate != 5 || within != 20*time.Second {
		t.Errorf("before the first end the permitted rate counts: told %v and %v, want 5 and 20s", rate, within)
	}
	for i := range 10 {
		d.Closed(at(float64(i + 1)))
	}
	if rate, within := d.Forecast(at(10), 5, 0); rate != 1 || within != 90*time.Second {
		t.Errorf("told %v and %v, want 1 and 90s", rate, within)
	}
	if _, within := d.Forecast(at(10), 0.5, 0); within != 180*time.Second {
		t.Errorf("a rate that was lowered since counts: told %v, want 180s", within)
	}
	if rate, _ := d.Forecast(at(20), 0, 0); rate != 0.5 {
		t.Errorf("a target that stands still gets slower: told %v, want 0.5", rate)
	}
	if _, within := d.Forecast(at(10), 0, time.Hour); within < time.Hour {
		t.Errorf("nothing goes for an hour, told %v", within)
	}
}
