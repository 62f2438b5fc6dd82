package tower

import (
	"context"
	"errors"
	"time"
)

// source.go has what the pages need to know, said by the pages: one small interface and
// plain view structs. Quantities and money arrive as exact decimal text, shares
// for bars as whole permille, so that no page ever does arithmetic on either.

// ErrNotFound is what a Source answers when a reference, a message or an
// exception is not known. The page then says so with status 404.
var ErrNotFound = errors.New("not found")

// ErrRefused is wrapped by Source.Act when the action may not be done now, for
// example a skip before the attempt's deadline. Its text is shown to the person
// who asked, so it says what to do instead.
var ErrRefused = errors.New("refused")

// Source answers what the pages ask and does what a person tells them to.
// All methods may be called from many goroutines at once and must honour ctx.
type Source interface {
	// Counts is asked on each page, for the numbers beside the navigation.
	Counts(ctx context.Context) (Counts, error)

	// Overview is the state of everything now.
	Overview(ctx context.Context) (Overview, error)

	// Orders lists newest first. A query that is a reference of exactly one
	// order names it in OrderPage.Exact.
	Orders(ctx context.Context, q OrderQuery) (OrderPage, error)

	// Order finds one order by any reference. Where a reference belongs to
	// several, the second result names them and the first is zero. Unknown:
	// ErrNotFound.
	Order(ctx context.Context, ref string) (Order, []string, error)

	// Message is one message with its exact bytes. The id is a message's, or a
	// delivery's key for what went out. Unknown: ErrNotFound.
	Message(ctx context.Context, id string) (Message, error)

	// Interchanges lists what went between trading partners by EDI and Waybill,
	// newest first.
	Interchanges(ctx context.Context, q InterchangeQuery) (InterchangePage, error)

	// Exceptions lists what waits for a person, grouped by cause.
	Exceptions(ctx context.Context, q ExceptionQuery) (ExceptionPage, error)

	// Act does what a person asked, once, and records actor and reason. An
	// error that wraps ErrRefused or ErrNotFound is shown as it is written.
	Act(ctx context.Context, a Action) error

	// Unmapped lists what systems name and nobody has mapped, what holds up the
	// most first.
	Unmapped(ctx context.Context) ([]Unmapped, error)

	// Map says once what a reference means, and how many orders and facts that
	// waited go on. An error that wraps ErrRefused is shown as it is written.
	Map(ctx context.Context, m Meaning) (int, error)

	// Changes signals whenever something was committed. Signals coalesce: the
	// channel holds one. The function ends the subscription. A closed channel
	// ends all live pages, which a server needs before it can shut down.
	Changes(ctx context.Context) (<-chan struct{}, func())
}

// Counts are the numbers beside the navigation.
type Counts struct {
	Orders     int  // orders that are not yet invoiced or cancelled
	Exceptions int  // open exceptions
	EDI        bool // there are trading partners by EDI
}

// Overview is what the first page shows.
type Overview struct {
	Statuses    []StatusCount // one for each status that has orders, any order
	Deliveries  DeliveryCounts
	Undecided   int           // accepted or answered, not yet decided
	Limbo       int           // facts that wait for their order
	Quarantined int           // authentic, but not understood
	OldestReady time.Duration // age of the oldest delivery that could go now
	Quiescent   bool          // nothing is left to do, as C2 defines it
	OrderLag    string        // order to invoice, for example "median 4.2 s"; may be empty
	Systems     []System
	Incidents   []Incident
	Causes      []Cause    // worst first, at most a handful
	Recent      []OrderRow // newest first, at most a handful
	In          []int      // messages in, per minute, oldest first, up to 60
	Out         []int      // deliveries done, per minute, oldest first, up to 60
	Exceptions  []int      // exceptions opened, per minute, oldest first, up to 60
}

// StatusCount says how many orders have a status of C6.
type StatusCount struct {
	Status string
	Orders int
}

// DeliveryCounts are deliveries by state, as in C2.
type DeliveryCounts struct {
	Ready, InFlight, InDoubt, Waiting, Parked int
}

// Health is how a counterpart is doing. The zero value is Healthy.
type Health string

// The four kinds of health; each has a mark and a word of its own on the pages.
const (
	Healthy  Health = ""
	Degraded Health = "degraded"
	Blocked  Health = "blocked"
	Shadow   Health = "shadow" // compared only, or off
)

// System is one counterpart with its backlog.
type System struct {
	Name      string
	Role      string // channel, erp, wms, carrier, supplier, ...
	Connector string // contract, shopify, orders, ...
	Health    Health
	Breaker   string // closed, open, half open, paused, misconfigured; empty for a source
	Note      string // what is wrong in a few words: "breaker open 17 min"; empty when healthy
	InRate    int    // messages taken from it in the last full minute
	OutRate   int    // deliveries applied by it in the last full minute
	Backlog   DeliveryCounts
	Drain     time.Duration // until what waits is gone, at its pace; 0: not known, or soon
	Source    bool          // it sends to us
	Target    bool          // we send to it
}

// Incident is a thing that stops more than one order.
type Incident struct {
	Tone   string // bad or warn
	Title  string // what is wrong, a sentence
	Detail string // what it holds up and the one thing that frees it
	System string // the target it is about; the pages then offer to resume it
}

// Cause is a line of the overview's list of what needs a person.
type Cause struct {
	Cause  string // the machine name, as in C7
	Title  string
	Detail string
	Tone   string // bad, warn or empty
	Open   int
	Money  []string // "EUR 21,904.00", one for each currency; empty: none
	Since  time.Time
}

// OrderQuery asks for a page of orders.
type OrderQuery struct {
	Q      string // any reference or the start of one; empty: all
	Status string // a status of C6; empty: all
	After  string // OrderPage.Next of the page before
	Limit  int    // at least 1
}

// OrderPage is one page of orders.
type OrderPage struct {
	Orders []OrderRow
	Next   string // empty: the last page
	Exact  string // the one order that the query is a reference of
}

// OrderRow is an order in a list.
type OrderRow struct {
	Order      string
	PO         string
	Customer   string // an id or a name, as the Source may show it
	Channel    string
	Status     string // of C6
	Where      string // what it waits for now, in a few words; may be empty
	Lines      int
	Total      string // "EUR 4,812.60"; may be empty
	Placed     time.Time
	Exceptions int
	Bar        Bar
}

// Segment is a share of a bar.
type Segment struct {
	Stage    string // open, allocated, picked, shipped, posted, invoiced or returned
	Qty      string // exact decimal, for the bar's label
	Permille int    // its share of the whole bar
}

// Bar counts each unit once, at its furthest stage; shares sum to 1000 or less.
// Furthest stage first.
type Bar []Segment

// ExceptionQuery asks for exceptions.
type ExceptionQuery struct {
	State string // open (empty) or closed
	Cause string // the group whose items are wanted; empty: the worst group's
	Order string // only of this order; empty: all
	After string // ExceptionPage.Next of the page before
	Limit int    // items of the opened group, at least 1
}

// ExceptionPage is the inbox: all groups, and the items of one.
type ExceptionPage struct {
	Groups []ExceptionGroup
	Open   int
	Money  []string // what is held in all, one for each currency
	Next   string   // of the opened group's items; empty: no more
}

// ExceptionGroup is all exceptions of one cause.
type ExceptionGroup struct {
	Cause    string
	Title    string
	Detail   string // class and system: "Refused, to erp"
	Next     string // the suggested next step; may be empty
	Tone     string // bad, warn or empty
	Open     int
	Money    []string
	Since    time.Time
	Arrivals []int // opened per hour, oldest first, up to 12; may be empty
	Actions  []ActionKind
	Items    []Exception // only of the opened group
}

// Exception is one thing that waits for a person.
type Exception struct {
	ID       string
	Order    string // empty where no order is known
	Code     string // the refusal's code, verbatim: "422 item_unknown"
	Detail   string
	Next     string // the one thing that frees it
	System   string
	Document string // kind and subject of the delivery; may be empty
	Key      string // the delivery's key; may be empty
	Message  string // the message that opens it on a page; may be empty
	Money    string
	Since    time.Time
	Attempts int
	Behind   int // deliveries that wait behind this one
	Actions  []ActionKind
}

// ActionKind is what a person may do.
type ActionKind string

// The actions of C7 that the pages offer.
const (
	Retry   ActionKind = "retry"
	Skip    ActionKind = "skip"
	Settle  ActionKind = "settle"
	Recheck ActionKind = "recheck"
	Hold    ActionKind = "hold"
	Release ActionKind = "release"
	Cancel  ActionKind = "cancel"
	// ReleaseBackorder sends what is backordered to the warehouse again, whatever
	// the stock.
	ReleaseBackorder ActionKind = "release_backorder"
	// Match gives a return without an order to the order that Ref names.
	Match ActionKind = "match"
	// Take puts a value in force that a system proposed which does not own it;
	// Decline keeps what is in force.
	Take    ActionKind = "take"
	Decline ActionKind = "decline"

	Pause  ActionKind = "pause"
	Resume ActionKind = "resume"
)

// Scope says what an action's target is.
type Scope string

// The scopes: retry, skip and settle take the first three, match an exception,
// take and decline an exception or a cause,
// pause and resume a system, all others an order.
const (
	OnException Scope = "exception" // target is the exception's id
	OnCause     Scope = "cause"     // target is the cause, all its open exceptions
	OnDelivery  Scope = "delivery"  // target is the delivery's key
	OnOrder     Scope = "order"
	OnSystem    Scope = "system"
)

// Action is a person's order to do something. Reason is never empty; Ref is the
// target system's own reference, set for Settle, or the order, set for Match.
type Action struct {
	Actor  string
	Kind   ActionKind
	Scope  Scope
	Target string
	Reason string
	Ref    string
}
