// Package fact reads the data of the system contract's events (part W, W3)
// into the dictionary. Connectors that speak the contract's words share it:
// package contract for signed pushes, package orders for C11.
//
// It checks what an event must have before Waybill may believe it. Whatever is
// wrong comes back as a [connector.Untranslatable] that names the field by
// JSON Pointer and says what to do. All of it is pure.
package fact

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
)

// Source is the system that a fact comes from.
type Source struct {
	System      string       // its name in the configuration
	Role        waybill.Role // decides which types it may report
	OrderPrefix string       // of a channel's orders (G4); unused in other roles
}

// Fact is one event as its sender wrote it.
type Fact struct {
	Type waybill.EventType
	// At is the sender's time of it; entities without a version take it as
	// their version.
	At   time.Time
	Data jsontext.Value // the bytes of the data object
	Body any            // Data decoded by Decode
	// Pointer is where data lies in what the sender sent: "/data", or "" where
	// it is all of it. Errors begin with it.
	Pointer string
}

// Types lists every type of W3, sorted.
func Types() []waybill.EventType {
	types := make([]waybill.EventType, 0, len(families))
	for t := range families {
		if t != waybill.WarehouseChanged {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	return types
}

// Known reports whether Decode can read the type: those of W3, and
// [waybill.WarehouseChanged], which is only asked for (T6).
func Known(t waybill.EventType) bool { return families[t].decode != nil }

// Decode reads the next value as the data of a type that is [Known], in one
// pass. The answer is a pointer to the type's struct in the dictionary.
func Decode(dec *jsontext.Decoder, t waybill.EventType) (any, error) {
	if kind := dec.PeekKind(); kind != '{' {
		if kind == 0 {
			_, err := dec.ReadToken()
			return nil, err
		}
		return nil, &connector.Untranslatable{
			Field:  string(dec.StackPointer()),
			Reason: "want the fact as a JSON object",
		}
	}
	return families[t].decode(dec)
}

// DecodeBytes is [Decode] for data that stands alone.
func DecodeBytes(data []byte, t waybill.EventType) (any, error) {
	d := standalone{eventType: t}
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, err
	}
	return d.body, nil
}

type standalone struct {
	eventType waybill.EventType
	body      any
}

// UnmarshalJSONFrom decodes into the type's struct.
func (s *standalone) UnmarshalJSONFrom(dec *jsontext.Decoder) (err error) {
	s.body, err = Decode(dec, s.eventType)
	return err
}

// Events makes the events of a fact: one, or one for each order that an
// invoice names. A type that the source's role does not report is
// untranslatable. Data aliases f.Data wherever nothing had to be replaced.
func (s Source) Events(f Fact) ([]waybill.Event, error) {
	if err := s.MayReport(f.Type); err != nil {
		return nil, err
	}
	return s.events(f)
}

// Read makes the events of a fact that was asked for (T6), whatever the role
// of the system that answered.
func (s Source) Read(f Fact) ([]waybill.Event, error) { return s.events(f) }

// MayReport is nil where W3 names the source's role for the type, and says
// otherwise who reports it.
func (s Source) MayReport(t waybill.EventType) error {
	roles := families[t].roles
	if !Known(t) || t == waybill.WarehouseChanged {
		return &connector.Untranslatable{Field: "/type", Reason: fmt.Sprintf(
			"%q is no event of the system contract (W3); send one of its types, or leave it out", clip(string(t)))}
	}
	if len(roles) > 0 && !slices.Contains(roles, s.Role) {
		names := make([]string, len(roles))
		for i, r := range roles {
			names[i] = string(r)
		}
		return &connector.Untranslatable{Field: "/type", Reason: fmt.Sprintf(
			"%s is reported by systems of role %s (W3), and %s has role %s; give it its right role in the configuration, or send it from the system of that role",
			t, strings.Join(names, " or "), s.System, s.Role)}
	}
	return nil
}

func (s Source) events(f Fact) ([]waybill.Event, error) {
	c := check{source: s, fact: f}
	p := families[f.Type].place(&c, f.Body)
	if c.err != nil {
		return nil, c.err
	}
	data := f.Data
	if c.own != "" && c.own != p.ref {
		var err error
		if data, err = withOrder(data, p.ref, c.own); err != nil {
			return nil, &connector.Untranslatable{Field: f.Pointer + "/order", Reason: err.Error()}
		}
	}
	e := waybill.Event{
		Type: f.Type, Source: s.System, Flow: p.flow, Ref: p.ref, Subject: p.subject,
		Version: p.version, OccurredAt: f.At, Data: data, Body: f.Body,
	}
	events := make([]waybill.Event, 1, 1+len(p.more))
	events[0] = e
	for _, ref := range p.more {
		e.Ref = ref
		events = append(events, e)
	}
	return events, nil
}

// place is where a fact belongs.
type place struct {
	flow    waybill.FlowKind
	ref     string
	more    []string // further orders that the same fact names
	subject string
	version int64
}

// family is what W3 says about the events of one data type.
type family struct {
	roles  []waybill.Role // who reports it; empty: any system
	decode func(*jsontext.Decoder) (any, error)
	place  func(*check, any) place
}

// of makes a family from the function that checks its data and says where it
// belongs.
func of[T any](read func(*check, *T) place, roles ...waybill.Role) family {
	return family{
		roles: roles,
		decode: func(dec *jsontext.Decoder) (any, error) {
			v := new(T)
			if err := json.UnmarshalDecode(dec, v); err != nil {
				return nil, err
			}
			return v, nil
		},
		place: func(c *check, body any) place {
			v, ok := body.(*T)
			if !ok {
				c.fail("", "the decoded data is a %T, not a %T", body, v)
				return place{}
			}
			return read(c, v)
		},
	}
}

// families is the table of W3, with the types that are only read (T6).
var families = map[waybill.EventType]family{
	waybill.OrderPlaced:          of(readOrder, waybill.RoleChannel),
	waybill.OrderChanged:         of(readOrder, waybill.RoleChannel),
	waybill.OrderCancelRequested: of(readCancelRequest, waybill.RoleChannel),
	waybill.ReturnRequested:      of(readReturnRequested, waybill.RoleChannel),

	waybill.WarehouseOrderAccepted:      of(readWarehouseOrder, waybill.RoleWMS),
	waybill.WarehouseOrderChanged:       of(readWarehouseOrder, waybill.RoleWMS),
	waybill.WarehouseOrderChangeRefused: of(readWarehouseOrder, waybill.RoleWMS),
	waybill.WarehouseOrderCancelled:     of(readWarehouseOrder, waybill.RoleWMS),
	waybill.WarehouseOrderCancelRefused: of(readWarehouseOrder, waybill.RoleWMS),
	waybill.WarehouseOrderClosed:        of(readWarehouseOrder, waybill.RoleWMS),

	waybill.AllocationConfirmed: of(readProgress, waybill.RoleWMS),
	waybill.PickConfirmed:       of(readProgress, waybill.RoleWMS),
	waybill.PackConfirmed:       of(readProgress, waybill.RoleWMS),
	waybill.ShipmentConfirmed:   of(readShipment, waybill.RoleWMS, waybill.RoleSupplier),
	waybill.ShipmentDelivered:   of(readDelivery, waybill.RoleCarrier),

	waybill.InventoryAdjusted: of(readAdjustment, waybill.RoleWMS),
	waybill.InventorySnapshot: of(readSnapshot, waybill.RoleWMS, waybill.RoleERP),
	waybill.ReceiptConfirmed:  of(readReceipt, waybill.RoleWMS),
	waybill.TransferShipped:   of(readTransfer, waybill.RoleWMS),
	waybill.TransferReceived:  of(readTransfer, waybill.RoleWMS),
	waybill.ReturnReceived:    of(readReturnReceived, waybill.RoleWMS),

	waybill.ItemChanged:       of(readItem, waybill.RoleERP),
	waybill.CustomerChanged:   of(readCustomer, waybill.RoleERP),
	waybill.PriceChanged:      of(readPrice, waybill.RoleERP),
	waybill.InventoryPosition: of(readPosition, waybill.RoleERP),

	waybill.WarehouseChanged: of(readWarehouse),

	waybill.InvoicePosted: of(readPosting, waybill.RoleERP),
	waybill.CreditPosted:  of(readPosting, waybill.RoleERP),
	waybill.InvoicePaid:   of(readPayment, waybill.RoleERP),

	waybill.DocumentApplied:  of(readDocumentReport),
	waybill.DocumentRejected: of(readDocumentReport),
}
