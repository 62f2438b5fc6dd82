// Package postgrestest gives tests a PostgreSQL of their own: a server that
// they may kill, and databases on it that nobody else uses. It never skips:
// where there is no server to start, the test fails and says what to install.
package postgrestest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Env names a running server on which tests may create databases, as
// postgres://…; without it they start one of their own.
const Env = "WAYBILL_TEST_DATABASE"

// Server is a PostgreSQL server for tests.
type Server struct {
	url    string
	dir    string
	script string
	guard  io.Closer // while it is open, the server runs
	made   atomic.Int64
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Shared is the server that all tests of a binary share: the one of Env, or
// one that goes with the binary.
func Shared(tb testing.TB) *Server {
	tb.Helper()
	shared.once.Do(func() {
		if at := os.Getenv(Env); at != "" {
			shared.server = &Server{url: at}
			return
		}
		shared.server, shared.err = start(context.WithoutCancel(tb.Context()))
	})
	if shared.err != nil {
		tb.Fatal(shared.err)
	}
	return shared.server
}

// New is a server for one test alone, which may stop and kill it.
func New(tb testing.TB) *Server {
	tb.Helper()
	s, err := start(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.guard.Close(); err != nil {
			tb.Errorf("stop the server: %v", err)
		}
	})
	return s
}

// start makes a cluster, starts it, and leaves it to a guard that ends it when
// this process has gone, however that ends.
func start(ctx context.Context) (*Server, error) {
	script, err := findScript()
	if err != nil {
		return nil, err
	}
	// A socket's name is short, so the directory is not the test's own.
	dir, err := os.MkdirTemp("/tmp", "waybill-pg-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for a PostgreSQL server: %w", err)
	}
	s := &Server{dir: dir, script: script}
	guard := exec.CommandContext(context.WithoutCancel(ctx), script, "guard", dir)
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a ^C at the terminal is not for it
	if s.guard, err = guard.StdinPipe(); err == nil {
		err = guard.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("guard a PostgreSQL server: %w", err)
	}
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, s.script, "start", s.dir)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("start a PostgreSQL server: %w: %s", err, errs.String())
	}
	s.url = strings.TrimSpace(string(out))
	return nil
}

// findScript looks for the starter in the module's root.
func findScript() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, "scripts", "postgres.sh")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("start a PostgreSQL server: scripts/postgres.sh is in no directory above %s", dir)
		}
		dir = filepath.Dir(dir)
	}
}

// Database makes an empty database and returns its URL.
func (s *Server) Database(tb testing.TB) string {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	c, err := pgx.Connect(ctx, s.url)
	if err != nil {
		tb.Fatalf("connect to the PostgreSQL of the tests: %v", err)
	}
	defer c.Close(ctx) //nolint:errcheck // only asked
	name := fmt.Sprintf("waybill_%d_%d", os.Getpid(), s.made.Add(1))
	if _, err := c.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		tb.Fatalf("make a database: %v", err)
	}
	u, err := url.Parse(s.url)
	if err != nil {
		tb.Fatal(err)
	}
	u.Path = "/" + name
	tb.Cleanup(func() {
		if s.dir != "" {
			return // it goes with the server
		}
		c, err := pgx.Connect(ctx, s.url)
		if err != nil {
			tb.Errorf("drop database %s: %v", name, err)
			return
		}
		defer c.Close(ctx) //nolint:errcheck // only asked
		if _, err := c.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			tb.Errorf("drop database %s: %v", name, err)
		}
	})
	return u.String()
}

// Socket is the address of the server's Unix socket.
func (s *Server) Socket() string { return filepath.Join(s.dir, ".s.PGSQL.5432") }

// Kill ends the server as a crash does: what was not synced is lost to it.
func (s *Server) Kill(tb testing.TB) {
	tb.Helper()
	if err := syscall.Kill(s.pid(tb), syscall.SIGKILL); err != nil {
		tb.Fatalf("kill the PostgreSQL server: %v", err)
	}
}

// Start starts the server again after Kill. It waits until the server answers.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	// The processes of the killed server leave by themselves; until the last has
	// gone, the next one refuses the directory.
	var err error
	for range 100 {
		if err = s.run(tb.Context()); err == nil {
			return
		}
	}
	tb.Fatal(err)
}

func (s *Server) pid(tb testing.TB) int {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		tb.Fatalf("find the PostgreSQL server: %v", err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		tb.Fatalf("find the PostgreSQL server: %v", err)
	}
	return pid
}
