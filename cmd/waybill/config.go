package main

import (
	"fmt"

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
	c.Flags().StringVarP(&f.config, "config", "c", "waybill.yaml", "the configuration file")
	c.Flags().StringVar(&f.data, "data", "data", "the data directory")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

// load reads the configuration; its errors name line and key.
func (f *fileFlags) load() (*config.Config, error) {
	return config.Load(f.config, all.Registry())
}

func configCommand() *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Work with the configuration file"}
	c.AddCommand(configCheckCommand())
	return c
}

func configCheckCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration file; every error names its line, key and fix",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := f.load()
			if err != nil {
				return err
			}
			rev, err := cfg.Rev()
			if err != nil {
				return err
			}
			warnings := cfg.Check()
			if f.json {
				return printJSON(c.OutOrStdout(), map[string]any{
					"ok": true, "file": cfg.File, "config_rev": rev, "systems": cfg.SystemNames(), "warnings": texts(warnings)})
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

func texts(ps config.Problems) []string {
	out := make([]string, 0, len(ps))
	for _, p := range ps {
		out = append(out, p.String())
	}
	return out
}
