package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

const (
	// controlMax is the highest control number; 1 follows it.
	controlMax = 999_999_999
	refControl = "control"
)

// CauseDelayedAck is the exception of a numbered document whose acknowledgment
// is overdue.
const CauseDelayedAck = "delayed_ack"

// nextControl is the number that the next document of a numbered system gets;
// 0 for any other system.
func (t *target) nextControl() int64 {
	if !t.sys.Manifest.Numbered {
		return 0
	}
	return t.control%controlMax + 1
}

// controls reads the last control number of numbered systems that this process
// has sent nothing to: one that was switched off may have had some before.
func (e *Engine) controls(ctx context.Context, systems []System) (map[string]int64, error) {
	out := map[string]int64{}
	for _, s := range systems {
		if t := e.targets[s.Name]; !s.Manifest.Numbered || t != nil && t.control > 0 {
			continue
		}
		text, err := e.store.Setting(ctx, "target:"+s.Name)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		var known targetState
		if err == nil {
			err = json.Unmarshal([]byte(text), &known)
		}
		if err != nil {
			return nil, fmt.Errorf("read the state of system %s: %w", s.Name, err)
		}
		out[s.Name] = known.Control
	}
	return out, nil
}

// controlText is a number as references and receipts show it.
func controlText(n int64) string { return fmt.Sprintf("%09d", n) }

// reserve takes a number for a document that was written with it. It is
// committed with the bytes, so that a crash gives it to nobody else and skips
// none; and the document is found by it.
func (b *batch) reserve(f *flow, t *target, d *lane.Delivery, n int64) error {
	if n == 0 {
		return nil
	}
	before := t.control
	t.control = n
	if err := b.keepTarget(t); err != nil {
		t.control = before
		return err
	}
	d.Ref = controlText(n)
	b.refer(f, ledger.Reference{System: t.sys.Name, Kind: refControl, Value: d.Ref})
	return nil
}

// reported finds the document that a report speaks of, by its key, by the
// control number it was written with, or as the oldest of its kind that the
// source has taken and not settled. The report's key and ref are filled in, and
// the ledger keeps them: it need not be looked up again.
func (b *batch) reported(ctx context.Context, source string, r *waybill.DocumentReport) (*flow, error) {
	if r.Key != "" {
		return b.e.flowByKey(ctx, r.Key)
	}
	name := r.Order
	if r.Control != 0 {
		name = controlText(r.Control)
	}
	if name == "" {
		return nil, store.ErrNotFound
	}
	fs, err := b.flowsByRef(ctx, name)
	if err != nil {
		return nil, err
	}
	var at *flow
	var best *lane.Delivery
	for _, f := range fs {
		for _, l := range f.lanes {
			for _, d := range l.queue {
				if d.Target != source || !d.Attempted() || d.State == lane.Cancelled {
					continue
				}
				if r.Control != 0 && (d.Ref != name || r.Kind != "" && d.Kind != r.Kind) || r.Control == 0 && (d.Kind != r.Kind || d.State.Settled()) {
					continue
				}
				if best == nil || r.Control == 0 && d.ID < best.ID || r.Control != 0 && d.ID > best.ID { // numbers come round: the newest
					at, best = f, d
				}
			}
		}
	}
	if best == nil {
		return nil, store.ErrNotFound
	}
	r.Key = best.Key
	if r.Ref == "" {
		r.Ref = best.Ref
	}
	return at, nil
}

// reportNames says by what a report names its document.
func reportNames(r *waybill.DocumentReport) string {
	switch {
	case r.Key != "":
		return "key " + r.Key
	case r.Control != 0 && r.Kind != "":
		return "kind " + string(r.Kind) + " and control number " + controlText(r.Control)
	case r.Control != 0:
		return "control number " + controlText(r.Control)
	}
	return "kind " + string(r.Kind) + " and waits for an answer in order " + strconv.Quote(r.Order)
}

// doubts raises what a person should know of a document that goes out all the
// same.
func (b *batch) doubts(ctx context.Context, f *flow, d *lane.Delivery, list []string) error {
	money, currency := f.state.OpenValue()
	for _, text := range list {
		err := b.raise(ctx, f, exception.Exception{
			Cause: "proof_mismatch", Subject: d.Subject, Money: waybill.Money{Amount: money, Currency: currency},
			Detail: fmt.Sprintf("%s of %s went to %s although %s", d.Kind, f.row.Ref, d.Target, text),
			Next:   "tell the partner before the goods arrive, and have what is wrong corrected at its source", Actions: []string{"close"},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// delayedAck names a document whose acknowledgment has not come in time.
func delayedAck(f *flow, d *lane.Delivery) exception.Exception {
	money, currency := f.state.OpenValue()
	return exception.Exception{
		Cause: CauseDelayedAck, Subject: d.Key, Money: waybill.Money{Amount: money, Currency: currency},
		Detail: fmt.Sprintf("%s has not acknowledged %s of %s, control number %s, sent %s; it was due by %s", d.Target, d.Kind, f.row.Ref,
			d.Ref, d.StartedAt.UTC().Format("2006-01-02 15:04Z"), d.AckBy.UTC().Format("2006-01-02 15:04Z")),
		Next:    "ask the partner whether it has the interchange; retry sends the same bytes with the same number",
		Actions: actionsFor(CauseDelayedAck),
	}
}
