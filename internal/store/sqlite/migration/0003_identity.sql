-- +goose Up

-- What systems call things: one canonical id for a reference from a day on.
CREATE TABLE mapping (
    id         INTEGER PRIMARY KEY,
    company    TEXT NOT NULL,
    system     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    scope      TEXT NOT NULL,
    value      TEXT NOT NULL,
    valid_from TEXT NOT NULL, -- YYYY-MM-DD; empty: always
    canonical  TEXT NOT NULL,
    multiplier TEXT NOT NULL, -- exact, as waybill.Decimal writes it
    unit       TEXT NOT NULL,
    actor      TEXT NOT NULL,
    at         INTEGER,
    UNIQUE (value, kind, system, company, scope, valid_from)
);

CREATE INDEX mapping_canonical ON mapping (canonical, id);
CREATE INDEX mapping_system ON mapping (system, id);
CREATE INDEX mapping_kind ON mapping (kind, id);
