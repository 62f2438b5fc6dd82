package secret

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// fileBytesMax bounds a secrets file.
const fileBytesMax = 1 << 20

// File is what a secrets file holds:
//
//	{"api_key":"…","<system>":{"token":"…","webhook_secret":"whsec_…"}}
//
// While a secret rotates, "webhook_secret" is a list of both.
type File struct {
	APIKey  Secret
	Systems map[string]System
	// Exposed: others than the owner may read the file.
	Exposed bool
}

// System is what a secrets file holds for one system.
type System struct {
	Token          Secret
	WebhookSecrets []Secret
}

// Names lists the systems of the file, sorted.
func (f *File) Names() []string {
	names := make([]string, 0, len(f.Systems))
	for name := range f.Systems {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// ReadFile reads a secrets file. Its errors name members, never their values.
func ReadFile(path string) (*File, error) {
	b, err := readSmall(path, fileBytesMax)
	if err != nil {
		return nil, err
	}
	f, err := parseFile(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil {
		f.Exposed = info.Mode().Perm()&0o077 != 0
	}
	return f, nil
}

func parseFile(b []byte) (*File, error) {
	members, err := object(b)
	if err != nil {
		return nil, err
	}
	f := &File{Systems: map[string]System{}}
	for name, v := range members {
		if name == "api_key" {
			if f.APIKey, err = text(v); err != nil {
				return nil, fmt.Errorf("api_key: %w", err)
			}
			continue
		}
		if f.Systems[name], err = parseSystem(v); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return f, nil
}

func parseSystem(v jsontext.Value) (System, error) {
	if v.Kind() != '{' {
		return System{}, errors.New(`want an object {"token":"…","webhook_secret":"…"}`)
	}
	members, err := object(v)
	if err != nil {
		return System{}, err
	}
	var s System
	for name, v := range members {
		switch name {
		case "token":
			if s.Token, err = text(v); err != nil {
				return System{}, fmt.Errorf("token: %w", err)
			}
		case "webhook_secret":
			if s.WebhookSecrets, err = texts(v); err != nil {
				return System{}, fmt.Errorf("webhook_secret: %w", err)
			}
		default:
			return System{}, fmt.Errorf("unknown member %q; there are token and webhook_secret", name)
		}
	}
	return s, nil
}

// object splits a JSON object. The decoder's own errors are reduced to their
// position, because their text may hold a piece of the file.
func object(b []byte) (map[string]jsontext.Value, error) {
	var members map[string]jsontext.Value
	err := json.Unmarshal(b, &members)
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &syntax):
		at := min(int(syntax.ByteOffset), len(b))
		line := 1 + bytes.Count(b[:at], []byte("\n"))
		column := at - bytes.LastIndexByte(b[:at], '\n')
		if errors.Is(err, jsontext.ErrDuplicateName) {
			return nil, fmt.Errorf("a name stands twice in one object at line %d, column %d; keep one", line, column)
		}
		return nil, fmt.Errorf("not JSON at line %d, column %d", line, column)
	case err != nil || members == nil:
		return nil, errors.New(`want a JSON object {"api_key":"…","<system>":{…}}`)
	}
	return members, nil
}

func text(v jsontext.Value) (Secret, error) {
	var s string
	if v.Kind() != '"' || json.Unmarshal(v, &s) != nil || s == "" {
		return Secret{}, errors.New("want a text that is not empty")
	}
	return New(s), nil
}

func texts(v jsontext.Value) ([]Secret, error) {
	if v.Kind() != '[' {
		s, err := text(v)
		if err != nil {
			return nil, err
		}
		return []Secret{s}, nil
	}
	var list []jsontext.Value
	if err := json.Unmarshal(v, &list); err != nil || len(list) == 0 {
		return nil, errors.New("want a text, or a list of texts while the secret rotates")
	}
	secrets := make([]Secret, 0, len(list))
	for _, v := range list {
		s, err := text(v)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, s)
	}
	return secrets, nil
}
