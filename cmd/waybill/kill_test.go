package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/waybillhq/waybill/internal/sandbox"
)

// buildBinary builds the real program.
func buildBinary(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "waybill")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the binary: %v\n%s", err, out)
	}
	return bin
}

// child is a running waybill serve.
type child struct {
	cmd    *exec.Cmd
	base   string
	stderr *os.File
}

// startServe starts the binary and waits until it is ready.
func startServe(t *testing.T, bin, dir, listen string) *child {
	t.Helper()
	return startServeOn(t, bin, dir, filepath.Join(dir, "data"), listen)
}

// startServeOn starts it on a data directory of its own.
func startServeOn(t *testing.T, bin, dir, data, listen string) *child {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(dir, "serve.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(bin, "serve", "--config", filepath.Join(dir, "waybill.yaml"), //nolint:noctx // it is killed by hand
		"--data", data, "--listen", listen, "--log-level", "error"), stderr: log}
	c.cmd.Stderr = log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b, _ := os.ReadFile(log.Name())
		t.Fatalf("serve said nothing: %v\n%s", err, b)
	}
	_, c.base, _ = strings.Cut(strings.TrimSpace(line), " listens on ")
	return c
}

func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.cmd.Wait() // "signal: killed" is what was wanted
	_ = c.stderr.Close()
}

// TestF01_KillAnywhere kills the real binary with SIGKILL at random moments
// under load. At the end every system's own books hold every document once and
// in order, and the database verifies.
func TestF01_KillAnywhere(t *testing.T) {
	kills, orders := 50, 1500
	if testing.Short() {
		kills, orders = 5, 150
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	chance := rand.New(rand.NewPCG(seed, 1))
	bin, dir := buildBinary(t), t.TempDir()
	world, err := sandbox.New(sandbox.Config{Seed: int64(seed >> 1), Lines: 3, Faults: "light", Once: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	if err := world.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	if _, err := demoConfig(world, filepath.Join(dir, "waybill.yaml")); err != nil {
		t.Fatal(err)
	}
	c := startServe(t, bin, dir, "127.0.0.1:0")
	listen := strings.TrimPrefix(c.base, "http://")
	world.SetWaybill(c.base, nil)

	placed := make(chan error, 1)
	go func() { placed <- world.PlaceOrders(ctx, orders, 16) }()
	for range kills {
		pause := time.NewTimer(time.Duration(50+chance.IntN(900)) * time.Millisecond)
		select {
		case <-pause.C:
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		}
		c.kill(t)
		c = startServe(t, bin, dir, listen)
	}
	select {
	case err := <-placed:
		if err != nil {
			t.Fatal(err)
		}
	case <-ctx.Done():
		t.Fatal("the orders were not taken in time")
	}
	waitQuiet(ctx, t, world, c.base)
	books := world.Books()
	if books.Lost+books.Duplicated+books.OutOfSequence > 0 {
		t.Errorf("lost %d, duplicated %d, out of sequence %d:\n%s", books.Lost, books.Duplicated, books.OutOfSequence, strings.Join(books.Findings, "\n"))
	}
	if books.Invoices == 0 {
		t.Error("nothing was invoiced: the test shows nothing")
	}
	c.kill(t)
	var out, errs strings.Builder
	if code := run([]string{"verify", "--config", filepath.Join(dir, "waybill.yaml"), "--data", filepath.Join(dir, "data")}, nil, &out, &errs); code != exitFine {
		t.Errorf("verify exits with %d: %s%s", code, out.String(), errs.String())
	}
}

// waitQuiet waits until neither Waybill nor the sandbox has anything to do.
func waitQuiet(ctx context.Context, t *testing.T, world *sandbox.World, base string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	what := "not asked yet"
	for calm := 0; calm < 3; {
		select {
		case <-ctx.Done():
			t.Fatalf("no quiet in time: %s", what)
		case <-tick.C:
		}
		quiet, why := world.Quiet()
		if !quiet {
			calm, what = 0, why
			continue
		}
		st, err := getStatus(ctx, base)
		if err != nil || !st.Quiescent {
			calm, what = 0, fmt.Sprintf("%+v %v", st, err)
			continue
		}
		calm++
	}
}

type statusAnswer struct {
	Quiescent  bool           `json:"quiescent"`
	Deliveries map[string]int `json:"deliveries"`
	Limbo      int            `json:"limbo"`
	Undecided  int            `json:"undecided"`
}

func getStatus(ctx context.Context, base string) (st statusAnswer, err error) {
	err = getJSON(ctx, base+"/api/v1/status", &st)
	return st, err
}

// getJSON asks the control API as the demonstration's operator.
func getJSON(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+demoKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, b)
	}
	return json.Unmarshal(b, into)
}
