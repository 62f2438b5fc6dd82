package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func serveCommand() *cobra.Command {
	var f fileFlags
	var listen, level string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run Waybill: pages, API, webhooks in, documents out",
		Long: "Run Waybill. SIGTERM drains: nothing new is taken, requests under way get their answers\n" +
			"recorded. SIGHUP reads the configuration again, all of it or nothing. A second serve on\n" +
			"one data directory exits with 1.",
		Example: "  waybill serve --config waybill.yaml --data data",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var lv slog.Level
			if err := lv.UnmarshalText([]byte(level)); err != nil {
				return usagef("--log-level %q: choose debug, info, warn or error", level)
			}
			log := slog.New(slog.NewJSONHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: lv}))
			return serve(c.Context(), f, listen, c.OutOrStdout(), log)
		},
	}
	f.addFiles(c)
	c.Flags().StringVar(&listen, "listen", "", "host:port; the configuration's, where empty")
	c.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return c
}

func serve(ctx context.Context, f fileFlags, listen string, out io.Writer, log *slog.Logger) (err error) {
	cfg, err := f.load()
	if err != nil {
		return err
	}
	if listen == "" {
		listen = cfg.Listen
	}
	n, err := openNode(ctx, cfg, f.data, nil, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()
	s, err := newSite(ctx, n, siteOptions{})
	if err != nil {
		return err
	}
	defer s.close()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", listen, err)
	}
	server := s.server()
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	if _, err := fmt.Fprintf(out, "waybill %s listens on http://%s\n", buildVersion(), l.Addr()); err != nil {
		return err
	}
	background, stop := context.WithCancel(ctx)
	defer stop()
	go n.alerts.run(background)
	asking := startRounds(background, n)
	defer asking.stop()
	go n.onHangup(background, s, asking)

	running := make(chan error, 1)
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	defer stopEngine()
	go func() { running <- n.engine.Run(engineCtx, drainGrace) }()
	select {
	case err := <-running: // it can't go on
		return errors.Join(err, server.Close())
	case err := <-served:
		stopEngine()
		return errors.Join(err, <-running)
	case <-ctx.Done():
	}
	log.Info("draining")
	stop()
	asking.stop()
	s.close()
	shut, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainGrace)
	defer cancel()
	intake := make(chan error, 1)
	go func() { intake <- server.Shutdown(shut) }()
	// Callers that wait for their commit are answered while the server shuts
	// down; the engine stops once they are.
	shutdown := <-intake
	stopEngine()
	err = <-running
	if errors.Is(shutdown, context.DeadlineExceeded) {
		shutdown = server.Close()
	}
	if served := <-served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	log.Info("stopped")
	return errors.Join(err, shutdown)
}

// onHangup reloads the configuration on SIGHUP.
func (n *node) onHangup(ctx context.Context, s *site, asking *rounds) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			timeout, cancel := context.WithTimeout(ctx, 30*time.Second)
			cfg, err := n.reload(timeout, "SIGHUP")
			cancel()
			if err != nil {
				n.log.Error("reload refused", "error", err)
				continue
			}
			s.replace(n)
			asking.replace(n)
			n.log.Info("configuration reloaded", "file", cfg.File)
		}
	}
}

// quietLogger writes warnings for people.
func quietLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError}))
}
