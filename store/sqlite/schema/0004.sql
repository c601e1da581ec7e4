-- How line items were told to be, and when: what a charge does not need and a statement does. Append only.
CREATE TABLE line_item_change (
  number        INTEGER PRIMARY KEY,
  line_item     INTEGER NOT NULL, -- its number; it may be gone
  time_ms       INTEGER NOT NULL,
  activation_id TEXT NOT NULL,
  instance_id   TEXT NOT NULL,
  state         TEXT NOT NULL,
  quantity      INTEGER NOT NULL,
  start_ms      INTEGER NOT NULL,
  end_ms        INTEGER NOT NULL,
  elastic       INTEGER NOT NULL,
  series        TEXT NOT NULL,
  overdraft_type  TEXT NOT NULL,
  overdraft_limit INTEGER NOT NULL,
  priority      INTEGER NOT NULL,
  kind          TEXT NOT NULL,
  unit_price    TEXT NOT NULL,
  currency      TEXT NOT NULL,
  recurs        TEXT NOT NULL,
  deleted       INTEGER NOT NULL
) STRICT;
CREATE INDEX line_item_change_instance ON line_item_change (instance_id);

-- Of line items from before, nothing is known but how they are; they are taken to have been so since they were usable.
INSERT INTO line_item_change (line_item, time_ms, activation_id, instance_id, state, quantity, start_ms, end_ms, elastic, series,
  overdraft_type, overdraft_limit, priority, kind, unit_price, currency, recurs, deleted)
SELECT number, start_ms, activation_id, instance_id, state, quantity, start_ms, end_ms, elastic, series,
  overdraft_type, overdraft_limit, priority, kind, unit_price, currency, recurs, deleted FROM line_item ORDER BY start_ms, number;

-- Who reads the journal at their own pace, and how far they have come.
CREATE TABLE follower (
  name    TEXT PRIMARY KEY,
  journal INTEGER NOT NULL, -- where to go on from: row, receipt, event
  receipt INTEGER NOT NULL,
  event   INTEGER NOT NULL,
  body    BLOB NOT NULL
) STRICT;
