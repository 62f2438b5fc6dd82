package desk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/tower"
)

// listMax bounds the exceptions that are gathered for a list that no index
// groups: those of one order, and those settled of late.
const listMax = 2000

// openExceptions is what waits for a person now, the worst group first.
type openExceptions struct {
	count  int
	held   purse
	groups []group
}

// group is the exceptions of one cause.
type group struct {
	cause   string
	system  string // that all are about; empty where they are about several or none
	count   int
	held    purse
	since   time.Time
	actions []string
}

// gathering sums exceptions up, one by one. An order's value is held once, in
// each group and in all, however many of its documents are stuck.
type gathering struct {
	all    openExceptions
	at     map[string]int // cause to its place in groups
	orders map[int64]bool
	within map[groupOrder]bool
}

type groupOrder struct {
	cause   string
	waybill int64
}

func newGathering() *gathering {
	return &gathering{all: openExceptions{held: purse{}}, at: map[string]int{}, orders: map[int64]bool{}, within: map[groupOrder]bool{}}
}

func (g *gathering) add(x exception.Exception) {
	i, known := g.at[x.Cause]
	if !known {
		i = len(g.all.groups)
		g.at[x.Cause] = i
		g.all.groups = append(g.all.groups, group{cause: x.Cause, held: purse{}, since: x.Since, system: about(x), actions: x.Actions})
	}
	one := &g.all.groups[i]
	g.all.count++
	one.count++
	if x.Since.Before(one.since) {
		one.since = x.Since
	}
	if one.system != about(x) {
		one.system = ""
	}
	if x.Money.Amount.IsZero() {
		return
	}
	if in := (groupOrder{x.Cause, x.Waybill}); x.Waybill == 0 || !g.within[in] {
		g.within[in] = true
		one.held.put(x.Money)
	}
	if x.Waybill == 0 || !g.orders[x.Waybill] {
		g.orders[x.Waybill] = true
		g.all.held.put(x.Money)
	}
}

// result puts the worst group first.
func (g *gathering) result() openExceptions {
	rank := []string{"bad", "warn", ""}
	slices.SortFunc(g.all.groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(slices.Index(rank, causeOf(a.cause).tone), slices.Index(rank, causeOf(b.cause).tone)),
			cmp.Compare(b.count, a.count), a.since.Compare(b.since), cmp.Compare(a.cause, b.cause))
	})
	return g.all
}

// about is the system that an exception names by itself.
func about(x exception.Exception) string {
	switch {
	case x.Waybill != 0:
		return ""
	case strings.HasPrefix(x.Cause, "target_"), x.Cause == "clock_skew":
		return x.Subject
	}
	system, _, named := strings.Cut(x.Subject, "/")
	if !named {
		return ""
	}
	return system
}

// allOpen sums up everything that is open.
func (d *Desk) allOpen(ctx context.Context) (openExceptions, error) {
	return ask(d, &d.open, func() (openExceptions, error) {
		g := newGathering()
		for after, more := int64(0), true; more; {
			list, err := d.store.Exceptions(ctx, exception.Query{State: exception.Open, After: after, Limit: pageSize})
			if err != nil {
				return openExceptions{}, fmt.Errorf("read the open exceptions: %w", err)
			}
			for _, x := range list {
				after = x.ID
				g.add(x)
			}
			more = len(list) == pageSize
		}
		return g.result(), nil
	})
}

// Exceptions implements tower.Source. Of the settled ones it lists those raised
// within the last hours.
func (d *Desk) Exceptions(ctx context.Context, q tower.ExceptionQuery) (tower.ExceptionPage, error) {
	after := int64(0)
	if q.After != "" {
		var ok bool
		if after, ok = number(q.After, exceptionPrefix); !ok {
			return tower.ExceptionPage{}, fmt.Errorf("the list has no page after %q: %w", q.After, tower.ErrNotFound)
		}
	}
	limit := max(q.Limit, 1)
	open, err := d.allOpen(ctx)
	if err != nil {
		return tower.ExceptionPage{}, err
	}
	page := tower.ExceptionPage{Open: open.count, Money: open.held.text()}
	closed := q.State == string(exception.Closed)
	groups := open.groups
	var list []exception.Exception
	if closed || q.Order != "" {
		if list, err = d.gather(ctx, q); err != nil {
			return page, err
		}
		g := newGathering()
		for _, x := range list {
			g.add(x)
		}
		groups = g.result().groups
	}
	opened := q.Cause
	if opened == "" && len(groups) > 0 {
		opened = groups[0].cause
	}
	for _, one := range groups {
		shown := d.shownGroup(one, closed)
		if one.cause == opened {
			var of []exception.Exception
			if list == nil {
				of, err = d.store.Exceptions(ctx, exception.Query{State: exception.Open, Cause: opened, After: after, Limit: limit + 1})
				if err != nil {
					return page, fmt.Errorf("read the exceptions of cause %s: %w", opened, err)
				}
			} else {
				of = slices.DeleteFunc(slices.Clone(list), func(x exception.Exception) bool { return x.Cause != opened || x.ID <= after })
			}
			if len(of) > limit {
				of = of[:limit]
				page.Next = exceptionID(of[limit-1].ID)
			}
			if shown.Items, err = d.items(ctx, of); err != nil {
				return page, err
			}
		}
		page.Groups = append(page.Groups, shown)
	}
	return page, nil
}

// gather reads the exceptions of one order, or those settled of late.
func (d *Desk) gather(ctx context.Context, q tower.ExceptionQuery) ([]exception.Exception, error) {
	state := exception.State(cmp.Or(q.State, string(exception.Open)))
	list := []exception.Exception{}
	if q.Order != "" {
		found, err := d.trace.Find(ctx, q.Order)
		if errors.Is(err, store.ErrNotFound) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		for _, w := range found {
			of, err := d.store.Exceptions(ctx, exception.Query{Waybill: w.ID, State: state, Limit: listMax - len(list)})
			if err != nil {
				return nil, fmt.Errorf("read the exceptions of %s: %w", w.Ref, err)
			}
			if list = append(list, of...); len(list) >= listMax {
				break
			}
		}
		return list, nil
	}
	for _, window := range []time.Duration{hoursShown * time.Hour, time.Hour, time.Minute} {
		from, err := d.before(ctx, d.now().Add(-window))
		if err != nil {
			return nil, err
		}
		if list, err = d.store.Exceptions(ctx, exception.Query{State: state, After: from, Limit: listMax}); err != nil {
			return nil, fmt.Errorf("read what was settled: %w", err)
		}
		if len(list) < listMax { // else only its oldest would be seen
			break
		}
	}
	if list == nil {
		list = []exception.Exception{}
	}
	return list, nil
}

func (d *Desk) shownGroup(g group, closed bool) tower.ExceptionGroup {
	c := causeOf(g.cause)
	out := tower.ExceptionGroup{Cause: g.cause, Title: c.title, Detail: d.detail(c, g.system), Next: c.next, Tone: c.tone,
		Open: g.count, Money: g.held.text(), Since: g.since, Arrivals: d.rates.raisedPerHour(g.cause, d.now())}
	if closed {
		out.Tone, out.Next = "", ""
		return out
	}
	for _, k := range exceptionActions(g.cause, g.actions) {
		if k != tower.Settle && k != tower.Match { // each has a number or an order of its own
			out.Actions = append(out.Actions, k)
		}
	}
	return out
}

// causeOverShipped is the exception that is settled by letting the excess be
// invoiced.
const causeOverShipped = "over_shipped"

// The engine's names of what can be done to an exception.
const (
	actionRetry  = "retry"
	actionSkip   = "skip"
	actionSettle = "settle"
	actionClose  = "close"
	actionMatch  = "match"
	actionTake   = "take"
	actionLeave  = "decline"
)

// exceptionActions are what the pages offer of the actions that an exception
// has. Closing one that is about no delivery is skipping it; resuming belongs
// to the system.
func exceptionActions(cause string, actions []string) []tower.ActionKind {
	var out []tower.ActionKind
	if cause == causeOverShipped {
		out = append(out, tower.Settle)
	}
	for _, a := range actions {
		switch a {
		case actionRetry:
			out = append(out, tower.Retry)
		case actionSkip, actionClose:
			out = append(out, tower.Skip)
		case actionSettle:
			out = append(out, tower.Settle)
		case actionMatch:
			out = append(out, tower.Match)
		case actionTake:
			out = append(out, tower.Take)
		case actionLeave:
			out = append(out, tower.Decline)
		}
	}
	return out
}

// items are exceptions with what is known of the deliveries they are about.
func (d *Desk) items(ctx context.Context, list []exception.Exception) ([]tower.Exception, error) {
	out := make([]tower.Exception, 0, len(list))
	for _, x := range list {
		one := tower.Exception{ID: exceptionID(x.ID), Order: x.Ref, Detail: x.Detail, Next: sentence(x.Next), System: about(x),
			Money: money(x.Money), Since: x.Since}
		if x.Money.Amount.IsZero() {
			one.Money = ""
		}
		if x.State == exception.Open {
			one.Actions = exceptionActions(x.Cause, x.Actions)
		}
		if err := d.complete(ctx, &one, x); err != nil {
			return nil, err
		}
		out = append(out, one)
	}
	return out, nil
}

// complete adds what an exception is about: a delivery, or a message.
func (d *Desk) complete(ctx context.Context, one *tower.Exception, x exception.Exception) error {
	subject, _, _ := strings.Cut(x.Subject, "#") // "#" and the line
	if _, isKey := waybill.TagOfKey(subject); isKey && x.Waybill != 0 {
		all, err := d.store.DeliveriesOf(ctx, x.Waybill)
		if err != nil {
			return fmt.Errorf("read the deliveries of %s: %w", x.Ref, err)
		}
		for _, del := range all {
			switch {
			case del.Key == subject:
				one.Key, one.System, one.Code, one.Attempts = del.Key, del.Target, del.Reason, del.Attempts
				one.Document = sentence(string(del.Kind))
				if _, byKey := waybill.TagOfKey(del.Subject); !byKey && del.Subject != x.Ref {
					one.Document += " " + del.Subject
				}
				if del.Attempted() {
					one.Message = del.Key
				}
			case !del.State.Settled() && del.Reason == "behind "+subject:
				one.Behind++
			}
		}
		return nil
	}
	n, err := strconv.ParseInt(subject, 10, 64)
	if err == nil && n > 0 && (x.Cause == "limbo_expired" || x.Cause == "unknown_unit" || x.Cause == "unreadable_fact") {
		ev, err := d.store.Event(ctx, n)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read event %d: %w", n, err)
		}
		one.System, one.Message = ev.Source, messageID(ev.Message)
		return nil
	}
	source, id, named := strings.Cut(x.Subject, "/")
	if x.Waybill != 0 || !named {
		return nil
	}
	m, err := d.store.MessageByDedupe(ctx, source, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read message %s of %s: %w", id, source, err)
	}
	one.Message = messageID(m.ID)
	return nil
}
