// Package transporttest lets tests exchange files with a real SFTP server,
// OpenSSH's, over a line that can be cut at any byte.
package transporttest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/waybillhq/waybill/internal/transport"
)

// sshdPath is where Debian puts the server; it has to be named in full.
const sshdPath = "/usr/sbin/sshd"

// Server is an OpenSSH server on loopback with one user and one key. Each
// connection is served by a process of its own, as under inetd.
type Server struct {
	Address string
	HostKey string // its fingerprint
	User    string
	Key     string // PEM; the only way in
	Dir     string // folder that it serves
	Line    *Line  // what lies between client and server

	config string
	log    string
}

// Line is a connection that can be cut. Its methods are safe for concurrent
// use.
type Line struct {
	cut    atomic.Int64 // bytes to the client after which it is cut; 0: never
	refuse atomic.Bool
	count  atomic.Int64 // connections made
	cuts   atomic.Int64 // connections cut
}

// CutAfter cuts the connections, those made already too, when n more bytes
// have come from the server. 0 ends that.
func (l *Line) CutAfter(n int64) { l.cut.Store(n) }

// Refuse closes every new connection at once, or no longer.
func (l *Line) Refuse(on bool) { l.refuse.Store(on) }

// Connections counts the connections so far.
func (l *Line) Connections() int64 { return l.count.Load() }

// Cuts counts the connections that were cut so far.
func (l *Line) Cuts() int64 { return l.cuts.Load() }

// SSHD starts a server for the test.
func SSHD(t testing.TB) *Server {
	t.Helper()
	if _, err := os.Stat(sshdPath); err != nil {
		t.Fatalf("%v: run scripts/install-test-deps.sh", err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	s := &Server{User: me.Username, Dir: t.TempDir(), Line: &Line{}, config: filepath.Join(home, "sshd_config"), log: filepath.Join(home, "log")}
	hostKey := s.keys(t, home)
	lines := []string{
		"HostKey " + hostKey, "AuthorizedKeysFile " + filepath.Join(home, "authorized"), "PidFile none", "StrictModes no", "UsePAM no",
		"PasswordAuthentication no", "KbdInteractiveAuthentication no", "PermitRootLogin prohibit-password", "PermitTTY no",
		"AllowTcpForwarding no", "Subsystem sftp internal-sftp", "ForceCommand internal-sftp", "LogLevel ERROR", "MaxStartups 1000",
	}
	write(t, s.config, strings.Join(lines, "\n")+"\n")
	if me.Uid == "0" { // where it separates its privileges; Debian makes it at boot
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.listen(t)
	return s
}

// keys makes the server's key and its user's.
func (s *Server) keys(t testing.TB, home string) (hostKey string) {
	t.Helper()
	fresh := func() (public ssh.PublicKey, text []byte) {
		pub, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			t.Fatal(err)
		}
		public, err = ssh.NewPublicKey(pub)
		if err != nil {
			t.Fatal(err)
		}
		return public, pem.EncodeToMemory(block)
	}
	public, text := fresh()
	hostKey = filepath.Join(home, "host")
	write(t, hostKey, string(text))
	s.HostKey = ssh.FingerprintSHA256(public)
	public, text = fresh()
	s.Key = string(text)
	write(t, filepath.Join(home, "authorized"), string(ssh.MarshalAuthorizedKey(public)))
	return hostKey
}

func write(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// listen serves until the test ends.
func (s *Server) listen(t testing.TB) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = l.Addr().String()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var all sync.WaitGroup
	t.Cleanup(func() {
		stop()
		_ = l.Close()
		all.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(s.log)
			t.Logf("what the server says:\n%s", log)
		}
	})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.Line.count.Add(1)
			if s.Line.refuse.Load() {
				_ = c.Close()
				continue
			}
			all.Go(func() { s.serve(ctx, c) })
		}
	})
}

// serve runs one server process behind the line.
func (s *Server) serve(ctx context.Context, client net.Conn) {
	defer client.Close() //nolint:errcheck // nobody is left to tell
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	near, far, err := pair(ctx)
	if err != nil {
		return
	}
	defer near.Close() //nolint:errcheck // as above
	cmd := exec.CommandContext(ctx, sshdPath, "-i", "-f", s.config, "-E", s.log)
	cmd.Stdin, cmd.Stdout = far, far
	err = cmd.Start()
	_ = far.Close()
	if err != nil {
		return
	}
	go func() { // the test's end, or a cut, ends both halves
		<-ctx.Done()
		_ = client.Close()
		_ = near.Close()
	}()
	go func() {
		_, _ = io.Copy(near, client)
		stop()
	}()
	_, _ = io.Copy(&cutter{client, s.Line}, near)
	stop()
	_ = cmd.Wait()
}

// cutter writes to the client until the line is cut.
type cutter struct {
	to   net.Conn
	line *Line
}

var errCut = errors.New("the line is cut")

// Write writes up to the byte at which the line is cut.
func (c *cutter) Write(b []byte) (int, error) {
	left := c.line.cut.Load()
	if left == 0 {
		return c.to.Write(b)
	}
	if int64(len(b)) < left {
		c.line.cut.Add(-int64(len(b)))
		return c.to.Write(b)
	}
	c.line.cut.Store(0)
	c.line.cuts.Add(1)
	n, _ := c.to.Write(b[:left])
	_ = c.to.Close()
	return n, errCut
}

// pair makes a connection on loopback and gives its far end as a file, which a
// server under inetd wants as its standard input.
func pair(ctx context.Context) (near net.Conn, far *os.File, err error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close() //nolint:errcheck // one connection only
	if near, err = new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	accepted, err := l.Accept()
	if err != nil {
		return nil, nil, errors.Join(err, near.Close())
	}
	defer accepted.Close() //nolint:errcheck // the file is a copy
	tcp, ok := accepted.(*net.TCPConn)
	if !ok {
		return nil, nil, fmt.Errorf("a %T is no TCP connection", accepted)
	}
	far, err = tcp.File()
	return near, far, err
}

// Options reach the server's folder with the user's key.
func (s *Server) Options() transport.Options {
	return transport.Options{Address: s.Address, User: s.User, HostKeys: []string{s.HostKey}, Key: s.Key, Path: s.Dir,
		Timeout: 10 * time.Second, Dial: new(net.Dialer).DialContext, Now: time.Now}
}
