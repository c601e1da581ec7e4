-- Times are milliseconds since 1970 in UTC. Amounts are exact decimals as text, since SQLite's own numbers are not.

CREATE TABLE instance (
  number      INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT NOT NULL UNIQUE,
  short_name  TEXT NOT NULL,
  account_id  TEXT NOT NULL,
  is_default  INTEGER NOT NULL,
  created_ms  INTEGER NOT NULL,
  modified_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX instance_account ON instance (account_id);

CREATE TABLE line_item (
  number          INTEGER PRIMARY KEY AUTOINCREMENT,
  activation_id   TEXT NOT NULL UNIQUE,
  instance_id     TEXT NOT NULL REFERENCES instance (id),
  state           TEXT NOT NULL,
  quantity        INTEGER NOT NULL,
  start_ms        INTEGER NOT NULL,
  end_ms          INTEGER NOT NULL,
  elastic         INTEGER NOT NULL,
  series          TEXT NOT NULL,
  overdraft_type  TEXT NOT NULL,
  overdraft_limit INTEGER NOT NULL,
  priority        INTEGER NOT NULL,
  kind            TEXT NOT NULL,
  unit_price      TEXT NOT NULL,
  currency        TEXT NOT NULL,
  deleted         INTEGER NOT NULL
) STRICT;
CREATE INDEX line_item_instance ON line_item (instance_id);

-- What a charge changes, apart from line_item so that a commit touches few pages.
CREATE TABLE balance (
  line_item INTEGER PRIMARY KEY REFERENCES line_item (number),
  used      TEXT NOT NULL,
  charged   INTEGER NOT NULL -- whether there are events of it, be they of 0 tokens
) STRICT;

CREATE TABLE rate_table (
  serial            INTEGER PRIMARY KEY AUTOINCREMENT,
  series            TEXT NOT NULL,
  version           TEXT NOT NULL,
  effective_from_ms INTEGER NOT NULL,
  created_ms        INTEGER NOT NULL,
  items             BLOB NOT NULL, -- JSON: [{"name","version","rate"}]
  UNIQUE (series, version)
) STRICT;

CREATE TABLE key (
  role        TEXT NOT NULL,
  id          TEXT NOT NULL,
  public_pem  TEXT NOT NULL,
  created_ms  INTEGER NOT NULL,
  modified_ms INTEGER NOT NULL,
  PRIMARY KEY (role, id)
) STRICT;

CREATE TABLE configuration (
  name        TEXT PRIMARY KEY,
  value       TEXT NOT NULL,
  modified_ms INTEGER NOT NULL,
  updated_by  TEXT NOT NULL
) STRICT;

-- One row a commit: its receipts, one JSON document a line. Append only.
CREATE TABLE journal (
  number   INTEGER PRIMARY KEY,
  time_ms  INTEGER NOT NULL,
  codec    INTEGER NOT NULL, -- 0: as it is, 1: zstd
  receipts BLOB NOT NULL
) STRICT;
CREATE INDEX journal_time ON journal (time_ms);

-- The idempotency keys of a commit, if any: 16 bytes of hash and 2 of the receipt's place (big endian), repeated. Append only;
-- looked up in memory.
CREATE TABLE once (
  journal INTEGER PRIMARY KEY,
  time_ms INTEGER NOT NULL,
  keys    BLOB NOT NULL
) STRICT;

-- Answers to requests other than charges that came with an idempotency key.
CREATE TABLE answer (
  once_id     BLOB PRIMARY KEY,
  time_ms     INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,
  status      INTEGER NOT NULL,
  body        BLOB NOT NULL
) STRICT;
CREATE INDEX answer_time ON answer (time_ms);
