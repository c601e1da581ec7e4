-- Usage events as columns, some thousands a bucket: what usage is added up from. Made from the journal, and can be made again.
CREATE TABLE bucket (
  number  INTEGER PRIMARY KEY AUTOINCREMENT,
  journal INTEGER NOT NULL, -- the first receipt in it: row, and receipt in that
  receipt INTEGER NOT NULL,
  from_ms INTEGER NOT NULL, -- of the earliest event
  last_ms INTEGER NOT NULL, -- of the latest
  header  BLOB NOT NULL     -- JSON
) STRICT;

CREATE TABLE bucket_column (
  bucket INTEGER NOT NULL REFERENCES bucket (number),
  name   TEXT NOT NULL,
  data   BLOB NOT NULL,
  PRIMARY KEY (bucket, name)
) STRICT;
