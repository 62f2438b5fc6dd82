package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/waybillhq/waybill/internal/store"
)

// row is one row of a result.
type row interface{ Scan(into ...any) error }

// quick lets a look-up by key run to its end: watching a context costs more
// than the look-up.
func quick(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// limit is a query's limit as SQL has it: none where it names none.
func limit(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}

// collect reads all rows.
func collect[T any](ctx context.Context, st *sql.Stmt, scan func(row) (T, error), args ...any) ([]T, error) {
	var out []T
	err := stream(ctx, st, scan, func(v T) error { out = append(out, v); return nil }, args...)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// stream hands rows on one by one.
func stream[T any](ctx context.Context, st *sql.Stmt, scan func(row) (T, error), each func(T) error, args ...any) error {
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return err
		}
		if err := each(v); err != nil {
			return err
		}
	}
	return rows.Err()
}

// reading says what was being read; nil stays nil.
func reading(err error, format string, args ...any) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), store.ErrNotFound)
	default:
		return fmt.Errorf("read %s: %w", fmt.Sprintf(format, args...), err)
	}
}

// writing says what was being written; nil stays nil.
func writing(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("write %s: %w", fmt.Sprintf(format, args...), err)
}

// one asks that exactly the row meant was there to be changed.
func one(changed int64, err error, format string, args ...any) error {
	if err == nil && changed == 0 {
		err = store.ErrNotFound
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}
