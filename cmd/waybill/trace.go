package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/trace"
)

func traceCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "trace REF",
		Short: "Tell an order's whole story, by any reference: order, PO, shipment, tracking, invoice, key",
		Long: "Tell an order's whole story on the terminal: quantities by stage, what came in, what was\n" +
			"decided, what went out and what came back. It reads a running installation's database too.",
		Example: "  waybill trace PO-4711\n  waybill trace 1Z999AA10123456784 --json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("name one reference: an order, a PO, a shipment, a tracking number, an invoice or a document's key; %d are given", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) (err error) {
			db, err := f.openForReading(c.Context())
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			stories := trace.New(db, nil)
			order, several, err := stories.Order(c.Context(), args[0])
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("nothing in %s is known as %s: references are compared letter by letter; a message that was not understood is among the exceptions", f.data, args[0])
			}
			if err != nil {
				return err
			}
			if len(several) > 0 {
				if f.json {
					return printJSON(c.OutOrStdout(), map[string]any{"orders": several})
				}
				_, err := fmt.Fprintf(c.OutOrStdout(), "%s names %d orders; trace one of them:\n  %s\n", args[0], len(several), strings.Join(several, "\n  "))
				return err
			}
			entries, err := stories.Timeline(c.Context(), order.Waybill)
			if err != nil {
				return err
			}
			if f.json {
				return printStory(c.OutOrStdout(), &order, entries)
			}
			return tellStory(c.OutOrStdout(), &order, entries)
		},
	}
	f.add(c)
	return c
}

// tellStory writes an order for a terminal.
func tellStory(out io.Writer, o *trace.Order, entries []trace.Entry) error {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("%s  %s", o.View.Order, o.View.Status)
	for _, h := range o.View.Holds {
		p("  held: %s, %s, since %s", h.Kind, h.Reason, h.Since.UTC().Format("2006-01-02 15:04:05Z"))
	}
	for _, x := range o.Exceptions {
		p("  exception: %s: %s\n    next: %s", x.Cause, x.Detail, x.Next)
	}
	p("\n  %-8s %-20s %9s %9s %9s %9s %9s %9s", "line", "sku", "ordered", "cancelled", "released", "shipped", "posted", "invoiced")
	for _, l := range o.View.Lines {
		p("  %-8s %-20s %9s %9s %9s %9s %9s %9s", l.Line, l.SKU, l.Ordered, l.Cancelled, l.Released, l.Shipped, l.Posted, l.Invoiced)
	}
	p("")
	for _, e := range entries {
		p("  %s  %-8s %-9s %s %s", e.At.UTC().Format("2006-01-02 15:04:05.000Z"), e.System, e.Kind, e.Title, state(e.State))
		if e.Detail != "" {
			p("  %26s  %s", "", e.Detail)
		}
	}
	refs := make([]string, 0, len(o.View.Refs))
	for _, r := range o.View.Refs {
		refs = append(refs, fmt.Sprintf("%s %s %s", r.System, r.Kind, r.Value))
	}
	p("\n  known as: %s", strings.Join(refs, "; "))
	_, err := io.WriteString(out, b.String())
	return err
}

func state(s string) string {
	if s == "" || s == "applied" {
		return ""
	}
	return "(" + s + ")"
}
