package postgres_test

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/postgres"
	"github.com/waybillhq/waybill/internal/store/postgrestest"
)

// cut is what the proxy does to the next commit.
type cut int32

const (
	pass        cut = iota
	beforeIt        // the server never sees it
	afterIt         // the server sees it, and nobody waits for its answer
	afterAnswer     // it is answered, and the answer is dropped
	cuts
)

// proxy stands between a store and its server.
type proxy struct {
	next   atomic.Int32
	to     string
	socket net.Listener
}

// newProxy returns a proxy and the URL by which a database is reached through
// it.
func newProxy(t *testing.T, s *postgrestest.Server, database string) (*proxy, string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "waybill-proxy-") // a socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p := &proxy{to: s.Socket()}
	if p.socket, err = (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, ".s.PGSQL.5432")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.socket.Close() })
	go func() {
		for {
			c, err := p.socket.Accept()
			if err != nil {
				return
			}
			go p.carry(c)
		}
	}()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("host", dir)
	u.RawQuery = q.Encode()
	return p, u.String()
}

func (p *proxy) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("unix", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	var deaf atomic.Bool
	go func() {
		defer client.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if err != nil || deaf.Load() {
				return
			}
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		what := pass
		if bytes.HasPrefix(buf[:n], []byte("Q")) && bytes.Contains(buf[:n], []byte("COMMIT")) {
			what = cut(p.next.Swap(int32(pass)))
		}
		if what == beforeIt {
			return
		}
		deaf.Store(what != pass) // the other half drops the answer, and the client with it
		if _, err := server.Write(buf[:n]); err != nil || what == afterIt {
			return
		}
	}
}

// TestF39_AnswerOfACommitIsLost cuts the connection around the commit. What the
// store says of the batch is what is in the database, then and later.
func TestF39_AnswerOfACommitIsLost(t *testing.T) {
	server := postgrestest.New(t)
	direct := server.Database(t)
	p, through := newProxy(t, server, direct)
	s, err := postgres.Open(t.Context(), through, postgres.Options{Name: "cut"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seen, err := postgres.Open(t.Context(), direct, postgres.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer seen.Close()
	heads, err := s.Acquire(t.Context(), "cut")
	if err != nil {
		t.Fatal(err)
	}
	said := map[bool]int{}
	for i := range 60 {
		head := heads[i%7]
		head.Seq++
		id := int64(i + 1)
		tx, err := s.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.KeepMessages(t.Context(), []ledger.Message{{ID: id, Source: "shop", DedupeID: string(rune('a' + i))}}); err != nil {
			t.Fatal(err)
		}
		if err := tx.Write(t.Context(), &store.Batch{Heads: []ledger.Head{head}}); err != nil {
			t.Fatal(err)
		}
		how := cut(i) % cuts
		p.next.Store(int32(how))
		err = tx.Commit(t.Context())
		switch {
		case err == nil:
			heads[i%7] = head
		case !errors.Is(err, store.ErrNotCommitted):
			t.Fatalf("commit %d, cut %d: the outcome is left open: %v", i, how, err)
		}
		if _, there := seen.Message(t.Context(), id); (there == nil) != (err == nil) {
			t.Errorf("commit %d, cut %d: the store says %v, reading the message says %v", i, how, err, there)
		}
		if how == beforeIt && err == nil || how == pass && err != nil {
			t.Errorf("commit %d, cut %d: %v", i, how, err)
		}
		said[err == nil]++
	}
	if said[true] == 0 || said[false] == 0 {
		t.Errorf("%d commits succeeded, %d did not: the cuts did not bite", said[true], said[false])
	}
	now, err := seen.Heads(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		if now[i].Seq != heads[i].Seq {
			t.Errorf("shard %d: its head is at %d, the store said %d", i, now[i].Seq, heads[i].Seq)
		}
	}
}

// A store outlives its server: the batch that was open is dropped, the next one
// finds it again.
func TestF39_ServerIsKilled(t *testing.T) {
	server := postgrestest.New(t)
	s, err := postgres.Open(t.Context(), server.Database(t), postgres.Options{Name: "killed"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Acquire(t.Context(), "killed"); err != nil {
		t.Fatal(err)
	}
	put := func(name string) store.Tx {
		t.Helper()
		tx, err := s.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Write(t.Context(), &store.Batch{Settings: map[string]string{name: "there"}}); err != nil {
			t.Error(err, tx.Rollback())
		}
		return tx
	}
	if err := put("before").Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	open := put("open")
	server.Kill(t)
	if err := open.Rollback(); err != nil {
		t.Errorf("roll back without a server: %v", err)
	}
	server.Start(t)
	if err := put("after").Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"before": true, "open": false, "after": true} {
		_, err := s.Setting(t.Context(), name)
		if errors.Is(err, store.ErrNotFound) == want {
			t.Errorf("setting %s: %v", name, err)
		}
	}

	// One that owns all shards keeps every other out, also after its session was
	// lost and made again.
	if _, err := s.Acquire(t.Context(), "killed"); err != nil {
		t.Fatal(err)
	}
}
