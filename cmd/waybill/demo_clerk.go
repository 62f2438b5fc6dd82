package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/sandbox"
)

// clerk is the person at a demonstration who says what a number means that
// nobody has mapped. He does it as people do: by the control API, with a reason
// for the audit log, a while after the order was held.
type clerk struct {
	api    *apiClient
	world  *sandbox.World
	after  time.Duration      // how long an order waits for him
	failed chan error         // the end of his work, where it failed
	leave  context.CancelFunc // ends his work; nil before it began
}

// The time that a visitor has to see a held order, and how often the clerk
// looks.
const (
	clerkAfter = 20 * time.Second
	clerkEvery = 100 * time.Millisecond
)

// goLive does what a company does before its first order: it brings in what the
// storefront calls its items, and lets Waybill read the ERP's master data.
func (d *demo) goLive(ctx context.Context) error {
	if d.clerk == nil {
		return nil
	}
	if err := d.clerk.bringIn(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, masterWithin)
	defer cancel()
	tick := time.NewTicker(clerkEvery / 10)
	defer tick.Stop()
	for {
		err := d.clerk.api.call(ctx, http.MethodGet, "/api/v1/orders/"+sandbox.LastItem, nil, &struct{}{})
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the ERP's item records before the first order: %w", err)
		case err := <-d.ended:
			d.ended <- err
			return fmt.Errorf("the engine stopped: %w", err)
		case <-tick.C:
		}
	}
}

// masterWithin bounds the wait for the ERP's item records.
const masterWithin = time.Minute

// bringIn brings in the sheet of the storefront's numbers.
func (c *clerk) bringIn(ctx context.Context) error {
	var sheet strings.Builder
	sheet.WriteString("kind,system,value,canonical\n")
	for _, number := range c.world.Numbers() {
		fmt.Fprintf(&sheet, "item,shop,%s,%s\n", number, number)
	}
	done, err := c.api.importSheet(ctx, []byte(sheet.String()), false, "the storefront goes live")
	if err != nil {
		return fmt.Errorf("bring in the storefront's numbers: %w", err)
	}
	if done.Refused > 0 {
		return fmt.Errorf("bring in the storefront's numbers: %d lines are refused, the first: %+v", done.Refused, done.Lines[0])
	}
	return nil
}

// run maps what waits for a mapping until ctx ends, or what he does fails.
func (c *clerk) run(ctx context.Context) {
	tick := time.NewTicker(clerkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := c.look(ctx); err != nil && ctx.Err() == nil {
				c.failed <- err
				return
			}
		}
	}
}

// trouble is what ends the clerk's work before the demonstration's.
func (d *demo) trouble() <-chan error {
	if d.clerk == nil {
		return nil
	}
	return d.clerk.failed
}

// look maps what has waited long enough.
func (c *clerk) look(ctx context.Context) error {
	var waiting []struct {
		Kind   string    `json:"kind"`
		System string    `json:"system"`
		Value  string    `json:"value"`
		Since  time.Time `json:"since"`
	}
	if err := c.api.call(ctx, http.MethodGet, "/api/v1/mappings/unmapped", nil, &waiting); err != nil {
		return fmt.Errorf("ask what waits for a mapping: %w", err)
	}
	for _, u := range waiting {
		means := c.world.Meaning(u.Value)
		if u.System != "shop" || means == "" || time.Since(u.Since) < c.after {
			continue
		}
		body := map[string]string{"kind": u.Kind, "system": u.System, "value": u.Value, "canonical": means, "reason": "asked the storefront what it sells by it"}
		if err := c.api.call(ctx, http.MethodPost, "/api/v1/mappings", body, &releasedAnswer{}); err != nil {
			return fmt.Errorf("map %s: %w", u.Value, err)
		}
	}
	return nil
}

// unmapped says whether an order waits for the clerk.
func (d *demo) unmapped(ctx context.Context) (bool, error) {
	if d.clerk == nil {
		return false, nil
	}
	open, err := d.store.Exceptions(ctx, exception.Query{Cause: engine.CauseUnmapped, State: exception.Open, Limit: 1})
	return len(open) > 0, err
}
