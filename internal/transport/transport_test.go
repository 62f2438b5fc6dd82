package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/transport"
	"github.com/waybillhq/waybill/internal/transport/transporttest"
)

// place is a place under test with the folder that it shows.
type place struct {
	files connector.Files
	dir   string
}

func places(t *testing.T) map[string]func(t *testing.T) place {
	t.Helper()
	return map[string]func(t *testing.T) place{
		"folder": func(t *testing.T) place {
			dir := t.TempDir()
			f := transport.NewFolder(dir)
			return place{f, dir}
		},
		"sftp": func(t *testing.T) place {
			s := transporttest.SSHD(t)
			return place{dial(t, s.Options()), s.Dir}
		},
	}
}

func dial(t *testing.T, opt transport.Options) *transport.SFTP {
	t.Helper()
	f, err := transport.NewSFTP(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func read(t *testing.T, f connector.Files, name string) string {
	t.Helper()
	r, err := f.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func names(t *testing.T, f connector.Files, folder string) []string {
	t.Helper()
	var out []string
	if err := f.List(t.Context(), folder, func(i connector.FileInfo) error {
		out = append(out, fmt.Sprintf("%s %d", i.Name, i.Size))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// Both kinds of place do the same.
func TestFiles_BothPlacesAgree(t *testing.T) {
	for name, open := range places(t) {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			ctx := t.Context()
			if err := p.files.Write(ctx, "out/deep/a.csv", strings.NewReader("one")); err != nil {
				t.Fatal(err)
			}
			if err := p.files.Write(ctx, "out/deep/a.csv", strings.NewReader("two and")); err != nil {
				t.Fatal(err)
			}
			if got := read(t, p.files, "out/deep/a.csv"); got != "two and" {
				t.Errorf("read %q", got)
			}
			if err := p.files.Rename(ctx, "out/deep/a.csv", "done/b.csv"); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff([]string{"b.csv 7"}, names(t, p.files, "done")); d != "" {
				t.Errorf("done (-want +got):\n%s", d)
			}
			if got := names(t, p.files, "out/deep"); len(got) != 0 {
				t.Errorf("the file is under its old name too: %v", got)
			}
			info, err := p.files.Stat(ctx, "done/b.csv")
			if err != nil || info.Size != 7 || time.Since(info.Modified).Abs() > time.Hour {
				t.Errorf("stat %+v, %v", info, err)
			}
			for range 2 { // the second finds nothing
				if err := p.files.Remove(ctx, "done/b.csv"); err != nil {
					t.Error(err)
				}
			}
			if _, err := os.Stat(filepath.Join(p.dir, "done/b.csv")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after the removal: %v", err)
			}
		})
	}
}

func TestFiles_RenameReplacesNothing(t *testing.T) {
	for name, open := range places(t) {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			for _, f := range []string{"a", "b"} {
				if err := p.files.Write(t.Context(), f, strings.NewReader("is "+f)); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.files.Rename(t.Context(), "a", "b"); !errors.Is(err, fs.ErrExist) {
				t.Errorf("error %v, want fs.ErrExist", err)
			}
			if got := read(t, p.files, "b"); got != "is b" {
				t.Errorf("b now %q", got)
			}
			if err := p.files.Rename(t.Context(), "c", "d/e"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a missing file: %v, want fs.ErrNotExist", err)
			}
			if _, err := p.files.Open(t.Context(), "c"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open a missing file: %v, want fs.ErrNotExist", err)
			}
		})
	}
}

// No name and no link leads out of the place.
func TestFiles_NothingLeavesThePlace(t *testing.T) {
	for name, open := range places(t) {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			secret := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(secret, []byte("key"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(secret, filepath.Join(p.dir, "link.csv")); err != nil {
				t.Fatal(err)
			}
			if got := names(t, p.files, "."); len(got) != 0 {
				t.Errorf("a link is listed: %v", got)
			}
			for _, bad := range []string{"../x", "/etc/passwd", "a/../../x", "link.csv"} {
				if r, err := p.files.Open(t.Context(), bad); err == nil {
					_ = r.Close()
					t.Errorf("%s was opened", bad)
				}
			}
			for _, bad := range []string{"../x", "/tmp/x", "a\x00b"} {
				if err := p.files.Write(t.Context(), bad, strings.NewReader("x")); err == nil {
					t.Errorf("%q was written", bad)
				}
			}
		})
	}
}

func TestFiles_ManyInOneFolder(t *testing.T) {
	const many = 10_000
	for name, open := range places(t) {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			if err := os.Mkdir(filepath.Join(p.dir, "in"), 0o700); err != nil {
				t.Fatal(err)
			}
			for i := range many {
				if err := os.WriteFile(filepath.Join(p.dir, "in", fmt.Sprintf("%d.csv", i)), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			seen := map[string]bool{}
			if err := p.files.List(t.Context(), "in", func(i connector.FileInfo) error { seen[i.Name] = true; return nil }); err != nil {
				t.Fatal(err)
			}
			if len(seen) != many {
				t.Errorf("%d of %d files are listed", len(seen), many)
			}
			enough := errors.New("enough")
			n := 0
			if err := p.files.List(t.Context(), "in", func(connector.FileInfo) error { n++; return enough }); !errors.Is(err, enough) || n != 1 {
				t.Errorf("listing went on after %d: %v", n, err)
			}
		})
	}
}

// A host key that is not pinned is refused with its fingerprint, and nothing
// of the login is tried.
func TestSFTP_UnknownHostKeyIsRefusedAndShown(t *testing.T) {
	s := transporttest.SSHD(t)
	opt := s.Options()
	opt.HostKeys = []string{"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}
	_, err := dial(t, opt).Stat(t.Context(), "x")
	var no *connector.Rejection
	if !errors.As(err, &no) || no.Status != 401 || no.Err.Code != "host_key_unknown" || !strings.Contains(err.Error(), s.HostKey) {
		t.Errorf("error %v, want a rejection that shows %s", err, s.HostKey)
	}
	opt = s.Options()
	opt.User = "nobody-here"
	_, err = dial(t, opt).Stat(t.Context(), "x")
	if !errors.As(err, &no) || no.Status != 401 || no.Err.Code != "credential_refused" {
		t.Errorf("another user: %v, want credential_refused", err)
	}
	opt = s.Options()
	opt.HostKeys = nil
	if _, err := transport.NewSFTP(opt); err == nil {
		t.Error("a server without a pinned key is trusted")
	}
}

// A line cut at any byte of a transfer gives an error, never a part of a file
// that looks whole, and the next call connects again.
func TestSFTP_CutAnywhere(t *testing.T) {
	s := transporttest.SSHD(t)
	content := bytes.Repeat([]byte("0123456789abcdef"), 40_000)
	if err := os.WriteFile(filepath.Join(s.Dir, "big"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1767323045, 0)
	var mu sync.Mutex
	opt := s.Options()
	opt.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	f := dial(t, opt)
	if got := read(t, f, "big"); got != string(content) {
		t.Fatal("the file is read wrongly over a whole line")
	}
	for _, after := range []int64{1, 100, 5_000, 40_000, 333_333, 600_000} {
		mu.Lock()
		now = now.Add(2 * time.Minute) // past every back-off
		mu.Unlock()
		s.Line.CutAfter(after)
		var got bytes.Buffer
		r, err := f.Open(t.Context(), "big")
		if err == nil {
			_, err = io.Copy(&got, r)
			err = errors.Join(err, r.Close())
		}
		if err == nil || got.Len() == len(content) {
			t.Errorf("cut after %d bytes: %d bytes and error %v", after, got.Len(), err)
		}
		s.Line.CutAfter(0)
		mu.Lock()
		now = now.Add(2 * time.Minute)
		mu.Unlock()
		if got := read(t, f, "big"); got != string(content) {
			t.Errorf("after a cut at %d the file is read wrongly", after)
		}
	}
}

// After a failure to connect nobody tries before the back-off is over, and the
// error says that nothing was done.
func TestSFTP_BacksOff(t *testing.T) {
	s := transporttest.SSHD(t)
	now := time.Unix(1767323045, 0)
	opt := s.Options()
	opt.Now = func() time.Time { return now }
	f := dial(t, opt)
	s.Line.Refuse(true)
	for i := range 5 {
		if _, err := f.Stat(t.Context(), "x"); !errors.Is(err, connector.ErrNoConnection) {
			t.Errorf("try %d: %v, want ErrNoConnection", i, err)
		}
	}
	if n := s.Line.Connections(); n != 1 {
		t.Errorf("%d connections within the back-off, want 1", n)
	}
	now = now.Add(time.Second)
	_, _ = f.Stat(t.Context(), "x")
	now = now.Add(time.Second) // the second wait is two seconds
	_, _ = f.Stat(t.Context(), "x")
	if n := s.Line.Connections(); n != 2 {
		t.Errorf("%d connections, want 2: the back-off grows", n)
	}
	s.Line.Refuse(false)
	now = now.Add(time.Second)
	if _, err := f.Stat(t.Context(), "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("once it can connect: %v, want fs.ErrNotExist", err)
	}
}

// A caller's time is its own: a server that says nothing holds nobody longer.
func TestSFTP_SilenceEndsWithTheContext(t *testing.T) {
	s := transporttest.SSHD(t)
	opt := s.Options()
	opt.Timeout = 50 * time.Millisecond
	mute := listenMute(t)
	opt.Address = mute
	if _, err := dial(t, opt).Stat(t.Context(), "x"); !errors.Is(err, connector.ErrNoConnection) || !strings.Contains(err.Error(), "no answer within") {
		t.Errorf("error %v, want no connection within the timeout", err)
	}
	opt.Timeout = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := dial(t, opt).Stat(ctx, "x"); !errors.Is(err, connector.ErrNoConnection) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the caller's deadline", err)
	}
}
