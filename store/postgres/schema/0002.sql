-- Leases are holds whose tokens a client spends by itself, and what signs them.
ALTER TABLE hold ADD COLUMN lease boolean NOT NULL DEFAULT false;

CREATE TABLE lease_key (
  id          text COLLATE "C" PRIMARY KEY,
  created_ms  bigint NOT NULL,
  private_pem text NOT NULL -- a secret: whoever has it can make leases up
);
