package sqlite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/waybillhq/waybill/internal/store"
)

const (
	settingWrite = `
		INSERT INTO setting (name, value) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`

	settingRead = `SELECT value FROM setting WHERE name = ?`
)

func (w *writer) writeSettings(ctx context.Context, settings map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if name == reservedName {
			return fmt.Errorf("write setting %s: the store keeps it itself", name)
		}
		if _, err := w.settingWrite.exec(ctx, name, settings[name]); err != nil {
			return writing(err, "setting %s", name)
		}
	}
	return nil
}

// Setting implements store.Store.
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	err = s.settingRead.QueryRowContext(quick(ctx), name).Scan(&value)
	return value, reading(err, "setting %s", name)
}

const (
	// reservedName is the setting that holds the highest id handed out.
	reservedName = "store.reserved"

	// reserveBlock is how many ids one write sets aside; a restart leaves the
	// rest of its block unused.
	reserveBlock = 1 << 16
)

// ids hands out numbers from a block that the database already counts as
// used. A block taken inside an open batch is durable with it, and so before
// anything that bears one of its numbers; if the batch is dropped, the next
// request takes it again.
type ids struct {
	mu      sync.Mutex
	next    int64 // to hand out
	limit   int64 // the last of the block
	durable int64 // what the database holds for sure
	tx      *tx   // the batch that is open
}

// settle notes how the open batch ended.
func (i *ids) settle(committed bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tx = nil
	if committed {
		i.durable = i.limit
	} else {
		i.limit = i.durable
	}
}

// Reserve implements store.Store. It may be called while a batch is open.
func (s *Store) Reserve(ctx context.Context, n int64) (int64, error) {
	if n < 1 {
		return 0, fmt.Errorf("reserve %d ids: want at least one", n)
	}
	i := &s.ids
	for {
		i.mu.Lock()
		if i.next+n-1 <= i.limit {
			break
		}
		if i.tx != nil {
			if err := i.extend(i.tx.ctx, i.tx.w, n); err != nil {
				i.mu.Unlock()
				return 0, fmt.Errorf("reserve %d ids: %w", n, err)
			}
			break
		}
		i.mu.Unlock()
		if err := s.reserveBlock(ctx, n); err != nil {
			return 0, fmt.Errorf("reserve %d ids: %w", n, err)
		}
	}
	first := i.next
	i.next += n
	i.mu.Unlock()
	return first, nil
}

// extend takes a block that holds n more ids; mu is held.
func (i *ids) extend(ctx context.Context, w *writer, n int64) error {
	to := i.next + n - 1 + reserveBlock
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.settingWrite.exec(ctx, reservedName, strconv.FormatInt(to, 10)); err != nil {
		return writing(err, "setting %s", reservedName)
	}
	i.limit = to
	return nil
}

// begin notes the batch that is open. Where ids of a block that was dropped
// are in somebody's hands, the batch takes the block again, so that what it
// writes under them is covered.
func (i *ids) begin(t *tx) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.next-1 > i.limit {
		if err := i.extend(t.ctx, t.w, 0); err != nil {
			return err
		}
	}
	i.tx = t
	return nil
}

// reserveBlock takes a block in a transaction of its own.
func (s *Store) reserveBlock(ctx context.Context, n int64) error {
	return s.alone(ctx, func(ctx context.Context, w *writer) error {
		i := &s.ids
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.next+n-1 <= i.limit {
			return nil // another caller took one meanwhile
		}
		if err := i.extend(ctx, w, n); err != nil {
			return err
		}
		i.durable = i.limit
		return nil
	})
}

// load reads where the last process stopped.
func (i *ids) load(ctx context.Context, s *Store) error {
	v, err := s.Setting(ctx, reservedName)
	if errors.Is(err, store.ErrNotFound) {
		v, err = "0", nil
	}
	if err != nil {
		return err
	}
	if i.durable, err = strconv.ParseInt(v, 10, 64); err != nil {
		return fmt.Errorf("read setting %s: %w", reservedName, err)
	}
	i.limit, i.next = i.durable, i.durable+1
	return nil
}
