package sqlite

import (
	"database/sql"
	"errors"

	"github.com/farebox/farebox/store"
)

const selectPacks = "SELECT name, created_ms, modified_ms, body FROM pack "

func scanPack(rows *sql.Rows, p *store.Pack) error {
	return rows.Scan(&p.Name, &p.CreatedMS, &p.ModifiedMS, &p.Body)
}

func (r *reader) Pack(name string) (*store.Pack, error) {
	return first(collect(r, scanPack, selectPacks+"WHERE name = ?", name))
}

func (r *reader) Packs() ([]store.Pack, error) {
	return collect(r, scanPack, selectPacks+"ORDER BY name")
}

func (r *reader) Sale(orderNumber string) (*store.Sale, error) {
	s := &store.Sale{OrderNumber: orderNumber}
	err := r.q.QueryRowContext(r.ctx, "SELECT instance_id, pack, activation_id, time_ms, body FROM sale WHERE order_number = ?", orderNumber).
		Scan(&s.InstanceID, &s.Pack, &s.ActivationID, &s.TimeMS, &s.Body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return s, store.Unavailable(err)
}

func (t *tx) PutPack(p store.Pack) error {
	_, err := t.exec(`INSERT INTO pack (name, created_ms, modified_ms, body) VALUES (?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET (created_ms, modified_ms, body) = (excluded.created_ms, excluded.modified_ms, excluded.body)`,
		p.Name, p.CreatedMS, p.ModifiedMS, notNull(p.Body))
	return err
}

func (t *tx) DeletePack(name string) error {
	_, err := t.exec("DELETE FROM pack WHERE name = ?", name)
	return err
}

func (t *tx) InsertSale(s store.Sale) error {
	_, err := t.exec("INSERT INTO sale (order_number, instance_id, pack, activation_id, time_ms, body) VALUES (?, ?, ?, ?, ?, ?)",
		s.OrderNumber, s.InstanceID, s.Pack, s.ActivationID, s.TimeMS, notNull(s.Body))
	return err
}
