package mapping

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/waybillhq/waybill/internal/yamlfile"
)

// File is a mapping file, checked and compiled.
type File struct {
	Path    string
	Name    string
	Version int

	programs map[string]*Program
	rules    []*Rule
	examples []Example
}

// Label names the mapping and its version: "example-3pl 4".
func (f *File) Label() string { return fmt.Sprintf("%s %d", f.Name, f.Version) }

// Program gives the program of that name, nil where there is none.
func (f *File) Program(name string) *Program { return f.programs[name] }

// Programs lists the names of the programs, sorted.
func (f *File) Programs() []string { return slices.Sorted(maps.Keys(f.programs)) }

// Rules gives the rules in the order of the file: the first that matches is
// meant, where only one can be.
func (f *File) Rules() []*Rule { return f.rules }

// Rule gives the rule of that name, nil where there is none.
func (f *File) Rule(name string) *Rule {
	for _, r := range f.rules {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// fileBody is the file as it is written.
type fileBody struct {
	Mapping  string            `yaml:"mapping"`
	Version  int               `yaml:"version"`
	Define   string            `yaml:"define"`
	Programs map[string]string `yaml:"programs"`
	Rules    []ruleBody        `yaml:"rules"`
	Examples []exampleBody     `yaml:"examples"`
}

type ruleBody struct {
	Name string `yaml:"name"`
	When string `yaml:"when"`
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,39}$`)

const nameFix = "begin with a small letter; use small letters, digits, _ and -, at most 40"

// Load reads, checks and compiles the mapping file at path. The error is
// [yamlfile.Problems] with all that is wrong.
func Load(path string) (*File, error) {
	var b fileBody
	y, err := yamlfile.Load(path, &b)
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Name: b.Mapping, Version: b.Version, programs: map[string]*Program{}}
	if !nameForm.MatchString(b.Mapping) {
		y.Wrong(fmt.Sprintf("%q can't be a mapping's name", clip(b.Mapping, 60)), nameFix, "mapping")
	}
	if b.Version < 1 {
		y.Wrong("a mapping has a version, from 1", "raise it whenever results change: events name the version that made them", "version")
	}
	if len(b.Programs)+len(b.Rules) == 0 {
		y.Wrong("the mapping has neither programs nor rules", "write one under programs", "programs")
	}
	f.compile(y, b)
	f.compileRules(y, b.Rules)
	f.readExamples(y, b.Examples)
	return f, y.Err()
}

// compile compiles the programs, each behind the shared definitions.
func (f *File) compile(y *yamlfile.File, b fileBody) {
	define := strings.TrimRight(b.Define, " \n")
	if define != "" {
		if _, err := Compile("define", define+"\n."); err != nil {
			syntax(y, err, 0, "define")
			return // every program would say it again
		}
		define += "\n"
	}
	for _, name := range slices.Sorted(maps.Keys(b.Programs)) {
		if !nameForm.MatchString(name) {
			y.Wrong(fmt.Sprintf("%q can't be a program's name", clip(name, 60)), nameFix, "programs", name)
			continue
		}
		p, err := Compile("mapping "+f.Label()+", program "+name, define+b.Programs[name])
		if err != nil {
			syntax(y, err, strings.Count(define, "\n"), "programs", name)
			continue
		}
		f.programs[name] = p
	}
}

// syntax notes why a program can't be compiled; before is how many lines of
// other text stand in front of it.
func syntax(y *yamlfile.File, err error, before int, path ...any) {
	var s *SyntaxError
	if !errors.As(err, &s) {
		y.Wrong(err.Error(), "", path...)
		return
	}
	y.WrongAt(max(s.Line-before, 0), s.Detail, s.Fix, path...)
}

// CompileAt compiles a short program that stands in another file, and notes
// there what is wrong with it; nil then.
func CompileAt(y *yamlfile.File, source string, path ...any) *Program {
	words := make([]string, len(path))
	for i, step := range path {
		words[i] = fmt.Sprint(step)
	}
	p, err := Compile(strings.Join(words, "."), source)
	if err != nil {
		syntax(y, err, 0, path...)
		return nil
	}
	return p
}
