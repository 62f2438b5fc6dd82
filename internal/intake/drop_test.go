package intake_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/intake"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/transport"
	"github.com/waybillhq/waybill/internal/transport/transporttest"
)

// lines is a connector whose files hold a message a line. A line "bad" can't
// be understood, a line "end N" has to count those before it, a line "after X"
// waits for X, and the part of a line before a "=" is its id.
type lines struct {
	files connector.Files
	drop  connector.Drop
	came  *sync.Map
}

func (l *lines) Files() connector.Files  { return l.files }
func (l *lines) Drops() []connector.Drop { return []connector.Drop{l.drop} }

func (l *lines) Read(f connector.DroppedFile, each func(connector.Part) error) error {
	n := 0
	for s := bufio.NewScanner(f.Content); s.Scan(); {
		if total, ok := strings.CutPrefix(s.Text(), "end "); ok {
			if total != fmt.Sprint(n) {
				return &connector.Untranslatable{Field: fmt.Sprintf("line %d", n+1), Reason: "the total is " + total}
			}
			continue
		}
		n++
		id, _, named := strings.Cut(s.Text(), "=")
		if !named {
			id = ""
		}
		if err := each(connector.Part{Topic: f.Drop, Line: n, ID: id, Body: bytes.Clone(s.Bytes())}); err != nil {
			return err
		}
	}
	return nil
}

func (l *lines) Translate(m connector.Message) ([]waybill.Event, error) {
	if string(m.Body) == "bad" {
		return nil, &connector.Untranslatable{Field: "line " + m.Header.Get("Waybill-File-Line"), Reason: "is bad"}
	}
	if first, isLater := strings.CutPrefix(string(m.Body), "after "); isLater && m.MayWait {
		if _, there := l.came.Load(first); !there {
			return nil, &connector.Later{For: first}
		}
	}
	l.came.Store(string(m.Body), true)
	return []waybill.Event{{Type: waybill.ItemChanged, Subject: string(m.Body)}}, nil
}

// repeating lines tell of every message that came before.
type repeating struct{ *lines }

func (repeating) Repeated(m connector.Message, same bool) ([]waybill.Event, error) {
	return []waybill.Event{{Type: waybill.ItemChanged, Subject: fmt.Sprintf("%s again, same %t", m.Body, same)}}, nil
}

// bay is a pick-up under test, with the folder that it watches.
type bay struct {
	t       *testing.T
	dir     string
	spool   string
	now     time.Time
	drop    connector.Drop
	files   connector.Files
	keeper  intake.Keeper
	told    []string
	repeats bool
	pickup  *intake.Pickup
}

func newBay(t *testing.T, keeper intake.Keeper, change func(*connector.Drop)) *bay {
	t.Helper()
	b := &bay{t: t, dir: t.TempDir(), spool: t.TempDir(), now: time.Unix(vectorTime, 0), keeper: keeper,
		drop: connector.Drop{Name: "orders", Folder: "in", Pattern: "*.csv", Every: time.Minute, Stable: 10 * time.Second,
			Work: "work", Done: "done", Rejected: "rejected", FileMax: 1 << 20, Same: connector.SameNameAndContent}}
	if change != nil {
		change(&b.drop)
	}
	folder := transport.NewFolder(b.dir)
	b.files = folder
	if err := os.Mkdir(filepath.Join(b.dir, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.restart()
	return b
}

// restart makes a new pick-up, as a new process would.
func (b *bay) restart() {
	l := &lines{b.files, b.drop, &sync.Map{}}
	var reads connector.Collector = l
	if b.repeats {
		reads = repeating{l}
	}
	b.pickup = intake.NewPickups(intake.DropOptions{Keeper: b.keeper, Spool: b.spool, MaxBody: 1000, Wait: 5 * time.Minute, Now: func() time.Time { return b.now },
		Systems: []engine.System{{Name: "legacy", Conn: connector.Connector{Collector: reads, Translator: l}}},
		Report: func(_ context.Context, t engine.Trouble) error {
			b.told = append(b.told, t.Cause+" "+t.Subject+" "+t.Detail)
			return nil
		}})[0]
}

// steps looks at the folder n times, a minute apart.
func (b *bay) steps(n int) {
	for range n {
		b.pickup.Step(b.t.Context())
		b.now = b.now.Add(time.Minute)
	}
}

func (b *bay) put(name, content string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, "in", name), []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// tree lists all files by folder, without the stamps of claims.
func (b *bay) tree() []string {
	b.t.Helper()
	out := []string{}
	err := filepath.WalkDir(b.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			folder, name := filepath.Split(strings.TrimPrefix(path, b.dir+"/"))
			if stamp, own, ok := strings.Cut(name, "~"); ok && strings.HasPrefix(stamp, "2026") {
				name = own
			}
			out = append(out, folder+name)
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func (b *bay) wantTree(want ...string) {
	b.t.Helper()
	if d := cmp.Diff(want, b.tree()); d != "" {
		b.t.Errorf("files (-want +got):\n%s", d)
	}
	if left, _ := os.ReadDir(b.spool); len(left) > 0 {
		b.t.Errorf("%d files are left in the spool", len(left))
	}
}

// taken lists what is in the ledger: status, body.
func taken(b *books) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := []string{}
	for _, m := range b.messages {
		out = append(out, string(m.Status)+" "+string(m.Body))
	}
	slices.Sort(out)
	return out
}

func wantTaken(t *testing.T, b *books, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, taken(b)); d != "" {
		t.Errorf("ledger (-want +got):\n%s", d)
	}
}

func TestPickup_TakesAFileOnceItIsStable(t *testing.T) {
	ledgerBooks := &books{}
	b := newBay(t, ledgerBooks, nil)
	b.put("a.csv", "one\ntwo\n")
	b.steps(1)
	wantTaken(t, ledgerBooks, []string{}...)
	b.put("a.csv", "one\ntwo\nthree\n") // its writer goes on
	b.steps(1)
	b.wantTree("in/a.csv")
	b.steps(1)
	wantTaken(t, ledgerBooks, "accepted one", "accepted three", "accepted two")
	b.wantTree("done/a.csv")
	m := ledgerBooks.messages[0]
	if !strings.Contains(string(m.Header), `"waybill-file":"a.csv"`) || !strings.Contains(string(m.Header), `"waybill-file-line"`) || m.Topic != "orders" {
		t.Errorf("the message does not say where it came from: %s %s", m.Topic, m.Header)
	}
	b.put("a.csv", "one\ntwo\nthree\n")
	b.steps(2)
	if n := len(ledgerBooks.messages); n != 3 {
		t.Errorf("%d messages after the same file came again, want 3", n)
	}
	b.put("b.csv", "one\n") // another name: another file
	b.steps(2)
	if n := len(ledgerBooks.messages); n != 4 {
		t.Errorf("%d messages, want 4", n)
	}
	b.wantTree("done/a.csv", "done/a.csv", "done/b.csv")
}

func TestPickup_LeavesWhatIsNotFinishedOrNotMeant(t *testing.T) {
	ledgerBooks := &books{}
	b := newBay(t, ledgerBooks, func(d *connector.Drop) { d.Pattern = "*" })
	for _, name := range []string{".a.csv", "a.csv.part", "a.csv.TMP", "~$a.csv", "a.filepart", "x.csv.reason"} {
		b.put(name, "one\n")
	}
	before := b.tree()
	b.steps(3)
	b.wantTree(before...)
	wantTaken(t, ledgerBooks, []string{}...)
}

func TestPickup_CompanionSaysThatAFileIsComplete(t *testing.T) {
	ledgerBooks := &books{}
	b := newBay(t, ledgerBooks, func(d *connector.Drop) { d.Pattern, d.Companion = "*", "{stem}.done" })
	b.put("a.csv", "one\n")
	b.steps(3)
	b.wantTree("in/a.csv")
	b.put("a.done", "1")
	b.steps(1)
	wantTaken(t, ledgerBooks, "accepted one")
	b.wantTree("done/a.csv", "done/~a.csv")
}

func TestPickup_RejectsAFileWhole(t *testing.T) {
	tests := []struct {
		name, content string
		change        func(*connector.Drop)
		reason        string
	}{
		{"total", "one\ntwo\nend 3\n", nil, "line 3: the total is 3"},
		{"row", "one\nbad\n", func(d *connector.Drop) { d.Whole = true }, "line 2: is bad"},
		{"size", strings.Repeat("x\n", 600), func(d *connector.Drop) { d.FileMax = 1000 }, "raise file_max"},
		{"message", strings.Repeat("x", 1001), nil, "line 1: a message of 1001 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ledgerBooks := &books{}
			b := newBay(t, ledgerBooks, tt.change)
			b.put("a.csv", tt.content)
			b.steps(2)
			b.wantTree("rejected/a.csv", "rejected/a.csv.reason")
			if len(ledgerBooks.messages) != 1 {
				t.Fatalf("%d messages, want the rejected file alone: %v", len(ledgerBooks.messages), taken(ledgerBooks))
			}
			m := ledgerBooks.messages[0]
			if m.Status != ledger.Quarantined || !strings.Contains(m.Reason, tt.reason) || !strings.HasPrefix(tt.content, string(m.Body)) {
				t.Errorf("kept %s, %q", m.Status, m.Reason)
			}
			note, err := filepath.Glob(filepath.Join(b.dir, "rejected", "*.reason"))
			if err != nil || len(note) != 1 {
				t.Fatalf("reasons: %v, %v", note, err)
			}
			if text, _ := os.ReadFile(note[0]); !strings.Contains(string(text), tt.reason) {
				t.Errorf("the reason says %q", text)
			}
			b.drop.Whole, b.drop.FileMax = false, 1<<20
			b.restart()
			b.put("a.csv", "one\n") // mended, under its own name
			b.steps(2)
			if got := taken(ledgerBooks); !slices.Contains(got, "accepted one") {
				t.Errorf("the mended file was not taken: %v", got)
			}
		})
	}
}

// A row that can't be understood is quarantined alone where the drop says so.
func TestPickup_QuarantinesARowAlone(t *testing.T) {
	ledgerBooks := &books{}
	b := newBay(t, ledgerBooks, nil)
	b.put("a.csv", "one\nbad\ntwo\n")
	b.put("empty.csv", "")
	b.steps(2)
	wantTaken(t, ledgerBooks, "accepted ", "accepted one", "accepted two", "quarantined bad")
	b.wantTree("done/a.csv", "done/empty.csv")
}

// With the name as what makes a file itself, other content under it is
// rejected, and not one of its rows is taken.
// A message that waits keeps its file claimed, and no other message back; after
// its time it says what it can.
func TestPickup_WaitsForWhatAMessageBuildsOn(t *testing.T) {
	ledgerBooks := &books{}
	b := newBay(t, ledgerBooks, nil)
	b.put("a.csv", "after y\nx\n")
	b.steps(3)
	b.wantTree("work/a.csv")
	wantTaken(t, ledgerBooks, "accepted x")
	b.put("b.csv", "y\n")
	b.steps(3)
	b.wantTree("done/a.csv", "done/b.csv")
	wantTaken(t, ledgerBooks, "accepted after y", "accepted x", "accepted y")

	b.put("c.csv", "after z\n")
	b.steps(5)
	b.wantTree("done/a.csv", "done/b.csv", "work/c.csv")
	b.steps(3)
	b.wantTree("done/a.csv", "done/b.csv", "done/c.csv")
	wantTaken(t, ledgerBooks, "accepted after y", "accepted after z", "accepted x", "accepted y")
	if slices.ContainsFunc(b.told, func(s string) bool { return !strings.HasSuffix(s, " ") }) { // without details it is none
		t.Errorf("waiting is told as a trouble: %v", b.told)
	}
}

// A counterpart hears of a message that comes again, once for each file, and not
// of a file that is read again after a crash.
func TestPickup_TellsOfWhatCameBefore(t *testing.T) {
	ledgerBooks := &books{}
	b := newBay(t, ledgerBooks, func(d *connector.Drop) { d.Same = connector.SameMessage })
	b.repeats = true
	b.restart()
	again := func() (out []string) {
		for _, events := range ledgerBooks.events {
			for _, e := range events {
				if strings.Contains(e.Subject, " again, ") {
					out = append(out, e.Subject)
				}
			}
		}
		return out
	}
	b.put("a.csv", "1=x\n2=x\nafter z\n") // read several times
	b.steps(3)
	if told := again(); len(told) > 0 {
		t.Errorf("a file that is read again counts as another: %q", told)
	}
	b.put("b.csv", "1=x\nafter q\n") // read several times too
	b.put("c.csv", "2=y\n")
	b.steps(12)
	if d := cmp.Diff([]string{"1=x again, same true", "2=y again, same false"}, again()); d != "" {
		t.Errorf("told (-want +got):\n%s", d)
	}
}

func TestPickup_SameNameOtherContent(t *testing.T) {
	ledgerBooks := &books{}
	b := newBay(t, ledgerBooks, func(d *connector.Drop) { d.Same = connector.SameName })
	b.put("a.csv", "one\n")
	b.steps(2)
	b.put("a.csv", "one\ntwo\nthree\n")
	b.steps(2)
	for _, m := range taken(ledgerBooks) {
		if strings.HasSuffix(m, "two") || strings.HasSuffix(m, "accepted three") {
			t.Errorf("taken of the second file: %q", m)
		}
	}
	b.wantTree("done/a.csv", "rejected/a.csv", "rejected/a.csv.reason")
	b.put("a.csv", "one\n") // the first again is a repetition
	b.steps(2)
	b.wantTree("done/a.csv", "done/a.csv", "rejected/a.csv", "rejected/a.csv.reason")
}

// A folder that can't be used is a trouble, told once, and closed when it can.
func TestPickup_TroubleIsToldAndClosed(t *testing.T) {
	b := newBay(t, &books{}, nil)
	if err := os.Remove(filepath.Join(b.dir, "in")); err != nil {
		t.Fatal(err)
	}
	b.steps(3)
	if err := os.Mkdir(filepath.Join(b.dir, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.steps(2)
	if len(b.told) != 2 || !strings.Contains(b.told[0], "can't be picked up from in") || b.told[1] != "pickup_failed legacy/orders " {
		t.Errorf("told %q", b.told)
	}
}

// shaky fails the n-th call of a place or a keeper, before or after it did its
// work: a cut line, a crash. From then on everything fails, as for a process
// that is gone.
type shaky struct {
	connector.Files
	keeper intake.Keeper
	calls  atomic.Int64
	at     int64
	after  bool
}

var errGone = errors.New("the process is gone")

func (s *shaky) step(do func() error) error {
	n := s.calls.Add(1)
	if n > s.at || n == s.at && !s.after {
		return errGone
	}
	err := do()
	if n == s.at {
		return errGone
	}
	return err
}

func (s *shaky) List(ctx context.Context, folder string, each func(connector.FileInfo) error) error {
	return s.step(func() error { return s.Files.List(ctx, folder, each) })
}

func (s *shaky) Rename(ctx context.Context, from, to string) error {
	return s.step(func() error { return s.Files.Rename(ctx, from, to) })
}

func (s *shaky) Write(ctx context.Context, name string, r io.Reader) error {
	return s.step(func() error { return s.Files.Write(ctx, name, r) })
}

func (s *shaky) Open(ctx context.Context, name string) (r io.ReadCloser, err error) {
	err = s.step(func() error { r, err = s.Files.Open(ctx, name); return err })
	if err != nil && r != nil {
		_ = r.Close()
	}
	return r, err
}

func (s *shaky) Stat(ctx context.Context, name string) (i connector.FileInfo, err error) {
	err = s.step(func() error { i, err = s.Files.Stat(ctx, name); return err })
	return i, err
}

func (s *shaky) Keep(ctx context.Context, m ledger.Message, events []waybill.Event) (k engine.Kept, err error) {
	err = s.step(func() error { k, err = s.keeper.Keep(ctx, m, events); return err })
	return k, err
}

// Cut at every step, before and after it took effect, and started again: each
// message is in the ledger once and each file where it belongs.
func TestPickup_ExactlyOnceWhereverItIsCut(t *testing.T) {
	for _, after := range []bool{false, true} {
		for at := int64(1); ; at++ {
			ledgerBooks := &books{}
			b := newBay(t, ledgerBooks, func(d *connector.Drop) { d.Whole, d.Companion, d.Pattern = true, "{stem}.done", "*.csv" })
			whole := b.files
			broken := &shaky{Files: whole, keeper: ledgerBooks, at: at, after: after}
			b.put("a.csv", "one\ntwo\nthree\nend 3\n")
			b.put("b.csv", "four\nbad\n")
			b.put("a.done", "")
			b.put("b.done", "")
			b.files, b.keeper = broken, broken
			b.restart()
			b.steps(1)
			b.files, b.keeper = whole, ledgerBooks
			b.restart()
			b.steps(1)
			wantTaken(t, ledgerBooks, "accepted one", "accepted three", "accepted two", "quarantined four\nbad\n")
			b.wantTree("done/a.csv", "done/~a.csv", "rejected/b.csv", "rejected/b.csv.reason", "rejected/~b.csv")
			if t.Failed() {
				t.Fatalf("cut at call %d, after it: %v", at, after)
			}
			if broken.calls.Load() < at {
				t.Logf("%d places to cut", at-1)
				break
			}
		}
	}
}

// Over a line that is cut at any byte, OpenSSH at its other end.
func TestPickup_ExactlyOnceOverACutLine(t *testing.T) {
	s := transporttest.SSHD(t)
	now := time.Unix(vectorTime, 0)
	opt := s.Options()
	opt.Now = func() time.Time { return now }
	place, err := transport.NewSFTP(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = place.Close() })
	ledgerBooks := &books{}
	b := newBay(t, ledgerBooks, func(d *connector.Drop) { d.Stable = 0 })
	b.dir, b.files = s.Dir, place
	if err := os.Mkdir(filepath.Join(b.dir, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.restart()
	var want []string
	for i, cut := range []int64{10, 900, 2_000, 2_500, 3_000, 3_500, 4_000, 6_000, 20_000, 80_000} {
		content := strings.Repeat("x", 900) + fmt.Sprint(i) + "\n" + strings.Repeat(strings.Repeat("y", 900)+fmt.Sprint(i)+"\n", 90)
		b.put(fmt.Sprintf("f%d.csv", i), content)
		want = append(want, fmt.Sprintf("done/f%d.csv", i))
		s.Line.CutAfter(cut)
		for range 4 {
			b.steps(1)
			now = now.Add(2 * time.Minute)
		}
		s.Line.CutAfter(0)
		b.restart()
		b.steps(2)
	}
	b.wantTree(want...)
	if n := len(ledgerBooks.messages); n != 10*91 {
		t.Errorf("%d messages, want %d", n, 10*91)
	}
	if s.Line.Connections() < 5 {
		t.Errorf("%d connections: the line was never cut", s.Line.Connections())
	}
}
