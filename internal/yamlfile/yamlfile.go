// Package yamlfile reads a YAML file into a Go struct, strictly, and remembers
// where each value stood, so that whatever is found wrong with it later is
// told with file, line and key. The main configuration has a reader of its
// own, which resolves secrets too.
package yamlfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// bytesMax bounds a file, so that the wrong file does not fill the memory.
const bytesMax = 4 << 20

// Problem is one thing that is wrong in a file, said so that its writer can
// mend it without the manual.
type Problem struct {
	File   string
	Line   int    // from 1; 0 where no line is at fault
	Column int    // from 1; 0 where no line is at fault
	Path   string // of the key: "documents.warehouse_order.path"; may be empty
	Detail string // what is wrong
	Fix    string // what to do; may be empty
}

// String writes "3pl.yaml:12:5: documents.warehouse_order.path: …; fix".
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
	}
	if p.Path != "" {
		b.WriteString(": " + p.Path)
	}
	b.WriteString(": " + p.Detail)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// Problems is everything that is wrong with a file, in the order of its lines.
type Problems []Problem

// Error writes one problem a line.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// File is a file that was read, with what was found wrong with it so far.
type File struct {
	Name  string
	root  *yaml.Node
	found Problems
}

// Load reads the file at path into v, as [Read] does.
func Load(path string, v any) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, Problems{{File: path, Detail: "the file can't be read: " + plain(err), Fix: "is its name right? Relative names begin at the folder of the file that names it"}}
	}
	src, err := io.ReadAll(io.LimitReader(f, bytesMax+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, Problems{{File: path, Detail: "the file can't be read: " + plain(err)}}
	}
	return Read(path, src, v)
}

// plain takes the path off a file error: the problem names it already.
func plain(err error) string {
	if p := (*os.PathError)(nil); errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// Read decodes one YAML document into v, a pointer to a struct. An unknown
// key, a value of the wrong type or bytes that are no YAML are Problems; the
// File is nil then.
func Read(name string, src []byte, v any) (*File, error) {
	if len(src) > bytesMax {
		return nil, Problems{{File: name, Detail: fmt.Sprintf("the file is above %d MiB", bytesMax>>20), Fix: "is it the right one?"}}
	}
	var doc yaml.Node
	if err := yaml.Load(src, &doc); err != nil {
		return nil, problemsOf(name, err)
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, Problems{{File: name, Line: 1, Column: 1, Detail: "the file has no keys", Fix: "write keys with values, one a line"}}
	}
	f := &File{Name: name, root: doc.Content[0]}
	if err := yaml.Load(src, v, yaml.WithKnownFields()); err != nil {
		return nil, problemsOf(name, err)
	}
	return f, nil
}

// problemsOf takes positions and plain words from the parser's errors.
func problemsOf(name string, err error) Problems {
	var many *yaml.LoadErrors
	var one *yaml.LoadError
	list := []*yaml.LoadError{}
	if errors.As(err, &many) {
		list = many.Errors
	} else if errors.As(err, &one) {
		list = append(list, one)
	}
	if len(list) == 0 {
		return Problems{{File: name, Line: 1, Column: 1, Detail: "not YAML: " + err.Error()}}
	}
	var ps Problems
	for _, e := range list {
		p := Problem{File: name, Line: max(e.Mark.Line, 1), Column: max(e.Mark.Column, 1), Detail: strings.TrimPrefix(e.Message, "yaml: ")}
		if field, ok := unknownField(e.Message); ok {
			p.Path, p.Detail, p.Fix = field, "unknown key", "check its spelling and how far it is indented"
		}
		ps = append(ps, p)
	}
	ps.sort()
	return ps
}

// unknownField reads "field NAME not found in type …".
func unknownField(message string) (string, bool) {
	_, rest, ok := strings.Cut(message, "field ")
	if !ok {
		return "", false
	}
	name, _, ok := strings.Cut(rest, " not found in type")
	return name, ok
}

func (ps Problems) sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// Wrong notes a problem at a path: keys and indexes, like "polls", 0, "path".
func (f *File) Wrong(detail, fix string, path ...any) {
	f.WrongAt(0, detail, fix, path...)
}

// WrongAt is Wrong for line, from 1, of the text that stands at path; 0 is the
// value itself.
func (f *File) WrongAt(line int, detail, fix string, path ...any) {
	n, name := f.find(path)
	p := Problem{File: f.Name, Line: n.Line, Column: n.Column, Path: name, Detail: detail, Fix: fix}
	if line > 0 && n.Kind == yaml.ScalarNode && n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		p.Line, p.Column = n.Line+line, 1
	}
	f.found = append(f.found, p)
}

// Join takes over what was found wrong with another file that this one names.
func (f *File) Join(err error) {
	var ps Problems
	if errors.As(err, &ps) {
		f.found = append(f.found, ps...)
	}
}

// Err is everything that was noted, nil where nothing was.
func (f *File) Err() error {
	if len(f.found) == 0 {
		return nil
	}
	f.found.sort()
	return f.found
}

// Beside is the path of a file that this one names: relative names begin at
// its folder.
func (f *File) Beside(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(f.Name), name)
}

// find gives the node at a path, or the deepest one that is there, and the
// whole path in words.
func (f *File) find(path []any) (*yaml.Node, string) {
	n := f.root
	var name strings.Builder
	lost := false
	for _, step := range path {
		var next *yaml.Node
		switch step := step.(type) {
		case string:
			if name.Len() > 0 {
				name.WriteByte('.')
			}
			name.WriteString(step)
			next = member(n, step)
		case int:
			name.WriteString("[" + strconv.Itoa(step) + "]")
			if n.Kind == yaml.SequenceNode && step < len(n.Content) {
				next = n.Content[step]
			}
		}
		if lost = lost || next == nil; !lost {
			n = next
			if n.Kind == yaml.AliasNode {
				n = n.Alias
			}
		}
	}
	return n, name.String()
}

func member(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
