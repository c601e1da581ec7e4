-- Leases are holds whose tokens a client spends by itself, and what signs them.
ALTER TABLE hold ADD COLUMN lease INTEGER NOT NULL DEFAULT 0;

CREATE TABLE lease_key (
  id          TEXT PRIMARY KEY,
  created_ms  INTEGER NOT NULL,
  private_pem TEXT NOT NULL -- a secret: whoever has it can make leases up
) STRICT, WITHOUT ROWID;
