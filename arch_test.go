// Package waybill_test holds the house rules as tests. They read the source
// files themselves: a child process such as `go list` would be invisible to
// the test cache, and a broken rule would still answer "ok (cached)".
package waybill_test

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// layers is a statement of policy: a package imports only packages on lines
// above its own, never a sibling on the same line. A new package takes the
// line of what it needs least. Do not move one to make a build pass: move the
// code that reaches the wrong way.
//
// A name with a star stands for one path element; an exact name wins over it.
var layers = [][]string{
	{"."},
	{"edi", "internal/secret", "internal/egress", "internal/yamlfile", "internal/sim/oracle"},
	{"edi/x12", "edi/edifact", "connector", "internal/mapping", "internal/sim/counterpart"},
	{"connector/fact", "internal/transport"},
	{"internal/transport/transporttest"},
	{"connector/connectortest", "connector/*", "internal/process", "internal/ledger", "internal/lane",
		"internal/exception", "internal/identity", "internal/ownership", "internal/audit", "internal/auth"},
	{"internal/schema"}, // describes what the contract's readers take and what the deciders compose
	{"connector/all", "internal/store"},
	{"internal/store/packed"}, // what the databases store alike
	{"internal/store/*"},      // sqlite, postgres, storetest: siblings, strangers
	{"internal/config"},
	{"internal/engine"},
	{"internal/intake", "internal/trace", "internal/reconcile", "internal/replay", "internal/kpi", "internal/verify",
		"internal/crossref", "internal/watch", "internal/rollout", "internal/assess"},
	{"internal/api", "internal/tower", "internal/sandbox", "internal/sim"},
	{"internal/desk"},
	{"cmd/waybill"},
	{"examples/*", "test/*"}, // programs and tests of their own, written from the contract alone
}

// testImports lets the tests of a package reach what its own code may not,
// each with its reason. Packages whose name ends in "test" (conformance
// suites) are open to every test and need no entry.
var testImports = map[string]map[string]string{
	"internal/engine": {"internal/verify": "a crash test ends with the verification that an operator would run"},
	"internal/replay": {"internal/verify": "what a live replay recorded refolds"},
}

// pure packages reach neither clock, network, disk nor chance: the same input
// gives the same output, on every replica and in every replay.
var pure = []string{".", "edi", "edi/x12", "edi/edifact", "internal/process", "internal/ownership"}

// impure lists the imports closed to pure packages, with all below them.
var impure = []string{"crypto/rand", "database/sql", "io/ioutil", "log", "math/rand", "net", "os", "syscall"}

// impureUses lists what pure packages may not use of packages that they need
// for their types, and of the language, with what to do instead.
var impureUses = map[string]string{
	"go":             "let the engine run things side by side",
	"select":         "let the engine wait",
	"time.Now":       "take the time as a parameter",
	"time.Since":     "take both times as parameters",
	"time.Until":     "take both times as parameters",
	"time.After":     "return when to run again, the engine keeps timers",
	"time.AfterFunc": "return when to run again, the engine keeps timers",
	"time.NewTimer":  "return when to run again, the engine keeps timers",
	"time.NewTicker": "return when to run again, the engine keeps timers",
	"time.Tick":      "return when to run again, the engine keeps timers",
}

// connectorsMay lists the internal packages that a connector may use, with the
// reason why each tells it nothing of the engine or the database.
var connectorsMay = map[string]string{
	"internal/mapping":  "a sandbox without I/O: JSON in, JSON out",
	"internal/yamlfile": "reads a file into a struct and says which line is wrong",
}

// bannedNames are package names that say nothing of what is inside.
var bannedNames = []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "models", "types", "shared"}

// panics lists the files that may panic outside a function named Must, with
// the invariant that would have to be broken first.
var panics = map[string]string{}

// backgrounds lists the files outside cmd that may start from
// context.Background(), with the reason why no caller's context serves.
var backgrounds = map[string]string{}

// fileLinesMax is the length past which a file is two files.
const fileLinesMax = 600

func TestArch_LayersPointUpwards(t *testing.T) {
	for _, f := range sources(t) {
		from, ok := layerOf(f.dir)
		if !ok {
			t.Errorf("%s: package %s has no layer. Add it to layers in arch_test.go, on the line below everything it imports.", f.path, f.dir)
			continue
		}
		for _, imp := range f.imports {
			to, ok := layerOf(imp.name)
			switch {
			case !imp.own, !ok: // another module's, or reported by its own files
			case f.test && testMayImport(f.dir, imp.name):
			case to == from:
				t.Errorf("%s: %s imports its sibling %s (rule: only packages on lines above in layers). Move what both need upwards, or let the caller join them.", f.path, f.dir, imp.name)
			case to > from:
				t.Errorf("%s: %s imports %s, which stands below it (rule: only packages on lines above in layers). Declare the small interface it needs here and let the lower package satisfy it.", f.path, f.dir, imp.name)
			}
		}
	}
}

func TestArch_PurePackagesStayPure(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || !slices.Contains(pure, f.dir) {
			continue
		}
		for _, imp := range f.imports {
			if !imp.own && under(impure, imp.name) {
				t.Errorf("%s: pure package %s imports %s (rule: no I/O, no log, no chance). Take the value as a parameter, or move the code to its caller.", f.path, f.dir, imp.name)
			}
		}
		for _, u := range f.uses {
			if instead, banned := impureUses[u.name]; banned {
				t.Errorf("%s: %s in pure package %s (rule: one input, one output, one order): %s.", u.pos, u.name, f.dir, instead)
			}
		}
	}
}

func TestArch_ConnectorsSeeOnlyTheirCounterpart(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || path.Dir(f.dir) != "connector" || f.dir == "connector/all" || f.dir == "connector/fact" {
			continue
		}
		for _, imp := range f.imports {
			switch {
			case under([]string{"database/sql"}, imp.name):
				t.Errorf("%s: a connector imports %s (rule: a connector never sees the database). Return events or a receipt, the engine stores them.", f.path, imp.name)
			case imp.own && under([]string{"internal"}, imp.name) && connectorsMay[imp.name] == "":
				t.Errorf("%s: a connector imports %s (rule: a connector knows the dictionary, edi and package connector only). Take what it needs as a parameter.", f.path, imp.name)
			case imp.own && path.Dir(imp.name) == "connector" && imp.name != "connector/fact": // fact is no counterpart
				t.Errorf("%s: %s imports %s (rule: a connector never sees another connector). Move the shared code to package connector.", f.path, f.dir, imp.name)
			}
		}
	}
}

func TestArch_SandboxSharesNothing(t *testing.T) {
	for _, f := range sources(t) {
		if f.dir != "internal/sandbox" {
			continue
		}
		for _, imp := range f.imports {
			if imp.own && imp.name != f.dir {
				t.Errorf("%s: the sandbox imports %s (rule: it imports no other package of the module, so that a shared mistake cannot hide). Write it again here, from the system contract.", f.path, imp.name)
			}
		}
	}
}

func TestArch_OracleSharesNothing(t *testing.T) {
	for _, f := range sources(t) {
		if !under([]string{"internal/sim/oracle", "internal/sim/counterpart"}, f.dir) {
			continue
		}
		for _, imp := range f.imports {
			if imp.own && imp.name != f.dir && imp.name != "internal/sim/oracle" {
				t.Errorf("%s: %s imports %s (rule: what judges the engine shares no line with it, so that a shared mistake cannot hide). Write it again here, from the system contract.", f.path, f.dir, imp.name)
			}
		}
	}
}

func TestArch_ProductionDoesNotImportTesting(t *testing.T) {
	for _, f := range sources(t) {
		if f.test || strings.HasSuffix(f.dir, "test") {
			continue
		}
		for _, imp := range f.imports {
			if under([]string{"testing"}, imp.name) {
				t.Errorf("%s: production code imports %s (rule: only packages named …test do). Move it to a _test.go file or to the conformance suite.", f.path, imp.name)
			}
		}
	}
}

func TestArch_BannedUses(t *testing.T) {
	for _, f := range sources(t) {
		command := under([]string{"cmd"}, f.dir)
		for _, u := range f.uses {
			switch {
			case u.name == "time.Sleep":
				t.Errorf("%s: time.Sleep (rule: nothing sleeps). Wait for the event itself, or select on a timer and the context.", u.pos)
			case f.test:
			case (strings.HasPrefix(u.name, "fmt.Print") || u.name == "print" || u.name == "println") && !command:
				t.Errorf("%s: %s outside cmd (rule: only a command speaks to the terminal). Write to an io.Writer that the caller gives, or log.", u.pos, u.name)
			case u.name == "panic" && !strings.HasPrefix(strings.ToLower(u.within), "must") && panics[f.path] == "":
				t.Errorf("%s: panic (rule: errors are returned). Return an error, name the function Must…, or list %s in panics of arch_test.go with the invariant.", u.pos, f.path)
			case (u.name == "context.Background" || u.name == "context.TODO") && !command && backgrounds[f.path] == "":
				t.Errorf("%s: %s outside cmd and tests (rule: a context comes from the caller, or shutting down hangs). Take ctx as the first parameter; context.WithoutCancel for work that outlives it.", u.pos, u.name)
			}
		}
	}
}

// unfinished matches the marks of work left for later.
var unfinished = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`)

func TestArch_NoUnfinishedWork(t *testing.T) {
	for _, f := range sources(t) {
		for _, group := range f.ast.Comments {
			for _, c := range group.List {
				if mark := unfinished.FindString(c.Text); mark != "" {
					t.Errorf("%s: %s (rule: main holds finished work). Do it now, or open an issue and take the mark out.", f.position(c.Pos()), mark)
				}
			}
		}
	}
}

func TestArch_FilesStayShort(t *testing.T) {
	for _, f := range sources(t) {
		if n := f.lines; n > fileLinesMax {
			t.Errorf("%s: %d lines (rule: at most %d). Split it by noun or by step; keep type, constructor and methods together.", f.path, n, fileLinesMax)
		}
	}
}

func TestArch_PackageNamesSaySomething(t *testing.T) {
	for _, f := range sources(t) {
		name := strings.TrimSuffix(f.ast.Name.Name, "_test")
		if slices.Contains(bannedNames, name) || slices.Contains(bannedNames, path.Base(f.dir)) {
			t.Errorf("%s: package %s (rule: a package is named after what it touches or what happens in it). Move each function to the package that uses it.", f.path, name)
		}
	}
}

func TestArch_PackagesHaveComments(t *testing.T) {
	documented := map[string]bool{}
	for _, f := range sources(t) {
		if f.test {
			continue
		}
		documented[f.dir] = documented[f.dir] || len(strings.TrimSpace(f.ast.Doc.Text())) > 0
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no package comment (rule: each opens with a paragraph on what lives there). Write it above the package clause of the file a reader opens first.", dir)
		}
	}
}

// layerOf gives the line of layers on which dir stands; false when on none.
func layerOf(dir string) (int, bool) {
	for i, names := range layers {
		if slices.Contains(names, dir) {
			return i, true
		}
	}
	for i, names := range layers {
		for _, name := range names {
			if ok, _ := path.Match(name, dir); ok {
				return i, true
			}
		}
	}
	return 0, false
}

// testMayImport says whether the tests in dir may import imp although the
// layers close it to the code in dir.
func testMayImport(dir, imp string) bool {
	return imp == dir || strings.HasSuffix(imp, "test") || testImports[dir][imp] != ""
}

// under says whether name is one of roots or lies below one.
func under(roots []string, name string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return name == root || strings.HasPrefix(name, root+"/")
	})
}
