package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/kpi"
)

func kpiCommand() *cobra.Command {
	var f fileFlags
	var since time.Duration
	c := &cobra.Command{
		Use:   "kpi",
		Short: "Measure how long orders take, from the ledger and the receipts",
		Long: "Measure how long orders take: order cycle time (from the order's first byte to the first\n" +
			"shipment), invoice lag (from shipment to invoice) and order to invoice. It reads a running\n" +
			"installation's database too.",
		Example: "  waybill kpi --data data --since 168h --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if since <= 0 {
				return usagef("--since %s: want a time above 0, like 24h", since)
			}
			db, err := f.openForReading(c.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			r, err := kpi.Measure(c.Context(), db, time.Now().UTC().Add(-since))
			if err != nil {
				return err
			}
			if f.json {
				return printJSON(c.OutOrStdout(), r)
			}
			for _, m := range []struct {
				name string
				q    kpi.Quantiles
			}{{"order cycle time", r.CycleTime}, {"invoice lag", r.InvoiceLag}, {"order to invoice", r.OrderToInvoice}} {
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%-18s median %.0f ms, 95 of 100 within %.0f ms (%d of %d orders)\n", m.name, m.q.P50, m.q.P95, m.q.N, r.Orders); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.add(c)
	c.Flags().DurationVar(&since, "since", 24*time.Hour, "orders received in this time")
	return c
}
