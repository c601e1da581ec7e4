-- Alerts and webhooks.

-- Changes of line items have their place among the commits, and the use they came at.
ALTER TABLE line_item_change ADD COLUMN after_journal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE line_item_change ADD COLUMN used TEXT NOT NULL DEFAULT '0';
ALTER TABLE line_item_change ADD COLUMN reset_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX line_item_change_line_item ON line_item_change (line_item, number);
CREATE INDEX line_item_end ON line_item (end_ms, number) WHERE NOT deleted;

CREATE TABLE alert (
  name        TEXT PRIMARY KEY,
  created_ms  INTEGER NOT NULL,
  modified_ms INTEGER NOT NULL,
  body        BLOB NOT NULL -- JSON
) STRICT;

-- What alerts remember of line items, requesters and instances; of most there is nothing.
CREATE TABLE alert_state (
  subject TEXT NOT NULL,
  alert   TEXT NOT NULL,
  due_ms  INTEGER, -- NULL: time changes nothing
  body    BLOB NOT NULL, -- JSON
  PRIMARY KEY (subject, alert)
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_state_due ON alert_state (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX alert_state_alert ON alert_state (alert);

-- The log of alerts that fired or were over. Append only.
CREATE TABLE alert_fired (
  number      INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT NOT NULL UNIQUE,
  account_id  TEXT NOT NULL,
  instance_id TEXT NOT NULL,
  time_ms     INTEGER NOT NULL,
  body        BLOB NOT NULL -- JSON
) STRICT;
CREATE INDEX alert_fired_account ON alert_fired (account_id, number);
CREATE INDEX alert_fired_instance ON alert_fired (instance_id, number);

CREATE TABLE webhook (
  number      INTEGER PRIMARY KEY AUTOINCREMENT,
  id          TEXT NOT NULL UNIQUE,
  created_ms  INTEGER NOT NULL,
  modified_ms INTEGER NOT NULL,
  body        BLOB NOT NULL -- JSON, with the secret that signs
) STRICT;

-- What is due for a webhook is found by index, however much was sent or waits for another.
CREATE TABLE delivery (
  number     INTEGER PRIMARY KEY AUTOINCREMENT,
  id         TEXT NOT NULL UNIQUE,
  webhook_id TEXT NOT NULL,
  created_ms INTEGER NOT NULL,
  due_ms     INTEGER, -- NULL once it was delivered or given up
  body       BLOB NOT NULL -- JSON
) STRICT;
CREATE INDEX delivery_webhook ON delivery (webhook_id, number);
CREATE INDEX delivery_due ON delivery (webhook_id, due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX delivery_created ON delivery (created_ms) WHERE due_ms IS NULL;

CREATE TABLE delivery_attempt (
  number      INTEGER PRIMARY KEY AUTOINCREMENT,
  delivery_id TEXT NOT NULL,
  time_ms     INTEGER NOT NULL,
  body        BLOB NOT NULL -- JSON
) STRICT;
CREATE INDEX delivery_attempt_delivery ON delivery_attempt (delivery_id, number);
