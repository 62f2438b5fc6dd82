package storetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

func messageRoundTrip(t *testing.T, b *books) {
	ms := draw(t, anyMessage)
	for i, k := range b.keep(t, ms...) {
		if k != nil {
			t.Errorf("message %d is new and was answered as known: %+v", ms[i].ID, k)
		}
	}
	for _, m := range ms {
		same(t, "message", must[ledger.Message](t)(b.Message(t.Context(), m.ID)), m)
		got, err := b.MessageByDedupe(t.Context(), m.Source, m.DedupeID)
		if m.Status == ledger.Rejected {
			if !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a rejected message is found by its dedupe id: %v", err)
			}
			continue
		}
		same(t, "message by dedupe id", must[ledger.Message](t)(got, err), m)
	}
}

// aMessage is a message as intake makes it.
func aMessage(id int64, source, dedupe string) ledger.Message {
	body := fmt.Appendf(nil, `{"id":%d}`, id)
	return ledger.Message{ID: id, Source: source, DedupeID: dedupe, Status: ledger.Accepted, ReceivedAt: at(int(id)),
		SHA256: sha256.Sum256(body), Body: body}
}

func messageDedupe(t *testing.T, b *books) {
	first := aMessage(1, "shop", "evt_1")
	first.FirstEvent, first.Events = 100, 2
	known := b.keep(t, first, aMessage(2, "shop", "evt_2"), aMessage(3, "shop", "evt_1"), aMessage(4, "erp", "evt_1"))
	if known[0] != nil || known[1] != nil || known[3] != nil {
		t.Fatalf("new messages were answered as known: %v", known)
	}
	isFirst := func(k *ledger.Message) {
		t.Helper()
		if k == nil {
			t.Fatal("a repetition was kept again")
		}
		if k.ID != 1 || k.SHA256 != first.SHA256 || k.FirstEvent != 100 || k.Events != 2 || k.Status != ledger.Accepted {
			t.Errorf("the known message is %+v, want the first", *k)
		}
	}
	isFirst(known[2])
	isFirst(b.keep(t, aMessage(5, "shop", "evt_1"))[0])
	b.reopen(t)
	isFirst(b.keep(t, aMessage(6, "shop", "evt_1"))[0])
	for _, id := range []int64{3, 5, 6} {
		if _, err := b.Message(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("repetition %d left a row: %v", id, err)
		}
	}
}

func messageDedupeSideBySide(t *testing.T, b *books) {
	const senders = 8
	kept := make([]bool, senders)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			tx, err := b.Begin(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer tx.Rollback() //nolint:errcheck // harmless after Commit
			known, err := tx.KeepMessages(t.Context(), []ledger.Message{aMessage(int64(1+i), "shop", "evt_1")})
			if err != nil {
				t.Error(err)
				return
			}
			kept[i] = known[0] == nil
			if err := tx.Commit(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	n := 0
	for _, k := range kept {
		if k {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d of %d senders of one message were told that it is new, want 1", n, senders)
	}
}

func messageDedupeAfterRollback(t *testing.T, b *books) {
	tx := b.begin(t)
	if _, err := tx.KeepMessages(t.Context(), []ledger.Message{aMessage(1, "shop", "evt_1")}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Message(t.Context(), 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a batch that was rolled back left a message: %v", err)
	}
	if k := b.keep(t, aMessage(2, "shop", "evt_1"))[0]; k != nil {
		t.Errorf("a message of a batch that was rolled back is known: %+v", *k)
	}
}

func messageRejected(t *testing.T, b *books) {
	forged := func(id int64) ledger.Message {
		m := aMessage(id, "shop", "evt_1")
		m.Status, m.Reason = ledger.Rejected, "signature"
		return m
	}
	for i, k := range b.keep(t, forged(1), forged(2), aMessage(3, "shop", "evt_1"), forged(4)) {
		if k != nil {
			t.Errorf("message %d met %+v; a forged message must not stand in the way, nor be dropped", i+1, *k)
		}
	}
	got := must[ledger.Message](t)(b.MessageByDedupe(t.Context(), "shop", "evt_1"))
	if got.ID != 3 {
		t.Errorf("by dedupe id message %d is found, want the authentic 3", got.ID)
	}
	if k := b.keep(t, aMessage(5, "shop", "evt_1"))[0]; k == nil || k.ID != 3 {
		t.Errorf("the repetition met %+v, want 3", k)
	}
}

func messageUpdate(t *testing.T, b *books) {
	m, q := aMessage(1, "shop", "evt_1"), aMessage(2, "shop", "evt_2")
	q.Status, q.Reason = ledger.Quarantined, "no translation"
	b.keep(t, m, q)
	m.FirstEvent, m.Events = 10, 1
	q.FirstEvent, q.Events, q.Status, q.Reason = 11, 3, ledger.Accepted, ""
	b.commit(t, &store.Batch{MessageUpdates: []ledger.Message{m, q}})
	same(t, "updated message", must[ledger.Message](t)(b.Message(t.Context(), 1)), m)
	same(t, "message out of quarantine", must[ledger.Message](t)(b.MessageByDedupe(t.Context(), "shop", "evt_2")), q)
	if err := b.try(t.Context(), &store.Batch{MessageUpdates: []ledger.Message{aMessage(9, "shop", "x")}}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("updating a message that is not there: %v, want ErrNotFound", err)
	}
}

func messageBig(t *testing.T, b *books) {
	const size = 10 << 20 // the contract's max_body
	noise := make([]byte, size)
	rng := rand.NewChaCha8([32]byte{7})
	if _, err := rng.Read(noise); err != nil {
		t.Fatal(err)
	}
	for i, body := range [][]byte{noise, bytes.Repeat([]byte("0123456789"), size/10)} {
		m := aMessage(int64(1+i), "shop", fmt.Sprint("evt_", i))
		m.Body, m.SHA256 = body, sha256.Sum256(body)
		b.keep(t, m, aMessage(int64(11+i), "shop", fmt.Sprint("small_", i)))
		got := must[ledger.Message](t)(b.Message(t.Context(), m.ID))
		if !bytes.Equal(got.Body, body) {
			t.Errorf("a body of %d bytes came back as %d others", len(body), len(got.Body))
		}
	}
}
