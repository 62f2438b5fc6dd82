package rest

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// Deliver makes one attempt: the rendered request, with the credential of now.
func (s *system) Deliver(ctx context.Context, a connector.Attempt) (waybill.Outcome, error) {
	r, err := readRequest(a.Body)
	switch {
	case err != nil:
		return waybill.Outcome{Verdict: waybill.NotSent, Note: err.Error()}, nil
	case r.Unsupported != "":
		return waybill.Outcome{Verdict: waybill.Refused, Note: r.Unsupported,
			Problem: waybill.Problem{Code: "unsupported_document", Title: r.Unsupported, Detail: "add the request to the spec, or omit with a reason"}}, nil
	case r.Omit != "":
		return waybill.Outcome{Verdict: waybill.Done, Note: "left out by the spec: " + r.Omit}, nil
	}
	if until, used := s.usedUp(); used {
		return waybill.Outcome{Verdict: waybill.Throttled, RetryAfter: until, Note: "its budget is used up until " + until.UTC().Format(time.RFC3339)}, nil
	}
	q := r.http(s.base)
	if a.Traceparent != "" {
		q.Header["Traceparent"] = []string{a.Traceparent}
	}
	reply, err := s.call(ctx, q)
	var refused *refusedError
	var unsent *connector.NotSentError
	switch {
	case errors.As(err, &refused):
		return waybill.Outcome{Verdict: waybill.Unauthorized, Note: refused.reason}, nil
	case errors.As(err, &unsent):
		return waybill.Outcome{Verdict: waybill.NotSent, Note: err.Error()}, nil
	case err != nil && reply.Status == 0:
		return waybill.Outcome{Verdict: waybill.InDoubt, Note: err.Error()}, nil
	}
	var answers []answer
	if how := s.documents[a.Kind]; how != nil {
		answers = how.answers
	}
	if err != nil { // only its head arrived: what is the same whatever the body says
		answers, reply.Body = nil, nil
	}
	o := s.classify(answers, reply)
	if err != nil {
		o.Note = err.Error()
	}
	return o, nil
}

// call makes a request with the credential. Where an access token is refused,
// it is renewed once and the request made again: a 401 was not applied. What
// the answer says about the budget is remembered.
func (s *system) call(ctx context.Context, r connector.Request) (connector.Answer, error) {
	for renewed := false; ; renewed = true {
		q := r
		q.Header = r.Header.Clone()
		if err := s.credential.apply(ctx, &q); err != nil {
			return connector.Answer{}, &connector.NotSentError{Err: err}
		}
		a, err := connector.Send(ctx, s.client, q)
		if err == nil && a.Status == http.StatusUnauthorized && !renewed && s.credential.renew(q.Header.Get("Authorization")) {
			continue
		}
		s.budget(a)
		return a, err
	}
}

// budget reads the headers that tell how much may still be asked.
func (s *system) budget(a connector.Answer) {
	if s.rate == nil || a.Header == nil {
		return
	}
	remaining, err := strconv.Atoi(a.Header.Get(s.rate.Remaining))
	if err != nil || remaining > 0 {
		return
	}
	reset, err := strconv.ParseInt(a.Header.Get(s.rate.Reset), 10, 64)
	if err != nil || reset < 0 {
		return
	}
	now := s.now()
	until := now.Add(time.Duration(min(reset, int64(connector.RetryAfterMax/time.Second))) * time.Second)
	if s.rate.Form == "unix" {
		until = time.Unix(reset, 0)
	}
	if most := now.Add(connector.RetryAfterMax); until.After(most) {
		until = most
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if until.After(s.until) {
		s.until = until
	}
}

// usedUp reports whether the system wants no request now, and until when.
func (s *system) usedUp() (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.until, s.now().Before(s.until)
}
