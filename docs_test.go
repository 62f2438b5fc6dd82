package waybill_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocs_LifeOfAnOrderExists keeps the path through the files walkable:
// whatever looks like a file in the opening section of the architecture must
// be one.
func TestDocs_LifeOfAnOrderExists(t *testing.T) {
	section := between(read(t, "docs/architecture.md"), "## The life of an order", "\n## ")
	if section == "" {
		t.Fatal(`docs/architecture.md: no section "The life of an order" (rule: the document opens with it). Put it back.`)
	}
	files := 0
	for _, m := range regexp.MustCompile("`([A-Za-z0-9_./*-]+)`").FindAllStringSubmatch(section, -1) {
		if !strings.Contains(m[1], "/") {
			continue
		}
		files++
		if found, err := filepath.Glob(m[1]); err != nil || len(found) == 0 {
			t.Errorf("docs/architecture.md: the life of an order passes %s, which does not exist. Name the file that does this hop now.", m[1])
		}
	}
	if files < 10 {
		t.Errorf("docs/architecture.md: the life of an order names %d files, want at least 10. Name the file of each hop in backticks.", files)
	}
}

// TestDocs_LinksResolve follows the relative links of every Markdown file.
func TestDocs_LinksResolve(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil {
				err = skip(os.DirFS("."), name)
			}
			return err
		}
		if path.Ext(name) != ".md" {
			return nil
		}
		for _, m := range link.FindAllStringSubmatch(read(t, name), -1) {
			if strings.Contains(m[1], ":") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: the link to %s leads nowhere. Name the file as it is called now.", name, m[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDocs_DependenciesAreExplained holds docs/dependencies.md against what the
// code imports and the tools module runs, both ways.
func TestDocs_DependenciesAreExplained(t *testing.T) {
	rows := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(read(t, "docs/dependencies.md"), -1) {
		rows[m[1]] = true
	}
	required := requirements(read(t, "go.mod"))
	for mod := range directDependencies(t, required) {
		if !rows[mod] {
			t.Errorf("docs/dependencies.md: no row for %s (rule: each direct dependency says what for, licence, why this one, replacement). Write the row, or do without it.", mod)
		}
	}
	toolsMod := read(t, "tools/go.mod")
	tools := requirements(toolsMod)
	for _, line := range strings.Split(between(toolsMod, "tool (\n", ")"), "\n") {
		if mod := moduleOf(strings.TrimSpace(line), tools); mod != "" && !rows[mod] {
			t.Errorf("docs/dependencies.md: no row for the tool %s (tools/go.mod). Write the row, or drop the tool.", mod)
		}
	}
	for mod := range rows {
		if !required[mod] && !tools[mod] {
			t.Errorf("docs/dependencies.md: %s is in neither go.mod nor tools/go.mod. Delete its row.", mod)
		}
	}
}

// directDependencies are the required modules that a file of ours imports or
// that go.mod lists without "// indirect".
func directDependencies(t *testing.T, required map[string]bool) map[string]bool {
	t.Helper()
	direct := map[string]bool{}
	for _, f := range sources(t) {
		for _, imp := range f.imports {
			if mod := moduleOf(imp.name, required); !imp.own && mod != "" {
				direct[mod] = true
			}
		}
	}
	for _, line := range strings.Split(read(t, "go.mod"), "\n") {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) == 2 && required[fields[0]] {
			direct[fields[0]] = true
		}
	}
	return direct
}

// requirements lists the module paths that a go.mod file requires.
func requirements(gomod string) map[string]bool {
	mods := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(?:\t|require )(\S+) v\S+`).FindAllStringSubmatch(gomod, -1) {
		mods[m[1]] = true
	}
	return mods
}

// moduleOf finds the module that holds a package: the longest that is a prefix
// of its path, "" for the standard library.
func moduleOf(pkg string, mods map[string]bool) string {
	for p := pkg; p != "." && p != "/" && p != ""; p = path.Dir(p) {
		if mods[p] {
			return p
		}
	}
	return ""
}

// between returns the text after start up to end, or up to the end of the
// text; "" when start is not there.
func between(text, start, end string) string {
	_, rest, _ := strings.Cut(text, start)
	section, _, _ := strings.Cut(rest, end)
	return section
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
