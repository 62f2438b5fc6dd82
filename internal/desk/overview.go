package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/kpi"
	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/tower"
)

const (
	recentMax = 8
	causesMax = 6
	lagOrders = 200              // invoiced orders that the lag is taken from
	lagLeast  = 10 * time.Second // a median does not move faster
)

// Counts implements tower.Source.
func (d *Desk) Counts(ctx context.Context) (tower.Counts, error) {
	orders, err := d.statuses(ctx)
	if err != nil {
		return tower.Counts{}, err
	}
	open, err := d.allOpen(ctx)
	if err != nil {
		return tower.Counts{}, err
	}
	c := tower.Counts{Exceptions: open.count, EDI: len(d.partners()) > 0}
	for status, n := range orders {
		if status != waybill.StatusInvoiced && status != waybill.StatusCancelled {
			c.Orders += n
		}
	}
	return c, nil
}

func (d *Desk) statuses(ctx context.Context) (map[waybill.Status]int, error) {
	return ask(d, &d.orders, func() (map[waybill.Status]int, error) {
		counts, err := d.store.StatusCounts(ctx)
		if err != nil {
			return nil, fmt.Errorf("count the orders: %w", err)
		}
		return counts, nil
	})
}

// Overview implements tower.Source.
func (d *Desk) Overview(ctx context.Context) (tower.Overview, error) {
	now := d.now()
	status, err := d.engine.Status(ctx)
	if err != nil {
		return tower.Overview{}, fmt.Errorf("read where everything stands: %w", err)
	}
	orders, err := d.statuses(ctx)
	if err != nil {
		return tower.Overview{}, err
	}
	open, err := d.allOpen(ctx)
	if err != nil {
		return tower.Overview{}, err
	}
	o := tower.Overview{
		Deliveries: backlog(status.Deliveries), Undecided: status.Undecided, Limbo: status.Limbo, Quarantined: status.Quarantine,
		OldestReady: max(status.Oldest, 0), Quiescent: status.Quiescent, Exceptions: d.rates.raisedPerMinute(now),
	}
	o.In, o.Out = d.rates.perMinute(now)
	for s, n := range orders {
		o.Statuses = append(o.Statuses, tower.StatusCount{Status: string(s), Orders: n})
	}
	slices.SortFunc(o.Statuses, func(a, b tower.StatusCount) int { return cmp.Compare(a.Status, b.Status) })
	for _, s := range status.Systems {
		o.Systems = append(o.Systems, d.shownSystem(s, now))
		o.Incidents = append(o.Incidents, incidents(s)...)
	}
	if ok, reasons := d.engine.Ready(); !ok {
		o.Incidents = append([]tower.Incident{stopped(reasons)}, o.Incidents...)
	}
	for _, g := range open.groups[:min(len(open.groups), causesMax)] {
		c := causeOf(g.cause)
		o.Causes = append(o.Causes, tower.Cause{Cause: g.cause, Title: c.title, Detail: d.detail(c, g.system),
			Tone: c.tone, Open: g.count, Money: g.held.text(), Since: g.since})
	}
	if o.Recent, _, err = d.rows(ctx, ledger.WaybillQuery{Limit: recentMax}); err != nil {
		return tower.Overview{}, err
	}
	o.OrderLag, err = ask(d, &d.lag, func() (string, error) { return d.measureLag(ctx) })
	return o, err
}

// backlog counts unsettled deliveries by the state shown.
func backlog(open map[lane.State]int) tower.DeliveryCounts {
	return tower.DeliveryCounts{Ready: open[lane.Ready], InFlight: open[lane.InFlight], InDoubt: open[lane.InDoubt],
		Waiting: open[lane.Waiting], Parked: open[lane.Parked]}
}

// shownSystem is a system as the map shows it. One that is no longer configured
// is shown as long as documents are on their way to it.
func (d *Desk) shownSystem(s engine.SystemStatus, now time.Time) tower.System {
	conf, configured := d.system(s.Name)
	rate := d.rates.minute(s.Name)
	out := tower.System{Name: s.Name, Role: string(s.Role), Connector: conf.Manifest.Name, Target: s.Takes,
		Source: configured && conf.Conn.Receiver != nil, InRate: int(rate.In), OutRate: int(rate.Out), Backlog: backlog(s.Open)}
	if !s.Takes && s.Paused == "" {
		return out
	}
	out.Breaker = s.Breaker
	switch {
	case s.Paused == "misconfigured":
		out.Health, out.Breaker, out.Note = tower.Blocked, "misconfigured", pauseWords[s.Paused]
	case s.Paused != "":
		out.Health, out.Breaker, out.Note = tower.Blocked, "paused", cmp.Or(pauseWords[s.Paused], words(s.Paused))
	case s.Breaker == "open":
		out.Health, out.Note = tower.Blocked, "it does not answer"
	case s.Until.After(now):
		out.Health, out.Note = tower.Degraded, "it asked to wait until "+s.Until.UTC().Format("15:04:05")
	case s.Open[lane.InDoubt] > 0:
		out.Health, out.Note = tower.Degraded, counted(s.Open[lane.InDoubt], "delivery", "deliveries")+" in doubt"
	}
	if s.Drain >= drainSaid {
		out.Drain = s.Drain.Round(time.Second)
	}
	return out
}

// drainSaid is the shortest time of a drain that is worth a word.
const drainSaid = 10 * time.Second

// pauseWords say in a few words why nothing goes to a system.
var pauseWords = map[string]string{
	"operator":       "paused by a person",
	"unauthorized":   "it refuses the credential",
	"misconfigured":  "something else answers",
	"refusals":       "it refuses everything",
	"target_rewind":  "its books were set back",
	"not_configured": "no longer configured",
}

// incidents are what stops more than one order at a system.
func incidents(s engine.SystemStatus) []tower.Incident {
	held := 0
	for _, n := range s.Open {
		held += n
	}
	waits := "Nothing waits for it yet."
	if held > 0 {
		waits = counted(held, "delivery waits", "deliveries wait") + " in order, and nothing is lost."
	}
	one := tower.Incident{Tone: "bad", System: s.Name}
	switch {
	case s.Paused == "not_configured":
		one.Title = s.Name + " is no longer configured."
		one.Detail = waits + " Put it back into the configuration, or skip what was meant for it."
	case s.Paused == "operator":
		one.Tone, one.Title = "warn", s.Name+" is paused by a person."
		one.Detail = waits + " Resume it when it may go on."
	case s.Paused != "":
		one.Title = s.Name + " is paused: " + cmp.Or(pauseWords[s.Paused], words(s.Paused)) + "."
		one.Detail = joined(" ", waits, causes["target_"+strings.TrimPrefix(s.Paused, "target_")].next)
	case s.Breaker == "open":
		one.Title = s.Name + " does not answer."
		one.Detail = waits + " They go out by themselves when it answers a probe."
	default:
		return nil
	}
	return []tower.Incident{one}
}

// stopped is the incident that nothing is taken in or sent.
func stopped(reasons []string) tower.Incident {
	return tower.Incident{Tone: "bad", Title: "Waybill cannot commit.",
		Detail: "Nothing is lost: senders are told to send again. " + sentence(joined("; ", reasons...)) + "."}
}

// measureLag is the median from an order's first byte to the receipt for its
// first invoice, over the newest orders that are invoiced.
func (d *Desk) measureLag(ctx context.Context) (string, error) {
	report, err := kpi.Measure(ctx, newest{d.store}, time.Time{})
	if err != nil {
		return "", fmt.Errorf("measure the way to the invoice: %w", err)
	}
	if report.OrderToInvoice.N == 0 {
		return "", nil
	}
	return "median " + span(report.OrderToInvoice.P50) + " to invoice", nil
}

// newest lets a measurement see the newest invoiced orders only, so that its
// cost does not grow with the ledger.
type newest struct{ Store }

// Waybills implements kpi.Reader.
func (n newest) Waybills(ctx context.Context, q ledger.WaybillQuery) ([]ledger.Waybill, error) {
	if q.Before != 0 {
		return nil, nil
	}
	q.Status, q.Limit = waybill.StatusInvoiced, lagOrders
	return n.Store.Waybills(ctx, q)
}
