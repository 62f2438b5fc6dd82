-- +goose Up

-- The tables of the embedded database, in PostgreSQL's terms. Ids are int8,
-- made by the program and rising; times are unix microseconds, NULL is no time;
-- blobs and packed rows begin with a format byte.
--
-- Every table that grows has the shard in its key, so that an engine which
-- speaks PostgreSQL can spread it over machines. The shard stands last: ids rise,
-- so inserts meet the right edge of one index, and the same index serves those
-- who know the shard and those who don't. Rows of a waybill have its shard; a
-- message has one by its dedupe id, a reference by its value, a watch by its
-- entity: that is how they are looked for.
--
-- Text sorts by its bytes, as in the embedded database.

CREATE TABLE setting (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value TEXT NOT NULL
);

-- Each open store, with the number of its last batch: after a connection was
-- lost during a commit, the number says what became of it.
CREATE TABLE writer (
    id    INT8 PRIMARY KEY,
    name  TEXT NOT NULL,
    batch INT8 NOT NULL,
    at    TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

-- Replicas and how long what they own is theirs, by this database's clock.
CREATE TABLE replica (
    name    TEXT COLLATE "C" PRIMARY KEY,
    expires TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

-- The end of each shard's chain, and the fence: a batch writes only where it
-- finds the epoch that it acquired.
CREATE TABLE shard (
    shard INT2  PRIMARY KEY,
    epoch INT8  NOT NULL,
    seq   INT8  NOT NULL,
    hash  BYTEA NOT NULL,
    batch INT8  NOT NULL,
    owner TEXT  COLLATE "C" NOT NULL
) WITH (fillfactor = 20); -- rewritten by nearly every batch, in its page

INSERT INTO shard (shard, epoch, seq, hash, batch, owner)
SELECT i, 0, 0, decode(repeat('00', 32), 'hex'), 0, '' FROM generate_series(0, 1023) AS i;

CREATE TABLE message (
    id          INT8  NOT NULL,
    shard       INT2  NOT NULL,
    source      TEXT  COLLATE "C" NOT NULL,
    dedupe      TEXT  COLLATE "C" NOT NULL,
    topic       TEXT  NOT NULL,
    status      TEXT  COLLATE "C" NOT NULL,
    reason      TEXT  NOT NULL,
    received    INT8,
    sha256      BYTEA NOT NULL,
    first_event INT8  NOT NULL,
    events      INT8  NOT NULL,
    header      BYTEA,
    body        BYTEA,
    PRIMARY KEY (id, shard)
);

-- Bodies are compressed already, where that helps.
ALTER TABLE message ALTER header SET STORAGE EXTERNAL, ALTER body SET STORAGE EXTERNAL;
ALTER TABLE message SET (toast_tuple_target = 8160);

CREATE UNIQUE INDEX message_dedupe ON message (dedupe, source, shard) WHERE status <> 'rejected';

CREATE TABLE event (
    id       INT8  NOT NULL,
    shard    INT2  NOT NULL,
    zone     INT2  NOT NULL, -- of occurred, minutes east of UTC
    seq      INT8  NOT NULL,
    waybill  INT8  NOT NULL,
    message  INT8  NOT NULL,
    version  INT8  NOT NULL,
    occurred INT8,
    recorded INT8,
    type     TEXT  NOT NULL,
    source   TEXT  COLLATE "C" NOT NULL,
    subject  TEXT  NOT NULL,
    state    TEXT  COLLATE "C" NOT NULL,
    reason   TEXT  NOT NULL,
    data     BYTEA,
    decision BYTEA,
    prev     BYTEA NOT NULL,
    hash     BYTEA NOT NULL,
    PRIMARY KEY (id, shard)
);

ALTER TABLE event ALTER data SET STORAGE EXTERNAL, ALTER decision SET STORAGE EXTERNAL;
ALTER TABLE event SET (toast_tuple_target = 8160);

CREATE INDEX event_waybill ON event (waybill, id);
CREATE INDEX event_source ON event (source, id);
-- Nearly every event is applied: the others are few, and found at once.
CREATE INDEX event_state ON event (state, id) WHERE state <> 'applied';

CREATE TABLE waybill (
    id       INT8 NOT NULL,
    shard    INT2 NOT NULL,
    tag      INT8 NOT NULL,
    version  INT8 NOT NULL,
    created  INT8,
    updated  INT8,
    kind     TEXT COLLATE "C" NOT NULL,
    ref      TEXT COLLATE "C" NOT NULL,
    status   TEXT COLLATE "C" NOT NULL,
    customer TEXT NOT NULL,
    state    BYTEA,
    PRIMARY KEY (id, shard)
) WITH (fillfactor = 70);

ALTER TABLE waybill ALTER state SET STORAGE EXTERNAL;
ALTER TABLE waybill SET (toast_tuple_target = 8160);

CREATE UNIQUE INDEX waybill_tag ON waybill (tag, kind, ref, shard);
CREATE INDEX waybill_status ON waybill (status, id);

CREATE TABLE reference (
    value   TEXT COLLATE "C" NOT NULL,
    system  TEXT COLLATE "C" NOT NULL,
    kind    TEXT COLLATE "C" NOT NULL,
    waybill INT8 NOT NULL,
    shard   INT2 NOT NULL,
    PRIMARY KEY (value, system, kind, waybill, shard)
);

CREATE INDEX reference_waybill ON reference (waybill);

CREATE TABLE past (
    waybill INT8 NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    shard   INT2 NOT NULL,
    data    BYTEA NOT NULL,
    PRIMARY KEY (waybill, name, shard)
);

CREATE TABLE delivery (
    id       INT8  NOT NULL,
    shard    INT2  NOT NULL,
    waybill  INT8  NOT NULL,
    seq      INT8  NOT NULL,
    due      INT8,
    key      TEXT  NOT NULL,
    target   TEXT  COLLATE "C" NOT NULL,
    kind     TEXT  NOT NULL,
    state    TEXT  COLLATE "C" NOT NULL,
    next     TEXT  NOT NULL,
    decided  BYTEA NOT NULL, -- packed: what else was decided, never changed
    progress BYTEA NOT NULL, -- packed: what else became of it
    PRIMARY KEY (id, shard)
) WITH (fillfactor = 80);

CREATE INDEX delivery_waybill ON delivery (waybill, id);
CREATE INDEX delivery_target ON delivery (target, id);
-- Nearly every delivery is done: the others are few, and found at once.
CREATE INDEX delivery_state ON delivery (state, id) WHERE state <> 'done';
CREATE INDEX delivery_item ON delivery (waybill, id)
WHERE kind = 'inventory_adjustment' AND state NOT IN ('done', 'skipped')
    OR kind = 'inventory_availability' AND state NOT IN ('done', 'skipped', 'cancelled');

CREATE TABLE delivery_body (
    delivery     INT8 NOT NULL,
    shard        INT2 NOT NULL,
    content_type TEXT NOT NULL,
    body         BYTEA,
    PRIMARY KEY (delivery, shard)
);

ALTER TABLE delivery_body ALTER body SET STORAGE EXTERNAL;
ALTER TABLE delivery_body SET (toast_tuple_target = 8160);

CREATE TABLE attempt (
    delivery INT8 NOT NULL,
    number   INT8 NOT NULL,
    shard    INT2 NOT NULL,
    epoch    INT8 NOT NULL,
    started  INT8,
    deadline INT8,
    ended    INT8,
    outcome  TEXT NOT NULL,
    detail   TEXT NOT NULL,
    PRIMARY KEY (delivery, number, shard)
);

CREATE TABLE timer (
    waybill INT8 NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    shard   INT2 NOT NULL,
    due     INT8,
    PRIMARY KEY (waybill, name, shard)
);

CREATE TABLE watch (
    entity  TEXT COLLATE "C" NOT NULL,
    waybill INT8 NOT NULL,
    shard   INT2 NOT NULL,
    PRIMARY KEY (entity, waybill, shard)
);

CREATE TABLE exception (
    id        INT8 NOT NULL,
    shard     INT2 NOT NULL,
    waybill   INT8 NOT NULL,
    since     INT8,
    closed    INT8,
    ref       TEXT NOT NULL,
    cause     TEXT COLLATE "C" NOT NULL,
    subject   TEXT COLLATE "C" NOT NULL,
    detail    TEXT NOT NULL,
    next      TEXT NOT NULL,
    actions   TEXT NOT NULL, -- JSON array
    amount    TEXT NOT NULL, -- exact, as waybill.Decimal writes it
    currency  TEXT NOT NULL,
    state     TEXT COLLATE "C" NOT NULL,
    closed_by TEXT NOT NULL,
    PRIMARY KEY (id, shard)
);

CREATE UNIQUE INDEX exception_open ON exception (waybill, cause, subject, shard) WHERE state = 'open';
CREATE INDEX exception_group ON exception (cause, since) WHERE state = 'open';
CREATE INDEX exception_waybill ON exception (waybill, id);
CREATE INDEX exception_state ON exception (state, id);
CREATE INDEX exception_cause ON exception (cause, id);

-- One chain, so one shard.
CREATE TABLE audit (
    seq         INT8  NOT NULL,
    shard       INT2  NOT NULL DEFAULT 0,
    at          INT8,
    actor       TEXT  NOT NULL,
    action      TEXT  NOT NULL,
    object      TEXT  NOT NULL,
    reason      TEXT  NOT NULL,
    before_json BYTEA,
    after_json  BYTEA,
    prev        BYTEA NOT NULL,
    hash        BYTEA NOT NULL,
    PRIMARY KEY (seq, shard)
);
