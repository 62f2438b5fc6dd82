package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/connector/all"
)

// newConnector is what a new connector begins with: a sales channel that pushes
// orders, takes their acknowledgment and can be asked for it, with its fixtures.
//
//go:embed newconnector/*.tmpl
var newConnector embed.FS

// newConnectorFiles says which template becomes which file of the package.
var newConnectorFiles = []struct{ template, file string }{
	{"manifest.go.tmpl", "manifest.go"},
	{"receive.go.tmpl", "receive.go"},
	{"translate.go.tmpl", "translate.go"},
	{"deliver.go.tmpl", "deliver.go"},
	{"look.go.tmpl", "look.go"},
	{"conformance_test.go.tmpl", "conformance_test.go"},
	{"in.txtar.tmpl", "testdata/in/order.txtar"},
	{"out.txtar.tmpl", "testdata/out/acknowledgment.txtar"},
}

// packageName is what a connector can be called: its name in a configuration
// and its package's are one.
var packageName = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)

func connectorCommand() *cobra.Command {
	return group("connector", "Begin a connector of your own", connectorNewCommand())
}

func connectorNewCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a connector that compiles and passes the conformance suite",
		Long: "Write the package NAME below --dir: a sales channel that pushes signed orders, takes their\n" +
			"acknowledgment and can be asked for it, with fixtures and one call of the conformance suite.\n" +
			"Put the counterpart's own words in the place of the example's. Nothing is ever overwritten.",
		Example: "  waybill connector new acme\n  go test ./connector/acme/",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			name := args[0]
			if !packageName.MatchString(name) || token.IsKeyword(name) || strings.HasSuffix(name, "test") {
				return usagef("%q is no name of a connector: use 1 to 32 lower-case letters and digits, a letter first, no word of Go's and no test at the end", name)
			}
			if _, taken := all.Registry()[name]; taken {
				return usagef("a connector %s ships already: choose another name", name)
			}
			folder := filepath.Join(dir, name)
			if err := writeConnector(folder, name); err != nil {
				return err
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "%s is written. Next:\n"+
				"  go test %s/            runs the conformance suite\n"+
				"  connector/all/all.go   add %s.Manifest() to the list of what ships\n"+
				"  docs/how-to/write-a-connector.md says the rest\n", folder, pattern(folder), name)
			return err
		},
	}
	c.Flags().StringVar(&dir, "dir", "connector", "the folder that the package's folder goes into")
	return c
}

// pattern is a folder as the go command reads it: one below this begins with ./.
func pattern(folder string) string {
	if filepath.IsLocal(folder) {
		return "./" + filepath.ToSlash(folder)
	}
	return filepath.ToSlash(folder)
}

// writeConnector makes the folder and its files; a folder that is there already
// is left as it is.
func writeConnector(folder, name string) error {
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return fmt.Errorf("make the folder of connector %s: %w", name, err)
	}
	switch err := os.Mkdir(folder, 0o755); {
	case errors.Is(err, fs.ErrExist):
		return usagef("%s exists already: choose another name, or remove it", folder)
	case err != nil:
		return fmt.Errorf("make the folder of connector %s: %w", name, err)
	}
	for _, f := range newConnectorFiles {
		text, err := connectorFile(f.template, name)
		if err != nil {
			return err
		}
		path := filepath.Join(folder, filepath.FromSlash(f.file))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the folder of %s: %w", path, err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return fmt.Errorf("write connector %s: %w", name, err)
		}
	}
	return nil
}

func connectorFile(file, name string) ([]byte, error) {
	t, err := template.ParseFS(newConnector, "newconnector/"+file)
	if err != nil {
		return nil, fmt.Errorf("read the template %s: %w", file, err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, struct{ Name, Title string }{name, strings.ToUpper(name[:1]) + name[1:]}); err != nil {
		return nil, fmt.Errorf("fill in the template %s: %w", file, err)
	}
	return text.Bytes(), nil
}
