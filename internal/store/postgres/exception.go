package postgres

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
			id, shard, waybill, since, closed, ref, cause, subject, detail, next, actions, amount, currency,
			state, closed_by
		)
		SELECT * FROM $rows
		ON CONFLICT (id, shard) DO UPDATE SET
			waybill = excluded.waybill, since = excluded.since, closed = excluded.closed, ref = excluded.ref,
			cause = excluded.cause, subject = excluded.subject, detail = excluded.detail, next = excluded.next,
			actions = excluded.actions, amount = excluded.amount, currency = excluded.currency,
			state = excluded.state, closed_by = excluded.closed_by`

	exceptionColumns = `
		SELECT
			id, waybill, since, closed, ref, cause, subject, detail, next, actions, amount, currency, state, closed_by
		FROM exception`

	exceptionByID = exceptionColumns + ` WHERE id = $1`

	// Lists take the same parameters: after, limit, waybill, cause, state. Each
	// names the narrowest index of its query.
	exceptionsAll = exceptionColumns + `
		WHERE id > $1 AND ($3::int8 = 0 OR waybill = $3) AND ($4::text = '' OR cause = $4)
			AND ($5::text = '' OR state = $5)
		ORDER BY id LIMIT $2`

	exceptionsOfWaybill = exceptionColumns + `
		WHERE waybill = $3 AND id > $1 AND ($4::text = '' OR cause = $4) AND ($5::text = '' OR state = $5)
		ORDER BY id LIMIT $2`

	exceptionsOfCause = exceptionColumns + `
		WHERE cause = $4 AND id > $1 AND ($3::int8 = 0 OR waybill = $3) AND ($5::text = '' OR state = $5)
		ORDER BY id LIMIT $2`

	exceptionsOpenOfCause = exceptionColumns + `
		WHERE cause = $3 AND state = 'open' AND id > $1
		ORDER BY id LIMIT $2`

	exceptionsInState = exceptionColumns + `
		WHERE state = $5 AND id > $1 AND ($3::int8 = 0 OR waybill = $3) AND ($4::text = '' OR cause = $4)
		ORDER BY id LIMIT $2`

	exceptionCounts = `
		SELECT cause, count(*), min(since)
		FROM exception
		WHERE state = 'open' GROUP BY cause ORDER BY cause`

	exceptionsOpen = exceptionColumns + ` WHERE waybill = $1 AND state = 'open' ORDER BY id`
)

func (w *writer) addException(e *exception.Exception, shard int64) error {
	actions, err := json.Marshal(e.Actions)
	if err != nil {
		return fmt.Errorf("write the actions of exception %d: %w", e.ID, err)
	}
	w.sheet.exceptionWrite.add().num(e.ID).num(shard).num(e.Waybill).moment(e.Since).moment(e.ClosedAt).text(e.Ref).
		text(e.Cause).text(e.Subject).text(e.Detail).text(e.Next).text(string(actions)).text(e.Money.Amount.String()).
		text(e.Money.Currency).text(string(e.State)).text(e.ClosedBy)
	return nil
}

// Exception implements exception.Reader.
func (s *Store) Exception(ctx context.Context, id int64) (exception.Exception, error) {
	e, err := one(ctx, s, exceptionByID, scanException, id)
	return e, reading(err, "exception %d", id)
}

// Exceptions implements exception.Reader.
func (s *Store) Exceptions(ctx context.Context, q exception.Query) ([]exception.Exception, error) {
	text, args := exceptionsAll, []any{q.After, limit(q.Limit), q.Waybill, q.Cause, string(q.State)}
	switch {
	case q.Waybill != 0:
		text = exceptionsOfWaybill
	case q.Cause != "" && q.State == exception.Open:
		text, args = exceptionsOpenOfCause, []any{q.After, limit(q.Limit), q.Cause}
	case q.Cause != "":
		text = exceptionsOfCause
	case q.State != "":
		text = exceptionsInState
	}
	es, err := collect(ctx, s, text, scanException, args...)
	return es, reading(err, "exceptions")
}

// OpenExceptionsOf implements exception.Reader.
func (s *Store) OpenExceptionsOf(ctx context.Context, waybill int64) ([]exception.Exception, error) {
	es, err := collect(ctx, s, exceptionsOpen, scanException, waybill)
	return es, reading(err, "open exceptions of waybill %d", waybill)
}

func scanException(c *cells) exception.Exception {
	e := exception.Exception{ID: c.num(), Waybill: c.num(), Since: c.moment(), ClosedAt: c.moment(), Ref: c.text(),
		Cause: c.text(), Subject: c.text(), Detail: c.text(), Next: c.text()}
	if err := json.Unmarshal([]byte(c.text()), &e.Actions); err != nil {
		c.fail(fmt.Sprintf("actions of exception %d: %v", e.ID, err))
	}
	if len(e.Actions) == 0 {
		e.Actions = nil
	}
	amount, err := waybill.ParseDecimal(c.text())
	if err != nil {
		c.fail(fmt.Sprintf("money of exception %d: %v", e.ID, err))
	}
	e.Money = waybill.Money{Amount: amount, Currency: c.text()}
	e.State, e.ClosedBy = exception.State(c.text()), c.text()
	return e
}

// ExceptionCounts implements exception.Reader.
func (s *Store) ExceptionCounts(ctx context.Context) ([]exception.Count, error) {
	cs, err := collect(ctx, s, exceptionCounts, func(c *cells) exception.Count {
		return exception.Count{Cause: c.text(), Open: int(c.num()), Since: c.moment()}
	})
	return cs, reading(err, "the counts of open exceptions")
}
