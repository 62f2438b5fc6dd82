package process

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/waybillhq/waybill"
)

// plan derives the documents that one movement needs now: the ERP gets what the
// version in force says, less what it holds already or may hold (W4.7). An
// unattempted document carries the newest version; after the first attempt the
// difference is a document of its own.
func (r *stockRound) plan(m *move) {
	if m.Force == nil || r.p.ERP == "" {
		return
	}
	left := plus(plus(m.Force.Lines, m.Booked, -1), m.Given, -1)
	for _, d := range slices.Clone(r.s.x.Docs) {
		if d.Move != m.Name {
			continue
		}
		switch {
		case d.State == refused && d.Fact != m.Force.Event: // a newer version says what is needed instead
			r.dropRefused(d)
		case d.State != planned || d.Rest:
			left = plus(left, d.Lines, -1)
		}
	}
	up, down := split(m.Force.Type, left)
	for _, part := range []struct {
		kind  waybill.Kind
		lines []stockLine
	}{{waybill.ReceiptPosting, up}, {waybill.InventoryAdjustment, down}} {
		r.want(m, part.kind, part.lines)
	}
}

// split says which document a difference goes with: a receipt's more is a
// posting, its less an adjustment; everything else is an adjustment.
func split(t waybill.EventType, lines []stockLine) (posting, adjustment []stockLine) {
	for _, l := range lines {
		if t == waybill.ReceiptConfirmed && l.Qty.Sign() > 0 {
			posting = append(posting, l)
		} else {
			adjustment = append(adjustment, l)
		}
	}
	return posting, adjustment
}

// want compares the wanted document of a kind with the one that is planned.
func (r *stockRound) want(m *move, kind waybill.Kind, lines []stockLine) {
	var have *paper
	for _, d := range r.s.x.Docs {
		if d.Move == m.Name && d.Kind == kind && d.State == planned && !d.Rest {
			have = d
		}
	}
	switch {
	case have != nil && len(lines) == 0:
		m.slot(kind).Fate = fateWithdrawn
		r.withdraw(have)
	case have != nil:
		have.Lines, have.Fact, have.Version, have.Corrects = lines, m.Force.Event, m.Force.Version, m.Last
	case len(lines) > 0:
		r.decide(m, kind, lines)
	}
}

func (m *move) slot(kind waybill.Kind) *slot {
	for i := range m.Slots {
		if m.Slots[i].Kind == kind {
			return &m.Slots[i]
		}
	}
	return nil
}

// decide makes a document for a movement. The first has the fact's document as
// its subject, what corrects it the version too.
func (r *stockRound) decide(m *move, kind waybill.Kind, lines []stockLine) {
	base := m.Force.Document
	if m.Last != "" {
		base += "." + versionSubject(m.Force.Version)
	}
	d := &paper{Kind: kind, Target: r.p.ERP, Version: m.Force.Version, Move: m.Name, Fact: m.Force.Event, Lines: lines, Corrects: m.Last}
	next := slot{Kind: kind, Base: base, N: 1}
	at := m.slot(kind)
	if at != nil && at.Base == base {
		next.N, next.Revision = at.N, at.Revision
		switch at.Fate {
		case fateBooked:
			next.N, next.Revision = at.N+1, 0
		case fateGone:
			next.Revision, d.Supersedes = at.Revision+1, at.Key
		}
	}
	d.Subject, d.Revision = base, next.Revision
	if next.N > 1 {
		d.Subject += "." + strconv.Itoa(next.N)
	}
	d.Key = r.key(d, m)
	next.Key = d.Key
	if at == nil {
		m.Slots = append(m.Slots, next)
	} else {
		*at = next
	}
	why := "W4.7 " + m.Force.Source + " reported document " + m.Force.Document
	if m.Last != "" {
		why = "W4.7 document " + m.Force.Document + " is told otherwise by its version " + versionText(m.Force.Version)
	}
	r.enter(d, why)
}

// key is a document's key. What a warehouse numbers is its own: the same number
// from another source, for another warehouse or of the other side of a transfer
// is another document.
func (r *stockRound) key(d *paper, m *move) string {
	subject := d.Subject + "\x00" + m.Name
	return r.keyOf(d, subject)
}

func (r *stockRound) keyOf(d *paper, subject string) string {
	return waybill.Identity{Namespace: r.p.Namespace, Target: d.Target, OriginRef: waybill.Lane(r.s.x.Kind, r.s.x.Ref),
		Kind: d.Kind, Subject: subject, Revision: d.Revision}.Key()
}

// enter puts a document into its lane.
func (r *stockRound) enter(d *paper, why string) {
	r.s.x.Docs = append(r.s.x.Docs, d)
	r.out.Add = append(r.out.Add, Doc{Key: d.Key, Target: d.Target, Kind: d.Kind, Subject: d.Subject, Version: d.Version,
		Revision: d.Revision, Supersedes: d.Supersedes, Compensates: d.Corrects, Front: d.Rest, Why: why})
}

func (r *stockRound) withdraw(d *paper) {
	r.out.Withdraw = append(r.out.Withdraw, d.Key)
	r.remove(d)
}

func (r *stockRound) remove(d *paper) {
	r.s.x.Docs = slices.DeleteFunc(r.s.x.Docs, func(o *paper) bool { return o == d })
}

// dropRefused takes a refused document out of its lane.
func (r *stockRound) dropRefused(d *paper) {
	r.out.Skip = append(r.out.Skip, d.Key)
	r.clear(d.cause(), d.Key)
	r.remove(d)
	if m := r.s.move(d.Move); m != nil {
		m.end(d, fateGone)
	}
}

// end notes what became of a document that left its lane.
func (m *move) end(d *paper, f fate) {
	if at := m.slot(d.Kind); at != nil && at.Key == d.Key {
		at.Fate = f
	}
}

func (d *paper) cause() string { return "refused_" + string(d.Kind) + "_" + d.Code }

// tell derives what the channels shall hear of positions: the newest alone. A
// document that was not attempted gives way to it (W4.7).
func (r *stockRound) tell() {
	if r.s.x.Kind != waybill.FlowItem {
		return
	}
	for _, channel := range slices.Sorted(maps.Keys(r.p.Channels)) {
		if !r.p.Channels[channel].Availability {
			continue
		}
		for i := range r.s.x.Positions {
			r.tellOf(channel, &r.s.x.Positions[i])
		}
	}
}

func (r *stockRound) tellOf(channel string, p *position) {
	t := r.s.told(channel, p.Warehouse)
	if t.Event == p.Event {
		return
	}
	for _, d := range slices.Clone(r.s.x.Docs) {
		switch {
		case d.Kind != waybill.InventoryAvailability || d.Target != channel || d.Warehouse != p.Warehouse:
		case d.State == planned:
			r.withdraw(d)
		case d.State == refused:
			r.dropRefused(d)
		}
	}
	if t.Event != "" {
		t.Revision = 0
	}
	t.Event = p.Event
	if t.Available != nil && t.Available.Equal(p.Available) {
		return // it knows
	}
	d := &paper{Kind: waybill.InventoryAvailability, Target: channel, Subject: p.Warehouse + "." + versionText(p.Version), Revision: t.Revision,
		Version: p.Version, Warehouse: p.Warehouse, Fact: p.Event, Lines: []stockLine{{SKU: r.s.x.Ref, Qty: p.Available}}}
	d.Key = r.keyOf(d, d.Subject+"\x00"+versionText(p.Sent)+"\x00"+p.Digest)
	r.enter(d, "W4.7 "+p.Available.String()+" of "+r.s.x.Ref+" are available in "+p.Warehouse)
}

func (s *Stock) told(channel, warehouse string) *told {
	at, has := slices.BinarySearchFunc(s.x.Told, told{Target: channel, Warehouse: warehouse}, func(a, b told) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Warehouse, b.Warehouse))
	})
	if !has {
		s.x.Told = slices.Insert(s.x.Told, at, told{Target: channel, Warehouse: warehouse})
	}
	return &s.x.Told[at]
}

// attempt fixes a document: from here on it stands.
func (r *stockRound) attempt(a *Attempted) {
	d := r.s.paper(a.Key)
	if d == nil || d.State != planned {
		return
	}
	r.moved = d.Move
	d.State, d.Seq = attempted, a.Seq
	mark := r.s.mark(d.Target)
	mark.Seq = max(mark.Seq, a.Seq)
	if m := r.s.move(d.Move); m != nil {
		m.Last = d.Key
		m.end(d, fateBooked)
	}
	if d.Warehouse != "" {
		qty := d.Lines[0].Qty
		r.s.told(d.Target, d.Warehouse).Available = &qty
	}
}

// settle takes the answer to a document in, or an operator's in its place.
func (r *stockRound) settle(a *Settled) {
	d := r.s.paper(a.Key)
	if d == nil {
		return
	}
	r.moved = d.Move
	if d.State == refused {
		r.clear(d.cause(), d.Key)
		d.State = attempted // an operator had it tried again
	}
	switch a.Outcome {
	case OutcomeDone:
		r.booked(d, d.Lines)
	case OutcomePartial:
		r.partial(d, a.Receipt)
	case OutcomePending:
		d.State = pending
		r.took(d)
	case OutcomeRefused:
		r.refuse(d, a.Problem)
	case OutcomeSkipped:
		r.giveUp(d, d.Lines)
		r.leave(d, fateGone)
	case OutcomeAbsent:
		r.leave(d, fateGone)
		if d.Warehouse != "" {
			t := r.s.told(d.Target, d.Warehouse)
			t.Event, t.Revision = "", d.Revision+1
		}
	}
}

// took notes that the target holds the document.
func (r *stockRound) took(d *paper) {
	mark := r.s.mark(d.Target)
	mark.After = max(mark.After, d.Seq)
}

// booked takes in that the target applied lines of a document.
func (r *stockRound) booked(d *paper, lines []stockLine) {
	r.took(d)
	r.remove(d)
	if m := r.s.move(d.Move); m != nil {
		m.Booked, m.Last = plus(m.Booked, lines, 1), d.Key
		m.end(d, fateBooked)
	}
	if d.Warehouse != "" && len(lines) > 0 {
		qty := lines[0].Qty
		r.s.told(d.Target, d.Warehouse).Available = &qty
	}
}

// leave takes a document away that the target does not hold.
func (r *stockRound) leave(d *paper, f fate) {
	r.remove(d)
	r.untold(d)
	if m := r.s.move(d.Move); m != nil {
		m.end(d, f)
		r.last(m, d)
	}
}

// untold takes in that a channel does not know what a document was to tell it.
// A newer position that said the same is to be told after all.
func (r *stockRound) untold(d *paper) {
	if d.Warehouse == "" {
		return
	}
	t := r.s.told(d.Target, d.Warehouse)
	t.Available = nil
	onItsWay := slices.ContainsFunc(r.s.x.Docs, func(o *paper) bool {
		return o.Target == d.Target && o.Warehouse == d.Warehouse && o.Fact == t.Event
	})
	if t.Event != d.Fact && !onItsWay {
		t.Event, t.Revision = "", 0
	}
}

// last forgets a document that is no longer one of those that the ERP holds.
func (r *stockRound) last(m *move, d *paper) {
	if m.Last == d.Key {
		m.Last = d.Corrects
	}
}

// giveUp counts lines as dealt with until a newer version comes.
func (r *stockRound) giveUp(d *paper, lines []stockLine) {
	if m := r.s.move(d.Move); m != nil {
		m.Given = plus(m.Given, lines, 1)
	}
}

func (r *stockRound) refuse(d *paper, p *waybill.Problem) {
	d.State, d.Code = refused, "refused"
	if p != nil && p.Code != "" {
		d.Code = p.Code
	} else if p != nil && p.Status != 0 {
		d.Code = strconv.Itoa(p.Status)
	}
	r.untold(d)
	if m := r.s.move(d.Move); m != nil {
		r.last(m, d)
	}
	r.raise(d.cause(), d.Key, "", d.Target+" refused "+string(d.Kind)+" "+d.Subject+" of "+r.s.x.Ref+": "+d.Code,
		"repair the cause and retry it, settle it with the number it has there, or skip it; its lane waits")
}

// partial takes an answer by line in (207).
func (r *stockRound) partial(d *paper, receipt *waybill.Receipt) {
	if receipt == nil {
		return
	}
	var applied, again, rejected []stockLine
	var problem *waybill.Problem
	for i, l := range d.Lines {
		switch out := outcomeOf(receipt.Lines, strconv.Itoa(i+1)); {
		case out == nil || out.Status == "applied":
			applied = append(applied, l)
		case out.Status == "retry":
			again = append(again, l)
		default:
			rejected = append(rejected, l)
			problem = out.Problem
		}
	}
	if applied == nil && again == nil {
		r.refuse(d, problem)
		return
	}
	for _, l := range rejected {
		r.raise("line_rejected", d.Key, l.SKU, d.Target+" rejected "+l.SKU+" of "+string(d.Kind)+" "+d.Subject,
			"repair the item there and enter the quantity by hand; the other lines went on without it")
	}
	r.giveUp(d, rejected)
	if applied == nil {
		r.leave(d, fateBooked)
	} else {
		r.booked(d, applied)
	}
	if again == nil {
		return
	}
	rest := *d
	rest.State, rest.Seq, rest.Lines, rest.Rest, rest.Revision = planned, 0, again, true, d.Revision+1
	subject := d.Subject + "\x00" + d.Move
	if d.Warehouse != "" {
		subject = d.Subject + "\x00" + d.Fact
	}
	rest.Key = r.keyOf(&rest, subject)
	r.enter(&rest, "T1 207: lines that the target wants once more")
}
