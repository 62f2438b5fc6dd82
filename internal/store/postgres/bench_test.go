package postgres_test

import (
	"testing"
	"time"

	"github.com/waybillhq/waybill/internal/store/postgres"
	"github.com/waybillhq/waybill/internal/store/postgrestest"
	"github.com/waybillhq/waybill/internal/store/storetest"
)

// bench opens an empty database, and gives the CPU of its server.
func bench(b *testing.B) (*postgres.Store, func() time.Duration) {
	b.Helper()
	server := postgrestest.Shared(b)
	s, err := postgres.Open(b.Context(), server.Database(b), postgres.Options{Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s, func() time.Duration { return server.Usage(b) }
}

func BenchmarkBatch256(b *testing.B) {
	s, cpu := bench(b)
	storetest.BenchBatch256(b, s, cpu)
}

func BenchmarkKeepMessages(b *testing.B) {
	s, cpu := bench(b)
	storetest.BenchKeepMessages(b, s, cpu)
}
