-- Times are milliseconds since 1970 in UTC. Amounts are exact decimals as text, in the one form that package token gives them. Texts
-- compare by their bytes, as they do in Go. What is JSON is kept as bytes: what callers gave comes back as it was, "\u0000" too.

-- What this schema is, and when it changed last; one row.
CREATE TABLE farebox (
  one      boolean PRIMARY KEY DEFAULT true CHECK (one),
  schema   integer NOT NULL, -- files of this folder that were run
  settings uuid NOT NULL     -- another one whenever keys, configuration or rate tables have changed
);

CREATE TABLE instance (
  number      bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  id          text COLLATE "C" PRIMARY KEY,
  short_name  text COLLATE "C" NOT NULL,
  account_id  text COLLATE "C" NOT NULL,
  is_default  boolean NOT NULL,
  created_ms  bigint NOT NULL,
  modified_ms bigint NOT NULL
);
CREATE INDEX instance_account ON instance (account_id);

CREATE TABLE line_item (
  number            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  activation_id     text COLLATE "C" NOT NULL UNIQUE,
  instance_id       text COLLATE "C" NOT NULL,
  state             text COLLATE "C" NOT NULL,
  quantity          bigint NOT NULL,
  start_ms          bigint NOT NULL,
  end_ms            bigint NOT NULL,
  elastic           boolean NOT NULL,
  series            text COLLATE "C" NOT NULL,
  overdraft_type    text COLLATE "C" NOT NULL,
  overdraft_limit   bigint NOT NULL,
  priority          bigint NOT NULL,
  kind              text COLLATE "C" NOT NULL,
  unit_price        text COLLATE "C" NOT NULL,
  currency          text COLLATE "C" NOT NULL,
  recurs            text COLLATE "C" NOT NULL,
  actions           bytea, -- JSON, in order; NULL: none
  consumption_limit bytea, -- JSON; NULL: none
  deleted           boolean NOT NULL
);
CREATE INDEX line_item_instance ON line_item (instance_id);
CREATE INDEX line_item_end ON line_item (end_ms, number) WHERE NOT deleted;

-- What a charge changes, apart from line_item so that a commit writes little. Room in its pages lets most versions of a row stay in theirs.
CREATE TABLE balance (
  line_item bigint PRIMARY KEY,
  used      text COLLATE "C" NOT NULL,
  reset_ms  bigint NOT NULL DEFAULT 0,
  charged   boolean NOT NULL -- whether there are events of it, be they of 0 tokens
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- What was used of the allocations of actions.
CREATE TABLE allocation (
  line_item bigint NOT NULL,
  action_id text COLLATE "C" NOT NULL,
  used      text COLLATE "C" NOT NULL,
  PRIMARY KEY (line_item, action_id)
) WITH (fillfactor = 50);

-- Names of requesters are bytes: they are the callers' own, and texts cannot have all of them.

-- What single requesters consumed from line items with a limit, in the limit's period that began at since_ms.
CREATE TABLE consumed (
  instance_id     text COLLATE "C" NOT NULL,
  requester_type  bytea NOT NULL,
  requester_value bytea NOT NULL,
  line_item       bigint NOT NULL,
  since_ms        bigint NOT NULL, -- when the period began
  tokens          text COLLATE "C" NOT NULL,
  PRIMARY KEY (instance_id, requester_type, requester_value, line_item, since_ms)
) WITH (fillfactor = 70);
CREATE INDEX consumed_line_item ON consumed (line_item, since_ms, requester_type, requester_value);

-- Charges that cover their requester's use of an item until a time.
CREATE TABLE cover (
  instance_id     text COLLATE "C" NOT NULL,
  requester_type  bytea NOT NULL,
  requester_value bytea NOT NULL,
  item            text COLLATE "C" NOT NULL,
  version         text COLLATE "C" NOT NULL,
  count           text COLLATE "C" NOT NULL,
  until_ms        bigint NOT NULL,
  line_item       bigint NOT NULL,
  PRIMARY KEY (instance_id, requester_type, requester_value, item, version)
);
CREATE INDEX cover_until ON cover (until_ms);

CREATE TABLE condition (
  instance_id text COLLATE "C" NOT NULL,
  position    integer NOT NULL,
  body        bytea NOT NULL, -- JSON
  PRIMARY KEY (instance_id, position)
);

CREATE TABLE rate_table (
  serial            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  series            text COLLATE "C" NOT NULL,
  version           text COLLATE "C" NOT NULL,
  effective_from_ms bigint NOT NULL,
  created_ms        bigint NOT NULL,
  items             bytea NOT NULL, -- JSON
  UNIQUE (series, version)
);

CREATE TABLE key (
  role        text COLLATE "C" NOT NULL,
  id          text COLLATE "C" NOT NULL,
  public_pem  text COLLATE "C" NOT NULL,
  created_ms  bigint NOT NULL,
  modified_ms bigint NOT NULL,
  PRIMARY KEY (role, id)
);

CREATE TABLE configuration (
  name        text COLLATE "C" PRIMARY KEY,
  value       text COLLATE "C" NOT NULL,
  modified_ms bigint NOT NULL,
  updated_by  text COLLATE "C" NOT NULL
);

-- One row a commit: its receipts, one JSON document a line. Append only, numbered in the order in which commits become visible.
CREATE TABLE journal (
  number   bigint PRIMARY KEY,
  batch    uuid NOT NULL UNIQUE, -- by which a server finds out whether a commit was made whose answer was lost
  from_ms  bigint NOT NULL,      -- the earliest time of the receipts
  time_ms  bigint NOT NULL,      -- when the latest was written down
  codec    integer NOT NULL,     -- 0: as it is, 1: zstd
  receipts bytea NOT NULL
);
ALTER TABLE journal ALTER COLUMN receipts SET STORAGE EXTERNAL; -- it is compressed already
CREATE INDEX journal_time ON journal (time_ms);

-- What refunds by an administrator gave back of earlier charges, until the receipts of both are removed.
CREATE TABLE given (
  charge text COLLATE "C" NOT NULL, -- the correlation id of the receipt that charged
  number integer NOT NULL,          -- of the refunds of that charge, from 1
  refund text COLLATE "C" NOT NULL, -- the correlation id of the refund's receipt
  batch  uuid NOT NULL,             -- in whose row of the journal that is
  body   bytea NOT NULL,            -- JSON: how much of what, and why
  PRIMARY KEY (charge, number)
);
CREATE INDEX given_batch ON given (batch);

-- The idempotency keys of receipts: by the batch in whose row the receipt is, and its place there.
CREATE TABLE once (
  id      uuid PRIMARY KEY, -- 16 bytes of a hash
  batch   uuid NOT NULL,
  place   integer NOT NULL,
  time_ms bigint NOT NULL
);
CREATE INDEX once_time ON once USING brin (time_ms);

-- Answers to requests other than charges that came with an idempotency key.
CREATE TABLE answer (
  once_id     uuid PRIMARY KEY,
  time_ms     bigint NOT NULL,
  fingerprint bytea NOT NULL,
  status      integer NOT NULL,
  body        bytea NOT NULL
);
CREATE INDEX answer_time ON answer (time_ms);

-- Changes that were made lately, by which a server finds out whether one was made whose answer was lost.
CREATE TABLE change (
  id uuid PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now()
);

-- Sessions. Due is when something is next to be done about one that is live.
CREATE TABLE session (
  number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id          text COLLATE "C" NOT NULL UNIQUE,
  instance_id text COLLATE "C" NOT NULL,
  live        boolean NOT NULL, -- has not ended
  due_ms      bigint,           -- NULL once it has ended
  body        bytea NOT NULL    -- JSON: the rest
) WITH (fillfactor = 70);
CREATE INDEX session_due ON session (due_ms, number) WHERE due_ms IS NOT NULL;
CREATE INDEX session_live ON session (instance_id, number) WHERE live;

-- Holds. A row stays after its hold has ended or lapsed, for settlements that come late.
CREATE TABLE hold (
  number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id          text COLLATE "C" NOT NULL UNIQUE,
  instance_id text COLLATE "C" NOT NULL,
  live        boolean NOT NULL, -- was neither settled for good nor released; whether it has lapsed follows from until_ms
  until_ms    bigint NOT NULL,
  promise     bytea NOT NULL, -- JSON: what never changes
  holding     bytea NOT NULL  -- JSON: how it stands
) WITH (fillfactor = 70);
CREATE INDEX hold_live ON hold (instance_id, until_ms) WHERE live;
CREATE INDEX hold_until ON hold (until_ms);

-- How time passes; one row, written when the database is first served.
CREATE TABLE clock (
  one    boolean PRIMARY KEY DEFAULT true CHECK (one),
  test   boolean NOT NULL,
  now_ms bigint NOT NULL -- of a test clock
);

CREATE TABLE pack (
  name        text COLLATE "C" PRIMARY KEY,
  created_ms  bigint NOT NULL,
  modified_ms bigint NOT NULL,
  body        bytea NOT NULL -- JSON
);

-- Every order sells once.
CREATE TABLE sale (
  order_number  text COLLATE "C" PRIMARY KEY,
  instance_id   text COLLATE "C" NOT NULL,
  pack          text COLLATE "C" NOT NULL,
  activation_id text COLLATE "C" NOT NULL,
  time_ms       bigint NOT NULL,
  body          bytea NOT NULL -- JSON: what was asked for
);

-- How line items were told to be, and when, with the use and the place among the commits that it came at. Append only.
CREATE TABLE line_item_change (
  number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  line_item       bigint NOT NULL, -- its number; it may be gone
  time_ms         bigint NOT NULL,
  activation_id   text COLLATE "C" NOT NULL,
  instance_id     text COLLATE "C" NOT NULL,
  state           text COLLATE "C" NOT NULL,
  quantity        bigint NOT NULL,
  start_ms        bigint NOT NULL,
  end_ms          bigint NOT NULL,
  elastic         boolean NOT NULL,
  series          text COLLATE "C" NOT NULL,
  overdraft_type  text COLLATE "C" NOT NULL,
  overdraft_limit bigint NOT NULL,
  priority        bigint NOT NULL,
  kind            text COLLATE "C" NOT NULL,
  unit_price      text COLLATE "C" NOT NULL,
  currency        text COLLATE "C" NOT NULL,
  recurs          text COLLATE "C" NOT NULL,
  deleted         boolean NOT NULL,
  after_journal   bigint NOT NULL,
  used            text COLLATE "C" NOT NULL,
  reset_ms        bigint NOT NULL
);
CREATE INDEX line_item_change_instance ON line_item_change (instance_id);
CREATE INDEX line_item_change_line_item ON line_item_change (line_item, number);

-- Who reads the journal at their own pace, and how far they have come.
CREATE TABLE follower (
  name    text COLLATE "C" PRIMARY KEY,
  journal bigint NOT NULL, -- where to go on from: row, receipt, event
  receipt bigint NOT NULL,
  event   bigint NOT NULL,
  body    bytea NOT NULL
);

-- What the oldest receipts came to before they were removed from the journal; no row: none ever was.
CREATE TABLE removed (
  one         boolean PRIMARY KEY DEFAULT true CHECK (one),
  journal     bigint NOT NULL, -- the last row that was removed ...
  receipt     bigint NOT NULL, -- ... and how many receipts it had
  earliest_ms bigint NOT NULL,
  opening     bytea NOT NULL   -- the engine's, zstd
);

-- Usage events as columns, some thousands a bucket: what usage is added up from. Made from the journal, and can be made again.
CREATE TABLE bucket (
  number  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  journal bigint NOT NULL, -- the first receipt in it: row, and receipt in that
  receipt bigint NOT NULL,
  from_ms bigint NOT NULL, -- of the earliest event
  last_ms bigint NOT NULL, -- of the latest
  header  bytea NOT NULL   -- JSON
);
CREATE TABLE bucket_column (
  bucket bigint NOT NULL,
  name   text COLLATE "C" NOT NULL,
  data   bytea NOT NULL,
  PRIMARY KEY (bucket, name)
);

CREATE TABLE alert (
  name        text COLLATE "C" PRIMARY KEY,
  created_ms  bigint NOT NULL,
  modified_ms bigint NOT NULL,
  body        bytea NOT NULL -- JSON
);

-- What alerts remember of line items, requesters and instances; of most there is nothing.
CREATE TABLE alert_state (
  subject text COLLATE "C" NOT NULL,
  alert   text COLLATE "C" NOT NULL,
  due_ms  bigint, -- NULL: time changes nothing
  body    bytea NOT NULL, -- JSON
  PRIMARY KEY (subject, alert)
);
CREATE INDEX alert_state_due ON alert_state (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX alert_state_alert ON alert_state (alert);

-- The log of alerts that fired or were over. Append only.
CREATE TABLE alert_fired (
  number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id          text COLLATE "C" NOT NULL UNIQUE,
  account_id  text COLLATE "C" NOT NULL,
  instance_id text COLLATE "C" NOT NULL,
  time_ms     bigint NOT NULL,
  body        bytea NOT NULL -- JSON
);
CREATE INDEX alert_fired_account ON alert_fired (account_id, number);
CREATE INDEX alert_fired_instance ON alert_fired (instance_id, number);

CREATE TABLE webhook (
  number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id          text COLLATE "C" NOT NULL UNIQUE,
  created_ms  bigint NOT NULL,
  modified_ms bigint NOT NULL,
  body        bytea NOT NULL -- JSON, with the secret that signs
);

-- What is due for a webhook is found by index, however much was sent or waits for another.
CREATE TABLE delivery (
  number     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id         text COLLATE "C" NOT NULL UNIQUE,
  webhook_id text COLLATE "C" NOT NULL,
  created_ms bigint NOT NULL,
  due_ms     bigint, -- NULL once it was delivered or given up
  body       bytea NOT NULL -- JSON
);
CREATE INDEX delivery_webhook ON delivery (webhook_id, number);
CREATE INDEX delivery_due ON delivery (webhook_id, due_ms, number) WHERE due_ms IS NOT NULL;
CREATE INDEX delivery_created ON delivery (created_ms) WHERE due_ms IS NULL;

CREATE TABLE delivery_attempt (
  number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  delivery_id text COLLATE "C" NOT NULL,
  time_ms     bigint NOT NULL,
  body        bytea NOT NULL -- JSON
);
CREATE INDEX delivery_attempt_delivery ON delivery_attempt (delivery_id, number);

-- Undoes a transaction in which a statement has not changed as many rows as it should have, without a question in between.
CREATE FUNCTION must_be(got bigint, want bigint, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF got <> want THEN
    RAISE EXCEPTION '% of % % are there', got, want, what;
  END IF;
END $$;
