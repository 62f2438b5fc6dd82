package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/verify"
)

func verifyCommand() *cobra.Command {
	var f fileFlags
	var rebuild bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check the database against Waybill's promises: chains, hashes, states, lanes",
		Long: "Check the database against Waybill's promises, without changing it: every message's hash,\n" +
			"every chain, every waybill's state refolded from its events, every lane's sequence, every\n" +
			"delivery's bytes. Exits with 1 where something is wrong. It reads a running installation's\n" +
			"database too.\n\n" +
			"With --rebuild the ledger is also folded into a fresh database beside the temporary files,\n" +
			"and the two are compared: states, keys and chains. That takes as much room as the first,\n" +
			"and nobody may write to it meanwhile: stop the installation, or verify a backup.",
		Example: "  waybill verify --config waybill.yaml --data data\n  waybill verify --data restored --rebuild",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			cfg, err := f.load()
			if err != nil {
				return err
			}
			db, err := f.openForReading(c.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			rep, err := verify.Run(c.Context(), db, policyOf(cfg))
			if err == nil && rebuild {
				err = rebuilt(c.Context(), db, policyOf(cfg), &rep)
			}
			if err != nil {
				return err
			}
			return printVerification(c.OutOrStdout(), rep, f.json)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&rebuild, "rebuild", false, "also fold the ledger into a fresh database, and compare")
	return c
}

// rebuilt compares a database with one that is made from its ledger.
func rebuilt(ctx context.Context, db store.Store, policy *process.Policy, rep *verify.Report) (err error) {
	dir, err := os.MkdirTemp("", "waybill-rebuild-")
	if err != nil {
		return fmt.Errorf("make room for the fresh database: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fresh, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()
	return verify.Rebuild(ctx, db, fresh, policy, rep)
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
	var f fileFlags
	check := &cobra.Command{
		Use:   "verify",
		Short: "Check the audit log's chain of hashes",
		Long: "Check that no entry of the audit log was changed or taken out: each holds the hash of the\n" +
			"one before. Exits with 1 where the chain is broken. It reads a running installation's too.",
		Example: "  waybill audit verify --data data",
		Args:    cobra.NoArgs,
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
	return group("audit", "Work with the audit log", check)
}
