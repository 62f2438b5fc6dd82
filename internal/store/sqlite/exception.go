package sqlite

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/exception"
)

const (
	exceptionWrite = `
		INSERT INTO exception (
			id, waybill, ref, cause, subject, detail, next, actions, amount, currency,
			since, closed, state, closed_by
		) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET
			waybill = excluded.waybill, ref = excluded.ref, cause = excluded.cause,
			subject = excluded.subject, detail = excluded.detail, next = excluded.next,
			actions = excluded.actions, amount = excluded.amount, currency = excluded.currency,
			since = excluded.since, closed = excluded.closed, state = excluded.state,
			closed_by = excluded.closed_by`

	exceptionColumns = `
		SELECT
			id, waybill, ref, cause, subject, detail, next, actions, amount, currency,
			since, closed, state, closed_by`

	exceptionByID = exceptionColumns + ` FROM exception WHERE id = ?`

	// Lists take the same parameters: after, limit, waybill, cause, state.
	// Each goes by the narrowest index that its query names.
	exceptionFilter = ` AND (?4 = '' OR cause = ?4) AND (?5 = '' OR state = ?5) ORDER BY id LIMIT ?2`

	exceptionsAll = exceptionColumns + `
		FROM exception
		WHERE id > ?1` + exceptionFilter

	exceptionsOfWaybill = exceptionColumns + `
		FROM exception INDEXED BY exception_waybill
		WHERE waybill = ?3 AND id > ?1` + exceptionFilter

	exceptionsOfCause = exceptionColumns + `
		FROM exception INDEXED BY exception_cause
		WHERE cause = ?4 AND id > ?1` + exceptionFilter

	exceptionsOpenOfCause = exceptionColumns + `
		FROM exception INDEXED BY exception_group
		WHERE cause = ?4 AND state = 'open' AND id > ?1
		ORDER BY id LIMIT ?2`

	exceptionsInState = exceptionColumns + `
		FROM exception INDEXED BY exception_state
		WHERE state = ?5 AND id > ?1` + exceptionFilter

	exceptionCounts = `
		SELECT cause, count(*), min(since)
		FROM exception INDEXED BY exception_group
		WHERE state = 'open' GROUP BY cause ORDER BY cause`

	exceptionsOpen = exceptionColumns + `
		FROM exception INDEXED BY exception_open
		WHERE waybill = ? AND state = 'open' ORDER BY id`
)

func (w *writer) writeException(ctx context.Context, e *exception.Exception) error {
	actions, err := json.Marshal(e.Actions)
	if err != nil {
		return writing(err, "the actions of exception %d", e.ID)
	}
	_, err = w.exceptionWrite.exec(ctx, e.ID, e.Waybill, e.Ref, e.Cause, e.Subject, e.Detail, e.Next, string(actions),
		e.Money.Amount.String(), e.Money.Currency, micros(e.Since), micros(e.ClosedAt), string(e.State), e.ClosedBy)
	return writing(err, "exception %d (%s of waybill %d)", e.ID, e.Cause, e.Waybill)
}

// Exception implements exception.Reader.
func (s *Store) Exception(ctx context.Context, id int64) (exception.Exception, error) {
	e, err := scanException(s.exceptionByID.QueryRowContext(quick(ctx), id))
	return e, reading(err, "exception %d", id)
}

// Exceptions implements exception.Reader.
func (s *Store) Exceptions(ctx context.Context, q exception.Query) ([]exception.Exception, error) {
	st := s.exceptionsAll
	switch {
	case q.Waybill != 0:
		st = s.exceptionsOfWaybill
	case q.Cause != "" && q.State == exception.Open:
		st = s.exceptionsOpenOfCause
	case q.Cause != "":
		st = s.exceptionsOfCause
	case q.State != "":
		st = s.exceptionsInState
	}
	es, err := collect(ctx, st, scanException, q.After, limit(q.Limit), q.Waybill, q.Cause, string(q.State))
	return es, reading(err, "exceptions")
}

// OpenExceptionsOf implements exception.Reader.
func (s *Store) OpenExceptionsOf(ctx context.Context, waybill int64) ([]exception.Exception, error) {
	es, err := collect(ctx, s.exceptionsOpen, scanException, waybill)
	return es, reading(err, "open exceptions of waybill %d", waybill)
}

func scanException(r row) (e exception.Exception, err error) {
	var actions, amount string
	if err := r.Scan(&e.ID, &e.Waybill, &e.Ref, &e.Cause, &e.Subject, &e.Detail, &e.Next, &actions, &amount,
		&e.Money.Currency, toTime{&e.Since}, toTime{&e.ClosedAt}, &e.State, &e.ClosedBy); err != nil {
		return e, err
	}
	if err := json.Unmarshal([]byte(actions), &e.Actions); err != nil {
		return e, fmt.Errorf("actions of exception %d: %w", e.ID, err)
	}
	if len(e.Actions) == 0 {
		e.Actions = nil
	}
	if e.Money.Amount, err = waybill.ParseDecimal(amount); err != nil {
		return e, fmt.Errorf("money of exception %d: %w", e.ID, err)
	}
	return e, nil
}

// ExceptionCounts implements exception.Reader.
func (s *Store) ExceptionCounts(ctx context.Context) ([]exception.Count, error) {
	cs, err := collect(ctx, s.exceptionCounts, scanCount)
	return cs, reading(err, "the counts of open exceptions")
}

func scanCount(r row) (c exception.Count, err error) {
	err = r.Scan(&c.Cause, &c.Open, toTime{&c.Since})
	return c, err
}
