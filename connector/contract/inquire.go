package contract

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// lookupBody is the answer of T2, found or not.
type lookupBody struct {
	Found   *bool          `json:"found"`
	State   string         `json:"state"`
	Key     string         `json:"key"`
	AsOf    jsontext.Value `json:"as_of"`
	Problem jsontext.Value `json:"problem"`
	receiptBody
}

// Inquire asks T2 whether a key took effect. Absent is only what a 404 vouches
// for up to the last attempt's deadline: whatever else is not found, broken or
// odd is unknown.
func (s *system) Inquire(ctx context.Context, q connector.Inquiry) (connector.Finding, error) {
	r, err := s.get(ctx, "/v1/documents/by-key/"+url.PathEscape(q.Key), q.Traceparent, answerBytesMax)
	if err != nil && r.status == 0 {
		return connector.Finding{State: connector.FoundUnknown, Note: err.Error()},
			fmt.Errorf("look up key %s of order %s: %w", q.Key, q.Order, err)
	}
	unknown := connector.Finding{State: connector.FoundUnknown, Note: r.words()}
	switch r.status {
	case http.StatusUnauthorized:
		unknown.Unauthorized = true
		return unknown, nil
	case http.StatusTooManyRequests:
		if unknown.RetryAfter, _ = s.retryAfter(r.header); unknown.RetryAfter.IsZero() {
			unknown.RetryAfter = s.now().Add(time.Second)
		}
		return unknown, nil
	case http.StatusServiceUnavailable:
		unknown.RetryAfter, _ = s.retryAfter(r.header)
		return unknown, nil
	case http.StatusOK, http.StatusNotFound:
	default:
		return unknown, nil
	}
	var b lookupBody
	if err == nil {
		err = readObject(r.body, &b)
	}
	if err == nil && b.Found == nil {
		err = fmt.Errorf("it does not say whether it was found")
	}
	if err != nil {
		unknown.Note = r.words() + " is unreadable: " + err.Error()
		return unknown, nil
	}
	if r.status == http.StatusNotFound {
		return notFound(&b, q, unknown), nil
	}
	return found(&b, q, unknown), nil
}

// notFound is conclusive where the target vouches for a time that is not
// before the deadline as it was told: in whole milliseconds.
func notFound(b *lookupBody, q connector.Inquiry, unknown connector.Finding) connector.Finding {
	asOf := timeOf(b.AsOf)
	switch {
	case *b.Found:
		unknown.Note = "404 that says found: no conclusion"
	case asOf.IsZero():
		unknown.Note = "404 without as_of: nothing vouches that it can't still be applied"
	case asOf.Before(q.Deadline.Truncate(time.Millisecond)):
		unknown.Note = "404 as of " + asOf.Format(time.RFC3339Nano) + ", before the last attempt's deadline"
	default:
		return connector.Finding{State: connector.FoundAbsent, Note: "404 as of " + asOf.Format(time.RFC3339Nano),
			Receipt: waybill.Receipt{Generation: b.Generation}}
	}
	return unknown
}

func found(b *lookupBody, q connector.Inquiry, unknown connector.Finding) connector.Finding {
	if !*b.Found {
		unknown.Note = "200 that says not found: no conclusion"
		return unknown
	}
	if b.Key != "" && b.Key != q.Key {
		unknown.Note = fmt.Sprintf("the answer is about key %s", b.Key)
		return unknown
	}
	f := connector.Finding{State: connector.FindingState(b.State), Note: "found " + b.State}
	switch f.State {
	case connector.FoundApplied:
		lines, err := lineOutcomes(b.Lines)
		if err != nil {
			unknown.Note = "found applied, but unreadable: " + err.Error()
			return unknown
		}
		f.Receipt = b.receipt()
		if len(lines) > 0 {
			f.Receipt.Lines = lines
		}
	case connector.FoundPending:
		f.Receipt = waybill.Receipt{Ref: b.Ref, Generation: b.Generation}
	case connector.FoundRejected:
		f.Receipt = waybill.Receipt{Ref: b.Ref, Generation: b.Generation}
		if b.Problem.Kind() == '{' {
			f.Problem = problemFrom(b.Problem)
		} else if b.Result.Kind() == '{' {
			f.Problem = problemFrom(b.Result)
		}
	default:
		unknown.Note = fmt.Sprintf("found with state %q: no conclusion", b.State)
		return unknown
	}
	return f
}
