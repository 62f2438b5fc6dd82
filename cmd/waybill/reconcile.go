package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/connector/all"
	"github.com/waybillhq/waybill/internal/config"
	"github.com/waybillhq/waybill/internal/egress"
	"github.com/waybillhq/waybill/internal/reconcile"
)

func reconcileCommand() *cobra.Command {
	var f fileFlags
	var systems []string
	var asOf string
	c := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare the systems' own books with what happened; list what differs",
		Long: "Read the systems' own journals and compare them with Waybill's receipts and with what the\n" +
			"warehouse shipped. Each break names its cause and the one thing that repairs it. Exits with 1\n" +
			"where something differs. It reads a running installation's database too, and sends nothing\n" +
			"but questions.",
		Example: "  waybill reconcile --config waybill.yaml --data data\n  waybill reconcile --system erp --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var at time.Time
			if asOf != "" {
				var err error
				if at, err = time.Parse(time.RFC3339, asOf); err != nil {
					return usagef("--as-of %q: want a time like 2026-01-31T18:00:00Z", asOf)
				}
			}
			cfg, err := f.load()
			if err != nil {
				return err
			}
			reports, err := reconcileAll(c.Context(), f, cfg, systems, at)
			if err != nil {
				return err
			}
			return printReconciliation(c.OutOrStdout(), reports, f.json)
		},
	}
	f.add(c)
	c.Flags().StringArrayVar(&systems, "system", nil, "only this system; repeat it. All with a journal, where missing")
	c.Flags().StringVar(&asOf, "as-of", "", "compare as of this time (RFC 3339)")
	return c
}

func reconcileAll(ctx context.Context, f fileFlags, cfg *config.Config, only []string, asOf time.Time) (_ []*reconcile.Report, err error) {
	db, err := f.openForReading(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	client := egress.Client(egress.Options{Allow: cfg.Egress.Allow})
	var books []reconcile.System
	for _, name := range cfg.SystemNames() {
		s := cfg.Systems[name]
		if s.Mode == config.Off || s.BaseURL == "" {
			continue
		}
		opened, err := openSystem(s, all.Registry()[s.Connector], client, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		if opened.Conn.Journal != nil {
			books = append(books, reconcile.System{Name: name, Role: s.Role, Journal: opened.Conn.Journal})
		}
	}
	runner := reconcile.NewRunner(db, books)
	if len(only) > 0 {
		books = books[:0:0]
		for _, name := range only {
			s, err := runner.System(name)
			if err != nil {
				return nil, &usageError{err}
			}
			books = append(books, s)
		}
	}
	var reports []*reconcile.Report
	for _, s := range books {
		r, err := reconcile.Run(ctx, db, s, asOf)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

func printReconciliation(out io.Writer, reports []*reconcile.Report, asJSON bool) error {
	clean := true
	for _, r := range reports {
		clean = clean && r.Clean()
	}
	if asJSON {
		if err := printJSON(out, map[string]any{"clean": clean, "systems": reports}); err != nil {
			return err
		}
	} else {
		for _, r := range reports {
			if _, err := fmt.Fprintf(out, "%s: %d entries; missing %d, unknown %d, duplicate %d, differing %d, breaks %d\n", r.System,
				r.Entries, len(r.MissingInTarget), len(r.UnknownInTarget), len(r.Duplicate), len(r.Differs), len(r.Breaks)); err != nil {
				return err
			}
			for _, b := range r.Breaks {
				if _, err := fmt.Fprintf(out, "  %-22s %s line %s: %s (%s %s), %s: %s\n", b.Control, b.Order, b.Line, b.Qty, b.Money, b.Currency, b.Cause, b.Action); err != nil {
					return err
				}
			}
		}
	}
	if !clean {
		return errFinding
	}
	return nil
}
