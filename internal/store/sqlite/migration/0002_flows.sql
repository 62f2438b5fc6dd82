-- +goose Up

-- What flows without an end have let go of: an item is adjusted for years, and
-- its state holds what is open. By its name a late repetition is recognised.
CREATE TABLE past (
    waybill INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    data    BLOB    NOT NULL,
    PRIMARY KEY (waybill, name)
) WITHOUT ROWID;

-- An item's deliveries of years are done; those on their way are few, and found
-- at once. So are adjustments that were withdrawn: they may be wanted again.
CREATE INDEX delivery_item ON delivery (waybill)
WHERE kind = 'inventory_adjustment' AND state NOT IN ('done', 'skipped')
    OR kind = 'inventory_availability' AND state NOT IN ('done', 'skipped', 'cancelled');
