-- +goose Up

-- What a replica hands to the owner of a shard, until it is done.
CREATE TABLE task (
    id    INT8  NOT NULL,
    shard INT2  NOT NULL,
    kind  TEXT  NOT NULL,
    data  BYTEA NOT NULL,
    PRIMARY KEY (id, shard)
);

-- What the owner answered, until the replica that waits for it has read it.
CREATE TABLE answer (
    task INT8 PRIMARY KEY,
    text TEXT NOT NULL,
    at   TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Ids in a shard's chain rise. An event that comes to it from another replica
-- after it went past the event's id gets a new one; the sender was told the old.
CREATE TABLE event_alias (
    id    INT8 NOT NULL,
    event INT8 NOT NULL,
    shard INT2 NOT NULL,
    PRIMARY KEY (id, shard)
);
