-- +goose Up

-- Ids are int64, made by the program and rising, so inserts meet the right
-- edge of every table. Times are unix microseconds; NULL is no time. Blobs
-- that may be large begin with a format byte: 0 raw, 1 s2. Tables that grow
-- without bound are plain rowid tables (WITHOUT ROWID writes several times the
-- bytes at these row sizes); small rows found by a key of their own are not.

CREATE TABLE setting (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The end of each shard's chain, and the fence: a batch writes only where it
-- finds the epoch that it acquired.
CREATE TABLE shard (
    shard INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    hash  BLOB    NOT NULL,
    batch INTEGER NOT NULL,
    owner TEXT    NOT NULL
);

WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1023)
INSERT INTO shard (shard, epoch, seq, hash, batch, owner)
SELECT i, 0, 0, zeroblob(32), 0, '' FROM n;

CREATE TABLE message (
    id          INTEGER PRIMARY KEY,
    source      TEXT    NOT NULL,
    dedupe      TEXT    NOT NULL,
    topic       TEXT    NOT NULL,
    status      TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    received    INTEGER,
    sha256      BLOB    NOT NULL,
    first_event INTEGER NOT NULL,
    events      INTEGER NOT NULL
);

-- dedupe comes first: it tells messages apart, and an id is also looked up
-- without its source.
CREATE UNIQUE INDEX message_dedupe ON message (dedupe, source) WHERE status <> 'rejected';

CREATE TABLE message_body (
    message INTEGER PRIMARY KEY,
    header  BLOB,
    body    BLOB
);

CREATE TABLE event (
    id          INTEGER PRIMARY KEY,
    shard       INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    waybill     INTEGER NOT NULL,
    message     INTEGER NOT NULL,
    type        TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    occurred    INTEGER,
    zone        INTEGER NOT NULL, -- of occurred, minutes east of UTC
    recorded    INTEGER,
    state       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    data        BLOB,
    decision    BLOB,
    prev        BLOB    NOT NULL,
    hash        BLOB    NOT NULL
);

CREATE INDEX event_waybill ON event (waybill);
CREATE INDEX event_source ON event (source);
-- Nearly every event is applied: the others are few, and found at once.
CREATE INDEX event_state ON event (state) WHERE state <> 'applied';

CREATE TABLE waybill (
    id       INTEGER PRIMARY KEY,
    shard    INTEGER NOT NULL,
    tag      INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    ref      TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    status   TEXT    NOT NULL,
    customer TEXT    NOT NULL,
    created  INTEGER,
    updated  INTEGER,
    state    BLOB
);

CREATE UNIQUE INDEX waybill_tag ON waybill (tag, kind, ref);
CREATE INDEX waybill_status ON waybill (status);

CREATE TABLE reference (
    value   TEXT    NOT NULL,
    system  TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    waybill INTEGER NOT NULL,
    PRIMARY KEY (value, system, kind, waybill)
) WITHOUT ROWID;

CREATE INDEX reference_waybill ON reference (waybill);

CREATE TABLE delivery (
    id       INTEGER PRIMARY KEY,
    waybill  INTEGER NOT NULL,
    shard    INTEGER NOT NULL,
    key      TEXT    NOT NULL,
    target   TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    decided  BLOB    NOT NULL, -- packed: what else was decided, never changed
    seq      INTEGER NOT NULL,
    state    TEXT    NOT NULL,
    next     TEXT    NOT NULL,
    due      INTEGER,
    progress BLOB    NOT NULL  -- packed: what else became of it
);

CREATE INDEX delivery_waybill ON delivery (waybill);
CREATE INDEX delivery_target ON delivery (target);
-- Nearly every delivery is done: the others are few, and found at once.
CREATE INDEX delivery_state ON delivery (state) WHERE state <> 'done';

CREATE TABLE delivery_body (
    delivery     INTEGER PRIMARY KEY,
    content_type TEXT    NOT NULL,
    body         BLOB
);

CREATE TABLE attempt (
    delivery INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    epoch    INTEGER NOT NULL,
    started  INTEGER,
    deadline INTEGER,
    ended    INTEGER,
    outcome  TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    PRIMARY KEY (delivery, number)
) WITHOUT ROWID;

CREATE TABLE timer (
    waybill INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    due     INTEGER,
    PRIMARY KEY (waybill, name)
) WITHOUT ROWID;

CREATE TABLE watch (
    entity  TEXT    NOT NULL,
    waybill INTEGER NOT NULL,
    PRIMARY KEY (entity, waybill)
) WITHOUT ROWID;

CREATE TABLE exception (
    id        INTEGER PRIMARY KEY,
    waybill   INTEGER NOT NULL,
    ref       TEXT    NOT NULL,
    cause     TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    detail    TEXT    NOT NULL,
    next      TEXT    NOT NULL,
    actions   TEXT    NOT NULL, -- JSON array
    amount    TEXT    NOT NULL, -- exact, as waybill.Decimal writes it
    currency  TEXT    NOT NULL,
    since     INTEGER,
    closed    INTEGER,
    state     TEXT    NOT NULL,
    closed_by TEXT    NOT NULL
);

CREATE UNIQUE INDEX exception_open ON exception (waybill, cause, subject) WHERE state = 'open';
CREATE INDEX exception_group ON exception (cause, since) WHERE state = 'open';
CREATE INDEX exception_waybill ON exception (waybill);
CREATE INDEX exception_state ON exception (state);
CREATE INDEX exception_cause ON exception (cause);

CREATE TABLE audit (
    seq         INTEGER PRIMARY KEY,
    at          INTEGER,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    object      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    before_json BLOB,
    after_json  BLOB,
    prev        BLOB NOT NULL,
    hash        BLOB NOT NULL
);
