package contract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// deadlineFormat is RFC 3339 with milliseconds, in UTC.
const deadlineFormat = "2006-01-02T15:04:05.000Z07:00"

// Deliver makes one attempt (T1). The request is sent once: it carries no
// GetBody, without which Go's transport can't send a body a second time.
func (s *system) Deliver(ctx context.Context, a connector.Attempt) (waybill.Outcome, error) {
	// A connection makes bytes possible. Until there is one nothing was sent;
	// from then on only an answer tells. A transport that does not even say
	// that it looks for a connection says nothing at all: in doubt.
	var asked, connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := s.request(ctx, a)
	if err != nil {
		return waybill.Outcome{Verdict: waybill.NotSent, Note: "the request can't be made: " + err.Error()}, nil
	}
	if err := ctx.Err(); err != nil {
		return waybill.Outcome{Verdict: waybill.NotSent, Note: "its time was over before it began: " + err.Error()}, nil
	}
	r, err := s.do(req, answerBytesMax)
	switch {
	case err == nil:
		return s.classify(a.Kind, r), nil
	case r.status != 0:
		return s.classifyHead(r, err), nil
	case asked.Load() && !connected.Load():
		return waybill.Outcome{Verdict: waybill.NotSent, Note: "no connection: " + err.Error()}, nil
	}
	return waybill.Outcome{Verdict: waybill.InDoubt, Note: "no answer: " + err.Error()}, nil
}

// request is the attempt with the headers of T0.
func (s *system) request(ctx context.Context, a connector.Attempt) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/v1/documents", bytes.NewReader(a.Body))
	if err != nil {
		return nil, fmt.Errorf("request for order %s: %w", a.Order, err)
	}
	req.GetBody = nil
	digest := sha256.Sum256(a.Body)
	h := req.Header
	h["Content-Type"] = []string{a.ContentType}
	h["Idempotency-Key"] = []string{a.Key}
	h["Waybill-Lane"] = []string{a.Lane}
	h["Waybill-Seq"] = []string{strconv.FormatInt(a.Seq, 10)}
	h["Waybill-Attempt"] = []string{strconv.Itoa(a.Attempt)}
	h["Waybill-Epoch"] = []string{strconv.FormatInt(a.Epoch, 10)}
	h["Waybill-Deadline"] = []string{a.Deadline.UTC().Format(deadlineFormat)}
	h["Content-Digest"] = []string{"sha-256=:" + base64.StdEncoding.EncodeToString(digest[:]) + ":"}
	if a.Traceparent != "" {
		h["Traceparent"] = []string{a.Traceparent}
	}
	return req, nil
}
