package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/waybillhq/waybill/internal/store"
)

// ErrNotEmpty is returned where a database that should receive another one's
// books has some already.
var ErrNotEmpty = errors.New("the database holds books already")

// unused asks whether nobody has worked with the database yet.
const unused = `
	SELECT NOT EXISTS (SELECT 1 FROM shard WHERE epoch > 0 OR seq > 0)
		AND NOT EXISTS (SELECT 1 FROM message) AND NOT EXISTS (SELECT 1 FROM event)
		AND NOT EXISTS (SELECT 1 FROM waybill) AND NOT EXISTS (SELECT 1 FROM audit)
		AND NOT EXISTS (SELECT 1 FROM setting)`

// Receive takes over the books of another database, all of them or nothing: it
// is one transaction. It returns how many rows of each table were written.
// Whoever wants to verify them reads them afterwards, as anybody does.
func (s *Store) Receive(ctx context.Context, tables []store.Table) (written map[string]int64, err error) {
	written = map[string]int64{}
	err = s.alone(ctx, exclusive, func(ctx context.Context, conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			var empty bool
			if err := tx.QueryRow(ctx, unused).Scan(&empty); err != nil {
				return err
			}
			if !empty {
				return ErrNotEmpty
			}
			for _, t := range tables {
				n, err := receive(ctx, tx, t)
				if err != nil {
					return fmt.Errorf("table %s: %w", t.Name, err)
				}
				written[t.Name] = n
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("take over the books: %w", err)
	}
	return written, nil
}

// shardFrom says how a row's shard is found where the other database has none.
var shardFrom = map[string]func(value func(string) string) int64{
	"message":   func(value func(string) string) int64 { return shardOfMessage(value("source"), value("dedupe")) },
	"reference": func(value func(string) string) int64 { return shardOfText(value("value")) },
	"watch":     func(value func(string) string) int64 { return shardOfText(value("entity")) },
}

func receive(ctx context.Context, tx pgx.Tx, t store.Table) (int64, error) {
	if t.Name == "shard" {
		return receiveShards(ctx, tx, t)
	}
	columns, shard := t.Columns, shardFrom[t.Name]
	if shard != nil {
		columns = append(slices.Clone(columns), "shard")
	}
	next, stop := iter.Pull2(t.Rows)
	defer stop()
	return tx.CopyFrom(ctx, pgx.Identifier{t.Name}, columns, pgx.CopyFromFunc(func() ([]any, error) {
		row, err, more := next()
		if err != nil || !more {
			return nil, err
		}
		if shard != nil {
			row = append(row, shard(func(column string) string {
				text, _ := row[slices.Index(t.Columns, column)].(string)
				return text
			}))
		}
		for i, v := range row {
			if text, ok := v.(string); ok {
				row[i] = storable(text)
			}
		}
		return row, nil
	}))
}

// receiveShards sets the chains' heads, whose rows are there from the
// beginning. The fence never falls: epochs go on from where they were.
func receiveShards(ctx context.Context, tx pgx.Tx, t store.Table) (n int64, err error) {
	for row, err := range t.Rows {
		if err != nil {
			return n, err
		}
		tag, err := tx.Exec(ctx, `UPDATE shard SET epoch = $2, seq = $3, hash = $4, batch = $5 WHERE shard = $1`, row...)
		if err != nil {
			return n, err
		}
		n += tag.RowsAffected()
	}
	return n, nil
}
