package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
)

func mustOpen(t *testing.T, dir string, opts Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// set commits one setting.
func set(t *testing.T, s *Store, name, value string) {
	t.Helper()
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Write(t.Context(), &store.Batch{Settings: map[string]string{name: value}}); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, s *Store, name string) string {
	t.Helper()
	v, err := s.Setting(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOpen_EveryConnectionIsDurable(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	pragma := func(query func(string) string, name string) string { return query("PRAGMA " + name) }
	byWriter := func(text string) string {
		st, err := s.writer.prepare(t.Context(), text)
		if err != nil {
			t.Fatal(err)
		}
		v, err := st.row(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(v[0])
	}
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000",
		"wal_autocheckpoint": "8000", "journal_size_limit": "67108864", "query_only": "0"} {
		if got := pragma(byWriter, name); got != want {
			t.Errorf("the writer has %s %s, want %s", name, got, want)
		}
	}
	for i := range readersMax {
		conn, err := s.reader.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		byReader := func(text string) (v string) {
			if err := conn.QueryRowContext(t.Context(), text).Scan(&v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		for name, want := range map[string]string{"journal_mode": "wal", "busy_timeout": "5000", "query_only": "1"} {
			if got := pragma(byReader, name); got != want {
				t.Errorf("reader %d has %s %s, want %s", i, name, got, want)
			}
		}
		if _, err := conn.ExecContext(t.Context(), `DELETE FROM setting`); err == nil {
			t.Errorf("reader %d can write", i)
		}
	}
}

func TestOpen_FilesAreTheirOwnersAlone(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o777} {
		t.Run(fmt.Sprintf("umask %03o", mask), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			if mask == 0o777 { // nobody could make files in a directory made under it
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			before := syscall.Umask(mask)
			s, err := Open(t.Context(), dir, Options{})
			if err == nil {
				set(t, s, "a", "1")
				err = s.Backup(t.Context(), filepath.Join(dir, "copy.db"))
			}
			syscall.Umask(before)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			names := map[string]bool{}
			err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := d.Info()
				if err != nil {
					return err
				}
				want := fs.FileMode(0o600)
				if d.IsDir() {
					want = 0o700
				}
				if got := info.Mode().Perm(); got != want {
					t.Errorf("%s has mode %04o, want %04o", d.Name(), got, want)
				}
				names[d.Name()] = true
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"waybill.db", "waybill.db-wal", "waybill.db-shm", "waybill.lock", "copy.db"} {
				if !names[name] {
					t.Errorf("%s is not there", name)
				}
			}
		})
	}
}

// A copy put in place by hand is closed to others too.
func TestOpen_ClosesWhatIsOpenToOthers(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, Options{})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the database has mode %v, %v", info.Mode(), err)
	}
}

func TestOpen_RefusesDirectoriesOfOthers(t *testing.T) {
	for _, mode := range []fs.FileMode{0o777, 0o770, 0o702} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		for _, opts := range []Options{{}, {ReadOnly: true}} {
			_, err := Open(t.Context(), dir, opts)
			if err == nil || !strings.Contains(err.Error(), "chmod 700 "+dir) {
				t.Errorf("mode %04o: %v; want an error that says what to do", mode, err)
			}
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), file, Options{}); err == nil {
		t.Error("a file was taken for a data directory")
	}
}

// heldDir names the directory that a second process of this test shall open.
const heldDir = "WAYBILL_TEST_HELD_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(heldDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := Open(context.Background(), dir, Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	s.Close()
	os.Exit(0)
}

func TestOpen_SecondProcessIsRefused(t *testing.T) {
	second := func(dir string) (string, error) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), heldDir+"="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := second(dir)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, "in use by process "+strconv.Itoa(os.Getpid())) {
		t.Errorf("the second process ended with %v and said %q; want it to name process %d", err, out, os.Getpid())
	}
	if _, err := Open(t.Context(), dir, Options{}); err == nil {
		t.Error("the same process opened the directory twice")
	}
	set(t, s, "a", "1") // the first is untouched

	beside := mustOpen(t, dir, Options{ReadOnly: true})
	if v := get(t, beside, "a"); v != "1" {
		t.Errorf("a reader beside the owner sees %q", v)
	}
	if _, err := beside.Begin(t.Context()); err == nil {
		t.Error("a batch began on a database that is open for reading")
	}
	if _, err := beside.Reserve(t.Context(), 1); err == nil {
		t.Error("ids were reserved on a database that is open for reading")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := second(dir); err != nil {
		t.Errorf("after the first has gone the second ends with %v: %s", err, out)
	}
}

func TestOpen_ReadOnlyMakesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory opens for reading: %v", err)
	}
	if _, err := Open(t.Context(), filepath.Join(dir, "none"), Options{ReadOnly: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there opens for reading: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	s := mustOpen(t, dir, Options{})
	set(t, s, "a", "1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alone := mustOpen(t, dir, Options{ReadOnly: true})
	if v := get(t, alone, "a"); v != "1" {
		t.Errorf("without its owner the database holds %q", v)
	}
}

func TestOpen_RefusesNewerSchema(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, opts := range []Options{{}, {ReadOnly: true}} {
		_, err := Open(t.Context(), dir, opts)
		if err == nil || !strings.Contains(err.Error(), "schema 9999") {
			t.Errorf("with %+v: %v; want a refusal that names the schema", opts, err)
		}
	}
}

func TestOpen_Memory(t *testing.T) {
	s := mustOpen(t, "", Options{Memory: true})
	other := mustOpen(t, "", Options{Memory: true})
	set(t, s, "a", "1")
	if _, err := other.Setting(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("two databases in memory share what they hold: %v", err)
	}
	dir := s.dir
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a database in memory left %s: %v", dir, err)
	}
}

// A copy of the files as they lie while the store is open is what a crash
// leaves: all that was committed is in it, and nothing of an open batch.
func TestOpen_AfterCrash(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	for i := range 20 {
		set(t, s, "n", strconv.Itoa(i))
	}
	if _, err := s.Reserve(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := tx.Write(t.Context(), &store.Batch{Settings: map[string]string{"n": "open"}}); err != nil {
		t.Fatal(err)
	}
	image := func(cut int) string {
		to := t.TempDir()
		for _, name := range []string{FileName, FileName + "-wal"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if name != FileName {
				b = b[:len(b)-cut]
			}
			if err := os.WriteFile(filepath.Join(to, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return to
	}
	whole := mustOpen(t, image(0), Options{})
	if v := get(t, whole, "n"); v != "19" {
		t.Errorf("after a crash the setting is %q, want the last that was committed", v)
	}
	if first, err := whole.Reserve(t.Context(), 1); err != nil || first <= 100 {
		t.Errorf("after a crash id %d is handed out again: %v", first, err)
	}
	// A torn tail costs the last commit, never the database.
	torn := mustOpen(t, image(100), Options{})
	if findings, err := torn.Check(t.Context()); err != nil || len(findings) != 0 {
		t.Errorf("with a torn tail the check finds %v, %v", findings, err)
	}
	if v := get(t, torn, "n"); v != "19" && v != "18" {
		t.Errorf("with a torn tail the setting is %q", v)
	}
}

// A log that can't be written ends the writing, not the reading: what the disk
// holds of the batch is not known, so nothing is put behind it.
func TestCommit_FailingDiskStopsWriting(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	set(t, s, "a", "before")
	info, err := os.Stat(filepath.Join(dir, FileName+"-wal"))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Write(t.Context(), &store.Batch{Settings: map[string]string{"a": "lost", "b": strings.Repeat("x", 100_000)}}); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(info.Size()), Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	failed := tx.Commit(t.Context())
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if failed == nil {
		t.Fatal("a batch that could not be written was committed")
	}
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := s.Begin(soon); err == nil || !strings.Contains(err.Error(), "check the disk") {
		t.Errorf("the next batch: %v; want an error that says what to do", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Errorf("rollback after it: %v", err)
	}
	if v := get(t, s, "a"); v != "before" {
		t.Errorf("reading goes on with %q", v)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, dir, Options{})
	if v := get(t, again, "a"); v != "before" {
		t.Errorf("after a new start the setting is %q", v)
	}
	set(t, again, "a", "after")
}

// A full disk costs the batch and nothing more: with room again, the same
// store goes on.
func TestWrite_FullDiskIsSurvived(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	set(t, s, "a", "1")
	pages := func(n int) {
		st, err := s.writer.prepare(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", n))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.row(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	pages(1) // no page more than there are
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Write(t.Context(), &store.Batch{Settings: map[string]string{"b": strings.Repeat("x", 1<<20)}}); err == nil {
		t.Error("a batch was written where there is no room")
	}
	if err := tx.Rollback(); err != nil {
		t.Errorf("rollback: %v", err)
	}
	pages(1 << 20)
	set(t, s, "a", "2")
	if v := get(t, s, "a"); v != "2" {
		t.Errorf("with room again the setting is %q", v)
	}
}

func TestBackup(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{})
	set(t, s, "a", "1")
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Write(t.Context(), &store.Batch{Settings: map[string]string{"a": "open"}}); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	path := filepath.Join(to, FileName)
	if err := s.Backup(t.Context(), path); err != nil {
		t.Fatalf("back up beside an open batch: %v", err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(t.Context(), path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a backup onto another: %v, want a refusal", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the backup that was there has changed: %v", err)
	}
	if err := s.Backup(t.Context(), filepath.Join(to, "none", "x")); err == nil {
		t.Error("a backup into a directory that is not there succeeded")
	}
	copied := mustOpen(t, to, Options{})
	if v := get(t, copied, "a"); v != "1" {
		t.Errorf("the backup holds %q, want the last commit before it", v)
	}
}

func TestCheck_FindsDamage(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{})
	tx, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ms []ledger.Message
	for id := int64(1); id <= 500; id++ {
		ms = append(ms, ledger.Message{ID: id, Source: "shop", DedupeID: fmt.Sprint("evt_", id), Body: []byte("{}")})
	}
	if _, err := tx.KeepMessages(t.Context(), ms); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// In the table the source stands before the dedupe id, in the index behind.
	b = bytes.ReplaceAll(b, []byte("shopevt_77"), []byte("shopevt_xx"))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := mustOpen(t, dir, Options{})
	if findings, err := damaged.Check(t.Context()); err != nil || len(findings) == 0 {
		t.Errorf("a row that its index no longer finds gives %v, %v", findings, err)
	}
}
