-- What refunds by an administrator gave back of earlier charges, until the receipts of both are removed.
CREATE TABLE given (
  charge  TEXT NOT NULL, -- the correlation id of the receipt that charged
  number  INTEGER NOT NULL, -- of the refunds of that charge, from 1
  refund  TEXT NOT NULL, -- the correlation id of the refund's receipt
  journal INTEGER NOT NULL, -- where that is
  body    BLOB NOT NULL, -- JSON: how much of what, and why
  PRIMARY KEY (charge, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX given_journal ON given (journal);
