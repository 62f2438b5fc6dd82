package store

import (
	"context"

	"github.com/waybillhq/waybill/internal/lane"
	"github.com/waybillhq/waybill/internal/ledger"
)

// Shared is a database whose shards several replicas own side by side. What
// one of them finds out and another has to do is handed over in the database:
// the task is written in the commit that made it necessary, and taken away in
// the commit that did it, under the fence of its shard. So it is done once,
// whoever owns the shard by then.
type Shared interface {
	Store

	// Fresh hands out n ids above all that any replica was given before.
	Fresh(ctx context.Context, n int64) (int64, error)
	// Leave lets every shard of a replica go, and forgets it: from now on the
	// others share without it.
	Leave(ctx context.Context, replica string) error
	// Tasks reads what was handed to the shards and is not done, in the order of
	// ids.
	Tasks(ctx context.Context, shards []int, limit int) ([]Task, error)
	// TakeAnswer takes away what the owner answered to a task; ErrNotFound as
	// long as it has not.
	TakeAnswer(ctx context.Context, task int64) (string, error)
	// OpenWork counts, at one moment, what is not settled in the whole database.
	OpenWork(ctx context.Context) (OpenWork, error)
	// PendingIn streams the unsettled deliveries of shards, in the order of ids.
	PendingIn(ctx context.Context, shards []int, each func(lane.Pending) error) error
	// TimersIn streams the timers of shards, soonest first. Those of the
	// installation are in shard 0.
	TimersIn(ctx context.Context, shards []int, each func(Timer) error) error
	// Settings reads the settings whose names begin with a prefix.
	Settings(ctx context.Context, prefix string) (map[string]string, error)
	// Listen calls wake whenever a replica has handed something over, until ctx
	// ends or the connection does. What happened before it listened is not told.
	Listen(ctx context.Context, wake func()) error
}

// SharedTx is a batch of a [Shared] database.
type SharedTx interface {
	Tx
	// HandOver writes what goes between replicas, after Write. A task taken that
	// is not there any more fails the batch: it was done.
	HandOver(ctx context.Context, h *HandOver) error
}

// HandOver is what a batch hands to the owners of other shards, and what it
// did of what was handed to its own. The fence of a taken task's shard is its
// head among the batch's heads.
type HandOver struct {
	Tasks   []Task
	Taken   []Task           // only ids and shards count
	Answers map[int64]string // by task, for whoever waits for it
	Aliases []Alias
	Wake    bool // the other replicas are told although no task is handed over
}

// Empty reports whether nothing is handed over.
func (h *HandOver) Empty() bool {
	return len(h.Tasks)+len(h.Taken)+len(h.Answers)+len(h.Aliases) == 0 && !h.Wake
}

// Task is something that a shard's owner has to do.
type Task struct {
	ID    int64
	Shard int
	Kind  string
	Data  []byte // JSON
}

// Alias is the id that an event was announced under, where its shard had gone
// past it before the event came to it: whoever asks for it gets Event.
type Alias struct {
	ID    int64
	Event int64
	Shard int
}

// OpenWork is what is not settled in a whole database.
type OpenWork struct {
	Deliveries map[string]map[lane.State]int // by target; unsettled ones only
	Events     map[ledger.EventState]int     // not applied, superseded or ignored
	Tasks      int                           // handed over and not done
}
