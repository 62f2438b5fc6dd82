package api

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector/orders"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// find lists the waybills that a reference names and the caller may see. A
// reference that names only other customers' orders is one that names nothing:
// the answer is the same.
func (a *API) find(c *call, ref string) ([]ledger.Waybill, error) {
	found, err := a.Trace.Find(c.Context(), ref)
	if err != nil || c.actor.Scope == nil {
		return found, err
	}
	found = slices.DeleteFunc(found, func(w ledger.Waybill) bool { return !c.sees(w) })
	if len(found) == 0 {
		return nil, fmt.Errorf("nothing is known as %s: %w", ref, store.ErrNotFound)
	}
	return found, nil
}

// sees reports whether the caller may know of a waybill. To a key of some
// customers, orders are all there is.
func (c *call) sees(w ledger.Waybill) bool {
	return c.actor.Scope == nil || w.Kind == waybill.FlowSales && c.actor.Scope.Sees(w.Customer)
}

// Bounds of one search for the orders of some customers: a page that is not
// full by then ends there, and the next one goes on.
const (
	scopeChunk   = 1000
	scopeScanMax = 20 * scopeChunk
)

// ownOrders lists orders of the caller's customers, newest first. next is
// where the next page begins; more is false when all were gone through.
func (a *API) ownOrders(c *call, q ledger.WaybillQuery, limit int) (page []ledger.Waybill, next int64, more bool, err error) {
	q.Limit = scopeChunk
	for range scopeScanMax / scopeChunk {
		chunk, err := a.Trace.Orders(c.Context(), q)
		if err != nil {
			return nil, 0, false, err
		}
		for _, w := range chunk {
			if len(page) == limit {
				return page, q.Before, true, nil
			}
			q.Before = w.ID
			if c.sees(w) {
				page = append(page, w)
			}
		}
		if len(chunk) < scopeChunk {
			return page, 0, false, nil
		}
	}
	return page, q.Before, true, nil
}

// mayPlace checks whether the caller may place an order: for a customer of its
// own, under a number that nobody else's order has. A body that can't be read
// is for the intake to refuse.
func (a *API) mayPlace(c *call, body []byte) error {
	if c.actor.Scope == nil {
		return nil
	}
	var o struct {
		Order    string `json:"order"`
		Customer string `json:"customer"`
	}
	if err := waybill.Unmarshal(body, &o); err != nil {
		return reject(http.StatusBadRequest, "body_malformed", "body", err.Error(), "send the order as W3 has it")
	}
	if !c.actor.Scope.Sees(o.Customer) {
		return reject(http.StatusForbidden, "customer_not_allowed", "/customer",
			fmt.Sprintf("the key %s places no orders for customer %.60q", c.actor.Name, o.Customer), "name a customer of the key")
	}
	found, err := a.Store.WaybillsByRef(c.Context(), waybill.OrderName(orders.Prefix, o.Order), scopeChunk)
	if err != nil {
		return fmt.Errorf("find out whether the order's number is taken: %w", err)
	}
	if slices.ContainsFunc(found, func(w ledger.Waybill) bool { return !c.sees(w) }) {
		return reject(http.StatusConflict, "order_taken", "/order", fmt.Sprintf("the number %.60q is taken", o.Order), "give the order a number of its own")
	}
	return nil
}
