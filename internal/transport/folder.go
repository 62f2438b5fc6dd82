// Package transport reaches the places where files are exchanged with systems:
// folders of this machine and SFTP servers, both behind [connector.Files]. It
// knows nothing of what is in the files, and never decides what happens to
// one.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/waybillhq/waybill/connector"
)

// The rights of what is made: files are for this user and its group, as an
// exchange between two programs of one machine needs.
const (
	fileMode   fs.FileMode = 0o660
	folderMode fs.FileMode = 0o770
)

// listChunk is how many names of a folder are in memory at once.
const listChunk = 512

// Folder is a place on this machine. No name leaves it: not by "..", not by a
// link. It is opened anew for each call, so that a folder that is made or
// mounted later is found.
type Folder struct{ dir string }

// NewFolder is the place at a path.
func NewFolder(dir string) *Folder { return &Folder{dir: dir} }

// Close has nothing to release.
func (f *Folder) Close() error { return nil }

// open opens the folder. That it is missing is not told as the absence of a
// file in it.
func (f *Folder) open() (root, error) {
	r, err := os.OpenRoot(f.dir)
	if err != nil {
		return root{}, fmt.Errorf("%w: open the exchange folder: %v; make it, and let the user that runs Waybill write in it",
			connector.ErrNoConnection, err) //nolint:errorlint // the cause must not match fs.ErrNotExist
	}
	return root{r}, nil
}

// root is the folder while a call lasts.
type root struct{ *os.Root }

// List implements [connector.Files]; a chunk of names at a time.
func (f *Folder) List(ctx context.Context, folder string, each func(connector.FileInfo) error) error {
	r, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // read only
	dir, err := r.Open(path.Clean(folder))
	if err != nil {
		return fmt.Errorf("list %s: %w", folder, err)
	}
	defer dir.Close() //nolint:errcheck // read only
	for {
		entries, err := dir.ReadDir(listChunk)
		for _, e := range entries {
			if !e.Type().IsRegular() {
				continue
			}
			info, statErr := e.Info()
			if errors.Is(statErr, fs.ErrNotExist) {
				continue // gone since
			}
			if statErr != nil {
				return fmt.Errorf("list %s: %w", folder, statErr)
			}
			if err := each(infoOf(info)); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("list %s: %w", folder, err)
		case ctx.Err() != nil:
			return fmt.Errorf("list %s: %w", folder, ctx.Err())
		}
	}
}

func infoOf(i fs.FileInfo) connector.FileInfo {
	return connector.FileInfo{Name: i.Name(), Size: i.Size(), Modified: i.ModTime()}
}

// Stat implements [connector.Files].
func (f *Folder) Stat(_ context.Context, name string) (connector.FileInfo, error) {
	r, err := f.open()
	if err != nil {
		return connector.FileInfo{}, err
	}
	defer r.Close() //nolint:errcheck // read only
	return r.stat(name)
}

func (r root) stat(name string) (connector.FileInfo, error) {
	info, err := r.Lstat(path.Clean(name))
	if err != nil {
		return connector.FileInfo{}, fmt.Errorf("look at %s: %w", name, err)
	}
	if !info.Mode().IsRegular() {
		return connector.FileInfo{}, fmt.Errorf("look at %s: it is no file: %w", name, fs.ErrInvalid)
	}
	return infoOf(info), nil
}

// Open implements [connector.Files]. Links are not followed: what they lead to
// is no file that the system put here.
func (f *Folder) Open(_ context.Context, name string) (io.ReadCloser, error) {
	r, err := f.open()
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // the file outlasts it
	if _, err := r.stat(name); err != nil {
		return nil, err
	}
	file, err := r.Open(path.Clean(name))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return file, nil
}

// Write implements [connector.Files]. File and folder are synced.
func (f *Folder) Write(_ context.Context, name string, content io.Reader) error {
	r, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // what was written is synced
	name = path.Clean(name)
	if err := r.makeFolder(path.Dir(name)); err != nil {
		return err
	}
	file, err := r.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, fileMode)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = io.Copy(file, content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return r.sync(path.Dir(name))
}

// Rename implements [connector.Files]. Both folders are synced.
func (f *Folder) Rename(_ context.Context, from, to string) error {
	r, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // what was changed is synced
	from, to = path.Clean(from), path.Clean(to)
	if err := r.makeFolder(path.Dir(to)); err != nil {
		return err
	}
	if _, err := r.stat(to); err == nil {
		return fmt.Errorf("rename %s: there is a file %s: %w", from, to, fs.ErrExist)
	}
	if err := r.Root.Rename(from, to); err != nil {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	if err := r.sync(path.Dir(to)); err != nil {
		return err
	}
	return r.sync(path.Dir(from))
}

// Remove implements [connector.Files].
func (f *Folder) Remove(_ context.Context, name string) error {
	r, err := f.open()
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // what was changed is synced
	name = path.Clean(name)
	if err := r.Root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return r.sync(path.Dir(name))
}

// makeFolder makes a folder with those on the way to it, and makes their
// entries durable: a file in a folder that is lost is lost.
func (r root) makeFolder(name string) error {
	if name == "." {
		return nil
	}
	if info, err := r.Stat(name); err == nil && info.IsDir() {
		return nil
	}
	if err := r.MkdirAll(name, folderMode); err != nil {
		return fmt.Errorf("make the folder %s: %w", name, err)
	}
	for at := name; at != "."; at = path.Dir(at) {
		if err := r.sync(path.Dir(at)); err != nil {
			return err
		}
	}
	return nil
}

// sync makes what changed in a folder durable.
func (r root) sync(folder string) error {
	dir, err := r.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing can have changed in it
	}
	if err != nil {
		return fmt.Errorf("sync the folder %s: %w", folder, err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync the folder %s: %w", folder, err)
	}
	return nil
}
