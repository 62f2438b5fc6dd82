package shopify

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// Translate turns a webhook into events. It is pure: what it needs of the
// configuration (the order prefix, the guest's customer number) is fixed.
//
// A body without a topic, as a file or an answer of the REST API is, is read by
// its shape: an order states an order as it was placed, a refund a refund.
func (s *shop) Translate(m connector.Message) ([]waybill.Event, error) {
	name, body := m.Topic, m.Body
	if name == "" {
		name = m.Header.Get(headerTopic)
	}
	if name == "" {
		var err error
		if name, body, err = topicOf(body); err != nil {
			return nil, err
		}
	}
	triggered, _ := time.ParseInLocation(time.RFC3339Nano, m.Header.Get(headerTriggered), time.UTC)
	switch t := topics[name]; t.treatment {
	case understood:
		return nil, nil
	case placed, changed, cancelled:
		return s.translateOrder(m.System, t.treatment, body, triggered)
	case refunded:
		return s.translateRefund(m.System, body)
	default:
		return nil, &connector.Untranslatable{Field: headerTopic,
			Reason: fmt.Sprintf("the topic %s is not about orders and Waybill does not track it: remove it from the shop's webhook subscriptions", name)}
	}
}

// translateOrder reads the whole order that all topics of an order carry. A
// cancelled order asks for its cancellation and never states new quantities:
// Shopify has set them to nothing already, which is for the warehouse to
// confirm.
func (s *shop) translateOrder(system string, t treatment, body []byte, triggered time.Time) ([]waybill.Event, error) {
	body = compact(body)
	var o order
	if err := decode(body, &o); err != nil {
		return nil, err
	}
	own := ownID(o.GID, o.ID)
	if own == "" {
		return nil, untranslatable("/id", "the order has no id")
	}
	at, err := parseTime("/updated_at", o.UpdatedAt)
	if err != nil {
		return nil, err
	}
	ref := waybill.OrderName(s.env.OrderPrefix, own)
	event := waybill.Event{Source: system, Flow: waybill.FlowSales, Ref: ref, Subject: ref,
		Version: version(at, triggered), OccurredAt: at}

	var events []waybill.Event
	if t == placed || t == changed && o.CancelledAt == "" {
		e := event
		e.Type = waybill.OrderChanged
		if t == placed {
			e.Type = waybill.OrderPlaced
			if e.OccurredAt, err = parseTime("/created_at", o.CreatedAt); err != nil {
				return nil, err
			}
		}
		whole, err := o.canonical(ref, own, e.Version, s.guest)
		if err != nil {
			return nil, err
		}
		e.Data, e.Body = appendOrder(object(len(body)), whole).value(), whole
		events = append(events, e)
	}
	if o.CancelledAt == "" {
		if t == cancelled {
			return nil, untranslatable("/cancelled_at", "the topic says that the order was cancelled and its body does not")
		}
		return events, nil
	}
	if event.OccurredAt, err = parseTime("/cancelled_at", o.CancelledAt); err != nil {
		return nil, err
	}
	request := &waybill.CancelRequest{Order: ref, Request: "cancel-" + own, Version: event.Version,
		Unknown: o.cancellation(own)}
	event.Type, event.Subject = waybill.OrderCancelRequested, request.Request
	event.Data, event.Body = appendCancel(object(len(request.Unknown)+256), request).value(), request
	return append(events, event), nil
}

// version makes a number that rises with every change of an order. Shopify
// stamps updated_at in whole seconds; of two changes within one the trigger
// time says which came later. It fills the digits below the second, in
// milliseconds since the stamp, and can never reach the next second's.
func version(updated, triggered time.Time) int64 {
	const second = 1_000_000 // of Unix microseconds
	v := updated.UnixMicro()
	if triggered.IsZero() || v%second != 0 {
		return v
	}
	return v + min(max(triggered.Sub(updated).Milliseconds(), 0), second-1)
}

// compact takes the line breaks of a body written for people away, so that they
// are not kept with the event. Shopify's own bodies have none.
func compact(body []byte) []byte {
	if bytes.IndexByte(body, '\n') < 0 {
		return body
	}
	v := jsontext.Value(bytes.Clone(body))
	if v.Compact() != nil {
		return body // decoding says what is wrong, and where
	}
	return v
}

// topicOf reads the topic off the shape of a body, out of the envelope of the
// REST API where there is one.
func topicOf(body []byte) (string, []byte, error) {
	var shape struct {
		Order     jsontext.Value `json:"order"`
		Refund    jsontext.Value `json:"refund"`
		Lines     jsontext.Value `json:"line_items"`
		Refunded  jsontext.Value `json:"refund_line_items"`
		UpdatedAt jsontext.Value `json:"updated_at"`
		Number    jsontext.Value `json:"order_number"`
	}
	if err := decode(body, &shape); err != nil {
		return "", nil, err
	}
	switch {
	case shape.Order.Kind() == '{':
		return "orders/create", shape.Order, nil
	case shape.Refund.Kind() == '{':
		return "refunds/create", shape.Refund, nil
	case shape.Refunded.Kind() == '[':
		return "refunds/create", body, nil
	case shape.Lines.Kind() == '[' && shape.Number.Kind() == '0':
		return "orders/create", body, nil
	}
	return "", nil, untranslatable(headerTopic, "there is no topic and the body is neither an order nor a refund: give the webhook's headers with it")
}

// decode reads one JSON value; its errors name the field by JSON Pointer.
func decode(body []byte, v any) error {
	err := json.Unmarshal(body, v, jsontext.AllowDuplicateNames(true)) // Receive has refused them
	if err == nil {
		return nil
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return untranslatable(string(syntax.JSONPointer), fmt.Sprintf("not JSON at byte %d: %v", syntax.ByteOffset, syntax.Err))
	}
	var semantic *json.SemanticError
	if errors.As(err, &semantic) {
		return untranslatable(string(semantic.JSONPointer), misfit(semantic))
	}
	return untranslatable("", err.Error())
}

// misfit says what a value is and should be, in words of JSON.
func misfit(e *json.SemanticError) string {
	if e.Err != nil {
		return e.Err.Error()
	}
	want := "something else"
	if e.GoType != nil {
		switch e.GoType.Kind() {
		case reflect.Struct, reflect.Pointer:
			want = "an object"
		case reflect.Slice:
			want = "a list"
		case reflect.String:
			want = "a text"
		case reflect.Bool:
			want = "true or false"
		case reflect.Int64:
			want = "a whole number"
		}
	}
	return fmt.Sprintf("a JSON %s where %s is expected", e.JSONKind, want)
}

func untranslatable(field, reason string) error {
	return &connector.Untranslatable{Field: field, Reason: reason}
}

// parseTime keeps the shop's offset; it never looks at the machine's zone.
func parseTime(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, untranslatable(field, "the time is missing")
	}
	t, err := time.ParseInLocation(time.RFC3339Nano, text, time.UTC)
	if err != nil {
		return time.Time{}, untranslatable(field, strconv.Quote(text)+" is no time as RFC 3339 writes it")
	}
	if t.Unix() <= 0 {
		return time.Time{}, untranslatable(field, strconv.Quote(text)+" lies before there were shops")
	}
	return t, nil
}

// ownID is a Shopify id as text. The GraphQL id is preferred: numeric ids pass
// 2^53, and a body that went through a program with floating-point numbers
// shows them rounded.
func ownID(gid string, numeric jsontext.Value) string {
	if rest, ok := strings.CutPrefix(gid, "gid://shopify/"); ok {
		if _, id, ok := strings.Cut(rest, "/"); ok && isDigits(id) {
			return id
		}
	}
	id := string(bytes.Trim(numeric, `"`))
	if !isDigits(id) {
		return ""
	}
	return id
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != "" && len(s) <= 20
}
