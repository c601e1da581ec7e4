package sqlite

import (
	"database/sql"

	"github.com/farebox/farebox/store"
)

func (r *reader) LeaseKeys() ([]store.LeaseKey, error) {
	return collect(r, func(rows *sql.Rows, k *store.LeaseKey) error { return rows.Scan(&k.ID, &k.CreatedMS, &k.PrivatePEM) },
		"SELECT id, created_ms, private_pem FROM lease_key ORDER BY created_ms, id")
}

func (t *tx) InsertLeaseKey(k store.LeaseKey) error {
	_, err := t.exec("INSERT INTO lease_key (id, created_ms, private_pem) VALUES (?, ?, ?)", k.ID, k.CreatedMS, k.PrivatePEM)
	return err
}
