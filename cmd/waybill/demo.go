package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill/connector/all"
	"github.com/waybillhq/waybill/internal/config"
	"github.com/waybillhq/waybill/internal/kpi"
	"github.com/waybillhq/waybill/internal/sandbox"
)

// demoOptions are the flags of waybill demo.
type demoOptions struct {
	once      bool
	orders    int
	lines     int
	seed      int64
	faults    string
	plain     bool
	inProcess bool
	json      bool
	listen    string
	data      string
	database  string
	clients   int
	rate      float64
}

func demoCommand() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run Waybill with simulated systems around it and watch orders become invoices",
		Long: "Run Waybill with its embedded database and a simulated storefront, dealer portal, ERP, two\n" +
			"warehouses and a carrier, each with books of its own and faults of the kind that real\n" +
			"systems have. Orders are held and released, changed and cancelled, ordered by the case\n" +
			"or as a kit, shipped by two warehouses or with others on one truck, closed short,\n" +
			"received and released again, and sent back. One names an item that nobody knows; after\n" +
			"a while it is mapped. The terminal says which order shows what, with its page's address.\n" +
			"With --once it runs a number of orders to their end and prints what every system's own\n" +
			"books say.",
		Example: "  waybill demo\n  waybill demo --once --orders 2000 --seed 7 --faults heavy --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.orders < 1 || o.lines < 1 {
				return usagef("--orders and --lines must be at least 1")
			}
			if !slices.Contains([]string{"none", "light", "heavy"}, o.faults) {
				return usagef("--faults %q: choose none, light or heavy", o.faults)
			}
			if o.once {
				return demoOnce(c.Context(), o, c.OutOrStdout(), c.ErrOrStderr())
			}
			return demoLive(c.Context(), o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f := c.Flags()
	f.BoolVar(&o.once, "once", false, "run --orders orders to their end, print the outcome and stop")
	f.IntVar(&o.orders, "orders", 1000, "orders to run, with --once")
	f.IntVar(&o.lines, "lines", 4, "lines of an order, on average")
	f.Int64Var(&o.seed, "seed", 1, "equal seeds give equal business outcomes")
	f.StringVar(&o.faults, "faults", "light", "how much goes wrong between the systems: none, light or heavy")
	f.BoolVar(&o.plain, "plain", false, "only a storefront and one warehouse: no portal, cases, kits, split orders, loads, backorders, returns or unknown items")
	f.BoolVar(&o.inProcess, "in-process", false, "call the systems directly instead of over HTTP")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "where the pages are served; another port is taken where this one is in use")
	f.StringVar(&o.data, "data", "", "the data directory; a new one that is removed at the end, where empty")
	f.StringVar(&o.database, "database", "", "an empty PostgreSQL database for the books (postgres://…); the embedded one, where empty")
	f.IntVar(&o.clients, "clients", 64, "orders placed at once, with --once")
	f.Float64Var(&o.rate, "rate", 3, "orders a second, without --once")
	return c
}

// demo is a node with the sandbox around it.
type demo struct {
	*node
	world   *sandbox.World
	site    *site
	server  *http.Server
	address string
	clerk   *clerk // nil where every number is the ERP's
	cleanup []func() error
	ended   chan error
	stop    context.CancelFunc
}

// demoKey is the API key of a demonstration: it guards nothing but a sandbox on
// this machine, and saves the visitor a step.
const demoKey = "waybill-demo-key-no-secret"

// startDemo makes the world and a node that is configured for it, and lets
// both run.
func startDemo(ctx context.Context, o demoOptions, log *slog.Logger) (_ *demo, err error) {
	d := &demo{ended: make(chan error, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	dir := o.data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "waybill-demo-"); err != nil {
			return nil, err
		}
		d.cleanup = append(d.cleanup, func() error { return os.RemoveAll(dir) })
	} else if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if d.world, err = sandbox.New(sandbox.Config{Seed: o.seed, Lines: o.lines, Faults: o.faults, Once: o.once, Whole: !o.plain, InProcess: o.inProcess}); err != nil {
		return nil, err
	}
	if err := d.world.Start(ctx); err != nil {
		return nil, err
	}
	d.cleanup = append(d.cleanup, func() error { d.world.Close(); return nil })
	cfg, err := demoConfig(d.world, filepath.Join(dir, "waybill.yaml"))
	if err != nil {
		return nil, err
	}
	if o.database != "" {
		cfg.Database = config.Database{URL: o.database}
	}
	var transport http.RoundTripper
	if o.inProcess {
		transport = d.world.Transport()
	}
	if d.node, err = openNode(ctx, cfg, dir, transport, log); err != nil {
		return nil, err
	}
	d.cleanup = append(d.cleanup, d.node.close)
	if d.site, err = newSite(ctx, d.node, siteOptions{open: true, environment: "Demo"}); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	d.stop = stop
	go d.node.alerts.run(running)
	go func() { d.ended <- d.node.engine.Run(running, drainGrace) }()
	if err := d.serve(ctx, o); err != nil {
		return nil, err
	}
	return d, d.staff(running, o)
}

// staff engages the clerk where the storefront has numbers of its own.
func (d *demo) staff(ctx context.Context, o demoOptions) error {
	if o.plain {
		return nil
	}
	api, err := apiOf(d.cfg, d.address)
	if err != nil {
		return err
	}
	d.clerk = &clerk{api: api, world: d.world, after: clerkAfter, failed: make(chan error, 1)}
	if o.once {
		d.clerk.after = 0
	}
	if err := d.goLive(ctx); err != nil {
		return err
	}
	ctx, d.clerk.leave = context.WithCancel(ctx)
	go d.clerk.run(ctx)
	return nil
}

// serve lets the world reach the node, and people the pages.
func (d *demo) serve(ctx context.Context, o demoOptions) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", o.listen)
	if err != nil {
		if l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return fmt.Errorf("listen for the pages: %w", err)
		}
	}
	d.address = "http://" + l.Addr().String()
	d.server = d.site.server()
	go func() { _ = d.server.Serve(l) }() // ends with close
	if o.inProcess {
		d.world.SetWaybill("http://waybill.sandbox", &http.Client{Transport: direct{d.site}})
	} else {
		d.world.SetWaybill(d.address, nil)
	}
	return nil
}

// close ends everything, the engine before its store.
func (d *demo) close() error {
	var errs []error
	if d.clerk != nil && d.clerk.leave != nil {
		d.clerk.leave()
	}
	if d.site != nil {
		d.site.close()
	}
	if d.server != nil {
		errs = append(errs, d.server.Close())
	}
	if d.stop != nil {
		d.stop()
		errs = append(errs, <-d.ended)
	}
	for i := len(d.cleanup) - 1; i >= 0; i-- {
		errs = append(errs, d.cleanup[i]())
	}
	return errors.Join(errs...)
}

// demoSystems are the role and the connector of each of the sandbox's systems.
var demoSystems = map[string]string{
	"erp": "role: erp, connector: contract", "wms": "role: wms, connector: contract", "wms2": "role: wms, connector: contract",
	"carrier": "role: carrier, connector: contract", "shop": "role: channel, connector: shopify",
	"portal": "role: channel, connector: contract, order_prefix: portal~.",
}

// demoPrefixes are what Waybill writes before a channel's own numbers.
var demoPrefixes = map[string]string{"portal": "portal~."}

// demoConfig is the configuration of the sandbox's installation, written as a
// user would write it and read as a user's is.
func demoConfig(w *sandbox.World, file string) (*config.Config, error) {
	secrets := map[string]any{"api_key": demoKey}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("version: 1\nnamespace: demo\nsecrets_file: secrets.json\ncompany: {id: \"01\", zone: UTC, currency: EUR}")
	line("egress: {allow: [127.0.0.0/8, \"::1/128\"]}\ntiming: {profile: fast}\nsystems:")
	for _, name := range w.Systems() {
		secret := w.Secret(name)
		secrets[name] = map[string]string{"token": secret.Token, "webhook_secret": secret.WebhookSecret}
		own := ""
		if name == "shop" && slices.Contains(w.Systems(), "portal") {
			own = "identity: {items: mapped}, "
		}
		line("  %s: {%s, %sbase_url: %q, budget: {concurrency: 256}}", name, demoSystems[name], own, w.URL(name))
	}
	line("  # orders of portals and inside sales, by POST /api/v1/orders")
	line("  api: {role: channel, connector: orders, order_prefix: api~.}")
	line("policy:\n  pack: o2c")
	if slices.Contains(w.Systems(), "wms2") {
		line("  routes:\n    - {system: wms2, when: 'line.sku startsWith %q'}\n    - {system: wms}", sandbox.DepotItems)
	}
	line("milestones:\n  - {name: ship_promise, from: received, until: shipped, within: 2m}")
	text, err := json.Marshal(secrets)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "secrets.json"), text, 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return nil, err
	}
	return config.Load(file, all.Registry())
}

// direct reaches a handler without a network.
type direct struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.WithContext(r.Context()) // the mux writes into it
	if in.Body == nil {
		in.Body = http.NoBody
	}
	in.RequestURI = in.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:0"
	rec := &memory{header: http.Header{}}
	d.handler.ServeHTTP(rec, in)
	return rec.response(r), nil
}

// demoReport is what demo --once prints.
type demoReport struct {
	Orders             int           `json:"orders"`
	Lines              int           `json:"lines"`
	Messages           int64         `json:"messages"`
	DuplicatesAbsorbed int64         `json:"duplicates_absorbed"`
	Deliveries         int64         `json:"deliveries"`
	Retries            int64         `json:"retries"`
	InDoubtResolved    int64         `json:"in_doubt_resolved"`
	ExceptionsOpen     int           `json:"exceptions_open"`
	Seconds            float64       `json:"seconds"`
	OrdersPerSecond    float64       `json:"orders_per_second"`
	OrderToInvoice     kpi.Quantiles `json:"order_to_invoice_ms"`

	// From the sandbox's own books.
	Accepted        int            `json:"accepted"`
	ShipmentsPosted int            `json:"shipments_posted"`
	Invoices        int            `json:"invoices"`
	Lost            int            `json:"lost"`
	Duplicated      int            `json:"duplicated"`
	OutOfSequence   int            `json:"out_of_sequence"`
	Backorders      int            `json:"backorders"`
	Receipts        int            `json:"receipts"`
	Adjustments     int            `json:"adjustments"`
	Returns         int            `json:"returns"`
	Credits         int            `json:"credits"`
	Balanced        demoBalance    `json:"balanced"`
	Outcomes        map[string]int `json:"outcomes"`
	Digest          string         `json:"digest"` // of the business outcome; equal for equal seeds
	Findings        []string       `json:"findings"`
	Exceptions      map[string]int `json:"exceptions"` // open, by cause

	Shows []shown `json:"shows"` // the first order of each thing there is to see

	Process demoCost `json:"process"`
}

// demoBalance says whether the systems' books agree with each other.
type demoBalance struct {
	// Units: the ERP's stock of every item is that of its warehouse.
	Units bool `json:"erp_wms_units"`
	// Cents: invoices less credits are what shipped less what came back, at the
	// orders' prices, with charges and tax.
	Cents bool `json:"erp_cents"`
}

func demoOnce(ctx context.Context, o demoOptions, out, errs io.Writer) error {
	log := slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelError}))
	o.listen = "127.0.0.1:0"
	d, err := startDemo(ctx, o, log)
	if err != nil {
		return err
	}
	report, err := d.runOnce(ctx, o, errs)
	if err = errors.Join(err, d.close()); err != nil {
		return err
	}
	if o.json {
		if err := json.NewEncoder(out).Encode(report); err != nil {
			return err
		}
	} else if err := report.print(out); err != nil {
		return err
	}
	if report.Lost+report.Duplicated+report.OutOfSequence > 0 || report.Balanced != (demoBalance{true, true}) {
		return errFinding
	}
	return nil
}
