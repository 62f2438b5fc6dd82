package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/sim"
)

func simCommand() *cobra.Command {
	var seeds int
	var seed uint64
	var plan string
	var asJSON bool
	c := &cobra.Command{
		Use:   "sim",
		Short: "Run the engine in a simulated world and look for broken promises",
		Long: "Run the engine, on its real database, in a world where the network loses, delays and repeats,\n" +
			"systems answer oddly and processes die, and hold what came of it against the promises. A seed\n" +
			"is a run: the same seed is the same run. What breaks a promise is printed as the smallest plan\n" +
			"that still does, and exits with 1; --plan plays such a plan again.",
		Example: "  waybill sim --seeds 2000\n  waybill sim --plan failed.json --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if seeds < 1 || seed > math.MaxUint64-uint64(seeds) {
				return usagef("--seeds is %d from --seed %d on; give a positive number that does not run over", seeds, seed)
			}
			sum, err := simulate(c.Context(), seed, seeds, plan)
			if err != nil {
				return err
			}
			return printSimulation(c.OutOrStdout(), sum, asJSON)
		},
	}
	c.Flags().IntVar(&seeds, "seeds", 100, "how many runs")
	c.Flags().Uint64Var(&seed, "seed", 1, "the seed of the first run")
	c.Flags().StringVar(&plan, "plan", "", "play the plan in this file instead")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func simulate(ctx context.Context, seed uint64, seeds int, plan string) (sum sim.Summary, err error) {
	begin := time.Now()
	if plan == "" {
		sum, err = sim.Many(ctx, seed, seeds, true)
	} else {
		var p sim.Plan
		if p, err = sim.ReadPlan(plan); err == nil {
			sum, err = sim.One(ctx, p)
		}
	}
	sum.Seconds = time.Since(begin).Seconds()
	return sum, err
}

func printSimulation(out io.Writer, sum sim.Summary, asJSON bool) error {
	if asJSON {
		if err := printJSON(out, sum); err != nil {
			return err
		}
	} else {
		if _, err := fmt.Fprintf(out, "%d runs, %d states, %.1f s: %d runs with violations\n", sum.Seeds, sum.States, sum.Seconds, len(sum.Violations)); err != nil {
			return err
		}
		for _, f := range sum.Violations {
			if _, err := fmt.Fprintf(out, "  seed %d: %s: %s\n", f.Seed, f.Invariant, f.Detail); err != nil {
				return err
			}
		}
	}
	if len(sum.Violations) > 0 {
		return errFinding
	}
	return nil
}
