package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store"
	"github.com/waybillhq/waybill/internal/store/packed"
)

const (
	messageKeep = `
		INSERT INTO message (
			id, source, dedupe, topic, status, reason, received, sha256, first_event, events
		) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (dedupe, source) WHERE status <> 'rejected' DO NOTHING`

	messageKeepBody = `INSERT INTO message_body (message, header, body) VALUES (?, ?, ?)`

	messageKnown = `
		SELECT id, topic, status, reason, received, sha256, first_event, events
		FROM message INDEXED BY message_dedupe
		WHERE dedupe = ? AND source = ? AND status <> 'rejected'`

	// The status decides whether the dedupe index holds the message, so naming
	// it in SET would write that index again for every message.
	messageUpdateEvents = `
		UPDATE message SET first_event = ?, events = ?
		WHERE id = ? AND status = ? AND reason = ?`

	messageUpdate = `
		UPDATE message SET first_event = ?, events = ?, status = ?, reason = ?
		WHERE id = ?`

	messageSelect = `
		SELECT
			m.id, m.source, m.dedupe, m.topic, m.status, m.reason, m.received, m.sha256,
			m.first_event, m.events, b.header, b.body
		FROM message m LEFT JOIN message_body b ON b.message = m.id`

	messageByID     = messageSelect + ` WHERE m.id = ?`
	messageByDedupe = messageSelect + ` WHERE m.dedupe = ? AND m.source = ? AND m.status <> 'rejected'`
)

// insertMessage keeps a message, or returns the known one of the same source
// and dedupe id.
func (w *writer) insertMessage(ctx context.Context, m *ledger.Message) (*ledger.Message, error) {
	n, err := w.messageKeep.exec(ctx, m.ID, m.Source, m.DedupeID, m.Topic, string(m.Status), m.Reason,
		micros(m.ReceivedAt), m.SHA256[:], m.FirstEvent, int64(m.Events))
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return w.knownMessage(ctx, m)
	}
	w.arena.Reset()
	_, err = w.messageKeepBody.exec(ctx, m.ID, w.arena.Pack(m.Header), w.arena.Pack(m.Body))
	return nil, err
}

// knownMessage reads, inside the batch, what insertMessage met.
func (w *writer) knownMessage(ctx context.Context, m *ledger.Message) (*ledger.Message, error) {
	v, err := w.messageKnown.row(ctx, 8, m.DedupeID, m.Source)
	if err != nil {
		return nil, fmt.Errorf("read the known message: %w", err)
	}
	if v == nil {
		return nil, fmt.Errorf("message id %d is taken", m.ID)
	}
	k := &ledger.Message{Source: m.Source, DedupeID: m.DedupeID}
	k.ID, _ = v[0].(int64)
	k.Topic, _ = v[1].(string)
	status, _ := v[2].(string)
	k.Status = ledger.MessageStatus(status)
	k.Reason, _ = v[3].(string)
	k.FirstEvent, _ = v[6].(int64)
	events, _ := v[7].(int64)
	k.Events = int(events)
	return k, errors.Join(toTime{&k.ReceivedAt}.Scan(v[4]), toHash{&k.SHA256}.Scan(v[5]))
}

func (w *writer) updateMessage(ctx context.Context, m *ledger.Message) error {
	n, err := w.messageUpdateEvents.exec(ctx, m.FirstEvent, int64(m.Events), m.ID, string(m.Status), m.Reason)
	if err == nil && n == 0 {
		n, err = w.messageUpdate.exec(ctx, m.FirstEvent, int64(m.Events), string(m.Status), m.Reason, m.ID)
	}
	return one(n, err, "update message %d", m.ID)
}

// Message implements ledger.Reader.
func (s *Store) Message(ctx context.Context, id int64) (ledger.Message, error) {
	m, err := scanMessage(s.messageByID.QueryRowContext(quick(ctx), id))
	return m, reading(err, "message %d", id)
}

// MessageByDedupe implements ledger.Reader.
func (s *Store) MessageByDedupe(ctx context.Context, source, id string) (ledger.Message, error) {
	m, err := scanMessage(s.messageByDedupe.QueryRowContext(quick(ctx), id, source))
	return m, reading(err, "message %s of %s", id, source)
}

func scanMessage(r row) (m ledger.Message, err error) {
	err = r.Scan(&m.ID, &m.Source, &m.DedupeID, &m.Topic, &m.Status, &m.Reason, toTime{&m.ReceivedAt},
		toHash{&m.SHA256}, &m.FirstEvent, &m.Events, toBlob{&m.Header}, toBlob{&m.Body})
	return m, err
}

const (
	eventInsert = `
		INSERT INTO event (
			id, shard, seq, waybill, message, type, source, subject, version,
			occurred, zone, recorded, state, reason, data, decision, prev, hash
		) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	eventChange = `UPDATE event SET state = ?, reason = ? WHERE id = ?`

	eventColumns = `
		SELECT
			e.id, e.shard, e.seq, e.waybill, e.message, e.type, e.source, e.subject, e.version,
			e.occurred, e.zone, e.recorded, e.state, e.reason, e.data, e.decision, e.prev, e.hash`

	eventByID = eventColumns + ` FROM event e WHERE e.id = ?`

	// Lists take the same parameters: after, limit, waybill, source, state,
	// dedupe id. Each goes by the narrowest index that its query names.
	eventFilter = ` AND (?4 = '' OR e.source = ?4) AND (?5 = '' OR e.state = ?5) ORDER BY e.id LIMIT ?2`

	eventsAll = eventColumns + `
		FROM event e
		WHERE e.id > ?1` + eventFilter

	eventsOfWaybill = eventColumns + `
		FROM event e INDEXED BY event_waybill
		WHERE e.waybill = ?3 AND e.id > ?1` + eventFilter

	eventsInState = eventColumns + `
		FROM event e INDEXED BY event_state
		WHERE e.state = ?5 AND e.state <> 'applied' AND e.id > ?1` + eventFilter

	eventsOfSource = eventColumns + `
		FROM event e INDEXED BY event_source
		WHERE e.source = ?4 AND e.id > ?1` + eventFilter

	eventsNewest = eventColumns + `
		FROM event e INDEXED BY event_source
		WHERE e.source = ?1 AND e.id < ?2 AND e.message <> 0
		ORDER BY e.id DESC LIMIT ?3`

	eventCounts = `
		SELECT state, count(*)
		FROM event INDEXED BY event_state
		WHERE state IN ('limbo', 'parked', 'quarantined', 'undecided') AND state <> 'applied'
		GROUP BY state`

	eventsOfMessage = eventColumns + `
		FROM message m INDEXED BY message_dedupe CROSS JOIN event e
		WHERE m.dedupe = ?6 AND m.status <> 'rejected' AND (?4 = '' OR m.source = ?4)
			AND e.id >= m.first_event AND e.id < m.first_event + m.events AND e.id > ?1
			AND (?3 = 0 OR e.waybill = ?3) AND (?5 = '' OR e.state = ?5)
		ORDER BY e.id LIMIT ?2`
)

func (w *writer) insertEvent(ctx context.Context, e *ledger.Event) error {
	w.arena.Reset()
	_, err := w.eventInsert.exec(ctx, e.ID, int64(e.Shard), e.Seq, e.Waybill, e.Message, string(e.Type), e.Source,
		e.Subject, e.Version, micros(e.OccurredAt), packed.ZoneMinutes(e.OccurredAt), micros(e.RecordedAt), string(e.State),
		e.Reason, w.arena.PackData(w.formats.Version(e.Type), e.Data), w.arena.Pack(e.Decision), e.Prev[:], e.Hash[:])
	return writing(err, "event %d", e.ID)
}

func (w *writer) changeEvent(ctx context.Context, c *ledger.StateChange) error {
	n, err := w.eventChange.exec(ctx, string(c.State), c.Reason, c.Event)
	return one(n, err, "change the state of event %d", c.Event)
}

// Event implements ledger.Reader.
func (s *Store) Event(ctx context.Context, id int64) (ledger.Event, error) {
	e, err := s.scanEvent(s.eventByID.QueryRowContext(quick(ctx), id))
	return e, reading(err, "event %d", id)
}

// Events implements ledger.Reader.
func (s *Store) Events(ctx context.Context, q ledger.EventQuery) ([]ledger.Event, error) {
	if q.Before != 0 {
		es, err := collect(ctx, s.eventsNewest, s.scanEvent, q.Source, q.Before, limit(q.Limit))
		return es, reading(err, "the newest events of %s", q.Source)
	}
	st := s.eventsAll
	switch {
	case q.ID != "":
		st = s.eventsOfMessage
	case q.Waybill != 0:
		st = s.eventsOfWaybill
	case q.State != "" && q.State != ledger.Applied:
		st = s.eventsInState
	case q.Source != "":
		st = s.eventsOfSource
	}
	es, err := collect(ctx, st, s.scanEvent, q.After, limit(q.Limit), q.Waybill, q.Source, string(q.State), q.ID)
	return es, reading(err, "events")
}

// EventsAfter implements ledger.Reader.
func (s *Store) EventsAfter(ctx context.Context, after int64, most int) ([]ledger.Event, error) {
	return s.Events(ctx, ledger.EventQuery{After: after, Limit: most})
}

// EventCounts implements ledger.Reader.
func (s *Store) EventCounts(ctx context.Context) (map[ledger.EventState]int, error) {
	counts := map[ledger.EventState]int{}
	err := stream(ctx, s.eventCounts, scanStateCount, func(c stateCount) error {
		counts[c.state] = c.n
		return nil
	})
	return counts, reading(err, "the counts of open events")
}

type stateCount struct {
	state ledger.EventState
	n     int
}

func scanStateCount(r row) (c stateCount, err error) {
	err = r.Scan(&c.state, &c.n)
	return c, err
}

func (s *Store) scanEvent(r row) (e ledger.Event, err error) {
	var zone int
	err = r.Scan(&e.ID, &e.Shard, &e.Seq, &e.Waybill, &e.Message, &e.Type, &e.Source, &e.Subject, &e.Version,
		toTime{&e.OccurredAt}, &zone, toTime{&e.RecordedAt}, &e.State, &e.Reason,
		toData{&e, s.formats}, toBlob{&e.Decision}, toHash{&e.Prev}, toHash{&e.Hash})
	e.OccurredAt = packed.InZone(e.OccurredAt, zone)
	return e, err
}

const (
	headWrite = `UPDATE shard SET seq = ?, hash = ?, batch = ? WHERE shard = ? AND epoch = ?`

	headsAcquire = `UPDATE shard SET epoch = epoch + 1, owner = ?`

	headsAll = `SELECT shard, epoch, seq, hash, batch FROM shard ORDER BY shard`
)

func (w *writer) writeHead(ctx context.Context, h *ledger.Head) error {
	n, err := w.headWrite.exec(ctx, h.Seq, h.Hash[:], h.Batch, int64(h.Shard), h.Epoch)
	if err == nil && n == 0 {
		return fmt.Errorf("write the head of shard %d in epoch %d: %w", h.Shard, h.Epoch, store.ErrFenced)
	}
	return writing(err, "the head of shard %d", h.Shard)
}

// Acquire implements store.Store.
func (s *Store) Acquire(ctx context.Context, replica string) ([]ledger.Head, error) {
	if err := s.alone(ctx, func(ctx context.Context, w *writer) error {
		_, err := w.headsAcquire.exec(ctx, replica)
		return err
	}); err != nil {
		return nil, fmt.Errorf("acquire the shards for %s: %w", replica, err)
	}
	return s.Heads(ctx)
}

// Heads implements ledger.Reader.
func (s *Store) Heads(ctx context.Context) ([]ledger.Head, error) {
	hs, err := collect(ctx, s.headsAll, scanHead)
	return hs, reading(err, "the heads of the shards")
}

func scanHead(r row) (h ledger.Head, err error) {
	err = r.Scan(&h.Shard, &h.Epoch, &h.Seq, toHash{&h.Hash}, &h.Batch)
	return h, err
}
