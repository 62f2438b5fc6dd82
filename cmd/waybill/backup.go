package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/process"
	"github.com/waybillhq/waybill/internal/store/sqlite"
	"github.com/waybillhq/waybill/internal/verify"
)

func backupCommand() *cobra.Command {
	var f fileFlags
	var to string
	c := &cobra.Command{
		Use:   "backup --to FILE",
		Short: "Write a consistent copy of the database, also while Waybill runs",
		Long: "Write a consistent copy of the database into one file, also while Waybill runs. The copy holds\n" +
			"everything but the configuration and its secrets: keep those beside it.",
		Example: "  waybill backup --data data --to /backup/waybill-2026-01-31.db",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if to == "" {
				return usagef("--to is missing: name the file that the copy goes to")
			}
			if _, err := os.Stat(to); err == nil {
				return usagef("--to %s exists already: a backup never overwrites one", to)
			}
			db, err := f.openForReading(c.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			begin := time.Now()
			if err := db.Backup(c.Context(), to); err != nil {
				return err
			}
			info, err := os.Stat(to)
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(c.OutOrStdout(), map[string]any{"file": to, "bytes": info.Size(), "seconds": time.Since(begin).Seconds()})
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s: %d bytes in %.1f s\n", to, info.Size(), time.Since(begin).Seconds())
			return err
		},
	}
	f.add(c)
	c.Flags().StringVar(&to, "to", "", "the file of the copy; it must not exist")
	return c
}

func restoreCommand() *cobra.Command {
	var f fileFlags
	var from string
	c := &cobra.Command{
		Use:   "restore --from FILE --data DIR",
		Short: "Make a data directory from a backup",
		Long: "Make a data directory from a backup and verify it. The directory must hold no database.\n" +
			"What was sent after the backup is decided again under the same keys: a system that honours\n" +
			"keys posts nothing twice. Run waybill reconcile before serve; it says what the systems\n" +
			"hold that the copy does not know.",
		Example: "  waybill restore --from /backup/waybill-2026-01-31.db --data data",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if from == "" {
				return usagef("--from is missing: name the backup")
			}
			if cfg, err := f.load(); err == nil && cfg.Database.Server() {
				return usagef("%s names a PostgreSQL database: restore it with the server's own tools", f.config)
			}
			target := filepath.Join(f.data, sqlite.FileName)
			for _, name := range []string{target, target + "-wal"} { // a log of another database would be applied to the copy
				if _, err := os.Stat(name); err == nil {
					return usagef("%s exists already: restore into an empty directory", name)
				}
			}
			if err := os.MkdirAll(f.data, 0o700); err != nil {
				return err
			}
			if err := copyFile(from, target); err != nil {
				return fmt.Errorf("restore %s: %w", from, err)
			}
			rep, err := f.verifyCopy(c.Context())
			if err != nil {
				return errors.Join(fmt.Errorf("restore %s: %w; is it a file that waybill backup wrote?", from, err), os.Remove(target))
			}
			return printVerification(c.OutOrStdout(), rep, f.json)
		},
	}
	f.add(c)
	c.Flags().StringVar(&from, "from", "", "the backup")
	return c
}

// verifyCopy verifies a restored database; the states are refolded where a
// configuration is at hand.
func (f *fileFlags) verifyCopy(ctx context.Context) (rep verify.Report, err error) {
	var policy *process.Policy
	if cfg, err := f.load(); err == nil {
		policy = policyOf(cfg)
	}
	db, err := f.openForReading(ctx)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return verify.Run(ctx, db, policy)
}

// copyFile copies a file durably; the copy may be read by its owner only.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	return out.Sync()
}
