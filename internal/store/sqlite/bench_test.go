package sqlite_test

import (
	"testing"

	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/store/storetest"
)

func open(tb testing.TB) *sqlite.Store {
	tb.Helper()
	s, err := sqlite.Open(tb.Context(), tb.TempDir(), sqlite.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func BenchmarkBatch256(b *testing.B) { storetest.BenchBatch256(b, open(b), nil) }

func BenchmarkKeepMessages(b *testing.B) { storetest.BenchKeepMessages(b, open(b), nil) }
