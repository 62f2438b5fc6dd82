package intake_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/ledger"
)

// nothing keeps nothing, so that the benchmark measures the door alone.
type nothing struct{ b *testing.B }

func (n nothing) Keep(_ context.Context, m ledger.Message, events []waybill.Event) (engine.Kept, error) {
	if len(events) != 1 || m.Status != ledger.Accepted {
		n.b.Errorf("kept %d events, %s: %s", len(events), m.Status, m.Reason)
	}
	return engine.Kept{Message: 1, Event: 2, Status: m.Status}, nil
}

// BenchmarkIntake takes a signed order of four lines through the handler:
// body, signature, JSON, translation, hashes, answer.
func BenchmarkIntake(b *testing.B) {
	var lines []string
	for i := range 4 {
		lines = append(lines, fmt.Sprintf(`{"line":"%d","sku":"SKU-%d","qty":"5","uom":"EA","price":"9.90"}`, i+1, i))
	}
	body := `{"type":"order.placed","timestamp":"2026-01-02T03:04:05Z","data":{"order":"SO-1","version":1,"customer":"C1","currency":"EUR",` +
		`"ship_to":{"name":"Example Hardware","address":["1 Main St"],"city":"Springfield","country":"US"},"lines":[` + strings.Join(lines, ",") + `]}}`
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(vectorSecret, "whsec_"))
	if err != nil {
		b.Fatal(err)
	}
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%d.%s", vectorID, vectorTime, body)
	signature := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	in, _ := door(b, nothing{b})
	w := httptest.NewRecorder()
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r := &http.Request{Method: http.MethodPost, ContentLength: int64(len(body)), Header: http.Header{
			"Content-Type": {"application/json"}, "Webhook-Id": {vectorID},
			"Webhook-Timestamp": {fmt.Sprint(vectorTime)}, "Webhook-Signature": {signature}}}
		r.SetPathValue("system", "shop")
		r.Body = reader{strings.NewReader(body)}
		w.Body.Reset()
		in.ServeHTTP(w, r)
	}
	if w.Code != http.StatusAccepted {
		b.Errorf("status %d: %s", w.Code, w.Body)
	}
}

type reader struct{ *strings.Reader }

func (reader) Close() error { return nil }
