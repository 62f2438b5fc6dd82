package rest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/mapping"
)

// webhookBody is how the system pushes, as it is written.
type webhookBody struct {
	Events      string        `yaml:"events"`
	ID          string        `yaml:"id"`
	IDHeader    string        `yaml:"id_header"`
	TopicHeader string        `yaml:"topic_header"`
	URL         string        `yaml:"url"`
	Signature   signatureBody `yaml:"signature"`
	Timestamp   *timeBody     `yaml:"timestamp"`
}

type webhook struct {
	webhookBody
	id     *mapping.Program
	events *mapping.Program
}

// toleranceDefault is how far a push's time may lie from Waybill's clock where
// the spec does not say.
const toleranceDefault = 300 * time.Second

// idMax bounds a dedupe id; longer ones are hashed.
const idMax = 128

func (r *reader) webhook(b webhookBody) {
	w := &webhook{webhookBody: b}
	w.events = r.named(b.Events, "webhook", "events")
	words := []string{"body", "digest", "id", "url"}
	if b.Timestamp != nil {
		words = append(words, "timestamp")
		w.Timestamp.check(r, "webhook", "timestamp")
		if b.Timestamp.Header == "" {
			r.y.Wrong("is missing", "name the header that carries the time", "webhook", "timestamp", "header")
		}
		if w.Timestamp.Tolerance == 0 {
			w.Timestamp.Tolerance = toleranceDefault
		}
	}
	w.Signature.check(r, words, "webhook", "signature")
	for _, word := range w.Signature.payload.words() {
		if word == "url" && b.URL == "" {
			r.y.Wrong("is missing, and the signature covers it", "write the address that the system pushes to", "webhook", "url")
		}
		if word == "id" && b.IDHeader == "" {
			r.y.Wrong("is missing, and the signature covers it", "name the header that carries the id", "webhook", "id_header")
		}
	}
	if b.ID != "" && b.IDHeader != "" {
		r.y.Wrong("the id is either in a header or in the body", "keep one", "webhook", "id")
	}
	w.id = r.program(b.ID, "webhook", "id")
	r.s.webhook = w
}

// Receive verifies a push by the spec's scheme. Nothing of the body is decoded
// before its signature holds.
func (s *system) Receive(in connector.Inbound) (connector.Envelope, error) {
	w := s.webhook
	var e connector.Envelope
	signature, err := one(in.Header, w.Signature.Header)
	if err != nil {
		return e, err
	}
	if w.IDHeader != "" {
		if e.ID, err = one(in.Header, w.IDHeader); err != nil {
			return e, err
		}
	}
	stamp := ""
	if w.Timestamp != nil {
		if stamp, err = one(in.Header, w.Timestamp.Header); err != nil {
			return e, err
		}
		if err := w.inTime(stamp, in.Now); err != nil {
			return e, err
		}
	}
	if !s.signed(signature, stamp, e.ID, in.Body) {
		return e, connector.Reject(http.StatusUnauthorized, "signature_wrong", w.Signature.Header,
			"the signature is not right for this body", "sign the bytes as they are sent, with the system's webhook secret")
	}
	if r := connector.CheckJSON(in.Body); r != nil {
		return e, r
	}
	e.Topic = in.Header.Get(w.TopicHeader)
	if strings.HasPrefix(e.Topic, pollTopic) {
		return e, connector.Reject(http.StatusBadRequest, "topic_reserved", w.TopicHeader, "a push can't have a topic that begins with "+pollTopic, "send its own")
	}
	if e.ID == "" {
		if e.ID, err = w.idOf(in.Body); err != nil {
			return e, err
		}
	}
	e.ID = shortID(e.ID)
	return e, nil
}

// inTime wants the push's time near the clock.
func (w *webhook) inTime(stamp string, now time.Time) error {
	at, ok := w.Timestamp.parse(stamp)
	if !ok {
		return connector.Reject(http.StatusBadRequest, "header_malformed", w.Timestamp.Header,
			fmt.Sprintf("%.40q is no time", stamp), "send the time as "+w.Timestamp.Form)
	}
	if off := now.Sub(at).Abs(); off > w.Timestamp.Tolerance {
		return connector.Reject(http.StatusUnauthorized, "timestamp_out_of_window", w.Timestamp.Header,
			fmt.Sprintf("the time lies %s from Waybill's clock, more than the %s allowed", off.Truncate(time.Second), w.Timestamp.Tolerance),
			"set the clock, and sign anew with the time of this attempt")
	}
	return nil
}

// signed compares with every secret's signature, in constant time, and does
// not stop at the first hit.
func (s *system) signed(signature, stamp, id string, body []byte) bool {
	w := s.webhook
	got, ok := w.Signature.decode(signature)
	held := false
	for _, secret := range s.secrets {
		want, err := w.Signature.sum(secret, func(word string) (string, error) {
			switch word {
			case "timestamp":
				return stamp, nil
			case "id":
				return id, nil
			case "url":
				return w.URL, nil
			case "digest":
				return w.Signature.digest(body), nil
			}
			return string(body), nil
		})
		if err == nil && hmac.Equal(want, got) {
			held = ok
		}
	}
	return held
}

// idOf reads the dedupe id from the body; without a place for it in the spec,
// the same body is the same message.
func (w *webhook) idOf(body []byte) (string, error) {
	if w.id == nil {
		sum := sha256.Sum256(body)
		return "sha256-" + hex.EncodeToString(sum[:]), nil
	}
	malformed := func(detail string) error {
		return connector.Reject(http.StatusBadRequest, "id_missing", "body", detail, "send the message's id where the spec reads it")
	}
	v, err := mapping.Decode(body)
	if err != nil {
		return "", malformed(err.Error())
	}
	id, err := idText(w.id, v)
	if err != nil {
		return "", malformed(err.Error())
	}
	return id, nil
}

// idText runs a program that gives an id.
func idText(p *mapping.Program, v any) (string, error) {
	result, err := p.One(nil, v, nil)
	if err != nil {
		return "", err
	}
	id, err := member(map[string]any{"id": result}, "id")
	if err != nil || id == "" {
		return "", fmt.Errorf("the id is neither text nor a number")
	}
	return id, nil
}

// shortID keeps an id that can be an index, and the hash of any other.
func shortID(id string) string {
	if len(id) <= idMax {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "sha256-" + hex.EncodeToString(sum[:])
}

// one wants a header that is there exactly once, and not empty.
func one(h http.Header, name string) (string, error) {
	values := h[http.CanonicalHeaderKey(name)]
	if len(values) != 1 || values[0] == "" {
		return "", connector.Reject(http.StatusBadRequest, "header_missing", name, "want the header once", "send it with every push")
	}
	return values[0], nil
}
