package tryton

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// mark is what every document carries in Tryton: at the end of a field that
// people see, so that its key can be searched and traced back.
func mark(key string) string { return "Waybill " + key }

// lineMark is the note of a sale's line that says which line of the order it is.
const lineMark = "Waybill line "

// work is one attempt under way. It counts what may have changed the books, so
// that a failure before anything was written is a plain retry.
type work struct {
	*erp
	ctx   context.Context
	t     *task
	wrote bool
}

// row is the part of a record that every reading has.
type row struct {
	ID int64 `json:"id"`
}

type all = []any

func is(field string, value any) any       { return all{field, "=", value} }
func op(field, op string, value any) any   { return all{field, op, value} }
func (w *work) keyed(field string) any     { return op(field, "like", "%"+mark(w.t.Key)) }
func fields(names ...string) []string      { return names }
func create(records ...map[string]any) any { return all{"create", records} }

// search reads records of a model into out, at most limit of them.
func (e *erp) search(ctx context.Context, extra map[string]any, model string, domain all, limit int, names []string, out any) error {
	return e.invoke(ctx, extra, "model."+model+".search_read", out, domain, 0, limit, all{all{"id", "ASC"}}, names)
}

// rowsMax bounds what belongs to one document: lines, moves, candidates.
const rowsMax = 2000

func (w *work) find(model string, domain all, names []string, out any) error {
	return w.search(w.ctx, nil, model, domain, rowsMax, names, out)
}

// make creates records and gives their ids.
func (w *work) make(model string, records ...map[string]any) (ids []int64, err error) {
	w.wrote = true
	return ids, w.invoke(w.ctx, nil, "model."+model+".create", &ids, records)
}

func (w *work) change(model string, ids []int64, values map[string]any) error {
	w.wrote = true
	return w.invoke(w.ctx, nil, "model."+model+".write", nil, ids, values)
}

// press presses a button. That says nothing of whether it applied: the caller
// reads the state afterwards. A warning of those that are acknowledged by
// themselves is, and the button pressed again: it did nothing the first time.
func (w *work) press(model, button string, ids ...int64) error {
	w.wrote = true
	for seen := []string(nil); ; {
		err := w.invoke(w.ctx, nil, "model."+model+"."+button, nil, ids)
		f := (*fault)(nil)
		if !errors.As(err, &f) || f.warning == "" || slices.Contains(seen, f.warning) ||
			!slices.ContainsFunc(w.ack, func(p string) bool { return strings.HasPrefix(f.warning, p) }) {
			return err
		}
		seen = append(seen, f.warning)
		s, err := w.open(w.ctx)
		if err != nil {
			return err
		}
		if _, err := w.make("res.user.warning", map[string]any{"user": s.user, "name": f.warning, "always": false}); err != nil {
			return err
		}
	}
}

// stuck is a transition that did not take place although the button answered.
func stuck(what, number, state string) *fault {
	return failed(waybill.InDoubt, "not_applied", what+" "+number+" stays "+state+" after its button was pressed")
}

// outcome turns what an attempt came to into its verdict.
func (w *work) outcome(r waybill.Receipt, err error) waybill.Outcome {
	if err == nil {
		r.AppliedAt = w.env.Now()
		return waybill.Outcome{Verdict: waybill.Done, Receipt: r}
	}
	f := (*fault)(nil)
	if !errors.As(err, &f) {
		return waybill.Outcome{Verdict: waybill.InDoubt, Note: err.Error()}
	}
	o := f.Outcome
	switch {
	case o.Verdict == waybill.InDoubt && !w.wrote && o.Problem.Code != codeInProgress:
		o.Verdict = waybill.NotSent
	case o.Verdict == waybill.NotSent && w.wrote, o.Verdict == waybill.Misconfigured && w.wrote:
		o.Verdict = waybill.InDoubt // an earlier step stays
	}
	return o
}

// Deliver makes one attempt: it claims the key, looks what the books hold of the
// document, and takes the steps that are missing.
func (e *erp) Deliver(ctx context.Context, a connector.Attempt) (waybill.Outcome, error) {
	t, err := readTask(a.Body)
	if err != nil {
		f := refusal("bad_document", "", "%v", err)
		return f.Outcome, nil
	}
	if !a.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.Deadline.Sub(e.env.Now()))
		defer cancel()
	}
	w := &work{erp: e, ctx: ctx, t: t}
	if t.Kind == waybill.OrderCheck {
		return w.outcome(w.check()), nil
	}
	claims, err := w.claim(a.Deadline)
	if err != nil {
		return w.outcome(waybill.Receipt{}, err), nil
	}
	r, err := w.settle()
	o := w.outcome(r, err)
	if o.Verdict != waybill.InDoubt { // in doubt a call may be under way still: the claim stays until its time is over
		if err := w.release(claims); err != nil && e.env.Log != nil {
			e.env.Log.Warn("a claim on a key was left in Tryton's party categories", "system", e.env.System, "key", t.Key, "error", err)
		}
	}
	return o, nil
}

// settle looks for the document and goes on from there.
func (w *work) settle() (waybill.Receipt, error) {
	at, err := w.locate()
	if err != nil || at.state == connector.FoundApplied {
		at.receipt.Replayed = err == nil
		return at.receipt, err
	}
	if at.state == connector.FoundPending {
		return at.receipt, failed(waybill.Pending, "queued", "Tryton has taken it and has not worked it off yet")
	}
	switch w.t.Kind {
	case waybill.SalesOrder:
		return w.sell()
	case waybill.SalesOrderChange, waybill.SalesOrderCancel:
		return w.amend()
	case waybill.ShipmentPosting:
		return w.ship()
	case waybill.ShipmentReversal, waybill.ReturnOrder:
		return w.takeBack()
	case waybill.Invoice:
		return w.bill()
	case waybill.CreditMemo:
		return w.credit()
	case waybill.PaymentReceipt:
		return w.pay()
	case waybill.InventoryAdjustment:
		return w.adjust()
	}
	return waybill.Receipt{}, refusal("unknown_kind", "", "Tryton takes no %s", w.t.Kind)
}
