package verify

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// decision is what the engine kept beside an event; its Attempt are the first
// attempts that were committed with it.
type decision struct {
	Add []struct {
		Key string `json:"key"`
	} `json:"add"`
	Attempt  []process.Attempted `json:"attempt"`
	Replaces string              `json:"replaces"`
	Void     bool                `json:"void"`
}

// refold folds a waybill's events anew and compares the documents decided.
func refold(ctx context.Context, db store.Store, policy *process.Policy, w *ledger.Waybill, r *Report) (*refolding, error) {
	f := &refolding{state: process.NewFlow(w.Kind, w.Ref, policy), policy: policy, w: w, past: map[string][]byte{}, decided: map[string]bool{}, r: r}
	for after := int64(0); ; {
		page, err := db.Events(ctx, ledger.EventQuery{Waybill: w.ID, After: after, Limit: pageSize})
		if err != nil {
			return nil, fmt.Errorf("read the events of %s: %w", w.Ref, err)
		}
		for i := range page {
			e := &page[i]
			after = e.ID
			if err := f.event(e); err != nil {
				return nil, fmt.Errorf("refold event %d of %s: %w", e.ID, w.Ref, err)
			}
		}
		if len(page) < pageSize {
			return f, nil
		}
	}
}

// compare holds the stored state against the one folded, byte for byte.
func (f *refolding) compare() {
	if got := f.state.Append(nil); string(got) != string(f.w.State) {
		f.r.add("state_refold", "waybill "+f.w.Ref, "its stored state is not what its events make: stored %q, refolded %q", clip(f.w.State), clip(got))
	}
}

// refolding is a waybill's state folded anew, as far as it has come.
type refolding struct {
	state   process.Flow
	policy  *process.Policy
	w       *ledger.Waybill
	past    map[string][]byte // what the state has let go of
	decided map[string]bool   // keys of its documents
	docs    []process.Doc     // as the refolding decides them, each once
	r       *Report
}

// event folds an event and the first attempts that were committed with it, and
// compares the documents decided with those that were.
func (f *refolding) event(e *ledger.Event) error {
	object := fmt.Sprintf("event %d of %s", e.ID, f.w.Ref)
	var kept decision
	if len(e.Decision) > 0 {
		if err := json.Unmarshal(e.Decision, &kept); err != nil {
			f.r.add("decision_unreadable", object, "%v", err)
			return nil
		}
	}
	var added []string
	if e.Type != waybill.DocumentAttempted {
		some, err := f.decide(&waybill.Event{ID: strconv.FormatInt(e.ID, 10), Type: e.Type, Source: e.Source, Flow: f.w.Kind, Ref: f.w.Ref,
			Subject: e.Subject, Version: e.Version, OccurredAt: e.OccurredAt, RecordedAt: e.RecordedAt, Data: e.Data,
			Replaces: kept.Replaces, Void: kept.Void})
		if err != nil {
			return err
		}
		added = append(added, some...)
	}
	for i := range kept.Attempt {
		some, err := f.decide(&waybill.Event{Type: waybill.DocumentAttempted, Source: "waybill", Flow: f.w.Kind, Ref: f.w.Ref,
			RecordedAt: e.RecordedAt, Body: &kept.Attempt[i]})
		if err != nil {
			return err
		}
		added = append(added, some...)
	}
	for i, a := range kept.Add {
		f.decided[a.Key] = true
		if i >= len(added) || added[i] != a.Key {
			f.r.add("decision_refold", object, "it decided document %s, which its refolding does not", a.Key)
		}
	}
	if len(added) > len(kept.Add) {
		f.r.add("decision_refold", object, "its refolding decides %d documents, it decided %d", len(added), len(kept.Add))
	}
	return nil
}

// decide folds one event and lists the keys of the documents that it adds.
func (f *refolding) decide(ev *waybill.Event) (added []string, err error) {
	if e, ok := f.state.(process.Endless); ok {
		if name := e.Asks(ev); name != "" {
			if err := e.Recall(name, f.past[name]); err != nil {
				return nil, err
			}
		}
	}
	dec := f.state.Decide(ev, f.policy)
	for _, p := range dec.Past {
		f.past[p.Name] = p.Data
	}
	for _, d := range dec.Add {
		added = append(added, d.Key)
		if !slices.ContainsFunc(f.docs, func(o process.Doc) bool { return o.Key == d.Key }) {
			f.docs = append(f.docs, d)
		}
	}
	return added, nil
}

func clip(b []byte) []byte {
	if len(b) > 400 {
		return b[:400]
	}
	return b
}
