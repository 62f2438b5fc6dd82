package sim

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/sim/oracle"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/verify"
)

// pageMax is how many rows are read at once.
const pageMax = 1000

// unsettled says what is left to do; "" where nothing is.
func (w *world) unsettled() (left string, err error) {
	err = w.db.PendingDeliveries(w.ctx, func(p lane.Pending) error {
		if p.State != lane.Parked && left == "" {
			left = fmt.Sprintf("%s to %s is %s", p.Kind, p.Target, p.State)
		}
		return nil
	})
	if err != nil || left != "" {
		return left, err
	}
	statuses, err := w.db.StatusCounts(w.ctx)
	if err != nil {
		return "", err
	}
	if statuses[waybill.StatusHeld] > 0 {
		return "an order is held", nil
	}
	open, err := w.db.Exceptions(w.ctx, exception.Query{State: exception.Open, Limit: pageMax})
	for _, x := range open {
		if w.works(x.Cause) {
			return x.Cause + " " + x.Subject, err
		}
	}
	return "", err
}

// show gathers what the program shows of itself.
func (w *world) show() error {
	s := &w.history.Shown
	s.Quiet, s.Commands = w.quiet, w.commands
	for _, step := range []func(*oracle.Shown) error{w.showLedger, w.showMessages, w.showDeliveries, w.showRest} {
		if err := step(s); err != nil {
			return fmt.Errorf("read what is shown in the end: %w", err)
		}
	}
	report, err := verify.Run(w.ctx, w.db, w.policy)
	if err != nil {
		return err
	}
	for _, v := range report.Violations {
		s.Breaches = append(s.Breaches, fmt.Sprintf("%s %s: %s", v.Rule, v.Object, v.Detail))
	}
	return nil
}

func (w *world) showLedger(s *oracle.Shown) error {
	for after := int64(0); ; {
		events, err := w.db.EventsAfter(w.ctx, after, pageMax)
		if err != nil || len(events) == 0 {
			return err
		}
		for i := range events {
			e := &events[i]
			s.Events = append(s.Events, oracle.Event{ID: e.ID, Seq: e.Seq, Shard: e.Shard, Source: e.Source,
				State: string(e.State), Prev: e.Prev, Hash: e.Hash})
			if e.Message != 0 {
				w.messages[e.Message] = true
			}
			if e.State == ledger.Superseded && e.Reason != "" {
				w.reach("adopted")
			}
			after = e.ID
		}
	}
}

func (w *world) showMessages(s *oracle.Shown) error {
	for _, in := range w.history.Inputs {
		m, err := w.db.MessageByDedupe(w.ctx, in.Source, in.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		w.messages[m.ID] = true
	}
	for id := range w.messages {
		m, err := w.db.Message(w.ctx, id)
		if errors.Is(err, store.ErrNotFound) {
			s.Breaches = append(s.Breaches, fmt.Sprintf("an event names message %d, which is not there", id))
			continue
		}
		if err != nil {
			return err
		}
		s.Messages = append(s.Messages, oracle.Message{Source: m.Source, ID: m.DedupeID, Sum: m.SHA256, Body: sha256.Sum256(m.Body), Events: m.Events})
	}
	return nil
}

func (w *world) showDeliveries(s *oracle.Shown) error {
	for after := int64(0); ; {
		ds, err := w.db.Deliveries(w.ctx, lane.Query{After: after, Limit: pageMax})
		if err != nil || len(ds) == 0 {
			return err
		}
		for i := range ds {
			d := &ds[i]
			s.Deliveries = append(s.Deliveries, oracle.Delivery{Key: d.Key, Target: d.Target, Kind: string(d.Kind), Lane: d.Lane,
				State: string(d.State), Reason: d.Reason, Attempts: d.Attempts, Digest: d.Digest})
			w.reach("end " + string(d.State))
			after = max(after, d.ID)
		}
		if len(ds) < pageMax {
			return nil
		}
	}
}

func (w *world) showRest(s *oracle.Shown) error {
	open, err := w.db.Exceptions(w.ctx, exception.Query{State: exception.Open, Limit: pageMax})
	if err != nil {
		return err
	}
	for _, x := range open {
		s.Exceptions = append(s.Exceptions, oracle.Exception{Cause: x.Cause, Subject: x.Subject, Ref: x.Ref})
		w.reach("exception " + x.Cause)
	}
	entries, err := w.db.AuditAfter(w.ctx, 0, pageMax)
	for _, a := range entries {
		s.Audit = append(s.Audit, oracle.Chained{Seq: a.Seq, Prev: a.Prev, Hash: a.Hash})
	}
	return err
}
