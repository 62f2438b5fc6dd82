package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store/postgres"
	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/verify"
)

func moveCommand() *cobra.Command {
	var f fileFlags
	var to string
	c := &cobra.Command{
		Use:   "move --to postgres://…",
		Short: "Move the embedded database to PostgreSQL",
		Long: "Move the embedded database to an empty PostgreSQL database, all of it or nothing, and verify\n" +
			"the copy: chains, states, lanes and the number of rows. Waybill must not run meanwhile. The\n" +
			"data directory is left as it is; afterwards name the new database in database.url, and never\n" +
			"serve the old one again. The password comes from PGPASSWORD or PostgreSQL's password file.",
		Example: "  waybill move --data data --to postgres://waybill@db.example.com/waybill?sslmode=verify-full",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if to == "" {
				return usagef("--to is missing: name an empty PostgreSQL database")
			}
			if _, err := os.Stat(filepath.Join(f.data, sqlite.FileName)); err != nil {
				return usagef("--data %s: there is no database in it; name the data directory that waybill serve uses", f.data)
			}
			rows, rep, err := f.move(c.Context(), to)
			if err != nil {
				return err
			}
			if f.json {
				if err := printJSON(c.OutOrStdout(), map[string]any{"rows": rows, "verification": rep}); err != nil {
					return err
				}
			} else {
				for _, table := range slices.Sorted(maps.Keys(rows)) {
					if _, err := fmt.Fprintf(c.OutOrStdout(), "%-14s %d rows\n", table, rows[table]); err != nil {
						return err
					}
				}
				if err := printVerification(c.OutOrStdout(), rep, false); err != nil {
					return err
				}
			}
			if !rep.OK {
				return errFinding
			}
			return nil
		},
	}
	f.add(c)
	c.Flags().StringVar(&to, "to", "", "the PostgreSQL database; it must hold nothing of Waybill's")
	return c
}

// move copies the books and verifies the copy; the states are refolded where a
// configuration is at hand.
func (f *fileFlags) move(ctx context.Context, to string) (rows map[string]int64, rep verify.Report, err error) {
	from, err := sqlite.Open(ctx, f.data, sqlite.Options{}) // for writing: nobody else may
	if err != nil {
		return nil, rep, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	db, err := postgres.Open(ctx, to, postgres.Options{Name: "move"})
	if err != nil {
		return nil, rep, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err = db.Receive(ctx, from.Dump(ctx))
	switch {
	case errors.Is(err, postgres.ErrNotEmpty):
		return nil, rep, usagef("--to: %w; name an empty one", err)
	case err != nil:
		return nil, rep, err
	}
	var policy *process.Policy
	if cfg, err := f.load(); err == nil {
		policy = policyOf(cfg)
	}
	rep, err = verify.Run(ctx, db, policy)
	if err != nil {
		return nil, rep, fmt.Errorf("the books are copied; verify the copy: %w", err)
	}
	return rows, rep, nil
}
