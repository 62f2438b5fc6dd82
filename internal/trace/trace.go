// Package trace is one order's whole story, read back from the ledger: what
// came in byte for byte, what it became, which rule decided what, what went
// out, what came back, when and on whose clock. Pages, API and command line
// read it here, so they can't tell different stories. It changes nothing.
package trace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
)

// ordersMax bounds how many orders one reference may name: a load has many.
const ordersMax = 1000

// Reader is what is read: the ledger, the deliveries and the exceptions.
type Reader interface {
	ledger.Reader
	lane.Reader
	exception.Reader
}

// Live says what limits the targets now. Without it (offline) deliveries are
// shown as they are stored.
type Live interface {
	Systems(ctx context.Context) ([]engine.SystemStatus, error)
}

// Service reads stories. It is safe for concurrent use.
type Service struct {
	store Reader
	live  Live
}

// New makes a service over an open store. live may be nil.
func New(r Reader, live Live) *Service { return &Service{store: r, live: live} }

// Order is one order as it stands.
type Order struct {
	Waybill    ledger.Waybill
	Content    *waybill.Order // of the version in force; nil while only facts about it are known
	View       process.View   // as C6 shows it
	Deliveries []Delivery     // in the order of their decisions
	Exceptions []exception.Exception
}

// Delivery is a delivery with the state and the reason that are shown (C3).
type Delivery struct {
	lane.Delivery
	Shown  lane.State
	Reason string
}

// Find lists the waybills that a reference names, newest first: an order's own
// number names that order alone, a document's key its order, any other
// reference (PO, shipment, tracking, invoice, …) all orders that have it. What
// is no order is found by its lane's name (~~item~SKU, ~~receipt~ID), and by any
// reference that no order has. None is [store.ErrNotFound].
func (s *Service) Find(ctx context.Context, ref string) ([]ledger.Waybill, error) {
	found, err := s.store.WaybillsByRef(ctx, ref, ordersMax)
	if err != nil {
		return nil, fmt.Errorf("find what is known as %s: %w", ref, err)
	}
	if len(found) == 0 {
		if kind, number, ok := laneOf(ref); ok {
			if found, err = s.store.WaybillsByRef(ctx, number, ordersMax); err != nil {
				return nil, fmt.Errorf("find %s %s: %w", kind, number, err)
			}
			found = slices.DeleteFunc(found, func(w ledger.Waybill) bool { return w.Kind != kind || w.Ref != number })
		}
	}
	isOrder := func(w ledger.Waybill) bool { return w.Kind == waybill.FlowSales }
	for _, w := range found {
		if w.Ref == ref && isOrder(w) {
			return []ledger.Waybill{w}, nil
		}
	}
	if slices.ContainsFunc(found, isOrder) {
		return slices.DeleteFunc(found, func(w ledger.Waybill) bool { return !isOrder(w) }), nil
	}
	if len(found) == 0 {
		if w, _, err := s.Delivery(ctx, ref); err == nil {
			return []ledger.Waybill{w}, nil
		}
		return nil, fmt.Errorf("nothing is known as %s: %w", ref, store.ErrNotFound)
	}
	return found, nil
}

// laneOf reads the name of a lane that belongs to no order.
func laneOf(name string) (kind waybill.FlowKind, ref string, ok bool) {
	rest, ok := strings.CutPrefix(name, "~~")
	if !ok {
		return "", "", false
	}
	word, ref, ok := strings.Cut(rest, "~")
	return waybill.FlowKind(word), ref, ok && ref != ""
}

// Order reads an order by any reference. Where the reference names several,
// their numbers are the second answer and the first is empty.
func (s *Service) Order(ctx context.Context, ref string) (Order, []string, error) {
	found, err := s.Find(ctx, ref)
	if err != nil {
		return Order{}, nil, err
	}
	if len(found) > 1 {
		names := make([]string, len(found))
		for i, w := range found {
			names[i] = waybill.Lane(w.Kind, w.Ref)
		}
		return Order{}, names, nil
	}
	o, err := s.read(ctx, found[0])
	return o, nil, err
}

func (s *Service) read(ctx context.Context, w ledger.Waybill) (Order, error) {
	state, content, err := s.load(ctx, w)
	if err != nil {
		return Order{}, err
	}
	o := Order{Waybill: w, Content: content, View: state.View()}
	if o.Deliveries, err = s.DeliveriesOf(ctx, w); err != nil {
		return o, err
	}
	if o.Exceptions, err = s.store.OpenExceptionsOf(ctx, w.ID); err != nil {
		return o, fmt.Errorf("read the exceptions of %s: %w", w.Ref, err)
	}
	return o, nil
}

// load reads a waybill's state and attaches the facts that it leaves in the
// ledger. The order's content is that of the highest version in force.
func (s *Service) load(ctx context.Context, w ledger.Waybill) (process.Flow, *waybill.Order, error) {
	state, err := process.LoadFlow(w.Kind, w.State)
	if err != nil {
		return nil, nil, fmt.Errorf("read the state of %s: %w", w.Ref, err)
	}
	var content *waybill.Order
	version := int64(0)
	err = state.Fetch(func(id int64) ([]byte, error) {
		ev, err := s.store.Event(ctx, id)
		isOrder := ev.Type == waybill.OrderPlaced || ev.Type == waybill.OrderChanged
		if err == nil && isOrder && ev.State == ledger.Applied && ev.Version >= version {
			content, version = new(waybill.Order), ev.Version
			err = waybill.Unmarshal(ev.Data, content)
		}
		return ev.Data, err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the facts of %s: %w", w.Ref, err)
	}
	return state, content, nil
}

// systems reads what limits the targets; nothing where nobody runs.
func (s *Service) systems(ctx context.Context) ([]engine.SystemStatus, error) {
	if s.live == nil {
		return nil, nil
	}
	systems, err := s.live.Systems(ctx)
	if err != nil {
		return nil, fmt.Errorf("read what limits the targets: %w", err)
	}
	return systems, nil
}

func shown(d lane.Delivery, systems []engine.SystemStatus) Delivery {
	state, reason := engine.Shown(d, systems)
	return Delivery{Delivery: d, Shown: state, Reason: reason}
}

// DeliveriesOf lists a waybill's deliveries in the order of their decisions.
func (s *Service) DeliveriesOf(ctx context.Context, w ledger.Waybill) ([]Delivery, error) {
	systems, err := s.systems(ctx)
	if err != nil {
		return nil, err
	}
	ds, err := s.store.DeliveriesOf(ctx, w.ID)
	if err != nil {
		return nil, fmt.Errorf("read the deliveries of %s: %w", w.Ref, err)
	}
	out := make([]Delivery, len(ds))
	for i, d := range ds {
		out[i] = shown(d, systems)
	}
	return out, nil
}

// Delivery finds a delivery and its waybill by the document's key;
// [store.ErrNotFound] where there is none.
func (s *Service) Delivery(ctx context.Context, key string) (ledger.Waybill, Delivery, error) {
	none := fmt.Errorf("no delivery has the key %s: %w", key, store.ErrNotFound)
	tag, ok := waybill.TagOfKey(key)
	if !ok {
		return ledger.Waybill{}, Delivery{}, none
	}
	found, err := s.store.WaybillsByTag(ctx, tag)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return ledger.Waybill{}, Delivery{}, fmt.Errorf("find the order of delivery %s: %w", key, err)
	}
	for _, w := range found {
		ds, err := s.DeliveriesOf(ctx, w)
		if err != nil {
			return w, Delivery{}, err
		}
		for _, d := range ds {
			if d.Key == key {
				return w, d, nil
			}
		}
	}
	return ledger.Waybill{}, Delivery{}, none
}

// Attempts lists a delivery's attempts from the first to the last. The last
// one has neither end nor outcome while it is under way.
func (s *Service) Attempts(ctx context.Context, d lane.Delivery) ([]lane.Attempt, error) {
	earlier, err := s.store.Attempts(ctx, d.ID)
	if err != nil {
		return nil, fmt.Errorf("read the attempts of delivery %s: %w", d.Key, err)
	}
	last := lane.Attempt{Delivery: d.ID, Number: d.Attempts, Epoch: d.Epoch, Started: d.StartedAt,
		Deadline: d.Deadline, Ended: d.EndedAt, Outcome: d.Outcome, Detail: d.Detail}
	if last.Started.IsZero() {
		return earlier, nil
	}
	if n := len(earlier); n > 0 && earlier[n-1].Started.Equal(last.Started) {
		return earlier, nil // kept already
	}
	return append(earlier, last), nil
}
