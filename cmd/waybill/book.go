package main

import (
	"context"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// bookTime bounds a look into the book: who reads a message waits for it.
const bookTime = 10 * time.Second

// book tells connectors what orders are now, as the last commit has them.
type book struct {
	ctx    context.Context // of the process
	store  func() store.Store
	policy func() *process.Policy
}

var _ connector.Book = book{}

// Order implements [connector.Book]. An order that can't be read is not known:
// what needs it is shown as not taken, and can be read again.
func (b book) Order(ref string) *waybill.Order {
	s, p := b.store(), b.policy()
	if s == nil || p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(b.ctx, bookTime)
	defer cancel()
	row, err := s.WaybillByTag(ctx, process.FlowTag(waybill.FlowSales, ref, p), waybill.FlowSales, ref)
	if err != nil {
		return nil
	}
	state, err := process.LoadFlow(row.Kind, row.State)
	if err != nil {
		return nil
	}
	err = state.Fetch(func(id int64) ([]byte, error) {
		ev, err := s.Event(ctx, id)
		return ev.Data, err
	})
	sales, ok := state.(*process.Sales)
	if err != nil || !ok {
		return nil
	}
	return sales.Content()
}
