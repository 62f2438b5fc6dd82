package config

import (
	"errors"
	"path/filepath"
	"time"

	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/yamlfile"
)

// describe reads the file that describes a system, where its connector asks
// for one: what is wrong there is reported with that file's own lines, and
// what it says is part of the configuration's revision.
func describe(sys *System, m connector.Manifest, s *section) {
	sys.files = map[string]string{}
	at := ""
	for _, want := range m.Settings {
		name := sys.Settings[want.Name]
		if !want.File || name == "" {
			continue
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(s.r.secrets.Dir, name)
		}
		sys.files[want.Name], at = name, want.Name
	}
	if at == "" {
		return
	}
	env := sys.Env(nil, time.Now, nil)
	env.Observe = true
	conn, err := m.Open(env)
	var wrong yamlfile.Problems
	switch {
	case errors.As(err, &wrong):
		for _, p := range wrong {
			s.r.problems = append(s.r.problems, Problem{File: p.File, Line: p.Line, Column: p.Column, Path: p.Path, Detail: p.Detail, Fix: p.Fix})
		}
	case err != nil:
		s.r.problem(s.nodes[at], s.at(at), err.Error(), "")
	default:
		sys.Described = conn.Described
	}
}
