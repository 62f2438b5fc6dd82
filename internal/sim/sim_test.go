package sim

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	seeds = flag.Int("seeds", 2000, "how many runs TestSeeds makes")
	first = flag.Uint64("first", 1, "the seed of the first")
)

// No invariant is broken, and everything that they are about came about.
func TestSeeds(t *testing.T) {
	sum, err := Many(t.Context(), *first, *seeds, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sum.Violations {
		plan, err := json.Marshal(f.Plan)
		if err != nil {
			t.Fatal(err)
		}
		t.Errorf("seed %d: %s: %s\nkeep this plan in testdata/plans:\n%s", f.Seed, f.Invariant, f.Detail, plan)
	}
	if missing := sum.Missing(); len(missing) > 0 {
		t.Errorf("%d runs never reached %q: what the invariants say of it was not tried", sum.Seeds, missing)
	}
	t.Logf("%d runs, %d states", sum.Seeds, sum.States)
}

// What broke an invariant once does not break it again.
func TestKeptPlans(t *testing.T) {
	files, err := filepath.Glob("testdata/plans/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d plans are kept: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			p, err := ReadPlan(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := Run(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range r.Violations {
				t.Errorf("%s: %s", v.Invariant, v.Detail)
			}
		})
	}
}

// A plan is a run: what happened happens again, to the letter.
func TestAPlanRepeats(t *testing.T) {
	for seed := uint64(1); seed <= 40; seed++ {
		one, err := Run(t.Context(), Generate(seed))
		if err != nil {
			t.Fatal(err)
		}
		two, err := Run(t.Context(), Generate(seed))
		if err != nil {
			t.Fatal(err)
		}
		if one.Trace != two.Trace {
			t.Errorf("seed %d: two runs of one plan differ: %s", seed, cmp.Diff(one.Reached, two.Reached))
		}
	}
}

// A plan that is written and read is the same plan.
func TestPlansAreData(t *testing.T) {
	want := Generate(7)
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Shrinking leaves what the failure needs and nothing else.
func TestShrink(t *testing.T) {
	p := Generate(12)
	p.Faults = append(p.Faults, Fault{Site: "x", What: "culprit"}, Fault{Site: "y", What: "accomplice"})
	has := func(p Plan, what string) bool {
		return slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.What == what })
	}
	got := shrink(p, func(p Plan) bool { return has(p, "culprit") && has(p, "accomplice") && len(p.Orders) > 0 })
	if len(got.Faults) != 2 || len(got.Orders) != 1 || len(got.Counts) != 0 || size(got) > 3+len(got.Orders[0].Shipments) {
		t.Errorf("%d faults, %d orders, %d counts are left", len(got.Faults), len(got.Orders), len(got.Counts))
	}
}
