package desk

import (
	"context"
	"fmt"
	"maps"
	"sort"
	"sync"
	"time"

	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
)

const (
	minutesShown = 60
	hoursShown   = 12
	pageSize     = 1000 // rows read at once
)

// rates are what a minute brings: counters that only rise, sampled once a
// second, and the exceptions of the last hours by the minute in which they were
// raised.
type rates struct {
	mu      sync.Mutex
	counted bool // the first sample is taken
	total   ring
	systems map[string]*ring
	last    map[string]Traffic // the last minute's when pages were last told of it; "" is the total
	limits  map[string]string  // what limited each target then

	seen   int64                    // the last exception counted
	raised map[string]map[int64]int // cause to unix minute to exceptions
}

// ring holds a rising counter's value in each of the last seconds.
type ring struct {
	at          []Traffic
	first, last int64 // unix seconds
}

// newRing begins in a second with the counter's value then.
func newRing(seconds int, second int64, v Traffic) ring {
	r := ring{at: make([]Traffic, seconds+1), first: second, last: second}
	r.at[second%int64(len(r.at))] = v
	return r
}

// put sets the counter's value in a second. Seconds that were missed keep the
// value before them.
func (r *ring) put(second int64, v Traffic) {
	n := int64(len(r.at))
	if second < r.last { // the clock was set back
		second = r.last
	}
	before := r.at[r.last%n]
	for s := max(r.last+1, second-n+1); s < second; s++ {
		r.at[s%n] = before
	}
	r.at[second%n] = v
	r.last = second
	r.first = max(r.first, second-n+1)
}

// value is the counter in a second, or in the nearest one that is kept.
func (r *ring) value(second int64) Traffic {
	second = min(max(second, r.first), r.last)
	return r.at[second%int64(len(r.at))]
}

// within is what came in the minute that ends with a second.
func (r *ring) within(second int64) Traffic {
	to, from := r.value(second), r.value(second-60)
	return Traffic{In: to.In - from.In, Out: to.Out - from.Out}
}

// minutes are the last minutes that have begun since the counting began, the
// oldest first.
func (r *ring) minutes(now int64, of func(Traffic) int64) []int {
	n := min((now-r.first)/60+1, minutesShown)
	out := make([]int, 0, n)
	for k := n - 1; k >= 0; k-- {
		out = append(out, int(of(r.within(now-60*k))))
	}
	return out
}

// sample takes the counters and reports whether what pages show of them moved.
func (d *Desk) sample(ctx context.Context) (moved bool, err error) {
	systems, err := d.engine.Systems(ctx)
	if err != nil {
		return false, fmt.Errorf("read what limits the systems: %w", err)
	}
	if systems == nil {
		return false, nil // the engine could not say it this time
	}
	if err := d.countRaised(ctx); err != nil {
		return false, err
	}
	now := d.now()
	stats, bySystem := d.engine.Stats(), d.traffic()
	open := int64(0)
	limits := make(map[string]string, len(systems))
	for _, s := range systems {
		limits[s.Name] = limitOf(s, now)
		for _, n := range s.Open {
			open += int64(n)
		}
	}
	r := &d.rates
	r.mu.Lock()
	defer r.mu.Unlock()
	second := now.Unix()
	// What was decided less what is open is settled.
	total := Traffic{In: stats.Messages.Load(), Out: stats.Documents.Load() - open}
	if !r.counted {
		r.counted = true
		r.total = newRing(60*(minutesShown+1), second, total)
		r.systems = map[string]*ring{}
	}
	total.Out = max(total.Out, r.total.value(second).Out) // what was withdrawn may be wanted again
	r.total.put(second, total)
	shown := map[string]Traffic{"": r.total.within(second)}
	for name, v := range bySystem {
		one := r.systems[name]
		if one == nil {
			made := newRing(60, second, v)
			one = &made
			r.systems[name] = one
		}
		one.put(second, v)
		shown[name] = one.within(second)
	}
	moved = !maps.Equal(shown, r.last) || !maps.Equal(limits, r.limits)
	r.last, r.limits = shown, limits
	return moved, nil
}

// limitOf names what limits a target, to see when it changes.
func limitOf(s engine.SystemStatus, now time.Time) string {
	return fmt.Sprint(s.Paused, s.Breaker, s.Until.After(now))
}

// minute is what a system and Waybill exchanged in the last minute.
func (r *rates) minute(system string) Traffic {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[system]
}

// perMinute are the messages in and the deliveries settled of the last hour.
func (r *rates) perMinute(now time.Time) (in, out []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.counted {
		return nil, nil
	}
	return r.total.minutes(now.Unix(), func(t Traffic) int64 { return t.In }),
		r.total.minutes(now.Unix(), func(t Traffic) int64 { return t.Out })
}

// before is the highest id below all exceptions raised since a time. Ids rise
// with time, so halving finds it without reading the exceptions between.
func (d *Desk) before(ctx context.Context, since time.Time) (int64, error) {
	var failed error
	young := func(id int64) bool { // nothing above id is older
		if failed != nil {
			return true
		}
		next, err := d.store.Exceptions(ctx, exception.Query{After: id, Limit: 1})
		if err != nil {
			failed = fmt.Errorf("find the exceptions since %s: %w", since.UTC().Format(time.RFC3339), err)
		}
		return len(next) == 0 || !next[0].Since.Before(since)
	}
	id := sort.Search(1<<62, func(i int) bool { return young(int64(i)) })
	return int64(id), failed
}

// countRaised counts the exceptions raised since the last look, the first time
// since the last hours began, and forgets those that are no longer shown.
func (d *Desk) countRaised(ctx context.Context) error {
	r := &d.rates
	begin := d.now().Add(-hoursShown * time.Hour)
	r.mu.Lock()
	after, first := r.seen, r.raised == nil
	r.mu.Unlock()
	if first {
		var err error
		if after, err = d.before(ctx, begin); err != nil {
			return err
		}
		r.mu.Lock()
		r.raised = map[string]map[int64]int{}
		r.mu.Unlock()
	}
	oldest := begin.Unix() / 60
	for more := true; more; {
		list, err := d.store.Exceptions(ctx, exception.Query{After: after, Limit: pageSize})
		if err != nil {
			return fmt.Errorf("read the exceptions after %d: %w", after, err)
		}
		more = len(list) == pageSize
		r.mu.Lock()
		for _, x := range list {
			after = x.ID
			if r.raised[x.Cause] == nil {
				r.raised[x.Cause] = map[int64]int{}
			}
			r.raised[x.Cause][x.Since.Unix()/60]++
		}
		r.seen = after
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for cause, minutes := range r.raised {
		maps.DeleteFunc(minutes, func(minute int64, _ int) bool { return minute <= oldest })
		if len(minutes) == 0 {
			delete(r.raised, cause)
		}
	}
	return nil
}

// raisedPerMinute are all exceptions raised in each of the last minutes, the
// oldest first, the running one last.
func (r *rates) raisedPerMinute(now time.Time) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.raised == nil {
		return nil
	}
	out := make([]int, minutesShown)
	for _, minutes := range r.raised {
		for minute, n := range minutes {
			if ago := now.Unix()/60 - minute; ago >= 0 && ago < minutesShown {
				out[minutesShown-1-ago] += n
			}
		}
	}
	return out
}

// raisedPerHour are a cause's exceptions raised in each of the last hours, the
// oldest first, the one that ends now last.
func (r *rates) raisedPerHour(cause string, now time.Time) []int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.raised[cause]) == 0 {
		return nil
	}
	out := make([]int, hoursShown)
	for minute, n := range r.raised[cause] {
		if ago := (now.Unix()/60 - minute) / 60; ago >= 0 && ago < hoursShown {
			out[hoursShown-1-ago] += n
		}
	}
	return out
}
