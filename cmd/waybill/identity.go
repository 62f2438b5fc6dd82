package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/crossref"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/store"
)

func identityCommand() *cobra.Command {
	return group("identity", "Say what the numbers of systems mean, and see what waits for it",
		identityListCommand(), identityUnmappedCommand(), identityMapCommand(), identityImportCommand(), identityExportCommand())
}

// mapped is a mapping as the commands print it.
type mapped struct {
	ID         string          `json:"id"`
	Kind       identity.Kind   `json:"kind"`
	Company    string          `json:"company,omitempty"`
	System     string          `json:"system,omitempty"`
	Scope      string          `json:"scope,omitempty"`
	Value      string          `json:"value"`
	ValidFrom  string          `json:"valid_from,omitempty"`
	Canonical  string          `json:"canonical"`
	Multiplier waybill.Decimal `json:"multiplier"`
	Unit       string          `json:"unit,omitempty"`
	Actor      string          `json:"actor"`
	At         time.Time       `json:"at"`
}

// readBook gives the database to do.
func (f *fileFlags) readBook(ctx context.Context, do func(store.Store) error) (err error) {
	db, err := f.openForReading(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return do(db)
}

func identityListCommand() *cobra.Command {
	var f fileFlags
	var system, kind string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List what references mean",
		Example: "  waybill identity list --data data --system shop\n  waybill identity list --kind item --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if kind != "" && !slices.Contains(identity.Kinds(), identity.Kind(kind)) {
				return usagef("--kind %q: there is no such kind of reference", kind)
			}
			var all []identity.Mapping
			err := f.readBook(c.Context(), func(db store.Store) error {
				book, err := crossref.Book(c.Context(), db)
				if err == nil {
					all = slices.DeleteFunc(book.All(), func(m identity.Mapping) bool {
						return system != "" && m.System != system || kind != "" && m.Kind != identity.Kind(kind)
					})
				}
				return err
			})
			if err != nil {
				return err
			}
			return printMappings(c.OutOrStdout(), all, f.json)
		},
	}
	f.add(c)
	c.Flags().StringVar(&system, "system", "", "only this system's")
	c.Flags().StringVar(&kind, "kind", "", "only this kind: item, gtin, customer, carrier, ...")
	return c
}

func printMappings(out io.Writer, all []identity.Mapping, asJSON bool) error {
	if asJSON {
		list := make([]mapped, len(all))
		for i, m := range all {
			list[i] = mapped{ID: fmt.Sprintf("map_%d", m.ID), Kind: m.Kind, Company: m.Company, System: m.System, Scope: m.Scope, Value: m.Value,
				ValidFrom: m.ValidFrom, Canonical: m.Canonical, Multiplier: m.Times(), Unit: m.Unit, Actor: m.Actor, At: m.At}
		}
		return printJSON(out, list)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "nothing is mapped")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(w, "ID\tREFERENCE\tFROM\tMEANS"); err != nil {
		return err
	}
	for _, m := range all {
		if _, err := fmt.Fprintf(w, "map_%d\t%s\t%s\t%s\n", m.ID, m.Reference, m.ValidFrom, m.Meaning()); err != nil {
			return err
		}
	}
	return w.Flush()
}

func identityUnmappedCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:     "unmapped",
		Short:   "List what waits for a mapping, with what it may mean",
		Long:    "List the references that orders and facts wait for: how many wait, and what each may mean.\nA running installation's database is read too. Exits with 1 where something waits.",
		Example: "  waybill identity unmapped --data data",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var all []crossref.Unmapped
			err := f.readBook(c.Context(), func(db store.Store) (err error) {
				all, err = crossref.List(c.Context(), db)
				return err
			})
			if err == nil {
				err = printUnmapped(c.OutOrStdout(), all, f.json)
			}
			if err == nil && len(all) > 0 {
				err = errFinding
			}
			return err
		},
	}
	f.add(c)
	return c
}

func printUnmapped(out io.Writer, all []crossref.Unmapped, asJSON bool) error {
	if asJSON {
		type row struct {
			Kind        identity.Kind         `json:"kind"`
			System      string                `json:"system"`
			Scope       string                `json:"scope,omitempty"`
			Value       string                `json:"value"`
			Detail      string                `json:"detail"`
			Waiting     int                   `json:"waiting"`
			Orders      []string              `json:"orders"`
			Suggestions []identity.Suggestion `json:"suggestions"`
		}
		list := make([]row, len(all))
		for i, u := range all {
			list[i] = row{u.Kind, u.System, u.Scope, u.Value, u.Detail, u.Waiting, append([]string{}, u.Orders...), append([]identity.Suggestion{}, u.Suggestions...)}
		}
		return printJSON(out, list)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(out, "nothing waits for a mapping")
		return err
	}
	for _, u := range all {
		if _, err := fmt.Fprintf(out, "%s: %d waiting\n", u.Detail, u.Waiting); err != nil {
			return err
		}
		for _, s := range u.Suggestions {
			if _, err := fmt.Fprintf(out, "  %s: %s\n", s.Canonical, s.Why); err != nil {
				return err
			}
		}
	}
	return nil
}

// releasedAnswer is what the API says of what a mapping released.
type releasedAnswer struct {
	Orders     []string `json:"orders"`
	Events     []string `json:"events"`
	Deliveries []string `json:"deliveries"`
}

func (r releasedAnswer) String() string {
	s := fmt.Sprintf("%d events and %d documents that waited go on", len(r.Events), len(r.Deliveries))
	if len(r.Orders) > 0 {
		s += ": " + strings.Join(r.Orders, ", ")
	}
	return s
}

func identityMapCommand() *cobra.Command {
	var f fileFlags
	var url, from, times string
	body := map[string]string{}
	var m identity.Mapping
	var kind, reason string
	c := &cobra.Command{
		Use:     "map VALUE CANONICAL",
		Short:   "Say what a reference means; what waited for it goes on",
		Long:    "Tell the running installation what a system's reference means. Everything that waited for it\ngoes on at once, and the answer names it.",
		Example: "  waybill identity map B-100 BOLT-100 --system shop\n  waybill identity map BOX-12 BOLT-100 --system shop --multiplier 12 --unit EA\n  waybill identity map K-7 C100 --kind customer --system shop",
		Args:    cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			m.Kind, m.Value, m.Canonical, m.ValidFrom = identity.Kind(kind), args[0], args[1], from
			if times != "" {
				var err error
				if m.Multiplier, err = waybill.ParseDecimal(times); err != nil {
					return usagef("--multiplier: %v", err)
				}
				body["multiplier"] = times
			}
			if err := m.Check(); err != nil {
				return &usageError{err}
			}
			for name, value := range map[string]string{"kind": kind, "system": m.System, "company": m.Company, "scope": m.Scope, "value": m.Value,
				"valid_from": from, "canonical": m.Canonical, "unit": m.Unit, "reason": reason} {
				if value != "" {
					body[name] = value
				}
			}
			cfg, err := f.load()
			if err != nil {
				return err
			}
			api, err := apiOf(cfg, url)
			if err != nil {
				return err
			}
			var done releasedAnswer
			if err := api.call(c.Context(), http.MethodPost, "/api/v1/mappings", body, &done); err != nil {
				return fmt.Errorf("map %s: %w", m.Reference, err)
			}
			if f.json {
				return printJSON(c.OutOrStdout(), done)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s means %s; %s\n", m.Reference, m.Meaning(), done)
			return err
		},
	}
	f.add(c)
	c.Flags().StringVar(&kind, "kind", string(identity.Item), "what it names: item, gtin, vendor_part, buyer_part, customer, ship_to, unit, carrier, warehouse, terms, tax_code")
	c.Flags().StringVar(&m.System, "system", "", "whose reference it is; empty: every system's")
	c.Flags().StringVar(&m.Scope, "scope", "", "what it is unique within, such as a customer")
	c.Flags().StringVar(&m.Company, "company", "", "the company it is valid for; empty: every one")
	c.Flags().StringVar(&from, "valid-from", "", "the day from which it is valid (2026-01-31)")
	c.Flags().StringVar(&times, "multiplier", "", "how many of --unit one of it is")
	c.Flags().StringVar(&m.Unit, "unit", "", "the item's unit that --multiplier counts")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit log")
	c.Flags().StringVar(&url, "url", "", "the installation's address; the configuration's listen, where empty")
	return c
}

func identityExportCommand() *cobra.Command {
	var f fileFlags
	c := &cobra.Command{
		Use:     "export",
		Short:   "Write all mappings as CSV",
		Example: "  waybill identity export --data data > mappings.csv",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.readBook(c.Context(), func(db store.Store) error {
				book, err := crossref.Book(c.Context(), db)
				if err != nil {
					return err
				}
				if f.json {
					return printMappings(c.OutOrStdout(), book.All(), true)
				}
				return identity.WriteSheet(c.OutOrStdout(), book.All())
			})
		},
	}
	f.add(c)
	return c
}

// importAnswer is what the API says of a sheet.
type importAnswer struct {
	DryRun  bool `json:"dry_run"`
	Refused int  `json:"refused"`
	Lines   []struct {
		Line      int             `json:"line"`
		Effect    identity.Effect `json:"effect"`
		Reference string          `json:"reference"`
		Means     string          `json:"means"`
		Detail    string          `json:"detail,omitzero"`
	} `json:"lines"`
	Released releasedAnswer `json:"released"`
}

func identityImportCommand() *cobra.Command {
	var f fileFlags
	var url, reason string
	var dry bool
	c := &cobra.Command{
		Use:     "import FILE",
		Short:   "Bring mappings in from CSV: all lines, or none where one is refused",
		Long:    "Give the running installation a sheet of mappings, as export writes it. With --dry-run it says\nwhat each line would do and changes nothing. Exits with 1 where a line is refused.",
		Example: "  waybill identity import mappings.csv --dry-run\n  waybill identity import mappings.csv --reason 'new shop'",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			sheet, err := os.ReadFile(args[0])
			if err != nil {
				return &usageError{err}
			}
			cfg, err := f.load()
			if err != nil {
				return err
			}
			api, err := apiOf(cfg, url)
			if err != nil {
				return err
			}
			done, err := api.importSheet(c.Context(), sheet, dry, reason)
			if err != nil {
				return err
			}
			return printImport(c.OutOrStdout(), done, f.json)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&dry, "dry-run", false, "say what each line would do, and change nothing")
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept in the audit log")
	c.Flags().StringVar(&url, "url", "", "the installation's address; the configuration's listen, where empty")
	return c
}

func (a *apiClient) importSheet(ctx context.Context, sheet []byte, dry bool, reason string) (done importAnswer, err error) {
	path := "/api/v1/mappings/import?dry_run=" + fmt.Sprint(dry)
	if reason != "" {
		path += "&reason=" + neturl.QueryEscape(reason)
	}
	err = a.send(ctx, http.MethodPost, path, "text/csv", bytes.NewReader(sheet), &done)
	return done, err
}

func printImport(out io.Writer, done importAnswer, asJSON bool) error {
	if asJSON {
		if err := printJSON(out, done); err != nil {
			return err
		}
	} else {
		for _, l := range done.Lines {
			text := fmt.Sprintf("line %d: %s %s: %s", l.Line, l.Effect, l.Reference, l.Means)
			if l.Detail != "" {
				text = fmt.Sprintf("line %d: refused: %s", l.Line, l.Detail)
			}
			if _, err := fmt.Fprintln(out, text); err != nil {
				return err
			}
		}
		last := done.Released.String()
		switch {
		case done.Refused > 0:
			last = fmt.Sprintf("%d lines are refused; nothing was changed", done.Refused)
		case done.DryRun:
			last = "nothing was changed: this was tried out"
		}
		if _, err := fmt.Fprintln(out, last); err != nil {
			return err
		}
	}
	if done.Refused > 0 {
		return errFinding
	}
	return nil
}
