package tryton

import (
	"context"
	"errors"
	"net/http"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// located is what the books hold of a document.
type located struct {
	state   connector.FindingState // applied, pending or absent
	receipt waybill.Receipt
}

// place is where documents of a kind stand: the field that holds the key and
// the states in which the document has had its effect.
type place struct {
	model, field string
	states       []string
	more         all // what else tells it from others
}

var places = map[waybill.Kind]place{
	waybill.SalesOrder:          {sales, "description", []string{"processing", "done"}, all{isReturn(false)}},
	waybill.SalesOrderChange:    {amendments, "description", []string{"validated"}, nil},
	waybill.SalesOrderCancel:    {amendments, "description", []string{"validated"}, nil},
	waybill.ShipmentPosting:     {shipments, "reference", []string{"done"}, nil},
	waybill.ShipmentReversal:    {shipmentReturns, "reference", []string{"done"}, nil},
	waybill.ReturnOrder:         {sales, "description", []string{"processing", "done"}, all{isReturn(true)}},
	waybill.Invoice:             {invoices, "description", []string{"posted", "paid"}, nil},
	waybill.CreditMemo:          {invoices, "description", []string{"posted", "paid"}, nil},
	waybill.PaymentReceipt:      {"account.move", "description", []string{"posted"}, nil},
	waybill.InventoryAdjustment: {internals, "reference", []string{"done"}, nil},
}

// locate looks the key up where documents of its kind stand.
func (w *work) locate() (located, error) {
	p, ok := places[w.t.Kind]
	if !ok {
		return located{}, refusal("unknown_kind", "", "Tryton takes no %s", w.t.Kind)
	}
	var found []struct {
		ID     int64  `json:"id"`
		State  string `json:"state"`
		Number string `json:"number"`
	}
	names := fields("state", "number")
	if p.model == amendments { // it has no number of its own
		names = fields("state")
	}
	if err := w.find(p.model, append(all{w.keyed(p.field)}, p.more...), names, &found); err != nil {
		return located{}, err
	}
	at := located{state: connector.FoundAbsent}
	for _, f := range found {
		for _, s := range p.states {
			if f.State == s {
				return located{connector.FoundApplied, waybill.Receipt{Ref: firstOf(f.Number, itoa(f.ID))}}, nil
			}
		}
		if w.t.Kind == waybill.SalesOrder && f.State == "confirmed" {
			at = located{connector.FoundPending, waybill.Receipt{Ref: f.Number}}
		}
	}
	return at, nil
}

// Inquire looks a document up. Tryton drops no request by a deadline, so absent
// is only ever said after the attempt's, and while no worker holds the key.
func (e *erp) Inquire(ctx context.Context, q connector.Inquiry) (connector.Finding, error) {
	t, err := readTask(q.Body)
	if err != nil {
		return connector.Finding{State: connector.FoundUnknown, Note: err.Error()}, nil
	}
	if t.Kind == waybill.OrderCheck { // it leaves nothing behind: asked again, it is answered again
		return connector.Finding{State: connector.FoundAbsent}, nil
	}
	w := &work{erp: e, ctx: ctx, t: t}
	taken, err := w.claimedBy()
	if err != nil {
		return unknown(err), nil
	}
	at, err := w.locate()
	if err != nil {
		return unknown(err), nil
	}
	over := taken != nil && taken.until().Before(e.env.Now())
	switch {
	case at.state == connector.FoundAbsent && taken != nil && !over:
		return connector.Finding{State: connector.FoundUnknown, Note: "a worker holds the key"}, nil
	case at.state == connector.FoundAbsent && e.env.Now().Before(q.Deadline):
		return connector.Finding{State: connector.FoundUnknown, Note: "not there yet, and the attempt's deadline has not passed"}, nil
	case at.state == connector.FoundApplied && over:
		if err := w.dropStale(taken); err != nil && e.env.Log != nil {
			e.env.Log.Warn("a claim on a key was left in Tryton's party categories", "system", e.env.System, "key", t.Key, "error", err)
		}
	}
	return connector.Finding{State: at.state, Receipt: at.receipt}, nil
}

func unknown(err error) connector.Finding {
	f := connector.Finding{State: connector.FoundUnknown, Note: err.Error()}
	if is := (*fault)(nil); errors.As(err, &is) {
		f.RetryAfter, f.Unauthorized = is.RetryAfter, is.Verdict == waybill.Unauthorized
	}
	return f
}

func (e *erp) probeError(err error) error {
	f := (*fault)(nil)
	if errors.As(err, &f) && (f.Verdict == waybill.Unauthorized || f.Verdict == waybill.Forbidden) {
		return connector.Reject(http.StatusUnauthorized, "unauthorized", "token",
			"Tryton refuses user "+e.user+" of system "+e.env.System+": "+f.Note, "correct the user or its password")
	}
	return err
}
