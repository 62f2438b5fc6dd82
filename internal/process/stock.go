package process

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
)

// Stock is what is known of one item, one goods receipt or one transfer
// between warehouses (W4.7).
//
// Of an item it holds the record of its master, the position in force of each
// warehouse, and the adjustments that the ERP has not settled yet. An item is
// adjusted for years: what is settled leaves the state as [Past], so that the
// state is as large as what is open.
type Stock struct{ x stockState }

// stockState is what is stored of a Stock.
type stockState struct {
	Kind waybill.FlowKind `json:"kind"`
	Ref  string           `json:"ref"`

	Record    *record    `json:"record,omitzero"`
	Positions []position `json:"positions,omitzero"` // by warehouse
	Moves     []*move    `json:"moves,omitzero"`     // by name
	Docs      []*paper   `json:"docs,omitzero"`      // not settled, in the order of their decision
	Told      []told     `json:"told,omitzero"`      // by channel and warehouse
	Lanes     []laneMark `json:"lanes,omitzero"`     // by target
	Limbo     int64      `json:"limbo,omitzero"`     // when the timer is due, Unix milliseconds; 0: not set
}

// record is an item as its system of record has it.
type record struct {
	Event   string       `json:"event"`
	Version int64        `json:"version"`
	Digest  string       `json:"digest"`
	Item    waybill.Item `json:"item"`
}

// position is what of an item is available in a warehouse.
type position struct {
	Warehouse string          `json:"warehouse"`
	Event     string          `json:"event"`
	Version   int64           `json:"version"` // or the time that it speaks of, in microseconds
	Sent      int64           `json:"sent"`    // the message's time, in microseconds
	Digest    string          `json:"digest"`
	Available waybill.Decimal `json:"available"`
	AsOf      string          `json:"as_of,omitzero"`
	Spent     waybill.Decimal `json:"spent,omitzero"` // allotted to backorders
	Conflict  bool            `json:"conflict,omitzero"`
}

// stockLine is a quantity of an item, in the unit that it came in.
type stockLine struct {
	SKU   string          `json:"sku"`
	Qty   waybill.Decimal `json:"qty"` // signed: what the ERP's stock changes by
	UOM   string          `json:"uom,omitzero"`
	State string          `json:"state,omitzero"`
}

// told is what a channel was last told of a warehouse's position.
type told struct {
	Target    string           `json:"target"`
	Warehouse string           `json:"warehouse"`
	Event     string           `json:"event,omitzero"`     // the position that is dealt with
	Available *waybill.Decimal `json:"available,omitzero"` // nil: not known
	Revision  int              `json:"revision,omitzero"`  // of the next document for the same position
}

// laneMark is how far the lane to a target has come.
type laneMark struct {
	Target string `json:"target"`
	Seq    int64  `json:"seq,omitzero"`
	After  int64  `json:"after,omitzero"`
}

// move is one subject that changes the ERP's stock: an adjustment, a receipt,
// one side of a transfer.
type move struct {
	Name     string       `json:"name"`
	Force    *stockFact   `json:"force,omitzero"` // the version in force
	Waits    []*stockFact `json:"waits,omitzero"` // for their unit
	Booked   []stockLine  `json:"booked,omitzero"`
	Given    []stockLine  `json:"given,omitzero"` // given up by an operator or rejected, of the version in force
	Last     string       `json:"last,omitzero"`  // key of the last document that the ERP holds or may hold
	Slots    []slot       `json:"slots,omitzero"` // by kind
	Conflict bool         `json:"conflict,omitzero"`
}

// slot is the last document of a kind that was decided for a move.
type slot struct {
	Kind     waybill.Kind `json:"kind"`
	Base     string       `json:"base"`
	N        int          `json:"n,omitzero"` // further documents of the same base
	Revision int          `json:"revision,omitzero"`
	Key      string       `json:"key"`
	Fate     fate         `json:"fate,omitzero"`
}

// fate is what became of a slot's document.
type fate string

const (
	fateOpen      fate = ""          // in its lane
	fateWithdrawn fate = "withdrawn" // never attempted: the same document may be wanted again
	fateGone      fate = "gone"      // refused, given up or never arrived: what is needed is a new revision
	fateBooked    fate = "booked"    // the target has it, or may have it
)

// stockFact is one version of what a warehouse said.
type stockFact struct {
	Event     string            `json:"event"`
	Type      waybill.EventType `json:"type"`
	Source    string            `json:"source"`
	Document  string            `json:"document"`
	Warehouse string            `json:"warehouse"`
	Version   int64             `json:"version"`
	Digest    string            `json:"digest"`
	At        int64             `json:"at"`   // recorded, Unix milliseconds
	When      int64             `json:"when"` // on the source's clock, Unix milliseconds
	Reason    string            `json:"reason,omitzero"`
	Lines     []stockLine       `json:"lines,omitzero"`
	Place     FactPlace         `json:"place,omitzero"`
	Expired   bool              `json:"expired,omitzero"`
}

// paper is a document on its way. What is settled is no longer one.
type paper struct {
	Kind       waybill.Kind `json:"kind"`
	Target     string       `json:"target"`
	Subject    string       `json:"subject"`
	Revision   int          `json:"revision,omitzero"`
	Key        string       `json:"key"`
	State      docState     `json:"state,omitzero"`
	Seq        int64        `json:"seq,omitzero"`
	Version    int64        `json:"version"`
	Move       string       `json:"move,omitzero"`      // the move's name; or
	Warehouse  string       `json:"warehouse,omitzero"` // whose availability it tells
	Fact       string       `json:"fact"`               // event of the version it carries
	Lines      []stockLine  `json:"lines"`
	Rest       bool         `json:"rest,omitzero"` // what an earlier revision left to try again
	Supersedes string       `json:"supersedes,omitzero"`
	Corrects   string       `json:"corrects,omitzero"`
	Code       string       `json:"code,omitzero"` // of the refusal
}

func newStock(kind waybill.FlowKind, ref string) *Stock {
	return &Stock{x: stockState{Kind: kind, Ref: ref}}
}

func loadStock(b []byte) (*Stock, error) {
	s := &Stock{}
	if err := loadBlob(b, "stock", &s.x); err != nil {
		return nil, err
	}
	return s, nil
}

// Append implements [Flow].
func (s *Stock) Append(b []byte) []byte { return appendBlob(b, &s.x) }

// Fetch implements [Flow]: everything is in the state.
func (s *Stock) Fetch(func(event int64) ([]byte, error)) error { return nil }

// Status implements [Flow]: stock is no order.
func (s *Stock) Status() waybill.Status { return "" }

// Customer implements [Flow].
func (s *Stock) Customer() string { return "" }

// OpenValue implements [Flow]: stock has quantities and no price.
func (s *Stock) OpenValue() (waybill.Decimal, string) { return waybill.Decimal{}, "" }

// Record is the item as its system of record last described it; nil while
// nobody has. It must not be changed.
func (s *Stock) Record() *waybill.Item {
	if s.x.Record == nil {
		return nil
	}
	return &s.x.Record.Item
}

// Position is the position in force of a warehouse: the event that stated it
// and what of it is not spent yet. ok is false where none is known.
func (s *Stock) Position(warehouse string) (event string, left waybill.Decimal, ok bool) {
	if p := s.position(warehouse); p != nil {
		return p.Event, p.Available.Sub(p.Spent), true
	}
	return "", waybill.Decimal{}, false
}

func (s *Stock) position(warehouse string) *position {
	for i := range s.x.Positions {
		if s.x.Positions[i].Warehouse == warehouse {
			return &s.x.Positions[i]
		}
	}
	return nil
}

// Asks implements [Endless]: an adjustment that the state does not hold may have
// been settled before.
func (s *Stock) Asks(e *waybill.Event) string {
	if s.x.Kind != waybill.FlowItem || e.Type != waybill.InventoryAdjusted {
		return ""
	}
	name := moveName(e)
	if s.move(name) != nil {
		return ""
	}
	return name
}

// Recall implements [Endless].
func (s *Stock) Recall(name string, data []byte) error {
	if data == nil || s.move(name) != nil {
		return nil
	}
	m := &move{}
	if err := waybill.Unmarshal(data, m); err != nil {
		return err
	}
	s.add(m)
	return nil
}

// Mark implements [Endless].
func (s *Stock) Mark(target string) (seq, after int64) {
	for _, l := range s.x.Lanes {
		if l.Target == target {
			return l.Seq, l.After
		}
	}
	return 0, 0
}

func (s *Stock) mark(target string) *laneMark {
	at, has := slices.BinarySearchFunc(s.x.Lanes, target, func(l laneMark, t string) int { return strings.Compare(l.Target, t) })
	if !has {
		s.x.Lanes = slices.Insert(s.x.Lanes, at, laneMark{Target: target})
	}
	return &s.x.Lanes[at]
}

// moveName names the subject of a fact, with its side: what a warehouse shipped
// in a transfer is not what another received.
func moveName(e *waybill.Event) string {
	return e.Source + "/" + string(e.Type) + "/" + e.Subject
}

func (s *Stock) move(name string) *move {
	at, has := s.moveAt(name)
	if !has {
		return nil
	}
	return s.x.Moves[at]
}

func (s *Stock) moveAt(name string) (int, bool) {
	return slices.BinarySearchFunc(s.x.Moves, name, func(m *move, n string) int { return strings.Compare(m.Name, n) })
}

func (s *Stock) add(m *move) {
	at, _ := s.moveAt(m.Name)
	s.x.Moves = slices.Insert(s.x.Moves, at, m)
}

func (s *Stock) paper(key string) *paper {
	for _, d := range s.x.Docs {
		if d.Key == key {
			return d
		}
	}
	return nil
}

// plus adds up quantities by item, unit and state; a sum of nothing is no line.
func plus(a, b []stockLine, sign int64) []stockLine {
	out := slices.Clone(a)
	for _, l := range b {
		l.Qty = l.Qty.Mul(waybill.NewDecimal(sign))
		at := slices.IndexFunc(out, func(o stockLine) bool { return o.SKU == l.SKU && o.UOM == l.UOM && o.State == l.State })
		if at < 0 {
			out = append(out, l)
			continue
		}
		out[at].Qty = out[at].Qty.Add(l.Qty)
	}
	out = slices.DeleteFunc(out, func(l stockLine) bool { return l.Qty.IsZero() })
	slices.SortStableFunc(out, func(x, y stockLine) int {
		return cmp.Or(strings.Compare(x.SKU, y.SKU), strings.Compare(x.UOM, y.UOM), strings.Compare(x.State, y.State))
	})
	return out
}

// Decide implements [Flow].
func (s *Stock) Decide(e *waybill.Event, p *Policy) Decision {
	r := &stockRound{s: s, p: p, now: e.RecordedAt}
	r.fold(e)
	for _, m := range s.x.Moves {
		if r.all || m.Name == r.moved {
			r.adopt(m)
			r.plan(m)
		}
	}
	r.tell()
	r.alarm()
	r.forget()
	return r.out
}

// stockRound is one decision under way.
type stockRound struct {
	s   *Stock
	p   *Policy
	now time.Time
	out Decision

	moved string // the movement that the event is about; of hundreds that may be open, the others stand
	all   bool   // it is about all of them
}

func (r *stockRound) place(event string, p FactPlace, reason string) {
	r.out.Facts = append(r.out.Facts, FactState{Event: event, Place: p, Reason: reason})
}

func (r *stockRound) raise(cause, subject, line, detail, next string) {
	r.out.Raise = append(r.out.Raise, Exception{ExceptionKey: ExceptionKey{Cause: cause, Subject: subject, Line: line}, Detail: detail, Next: next})
}

// clear closes an exception, also one that this round has raised.
func (r *stockRound) clear(cause, subject string) {
	r.out.Raise = slices.DeleteFunc(r.out.Raise, func(x Exception) bool { return x.Cause == cause && x.Subject == subject })
	r.out.Clear = append(r.out.Clear, ExceptionKey{Cause: cause, Subject: subject})
}

// forget lets what is settled leave an item's state.
func (r *stockRound) forget() {
	if r.s.x.Kind != waybill.FlowItem {
		return
	}
	r.s.x.Moves = slices.DeleteFunc(r.s.x.Moves, func(m *move) bool {
		open := m.Name != r.moved && !r.all || len(m.Waits) > 0 || m.Force == nil || slices.ContainsFunc(r.s.x.Docs, func(d *paper) bool { return d.Move == m.Name })
		if open {
			return false
		}
		data, err := waybill.Marshal(m)
		if err != nil {
			return false
		}
		r.out.Past = append(r.out.Past, Past{Name: m.Name, Data: data})
		return true
	})
}

// alarm keeps the timer of facts that wait for their unit.
func (r *stockRound) alarm() {
	first := int64(0)
	for _, m := range r.s.x.Moves {
		for _, f := range m.Waits {
			if !f.Expired && (first == 0 || f.At < first) {
				first = f.At
			}
		}
	}
	due := int64(0)
	if first != 0 {
		due = first + r.p.Limbo.Milliseconds()
	}
	switch due {
	case r.s.x.Limbo:
		return
	case 0:
		r.out.ClearTimers = append(r.out.ClearTimers, TimerLimbo)
	default:
		r.out.SetTimers = append(r.out.SetTimers, Timer{Name: TimerLimbo, Due: instant(due)})
	}
	r.s.x.Limbo = due
}

func versionText(v int64) string { return strconv.FormatInt(v, 10) }
