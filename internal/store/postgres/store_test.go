package postgres_test

import (
	"sync"
	"testing"

	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/postgres"
	"github.com/waybillhq/waybill/internal/store/postgrestest"
	"github.com/waybillhq/waybill/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, opener(t))
}

func TestStore_Shared(t *testing.T) {
	storetest.RunShared(t, opener(t))
}

// opener opens the database of a place, which it makes at its first name.
func opener(t *testing.T) storetest.Open {
	t.Helper()
	server := postgrestest.Shared(t)
	var mu sync.Mutex
	made := map[string]string{}
	return func(t *testing.T, place string) store.Store {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if made[place] == "" {
			made[place] = server.Database(t)
		}
		s, err := postgres.Open(t.Context(), made[place], postgres.Options{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}
