-- Holds. A row stays after its hold has ended or lapsed, for settlements that come late.
CREATE TABLE hold (
  number      INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT NOT NULL UNIQUE,
  instance_id TEXT NOT NULL,
  live        INTEGER NOT NULL, -- was neither settled for good nor released; whether it has lapsed follows from until_ms
  until_ms    INTEGER NOT NULL,
  promise     BLOB NOT NULL, -- JSON: what never changes
  holding     BLOB NOT NULL  -- JSON: how it stands
) STRICT;
CREATE INDEX hold_live ON hold (instance_id, until_ms) WHERE live;
CREATE INDEX hold_until ON hold (until_ms);
