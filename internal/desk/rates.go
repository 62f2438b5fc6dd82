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

// rates are what a minute brings: samples of counters that only rise, taken
// once a second, and the exceptions of the last hours by the minute in which
// they were raised.
type rates struct {
	mu      sync.Mutex
	total   ring
	systems map[string]*ring
	first   int64 // unsettled deliveries at the first sample
	settled int64
	sampled bool

	seen   int64                     // the last exception that was counted
	raised map[string]map[int64]int  // cause to unix minute to exceptions
	last   map[string]engine.Traffic // unused by readers: see shown
	shown  map[string]Traffic        // last minute's, as it was last told of
}

// Traffic of the total is kept in the same ring under no name.

// ring holds a counter's value in each of the last seconds.
type ring struct {
	at          []Traffic
	first, last int64 // unix seconds
}

func newRing(seconds int, now int64) *ring {
	return &ring{at: make([]Traffic, seconds+1), first: now, last: now}
}

// put sets the counter's value in a second. Seconds that were missed keep the
// value before them.
func (r *ring) put(second int64, v Traffic) {
	n := int64(len(r.at))
	before := r.at[r.last%n]
	for s := max(r.last+1, second-n+1); s < second; s++ {
		r.at[s%n] = before
	}
	if second >= r.last {
		r.at[second%n] = v
		r.last = second
	}
	r.first = max(r.first, r.last-n+1)
}

// value is the counter in a second that is not before the first one kept.
func (r *ring) value(second int64) Traffic {
	second = min(max(second, r.first), r.last)
	return r.at[second%int64(len(r.at))]
}

// within is what came in the minute that ends with a second.
func (r *ring) within(second int64) Traffic {
	to, from := r.value(second), r.value(second-60)
	return Traffic{In: to.In - from.In, Out: to.Out - from.Out}
}
