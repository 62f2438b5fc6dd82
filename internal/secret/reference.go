package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// secretBytesMax bounds a file that holds one secret.
const secretBytesMax = 64 << 10

// Resolver turns references into secrets: "${env:NAME}" is an environment
// variable, "${file:PATH}" the content of a file without its last line end.
type Resolver struct {
	Dir    string                      // relative paths are relative to it
	Getenv func(string) (string, bool) // nil: os.LookupEnv
}

var (
	reference = regexp.MustCompile(`^\$\{(env|file):([^{}]+)\}$`)
	envName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// Resolve gives the secret that ref names. A text that is no reference is
// refused, and no error repeats it: it may be the secret itself.
func (r Resolver) Resolve(ref string) (Secret, error) {
	m := reference.FindStringSubmatch(strings.TrimSpace(ref))
	if m == nil {
		return Secret{}, errors.New("a secret is named here, never written out; write ${env:NAME} or ${file:PATH}")
	}
	name := strings.TrimSpace(m[2])
	if m[1] == "file" {
		return r.File(name)
	}
	if !envName.MatchString(name) {
		return Secret{}, fmt.Errorf("%q is no name of an environment variable; write letters, digits and underscores", name)
	}
	getenv := r.Getenv
	if getenv == nil {
		getenv = os.LookupEnv
	}
	text, ok := getenv(name)
	switch {
	case !ok:
		return Secret{}, fmt.Errorf("the environment variable %s is not set; set it for the process that runs waybill", name)
	case text == "":
		return Secret{}, fmt.Errorf("the environment variable %s is empty; set it to the secret", name)
	}
	return New(text), nil
}

// File reads the secret that a file holds, without its last line end.
func (r Resolver) File(path string) (Secret, error) {
	b, err := readSmall(r.path(path), secretBytesMax)
	if err != nil {
		return Secret{}, err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	switch {
	case text == "":
		return Secret{}, fmt.Errorf("the file %s is empty; write the secret into it", path)
	case strings.ContainsAny(text, "\r\n") && !isPEM(text):
		return Secret{}, fmt.Errorf("the file %s has several lines; it holds the secret alone", path)
	}
	return New(text), nil
}

// isPEM reports whether a text is a key or a certificate, which has several
// lines by its nature.
func isPEM(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "-----BEGIN ") && strings.HasSuffix(text, "-----")
}

func (r Resolver) path(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.Dir, path)
}

// absent is the error for a file that is not there; it is fs.ErrNotExist.
type absent string

func (path absent) Error() string {
	return fmt.Sprintf("there is no file %s; write it, or correct the path", string(path))
}

func (path absent) Unwrap() error { return fs.ErrNotExist }

// readSmall reads a file of at most max bytes. Its errors name the file and
// what to do, never what is in it.
func readSmall(path string, max int64) ([]byte, error) {
	// A pipe would be empty at the next reload, and opening one can wait for ever.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file; write the path of one", path)
	}
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, absent(path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("the file %s can't be read; let the user that runs waybill read it", path)
	case err != nil:
		return nil, fmt.Errorf("open the file %s: %w", path, err)
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, fmt.Errorf("read the file %s: %w", path, err)
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("the file %s is above %d KiB; is it the right one?", path, max>>10)
	}
	return b, nil
}
