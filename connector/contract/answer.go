package contract

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
)

// classify sorts an answer by the table of T1. What the table does not name is
// a refusal in the 4xx and in doubt everywhere else (G2).
func (s *system) classify(kind waybill.Kind, r reply) waybill.Outcome {
	switch {
	case r.status == http.StatusCreated, r.status == http.StatusOK:
		return applied(r)
	case r.status == http.StatusAccepted:
		return waybill.Outcome{Verdict: waybill.Pending, Note: r.words()}
	case r.status == http.StatusMultiStatus:
		return byLine(r)
	case r.status >= 300 && r.status < 400:
		return waybill.Outcome{Verdict: waybill.Misconfigured, Note: r.words() +
			": a redirect is never followed; write the address it leads to into the system's base URL"}
	case r.status == http.StatusServiceUnavailable:
		if until, ok := s.retryAfter(r.header); ok {
			return waybill.Outcome{Verdict: waybill.Throttled, RetryAfter: until, Note: r.words()}
		}
	case r.status >= 400 && r.status < 500:
		return s.clientError(kind, r)
	}
	return waybill.Outcome{Verdict: waybill.InDoubt, Problem: problemOf(r), Note: r.words()}
}

// classifyHead sorts an answer of which only the head arrived. Statuses that
// mean the same whatever their body says keep their meaning.
func (s *system) classifyHead(r reply, err error) waybill.Outcome {
	o := waybill.Outcome{Verdict: waybill.InDoubt}
	switch r.status {
	case http.StatusAccepted, http.StatusUnauthorized, http.StatusForbidden,
		http.StatusTooManyRequests, http.StatusServiceUnavailable:
		o = s.classify("", r)
	}
	o.Note = err.Error()
	return o
}

// clientError is the part of the table from 400 to 499.
func (s *system) clientError(kind waybill.Kind, r reply) waybill.Outcome {
	problem, isProblem := readProblem(r)
	o := waybill.Outcome{Verdict: waybill.Refused, Problem: problem, Note: r.words()}
	switch r.status {
	case http.StatusUnauthorized:
		o.Verdict = waybill.Unauthorized
		return o
	case http.StatusForbidden:
		o.Verdict = waybill.Forbidden
		return o
	case http.StatusTooManyRequests:
		o.Verdict = waybill.Throttled
		o.RetryAfter, _ = s.retryAfter(r.header)
		return o
	case http.StatusRequestTimeout, http.StatusTooEarly:
		o.Verdict = waybill.InDoubt
		return o
	}
	switch {
	case !isProblem:
		o.Verdict = waybill.Misconfigured
		o.Note += ": the answer is no problem+json, so something else than the system answered; check its base URL"
	case r.status == http.StatusConflict:
		conflict(&o)
	case r.status == http.StatusUnprocessableEntity && problem.Code == "credit_hold" && kind != waybill.SalesOrder:
		o.Verdict = waybill.Park
	}
	return o
}

// conflict is the row 409.
func conflict(o *waybill.Outcome) {
	switch o.Problem.Code {
	case "in_progress", "seq_gap":
		// An earlier attempt is still being worked on, or the lane's last
		// document is not there: both are told by looking, after a while.
		o.Verdict = waybill.InDoubt
	case "closed_period", "locked":
		o.Verdict = waybill.Park
	case "stale_epoch":
		o.Verdict = waybill.Stale
	default:
		o.AskFirst = true
	}
	if o.Problem.Code != "" {
		o.Note += " " + o.Problem.Code
	}
}

// receiptBody is what 200, 201, 207 and T2 say of a document that is there.
// Times are read apart: an odd one shall not cast doubt on the rest.
type receiptBody struct {
	Ref        string            `json:"ref"`
	N          int64             `json:"n"`
	AppliedAt  jsontext.Value    `json:"applied_at"`
	Generation string            `json:"generation"`
	Result     jsontext.Value    `json:"result"`
	Lines      []lineOutcomeBody `json:"lines"`
}

type lineOutcomeBody struct {
	Line    string         `json:"line"`
	Status  string         `json:"status"`
	Ref     string         `json:"ref"`
	Problem jsontext.Value `json:"problem"`
}

func (b *receiptBody) receipt() waybill.Receipt {
	r := waybill.Receipt{Ref: b.Ref, N: b.N, Generation: b.Generation, AppliedAt: timeOf(b.AppliedAt)}
	if b.Result.Kind() != 'n' && len(b.Result) > 0 {
		r.Result = b.Result
	}
	return r
}

// applied is 201 and 200. A 200 is also what a wrong address says to anything,
// so it has to show that it knows the document.
func applied(r reply) waybill.Outcome {
	var b receiptBody
	if err := readObject(r.body, &b); err != nil {
		return unreadable(r, err)
	}
	receipt := b.receipt()
	receipt.Replayed = r.header.Get("Idempotency-Replayed") == "true"
	if r.status == http.StatusOK && !receipt.Replayed && receipt.Ref == "" {
		return unreadable(r, fmt.Errorf("it names no ref and is marked as no repetition"))
	}
	return waybill.Outcome{Verdict: waybill.Done, Receipt: receipt, Note: r.words()}
}

// byLine is 207. Every line needs one clear status: an answer that leaves one
// open is read as no answer.
func byLine(r reply) waybill.Outcome {
	var b receiptBody
	if err := readObject(r.body, &b); err != nil {
		return unreadable(r, err)
	}
	lines, err := lineOutcomes(b.Lines)
	if err != nil {
		return unreadable(r, err)
	}
	if len(lines) == 0 {
		return unreadable(r, fmt.Errorf("it names no lines"))
	}
	receipt := b.receipt()
	receipt.Lines = lines
	return waybill.Outcome{Verdict: waybill.Partial, Receipt: receipt, Note: r.words()}
}

func lineOutcomes(bodies []lineOutcomeBody) ([]waybill.LineOutcome, error) {
	lines := make([]waybill.LineOutcome, 0, len(bodies))
	seen := make(map[string]struct{}, len(bodies))
	for _, b := range bodies {
		if b.Status != "applied" && b.Status != "rejected" && b.Status != "retry" {
			return nil, fmt.Errorf("line %q has status %q, not applied, rejected or retry", b.Line, b.Status)
		}
		if _, twice := seen[b.Line]; twice || b.Line == "" {
			return nil, fmt.Errorf("line %q is there twice, or without its number", b.Line)
		}
		seen[b.Line] = struct{}{}
		line := waybill.LineOutcome{Line: b.Line, Status: b.Status, Ref: b.Ref}
		if b.Problem.Kind() == '{' {
			p := problemFrom(b.Problem)
			line.Problem = &p
		}
		lines = append(lines, line)
	}
	return lines, nil
}

func unreadable(r reply, err error) waybill.Outcome {
	return waybill.Outcome{Verdict: waybill.InDoubt, Note: r.words() + " is unreadable: " + err.Error()}
}

// readObject decodes a JSON object and keeps unknown fields out of the way.
func readObject(body []byte, v any) error {
	if jsontext.Value(body).Kind() != '{' {
		return fmt.Errorf("it is no JSON object")
	}
	return json.Unmarshal(body, v)
}

// readProblem reads a problem (RFC 9457). ok is false where the answer is
// none.
func readProblem(r reply) (p waybill.Problem, ok bool) {
	if r.media() != "application/problem+json" || jsontext.Value(r.body).Kind() != '{' || !jsontext.Value(r.body).IsValid() {
		return waybill.Problem{Status: r.status}, false
	}
	p = problemFrom(r.body)
	p.Status = r.status // what was sent counts, not what the body repeats
	return p, true
}

func problemOf(r reply) waybill.Problem {
	p, _ := readProblem(r)
	return p
}

// problemFrom reads what it can: a member of another type than RFC 9457 gives
// it is left out, as that RFC asks.
func problemFrom(object jsontext.Value) waybill.Problem {
	var members map[string]jsontext.Value
	if json.Unmarshal(object, &members) != nil {
		return waybill.Problem{}
	}
	text := func(name string) string {
		var s string
		if v := members[name]; v.Kind() == '"' && json.Unmarshal(v, &s) == nil {
			return s
		}
		return ""
	}
	var status int
	if v := members["status"]; v.Kind() == '0' && json.Unmarshal(v, &status) != nil {
		status = 0
	}
	line := text("line")
	if v := members["line"]; v.Kind() == '0' {
		line = string(v)
	}
	return waybill.Problem{Type: text("type"), Title: text("title"), Status: status,
		Detail: text("detail"), Code: text("code"), Line: line}
}

// timeOf reads an RFC 3339 time, zero where there is none.
func timeOf(v jsontext.Value) time.Time {
	var s string
	if v.Kind() != '"' || json.Unmarshal(v, &s) != nil {
		return time.Time{}
	}
	t, err := time.ParseInLocation(time.RFC3339Nano, s, time.UTC)
	if err != nil {
		return time.Time{}
	}
	return t
}
