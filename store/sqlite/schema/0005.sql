-- Consumption of every period of a limit by itself, as long as something can still be charged as of then.
CREATE TABLE consumed_since (
  instance_id     TEXT NOT NULL REFERENCES instance (id),
  requester_type  TEXT NOT NULL,
  requester_value TEXT NOT NULL,
  line_item       INTEGER NOT NULL REFERENCES line_item (number),
  since_ms        INTEGER NOT NULL, -- when the period began
  tokens          TEXT NOT NULL,
  PRIMARY KEY (instance_id, requester_type, requester_value, line_item, since_ms)
) STRICT, WITHOUT ROWID;
INSERT INTO consumed_since SELECT instance_id, requester_type, requester_value, line_item, since_ms, tokens FROM consumed;
DROP TABLE consumed;
ALTER TABLE consumed_since RENAME TO consumed;
CREATE INDEX consumed_line_item ON consumed (line_item, since_ms, requester_type, requester_value);
