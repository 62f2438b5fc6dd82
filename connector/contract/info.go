package contract

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// keyTTLMax keeps key_ttl_s inside a Duration: a century is for ever.
const keyTTLMax = int64(100 * 365 * 24 * time.Hour / time.Second)

type infoBody struct {
	System      string         `json:"system"`
	Generation  string         `json:"generation"`
	Head        *int64         `json:"head"`
	Now         jsontext.Value `json:"now"`
	Idempotency string         `json:"idempotency"`
	KeyTTL      int64          `json:"key_ttl_s"`
	KeepsOrder  bool           `json:"keeps_order"`
}

// Probe asks T3. What the system leaves out stays empty, and its head -1: the
// manifest says what counts then.
func (s *system) Probe(ctx context.Context) (connector.Info, error) {
	r, err := s.answered(ctx, "/v1/info", answerBytesMax)
	if err != nil {
		return connector.Info{}, fmt.Errorf("probe system %s: %w", s.source.System, err)
	}
	var b infoBody
	if err := readObject(r.body, &b); err != nil {
		return connector.Info{}, fmt.Errorf("probe system %s: the answer to /v1/info is unreadable: %w; check the system's base URL", s.source.System, err)
	}
	info := connector.Info{
		System: b.System, Generation: b.Generation, Head: -1, Now: timeOf(b.Now), KeepsOrder: b.KeepsOrder,
		Idempotency: waybill.Idempotency(b.Idempotency),
		KeyTTL:      time.Duration(min(max(b.KeyTTL, 0), keyTTLMax)) * time.Second,
	}
	if b.Head != nil {
		info.Head = *b.Head
	}
	switch info.Idempotency {
	case "", waybill.ByKey, waybill.ByLookup, waybill.NoIdempotency:
		return info, nil
	}
	return connector.Info{}, fmt.Errorf(`probe system %s: idempotency %q is none of "key", "lookup" and "none" (T3)`,
		s.source.System, b.Idempotency)
}
