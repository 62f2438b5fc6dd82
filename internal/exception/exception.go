// Package exception holds what needs a person or a policy: each open trouble
// with its cause in a word, what it holds up and the step that frees it.
package exception

import (
	"context"
	"time"

	"github.com/waybillhq/waybill"
)

// State says whether an exception still needs somebody.
type State string

// The states of an exception.
const (
	Open   State = "open"
	Closed State = "closed"
)

// Exception is one trouble. (Waybill, Cause, Subject) is unique among open
// ones: the same trouble again is the same exception.
type Exception struct {
	ID       int64
	Waybill  int64 // 0: it concerns a system or a message, not an order
	Ref      string
	Cause    string // snake_case; exceptions are grouped by it
	Subject  string // document key, line, shipment, system or message it is about
	Detail   string // what is wrong, in business words
	Next     string // the one step that frees it
	Actions  []string
	Money    waybill.Money // value held up; zero where unknown
	Since    time.Time
	ClosedAt time.Time
	State    State
	ClosedBy string // actor or rule
}

// Query selects exceptions. Empty fields select all.
type Query struct {
	State   State
	Cause   string
	Waybill int64
	After   int64
	Limit   int
}

// Count is the size of one cause's group.
type Count struct {
	Cause string
	Open  int
	Since time.Time // of the oldest
}

// Reader reads exceptions. Every read sees the last commit.
type Reader interface {
	Exception(ctx context.Context, id int64) (Exception, error)
	Exceptions(ctx context.Context, q Query) ([]Exception, error)
	ExceptionCounts(ctx context.Context) ([]Count, error)
	// OpenExceptionsOf reads the open exceptions of a waybill.
	OpenExceptionsOf(ctx context.Context, waybill int64) ([]Exception, error)
}
