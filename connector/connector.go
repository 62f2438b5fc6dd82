// Package connector is everything a counterpart needs to know about Waybill.
//
// A connector is a [Manifest], which says what the counterpart can do and how
// it is configured, and a [Connector], a struct of small capabilities whose nil
// fields are what it can't do. It turns bytes into events and documents into
// bytes; it never sees the database, the engine or another connector. Package
// connectortest holds the conformance suite, package all the list of what
// ships.
//
// An error that a connector does not classify counts as in doubt.
package connector

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sort"
	"time"
	"unicode/utf8"

	"github.com/waybillhq/waybill"
)

// Manifest describes a kind of counterpart. It is data: the pages, the
// documentation and the checks of the configuration come from it.
type Manifest struct {
	Name    string         // as written in the configuration: "contract", "shopify"
	Title   string         // as shown to people
	Summary string         // one sentence
	Roles   []waybill.Role // the roles a system with this connector may have
	Emits   []waybill.EventType
	Accepts []waybill.Kind
	// Idempotency is the class until the system itself says better (T3).
	Idempotency waybill.Idempotency
	// KeyTTL is how long the system remembers a key; 0: for ever.
	KeyTTL time.Duration
	// KeepsOrder: the system applies what it took in the order it took it, so
	// a pending document does not hold up its lane.
	KeepsOrder bool
	// NoChannelDocuments: orders of this system get no documents back (C11).
	NoChannelDocuments bool
	// Restates: a channel that sends the whole order again at any change of it,
	// tags and fulfilments included. A newer version with the same content is
	// no change of the order then.
	Restates bool
	// Numbered: what goes to the system carries numbers that count up. The next
	// one is reserved in the commit that stores the bytes ([waybill.Document]
	// has it as Control): a repetition has the same, and none is given twice.
	Numbered bool
	Settings []Setting
	// Files: it exchanges files with the system, so the configuration names a
	// place for them.
	Files bool
	// Open makes the connector for one configured system.
	Open func(Env) (Connector, error)
}

// Setting is one key of a system's settings in the configuration.
type Setting struct {
	Name     string
	Doc      string
	Default  string
	Required bool
	// File: its value names a file; a relative one begins at the folder of the
	// configuration. What the file says is checked with the configuration.
	File bool
}

// Env is what a connector gets for one configured system.
type Env struct {
	System        string // the system's name in the configuration
	Role          waybill.Role
	BaseURL       string
	Token         string   // credential for calls to the system
	WebhookSecret []string // secrets that sign its pushes; more than one while a secret rotates
	OrderPrefix   string   // of a channel's orders (system contract G4)
	Settings      map[string]string
	Files         Files        // where files are exchanged; nil: the configuration names no place
	Book          Book         // what orders are now; nil: nobody knows
	Client        *http.Client // never repeats a request, never follows a redirect, obeys the egress rules
	Now           func() time.Time
	Log           *slog.Logger
	Observe       bool // open for reading payloads only: credentials may be missing
}

// Book answers what an order is now, for messages that state differences only.
type Book interface {
	// Order is the version in force of the order with that name; nil where it is
	// not known. It is not to be changed.
	Order(ref string) *waybill.Order
}

// Connector is what one system can do; nil fields are what it can't.
type Connector struct {
	Receiver   Receiver
	Translator Translator
	Renderer   Renderer
	Deliverer  Deliverer
	Inquirer   Inquirer
	Prober     Prober
	Journal    Journal
	Publisher  Publisher
	Poller     Poller
	Collector  Collector
	Batcher    Batcher
	// Described is what a system's own file says in the place of the manifest;
	// nil: the manifest holds as it is.
	Described *Description
}

// Description is what a system that is described by a file says of itself.
type Description struct {
	Idempotency waybill.Idempotency
	KeyTTL      time.Duration
	KeepsOrder  bool
	Accepts     []waybill.Kind
	// Revision is a hash over the files that the system was opened with: two
	// processes with one revision of the configuration work alike.
	Revision string
}

// Of gives the manifest as it holds for one system.
func (d *Description) Of(m Manifest) Manifest {
	if d != nil {
		m.Idempotency, m.KeyTTL, m.KeepsOrder, m.Accepts = d.Idempotency, d.KeyTTL, d.KeepsOrder, d.Accepts
	}
	return m
}

// Inbound is a push as it came in, before anything is believed.
type Inbound struct {
	Header http.Header
	Body   []byte
	Now    time.Time // when it was received, by Waybill's clock
}

// Envelope is what a receiver reads from a push that it holds for authentic.
type Envelope struct {
	ID    string // the sender's id of the message, equal on all its repetitions: the dedupe key
	Topic string // the sender's name for what it is; "" where only the body says
}

// Receiver authenticates a push. It verifies before it decodes anything, and
// answers with a [*Rejection] for what can't be taken.
type Receiver interface {
	Receive(in Inbound) (Envelope, error)
}

// Rejection is why a push is not taken: its HTTP status and an error for its
// sender. 401 is a wrong signature or time, 400 a malformed message.
type Rejection struct {
	Status int
	Err    waybill.Error
}

// Error is the error for the sender.
func (r *Rejection) Error() string { return r.Err.Error() }

// Message is a kept message, ready to be translated.
type Message struct {
	System     string
	Topic      string
	Header     http.Header
	Body       []byte
	ReceivedAt time.Time
	// MayWait: it is handed over again where the Translator answers [Later].
	MayWait bool
}

// Later is why a message says nothing yet: what it builds on has not come. It
// answers only a message that may wait; one that may not says what it can.
type Later struct {
	For string // what it waits for, in words: "order 4711, which its 860 changes"
}

// Error names what the message waits for.
func (l *Later) Error() string { return "it waits for " + l.For }

// Translator turns a message into canonical events. It is pure: the same
// message gives the same events, in the same order, for ever. No events and no
// error means that the message is understood and says nothing Waybill tracks;
// [Untranslatable] quarantines it.
type Translator interface {
	Translate(m Message) ([]waybill.Event, error)
}

// Repeater is a [Collector] whose counterpart wants to hear of messages that came
// before. Repeated gives the events of one that comes again, in another file: with
// the same bytes, or with others under the same id. They create nothing that the
// first made; none at all is the usual answer.
type Repeater interface {
	Repeated(m Message, same bool) ([]waybill.Event, error)
}

// Untranslatable is why an authentic message could not be understood. The
// message is kept and shown with this reason.
type Untranslatable struct {
	Field  string // JSON Pointer, segment or column; may be empty
	Reason string
}

// reasonMax bounds a reason, in bytes: it is kept with the message, and what it
// quotes may be as long as that.
const reasonMax = 500

// Error names field and reason. A reason that is too long to read is cut.
func (u *Untranslatable) Error() string {
	reason := u.Reason
	if len(reason) > reasonMax {
		at := reasonMax
		for at > 0 && !utf8.RuneStart(reason[at]) {
			at--
		}
		reason = reason[:at] + "…"
	}
	if u.Field == "" {
		return reason
	}
	return u.Field + ": " + reason
}

// Rendered is a document in the counterpart's own words. The bytes are stored
// with the first attempt and are the same on all.
type Rendered struct {
	Body        []byte
	ContentType string
	// Doubts are what a person should know of the document although it goes out:
	// each is raised as an exception of its order.
	Doubts []string
}

// ProofMismatch is the code of a [waybill.Error] of a Renderer that holds back
// a document because it contradicts what was told or packed before.
const ProofMismatch = "proof_mismatch"

// Renderer turns a document into bytes. It is pure, so that every attempt and
// every rebuilt database sends the same.
type Renderer interface {
	Render(d waybill.Document) (Rendered, error)
}

// Attempt is one attempt to bring a document to a system.
type Attempt struct {
	Kind        waybill.Kind
	Order       string
	Lane        string
	Key         string
	Subject     string
	Seq         int64
	Attempt     int // from 1
	Epoch       int64
	Deadline    time.Time // the system shall neither apply nor take it after this
	Body        []byte    // as rendered
	ContentType string
	Traceparent string
	// Found is what a look-up found right before this attempt, where one was
	// made: a document that takes several calls goes on from there.
	Found *Finding
}

// Deliverer makes one attempt. It never repeats a request by itself. A nil
// error with a verdict is the answer; an error is in doubt.
type Deliverer interface {
	Deliver(ctx context.Context, a Attempt) (waybill.Outcome, error)
}

// Inquiry asks whether a key took effect.
type Inquiry struct {
	Kind     waybill.Kind
	Order    string
	Key      string
	Subject  string
	Body     []byte    // as rendered
	Deadline time.Time // of the last attempt
	// Traceparent is the document's, as on its attempts.
	Traceparent string
}

// FindingState is what a look-up found.
type FindingState string

// What a look-up can find.
const (
	FoundApplied  FindingState = "applied"
	FoundPending  FindingState = "pending"
	FoundRejected FindingState = "rejected"
	// FoundAbsent: conclusively not there, and nothing sent so far can still
	// be applied.
	FoundAbsent FindingState = "absent"
	// FoundUnknown: no conclusion; ask again.
	FoundUnknown FindingState = "unknown"
)

// Finding is the answer to an inquiry.
type Finding struct {
	State   FindingState
	Receipt waybill.Receipt
	Problem waybill.Problem
	// RetryAfter: the look-up itself was throttled until then.
	RetryAfter time.Time
	// Unauthorized: the credential was refused.
	Unauthorized bool
	Note         string
	// Progress is the connector's own memory of the steps that took effect,
	// handed to the next Deliver.
	Progress map[string]string
}

// Inquirer answers whether a key took effect. "Not found" is absent only where
// the system vouches that nothing can still be applied; an error is unknown.
type Inquirer interface {
	Inquire(ctx context.Context, q Inquiry) (Finding, error)
}

// Info is what a system says of itself (system contract T3).
type Info struct {
	System      string
	Generation  string
	Head        int64 // of its journal; -1 where it has none
	Now         time.Time
	Idempotency waybill.Idempotency
	KeyTTL      time.Duration
	KeepsOrder  bool
}

// Prober asks a system for its health, rights and clock. A refused credential
// is an error of type [*Rejection] with status 401.
type Prober interface {
	Probe(ctx context.Context) (Info, error)
}

// Entry is one entry of a system's own journal. An empty key was entered by
// hand.
type Entry struct {
	N      int64
	At     time.Time
	Key    string
	Kind   waybill.Kind
	Order  string
	Seq    int64
	Digest string
	Ref    string
	Lines  []waybill.DocumentLine
	Data   []byte
	// Generation of the journal the entry was read from. Two of them in one
	// reading are a rewind (T3), and the reading is void.
	Generation string
}

// Journal reads a system's books, for reconciliation: entries above after, in
// order, at most limit of them.
type Journal interface {
	Entries(ctx context.Context, after int64, limit int) (entries []Entry, head int64, err error)
}

// Publisher reads master data from a system of record, as the events that
// report it (item.changed, customer.changed, …).
type Publisher interface {
	Entities(ctx context.Context, kind, since, cursor string) (events []waybill.Event, next string, err error)
}

// Poll is one question that a system is asked again and again: what changed
// since a cursor.
type Poll struct {
	Name  string
	Every time.Duration // between two readings to the end
}

// Polled is one changed thing, as a message that the system could have pushed.
type Polled struct {
	ID    string // equal on every reading of the same change: the dedupe id
	Topic string
	Body  []byte
}

// Page is one answer to a poll.
type Page struct {
	Messages []Polled
	// Cursor is where the next question goes on. It may be kept only after
	// every message before it is: a crash asks again, and the ids absorb it.
	Cursor string
	More   bool // there is a further page right now
	// RetryAfter: the system wants no question before then; zero: none named.
	RetryAfter time.Time
}

// Poller asks a system that does not push. An empty cursor is the first
// question ever. One call is one request; a refused credential is an error of
// type [*Rejection] with status 401, and with any error the cursor stays.
type Poller interface {
	Polls() []Poll
	Poll(ctx context.Context, name, cursor string) (Page, error)
}

// Registry is the list of connectors that a binary ships.
type Registry map[string]Manifest

// NewRegistry makes a registry of manifests with distinct names.
func NewRegistry(manifests ...Manifest) (Registry, error) {
	r := make(Registry, len(manifests))
	for _, m := range manifests {
		if _, taken := r[m.Name]; taken || m.Name == "" {
			return nil, fmt.Errorf("connector %q: the name is empty or taken", m.Name)
		}
		r[m.Name] = m
	}
	return r, nil
}

// Names lists the connectors, sorted.
func (r Registry) Names() []string {
	names := make([]string, 0, len(r))
	for n := range r {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
