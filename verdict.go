package waybill

import "time"

// Verdict sorts a system's answer to an attempt (system contract T1). An
// answer that a connector can't sort is InDoubt, never anything else.
type Verdict string

// The verdicts.
const (
	// Done: applied, now or by an earlier attempt with the same key.
	Done Verdict = "done"
	// Partial: the lines differ; Receipt.Lines says how (answer 207).
	Partial Verdict = "partial"
	// Pending: taken and not applied yet; the acknowledgment has a deadline.
	Pending Verdict = "pending"
	// NotSent: no byte of the request left; a plain retry is harmless.
	NotSent Verdict = "not_sent"
	// Throttled: not applied; the whole target slows, RetryAfter is law.
	Throttled Verdict = "throttled"
	// InDoubt: it may have been applied. The next step is a look-up.
	InDoubt Verdict = "in_doubt"
	// Refused: judged and not applied; this lane waits for a person.
	Refused Verdict = "refused"
	// Park: a business condition (closed period, locked, credit hold) stands
	// in the way; tried again when it may have changed.
	Park Verdict = "park"
	// Unauthorized: the credential is refused; the whole target pauses.
	Unauthorized Verdict = "unauthorized"
	// Forbidden: this document, or the credential; a probe decides.
	Forbidden Verdict = "forbidden"
	// Misconfigured: the address answers, but not as this system (a redirect,
	// a 4xx that is no problem+json); the whole target pauses.
	Misconfigured Verdict = "misconfigured"
	// Stale: a newer owner of the lane exists; the attempt is dropped.
	Stale Verdict = "stale"
)

// Outcome is what became of an attempt or of a look-up.
type Outcome struct {
	Verdict Verdict
	Receipt Receipt
	Problem Problem
	// RetryAfter is the time until which no request may go to the target, with
	// Throttled; zero where the target named none.
	RetryAfter time.Time
	// AckWithin, with Pending: how long the acknowledgment may take; 0: as long
	// as the configuration gives every system.
	AckWithin time.Duration
	// AskFirst, with Refused: look the key up before believing the refusal
	// (a 409 of an unknown code).
	AskFirst bool
	// Note says in words what happened, for the timeline: "504 Gateway
	// Timeout", "connection reset after the request was sent".
	Note string
}

// Idempotency is what a system does with a document it may have seen before.
type Idempotency string

// The classes of target (system contract T3).
const (
	// ByKey: the target recognises the key; the same document may go again.
	ByKey Idempotency = "key"
	// ByLookup: the target answers authoritatively whether it holds the key.
	ByLookup Idempotency = "lookup"
	// NoIdempotency: neither; a document in doubt is parked for a person.
	NoIdempotency Idempotency = "none"
)

// Error is an error for whoever sent something or has to repair something: it
// names the field and says what to do.
type Error struct {
	Code   string // snake_case, stable
	Field  string // JSON Pointer or name of the field at fault; may be empty
	Detail string // what is wrong, to which order
	Fix    string // what to do next; may be empty
}

// Error writes the detail with its field and fix.
func (e *Error) Error() string {
	s := e.Detail
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Fix != "" {
		s += "; " + e.Fix
	}
	return s
}
