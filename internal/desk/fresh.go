package desk

import (
	"sync"
	"time"
)

// freshShare bounds what counting again and again may cost: an answer that took
// a millisecond is used for at least freshShare milliseconds.
const freshShare = 20

// fresh is an answer that is read again when something was committed since,
// but not so often that reading it becomes the work. All who ask at once share
// one reading.
type fresh[T any] struct {
	mu      sync.Mutex
	has     bool
	value   T
	batches int64         // commits when it was read
	until   time.Time     // it is good enough until then
	least   time.Duration // it is good enough for this long, however quick
}

// get answers from memory where that is right or good enough, otherwise by
// read. stale says that a commit was made since.
func (f *fresh[T]) get(now func() time.Time, batches int64, read func() (T, error)) (value T, stale bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := now()
	switch {
	case f.has && f.batches == batches:
		return f.value, false, nil
	case f.has && from.Before(f.until):
		return f.value, true, nil
	}
	value, err = read()
	if err != nil {
		return value, false, err
	}
	to := now()
	f.has, f.value, f.batches = true, value, batches
	f.until = to.Add(max(freshShare*to.Sub(from), f.least))
	return value, false, nil
}

// forget makes the next answer a new one.
func (f *fresh[T]) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.has = false
}

// ask is get with the desk's clock and the engine's commits.
func ask[T any](d *Desk, f *fresh[T], read func() (T, error)) (T, error) {
	value, stale, err := f.get(d.now, d.engine.Stats().Batches.Load(), read)
	if stale {
		d.stale.Store(true)
	}
	return value, err
}
