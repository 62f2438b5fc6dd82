package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
)

const (
	settingWrite = `
		INSERT INTO setting (name, value)
		SELECT * FROM $rows
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`

	settingRead = `SELECT value FROM setting WHERE name = $1`

	settingReserve = `
		INSERT INTO setting (name, value) VALUES ($1, $2::int8::text)
		ON CONFLICT (name) DO UPDATE SET value = (setting.value::int8 + $2::int8)::text
		RETURNING value::int8`
)

func (w *writer) addSettings(settings map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if name == reservedName {
			return fmt.Errorf("write setting %s: the store keeps it itself", name)
		}
		w.sheet.settingWrite.add().text(name).text(settings[name])
	}
	return nil
}

// Setting implements store.Store.
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	v, err := one(ctx, s, settingRead, (*cells).text, name)
	return v, reading(err, "setting %s", name)
}

const (
	// reservedName is the setting that holds the highest id handed out.
	reservedName = "store.reserved"

	// reserveBlock is how many ids one write sets aside; a restart leaves the
	// rest of its block unused.
	reserveBlock = 1 << 16
)

// ids hands out numbers from a block that the database counts as used. Blocks
// of several replicas never meet; those of one rise.
type ids struct {
	mu    sync.Mutex
	next  int64 // to hand out
	limit int64 // the last of the block
}

// Reserve implements store.Store. It may be called while a batch is open: a
// block is taken on a connection of its own and durable at once.
func (s *Store) Reserve(ctx context.Context, n int64) (int64, error) {
	if n < 1 {
		return 0, fmt.Errorf("reserve %d ids: want at least one", n)
	}
	if s.readOnly {
		return 0, fmt.Errorf("reserve %d ids: %w", n, errReadOnly)
	}
	i := &s.ids
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.next == 0 || i.next+n-1 > i.limit {
		block := n + reserveBlock
		last, err := one(ctx, s, settingReserve, (*cells).num, reservedName, block)
		if err != nil {
			return 0, fmt.Errorf("reserve %d ids: %w", n, err)
		}
		i.next, i.limit = last-block+1, last
	}
	first := i.next
	i.next += n
	return first, nil
}

// drop gives up what is left of the block: who takes shards over writes under
// ids above all that their last owner had.
func (i *ids) drop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.next, i.limit = 0, 0
}
