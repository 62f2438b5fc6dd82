package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/mapping"
)

// mappingEnding is how the names of mapping files end, by which a folder is
// searched for them.
const mappingEnding = "mapping.yaml"

func mappingCommand() *cobra.Command {
	return group("mapping", "Work with mapping files", mappingTestCommand())
}

// tested is what came of one mapping file.
type tested struct {
	File    string           `json:"file"`
	Mapping string           `json:"mapping,omitempty"`
	Version int              `json:"version,omitempty"`
	Error   string           `json:"error,omitempty"`
	Results []mapping.Result `json:"results,omitempty"`
}

func (t tested) failed() int {
	n := 0
	for _, r := range t.Results {
		if !r.OK {
			n++
		}
	}
	return n
}

func mappingTestCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "test [FILE|DIR]",
		Short: "Check mapping files and run their examples",
		Long: "Check a mapping file, or every *mapping.yaml in a folder and below it, and run the examples\n" +
			"beside the programs. Exits with 0 where all is as the examples say, with 1 where something\n" +
			"differs, and with 2 where a file can't be read or compiled. Nothing is called or stored.",
		Example: "  waybill mapping test examples/3pl-rest/depot.mapping.yaml\n  waybill mapping test . --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			where := "."
			if len(args) > 0 {
				where = args[0]
			}
			files, err := mappingFiles(where)
			if err != nil {
				return usagef("%w", err)
			}
			results := make([]tested, 0, len(files))
			for _, file := range files {
				results = append(results, testMapping(file))
			}
			if asJSON {
				if err := printJSON(c.OutOrStdout(), results); err != nil {
					return err
				}
			} else if err := printTested(c.OutOrStdout(), c.ErrOrStderr(), results); err != nil {
				return err
			}
			return verdictOf(results)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// mappingFiles gives the file, or those in a folder and below it, sorted.
func mappingFiles(where string) ([]string, error) {
	info, err := os.Stat(where)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{where}, nil
	}
	var files []string
	err = filepath.WalkDir(where, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(entry.Name(), mappingEnding) {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no *%s in %s", mappingEnding, where)
	}
	return files, err
}

func testMapping(file string) tested {
	m, err := mapping.Load(file)
	if err != nil {
		return tested{File: file, Error: err.Error()}
	}
	return tested{File: file, Mapping: m.Name, Version: m.Version, Results: m.Test()}
}

func verdictOf(results []tested) error {
	verdict := error(nil)
	for _, r := range results {
		switch {
		case r.Error != "":
			return errRefused
		case r.failed() > 0:
			verdict = errFinding
		}
	}
	return verdict
}

func printTested(out, errs io.Writer, results []tested) error {
	var failure error
	say := func(w io.Writer, format string, args ...any) {
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			failure = errors.Join(failure, err)
		}
	}
	for _, r := range results {
		if r.Error != "" {
			say(errs, "%s\n", r.Error)
			continue
		}
		for _, one := range r.Results {
			if !one.OK {
				say(out, "%s: %s\n%s", r.File, one.Name, one.Difference)
			}
		}
		say(out, "%s: mapping %s, version %d: %d examples, %d differ\n", r.File, r.Mapping, r.Version, len(r.Results), r.failed())
	}
	return failure
}
