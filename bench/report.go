package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// loaded is the load average above which a machine had other work.
const loaded = 2

// The markers between which the documentation's table stands.
const (
	markerBegin = "<!-- peers: written by make bench-peers -->"
	markerEnd   = "<!-- /peers -->"
)

// report is everything that was seen in one go.
type report struct {
	At         time.Time `json:"at"`
	Machine    machine   `json:"machine"`
	Orders     int       `json:"orders"`
	Flow       flowSize  `json:"flow"`
	Contenders []entry   `json:"contenders"`
}

type machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	Go    string `json:"go"`
}

type flowSize struct {
	Rounds     int `json:"rounds"`
	Deliveries int `json:"deliveries"`
	Lines      int `json:"lines"`
}

type entry struct {
	contender
	Version string   `json:"version"`
	Runs    []result `json:"runs"`
}

func newReport(o options, chosen []contender) (*report, error) {
	cpu, err := cpuName()
	if err != nil {
		return nil, err
	}
	r := &report{At: time.Now().UTC().Truncate(time.Second), Orders: o.orders,
		Machine: machine{CPU: cpu, Cores: runtime.NumCPU(), Go: runtime.Version()},
		Flow:    flowSize{Rounds: roundsPerOrder, Deliveries: len(deliveries), Lines: linesPerOrder}}
	for _, c := range chosen {
		r.Contenders = append(r.Contenders, entry{contender: c, Version: versionOf(c.Module)})
	}
	return r, nil
}

// versionOf is the version of a module in this program; "" for Waybill itself,
// which is the tree that the program stands in.
func versionOf(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, d := range info.Deps {
		if d.Path == module && d.Replace == nil {
			return d.Version
		}
	}
	return ""
}

func cpuName() (string, error) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value), nil
		}
	}
	return runtime.GOARCH, nil
}

// spread is the median of a figure, with its least and its greatest.
type spread struct{ median, least, most float64 }

func (e entry) spread(figure func(result) float64) spread {
	var all []float64
	for _, r := range e.Runs {
		all = append(all, figure(r))
	}
	if len(all) == 0 {
		return spread{}
	}
	slices.Sort(all)
	mid := len(all) / 2
	median := all[mid]
	if len(all)%2 == 0 {
		median = (all[mid-1] + all[mid]) / 2
	}
	return spread{median, all[0], all[len(all)-1]}
}

func (s spread) String() string {
	return fmt.Sprintf("%.0f (%.0f – %.0f)", s.median, s.least, s.most)
}

func rate(r result) float64 { return r.OrdersPerSec }

// durable says whether a power cut takes nothing that was said to be done.
func (c contender) durable() bool { return c.Loses == "nothing" }

// ours says whether the contender is Waybill itself.
func (c contender) ours() bool { return strings.HasPrefix(c.Slug, "waybill-") }

// markdown is the table and what must be known to read it; chart is the path
// of the chart seen from the document, "" where there is none.
func (r *report) markdown(chart string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s, %d cores, %s, %s: %d orders a run, %d runs of each, one process each, taking turns. %s\n\n",
		r.At.Format(time.DateOnly), r.Machine.Cores, r.Machine.CPU, r.Machine.Go, r.Orders, len(r.Contenders[0].Runs), r.loadNote())
	if chart != "" {
		fmt.Fprintf(&s, "![Orders a second of each contender](%s)\n\n", chart)
	}
	s.WriteString("| | orders a second | CPU for an order, ms: client + server | commits for an order | written for an order, KB | in flight | durability | a power cut loses |\n|---|---|---|---|---|---|---|---|\n")
	for _, e := range r.Contenders {
		name := e.Name
		if e.Version != "" {
			name += " " + e.Version
		}
		cpu := fmt.Sprintf("%.2f", e.spread(func(r result) float64 { return r.ClientCPU }).median/1000)
		if e.Postgres {
			cpu += fmt.Sprintf(" + %.2f", e.spread(func(r result) float64 { return r.ServerCPU }).median/1000)
		}
		commits := "not counted"
		if c := e.spread(func(r result) float64 { return r.Commits }).median; c > 0 {
			commits = fmt.Sprintf("%.3g", c)
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s | %.0f | %d | %s | %s |\n", name, e.spread(rate), cpu, commits,
			e.spread(func(r result) float64 { return r.Written }).median/1000, e.InFlight, e.Durability, e.Loses)
	}
	s.WriteString("\n" + r.ratios())
	return s.String()
}

// loadNote says what else the machine was doing.
func (r *report) loadNote() string {
	least, most := r.Contenders[0].Runs[0].Load, 0.0
	for _, e := range r.Contenders {
		for _, run := range e.Runs {
			least, most = min(least, run.Load), max(most, run.Load)
		}
	}
	note := fmt.Sprintf("Load average when the runs began: %.1f to %.1f.", least, most)
	if most > loaded {
		note += " **Measured under load**: the contenders' own runs raise it too, and other work may have; trust the ratios and the CPU before the rates."
	}
	return note
}

// ratios compares Waybill with the fastest peer that loses nothing, on SQLite
// and on PostgreSQL.
func (r *report) ratios() string {
	var s strings.Builder
	fastest := entry{}
	for _, e := range r.Contenders {
		if !e.ours() && e.durable() && e.spread(rate).median > fastest.spread(rate).median {
			fastest = e
		}
	}
	if fastest.Name == "" {
		return ""
	}
	for _, e := range r.Contenders {
		if e.ours() {
			fmt.Fprintf(&s, "%s: %.1f times the orders a second of the fastest peer that loses nothing (%s).\n", e.Name,
				e.spread(rate).median/fastest.spread(rate).median, fastest.Name)
		}
	}
	return s.String()
}

// write puts the report where the options say.
func (r *report) write(o options) error {
	if o.out != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.out, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.chart != "" {
		if err := os.WriteFile(o.chart, []byte(r.chart()), 0o644); err != nil {
			return err
		}
	}
	if o.doc == "" {
		return nil
	}
	chart := ""
	if o.chart != "" {
		rel, err := filepath.Rel(filepath.Dir(o.doc), o.chart)
		if err != nil {
			return err
		}
		chart = filepath.ToSlash(rel)
	}
	text, err := os.ReadFile(o.doc)
	if err != nil {
		return err
	}
	fresh, err := between(string(text), r.markdown(chart))
	if err != nil {
		return fmt.Errorf("write the table into %s: %w", o.doc, err)
	}
	return os.WriteFile(o.doc, []byte(fresh), 0o644)
}

// between replaces what stands between the markers.
func between(text, table string) (string, error) {
	before, rest, ok := strings.Cut(text, markerBegin)
	_, after, closed := strings.Cut(rest, markerEnd)
	if !ok || !closed {
		return "", fmt.Errorf("it lacks the lines %q and %q", markerBegin, markerEnd)
	}
	return before + markerBegin + "\n\n" + table + "\n" + markerEnd + after, nil
}
