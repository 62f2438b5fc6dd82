package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// load builds the engine's memory from the store: at the start, and after a
// commit that failed. Requests under way stay known, so that their answers
// find their deliveries.
func (e *Engine) load(ctx context.Context) error {
	e.flows = newFlowCache(flowsMax)
	e.due = e.due[:0]
	clear(e.timers)
	clear(e.wanted)
	e.counts.reset()
	e.recent.forget()
	clear(e.bases)
	heads, err := e.store.Heads(ctx)
	if err != nil {
		return fmt.Errorf("read the chains' heads: %w", err)
	}
	for _, h := range heads {
		e.heads[h.Shard] = h
	}
	if e.auditEnd, err = e.store.AuditHead(ctx); err != nil {
		return fmt.Errorf("read the audit log's head: %w", err)
	}
	if err := e.loadBook(ctx); err != nil {
		return err
	}
	for _, t := range e.order {
		t.ready.reset()
		t.drain = lane.Drain{}
		if err := e.loadTarget(ctx, t); err != nil {
			return err
		}
	}
	now := e.opt.Now()
	err = e.pending(ctx, func(p lane.Pending) error {
		t := e.targetOf(p.Target)
		e.moved(t, "", p.State)
		switch {
		case p.State == lane.Ready:
			t.ready.push(p.Kind, p.ID, p.Waybill)
		case p.State == lane.InFlight:
			if _, underWay := e.inflight[p.ID]; !underWay {
				e.due = append(e.due, dueItem{at: now, waybill: p.Waybill, delivery: p.ID})
			}
		case p.Next != lane.Stay:
			e.due = append(e.due, dueItem{at: p.Due, waybill: p.Waybill, delivery: p.ID})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the open deliveries: %w", err)
	}
	err = e.timersOpen(ctx, func(t store.Timer) error {
		e.timers[t.TimerName] = t.Due
		e.due = append(e.due, dueItem{at: t.Due, waybill: t.Waybill, name: t.Name})
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the timers: %w", err)
	}
	e.heapify(now)
	return e.loadOpen(ctx)
}

// loadOpen reads what is open without a waybill: exceptions and events that
// wait for a name.
func (e *Engine) loadOpen(ctx context.Context) error {
	for after := int64(0); ; {
		xs, err := e.store.Exceptions(ctx, exception.Query{State: exception.Open, After: after, Limit: 1000})
		if err != nil {
			return fmt.Errorf("read the open exceptions: %w", err)
		}
		for _, x := range xs {
			after = x.ID
			if x.Waybill == 0 {
				e.counts.open[x.Cause+"\x00"+x.Subject] = x
			}
		}
		if len(xs) < 1000 {
			break
		}
	}
	for _, state := range []ledger.EventState{ledger.Limbo, ledger.ParkedEvent} { // an expired one is still adopted
		if err := e.loadWanted(ctx, state); err != nil {
			return err
		}
	}
	return nil
}

// loadWanted reads the events in a state that wait for a shipment, or for the
// order of a return.
func (e *Engine) loadWanted(ctx context.Context, state ledger.EventState) error {
	for after := int64(0); ; {
		evs, err := e.store.Events(ctx, ledger.EventQuery{State: state, After: after, Limit: 1000})
		if err != nil {
			return fmt.Errorf("read the events that are %s: %w", state, err)
		}
		for _, ev := range evs {
			after = ev.ID
			if ev.Waybill == 0 {
				e.wanted["shipment:"+ev.Subject] = true
			}
			if ev.Type == waybill.ReturnRequested || ev.Type == waybill.ReturnReceived {
				e.wanted[wantReturn+ev.Subject] = true
				for _, name := range namedBy(ev.Data) {
					e.wanted[wantNamed+name] = true
				}
			}
		}
		if len(evs) < 1000 {
			return nil
		}
	}
}

// targetState is what a restart must know of a target.
type targetState struct {
	Paused     string `json:"paused,omitempty"`
	Generation string `json:"generation,omitempty"`
	Head       int64  `json:"head,omitempty"`
	Control    int64  `json:"control,omitempty"`
}

func (e *Engine) loadTarget(ctx context.Context, t *target) error {
	if t.paused != "receives_nothing" && t.paused != "not_configured" {
		t.paused = "" // only what was committed counts
	}
	until, err := e.store.Setting(ctx, untilSetting(t))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("read until when system %s asks for rest: %w", t.sys.Name, err)
	}
	e.heardUntil(t, until)
	text, err := e.store.Setting(ctx, "target:"+t.sys.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the state of system %s: %w", t.sys.Name, err)
	}
	var s targetState
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("read the state of system %s: %w", t.sys.Name, err)
	}
	t.generation, t.head, t.control = s.Generation, s.Head, s.Control
	// What the configuration caused may be right again; what a person or a
	// rewind caused stays until a person says so.
	if t.paused == "" && (s.Paused == "operator" || s.Paused == "target_rewind" || s.Paused == "refusals") {
		t.paused = s.Paused
	}
	return nil
}

func (b *batch) keepTarget(t *target) error {
	state := targetState{Paused: t.paused, Generation: t.generation, Head: t.head, Control: t.control}
	if b.e.share != nil {
		changed := t.paused != t.saidPause
		if err := b.tellTarget(t, state); err != nil || !b.e.owns(steward) {
			return err
		}
		b.over.Wake = b.over.Wake || changed
	}
	text, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("write the state of system %s: %w", t.sys.Name, err)
	}
	if b.w.Settings == nil {
		b.w.Settings = map[string]string{}
	}
	b.w.Settings["target:"+t.sys.Name] = string(text)
	return nil
}

// somethingDue reports whether a step without inputs would do anything.
func (e *Engine) somethingDue(now time.Time) bool {
	if next, some := e.due.next(); some && !next.After(now) {
		return true
	}
	for _, t := range e.order {
		if t.ready.len() == 0 {
			continue
		}
		if ok, _ := t.free(now); ok {
			return true
		}
	}
	return false
}

// applyDue takes the steps whose time has come, a bounded number a batch.
func (b *batch) applyDue(ctx context.Context) error {
	if err := b.raiseBroken(ctx); err != nil {
		return err
	}
	for range 2 * batchMax {
		item, ok := b.e.due.pop(b.now)
		if !ok {
			return nil
		}
		var err error
		switch {
		case item.delivery != 0:
			err = b.deliveryDue(ctx, item)
		case item.target != "":
			err = b.targetDue(ctx, item)
		default:
			err = b.timerDue(ctx, item)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dueFlow is the waybill of something that is due; nil where it is set aside.
func (b *batch) dueFlow(ctx context.Context, id int64) (*flow, error) {
	if b.e.aside[id] != "" {
		return nil, nil
	}
	b.at = id
	f, err := b.e.flowByID(ctx, id)
	if err != nil {
		return nil, b.setAside(ctx, err)
	}
	if !b.e.owns(f.row.Shard) { // it has gone to another replica
		return nil, nil
	}
	return f, nil
}

func (b *batch) deliveryDue(ctx context.Context, item dueItem) error {
	f, err := b.dueFlow(ctx, item.waybill)
	if f == nil {
		return err
	}
	l, d := f.delivery(item.delivery)
	if d == nil || d.State.Settled() {
		return nil
	}
	if d.State == lane.InFlight {
		if _, underWay := b.e.inflight[d.ID]; underWay {
			return nil
		}
		b.touch(f)
		d.Dirty = true
		d.Lost(b.now, b.e.timing, l.target.class)
		b.e.stats.Doubts.Add(1)
		if d.State == lane.Parked {
			return b.doubtException(ctx, f, d)
		}
		b.dueDelivery(d)
		return nil
	}
	return b.move(ctx, f, l, d)
}

func (b *batch) timerDue(ctx context.Context, item dueItem) error {
	name := store.TimerName{Waybill: item.waybill, Name: item.name}
	if due, set := b.e.timers[name]; !set || !due.Equal(item.at) {
		return nil // it was set anew or cleared
	}
	if id, isLimbo := strings.CutPrefix(item.name, "limbo:"); isLimbo && item.waybill == 0 {
		b.timers[name] = time.Time{}
		return b.limboExpired(ctx, id)
	}
	f, err := b.dueFlow(ctx, item.waybill)
	if f == nil {
		return err
	}
	b.clearTimer(f, item.name)
	if rest, isAllotment := strings.CutPrefix(item.name, "allot:"); isAllotment {
		return b.allotDue(ctx, f, rest)
	}
	if rest, isMilestone := strings.CutPrefix(item.name, "milestone:"); isMilestone {
		return b.milestoneDue(ctx, f, rest)
	}
	return b.timerFired(ctx, f, item.name)
}
