package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/connector/all"
	"github.com/waybillhq/waybill/internal/auth"
	"github.com/waybillhq/waybill/internal/config"
	"github.com/waybillhq/waybill/internal/egress"
	"github.com/waybillhq/waybill/internal/identity"
	"github.com/waybillhq/waybill/internal/replay"
)

func replayCommand() *cobra.Command {
	var f fileFlags
	var from, to, order, reason, url string
	var live bool
	c := &cobra.Command{
		Use:   "replay",
		Short: "Read messages again with today's configuration; show what would change",
		Long: "Read the messages of a window, or of one order, again from their raw bytes, with the\n" +
			"connectors, mappings and policy of the configuration file, and show what would change in\n" +
			"orders and documents. Nothing is sent and nothing is written; a running installation's\n" +
			"database is read too, so a new configuration can be tried before it is put in force.\n" +
			"Exits with 1 where something would change.\n\n" +
			"With --live the running installation does it, with the configuration that is in force\n" +
			"there: what reads otherwise comes into force, and what is missing is sent, each document\n" +
			"once and under the key it always had. It asks for a --reason, which is kept in the audit log.",
		Example: "  waybill replay --from 2026-01-31T06:00:00Z --to 2026-01-31T12:00:00Z\n" +
			"  waybill replay --order PO-4711 --json\n" +
			"  waybill replay --order PO-4711 --live --reason \"the unit mapping was corrected\"",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			req := replay.Request{Order: order, Live: live, Reason: reason}
			if err := readWindow(&req, from, to); err != nil {
				return err
			}
			cfg, err := f.load()
			if err != nil {
				return err
			}
			var rep *replay.Report
			if live {
				rep, err = replayLive(c.Context(), cfg, url, req)
			} else {
				rep, err = replayDry(c.Context(), f, cfg, req)
			}
			if err != nil {
				return err
			}
			return printReplay(c.OutOrStdout(), rep, live, f.json)
		},
	}
	f.add(c)
	c.Flags().StringVar(&from, "from", "", "messages received at or after this time (RFC 3339)")
	c.Flags().StringVar(&to, "to", "", "and before this one")
	c.Flags().StringVar(&order, "order", "", "messages of this order, by any reference")
	c.Flags().BoolVar(&live, "live", false, "bring it into force and send what is missing, in the running installation")
	c.Flags().StringVar(&reason, "reason", "", "why, for the audit log; with --live")
	c.Flags().StringVar(&url, "url", "", "where the installation listens; the configuration's, where empty; with --live")
	return c
}

// readWindow reads the flags' times, and checks that the request can be carried
// out.
func readWindow(req *replay.Request, from, to string) (err error) {
	for _, at := range []struct {
		flag, text string
		into       *time.Time
	}{{"from", from, &req.From}, {"to", to, &req.To}} {
		if at.text == "" {
			continue
		}
		if *at.into, err = time.Parse(time.RFC3339, at.text); err != nil {
			return usagef("--%s %q: want a time like 2026-01-31T18:00:00Z", at.flag, at.text)
		}
	}
	switch {
	case req.Order == "" && req.From.IsZero() && req.To.IsZero():
		return usagef("say what to read again: --from and --to, or --order")
	case !req.To.IsZero() && !req.From.Before(req.To):
		return usagef("--to %s: want a time after --from", to)
	case req.Live && strings.TrimSpace(req.Reason) == "":
		return usagef("--live needs a --reason: it is kept in the audit log")
	}
	return nil
}

// replayDry reads the database, with a running installation or without.
func replayDry(ctx context.Context, f fileFlags, cfg *config.Config, req replay.Request) (_ *replay.Report, err error) {
	db, err := f.openForReading(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conf := replay.Configuration{Policy: policyOf(cfg), Translators: map[string]connector.Translator{}, Identity: map[string]identity.Profile{}}
	client := egress.Client(egress.Options{Allow: cfg.Egress.Allow})
	for _, name := range cfg.SystemNames() {
		s := cfg.Systems[name]
		if s.Mode == config.Off {
			continue
		}
		opened, err := openSystem(s, all.Registry()[s.Connector], client, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		conf.Identity[name] = s.Identity
		if opened.Conn.Translator != nil {
			conf.Translators[name] = opened.Conn.Translator
		}
	}
	return replay.Run(ctx, db, conf, req, time.Now().UTC(), nil, nil)
}

// replayPoll is the time between two questions whether a replay has ended.
const replayPoll = 250 * time.Millisecond

// replayLive has the running installation do it, and waits for its end.
func replayLive(ctx context.Context, cfg *config.Config, url string, req replay.Request) (*replay.Report, error) {
	api, err := apiOf(cfg, url)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"dry_run": false, "reason": req.Reason, "order": req.Order}
	if !req.From.IsZero() {
		body["from"] = req.From
	}
	if !req.To.IsZero() {
		body["to"] = req.To
	}
	var started struct {
		ID string `json:"id"`
	}
	if err := api.call(ctx, http.MethodPost, "/api/v1/replays", body, &started); err != nil {
		return nil, err
	}
	tick := time.NewTicker(replayPoll)
	defer tick.Stop()
	for {
		res := replay.Result{Report: &replay.Report{}}
		if err := api.call(ctx, http.MethodGet, "/api/v1/replays/"+started.ID, nil, &res); err != nil {
			return nil, err
		}
		switch res.State {
		case replay.Done:
			return res.Report, nil
		case replay.Failed:
			return nil, fmt.Errorf("replay %s failed: %s", started.ID, res.Error)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("replay %s runs on: %w", started.ID, ctx.Err())
		case <-tick.C:
		}
	}
}

// apiClient calls the control API of a running installation.
type apiClient struct {
	base, key string
}

// apiOf finds the address and a key that may do it in the configuration.
func apiOf(cfg *config.Config, url string) (*apiClient, error) {
	if url == "" {
		url = "http://" + cfg.Listen
	}
	for _, k := range cfg.Keys {
		if k.Role.Allows(auth.Integrator) {
			return &apiClient{base: strings.TrimSuffix(url, "/"), key: k.Key.Reveal()}, nil
		}
	}
	return nil, usagef("%s: no key of the API has the role integrator, which this needs", cfg.File)
}

func (a *apiClient) call(ctx context.Context, method, path string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = waybill.Marshal(body); err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
	}
	return a.send(ctx, method, path, "application/json", bytes.NewReader(data), into)
}

// send calls the API with a body of some type, and reads the answer's JSON.
func (a *apiClient) send(ctx context.Context, method, path, contentType string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return fmt.Errorf("call %s: %w", a.base, err)
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("call the installation at %s: %w; start it, or name its address with --url", a.base, err)
	}
	defer func() { _ = res.Body.Close() }() // it was read to its end
	answer, err := io.ReadAll(io.LimitReader(res.Body, answerMax))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", a.base, err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		var p struct{ Detail, Fix string }
		if json.Unmarshal(answer, &p) != nil || p.Detail == "" {
			return fmt.Errorf("%s answered %s", a.base, res.Status)
		}
		return fmt.Errorf("%s: %s", p.Detail, p.Fix)
	}
	if err := waybill.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", a.base, err)
	}
	return nil
}

// answerMax bounds what is read of an answer, in bytes.
const answerMax = 64 << 20

func printReplay(out io.Writer, rep *replay.Report, live, asJSON bool) error {
	if asJSON {
		if err := printJSON(out, rep); err != nil {
			return err
		}
	} else if err := printReplayText(out, rep, live); err != nil {
		return err
	}
	if !live && !rep.Clean() {
		return errFinding
	}
	return nil
}

func printReplayText(out io.Writer, rep *replay.Report, live bool) error {
	w := &lineWriter{out: out}
	would, send := "would change", "would be sent"
	if live {
		would, send = "changed", "sent"
	}
	w.line("%d messages read again, %d skipped: %d read otherwise, %d still not understood; %d orders %s, %d documents %s",
		rep.Messages, rep.Skipped, rep.Changed, rep.Quarantined, rep.Different, would, rep.Documents, send)
	for i := range rep.Differs {
		d := &rep.Differs[i]
		name := d.Order
		if name == "" {
			name = "(no order)"
		}
		if d.Flow != "" {
			name = d.Flow + " " + name
		}
		if d.Status != nil {
			name += fmt.Sprintf(": %s -> %s", d.Status.From, d.Status.To)
		}
		w.line("%s", name)
		for _, m := range d.Messages {
			w.line("  %s %s %s %s: %s", m.Message, m.Source, m.Type, m.Subject, strings.TrimSuffix(string(m.What)+", "+m.Reason, ", "))
			for _, f := range m.Fields {
				w.line("    %s: %q -> %q", f.Path, f.From, f.To)
			}
		}
		for _, l := range d.Lines {
			w.line("  line %s %s: %s %s -> %s %s (%s %s)", l.Line, l.SKU, l.Stage, l.From, l.To, l.UOM, l.Money, l.Currency)
		}
		for _, key := range d.Withdraw {
			w.line("  %s is not needed any more", key)
		}
		for _, key := range d.Skip {
			w.line("  %s was refused and goes anew", key)
		}
	}
	for _, d := range rep.WouldSend {
		w.line("%s %s %s to %s, %d lines, %s %s: %s", d.Key, d.Kind, d.Order, d.Target, len(d.Lines), d.Money, d.Currency, d.Why)
	}
	if rep.Truncated {
		w.line("these are the first of them; name a shorter window for the rest")
	}
	return w.err
}

// lineWriter writes lines until one fails.
type lineWriter struct {
	out io.Writer
	err error
}

func (w *lineWriter) line(format string, args ...any) {
	if w.err == nil {
		_, w.err = fmt.Fprintf(w.out, format+"\n", args...)
	}
}
