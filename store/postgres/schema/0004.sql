-- The journal by month, in the order of its numbers: no month is before that of the commit before it, even if a server's clock is behind. So what is
-- of a number or later, or of a time or later, is in one month and those after it, and a month that is past retention goes as a whole.
-- Farebox makes the partitions (months.go); what was there before is one of them, with the month in which this was run.
ALTER TABLE journal RENAME TO journal_before;
ALTER TABLE journal_before DROP CONSTRAINT journal_pkey, DROP CONSTRAINT journal_batch_key;
ALTER INDEX journal_time RENAME TO journal_before_time;

CREATE TABLE journal (
  month    date NOT NULL,   -- its first day, in UTC
  number   bigint NOT NULL,
  batch    uuid NOT NULL,   -- by which a server finds out whether a commit was made whose answer was lost
  from_ms  bigint NOT NULL, -- the earliest time of the receipts
  time_ms  bigint NOT NULL, -- when the latest was written down
  codec    integer NOT NULL, -- 0: as it is, 1: zstd
  receipts bytea NOT NULL,
  PRIMARY KEY (month, number),
  UNIQUE (month, batch)
) PARTITION BY RANGE (month);
ALTER TABLE journal ALTER COLUMN receipts SET STORAGE EXTERNAL; -- it is compressed already
CREATE INDEX journal_time ON journal (time_ms);

DO $$
DECLARE
  last date := (SELECT date_trunc('month', to_timestamp(max(time_ms) / 1000.0) AT TIME ZONE 'UTC') FROM journal_before);
BEGIN
  IF last IS NULL THEN
    DROP TABLE journal_before;
  ELSE
    EXECUTE format('ALTER TABLE journal_before ADD COLUMN month date NOT NULL DEFAULT %L', last); -- which writes no row
    EXECUTE format('ALTER TABLE journal ATTACH PARTITION journal_before FOR VALUES FROM (MINVALUE) TO (%L)', last + interval '1 month');
  END IF;
END $$;

-- Receipts up to a number of the journal are removed: nobody reads them any more but who began before the transaction that removed them.
ALTER TABLE farebox ADD COLUMN gone bigint NOT NULL DEFAULT 0, ADD COLUMN gone_by xid8;
