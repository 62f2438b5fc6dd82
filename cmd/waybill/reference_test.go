package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybillhq/waybill/connector/all"
	"github.com/waybillhq/waybill/internal/config"
)

// The references that people write are held to the code here; those that the
// program writes are compared with what it would write now.

func TestReference_MadeFromTheCodeIsCurrent(t *testing.T) {
	dir := t.TempDir()
	var out, errs strings.Builder
	if code := run([]string{"docs", dir}, nil, &out, &errs); code != exitFine {
		t.Fatalf("docs exits with %d: %s", code, errs.String())
	}
	made, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil || len(made) == 0 {
		t.Fatalf("docs wrote nothing: %v", err)
	}
	for _, file := range made {
		name := filepath.Join("docs/reference", filepath.Base(file))
		if diff := cmp.Diff(text(t, name), string(must(os.ReadFile(file))(t))); diff != "" {
			t.Errorf("%s is not what the program says (-committed +now): run make docs.\n%s", name, diff)
		}
	}
}

// TestReference_Configuration asks the loader which keys each section has: an
// unknown one makes it list them.
func TestReference_Configuration(t *testing.T) {
	const probe = `version: 1
namespace: example
qqqqqqqqqqqqqqqqqq: 1
company: {qqqqqqqqqqqqqqqqqq: 1}
database: {qqqqqqqqqqqqqqqqqq: 1}
api: {keys: [{qqqqqqqqqqqqqqqqqq: 1}], qqqqqqqqqqqqqqqqqq: 1}
systems: {NAME: {connector: contract, budget: {qqqqqqqqqqqqqqqqqq: 1}, sftp: {qqqqqqqqqqqqqqqqqq: 1}, identity: {qqqqqqqqqqqqqqqqqq: 1}, qqqqqqqqqqqqqqqqqq: 1}}
policy: {qqqqqqqqqqqqqqqqqq: 1}
timing: {qqqqqqqqqqqqqqqqqq: 1}
master_data: {qqqqqqqqqqqqqqqqqq: 1}
ownership: [{qqqqqqqqqqqqqqqqqq: 1}]
milestones: [{qqqqqqqqqqqqqqqqqq: 1}]
notify: {NAME: {qqqqqqqqqqqqqqqqqq: 1}}
egress: {qqqqqqqqqqqqqqqqqq: 1}
limits: {qqqqqqqqqqqqqqqqqq: 1}
`
	_, err := config.Read("waybill.yaml", []byte(probe), all.Registry())
	var problems config.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("the probe loads: %v", err)
	}
	var known []string
	for _, p := range problems {
		section, ok := strings.CutSuffix(p.Path, "qqqqqqqqqqqqqqqqqq")
		_, names, listed := strings.Cut(p.Fix, "here are ")
		if !ok || !listed {
			continue
		}
		for name := range strings.SplitSeq(names, ", ") {
			known = append(known, strings.ReplaceAll(section, "[0]", "[]")+name)
		}
	}
	var leaves []string
	for _, key := range known { // a section is not a key of its own
		inner := func(other string) bool {
			return strings.HasPrefix(other, key+".") || strings.HasPrefix(other, key+"[")
		}
		if !slices.ContainsFunc(known, inner) && key != "systems" && key != "notify" {
			leaves = append(leaves, key)
		}
	}
	sameNames(t, "docs/reference/configuration.md", firstColumn(text(t, "docs/reference/configuration.md")), leaves)
}

func TestReference_Metrics(t *testing.T) {
	source := text(t, "internal/api/metrics.go")
	var served []string
	for _, name := range matches(source, `desc\("([a-z_]+)"`) {
		served = append(served, "waybill_"+name)
	}
	served = append(served, matches(source, `"(waybill_[a-z_]{3,})"`)...)
	sameNames(t, "docs/reference/metrics.md", firstColumn(between(text(t, "docs/reference/metrics.md"), "# Metrics", "## What to alert on")), served)
}

func TestReference_Exceptions(t *testing.T) {
	var raised []string
	for _, dir := range []string{"internal/process", "internal/engine"} {
		source := sourceOf(t, dir)
		for _, name := range matches(source, `(?:Cause:\s+|\ba\.add\()"([a-z_]+)"`) {
			switch name {
			case "refused_":
				name = "refused_KIND_CODE"
			case "late_":
				name = "late_MILESTONE"
			}
			raised = append(raised, name)
		}
		raised = append(raised, matches(source, `const Cause\w+ = "([a-z_]+)"`)...)
		raised = append(raised, matches(between(source, "var deliveryCauses = ", "\n"), `"([a-z_]+)"`)...)
		for _, pause := range matches(between(source, "var pauseNext = ", "\n}"), `(?m)^\s"([a-z_]+)":`) {
			raised = append(raised, "target_"+strings.TrimPrefix(pause, "target_"))
		}
	}
	for _, dir := range []string{"internal/intake", "cmd/waybill"} { // what is found beside the engine
		raised = append(raised, matches(sourceOf(t, dir), `(?m)^\s(?:poll|pickup|batch)Failed\s+= "([a-z_]+)"`)...)
	}
	page := text(t, "docs/reference/exceptions.md")
	sameNames(t, "docs/reference/exceptions.md, causes", firstColumn(between(page, "## Causes", "## Codes")), raised)

	var codes []string
	for _, dir := range []string{"internal/api", "internal/intake", "connector", "connector/contract", "connector/orders", "connector/rest", "connector/shopify"} {
		codes = append(codes, matches(sourceOf(t, dir), `[rR]eject\(http\.Status\w+,\s+"([a-z_]+)"`)...)
	}
	codes = append(codes, matches(sourceOf(t, "internal/engine"), `refuse\("([a-z_]+)"`)...)
	for _, code := range matches(sourceOf(t, "internal/replay"), `Code: "([a-z_]+)"`) {
		if code != "window_too_large" { // a replay that has begun fails by it: there is no answer to give
			codes = append(codes, code)
		}
	}
	codes = append(codes, matches(sourceOf(t, "internal/process"), `refusal\("([a-z_]+)"`)...)
	codes = append(codes, matches(sourceOf(t, "internal/identity"), `Code: "([a-z_]+)"`)...)
	codes = append(codes, "reason_missing", "ref_missing", "document_missing", "document_invalid", "internal")
	var documented []string
	for _, row := range matches(between(page, "## Codes", "\x00"), "(?m)^\\| \\d{3} \\| ([^|]+) \\|") {
		documented = append(documented, matches(row, "`([a-z_]+)`")...)
	}
	sameNames(t, "docs/reference/exceptions.md, codes", documented, codes)
}

// TestReference_PromisesNameTheirTests keeps the page of the promises from
// naming tests that are gone.
func TestReference_PromisesNameTheirTests(t *testing.T) {
	named := matches(text(t, "docs/explanation/promises.md"), "`(Test\\w+)`")
	if len(named) < 10 {
		t.Fatalf("the page names %d tests: this test no longer reads it", len(named))
	}
	there := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, name := range matches(string(must(os.ReadFile(path))(t)), `(?m)^func (Test\w+)\(`) {
			there[name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range named {
		if !there[name] {
			t.Errorf("docs/explanation/promises.md: there is no %s. Name the test that shows the promise now.", name)
		}
	}
}

// sameNames compares a page's names with the code's, both ways.
func sameNames(t *testing.T, page string, documented, inCode []string) {
	t.Helper()
	if len(inCode) < 10 {
		t.Fatalf("%s: only %d names were found in the code: the test no longer reads it", page, len(inCode))
	}
	for _, list := range []*[]string{&documented, &inCode} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if diff := cmp.Diff(inCode, documented); diff != "" {
		t.Errorf("%s does not name what the code has (-code +page): write the missing rows, take out the others.\n%s", page, diff)
	}
}

// firstColumn gives the names in backticks that begin a table's rows.
func firstColumn(page string) []string { return matches(page, "(?m)^\\| `([^`]+)` \\|") }

func matches(in, pattern string) []string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(in, -1) {
		found = append(found, m[1])
	}
	return found
}

func between(in, start, end string) string {
	_, rest, _ := strings.Cut(in, start)
	part, _, _ := strings.Cut(rest, end)
	return part
}

// text reads a file of the repository.
func text(t *testing.T, name string) string {
	t.Helper()
	return string(must(os.ReadFile(filepath.Join("../..", name)))(t))
}

// sourceOf joins a package's code without its tests.
func sourceOf(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, file := range must(filepath.Glob(filepath.Join("../..", dir, "*.go")))(t) {
		if !strings.HasSuffix(file, "_test.go") {
			b.Write(must(os.ReadFile(file))(t))
		}
	}
	return b.String()
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
