package sim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
)

// Plan is everything that chance decides in a run, as data: the same plan is
// the same run. Times are milliseconds from the run's beginning, quantities
// whole pieces.
type Plan struct {
	Seed    uint64       `json:"seed"` // of what the plan does not name: delays, jitter, the order of phases
	Systems []SystemPlan `json:"systems"`
	Orders  []OrderPlan  `json:"orders"`
	Counts  []CountPlan  `json:"counts,omitempty"`
	Faults  []Fault      `json:"faults"`
	Calm    int          `json:"calm"` // no fault comes after
}

// SystemPlan is how a target works.
type SystemPlan struct {
	Name       string `json:"name"`
	Class      string `json:"class"`
	KeepsOrder bool   `json:"keeps_order,omitempty"`
	Skew       int    `json:"skew,omitempty"` // its clock minus the world's
}

// OrderPlan is the life of an order as its buyer and the floor have it.
type OrderPlan struct {
	Ref       string         `json:"ref"`
	At        int            `json:"at"`
	Lines     []int          `json:"lines"`
	Shipments []ShipmentPlan `json:"shipments,omitempty"`
	Change    *ChangePlan    `json:"change,omitempty"`
	Cancel    int            `json:"cancel,omitempty"` // when; 0: never
	Return    int            `json:"return,omitempty"` // how long after the last shipment a piece of line 1 comes back; 0: never
	Early     bool           `json:"early,omitempty"`  // the warehouse ships before the order arrives
}

// ShipmentPlan is what leaves together, at most what is ordered then.
type ShipmentPlan struct {
	After     int   `json:"after"` // the warehouse order, or the beginning where the floor is early
	Lines     []int `json:"lines"`
	Delivered int   `json:"delivered,omitempty"` // how long after (or, negative, before) its report the carrier's comes; 0: none
}

// ChangePlan is a second version of an order.
type ChangePlan struct {
	At    int   `json:"at"`
	Lines []int `json:"lines"`
}

// CountPlan is a stock count that differs.
type CountPlan struct {
	At  int    `json:"at"`
	SKU string `json:"sku"`
	Qty int    `json:"qty"`
}

// Fault is one thing that goes wrong. What happens at the Nth passing of a
// site, so that faults don't move each other.
type Fault struct {
	Site string `json:"site"`
	Nth  int    `json:"nth,omitempty"`
	What string `json:"what"`
	MS   int    `json:"ms,omitempty"`
}

// The sites of faults.
//
//	post SYSTEM   a document arrives (T1)      fates of the network, manners of the system
//	ask SYSTEM    a look-up (T2)               the same
//	info SYSTEM   a probe (T3)                 the same
//	push SOURCE   a message (W1)               lost, reply_lost, twice, slow, other_body
//	commit        a batch is committed         fails, lies
//	B1 … B6, B11  a batch of that kind         crash_before, crash_after, crash_torn
//	B5            a document reaches a system  crash_after
//	time          MS after the beginning       freeze (a zombie), or outage SYSTEM
var postFates = []string{"refused", "lost", "reset_before", "reply_lost", "reset_after", "late", "slow", "twice",
	"500_before", "500_after", "garbled", "429", "429_bare", "503", "422", "hold", "closed_period", "in_progress",
	"202", "202_rejected", "207", "401", "302"}

var askFates = []string{"refused", "lost", "reply_lost", "slow", "500_before", "503", "stale", "401"}

var pushFates = []string{"lost", "reply_lost", "twice", "slow", "other_body"}

var boundaries = []string{"B1", "B2", "B3", "B4", "B5", "B6", "B7", "B11"}

// streams are the independent sources of chance of a plan: a change in one
// leaves the others as they were.
type streams struct{ workload, faults, crashes *rand.Rand }

func stream(seed, n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) } //nolint:gosec // chance that repeats

// Generate draws the plan of a seed.
func Generate(seed uint64) Plan {
	s := streams{stream(seed, 1), stream(seed, 2), stream(seed, 3)}
	p := Plan{Seed: seed, Calm: 60_000 + s.workload.IntN(60_000)}
	classes := []string{"key", "lookup", "lookup", "none"}
	for _, name := range []string{"erp", "shop", "wms"} {
		sys := SystemPlan{Name: name, Class: classes[s.workload.IntN(len(classes))]}
		sys.KeepsOrder = sys.Class != "none" && s.workload.IntN(6) == 0
		if s.workload.IntN(3) == 0 {
			sys.Skew = s.workload.IntN(8000) - 4000
		}
		p.Systems = append(p.Systems, sys)
	}
	for i := range 1 + s.workload.IntN(3) {
		p.Orders = append(p.Orders, orderPlan(s.workload, i))
	}
	for range s.workload.IntN(3) {
		p.Counts = append(p.Counts, CountPlan{At: s.workload.IntN(30_000), SKU: "A", Qty: s.workload.IntN(9) - 4})
	}
	p.Faults = append(networkFaults(s.faults), crashes(s.crashes, p.Calm)...)
	return p
}

func orderPlan(r *rand.Rand, i int) OrderPlan {
	o := OrderPlan{Ref: fmt.Sprintf("SO-%d", i+1), At: r.IntN(15_000), Early: r.IntN(8) == 0}
	for range 1 + r.IntN(3) {
		o.Lines = append(o.Lines, 1+r.IntN(9))
	}
	left := append([]int(nil), o.Lines...)
	for n := 1 + r.IntN(2); n > 0; n-- {
		sh := ShipmentPlan{After: 500 + r.IntN(20_000)}
		for l := range left {
			q := left[l]
			if n > 1 {
				q = r.IntN(left[l] + 1)
			}
			left[l] -= q
			sh.Lines = append(sh.Lines, q)
		}
		if r.IntN(3) == 0 {
			sh.Delivered = r.IntN(8000) - 3000
		}
		o.Shipments = append(o.Shipments, sh)
	}
	switch r.IntN(6) {
	case 0:
		o.Cancel = o.At + 1 + r.IntN(30_000)
	case 1:
		c := &ChangePlan{At: o.At + r.IntN(20_000)}
		for _, q := range o.Lines {
			c.Lines = append(c.Lines, max(1, q+r.IntN(5)-2))
		}
		o.Change = c
	case 2:
		o.Return = 1 + r.IntN(20_000)
	}
	return o
}

func networkFaults(r *rand.Rand) []Fault {
	var out []Fault
	for range 2 + r.IntN(8) {
		system := []string{"erp", "shop", "wms"}[r.IntN(3)]
		f := Fault{Nth: 1 + r.IntN(9), MS: r.IntN(15_000)}
		switch r.IntN(8) {
		case 0, 1, 2, 3:
			f.Site, f.What = "post "+system, postFates[r.IntN(len(postFates))]
		case 4, 5:
			f.Site, f.What, f.Nth = "ask "+system, askFates[r.IntN(len(askFates))], 1+r.IntN(4)
		case 6:
			f.Site, f.What, f.Nth = "info "+system, []string{"refused", "lost", "500_before", "401"}[r.IntN(4)], 1+r.IntN(4)
		default:
			f.Site, f.What, f.Nth = "push "+[]string{"shop", "wms", "erp", "carrier"}[r.IntN(4)], pushFates[r.IntN(len(pushFates))], 1+r.IntN(6)
		}
		out = append(out, f)
	}
	if r.IntN(3) == 0 {
		out = append(out, Fault{Site: "time", What: "outage " + []string{"erp", "shop", "wms"}[r.IntN(3)], Nth: r.IntN(40_000), MS: 5000 + r.IntN(30_000)})
	}
	return out
}

func crashes(r *rand.Rand, calm int) []Fault {
	var out []Fault
	for range r.IntN(4) {
		b := boundaries[r.IntN(len(boundaries))]
		what := []string{"crash_before", "crash_after"}[r.IntN(2)]
		if b == "B3" || b == "B5" {
			what = "crash_after"
		}
		out = append(out, Fault{Site: b, What: what, Nth: 1 + r.IntN(8), MS: r.IntN(8000)})
	}
	for range r.IntN(3) {
		out = append(out, Fault{Site: "commit", What: []string{"fails", "lies"}[r.IntN(2)], Nth: 1 + r.IntN(60)})
	}
	if r.IntN(4) == 0 {
		out = append(out, Fault{Site: "time", What: "freeze", Nth: r.IntN(calm / 2), MS: 1000 + r.IntN(30_000)})
	}
	return out
}

// ReadPlan reads a plan from a file, as the simulator writes it.
func ReadPlan(path string) (Plan, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Plan{}, fmt.Errorf("read the plan: %w", err)
	}
	var p Plan
	if err := json.Unmarshal(b, &p); err != nil {
		return Plan{}, fmt.Errorf("read the plan %s: %w", path, err)
	}
	return p, nil
}
