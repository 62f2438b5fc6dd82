package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/waybillhq/waybill/connector"
	"github.com/waybillhq/waybill/internal/config"
	"github.com/waybillhq/waybill/internal/egress"
	"github.com/waybillhq/waybill/internal/engine"
	"github.com/waybillhq/waybill/internal/transport"
)

const (
	// restAfterBatch is the pause after a batch of files that could not be
	// written.
	restAfterBatch = 15 * time.Second
	// batchFailed is the cause of its trouble.
	batchFailed = "batch_failed"
)

// place opens where files are exchanged with a system; nil: nowhere.
func (n *node) place(s *config.System, cfg *config.Config) (connector.Files, error) {
	switch p := s.Place; {
	case p.Folder != "":
		return transport.NewFolder(p.Folder), nil
	case p.SFTP != nil:
		f, err := transport.NewSFTP(transport.Options{
			Address: p.SFTP.Address, User: p.SFTP.User, HostKeys: p.SFTP.HostKeys, Path: p.SFTP.Path,
			Key: p.SFTP.Key.Reveal(), Secret: p.SFTP.Passphrase.Reveal(), Password: p.SFTP.Password.Reveal(),
			Dial: egress.Dialer(egress.Options{Allow: cfg.Egress.Allow}).DialContext, Now: time.Now,
		})
		if err != nil {
			return nil, fmt.Errorf("open system %s: %w", s.Name, err)
		}
		n.places = append(n.places, f)
		return f, nil
	}
	return nil, nil
}

// leave closes connections that are needed no more.
func (n *node) leave(places []*transport.SFTP) {
	for _, p := range places {
		if err := p.Close(); err != nil {
			n.log.Debug("a connection was not closed in order", "error", err)
		}
	}
}

// spool is the folder for copies of files being read. What a process before
// left in it is worth nothing: its files are read anew.
func (n *node) spool() string {
	dir := filepath.Join(n.data, "spool")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		n.log.Error("there is no room for files being read", "folder", dir, "error", err)
	}
	return dir
}

// batching writes the batches of one system, as often as it wants to.
type batching struct {
	system  string
	batcher connector.Batcher
	now     func() time.Time
	log     *slog.Logger
	report  func(context.Context, engine.Trouble) error
	trouble string // that was reported; "": none
	told    bool   // something was: what a process before left open is closed
}

// String names what is written.
func (b *batching) String() string { return b.system + "/batches" }

// Step writes what is due. What can't be written is a trouble in the inbox
// until it can.
func (b *batching) Step(ctx context.Context) (again time.Time) {
	again, err := b.batcher.Flush(ctx)
	if ctx.Err() != nil {
		return again // what is half done is repeated by the next process
	}
	t := engine.Trouble{Cause: batchFailed, Subject: b.String()}
	if err != nil {
		again = b.now().Add(restAfterBatch)
		b.log.Warn("a batch of files was not written", "system", b.system, "error", err)
		t.Detail = fmt.Sprintf("the files for %s can't be written: %v", b.system, err)
		t.Next = "mend what it names; it is tried again by itself"
	}
	if b.told && t.Detail == b.trouble {
		return again
	}
	if err := b.report(ctx, t); err != nil {
		b.log.Warn("a trouble was not reported", "system", b.system, "error", err)
		return again
	}
	b.told, b.trouble = true, t.Detail
	return again
}
