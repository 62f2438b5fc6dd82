package sqlite

import (
	"context"

	"github.com/waybillhq/waybill/internal/ledger"
)

const (
	pastWrite = `
		INSERT INTO past (waybill, name, data) VALUES (?, ?, ?)
		ON CONFLICT (waybill, name) DO UPDATE SET data = excluded.data`

	pastRead = `SELECT data FROM past WHERE waybill = ? AND name = ?`
)

func (w *writer) writePast(ctx context.Context, p *ledger.Past) error {
	w.arena.Reset()
	_, err := w.pastWrite.exec(ctx, p.Waybill, p.Name, w.arena.Pack(p.Data))
	return writing(err, "the past %s of waybill %d", p.Name, p.Waybill)
}

// Past implements ledger.Reader.
func (s *Store) Past(ctx context.Context, waybill int64, name string) (data []byte, err error) {
	err = s.pastRead.QueryRowContext(quick(ctx), waybill, name).Scan(toBlob{&data})
	return data, reading(err, "the past %s of waybill %d", name, waybill)
}
