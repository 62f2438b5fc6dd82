package sqlite

import (
	"sync"
	"testing"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

// Ids are reserved while batches begin, write and commit beside it, on one
// connection. Two statements at once on it would break the memory of the
// process, and ids that are handed out twice would break the ledger.
func TestReserve_BesideBatches(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	const callers, each, n = 4, 300, reserveBlock // every request needs a new block
	var all sync.WaitGroup
	firsts := make([][]int64, callers)
	done := make(chan struct{})
	for c := range callers {
		all.Go(func() {
			for range each {
				first, err := s.Reserve(t.Context(), n)
				if err != nil {
					t.Error(err)
					return
				}
				firsts[c] = append(firsts[c], first)
			}
		})
	}
	go func() { all.Wait(); close(done) }()
	for batch := int64(1); ; batch++ {
		select {
		case <-done:
		default:
			tx, err := s.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.Write(t.Context(), &store.Batch{Settings: map[string]string{"batch": "x"},
				References: []ledger.Reference{{System: "erp", Kind: "order", Value: "SO", Waybill: batch}}}); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		break
	}
	taken := map[int64]bool{}
	for _, fs := range firsts {
		for i, first := range fs {
			if i > 0 && first < fs[i-1]+n || taken[first] {
				t.Fatalf("ids from %d were handed out twice", first)
			}
			taken[first] = true
		}
	}
}
