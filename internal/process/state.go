package process

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
)

// Sales is what is known of one order: the facts that systems reported, the
// documents decided so far, and what became of them. It is changed by [Decide]
// only, and is not safe for concurrent use.
//
// It is a cache of the ledger: folding the order's events again in their order
// gives an equal Sales. The content of orders and shipments is left in the
// ledger; [Sales.Missing] and [Sales.Attach] bring it back after [Load].
type Sales struct {
	ref    string // unique in the installation
	origin string // the system that placed it; "" where none is known by its prefix
	own    string // the origin's own number
	tag    string // what all its keys begin with

	table []string // ids of lines, in the order in which they were first named
	sites []string // by line: the system that ships it; nil where one ships all
	facts []*fact  // by family, source, subject, then highest version, then lowest digest
	docs  []*doc   // in the order of their first decision

	items    []Item // whose units are known
	holds    []hold
	open     []ExceptionKey // raised and not cleared
	timers   []Timer
	watching []string

	epoch   int    // counts holds, changes and cancellations: what was refused before the last may go anew
	top     int64  // the highest version of the order that was in force
	asked   int    // cancel requests that counted
	ordinal int    // the last first attempt's, and the last fixed cancel request's
	reached string // the requested day of shipment that has begun
	excess  bool   // what shipped above the order may be invoiced

	scratch *scratch // borrowed for a call
}

// family groups the types of event whose versions compete with each other.
type family uint8

const (
	famOrder family = iota + 1
	famCancel
	famAccepted
	famChanged
	famChangeRefused
	famCancelled
	famCancelRefused
	famClosed
	famAllocated
	famPicked
	famPacked
	famShipped
	famDelivered
	famReturned
	famInvoiced
	famCredited
	famReturnRequested
)

// families maps the types of fact that the flow of an order uses.
var families = map[waybill.EventType]family{
	waybill.OrderPlaced:                 famOrder,
	waybill.OrderChanged:                famOrder,
	waybill.OrderCancelRequested:        famCancel,
	waybill.WarehouseOrderAccepted:      famAccepted,
	waybill.WarehouseOrderChanged:       famChanged,
	waybill.WarehouseOrderChangeRefused: famChangeRefused,
	waybill.WarehouseOrderCancelled:     famCancelled,
	waybill.WarehouseOrderCancelRefused: famCancelRefused,
	waybill.WarehouseOrderClosed:        famClosed,
	waybill.AllocationConfirmed:         famAllocated,
	waybill.PickConfirmed:               famPicked,
	waybill.PackConfirmed:               famPacked,
	waybill.ShipmentConfirmed:           famShipped,
	waybill.ShipmentDelivered:           famDelivered,
	waybill.ReturnReceived:              famReturned,
	waybill.ReturnRequested:             famReturnRequested,
	waybill.InvoicePosted:               famInvoiced,
	waybill.CreditPosted:                famCredited,
}

// FactPlace is where a fact stands (system contract C4).
type FactPlace uint8

// The places of a fact.
const (
	Unplaced   FactPlace = iota
	Applied              // in force
	Superseded           // a newer version of its subject is in force
	Ignored              // a duplicate, an echo, or a version that came too late
	Limbo                // waits for what it names
	Parked               // has waited too long; adopted all the same when that comes
)

var placeNames = [...]string{"", "applied", "superseded", "ignored", "limbo", "parked"}

// String is the place's name in the contract.
func (p FactPlace) String() string {
	if int(p) < len(placeNames) {
		return placeNames[p]
	}
	return ""
}

// fact is one version of what a system said about one subject.
type fact struct {
	event   string // the ledger's id
	family  family
	source  string
	subject string
	version int64
	digest  [12]byte // the first bytes of the content's SHA-256
	at      int64    // recorded, Unix milliseconds

	lines vector   // the quantities, in the units they came in
	all   bool     // named no lines: all that has not shipped
	units []string // by entry of lines where one named a unit; one for all where they agree

	place   FactPlace
	expired bool // its time in limbo is over

	reading int  // counts how often its message was read again
	late    int  // of a later reading of the order: the last first attempt before it
	void    bool // by this reading, its message does not say it any more

	// Of an order's version:
	changed bool // it came as order.changed
	round   int  // of its check
	verdict verdict
	again   bool // a trigger came while the check was on its way

	// Of a shipment:
	when  int64 // it left the building, Unix milliseconds
	final bool

	// Of a cancel request: when it was first acted upon (0: not yet), and the
	// documents that already took it into account, by place + 1.
	fix, byWarehouse, byBooks int

	// Of a warehouse's answer: the document that it answers, by place + 1. Of a
	// shipment, and of a rest that is given up: the warehouse order it is about.
	answers int

	body  any            // *waybill.Order, *waybill.Shipment or *waybill.Return; nil until attached
	whole *waybill.Order // of an order's version: with its kits exploded; nil until asked for
}

// verdict is what a version's check came to.
type verdict uint8

const (
	unchecked verdict = iota
	approved
	negative
)

// docState is how far a document is on its way.
type docState uint8

const (
	planned   docState = iota // in its lane, never attempted: its content follows the facts
	withdrawn                 // taken back before its first attempt
	attempted                 // its content is fixed
	pending                   // taken by the target, not yet applied
	done                      // applied, for the lines it still names
	refused                   // waits in its lane for a person, or for a hold, change or cancellation
	skipped                   // taken out of its lane
	absent                    // conclusively not at the target
)

// doc is a document that was decided.
type doc struct {
	kind     waybill.Kind
	target   string
	subject  string
	revision int
	key      string
	version  int64
	state    docState
	attempt  int // ordinal of its first attempt among the order's
	epoch    int // of the order at its first attempt, or when it was skipped

	lines    vector // of a planned document: as the plan has it; afterwards: as sent; done: as applied
	again    vector // lines that the target wants once more (207 retry)
	rejected vector // lines that the target will not take (207)
	rest     bool   // it carries only what an earlier revision left to try again

	of          int    // place + 1 of the document it follows from: an invoice's posting, a credit's reversal, a backorder's closed order
	supersedes  int    // place + 1
	compensates int    // place + 1
	fact        string // event of the shipment version it carries
	first       bool   // an invoice with the order's charges
	freight     bool   // an invoice with its shipment's freight
	tax         waybill.Decimal
	terms       int64  // of an invoice: the version of the order whose prices it has; of an operator's word: the one in force then
	byVersion   bool   // a sales_order_change that carries a version, not a cancellation
	before      vector // of a warehouse order: what had shipped when it was made
	freed       vector // of a closed warehouse order: backorders that may be released
	answer      string // of an answer: accepted, partial, too_late
	late        bool   // a change or cancellation that the warehouse (or an operator's skip) refused
	ref         string // the target's own number
	code        string // of the refusal

	// Where an operator had his word (system contract C7):
	edit   string  // the event of the command that wrote its content
	edited *Edited // that content; nil until attached, and once the first attempt fixed it
	meant  vector  // what the plan had for it instead
	undoes bool    // it compensates another by an operator's command
	lapsed bool    // what it undoes may be decided again
	undone int     // place + 1 of the document that undoes it

	wanted bool // by the plan under way
}

// inBooks reports whether the target holds the document or may hold it. Refused
// and skipped documents count as never attempted (system contract W4).
func (d *doc) inBooks() bool {
	return d.state == attempted || d.state == pending || d.state == done
}

// counts reports whether the lines of a document are accounted for: it is in
// the target's books, or it is the rest of one that is, still to be tried again
// or given up by an operator since the last hold, change or cancellation.
func (s *Sales) counts(d *doc) bool {
	return d.inBooks() || d.rest && (d.state == planned || d.state == withdrawn || d.state == refused || d.state == skipped && d.epoch >= s.epoch)
}

// hold is a reason not to go on.
type hold struct {
	kind   string
	reason string
	line   string
	since  int64 // Unix milliseconds
}

// The holds that only an operator lifts.
const (
	holdManual    = "manual"
	holdDuplicate = "duplicate_po"
	holdUnmapped  = "unmapped" // or a mapping
)

// byCheck reports whether a check can lift the hold.
func (h hold) byCheck() bool {
	return h.kind != holdManual && h.kind != holdDuplicate && h.kind != holdUnmapped
}

// New returns the state of an order of which nothing is known yet.
func New(ref string, p *Policy) *Sales {
	s := &Sales{ref: ref}
	s.origin, s.own = p.origin(ref)
	s.tag = waybill.KeyTag(p.Namespace, s.origin, s.own)
	return s
}

// Ref is the order's number, unique in the installation.
func (s *Sales) Ref() string { return s.ref }

// Origin is the system that placed the order; empty where none is known.
func (s *Sales) Origin() string { return s.origin }

// OwnNumber is the order's number as its origin knows it.
func (s *Sales) OwnNumber() string { return s.own }

// line returns the place of a line in the table, and gives it one when it has
// none. near is the place at which it is expected.
func (s *Sales) line(id string, near int) int {
	if i := s.find(id, near); i >= 0 {
		return i
	}
	s.table = append(s.table, id)
	return len(s.table) - 1
}

// find is line without giving a place: -1 when the line was never named.
func (s *Sales) find(id string, near int) int {
	if near < len(s.table) && s.table[near] == id {
		return near
	}
	return slices.Index(s.table, id)
}

// compareFacts orders facts so that within one subject the version in force
// comes first: the highest, of one version its last reading, and of two contents
// of it the one with the lower digest.
func compareFacts(a, b *fact) int {
	if c := compareSubjects(a, b); c != 0 {
		return c
	}
	if a.version != b.version {
		return -cmp.Compare(a.version, b.version)
	}
	if a.reading != b.reading {
		return -cmp.Compare(a.reading, b.reading)
	}
	return slices.Compare(a.digest[:], b.digest[:])
}

// compareSubjects orders facts by what they are about. The order itself is one
// subject, whoever reports it.
func compareSubjects(a, b *fact) int {
	if a.family != b.family {
		return cmp.Compare(a.family, b.family)
	}
	if a.family == famOrder {
		return 0
	}
	if c := strings.Compare(a.source, b.source); c != 0 {
		return c
	}
	return strings.Compare(a.subject, b.subject)
}

// of returns the facts of a family.
func (s *Sales) of(f family) []*fact {
	from := 0
	for from < len(s.facts) && s.facts[from].family < f {
		from++
	}
	to := from
	for to < len(s.facts) && s.facts[to].family == f {
		to++
	}
	return s.facts[from:to]
}

// current returns the latest revision of a document; nil when it was never
// decided.
func (s *Sales) current(kind waybill.Kind, target, subject string) *doc {
	for i := len(s.docs) - 1; i >= 0; i-- {
		if d := s.docs[i]; d.kind == kind && d.subject == subject && d.target == target {
			return d
		}
	}
	return nil
}

// byKey returns the place of the document with a key, or -1.
func (s *Sales) byKey(key string) int {
	for i, d := range s.docs {
		if d.key == key {
			return i
		}
	}
	return -1
}

// gone reports whether a document counts as never sent because an operator undid
// it: the ERP's order, which may be booked anew. What else is undone stays in the
// books, beside what undoes it.
func (s *Sales) gone(d *doc) bool {
	return d.undone != 0 && d.kind == waybill.SalesOrder && s.undone(d)
}

// inBooks reports whether the target holds a document in any revision, or may
// hold it.
func (s *Sales) inBooks(kind waybill.Kind, target, subject string) bool {
	for _, d := range s.docs {
		if d.kind == kind && d.inBooks() && d.subject == subject && d.target == target && !s.gone(d) {
			return true
		}
	}
	return false
}

// applied reports whether a document is done with every line decided: nothing
// is left to try again. What follows from it may go.
func (s *Sales) applied(kind waybill.Kind, target, subject string) bool {
	taken := false
	for _, d := range s.docs {
		if d.kind != kind || d.subject != subject || d.target != target {
			continue
		}
		switch {
		case d.state == done:
			taken = taken || !s.gone(d)
		case d.state == attempted, d.state == pending, d.state == refused, d.rest && (d.state == planned || d.state == withdrawn):
			return false
		}
	}
	return taken
}

// carried adds up the lines of all revisions of a document that are accounted
// for, into r.
func (s *Sales) carried(r row, kind waybill.Kind, target, subject string) {
	for _, d := range s.docs {
		if d.kind == kind && s.counts(d) && d.subject == subject && d.target == target {
			r.add(d.lines)
		}
	}
}

// attempts returns the places of the documents of a kind that their target has
// or may have, in the order of their first attempts. The order in which they
// were decided hangs on the order in which facts arrived, and says nothing.
func (s *Sales) attempts(kind waybill.Kind) []int {
	from := len(s.scratch.places)
	for at, d := range s.docs {
		if d.kind == kind && d.inBooks() {
			s.scratch.places = append(s.scratch.places, at)
		}
	}
	out := s.scratch.places[from:len(s.scratch.places):len(s.scratch.places)]
	if len(out) > 1 {
		s.byAttempt(out)
	}
	return out
}

func (s *Sales) byAttempt(places []int) {
	slices.SortFunc(places, func(a, b int) int { return cmp.Compare(s.docs[a].attempt, s.docs[b].attempt) })
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func instant(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
