package waybill_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/waybillhq/waybill"

// source is one Go file of the module as the rules see it. Paths are relative
// to the root and use slashes; dir is "." for the root.
type source struct {
	path, dir string
	test      bool // a _test.go file
	lines     int
	ast       *ast.File
	fset      *token.FileSet
	imports   []imported
	uses      []use
}

// imported is one import: relative to the root when own, as written otherwise.
type imported struct {
	name string
	own  bool
}

// use is a mention of something that a rule may ban: an exported name of an
// imported package ("time.Now", called or passed on), a builtin that was called
// ("panic"), or a statement ("go", "select").
type use struct {
	name   string
	pos    string // file:line:column
	within string // the function declaration around it, "" outside of any
}

// parsed reads the tree once for all tests.
var parsed = sync.OnceValues(func() ([]*source, error) { return parse(os.DirFS(".")) })

func sources(t *testing.T) []*source {
	t.Helper()
	files, err := parsed()
	if err != nil {
		t.Fatalf("read the sources: %v", err)
	}
	return files
}

// parse reads every Go file below root, whatever its build constraints, except
// testdata and nested modules.
func parse(root fs.FS) ([]*source, error) {
	var files []*source
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skip(root, name)
		case !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		f := &source{
			path:  name,
			dir:   path.Dir(name),
			test:  strings.HasSuffix(name, "_test.go"),
			lines: bytes.Count(text, []byte("\n")),
			fset:  token.NewFileSet(),
		}
		if f.ast, err = parser.ParseFile(f.fset, name, text, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return err
		}
		f.read()
		files = append(files, f)
		return nil
	})
	return files, err
}

// skip answers fs.SkipDir for folders that hold no code of this module.
func skip(root fs.FS, name string) error {
	base := path.Base(name)
	if name == "." {
		return nil
	}
	if base == "testdata" || base == "node_modules" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(root, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

// read fills imports and uses from the syntax tree.
func (f *source) read() {
	local := map[string]string{} // name in this file → import path
	for _, spec := range f.ast.Imports {
		name, _ := strconv.Unquote(spec.Path.Value)
		as := path.Base(name)
		if spec.Name != nil {
			as = spec.Name.Name
		}
		local[as] = name
		rel, own := strings.CutPrefix(name, module+"/")
		if name == module {
			rel, own = ".", true
		}
		f.imports = append(f.imports, imported{rel, own})
	}
	for _, decl := range f.ast.Decls {
		within := ""
		if fn, ok := decl.(*ast.FuncDecl); ok {
			within = fn.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			if name := used(n, local); name != "" {
				f.uses = append(f.uses, use{name, f.position(n.Pos()), within})
			}
			return true
		})
	}
}

// used names what n mentions, "" when no rule could care.
func used(n ast.Node, local map[string]string) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "go"
	case *ast.SelectStmt:
		return "select"
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok {
			return id.Name
		}
	case *ast.SelectorExpr:
		if id, ok := n.X.(*ast.Ident); ok && local[id.Name] != "" {
			return local[id.Name] + "." + n.Sel.Name
		}
	}
	return ""
}

func (f *source) position(p token.Pos) string { return f.fset.Position(p).String() }

// TestParse_SeesWhatTheRulesNeed plants one breach of each sort in a tree of
// its own, so that a rule which finds nothing is known to have looked.
func TestParse_SeesWhatTheRulesNeed(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("internal/process/decide.go", `package process

import (
	clock "time"

	"`+module+`"
	"`+module+`/internal/lane"
)

var now = clock.Now

func decide() { go func() { panic("never") }(); select {} }
`)
	write("bench/go.mod", "module bench\n")
	write("bench/main.go", "package main\n")
	write("edi/testdata/x.go", "not Go at all")

	files, err := parse(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 1 {
		t.Fatalf("read %d files, want only internal/process/decide.go", len(files))
	}
	var got []string
	for _, imp := range files[0].imports {
		got = append(got, imp.name)
	}
	for _, u := range files[0].uses {
		got = append(got, u.name+"@"+u.within)
	}
	want := "time . internal/lane time.Now@ go@decide panic@decide select@decide"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("saw  %s\nwant %s", s, want)
	}
}
