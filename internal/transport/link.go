package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/waybillhq/waybill/connector"
)

// Times of a connection that no configuration changes.
const (
	timeoutDefault = time.Minute // of one call, or between two blocks of a long one
	idleDefault    = 30 * time.Second
	backoffMin     = time.Second
	backoffMax     = time.Minute
)

// Options say where an SFTP server is and who Waybill is there.
type Options struct {
	Address  string   // host:port
	User     string   //
	HostKeys []string // SHA256 fingerprints as "ssh-keygen -l" writes them; no other key is believed
	Key      string   // private key, PEM; "": by password
	Secret   string   // passphrase of the key; "": it has none
	Password string   // "": by key
	Path     string   // folder on the server; "": where the server puts its user
	// Timeout bounds one call, or the pause between two blocks of a transfer;
	// 0: a minute.
	Timeout time.Duration
	// Dial makes the connection; it obeys the rules of egress.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	Now  func() time.Time

	idleMax time.Duration
	auth    []ssh.AuthMethod
}

// check completes the options, or says what is wrong with them.
func (o *Options) check() error {
	if o.Timeout <= 0 {
		o.Timeout = timeoutDefault
	}
	o.idleMax = idleDefault
	switch {
	case o.Dial == nil || o.Now == nil:
		return errors.New("an SFTP place is opened without a dialer or a clock")
	case len(o.HostKeys) == 0:
		return errors.New("no host key is named; write the SHA256 fingerprint that the server's operator tells you")
	case o.Key == "" && o.Password == "":
		return errors.New("neither a key nor a password is there; name one of them")
	}
	if o.Key != "" {
		signer, err := o.signer()
		if err != nil {
			return fmt.Errorf("the private key can't be used: %w", err)
		}
		o.auth = append(o.auth, ssh.PublicKeys(signer))
	}
	if o.Password != "" {
		answers := func(_, _ string, questions []string, echos []bool) ([]string, error) {
			if len(questions) == 1 && !echos[0] {
				return []string{o.Password}, nil
			}
			return make([]string, len(questions)), nil
		}
		o.auth = append(o.auth, ssh.Password(o.Password), ssh.KeyboardInteractive(answers))
	}
	return nil
}

func (o *Options) signer() (ssh.Signer, error) {
	pem := []byte(strings.TrimSpace(o.Key) + "\n") // a secret's last line break is easily lost
	if o.Secret != "" {
		return ssh.ParsePrivateKeyWithPassphrase(pem, []byte(o.Secret))
	}
	return ssh.ParsePrivateKey(pem)
}

// backoff is the rest after the n-th failure in a row, from 1.
func (o *Options) backoff(n int) time.Duration {
	return min(backoffMin<<min(n-1, 10), backoffMax)
}

// trust believes a host key whose fingerprint is pinned, and shows any other.
func (o *Options) trust(host string, _ net.Addr, key ssh.PublicKey) error {
	shown := ssh.FingerprintSHA256(key)
	if slices.Contains(o.HostKeys, shown) {
		return nil
	}
	return connector.Reject(http.StatusUnauthorized, "host_key_unknown", "host_keys",
		fmt.Sprintf("%s shows the %s host key %s, which is none of those pinned", host, key.Type(), shown),
		"ask the server's operator whether it is theirs; if it is, add it to sftp.host_keys")
}

// link is one connection.
type link struct {
	conn  net.Conn
	ssh   *ssh.Client
	files *sftp.Client
	users int       // guarded by the place
	last  time.Time // its last use
}

// connect makes a connection within the timeout of the options.
func connect(ctx context.Context, o *Options) (_ *link, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, noAnswer(o.Timeout))
	defer cancel()
	conn, err := o.Dial(ctx, "tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", o.Address, err)
	}
	l := &link{conn: conn, last: o.Now()}
	stop := l.guard(ctx, o.Timeout)
	defer func() {
		if cut := stop(); cut != nil && err != nil {
			err = fmt.Errorf("%w: %w", cut, err)
		}
		if err != nil {
			_ = conn.Close()
		}
	}()
	c, channels, requests, err := ssh.NewClientConn(conn, o.Address, &ssh.ClientConfig{
		User: o.User, Auth: o.auth, HostKeyCallback: o.trust, ClientVersion: "SSH-2.0-Waybill"})
	if err != nil {
		return nil, o.refused(err)
	}
	l.ssh = ssh.NewClient(c, channels, requests)
	if l.files, err = sftp.NewClient(l.ssh); err != nil {
		return nil, fmt.Errorf("%s takes the login and offers no SFTP: %w", o.Address, err)
	}
	return l, nil
}

// refused sorts why the server and Waybill did not come together.
func (o *Options) refused(err error) error {
	var known *connector.Rejection
	switch {
	case errors.As(err, &known):
		return known
	case strings.Contains(err.Error(), "unable to authenticate"): // the library has no type for it
		return connector.Reject(http.StatusUnauthorized, "credential_refused", "sftp",
			fmt.Sprintf("%s does not let the user %s in: %v", o.Address, o.User, err),
			"compare user, key and password with what the server's operator set up")
	}
	return fmt.Errorf("greet %s: %w", o.Address, err)
}

func (l *link) close() error {
	// The connection first: a server that is gone would not answer a farewell.
	return errors.Join(l.conn.Close(), l.files.Close())
}

// guard cuts the connection when ctx ends or the time is over. The function
// that it returns ends the watch and says why it cut, nil where it did not.
func (l *link) guard(ctx context.Context, within time.Duration) (stop func() error) {
	g := l.guardIdle(ctx, within)
	return g.stop
}

// guard watches over a call.
type guard struct {
	within time.Duration
	timer  *time.Timer
	leave  func() bool
	cut    atomic.Pointer[error]
}

func (l *link) guardIdle(ctx context.Context, within time.Duration) *guard {
	g := &guard{within: within}
	end := func(why error) {
		g.cut.CompareAndSwap(nil, &why)
		_ = l.conn.Close()
	}
	g.timer = time.AfterFunc(within, func() { end(noAnswer(within)) })
	g.leave = context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	return g
}

func noAnswer(within time.Duration) error { return fmt.Errorf("no answer within %s", within) }

// moved gives the call its whole time again.
func (g *guard) moved() { g.timer.Reset(g.within) }

func (g *guard) stop() error {
	g.timer.Stop()
	g.leave()
	if why := g.cut.Load(); why != nil {
		return *why
	}
	return nil
}
