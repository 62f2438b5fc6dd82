package engine

import (
	"context"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/process"
)

// touchesMax is how many changed entities are remembered between two turns.
const touchesMax = 32768

// touches remember when customers, items and payments changed of late. An
// order is not held yet while its check is on its way, so nobody watches for
// it: a change that comes in between would be lost to a check that was judged
// before it.
type touches struct {
	now, before map[string]touch
}

type touch struct {
	at   time.Time
	kind string
}

func newTouches() *touches { return &touches{now: map[string]touch{}} }

func (t *touches) add(entity, kind string, at time.Time) {
	if len(t.now) >= touchesMax {
		t.now, t.before = map[string]touch{}, t.now
	}
	t.now[entity] = touch{at: at, kind: kind}
}

func (t *touches) find(entity string) (touch, bool) {
	if one, ok := t.now[entity]; ok {
		return one, true
	}
	one, ok := t.before[entity]
	return one, ok
}

// missed checks an order again where an entity that it watches from now on has
// changed since its check was decided.
func (b *batch) missed(ctx context.Context, f *flow, entity, id string) {
	one, ok := b.e.touched.find(entity)
	if !ok {
		return
	}
	for _, l := range f.lanes {
		for _, d := range l.queue {
			if d.Kind == waybill.OrderCheck && d.DecidedAt.After(one.at) {
				return // it was judged after the change
			}
		}
	}
	b.next = append(b.next, func() error {
		return b.own(ctx, f, waybill.EntityTouched, &process.Touched{Kind: one.kind, ID: id})
	})
}
