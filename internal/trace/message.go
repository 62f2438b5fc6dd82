package trace

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
)

// Message is a message with its bytes, and what it became.
type Message struct {
	ledger.Message
	Canonical []Canonical // the events it carried
}

// Canonical is an event that a message carried.
type Canonical struct {
	ledger.Event
	Ref    string // of the waybill it belongs to; empty: none
	Pretty string // its data as indented JSON
}

// Message reads a message, byte for byte, with the events it became;
// [store.ErrNotFound] where there is none.
func (s *Service) Message(ctx context.Context, id int64) (Message, error) {
	m, err := s.store.Message(ctx, id)
	if err != nil {
		return Message{}, fmt.Errorf("read message %d: %w", id, err)
	}
	out := Message{Message: m}
	for i := range m.Events {
		ev, err := s.store.Event(ctx, m.FirstEvent+int64(i))
		if err != nil {
			return out, fmt.Errorf("read event %d of message %d: %w", m.FirstEvent+int64(i), id, err)
		}
		c := Canonical{Event: ev, Pretty: Pretty(ev.Data)}
		if ev.Waybill != 0 {
			w, err := s.store.Waybill(ctx, ev.Waybill)
			if err != nil {
				return out, fmt.Errorf("read the waybill of event %d: %w", ev.ID, err)
			}
			c.Ref = w.Ref
		}
		out.Canonical = append(out.Canonical, c)
	}
	return out, nil
}

// Document is a document as it was sent.
type Document struct {
	Delivery
	Ref      string    // of its waybill
	Body     lane.Body // empty before the first attempt
	Attempts []lane.Attempt
}

// Document reads what was sent under a key, byte for byte, and its attempts;
// [store.ErrNotFound] where there is no such delivery.
func (s *Service) Document(ctx context.Context, key string) (Document, error) {
	w, d, err := s.Delivery(ctx, key)
	if err != nil {
		return Document{}, err
	}
	out := Document{Delivery: d, Ref: w.Ref}
	if d.Attempted() {
		if out.Body, err = s.store.Body(ctx, d.ID); err != nil {
			return out, fmt.Errorf("read the body of delivery %s: %w", key, err)
		}
	}
	out.Attempts, err = s.Attempts(ctx, d.Delivery)
	return out, err
}

// Pretty indents JSON. What is none is left as it is.
func Pretty(data []byte) string {
	v := jsontext.Value(data).Clone()
	if err := v.Indent(jsontext.WithIndent("  ")); err != nil {
		return string(data)
	}
	return string(v)
}
