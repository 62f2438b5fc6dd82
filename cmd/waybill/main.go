// Command waybill is the control plane between a distributor's systems, in one
// binary: the server, the demonstration, and the tools around both. Each verb
// is a file of its name.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/internal/config"
)

// Exit codes (system contract, CLI).
const (
	exitFine    = 0
	exitFinding = 1 // something was found, or failed
	exitUsage   = 2 // wrong usage or configuration
)

// Errors whose text was printed already, or that need none.
var (
	errFinding = errors.New("findings")
	errRefused = errors.New("the configuration is wrong")
)

// usageError is a wrong call or configuration.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the whole program, so that tests can run it in their own process.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "waybill",
		Short:         "One waybill per order, across every system that touches it",
		Long:          "Waybill is the control plane between a distributor's systems: it keeps every message,\nbrings each business document to each system once and in order, and shows one order's\nwhole life on one page. Start with:  waybill demo",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(demoCommand(), initCommand(), connectorCommand(), serveCommand(), configCommand(), traceCommand(),
		translateCommand(), mappingCommand(), verifyCommand(), auditCommand(), backupCommand(), restoreCommand(), moveCommand(), doctorCommand(),
		reconcileCommand(), ownershipCommand(), identityCommand(), replayCommand(), kpiCommand(), schemaCommand(), ediCommand(), routesCommand(), simCommand(), docsCommand(), versionCommand())
	verb, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitFine
	case errors.Is(err, errFinding):
		return exitFinding
	case errors.Is(err, errRefused):
		return exitUsage
	}
	_, _ = fmt.Fprintln(errs, "waybill:", strings.TrimSpace(err.Error()))
	var usage *usageError
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		return exitUsage
	case errors.As(err, &usage), isCobraUsage(err):
		_, _ = fmt.Fprintf(errs, "  %s --help says how it is used\n", verb.CommandPath())
		return exitUsage
	}
	return exitFinding
}

// group makes a command that only holds verbs. Cobra would answer a misspelt
// verb with the help and exit 0.
func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, RunE: func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		names := make([]string, 0, len(verbs))
		for _, v := range verbs {
			names = append(names, v.Name())
		}
		return usagef("unknown command %q for %q: there is %s", args[0], c.CommandPath(), strings.Join(names, ", "))
	}}
	c.AddCommand(verbs...)
	return c
}

// isCobraUsage recognises cobra's own complaints, which have no type.
func isCobraUsage(err error) bool {
	for _, begin := range []string{"unknown command", "required flag", "accepts "} {
		if strings.HasPrefix(err.Error(), begin) {
			return true
		}
	}
	return false
}

// printJSON writes v as indented JSON.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
