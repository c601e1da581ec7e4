-- What the oldest receipts came to before they were removed from the journal; no row: none ever was.
CREATE TABLE removed (
  one         INTEGER PRIMARY KEY CHECK (one = 1),
  journal     INTEGER NOT NULL, -- the last row that was removed ...
  receipt     INTEGER NOT NULL, -- ... and how many receipts it had
  earliest_ms INTEGER NOT NULL,
  opening     BLOB NOT NULL     -- the engine's, zstd
) STRICT;
