package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/api"
)

func routesCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "routes",
		Short: "List what is served over HTTP and which role each route needs",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			type row struct {
				Method  string `json:"method"`
				Path    string `json:"path"`
				Role    string `json:"role"`
				Summary string `json:"summary"`
				Part    string `json:"part"`
			}
			var rows []row
			for _, r := range api.Routes() {
				rows = append(rows, row{r.Method, r.Path, r.Who(), r.Summary, r.Tag})
			}
			if asJSON {
				return printJSON(c.OutOrStdout(), rows)
			}
			w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, r := range rows {
				if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Method, r.Path, r.Role, r.Summary); err != nil {
					return err
				}
			}
			return w.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
