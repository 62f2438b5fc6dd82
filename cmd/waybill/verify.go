package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/verify"
)

func verifyCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check the database against Waybill's promises: chains, hashes, states, lanes",
		Long: "Check the database against Waybill's promises, without changing it: every message's hash,\n" +
			"every chain, every waybill's state refolded from its events, every lane's sequence, every\n" +
			"delivery's bytes. It reads a running installation's database too.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			var policy *process.Policy
			cfg, err := f.load()
			if err != nil {
				return err
			}
			policy = policyOf(cfg)
			db, err := f.openForReading(c.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			rep, err := verify.Run(c.Context(), db, policy)
			if err != nil {
				return err
			}
			return printVerification(c.OutOrStdout(), rep, f.json)
		},
	}
	f.add(c)
	return c
}

func printVerification(out io.Writer, rep verify.Report, asJSON bool) error {
	if asJSON {
		if err := printJSON(out, rep); err != nil {
			return err
		}
	} else {
		if _, err := fmt.Fprintf(out, "%d messages, %d events, %d waybills, %d deliveries, %d audit entries: %d violations\n",
			rep.Messages, rep.Events, rep.Waybills, rep.Deliveries, rep.Audit, rep.Count); err != nil {
			return err
		}
		for _, v := range rep.Violations {
			if _, err := fmt.Fprintf(out, "  %s: %s: %s\n", v.Rule, v.Object, v.Detail); err != nil {
				return err
			}
		}
	}
	if rep.Count > 0 {
		return errFinding
	}
	return nil
}

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Work with the audit log"}
	var f fileFlags
	check := &cobra.Command{
		Use:   "verify",
		Short: "Check the audit log's chain of hashes",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			db, err := f.openForReading(c.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			rep := verify.Report{}
			if err := verify.Audit(c.Context(), db, &rep); err != nil {
				return err
			}
			return printVerification(c.OutOrStdout(), rep, f.json)
		},
	}
	f.add(check)
	c.AddCommand(check)
	return c
}
