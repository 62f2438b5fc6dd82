package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/waybillhq/waybill/internal/store"
)

// dumped lists what a database holds, in the columns of a server's tables: a
// body is beside its message there, and a row that belongs to a waybill or a
// delivery has its shard.
var dumped = []struct{ table, columns, from string }{
	{"setting", `name, value`, `setting`},
	{"shard", `shard, epoch, seq, hash, batch`, `shard`},
	{"message", `id, source, dedupe, topic, status, reason, received, sha256, first_event, events, header, body`,
		`message m LEFT JOIN message_body b ON b.message = m.id ORDER BY id`},
	{"event", `id, shard, seq, waybill, message, type, source, subject, version, occurred, zone, recorded, state, reason, data, decision, prev, hash`,
		`event ORDER BY id`},
	{"waybill", `id, shard, tag, kind, ref, version, status, customer, created, updated, state`, `waybill ORDER BY id`},
	{"reference", `value, system, kind, waybill`, `reference`},
	{"past", `waybill, name, data, shard`, `(SELECT p.*, coalesce(w.shard, 0) AS shard FROM past p LEFT JOIN waybill w ON w.id = p.waybill)`},
	{"delivery", `id, waybill, shard, key, target, kind, decided, seq, state, next, due, progress`, `delivery ORDER BY id`},
	{"delivery_body", `delivery, content_type, body, shard`,
		`(SELECT b.*, coalesce(d.shard, 0) AS shard FROM delivery_body b LEFT JOIN delivery d ON d.id = b.delivery ORDER BY b.delivery)`},
	{"attempt", `delivery, number, epoch, started, deadline, ended, outcome, detail, shard`,
		`(SELECT a.*, coalesce(d.shard, 0) AS shard FROM attempt a LEFT JOIN delivery d ON d.id = a.delivery)`},
	{"timer", `waybill, name, due, shard`, `(SELECT t.*, coalesce(w.shard, 0) AS shard FROM timer t LEFT JOIN waybill w ON w.id = t.waybill)`},
	{"watch", `entity, waybill`, `watch`},
	{"exception", `id, waybill, ref, cause, subject, detail, next, actions, amount, currency, since, closed, state, closed_by, shard`,
		`(SELECT x.*, coalesce(w.shard, 0) AS shard FROM exception x LEFT JOIN waybill w ON w.id = x.waybill ORDER BY x.id)`},
	{"mapping", `id, company, system, kind, scope, value, valid_from, canonical, multiplier, unit, actor, at`, `mapping ORDER BY id`},
	{"audit", `seq, at, actor, action, object, reason, before_json, after_json, prev, hash`, `audit ORDER BY seq`},
}

// Dump reads the whole database, table by table. Nothing may be written
// meanwhile.
func (s *Store) Dump(ctx context.Context) []store.Table {
	var all []store.Table
	for _, d := range dumped {
		all = append(all, store.Table{Name: d.table, Columns: strings.Split(d.columns, ", "),
			Rows: func(yield func([]any, error) bool) {
				if err := s.dump(ctx, `SELECT `+d.columns+` FROM `+d.from, yield); err != nil {
					yield(nil, fmt.Errorf("read the table %s: %w", d.table, err))
				}
			}})
	}
	return all
}

func (s *Store) dump(ctx context.Context, query string, yield func([]any, error) bool) error {
	rows, err := s.reader.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	for rows.Next() {
		values, into := make([]any, len(types)), make([]any, len(types))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if !yield(values, nil) {
			return nil
		}
	}
	return rows.Err()
}
