package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/schema"
)

func schemaCommand() *cobra.Command {
	return group("schema", "The published schemas of events and documents",
		schemaListCommand(), schemaShowCommand(), schemaCheckCommand(), schemaPublishCommand())
}

func schemaListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List every schema with its versions and what its changes must keep",
		Long: "List every schema with its versions, the one in force last. backward: whoever writes by a published\n" +
			"version is still understood. full: and whoever reads by it understands what is written now.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			type row struct {
				Name          string      `json:"name"`
				Kind          schema.Kind `json:"kind"`
				Version       int         `json:"version"`
				Versions      []int       `json:"versions"`
				Compatibility schema.Mode `json:"compatibility"`
				ID            string      `json:"id"`
				Title         string      `json:"title"`
			}
			all, err := schema.All()
			if err != nil {
				return err
			}
			old, err := schema.Published()
			if err != nil {
				return err
			}
			rows := make([]row, len(all))
			for i, s := range all {
				rows[i] = row{s.Name, s.Kind, s.Version, []int{}, s.Mode, s.ID(), s.Title}
				for _, p := range old {
					if p.Name == s.Name && p.Version < s.Version {
						rows[i].Versions = append(rows[i].Versions, p.Version)
					}
				}
				rows[i].Versions = append(rows[i].Versions, s.Version)
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), rows)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, r := range rows {
				if _, err := fmt.Fprintf(w, "%s\t%s\t%v\t%s\t%s\n", r.Kind, r.Name, r.Versions, r.Compatibility, r.Title); err != nil {
					return err
				}
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func schemaShowCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "show NAME[@VERSION]",
		Short:   "Print a schema (JSON Schema 2020-12)",
		Example: "  waybill schema show order.placed\n  waybill schema show sales_order@1",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			s, err := schema.Find(args[0])
			if unknown := (*waybill.Error)(nil); errors.As(err, &unknown) {
				return &usageError{err}
			}
			if err != nil {
				return err
			}
			_, err = c.OutOrStdout().Write(s.JSON)
			return err
		},
	}
	c.Flags().Bool("json", true, "print JSON; a schema is nothing else")
	return c
}

func schemaCheckCommand() *cobra.Command {
	var asJSON bool
	var against string
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a payload against its schema, or the schemas against published ones",
		Long: "Check an event or a document; what it is, it says itself (type or kind). - reads standard input.\n" +
			"With --against, compare the schemas of this program with published ones instead: a directory as\n" +
			"`waybill schema publish` writes it, or \"published\", those that the program was released with. A removed\n" +
			"or newly required field, a narrower type, a value that is gone: each is named, and the exit code is 1.",
		Example: "  waybill schema check order.json\n  waybill schema check --against published",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if against != "" {
				if len(args) > 0 {
					return usagef("--against compares schemas: leave %s out, or check it without --against", args[0])
				}
				return checkSchemas(c.OutOrStdout(), against, asJSON)
			}
			file := "-"
			if len(args) > 0 {
				file = args[0]
			}
			return checkPayload(c.InOrStdin(), c.OutOrStdout(), file, asJSON)
		},
	}
	c.Flags().StringVar(&against, "against", "", "directory of published schemas, or \"published\"")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func checkPayload(in io.Reader, out io.Writer, file string, asJSON bool) error {
	payload, err := readInput(in, file)
	if err != nil {
		return usagef("read the payload: %w", err)
	}
	r, err := schema.Check(payload)
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(out, struct {
			Valid bool `json:"valid"`
			schema.Report
		}{len(r.Problems) == 0, r})
	} else if len(r.Problems) == 0 {
		_, err = fmt.Fprintf(out, "%s: valid\n", r.Schema)
	}
	for i := 0; !asJSON && err == nil && i < len(r.Problems); i++ {
		_, err = fmt.Fprintln(out, r.Problems[i])
	}
	if err == nil && len(r.Problems) > 0 {
		err = errFinding
	}
	return err
}

func checkSchemas(out io.Writer, against string, asJSON bool) error {
	published, err := publishedIn(against)
	if err != nil {
		return usagef("--against %s: %w", against, err)
	}
	all, err := schema.All()
	if err != nil {
		return err
	}
	breaking, err := schema.Breaking(published, all, schema.Stored())
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(out, struct {
			Compatible  bool                `json:"compatible"`
			Compared    int                 `json:"compared"`
			Differences []schema.Difference `json:"differences"`
		}{len(breaking) == 0, len(published), append([]schema.Difference{}, breaking...)})
	} else if len(breaking) == 0 {
		_, err = fmt.Fprintf(out, "%d published schemas: compatible\n", len(published))
	}
	for i := 0; !asJSON && err == nil && i < len(breaking); i++ {
		_, err = fmt.Fprintln(out, breaking[i])
	}
	if err == nil && len(breaking) > 0 {
		err = errFinding
	}
	return err
}

// publishedIn reads published schemas: the program's own, or a directory's.
func publishedIn(dir string) ([]schema.Schema, error) {
	if dir == "published" {
		return schema.Published()
	}
	list, err := schema.Read(os.DirFS(dir))
	if err == nil && len(list) == 0 {
		err = errors.New("there is no schema in it; name a directory with files like order.placed@1.json")
	}
	return list, err
}

// schemaPublishCommand writes the schemas in force beside those published
// before. One that breaks its published version is not written over it.
func schemaPublishCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "publish DIR",
		Short: "Write the schemas in force to a directory, beside those published before",
		Long:  "Write the schemas in force to a directory, one file each, beside those published before. A schema that would\nbreak its published version is refused: it needs a new version.",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			dir := args[0]
			if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // documentation is for everybody
				return err
			}
			published, err := schema.Read(os.DirFS(dir))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return usagef("%s: %w", dir, err)
			}
			all, err := schema.All()
			if err != nil {
				return err
			}
			breaking, err := schema.Breaking(published, all, schema.Stored())
			if err != nil {
				return err
			}
			for _, d := range breaking {
				if _, err := fmt.Fprintln(c.ErrOrStderr(), d); err != nil {
					return err
				}
			}
			if len(breaking) > 0 {
				return fmt.Errorf("nothing was written; where nobody has a published schema yet, delete its file in %s first", dir)
			}
			for _, s := range all {
				if err := os.WriteFile(filepath.Join(dir, s.FileName()), s.JSON, 0o644); err != nil { //nolint:gosec // as above
					return err
				}
			}
			return nil
		},
	}
}
