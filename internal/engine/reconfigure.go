package engine

import (
	"context"
	"time"

	"github.com/waybillhq/waybill/internal/audit"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ownership"
	"github.com/waybillhq/waybill/internal/process"
)

// Configuration is the part of the options that a reload replaces.
type Configuration struct {
	Policy     *process.Policy
	Systems    []System
	Timing     lane.Timing
	Milestones []Milestone
	MasterData time.Duration
	Ownership  *ownership.Matrix
	Rev        string
}

type reconfigure struct {
	Configuration
	actor string
	reply chan<- error
}

// Reconfigure replaces the configuration between two batches: all of it or
// nothing. Documents on their way keep what they were decided under; a system
// that was paused because of its configuration is tried again.
func (e *Engine) Reconfigure(ctx context.Context, c Configuration, actor string) error {
	reply := make(chan error, 1)
	if err := e.submit(ctx, &reconfigure{Configuration: c, actor: actor, reply: reply}); err != nil {
		return err
	}
	said, err := answerOf(ctx, e, reply)
	if err != nil {
		return err
	}
	return said
}

func (r *reconfigure) fail(err error) { r.reply <- err }

func (r *reconfigure) apply(ctx context.Context, b *batch) error {
	e := b.e
	controls, err := e.controls(ctx, r.Systems)
	if err != nil {
		return err
	}
	for _, t := range e.order {
		if t.paused == "unauthorized" || t.paused == "misconfigured" {
			b.clearPauses(t, "the configuration was reloaded")
		}
	}
	b.note(audit.Entry{Actor: r.actor, Action: "reload", Object: "configuration " + r.Rev})
	b.after = append(b.after, func() {
		e.policy, e.timing = r.Policy, r.Timing
		e.opt.Milestones, e.opt.MasterData, e.opt.Ownership = r.Milestones, r.MasterData, r.Ownership
		named := map[string]bool{}
		for _, s := range r.Systems {
			named[s.Name] = true
			e.replace(s)
			e.targets[s.Name].control = max(e.targets[s.Name].control, controls[s.Name])
		}
		for _, t := range e.order {
			if !named[t.sys.Name] {
				t.paused = "not_configured"
			}
		}
		r.reply <- nil
	})
	return nil
}

// replace gives a target its new connector and budget. What is known of its
// health stays.
func (e *Engine) replace(s System) {
	t := e.targets[s.Name]
	if t == nil {
		t = e.addTarget(s)
		e.probeSoon(t, e.opt.Now())
		e.readAnew(t)
		return
	}
	if s.Concurrency <= 0 {
		s.Concurrency = concurrencyDefault
	}
	t.sys, t.conn, t.room, t.part = s, s.Conn, s.Concurrency, parts{}
	t.limiter = limiterOf(s)
	switch t.paused {
	case "misconfigured", "unauthorized", "not_configured", "receives_nothing":
		t.paused = ""
	}
	if t.conn.Deliverer == nil || t.conn.Renderer == nil {
		t.paused = "receives_nothing"
	}
	e.probeSoon(t, e.opt.Now())
	e.readAnew(t)
}
