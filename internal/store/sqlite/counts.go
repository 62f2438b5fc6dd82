package sqlite

import (
	"context"

	"github.com/waybillhq/waybill"
)

// The index alone answers it: no row of a waybill is read. What is no order has
// no status.
const statusCounts = `
	SELECT status, count(*)
	FROM waybill INDEXED BY waybill_status
	WHERE status > ''
	GROUP BY status`

// StatusCounts implements ledger.Reader.
func (s *Store) StatusCounts(ctx context.Context) (map[waybill.Status]int, error) {
	rows, err := s.reader.QueryContext(ctx, statusCounts)
	if err != nil {
		return nil, reading(err, "the counts of waybills by status")
	}
	defer rows.Close()
	counts := map[waybill.Status]int{}
	for rows.Next() {
		var status waybill.Status
		var n int
		if err := rows.Scan(&status, &n); err != nil {
			return nil, reading(err, "the counts of waybills by status")
		}
		counts[status] = n
	}
	return counts, reading(rows.Err(), "the counts of waybills by status")
}
