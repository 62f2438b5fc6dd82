package shopify

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// looksMax bounds how often one attempt looks again after it cancelled
// fulfilments that were too large.
const looksMax = 3

// Deliver makes one attempt. A fulfilment starts with a look at what is there
// and takes only the steps that are missing, so an attempt that follows a
// half-done one goes on from there. Every request is sent at most once.
func (s *shop) Deliver(ctx context.Context, a connector.Attempt) (waybill.Outcome, error) {
	t, err := readTask(a.Body)
	if err != nil {
		return *refusal("bad_document", err.Error()), nil
	}
	if !a.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.Deadline.Sub(s.env.Now()))
		defer cancel()
	}
	if t.Operation == opAnswer {
		return s.answer(ctx, t), nil
	}
	return s.fulfil(ctx, t), nil
}

func (s *shop) fulfil(ctx context.Context, t task) waybill.Outcome {
	wrote := false
	for range looksMax {
		p, stopped := s.look(ctx, t)
		if stopped != nil {
			return reading(*stopped, wrote)
		}
		c := plot(t, p)
		if c.stop != nil {
			return halfway(*c.stop, wrote)
		}
		ref := ""
		if len(p.ours) > 0 {
			ref = p.ours[0].id
		}
		for _, step := range c.steps {
			id, stopped := s.take(ctx, step)
			if stopped != nil {
				return halfway(*stopped, wrote)
			}
			wrote = true
			if ref == "" {
				ref = id
			}
		}
		if !c.again {
			return s.done(t, ref, c.short)
		}
	}
	return *doubt("the fulfilments still differ after they were cancelled; looking again")
}

// done is the outcome of a task whose steps have all taken effect.
func (s *shop) done(t task, ref string, short int64) waybill.Outcome {
	o := waybill.Outcome{Verdict: waybill.Done, Receipt: waybill.Receipt{Ref: number(ref), AppliedAt: s.env.Now()}}
	if short > 0 {
		o.Note = fmt.Sprintf("%d pieces of shipment %s are more than the shop still expects and stay off its fulfilment", short, t.Shipment)
	}
	return o
}

// reading turns the outcome of a query that failed into the attempt's: as long
// as nothing was written, nothing is in doubt.
func reading(o waybill.Outcome, wrote bool) waybill.Outcome {
	if !wrote && o.Verdict == waybill.InDoubt {
		o.Verdict = waybill.NotSent
	}
	return halfway(o, wrote)
}

// halfway turns the outcome of a later step into the attempt's: what was
// written before stays written.
func halfway(o waybill.Outcome, wrote bool) waybill.Outcome {
	switch {
	case !wrote:
	case o.Verdict == waybill.NotSent:
		o.Verdict = waybill.InDoubt
	case o.Verdict == waybill.Refused:
		o.Problem.Detail += " (a part of the fulfilment was written before: look at the order in the shop)"
	}
	return o
}

// take makes one mutation and gives the fulfilment that it made or changed.
func (s *shop) take(ctx context.Context, st step) (string, *waybill.Outcome) {
	type result struct {
		Fulfillment *node      `json:"fulfillment"`
		UserErrors  userErrors `json:"userErrors"`
	}
	var answer struct {
		Created   *result `json:"fulfillmentCreate"`
		Tracked   *result `json:"fulfillmentTrackingInfoUpdate"`
		Cancelled *result `json:"fulfillmentCancel"`
	}
	if _, o := s.call(ctx, st.document, st.variables, &answer); o != nil {
		return "", o
	}
	for _, r := range []*result{answer.Created, answer.Tracked, answer.Cancelled} {
		switch {
		case r == nil:
		case len(r.UserErrors) > 0:
			return "", r.UserErrors.refused()
		case r.Fulfillment != nil:
			return r.Fulfillment.ID, nil
		}
	}
	return "", doubt("the answer says neither what was done nor why not")
}

// answer tags the order and leaves the answer with it. Both only ever add what
// is not there yet, so it needs no look before.
func (s *shop) answer(ctx context.Context, t task) waybill.Outcome {
	var answer struct {
		Tagged *struct {
			UserErrors userErrors `json:"userErrors"`
		} `json:"tagsAdd"`
		Marked *struct {
			Metafields []node     `json:"metafields"`
			UserErrors userErrors `json:"userErrors"`
		} `json:"metafieldsSet"`
	}
	variables := map[string]any{"id": t.Order, "tags": t.Tags, "marks": []mark{*t.Mark}}
	if _, o := s.call(ctx, mutationAnswer, variables, &answer); o != nil {
		return *o
	}
	if answer.Tagged == nil || answer.Marked == nil {
		return *doubt("the answer says neither what was done nor why not")
	}
	for _, u := range []userErrors{answer.Tagged.UserErrors, answer.Marked.UserErrors} {
		if o := u.refused(); o != nil {
			return *o
		}
	}
	ref := ""
	if len(answer.Marked.Metafields) > 0 {
		ref = answer.Marked.Metafields[0].ID
	}
	return s.done(t, ref, 0)
}

// Inquire looks for a document's mark. What it finds holds for the moment of
// the look; before the attempt's deadline that says nothing about later, so
// absent is only ever the answer after it.
func (s *shop) Inquire(ctx context.Context, q connector.Inquiry) (connector.Finding, error) {
	t, err := readTask(q.Body)
	if err != nil {
		return connector.Finding{State: connector.FoundUnknown, Note: err.Error()}, nil
	}
	var f connector.Finding
	var stopped *waybill.Outcome
	if t.Operation == opAnswer {
		f, stopped = s.findMark(ctx, t)
	} else {
		f, stopped = s.findFulfilment(ctx, t)
	}
	if stopped != nil {
		return connector.Finding{State: connector.FoundUnknown, Note: stopped.Note, RetryAfter: stopped.RetryAfter,
			Unauthorized: stopped.Verdict == waybill.Unauthorized}, nil
	}
	if f.State == connector.FoundAbsent && s.env.Now().Before(q.Deadline) {
		return connector.Finding{State: connector.FoundUnknown,
			Note: "not there yet, and the attempt's deadline has not passed"}, nil
	}
	return f, nil
}

func (s *shop) findMark(ctx context.Context, t task) (connector.Finding, *waybill.Outcome) {
	var answer struct {
		Order *struct {
			Metafield *node `json:"metafield"`
		} `json:"order"`
	}
	if _, o := s.call(ctx, queryMark, map[string]any{"id": t.Order, "key": t.Mark.Key}, &answer); o != nil {
		return connector.Finding{}, o
	}
	if answer.Order == nil || answer.Order.Metafield == nil {
		return connector.Finding{State: connector.FoundAbsent}, nil
	}
	return connector.Finding{State: connector.FoundApplied,
		Receipt: waybill.Receipt{Ref: number(answer.Order.Metafield.ID)}}, nil
}

func (s *shop) findFulfilment(ctx context.Context, t task) (connector.Finding, *waybill.Outcome) {
	p, stopped := s.look(ctx, t)
	if stopped != nil {
		if stopped.Verdict == waybill.Refused { // the next attempt says so for itself
			return connector.Finding{State: connector.FoundAbsent, Note: stopped.Note}, nil
		}
		return connector.Finding{}, stopped
	}
	c := plot(t, p)
	if len(c.steps) > 0 || c.stop != nil {
		f := connector.Finding{State: connector.FoundAbsent}
		if len(p.ours) > 0 {
			f.Note = fmt.Sprintf("%d steps are missing; the next attempt goes on from there", len(c.steps))
		}
		return f, nil
	}
	f := connector.Finding{State: connector.FoundApplied}
	if len(p.ours) > 0 {
		f.Receipt.Ref = number(p.ours[0].id)
	}
	return f, nil
}

// Probe asks for the shop's name.
func (s *shop) Probe(ctx context.Context) (connector.Info, error) {
	var answer struct {
		Shop struct {
			Name   string `json:"name"`
			Domain string `json:"myshopifyDomain"`
		} `json:"shop"`
	}
	r, stopped := s.call(ctx, queryShop, nil, &answer)
	if stopped != nil {
		if stopped.Verdict == waybill.Unauthorized || stopped.Verdict == waybill.Forbidden {
			return connector.Info{}, connector.Reject(http.StatusUnauthorized, "unauthorized", "token",
				"the shop refuses the access token: "+stopped.Note, "install the app again and configure its new token")
		}
		return connector.Info{}, fmt.Errorf("ask shop %s for its name: %s", s.env.System, stopped.Note)
	}
	if v := r.header.Get("X-Shopify-Api-Version"); v != "" && v != s.version && s.env.Log != nil {
		s.env.Log.Warn("shop answers in another API version", "system", s.env.System, "asked", s.version, "answered", v)
	}
	now := s.env.Now()
	if date, err := http.ParseTime(r.header.Get("Date")); err == nil {
		now = date
	}
	return connector.Info{System: answer.Shop.Name, Head: -1, Now: now, Idempotency: waybill.ByLookup}, nil
}

// number is the last part of a GraphQL id, which the shop's pages show.
func number(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }
