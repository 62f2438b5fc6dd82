package process

import (
	"strconv"

	"github.com/waybillhq/waybill"
)

// attempt fixes a document: from here on it stands, with the content that the
// plan had for it.
func (r *round) attempt(key string) {
	s := r.s
	at := s.byKey(key)
	if at < 0 || s.docs[at].state != planned && s.docs[at].state != withdrawn {
		return
	}
	d := s.docs[at]
	if !d.rest {
		r.takeAccount(d, at)
	}
	if o := s.inForce(); o != nil && d.kind == waybill.Invoice {
		d.terms = o.version
	}
	s.ordinal++
	d.state, d.attempt, d.epoch = attempted, s.ordinal, s.epoch
	d.edited = nil
}

// takeAccount notes what a document took into account when it was composed: it
// must be asked before the document counts as attempted.
func (r *round) takeAccount(d *doc, at int) {
	s := r.s
	if len(s.of(famCancel)) == 0 && (!releases(d.kind) || len(s.of(famShipped)) == 0) {
		return
	}
	pic := s.look(nil)
	switch d.kind {
	case waybill.WarehouseOrder, waybill.PurchaseOrder:
		d.before = pic.q[waybill.Shipped].positive()
		r.account(pic, func(q *request) bool { return !q.late }, func(f *fact) {
			if f.byWarehouse == 0 {
				f.byWarehouse = at + 1
			}
		})
	case waybill.SalesOrder, waybill.SalesOrderChange:
		r.account(pic, func(q *request) bool { return !q.late && (q.decided || q.given.any()) }, func(f *fact) { f.byBooks = at + 1 })
	case waybill.SalesOrderCancel, waybill.WarehouseOrderCancel, waybill.CancellationAnswer:
		r.account(pic, func(q *request) bool { return q.f.subject == d.subject || d.asksFor(q.f.subject) }, func(*fact) {})
	}
}

// account notes that a document takes cancel requests into account, and fixes
// them: from now on they keep their turn, and ask for what they asked for until
// now. What a later version of the order adds is not theirs.
func (r *round) account(pic *picture, concerned func(q *request) bool, note func(f *fact)) {
	for i := range pic.requests {
		q := &pic.requests[i]
		if !concerned(q) {
			continue
		}
		note(q.f)
		if q.f.fix == 0 {
			r.s.ordinal++
			q.f.fix = r.s.ordinal
			q.f.lines, q.f.units, q.f.all = q.asked.positive(), nil, false
			if len(r.s.items) > 0 { // facts are kept in the units of the lines
				for n := range q.f.lines {
					en := &q.f.lines[n]
					en.qty = en.qty.Quo(r.s.perLineUnit(pic.info[en.line]))
				}
			}
		}
	}
}

// settle takes the answer to a document in. An answer may come to a refused
// document too: an operator had it tried again.
func (r *round) settle(a *Settled) {
	at := r.s.byKey(a.Key)
	if at < 0 {
		return
	}
	d := r.s.docs[at]
	if d.state == planned || d.state == withdrawn { // an operator knows that the target has it
		r.attempt(a.Key)
	}
	if a.Receipt != nil && a.Receipt.Ref != "" && d.ref == "" {
		d.ref = a.Receipt.Ref
		r.referReceipt(d)
	}
	switch a.Outcome {
	case OutcomeDone:
		r.done(at, a.Receipt)
	case OutcomePartial:
		r.partial(at, a.Receipt)
	case OutcomePending:
		if d.state == attempted {
			d.state = pending
		}
	case OutcomeRefused:
		r.refuse(d, a.Problem)
	case OutcomeSkipped:
		r.giveUp(d)
	case OutcomeAbsent:
		if d.state != done {
			d.state = absent
		}
	}
}

func (r *round) done(at int, receipt *waybill.Receipt) {
	d := r.s.docs[at]
	if d.state == done {
		return
	}
	d.state, d.code = done, ""
	switch d.kind {
	case waybill.OrderCheck:
		r.checked(d, receipt)
	case waybill.WarehouseOrderCancel:
		r.cancelledBy(at, receipt)
	}
}

// cancelledBy takes the receipt of a cancellation as the warehouse's word on it,
// where it says so (result {"cancelled":true}): a partner by EDI has no other
// way to answer than its acknowledgment, or the set that closes the order.
func (r *round) cancelledBy(at int, receipt *waybill.Receipt) {
	var result struct {
		Cancelled bool `json:"cancelled"`
	}
	if receipt == nil || len(receipt.Result) == 0 || waybill.Unmarshal(receipt.Result, &result) != nil || !result.Cancelled {
		return
	}
	d, of := r.s.docs[at], r.s.docs[at].of-1
	if of < 0 { // it was made when there was only one
		of = r.s.firstOrder()
	}
	if of < 0 {
		return
	}
	f := &fact{family: famCancelled, source: d.target, subject: r.s.docs[of].key, version: 1, at: millis(r.now), all: true, answers: at + 1}
	for _, known := range r.s.of(famCancelled) {
		if known.source == f.source && known.subject == f.subject {
			f.version = max(f.version, known.version+1)
		}
	}
	r.keep(f)
}

// giveUp takes in that an operator took the document out of its lane. It is not
// wanted again before a hold, a change or a cancellation; and a warehouse that
// was never told of a change or a cancellation has not agreed to it.
func (r *round) giveUp(d *doc) {
	if d.state == done || d.state == skipped {
		return
	}
	d.state, d.epoch = skipped, r.s.epoch
	d.late = d.undoes || d.kind == waybill.WarehouseOrderChange || d.kind == waybill.WarehouseOrderCancel
}

// refuse takes a refusal in. Some are answers and no fault: a credit hold of the
// ERP, and a warehouse that would not change or cancel any more (W4.1, 4, 5).
func (r *round) refuse(d *doc, p *waybill.Problem) {
	if d.state == done || d.state == skipped {
		return
	}
	d.state, d.code = refused, "refused"
	if p != nil && p.Code != "" {
		d.code = p.Code
	} else if p != nil && p.Status != 0 {
		d.code = strconv.Itoa(p.Status)
	}
	switch {
	case d.kind == waybill.SalesOrder && d.code == "credit_hold":
		r.creditHold(d, p)
	case d.isAnswer(p):
		d.late = true
		r.skip(d)
	}
}

// isAnswer reports whether a refusal is the warehouse's answer to a change or a
// cancellation.
func (d *doc) isAnswer(p *waybill.Problem) bool {
	if p != nil && p.Code == "key_reuse" {
		return false
	}
	status := 422 // of document.rejected, which has no status
	if p != nil && p.Status != 0 {
		status = p.Status
	}
	switch d.kind {
	case waybill.WarehouseOrderChange:
		return status == 400 || status == 404 || status == 422
	case waybill.WarehouseOrderCancel:
		return status >= 400 && status < 500
	}
	return false
}

// creditHold holds the order that the ERP would not book on credit.
func (r *round) creditHold(d *doc, p *waybill.Problem) {
	r.skip(d)
	o := r.s.inForce()
	if o == nil {
		return
	}
	if d.version == o.version {
		o.verdict = negative
	}
	why := "the ERP refused the order: credit hold"
	if p != nil && p.Detail != "" {
		why = p.Detail
	}
	r.s.hold([]hold{{kind: "credit", reason: why, since: millis(r.now)}})
}

// partial takes an answer by line in (207): applied lines never go again, lines
// to try again become a document of their own at the head of the lane, rejected
// ones an exception.
func (r *round) partial(at int, receipt *waybill.Receipt) {
	d := r.s.docs[at]
	if d.state == done || receipt == nil {
		return
	}
	var applied, again, rejected vector
	var problem *waybill.Problem
	for _, en := range d.lines {
		switch out := outcomeOf(receipt.Lines, r.s.table[en.line]); {
		case out == nil || out.Status == "applied":
			applied = append(applied, en)
		case out.Status == "retry":
			again = append(again, en)
		default:
			rejected = append(rejected, en)
			problem = out.Problem
		}
	}
	if applied == nil && again == nil {
		r.refuse(d, problem)
		return
	}
	d.state, d.lines, d.again, d.rejected = done, applied, again, rejected
	if again != nil {
		r.leaveRest(d)
	}
}

func outcomeOf(lines []waybill.LineOutcome, line string) *waybill.LineOutcome {
	for i := range lines {
		if lines[i].Line == line {
			return &lines[i]
		}
	}
	return nil
}

// leaveRest makes the document that names only what the target wants once more:
// the same document in its next revision. The plan puts it into its lane.
func (r *round) leaveRest(d *doc) {
	rest := &doc{kind: d.kind, target: d.target, subject: d.subject, revision: d.revision + 1, version: d.version, state: withdrawn,
		lines: d.again, rest: true, of: d.of, compensates: d.compensates, fact: d.fact, answer: d.answer,
		byVersion: d.byVersion, before: d.before, undoes: d.undoes, lapsed: d.lapsed, terms: d.terms}
	rest.key = r.key(rest)
	r.s.docs = append(r.s.docs, rest)
}
