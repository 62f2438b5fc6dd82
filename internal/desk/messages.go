package desk

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/tower"
	"github.com/waybillhq/waybill/internal/trace"
)

// The prefixes of ids, as the API writes them.
const (
	messagePrefix   = "msg_"
	exceptionPrefix = "exc_"
)

// messageID writes a message's id; "" for none.
func messageID(n int64) string {
	if n == 0 {
		return ""
	}
	return messagePrefix + strconv.FormatInt(n, 10)
}

func exceptionID(n int64) string { return exceptionPrefix + strconv.FormatInt(n, 10) }

// number reads an id, with its prefix or without.
func number(id, prefix string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(id, prefix), 10, 64)
	return n, err == nil && n > 0
}

// Message implements tower.Source.
func (d *Desk) Message(ctx context.Context, id string) (tower.Message, error) {
	if n, ok := number(id, messagePrefix); ok {
		m, err := d.trace.Message(ctx, n)
		if err != nil {
			return tower.Message{}, unknown(err)
		}
		return inbound(m), nil
	}
	doc, err := d.trace.Document(ctx, id)
	if err != nil {
		return tower.Message{}, unknown(err)
	}
	return d.outbound(doc), nil
}

// inbound is a message that came in.
func inbound(m trace.Message) tower.Message {
	out := tower.Message{ID: messageID(m.ID), System: m.Source, Title: "Message of " + m.Source, State: string(m.Status), Reason: m.Reason,
		At: m.ReceivedAt, SHA256: hex.EncodeToString(m.SHA256[:]), Headers: headers(m.Header), Raw: m.Body}
	for _, h := range out.Headers {
		switch h.Name {
		case "content-type":
			out.ContentType = h.Value
		case "traceparent":
			out.Trace = traceID(h.Value)
		}
	}
	for i, c := range m.Canonical {
		if i == 0 {
			out.Title = sentence(strings.ReplaceAll(string(c.Type), ".", " "))
			out.State = string(c.State)
		}
		if out.Order == "" {
			out.Order = c.Ref
		}
		if out.Reason == "" && c.State != "applied" {
			out.Reason = c.Reason
		}
		if len(c.Data) > 0 {
			out.Canonical = append(out.Canonical, tower.Canonical{ID: "evt_" + strconv.FormatInt(c.ID, 10), Type: string(c.Type),
				State: string(c.State), JSON: c.Pretty})
		}
	}
	return out
}

// headers reads the headers that were kept of a message, names in order.
// Signatures are masked: a page is seen by more people than may sign.
func headers(kept []byte) []tower.Header {
	fields := map[string]string{}
	if waybill.Unmarshal(kept, &fields) != nil {
		return nil // none were kept
	}
	out := make([]tower.Header, 0, len(fields))
	for name, value := range fields {
		name = strings.ToLower(name)
		if strings.Contains(name, "signature") || strings.Contains(name, "hmac") || strings.Contains(name, "authorization") ||
			strings.Contains(name, "token") {
			value = "***"
		}
		out = append(out, tower.Header{Name: name, Value: value})
	}
	slices.SortFunc(out, func(a, b tower.Header) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// outbound is a document as it was sent.
func (d *Desk) outbound(doc trace.Document) tower.Message {
	out := tower.Message{ID: doc.Key, Outbound: true, System: doc.Target, Order: doc.Ref,
		Title: sentence(string(doc.Kind)) + " to " + doc.Target, State: string(doc.Shown), Reason: why(doc.Delivery), At: doc.DecidedAt,
		ContentType: doc.Body.ContentType, Raw: doc.Body.Bytes, Attempts: shownAttempts(doc.Attempts),
		Trace: traceID(waybill.Traceparent(doc.Lane, doc.Key))}
	if !doc.Attempted() {
		return out
	}
	if len(doc.Attempts) > 0 {
		out.At = doc.Attempts[0].Started
	}
	out.SHA256 = hex.EncodeToString(doc.Digest[:])
	out.Canonical = []tower.Canonical{{ID: doc.Key, Type: string(doc.Kind), JSON: canonicalOf(doc)}}
	if s, ok := d.system(doc.Target); ok && s.Manifest.Name == "contract" {
		out.Headers = []tower.Header{
			{Name: "Authorization", Value: "***"}, {Name: "Idempotency-Key", Value: doc.Key},
			{Name: "Waybill-Lane", Value: doc.Lane}, {Name: "Waybill-Seq", Value: strconv.FormatInt(doc.Seq, 10)},
			{Name: "Waybill-Attempt", Value: strconv.Itoa(doc.Delivery.Attempts)}, {Name: "Waybill-Epoch", Value: strconv.FormatInt(doc.Epoch, 10)},
			{Name: "Content-Type", Value: doc.Body.ContentType}, {Name: "Traceparent", Value: waybill.Traceparent(doc.Lane, doc.Key)},
		}
	}
	return out
}

// identity is what makes a document itself, for targets whose own words hide
// it.
type identity struct {
	Kind        waybill.Kind `json:"kind"`
	Order       string       `json:"order"`
	Subject     string       `json:"subject"`
	Version     int64        `json:"version,omitzero"`
	Revision    int          `json:"revision"`
	Key         string       `json:"key"`
	Seq         int64        `json:"seq"`
	After       int64        `json:"after"`
	Supersedes  string       `json:"supersedes,omitzero"`
	Compensates string       `json:"compensates,omitzero"`
	Why         string       `json:"why,omitzero"`
}

// canonicalOf is the document behind the bytes. Where the bytes are the
// document (part T of the system contract) it is read from them; its lines are
// not kept anywhere else, so for other systems it is the document's identity.
func canonicalOf(doc trace.Document) string {
	var sent waybill.Document
	if jsontext.Value(doc.Body.Bytes).IsValid() && waybill.Unmarshal(doc.Body.Bytes, &sent) == nil && sent.Key == doc.Key {
		return trace.Pretty(doc.Body.Bytes)
	}
	b, err := waybill.Marshal(identity{Kind: doc.Kind, Order: doc.Ref, Subject: doc.Subject, Version: doc.Version,
		Revision: doc.Revision, Key: doc.Key, Seq: doc.Seq, After: doc.After, Supersedes: doc.Supersedes,
		Compensates: doc.Compensates, Why: doc.Why})
	if err != nil {
		return fmt.Sprintf("%q", doc.Key) // plain fields always marshal
	}
	return trace.Pretty(b)
}

// traceID is the trace of a W3C traceparent; "" where it is malformed.
func traceID(traceparent string) string {
	parts := strings.Split(traceparent, "-")
	if len(parts) != 4 || len(parts[1]) != 32 {
		return ""
	}
	return parts[1]
}
