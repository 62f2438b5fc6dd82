// Package storetest is what every store must agree on: one suite, called in
// one line by each of them. What it asks for is what the engine relies on.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// Open opens the store of a place. Two calls with the same place open the same
// database, the first one being closed before the second; a new place is an
// empty database.
type Open func(t *testing.T, place string) store.Store

// Run holds a store to its promises.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *books)
	}{
		{"MessageRoundTrip", messageRoundTrip},
		{"MessageDedupe", messageDedupe},
		{"MessageDedupeSideBySide", messageDedupeSideBySide},
		{"MessageDedupeAfterRollback", messageDedupeAfterRollback},
		{"MessageRejected", messageRejected},
		{"MessageUpdate", messageUpdate},
		{"MessageBig", messageBig},
		{"EventRoundTrip", eventRoundTrip},
		{"EventQueries", eventQueries},
		{"EventsOfMessage", eventsOfMessage},
		{"EventStates", eventStates},
		{"WaybillRoundTrip", waybillRoundTrip},
		{"WaybillVersions", waybillVersions},
		{"WaybillLists", waybillLists},
		{"WaybillStatusCounts", waybillStatusCounts},
		{"WaybillReferences", waybillReferences},
		{"WaybillKinds", waybillKinds},
		{"WaybillPast", waybillPast},
		{"HeadsAndFence", headsAndFence},
		{"LeaseAcquire", leaseAcquire},
		{"LeaseIDsRise", leaseIDsRise},
		{"DeliveryRoundTrip", deliveryRoundTrip},
		{"DeliveryReplaced", deliveryReplaced},
		{"DeliveryQueries", deliveryQueries},
		{"DeliveryOfItem", deliveryOfItem},
		{"DeliveryPending", deliveryPending},
		{"DeliveryBodyAndAttempts", deliveryBodyAndAttempts},
		{"ExceptionRoundTrip", exceptionRoundTrip},
		{"ExceptionQueries", exceptionQueries},
		{"ExceptionOpenOnce", exceptionOpenOnce},
		{"MappingRoundTrip", mappingRoundTrip},
		{"MappingOneMeaning", mappingOneMeaning},
		{"AuditChain", auditChain},
		{"Timers", timers},
		{"Watches", watches},
		{"Settings", settings},
		{"ReserveNeverRepeats", reserveNeverRepeats},
		{"ReserveInsideBatch", reserveInsideBatch},
		{"BatchAllOrNothing", batchAllOrNothing},
		{"BatchUnseenUntilCommit", batchUnseenUntilCommit},
		{"BatchOneAtATime", batchOneAtATime},
		{"BatchEnds", batchEnds},
		{"SurvivesReopen", survivesReopen},
		{"NotFound", notFound},
		{"Check", check},
	} {
		t.Run(c.name, func(t *testing.T) {
			place := t.TempDir()
			b := &books{open: open, place: place}
			b.Store = open(t, place)
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			c.run(t, b)
		})
	}
}

// books is the store under test.
type books struct {
	store.Store
	open  Open
	place string
}

// reopen closes the store and opens it again.
func (b *books) reopen(t *testing.T) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	b.Store = b.open(t, b.place)
}

func (b *books) begin(t *testing.T) store.Tx {
	t.Helper()
	tx, err := b.Begin(t.Context())
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	return tx
}

// commit writes one batch.
func (b *books) commit(t *testing.T, batch *store.Batch) {
	t.Helper()
	if err := b.try(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
}

// try writes one batch, or leaves nothing of it.
func (b *books) try(ctx context.Context, batch *store.Batch) error {
	tx, err := b.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // the error before it says more
	if err := tx.Write(ctx, batch); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// keep keeps messages in one batch and returns the known ones.
func (b *books) keep(t *testing.T, ms ...ledger.Message) []*ledger.Message {
	t.Helper()
	tx := b.begin(t)
	known, err := tx.KeepMessages(t.Context(), ms)
	if err != nil {
		t.Fatalf("keep messages: %v", err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatalf("commit: %v", err)
	}
	return known
}

// must unwraps a read.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// same compares what was read with what was written.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-written +read):\n%s", what, d)
	}
}

// pages reads a list page by page and checks that the pages are full.
func pages[T any](t *testing.T, size int, key func(T) int64, read func(after int64, limit int) ([]T, error)) []T {
	t.Helper()
	var all []T
	for after := int64(0); ; {
		page := must[[]T](t)(read(after, size))
		all = append(all, page...)
		if len(page) < size {
			return all
		}
		if len(page) > size {
			t.Fatalf("a page of %d has %d rows", size, len(page))
		}
		after = key(page[len(page)-1])
	}
}

// at is a moment, some seconds into the year.
func at(seconds int) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC).Add(time.Duration(seconds) * time.Second)
}
