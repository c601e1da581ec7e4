-- Sessions. Due is when something is next to be done about one that is live: what is due, and what is live, is found by
-- index, however many sessions there are. The two indexes have nothing in common, so that a session that goes on touches one.
CREATE TABLE session (
  number      INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT NOT NULL UNIQUE,
  instance_id TEXT NOT NULL REFERENCES instance (id),
  live        INTEGER NOT NULL, -- has not ended
  due_ms      INTEGER,          -- NULL once it has ended
  body        BLOB NOT NULL     -- JSON: the rest
) STRICT;
CREATE INDEX session_due ON session (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX session_live ON session (instance_id, number) WHERE live;

-- Charges that cover their requester's use of an item until a time.
CREATE TABLE cover (
  instance_id     TEXT NOT NULL REFERENCES instance (id),
  requester_type  TEXT NOT NULL,
  requester_value TEXT NOT NULL,
  item            TEXT NOT NULL,
  version         TEXT NOT NULL,
  count           TEXT NOT NULL,
  until_ms        INTEGER NOT NULL,
  line_item       INTEGER NOT NULL REFERENCES line_item (number),
  PRIMARY KEY (instance_id, requester_type, requester_value, item, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX cover_until ON cover (until_ms);

-- How time passes; one row, written when the database is first served.
CREATE TABLE clock (
  only   INTEGER PRIMARY KEY CHECK (only = 1),
  test   INTEGER NOT NULL,
  now_ms INTEGER NOT NULL -- of a test clock
) STRICT;

-- What was due may be written down late: the earliest time of a row's receipts. 0: not known, of older rows, where it is time_ms.
ALTER TABLE journal ADD COLUMN from_ms INTEGER NOT NULL DEFAULT 0;

-- Who has instances was served before, in the time of the world.
INSERT INTO clock SELECT 1, 0, 0 WHERE EXISTS (SELECT 1 FROM instance);
