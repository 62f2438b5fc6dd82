package postgres

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migration/*.sql
var migrations embed.FS

// migrate brings the schema to what this program knows, or only checks that it
// is that where the database may not be written. Of several replicas that start
// at once, one migrates and the others wait for it.
func migrate(ctx context.Context, config *pgx.ConnConfig, readOnly bool) error {
	files, err := fs.Sub(migrations, "migration")
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	db := stdlib.OpenDB(*config)
	defer db.Close() //nolint:errcheck // its transactions have ended
	var stored int64
	known, err := tableExists(ctx, db, goose.DefaultTablename)
	if err == nil && known {
		err = db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version`).Scan(&stored)
	}
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()), goose.WithSessionLocker(locker))
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
		return fmt.Errorf("bring the schema from %d to %d: %w; its owner must be allowed to make tables", stored, newest, err)
	}
	return nil
}

func tableExists(ctx context.Context, db *sql.DB, name string) (bool, error) {
	var there bool
	err := db.QueryRowContext(ctx, `SELECT to_regclass($1) IS NOT NULL`, name).Scan(&there)
	return there, err
}
