package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/connector/all"
	"github.com/waybillhq/waybill/internal/api"
)

// docsCommand writes the references that are made from the code, so that they
// can't say anything else. CI compares them with what is committed.
func docsCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "docs DIR",
		Short:  "Write the reference documentation that is made from the code",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			for name, text := range map[string]string{
				"cli.md": cliReference(c.Root()), "api.md": apiReference(), "connectors.md": connectorReference(),
			} {
				if err := os.WriteFile(filepath.Join(args[0], name), []byte(text), 0o644); err != nil { //nolint:gosec // documentation is for everybody
					return err
				}
			}
			return nil
		},
	}
}

const generated = "<!-- Made from the code by `make docs`; changes here are lost. -->\n\n"

func cliReference(root *cobra.Command) string {
	var b strings.Builder
	b.WriteString("# Command line\n\n" + generated)
	b.WriteString("Data goes to standard output, everything else to standard error. `--json` prints one JSON document.\n\n" +
		"| exit code | meaning |\n|---|---|\n" +
		"| 0 | done, and nothing was found |\n" +
		"| 1 | a finding: a violation, a break, a payload nobody understands; or a failure: a file, the network, a data directory in use |\n" +
		"| 2 | wrong usage or configuration; nothing was done. The error says what to write instead |\n\n" +
		"`config`, `data` and `listen` are those of the one installation a verb works on. Verbs that only read work beside a\n" +
		"running `waybill serve`.\n")
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			return
		}
		if c.Runnable() && !c.HasSubCommands() {
			fmt.Fprintf(&b, "\n## %s\n\n%s.\n", c.CommandPath(), strings.TrimSuffix(c.Short, "."))
			if c.Long != "" {
				fmt.Fprintf(&b, "\n%s\n", c.Long)
			}
			fmt.Fprintf(&b, "\n    %s\n", c.UseLine())
			if c.Example != "" {
				fmt.Fprintf(&b, "\nFor example:\n\n%s\n", strings.ReplaceAll("  "+c.Example, "\n", "\n  "))
			}
			if usage := c.NonInheritedFlags().FlagUsages(); usage != "" {
				fmt.Fprintf(&b, "\n```\n%s```\n", usage)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return b.String()
}

func apiReference() string {
	var b strings.Builder
	b.WriteString("# HTTP API\n\n" + generated)
	b.WriteString("The machine-readable description is served at `/openapi.json` (OpenAPI 3.1). Errors are\nproblem+json (RFC 9457) with a `code`. Keys go into `Authorization: Bearer`; roles include those\nbefore them: viewer, operator, integrator, admin.\n\n")
	b.WriteString("| method | path | role | what it does | part |\n|---|---|---|---|---|\n")
	for _, r := range api.Routes() {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s | %s |\n", r.Method, r.Path, r.Who(), r.Summary, r.Tag)
	}
	return b.String()
}

func connectorReference() string {
	var b strings.Builder
	b.WriteString("# Connectors\n\n" + generated)
	b.WriteString("What ships. A system names its connector in the [configuration](configuration.md); its address, credentials and\n" +
		"budget are the same keys for all. *Repeated documents* is the system's class until it says better itself (T3):\n" +
		"`key` recognises a repeated key, `lookup` can be asked, `none` can do neither, so that an unclear answer waits\n" +
		"for a person ([delivery](../explanation/delivery.md)).\n\n")
	registry := all.Registry()
	for _, name := range registry.Names() {
		m := registry[name]
		fmt.Fprintf(&b, "## %s\n\n%s: %s\n\n", m.Name, m.Title, m.Summary)
		fmt.Fprintf(&b, "- roles: %s\n- repeated documents: %s\n", roleNames(m), m.Idempotency)
		if len(m.Emits) > 0 {
			names := make([]string, len(m.Emits))
			for i, e := range m.Emits {
				names[i] = "`" + string(e) + "`"
			}
			fmt.Fprintf(&b, "- reports: %s\n", strings.Join(names, ", "))
		}
		if len(m.Accepts) > 0 {
			names := make([]string, len(m.Accepts))
			for i, k := range m.Accepts {
				names[i] = "`" + string(k) + "`"
			}
			fmt.Fprintf(&b, "- takes: %s\n", strings.Join(names, ", "))
		}
		if len(m.Settings) > 0 {
			b.WriteString("\n| setting | default | what it is |\n|---|---|---|\n")
			for _, s := range m.Settings {
				fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.Name, s.Default, s.Doc)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
