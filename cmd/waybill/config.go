package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/connector/all"
	"github.com/waybillhq/waybill/internal/config"
)

// fileFlags are the flags of every verb that works on an installation.
type fileFlags struct {
	config string
	data   string
	json   bool
}

func (f *fileFlags) add(c *cobra.Command) {
	f.addFiles(c)
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

func (f *fileFlags) addFiles(c *cobra.Command) {
	c.Flags().StringVarP(&f.config, "config", "c", "waybill.yaml", "the configuration file")
	c.Flags().StringVar(&f.data, "data", "data", "the data directory")
}

// load reads the configuration; its errors name line and key.
func (f *fileFlags) load() (*config.Config, error) {
	return config.Load(f.config, all.Registry())
}

func configCommand() *cobra.Command {
	return group("config", "Work with the configuration file", configCheckCommand())
}

func configCheckCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration file; every error names its line, key and fix",
		Args:  cobra.NoArgs,
		Long: "Check the configuration file: every key, every secret it names, and whether the addresses\n" +
			"may be called. Exits with 0 where Waybill would run with it, warnings or not, and with 2\n" +
			"otherwise. Nothing is called and nothing is changed.",
		Example: "  waybill config check --config waybill.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := f.load()
			var problems config.Problems
			switch {
			case errors.As(err, &problems):
				if !f.json {
					return err
				}
				return errors.Join(printCheck(c.OutOrStdout(), nil, "", problems), errRefused)
			case err != nil:
				return err
			}
			rev, err := cfg.Rev()
			if err != nil {
				return err
			}
			warnings := cfg.Check()
			if f.json {
				return printCheck(c.OutOrStdout(), cfg.SystemNames(), rev, warnings)
			}
			for _, w := range warnings {
				if _, err := fmt.Fprintln(c.ErrOrStderr(), w); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s is right: %d systems, revision %s\n", cfg.File, len(cfg.Systems), rev)
			return err
		},
	}
	f.add(c)
	return c
}

// problem is one thing that is wrong or doubtful, as JSON.
type problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Key     string `json:"key,omitempty"`
	Detail  string `json:"detail"`
	Fix     string `json:"fix,omitempty"`
	Warning bool   `json:"warning"`
}

func printCheck(out io.Writer, systems []string, rev string, found config.Problems) error {
	answer := struct {
		OK       bool      `json:"ok"`
		Rev      string    `json:"config_rev,omitempty"`
		Systems  []string  `json:"systems,omitempty"`
		Problems []problem `json:"problems"`
	}{OK: !found.Fatal(), Rev: rev, Systems: systems, Problems: make([]problem, 0, len(found))}
	for _, p := range found {
		answer.Problems = append(answer.Problems, problem{File: p.File, Line: p.Line, Column: p.Column, Key: p.Path,
			Detail: p.Detail, Fix: p.Fix, Warning: p.Warning})
	}
	return printJSON(out, answer)
}
