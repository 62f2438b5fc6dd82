// Package ledger holds what happened: the messages as they came in, byte for
// byte, the events they carried, the waybills folded from them and the
// references by which anybody may ask for one. Nothing in it is overwritten
// but a waybill's state, which is a cache that refolds from its events.
package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/waybillhq/waybill"
)

// ShardCount is the number of shards that waybills hash to. It is stored with
// every waybill and never changes.
const ShardCount = 1024

// ShardOf is the shard of a waybill: its tag's lowest ten bits.
func ShardOf(tag int64) int { return int(tag & (ShardCount - 1)) }

// MessageStatus says whether a message was understood.
type MessageStatus string

// The statuses of a message.
const (
	Accepted    MessageStatus = "accepted"
	Quarantined MessageStatus = "quarantined" // authentic, not understood; kept and shown
	Rejected    MessageStatus = "rejected"    // not authentic (a wrong signature); kept as evidence, without events
)

// Message is raw bytes as they came in. (Source, DedupeID) is unique among
// messages that are not rejected.
type Message struct {
	ID         int64
	Source     string // the system it came from
	DedupeID   string
	Topic      string
	Status     MessageStatus
	Reason     string // why it is quarantined or rejected
	ReceivedAt time.Time
	SHA256     [sha256.Size]byte // over Body
	Header     []byte            // JSON object of the headers that matter
	Body       []byte
	FirstEvent int64 // the first of Events consecutive event ids; 0: none
	Events     int
}

// EventState is what became of an event (system contract C4).
type EventState string

// The states of an event.
const (
	Applied          EventState = "applied"
	Superseded       EventState = "superseded"
	Ignored          EventState = "ignored"
	Limbo            EventState = "limbo"
	ParkedEvent      EventState = "parked"
	QuarantinedEvent EventState = "quarantined"
	Undecided        EventState = "undecided" // accepted, not decided yet
)

// Event is a row of the ledger: a canonical fact, a receipt, a command or a
// timer, with what was decided on it. All but State and Reason never change.
type Event struct {
	ID         int64 // rising over the whole database
	Shard      int
	Seq        int64 // position in its shard's chain, from 1 without gaps
	Waybill    int64 // 0: it names none
	Message    int64 // 0: Waybill's own
	Type       waybill.EventType
	Source     string
	Subject    string
	Version    int64
	OccurredAt time.Time // offset kept; zero where the source named none
	RecordedAt time.Time
	State      EventState
	Reason     string
	Data       []byte            // the fact as JSON, in the shape of the schema in force
	Stored     []byte            // as it was written, where that was by an earlier schema; nil: Data is
	Decision   []byte            // what was decided on it, as JSON; empty: nothing
	Prev       [sha256.Size]byte // the chain's hash before it
	Hash       [sha256.Size]byte
}

// Content is the hash over everything in the event that never changes, by
// which the chain binds it.
func (e *Event) Content() [sha256.Size]byte {
	h := sha256.New()
	var n [8]byte
	num := func(v int64) {
		binary.BigEndian.PutUint64(n[:], uint64(v)) //nolint:gosec // a bit pattern
		h.Write(n[:])
	}
	text := func(b []byte) { num(int64(len(b))); h.Write(b) }
	num(e.ID)
	num(int64(e.Shard))
	num(e.Seq)
	num(e.Waybill)
	num(e.Message)
	text([]byte(e.Type))
	text([]byte(e.Source))
	text([]byte(e.Subject))
	num(e.Version)
	num(e.RecordedAt.UnixMicro())
	written := e.Data
	if e.Stored != nil {
		written = e.Stored
	}
	data, decision := sha256.Sum256(written), sha256.Sum256(e.Decision)
	h.Write(data[:])
	h.Write(decision[:])
	var out [sha256.Size]byte
	h.Sum(out[:0])
	return out
}

// Link puts the event behind prev in its shard's chain: the chain runs over
// hashes, never over bytes, so that personal data can be erased without
// breaking it.
func (e *Event) Link(prev [sha256.Size]byte) {
	content := e.Content()
	var both [2 * sha256.Size]byte
	copy(both[:], prev[:])
	copy(both[sha256.Size:], content[:])
	e.Prev, e.Hash = prev, sha256.Sum256(both[:])
}

// StateChange gives an event another state.
type StateChange struct {
	Event  int64
	State  EventState
	Reason string
}

// Waybill is the state of one flow, folded from its events.
type Waybill struct {
	ID        int64
	Shard     int
	Tag       int64 // hash of origin and reference; found by document keys too
	Kind      waybill.FlowKind
	Ref       string
	Version   int64 // counts its commits; the state a writer read must be the one it replaces
	Status    waybill.Status
	Customer  string
	State     []byte // the process's blob
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Reference is a name by which a system or a person knows a waybill.
type Reference struct {
	Waybill int64
	System  string
	Kind    string // order, po, shipment, tracking, invoice, …
	Value   string
}

// Past is what the state of a flow without an end has let go of, by a name that
// the flow gives it. A newer one of the same name replaces it.
type Past struct {
	Waybill int64
	Name    string
	Data    []byte
}

// Head is the end of a shard's chain.
type Head struct {
	Shard int
	Epoch int64
	Seq   int64
	Hash  [sha256.Size]byte
	Batch int64 // number of the last batch that wrote to the shard
}

// EventQuery selects events (system contract C4). Empty fields select all.
type EventQuery struct {
	Source  string
	ID      string // the message's dedupe id
	State   EventState
	Waybill int64
	After   int64 // event id
	Limit   int

	// Before turns the list round: the newest first, of ids below it, and only
	// events that came with a message. It goes with Source alone.
	Before int64
}

// WaybillQuery selects waybills for lists. Empty fields select all.
type WaybillQuery struct {
	Kind   waybill.FlowKind
	Ref    string // any reference, exact or a prefix of one
	Status waybill.Status
	Before int64 // waybill id; 0: from the newest
	Limit  int
}

// Reader reads what happened. Every read sees the last commit.
type Reader interface {
	Message(ctx context.Context, id int64) (Message, error)
	MessageByDedupe(ctx context.Context, source, id string) (Message, error)
	Event(ctx context.Context, id int64) (Event, error)
	Events(ctx context.Context, q EventQuery) ([]Event, error)
	// EventsAfter reads the ledger in order, for folding and verifying it.
	EventsAfter(ctx context.Context, after int64, limit int) ([]Event, error)
	Waybill(ctx context.Context, id int64) (Waybill, error)
	WaybillByTag(ctx context.Context, tag int64, kind waybill.FlowKind, ref string) (Waybill, error)
	// WaybillsByTag finds the waybills whose document keys begin with the tag.
	WaybillsByTag(ctx context.Context, tag int64) ([]Waybill, error)
	// WaybillsByRef finds waybills by a whole reference of any kind.
	WaybillsByRef(ctx context.Context, value string, limit int) ([]Waybill, error)
	Waybills(ctx context.Context, q WaybillQuery) ([]Waybill, error)
	// StatusCounts counts the waybills that have a status, which only orders do,
	// by it. It reads an index of all of them: who asks often remembers the
	// answer.
	StatusCounts(ctx context.Context) (map[waybill.Status]int, error)
	References(ctx context.Context, waybill int64) ([]Reference, error)
	// Past reads what the waybill's state has let go of under a name.
	Past(ctx context.Context, waybill int64, name string) ([]byte, error)
	Heads(ctx context.Context) ([]Head, error)
	// EventCounts counts the events that are not applied, superseded or
	// ignored, by state.
	EventCounts(ctx context.Context) (map[EventState]int, error)
}
