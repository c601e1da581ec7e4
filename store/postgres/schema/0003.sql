-- Automatic top-ups, one a line item: what is asked for, and what came of it.
CREATE TABLE auto_top_up (
  line_item bigint PRIMARY KEY,
  due_ms    bigint, -- when it is to be looked at again; none: when the line item is charged
  body      bytea NOT NULL
);
CREATE INDEX auto_top_up_due ON auto_top_up (due_ms) WHERE due_ms IS NOT NULL;
