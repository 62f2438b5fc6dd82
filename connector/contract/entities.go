package contract

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector/fact"
)

// entityTypes are the kinds of T6 and the events that report them.
var entityTypes = map[string]waybill.EventType{
	"items":      waybill.ItemChanged,
	"customers":  waybill.CustomerChanged,
	"inventory":  waybill.InventoryPosition,
	"prices":     waybill.PriceChanged,
	"warehouses": waybill.WarehouseChanged,
}

type entitiesBody struct {
	Items []jsontext.Value `json:"items"`
	Next  string           `json:"next"` // null or empty: the last page
}

// Entities reads one page of T6: items, customers, inventory, prices or
// warehouses, changed since the time given (RFC 3339, empty: all). An entity
// without a version gets the time that it speaks of, else that of reading it.
// A system that has none of a kind (404) yields nothing.
func (s *system) Entities(ctx context.Context, kind, since, cursor string) (events []waybill.Event, next string, err error) {
	eventType, ok := entityTypes[kind]
	if !ok {
		return nil, "", fmt.Errorf("read %q from system %s: want items, customers, inventory, prices or warehouses", kind, s.source.System)
	}
	query := url.Values{}
	if since != "" {
		query.Set("since", since)
	}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	path := "/v1/entities/" + kind
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	readAt := s.now().UTC()
	r, err := s.answered(ctx, path, pageBytesMax)
	if r.status == http.StatusNotFound {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read %s from system %s: %w", kind, s.source.System, err)
	}
	var page entitiesBody
	if err := readObject(r.body, &page); err != nil {
		return nil, "", fmt.Errorf("read %s from system %s: the page is unreadable: %w", kind, s.source.System, err)
	}
	for i, item := range page.Items {
		e, err := s.entity(eventType, item, readAt, fmt.Sprintf("/items/%d", i))
		if err != nil {
			return nil, "", fmt.Errorf("read %s from system %s: %w", kind, s.source.System, err)
		}
		events = append(events, e...)
	}
	if page.Next != "" && page.Next == cursor {
		return nil, "", fmt.Errorf("read %s from system %s: the page after %q is itself", kind, s.source.System, cursor)
	}
	return events, page.Next, nil
}

func (s *system) entity(t waybill.EventType, item jsontext.Value, readAt time.Time, pointer string) ([]waybill.Event, error) {
	body, err := fact.DecodeBytes(item, t)
	if err != nil {
		return nil, fact.Unreadable(err, pointer)
	}
	at := readAt
	if e, ok := body.(*waybill.Entity); ok && e.AsOf != "" {
		if asOf, err := fact.ParseTime(e.AsOf); err == nil {
			at = asOf
		}
	}
	return s.source.Read(fact.Fact{Type: t, At: at, Data: item, Body: body, Pointer: pointer})
}
