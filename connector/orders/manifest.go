// Package orders takes orders by API (system contract C11), from portals and
// inside sales: a channel that has no system behind it.
//
// The body of POST /api/v1/orders is the data of an order.placed, without an
// envelope; its Idempotency-Key is what tells a repetition. Who may send it is
// the API's concern: here nothing is signed. Such orders get no documents back.
package orders

import (
	"bytes"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/fact"
)

// Name is the connector's name in the configuration.
const Name = "orders"

// Prefix is what orders by API carry in front of their own number (G4), where
// the configuration names no other.
const Prefix = "api~."

// Manifest describes the orders taken by API.
func Manifest() connector.Manifest {
	return connector.Manifest{
		Name:               Name,
		Title:              "Orders by API",
		Summary:            "Orders that portals and inside sales place with POST /api/v1/orders.",
		Roles:              []waybill.Role{waybill.RoleChannel},
		Emits:              []waybill.EventType{waybill.OrderPlaced},
		Idempotency:        waybill.NoIdempotency,
		NoChannelDocuments: true,
		Open:               open,
	}
}

func open(env connector.Env) (connector.Connector, error) {
	prefix := env.OrderPrefix
	if prefix == "" {
		prefix = Prefix
	}
	t := translator{fact.Source{System: env.System, Role: waybill.RoleChannel, OrderPrefix: prefix}}
	return connector.Connector{Receiver: receiver{}, Translator: t}, nil
}

type translator struct{ source fact.Source }

// Translate reads the body as the data of an order.placed. It carries no time
// of its own, so the order was placed when it came in, to the microsecond: a
// message read back from a store may have lost the rest.
func (t translator) Translate(m connector.Message) ([]waybill.Event, error) {
	body, err := fact.DecodeBytes(m.Body, waybill.OrderPlaced)
	if err != nil {
		return nil, fact.Unreadable(err, "")
	}
	return t.source.Events(fact.Fact{Type: waybill.OrderPlaced, At: m.ReceivedAt.UTC().Truncate(time.Microsecond),
		Data: bytes.TrimSpace(m.Body), Body: body})
}
