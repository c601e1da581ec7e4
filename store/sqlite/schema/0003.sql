-- Rules of access, consumption limits, recurring line items, packs.
ALTER TABLE line_item ADD COLUMN recurs TEXT NOT NULL DEFAULT '';
ALTER TABLE line_item ADD COLUMN actions BLOB;           -- JSON, in order; NULL: none
ALTER TABLE line_item ADD COLUMN consumption_limit BLOB; -- JSON; NULL: none
ALTER TABLE balance ADD COLUMN reset_ms INTEGER NOT NULL DEFAULT 0;

-- What was used of the allocations of actions.
CREATE TABLE allocation (
  line_item INTEGER NOT NULL REFERENCES line_item (number),
  action_id TEXT NOT NULL,
  used      TEXT NOT NULL,
  PRIMARY KEY (line_item, action_id)
) STRICT, WITHOUT ROWID;

-- What single requesters consumed from line items with a limit, in the limit's period that began at since_ms.
CREATE TABLE consumed (
  instance_id     TEXT NOT NULL REFERENCES instance (id),
  requester_type  TEXT NOT NULL,
  requester_value TEXT NOT NULL,
  line_item       INTEGER NOT NULL REFERENCES line_item (number),
  tokens          TEXT NOT NULL,
  since_ms        INTEGER NOT NULL,
  PRIMARY KEY (instance_id, requester_type, requester_value, line_item)
) STRICT, WITHOUT ROWID;
CREATE INDEX consumed_line_item ON consumed (line_item, requester_type, requester_value);

CREATE TABLE condition (
  instance_id TEXT NOT NULL REFERENCES instance (id),
  position    INTEGER NOT NULL,
  body        BLOB NOT NULL, -- JSON
  PRIMARY KEY (instance_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE pack (
  name        TEXT PRIMARY KEY,
  created_ms  INTEGER NOT NULL,
  modified_ms INTEGER NOT NULL,
  body        BLOB NOT NULL -- JSON
) STRICT;

-- Every order sells once.
CREATE TABLE sale (
  order_number  TEXT PRIMARY KEY,
  instance_id   TEXT NOT NULL REFERENCES instance (id),
  pack          TEXT NOT NULL,
  activation_id TEXT NOT NULL,
  time_ms       INTEGER NOT NULL,
  body          BLOB NOT NULL -- JSON: what was asked for
) STRICT;
