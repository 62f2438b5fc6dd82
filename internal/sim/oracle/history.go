// Package oracle judges a simulated run. It knows what the sources sent and
// were answered, what each target saw and booked, and what the program shows
// of itself in the end, and says which invariants do not hold. It imports
// nothing of the module: a mistake that the engine makes can't be made here
// by the same line of code.
package oracle

import "time"

// History is everything that the judgment goes by.
type History struct {
	Inputs   []*Input
	Targets  []*Target
	Orders   []*Order
	Items    map[string]int64 // by SKU: the sum of the adjustments that were reported, in thousandths
	Shown    Shown
	Deadline time.Duration // how long an attempt may take effect
	Settle   time.Duration // how long a look-up waits after it
	Calm     time.Time     // no fault came after
	Epochs   bool          // the target's clock is the program's: deadlines can be held against arrivals
}

// Input is a message that a source sent until it was answered yes.
type Input struct {
	Source, ID, Type string
	Sum              [32]byte // of its bytes, SHA-256
	Acked            bool
	Duplicate        bool // the first yes said that it was known
	Sent             int
}

// Target is a system that documents go to, as it saw it.
type Target struct {
	Name       string
	Class      string // key, lookup, none
	KeepsOrder bool
	Seen       []Request // everything that arrived, in order
	Books      []Entry
	Until      []Pause // times in which it said that nothing may come
}

// Pause is a time in which a target wanted no request.
type Pause struct{ From, To time.Time }

// Request is what arrived at a target. Ask: a look-up.
type Request struct {
	At                          time.Time
	Left                        time.Time // when it left the program
	Answered                    time.Time // when its answer was back; zero: never
	Status                      int
	Ask                         bool
	Key, Lane, Kind, Order      string
	Seq, After, Attempt, Epoch  int64
	BodyKey, BodyKind, BodyLane string // as the body says
	BodySeq                     int64
	Deadline                    time.Time
	Digest                      [32]byte
	DigestHeld                  bool // the digest in the header is the body's
	Copy                        bool // the network's own doing: not the program's
	Pending                     bool // a look-up that was told so
	Unsettled                   bool // a look-up that came to no conclusion
	Absent                      bool // a look-up that was told that it is not there, or was turned down
}

// Entry is a line of a target's books.
type Entry struct {
	N        int64
	At       time.Time
	Key      string
	Kind     string
	Order    string
	Lane     string
	Seq      int64
	Digest   [32]byte
	Subject  string           // shipment, return, request or document that it is about
	Quantity map[string]int64 // by line or SKU, in thousandths
	Result   string           // of an answer
}

// Order is an order as its sources know it.
type Order struct {
	Ref       string
	Versions  []map[string]int64 // ordered by line, in thousandths; the last is the newest
	Shipments []Shipment
	Returns   map[string]map[string]int64
	Cancels   []string // requests
	Confirmed bool     // the warehouse confirmed a cancellation
}

// Shipment is what a warehouse reported.
type Shipment struct {
	ID       string
	Quantity map[string]int64
}

// Shown is what the program shows of itself in the end.
type Shown struct {
	Messages   []Message
	Events     []Event
	Deliveries []Delivery
	Exceptions []Exception
	Audit      []Chained
	Commands   int      // of operators that were answered yes
	Breaches   []string // of its own verification
	Quiet      bool     // nothing was left to do when the run ended
	Open       string   // what was, if not
}

// Message is a kept message.
type Message struct {
	Source, ID string
	Sum        [32]byte // as kept beside it
	Body       [32]byte // of the bytes that are read back
	Events     int
}

// Event is a row of the ledger. Prev and Hash chain its shard.
type Event struct {
	ID, Seq    int64
	Shard      int
	Source     string
	State      string
	Prev, Hash [32]byte
}

// Delivery is a document on its way, as the program shows it.
type Delivery struct {
	Key, Target, Kind, Lane, State, Reason string
	Attempts                               int
	Digest                                 [32]byte
}

// Exception is what the program shows a person.
type Exception struct {
	Cause, Subject, Ref string
}

// Chained is an entry of the audit log.
type Chained struct {
	Seq        int64
	Prev, Hash [32]byte
}

// Violation is an invariant that does not hold.
type Violation struct {
	Invariant string `json:"invariant"`
	Detail    string `json:"detail"`
}
