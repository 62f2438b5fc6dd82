package process

import (
	"crypto/sha256"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/waybillhq/waybill"
)

// fold takes an event in: a fact among the facts, an answer to its document, a
// command or a timer into the state it changes.
func (r *round) fold(e *waybill.Event) {
	switch e.Type {
	case waybill.DocumentAttempted:
		if d, err := body[Attempted](e); err == nil {
			r.attempt(d.Key)
		}
	case waybill.DocumentSettled:
		if d, err := body[Settled](e); err == nil {
			r.settle(d)
		}
	case waybill.CommandGiven:
		if c, err := body[Command](e); err == nil {
			r.command(c, e)
		}
	case waybill.TimerFired:
		if t, err := body[Fired](e); err == nil {
			r.fired(t.Name)
		}
	case waybill.DuplicateFound:
		if d, err := body[Duplicate](e); err == nil {
			r.duplicate(d)
		}
	case waybill.ItemKnown:
		if it, err := body[Item](e); err == nil && it.SKU != "" && it.BaseUOM != "" {
			r.learn(it)
		}
	case waybill.StockAllotted:
		if a, err := body[Allotted](e); err == nil {
			r.allot(a)
		}
	case waybill.ReferenceUnmapped:
		if u, err := body[Unmapped](e); err == nil {
			r.unmapped(u)
		}
	case waybill.ReferenceMapped:
		if u, err := body[Unmapped](e); err == nil {
			r.mapped(u)
		}
	case waybill.EntityTouched:
		if t, err := body[Touched](e); err == nil {
			r.touched(t)
		}
	default:
		r.fact(e)
	}
}

// body returns an event's data decoded, decoding it where nobody has yet.
func body[T any](e *waybill.Event) (*T, error) {
	if b, ok := e.Body.(*T); ok && b != nil {
		return b, nil
	}
	b := new(T)
	err := waybill.Unmarshal(e.Data, b)
	return b, err
}

// fact keeps a fact, unless it is known already.
func (r *round) fact(e *waybill.Event) {
	fam, known := families[e.Type]
	if !known {
		r.place(e.ID, Ignored, "no step of an order uses "+string(e.Type))
		return
	}
	f := &fact{event: e.ID, family: fam, source: e.Source, subject: e.Subject,
		version: e.Version, at: millis(r.now)}
	if err := r.read(f, e); err != nil {
		r.unreadable(e, err)
		return
	}
	f.version = max(f.version, 1)
	digest, err := contentDigest(e)
	if o := f.order(); o != nil && r.p.Channels[e.Source].Restates {
		digest, err = orderDigest(o)
	}
	if err != nil {
		r.unreadable(e, err)
		return
	}
	copy(f.digest[:], digest[:])
	if e.Replaces != "" && !r.reread(f, e) {
		return
	}
	r.keep(f)
}

// contentDigest is the digest of the event's data, by which two facts of one
// subject and version are compared.
func contentDigest(e *waybill.Event) ([32]byte, error) {
	data := []byte(e.Data)
	if data == nil {
		var err error
		if data, err = waybill.Marshal(e.Body); err != nil {
			return [32]byte{}, err
		}
	}
	return waybill.ContentDigest(data)
}

// orderDigest is the digest of what Waybill understands of an order, without
// its version: equal for two versions that differ only in what it does not
// track.
func orderDigest(o *waybill.Order) ([32]byte, error) {
	plain := *o
	plain.Version, plain.Unknown = 0, nil
	plain.Lines = slices.Clone(o.Lines)
	for i := range plain.Lines {
		plain.Lines[i].Unknown = nil
	}
	data, err := waybill.Marshal(&plain)
	if err != nil {
		return [32]byte{}, err
	}
	return sha256.Sum256(data), nil
}

// keep puts a fact among the others, unless the same fact is there.
func (r *round) keep(f *fact) {
	at, same := slices.BinarySearchFunc(r.s.facts, f, compareFacts)
	if same {
		if r.s.facts[at].event != f.event {
			r.place(f.event, Ignored, "same fact as event "+r.s.facts[at].event)
		}
		return
	}
	if known := r.s.readAs(f, at); known != nil {
		r.place(f.event, Ignored, "same fact as event "+known.event)
		return
	}
	r.s.facts = slices.Insert(r.s.facts, at, f)
	r.refer(f)
}

func (r *round) place(event string, p FactPlace, reason string) {
	r.out.Facts = append(r.out.Facts, FactState{Event: event, Place: p, Reason: reason})
}

// unreadable shows what counts for nothing until it is sent again.
func (r *round) unreadable(e *waybill.Event, err error) {
	why := fault(err)
	r.place(e.ID, Parked, "unreadable: "+why)
	x := Exception{
		ExceptionKey: ExceptionKey{Cause: "unreadable_fact", Subject: e.ID},
		Detail:       "the data of this " + string(e.Type) + " cannot be read: " + why,
		Next:         "have " + e.Source + " send it again in the shape of the contract, or enter it by hand; this event counts for nothing",
	}
	if !slices.Contains(r.s.open, x.ExceptionKey) {
		r.s.open = append(r.s.open, x.ExceptionKey)
		r.out.Raise = append(r.out.Raise, x)
	}
}

// fault names the place and the reason of a decoding error. The codec's own
// wording differs from one run of the program to the next, on purpose.
func fault(err error) string {
	var wrong *json.SemanticError
	var broken *jsontext.SyntacticError
	switch {
	case errors.As(err, &wrong) && wrong.Err != nil:
		return "at " + string(wrong.JSONPointer) + ": " + wrong.Err.Error()
	case errors.As(err, &wrong):
		return "at " + string(wrong.JSONPointer) + ": not of the type that the contract says"
	case errors.As(err, &broken):
		return "at byte " + strconv.FormatInt(broken.ByteOffset, 10) + ": no JSON"
	}
	return err.Error()
}

// read takes from an event's data what its family needs.
func (r *round) read(f *fact, e *waybill.Event) error {
	switch f.family {
	case famOrder:
		o, err := body[waybill.Order](e)
		if err != nil {
			return err
		}
		f.subject, f.changed, f.body = "", e.Type == waybill.OrderChanged, o
		o = r.s.explode(o)
		for i := range o.Lines {
			r.s.line(o.Lines[i].Line, i)
		}
	case famCancel:
		c, err := body[waybill.CancelRequest](e)
		if err != nil {
			return err
		}
		f.subject = named(f.subject, c.Request)
		r.readLines(f, c.Lines)
	case famShipped:
		sh, err := body[waybill.Shipment](e)
		if err != nil {
			return err
		}
		f.subject, f.body, f.final = named(f.subject, sh.Shipment), sh, sh.Final
		f.when = r.leftAt(sh.ShippedAt, e)
		f.answers = r.sentFor(f)
		r.readLines(f, sh.Lines)
		f.all = false
	case famDelivered:
		d, err := body[waybill.Delivery](e)
		if err != nil {
			return err
		}
		f.subject = named(f.subject, d.Shipment)
	case famInvoiced, famCredited:
		p, err := body[waybill.Posting](e)
		if err != nil {
			return err
		}
		f.subject = named(f.subject, p.Invoice)
		r.readLines(f, r.ours(p))
		f.all = false
	case famReturned, famReturnRequested:
		ret, err := body[waybill.Return](e)
		if err != nil {
			return err
		}
		f.subject, f.body = named(f.subject, ret.Return), ret
		f.when = r.leftAt("", e)
		r.readLines(f, cameBack(ret))
		f.all = false
	case famAllocated, famPicked, famPacked:
		p, err := body[waybill.Progress](e)
		if err != nil {
			return err
		}
		f.subject = named(f.subject, p.Document)
		r.readLines(f, p.Lines)
		f.all = false
	default: // what a warehouse says of its order
		w, err := body[waybill.WarehouseOrderReport](e)
		if err != nil {
			return err
		}
		f.subject = named(f.subject, w.WarehouseOrder)
		r.readLines(f, w.Lines)
		f.answers = r.answered(f)
	}
	return nil
}

func named(subject, inData string) string {
	if inData != "" {
		return inData
	}
	return subject
}

// readLines keeps quantities in the units they came in: the order, and so the
// unit of its lines, may not be here yet.
func (r *round) readLines(f *fact, lines []waybill.LineQty) {
	f.all = len(lines) == 0
	if f.all {
		return
	}
	f.lines = make(vector, 0, len(lines))
	units, uniform := false, true
	for i := range lines {
		units = units || lines[i].UOM != ""
		uniform = uniform && lines[i].UOM == lines[0].UOM
	}
	if units && uniform {
		f.units = []string{lines[0].UOM}
		units = false
	}
	if units {
		r.readMixed(f, lines)
		return
	}
	for i := range lines {
		f.lines = f.lines.put(r.s.line(lines[i].Line, i), lines[i].Qty)
	}
}

// readMixed reads lines in different units. Two quantities of one line in two
// units stay two entries: they are added in base units only.
func (r *round) readMixed(f *fact, lines []waybill.LineQty) {
	for i := range lines {
		f.lines = append(f.lines, entry{line: r.s.line(lines[i].Line, i), qty: lines[i].Qty})
		f.units = append(f.units, lines[i].UOM)
	}
}

// ours picks the lines of an invoice that belong to this order: one invoice may
// cover many.
func (r *round) ours(p *waybill.Posting) []waybill.LineQty {
	out := make([]waybill.LineQty, 0, len(p.Lines))
	for _, l := range p.Lines {
		order := l.Order
		if order == "" {
			order = p.Order
		}
		if (order == "" || order == r.s.ref) && l.Line != "" {
			out = append(out, waybill.LineQty{Line: l.Line, Qty: l.Qty, UOM: l.UOM})
		}
	}
	return out
}

// cameBack are the quantities of a return that name their line. Those that name
// an item are found by it once the order is known.
func cameBack(ret *waybill.Return) []waybill.LineQty {
	out := make([]waybill.LineQty, 0, len(ret.Lines))
	for _, l := range ret.Lines {
		if l.Line != "" {
			out = append(out, waybill.LineQty{Line: l.Line, Qty: l.Qty, UOM: l.UOM})
		}
	}
	return out
}

// leftAt is when a shipment left the building, by the warehouse's word, or a
// return came back.
func (r *round) leftAt(stated string, e *waybill.Event) int64 {
	if t, err := time.Parse(time.RFC3339Nano, stated); err == nil {
		return t.UnixMilli()
	}
	if !e.OccurredAt.IsZero() {
		return e.OccurredAt.UnixMilli()
	}
	return millis(r.now)
}

// command does what an operator asks.
func (r *round) command(c *Command, e *waybill.Event) {
	s := r.s
	switch c.Command {
	case Recheck:
		r.trigger(true)
		r.askAnew()
	case Hold:
		if !slices.ContainsFunc(s.holds, func(h hold) bool { return h.kind == holdManual }) {
			s.holds = append(s.holds, hold{kind: holdManual, reason: c.Reason, since: millis(r.now)})
		}
		s.epoch++
	case Release:
		s.holds = nil
		if o := s.inForce(); o != nil {
			o.verdict, o.again = approved, false
		}
	case Cancel:
		id := c.ID
		if id == "" {
			id = e.ID
		}
		r.keep(&fact{event: e.ID, family: famCancel, source: own, subject: "op-" + id,
			version: 1, at: millis(r.now), all: true})
	case SettleExcess:
		s.excess = true
	case ReleaseBackorder:
		r.releaseAll()
	case Edit:
		r.edit(c, e)
	case Compensate:
		r.compensate(c)
	}
}

// duplicate holds an order that may be another one sent twice. Once the ERP has
// it there is nothing left to stop.
func (r *round) duplicate(d *Duplicate) {
	s := r.s
	if !r.p.DuplicatePO || r.erpHolds() || slices.ContainsFunc(s.holds, func(h hold) bool { return h.kind == holdDuplicate }) {
		return
	}
	s.holds = append(s.holds, hold{kind: holdDuplicate, since: millis(r.now),
		reason: "order " + d.Order + " of the same buyer has the same purchase order number"})
	s.epoch++
}

// own is the source of facts that Waybill's own operators state.
const own = "waybill"

// fired handles a timer that came due.
func (r *round) fired(name string) {
	r.s.timers = slices.DeleteFunc(r.s.timers, func(t Timer) bool { return t.Name == name })
	switch name {
	case TimerRecheck:
		r.trigger(false)
	case TimerLimbo:
		limit := millis(r.now) - r.p.Limbo.Milliseconds()
		for _, f := range r.s.facts {
			if f.place == Limbo && f.at <= limit {
				f.expired = true
			}
		}
	}
}

// touched handles a change of something that a held order waits for.
func (r *round) touched(t *Touched) {
	o := r.s.content()
	if o == nil {
		return
	}
	switch t.Kind {
	case "customer", "payment":
		if t.ID != o.Customer {
			return
		}
	case "item":
		if !slices.ContainsFunc(o.Lines, func(l waybill.OrderLine) bool { return l.SKU == t.ID }) {
			return
		}
	default:
		return
	}
	r.trigger(false)
}
