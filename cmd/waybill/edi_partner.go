package main

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	sets "github.com/waybillhq/waybill/connector/edi"
)

// partnerReport is what edi partner test prints.
type partnerReport struct {
	Events  []waybill.Event             `json:"events,omitempty"`
	Answers []waybill.InterchangeAnswer `json:"answers,omitempty"` // with the control number 1
	Sent    string                      `json:"sent,omitempty"`
	Doubts  []string                    `json:"doubts,omitempty"`
	Reason  string                      `json:"reason,omitempty"` // why the sample can't be read or written
}

// partnerSample is a document as a sample, with the order behind it.
type partnerSample struct {
	Document waybill.Document `json:"document"`
	Order    *waybill.Order   `json:"order,omitzero"`
}

func ediPartnerCommand() *cobra.Command {
	var role, prefix string
	var asJSON bool
	test := &cobra.Command{
		Use:   "test PARTNER SAMPLE",
		Short: "Show what a sample would become under a partner's file",
		Long: "Read a sample by a partner's file and show what it would become; nothing is stored or sent. An\n" +
			"interchange shows its events and the acknowledgments that its sender would get. A document as\n" +
			"JSON ({\"document\": …, \"order\": …}) shows the interchange that would go out, with the control\n" +
			"number 1. - reads standard input. It exits with 1 where the sample is rejected, or can't be\n" +
			"read or written.",
		Example: "  waybill edi partner test bigbox.yaml samples/850.x12\n" +
			"  waybill edi partner test --role wms threepl.yaml 945.x12 --json",
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			sample, err := readInput(c.InOrStdin(), args[1])
			if err != nil {
				return usagef("SAMPLE: %w", err)
			}
			name := strings.TrimSuffix(filepath.Base(args[0]), filepath.Ext(args[0]))
			conn, err := sets.Manifest().Open(connector.Env{System: name, Role: waybill.Role(role), OrderPrefix: prefix,
				Settings: map[string]string{"partner": args[0]}, Now: time.Now, Observe: true})
			if err != nil {
				return usagef("PARTNER: %w", err)
			}
			report, fine := partnerTest(conn, name, sample, time.Now())
			if asJSON {
				err = printJSON(c.OutOrStdout(), report)
			} else {
				err = report.print(c.OutOrStdout())
			}
			if err == nil && !fine {
				err = errFinding
			}
			return err
		},
	}
	test.Flags().StringVar(&role, "role", "channel", "channel for a customer, wms for a warehouse")
	test.Flags().StringVar(&prefix, "order-prefix", "", "the system's order_prefix in the configuration")
	test.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return group("partner", "Try what was agreed with a partner", test)
}

// partnerTest reads or writes a sample. fine is false where something is wrong
// with it.
func partnerTest(conn connector.Connector, name string, sample []byte, now time.Time) (r partnerReport, fine bool) {
	if text := bytes.TrimSpace(sample); len(text) > 0 && text[0] == '{' {
		var s partnerSample
		if err := waybill.Unmarshal(text, &s); err != nil {
			return partnerReport{Reason: err.Error()}, false
		}
		s.Document.Placed, s.Document.At, s.Document.Control = s.Order, now, 1
		out, err := conn.Renderer.Render(s.Document)
		if err != nil {
			return partnerReport{Reason: err.Error()}, false
		}
		if r.Sent, r.Doubts = string(out.Body), out.Doubts; r.Sent == "" {
			r.Reason = "the partner takes no set for " + string(s.Document.Kind)
		}
		return r, r.Reason == ""
	}
	events, err := conn.Translator.Translate(connector.Message{System: name, Topic: "x12", Body: sample, ReceivedAt: now})
	if err != nil {
		return partnerReport{Reason: err.Error()}, false
	}
	r.Events, fine = events, true
	for i := range events {
		if ic, ok := events[i].Body.(*waybill.Interchange); ok {
			r.Answers = ic.Answers
			fine = ic.Status == "accepted" && ic.Problem == "" && len(ic.Messages) == 0
		}
	}
	return r, fine
}

func (r partnerReport) print(out io.Writer) error {
	var b strings.Builder
	for _, e := range r.Events {
		ic, ok := e.Body.(*waybill.Interchange)
		if !ok {
			fmt.Fprintf(&b, "-> %s %s (version %d of %s)\n", e.Type, e.Ref, e.Version, e.Subject)
			continue
		}
		fmt.Fprintf(&b, "interchange %s from %s to %s: %s\n", ic.Control, ic.Sender, ic.Receiver, strings.ReplaceAll(ic.Status, "_", " "))
		if ic.Problem != "" {
			fmt.Fprintf(&b, "  %s\n", ic.Problem)
		}
		for _, m := range ic.Messages {
			fmt.Fprintf(&b, "  %s %s %s: %s\n", m.Set, m.Control, strings.ReplaceAll(m.Status, "_", " "), strings.Join(m.Reasons, "; "))
		}
	}
	for _, a := range r.Answers {
		fmt.Fprintf(&b, "its sender gets %s:\n%s\n", a.Set, strings.TrimRight(a.Text, "\n"))
	}
	if r.Sent != "" {
		fmt.Fprintf(&b, "it goes out as:\n%s\n", strings.TrimRight(r.Sent, "\n"))
	}
	for _, d := range r.Doubts {
		fmt.Fprintf(&b, "doubt: %s\n", d)
	}
	if r.Reason != "" {
		fmt.Fprintf(&b, "%s\n", r.Reason)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
