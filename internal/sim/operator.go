package sim

import (
	"strings"
	"time"

	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
)

// rounds is how often the operator looks at the exceptions.
const rounds = 15 * time.Second

// operate is the person who works on what waits for one: looks in the target's
// books where the program can't, and lets go on what was put right.
func (w *world) operate() {
	w.in(rounds, w.operate)
	p := w.proc
	if p == nil {
		return
	}
	open, err := w.db.Exceptions(w.ctx, exception.Query{State: exception.Open, Limit: 100})
	if err != nil {
		w.failure = err
		return
	}
	for _, x := range open {
		if !w.works(x.Cause) {
			continue
		}
		switch {
		case strings.HasPrefix(x.Cause, "target_"):
			w.command(engine.Command{Object: engine.ToSystem, Name: x.Subject, Action: "resume"})
		default:
			w.look(x)
		}
	}
}

// works reports whether the operator can do something about a cause.
func (w *world) works(cause string) bool {
	return strings.HasPrefix(cause, "target_") || strings.HasPrefix(cause, "refused_") ||
		cause == "in_doubt" || cause == "business_park" || cause == "cannot_render"
}

// look is a person's look at a delivery that waits, and into the books of a
// system that can't be asked.
func (w *world) look(x exception.Exception) {
	for _, name := range names {
		s := w.systems[name]
		if s == nil {
			continue
		}
		for _, d := range w.parked(name) {
			if d.Key != x.Subject {
				continue
			}
			c := engine.Command{Object: engine.ToDelivery, Name: x.Subject, Action: "retry"}
			if d.Reason != "in_doubt" {
				w.command(c)
				continue
			}
			if w.now.Before(d.Deadline.Add(timing.Settle + 5*time.Second)) {
				continue // it may still take effect
			}
			for _, e := range s.Books {
				if e.Key == x.Subject {
					c.Action, c.Ref = "settle", "by hand"
				}
			}
			w.reach("doubt_" + c.Action)
			w.command(c)
		}
	}
}

func (w *world) parked(target string) []lane.Delivery {
	ds, err := w.db.Deliveries(w.ctx, lane.Query{Target: target, State: lane.Parked, Limit: 1000})
	if err != nil {
		w.failure = err
	}
	return ds
}

// command gives a command. One without an answer is given again at the next
// round.
func (w *world) command(c engine.Command) {
	c.Actor, c.Reason = "ops", "the cause is gone"
	p := w.proc
	reply, err := p.s.Do(w.ctx, c)
	if err != nil {
		return
	}
	p.waiting = append(p.waiting, func() bool {
		_, said, err := reply.Said()
		if said && err == nil {
			w.commands++
			w.reach("command_" + c.Action)
		}
		return said
	})
}
