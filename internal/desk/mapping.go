package desk

import (
	"context"
	"errors"
	"strings"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/crossref"
	"github.com/waybillhq/waybill/internal/engine"
	names "github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/tower"
)

// Unmapped implements tower.Source.
func (d *Desk) Unmapped(ctx context.Context) ([]tower.Unmapped, error) {
	list, err := crossref.List(ctx, d.store)
	if err != nil {
		return nil, err
	}
	out := make([]tower.Unmapped, len(list))
	for i := range list {
		u := &list[i]
		one := tower.Unmapped{Key: u.Key(), Kind: strings.ReplaceAll(string(u.Kind), "_", " "), System: u.System, Value: u.Value, Detail: u.Detail,
			Waiting: u.Waiting, Orders: u.Orders, Since: u.Since, Packs: u.Kind.Entity() == names.Item}
		for _, m := range u.Money {
			one.Money = append(one.Money, m.String())
		}
		for _, s := range u.Suggestions {
			one.Suggestions = append(one.Suggestions, tower.Suggestion{Canonical: s.Canonical, Why: s.Why})
		}
		out[i] = one
	}
	return out, nil
}

// Map implements tower.Source.
func (d *Desk) Map(ctx context.Context, m tower.Meaning) (int, error) {
	r, err := names.ParseKey(m.Key)
	if err != nil {
		return 0, told{err.Error(), tower.ErrRefused}
	}
	add := names.Mapping{Reference: r, Canonical: m.Canonical, Unit: m.Unit}
	if m.Multiplier != "" {
		if add.Multiplier, err = waybill.ParseDecimal(m.Multiplier); err != nil {
			return 0, told{err.Error(), tower.ErrRefused}
		}
	}
	defer d.open.forget()
	defer d.orders.forget()
	out, err := d.engine.Map(ctx, engine.Remap{Actor: m.Actor, Reason: m.Reason, Add: []names.Mapping{add}})
	var wrong *waybill.Error
	switch {
	case errors.As(err, &wrong):
		return 0, told{wrong.Error(), tower.ErrRefused}
	case errors.Is(err, engine.ErrStopped):
		return 0, told{err.Error(), tower.ErrRefused}
	case err != nil:
		return 0, err
	}
	return len(out.Events) + len(out.Deliveries), nil
}
