package config

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/waybillhq/waybill/internal/secret"
)

// Place is where files are exchanged with a system: a folder of this machine
// or one on an SFTP server, never both.
type Place struct {
	Folder string `json:"-"` // absolute
	SFTP   *SFTP
}

// Named reports whether there is a place.
func (p Place) Named() bool { return p.Folder != "" || p.SFTP != nil }

// SFTP is a folder on an SFTP server and who Waybill is there.
type SFTP struct {
	Address    string // host:port
	User       string
	HostKeys   []string // SHA256 fingerprints; no other key is believed
	Key        secret.Secret
	Passphrase secret.Secret // of the key
	Password   secret.Secret
	Path       string // empty: where the server puts its user
}

const sftpPort = "22"

// fingerprint is how "ssh-keygen -l" writes one.
var fingerprint = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

// loadPlace reads the keys folder and sftp of a system.
func loadPlace(s *section) (p Place) {
	if dir := s.text("folder", ""); dir != "" {
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(s.r.secrets.Dir, dir)
		}
		p.Folder = filepath.Clean(dir)
	}
	n := s.get("sftp")
	if n == nil {
		return p
	}
	if p.Folder != "" {
		s.r.problem(n, s.at("sftp"), "there is a folder too", "files are exchanged in one place: keep folder or sftp")
	}
	at := s.r.mapping(n, s.at("sftp"))
	p.SFTP = &SFTP{Address: at.text("address", ""), User: at.text("user", ""), Path: at.text("path", ""),
		Key: at.secret("key"), Passphrase: at.secret("passphrase"), Password: at.secret("password")}
	nodes, paths := at.items("host_keys")
	for i, key := range nodes {
		text, ok := s.r.scalar(key, paths[i])
		if ok && !fingerprint.MatchString(text) {
			s.r.problem(key, paths[i], fmt.Sprintf("%q is no fingerprint of a host key", text), "write it as ssh-keygen -l shows it: SHA256: and 43 characters")
		}
		p.SFTP.HostKeys = append(p.SFTP.HostKeys, text)
	}
	p.SFTP.check(at)
	at.close()
	return p
}

// check says what is missing or can't be.
func (f *SFTP) check(at *section) {
	wrong := func(key, detail, fix string) {
		n := at.nodes[key]
		if n == nil {
			n = at.node
		}
		at.r.problem(n, at.at(key), detail, fix)
	}
	if f.Address == "" {
		wrong("address", "is missing", "write the server's name, with its port where that is not "+sftpPort)
	} else if !strings.Contains(f.Address, ":") {
		f.Address = net.JoinHostPort(f.Address, sftpPort)
	}
	if _, port, err := net.SplitHostPort(f.Address); f.Address != "" && (err != nil || !validPort(port)) {
		wrong("address", fmt.Sprintf("%q is no address", f.Address), "write it like sftp.example.com:22")
	}
	if f.User == "" {
		wrong("user", "is missing", "write the name under which the server knows Waybill")
	}
	if len(f.HostKeys) == 0 {
		wrong("host_keys", "is missing", "ask the server's operator for the SHA256 fingerprint of its host key; no server is believed without")
	}
	if f.Key.IsZero() && f.Password.IsZero() {
		wrong("key", "neither a key nor a password is named", "write key: ${file:PATH} or password: ${env:NAME}")
	}
}
