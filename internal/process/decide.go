package process

import (
	"time"

	"github.com/waybillhq/waybill"
)

// Decision is what follows from an event. The caller applies its parts in the
// order of the fields: what leaves the lanes before what enters them.
type Decision struct {
	// Withdraw lists planned documents (by key) to take out of their lanes:
	// they are no longer needed and were never attempted.
	Withdraw []string
	// Skip lists attempted documents (by key) to take out of their lanes:
	// refused ones that a hold, change or cancellation replaces, and refusals
	// that are answers.
	Skip []string
	// Add lists documents to put into their lanes, in this order.
	Add []Doc
	// Facts tells of every fact whose place changed, the one just recorded
	// included. Waybill's own events are no facts and not listed.
	Facts []FactState
	// Raise and Clear are the differences to the exceptions open so far.
	Raise []Exception
	Clear []ExceptionKey
	// SetTimers replaces a timer of the same name.
	SetTimers   []Timer
	ClearTimers []string
	// Watch and Unwatch name the entities ("customer:C1", "item:SKU") whose
	// changes a held order wants to hear of, as entity.touched; and the stock
	// ("stock:SKU") that would cover a backorder, as stock.allotted.
	Watch, Unwatch []string
	// Refs are references by which the order can be found from now on.
	Refs []Reference
	// Past is what leaves the state of an [Endless] flow, to be kept for it.
	Past []Past
	// Missing is set where nothing was decided: attach these events and decide
	// again.
	Missing []string
}

// Doc is a document to be put into its lane. Its content comes from [Compose],
// right before the first attempt.
type Doc struct {
	Key         string
	Target      string
	Kind        waybill.Kind
	Subject     string
	Version     int64
	Revision    int
	Supersedes  string
	Compensates string
	Front       bool   // at the head of its lane: lines that a target wants once more, or what an operator edited
	Why         string // the rule that asked for it, in words
}

// FactState says where a fact stands now.
type FactState struct {
	Event  string
	Place  FactPlace
	Reason string // empty when applied
}

// ExceptionKey identifies an open exception of an order.
type ExceptionKey struct {
	Cause   string // snake_case
	Subject string // what it is about: a document's key, an event, a shipment, the order
	Line    string // of the order, where it is about one
}

// Exception is something that needs a person.
type Exception struct {
	ExceptionKey
	Detail string // what is wrong
	Next   string // what to do about it
}

// Timer is a durable alarm of an order; it comes back as timer.fired.
type Timer struct {
	Name string
	Due  time.Time
}

// Reference is an identifier that some system knows the order or a part of it by.
type Reference struct {
	System string `json:"system"`
	Kind   string `json:"kind"`
	Value  string `json:"value"`
}

// Decide folds an event into s and returns what follows. The outcome depends
// on s, e and p alone; e.RecordedAt is the only time it knows. What
// [Sales.Missing] lists must have been attached before: otherwise nothing is
// decided, nothing changes, and the decision's Missing says what to attach.
func Decide(s *Sales, e *waybill.Event, p *Policy) Decision {
	if missing := s.Missing(); missing != nil {
		return Decision{Missing: missing}
	}
	s.borrow()
	defer s.giveBack()
	r := &s.scratch.rnd
	*r = round{s: s, p: p, now: e.RecordedAt}
	r.fold(e)
	r.look()
	r.route()
	r.giveUpRests()
	r.mark()
	r.plan()
	r.withdraw()
	r.raise()
	r.alarm()
	r.watch()
	return r.out
}

// round is one decision under way.
type round struct {
	s   *Sales
	p   *Policy
	now time.Time
	pic *picture
	out Decision

	dayAhead bool // the requested day of shipment is still to come
}

// look derives the picture and tells of facts whose place changed.
func (r *round) look() {
	r.pic = r.s.look(r)
}
