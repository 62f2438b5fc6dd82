package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestConnectorNew_PassesTheConformanceSuite compiles what is written as a
// module of its own that uses this one, with the same versions of everything.
func TestConnectorNew_PassesTheConformanceSuite(t *testing.T) {
	home, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var out, errs bytes.Buffer
	if code := run([]string{"connector", "new", "acme", "--dir", dir}, nil, &out, &errs); code != exitFine {
		t.Fatalf("exit %d: %s", code, &errs)
	}
	mod, err := os.ReadFile(filepath.Join(home, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(mod), "module github.com/waybillhq/waybill", "module example.com/connectors", 1) +
		"\nrequire github.com/waybillhq/waybill v0.0.0\n\nreplace github.com/waybillhq/waybill => " + home + "\n"
	sum, err := os.ReadFile(filepath.Join(home, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"go.mod": []byte(text), "go.sum": sum} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"vet", "./acme"}, {"test", "-count=1", "./acme"}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off")
		if b, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, b)
		}
	}
	files, err := exec.CommandContext(t.Context(), "gofmt", "-l", dir).CombinedOutput()
	if err != nil || len(files) > 0 {
		t.Errorf("gofmt would change %s (%v)", files, err)
	}
}

func TestConnectorNew_OverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "acme"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, want string }{
		{"acme", "exists already"}, {"shopify", "ships already"}, {"Acme", "no name of a connector"},
		{"range", "no name of a connector"}, {"acmetest", "no name of a connector"}, {"../acme", "no name of a connector"},
	} {
		var out, errs bytes.Buffer
		if code := run([]string{"connector", "new", tt.name, "--dir", dir}, nil, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), tt.want) {
			t.Errorf("%s: exit %d, %q; want %d and %q", tt.name, code, errs.String(), exitUsage, tt.want)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "acme"))
	if err != nil || len(left) > 0 {
		t.Errorf("the folder holds %v (%v), want it as it was", left, err)
	}
}
