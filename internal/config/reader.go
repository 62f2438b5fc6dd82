package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/secret"
)

// reader turns the nodes of one YAML file into values. It gathers every
// problem instead of stopping at the first, and remembers where each value
// stood, so that later checks can name the line too.
type reader struct {
	file     string
	secrets  secret.Resolver
	places   places
	problems Problems
	meant    map[string]bool // absent keys for which a misspelt one stands
}

// problem notes what is wrong at n. Of one value the first word is enough.
func (r *reader) problem(n *yaml.Node, path, detail, fix string) {
	if slices.ContainsFunc(r.problems, func(p Problem) bool {
		return !p.Warning && p.Path == path && p.Line == n.Line && p.Column == n.Column
	}) {
		return
	}
	r.problems = append(r.problems, Problem{File: r.file, Line: n.Line, Column: n.Column, Path: path, Detail: detail, Fix: fix})
}

func (r *reader) warn(n *yaml.Node, path, detail, fix string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: n.Line, Column: n.Column, Path: path, Detail: detail, Fix: fix, Warning: true})
}

// root parses the file and gives its outermost section. It is empty where the
// file is no YAML or no mapping; the problem is noted.
func (r *reader) root(src []byte) *section {
	var doc yaml.Node
	err := yaml.Load(src, &doc)
	if err != nil {
		at, detail := syntax(err)
		r.problem(&yaml.Node{Line: at.line, Column: at.column}, "", detail, "")
		return &section{r: r}
	}
	var top *yaml.Node
	if len(doc.Content) > 0 {
		top = follow(doc.Content[0])
	}
	if top == nil || top.Kind != yaml.MappingNode {
		r.problem(&yaml.Node{Line: 1, Column: 1}, "", "this is no configuration: it has no keys", `write one with "waybill init"`)
		return &section{r: r}
	}
	return r.section(top, "")
}

// syntax takes position and plain words from the parser's error.
func syntax(err error) (place, string) {
	var one *yaml.LoadError
	var many *yaml.LoadErrors
	if errors.As(err, &many) && len(many.Errors) > 0 {
		one = many.Errors[0]
	}
	if one == nil && !errors.As(err, &one) {
		return place{1, 1}, "not YAML: " + err.Error()
	}
	at := place{max(one.Mark.Line, 1), max(one.Mark.Column, 1)}
	switch {
	case strings.Contains(one.Message, "no documents"):
		return at, `the file is empty; write a configuration with "waybill init"`
	case strings.Contains(one.Message, "multiple"):
		return at, `there is more than one YAML document in the file; take out the line "---" and what does not belong`
	}
	return at, "not YAML: " + strings.TrimPrefix(one.Message, "yaml: ")
}

// follow gives the node that an alias stands for.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// section is one mapping of the file. Each key that is asked for becomes a
// known key; close reports the others.
type section struct {
	r     *reader
	path  string
	node  *yaml.Node // nil where the section is absent
	keys  []string
	nodes map[string]*yaml.Node
	where map[string]*yaml.Node // the key itself, for what is wrong with it
	known []string
}

func (r *reader) section(n *yaml.Node, path string) *section {
	s := &section{r: r, path: path, node: n, nodes: map[string]*yaml.Node{}, where: map[string]*yaml.Node{}}
	r.places[path] = place{n.Line, n.Column}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], follow(n.Content[i+1])
		name := key.Value
		if key.Kind != yaml.ScalarNode || name == "" {
			r.problem(key, path, "a key is a single word", "")
			continue
		}
		if first, twice := s.where[name]; twice {
			r.problem(key, s.at(name), fmt.Sprintf("the key stands here a second time, first in line %d", first.Line), "keep one")
			continue
		}
		s.keys, s.where[name], s.nodes[name] = append(s.keys, name), key, value
		r.places[s.at(name)] = place{key.Line, key.Column}
	}
	return s
}

func (s *section) at(key string) string {
	if s.path == "" {
		return key
	}
	return s.path + "." + key
}

// get gives the node of a key, nil where it is absent or null, and makes the
// key a known one.
func (s *section) get(key string) *yaml.Node {
	s.known = append(s.known, key)
	n := s.nodes[key]
	if n == nil || n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
		return nil
	}
	return n
}

// close reports every key that was not asked for.
func (s *section) close() {
	for _, key := range s.keys {
		if slices.Contains(s.known, key) {
			continue
		}
		s.r.problem(s.where[key], s.at(key), "unknown key", oneOf(key, s.known))
		if n, ok := nearest(key, s.known); ok && s.nodes[n] == nil {
			s.r.meant[s.at(n)] = true
		}
	}
}

// sub opens the mapping of a key; absent, it is a section without keys.
func (s *section) sub(key string) *section {
	n := s.get(key)
	if n == nil {
		return &section{r: s.r, path: s.at(key)}
	}
	return s.r.mapping(n, s.at(key))
}

func (r *reader) mapping(n *yaml.Node, path string) *section {
	if n.Kind != yaml.MappingNode {
		r.problem(n, path, "want keys with values below it, got "+kindOf(n), "")
		return &section{r: r, path: path}
	}
	return r.section(n, path)
}

// named opens a mapping from names to mappings, in the order of the file.
func (s *section) named(key string) (names []string, sections []*section) {
	all := s.sub(key)
	for _, name := range all.keys {
		n := all.nodes[name]
		if n.ShortTag() == "!!null" {
			n = &yaml.Node{Kind: yaml.MappingNode, Line: n.Line, Column: n.Column}
		}
		names, sections = append(names, name), append(sections, s.r.mapping(n, all.at(name)))
	}
	return names, sections
}

// items gives the nodes of a list with their paths.
func (s *section) items(key string) (nodes []*yaml.Node, paths []string) {
	n := s.get(key)
	if n == nil {
		return nil, nil
	}
	if n.Kind != yaml.SequenceNode {
		s.r.problem(n, s.at(key), "want a list, got "+kindOf(n), "begin each item with a dash")
		return nil, nil
	}
	for i, item := range n.Content {
		item = follow(item)
		path := fmt.Sprintf("%s[%d]", s.at(key), i)
		s.r.places[path] = place{item.Line, item.Column}
		nodes, paths = append(nodes, item), append(paths, path)
	}
	return nodes, paths
}

// each opens a list of mappings.
func (s *section) each(key string) []*section {
	nodes, paths := s.items(key)
	sections := make([]*section, len(nodes))
	for i, n := range nodes {
		sections[i] = s.r.mapping(n, paths[i])
	}
	return sections
}

// text reads a scalar by its letters: 01 stays "01".
func (s *section) text(key, absent string) string {
	n := s.get(key)
	if n == nil {
		return absent
	}
	text, _ := s.r.scalar(n, s.at(key))
	return text
}

func (r *reader) scalar(n *yaml.Node, path string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		r.problem(n, path, "want a single value, got "+kindOf(n), "")
		return "", false
	}
	return strings.TrimSpace(n.Value), true
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys with values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}

// parsed reads a key by parse; what parse can't read is a problem.
func parsed[T any](s *section, key string, absent T, want string, parse func(string) (T, error)) T {
	n := s.get(key)
	if n == nil {
		return absent
	}
	text, ok := s.r.scalar(n, s.at(key))
	if !ok {
		return absent
	}
	v, err := parse(text)
	if err != nil {
		s.r.problem(n, s.at(key), fmt.Sprintf("want %s, got %q", want, text), "")
		return absent
	}
	return v
}

func (s *section) duration(key string, absent time.Duration) time.Duration {
	return parsed(s, key, absent, "a time like 500ms, 30s, 15m or 24h", time.ParseDuration)
}

func (s *section) number(key string, absent int) int {
	return parsed(s, key, absent, "a whole number", strconv.Atoi)
}

func (s *section) flag(key string) bool {
	return parsed(s, key, false, "true or false", func(text string) (bool, error) {
		if text != "true" && text != "false" {
			return false, strconv.ErrSyntax
		}
		return text == "true", nil
	})
}

func (s *section) rate(key string) float64 {
	return parsed(s, key, 0, "a number of requests per second like 2 or 0.5", func(text string) (float64, error) {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v >= 0 && v <= ratePerSecondMax) { // so written because NaN is neither
			return 0, strconv.ErrRange
		}
		return v, nil
	})
}

func (s *section) decimal(key string) waybill.Decimal {
	return parsed(s, key, waybill.Decimal{}, "a fraction like 0.02 (2 %)", func(text string) (waybill.Decimal, error) {
		if strings.Contains(text, "/") {
			return waybill.Decimal{}, strconv.ErrSyntax
		}
		return waybill.ParseDecimal(text)
	})
}

// sizeUnits are the units of a size, the longer names first.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}, {"", 1}}

func (s *section) size(key string, absent int64) int64 {
	return parsed(s, key, absent, "a size like 512KiB or 10MiB", func(text string) (int64, error) {
		for _, u := range sizeUnits {
			digits, ok := strings.CutSuffix(text, u.name)
			if !ok {
				continue
			}
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 32)
			if err != nil || n < 0 {
				return 0, strconv.ErrSyntax
			}
			return n * u.bytes, nil
		}
		return 0, strconv.ErrSyntax
	})
}

// secret reads a reference to a secret: ${env:NAME}, ${file:PATH} or
// {file: PATH}.
func (s *section) secret(key string) secret.Secret {
	n := s.get(key)
	if n == nil {
		return secret.Secret{}
	}
	return s.r.secret(n, s.at(key))
}

func (s *section) secretList(key string) []secret.Secret {
	nodes, paths := s.items(key)
	var list []secret.Secret
	for i, n := range nodes {
		if v := s.r.secret(n, paths[i]); !v.IsZero() {
			list = append(list, v)
		}
	}
	return list
}

func (r *reader) secret(n *yaml.Node, path string) secret.Secret {
	var v secret.Secret
	var err error
	switch n.Kind {
	case yaml.ScalarNode:
		v, err = r.secrets.Resolve(n.Value)
	case yaml.MappingNode:
		m := r.section(n, path)
		file := m.text("file", "")
		m.close()
		if file == "" {
			err = errors.New("names no file; write {file: PATH}")
			break
		}
		v, err = r.secrets.File(file)
	default:
		err = errors.New("want one secret; write ${env:NAME} or ${file:PATH}")
	}
	if err != nil {
		r.problem(n, path, err.Error(), "")
	}
	return v
}
