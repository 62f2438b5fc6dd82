package desk

import (
	"context"
	"strconv"

	"github.com/waybillhq/waybill/internal/tower"
	"github.com/waybillhq/waybill/internal/trace"
)

// partners are the configured systems that exchange numbered interchanges.
func (d *Desk) partners() (names []string) {
	for _, s := range *d.systems.Load() {
		if s.Manifest.Numbered {
			names = append(names, s.Name)
		}
	}
	return names
}

// Interchanges implements tower.Source.
func (d *Desk) Interchanges(ctx context.Context, q tower.InterchangeQuery) (tower.InterchangePage, error) {
	page := tower.InterchangePage{Partners: d.partners()}
	ask := trace.InterchangeQuery{Systems: page.Partners, Limit: q.Limit, Now: d.now()}
	if q.System != "" {
		ask.Systems = []string{q.System}
	}
	if n, err := strconv.ParseInt(q.After, 10, 64); err == nil && n > 0 {
		ask.Before = n
	}
	list, more, err := d.trace.Interchanges(ctx, ask)
	if err != nil {
		return page, err
	}
	for i := range list {
		ic := &list[i]
		one := tower.Interchange{ID: ic.Key, Outbound: ic.Message == 0, System: ic.System, Control: ic.Control, Sets: ic.Sets, At: ic.At,
			State: ic.State, Reason: ic.Reason, AckBy: ic.AckBy, AnsweredBy: messageID(ic.AnsweredBy), Orders: ic.Orders}
		if ic.Message != 0 {
			one.ID = messageID(ic.Message)
		}
		for _, a := range ic.Answers {
			one.Answers = append(one.Answers, tower.InterchangeAnswer{ID: a.Key, State: string(a.State)})
		}
		page.Interchanges = append(page.Interchanges, one)
		if more {
			page.Next = strconv.FormatInt(ic.ID, 10)
		}
	}
	return page, nil
}
