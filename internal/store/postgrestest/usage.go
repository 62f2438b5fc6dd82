package postgrestest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tick is the kernel's unit of CPU time in /proc.
const tick = 10 * time.Millisecond

// Usage is the CPU that the server has used since it was started, in all its
// processes, those that have ended included.
func (s *Server) Usage(tb testing.TB) time.Duration {
	tb.Helper()
	if s.dir == "" {
		return 0 // a server of somebody else's
	}
	master := s.pid(tb)
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		tb.Fatal(err)
	}
	var ticks int64
	for _, path := range all {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name in brackets may hold anything; the numbers follow it.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		number := func(i int) int64 {
			n, err := strconv.ParseInt(fields[i], 10, 64)
			if err != nil {
				tb.Fatalf("read %s: %v", path, err)
			}
			return n
		}
		switch {
		case path == fmt.Sprintf("/proc/%d/stat", master):
			ticks += number(11) + number(12) + number(13) + number(14)
		case number(1) == int64(master):
			ticks += number(11) + number(12)
		}
	}
	return time.Duration(ticks) * tick
}
