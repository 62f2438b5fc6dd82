package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/waybillhq/waybill"
	"github.com/waybillhq/waybill/internal/ledger"
	"github.com/waybillhq/waybill/internal/store/packed"
)

const (
	// What is known already returns no row.
	messageKeep = `
		INSERT INTO message (
			id, shard, first_event, events, received, source, dedupe, topic, status, reason, sha256, header, body
		)
		SELECT * FROM $rows
		ON CONFLICT (dedupe, source, shard) WHERE status <> 'rejected' DO NOTHING
		RETURNING id`

	messageUpdate = `
		UPDATE message AS m
		SET first_event = n.first_event, events = n.events, status = n.status, reason = n.reason
		FROM $rows AS n (id, first_event, events, status, reason)
		WHERE m.id = n.id`

	messageColumns = `
		SELECT
			id, source, dedupe, topic, status, reason, received, sha256, first_event, events, header, body
		FROM message`

	messageByID     = messageColumns + ` WHERE id = $1`
	messageByDedupe = messageColumns + ` WHERE dedupe = $1 AND source = $2 AND shard = $3 AND status <> 'rejected'`

	// The body may be large, and whoever asks whether a message is known has it.
	messageKnown = `
		SELECT
			id, source, dedupe, topic, status, reason, received, sha256, first_event, events, NULL, NULL
		FROM message
		WHERE dedupe = $1 AND source = $2 AND shard = $3 AND status <> 'rejected'`
)

func (w *writer) addMessage(m *ledger.Message) {
	w.arena.Reset()
	w.sheet.messageKeep.add().num(m.ID).num(shardOfMessage(m.Source, m.DedupeID)).num(m.FirstEvent).num(int64(m.Events)).
		moment(m.ReceivedAt).text(m.Source).text(m.DedupeID).text(m.Topic).text(string(m.Status)).text(m.Reason).
		blob(m.SHA256[:]).blob(w.arena.Pack(m.Header)).blob(w.arena.Pack(m.Body))
}

func (w *writer) addMessageUpdate(m *ledger.Message) {
	w.sheet.messageUpdate.add().num(m.ID).num(m.FirstEvent).num(int64(m.Events)).text(string(m.Status)).text(m.Reason)
}

// Message implements ledger.Reader.
func (s *Store) Message(ctx context.Context, id int64) (ledger.Message, error) {
	m, err := one(ctx, s, messageByID, scanMessage, id)
	return m, reading(err, "message %d", id)
}

// MessageByDedupe implements ledger.Reader.
func (s *Store) MessageByDedupe(ctx context.Context, source, id string) (ledger.Message, error) {
	m, err := one(ctx, s, messageByDedupe, scanMessage, id, source, shardOfMessage(source, id))
	return m, reading(err, "message %s of %s", id, source)
}

func scanMessage(c *cells) ledger.Message {
	return ledger.Message{ID: c.num(), Source: c.text(), DedupeID: c.text(), Topic: c.text(),
		Status: ledger.MessageStatus(c.text()), Reason: c.text(), ReceivedAt: c.moment(), SHA256: c.hash(),
		FirstEvent: c.num(), Events: int(c.num()), Header: c.blob(), Body: c.blob()}
}

const (
	eventInsert = `
		INSERT INTO event (
			id, shard, zone, seq, waybill, message, version, occurred, recorded,
			type, source, subject, state, reason, data, decision, prev, hash
		) SELECT * FROM $rows`

	eventChange = `
		UPDATE event AS e
		SET state = n.state, reason = n.reason
		FROM $rows AS n (id, state, reason)
		WHERE e.id = n.id`

	eventColumns = `
		SELECT
			e.id, e.shard, e.zone, e.seq, e.waybill, e.message, e.version, e.occurred, e.recorded,
			e.type, e.source, e.subject, e.state, e.reason, e.data, e.decision, e.prev, e.hash`

	eventByID = eventColumns + ` FROM event e WHERE e.id = $1`

	// An event that another replica had announced under an id that its shard had
	// gone past.
	eventByAlias = eventColumns + ` FROM event_alias a JOIN event e ON e.id = a.event WHERE a.id = $1`

	// Lists take the same parameters: after, limit, waybill, source, state,
	// dedupe id. Each names the narrowest index of its query.
	eventsAll = eventColumns + `
		FROM event e
		WHERE e.id > $1 AND ($3::int8 = 0 OR e.waybill = $3) AND ($4::text = '' OR e.source = $4)
			AND ($5::text = '' OR e.state = $5) AND $6::text = ''
		ORDER BY e.id LIMIT $2`

	eventsOfWaybill = eventColumns + `
		FROM event e
		WHERE e.waybill = $3 AND e.id > $1 AND ($4::text = '' OR e.source = $4)
			AND ($5::text = '' OR e.state = $5) AND $6::text = ''
		ORDER BY e.id LIMIT $2`

	eventsInState = eventColumns + `
		FROM event e
		WHERE e.state = $5 AND e.state <> 'applied' AND e.id > $1 AND ($3::int8 = 0 OR e.waybill = $3)
			AND ($4::text = '' OR e.source = $4) AND $6::text = ''
		ORDER BY e.id LIMIT $2`

	eventsOfSource = eventColumns + `
		FROM event e
		WHERE e.source = $4 AND e.id > $1 AND ($3::int8 = 0 OR e.waybill = $3)
			AND ($5::text = '' OR e.state = $5) AND $6::text = ''
		ORDER BY e.id LIMIT $2`

	eventsNewest = eventColumns + `
		FROM event e
		WHERE e.source = $1 AND e.id < $2 AND e.message <> 0
		ORDER BY e.id DESC LIMIT $3`

	eventsOfMessage = eventColumns + `
		FROM message m
		CROSS JOIN LATERAL (
			SELECT e.id FROM event e WHERE e.id >= m.first_event AND e.id < m.first_event + m.events
			UNION ALL
			SELECT a.event FROM event_alias a WHERE a.id >= m.first_event AND a.id < m.first_event + m.events
		) AS n
		JOIN event e ON e.id = n.id
		WHERE m.dedupe = $6 AND m.status <> 'rejected' AND ($4::text = '' OR m.source = $4)
			AND e.id > $1 AND ($3::int8 = 0 OR e.waybill = $3) AND ($5::text = '' OR e.state = $5)
		ORDER BY e.id LIMIT $2`

	eventCounts = `
		SELECT state, count(*)
		FROM event
		WHERE state IN ('limbo', 'parked', 'quarantined', 'undecided') AND state <> 'applied'
		GROUP BY state`
)

func (w *writer) addEvent(e *ledger.Event) {
	w.arena.Reset()
	w.sheet.eventInsert.add().num(e.ID).num(int64(e.Shard)).num(packed.ZoneMinutes(e.OccurredAt)).num(e.Seq).
		num(e.Waybill).num(e.Message).num(e.Version).moment(e.OccurredAt).moment(e.RecordedAt).
		text(string(e.Type)).text(e.Source).text(e.Subject).text(string(e.State)).text(e.Reason).
		blob(w.arena.PackData(w.formats.Version(e.Type), e.Data)).blob(w.arena.Pack(e.Decision)).
		blob(e.Prev[:]).blob(e.Hash[:])
}

func (w *writer) addEventChange(c *ledger.StateChange) {
	w.sheet.eventChange.add().num(c.Event).text(string(c.State)).text(c.Reason)
}

// Event implements ledger.Reader.
func (s *Store) Event(ctx context.Context, id int64) (ledger.Event, error) {
	e, err := one(ctx, s, eventByID, s.scanEvent, id)
	if errors.Is(err, pgx.ErrNoRows) {
		e, err = one(ctx, s, eventByAlias, s.scanEvent, id)
	}
	return e, reading(err, "event %d", id)
}

// Events implements ledger.Reader.
func (s *Store) Events(ctx context.Context, q ledger.EventQuery) ([]ledger.Event, error) {
	if q.Before != 0 {
		es, err := collect(ctx, s, eventsNewest, s.scanEvent, q.Source, q.Before, limit(q.Limit))
		return es, reading(err, "the newest events of %s", q.Source)
	}
	text := eventsAll
	switch {
	case q.ID != "":
		text = eventsOfMessage
	case q.Waybill != 0:
		text = eventsOfWaybill
	case q.State != "" && q.State != ledger.Applied:
		text = eventsInState
	case q.Source != "":
		text = eventsOfSource
	}
	es, err := collect(ctx, s, text, s.scanEvent, q.After, limit(q.Limit), q.Waybill, q.Source, string(q.State), q.ID)
	return es, reading(err, "events")
}

// EventsAfter implements ledger.Reader.
func (s *Store) EventsAfter(ctx context.Context, after int64, most int) ([]ledger.Event, error) {
	return s.Events(ctx, ledger.EventQuery{After: after, Limit: most})
}

// EventCounts implements ledger.Reader.
func (s *Store) EventCounts(ctx context.Context) (map[ledger.EventState]int, error) {
	counts, err := countBy(ctx, s, eventCounts, func(c *cells) ledger.EventState { return ledger.EventState(c.text()) })
	return counts, reading(err, "the counts of open events")
}

// countBy reads rows of a key and its count.
func countBy[K comparable](ctx context.Context, s *Store, text string, key func(*cells) K) (map[K]int, error) {
	type group struct {
		key K
		n   int
	}
	counts := map[K]int{}
	err := stream(ctx, s, text, func(c *cells) group { return group{key(c), int(c.num())} }, func(g group) error {
		counts[g.key] = g.n
		return nil
	})
	return counts, err
}

func (s *Store) scanEvent(c *cells) ledger.Event {
	e := ledger.Event{ID: c.num(), Shard: int(c.num())}
	zone := int(c.num())
	e.Seq, e.Waybill, e.Message, e.Version = c.num(), c.num(), c.num(), c.num()
	e.OccurredAt, e.RecordedAt = packed.InZone(c.moment(), zone), c.moment()
	e.Type, e.Source, e.Subject = waybill.EventType(c.text()), c.text(), c.text()
	e.State, e.Reason = ledger.EventState(c.text()), c.text()
	data, version, err := packed.UnpackData(c.next())
	if err == nil {
		e.Data = data
		if len(data) > 0 && version != s.formats.Version(e.Type) {
			e.Stored = data
			e.Data, err = s.formats.Current(e.Type, version, data)
		}
	}
	if err != nil && c.err == nil {
		c.err = err
	}
	e.Decision, e.Prev, e.Hash = c.blob(), c.hash(), c.hash()
	return e
}
