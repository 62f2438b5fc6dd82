// Package lane holds deliveries: business documents on their way to systems,
// in ordered queues with attempts, verdicts, budgets and breakers. The rules
// are pure functions of a delivery, an answer and the time; who sends and who
// stores is the engine's business.
package lane

import (
	"context"
	"time"

	"github.com/waybillhq/waybill"
)

// State is where a delivery stands (system contract C3).
type State string

// The states of a delivery.
const (
	Ready     State = "ready"     // head of its lane, waiting for the target's budget
	InFlight  State = "in_flight" // an attempt is committed and has no outcome yet
	InDoubt   State = "in_doubt"  // an attempt may have been applied; to be looked up
	Waiting   State = "waiting"   // has a due time of its own, or stands behind a live head
	Parked    State = "parked"    // needs a person or a condition, or stands behind such a head
	Done      State = "done"
	Cancelled State = "cancelled" // withdrawn before its first attempt
	Skipped   State = "skipped"   // refused and taken out of its lane
)

// Settled reports whether the lane goes on past a delivery in this state.
func (s State) Settled() bool { return s == Done || s == Cancelled || s == Skipped }

// Delivery is one document on its way to one system. A row is made when the
// document is decided and kept for ever.
type Delivery struct {
	ID          int64 // rising; the lane's order among documents without a Seq
	Waybill     int64
	Shard       int
	Key         string
	Target      string
	Lane        string // as on the wire: the order, or ~~kind~ref
	Kind        waybill.Kind
	Subject     string
	Version     int64
	Revision    int
	Supersedes  string
	Compensates string
	Why         string // the rule that decided it
	Event       int64  // the event it was decided on

	Front bool  // goes to the head of its lane: a partial retry
	Seq   int64 // position in (target, lane) from 1, fixed with the first attempt; 0 before
	After int64 // the lane's last document the target had applied or taken then

	State  State
	Reason string // snake_case code, or "behind <key>"
	Detail string // the last answer in words
	Hold   string // why a person or a condition is needed, "" otherwise

	Attempts  int
	StartedAt time.Time // of the last attempt
	Deadline  time.Time // of the last attempt
	EndedAt   time.Time // of the last attempt; zero while it has no outcome
	Outcome   waybill.Verdict
	Epoch     int64
	Failures  int       // answers in a row that were no progress; sets the back-off
	Due       time.Time // when the next step may be taken; zero: at once
	AckBy     time.Time // pending: the acknowledgment's deadline
	Next      Move      // the next step when Due has come

	Ref       string // the target's own number
	N         int64
	Digest    [32]byte // over the rendered bytes; zero before the first attempt
	DecidedAt time.Time
	SettledAt time.Time

	// Bookkeeping of the one who writes: what the store holds, and whether it
	// is behind. Neither is stored.
	Stored State
	Dirty  bool
}

// Move is the next step of a delivery.
type Move string

// The moves.
const (
	Send          Move = "send"            // T1
	Ask           Move = "ask"             // T2
	AskThenRefuse Move = "ask_then_refuse" // T2; a refusal stands unless the look-up says otherwise
	AskPending    Move = "ask_pending"     // T2 of a document the target took (202)
	Stay          Move = ""                // wait for a person or a condition
)

// Attempted reports whether the first attempt was made; from then on the
// document's bytes and sequence number are fixed.
func (d *Delivery) Attempted() bool { return d.Seq > 0 }

// Attempt is the record of an attempt that has ended. The last one of a
// delivery is in the delivery itself; only earlier ones are kept apart.
type Attempt struct {
	Delivery int64
	Number   int
	Epoch    int64
	Started  time.Time
	Deadline time.Time
	Ended    time.Time
	Outcome  waybill.Verdict
	Detail   string
}

// Body is the rendered bytes of a delivery, stored with its first attempt.
type Body struct {
	Delivery    int64
	ContentType string
	Bytes       []byte
}

// Query selects deliveries (system contract C3). Empty fields select all.
type Query struct {
	Target  string
	Waybill int64
	State   State
	After   int64 // delivery id
	Limit   int

	// Before turns the list round: the newest first, of ids below it. It goes
	// with Target alone.
	Before int64
}

// Pending is what the dispatcher knows of an unsettled delivery without
// loading its waybill.
type Pending struct {
	ID      int64
	Waybill int64
	Target  string
	Kind    waybill.Kind
	State   State
	Next    Move
	Due     time.Time
}

// Reader reads deliveries. Every read sees the last commit.
type Reader interface {
	Delivery(ctx context.Context, id int64) (Delivery, error)
	// DeliveriesOf reads all deliveries of a waybill, in the order of their ids.
	DeliveriesOf(ctx context.Context, waybill int64) ([]Delivery, error)
	// DeliveriesOfItem reads an item's deliveries that are not settled, and the
	// adjustments that were withdrawn before their first attempt, in the order of
	// their ids. Its settled ones are as many as its history is long.
	DeliveriesOfItem(ctx context.Context, waybill int64) ([]Delivery, error)
	Deliveries(ctx context.Context, q Query) ([]Delivery, error)
	// PendingDeliveries streams every unsettled delivery, in the order of ids.
	PendingDeliveries(ctx context.Context, each func(Pending) error) error
	Attempts(ctx context.Context, delivery int64) ([]Attempt, error)
	Body(ctx context.Context, delivery int64) (Body, error)
}
