package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/waybillhq/waybill/internal/config"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/postgres"
	"github.com/waybillhq/waybill/internal/store/sqlite"
)

// openStore opens the database that the configuration names, for writing.
func openStore(ctx context.Context, cfg *config.Config, data, name string) (store.Store, error) {
	if cfg.Database.Server() {
		return postgres.Open(ctx, cfg.Database.URL, serverOptions(cfg, name, false))
	}
	return sqlite.Open(ctx, data, sqlite.Options{})
}

func serverOptions(cfg *config.Config, name string, readOnly bool) postgres.Options {
	return postgres.Options{Name: name, Password: cfg.Database.Password.Reveal(), ReadOnly: readOnly}
}

// openForReading opens the store beside a running process or without one. The
// embedded database needs no configuration for that.
func (f *fileFlags) openForReading(ctx context.Context) (store.Store, error) {
	cfg, err := f.load()
	if err == nil && cfg.Database.Server() {
		return postgres.Open(ctx, cfg.Database.URL, serverOptions(cfg, "offline", true))
	}
	if _, err := os.Stat(filepath.Join(f.data, sqlite.FileName)); errors.Is(err, fs.ErrNotExist) {
		return nil, usagef("--data %s: there is no database in it; name the data directory that waybill serve uses", f.data)
	}
	return sqlite.Open(ctx, f.data, sqlite.Options{ReadOnly: true})
}
