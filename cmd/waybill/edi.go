package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	sets "github.com/waybillhq/waybill/connector/edi"
	"github.com/waybillhq/waybill/edi"
	"github.com/waybillhq/waybill/edi/edifact"
	"github.com/waybillhq/waybill/edi/x12"
)

func ediCommand() *cobra.Command {
	return group("edi", "Read, write and compare EDI files", ediReadCommand(), ediWriteCommand(), ediDiffCommand(), ediPartnerCommand())
}

// ediFile is a file that is read more than once. Standard input is put into a
// temporary file first.
type ediFile struct {
	name string
	temp bool
}

func openEDI(in io.Reader, name string) (f ediFile, err error) {
	if name != "-" {
		_, err := os.Stat(name)
		return ediFile{name: name}, err
	}
	spool, err := os.CreateTemp("", "waybill-edi-")
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, spool.Close()) }()
	_, err = io.Copy(spool, in)
	return ediFile{name: spool.Name(), temp: true}, err
}

func (f ediFile) open() (io.ReadCloser, error) { return os.Open(f.name) }

func (f ediFile) close() {
	if f.temp {
		_ = os.Remove(f.name) // a leftover in the temporary folder harms nobody
	}
}

// readProfile reads --partner; none is the standard's defaults.
func readProfile(name string) (*sets.Profile, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, usagef("--partner: %w", err)
	}
	p, err := sets.ReadProfile(b)
	if err != nil {
		return nil, usagef("--partner %s: %w", name, err)
	}
	return p, nil
}

func ediReadCommand() *cobra.Command {
	var partner string
	var before []string
	var asJSON, asTree bool
	c := &cobra.Command{
		Use:   "read FILE",
		Short: "Show what an EDI file says, what is wrong with it, and the acknowledgment it gets",
		Long: "Read an X12 file of any size: what its sets say as events, what is wrong with them in the\n" +
			"codes of the acknowledgment, and the acknowledgment itself, with the received control numbers\n" +
			"in place of those that would be reserved. Nothing is stored or sent. - reads standard input.\n" +
			"--partner names a JSON file with our ids and partner profiles; without it any partner is read\n" +
			"by the plain standard. --after names files that came before: their interchanges show\n" +
			"duplicates, their orders complete changes and shipments. Exits with 1 where anything is\n" +
			"rejected or accepted with errors.",
		Example: "  waybill edi read orders.edi\n" +
			"  waybill edi read orders.edi --tree\n" +
			"  waybill edi read change.edi --after orders.edi --partner partners.json --json",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if asJSON && asTree {
				return usagef("--json and --tree are two forms of one output: give one of them")
			}
			defer frugal()()
			profile, err := readProfile(partner)
			if err != nil {
				return err
			}
			file, err := openEDI(c.InOrStdin(), args[0])
			if err != nil {
				return usagef("FILE: %w", err)
			}
			defer file.close()
			r := ediReading{file: file, profile: profile, now: time.Now().UTC(), out: c.OutOrStdout()}
			for _, name := range before {
				if err := r.history.ReadBefore(r.translator(), ediFile{name: name}.open, r.now); err != nil {
					return usagef("--after %s: %w", name, err)
				}
			}
			return r.run(asJSON, asTree)
		},
	}
	f := c.Flags()
	f.StringVar(&partner, "partner", "", "JSON file with our ids and partner profiles")
	f.StringArrayVar(&before, "after", nil, "a file that was received before; may be repeated")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	f.BoolVar(&asTree, "tree", false, "print every segment and element by its name")
	return c
}

// ediReading is one run of the verb.
type ediReading struct {
	file    ediFile
	profile *sets.Profile
	history sets.History
	now     time.Time
	out     io.Writer
}

func (r *ediReading) translator() *sets.Translator {
	return &sets.Translator{Profile: r.profile, Book: &r.history}
}

func (r *ediReading) run(asJSON, asTree bool) error {
	foreign, err := r.foreign()
	if err != nil {
		return err
	}
	if foreign {
		if err := r.outline(asJSON); err != nil {
			return err
		}
		return errFinding
	}
	answers, err := newAnswers()
	if err != nil {
		return err
	}
	defer answers.close()
	v, err := r.judge(answers)
	if err != nil {
		return err
	}
	in, err := r.file.open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if asJSON {
		err = r.translator().Report(in, v, answers.all, r.out)
	} else {
		p := ediPrinter{out: r.out, tree: asTree}
		err = errors.Join(r.translator().OutcomesAhead(in, v, p.group, p.set), p.end(v, answers))
	}
	if err == nil && v.Findings {
		err = errFinding
	}
	return err
}

// foreign reports whether the file is EDIFACT.
func (r *ediReading) foreign() (bool, error) {
	in, err := r.file.open()
	if err != nil {
		return false, err
	}
	defer func() { _ = in.Close() }()
	head := make([]byte, edi.SniffBytes)
	n, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return edi.Sniff(head[:n]) == edi.EDIFACT, nil
}

// outline says of every message of an EDIFACT file that it is refused.
func (r *ediReading) outline(asJSON bool) error {
	in, err := r.file.open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	if asJSON {
		return sets.ReportForeign(in, r.out)
	}
	fmt.Fprintf(r.out, "! %s\n", sets.ForeignProblem)
	return edifact.Read(in, edifact.Handler{
		Interchange: func(ic edifact.Interchange) error {
			_, err := fmt.Fprintf(r.out, "interchange %s from %s to %s\n", ic.Control, ic.Sender, ic.Receiver)
			return err
		},
		Group: func(edifact.Group) error { return nil },
		Message: func(m edifact.Message) error {
			_, err := fmt.Fprintf(r.out, "  %s %s: rejected\n    ! %s\n", m.Set, m.Control, sets.ForeignFault(m).Detail)
			return err
		},
	})
}

// judge reads the file for the first time.
func (r *ediReading) judge(answers *ediAnswers) (*sets.Verdicts, error) {
	in, err := r.file.open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	return r.profile.JudgeTo(in, &r.history, r.now, answers.spool, answers.add)
}

// ediPrinter prints a reading for people.
type ediPrinter struct {
	out  io.Writer
	tree bool
}

func (p *ediPrinter) group(ic *sets.Verdict, g *x12.Group) error {
	if g == nil {
		fmt.Fprintf(p.out, "interchange %s from %s/%s to %s/%s, version %s: %s\n", ic.Control, ic.SenderQualifier, ic.Sender,
			ic.ReceiverQualifier, ic.Receiver, ic.Version, ic.Status)
		p.faults("  ", ic.Faults)
		for _, a := range ic.Acks {
			fmt.Fprintf(p.out, "  TA1: our interchange %s is answered %s %s\n", a.Control, a.Result, a.Code)
		}
		return nil
	}
	fmt.Fprintf(p.out, "  group %s %s, version %s: %s\n", g.Code, g.Control, g.Version, g.Status)
	p.faults("    ", g.Faults)
	return nil
}

func (p *ediPrinter) faults(indent string, list []x12.Fault) {
	for _, f := range list {
		place := ""
		if f.Position > 0 {
			place = fmt.Sprintf("segment %d: ", f.Position)
		}
		fmt.Fprintf(p.out, "%s! %s%s (%s code %s)\n", indent, place, f.Detail, f.Level, f.Code)
	}
}

func (p *ediPrinter) set(o sets.Outcome) error {
	schema := x12.Standard().Schema(o.Set, o.Group.Version)
	name := ""
	if schema != nil {
		name = " " + schema.Name
	}
	fmt.Fprintf(p.out, "    %s %s%s: %s\n", o.Set, o.Control, name, o.Final)
	p.faults("      ", o.Message.Faults)
	if p.tree {
		p.segments(o.Message, schema)
	}
	if a, ok := x12.ReadGroupAck(o.Message); ok {
		fmt.Fprintf(p.out, "      answers our group %s %s: %s\n", a.Code, a.Control, a.Result)
		for _, s := range a.Sets {
			fmt.Fprintf(p.out, "      answers our set %s %s: %s\n", s.Set, s.Control, s.Result)
		}
	}
	for _, e := range o.Translation.Events {
		fmt.Fprintf(p.out, "      -> %s %s (version %d of %s)\n", e.Type, e.Ref, e.Version, e.Subject)
	}
	for _, n := range o.Translation.Notes {
		fmt.Fprintf(p.out, "      note: %s\n", n)
	}
	return nil
}

// segments prints a set with the names of its parts.
func (p *ediPrinter) segments(m *x12.Message, schema *x12.Schema) {
	for i := range m.Len() {
		s := m.Segment(i)
		name := ""
		if schema != nil {
			name = schema.SegmentName(s.ID())
		}
		fmt.Fprintf(p.out, "      %3d %-3s %s\n", i+1, s.ID(), name)
		for n := 1; n <= s.Len(); n++ {
			if !s.Has(n) {
				continue
			}
			element := ""
			if schema != nil {
				element = schema.ElementName(s.ID(), n)
			}
			fmt.Fprintf(p.out, "          %s%02d %-24s %s\n", s.ID(), n, element, s.Element(n))
		}
	}
}

func (p *ediPrinter) end(v *sets.Verdicts, answers *ediAnswers) error {
	if v.Problem != "" {
		fmt.Fprintf(p.out, "! %s\n", v.Problem)
	}
	for a := range answers.all {
		fmt.Fprintln(p.out, "acknowledgment that would be sent:")
		if _, err := io.Copy(p.out, a); err != nil {
			return err
		}
		fmt.Fprintln(p.out)
	}
	if len(answers.ends) == 0 {
		fmt.Fprintln(p.out, "no acknowledgment would be sent")
	}
	return nil
}
