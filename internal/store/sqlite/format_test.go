package sqlite_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/schema"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// TestFormats_WhatWasWrittenStaysReadable: a newer program reads data of an
// earlier schema in the current shape, the chain still holds, and an older
// program says that it can't read what the newer one wrote.
func TestFormats_WhatWasWrittenStaysReadable(t *testing.T) {
	dir := t.TempDir() + "/data"
	first := schema.Formats{}
	second := schema.Formats{waybill.TimerFired: {func(b []byte) ([]byte, error) {
		return bytes.Replace(b, []byte(`"name"`), []byte(`"timer"`), 1), nil
	}}}
	long := strings.Repeat("x", 500) // long enough to be compressed
	old, now := []byte(`{"name":"`+long+`"}`), []byte(`{"timer":"`+long+`"}`)

	var hash [32]byte
	with(t, dir, first, func(s *sqlite.Store) {
		e := event(1, old)
		hash = e.Hash
		keepEvents(t, s, e, event(2, nil))
	})
	with(t, dir, second, func(s *sqlite.Store) {
		e, err := s.Event(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(e.Data, now) || !bytes.Equal(e.Stored, old) {
			t.Errorf("it came back as %.30s, stored as %.30s", e.Data, e.Stored)
		}
		if e.Link([32]byte{}); e.Hash != hash {
			t.Error("its hash is another one: the chain would not verify")
		}
		if e, err := s.Event(t.Context(), 2); err != nil || e.Data != nil || e.Stored != nil {
			t.Errorf("an event without data came back with %q, %q, %v", e.Data, e.Stored, err)
		}
		keepEvents(t, s, event(3, now))
		if e, err = s.Event(t.Context(), 3); err != nil || !bytes.Equal(e.Data, now) || e.Stored != nil {
			t.Errorf("written by this program, it came back as %.30s, stored as %.30s, %v", e.Data, e.Stored, err)
		}
	})
	with(t, dir, first, func(s *sqlite.Store) {
		_, err := s.Event(t.Context(), 3)
		if err == nil || !strings.Contains(err.Error(), "schema version 2, and this program knows 1 to 1") {
			t.Errorf("an older program reads what it can't know: %v", err)
		}
	})
}

func with(t *testing.T, dir string, f schema.Formats, do func(*sqlite.Store)) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{Formats: f})
	if err != nil {
		t.Fatal(err)
	}
	do(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func event(id int64, data []byte) ledger.Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := ledger.Event{ID: id, Seq: id, Type: waybill.TimerFired, Source: "waybill", OccurredAt: at, RecordedAt: at,
		State: ledger.Applied, Data: data}
	e.Link([32]byte{})
	return e
}

func keepEvents(t *testing.T, s *sqlite.Store, events ...ledger.Event) {
	t.Helper()
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // harmless after Commit
	if err := tx.Write(t.Context(), &store.Batch{Events: events}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}
