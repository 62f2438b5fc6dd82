package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// FileName is the database's name in its data directory. SQLite puts -wal and
// -shm beside it, with the same mode; while they are there, the three are one.
const FileName = "waybill.db"

// lockName is the file whose lock says who owns the directory.
const lockName = "waybill.lock"

// prepareDir makes the data directory for its owner alone, and refuses one that
// others may write: whoever writes there can replace the books.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("create the data directory %s: %w", dir, err)
	}
	return checkDir(dir)
}

func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("open the data directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("open the data directory %s: it is a file; name a directory", dir)
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return fmt.Errorf("the data directory %s is writable by others (mode %04o); run: chmod 700 %s", dir, perm, dir)
	}
	return nil
}

// prepareFile makes a file for its owner alone, whatever the umask, and leaves
// an existing one's content as it is.
func prepareFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	err = f.Chmod(0o600)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("give %s to its owner alone: %w", path, err)
	}
	return nil
}

// Hold takes a data directory for this process, as opening the database in it
// does; it is made where there is none. Close gives it back.
func Hold(dir string) (io.Closer, error) {
	if err := prepareDir(dir); err != nil {
		return nil, err
	}
	return holdDir(dir)
}

// holdDir takes the data directory for this process. The lock goes with the
// process, however it ends.
func holdDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	if err := prepareFile(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open the lock %s: %w", path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close() //nolint:errcheck // only read
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the data directory %s is in use by process %s; stop it first, or name another directory", dir, holder(f))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		f.Close() //nolint:errcheck // the write's error says more
		return nil, fmt.Errorf("write the lock %s: %w", path, err)
	}
	return f, nil
}

// holder is the process id that the lock's holder wrote.
func holder(f *os.File) string {
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 32))
	pid := strings.TrimSpace(string(b))
	if err != nil || pid == "" {
		return "(unknown)"
	}
	return pid
}
