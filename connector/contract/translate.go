package contract

import (
	"bytes"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/fact"
)

// dataPointer is where the fact lies in a push (W3).
const dataPointer = "/data"

// Translate reads a push as W3 shapes it, in one pass over its bytes. The data
// of the events are the bytes that the sender wrote.
func (s *system) Translate(m connector.Message) ([]waybill.Event, error) {
	p := push{body: m.Body, source: &s.source}
	if err := json.Unmarshal(m.Body, &p); err != nil {
		return nil, fact.Unreadable(err, "")
	}
	if p.eventType == "" {
		return nil, missing("/type", "send the event's type, like order.placed")
	}
	if p.data == nil {
		return nil, missing(dataPointer, "send the fact as a JSON object")
	}
	at, err := p.time()
	if err != nil {
		return nil, err
	}
	if p.decoded == nil { // its data came before its type
		if err := s.source.MayReport(p.eventType); err != nil {
			return nil, err
		}
		if p.decoded, err = fact.DecodeBytes(p.data, p.eventType); err != nil {
			return nil, fact.Unreadable(err, dataPointer)
		}
	}
	return s.source.Events(fact.Fact{Type: p.eventType, At: at, Data: p.data, Body: p.decoded, Pointer: dataPointer})
}

func missing(pointer, fix string) error {
	return &connector.Untranslatable{Field: pointer, Reason: "is missing; " + fix}
}

// push is the body of W3 while it is read.
type push struct {
	body      []byte
	source    *fact.Source
	eventType waybill.EventType
	timestamp string
	data      jsontext.Value // a stretch of body
	decoded   any
}

// UnmarshalJSONFrom reads the members in whatever order they come; unknown
// ones are passed over and stay in the raw message.
func (p *push) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if kind := dec.PeekKind(); kind != '{' {
		if kind != 0 {
			return &connector.Untranslatable{Reason: "want the event as a JSON object with type, timestamp and data"}
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		name, err := dec.ReadValue()
		if err != nil {
			return err
		}
		switch memberName(name) {
		case "type":
			err = json.UnmarshalDecode(dec, &p.eventType)
		case "timestamp":
			err = json.UnmarshalDecode(dec, &p.timestamp)
		case "data":
			err = p.readData(dec)
		default:
			err = dec.SkipValue()
		}
		if err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// readData decodes data as its type, where the type is known by now, and
// remembers its bytes.
func (p *push) readData(dec *jsontext.Decoder) (err error) {
	start := int(dec.InputOffset())
	if p.eventType != "" {
		if err = p.source.MayReport(p.eventType); err == nil {
			p.decoded, err = fact.Decode(dec, p.eventType)
		}
	} else {
		err = dec.SkipValue()
	}
	if err != nil {
		return err
	}
	end := int(dec.InputOffset())
	// Between name and value lie the colon and white space.
	value := bytes.TrimLeft(p.body[start:end], ": \t\r\n")
	p.data = jsontext.Value(value[:len(value):len(value)])
	return nil
}

// time reads the body's timestamp, its offset kept.
func (p *push) time() (time.Time, error) {
	if p.timestamp == "" {
		return time.Time{}, missing("/timestamp", "send the time of the event as in RFC 3339")
	}
	at, err := fact.ParseTime(p.timestamp)
	if err != nil {
		return time.Time{}, &connector.Untranslatable{Field: "/timestamp",
			Reason: fmt.Sprintf("%.60q is no time as in RFC 3339; write it like 2026-01-02T03:04:05Z", p.timestamp)}
	}
	return at, nil
}

// memberName is a member's name without its quotes.
func memberName(quoted jsontext.Value) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	name, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		return ""
	}
	return string(name)
}
