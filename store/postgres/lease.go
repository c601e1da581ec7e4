package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/farebox/farebox/store"
)

func (r *reader) LeaseKeys() ([]store.LeaseKey, error) {
	return collect(r, func(rows pgx.Rows, k *store.LeaseKey) error { return rows.Scan(&k.ID, &k.CreatedMS, &k.PrivatePEM) },
		"SELECT id, created_ms, private_pem FROM lease_key ORDER BY created_ms, id")
}

func (t *tx) InsertLeaseKey(k store.LeaseKey) error {
	_, err := t.exec("INSERT INTO lease_key (id, created_ms, private_pem) VALUES ($1, $2, $3)", k.ID, k.CreatedMS, k.PrivatePEM)
	return err
}
