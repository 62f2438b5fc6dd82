package postgres_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store/postgres"
	"github.com/waybillhq/waybill/internal/store/postgrestest"
)

// TestF45_AllStartAtOnce: of replicas that start at once on an empty database
// one makes the tables, and each shard becomes one's.
func TestF45_AllStartAtOnce(t *testing.T) {
	url := postgrestest.Shared(t).Database(t)
	every := make([]int, ledger.ShardCount)
	for i := range every {
		every[i] = i
	}
	var mu sync.Mutex
	owners := map[int][]string{}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			name := fmt.Sprint("r", i)
			db, err := postgres.Open(t.Context(), url, postgres.Options{Name: name})
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() {
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			heads, err := db.AcquireShards(t.Context(), name, every, time.Hour)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, h := range heads {
				owners[h.Shard] = append(owners[h.Shard], name)
			}
		})
	}
	all.Wait()
	if len(owners) != ledger.ShardCount {
		t.Errorf("%d of %d shards have an owner", len(owners), ledger.ShardCount)
	}
	for shard, names := range owners {
		if len(names) != 1 {
			t.Errorf("shard %d was given to %v", shard, names)
		}
	}
}
