package rest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/fact"
	"github.com/waybillhq/waybill/internal/mapping"
)

// pollTopic begins the topics of messages that a poll brought.
const pollTopic = "poll/"

// eventsMax bounds the events of one message.
const eventsMax = 1000

// eventMembers are those of an event as a mapping gives it: the body of W3 in
// the system contract.
var eventMembers = []string{"type", "timestamp", "data"}

// Translate runs the message through its program. What the mapping gives is
// checked like a push of the system contract: the reasons name the field of
// the event, as "events/0/data/lines/0/qty".
func (s *system) Translate(m connector.Message) ([]waybill.Event, error) {
	p := s.program(m.Topic)
	if p == nil {
		return nil, &connector.Untranslatable{Field: "topic", Reason: fmt.Sprintf("%.60q: the spec of %s has no program for it", m.Topic, m.System)}
	}
	in, err := mapping.Decode(m.Body)
	if err != nil {
		return nil, &connector.Untranslatable{Field: "body", Reason: err.Error()}
	}
	// Only what is kept for ever, so that a message that is read again says the
	// same; the time in the unit in which it is kept.
	received := m.ReceivedAt.UTC().Truncate(time.Microsecond)
	results, err := p.Run(nil, in, map[string]any{"system": m.System, "topic": m.Topic,
		"received_at": received.Format(time.RFC3339Nano)})
	if err != nil {
		return nil, untranslatable(err)
	}
	if len(results) == 1 {
		if list, ok := results[0].([]any); ok {
			results = list
		}
	}
	if len(results) > eventsMax {
		return nil, &connector.Untranslatable{Field: "body", Reason: fmt.Sprintf("it becomes %d events, more than %d", len(results), eventsMax)}
	}
	var events []waybill.Event
	for i, r := range results {
		made, err := s.event(i, r, received)
		if err != nil {
			return nil, err
		}
		events = append(events, made...)
	}
	return events, nil
}

// program is the one for messages of a topic.
func (s *system) program(topic string) *mapping.Program {
	if name, ok := strings.CutPrefix(topic, pollTopic); ok {
		if p := s.polls[name]; p != nil {
			return p.events
		}
		return nil
	}
	if s.webhook == nil {
		return nil
	}
	return s.webhook.events
}

// untranslatable names the field where the program did.
func untranslatable(err error) error {
	u := &connector.Untranslatable{Field: "body", Reason: err.Error()}
	if e := (*mapping.Error)(nil); errors.As(err, &e) {
		u.Reason = e.Reason
		if e.Field != "" {
			u.Field = e.Field
		}
	}
	return u
}

// event makes the events of one result.
func (s *system) event(i int, result any, received time.Time) ([]waybill.Event, error) {
	at := fmt.Sprintf("events/%d", i)
	wrong := func(field, reason string) error {
		return &connector.Untranslatable{Field: at + field, Reason: reason + " (mapping " + s.mapping.Label() + ")"}
	}
	object, ok := result.(map[string]any)
	if !ok {
		return nil, wrong("", "want an object with type, timestamp and data")
	}
	for name := range object {
		if !slices.Contains(eventMembers, name) {
			return nil, wrong("", "want an object with type, timestamp and data and nothing else")
		}
	}
	name, ok := object["type"].(string)
	if !ok {
		return nil, wrong("/type", "is missing")
	}
	kind := waybill.EventType(name)
	if err := s.source.MayReport(kind); err != nil {
		if u := (*connector.Untranslatable)(nil); errors.As(err, &u) {
			return nil, wrong("/type", u.Reason)
		}
		return nil, wrong("/type", err.Error())
	}
	occurred := received
	if stamp, there := object["timestamp"]; there && stamp != nil {
		text, _ := stamp.(string)
		var err error
		if occurred, err = fact.ParseTime(text); err != nil {
			return nil, wrong("/timestamp", fmt.Sprintf("%.60q is no time as in RFC 3339", text))
		}
	}
	if _, ok := object["data"].(map[string]any); !ok {
		return nil, wrong("/data", "want the fact as an object")
	}
	data, err := mapping.Encode(object["data"])
	if err != nil {
		if e := (*mapping.Error)(nil); errors.As(err, &e) {
			return nil, wrong("/data"+e.Field, e.Reason)
		}
		return nil, wrong("/data", err.Error())
	}
	body, err := fact.DecodeBytes(data, kind)
	if err != nil {
		return nil, fact.Unreadable(err, at+"/data")
	}
	return s.source.Events(fact.Fact{Type: kind, At: occurred, Data: data, Body: body, Pointer: at + "/data"})
}
