package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/verify"
)

// checkLanes holds the lanes in memory against promise 3, after every commit.
func (r *rig) checkLanes() {
	r.t.Helper()
	for _, f := range r.e.flows.byID {
		for _, l := range f.lanes {
			if breach := laneBreach(l.queue, l.target.class.KeepsOrder); breach != "" && (breach != leftOut || f.row.Kind != waybill.FlowItem) {
				r.t.Fatalf("lane of %s to %s: %s", f.row.Ref, l.target.sys.Name, breach)
			}
		}
	}
}

// leftOut is no breach in an item's lane: its settled documents leave the
// memory, and verify looks at them in the store.
const leftOut = "a number was left out"

// laneBreach says in which way a lane breaks its order; "" where it does not.
func laneBreach(q lane.Queue, keepsOrder bool) string {
	underWay, seen := 0, map[int64]bool{}
	unsettled := ""
	for _, d := range q {
		if d.State == lane.InFlight {
			underWay++
		}
		if d.Attempted() {
			if unsettled != "" && !d.State.Settled() {
				return fmt.Sprintf("%s was attempted while %s was not settled", d.Key, unsettled)
			}
			if seen[d.Seq] {
				return fmt.Sprintf("number %d is given twice", d.Seq)
			}
			seen[d.Seq] = true
			if d.After >= d.Seq {
				return fmt.Sprintf("%s comes after %d and has number %d", d.Key, d.After, d.Seq)
			}
		}
		if !d.State.Settled() && (!keepsOrder || d.AckBy.IsZero()) {
			unsettled = d.Key
		}
	}
	for n := range int64(len(seen)) {
		if !seen[n+1] {
			return leftOut
		}
	}
	if underWay > 1 && !keepsOrder {
		return fmt.Sprintf("%d attempts are under way", underWay)
	}
	return ""
}

// audit holds what the systems' books and the database say against the
// promises. It fails the test with all that it finds.
func (r *rig) audit() {
	r.t.Helper()
	for _, name := range slices.Sorted(maps.Keys(r.fakes)) {
		for _, breach := range r.fakes[name].breaches() {
			r.t.Errorf("%s: %s", name, breach)
		}
	}
	report, err := verify.Run(r.t.Context(), r.kept, r.opt.Policy)
	r.must(err)
	for _, v := range report.Violations {
		r.t.Errorf("verify: %s %s: %s", v.Rule, v.Object, v.Detail)
	}
	r.checkParked()
}

// checkParked wants an open exception for every delivery that waits for a
// person (promise 5).
func (r *rig) checkParked() {
	r.t.Helper()
	ds, err := r.kept.Deliveries(r.t.Context(), lane.Query{State: lane.Parked, Limit: 10000})
	r.must(err)
	named := map[string]bool{}
	for _, x := range r.open("") {
		named[x.Subject] = true
	}
	for _, d := range ds {
		if !strings.HasPrefix(d.Reason, "behind ") && !named[d.Key] {
			r.t.Errorf("%s of %s is parked (%s) and no open exception says so", d.Kind, d.Lane, d.Reason)
		}
	}
}
