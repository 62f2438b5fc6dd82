package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
)

// Milestone is a promise on the way of every order: from one status to another
// within a time. Broken, it is an exception within a second, not at the next
// report.
type Milestone struct {
	Name   string
	From   waybill.Status // received: from the moment the order came in
	Until  waybill.Status
	Within time.Duration
	Notify string // whom to tell; "" nobody
}

// statusRank orders the statuses along the way of an order.
var statusRank = map[waybill.Status]int{
	waybill.StatusReceived: 0, waybill.StatusHeld: 0, waybill.StatusAccepted: 1, waybill.StatusReleased: 2,
	waybill.StatusBackordered: 2, waybill.StatusPartiallyShipped: 3, waybill.StatusShipped: 4,
	waybill.StatusInvoiced: 5, waybill.StatusCancelled: 6,
}

// milestones sets and clears the timers of the promises on an order's way.
func (b *batch) milestones(f *flow) {
	if len(b.e.opt.Milestones) == 0 || f.sales() == nil || !f.sales().Placed() {
		return
	}
	rank := statusRank[f.row.Status]
	for _, m := range b.e.opt.Milestones {
		name, cause := "milestone:"+m.Name, "late_"+m.Name
		_, running := b.e.timers[timerName(f, name)]
		if due, set := b.timers[timerName(f, name)]; set {
			running = !due.IsZero()
		}
		switch {
		case rank >= statusRank[m.Until]:
			if running {
				b.clearTimer(f, name)
			}
			b.clear(f, cause, m.Name, "reached, late")
		case !running && rank >= statusRank[m.From] && !isOpen(f, cause):
			from := b.now
			if m.From == waybill.StatusReceived || m.From == "" {
				from = f.row.CreatedAt
			}
			b.setTimer(f, name, from.Add(m.Within))
		}
	}
}

func isOpen(f *flow, cause string) bool {
	for _, x := range f.open {
		if x.Cause == cause {
			return true
		}
	}
	return false
}

// milestoneDue raises what is late now.
func (b *batch) milestoneDue(ctx context.Context, f *flow, name string) error {
	for _, m := range b.e.opt.Milestones {
		if m.Name != name || statusRank[f.state.Status()] >= statusRank[m.Until] {
			continue
		}
		money, currency := f.state.OpenValue()
		x := exception.Exception{
			Cause: "late_" + m.Name, Subject: m.Name, Money: waybill.Money{Amount: money, Currency: currency},
			Detail: fmt.Sprintf("%s is %s and should be %s within %s of being %s", f.row.Ref, f.state.Status(), m.Until, m.Within, m.From),
			Next:   "open the order: its lanes show what it waits for", Actions: []string{"close"},
		}
		b.touch(f)
		// Out of reach, the timer says until the end that this was raised: who
		// closes the exception is not told again.
		b.setTimer(f, "milestone:"+name, b.now.AddDate(100, 0, 0))
		if err := b.raise(ctx, f, x); err != nil {
			return err
		}
		if m.Notify != "" {
			b.alerts = append(b.alerts, Alert{Cause: x.Cause, Ref: f.row.Ref, Detail: x.Detail, Next: x.Next, Target: m.Notify, At: b.now})
		}
	}
	return nil
}
