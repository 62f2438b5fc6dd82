package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
)

// checks read the whole database, each for one kind of damage, and return a
// sentence for every row that is wrong.
var checks = []string{
	// The quick check leaves out whether the indexes agree with their tables,
	// and with the dedupe index goes the promise to keep a message once.
	`SELECT 'the file is damaged: ' || integrity_check FROM pragma_integrity_check WHERE integrity_check <> 'ok'`,

	`SELECT printf('shard %d: its chain ends at %d, its last event is %d', s.shard, s.seq, ifnull(e.seq, 0))
	 FROM shard s
	 LEFT JOIN (SELECT shard, max(seq) AS seq, hash FROM event GROUP BY shard) e ON e.shard = s.shard
	 WHERE s.seq <> ifnull(e.seq, 0)`,

	`SELECT printf('shard %d: its head is not the hash of event %d', s.shard, e.id)
	 FROM shard s
	 JOIN (SELECT shard, max(seq) AS seq, hash, id FROM event GROUP BY shard) e ON e.shard = s.shard
	 WHERE s.seq = e.seq AND s.hash <> e.hash`,

	`SELECT printf('shard %d: %d events between %d and %d', shard, count(*), min(seq), max(seq))
	 FROM event GROUP BY shard HAVING min(seq) <> 1 OR max(seq) <> count(*)`,

	`SELECT printf('message %d: its body is gone', m.id)
	 FROM message m WHERE NOT EXISTS (SELECT 1 FROM message_body b WHERE b.message = m.id)`,

	`SELECT printf('event %d: its message %d is gone', e.id, e.message)
	 FROM event e WHERE e.message <> 0 AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = e.message)`,

	`SELECT printf('event %d: its waybill %d is gone', e.id, e.waybill)
	 FROM event e WHERE e.waybill <> 0 AND NOT EXISTS (SELECT 1 FROM waybill w WHERE w.id = e.waybill)`,

	`SELECT printf('delivery %d: its waybill %d is gone', d.id, d.waybill)
	 FROM delivery d WHERE NOT EXISTS (SELECT 1 FROM waybill w WHERE w.id = d.waybill)`,

	`SELECT printf('delivery %d: it was attempted and its body is gone', d.id)
	 FROM delivery d WHERE d.seq > 0 AND NOT EXISTS (SELECT 1 FROM delivery_body b WHERE b.delivery = d.id)`,
}

// findingsMax bounds what one check reports: past it the rest says no more.
const findingsMax = 100

// Check implements store.Store. It reads everything once and sees one moment.
func (s *Store) Check(ctx context.Context) ([]string, error) {
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("check the database: %w", err)
	}
	defer tx.Rollback()
	var findings []string
	for _, check := range checks {
		rows, err := tx.QueryContext(ctx, check+` LIMIT ?`, findingsMax)
		if err != nil {
			return findings, fmt.Errorf("check the database: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var finding string
			if err := rows.Scan(&finding); err != nil {
				return findings, fmt.Errorf("check the database: %w", err)
			}
			findings = append(findings, finding)
		}
		if err := rows.Err(); err != nil {
			return findings, fmt.Errorf("check the database: %w", err)
		}
	}
	return findings, nil
}

// Backup implements store.Store. The copy is the state of one commit, made for
// its owner alone, and synced before Backup returns.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("back up to %s: %w; name a file that is not there yet", path, err)
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			os.Remove(path) //nolint:errcheck // half a copy helps nobody; the error says why
			err = fmt.Errorf("back up to %s: %w", path, err)
		}
	}()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", s.at.copier())
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // it wrote only the copy
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, path); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close() //nolint:errcheck // only read
	return d.Sync()
}
