package intake

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/ledger"
)

// What is kept of messages that are not authentic is bounded: anybody can send
// them.
const (
	evidenceBytes     = 4 << 10 // of one body
	evidencePerSecond = 10      // messages of one system
	headerBytes       = 1 << 10 // of one header's value, in any message
)

// record keeps a message that is not authentic, as evidence: its beginning, its
// headers and why it was refused. It carries no events and takes up no id.
func (in *Intake) record(ctx context.Context, s *source, h http.Header, body []byte, r *connector.Rejection, now time.Time) {
	if !s.evidence.take(now) {
		return
	}
	reason := r.Err.Code + ": " + r.Err.Detail
	if len(body) > evidenceBytes {
		reason += fmt.Sprintf(" (the first %d of %d bytes are kept)", evidenceBytes, len(body))
		body = body[:evidenceBytes]
	}
	_, err := in.opt.Keeper.Keep(ctx, ledger.Message{Source: s.name, Status: ledger.Rejected, Reason: reason,
		ReceivedAt: now.UTC(), SHA256: sha256.Sum256(body), Header: headers(h), Body: body}, nil)
	if err != nil {
		in.opt.Log.Warn("a refused message was not recorded", "system", s.name, "error", err)
	}
}

// budget lets evidencePerSecond through in each second.
type budget struct {
	mu     sync.Mutex
	second int64
	used   int
}

func (b *budget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if second := now.Unix(); second != b.second {
		b.second, b.used = second, 0
	}
	b.used++
	return b.used <= evidencePerSecond
}

// headers writes the headers that matter as a JSON object, names in lower case
// and sorted: what says who sent it, when and under which id. Credentials are
// not among them.
func headers(h http.Header) []byte {
	names := make([]string, 0, 8)
	for name := range h {
		if matters(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	b := append(make([]byte, 0, 256), '{')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		value := strings.Join(h[name], ", ")
		if len(value) > headerBytes {
			value = value[:headerBytes]
		}
		b = quote(b, strings.ToLower(name))
		b = append(b, ':')
		b = quote(b, value)
	}
	return append(b, '}')
}

// quote appends s as a JSON string; bytes that are no UTF-8 become U+FFFD.
func quote(b []byte, s string) []byte {
	out, err := jsontext.AppendQuote(b, s)
	if err != nil {
		out, _ = jsontext.AppendQuote(b, strings.ToValidUTF8(s, "\ufffd")) //nolint:errcheck // valid by now
	}
	return out
}

func matters(name string) bool {
	switch name {
	case "Content-Type", "Traceparent", "Idempotency-Key":
		return true
	}
	return strings.HasPrefix(name, "Webhook-") || strings.HasPrefix(name, "Waybill-File") || strings.HasPrefix(name, "X-Shopify-")
}
