package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/mapping"
)

// lookup is how the system is asked whether a document took effect.
type lookup struct {
	path    template
	headers map[string]template
	answers []found
}

// found is one line of the table of a look-up's answers.
type found struct {
	status  statuses
	when    *mapping.Program
	state   connector.FindingState
	receipt *mapping.Program
	problem *mapping.Program
}

var states = []connector.FindingState{connector.FoundApplied, connector.FoundPending, connector.FoundRejected,
	connector.FoundAbsent, connector.FoundUnknown}

// lookupWords are the places of a look-up's path beside those of the rendered
// body: {body.reference}.
var lookupWords = []string{"key", "order", "subject", "kind", "deadline"}

func (r *reader) lookup(b *lookupBody, path ...any) *lookup {
	if b == nil {
		return nil
	}
	at := func(keys ...any) []any { return append(slices.Clone(path), keys...) }
	l := &lookup{path: r.path(b.Path, nil, at("path")...), headers: r.headers(b.Headers, at("headers")...)}
	for _, word := range l.path.words() {
		if !slices.Contains(lookupWords, word) && !strings.HasPrefix(word, "body.") {
			r.y.Wrong(fmt.Sprintf("there is no {%s} here", word), "there are {"+strings.Join(lookupWords, "}, {")+"} and {body.…} of the request", at("path")...)
		}
	}
	applied := false
	for i, f := range b.Answers {
		if !r.oneOf(f.State, strings.Split(joined(states), ", "), at("answers", i, "state")...) {
			continue
		}
		state := connector.FindingState(f.State)
		applied = applied || state == connector.FoundApplied
		if f.When == "" && (state == connector.FoundApplied || state == connector.FoundAbsent) {
			// A proxy answers 200 and 404 too.
			r.y.Wrong("is missing", "a status alone says neither that it is there nor that it is not: write what in the answer shows it", at("answers", i, "when")...)
		}
		l.answers = append(l.answers, found{status: r.statuses(f.Status, at("answers", i, "status")...), state: state,
			when: r.program(f.When, at("answers", i, "when")...), receipt: r.program(f.Receipt, at("answers", i, "receipt")...),
			problem: r.program(f.Problem, at("answers", i, "problem")...)})
	}
	if !applied {
		r.y.Wrong("no answer means that it took effect", "add one with state: applied", at("answers")...)
	}
	return l
}

// Inquire asks by the spec's look-up whether a document took effect. What no
// line names is unknown.
func (s *system) Inquire(ctx context.Context, q connector.Inquiry) (connector.Finding, error) {
	unknown := connector.Finding{State: connector.FoundUnknown}
	r, err := readRequest(q.Body)
	if err != nil {
		unknown.Note = err.Error()
		return unknown, nil
	}
	if r.Omit != "" || r.Unsupported != "" { // nothing is ever sent of it
		return connector.Finding{State: connector.FoundAbsent, Note: r.Omit + r.Unsupported}, nil
	}
	how := s.documents[q.Kind]
	if how == nil || how.lookup == nil {
		unknown.Note = fmt.Sprintf("the spec has no look-up for %s", q.Kind)
		return unknown, nil
	}
	if until, used := s.usedUp(); used {
		unknown.RetryAfter, unknown.Note = until, "its budget is used up"
		return unknown, nil
	}
	ask, err := s.question(how.lookup, q, r)
	if err != nil {
		unknown.Note = err.Error()
		return unknown, nil
	}
	a, err := s.call(ctx, ask)
	if refused := (*refusedError)(nil); errors.As(err, &refused) {
		unknown.Unauthorized, unknown.Note = true, refused.reason
		return unknown, nil
	}
	if err != nil {
		unknown.Note = err.Error()
		return unknown, fmt.Errorf("look up %s of order %s: %w", q.Kind, q.Order, err)
	}
	return s.finding(how.lookup, q, a), nil
}

// question is the look-up's request.
func (s *system) question(l *lookup, q connector.Inquiry, r request) (connector.Request, error) {
	var body any
	if r.Body != nil {
		v, err := mapping.Decode(r.Body)
		if err != nil {
			return connector.Request{}, err
		}
		body = v
	}
	in := map[string]any{"key": q.Key, "order": q.Order, "subject": q.Subject, "kind": string(q.Kind), "body": body,
		"deadline": q.Deadline.UTC().Format(time.RFC3339)}
	value := func(word string) (string, error) { return member(in, word) }
	path, err := l.path.address(value)
	if err != nil {
		return connector.Request{}, fmt.Errorf("path %s: %w", l.path.text, err)
	}
	ask := request{Method: http.MethodGet, Path: path}
	for name, t := range l.headers {
		text, err := t.fill(value)
		if err != nil {
			return connector.Request{}, fmt.Errorf("header %s: %w", name, err)
		}
		ask.header(name, text)
	}
	out := ask.http(s.base)
	if q.Traceparent != "" {
		out.Header["Traceparent"] = []string{q.Traceparent}
	}
	return out, nil
}

// finding gives the meaning of the first line that an answer fits. Beside the
// answer, conditions see asked: {key, order, deadline}. That nothing was found
// is conclusive only where the answer is not older than the deadline.
func (s *system) finding(l *lookup, q connector.Inquiry, a connector.Answer) connector.Finding {
	unknown := connector.Finding{State: connector.FoundUnknown, Note: a.Words()}
	switch a.Status {
	case http.StatusUnauthorized:
		unknown.Unauthorized = true
		return unknown
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		unknown.RetryAfter, _ = connector.RetryAfter(a.Header, s.now())
		if unknown.RetryAfter.IsZero() && a.Status == http.StatusTooManyRequests {
			unknown.RetryAfter = s.now().Add(time.Second)
		}
		return unknown
	}
	v, isJSON := view(a)
	v["asked"] = map[string]any{"key": q.Key, "order": q.Order, "deadline": q.Deadline.UTC().Format(time.RFC3339)}
	if !isJSON {
		unknown.Note += " is no JSON"
		return unknown
	}
	for i := range l.answers {
		line := &l.answers[i]
		if !line.status.has(a.Status) {
			continue
		}
		if line.when != nil {
			held, err := line.when.Holds(nil, v)
			if err != nil {
				unknown.Note += " can't be judged: " + err.Error()
				return unknown
			}
			if !held {
				continue
			}
		}
		f := connector.Finding{State: line.state, Note: a.Words() + ": " + string(line.state)}
		if line.receipt != nil {
			receipt, err := receiptOf(line.receipt, v)
			if err != nil {
				unknown.Note += " is unreadable: " + err.Error()
				return unknown
			}
			f.Receipt = receipt
		}
		if line.state == connector.FoundRejected {
			f.Problem = problemOf(line.problem, a, v)
		}
		return f
	}
	return unknown
}
