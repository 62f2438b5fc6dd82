package main

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
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// database is a PostgreSQL of the benchmark's own, started by the project's
// script: as an unprivileged user, on a Unix socket, durable.
type database struct {
	url    string
	master int
	guard  *exec.Cmd
	hold   io.Closer // while it is open, the server runs
	made   int
}

// startDatabase starts a server in a new directory below /tmp. stop ends it, and
// so does the end of this process, however it comes.
func startDatabase(ctx context.Context, root string) (*database, error) {
	dir, err := os.MkdirTemp("/tmp", "waybill-bench-")
	if err != nil {
		return nil, err
	}
	script := filepath.Join(root, "scripts", "postgres.sh")
	s := &database{guard: exec.CommandContext(context.WithoutCancel(ctx), script, "guard", dir)}
	s.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a ^C at the terminal is not for it
	if s.hold, err = s.guard.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.guard.Start(); err != nil {
		return nil, fmt.Errorf("guard a PostgreSQL server: %w", err)
	}
	cmd := exec.CommandContext(ctx, script, "start", dir)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("start a PostgreSQL server: %w: %s", err, errs.String())
	}
	s.url = strings.TrimSpace(string(out))
	pid, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(string(pid), "\n")
	s.master, err = strconv.Atoi(strings.TrimSpace(first))
	return s, err
}

func (s *database) stop() error {
	if err := s.hold.Close(); err != nil {
		return err
	}
	return s.guard.Wait()
}

// fresh makes an empty database and returns its URL. The server's buffers
// are on disk before, so that nobody pays for the run before it.
func (s *database) fresh(ctx context.Context) (string, error) {
	c, err := pgx.Connect(ctx, s.url)
	if err != nil {
		return "", err
	}
	defer c.Close(ctx) //nolint:errcheck // only asked
	s.made++
	name := fmt.Sprintf("bench_%d", s.made)
	for _, statement := range []string{"CREATE DATABASE " + name, "CHECKPOINT"} {
		if _, err := c.Exec(ctx, statement); err != nil {
			return "", fmt.Errorf("make a database: %w", err)
		}
	}
	u, err := url.Parse(s.url)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// tick is the kernel's unit of CPU time in /proc.
const tick = 10 * time.Millisecond

// serverCPU is what a PostgreSQL server has used since it was started, in all
// its processes, those that have ended included.
func serverCPU(master int) (time.Duration, error) {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	var ticks int64
	for _, path := range all {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name in brackets may hold anything; the numbers follow it.
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		number := func(i int) (n int64) {
			if n, err = strconv.ParseInt(fields[i], 10, 64); err != nil {
				err = fmt.Errorf("read %s: %w", path, err)
			}
			return n
		}
		switch {
		case path == fmt.Sprintf("/proc/%d/stat", master):
			ticks += number(11) + number(12) + number(13) + number(14)
		case number(1) == int64(master):
			ticks += number(11) + number(12)
		}
		if err != nil {
			return 0, err
		}
	}
	return time.Duration(ticks) * tick, nil
}
