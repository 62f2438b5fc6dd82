package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

//go:embed migration/*.sql
var migrations embed.FS

// migrate brings the schema to what this program knows, or only checks that it
// is that where the database may not be written.
func migrate(ctx context.Context, db *sql.DB, readOnly bool) error {
	files, err := fs.Sub(migrations, "migration")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	var stored int64
	known, err := tableExists(ctx, db, goose.DefaultTablename)
	if err == nil && known {
		err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version`).Scan(&stored)
	}
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	sources := p.ListSources()
	newest := sources[len(sources)-1].Version
	switch {
	case stored > newest:
		return fmt.Errorf("the database has schema %d and this program knows up to %d; run the newer program that wrote it, or restore a backup", stored, newest)
	case stored == newest:
		return nil
	case readOnly:
		return fmt.Errorf("the database has schema %d and this program needs %d; start `waybill serve` once to bring it up", stored, newest)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema from %d to %d: %w", stored, newest, err)
	}
	return nil
}

func tableExists(ctx context.Context, db *sql.DB, name string) (bool, error) {
	var n int
	err := db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?`, name).Scan(&n)
	return n > 0, err
}
