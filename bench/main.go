// Command bench runs one flow, the same durable rounds and deliveries for each
// order, on Waybill and on what a team would otherwise build it on, and writes
// what it saw as JSON, as a table in the documentation and as a chart.
//
// Every run is a process of its own, so that nobody pays for another's garbage,
// and the contenders take turns: a machine that slows down slows them all.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// options are the command line.
type options struct {
	orders, runs int
	only         string
	out, doc     string
	chart        string
	dir          string

	// Of a run's own process:
	run, url string
	master   int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.IntVar(&o.orders, "orders", 2000, "orders of each run")
	flag.IntVar(&o.runs, "runs", 3, "runs of each contender; the table shows the median")
	flag.StringVar(&o.only, "only", "", "contenders to run, separated by commas: "+strings.Join(slugs(), ", ")+" (default all)")
	flag.StringVar(&o.out, "out", "", "write the result as JSON to this `file`")
	flag.StringVar(&o.doc, "doc", "", "put the table between the markers of this Markdown `file`")
	flag.StringVar(&o.chart, "chart", "", "write the chart as SVG to this `file`")
	flag.StringVar(&o.dir, "dir", "", "keep the databases of a run in this `directory`, on the disk under test (default the system's temporary one)")
	flag.StringVar(&o.run, "run", "", "run this one contender here and print its result as JSON (what each run's process is called with)")
	flag.StringVar(&o.url, "url", "", "with -run: the empty database's `URL`")
	flag.IntVar(&o.master, "postmaster", 0, "with -run: the process `id` of the PostgreSQL server")
	flag.Parse()
	err := drive(ctx, o, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func drive(ctx context.Context, o options, stdout, progress io.Writer) error {
	if o.orders < 1 || o.runs < 1 {
		return errors.New("-orders and -runs must be 1 or more")
	}
	if o.run != "" {
		r, err := runHere(ctx, o)
		if err != nil {
			return err
		}
		return json.NewEncoder(stdout).Encode(r)
	}
	rep, err := runAll(ctx, o, progress)
	if err != nil {
		return err
	}
	fmt.Fprint(stdout, rep.markdown(""))
	return rep.write(o)
}

// runHere runs one contender in this process.
func runHere(ctx context.Context, o options) (_ result, err error) {
	c, err := find(o.run)
	if err != nil {
		return result{}, err
	}
	dir, err := os.MkdirTemp(o.dir, "waybill-bench-")
	if err != nil {
		return result{}, err
	}
	defer func() {
		if removed := os.RemoveAll(dir); err == nil {
			err = removed
		}
	}()
	f, err := newFlow(o.orders)
	if err != nil {
		return result{}, err
	}
	return measure(ctx, c, &bench{dir: dir, url: o.url, master: o.master, flow: f})
}

// runAll lets the contenders take turns, each run in a process of its own.
func runAll(ctx context.Context, o options, progress io.Writer) (_ *report, err error) {
	chosen := contenders
	if o.only != "" {
		chosen = nil
		for _, slug := range strings.Split(o.only, ",") {
			c, err := find(slug)
			if err != nil {
				return nil, err
			}
			chosen = append(chosen, c)
		}
	}
	var pg *database
	if slices.ContainsFunc(chosen, func(c contender) bool { return c.Postgres }) {
		root, err := findRoot()
		if err != nil {
			return nil, err
		}
		if pg, err = startDatabase(ctx, root); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, pg.stop()) }()
	}
	rep, err := newReport(o, chosen)
	if err != nil {
		return nil, err
	}
	for run := range o.runs {
		for i, c := range chosen {
			r, err := runApart(ctx, o, c, pg)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(progress, "run %d of %d: %-28s %7.0f orders/s, %6.0f + %.0f µs of CPU for an order, load %.1f\n",
				run+1, o.runs, c.Name, r.OrdersPerSec, r.ClientCPU, r.ServerCPU, r.Load)
			rep.Contenders[i].Runs = append(rep.Contenders[i].Runs, r)
		}
	}
	return rep, nil
}

// runApart calls this program for one run.
func runApart(ctx context.Context, o options, c contender, pg *database) (result, error) {
	self, err := os.Executable()
	if err != nil {
		return result{}, err
	}
	args := []string{"-run", c.Slug, "-orders", strconv.Itoa(o.orders), "-dir", o.dir}
	if c.Postgres {
		url, err := pg.fresh(ctx)
		if err != nil {
			return result{}, err
		}
		args = append(args, "-url", url, "-postmaster", strconv.Itoa(pg.master))
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return result{}, fmt.Errorf("run %s: %w", c.Name, err)
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return result{}, fmt.Errorf("run %s: read its result %q: %w", c.Name, out, err)
	}
	return r, nil
}

func find(slug string) (contender, error) {
	i := slices.IndexFunc(contenders, func(c contender) bool { return c.Slug == slug })
	if i < 0 {
		return contender{}, fmt.Errorf("there is no contender %q; there are %s", slug, strings.Join(slugs(), ", "))
	}
	return contenders[i], nil
}

func slugs() []string {
	var out []string
	for _, c := range contenders {
		out = append(out, c.Slug)
	}
	return out
}

// findRoot looks for the project's root, where the scripts are.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "scripts", "postgres.sh")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("scripts/postgres.sh is in no directory above %s; run the benchmark inside the project", dir)
		}
	}
}
