-- +goose Up

-- What systems call things: one canonical id for a reference from a day on. It
-- belongs to no waybill: like the audit log it is all in shard 0.
CREATE TABLE mapping (
    id         INT8 NOT NULL,
    shard      INT2 NOT NULL DEFAULT 0,
    company    TEXT COLLATE "C" NOT NULL,
    system     TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    scope      TEXT COLLATE "C" NOT NULL,
    value      TEXT COLLATE "C" NOT NULL,
    valid_from TEXT COLLATE "C" NOT NULL, -- YYYY-MM-DD; empty: always
    canonical  TEXT COLLATE "C" NOT NULL,
    multiplier TEXT NOT NULL, -- exact, as waybill.Decimal writes it
    unit       TEXT NOT NULL,
    actor      TEXT NOT NULL,
    at         INT8,
    PRIMARY KEY (id, shard)
);

CREATE UNIQUE INDEX mapping_reference ON mapping (value, kind, system, company, scope, valid_from, shard);
CREATE INDEX mapping_canonical ON mapping (canonical, id);
CREATE INDEX mapping_system ON mapping (system, id);
CREATE INDEX mapping_kind ON mapping (kind, id);
