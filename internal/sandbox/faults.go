package sandbox

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Fault names one way in which a system misbehaves.
type Fault string

// The faults of a target's answers and of a system's webhooks.
const (
	Throttle   Fault = "throttle"    // 429, half of them with Retry-After
	Busy       Fault = "busy"        // 503 with Retry-After
	ServerFail Fault = "server_fail" // 500, 502 or 504, nothing applied
	Reset      Fault = "reset"       // connection cut before the body was read
	ApplyDrop  Fault = "apply_drop"  // applied, then the connection is cut
	ApplyHang  Fault = "apply_hang"  // applied, then no answer until the client gives up
	LateApply  Fault = "late_apply"  // 504 at once, applied afterwards (before the deadline)
	Pending    Fault = "pending"     // 202, applied or rejected afterwards, with a push that says so
	Partial    Fault = "partial"     // 207: some lines applied, one to retry
	Slow       Fault = "slow"        // applied, answered late
	Outage     Fault = "outage"      // nothing works: every request is cut or answered 503
	Duplicate  Fault = "duplicate"   // a webhook is sent twice, one behind the other or both at once
	Reorder    Fault = "reorder"     // a webhook is overtaken by the next one of its order
)

// faultsPerDocument bounds the faulty answers that one document gets, so that
// every run comes to an end.
const faultsPerDocument = 4

// profile is how often each fault comes, in 1000 requests (or webhooks).
type profile struct {
	share map[Fault]int
	// waits bounds the answers per system that stop all traffic to it
	// (Throttle and Busy): each costs the whole target its pause.
	waits int
	// outageAfter requests (0: never) the system is out for outageLength.
	outageAfter, outageLength int
}

// profiles are the settings of Config.Faults.
var profiles = map[string]profile{
	"none": {},
	"light": {
		share: map[Fault]int{
			Throttle: 1, Busy: 1, ServerFail: 3, Reset: 2, ApplyDrop: 3, LateApply: 1, Pending: 3, Slow: 2, Duplicate: 15, Reorder: 15,
		},
		waits: 3,
	},
	"heavy": {
		share: map[Fault]int{
			Throttle: 4, Busy: 4, ServerFail: 25, Reset: 20, ApplyDrop: 25, ApplyHang: 2, LateApply: 15, Pending: 20, Partial: 15, Slow: 10,
			Duplicate: 80, Reorder: 60,
		},
		waits: 8, outageAfter: 400, outageLength: 12,
	},
}

// switchedShare is how often a fault comes, in 1000, once SetFault turned it
// on; an outage switched on lasts until it is switched off.
const switchedShare = 300

// faultline draws one system's faults. Its streams are apart from the fates:
// the same order has the same outcome under any profile.
type faultline struct {
	seed   int64
	system string
	prof   profile

	mu      sync.RWMutex
	on      map[Fault]bool
	total   int                      // sum of all shares, a quick way out
	waits   atomic.Int32             // throttling answers given
	asked   atomic.Int64             // requests seen, for the outage
	counted map[Fault]*atomic.Uint64 // how often each fault struck
}

// newFaultline makes the faults of one system.
func newFaultline(seed int64, system, name string) (*faultline, error) {
	prof, ok := profiles[name]
	if !ok {
		return nil, fmt.Errorf("faults %q: want none, light or heavy", name)
	}
	f := &faultline{seed: seed, system: system, prof: prof, on: map[Fault]bool{}, counted: map[Fault]*atomic.Uint64{}}
	for _, name := range allFaults {
		f.counted[name] = &atomic.Uint64{}
	}
	return f, nil
}

// allFaults lists what SetFault takes.
var allFaults = []Fault{Throttle, Busy, ServerFail, Reset, ApplyDrop, ApplyHang, LateApply, Pending, Partial, Slow, Outage, Duplicate, Reorder}

// set turns a fault on or off at run time.
func (f *faultline) set(name Fault, on bool) error {
	if !slices.Contains(allFaults, name) {
		return fmt.Errorf("fault %q is unknown to the sandbox: want one of %v", name, allFaults)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.on[name] = on
	f.total = 0
	for _, on := range f.on {
		if on {
			f.total++
		}
	}
	return nil
}

// share gives how often a fault comes now, in 1000.
func (f *faultline) share(name Fault) int {
	if f.total > 0 && f.on[name] {
		return switchedShare
	}
	return f.prof.share[name]
}

// out counts a request and says whether the system is out of order for it: an
// outage lasts for a number of requests, not for a time.
func (f *faultline) out() (n int64, out bool) {
	n = f.asked.Add(1)
	f.mu.RLock()
	switched := f.total > 0 && f.on[Outage]
	f.mu.RUnlock()
	after := int64(f.prof.outageAfter)
	if switched || after > 0 && n > after && n <= after+int64(f.prof.outageLength) {
		f.counted[Outage].Add(1)
		return n, true
	}
	return n, false
}

// answerFaults is the order in which one draw is shared out.
var answerFaults = []Fault{Throttle, Busy, ServerFail, Reset, ApplyDrop, ApplyHang, LateApply, Pending, Partial, Slow}

// draw decides the fault of one request about a document ("" for none). had
// is how many faulty answers this document got already; drawing again for the
// same attempt gives the same.
func (f *faultline) draw(document string, attempt, had int) Fault {
	if len(f.prof.share) == 0 && !f.switched() || had >= faultsPerDocument {
		return ""
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	c := drawn(f.seed, "fault."+f.system, textHash(document), uint64(attempt))
	n := c.below(1000)
	if f.total > 0 {
		return f.drawSwitched(&c)
	}
	for _, name := range answerFaults {
		if n -= f.share(name); n >= 0 {
			continue
		}
		if (name == Throttle || name == Busy) && int(f.waits.Add(1)) > f.prof.waits {
			return ""
		}
		f.counted[name].Add(1)
		return name
	}
	return ""
}

// drawSwitched picks among the faults that were turned on by hand. The read
// lock is held.
func (f *faultline) drawSwitched(c *chance) Fault {
	for _, name := range answerFaults {
		if f.on[name] && c.hit(switchedShare) {
			f.counted[name].Add(1)
			return name
		}
	}
	return ""
}

// switched says whether any fault was turned on by hand.
func (f *faultline) switched() bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.total > 0
}

// webhook says whether a message is sent twice ("duplicate"), both at once
// ("concurrent") or overtaken ("reorder").
func (f *faultline) webhook(m *message, what string) bool {
	name := Fault(what)
	share := 500 // of the duplicates, half are concurrent
	f.mu.RLock()
	if what != "concurrent" {
		share = f.share(name)
	}
	f.mu.RUnlock()
	if share == 0 {
		return false
	}
	c := drawn(f.seed, what+"."+f.system, m.about, textHash(m.id))
	if !c.hit(share) {
		return false
	}
	if n := f.counted[name]; n != nil {
		n.Add(1)
	}
	return true
}
