package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, place string) store.Store {
		t.Helper()
		s, err := sqlite.Open(t.Context(), filepath.Join(place, "data"), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
