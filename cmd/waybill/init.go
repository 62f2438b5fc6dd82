package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/config"
)

func initCommand() *cobra.Command {
	var o config.InitOptions
	var targets []string
	c := &cobra.Command{
		Use:   "init --pack o2c --target erp=URL --target wms=URL --target channel=URL --secrets FILE",
		Short: "Print a first configuration",
		Long:  "Print a first configuration for the given systems, commented, on standard output.\nSecrets are read from the secrets file when Waybill runs; they are never copied.",
		Example: "  waybill init --pack o2c --target erp=https://erp.example.com --target wms=https://wms.example.com \\\n" +
			"    --target channel=https://shop.example.com --secrets secrets.json > waybill.yaml",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, t := range targets {
				target, err := config.ParseTarget(t)
				if err != nil {
					return &usageError{err}
				}
				o.Targets = append(o.Targets, target)
			}
			if o.SecretsFile != "" {
				abs, err := filepath.Abs(o.SecretsFile)
				if err != nil {
					return usagef("--secrets %s: %w", o.SecretsFile, err)
				}
				o.SecretsFile = abs
			}
			text, err := config.Init(o)
			if err != nil {
				return &usageError{err}
			}
			_, err = fmt.Fprint(c.OutOrStdout(), string(text))
			return err
		},
	}
	c.Flags().StringVar(&o.Pack, "pack", "o2c", "the reference flow to start from")
	c.Flags().StringArrayVar(&targets, "target", nil, "a system and its address, NAME=URL or NAME:ROLE=URL; repeat it")
	c.Flags().StringVar(&o.SecretsFile, "secrets", "", "JSON file with the API key and each system's token and webhook_secret")
	c.Flags().StringVar(&o.Timing, "timing", "standard", "standard, or fast for tests")
	c.Flags().StringArrayVar(&o.EgressAllow, "egress-allow", nil, "a network that Waybill may call beside public addresses (CIDR); repeat it")
	return c
}
