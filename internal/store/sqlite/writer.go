package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"sync"

	"modernc.org/sqlite"

	"github.com/waybillhq/waybill/internal/schema"
	"github.com/waybillhq/waybill/internal/store/packed"
)

// writer is the one connection that writes. It speaks to the driver itself:
// database/sql wraps every statement once per transaction and converts every
// argument again, which costs a batch a fifth of its time. Only the holder of
// the store's gate may use it.
type writer struct {
	mu    sync.Mutex // between an open batch and who reserves ids beside it
	conn  driver.Conn
	stmts []*stmt
	args  []driver.NamedValue
	arena packed.Arena

	formats schema.Formats // versions in which data is written

	newestDelivery int64 // no delivery has a higher id

	writeStatements
}

// stmt is a statement prepared on the writer's connection.
type stmt struct {
	text string
	w    *writer
	prepared
}

type prepared interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// openWriter connects and prepares every statement once.
func openWriter(ctx context.Context, dsn string, formats schema.Formats) (*writer, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the writer's address: %w", err)
	}
	conn, err := c.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect the writer: %w", err)
	}
	w := &writer{conn: conn, formats: formats}
	for to, text := range w.list() {
		if *to, err = w.prepare(ctx, text); err != nil {
			return nil, errors.Join(err, w.close())
		}
	}
	newest, err := w.deliveryNewest.row(ctx, 1)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("find the newest delivery: %w", err), w.close())
	}
	w.newestDelivery, _ = newest[0].(int64)
	return w, nil
}

func (w *writer) prepare(ctx context.Context, text string) (*stmt, error) {
	pc, ok := w.conn.(driver.ConnPrepareContext)
	if !ok {
		return nil, errors.New("the driver can't prepare with a context")
	}
	ds, err := pc.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", text, err)
	}
	p, ok := ds.(prepared)
	if !ok {
		ds.Close() //nolint:errcheck // the error below says more
		return nil, errors.New("the driver's statements take no context")
	}
	s := &stmt{text: text, w: w, prepared: p}
	w.stmts = append(w.stmts, s)
	return s, nil
}

// close ends the connection. The last one to close moves the log's content
// into the database file.
func (w *writer) close() error {
	var errs []error
	for _, s := range w.stmts {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// bind gathers arguments in memory that every statement uses in turn.
func (w *writer) bind(values []driver.Value) []driver.NamedValue {
	for len(w.args) < len(values) {
		w.args = append(w.args, driver.NamedValue{Ordinal: len(w.args) + 1})
	}
	args := w.args[:len(values)]
	for i, v := range values {
		args[i].Value = v
	}
	return args
}

// exec runs the statement and reports how many rows it changed. A context that
// can end costs a goroutine for each call, so callers pass one that cannot.
func (s *stmt) exec(ctx context.Context, values ...driver.Value) (int64, error) {
	r, err := s.ExecContext(ctx, s.w.bind(values))
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// row runs a query and returns its first row, or nil where it has none.
func (s *stmt) row(ctx context.Context, columns int, values ...driver.Value) (_ []driver.Value, err error) {
	rows, err := s.QueryContext(ctx, s.w.bind(values))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	out := make([]driver.Value, columns)
	switch err := rows.Next(out); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return out, nil
}

// pagesWritten is the number of pages put into the log since the last call.
// It speaks to the connection as a statement does, so it waits its turn: two
// callers at once on one connection break the memory of the whole process.
func (w *writer) pagesWritten() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	st, ok := w.conn.(sqlite.DBStatus)
	if !ok {
		return 0
	}
	n, _, err := st.Status(sqlite.DBStatusCacheWrite, true)
	if err != nil {
		return 0
	}
	return int64(n)
}
