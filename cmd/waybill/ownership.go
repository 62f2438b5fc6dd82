package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/ownership"
)

func ownershipCommand() *cobra.Command {
	return group("ownership", "Show who owns which master data, and judge what others propose",
		ownershipShowCommand(), ownershipProposalsCommand(),
		judgeCommand("take", "Put a proposed value in force until its owner writes another"),
		judgeCommand("decline", "Keep what is in force; the same value is not proposed again"))
}

func ownershipShowCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:     "show",
		Short:   "Show the rules of the configuration, the one that wins first",
		Example: "  waybill ownership show --config waybill.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := f.load()
			if err != nil {
				return err
			}
			m, err := cfg.Matrix()
			if err != nil {
				return err
			}
			return printRules(c.OutOrStdout(), m.Rules(), f.json)
		},
	}
	f.add(c)
	return c
}

func printRules(out io.Writer, rules []ownership.Rule, asJSON bool) error {
	if asJSON {
		return printJSON(out, map[string]any{"rules": append([]ownership.Rule{}, rules...)})
	}
	if len(rules) == 0 {
		_, err := fmt.Fprintln(out, "no system owns anything: what any of them writes comes into force")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, "ENTITY\tFIELD\tOWNER\tOTHERS"); err != nil {
		return err
	}
	for _, r := range rules {
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Entity, ownership.Name(r.Field), r.Owner, r.Others); err != nil {
			return err
		}
	}
	return w.Flush()
}

// proposal is a value that waits, as the command prints it.
type proposal struct {
	ID     string         `json:"id"`
	Entity ownership.Kind `json:"entity"`
	Ref    string         `json:"ref"`
	Field  string         `json:"field"`
	Source string         `json:"source"`
	Owner  string         `json:"owner"`
	Old    jsontext.Value `json:"old"`
	New    jsontext.Value `json:"new"`
	Since  time.Time      `json:"since"`
}

func ownershipProposalsCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:   "proposals",
		Short: "List the values that systems propose which do not own them",
		Long: "List the values that systems wrote which do not own them, with what is in force instead.\n" +
			"A running installation's database is read too. Exits with 1 where something waits.",
		Example: "  waybill ownership proposals --data data",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			list, err := f.proposals(c.Context())
			if err != nil {
				return err
			}
			if err := printProposals(c.OutOrStdout(), list, f.json); err != nil {
				return err
			}
			if len(list) > 0 {
				return errFinding
			}
			return nil
		},
	}
	f.add(c)
	return c
}

func (f *fileFlags) proposals(ctx context.Context) (list []proposal, err error) {
	db, err := f.openForReading(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	const page = 500
	for after := int64(0); ; {
		found, err := engine.Proposals(ctx, db, after, page)
		if err != nil {
			return nil, err
		}
		for _, p := range found {
			after = p.ID
			list = append(list, proposal{ID: fmt.Sprintf("exc_%d", p.ID), Entity: p.Entity, Ref: p.Ref, Field: p.Field, Source: p.Source,
				Owner: p.Owner, Old: p.Old, New: p.New, Since: p.Since})
		}
		if len(found) < page {
			return list, nil
		}
	}
}

func printProposals(out io.Writer, list []proposal, asJSON bool) error {
	if asJSON {
		return printJSON(out, append([]proposal{}, list...))
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "nothing is proposed")
		return err
	}
	for _, p := range list {
		old := "nothing"
		if len(p.Old) > 0 {
			old = string(p.Old)
		}
		if _, err := fmt.Fprintf(out, "%s  %s %s %s: %s proposes %s; %s has %s\n", p.ID, p.Entity, p.Ref, p.Field, p.Source, string(p.New), p.Owner, old); err != nil {
			return err
		}
	}
	return nil
}

// judgeCommand takes or declines proposals in a running installation.
func judgeCommand(action, short string) *cobra.Command {
	var f fileFlags
	var reason, url string
	c := &cobra.Command{
		Use:     action + " ID…",
		Short:   short,
		Long:    short + ". The running installation does\nit, with the reason in its audit log. IDs are those that waybill ownership proposals prints.",
		Example: "  waybill ownership " + action + " exc_4711 --reason \"counted with the supplier\"",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, ids []string) error {
			if strings.TrimSpace(reason) == "" {
				return usagef("--reason is missing: say why in a few words; it is kept in the audit log")
			}
			cfg, err := f.load()
			if err != nil {
				return err
			}
			api, err := apiOf(cfg, url)
			if err != nil {
				return err
			}
			for _, id := range ids {
				var done struct {
					Done bool `json:"done"`
				}
				if err := api.call(c.Context(), http.MethodPost, "/api/v1/exceptions/"+id+"/"+action, map[string]string{"reason": reason}, &done); err != nil {
					return fmt.Errorf("%s %s: %w", action, id, err)
				}
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%s: %s\n", id, map[string]string{"take": "taken", "decline": "declined"}[action]); err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.addFiles(c)
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit log")
	c.Flags().StringVar(&url, "url", "", "the installation's address; the configuration's listen, where empty")
	return c
}
