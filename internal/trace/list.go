package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// Orders lists orders newest first, by status and by any reference or the
// beginning of one.
func (s *Service) Orders(ctx context.Context, q ledger.WaybillQuery) ([]ledger.Waybill, error) {
	q.Kind = waybill.FlowSales
	ws, err := s.store.Waybills(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list the orders: %w", err)
	}
	return ws, nil
}

// DeliveryQuery selects deliveries. Empty fields select all; State is the one
// that is shown.
type DeliveryQuery struct {
	Target string
	Order  string // any reference
	State  lane.State
	After  int64 // delivery id
	Limit  int   // at least 1
}

// Deliveries lists deliveries in the order of their decisions, in the states
// that are shown.
func (s *Service) Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error) {
	systems, err := s.systems(ctx)
	if err != nil {
		return nil, err
	}
	if q.Order != "" {
		return s.deliveriesOfOrder(ctx, q)
	}
	var out []Delivery
	for _, stored := range storedAs(q.State, q.Target, systems) {
		some, err := s.deliveriesIn(ctx, q, stored, systems)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	slices.SortFunc(out, func(a, b Delivery) int { return cmp.Compare(a.ID, b.ID) })
	return out[:min(len(out), q.Limit)], nil
}

func (s *Service) deliveriesOfOrder(ctx context.Context, q DeliveryQuery) ([]Delivery, error) {
	found, err := s.Find(ctx, q.Order)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	var out []Delivery
	for _, w := range found {
		ds, err := s.DeliveriesOf(ctx, w)
		if err != nil {
			return nil, err
		}
		for _, d := range ds {
			if d.ID > q.After && (q.Target == "" || d.Target == q.Target) && (q.State == "" || d.Shown == q.State) {
				out = append(out, d)
			}
		}
	}
	slices.SortFunc(out, func(a, b Delivery) int { return cmp.Compare(a.ID, b.ID) })
	return out[:min(len(out), q.Limit)], nil
}

// deliveriesIn reads deliveries of one stored state until enough of them are
// shown in the wanted one.
func (s *Service) deliveriesIn(ctx context.Context, q DeliveryQuery, stored lane.State, systems []engine.SystemStatus) ([]Delivery, error) {
	var out []Delivery
	for after := q.After; ; {
		ds, err := s.store.Deliveries(ctx, lane.Query{Target: q.Target, State: stored, After: after, Limit: q.Limit})
		if err != nil {
			return nil, fmt.Errorf("list the deliveries: %w", err)
		}
		for _, d := range ds {
			after = d.ID
			if x := shown(d, systems); q.State == "" || x.Shown == q.State {
				out = append(out, x)
			}
		}
		if len(ds) < q.Limit || len(out) >= q.Limit {
			return out[:min(len(out), q.Limit)], nil
		}
	}
}

// storedAs lists the stored states that may be shown as the wanted one: what
// is ready is shown as parked where its target is paused.
func storedAs(state lane.State, target string, systems []engine.SystemStatus) []lane.State {
	out := []lane.State{state}
	if state != lane.Parked && state != lane.Waiting {
		return out
	}
	for _, s := range systems {
		if target != "" && s.Name != target {
			continue
		}
		if state == lane.Parked && s.Paused != "" {
			return []lane.State{lane.Parked, lane.Ready, lane.Waiting, lane.InDoubt}
		}
		if s.Breaker == "open" && len(out) == 1 && state == lane.Waiting {
			out = append(out, lane.Ready)
		}
	}
	return out
}
