package sim

import (
	"context"
	"slices"
)

// Shrink leaves out of a plan what its failure does not need: faults in halves
// and one by one, then orders, counts, and the turns of the orders that stay.
// What is left breaks the same invariant.
func Shrink(ctx context.Context, p Plan, invariant string) Plan {
	return shrink(p, func(q Plan) bool {
		r, err := Run(ctx, q)
		if err != nil {
			return false
		}
		for _, v := range r.Violations {
			if v.Invariant == invariant {
				return true
			}
		}
		return false
	})
}

// shrink needs only to know whether a plan still fails.
func shrink(p Plan, fails func(Plan) bool) Plan {
	for before := -1; before != size(p); {
		before = size(p)
		p.Faults = fewer(p.Faults, func(f []Fault) bool { q := p; q.Faults = f; return fails(q) })
		p.Orders = fewer(p.Orders, func(o []OrderPlan) bool { q := p; q.Orders = o; return fails(q) })
		p.Counts = fewer(p.Counts, func(c []CountPlan) bool { q := p; q.Counts = c; return fails(q) })
		for i := range p.Orders {
			for _, leave := range []func(*OrderPlan){
				func(o *OrderPlan) { o.Change = nil }, func(o *OrderPlan) { o.Cancel = 0 }, func(o *OrderPlan) { o.Return = 0 },
				func(o *OrderPlan) { o.Early = false }, func(o *OrderPlan) { o.Shipments = nil },
			} {
				q := p
				q.Orders = slices.Clone(p.Orders)
				leave(&q.Orders[i])
				if size(q) < size(p) && fails(q) {
					p = q
				}
			}
		}
	}
	return p
}

// fewer finds a part of the list that still fails: without halves first, then
// quarters, down to single members.
func fewer[T any](all []T, fails func([]T) bool) []T {
	for step := (len(all) + 1) / 2; step > 0 && len(all) > 0; {
		shorter := false
		for at := 0; at < len(all); {
			rest := slices.Concat(all[:at], all[min(at+step, len(all)):])
			if fails(rest) {
				all, shorter = rest, true
			} else {
				at += step
			}
		}
		if step == 1 && !shorter {
			break
		}
		step = max(step/2, 1)
	}
	return all
}

// size is what there is to leave out.
func size(p Plan) int {
	n := len(p.Faults) + len(p.Orders) + len(p.Counts)
	for _, o := range p.Orders {
		n += len(o.Shipments) + min(o.Cancel, 1) + min(o.Return, 1)
		if o.Change != nil {
			n++
		}
		if o.Early {
			n++
		}
	}
	return n
}
