package shopify

import (
	"context"
	"slices"

	"github.com/go-json-experiment/json"

	"github.com/waybillhq/waybill"
)

// pagesMax bounds the pages of one look-up; an order with more is refused.
const pagesMax = 40

type page struct {
	HasNext bool    `json:"hasNextPage"`
	End     *string `json:"endCursor"`
}

type node struct {
	ID string `json:"id"`
}

type openLines struct {
	Nodes []struct {
		ID        string `json:"id"`
		Remaining int64  `json:"remainingQuantity"`
		LineItem  node   `json:"lineItem"`
	} `json:"nodes"`
	Page page `json:"pageInfo"`
}

type foundOrder struct {
	ID        string `json:"id"`
	Metafield *struct {
		Value string `json:"value"`
	} `json:"metafield"`
	Fulfillments []struct {
		ID       string `json:"id"`
		Status   string `json:"status"`
		Tracking []struct {
			Number *string `json:"number"`
		} `json:"trackingInfo"`
	} `json:"fulfillments"`
	FulfillmentOrders struct {
		Nodes []struct {
			ID       string `json:"id"`
			Status   string `json:"status"`
			Assigned struct {
				Location *node `json:"location"`
			} `json:"assignedLocation"`
			Lines openLines `json:"lineItems"`
		} `json:"nodes"`
		Page page `json:"pageInfo"`
	} `json:"fulfillmentOrders"`
}

// reader makes the queries of one look-up and counts them.
type reader struct {
	*shop
	pages int
}

func (r *reader) query(ctx context.Context, document string, variables, out any) *waybill.Outcome {
	if r.pages++; r.pages > pagesMax {
		return tooLarge()
	}
	_, o := r.call(ctx, document, variables, out)
	return o
}

func tooLarge() *waybill.Outcome {
	return refusal("order_too_large", "the order has more fulfilments or lines than a look-up reads: fulfil it in the shop's admin and settle the document")
}

// look reads the picture of a task's order.
func (s *shop) look(ctx context.Context, t task) (picture, *waybill.Outcome) {
	r := &reader{shop: s}
	p := picture{known: [][]string{t.Tracking.Numbers}}
	variables := map[string]any{"id": t.Order, "handle": t.Handle}
	for first := true; ; first = false {
		var answer struct {
			Order *foundOrder `json:"order"`
		}
		if o := r.query(ctx, queryOrder, variables, &answer); o != nil {
			return p, o
		}
		found := answer.Order
		if found == nil {
			return p, refusal("order_not_found", "the shop has no order "+t.Order)
		}
		if first {
			if o := r.readOurs(ctx, found, &p); o != nil {
				return p, o
			}
		}
		if o := r.readOpen(ctx, found, &p); o != nil {
			return p, o
		}
		next := found.FulfillmentOrders.Page
		if !next.HasNext || next.End == nil {
			return p, nil
		}
		variables["after"] = *next.End
	}
}

// readOurs finds the shipment's fulfilments and reads their lines.
func (r *reader) readOurs(ctx context.Context, found *foundOrder, p *picture) *waybill.Outcome {
	if len(found.Fulfillments) >= fulfillmentsShown {
		return tooLarge()
	}
	if found.Metafield != nil {
		var sets [][]string
		if json.Unmarshal([]byte(found.Metafield.Value), &sets) == nil { // anybody can edit it; what can't be read is no help
			for _, set := range sets {
				if len(set) > 0 && !slices.ContainsFunc(p.known, func(k []string) bool { return slices.Equal(k, set) }) {
					p.known = append(p.known, set)
				}
			}
		}
	}
	for _, f := range found.Fulfillments {
		switch f.Status {
		case "CANCELLED", "ERROR", "FAILURE":
			continue
		}
		ours := fulfilment{id: f.ID}
		for _, n := range f.Tracking {
			if n.Number != nil {
				ours.numbers = append(ours.numbers, *n.Number)
			}
		}
		if !p.isOurs(ours.numbers) {
			continue
		}
		if o := r.readFulfilled(ctx, &ours); o != nil {
			return o
		}
		p.ours = append(p.ours, ours)
	}
	return nil
}

func (r *reader) readFulfilled(ctx context.Context, f *fulfilment) *waybill.Outcome {
	variables := map[string]any{"id": f.id}
	for {
		var answer struct {
			Fulfillment *struct {
				Lines struct {
					Nodes []struct {
						Quantity int64 `json:"quantity"`
						LineItem node  `json:"lineItem"`
					} `json:"nodes"`
					Page page `json:"pageInfo"`
				} `json:"fulfillmentLineItems"`
			} `json:"fulfillment"`
		}
		if o := r.query(ctx, queryFulfilledLines, variables, &answer); o != nil {
			return o
		}
		if answer.Fulfillment == nil {
			return doubt("the fulfilment " + f.id + " vanished while it was read")
		}
		for _, n := range answer.Fulfillment.Lines.Nodes {
			f.lines = append(f.lines, taskLine{n.LineItem.ID, n.Quantity})
		}
		next := answer.Fulfillment.Lines.Page
		if !next.HasNext || next.End == nil {
			return nil
		}
		variables["after"] = *next.End
	}
}

// readOpen adds one page of fulfilment orders, with all their lines.
func (r *reader) readOpen(ctx context.Context, found *foundOrder, p *picture) *waybill.Outcome {
	for _, fo := range found.FulfillmentOrders.Nodes {
		location := ""
		if fo.Assigned.Location != nil {
			location = fo.Assigned.Location.ID
		}
		lines := fo.Lines
		for {
			for _, l := range lines.Nodes {
				p.open = append(p.open, openLine{order: fo.ID, line: l.LineItem.ID, id: l.ID,
					location: location, status: fo.Status, remaining: l.Remaining})
			}
			if !lines.Page.HasNext || lines.Page.End == nil {
				break
			}
			var answer struct {
				FulfillmentOrder *struct {
					Lines openLines `json:"lineItems"`
				} `json:"fulfillmentOrder"`
			}
			if o := r.query(ctx, queryOpenLines, map[string]any{"id": fo.ID, "after": *lines.Page.End}, &answer); o != nil {
				return o
			}
			if answer.FulfillmentOrder == nil {
				return doubt("the fulfilment order " + fo.ID + " vanished while it was read")
			}
			lines = answer.FulfillmentOrder.Lines
		}
	}
	return nil
}
