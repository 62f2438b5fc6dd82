package file_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/transport"
	"github.com/waybillhq/waybill/internal/transport/transporttest"
)

// clock is the tests' time, which they move; files get it from the machine.
var ahead atomic.Int64

func clock() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }

// pass lets windows close.
func pass(d time.Duration) { ahead.Add(int64(d)) }

const postings = `
version: 1
format: {delimiter: ";", decimal: ","}
without_file: [order_check]
out:
  postings:
    folder: out
    kinds: [shipment_posting]
    file: "P_{seq:3}.csv"
    every: 1h
    columns:
      - {name: Key, field: key}
      - {name: Qty, field: line.qty, as: decimal}
    trailer: [END, "{rows}", "{documents}", "{sum:Qty}", "{seq}"]
    `

func attempt(key string, seq int64) connector.Attempt {
	return connector.Attempt{Kind: waybill.ShipmentPosting, Order: "SO-1", Lane: "SO-1", Key: key, Subject: key, Seq: seq, Attempt: 1,
		Deadline: clock().Add(30 * time.Second), Body: []byte(key + ";2,5\r\n"), ContentType: "text/csv"}
}

func inquiry(key string) connector.Inquiry {
	return connector.Inquiry{Kind: waybill.ShipmentPosting, Order: "SO-1", Key: key, Deadline: clock().Add(-time.Second)}
}

func deliver(t *testing.T, c connector.Connector, key string, seq int64) waybill.Outcome {
	t.Helper()
	o, err := c.Deliverer.Deliver(t.Context(), attempt(key, seq))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func inquire(t *testing.T, c connector.Connector, key string) connector.Finding {
	t.Helper()
	f, err := c.Inquirer.Inquire(t.Context(), inquiry(key))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func flush(t *testing.T, c connector.Connector) {
	t.Helper()
	if _, err := c.Batcher.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// out lists what the system would find, file by file.
func out(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "out", "*"))
	if err != nil {
		t.Fatal(err)
	}
	files := []string{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, filepath.Base(name)+"\n"+strings.ReplaceAll(string(b), "\r\n", "\n"))
	}
	return files
}

func TestOutbox_GathersAWindowIntoOneFile(t *testing.T) {
	files, dir := folder(t)
	ahead.Store(0)
	c := open(t, waybill.RoleERP, postings, files)
	for i, key := range []string{"k3", "k1", "k2"} {
		if o := deliver(t, c, key, int64(3-i)); o.Verdict != waybill.Pending {
			t.Fatalf("%s: %+v", key, o)
		}
	}
	flush(t, c)
	if got := out(t, dir); len(got) != 0 {
		t.Errorf("before the window ended: %q", got)
	}
	if f := inquire(t, c, "k1"); f.State != connector.FoundPending {
		t.Errorf("before the window ended: %+v", f)
	}
	pass(time.Hour)
	flush(t, c)
	want := []string{"P_001.csv\nKey;Qty\nk2;2,5\nk1;2,5\nk3;2,5\nEND;3;3;7,5;1\n"} // in the lane's order
	if d := cmp.Diff(want, out(t, dir)); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	if f := inquire(t, c, "k1"); f.State != connector.FoundApplied || f.Receipt.Ref != "P_001.csv:2" {
		t.Errorf("sent: %+v", f)
	}
	if o := deliver(t, c, "k1", 2); o.Verdict != waybill.Done || !o.Receipt.Replayed {
		t.Errorf("the same key again: %+v", o)
	}
	other := attempt("k1", 2)
	other.Body = []byte("k1;99\r\n")
	if o, _ := c.Deliverer.Deliver(t.Context(), other); o.Verdict != waybill.Refused || o.Problem.Code != "key_reuse" {
		t.Errorf("the same key with other rows: %+v", o)
	}
	if f := inquire(t, c, "k9"); f.State != connector.FoundAbsent {
		t.Errorf("a key never sent: %+v", f)
	}
	q := inquiry("k9")
	q.Deadline = clock().Add(time.Minute)
	if f, _ := c.Inquirer.Inquire(t.Context(), q); f.State != connector.FoundUnknown {
		t.Errorf("before the deadline nothing is conclusive: %+v", f)
	}
	q.Deadline = clock().Add(-100 * 24 * time.Hour)
	if f, _ := c.Inquirer.Inquire(t.Context(), q); f.State != connector.FoundUnknown {
		t.Errorf("of what is forgotten nothing is known: %+v", f)
	}
	if o, err := c.Deliverer.Deliver(t.Context(), connector.Attempt{Kind: waybill.OrderCheck}); err != nil || o.Verdict != waybill.Done ||
		string(o.Receipt.Result) != `{"approved":true,"reasons":[]}` {
		t.Errorf("a kind without a file: %+v, %v", o, err)
	}
}

// A full batch does not wait, a document is never split, and numbers have no
// gap, whatever the system takes away meanwhile.
func TestOutbox_FullBatchesAndNumbersWithoutGap(t *testing.T) {
	files, dir := folder(t)
	ahead.Store(0)
	c := open(t, waybill.RoleERP, postings+"rows: 2\n", files)
	for i := range 5 {
		deliver(t, c, fmt.Sprintf("k%d", i), int64(i+1))
	}
	flush(t, c)
	if got := out(t, dir); len(got) != 2 {
		t.Fatalf("%d files before the window ended, want the 2 full ones", len(got))
	}
	for _, name := range []string{"P_001.csv", "P_002.csv"} { // the system takes its files away
		if err := os.Remove(filepath.Join(dir, "out", name)); err != nil {
			t.Fatal(err)
		}
	}
	c = open(t, waybill.RoleERP, postings+"rows: 2\n", files) // a new process
	pass(time.Hour)
	flush(t, c)
	flush(t, c)
	if d := cmp.Diff([]string{"P_003.csv\nKey;Qty\nk4;2,5\nEND;1;1;2,5;3\n"}, out(t, dir)); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	for i := range 5 {
		if f := inquire(t, c, fmt.Sprintf("k%d", i)); f.State != connector.FoundApplied {
			t.Errorf("k%d: %+v", i, f)
		}
	}
}

func TestOutbox_WaitsForTheAcknowledgment(t *testing.T) {
	files, _ := folder(t)
	c := open(t, waybill.RoleERP, postings+"settled: acknowledged\n    acknowledgement: {folder: acks, taken: \"{name}.ok\", refused: \"{stem}.err\"}\n", files)
	deliver(t, c, "k1", 1)
	pass(time.Hour)
	flush(t, c)
	deliver(t, c, "k2", 2)
	pass(time.Hour)
	flush(t, c)
	for _, key := range []string{"k1", "k2"} {
		if f := inquire(t, c, key); f.State != connector.FoundPending {
			t.Errorf("%s before its acknowledgment: %+v", key, f)
		}
	}
	for name, text := range map[string]string{"acks/P_001.csv.ok": "", "acks/P_002.err": "period 01 is closed\n"} {
		if err := files.Write(t.Context(), name, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if f := inquire(t, c, "k1"); f.State != connector.FoundApplied {
		t.Errorf("k1: %+v", f)
	}
	if f := inquire(t, c, "k2"); f.State != connector.FoundRejected || !strings.Contains(f.Problem.Detail, "period 01 is closed") {
		t.Errorf("k2: %+v", f)
	}
}

// A file of the batch's name that somebody else put there is not replaced.
func TestOutbox_ReplacesNobodysFile(t *testing.T) {
	files, dir := folder(t)
	if err := files.Write(t.Context(), "out/P_001.csv", strings.NewReader("theirs")); err != nil {
		t.Fatal(err)
	}
	c := open(t, waybill.RoleERP, postings, files)
	deliver(t, c, "k1", 1)
	pass(time.Hour)
	for range 2 {
		if _, err := c.Batcher.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "there is another file") {
			t.Errorf("error %v", err)
		}
	}
	if f := inquire(t, c, "k1"); f.State != connector.FoundPending {
		t.Errorf("%+v", f)
	}
	if err := os.Rename(filepath.Join(dir, "out", "P_001.csv"), filepath.Join(dir, "theirs")); err != nil {
		t.Fatal(err)
	}
	flush(t, c)
	if d := cmp.Diff([]string{"P_001.csv\nKey;Qty\nk1;2,5\nEND;1;1;2,5;1\n"}, out(t, dir)); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
}

// cutting fails at the n-th call, before or after it took effect, and from
// then on, as for a process that is gone.
type cutting struct {
	connector.Files
	calls, at int64
	after     bool
}

var errCut = errors.New("cut")

func (c *cutting) step(do func() error) error {
	if c.calls++; c.calls > c.at || c.calls == c.at && !c.after {
		return errCut
	}
	err := do()
	if c.calls == c.at {
		return errCut
	}
	return err
}

func (c *cutting) List(ctx context.Context, folder string, each func(connector.FileInfo) error) error {
	return c.step(func() error { return c.Files.List(ctx, folder, each) })
}

func (c *cutting) Stat(ctx context.Context, name string) (i connector.FileInfo, err error) {
	err = c.step(func() error { i, err = c.Files.Stat(ctx, name); return err })
	return i, err
}

func (c *cutting) Open(ctx context.Context, name string) (r io.ReadCloser, err error) {
	err = c.step(func() error { r, err = c.Files.Open(ctx, name); return err })
	return r, err
}

// Write may leave a part of the file behind.
func (c *cutting) Write(ctx context.Context, name string, content io.Reader) error {
	if c.calls+1 == c.at && !c.after {
		_ = c.Files.Write(ctx, name, io.LimitReader(content, 7))
	}
	return c.step(func() error { return c.Files.Write(ctx, name, content) })
}

func (c *cutting) Rename(ctx context.Context, from, to string) error {
	return c.step(func() error { return c.Files.Rename(ctx, from, to) })
}

func (c *cutting) Remove(ctx context.Context, name string) error {
	return c.step(func() error { return c.Files.Remove(ctx, name) })
}

// Cut at every step of delivering and writing, with a system that takes its
// files away at once: each document reaches it once, numbers have no gap, and
// the look-up says what is true.
func TestOutbox_OnceWhereverItIsCut(t *testing.T) {
	for _, after := range []bool{false, true} {
		for at := int64(1); ; at++ {
			whole, dir := folder(t)
			broken := &cutting{Files: whole, at: at, after: after}
			var got []string
			collect := func() { // the system takes what it finds
				got = append(got, out(t, dir)...)
				if err := os.RemoveAll(filepath.Join(dir, "out")); err != nil {
					t.Fatal(err)
				}
			}
			c := open(t, waybill.RoleERP, postings, broken)
			for i, key := range []string{"k1", "k2"} {
				_, _ = c.Deliverer.Deliver(t.Context(), attempt(key, int64(i+1)))
			}
			pass(time.Hour)
			_, _ = c.Batcher.Flush(t.Context())
			collect()

			c = open(t, waybill.RoleERP, postings, whole) // the next process
			for range 2 {
				for i, key := range []string{"k1", "k2"} { // as the engine does: look, then send what is absent
					if f := inquire(t, c, key); f.State == connector.FoundAbsent {
						if o := deliver(t, c, key, int64(i+1)); o.Verdict != waybill.Pending {
							t.Errorf("%s sent anew: %+v", key, o)
						}
					}
				}
				pass(time.Hour)
				flush(t, c)
				collect()
			}
			rows := strings.Count(strings.Join(got, ""), "k1;2,5\n") + 10*strings.Count(strings.Join(got, ""), "k2;2,5\n")
			names := []string{}
			for i, f := range got {
				name, _, _ := strings.Cut(f, "\n")
				names = append(names, name)
				if name != fmt.Sprintf("P_%03d.csv", i+1) {
					t.Errorf("file %d is %s", i+1, name)
				}
			}
			if rows != 11 || !slices.IsSorted(names) || inquire(t, c, "k1").State != connector.FoundApplied || inquire(t, c, "k2").State != connector.FoundApplied {
				t.Errorf("the system got %q", got)
			}
			if t.Failed() {
				t.Fatalf("cut at call %d, after it: %v", at, after)
			}
			if broken.calls < at {
				t.Logf("%d places to cut", at-1)
				break
			}
		}
	}
}

// The same over OpenSSH, with the line cut at different bytes.
func TestOutbox_OnceOverACutLine(t *testing.T) {
	s := transporttest.SSHD(t)
	opt := s.Options()
	opt.Now = clock
	place, err := transport.NewSFTP(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = place.Close() })
	c := open(t, waybill.RoleERP, postings, place)
	keys := []string{}
	for i := range 12 {
		key := fmt.Sprintf("k%02d", i)
		keys = append(keys, key)
		s.Line.CutAfter(int64(200 + i*450))
		for range 3 {
			o, err := c.Deliverer.Deliver(t.Context(), attempt(key, int64(i+1)))
			if err != nil || o.Verdict == waybill.Refused || o.Verdict == waybill.Done && !o.Receipt.Replayed {
				t.Errorf("%s: %+v, %v", key, o, err)
			}
			_, _ = c.Batcher.Flush(t.Context())
			pass(2 * time.Minute)
		}
		s.Line.CutAfter(0)
		if f := inquire(t, c, key); f.State == connector.FoundAbsent {
			deliver(t, c, key, int64(i+1))
		}
		pass(time.Hour)
		flush(t, c)
	}
	all := strings.Join(out(t, s.Dir), "")
	for _, key := range keys {
		if n := strings.Count(all, key+";2,5\n"); n != 1 {
			t.Errorf("%s is in the files %d times", key, n)
		}
		if f := inquire(t, c, key); f.State != connector.FoundApplied {
			t.Errorf("%s: %+v", key, f)
		}
	}
}

// A place that can't be reached is asked again; nothing was sent.
func TestOutbox_NoConnection(t *testing.T) {
	s := transporttest.SSHD(t)
	s.Line.Refuse(true)
	place, err := transport.NewSFTP(s.Options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = place.Close() })
	c := open(t, waybill.RoleERP, postings, place)
	if o := deliver(t, c, "k1", 1); o.Verdict != waybill.NotSent {
		t.Errorf("%+v", o)
	}
	if f := inquire(t, c, "k1"); f.State != connector.FoundUnknown {
		t.Errorf("%+v", f)
	}
	if _, err := c.Prober.Probe(t.Context()); err == nil {
		t.Error("the probe holds it for healthy")
	}
	opt := s.Options()
	s.Line.Refuse(false)
	opt.HostKeys = []string{"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
	if place, err = transport.NewSFTP(opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = place.Close() })
	c = open(t, waybill.RoleERP, postings, place)
	if o := deliver(t, c, "k1", 1); o.Verdict != waybill.Unauthorized || !strings.Contains(o.Note, s.HostKey) {
		t.Errorf("another host key: %+v", o)
	}
	if _, err := c.Prober.Probe(t.Context()); errors.Is(err, fs.ErrNotExist) || err == nil {
		t.Errorf("the probe says %v", err)
	}
}

// A place that has lost what lay there says so by another generation: the
// engine stops before it takes what was sent for absent.
func TestProbe_ForgottenPlaceIsAnotherGeneration(t *testing.T) {
	files, dir := folder(t)
	c := open(t, waybill.RoleERP, postings, files)
	probe := func() connector.Info {
		t.Helper()
		info, err := c.Prober.Probe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	first := probe()
	if again := probe(); first.Generation == "" || again.Generation != first.Generation || first.Idempotency != waybill.ByLookup {
		t.Errorf("generations %+v and %+v", first, again)
	}
	if err := os.RemoveAll(filepath.Join(dir, ".waybill")); err != nil {
		t.Fatal(err)
	}
	if lost := probe(); lost.Generation == first.Generation {
		t.Error("an empty place has the generation of the full one")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Prober.Probe(t.Context()); !errors.Is(err, connector.ErrNoConnection) {
		t.Errorf("a place that is not there: %v", err)
	}
}
