package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill"
	sets "github.com/waybillhq/waybill/connector/edi"
	"github.com/waybillhq/waybill/edi/x12"
)

// ediPlan is what edi write reads: an interchange, its sets as segments or as
// documents.
type ediPlan struct {
	Sender       string `json:"sender"`   // qualifier/id
	Receiver     string `json:"receiver"` // qualifier/id
	Control      int64  `json:"control"`
	GroupControl int64  `json:"group_control,omitzero"` // of the first group; the next ones follow
	Version      string `json:"version,omitzero"`       // GS08; 004010 where empty
	Usage        string `json:"usage,omitzero"`         // P where empty
	AckRequested bool   `json:"ack_requested,omitzero"`
	Time         string `json:"time,omitzero"` // RFC 3339; now where empty
	Delimiters   string `json:"delimiters,omitzero"`
	LineEnd      string `json:"line_end,omitzero"`
	Messages     []struct {
		Set      string            `json:"set,omitzero"`
		Segments [][]string        `json:"segments,omitzero"` // without ST and SE
		Document *waybill.Document `json:"document,omitzero"`
		Order    *waybill.Order    `json:"order,omitzero"`
		Number   string            `json:"number,omitzero"` // of an invoice
	} `json:"messages"`
}

func ediWriteCommand() *cobra.Command {
	var partner, output string
	c := &cobra.Command{
		Use:   "write FILE",
		Short: "Write an X12 interchange from segments or from documents as JSON",
		Long: "Write an interchange from JSON: its ids, control numbers and messages, each of them a set with\n" +
			"its segments (without ST and SE), or one of Waybill's documents with the order it answers. The\n" +
			"result is read back and checked before anything is written: what would be refused is not\n" +
			"written, and exits with 1.",
		Example: "  waybill edi write notice.json > notice.edi\n" +
			"  echo '{\"sender\":\"ZZ/US\",\"receiver\":\"ZZ/THEM\",\"control\":1,\"messages\":[…]}' | waybill edi write -",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			profile, err := readProfile(partner)
			if err != nil {
				return err
			}
			b, err := readInput(c.InOrStdin(), args[0])
			if err != nil {
				return usagef("FILE: %w", err)
			}
			var plan ediPlan
			if err := waybill.Unmarshal(b, &plan); err != nil {
				return usagef("%s: %w", args[0], err)
			}
			out, err := plan.interchange(profile, c.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := checkWritten(out, c.ErrOrStderr()); err != nil {
				return err
			}
			if output != "" {
				return os.WriteFile(output, out, 0o600)
			}
			_, err = c.OutOrStdout().Write(out)
			return err
		},
	}
	c.Flags().StringVar(&partner, "partner", "", "JSON file with our ids and partner profiles")
	c.Flags().StringVarP(&output, "output", "o", "", "the file to write; standard output where empty")
	return c
}

// interchange makes the bytes of the plan. Notes on replaced text go to notes.
func (p *ediPlan) interchange(profile *sets.Profile, notes io.Writer) ([]byte, error) {
	sq, sender, ok := strings.Cut(p.Sender, "/")
	rq, receiver, ok2 := strings.Cut(p.Receiver, "/")
	if !ok || !ok2 {
		return nil, usagef("sender %q, receiver %q: want qualifier/id, like ZZ/ACME", p.Sender, p.Receiver)
	}
	at := time.Now().UTC()
	if p.Time != "" {
		var err error
		if at, err = time.Parse(time.RFC3339, p.Time); err != nil {
			return nil, usagef("time %q: want RFC 3339, like 2026-01-02T03:04:05Z", p.Time)
		}
	}
	version, isa := p.Version, "00401"
	if version == "" {
		version = "004010"
	}
	if version >= "005010" {
		isa = "00501"
	}
	partner, _ := profile.Of(&x12.Interchange{SenderQualifier: rq, Sender: receiver})
	if p.Delimiters != "" {
		copied := *partner
		copied.Delimiters = p.Delimiters
		partner = &copied
	}
	o := x12.Outgoing{SenderQualifier: sq, Sender: sender, ReceiverQualifier: rq, Receiver: receiver, Version: isa, Control: p.Control,
		AckRequested: p.AckRequested, Usage: "P", Time: at, Delimiters: partner.WireDelimiters(isa)}
	o.Delimiters.LineEnd = p.LineEnd
	if p.Usage != "" {
		o.Usage = p.Usage
	}
	next := max(p.GroupControl, 1)
	for i := range p.Messages {
		set, err := p.set(i, partner, at)
		if err != nil {
			return nil, err
		}
		for _, n := range set.Notes {
			fmt.Fprintf(notes, "message %d: %s\n", i+1, n)
		}
		if n := len(o.Groups); n == 0 || o.Groups[n-1].Code != set.Group {
			o.Groups = append(o.Groups, x12.OutgoingGroup{Code: set.Group, Sender: sender, Receiver: receiver, Control: next, Version: version})
			next++
		}
		g := &o.Groups[len(o.Groups)-1]
		g.Messages = append(g.Messages, x12.OutgoingMessage{Set: set.Set, Control: fmt.Sprintf("%04d", len(g.Messages)+1), Body: set.Body})
	}
	return o.Bytes()
}

// set is the i-th message of the plan as segments.
func (p *ediPlan) set(i int, partner *sets.Partner, at time.Time) (sets.Rendered, error) {
	m := &p.Messages[i]
	if m.Document != nil {
		return partner.Render(sets.Job{Document: *m.Document, Order: m.Order, At: at, Number: m.Number})
	}
	out := sets.Rendered{Set: m.Set, Group: x12.GroupCode(m.Set)}
	if out.Group == "" {
		return out, usagef("/messages/%d/set: %q is not supported; there is %s", i, m.Set, strings.Join(x12.Standard().Sets(), ", "))
	}
	for n, s := range m.Segments {
		if len(s) == 0 || s[0] == "" {
			return out, usagef("/messages/%d/segments/%d: want the segment's name, then its elements", i, n)
		}
		out.Body = append(out.Body, x12.MakeSegment(s[0], s[1:]...))
	}
	return out, nil
}

// checkWritten reads what was made as its receiver would.
func checkWritten(out []byte, notes io.Writer) error {
	p := ediPrinter{out: notes}
	wrong := false
	note := func(faults []x12.Fault) {
		wrong = wrong || len(faults) > 0
		p.faults("  ", faults)
	}
	err := x12.Read(bytes.NewReader(out), x12.Options{}, x12.Handler{
		Message:  func(m *x12.Message) error { note(m.Faults); return nil },
		EndGroup: func(g *x12.Group) error { note(g.Faults); return nil },
		End:      func(ic *x12.Interchange) error { note(ic.Faults); return nil },
	})
	if err != nil {
		return err
	}
	if wrong {
		return errors.New("the interchange would be refused and is not written")
	}
	return nil
}
