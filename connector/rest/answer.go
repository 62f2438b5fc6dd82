package rest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/mapping"
)

// answer is one line of the table of answers: what it looks like, and what it
// means.
type answer struct {
	status  statuses
	when    *mapping.Program
	verdict waybill.Verdict
	receipt *mapping.Program
	problem *mapping.Program
	empty   bool
}

// verdicts are those that a spec may give. Whatever it does not name is in
// doubt.
var verdicts = []waybill.Verdict{waybill.Done, waybill.Partial, waybill.Pending, waybill.Throttled, waybill.InDoubt,
	waybill.Refused, waybill.Park, waybill.Unauthorized, waybill.Forbidden, waybill.Misconfigured}

func (r *reader) answers(list []answerBody, path ...any) []answer {
	answers := make([]answer, 0, len(list))
	for i, b := range list {
		at := func(key string) []any { return append(slices.Clone(path), i, key) }
		a := answer{status: r.statuses(b.Status, at("status")...), verdict: waybill.Verdict(b.Verdict), empty: b.Empty,
			when: r.program(b.When, at("when")...), receipt: r.program(b.Receipt, at("receipt")...), problem: r.program(b.Problem, at("problem")...)}
		answers = append(answers, a)
		if !r.oneOf(b.Verdict, strings.Split(joined(verdicts), ", "), at("verdict")...) {
			continue
		}
		if len(b.Status) == 0 && b.When == "" {
			r.y.Wrong("it would mean every answer", "name status, when or both", at("status")...)
		}
		switch a.verdict {
		case waybill.Done:
			if b.When == "" && b.Receipt == "" && !b.Empty {
				r.y.Wrong("a status alone does not show that this system took it: any proxy answers 200", "add receipt or when, or empty: true where it answers without a body", at("verdict")...)
			}
		case waybill.Partial:
			if b.Receipt == "" {
				r.y.Wrong("is missing", "a partial answer needs a receipt with lines: [{line, status: applied, rejected or retry}]", at("receipt")...)
			}
		}
		if b.Problem != "" && !slices.Contains([]waybill.Verdict{waybill.Refused, waybill.Park, waybill.Forbidden, waybill.InDoubt}, a.verdict) {
			r.y.Wrong("a problem belongs to refused, park, forbidden or in_doubt", "take it out", at("problem")...)
		}
	}
	return answers
}

// view is an answer as a condition sees it: status, header (names in small
// letters) and body; null where the body is not JSON.
func view(a connector.Answer) (v map[string]any, isJSON bool) {
	header := map[string]any{}
	for name, values := range a.Header {
		if len(values) > 0 {
			header[strings.ToLower(name)] = values[0]
		}
	}
	body, err := mapping.Decode(a.Body)
	if err != nil {
		body = nil
	}
	return map[string]any{"status": a.Status, "header": header, "body": body}, err == nil
}

// classify gives the meaning of the first line that an answer fits. Without
// one, only what HTTP itself says clearly counts.
func (s *system) classify(answers []answer, a connector.Answer) waybill.Outcome {
	v, isJSON := view(a)
	for i := range answers {
		line := &answers[i]
		if !line.status.has(a.Status) {
			continue
		}
		if line.when != nil {
			held, err := line.when.Holds(nil, v)
			if err != nil {
				return doubt(a, "can't be judged: "+err.Error())
			}
			if !held {
				continue
			}
		}
		return s.meaning(line, a, v, isJSON)
	}
	o := waybill.Outcome{Note: a.Words()}
	until, named := connector.RetryAfter(a.Header, s.now())
	switch {
	case a.Status == http.StatusUnauthorized:
		o.Verdict = waybill.Unauthorized
	case a.Status == http.StatusForbidden:
		o.Verdict = waybill.Forbidden
	case a.Status == http.StatusTooManyRequests, a.Status == http.StatusServiceUnavailable && named:
		o.Verdict, o.RetryAfter = waybill.Throttled, until
	case a.Status >= 300 && a.Status < 400:
		o.Verdict = waybill.Misconfigured
		o.Note += ": a redirect is never followed; write the address it leads to into the system's base URL"
	default:
		return doubt(a, "is named by no line of the spec's answers")
	}
	return o
}

func doubt(a connector.Answer, why string) waybill.Outcome {
	return waybill.Outcome{Verdict: waybill.InDoubt, Note: a.Words() + " " + why}
}

// meaning reads what a line of the table asks for.
func (s *system) meaning(line *answer, a connector.Answer, v map[string]any, isJSON bool) waybill.Outcome {
	o := waybill.Outcome{Verdict: line.verdict, Note: a.Words()}
	switch line.verdict {
	case waybill.Done, waybill.Pending, waybill.Partial:
		if !isJSON && !line.empty {
			return doubt(a, "is no JSON")
		}
		if line.receipt != nil {
			receipt, err := receiptOf(line.receipt, v)
			if err != nil {
				return doubt(a, "is unreadable: "+err.Error())
			}
			o.Receipt = receipt
		}
		if line.verdict == waybill.Done && line.receipt != nil && o.Receipt.Ref == "" {
			return doubt(a, "names no ref")
		}
		if line.verdict == waybill.Partial && len(o.Receipt.Lines) == 0 {
			return doubt(a, "names no lines")
		}
	case waybill.Throttled:
		o.RetryAfter, _ = connector.RetryAfter(a.Header, s.now())
	default:
		o.Problem = problemOf(line.problem, a, v)
		if o.Problem.Code != "" {
			o.Note += " " + o.Problem.Code
		}
	}
	return o
}

// receiptOf reads {ref, n, applied_at, generation, result, lines} from what a
// program gives.
func receiptOf(p *mapping.Program, v any) (waybill.Receipt, error) {
	var r waybill.Receipt
	result, err := p.One(nil, v, nil)
	if err != nil {
		return r, err
	}
	if text, err := member(map[string]any{"ref": result}, "ref"); err == nil { // the ref alone
		return waybill.Receipt{Ref: text}, nil
	}
	if object, ok := result.(map[string]any); ok { // numbers are refs too
		if text, err := member(object, "ref"); err == nil {
			result = withRef(object, text)
		}
	}
	b, err := mapping.Encode(result)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r, json.RejectUnknownMembers(true)); err != nil {
		return r, fmt.Errorf("the receipt is neither a ref nor {ref, n, applied_at, generation, result, lines}: %w", err)
	}
	seen := map[string]bool{}
	for _, l := range r.Lines {
		if l.Status != "applied" && l.Status != "rejected" && l.Status != "retry" || l.Line == "" || seen[l.Line] {
			return r, errors.New("a line of the receipt is there twice, without its number, or neither applied, rejected nor retry")
		}
		seen[l.Line] = true
	}
	return r, nil
}

// withRef is a copy of a receipt with its ref as text.
func withRef(receipt map[string]any, ref string) map[string]any {
	out := maps.Clone(receipt)
	out["ref"] = ref
	return out
}

// problemOf is what the system says is wrong. A program that can't read it
// costs the words, not the verdict.
func problemOf(p *mapping.Program, a connector.Answer, v any) waybill.Problem {
	problem := waybill.Problem{Status: a.Status}
	if p == nil {
		return problem
	}
	result, err := p.One(nil, v, nil)
	if err != nil {
		problem.Detail = err.Error()
		return problem
	}
	if text, ok := result.(string); ok {
		problem.Detail = text
		return problem
	}
	b, err := mapping.Encode(result)
	if err == nil {
		err = json.Unmarshal(b, &problem)
	}
	if err != nil {
		return waybill.Problem{Status: a.Status, Detail: "the answer's problem is unreadable: " + err.Error()}
	}
	problem.Status = a.Status
	return problem
}
