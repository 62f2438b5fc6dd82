package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// checks read the whole database, each for one kind of damage, and return a
// sentence for every row that is wrong. Whether files and indexes are whole is
// for the server's own tools (amcheck, data checksums).
var checks = []string{
	`SELECT format('shard %s: its chain ends at %s, its last event is %s', s.shard, s.seq, coalesce(e.seq, 0))
	 FROM shard s
	 LEFT JOIN (SELECT shard, max(seq) AS seq FROM event GROUP BY shard) e ON e.shard = s.shard
	 WHERE s.seq <> coalesce(e.seq, 0)`,

	`SELECT format('shard %s: its head is not the hash of event %s', s.shard, e.id)
	 FROM shard s
	 JOIN event e ON e.shard = s.shard AND e.seq = s.seq
	 WHERE s.hash <> e.hash`,

	`SELECT format('shard %s: %s events between %s and %s', shard, count(*), min(seq), max(seq))
	 FROM event GROUP BY shard HAVING min(seq) <> 1 OR max(seq) <> count(*)`,

	`SELECT format('event %s: its message %s is gone', e.id, e.message)
	 FROM event e WHERE e.message <> 0 AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = e.message)`,

	`SELECT format('event %s: its waybill %s is gone', e.id, e.waybill)
	 FROM event e WHERE e.waybill <> 0 AND NOT EXISTS (SELECT 1 FROM waybill w WHERE w.id = e.waybill)`,

	`SELECT format('waybill %s: it is in shard %s, its tag says %s', id, shard, tag & 1023)
	 FROM waybill WHERE shard <> tag & 1023`,

	`SELECT format('delivery %s: its waybill %s is gone', d.id, d.waybill)
	 FROM delivery d WHERE NOT EXISTS (SELECT 1 FROM waybill w WHERE w.id = d.waybill)`,

	`SELECT format('delivery %s: it was attempted and its body is gone', d.id)
	 FROM delivery d WHERE d.seq > 0 AND NOT EXISTS (SELECT 1 FROM delivery_body b WHERE b.delivery = d.id)`,
}

// findingsMax bounds what one check reports: past it the rest says no more.
const findingsMax = 100

// Check implements store.Store. It reads everything once and sees one moment.
func (s *Store) Check(ctx context.Context) (findings []string, err error) {
	tx, err := s.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("check the database: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // it only read
	// Whole tables are best read whole.
	if _, err := tx.Exec(ctx, `SET LOCAL enable_seqscan = on`); err != nil {
		return nil, fmt.Errorf("check the database: %w", err)
	}
	for _, check := range checks {
		rows, err := tx.Query(ctx, check+fmt.Sprintf(` LIMIT %d`, findingsMax))
		if err != nil {
			return findings, fmt.Errorf("check the database: %w", err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return findings, fmt.Errorf("check the database: %w", err)
		}
		findings = append(findings, found...)
	}
	return findings, nil
}

// Backup implements store.Store: it refuses. A server's backup is its
// operator's, with the log archived for every moment after it.
func (s *Store) Backup(context.Context, string) error {
	return errors.New("back up: this database is a PostgreSQL server's; use pg_basebackup with an archive of its log, " +
		"or pg_dump for a copy of one moment")
}
