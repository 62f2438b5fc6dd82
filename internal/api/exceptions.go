package api

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/store"
)

// exceptionView is C7.
type exceptionView struct {
	ID       string    `json:"id"`
	Cause    string    `json:"cause"`
	Orders   []string  `json:"orders"`
	Money    string    `json:"money"` // held up; empty where unknown
	Currency string    `json:"currency"`
	Since    time.Time `json:"since"`
	Next     string    `json:"next"` // the step that frees it
	Actions  []string  `json:"actions"`
}

func newException(x exception.Exception) exceptionView {
	v := exceptionView{ID: id(exceptionPrefix, x.ID), Cause: x.Cause, Currency: x.Money.Currency,
		Since: x.Since, Next: x.Next, Actions: x.Actions}
	if x.Ref != "" {
		v.Orders = []string{x.Ref}
	}
	if x.Money.Currency != "" {
		v.Money = waybill.FormatAmount(x.Money.Amount, x.Money.Currency)
	}
	return v
}

// exceptions lists what waits for a person. The entries carry no state, so
// closed ones are listed only where they are asked for.
func (a *API) exceptions(c *call) error {
	after, limit, err := c.query.page()
	if err != nil {
		return err
	}
	q := exception.Query{State: exception.Open, Cause: c.query["cause"], After: after, Limit: limit + 1}
	switch c.query["state"] {
	case "closed":
		q.State = exception.Closed
	case "all":
		q.State = ""
	}
	found, err := a.exceptionsOf(c, q, c.query["order"])
	if err != nil {
		return err
	}
	found, more := cut(found, limit)
	page, next := make([]exceptionView, len(found)), int64(0)
	for i, x := range found {
		page[i], next = newException(x), x.ID
	}
	return writeList(c, page, more, next)
}

// exceptionsOf reads exceptions, of the orders that a reference names where
// there is one.
func (a *API) exceptionsOf(c *call, q exception.Query, ref string) ([]exception.Exception, error) {
	if ref == "" {
		return a.Store.Exceptions(c.Context(), q)
	}
	orders, err := a.Trace.Find(c.Context(), ref)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	var out []exception.Exception
	for _, w := range orders {
		q.Waybill = w.ID
		some, err := a.Store.Exceptions(c.Context(), q)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	slices.SortFunc(out, func(x, y exception.Exception) int { return cmp.Compare(x.ID, y.ID) })
	return out, nil
}
