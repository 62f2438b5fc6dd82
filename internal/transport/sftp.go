package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"

	"github.com/waybillhq/waybill/connector"
)

// Extensions of OpenSSH's server that are used where they are offered.
const (
	extensionRename = "posix-rename@openssh.com" // one step; plain rename is a link and an unlink there
	extensionSync   = "fsync@openssh.com"
)

// SFTP is a place on an SFTP server. One connection serves all callers; it is
// made when it is needed, and made again after it broke, with back-off. Its
// methods are safe for concurrent use.
type SFTP struct {
	opt Options

	connecting chan struct{} // holds one: who connects

	mu       sync.Mutex
	link     *link
	failures int       // to connect, in a row
	rest     time.Time // no try before
	cause    error     // of the last failure
	closed   bool
}

// NewSFTP checks the options; it connects to nobody yet.
func NewSFTP(opt Options) (*SFTP, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	return &SFTP{opt: opt, connecting: make(chan struct{}, 1)}, nil
}

// Close ends the connection, and makes no other.
func (s *SFTP) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.link == nil {
		return nil
	}
	err := s.link.close()
	s.link = nil
	return err
}

// take gives the connection to a caller, who gives it back with done. While
// one caller connects, others wait for it no longer than they want to.
func (s *SFTP) take(ctx context.Context) (*link, error) {
	if l, err := s.ready(); l != nil || err != nil {
		return l, err
	}
	select {
	case s.connecting <- struct{}{}:
		defer func() { <-s.connecting }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", connector.ErrNoConnection, context.Cause(ctx))
	}
	if l, err := s.ready(); l != nil || err != nil { // another has connected meanwhile
		return l, err
	}
	l, err := connect(ctx, &s.opt)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.closed {
		return nil, errors.Join(fmt.Errorf("%w: the place was left", connector.ErrNoConnection), l.close())
	}
	if err != nil {
		s.failures++
		s.cause, s.rest = err, s.opt.Now().Add(s.opt.backoff(s.failures))
		return nil, fmt.Errorf("%w: %w", connector.ErrNoConnection, err)
	}
	s.failures, s.rest, s.link = 0, time.Time{}, l
	l.users++
	return l, nil
}

// ready gives the connection that is there, nothing where one has to be made,
// and an error where it is too early for that.
func (s *SFTP) ready() (*link, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opt.Now()
	if s.closed {
		return nil, fmt.Errorf("%w: the place was left", connector.ErrNoConnection)
	}
	if l := s.link; l != nil {
		if l.users > 0 || now.Sub(l.last) < s.opt.idleMax {
			l.users++
			return l, nil
		}
		_ = l.close() // firewalls forget what is idle; nothing is under way on it
		s.link = nil
	}
	if now.Before(s.rest) {
		return nil, fmt.Errorf("%w: %w (the next try is at %s)", connector.ErrNoConnection, s.cause, s.rest.UTC().Format(time.RFC3339))
	}
	return nil, nil
}

// done gives the connection back. One that failed is dropped, whoever else
// uses it: what they wait for would not come either.
func (s *SFTP) done(l *link, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.users--
	l.last = s.opt.Now()
	if !broken(err) {
		return
	}
	_ = l.close()
	if s.link == l {
		s.link = nil
	}
}

// broken tells an error of the connection from the server's answer.
func broken(err error) bool {
	var status *sftp.StatusError
	return err != nil && !errors.As(err, &status) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) &&
		!errors.Is(err, fs.ErrPermission) && !errors.Is(err, fs.ErrInvalid)
}

// do makes one call over the connection, and cuts it where the call takes too
// long: the protocol knows no other way to give up.
func (s *SFTP) do(ctx context.Context, what, name string, call func(c *sftp.Client, at string) error) error {
	at, err := inside(s.opt.Path, name)
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, name, err)
	}
	l, err := s.take(ctx)
	if err == nil {
		stop := l.guard(ctx, s.opt.Timeout)
		err = call(l.files, at)
		if cut := stop(); cut != nil && err != nil {
			err = fmt.Errorf("%w: %w", cut, err)
		}
		s.done(l, err)
	}
	if err != nil {
		return fmt.Errorf("%s %s at %s: %w", what, name, s.opt.Address, err)
	}
	return nil
}

// List implements [connector.Files].
func (s *SFTP) List(ctx context.Context, folder string, each func(connector.FileInfo) error) error {
	var entries []os.FileInfo
	err := s.do(ctx, "list", folder, func(c *sftp.Client, at string) (err error) {
		entries, err = c.ReadDirContext(ctx, at)
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range entries {
		// A server that names files of other folders is not followed there.
		if !e.Mode().IsRegular() || strings.ContainsAny(e.Name(), "/\x00") {
			continue
		}
		if err := each(infoOf(e)); err != nil {
			return err
		}
	}
	return nil
}

// Stat implements [connector.Files].
func (s *SFTP) Stat(ctx context.Context, name string) (info connector.FileInfo, err error) {
	err = s.do(ctx, "look at", name, func(c *sftp.Client, at string) (err error) {
		info, err = stat(c, at)
		return err
	})
	return info, err
}

func stat(c *sftp.Client, at string) (connector.FileInfo, error) {
	i, err := c.Lstat(at)
	if err != nil {
		return connector.FileInfo{}, err
	}
	if !i.Mode().IsRegular() {
		return connector.FileInfo{}, fmt.Errorf("it is no file: %w", fs.ErrInvalid)
	}
	return infoOf(i), nil
}

// Open implements [connector.Files]. As in a folder, links are not followed.
func (s *SFTP) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	at, err := inside(s.opt.Path, name)
	if err != nil {
		return nil, err
	}
	l, err := s.take(ctx)
	if err != nil {
		return nil, fmt.Errorf("open %s at %s: %w", name, s.opt.Address, err)
	}
	stop := l.guard(ctx, s.opt.Timeout)
	var file *sftp.File
	if _, err = stat(l.files, at); err == nil { // links are not followed
		file, err = l.files.Open(at)
	}
	if cut := stop(); cut != nil && err != nil {
		err = fmt.Errorf("%w: %w", cut, err)
	}
	if err != nil {
		s.done(l, err)
		return nil, fmt.Errorf("open %s at %s: %w", name, s.opt.Address, err)
	}
	return &reader{place: s, link: l, file: file, ctx: ctx}, nil
}

// reader reads a file over a connection that it holds until it is closed.
type reader struct {
	place *SFTP
	link  *link
	file  *sftp.File
	ctx   context.Context
	err   error // that ended it, but for io.EOF
}

// Read reads the next bytes.
func (r *reader) Read(b []byte) (int, error) {
	stop := r.link.guard(r.ctx, r.place.opt.Timeout)
	n, err := r.file.Read(b)
	cut := stop()
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = errors.Join(cut, err)
		return n, r.err
	}
	return n, err
}

// WriteTo reads ahead, which Read can't: over a long line that is the
// difference between minutes and seconds.
func (r *reader) WriteTo(w io.Writer) (int64, error) {
	g := r.link.guardIdle(r.ctx, r.place.opt.Timeout)
	to := &moving{w: w, guard: g}
	n, err := r.file.WriteTo(to)
	if cut := g.stop(); cut != nil && err != nil {
		err = fmt.Errorf("%w: %w", cut, err)
	}
	if err != nil && to.err == nil {
		r.err = err
	}
	return n, err
}

// Close lets the connection go.
func (r *reader) Close() error {
	err := r.file.Close()
	r.place.done(r.link, errors.Join(r.err, err))
	return err
}

// moving tells the guard that bytes still come.
type moving struct {
	w     io.Writer
	guard *guard
	err   error
}

// Write writes on.
func (m *moving) Write(b []byte) (n int, err error) {
	m.guard.moved()
	n, err = m.w.Write(b)
	if err != nil {
		m.err = err
	}
	return n, err
}

// Write implements [connector.Files]. The file is synced where the server can,
// and its size compared with what was sent.
func (s *SFTP) Write(ctx context.Context, name string, content io.Reader) error {
	return s.do(ctx, "write", name, func(c *sftp.Client, at string) error {
		const flags = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
		file, err := c.OpenFile(at, flags)
		if errors.Is(err, fs.ErrNotExist) {
			if err := c.MkdirAll(path.Dir(at)); err != nil {
				return fmt.Errorf("make its folder: %w", err)
			}
			file, err = c.OpenFile(at, flags)
		}
		if err != nil {
			return err
		}
		sent, err := io.Copy(file, content)
		if _, can := c.HasExtension(extensionSync); can && err == nil {
			err = file.Sync()
		}
		if err = errors.Join(err, file.Close()); err != nil {
			return err
		}
		there, err := stat(c, at)
		if err == nil && there.Size != sent {
			err = fmt.Errorf("%d bytes were sent and %d are there: %w", sent, there.Size, fs.ErrInvalid)
		}
		return err
	})
}

// Rename implements [connector.Files].
func (s *SFTP) Rename(ctx context.Context, from, to string) error {
	target, err := inside(s.opt.Path, to)
	if err != nil {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	return s.do(ctx, "rename", from, func(c *sftp.Client, at string) error {
		if _, err := stat(c, target); err == nil {
			return fmt.Errorf("there is a file %s: %w", to, fs.ErrExist)
		}
		rename := c.Rename
		if _, can := c.HasExtension(extensionRename); can {
			rename = c.PosixRename
		}
		err := rename(at, target)
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if _, gone := stat(c, at); gone != nil {
			return gone
		}
		if err := c.MkdirAll(path.Dir(target)); err != nil {
			return fmt.Errorf("make the folder of %s: %w", to, err)
		}
		return rename(at, target)
	})
}

// Remove implements [connector.Files].
func (s *SFTP) Remove(ctx context.Context, name string) error {
	return s.do(ctx, "remove", name, func(c *sftp.Client, at string) error {
		if err := c.Remove(at); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

// inside puts a name below the folder of a place, and refuses one that would
// leave it.
func inside(base, name string) (string, error) {
	clean := path.Clean(name)
	if strings.ContainsRune(name, 0) || !fs.ValidPath(clean) {
		return "", fmt.Errorf("%q leaves the exchange folder: %w", name, fs.ErrInvalid)
	}
	return path.Join(base, clean), nil
}
