package engine

import (
	"context"
	"errors"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// recentMax is how many messages are remembered between two turns. It is far
// above what can wait in the inbox between a look into the store and the
// loop's turn.
const recentMax = 16 * inboxSize

// recent remembers the last messages, so that two copies that arrive at once
// are one message although neither is in the store yet.
type recent struct {
	now, before map[messageKey]*ledger.Message
}

type messageKey struct{ source, id string }

func newRecent() *recent { return &recent{now: map[messageKey]*ledger.Message{}} }

// find returns the message that m repeats: the one the store knew, or one that
// came since.
func (r *recent) find(m, stored *ledger.Message) *ledger.Message {
	if m.Status == ledger.Rejected {
		return nil
	}
	if stored != nil {
		return stored
	}
	key := messageKey{m.Source, m.DedupeID}
	if k := r.now[key]; k != nil {
		return k
	}
	return r.before[key]
}

func (r *recent) add(m *ledger.Message) {
	if m.Status == ledger.Rejected {
		return
	}
	if len(r.now) >= recentMax {
		r.now, r.before = map[messageKey]*ledger.Message{}, r.now
	}
	r.now[messageKey{m.Source, m.DedupeID}] = &ledger.Message{ID: m.ID, Source: m.Source, DedupeID: m.DedupeID,
		Status: m.Status, ReceivedAt: m.ReceivedAt, SHA256: m.SHA256, FirstEvent: m.FirstEvent, Events: m.Events}
}

// forget drops everything: after a commit that failed, what was remembered may
// not be in the store.
func (r *recent) forget() { clear(r.now); clear(r.before) }

// repeated looks in the store for the message that m repeats.
func (e *Engine) repeated(ctx context.Context, m *ledger.Message) (*ledger.Message, error) {
	if m.Status == ledger.Rejected {
		return nil, nil
	}
	k, err := e.store.MessageByDedupe(ctx, m.Source, m.DedupeID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &k, err
}
