package process

import (
	"cmp"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
)

// fold takes an event in.
func (r *stockRound) fold(e *waybill.Event) {
	switch e.Type {
	case waybill.DocumentAttempted:
		if a, err := body[Attempted](e); err == nil {
			r.attempt(a)
		}
	case waybill.DocumentSettled:
		if a, err := body[Settled](e); err == nil {
			r.settle(a)
		}
	case waybill.TimerFired:
		r.expire()
	case waybill.StockAllotted:
		if a, err := body[Allotted](e); err == nil {
			r.spend(a)
		}
	case waybill.ItemChanged:
		r.read(e, r.record)
	case waybill.InventoryPosition:
		r.read(e, r.position)
	case waybill.InventoryAdjusted, waybill.ReceiptConfirmed, waybill.TransferShipped, waybill.TransferReceived:
		r.read(e, r.movement)
	default:
		r.place(e.ID, Ignored, "no step of stock uses "+string(e.Type))
	}
}

// read takes a fact in, or says why it counts for nothing.
func (r *stockRound) read(e *waybill.Event, take func(e *waybill.Event, digest string) error) {
	sum, err := contentDigest(e)
	if err == nil {
		err = take(e, hex.EncodeToString(sum[:12]))
	}
	if err == nil {
		return
	}
	why := fault(err)
	r.place(e.ID, Parked, "unreadable: "+why)
	r.raise("unreadable_fact", e.ID, "", "the data of this "+string(e.Type)+" cannot be read: "+why,
		"have "+e.Source+" send it again in the shape of the contract, or enter it by hand; this event counts for nothing")
}

// record keeps what the system of record says of the item: the highest version
// is in force, whenever it came.
func (r *stockRound) record(e *waybill.Event, digest string) error {
	item, err := body[waybill.Item](e)
	if err != nil {
		return err
	}
	was := r.s.x.Record
	switch {
	case was == nil:
	case was.Digest == digest:
		r.place(e.ID, Ignored, "it says what event "+was.Event+" says already")
		was.Version = max(was.Version, e.Version)
		return nil
	case e.Version < was.Version || e.Version == was.Version && digest > was.Digest:
		r.place(e.ID, Superseded, "a newer version is in force")
		r.disputed(e.Version == was.Version, "item "+r.s.x.Ref, e.Source, was.Event)
		return nil
	default:
		r.place(was.Event, Superseded, "a newer version is in force")
		r.disputed(e.Version == was.Version, "item "+r.s.x.Ref, e.Source, e.ID)
		if e.Version > was.Version {
			r.clear("version_conflict", "item "+r.s.x.Ref)
		}
	}
	r.all = true // a unit may be known now
	r.s.x.Record = &record{Event: e.ID, Version: e.Version, Digest: digest, Item: *item}
	r.place(e.ID, Applied, "")
	return nil
}

// disputed raises that one version came with two contents.
func (r *stockRound) disputed(is bool, subject, source, inForce string) {
	if is {
		r.raise("version_conflict", subject, "", subject+" came twice in one version with different content; event "+inForce+" is in force",
			"ask "+source+" which is right and have it sent as a newer version")
	}
}

// position keeps what is available in a warehouse: an older position never
// replaces a newer one, and one that says the same again is the same.
func (r *stockRound) position(e *waybill.Event, digest string) error {
	en, err := body[waybill.Entity](e)
	if err != nil {
		return err
	}
	if en.Available == nil {
		return errors.New("available is missing")
	}
	p := position{Warehouse: en.Warehouse, Event: e.ID, Version: e.Version, Sent: e.OccurredAt.UnixMicro(), Digest: digest,
		Available: *en.Available, AsOf: en.AsOf}
	if at, err := time.Parse(time.RFC3339Nano, en.AsOf); err == nil && en.Version == 0 {
		p.Version = at.UnixMicro()
	}
	was := r.s.position(p.Warehouse)
	if was == nil {
		r.s.x.Positions = append(r.s.x.Positions, p)
		slices.SortFunc(r.s.x.Positions, func(a, b position) int { return strings.Compare(a.Warehouse, b.Warehouse) })
		r.place(e.ID, Applied, "")
		return nil
	}
	if p.Version == was.Version && p.Available.Equal(was.Available) {
		r.place(e.ID, Ignored, "it says what event "+was.Event+" says already")
		return nil
	}
	subject := r.s.x.Ref + "/" + p.Warehouse
	tie := p.Version == was.Version && p.Sent == was.Sent
	if cmp.Or(cmp.Compare(p.Version, was.Version), cmp.Compare(p.Sent, was.Sent), strings.Compare(was.Digest, p.Digest)) < 0 {
		r.place(e.ID, Superseded, "a newer position is in force")
		r.disputed(tie, subject, e.Source, was.Event)
		was.Conflict = was.Conflict || tie
		return nil
	}
	r.place(was.Event, Superseded, "a newer position is in force")
	r.disputed(tie, subject, e.Source, e.ID)
	if was.Conflict && !tie {
		r.clear("version_conflict", subject)
	}
	p.Conflict = tie
	if p.Version == was.Version { // of the same moment: what was spent of it stays spent
		p.Spent = was.Spent
	}
	*was = p
	r.place(e.ID, Applied, "")
	return nil
}

// spend takes what backorders got from the position that is in force: what is
// spent is not given twice.
func (r *stockRound) spend(a *Allotted) {
	p := r.s.position(a.Warehouse)
	if p == nil {
		return
	}
	for _, l := range a.Lines {
		if l.SKU == r.s.x.Ref {
			p.Spent = p.Spent.Add(l.Qty)
		}
	}
}

// movement keeps an adjustment, a receipt or one side of a transfer.
func (r *stockRound) movement(e *waybill.Event, digest string) error {
	f := &stockFact{Event: e.ID, Type: e.Type, Source: e.Source, Version: max(e.Version, 1), Digest: digest, At: millis(r.now),
		When: millis(r.now)}
	if !e.OccurredAt.IsZero() {
		f.When = e.OccurredAt.UnixMilli()
	}
	if err := f.fill(e); err != nil {
		return err
	}
	name := moveName(e)
	r.moved = name
	m := r.s.move(name)
	if m == nil {
		m = &move{Name: name}
		r.s.add(m)
		r.out.Refs = append(r.out.Refs, Reference{System: e.Source, Kind: string(refDocument), Value: f.Document})
	}
	if e.Replaces != "" {
		r.reread(m, f, e)
		return nil
	}
	for _, known := range append(slices.Clone(m.Waits), m.Force) {
		if known != nil && known.Version == f.Version && known.Digest == f.Digest {
			r.place(e.ID, Ignored, "same fact as event "+known.Event)
			return nil
		}
	}
	if m.Force != nil && before(m.Force, f) {
		r.supersede(m, f, m.Force)
		return nil
	}
	at, _ := slices.BinarySearchFunc(m.Waits, f, compareVersions)
	m.Waits = slices.Insert(m.Waits, at, f)
	return nil
}

// reread takes in that a message, read again, says something else than before:
// what is read now is in its place. Of two readings there is no conflict.
func (r *stockRound) reread(m *move, f *stockFact, e *waybill.Event) {
	if e.Void {
		f.Lines = nil
	}
	at := slices.IndexFunc(m.Waits, func(o *stockFact) bool { return o.Event == e.Replaces })
	switch {
	case at >= 0:
		m.Waits = slices.Delete(m.Waits, at, at+1)
	case m.Force != nil && m.Force.Event == e.Replaces:
		m.Force = nil
	default:
		r.place(f.Event, Ignored, "it is read again in place of event "+e.Replaces+", which says nothing here")
		return
	}
	r.place(e.Replaces, Superseded, "its message was read again")
	at, _ = slices.BinarySearchFunc(m.Waits, f, compareVersions)
	m.Waits = slices.Insert(m.Waits, at, f)
}

// refDocument is the kind of the number that a warehouse gives what it does to
// stock.
const refDocument = "document"

// fill reads the data of a movement: signed by what the ERP's stock changes by.
func (f *stockFact) fill(e *waybill.Event) error {
	if e.Type == waybill.InventoryAdjusted {
		a, err := body[waybill.StockAdjustment](e)
		if err != nil {
			return err
		}
		f.Document, f.Warehouse, f.Reason = a.Document, a.Warehouse, a.Reason
		f.Lines = plus(nil, []stockLine{{SKU: a.SKU, Qty: a.Qty, UOM: a.UOM}}, 1)
		return nil
	}
	m, err := body[waybill.StockMovement](e)
	if err != nil {
		return err
	}
	f.Document, f.Warehouse = m.Document, m.Warehouse
	sign := int64(1)
	switch e.Type {
	case waybill.TransferShipped:
		f.Reason, sign = "transfer_shipped", -1
	case waybill.TransferReceived:
		f.Reason = "transfer_received"
	default:
		f.Reason = "receipt"
	}
	lines := make([]stockLine, 0, len(m.Lines))
	for _, l := range m.Lines {
		lines = append(lines, stockLine{SKU: l.SKU, Qty: l.Qty, UOM: l.UOM, State: l.State})
	}
	f.Lines = plus(nil, lines, sign)
	return nil
}

// before reports whether a is in force rather than b: the higher version, and
// of two contents of one version that with the lower digest.
func before(a, b *stockFact) bool { return compareVersions(a, b) < 0 }

func compareVersions(a, b *stockFact) int {
	return cmp.Or(cmp.Compare(b.Version, a.Version), strings.Compare(a.Digest, b.Digest))
}

func (r *stockRound) supersede(m *move, f, by *stockFact) {
	reason := "a newer version is in force"
	if f.Version == by.Version {
		reason = "the same version with other content is in force"
		m.Conflict = true
		r.disputed(true, m.Name, by.Source, by.Event)
	}
	f.Place = Superseded
	r.place(f.Event, Superseded, reason)
}

// adopt puts the highest version that can be counted in force. What is above it
// waits for its unit.
func (r *stockRound) adopt(m *move) {
	for i, f := range m.Waits {
		unit := r.unknown(f)
		if unit != "" {
			r.wait(f, unit)
			continue
		}
		if f.Expired {
			r.clear("unknown_unit", f.Event)
		}
		if m.Force != nil {
			if m.Conflict && f.Version > m.Force.Version {
				m.Conflict = false
				r.clear("version_conflict", m.Name)
			}
			r.supersede(m, m.Force, f)
		}
		for _, below := range m.Waits[i+1:] {
			if below.Expired {
				r.clear("unknown_unit", below.Event)
			}
			r.supersede(m, below, f)
		}
		f.Place, f.Lines = Applied, r.inBase(f)
		r.place(f.Event, Applied, "")
		m.Force, m.Given, m.Waits = f, nil, slices.Clip(m.Waits[:i])
		return
	}
}

func (r *stockRound) wait(f *stockFact, unit string) {
	place := Limbo
	if f.Expired {
		place = Parked
	}
	if f.Place == place {
		return
	}
	f.Place = place
	r.place(f.Event, place, unknownUnit+" "+unit+" of "+r.s.x.Ref)
	if f.Expired {
		r.raise("unknown_unit", f.Event, "", "document "+f.Document+" waits: "+unknownUnit+" "+unit+" of "+r.s.x.Ref,
			"correct the unit at "+f.Source+", or have the item's units kept where it is mastered")
	}
}

// unknown names the unit of an adjustment that the item's record does not know;
// empty where there is none. Receipts and transfers name many items: their
// quantities go to the ERP in the units that they came in.
func (r *stockRound) unknown(f *stockFact) string {
	if r.s.x.Kind != waybill.FlowItem {
		return ""
	}
	for _, l := range f.Lines {
		if _, ok := r.ratio(l.UOM); !ok {
			return l.UOM
		}
	}
	return ""
}

// ratio is how many base units one of a unit holds. No unit is the base unit.
func (r *stockRound) ratio(uom string) (waybill.Decimal, bool) {
	one := waybill.NewDecimal(1)
	if uom == "" {
		return one, true
	}
	item := r.s.Record()
	if item == nil {
		return one, false
	}
	if uom == item.BaseUOM {
		return one, true
	}
	for _, u := range item.UOMs {
		if u.UOM == uom {
			return u.Ratio, u.Ratio.Sign() > 0
		}
	}
	return one, false
}

// inBase converts an adjustment to the item's base unit.
func (r *stockRound) inBase(f *stockFact) []stockLine {
	if r.s.x.Kind != waybill.FlowItem {
		return f.Lines
	}
	out := slices.Clone(f.Lines)
	for i, l := range out {
		ratio, _ := r.ratio(l.UOM)
		out[i].Qty, out[i].UOM = l.Qty.Mul(ratio), ""
	}
	return out
}

// expire tells a person of what has waited for its unit long enough.
func (r *stockRound) expire() {
	r.s.x.Limbo, r.all = 0, true
	limit := millis(r.now) - r.p.Limbo.Milliseconds()
	for _, m := range r.s.x.Moves {
		for _, f := range m.Waits {
			f.Expired = f.Expired || f.At <= limit
		}
	}
}
